import FlashVID
import TestSupport
import Testing

/// Clips and configurations at the end of what is allowed, every clip with every configuration, against the reference.
@Suite("Edges")
struct EdgeTests {
    struct Named<Value: Sendable>: Sendable, CustomTestStringConvertible {
        let name: String
        let value: Value
        var testDescription: String { name }
    }

    private static func random(_ frames: Int, _ tokensPerFrame: Int, _ channels: Int, seed: UInt64 = 5) -> Clip {
        var generator = ClipGenerator(seed: seed)
        let shape = ClipShape(frames: frames, tokensPerFrame: tokensPerFrame, channels: channels)
        var clip = generator.clip(shape: shape, traits: [.motion])
        clip.attention = generator.attention(shape)
        return clip
    }

    private static func nearlyStill(noise: Float) -> Clip {
        let frame = random(1, 16, 12)
        var generator = SplitMix64(seed: 11)
        return Clip(8, 16, 12, attention: (0..<8).flatMap { _ in frame.attention! }) { _, token, channel in
            frame.features[token * 12 + channel] * (1 + noise * Float(generator.normal()))
        }
    }

    static let clips: [Named<Clip>] = [
        Named(name: "one frame", value: random(1, 20, 12)),
        Named(name: "one token a frame", value: random(9, 1, 12)),
        Named(name: "two tokens a frame", value: random(6, 2, 12)),
        Named(name: "one channel", value: random(6, 12, 1)),
        Named(name: "one number", value: random(1, 1, 1)),
        Named(name: "two frames", value: random(2, 15, 9)),
        Named(
            name: "all tokens equal", value: Clip(7, 10, 5) { _, _, channel in [0.1, -0.7, 1.3, 0.01, 2.9][channel] }),
        Named(name: "all ones", value: Clip(6, 9, 4) { _, _, _ in 1 }),
        Named(name: "all zero", value: Clip(6, 9, 4) { _, _, _ in 0 }),
        Named(
            name: "all zero, with attention",
            value: Clip(5, 8, 3, attention: random(5, 8, 1).attention) { _, _, _ in 0 }),
        Named(
            name: "still: every frame the same",
            value: {
                let frame = random(1, 16, 12)
                return Clip(10, 16, 12, attention: (0..<10).flatMap { _ in frame.attention! }) {
                    frame.features[frame.offset(frame: $0 * 0, token: $1, channel: $2)]
                }
            }()),
        Named(
            name: "a black frame in the middle",
            value: {
                var clip = random(7, 12, 10)
                for place in 3 * 12 * 10..<4 * 12 * 10 { clip.features[place] = 0 }
                return clip
            }()),
        Named(
            name: "all attention zero",
            value: {
                var clip = random(6, 14, 10)
                clip.attention = [Float](repeating: 0, count: 6 * 14)
                return clip
            }()),
        Named(
            name: "all attention the same",
            value: {
                var clip = random(6, 14, 10)
                clip.attention = [Float](repeating: 0.25, count: 6 * 14)
                return clip
            }()),
        Named(
            name: "no attention",
            value: {
                var clip = random(6, 14, 10)
                clip.attention = nil
                return clip
            }()),
        Named(
            name: "attention minus zero",
            value: {
                var clip = random(6, 14, 10)
                for token in stride(from: 0, to: clip.tokenCount, by: 2) { clip.attention![token] = -0.0 }
                return clip
            }()),
        // Orthogonal, equal and opposite tokens: cosines of 0, 1 and -1, exactly.
        Named(
            name: "axes",
            value: Clip(8, 12, 6) { frame, token, channel in
                (frame + token) % 6 == channel ? ((frame * token) % 4 < 2 ? 2 : -2) : 0
            }),
        // A cosine of 1 between tokens that are not equal: rounding must not decide which is the most alike. With
        // attention, since how far each is from the mean would be rounding alone.
        Named(
            name: "multiples of one token",
            value: Clip(5, 11, 7, attention: random(5, 11, 7).attention) { frame, token, channel in
                Float(1 + (frame * 5 + token * 3) % 13) * [0.3, -1.1, 0.7, 0.2, -0.4, 0.9, 0.05][channel]
            }),
        // The best match of every token is all but its opposite: 5.2 merges none of these.
        Named(
            name: "frames opposite to one another",
            value: {
                let frame = random(1, 12, 8)
                var noise = SplitMix64(seed: 9)
                return Clip(7, 12, 8, attention: (0..<7).flatMap { _ in frame.attention! }) {
                    (frame.features[$2] + 3e-4 * Float(noise.normal())) * ($0 % 2 == 0 ? 1 : -1) * Float($1 + 1)
                }
            }()),
        // Cosines of 1 between frames that are not equal, and with more noise on both sides of the limit of that.
        Named(name: "frames the same but for a little", value: nearlyStill(noise: 1e-4)),
        Named(name: "frames the same but for a little more", value: nearlyStill(noise: 1e-3)),
        // Near the limit of "the same", and on either side of it. Faster and faster, so that no token lies halfway between
        // two rows: the reference's rounding would call that tie, wrongly.
        Named(
            name: "frames that drift by a little",
            value: {
                let frame = random(1, 10, 8)
                return Clip(8, 10, 8, attention: (0..<8).flatMap { _ in frame.attention! }) {
                    frame.features[$1 * 8 + $2] + ($2 == $1 % 8 ? 0.01 * Float($0) + 0.0013 * Float($0 * $0) : 0)
                }
            }()),
    ]

