/// Compresses clips, one after the other, in a workspace that it owns and reuses.
///
/// ```swift
/// var compressor = try Compressor(.preset(.llavaOneVision, retentionRatio: 0.10))
/// let video = try compressor.compress(features.span, shape: ClipShape(frames: 32, tokensPerFrame: 196, channels: 3584))
/// ```
public struct Compressor: ~Copyable {
    /// More threads than this are refused.
    public static let maximumThreads = 64

    /// What it keeps and how it chooses.
    public let configuration: Configuration
    /// Threads that work on a clip.
    public let threads: Int

    /// `threads` nil takes the cores that the process may run on.
    public init(_ configuration: Configuration = Configuration(), threads: Int? = nil) throws(FlashVIDError) {
        try configuration.validate()
        self.configuration = configuration
        self.threads = threads ?? 1
    }

    /// Compresses a clip.
    ///
    /// - Parameters:
    ///   - features: [F, N, D], row-major, finite.
    ///   - attention: [F, N], finite and non-negative: what each token receives in its frame. Without it the distance
    ///     from the frame's mean stands in.
    public mutating func compress<Scalar: FeatureScalar>(
        _ features: Span<Scalar>, shape: ClipShape, attention: Span<Float>? = nil
    ) throws(FlashVIDError) -> CompressedVideo {
        var video = CompressedVideo()
        try compress(features, shape: shape, attention: attention, into: &video)
        return video
    }

    /// The same, into a result whose storage is reused: no allocation once both have seen a clip of this size. On an
    /// error `video` is as it was. `progress` is called on the calling thread with a share in 0...1.
    public mutating func compress<Scalar: FeatureScalar>(
        _ features: Span<Scalar>, shape: ClipShape, attention: Span<Float>? = nil, into video: inout CompressedVideo,
        progress: ((Double) -> Void)? = nil
    ) throws(FlashVIDError) {
        fatalError("not yet")
    }

    /// The same, from untyped memory: `features` holds numbers of `type`.
    public mutating func compress(
        _ features: UnsafeRawBufferPointer, of type: ScalarType, shape: ClipShape,
        attention: UnsafeBufferPointer<Float>? = nil, into video: inout CompressedVideo,
        progress: ((Double) -> Void)? = nil
    ) throws(FlashVIDError) {
        fatalError("not yet")
    }
}
