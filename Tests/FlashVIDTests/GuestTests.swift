import AllocationCounter
import FlashVID
import TestSupport
import Testing

@Suite("As a guest")
struct GuestTests {
    @Test("the caller's rounding mode changes nothing and is left as it was", arguments: [1, 2])
    func roundingMode(threads: Int) throws {
        var generator = SplitMix64(seed: 11)
        let shape = ClipShape(frames: 6, tokensPerFrame: 25, channels: 40)
        let features = (0..<shape.frames * shape.tokensPerFrame * shape.channels).map { _ in
            Float.random(in: -1...1, using: &generator)
        }
        let configuration = Configuration.preset(.llavaOneVision, retentionRatio: 0.4)
        var compressor = try Compressor(configuration, threads: threads)
        let expected = try compressor.compress(features.span, shape: shape)
        let rows = try configuration.outputTokenCount(frames: 7, tokensPerFrame: 6)
        for mode: CInt in 0..<3 {
            _ = set_rounding_mode(mode)
            let video = Result { try compressor.compress(features.span, shape: shape) }
            let rowsThen = Result { try configuration.outputTokenCount(frames: 7, tokensPerFrame: 6) }
            let isKept = has_rounding_mode(mode) != 0
            _ = set_rounding_mode(-1)
            #expect(isKept)
            #expect(try rowsThen.get() == rows)
            #expect(try video.get().tokens == expected.tokens)
            #expect(try video.get().indices == expected.indices)
        }
    }
}