    private static func configuration(
        _ name: String, _ change: (inout Configuration) -> Void = { _ in }
    ) -> Named<Configuration> {
        // More than by default, so that even frames of a few tokens have a contextual budget.
        var configuration = Configuration(retentionRatio: 0.4)
        configuration.alpha = 0.5
        change(&configuration)
        return Named(name: name, value: configuration)
    }

    static let configurations: [Named<Configuration>] = [
        configuration("plain"),
        configuration("retention 1") { $0.retentionRatio = 1 },
        configuration("retention 1, refined") {
            $0.retentionRatio = 1
            $0.refine()
        },
        configuration("least retention") { $0.retentionRatio = .leastNonzeroMagnitude },
        configuration("retention and expansion whose product is zero") {
            $0.retentionRatio = .leastNonzeroMagnitude
            $0.expansion = 0.25
        },
        configuration("greatest expansion") { $0.expansion = .greatestFiniteMagnitude },
        configuration("one row") { $0.targetRows = 1 },
        configuration("one row, carried") {
            $0.targetRows = 1
            $0.carry = true
            $0.segmentation = false
        },
        configuration("alpha 0") { $0.alpha = 0 },
        configuration("alpha 0, refined") {
            $0.refine()
            $0.alpha = 0
        },
        configuration("alpha 1") { $0.alpha = 1 },
        configuration("alpha 1, refined") {
            $0.refine()
            $0.alpha = 1
        },
        configuration("temporal threshold 1") { $0.temporalThreshold = 1 },
        configuration("temporal threshold a hair below 1") { $0.temporalThreshold = (1.0).nextDown },
        configuration("temporal threshold 0") { $0.temporalThreshold = 0 },
        configuration("temporal threshold -1") { $0.temporalThreshold = -1 },
        configuration("temporal threshold -1, one segment, maximum") {
            $0.temporalThreshold = -1
            $0.segmentation = false
            $0.aggregation = .max
        },
        configuration("temporal threshold infinite") { $0.temporalThreshold = .infinity },
        configuration("segment threshold -1") {
            $0.segmentThreshold = -1
            $0.complementarySegments = false
        },
        configuration("segment threshold 1") {
            $0.segmentThreshold = 1
            $0.minimumSegments = 1
        },
        configuration("segment threshold infinite") { $0.segmentThreshold = .infinity },
        configuration("more segments than frames") { $0.minimumSegments = 100 },
        configuration("most segments") { $0.minimumSegments = .max },
        configuration("two segments of a still clip") { $0.minimumSegments = 2 },
        configuration("one segment") { $0.segmentation = false },
        configuration("segments of one frame") { $0.maximumSegmentFrames = 1 },
        configuration("segments of at most three frames") {
            $0.segmentation = false
            $0.maximumSegmentFrames = 3
        },
        configuration("segments as long as can be") { $0.maximumSegmentFrames = .max },
        configuration("attention") { $0.selection = .attention },
        configuration("diversity, few segments") {
            $0.selection = .diversity
            $0.minimumSegments = 2
        },
        configuration("attentionDiversity, few segments") {
            $0.selection = .attentionDiversity
            $0.minimumSegments = 2
        },
        configuration("refined") { $0.refine() },
        configuration("refined, one segment, three rounds") {
            $0.refine()
            $0.segmentation = false
            $0.refinementRounds = 3
        },
        configuration("carry alone, one segment") {
            $0.carry = true
            $0.segmentation = false
        },
        configuration("medoid alone, one segment") {
            $0.placement = .medoid
            $0.segmentation = false
        },
        configuration("published") { $0.semantics = .published },
        configuration("published, one segment, half") {
            $0.semantics = .published
            $0.segmentation = false
            $0.retentionRatio = 0.5
        },
        configuration("published, retention 1") {
            $0.semantics = .published
            $0.retentionRatio = 1
        },
        configuration("published, alpha 0") {
            $0.semantics = .published
            $0.alpha = 0
        },
    ]

