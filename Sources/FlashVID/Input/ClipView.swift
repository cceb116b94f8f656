/// A clip in memory that the caller lends for the duration of a call, laid out as the caller has it.
///
/// Channels of a token lie side by side. Strides count elements, not bytes; nil is the compact layout. A stride of a
/// dimension of size 1 is not looked at.
package struct ClipView: BitwiseCopyable {
    /// [F, N, D]
    package var features: UnsafeRawPointer?
    package var type: ScalarType
    package var shape: ClipShape
    /// From a token to the one at its place in the next frame; at least D.
    package var frameStride: Int?
    /// From a token to the next in its frame; at least D.
    package var tokenStride: Int?
    /// [F, N], or nil.
    package var attention: UnsafeRawPointer?
    package var attentionType = ScalarType.float32
    /// Both at least 1; what is compact without them is one number after the other.
    package var attentionFrameStride: Int?
    package var attentionTokenStride: Int?

    package init(features: UnsafeRawPointer?, of type: ScalarType, shape: ClipShape) {
        self.features = features
        self.type = type
        self.shape = shape
    }

    /// The memory that it is read from. Throws unless the engine would take the clip, of which nothing is read.
    package func extents() throws(FlashVIDError) -> (features: Extent, attention: Extent) {
        let clip = try Clip(layout: self)
        return (try clip.features.extent("features"), try clip.lentAttention?.extent("attention") ?? Extent())
    }
}

/// A lent tensor whose strides and extent were checked: [F, N] items of `width` numbers.
package struct TensorView: BitwiseCopyable {
    package let base: UnsafeRawPointer
    package let type: ScalarType
    package let frameStride: Int
    package let tokenStride: Int
    /// From the first byte to behind the last one.
    let byteCount: Int

    package init(
        _ tensor: FlashVIDError.Tensor, _ base: UnsafeRawPointer, _ type: ScalarType, frames: Int, tokens: Int,
        width: Int, frameStride: Int?, tokenStride: Int?
    ) throws(FlashVIDError) {
        let tokenStride = tokens > 1 ? tokenStride ?? width : width
        guard tokenStride >= width else {
            throw .invalidStride(tensor: tensor, of: "tokens", value: tokenStride, expected: width)
        }
        func overflow() -> FlashVIDError {
            .sizeOverflow("\(tensor.rawValue) of \(frames) x \(tokens) with these strides")
        }
        let compact = tokens.multipliedReportingOverflow(by: tokenStride)
        guard frameStride != nil || frames == 1 || !compact.overflow else { throw overflow() }
        let frameStride = frames > 1 ? frameStride ?? compact.partialValue : width
        guard frameStride >= width else {
            throw .invalidStride(tensor: tensor, of: "frames", value: frameStride, expected: width)
        }
        let lastFrame = (frames - 1).multipliedReportingOverflow(by: frameStride)
        let lastToken = (tokens - 1).multipliedReportingOverflow(by: tokenStride)
        let last = lastFrame.partialValue.addingReportingOverflow(lastToken.partialValue)
        let end = last.partialValue.addingReportingOverflow(width)
        let bytes = end.partialValue.multipliedReportingOverflow(by: type.size)
        let address = UInt(bitPattern: base).addingReportingOverflow(UInt(truncatingIfNeeded: bytes.partialValue))
        guard !lastFrame.overflow, !lastToken.overflow, !last.overflow, !end.overflow, !bytes.overflow,
            !address.overflow
        else { throw overflow() }
        // BLAS is told the distance of rows in its own integers.
        guard width == 1 || tokenStride <= BLAS.maximumSide else {
            throw .sizeOverflow("a stride of \(tokenStride) between tokens")
        }
        self.base = base
        self.type = type
        self.frameStride = frameStride
        self.tokenStride = tokenStride
        byteCount = bytes.partialValue
    }

    /// The memory that it is read from.
    package func extent(_ name: StaticString) throws(FlashVIDError) -> Extent {
        try Extent(name, base, bytes: byteCount, alignment: type.size, for: .reading)
    }

    @inlinable @inline(__always)
    package func address(frame: Int, token: Int) -> UnsafeRawPointer {
        base + (frame &* frameStride &+ token &* tokenStride) &* type.size
    }

    /// The first number of an item.
    package func value(frame: Int, token: Int) -> Float {
        let place = address(frame: frame, token: token)
        return switch type {
        case .float32: place.loadUnaligned(as: Float.self)
        case .float16: Float(place.loadUnaligned(as: Float16.self))
        case .bfloat16: Float(BFloat16(bitPattern: place.loadUnaligned(as: UInt16.self)))
        }
    }
}
