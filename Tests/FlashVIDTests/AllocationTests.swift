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
}