    /// Pairs that the definition leaves to the last digit of a double, so that even the reference, summing the other way
    /// round, decides otherwise.
    private static func isUndecided(_ clip: String, _ configuration: String) -> Bool {
        switch configuration {
        case "segment threshold 1":
            // Neighbouring frames have the same mean, or multiples of it. The cosine of the means is 1, or just below.
            ["all tokens equal", "still: every frame the same", "multiples of one token", "one number"].contains(clip)
        case "two segments of a still clip", "diversity, few segments", "attentionDiversity, few segments",
            "refined", "retention 1, refined", "alpha 0, refined", "alpha 1, refined":
            // The same cosines, all 1 but for the last digit: which is the smallest?
            clip == "multiples of one token"
        case "medoid alone, one segment":
            // Every member of a cluster is as far from its mean as the others.
            clip == "axes"
        default: false
        }
    }

    @Test("agree with the reference", arguments: clips)
    func agreement(_ clip: Named<Clip>) throws {
        for configuration in Self.configurations {
            if Self.isUndecided(clip.name, configuration.name) { continue }
            try expectAgreement(clip.value, configuration.value, "\(clip.name), \(configuration.name)")
        }
    }

    @Test("of retention 1 give every token back, unmerged, when all are selected", arguments: clips)
    func everything(_ clip: Named<Clip>) throws {
        var configuration = Configuration(retentionRatio: 1)
        configuration.alpha = 1
        let video = try clip.value.compressed(configuration)
        #expect(video.indices == Array(0..<clip.value.tokenCount))
        #expect(video.tokens.map(\.bitPattern) == clip.value.features.map(\.bitPattern))
        #expect(video.counts.allSatisfy { $0 == 1 })
        #expect(video.forest.mergedTokens == 0 && video.forest.trees == 0)
    }

    @Test("a still clip in one segment merges through all its frames")
    func still() throws {
        let clip = try #require(Self.clips.first { $0.name.hasPrefix("still") }).value
        var configuration = Configuration(retentionRatio: 0.05)
        configuration.segmentation = false
        configuration.selection = .attentionDiversity
        configuration.temporalThreshold = (1.0).nextDown
        configuration.alpha = 0
        // Sixteen trees of ten equal tokens would leave fewer rows than the budget of ten: 5.2 then lifts the threshold
        // to the largest cosine, and nothing merges.
        #expect(try clip.compressed(configuration).forest.mergedTokens == 144)
        configuration.retentionRatio = 0.2
        #expect(try clip.compressed(configuration).forest.mergedTokens == 0)
    }
}
