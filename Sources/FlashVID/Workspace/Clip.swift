/// The caller's clip, borrowed for one call: F frames of N tokens of D numbers, and attention [F, N] if given.
struct Clip: @unchecked Sendable {
    // Sound: the caller lends the memory for the duration of the call, and it is only read.
    let features: UnsafeRawPointer
    let type: ScalarType
    let shape: ClipShape
    let attention: UnsafePointer<Float>?

    var frames: Int { shape.frames }
    var tokensPerFrame: Int { shape.tokensPerFrame }
    var channels: Int { shape.channels }

    @inline(__always)
    private func address(_ token: Int) -> UnsafeRawPointer {
        features + token &* channels &* type.size
    }

    /// The tokens of a frame in float32: in place, or converted into `buffer` (N·D).
    func frame(_ frame: Int, convertedInto buffer: UnsafeMutablePointer<Float>) -> MatrixView {
        let start = address(frame &* tokensPerFrame)
        guard type != .float32 else {
            return view(start.assumingMemoryBound(to: Float.self))
        }
        Conversion.toFloat32(start, type, count: tokensPerFrame &* channels, into: buffer)
        return view(buffer)
    }

    private func view(_ base: UnsafePointer<Float>) -> MatrixView {
        MatrixView(base: base, rows: tokensPerFrame, columns: channels, stride: channels)
    }

    /// Some tokens from `first` on in float32: in place, or converted into `buffer` (count·D).
    @inline(__always)
    func tokens(_ first: Int, count: Int, convertedInto buffer: UnsafeMutablePointer<Float>) -> UnsafePointer<Float> {
        let start = address(first)
        guard type != .float32 else { return start.assumingMemoryBound(to: Float.self) }
        Conversion.toFloat32(start, type, count: count &* channels, into: buffer)
        return UnsafePointer(buffer)
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
        tokens(token, count: 1, convertedInto: buffer)
    }

    /// Copies a token in float32.
    @inline(__always)
    func copyToken(_ token: Int, into target: UnsafeMutablePointer<Float>) {
        Conversion.toFloat32(address(token), type, count: channels, into: target)
    }
}

// MARK: - Acceptance

extension Clip {
    /// Checks sizes and attention. Whether the features are finite is seen in their means (``Compression/measure``), which
    /// saves a pass over the clip.
    init(
        _ features: UnsafeRawBufferPointer, _ type: ScalarType, _ shape: ClipShape,
        attention: UnsafeBufferPointer<Float>?
    ) throws(FlashVIDError) {
        let (frames, tokens, channels) = (shape.frames, shape.tokensPerFrame, shape.channels)
        guard frames > 0 else { throw .empty(dimension: "frames", value: frames) }
        guard tokens > 0 else { throw .empty(dimension: "tokens per frame", value: tokens) }
        guard channels > 0 else { throw .empty(dimension: "channels", value: channels) }
        let rows = frames.multipliedReportingOverflow(by: tokens)
        let elements = rows.partialValue.multipliedReportingOverflow(by: channels)
        let bytes = elements.partialValue.multipliedReportingOverflow(by: type.size)
        guard !rows.overflow, !elements.overflow, !bytes.overflow else {
            throw .sizeOverflow("a clip of \(frames) x \(tokens) x \(channels)")
        }
        // Token indices are kept in 32 bits, and BLAS counts in them.
        guard rows.partialValue < BLAS.maximumSide else { throw .sizeOverflow("a clip of \(rows.partialValue) tokens") }
        guard channels < BLAS.maximumSide else { throw .sizeOverflow("a token of \(channels) channels") }
        guard features.count == bytes.partialValue, let base = features.baseAddress else {
            throw .elementCount(
                tensor: .features, expected: elements.partialValue, found: features.count / type.size)
        }
        if let attention {
            guard attention.count == rows.partialValue else {
                throw .elementCount(tensor: .attention, expected: rows.partialValue, found: attention.count)
            }
            for (index, value) in attention.enumerated() where !(value >= 0 && value.isFinite) {
                let (frame, token) = index.quotientAndRemainder(dividingBy: tokens)
                guard value.isFinite else {
                    throw .notFinite(tensor: .attention, frame: frame, token: token, channel: 0)
                }
                throw .negativeAttention(frame: frame, token: token)
            }
        }
        self.features = base
        self.type = type
        self.shape = shape
        self.attention = attention?.baseAddress
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
