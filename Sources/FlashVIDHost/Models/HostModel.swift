public import FlashVID

/// A video language model as a host runs it: its language model, its usual video, and what a budget makes of both.
public struct HostModel: Sendable, Hashable {
    /// As `flashvid-bench --plan` takes it.
    public var name: String
    /// Which of the authors' configurations it takes.
    public var model: Configuration.Model
    public var language: LanguageModel
    /// Frames of its usual video; for Qwen, pairs of frames.
    public var frames: Int
    /// N after the encoder's pooling or merging.
    public var tokensPerFrame: Int
    /// Positions beside its tokens that each frame takes.
    public var overheadPerFrame: Int
    /// Positions beside the frames that the video takes.
    public var overheadPerVideo: Int

    public init(
        name: String, model: Configuration.Model, language: LanguageModel, frames: Int, tokensPerFrame: Int,
        overheadPerFrame: Int = 0, overheadPerVideo: Int = 0
    ) {
        self.name = name
        self.model = model
        self.language = language
        self.frames = frames
        self.tokensPerFrame = tokensPerFrame
        self.overheadPerFrame = overheadPerFrame
        self.overheadPerVideo = overheadPerVideo
    }
}
