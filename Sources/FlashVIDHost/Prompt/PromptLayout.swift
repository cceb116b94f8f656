public import FlashVID

/// Where a prompt, as it would be without compression, has the tokens of its video.
public struct PromptLayout: Sendable, Hashable {
    /// Where newline embeddings stand among a video's tokens.
    public enum Newlines: Sendable, Hashable {
        case none
        /// One behind the video (LLaVA-OneVision).
        case afterVideo
        /// One behind each frame (LLaVA-Video as FlashVID hands it over).
        case afterFrame
        /// One behind each row of `columns` tokens (LLaVA-Video without compression). A compressed frame has no such rows:
        /// the last newline of each frame stays and the others go.
        case afterGridRow(columns: Int)
    }

    /// Longest prompt, in positions.
    public static let maximumLength = 1 << 24

    /// Positions of the whole prompt.
    public let length: Int
    public let frames: Int
    public let tokensPerFrame: Int
    /// [F·N] the position of every video token; ascending.
    public let videoPositions: [Int]
    /// Positions that go with the compression although no video token stands there; ascending.
    public let droppedPositions: [Int]

    /// A video whose tokens stand together, from `videoStart` on, with newlines among them.
    ///
    /// Throws `FlashVIDError.empty(dimension:value:)`, `FlashVIDError.sizeOverflow(_:)` above ``maximumLength``,
    /// `FlashVIDError.gridMismatch(_:)` for rows that do not fill a frame, or `FlashVIDError.promptMismatch(_:)` where
    /// the video does not fit in the prompt. O(F·N).
    public init(
        length: Int, videoStart: Int, frames: Int, tokensPerFrame: Int, newlines: Newlines = .none
    ) throws(FlashVIDError) {
        let columns: Int
        var step = 1
        switch newlines {
        case .none, .afterVideo:
            (columns, step) = (tokensPerFrame, 0)
        case .afterFrame:
            columns = tokensPerFrame
        case .afterGridRow(let width):
            guard width > 0, tokensPerFrame % width == 0 else {
                throw .gridMismatch("\(tokensPerFrame) tokens a frame do not fill rows of \(width)")
            }
            columns = width
        }
        try Self.check(length: length, frames: frames, tokensPerFrame: tokensPerFrame)
        let rowsPerFrame = tokensPerFrame / columns
        let size = frames * rowsPerFrame * (columns + step) + (newlines == .afterVideo ? 1 : 0)
        guard videoStart >= 0, videoStart <= length, size <= length - videoStart else {
            throw .promptMismatch(
                "a video of \(size) positions from \(videoStart) on does not fit in a prompt of \(length)")
        }
        var positions: [Int] = []
        var dropped: [Int] = []
        positions.reserveCapacity(frames * tokensPerFrame)
        var position = videoStart
        for row in 0..<(frames * rowsPerFrame) {
            positions.append(contentsOf: position..<position + columns)
            position += columns
            if step > 0, (row + 1) % rowsPerFrame != 0 { dropped.append(position) }
            position += step
        }
        self.init(length, frames, tokensPerFrame, positions, dropped)
    }

    /// A video whose frames stand apart, with timestamps or other text between them (Qwen3-VL).
    ///
    /// - Parameters:
    ///   - length: L, positions of the prompt.
    ///   - frameStarts: [F] the position of each frame's first token; the others of the frame follow it.
    ///   - tokensPerFrame: N.
    ///
    /// Throws `FlashVIDError.empty(dimension:value:)`, `FlashVIDError.sizeOverflow(_:)` above ``maximumLength``,
    /// `FlashVIDError.notAscending(_:at:)` where a frame begins before the one before it ends, or
    /// `FlashVIDError.outOfRange(of:at:value:range:)` where one leaves the prompt. O(F·N).
    public init(length: Int, frameStarts: [Int], tokensPerFrame: Int) throws(FlashVIDError) {
        try Self.check(length: length, frames: frameStarts.count, tokensPerFrame: tokensPerFrame)
        var positions: [Int] = []
        positions.reserveCapacity(frameStarts.count * tokensPerFrame)
        for (frame, start) in frameStarts.enumerated() {
            guard start >= 0, start <= length - tokensPerFrame else {
                throw .outOfRange(
                    of: "start of frame", at: frame, value: start, range: 0..<max(1, length - tokensPerFrame + 1))
            }
            if let last = positions.last, start <= last { throw .notAscending("starts of frames", at: frame) }
            positions.append(contentsOf: start..<start + tokensPerFrame)
        }
        self.init(length, frameStarts.count, tokensPerFrame, positions, [])
    }

    /// A video whose tokens are those of one id in a tokenised prompt, such as Qwen's `<|video_pad|>`.
    ///
    /// Throws `FlashVIDError.empty(dimension:value:)`, `FlashVIDError.sizeOverflow(_:)` above ``maximumLength``, or
    /// `FlashVIDError.promptMismatch(_:)` where the prompt has another number of them than F·N. O(L).
    public init(
        tokens: Span<Int32>, videoToken: Int32, frames: Int, tokensPerFrame: Int
    ) throws(FlashVIDError) {
        try Self.check(length: tokens.count, frames: frames, tokensPerFrame: tokensPerFrame)
        var positions: [Int] = []
        for position in 0..<tokens.count where tokens[position] == videoToken { positions.append(position) }
        guard positions.count == frames * tokensPerFrame else {
            throw .promptMismatch(
                "the prompt has \(positions.count) video tokens; \(frames) frames of \(tokensPerFrame) have "
                    + "\(frames * tokensPerFrame)")
        }
        self.init(tokens.count, frames, tokensPerFrame, positions, [])
    }

