import FlashVID

/// A clip as a caller holds it.
struct Clip: Sendable, Equatable {
    var shape: ClipShape
    /// [F, N, D]
    var features: [Float]
    /// [F, N]
    var attention: [Float]?

    init(shape: ClipShape, features: [Float], attention: [Float]? = nil) {
        self.shape = shape
        self.features = features
        self.attention = attention
    }

    /// Every feature from its frame, token and channel.
    init(
        _ frames: Int, _ tokensPerFrame: Int, _ channels: Int, attention: [Float]? = nil,
        feature: (_ frame: Int, _ token: Int, _ channel: Int) -> Float
    ) {
        self.shape = ClipShape(frames: frames, tokensPerFrame: tokensPerFrame, channels: channels)
        self.features = []
        features.reserveCapacity(frames * tokensPerFrame * channels)
        for frame in 0..<frames {
            for token in 0..<tokensPerFrame {
                for channel in 0..<channels { features.append(feature(frame, token, channel)) }
            }
        }
        self.attention = attention
    }

    /// Source tokens of the whole clip.
    var tokenCount: Int { shape.frames * shape.tokensPerFrame }

    /// Channels of a source token.
    func token(_ index: Int) -> ArraySlice<Float> {
        features[index * shape.channels..<(index + 1) * shape.channels]
    }

    /// Place of a feature in `features`.
    func offset(frame: Int, token: Int, channel: Int) -> Int {
        (frame * shape.tokensPerFrame + token) * shape.channels + channel
    }

    /// The clip with channel `order[i]` at place `i`.
    func permutingChannels(_ order: [Int]) -> Clip {
        var permuted = self
        for token in 0..<tokenCount {
            let base = token * shape.channels
            for (place, channel) in order.enumerated() { permuted.features[base + place] = features[base + channel] }
        }
        return permuted
    }

    /// What the definition says of this clip.
    func reference(_ configuration: Configuration) -> Reference.Result {
        Reference.compress(
            features.map(Double.init), shape: shape, attention: attention.map { $0.map(Double.init) }, configuration)
    }

    /// What the engine makes of this clip.
    func compressed(_ configuration: Configuration, threads: Int? = 2) throws(FlashVIDError) -> CompressedVideo {
        var compressor = try Compressor(configuration, threads: threads)
        return try compressor.compress(self)
    }
}

extension Compressor {
    mutating func compress(_ clip: Clip) throws(FlashVIDError) -> CompressedVideo {
        var video = CompressedVideo()
        try compress(clip, into: &video)
        return video
    }

    mutating func compress(_ clip: Clip, into video: inout CompressedVideo) throws(FlashVIDError) {
        try compress(clip.features, clip, into: &video)
    }

    /// The clip's shape and attention, with the features in another format.
    mutating func compress<Scalar: FeatureScalar>(
        _ features: [Scalar], _ clip: Clip, into video: inout CompressedVideo
    ) throws(FlashVIDError) {
        if let attention = clip.attention {
            try compress(features.span, shape: clip.shape, attention: attention.span, into: &video)
        } else {
            try compress(features.span, shape: clip.shape, into: &video)
        }
    }
}
