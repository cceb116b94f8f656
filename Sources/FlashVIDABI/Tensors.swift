import CFlashVID
import FlashVID

extension ScalarType {
    init(_ type: flashvid_scalar, of tensor: StaticString) throws(Failure) {
        switch Int(type) {
        case Int(FLASHVID_FLOAT32): self = .float32
        case Int(FLASHVID_FLOAT16): self = .float16
        case Int(FLASHVID_BFLOAT16): self = .bfloat16
        default: throw Failure(FLASHVID_INVALID_ARGUMENT, "\(tensor) are of no known type: \(type)")
        }
    }
}

extension IndexType {
    init(_ type: flashvid_index) throws(Failure) {
        switch Int(type) {
        case Int(FLASHVID_INT64): self = .int64
        case Int(FLASHVID_INT32): self = .int32
        default: throw Failure(FLASHVID_INVALID_ARGUMENT, "indices are of no known type: \(type)")
        }
    }
}

/// A stride of the caller's: 0 is the compact layout.
func stride(_ value: Int64) -> Int? { value == 0 ? nil : Int(value) }

extension ClipView {
    /// The caller's clip. What it points to is checked by the engine.
    init(reading pointer: UnsafePointer<flashvid_clip>?) throws(Failure) {
        let clip = try flashvid_clip(reading: pointer)
        guard let features = clip.features else { throw .null("features") }
        self.init(
            features: features, of: try ScalarType(clip.type, of: "features"),
            shape: ClipShape(
                frames: Int(clip.frames), tokensPerFrame: Int(clip.tokens_per_frame), channels: Int(clip.channels)))
        frameStride = stride(clip.frame_stride)
        tokenStride = stride(clip.token_stride)
        attention = clip.attention
        attentionType = try ScalarType(clip.attention_type, of: "attention")
        attentionFrameStride = stride(clip.attention_frame_stride)
        attentionTokenStride = stride(clip.attention_token_stride)
        try Self.check("features", features, type)
        if let attention { try Self.check("attention", attention, attentionType) }
    }

    private static func check(
        _ name: String, _ base: UnsafeRawPointer, _ type: ScalarType
    ) throws(Failure) {
        guard UInt(bitPattern: base) % UInt(type.size) == 0 else {
            throw Failure(.misaligned(buffer: name, alignment: type.size))
        }
    }
}

extension OutputBuffers {
    /// The caller's buffers, and the size of the struct that names them.
    static func reading(
        _ pointer: UnsafePointer<flashvid_output>?
    ) throws(Failure) -> (buffers: OutputBuffers, structSize: Int) {
        let output = try flashvid_output(reading: pointer)
        guard output.tokens != nil else { throw .null("tokens") }
        guard output.indices != nil else { throw .null("indices") }
        var buffers = OutputBuffers()
        buffers.tokens = output.tokens
        buffers.tokenType = try ScalarType(output.token_type, of: "tokens")
        buffers.rowStride = stride(output.row_stride)
        buffers.rowCapacity = Int(output.row_capacity)
        buffers.indexType = try IndexType(output.index_type)
        buffers.indices = output.indices
        buffers.kinds = output.kinds
        buffers.counts = output.counts
        buffers.assignment = output.assignment
        buffers.parents = output.parents
        buffers.segmentLengths = output.segment_lengths
        return (buffers, output.struct_size)
    }
}

extension UnsafeMutablePointer<flashvid_output> {
    /// Sets the fields that a call gives.
    func set(_ outcome: Outcome, firstFrame: Int, structSize: Int) {
        flashvid_output.set(\.row_count, to: Int64(outcome.rows), in: self, size: structSize)
        flashvid_output.set(\.segment_count, to: Int64(outcome.segments), in: self, size: structSize)
        flashvid_output.set(\.first_frame, to: Int64(firstFrame), in: self, size: structSize)
    }
}

/// Threads as the engine wants them: nil for one a core.
func threadCount(_ threads: Int32) throws(Failure) -> Int? {
    guard threads >= 0, threads <= Compressor.maximumThreads else {
        throw Failure(.invalidThreadCount(Int(threads)))
    }
    return threads == 0 ? nil : Int(threads)
}
