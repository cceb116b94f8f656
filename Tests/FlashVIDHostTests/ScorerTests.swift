import AllocationCounter
import FlashVID
import FlashVIDHost
import Testing

/// A scorer's calls from one to the next.
@Suite("A scorer")
struct ScorerTests {
    // Unoptimised Swift boxes values that it need not.
    #if DEBUG
        static let isOptimised = false
    #else
        static let isOptimised = true
    #endif

    @Test("a call ends when its time is over or it is cancelled, and the next one is whole", arguments: [1, 2])
    func ending(threads: Int) throws {
        let shape = AttentionShape(frames: 3, heads: 2, tokens: 40, width: 8)
        let numbers: [Float] = (0..<1920).map { place in Float(place % 17 - 8) / 8 }
        var scorer = try AttentionScorer(threads: threads)
        let expected = try scorer.scores(queries: numbers.span, keys: numbers.span, shape: shape)
        scorer.timeLimit = .nanoseconds(1)
        #expect(throws: FlashVIDError.cancelled(by: .timeLimit)) {
            try scorer.scores(queries: numbers.span, keys: numbers.span, shape: shape)
        }
        #expect(throws: FlashVIDError.cancelled(by: .timeLimit)) {
            try scorer.lastQueryScores(
                query: numbers.span.extracting(first: 16), keys: numbers.span.extracting(first: 640),
                shape: GroupedAttentionShape(heads: 2, keyHeads: 2, keys: 40, width: 8), visual: 0..<40)
        }
        scorer.timeLimit = nil
        scorer.canceller.cancel()
        #expect(try scorer.scores(queries: numbers.span, keys: numbers.span, shape: shape) == expected)
    }

    @Test(
        "further scores into lent memory allocate nothing", .enabled(if: isOptimised && allocation_count() >= 0),
        arguments: [1, 2], [1.0, 200])
    func allocations(threads: Int, magnitude: Float) throws {
        let shape = AttentionShape(frames: 3, heads: 2, tokens: 40, width: 8)
        let grouped = GroupedAttentionShape(heads: 6, keyHeads: 2, keys: 40, width: 8)
        let count = 3 * 2 * 40 * 8
        let numbers = (0..<count).map { magnitude * Float($0 % 17 - 8) }
        let places: [Int32] = [3, 39, 0]
        var scores = [Float](repeating: 0, count: 120)
        var scorer = try AttentionScorer(threads: threads)
        try numbers.withUnsafeBytes { numbers in
            try places.withUnsafeBytes { places in
                try scores.withUnsafeMutableBufferPointer { scores in
                    let view = HeadView(numbers.baseAddress!, of: .float32, .headsFirst)
                    let list = try IndexList("places", places.baseAddress!, count: 3, as: .int32)
                    func score() throws(FlashVIDError) {
                        try scorer.scores(
                            queries: view, keys: view, shape: shape, reading: AttentionReading(),
                            into: scores.baseAddress!, capacity: 120)
                        try scorer.lastQueryScores(
                            query: view, keys: view, shape: grouped, scale: nil, places: list,
                            into: scores.baseAddress!, capacity: 3)
                    }
                    try score()
                    let before = allocation_count()
                    try score()
                    let after = allocation_count()
                    #expect(after == before)
                }
            }
        }
    }
}
