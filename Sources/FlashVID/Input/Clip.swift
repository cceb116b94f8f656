/// The caller's clip, borrowed for one call: F frames of N tokens of D numbers, and attention [F, N] if given.
struct Clip: @unchecked Sendable, BitwiseCopyable {
    // Sound: the caller lends the memory for the duration of the call, and it is only read.
    let features: TensorView
    let shape: ClipShape
    /// [F, N], if given.
    let lentAttention: TensorView?
    /// Whether a frame follows the one before without a gap.
    private let isCompactInFrames: Bool

    var type: ScalarType { features.type }
    var frames: Int { shape.frames }
    var tokensPerFrame: Int { shape.tokensPerFrame }
    var channels: Int { shape.channels }
    /// Elements from a token to the next of its frame.
    var tokenStride: Int { features.tokenStride }

    /// Tokens of some frames.
    @inline(__always)
    func tokens(ofFrames frames: Range<Int>) -> Range<Int> {
        (frames.lowerBound &* tokensPerFrame)..<(frames.upperBound &* tokensPerFrame)
    }

    /// Tokens of a frame.
    @inline(__always)
    func tokens(ofFrame frame: Int) -> Range<Int> { tokens(ofFrames: frame..<(frame &+ 1)) }

    @inline(__always)
    private func address(_ token: Int) -> UnsafeRawPointer {
        guard !isCompactInFrames else { return features.address(frame: 0, token: token) }
        let (frame, token) = token.quotientAndRemainder(dividingBy: tokensPerFrame)
        return features.address(frame: frame, token: token)
    }

    /// The tokens of a frame in float32: in place, or converted into `buffer` (N·D).
    func frame(_ frame: Int, convertedInto buffer: UnsafeMutablePointer<Float>) -> MatrixView {
        tokens(frame &* tokensPerFrame, count: tokensPerFrame, convertedInto: buffer)
    }

    /// Some tokens of one frame from `first` on in float32: in place, or converted into `buffer` (count·D).
    @inline(__always)
    func tokens(_ first: Int, count: Int, convertedInto buffer: UnsafeMutablePointer<Float>) -> MatrixView {
        let start = address(first)
        guard type != .float32 else {
            return MatrixView(
                base: start.assumingMemoryBound(to: Float.self), rows: count, columns: channels, stride: tokenStride)
        }
        if tokenStride == channels {
            Conversion.toFloat32(start, type, count: count &* channels, into: buffer)
        } else {
            for row in 0..<count {
                Conversion.toFloat32(
                    start + row &* tokenStride &* type.size, type, count: channels, into: buffer + row &* channels)
            }
        }
        return MatrixView(base: buffer, rows: count, columns: channels, stride: channels)
    }

    /// Some channels of a token in float32: in place, or converted into `buffer` (count).
    @inline(__always)
    func part(
        of token: Int, from channel: Int, count: Int, convertedInto buffer: UnsafeMutablePointer<Float>
    ) -> UnsafePointer<Float> {
        let start = address(token) + channel &* type.size
        guard type != .float32 else { return start.assumingMemoryBound(to: Float.self) }
        Conversion.toFloat32(start, type, count: count, into: buffer)
        return UnsafePointer(buffer)
    }

    /// A token (by its index in the clip) in float32: in place, or converted into `buffer` (D).
    @inline(__always)
    func token(_ token: Int, convertedInto buffer: UnsafeMutablePointer<Float>) -> UnsafePointer<Float> {
        part(of: token, from: 0, count: channels, convertedInto: buffer)
    }

    /// Whether two tokens have the same numbers, 0 and -0 being one.
    func areEqual(_ a: Int, _ b: Int) -> Bool {
        Equality.ofNumbers(address(a), address(b), type, count: channels)
    }

    /// Copies a token as it is.
    @inline(__always)
    func copyToken(_ token: Int, bytesTo target: UnsafeMutableRawPointer) {
        target.copyMemory(from: address(token), byteCount: channels &* type.size)
    }

    /// Copies a token in float32.
    @inline(__always)
    func copyToken(_ token: Int, into target: UnsafeMutablePointer<Float>) {
        Conversion.toFloat32(address(token), type, count: channels, into: target)
    }
}

// MARK: - Acceptance

extension Clip {
    /// Checks sizes, strides and attention. Whether the features are finite is seen in their means
    /// (``FrameMeans``), which saves a pass over the clip.
    init(_ view: ClipView) throws(FlashVIDError) {
        try self.init(layout: view)
        for frame in 0..<frames { try checkAttention(ofFrame: frame) }
    }

    func checkAttention(ofFrame frame: Int) throws(FlashVIDError) {
        guard let attention = lentAttention else { return }
        for token in 0..<tokensPerFrame {
            let value = attention.value(frame: frame, token: token)
            guard value.isFinite else {
                throw .notFinite(tensor: .attention, frame: frame, token: token, channel: 0)
            }
            guard value >= 0 else { throw .negativeAttention(frame: frame, token: token) }
        }
    }

