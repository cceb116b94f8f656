import FlashVID
import TestSupport
import Testing

/// The engine against the reference on random clips and random configurations. Exact ties (equal tokens, repeated frames,
/// zeros, two members at the same distance from their mean) are plenty, and have one right answer each. Ties that rounding
/// decides even in the reference are not drawn; the generator says which.
@Suite("Agreement with the reference")
struct AgreementTests {
    @Test("any clip, any configuration", arguments: Seeds.first(120))
    func anything(_ seed: UInt64) throws {
        var generator = ClipGenerator(seed: seed)
        let clip = generator.clip()
        let configuration = generator.configuration()
        try expectAgreement(clip, configuration, generator.story(clip, configuration))
    }

    @Test("any clip, any exact number of rows", arguments: Seeds.first(120))
    func targetRows(_ seed: UInt64) throws {
        var generator = ClipGenerator(seed: seed)
        let clip = generator.clip()
        var configuration = generator.configuration(.definition)
        configuration.targetRows = generator.targetRows(clip)
        // They are not looked at.
        (configuration.retentionRatio, configuration.expansion) = (.nan, -1)
        try expectAgreement(clip, configuration, generator.story(clip, configuration))
    }

    /// Long trees, late frames and a budget that binds, for every selection: what small random shapes seldom have.
    @Test(
        "the widest clips, every selection", arguments: Configuration.Selection.allCases, Seeds.first(3))
    func wide(_ selection: Configuration.Selection, _ seed: UInt64) throws {
        for semantics in Configuration.Semantics.allCases {
            var generator = ClipGenerator(seed: seed)
            let clip = generator.clip(
                shape: ClipShape(frames: 12, tokensPerFrame: 40, channels: 33), traits: [.motion, .stillParts])
            var configuration = generator.configuration(semantics)
            configuration.selection = selection
            configuration.retentionRatio = 0.2
            configuration.alpha = 0.5
            configuration.minimumSegments = 2
            configuration.maximumSegmentFrames = 0
            configuration.temporalThreshold = 0.5
            try expectAgreement(clip, configuration, generator.story(clip, configuration))
            guard semantics == .definition else { continue }
            configuration.targetRows = generator.random.integer(50...150)
            try expectAgreement(clip, configuration, generator.story(clip, configuration))
        }
    }

    /// As many channels as models have, and a number that divides by nothing: sums run in blocks.
    @Test("clips of many channels", arguments: [1023, 1025, 2051, 3584])
    func manyChannels(_ channels: Int) throws {
        for (seed, aggregation) in Configuration.Aggregation.allCases.enumerated() {
            for semantics in Configuration.Semantics.allCases {
                var generator = ClipGenerator(seed: UInt64(seed))
                let clip = generator.clip(
                    shape: ClipShape(frames: 4, tokensPerFrame: 9, channels: channels),
                    traits: [.motion, .stillParts, .halfPrecision])
                var configuration = generator.configuration(semantics)
                configuration.retentionRatio = 0.3
                configuration.alpha = 0.5
                configuration.segmentation = false
                configuration.maximumSegmentFrames = 0
                configuration.temporalThreshold = 0.2
                configuration.aggregation = aggregation
                let story = generator.story(clip, configuration)
                try expectAgreement(clip, configuration, story)

                var compressor = try Compressor(configuration, threads: 2)
                var video = CompressedVideo()
                try compressor.compress(clip.features.map { Float16($0) }, clip, into: &video)
                expectIdentical(video, try clip.compressed(configuration), "float16\n\(story)")
            }
        }
    }

    /// A segment whose earlier frames have more picks than one product takes, and exactly as many.
    @Test("many carried picks", arguments: Seeds.first(3))
    func manyPicks(_ seed: UInt64) throws {
        var generator = ClipGenerator(seed: seed)
        let clip = generator.clip(
            shape: ClipShape(frames: 12, tokensPerFrame: 40, channels: 12), traits: [.motion, .stillParts])
        var configuration = Configuration(retentionRatio: 0.8)
        configuration.expansion = 1
        configuration.alpha = 1
        configuration.carry = true
        configuration.segmentation = false
        configuration.selection = generator.random.pick(Configuration.Selection.allCases.filter { $0 != .attention })
        try expectAgreement(clip, configuration, generator.story(clip, configuration))
    }

    /// What encoders with little variety give: every exact tie at once.
    @Test("clips full of equal tokens", arguments: Seeds.first(40))
    func ties(_ seed: UInt64) throws {
        var generator = ClipGenerator(seed: seed)
        let clip = generator.clip(traits: [.equalTokens, .repeatedFrames, .zeroTokens, .halfPrecision])
        let configuration = generator.configuration()
        try expectAgreement(clip, configuration, generator.story(clip, configuration))
    }

    /// Tokens of four ones of either sign, so that every cosine is a multiple of a quarter, exactly, and most of them
    /// meet. Selection only, and without event relevance: what is computed from means of such tokens meets in theory and
    /// not in rounded arithmetic, where no implementation could call it.
    @Test("clips whose cosines are all ties", arguments: Seeds.first(40))
    func signs(_ seed: UInt64) throws {
        var generator = ClipGenerator(seed: seed)
        var shape = generator.clip().shape
        shape.channels = 8
        var clip = Clip(shape: shape, features: [Float](repeating: 0, count: shape.frames * shape.tokensPerFrame * 8))
        for token in 0..<clip.tokenCount {
            for channel in generator.random.permutation(8).prefix(4) {
                clip.features[token * 8 + channel] = generator.random.pick([-1, 1])
            }
        }
        clip.attention = generator.attention(shape)
        var configuration = generator.configuration()
        configuration.alpha = 1
        configuration.segmentation = false
        if configuration.selection == .attentionDiversityEvent { configuration.selection = .diversity }
        try expectAgreement(clip, configuration, generator.story(clip, configuration))
    }

    /// Numbers on a line, a quarter apart, clustered frame by frame: distances and densities are exact, many rows are
    /// equal, and many lie halfway between two centres.
    @Test("clusters whose distances are all ties", arguments: Seeds.first(40))
    func quarters(_ seed: UInt64) throws {
        var generator = ClipGenerator(seed: seed)
        let shape = ClipShape(
            frames: generator.random.integer(1...4), tokensPerFrame: generator.random.integer(3...40), channels: 1)
        var clip = Clip(shape: shape, features: [])
        let spread = generator.random.integer(2...12)
        for _ in 0..<clip.tokenCount {
            clip.features.append(0.25 * Float(generator.random.integer(-spread...spread)))
        }
        clip.attention = generator.attention(shape)
        var configuration = Configuration(retentionRatio: generator.random.pick([0.1, 0.2, 0.3, 0.5]))
        configuration.alpha = generator.random.pick([0, 0.2])
        configuration.maximumSegmentFrames = 1
        configuration.placement = generator.random.pick([.centre, .medoid])
        try expectAgreement(clip, configuration, generator.story(clip, configuration))
    }
}
