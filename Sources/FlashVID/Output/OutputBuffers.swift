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

    package init() {}
}

/// What a call gave.
package struct Outcome: Sendable, BitwiseCopyable {
    package var rows = 0
    package var segments = 0
}

/// Checked buffers: aligned, large enough, none in another nor in the clip.
struct Destination {
    let buffers: OutputBuffers
    let tokens: UnsafeMutableRawPointer
    let indices: UnsafeMutableRawPointer
    let rowStride: Int
    /// Every buffer of the call, read or written.
    let extents: InlineArray<9, Extent>

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
        rowStride = buffers.rowStride ?? clip.channels
        guard rowStride >= clip.channels else {
            throw .invalidStride(tensor: .tokens, of: "rows", value: rowStride, expected: clip.channels)
        }
        guard rowStride < BLAS.maximumSide else { throw .sizeOverflow("a stride of \(rowStride) between rows") }
        if configuration.semantics == .published {
            guard buffers.assignment == nil else { throw .notGiven("assignment") }
            guard buffers.counts == nil else { throw .notGiven("counts") }
        }
        let last = sources.addingReportingOverflow(firstToken)
        guard !last.overflow, buffers.indexType == .int64 || last.partialValue <= Int(Int32.max) else {
            throw .sizeOverflow("the index of source token \(firstToken) and those after it")
        }
        self.buffers = buffers
        self.tokens = tokens
        self.indices = indices
        // Rows are fewer than 2^31 and so is the stride: no product of them overflows. There are none where a budget is so
        // small that it underflows.
        let numbers = rows > 0 ? (rows - 1) * rowStride + clip.channels : 0
        let size = buffers.indexType.size
        var extents = InlineArray<9, Extent>(repeating: Extent())
        extents[0] = try Extent(
            "features", clip.features.base, bytes: clip.features.byteCount, alignment: clip.type.size, isWritten: false)
        if let attention = clip.lentAttention {
            extents[1] = try Extent(
                "attention", attention.base, bytes: attention.byteCount, alignment: attention.type.size,
                isWritten: false)
        }
        extents[2] = try Extent(
            "tokens", tokens, bytes: numbers * buffers.tokenType.size, alignment: buffers.tokenType.size)
        extents[3] = try Extent("indices", indices, bytes: rows * size, alignment: size)
        extents[4] = try Extent("kinds", buffers.kinds, bytes: rows, alignment: 1)
        extents[5] = try Extent("counts", buffers.counts, bytes: rows * size, alignment: size)
        extents[6] = try Extent("assignment", buffers.assignment, bytes: sources * size, alignment: size)
        extents[7] = try Extent("parents", buffers.parents, bytes: sources * size, alignment: size)
        extents[8] = try Extent(
            "segment lengths", buffers.segmentLengths, bytes: clip.frames * size, alignment: size)
        try Extent.checkApart(extents)
        self.extents = extents
    }
}
