import FlashVIDLibC
import Synchronization

/// Watches over the calls of an engine, one at a time: ends them early, and tells how far they are.
///
/// Calls are numbered, and what ends a call names its number: it cannot meet the next one, however late it comes.
package final class Watch: @unchecked Sendable {
    // Sound although unchecked: what is not atomic is written by the calling thread alone, before it shares the call with
    // others.

    /// The number of the call under way, or 0.
    private let current = Atomic<Int>(0)
    /// The last call that was ended early, and by what: its number times 4 and the reason. It only rises.
    private let ended = Atomic<Int>(0)
    /// Work that is done.
    private let finished = Atomic<Int>(0)

    /// The number of this call, or of the last one.
    private var call = 1
    private var deadline = Double.infinity
    private var report: ((Double) -> Bool)?
    private var caller: pthread_t?
    private var total = 1
    private var lastShare = 0.0

    package init() {}

    // MARK: Calls

    /// Begins a call on this thread, which may take `limit` seconds. `report` is called on this thread alone, with a share of
    /// the work that never falls; what it answers says whether to go on.
    package func begin(limit: Double? = nil, report: ((Double) -> Bool)? = nil) {
        call += 1
        deadline = limit.map { Clock.now + $0 } ?? .infinity
        self.report = report
        caller = pthread_self()
        // In one order with what is looked at and set by who closes a handle.
        current.store(call, ordering: .sequentiallyConsistent)
    }

    package func end() {
        current.store(0, ordering: .releasing)
        report = nil
    }

    /// Ends the call that is under way, from any thread and from a signal handler: nothing in here waits or allocates.
    package func cancel() {
        let call = current.load(ordering: .sequentiallyConsistent)
        if call > 0 { end(call, by: .request) }
    }

    private func end(_ call: Int, by reason: FlashVIDError.Interruption) {
        ended.max(call << 2 | reason.rawValue, ordering: .relaxed)
    }

    /// Whether this call is to end. A relaxed load, and with a time limit a look at the clock.
    @inline(__always)
    package var isOver: Bool {
        ended.load(ordering: .relaxed) >> 2 == call || deadline < .infinity && isLate
    }

    private var isLate: Bool {
        guard Clock.now > deadline else { return false }
        end(call, by: .timeLimit)
        return true
    }

    /// What ended this call, if anything.
    package var interruption: FlashVIDError? {
        guard isOver else { return nil }
        return .cancelled(by: .init(rawValue: ended.load(ordering: .relaxed) & 3) ?? .request)
    }

    /// Throws ``FlashVIDError/cancelled(by:)``.
    package func check() throws(FlashVIDError) {
        if let interruption { throw interruption }
    }

    // MARK: Progress

    /// Says how much work there is.
    package func expect(_ work: Int) {
        total = max(1, work)
        finished.store(0, ordering: .relaxed)
        lastShare = -1
        tell(0)
    }

    /// Counts work that is done.
    @inline(__always)
    package func advance(by work: Int) {
        if report != nil { count(work) }
    }

    private func count(_ work: Int) {
        let done = finished.wrappingAdd(work, ordering: .relaxed).newValue
        guard pthread_equal(pthread_self(), caller!) != 0 else { return }
        tell(Double(min(done, total)) / Double(total))
    }

    /// Says that all is done: rounds that were left out, and work of other threads.
    package func finish() { tell(1) }

    private func tell(_ share: Double) {
        guard let report, share > lastShare else { return }
        lastShare = share
        if !report(share) { end(call, by: .progress) }
    }
}

/// As contexts of loops have it, which are without references.
extension Unmanaged<Watch> {
    package var isOver: Bool { _withUnsafeGuaranteedRef { $0.isOver } }

    package func advance(by work: Int) { _withUnsafeGuaranteedRef { $0.advance(by: work) } }
}

extension Duration {
    package var inSeconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}
