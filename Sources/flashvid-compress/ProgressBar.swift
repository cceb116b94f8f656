import FlashVIDLibC
import Synchronization
import ToolSupport

/// A bar on standard error while a terminal watches and the run takes long. It leaves nothing behind.
final class ProgressBar {
    enum Stage: String, CaseIterable {
        case reading, compressing, writing, comparing, evaluating

        /// As wide as the longest of them.
        var label: String {
            let width = Self.allCases.map(\.rawValue.count).max() ?? 0
            return rawValue + String(repeating: " ", count: width - rawValue.count)
        }
    }

    /// From the start of the run, whatever the stage: a clip of 150 MB takes half a second in all.
    private static let patience = Duration.milliseconds(200)
    private static let interval = Duration.milliseconds(50)
    private static let isVisible = Atomic<Bool>(false)

    private let start = ContinuousClock.now
    private let width: Int
    private var last: (stage: Stage, time: ContinuousClock.Instant)?

    /// Nil where nobody watches, or on a terminal that cannot take a line back or is too narrow for one.
    init?() {
        guard isatty(STDERR_FILENO) == 1, let terminal = getenv("TERM"), strcmp(terminal, "dumb") != 0 else {
            return nil
        }
        // Brackets, the percentage, spaces, and the last column, whose use may begin another line.
        width = min(40, Self.columns - Stage.reading.label.count - 10)
        guard width >= 5 else { return nil }
    }

    private static var columns: Int {
        var size = winsize()
        // A terminal that was never told its size has 0 columns.
        guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
        return Int(size.ws_col)
    }

    /// What a stage reports to, with its share in 0...1.
    func progress(of stage: Stage) -> (Double) -> Void {
        { [self] share in show(stage, share) }
    }

    private func show(_ stage: Stage, _ share: Double) {
        let now = ContinuousClock.now
        guard now - start >= Self.patience else { return }
        if let last, last.stage == stage, now - last.time < Self.interval { return }
        last = (stage, now)
        let share = share.isFinite ? min(max(share, 0), 1) : 0
        let full = Int(share * Double(width))
        let bar = String(repeating: "#", count: full) + String(repeating: ".", count: width - full)
        let percent = String(Int(share * 100))
        let space = String(repeating: " ", count: 3 - percent.count)
        Self.isVisible.store(true, ordering: .relaxed)
        StandardStream.error.write("\r\(stage.label) [\(bar)] \(space)\(percent) %")
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
