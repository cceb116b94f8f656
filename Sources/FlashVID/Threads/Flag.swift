import Synchronization

/// What one task tells another that runs at the same time.
struct Flag: @unchecked Sendable, BitwiseCopyable {
    // Sound: the word is atomic, and the arena in which it lies outlives the loop.
    private let word: UnsafeMutablePointer<Atomic<Bool>>

    init(plan: inout Arena.Plan) {
        word = UnsafeMutableRawPointer(plan.table(UInt64.self, 1).base).assumingMemoryBound(to: Atomic<Bool>.self)
    }

    /// To be called where no other thread looks.
    func clear() { word.initialize(to: Atomic(false)) }

    func raise() { word.pointee.store(true, ordering: .relaxed) }

    var isRaised: Bool { word.pointee.load(ordering: .relaxed) }
}
