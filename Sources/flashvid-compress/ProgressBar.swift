import Synchronization
import ToolSupport

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// A bar on standard error while a terminal watches and the work takes long. It leaves nothing behind.
final class ProgressBar {
    private static let patience = Duration.milliseconds(500)
    private static let interval = Duration.milliseconds(50)
    private static let width = 40
    private static let isVisible = Atomic<Bool>(false)

    private let start = ContinuousClock.now
    private var last: ContinuousClock.Instant?

    /// Nil where nobody watches, or on a terminal that cannot take a line back.
    init?() {
        guard isatty(STDERR_FILENO) == 1, let terminal = getenv("TERM"), strcmp(terminal, "dumb") != 0 else {
            return nil
        }
    }

    func show(_ share: Double) {
        let now = ContinuousClock.now
        guard now - start >= Self.patience else { return }
        if let last, now - last < Self.interval { return }
        last = now
        let share = share.isFinite ? min(max(share, 0), 1) : 0
        let full = Int(share * Double(Self.width))
        let bar = String(repeating: "#", count: full) + String(repeating: ".", count: Self.width - full)
        let percent = String(Int(share * 100))
        Self.isVisible.store(true, ordering: .relaxed)
        let space = String(repeating: " ", count: 3 - percent.count)
        StandardStream.error.write("\r[\(bar)] \(space)\(percent) %")
    }

    func clear() {
        Self.clearLine()
    }

    /// Async-signal-safe, once ``prepareForSignals()`` was called.
    static func clearLine() {
        guard isVisible.exchange(false, ordering: .relaxed) else { return }
        let sequence: StaticString = "\r\u{1B}[K"
        _ = write(STDERR_FILENO, sequence.utf8Start, sequence.utf8CodeUnitCount)
    }

    /// Initialises what ``clearLine()`` touches.
    static func prepareForSignals() {
        _ = isVisible.load(ordering: .relaxed)
    }
}