    /// A prompt as a model has it (spec 11): LLaVA-OneVision's newline behind the video, LLaVA-Video's behind each frame,
    /// Qwen2.5-VL's video in one piece, Qwen3-VL's frames apart.
    ///
    /// - Parameters:
    ///   - model: whose prompt it is.
    ///   - length: L, positions of the prompt.
    ///   - videoStarts: the position of the video's first token, or, for Qwen3-VL, [F] of each frame's.
    ///   - frames: F.
    ///   - tokensPerFrame: N.
    ///
    /// Throws what the other initialisers do, and `FlashVIDError.promptMismatch(_:)` for another number of starts.
    public init(
        _ model: Configuration.Model, length: Int, videoStarts: [Int], frames: Int, tokensPerFrame: Int
    ) throws(FlashVIDError) {
        let framesAreApart = ModelFacts(model).framesAreApart
        guard videoStarts.count == (framesAreApart ? frames : 1) else {
            throw .promptMismatch(
                framesAreApart
                    ? "\(videoStarts.count) starts for \(frames) frames, which \(model.rawValue) has apart"
                    : "\(videoStarts.count) starts for a video that \(model.rawValue) has in one piece")
        }
        guard !framesAreApart else {
            try self.init(length: length, frameStarts: videoStarts, tokensPerFrame: tokensPerFrame)
            return
        }
        try self.init(
            length: length, videoStart: videoStarts[0], frames: frames, tokensPerFrame: tokensPerFrame,
            newlines: Newlines(model))
    }

    private init(_ length: Int, _ frames: Int, _ tokensPerFrame: Int, _ positions: [Int], _ dropped: [Int]) {
        self.length = length
        self.frames = frames
        self.tokensPerFrame = tokensPerFrame
        videoPositions = positions
        droppedPositions = dropped
    }

    package static func check(length: Int, frames: Int, tokensPerFrame: Int) throws(FlashVIDError) {
        guard frames > 0 else { throw .empty(dimension: "frames", value: frames) }
        guard tokensPerFrame > 0 else { throw .empty(dimension: "tokens per frame", value: tokensPerFrame) }
        guard length <= maximumLength else { throw .sizeOverflow("a prompt of \(length) positions") }
        let (tokens, overflow) = frames.multipliedReportingOverflow(by: tokensPerFrame)
        guard !overflow, tokens <= length else {
            throw .promptMismatch(
                "a prompt of \(length) positions does not hold \(frames) frames of \(tokensPerFrame) tokens")
        }
    }
}

extension PromptLayout {
    /// What stays of the prompt when the video is compressed.
    ///
    /// Throws `FlashVIDError.promptMismatch(_:)` for a video of other sizes, and what ``kept(indices:)`` does.
    public func kept(_ video: CompressedVideo) throws(FlashVIDError) -> KeptPrompt {
        guard video.shape.frames == frames, video.shape.tokensPerFrame == tokensPerFrame else {
            throw .promptMismatch(
                "a video of \(video.shape.frames) frames of \(video.shape.tokensPerFrame) tokens in a prompt for "
                    + "\(frames) of \(tokensPerFrame)")
        }
        return try kept(indices: video.indices)
    }

    /// Throws `FlashVIDError.countMismatch(of:expected:found:)` for more rows than any semantics give.
    package func check(rows: Int) throws(FlashVIDError) {
        guard rows <= videoPositions.count + frames else {
            throw .countMismatch(of: "indices", expected: videoPositions.count, found: rows)
        }
    }

    /// The same from the indices alone.
    ///
    /// - Parameter indices: [K] the source token, `frame * N + token`, of each row; ascending. Equal ones, which the
    ///   published semantics give, take the same position twice.
    ///
    /// Throws `FlashVIDError.countMismatch(of:expected:found:)` for more than F·(N + 1), the most that any semantics
    /// give, `FlashVIDError.outOfRange(of:at:value:range:)` or `FlashVIDError.notAscending(_:at:)`. O(L + K).
    public func kept(indices: [Int]) throws(FlashVIDError) -> KeptPrompt {
        try check(rows: indices.count)
        for (row, index) in indices.enumerated() {
            guard videoPositions.indices.contains(index) else {
                throw .outOfRange(of: "index", at: row, value: index, range: videoPositions.indices)
            }
            guard row == 0 || indices[row - 1] <= index else { throw .notAscending("indices", at: row) }
        }
        var positions: [Int] = []
        var rows: [Int] = []
        positions.reserveCapacity(length - videoPositions.count + indices.count)
        rows.reserveCapacity(length - videoPositions.count + indices.count)
        var (token, row, dropped) = (0, 0, 0)
        for position in 0..<length {
            if token < videoPositions.count, videoPositions[token] == position {
                while row < indices.count, indices[row] == token {
                    positions.append(position)
                    rows.append(row)
                    row += 1
                }
                token += 1
            } else if dropped < droppedPositions.count, droppedPositions[dropped] == position {
                dropped += 1
            } else {
                positions.append(position)
                rows.append(KeptPrompt.text)
            }
        }
        return KeptPrompt(originalLength: length, rowCount: indices.count, positions: positions, rows: rows)
    }
}
