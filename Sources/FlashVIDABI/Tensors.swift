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
    init(
        reading pointer: UnsafePointer<flashvid_clip>?, noting lent: inout LentPieces
    ) throws(Failure) {
        let clip = try flashvid_clip(reading: pointer, noting: &lent)
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

/// The caller's struct for a result.
struct LentOutput: BitwiseCopyable {
    private let pointer: UnsafeMutablePointer<flashvid_output>
    private let output: flashvid_output
    private let tokenType: ScalarType
    private let indexType: IndexType

    init(
        reading pointer: UnsafeMutablePointer<flashvid_output>?, noting lent: inout LentPieces
    ) throws(Failure) {
        output = try flashvid_output(reading: UnsafePointer(pointer), for: .writing, noting: &lent)
        guard let pointer else { throw .null(flashvid_output.name) }
        self.pointer = pointer
        guard output.tokens != nil else { throw .null("tokens") }
        guard output.indices != nil else { throw .null("indices") }
        tokenType = try ScalarType(output.token_type, of: "tokens")
        indexType = try IndexType(output.index_type)
    }

    /// The buffers that it names; `lent` is what the caller lends beside them.
    func buffers(besides lent: LentPieces) -> OutputBuffers {
        var buffers = OutputBuffers()
        buffers.tokens = output.tokens
        buffers.tokenType = tokenType
        buffers.rowStride = stride(output.row_stride)
        buffers.rowCapacity = Int(output.row_capacity)
        buffers.indexType = indexType
        buffers.indices = output.indices
        buffers.kinds = output.kinds
        buffers.counts = output.counts
        buffers.assignment = output.assignment
        buffers.parents = output.parents
        buffers.segmentLengths = output.segment_lengths
        buffers.besides = lent
        return buffers
    }

    /// Sets the fields that a call gives, as far as the caller's struct has them.
    func deliver(_ outcome: Outcome, firstFrame: Int, firstRow: Int) {
        var result = output
        result.row_count = Int64(outcome.rows)
        result.segment_count = Int64(outcome.segments)
        result.first_frame = Int64(firstFrame)
        result.first_row = Int64(firstRow)
        result.write(to: pointer, size: output.struct_size)
    }
}

/// Threads as the engine wants them: nil for one a core.
func threadCount(_ threads: Int32) throws(Failure) -> Int? {
    guard threads >= 0, threads <= Compressor.maximumThreads else {
        throw Failure(.invalidThreadCount(Int(threads)))
    }
    return threads == 0 ? nil : Int(threads)
}
