public import FlashVID

/// The rows of a compressed video and the newline embeddings among them, in the order in which LLaVA reads them in place of
/// its one video token (spec 11).
public struct VideoSequence: Sendable, Hashable {
    /// Stands in ``rows`` for the newline embedding.
    public static let newline = -1

    /// K, the rows of the compressed video.
    public let rowCount: Int
    /// The row of the compressed video at each place, or ``newline``.
    public let rows: [Int]

    /// A model's sequence: LLaVA-OneVision's newline stands behind the rows, LLaVA-Video's behind those of each frame, also
    /// of one that has none; Qwen has no newlines.
    ///
    /// Throws what ``init(indices:frames:tokensPerFrame:newlines:)`` does.
    public init(_ model: Configuration.Model, _ video: CompressedVideo) throws(FlashVIDError) {
        try self.init(
            indices: video.indices, frames: video.shape.frames, tokensPerFrame: video.shape.tokensPerFrame,
            newlines: PromptLayout.Newlines(model))
    }

    /// The same from the indices alone. Newlines by grid row become one a frame, since a compressed frame has no rows.
    ///
    /// - Parameters:
    ///   - indices: [K] the source token, `frame * N + token`, of each row; ascending.
    ///   - frames: F.
    ///   - tokensPerFrame: N.
    ///   - newlines: where the model wants newlines.
    ///
    /// Throws `FlashVIDError.empty(dimension:value:)`, `FlashVIDError.sizeOverflow(_:)` above
    /// ``PromptLayout/maximumLength``, `FlashVIDError.countMismatch(of:expected:found:)` for more than F·(N + 1) indices,
    /// the most that any semantics give, `FlashVIDError.outOfRange(of:at:value:range:)` or
    /// `FlashVIDError.notAscending(_:at:)`. O(K + F).
    public init(
        indices: [Int], frames: Int, tokensPerFrame: Int, newlines: PromptLayout.Newlines
    ) throws(FlashVIDError) {
        try Self.check(rows: indices.count, frames: frames, tokensPerFrame: tokensPerFrame)
        let tokens = frames * tokensPerFrame
        for (row, index) in indices.enumerated() {
            guard index >= 0, index < tokens else {
                throw .outOfRange(of: "index", at: row, value: index, range: 0..<tokens)
            }
            guard row == 0 || indices[row - 1] <= index else { throw .notAscending("indices", at: row) }
        }
        rowCount = indices.count
        switch newlines {
        case .none:
            rows = Array(indices.indices)
        case .afterVideo:
            rows = Array(indices.indices) + [Self.newline]
        case .afterFrame, .afterGridRow:
            var rows: [Int] = []
            rows.reserveCapacity(indices.count + frames)
            var row = 0
            for frame in 0..<frames {
                while row < indices.count, indices[row] < (frame + 1) * tokensPerFrame {
                    rows.append(row)
                    row += 1
                }
                rows.append(Self.newline)
            }
            self.rows = rows
        }
    }

    package static func check(rows: Int, frames: Int, tokensPerFrame: Int) throws(FlashVIDError) {
        guard frames > 0 else { throw .empty(dimension: "frames", value: frames) }
        guard tokensPerFrame > 0 else { throw .empty(dimension: "tokens per frame", value: tokensPerFrame) }
        let (tokens, overflow) = frames.multipliedReportingOverflow(by: tokensPerFrame)
        guard !overflow, tokens <= PromptLayout.maximumLength else {
            throw .sizeOverflow("\(frames) frames of \(tokensPerFrame) tokens")
        }
        guard rows <= tokens + frames else {
            throw .countMismatch(of: "indices", expected: tokens, found: rows)
        }
    }

    /// The embeddings themselves.
    ///
    /// - Parameters:
    ///   - tokens: [K, width]
    ///   - newline: [width]
    ///   - width: numbers a row.
    /// - Returns: a row for each of ``rows``.
    ///
    /// Throws `FlashVIDError.empty(dimension:value:)`, `FlashVIDError.countMismatch(of:expected:found:)`,
    /// `FlashVIDError.sizeOverflow(_:)` or `FlashVIDError.outOfMemory(bytes:)`.
    public func embeddings<Element: BitwiseCopyable>(
        tokens: Span<Element>, newline: Span<Element>, width: Int
    ) throws(FlashVIDError) -> [Element] {
        guard width > 0 else { throw .empty(dimension: "numbers a row", value: width) }
        guard newline.count == width else {
            throw .countMismatch(of: "numbers of the newline", expected: width, found: newline.count)
        }
        let (expected, overflow) = rowCount.multipliedReportingOverflow(by: width)
        guard !overflow, tokens.count == expected else {
            throw .countMismatch(of: "numbers of the video's rows", expected: expected, found: tokens.count)
        }
        let (size, sizeOverflow) = rows.count.multipliedReportingOverflow(by: width)
        guard !sizeOverflow else { throw .sizeOverflow("\(rows.count) rows of \(width)") }
        // The newline's one row may be wanted behind any number of frames.
        try Memory.probe((size, MemoryLayout<Element>.stride), of: "embeddings")
        var embeddings: [Element] = []
        embeddings.reserveCapacity(size)
        for row in rows {
            if row == Self.newline {
                for index in 0..<width { embeddings.append(newline[index]) }
            } else {
                for index in row * width..<(row + 1) * width { embeddings.append(tokens[index]) }
            }
        }
        return embeddings
    }
}