    /// Checks sizes and strides, and reads nothing.
    init(layout view: ClipView) throws(FlashVIDError) {
        let (frames, tokens, channels) = (view.shape.frames, view.shape.tokensPerFrame, view.shape.channels)
        guard frames > 0 else { throw .empty(dimension: "frames", value: frames) }
        guard tokens > 0 else { throw .empty(dimension: "tokens per frame", value: tokens) }
        guard channels > 0 else { throw .empty(dimension: "channels", value: channels) }
        _ = try Self.byteCount(view.shape, view.type)
        // Token indices are kept in 32 bits, and BLAS counts in them.
        let rows = frames * tokens
        guard rows <= BLAS.maximumSide else { throw .sizeOverflow("a clip of \(rows) tokens") }
        guard channels <= BLAS.maximumSide else { throw .sizeOverflow("a token of \(channels) channels") }
        guard let base = view.features else {
            throw .elementCount(tensor: .features, expected: rows * channels, found: 0)
        }
        features = try TensorView(
            .features, base, view.type, frames: frames, tokens: tokens, width: channels,
            frameStride: view.frameStride, tokenStride: view.tokenStride)
        isCompactInFrames = frames == 1 || features.frameStride == tokens * features.tokenStride
        shape = view.shape
        guard let base = view.attention else {
            lentAttention = nil
            return
        }
        lentAttention = try TensorView(
            .attention, base, view.attentionType, frames: frames, tokens: tokens, width: 1,
            frameStride: view.attentionFrameStride, tokenStride: view.attentionTokenStride)
    }

    /// A compact clip in buffers of a known size.
    init(
        _ features: UnsafeRawBufferPointer, _ type: ScalarType, _ shape: ClipShape,
        attention: UnsafeBufferPointer<Float>?
    ) throws(FlashVIDError) {
        var view = ClipView(features: features.baseAddress, of: type, shape: shape)
        view.attention = attention?.baseAddress.map { UnsafeRawPointer($0) }
        if shape.frames > 0, shape.tokensPerFrame > 0, shape.channels > 0 {
            let bytes = try Self.byteCount(shape, type)
            guard features.count == bytes, features.baseAddress != nil else {
                throw .elementCount(
                    tensor: .features, expected: bytes / type.size, found: features.count / type.size)
            }
            let tokens = shape.frames * shape.tokensPerFrame
            if let attention, attention.count != tokens || attention.baseAddress == nil {
                throw .elementCount(tensor: .attention, expected: tokens, found: attention.count)
            }
        }
        try self.init(view)
    }

    /// Bytes of a compact clip of this shape.
    static func byteCount(_ shape: ClipShape, _ type: ScalarType) throws(FlashVIDError) -> Int {
        let rows = shape.frames.multipliedReportingOverflow(by: shape.tokensPerFrame)
        let elements = rows.partialValue.multipliedReportingOverflow(by: shape.channels)
        let bytes = elements.partialValue.multipliedReportingOverflow(by: type.size)
        guard !rows.overflow, !elements.overflow, !bytes.overflow else {
            throw .sizeOverflow("a clip of \(shape.frames) x \(shape.tokensPerFrame) x \(shape.channels)")
        }
        return bytes.partialValue
    }

    /// [F, N] attention in float32: the caller's where that is compact float32, else a copy in the workspace; nil without.
    func attention(plan: inout Arena.Plan) -> UnsafePointer<Float>? {
        guard let lent = lentAttention else { return nil }
        let isCompact =
            lent.type == .float32 && (tokensPerFrame == 1 || lent.tokenStride == 1)
            && (frames == 1 || lent.frameStride == tokensPerFrame)
        if isCompact { return lent.base.assumingMemoryBound(to: Float.self) }
        let copy = plan.table(Float.self, frames, tokensPerFrame)
        guard plan.handsOut else { return UnsafePointer(copy.base) }
        for frame in 0..<frames {
            for index in 0..<tokensPerFrame {
                copy[frame * tokensPerFrame + index] = lent.value(frame: frame, token: index)
            }
        }
        return UnsafePointer(copy.base)
    }

    /// The first number of a frame that is not finite.
    func firstNotFinite(inFrame frame: Int, buffer: UnsafeMutablePointer<Float>) -> FlashVIDError? {
        for token in 0..<tokensPerFrame {
            let row = self.token(frame * tokensPerFrame + token, convertedInto: buffer)
            for channel in 0..<channels where !row[channel].isFinite {
                return .notFinite(tensor: .features, frame: frame, token: token, channel: channel)
            }
        }
        return nil
    }
}
