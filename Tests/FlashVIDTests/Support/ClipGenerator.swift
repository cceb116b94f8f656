import FlashVID
import TestSupport

/// Makes small clips that look like video to the algorithm, and configurations to try on them, from a seed.
struct ClipGenerator {
    /// What happens in a clip.
    struct Traits: OptionSet, CustomStringConvertible {
        let rawValue: Int
        /// The scene moves through the token grid from frame to frame.
        static let motion = Traits(rawValue: 1)
        /// Now and then another scene begins.
        static let cuts = Traits(rawValue: 2)
        /// For some frames nothing moves, and only the noise changes.
        static let stillParts = Traits(rawValue: 4)
        /// Some frames are the frame before, bit for bit.
        static let repeatedFrames = Traits(rawValue: 8)
        /// Some tokens of a frame are equal, bit for bit.
        static let equalTokens = Traits(rawValue: 16)
        /// Some tokens are zero.
        static let zeroTokens = Traits(rawValue: 32)
        /// Every feature is a float16.
        static let halfPrecision = Traits(rawValue: 64)

        static let all: [(trait: Traits, name: String)] = [
            (.motion, "motion"), (.cuts, "cuts"), (.stillParts, "still parts"), (.repeatedFrames, "repeated frames"),
            (.equalTokens, "equal tokens"), (.zeroTokens, "zero tokens"), (.halfPrecision, "half precision"),
        ]

        var description: String {
            Self.all.filter { contains($0.trait) }.map(\.name).joined(separator: ", ")
        }
    }

    private let seed: UInt64
    private(set) var traits: Traits = []
    var random: SplitMix64

    init(seed: UInt64) {
        self.seed = seed
        random = SplitMix64(seed: seed)
    }

    /// What a person needs to see the same clip again.
    func story(_ clip: Clip, _ configuration: Configuration) -> String {
        "FLASHVID_SEED=\(seed): \(clip.shape), \(traits), "
            + "\(clip.attention == nil ? "no attention, " : "")\(configuration)"
    }

    /// A clip of at most 12 frames of 40 tokens of 48 channels, small enough for a debug build.
    mutating func clip(shape given: ClipShape? = nil, traits wanted: Traits? = nil) -> Clip {
        traits = wanted ?? drawTraits()
        let shape =
            given
            ?? ClipShape(
                frames: random.integer(1...12),
                tokensPerFrame: random.pick([1, 2, random.integer(3...40), 16, 25, 36]),
                channels: random.pick([1, 2, random.integer(3...48), 16, 32, 48]))
        let noise = random.pick([0.02, 0.1, 0.3, 0.6])
        let scale = random.pick([0.25, 1, 1, 8])
        // What all tokens share; encoders give much of it, and without it the means of two scenes have nothing in common.
        let share = random.pick([0, 0.5, 1, 2])
        let common = (0..<shape.channels).map { _ in random.normal() * share }
        var scene = newScene(shape, common)
        var clip = Clip(shape: shape, features: [])
        var shift = 0
        var isMoving = traits.contains(.motion)

        for frame in 0..<shape.frames {
            if frame > 0, traits.contains(.cuts), random.chance(0.25) {
                scene = newScene(shape, common)
                shift = 0
            }
            if traits.contains(.stillParts), random.chance(0.3) { isMoving.toggle() }
            if isMoving { shift += random.integer(0...2) }
            if frame > 0, traits.contains(.repeatedFrames), random.chance(0.4) {
                clip.features += clip.features.suffix(shape.tokensPerFrame * shape.channels)
                continue
            }
            for token in 0..<shape.tokensPerFrame {
                let place = (token + shift) % shape.tokensPerFrame
                let isZero = traits.contains(.zeroTokens) && random.chance(0.1)
                if traits.contains(.equalTokens), token > 0, random.chance(0.2) {
                    let twin = clip.offset(frame: frame, token: random.integer(0...token - 1), channel: 0)
                    clip.features += clip.features[twin..<twin + shape.channels]
                    continue
                }
                for channel in 0..<shape.channels {
                    let value = scale * (scene[place * shape.channels + channel] + noise * random.normal())
                    let feature = traits.contains(.halfPrecision) ? Float(Float16(value)) : Float(value)
                    clip.features.append(isZero ? 0 : feature)
                }
            }
        }
        // Without attention the distance from the frame's mean stands in. Where a frame is a token and zeros, that
        // distance is 0 but for rounding, which would then decide.
        let isBare = traits.contains(.zeroTokens) && shape.tokensPerFrame <= 3
        if !random.chance(0.2) || isBare { clip.attention = attention(shape) }
        return clip
    }

