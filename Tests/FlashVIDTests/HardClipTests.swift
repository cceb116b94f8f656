import FlashVID
import TestSupport
import Testing

/// A search for clips on which what settles close decisions disagrees with the definition: small clips whose numbers lie as
/// close as they can. Every decision is judged by the reference's own double precision (`Referee`); what its rounding leaves
/// open may go either way, and what is equal has one answer. `FLASHVID_SEEDS=20000` searches for longer.
@Suite("Hard clips")
struct HardClipTests {
    /// What the engine makes of a clip.
    private static func claim(
        _ clip: Clip, isHalf: Bool, threads: Int, _ configuration: Configuration
    ) throws -> Referee.Claim {
        var compressor = try Compressor(configuration, threads: threads)
        var video = CompressedVideo()
        if isHalf {
            try compressor.compress(clip.features.map { Float16($0) }, clip, into: &video)
        } else {
            try compressor.compress(clip, into: &video)
        }
        return Referee.Claim(video)
    }

    @Test("every decision is the definition's", arguments: Seeds.first(400))
    func search(_ seed: UInt64) throws {
        var generator = HardClipGenerator(seed: seed)
        let clip = generator.clip()
        for configuration in generator.configurations(clip.shape) {
            var referee = Referee(clip, configuration)
            do {
                try referee.judge {
                    try Self.claim(clip, isHalf: generator.isHalf, threads: 1 + Int(seed % 2), $0)
                }
            } catch let fault as Referee.Fault {
                Issue.record("\(fault)\n\(generator.story(clip, configuration))")
            }
        }
    }

    /// A search for faults in what is never done finds none.
    @Test("close decisions are settled in every way")
    func ways() throws {
        var (byClass, inBlocks, singly) = (0, 0, 0)
        for seed in 0..<40 as Range<UInt64> {
            var generator = HardClipGenerator(seed: seed)
            let clip = generator.clip()
            for configuration in generator.configurations(clip.shape) {
                let settled = try clip.compressed(configuration).statistics.settled
                byClass += settled.byClass
                inBlocks += settled.inBlocks
                singly += settled.singly
            }
        }
        #expect(byClass > 1000 && inBlocks > 1000 && singly > 1000, "\(byClass), \(inBlocks), \(singly)")
    }

    // MARK: The referee

    /// What an independent implementation computed stands, and so does what the reference computes.
    @Test("the referee lets the golden cases stand", arguments: Fixtures.goldenNames)
    func golden(_ name: String) throws {
        let golden = try GoldenCase(name)
        guard golden.configuration.semantics == .definition else { return }
        var referee = Referee(golden.clip, golden.configuration)
        try referee.judge { configuration in
            guard configuration == golden.configuration, let assignment = golden.expected.assignment else {
                return Referee.Claim(golden.clip.reference(configuration))
            }
            var claim = Referee.Claim(golden.clip.reference(configuration))
            (claim.indices, claim.assignment) = (golden.expected.indices, assignment)
            (claim.segmentLengths, claim.tokens) = (
                golden.expected.segmentLengths, golden.expected.tokens.map(Double.init)
            )
            return claim
        }
    }

    /// Changes of a single decision, in clips where rounding leaves nothing open: each is a fault.
    @Test("the referee finds what was changed", arguments: Seeds.first(30))
    func teeth(_ seed: UInt64) throws {
        var generator = ClipGenerator(seed: seed)
        let shape = ClipShape(frames: 6, tokensPerFrame: 20, channels: 24)
        let clip = generator.clip(shape: shape, traits: [.motion, .stillParts, .equalTokens])
        var configuration = Configuration(retentionRatio: 0.25)
        configuration.refine()
        configuration.minimumSegments = 2
        let changes: [(String, (inout Referee.Claim, inout SplitMix64) -> Void)] = [
            ("segments", { claim, _ in claim.segmentLengths = [1, 5] == claim.segmentLengths ? [2, 4] : [1, 5] }),
            (
                "selection",
                { claim, random in
                    let rows = claim.kinds.indices.filter { claim.kinds[$0] == .selected }
                    let row = random.pick(rows)
                    let frame = claim.indices[row] / 20
                    let others = (frame * 20..<(frame + 1) * 20).filter { !claim.indices.contains($0) }
                    claim.indices[row] = random.pick(others)
                }
            ),
            (
                "parent",
                { claim, random in
                    let merged = claim.parents.indices.filter { claim.parents[$0] >= 0 }
                    guard let token = merged.isEmpty ? nil : random.pick(merged) else { return }
                    claim.parents[token] = -1
                }
            ),
            (
                "label",
                { claim, random in
                    let token = random.integer(0...claim.assignment.count - 1)
                    claim.assignment[token] = (claim.assignment[token] + 1) % claim.indices.count
                }
            ),
            (
                "value",
                { claim, random in
                    claim.tokens[random.integer(0...claim.tokens.count - 1)] += 1
                }
            ),
            (
                "order",
                { claim, random in
                    let rows = claim.kinds.indices.filter { claim.kinds[$0] == .contextual }
                    let row = random.pick(rows)
                    let members = claim.assignment.indices.filter {
                        claim.assignment[$0] == row && $0 != claim.indices[row]
                    }
                    guard let other = members.first else { return }
                    claim.indices[row] = other
                }
            ),
        ]
        for (name, change) in changes {
            for stage in 0..<3 {
                var isChanged = false
                var number = -1
                var referee = Referee(clip, configuration)
                do {
                    try referee.judge { configuration in
                        number += 1
                        let claim = Referee.Claim(clip.reference(configuration))
                        guard number == stage else { return claim }
                        var changed = claim
                        change(&changed, &generator.random)
                        isChanged =
                            changed.indices != claim.indices || changed.parents != claim.parents
                            || changed.assignment != claim.assignment || changed.segmentLengths != claim.segmentLengths
                            || changed.tokens != claim.tokens
                        return changed
                    }
                    #expect(!isChanged, "\(name) in run \(stage), seed \(seed)")
                } catch is Referee.Fault {
                    #expect(isChanged, "\(name) in run \(stage), seed \(seed)")
                }
            }
        }
    }
}
