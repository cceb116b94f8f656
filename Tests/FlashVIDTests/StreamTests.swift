import FlashVID
import TestSupport
import Testing

/// A stream gives what the whole-clip call gives with complementary cuts off.
@Suite("Stream")
struct StreamTests {
    /// All segments of a stream, put together again.
    static func streamed(
        _ clip: Clip, _ configuration: Configuration, threads: Int = 2
    ) throws -> (video: Expectation, largestStore: Int) {
        var stream = try VideoStream(
            configuration, tokensPerFrame: clip.shape.tokensPerFrame, channels: clip.shape.channels, threads: threads)
        var all = Expectation(tokens: [], indices: [], segmentLengths: [], assignment: [], counts: [])
        all.kinds = []
        all.parents = []
        var largest = 0
        func take(_ segment: CompressedVideo) {
            let rows = all.indices.count
            #expect(segment.firstFrame == all.segmentLengths.reduce(0, +))
            #expect(segment.segmentLengths == [segment.shape.frames])
            all.tokens += segment.tokens
            all.indices += segment.indices
            all.segmentLengths += segment.segmentLengths
            all.assignment! += segment.assignment.map { $0 < 0 ? $0 : $0 + rows }
            all.counts! += segment.counts
            all.kinds! += segment.kinds
            all.parents! += segment.parents
        }
        let size = clip.shape.tokensPerFrame * clip.shape.channels
        for frame in 0..<clip.shape.frames {
            let features = Array(clip.features[frame * size..<(frame + 1) * size])
            let isClosed: Bool
            if let attention = clip.attention {
                let tokens = clip.shape.tokensPerFrame
                let part = Array(attention[frame * tokens..<(frame + 1) * tokens])
                isClosed = try stream.push(features.span, attention: part.span)
            } else {
                isClosed = try stream.push(features.span)
            }
            largest = max(largest, stream.pendingFrames)
            #expect(isClosed == (stream.closedFrames > 0))
            if let segment = try stream.nextSegment() {
                #expect(isClosed)
                take(segment)
            }
            let rest = try stream.nextSegment()
            #expect(rest == nil)
        }
        stream.finish()
        while let segment = try stream.nextSegment() { take(segment) }
        return (all, largest)
    }

    static func expectEqual(_ clip: Clip, _ configuration: Configuration, _ story: String) throws {
        var whole = configuration
        whole.complementarySegments = false
        let video = try clip.compressed(whole)
        let (streamed, largest) = try Self.streamed(clip, configuration)
        #expect(largest <= configuration.maximumSegmentFrames + 1, "\(story)")
        var expected = Expectation(video)
        // The stream's are empty where there are none to give.
        expected.assignment = video.assignment
        expected.counts = video.counts
        let difference = expected.difference(from: streamed, tolerance: nil)
        #expect(difference == nil, "\(story)")
        #expect(streamed.tokens.map(\.bitPattern) == video.tokens.map(\.bitPattern), "\(story)")
    }

    @Test("equals the whole clip with complementary cuts off, bit for bit", arguments: Seeds.first(80))
    func random(_ seed: UInt64) throws {
        var generator = ClipGenerator(seed: seed)
        let clip = generator.clip()
        var configuration = generator.configuration()
        if configuration.maximumSegmentFrames == 0 {
            configuration.maximumSegmentFrames = generator.random.pick([1, 2, 4, 8, 100])
        }
        try Self.expectEqual(clip, configuration, generator.story(clip, configuration))
    }

    @Test("equals it on the real clips", arguments: RealClipTests.names)
    func real(_ name: String) throws {
        let clip = try Fixtures.clip("clips/" + name)
        for most in [5, 32] {
            for var configuration in [.preset(.llavaOneVision, retentionRatio: 0.1), Configuration.refined] {
                configuration.maximumSegmentFrames = most
                try Self.expectEqual(clip, configuration, "\(name), \(most)")
            }
        }
    }

    @Test("needs a maximum of segment frames, and sizes that make sense")
    func refusals() throws {
        var configuration = Configuration()
        #expect(throws: FlashVIDError.self) {
            _ = try VideoStream(configuration, tokensPerFrame: 4, channels: 4, threads: 1)
        }
        configuration.maximumSegmentFrames = 3
        for (tokens, channels) in [(0, 4), (4, 0), (-1, 4), (.max, 4), (4, .max), (1 << 31, 1)] {
            #expect(throws: FlashVIDError.self) {
                _ = try VideoStream(configuration, tokensPerFrame: tokens, channels: channels, threads: 1)
            }
        }
        configuration.targetRows = 5
        #expect(
            throws: FlashVIDError.invalidConfiguration(
                field: "target rows", value: "5", expected: "0 in a stream, whose frames are not known beforehand")
        ) { _ = try VideoStream(configuration, tokensPerFrame: 4, channels: 4, threads: 1) }
        configuration.targetRows = 0
        configuration.maximumSegmentFrames = .max
        #expect(throws: FlashVIDError.self) {
            _ = try VideoStream(configuration, tokensPerFrame: 4, channels: 4, threads: 1)
        }
    }

    @Test("an error leaves the stream as it was")
    func errors() throws {
        var configuration = Configuration(retentionRatio: 0.5)
        configuration.maximumSegmentFrames = 2
        var stream = try VideoStream(configuration, tokensPerFrame: 3, channels: 4, threads: 1)
        let frame = (0..<12).map { Float($0 % 5) + 1 }
        let attention: [Float] = [1, 2, 3]
        try stream.push(frame.span, attention: attention.span)
        var bad = frame
        bad[6] = .nan
        #expect(throws: FlashVIDError.notFinite(tensor: .features, frame: 0, token: 1, channel: 2)) {
            try stream.push(bad.span, attention: attention.span)
        }
        let negative: [Float] = [1, -1, 1]
        #expect(throws: FlashVIDError.negativeAttention(frame: 0, token: 1)) {
            try stream.push(frame.span, attention: negative.span)
        }
        #expect(throws: FlashVIDError.self) { try stream.push(frame.span) }
        let short = Array(frame.dropLast())
        #expect(throws: FlashVIDError.self) { try stream.push(short.span, attention: attention.span) }
        let halves = frame.map { Float16($0) }
        #expect(throws: FlashVIDError.self) { try stream.push(halves.span, attention: attention.span) }
        #expect(stream.pendingFrames == 1)
        #expect(try stream.push(frame.span, attention: attention.span))
        #expect(throws: FlashVIDError.segmentPending(frames: 2)) {
            try stream.push(frame.span, attention: attention.span)
        }
        let segment = try #require(try stream.nextSegment())
        #expect(segment.shape.frames == 2)
        stream.finish()
        #expect(throws: FlashVIDError.streamFinished) { try stream.push(frame.span, attention: attention.span) }
        #expect(try stream.nextSegment() == nil)
        stream.reset()
        #expect(stream.firstFrame == 0)
        try stream.push(frame.span)
        stream.finish()
        #expect(try stream.nextSegment()?.shape.frames == 1)
    }
}