    private mutating func drawTraits() -> Traits {
        Traits.all.reduce(into: []) { drawn, choice in
            if random.chance(choice.trait == .motion ? 0.7 : 0.35) { drawn.insert(choice.trait) }
        }
    }

    private mutating func newScene(_ shape: ClipShape, _ common: [Double]) -> [Double] {
        (0..<shape.tokensPerFrame * shape.channels).map { common[$0 % shape.channels] + random.normal() }
    }

    /// Sums to 1 in every frame; about one in ten is zero.
    mutating func attention(_ shape: ClipShape) -> [Float] {
        (0..<shape.frames).flatMap { _ in
            let weights = (0..<shape.tokensPerFrame).map { _ in
                random.chance(0.1) ? 0 : 0.05 + random.uniform() * random.uniform()
            }
            let sum = weights.reduce(0, +)
            return weights.map { Float(sum > 0 ? $0 / sum : 0) }
        }
    }

    /// An exact number of rows for a clip: the ends of the range, what is about a row a frame, or anything.
    mutating func targetRows(_ clip: Clip) -> Int {
        let (frames, tokens) = (clip.shape.frames, clip.tokenCount)
        let drawn = random.pick([
            1, frames - 1, frames, frames + 1, tokens - 1, tokens,
            random.integer(1...tokens), random.integer(1...tokens),
            random.integer(1...2 * frames), random.integer(1...4 * frames),
        ])
        return min(max(drawn, 1), tokens)
    }

    /// Any configuration that may be, but for target rows, by `semantics` if given, for the clip that was made last.
    mutating func configuration(_ semantics: Configuration.Semantics? = nil) -> Configuration {
        var drawn = Configuration(retentionRatio: random.pick([0.01, 0.05, 0.1, 0.15, 0.2, 0.25, 0.5, 0.75, 1]))
        drawn.expansion = random.pick([0.5, 1, 1.25, 2])
        drawn.alpha = random.pick([0, 0.3, 0.5, 0.7, 0.7, 1])
        drawn.selection = random.pick(Configuration.Selection.allCases)
        drawn.segmentation = random.chance(0.8)
        drawn.segmentThreshold = random.pick([-1, 0.5, 0.9, 0.9, 0.99])
        drawn.minimumSegments = random.pick([0, 1, 1, 2, 4, 8])
        // Two frames that are each repeated are two transitions of cosine 1, but for the last digit of a double. Which of
        // them is weaker, and cut first, no implementation could tell.
        drawn.complementarySegments = random.chance(0.7) && !traits.contains(.repeatedFrames)
        drawn.maximumSegmentFrames = random.pick([0, 0, 0, 1, 2, 3, 5])
        drawn.temporalThreshold = random.pick([-1, 0, 0.5, 0.8, 0.8, 0.9, 1])
        drawn.aggregation = random.pick([.mean, .mean, .max])
        drawn.semantics = semantics ?? (random.chance(0.25) ? .published : .definition)
        if drawn.semantics == .definition {
            drawn.carry = random.chance(0.4)
            drawn.refinementRounds = random.pick([0, 0, 1, 2])
            drawn.placement = random.pick([.centre, .medoid])
        }
        return drawn
    }
}
