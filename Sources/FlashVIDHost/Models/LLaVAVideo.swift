import FlashVID

extension ModelFacts {
    static var llavaVideo: ModelFacts {
        ModelFacts(host: .llavaVideo7B, pooling: .average, newlines: .afterFrame, pruning: .inQwen2)
    }
}

extension HostModel {
    /// 64 frames of 13 x 13 tokens, a newline each; Qwen2-7B. That is the compressed video's layout. The model's own
    /// (`mm_newline_position` "grid") ends each row of the grid with one, 182 positions a frame instead of the 170 counted
    /// here, so that the saving is a little more than a plan says.
    public static let llavaVideo7B = HostModel(
        name: "llava-video-7b", model: .llavaVideo, language: .qwen2With(contextLength: 32_768), frames: 64,
        tokensPerFrame: 169, overheadPerFrame: 1)
}
