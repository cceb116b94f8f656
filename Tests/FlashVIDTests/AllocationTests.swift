import AllocationCounter
import FlashVID
import TestSupport
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
        arguments: [1, 2],
        [Configuration(retentionRatio: 0.2), Configuration(retentionRatio: 0.7), .refined, .published])
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

    /// Colours with grain, which fade: origins, settled numbers and blocks of them.
    @Test(
        "nor on a clip whose tokens are much alike", .enabled(if: isOptimised && allocation_count() >= 0),
        arguments: [1, 2], [Configuration(retentionRatio: 0.2), .refined])
    func hardClip(threads: Int, configuration: Configuration) throws {
        var random = SplitMix64(seed: 1)
        let shape = ClipShape(frames: 8, tokensPerFrame: 80, channels: 256)
        let palette = (0..<60).map { _ in (0..<shape.channels).map { _ in random.normal() } }
        var features: [Float] = []
        for frame in 0..<shape.frames {
            for token in 0..<shape.tokensPerFrame {
                let colour = palette[frame < 4 ? token % 3 : token % 60]
                features += colour.map { Float($0 * Double(9 - frame) + 1e-4 * random.normal()) }
            }
        }
        let attention = (0..<shape.frames * shape.tokensPerFrame).map { _ in Float(random.uniform()) }
        var compressor = try Compressor(configuration, threads: threads)
        var video = CompressedVideo()
        try compressor.compress(features.span, shape: shape, attention: attention.span, into: &video)
        #expect(video.statistics.closeCalls > 0)
        let before = allocation_count()
        try compressor.compress(features.span, shape: shape, attention: attention.span, into: &video)
        let after = allocation_count()
        #expect(after == before)
    }
}
