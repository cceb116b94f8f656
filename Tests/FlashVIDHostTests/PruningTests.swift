import FlashVID
import FlashVIDHost
import TestSupport
import Testing

/// Pruning inside the language model (spec 9).
@Suite("Pruning of visual tokens")
struct PruningTests {
    /// The definition: the largest first, of equal ones the first; then in order.
    static func naive(_ attention: [Float], _ ratio: Double) -> [Int] {
        let count = min(attention.count, Int((Double(attention.count) * ratio).rounded(.up)))
        let order = attention.indices.sorted { (attention[$0], $1) > (attention[$1], $0) }
        return order.prefix(count).sorted()
    }

    @Test("keeps what the definition keeps", arguments: Seeds.first(100))
    func random(_ seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let count = random.pick([1, 2, 3, 7, 50, 333])
        let levels = random.pick([1, 2, 5, 1_000_000])
        let attention = (0..<count).map { _ in Float(random.integer(0...levels)) / Float(levels) }
        for ratio in [1e-9, 0.1, 0.3, 1.0 / 3, 0.5, 0.999, 1] {
            let kept = try VisualTokenPruning.keptTokens(attention: attention.span, ratio: ratio)
            #expect(kept == Self.naive(attention, ratio))
            #expect(kept.count == (try VisualTokenPruning.keptCount(of: count, ratio: ratio)))
        }
    }

    @Test("the authors' settings")
    func authors() throws {
        #expect(try VisualTokenPruning.keptCount(of: 32 * 62, ratio: 0.3) == 596)
        #expect(try VisualTokenPruning.keptCount(of: 16 * 128, ratio: 0.1) == 205)
    }

    @Test("ratios and numbers out of range are refused")
    func refusals() {
        let attention: [Float] = [0.5, 0.25]
        for ratio in [0, -1, 1.0.nextUp, .nan, .infinity] {
            #expect(throws: FlashVIDError.self) {
                try VisualTokenPruning.keptTokens(attention: attention.span, ratio: ratio)
            }
        }
        let none: [Float] = []
        #expect(throws: FlashVIDError.empty(dimension: "visual tokens", value: 0)) {
            try VisualTokenPruning.keptTokens(attention: none.span, ratio: 0.5)
        }
        for value in [Float.nan, .infinity] {
            let bad = [1, value]
            #expect(throws: FlashVIDError.notFinite(tensor: .attention, frame: 0, token: 1, channel: 0)) {
                try VisualTokenPruning.keptTokens(attention: bad.span, ratio: 0.5)
            }
        }
    }
}
