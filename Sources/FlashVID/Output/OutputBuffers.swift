/// Memory of the caller's for a compressed clip: lent for the duration of a call, written only if the call succeeds.
package struct OutputBuffers: BitwiseCopyable {
    /// [rowCapacity, D] numbers of `tokenType`.
    package var tokens: UnsafeMutableRawPointer?
    package var tokenType = ScalarType.float32
    /// Elements from a row to the next, at least D; nil: D.
    package var rowStride: Int?
    /// Rows that fit, at least ``Configuration/outputTokenCount(frames:tokensPerFrame:)``.
    package var rowCapacity = 0
    /// Type of every integer below.
    package var indexType = IndexType.int64
    /// [rowCapacity] source tokens.
    package var indices: UnsafeMutableRawPointer?
    /// [rowCapacity] ``CompressedVideo/Kind``, or nil.
    package var kinds: UnsafeMutablePointer<UInt8>?
    /// [rowCapacity] source tokens that each row stands for, or nil.
    package var counts: UnsafeMutableRawPointer?
    /// [F·N] the row that stands for each source token, or nil.
    package var assignment: UnsafeMutableRawPointer?
    /// [F·N] redundancy trees, or nil.
    package var parents: UnsafeMutableRawPointer?
    /// [F] room for the segments' lengths, or nil.
    package var segmentLengths: UnsafeMutableRawPointer?
    /// What else the caller lends to the call.
    package var besides = LentPieces()

    package init() {}
}

/// What a call gave.
package struct Outcome: Sendable, BitwiseCopyable {
    package var rows = 0
    package var segments = 0
}

/// Checked buffers: aligned, large enough, none in another nor in the clip.
struct Destination {
    let target: Delivery.Target
    /// Every buffer of the call, read or written.
    let pieces: LentPieces

    /// `rows` is the most that the clip becomes; `firstToken` is added to every source token that is named.
    init(
        _ buffers: OutputBuffers, for clip: Clip, _ configuration: Configuration, rows: Int, firstToken: Int
    ) throws(FlashVIDError) {
        let sources = clip.frames * clip.tokensPerFrame
        guard let tokens = buffers.tokens else { throw .missingBuffer("tokens") }
        guard let indices = buffers.indices else { throw .missingBuffer("indices") }
        guard buffers.rowCapacity >= rows else {
            throw .bufferTooSmall(buffer: "tokens", expected: rows, found: buffers.rowCapacity)
        }
        let rowStride = buffers.rowStride ?? clip.channels
        guard rowStride >= clip.channels else {
            throw .invalidStride(tensor: .tokens, of: "rows", value: rowStride, expected: clip.channels)
        }
        guard rowStride <= BLAS.maximumSide else { throw .sizeOverflow("a stride of \(rowStride) between rows") }
        if !configuration.assignsTokens {
            guard buffers.assignment == nil else { throw .notGiven("assignment") }
            guard buffers.counts == nil else { throw .notGiven("counts") }
        }
        let last = sources.addingReportingOverflow(firstToken)
        guard !last.overflow, buffers.indexType == .int64 || last.partialValue <= Int(Int32.max) else {
            throw .sizeOverflow("the index of source token \(firstToken) and those after it")
        }
        target = Delivery.Target(
            tokens: tokens, tokenType: buffers.tokenType, rowStride: rowStride, indexType: buffers.indexType,
            indices: indices, kinds: buffers.kinds, counts: buffers.counts, assignment: buffers.assignment,
            parents: buffers.parents, segmentLengths: buffers.segmentLengths)
        // No more than 2^32 rows, and strides below 2^31, so that this does not overflow; their bytes may. There are no rows
        // where a budget is so small that it underflows.
        let numbers = rows > 0 ? (rows - 1) * rowStride + clip.channels : 0
        let size = buffers.indexType.size
        pieces = try buffers.besides.adding([
            clip.features.extent("features"), clip.lentAttention?.extent("attention") ?? Extent(),
            Extent(
                "tokens", tokens, bytes: try Extent.bytes(numbers, buffers.tokenType.size, of: "tokens"),
                alignment: buffers.tokenType.size),
            Extent("indices", indices, bytes: rows * size, alignment: size),
            Extent("kinds", buffers.kinds, bytes: rows, alignment: 1),
            Extent("counts", buffers.counts, bytes: rows * size, alignment: size),
            Extent("assignment", buffers.assignment, bytes: sources * size, alignment: size),
            Extent("parents", buffers.parents, bytes: sources * size, alignment: size),
            Extent("segment lengths", buffers.segmentLengths, bytes: clip.frames * size, alignment: size),
        ])
    }
}
