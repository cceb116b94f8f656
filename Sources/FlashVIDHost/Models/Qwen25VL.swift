import FlashVID

extension ModelFacts {
    static var qwen25VL: ModelFacts {
        ModelFacts(host: .qwen25VL7B, patches: PatchSizes(window: 112, patch: 14), pruning: .inQwen2)
    }
}

extension PatchGrid {
    /// Qwen2.5-VL's: windows of 112 pixels, patches of 14.
    public static func qwen25VL(rows: Int, columns: Int) -> PatchGrid {
        PatchGrid(.qwen25VL, rows: rows, columns: columns)!
    }
}

extension HostModel {
    /// 32 frames in pairs of 23 x 17 tokens between two marks; Qwen2.5-7B.
    public static let qwen25VL7B = HostModel(
        name: "qwen2.5-vl-7b", model: .qwen25VL, language: .qwen2With(contextLength: 128_000), frames: 16,
        tokensPerFrame: 391, overheadPerVideo: 2)
}
