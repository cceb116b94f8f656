import Synchronization

/// Units of work in order, cut into one stretch a thread. A thread walks along its own from the front, so that neighbours
/// mostly meet in one thread; when it is through, it steals units from the back of the others'.
struct WorkStealingQueue: @unchecked Sendable, BitwiseCopyable {
    // Sound: the words are atomic, and the arena in which they lie outlives the loop.
    private let bounds: UnsafeMutablePointer<Atomic<UInt64>>
    private let threads: Int

    /// `words` has one number a thread.
    init(_ units: Int, in words: Table<UInt64>) {
        bounds = UnsafeMutableRawPointer(words.base).assumingMemoryBound(to: Atomic<UInt64>.self)
        threads = words.count
        for thread in 0..<threads {
            let (front, back) = (units * thread / threads, units * (thread + 1) / threads)
            (bounds + thread).initialize(to: Atomic(Self.word(front, back)))
        }
    }

    private static func word(_ front: Int, _ back: Int) -> UInt64 { UInt64(front) << 32 | UInt64(back) }

    /// The next unit for a thread, or nil when none is left.
    func next(for thread: Int) -> Int? {
        for distance in 0..<threads {
            let stretch = (thread + distance) % threads
            var word = bounds[stretch].load(ordering: .relaxed)
            while true {
                let (front, back) = (Int(word >> 32), Int(word & 0xFFFF_FFFF))
                guard front < back else { break }
                let isOwn = distance == 0
                let (taken, seen) = bounds[stretch].compareExchange(
                    expected: word, desired: isOwn ? Self.word(front + 1, back) : Self.word(front, back - 1),
                    ordering: .relaxed)
                if taken { return isOwn ? front : back - 1 }
                word = seen
            }
        }
        return nil
    }
}
