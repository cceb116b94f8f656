import FlashVID

extension ModelFacts {
    static var qwen3VL: ModelFacts {
        ModelFacts(
            host: .qwen3VL8B, patches: PatchSizes(window: 0, patch: 16), framesAreApart: true,
            pruning: InnerPruning(layer: 28, keptRatio: 0.1))
    }
}

extension PatchGrid {
    /// Qwen3-VL's: no windows, patches of 16.
    public static func qwen3VL(rows: Int, columns: Int) -> PatchGrid {
        PatchGrid(.qwen3VL, rows: rows, columns: columns)!
    }
}

extension HostModel {
    /// 32 frames in pairs of 32 x 32 tokens; Qwen3-8B. Beside its tokens a pair takes 9 positions: the model's processor
    /// writes `<12.5 seconds>`, 7 tokens since each digit is one, and a mark before and behind the tokens. Before 10 s it
    /// is one position less, from 100 s on one more.
    public static let qwen3VL8B = HostModel(
        name: "qwen3-vl-8b", model: .qwen3VL,
        language: LanguageModel(
            layers: 36, width: 4096, feedForwardWidth: 12_288, heads: 32, keyValueHeads: 8, headWidth: 128,
            contextLength: 262_144),
        frames: 16, tokensPerFrame: 1024, overheadPerFrame: 9)
}
