import FlashVID
import TestSupport

/// Makes small clips whose numbers lie as close as they can: what people feed a video model besides films (slides, letterboxes,
/// still pictures, flat colours) and what makes float32, double and exact equality disagree, from a seed.
struct HardClipGenerator {
    let seed: UInt64
    var random: SplitMix64
    /// What was drawn, for a person.
    private(set) var traits: [String] = []
    private(set) var isHalf = false

    init(seed: UInt64) {
        self.seed = seed
        random = SplitMix64(seed: seed &* 0xD129_0D3B_3C6A_9F47 &+ 11)
    }

    /// What a person needs to see the same clip again.
    func story(_ clip: Clip, _ configuration: Configuration) -> String {
        "FLASHVID_SEED=\(seed): \(clip.shape), \(traits.joined(separator: ", "))"
            + "\(clip.attention == nil ? ", no attention" : ""), \(configuration)"
    }

    /// A clip of 4 to 8 frames of 8 to 40 tokens of 16 to 96 channels.
    mutating func clip() -> Clip {
        let shape = ClipShape(
            frames: random.integer(4...8), tokensPerFrame: random.integer(8...40), channels: random.integer(16...96))
        let (n, channels) = (shape.tokensPerFrame, shape.channels)
        func vector(_ scale: Double) -> [Double] { (0..<channels).map { _ in scale * random.normal() } }

        let patches = random.pick([1, 1, 2, 3, 6, 12, n])
        let shared = vector(random.pick([0, 0.5, 1, 1, 3]))
        let spread = random.pick([0.3, 1, 1e-2])
        let vectors = (0..<patches).map { _ in zip(shared, vector(spread)).map(+) }
        let grains = [0] + (1...7).map { random.pick([1, 3]) * pow10(-$0) }
        let grain = random.pick(grains)
        let isMixed = random.chance(0.2)
        let period = random.pick([0, 0, 1, 2, 3])
        let scroll = random.pick([0, 0, 0, 1, n / 4])
        let black = random.pick([0, 0, 0, n / 2, n / 4])
        let blackToken = random.chance(0.5) ? [Double](repeating: 0, count: channels) : shared.map { 0.1 * $0 }
        let factors = random.pick([[1.0], [1], [1], [1, 2, 0.5], [1, 0.7, 1.3, 0.1], [1, 1e3]])
        let odd = random.pick([0, 0, 0, 1])
        let fades = random.chance(0.1)
        let outlier = random.pick([0, 0, 0, 0, 30, 1e3])
        let grid = random.pick([0, 0, 0, 0, 0x1p-3, 0x1p-6, 0x1p-10])
        let isSigns = random.chance(0.05)
        let scale = random.pick([1, 1, 1, 1, 1, 1, 8, 1e-3, 1e15, 1e-15])
        let zeros = random.pick([0, 0, 0, 0.1])
        isHalf = random.chance(0.3) && scale < 10 && scale > 1e-4
        traits = [
            "\(patches) patches \(spread) apart", "grain \(grain)\(isMixed ? " at most" : "")", "period \(period)",
            "scroll \(scroll)", "\(black) black", "factors \(factors)", "\(odd) odd", "outlier \(outlier)",
            "grid \(grid)",
            "scale \(scale)", "\(zeros) zero",
        ]
        if fades { traits.append("fades") }
        if isSigns { traits.append("signs") }
        if isHalf { traits.append("float16") }

        let layout = (0..<n).map { _ in random.integer(0...patches - 1) }
        let grainOfPatch = (0..<patches).map { _ in isMixed ? random.pick(grains.filter { $0 <= grain }) : grain }
        let hasStillGrain = random.chance(0.3)
        var still = (0..<n).map { _ in vector(1) }
        var contents: [[[Double]]] = []
        var clip = Clip(shape: shape, features: [])
        for frame in 0..<shape.frames {
            if period == 0 || frame < period {
                if !hasStillGrain { still = (0..<n).map { _ in vector(1) } }
                contents.append(
                    (0..<n).map { place in
                        let patch = layout[place]
                        var row = zip(vectors[patch], still[place]).map { $0 + grainOfPatch[patch] * $1 }
                        if random.chance(zeros) { row = row.map { _ in 0 } }
                        let factor = random.pick(factors)
                        return row.map { $0 * factor }
                    })
                for _ in 0..<odd { contents[contents.count - 1][random.integer(0...n - 1)] = vector(1) }
            }
            let content = contents[period == 0 ? frame : frame % period]
            for token in 0..<n {
                var row = token < black ? blackToken : content[(token + frame * scroll) % n]
                if isSigns { row = row.map { $0 < 0 ? -1 : 1 } }
                if fades { row = row.map { $0 * Double(shape.frames - 1 - frame) } }
                if outlier > 0 { row[channels / 3] = outlier }
                if grid > 0 { row = row.map { ($0 / grid).rounded() * grid } }
                clip.features += row.map {
                    // Not beyond what the type holds.
                    isHalf ? Float(Float16(min(max($0 * scale, -6e4), 6e4))) : Float($0 * scale)
                }
            }
        }
        clip.attention = attention(shape)
        return clip
    }

    private func pow10(_ exponent: Int) -> Double { (0..<abs(exponent)).reduce(1) { power, _ in power / 10 } }

    private mutating func attention(_ shape: ClipShape) -> [Float]? {
        let kind = random.pick(["none", "uniform", "uniform", "uniform", "steps", "equal", "still", "zeros"])
        traits.append("attention \(kind)")
        guard kind != "none" else { return nil }
        let count = shape.frames * shape.tokensPerFrame
        let uniform = (0..<count).map { _ in Float(random.uniform()) }
        return (0..<count).map { token in
            switch kind {
            case "steps": (uniform[token] * 4).rounded(.up) / 4
            case "equal": 0.25
            case "still": uniform[token % shape.tokensPerFrame]
            case "zeros": uniform[token] < 0.5 ? 0 : uniform[token]
            default: uniform[token]
            }
        }
    }

    /// The forms that every clip is compressed in: the default, refined, one of each other kind of selection, and one of any.
    mutating func configurations(_ shape: ClipShape) -> [Configuration] {
        func drawn(_ change: (inout Configuration) -> Void) -> Configuration {
            var configuration = Configuration(retentionRatio: random.pick([0.05, 0.1, 0.15, 0.25, 0.4]))
            // Small clips: eight segments would leave no trees.
            configuration.minimumSegments = random.pick([1, 1, 2, 3])
            configuration.alpha = random.pick([0.7, 0.7, 0.5, 0.2])
            change(&configuration)
            return configuration
        }
        let plain = drawn { _ in }
        let refined = drawn {
            let minimum = $0.minimumSegments
            $0.refine()
            $0.minimumSegments = minimum
        }
        let other = drawn { $0.selection = random.pick([.attention, .diversity, .attentionDiversity]) }
        let any = drawn {
            $0.selection = random.pick(Configuration.Selection.allCases)
            $0.segmentation = random.chance(0.5)
            $0.temporalThreshold = random.pick([0.8, 0.5, -1, 0.95])
            $0.aggregation = random.pick([.mean, .mean, .max])
            $0.carry = random.chance(0.5)
            $0.refinementRounds = random.pick([0, 1, 2])
            $0.placement = random.pick([.centre, .medoid])
            if random.chance(0.3) { $0.targetRows = random.integer(1...shape.frames * shape.tokensPerFrame / 2) }
        }
        return [plain, refined, other, any]
    }
}
