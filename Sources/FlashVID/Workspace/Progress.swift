import Synchronization

/// Adds up finished work over the parallel stages and tells the caller.
final class Progress: @unchecked Sendable {
    // Sound although unchecked: `report` is called on the calling thread only, between the call's begin and end.
    private let report: (Double) -> Void
    private let finished = Atomic<Int>(0)
    private let total: Int

    init(total: Int, report: @escaping (Double) -> Void) {
        self.total = max(1, total)
        self.report = report
    }

    func advance(by work: Int, _ worker: Worker) {
        let count = finished.wrappingAdd(work, ordering: .relaxed).newValue
        if worker.isCallingThread { report(Double(min(count, total)) / Double(total)) }
    }
}
