import AllocationCounter
import FlashVID
import Testing

/// The steady state allocates nothing: the workspace and the result are reused. Counted on the calling thread, since other
/// tests run beside; the engine's other threads run the same code. Holds for optimised code: unoptimised Swift boxes values
/// that it need not.
@Suite("Allocations")
struct AllocationTests {
    #if DEBUG
        static let isOptimised = false
    #else
        static let isOptimised = true
    #endif

    @Test(
        "a further call allocates nothing", .enabled(if: isOptimised && allocation_count() >= 0),
        arguments: [1, 2], [Configuration(retentionRatio: 0.2), .refined, .published])
    func steadyState(threads: Int, configuration: Configuration) throws {
        let clip = try Fixtures.clip("clips/bunny")
        let features = clip.features
        let attention = clip.attention ?? []
        var compressor = try Compressor(configuration, threads: threads)
        var video = CompressedVideo()
        try compressor.compress(features.span, shape: clip.shape, attention: attention.span, into: &video)
        let before = allocation_count()
        try compressor.compress(features.span, shape: clip.shape, attention: attention.span, into: &video)
        let after = allocation_count()
        #expect(after == before)
        #expect(allocation_count() > after, "an expectation allocates, so the counter works")
    }

    @Test(
        "further scores into lent memory allocate nothing", .enabled(if: isOptimised && allocation_count() >= 0),
        arguments: [1, 2], [1.0, 200])
    func scorer(threads: Int, magnitude: Float) throws {
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
