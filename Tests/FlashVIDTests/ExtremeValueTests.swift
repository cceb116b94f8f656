import FlashVID
import Testing

/// Features and attention that are finite, and so allowed, but whose squares, sums or products leave float32.
@Suite("Extreme values")
struct ExtremeValueTests {
    static let scales: [Float] = [1e30, 1e18, 1e-15, 1e-30, 0x1p-133, .greatestFiniteMagnitude]

    private static func sample(_ seed: UInt64, _ scale: Float) -> Clip {
        var generator = ClipGenerator(seed: seed)
        let shape = ClipShape(frames: 6, tokensPerFrame: 14, channels: 11)
        var clip = generator.clip(shape: shape, traits: [.motion, .stillParts])
        clip.attention = generator.attention(shape)
        // The largest feature becomes `scale` itself.
        let largest = clip.features.reduce(0) { max($0, $1.magnitude) }
        clip.features = clip.features.map { $0 / largest * scale }
        return clip
    }

    private static var configurations: [Configuration] {
        var configurations: [Configuration] = []
        for selection in Configuration.Selection.allCases {
            for refined in [false, true] {
                var configuration = Configuration(retentionRatio: 0.25)
                configuration.selection = selection
                configuration.minimumSegments = 2
                if refined { configuration.refine() }
                configuration.aggregation = selection == .diversity ? .max : .mean
                configurations.append(configuration)
            }
        }
        return configurations
    }

    @Test("features of one scale decide as the reference does", arguments: scales)
    func scale(_ scale: Float) throws {
        for (seed, configuration) in Self.configurations.enumerated() {
            var clip = Self.sample(UInt64(seed), scale)
            try expectAgreement(clip, configuration, "scale \(scale), \(configuration)")
            clip.attention = nil
            try expectAgreement(clip, configuration, "scale \(scale), no attention, \(configuration)")
        }
    }

    /// Where scales meet in a clip, distances in double lose the small tokens beside the large, and clusters with
    /// them. What rests on cosines is as clear as ever: segments, selection without event relevance, trees.
    @Test("features of mixed scales select and merge as the reference does", arguments: 0..<6)
    func mixed(_ kind: Int) throws {
        for (seed, configuration) in Self.configurations.enumerated() {
            var clip = Self.sample(UInt64(seed), 1)
            for token in 0..<clip.tokenCount {
                let unit = kind < 3 ? token : token / clip.shape.tokensPerFrame
                let factor = ([[1e30, 1, 1e-30], [1e38, 1e-38], [1, 0x1p-133, 1e20, 1e10]] as [[Float]])[kind % 3]
                let scale = factor[unit % factor.count]
                for place in token * clip.shape.channels..<(token + 1) * clip.shape.channels {
                    clip.features[place] *= scale
                }
            }
            let story = Comment(rawValue: "kind \(kind), \(configuration)")
            let video = try clip.compressed(configuration)
            let reference = clip.reference(configuration)
            #expect(video.count == reference.indices.count, story)
            #expect(video.tokens.allSatisfy { $0.isFinite }, story)
            #expect(video.segmentLengths == reference.segmentLengths, story)
            guard configuration.selection != .attentionDiversityEvent else { continue }
            #expect(video.parents == reference.parents, story)
            let selected = zip(video.indices, video.kinds).filter { $0.1 == .selected }.map(\.0)
            let expected = zip(reference.indices, reference.kinds).filter { $0.1 == .selected }.map(\.0)
            #expect(selected == expected, story)
        }
    }

    @Test(
        "attention of any scale decides as the reference does",
        arguments: [1e38, 1e34, 1e-30, 1e-38, 0x1p-146] as [Float])
    func attention(_ scale: Float) throws {
        for (seed, configuration) in Self.configurations.enumerated() {
            var clip = Self.sample(UInt64(seed), 1)
            clip.attention = clip.attention!.map { $0 * scale }
            try expectAgreement(clip, configuration, "attention times \(scale), \(configuration)")
            for token in stride(from: 0, to: clip.tokenCount, by: 3) {
                clip.attention![token] = .greatestFiniteMagnitude
            }
            for token in stride(from: 1, to: clip.tokenCount, by: 5) { clip.attention![token] = .leastNonzeroMagnitude }
            try expectAgreement(clip, configuration, "mixed attention, \(configuration)")
        }
    }

    @Test("all features at the end of their format are allowed", arguments: ScalarType.allCases)
    func limits(_ type: ScalarType) throws {
        for sign in [1, -1] as [Float] {
            var clip = Clip(4, 12, 40) { _, _, _ in 0 }
            for place in clip.features.indices {
                let largest: Float =
                    switch type {
                    case .float32: .greatestFiniteMagnitude
                    case .float16: Float(Float16.greatestFiniteMagnitude)
                    case .bfloat16: Float(BFloat16(bitPattern: 0x7F7F))
                    }
                clip.features[place] = sign * largest
            }
            for configuration in [Configuration(retentionRatio: 0.3), .refined] {
                var compressor = try Compressor(configuration, threads: 2)
                var video = CompressedVideo()
                switch type {
                case .float32: try compressor.compress(clip, into: &video)
                case .float16: try compressor.compress(clip.features.map { Float16($0) }, clip, into: &video)
                case .bfloat16: try compressor.compress(clip.features.map { BFloat16($0) }, clip, into: &video)
                }
                expectEqual(video, Expectation(clip.reference(configuration)), "\(type), \(sign), \(configuration)")
            }
        }
    }

    /// A row that was selected is the source token; so this reads every number of a format through the engine.
    @Test("every finite float16 and bfloat16 is read as what it is")
    func everyNumber() throws {
        var configuration = Configuration(retentionRatio: 1)
        configuration.alpha = 1
        configuration.selection = .attention
        var compressor = try Compressor(configuration, threads: 2)

        let halves = (UInt16.min...UInt16.max).map { Float16(bitPattern: $0) }.filter(\.isFinite)
        var clip = Clip(
            shape: ClipShape(frames: 31, tokensPerFrame: 32, channels: 64), features: halves.map { Float($0) })
        var video = CompressedVideo()
        try compressor.compress(halves, clip, into: &video)
        #expect(video.tokens.map(\.bitPattern) == clip.features.map(\.bitPattern))

        let brains = (UInt16.min...UInt16.max).map { BFloat16(bitPattern: $0) }.filter { Float($0).isFinite }
        clip = Clip(
            shape: ClipShape(frames: 15, tokensPerFrame: 17, channels: 256), features: brains.map { Float($0) })
        try compressor.compress(brains, clip, into: &video)
        #expect(video.tokens.map(\.bitPattern) == clip.features.map(\.bitPattern))
    }
}
