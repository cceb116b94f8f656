import FlashVID

extension ModelFacts {
    static var llavaOneVision: ModelFacts {
        ModelFacts(host: .llavaOneVision7B, pooling: .bilinear, newlines: .afterVideo, pruning: .inQwen2)
    }
}

extension HostModel {
    /// 32 frames of 14 x 14 tokens, one newline; Qwen2-7B.
    public static let llavaOneVision7B = HostModel(
        name: "llava-onevision-7b", model: .llavaOneVision, language: .qwen2With(contextLength: 32_768), frames: 32,
        tokensPerFrame: 196, overheadPerVideo: 1)
}
