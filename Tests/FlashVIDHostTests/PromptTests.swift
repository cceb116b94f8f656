import FlashVID
import FlashVIDHost
import TestSupport
import Testing

/// Prompts written out by hand: what stays of them, and what a host gathers by that (spec 11).
@Suite("Prompts")
struct PromptTests {
    private static let text = KeptPrompt.text

    // MARK: The four models

    @Test("LLaVA-OneVision: one newline behind the video")
    func llavaOneVision() throws {
        // 0    1    2  3  4   5  6  7   8   9   10
        // user look a0 a1 a2  b0 b1 b2  \n  what ?
        let layout = try PromptLayout(
            .llavaOneVision, length: 11, videoStarts: [2], frames: 2, tokensPerFrame: 3)
        #expect(layout.videoPositions == [2, 3, 4, 5, 6, 7])
        #expect(layout.droppedPositions == [])
        let kept = try layout.kept(indices: [0, 2, 4])
        // user look a0 a2 b1 \n what ?
        #expect(kept.positions == [0, 1, 2, 4, 6, 8, 9, 10])
        #expect(kept.rows == [-1, -1, 0, 1, 2, -1, -1, -1])
        #expect(kept.visualPlaces == [2, 3, 4])
        #expect(kept.visualMask == [false, false, true, true, true, false, false, false])
        #expect(try kept.renumbered() == [0, 1, 2, 3, 4, 5, 6, 7])
        #expect(try kept.renumbered(from: 5) == [5, 6, 7, 8, 9, 10, 11, 12])

        let rows = try VideoSequence(
            indices: [0, 2, 4], frames: 2, tokensPerFrame: 3, newlines: PromptLayout.Newlines(.llavaOneVision))
        #expect(rows.rows == [0, 1, 2, VideoSequence.newline])
        let tokens: [Float] = [10, 11, 20, 21, 30, 31]
        let newline: [Float] = [8, 9]
        #expect(
            try rows.embeddings(tokens: tokens.span, newline: newline.span, width: 2)
                == [10, 11, 20, 21, 30, 31, 8, 9])
    }

    @Test("LLaVA-Video: a newline behind each frame")
    func llavaVideo() throws {
        // 0    1   2  3  4  5    6  7  8  9    10
        // user a0  a1 a2 \n b0   b1 b2 \n what ?
        let layout = try PromptLayout(.llavaVideo, length: 11, videoStarts: [1], frames: 2, tokensPerFrame: 3)
        #expect(layout.videoPositions == [1, 2, 3, 5, 6, 7])
        let kept = try layout.kept(indices: [1, 3, 5])
        // user a1 \n b0 b2 \n what ?
        #expect(kept.positions == [0, 2, 4, 5, 7, 8, 9, 10])
        #expect(kept.rows == [-1, 0, -1, 1, 2, -1, -1, -1])

        let newlines = PromptLayout.Newlines(.llavaVideo)
        let sequence = try VideoSequence(indices: [1, 3, 5], frames: 2, tokensPerFrame: 3, newlines: newlines)
        #expect(sequence.rows == [0, -1, 1, 2, -1])
        // A frame without a row keeps its newline.
        let gap = try VideoSequence(indices: [0, 2, 7], frames: 4, tokensPerFrame: 3, newlines: newlines)
        #expect(gap.rows == [0, 1, -1, -1, 2, -1, -1])
    }

    @Test("LLaVA-Video with newlines by grid row: the last one of each frame stays")
    func gridRows() throws {
        // 0    1  2  3   4  5  6   7  8  9   10 11 12  13
        // user a0 a1 \n  a2 a3 \n  b0 b1 \n  b2 b3 \n  ?
        let layout = try PromptLayout(
            length: 14, videoStart: 1, frames: 2, tokensPerFrame: 4, newlines: .afterGridRow(columns: 2))
        #expect(layout.videoPositions == [1, 2, 4, 5, 7, 8, 10, 11])
        #expect(layout.droppedPositions == [3, 9])
        let kept = try layout.kept(indices: [0, 3, 5])
        #expect(kept.positions == [0, 1, 5, 6, 8, 12, 13])
        #expect(kept.rows == [-1, 0, 1, -1, 2, -1, -1])
        let sequence = try VideoSequence(
            indices: [0, 3, 5], frames: 2, tokensPerFrame: 4, newlines: .afterGridRow(columns: 2))
        #expect(sequence.rows == [0, 1, -1, 2, -1])
    }

    /// 0    1       2  3  4  5   6  7  8  9   10    11   12
    /// user <start> a0 a1 a2 a3  b0 b1 b2 b3  <end> what ?
    private static let qwen25Tokens: [Int32] = [7, 50, 99, 99, 99, 99, 99, 99, 99, 99, 51, 8, 9]
    /// Time, height and width of each position: frames of 2 x 2, two units of time apart.
    private static let qwen25Positions: [Int32] = [
        0, 1, 2, 2, 2, 2, 4, 4, 4, 4, 5, 6, 7,
        0, 1, 2, 2, 3, 3, 2, 2, 3, 3, 5, 6, 7,
        0, 1, 2, 3, 2, 3, 2, 3, 2, 3, 5, 6, 7,
    ]

    @Test("Qwen2.5-VL: rows at their indices, M-RoPE positions as they were")
    func qwen25VL() throws {
        let layout = try PromptLayout(.qwen25VL, length: 13, videoStarts: [2], frames: 2, tokensPerFrame: 4)
        let found = try PromptLayout(
            tokens: Self.qwen25Tokens.span, videoToken: 99, frames: 2, tokensPerFrame: 4)
        #expect(layout == found)
        let kept = try layout.kept(indices: [1, 2, 7])
        // user <start> a1 a2 b3 <end> what ?
        #expect(kept.positions == [0, 1, 3, 4, 9, 10, 11, 12])
        #expect(kept.rows == [-1, -1, 0, 1, 2, -1, -1, -1])
        let positions = try kept.gather(Self.qwen25Positions.span, planes: 3)
        #expect(
            positions == [
                0, 1, 2, 2, 4, 5, 6, 7,
                0, 1, 2, 3, 3, 5, 6, 7,
                0, 1, 3, 2, 3, 5, 6, 7,
            ])
        #expect(try kept.nextPosition(after: Self.qwen25Positions.span) == 8)
        let cachePositions = Array(0..<13)
        #expect(try kept.gather(cachePositions.span) == [0, 1, 3, 4, 9, 10, 11, 12])
        #expect(try kept.gather(Self.qwen25Tokens.span) == [7, 50, 99, 99, 99, 51, 8, 9])

        // What the model reads: the prompt's embeddings are its positions, the video's rows are above 100.
        let prompt = (0..<13).flatMap { position -> [Float16] in [Float16(position), -Float16(position)] }
        let rows: [Float16] = [100, -100, 200, -200, 300, -300]
        let embeddings = try kept.embeddings(prompt: prompt.span, tokens: rows.span, width: 2)
        #expect(embeddings == [0, 0, 1, -1, 100, -100, 200, -200, 300, -300, 10, -10, 11, -11, 12, -12])
        #expect(try kept.gatherRows(prompt.span, width: 2)[4...5] == [3, -3])
        #expect(try kept.keyBias(counts: [1, 4, 3]) == [0, 0, 0, 1.3862944, 1.0986123, 0, 0, 0])
    }

    @Test("Qwen3-VL: frames apart, their timestamps stay, DeepStack rows by index")
    func qwen3VL() throws {
        // 0    1   2   3       4  5  6     7   8       9  10 11    12   13
        // user 0.3 sec <start> a0 a1 <end> 1.3 <start> b0 b1 <end> what ?
        let layout = try PromptLayout(.qwen3VL, length: 14, videoStarts: [4, 9], frames: 2, tokensPerFrame: 2)
        #expect(layout.videoPositions == [4, 5, 9, 10])
        let kept = try layout.kept(indices: [1, 2])
        // user 0.3 sec <start> a1 <end> 1.3 <start> b0 <end> what ?
        #expect(kept.positions == [0, 1, 2, 3, 5, 6, 7, 8, 9, 11, 12, 13])
        #expect(kept.rows == [-1, -1, -1, -1, 0, -1, -1, -1, 1, -1, -1, -1])
        #expect(kept.visualPlaces == [4, 8])
        // Three numbers for each of the four source tokens.
        let features: [Float] = [0, 1, 2, 10, 11, 12, 20, 21, 22, 30, 31, 32]
        #expect(
            try kept.deepStackRows(features.span, width: 3, indices: [1, 2]) == [10, 11, 12, 20, 21, 22])
        let pruned = try kept.pruned(keeping: [1])
        #expect(try pruned.prompt.deepStackRows(features.span, width: 3, indices: [1, 2]) == [20, 21, 22])
    }

    @Test("a frame of which nothing is left leaves its timestamp")
    func emptyFrame() throws {
        let layout = try PromptLayout(length: 9, frameStarts: [1, 4, 7], tokensPerFrame: 2)
        let kept = try layout.kept(indices: [0, 5])
        #expect(kept.positions == [0, 1, 3, 6, 8])
        #expect(kept.rows == [-1, 0, -1, -1, 1])
        #expect(try layout.kept(indices: []).positions == [0, 3, 6])
    }

    @Test("equal indices take a position twice")
    func repeated() throws {
        let layout = try PromptLayout(length: 5, videoStart: 1, frames: 1, tokensPerFrame: 3)
        let kept = try layout.kept(indices: [1, 1, 2])
        #expect(kept.positions == [0, 2, 2, 3, 4])
        #expect(kept.rows == [-1, 0, 1, 2, -1])
    }

    // MARK: Masks and pruning

    @Test("a mask between positions loses rows and columns")
    func pairs() throws {
        let layout = try PromptLayout(length: 4, videoStart: 1, frames: 1, tokensPerFrame: 2)
        let kept = try layout.kept(indices: [1])
        #expect(kept.positions == [0, 2, 3])
        let causal = (0..<4).flatMap { query in (0..<4).map { $0 <= query } }
        let tagged: [Int32] = Array(0..<32)
        #expect(
            try kept.gatherPairs(causal.span) == [true, false, false, true, true, false, true, true, true])
        #expect(
            try kept.gatherPairs(tagged.span, planes: 2)
                == [0, 2, 3, 8, 10, 11, 12, 14, 15, 16, 18, 19, 24, 26, 27, 28, 30, 31])
    }

    @Test("pruning inside the model composes, once and again")
    func pruning() throws {
        let layout = try PromptLayout(.qwen25VL, length: 13, videoStarts: [2], frames: 2, tokensPerFrame: 4)
        let kept = try layout.kept(indices: [0, 1, 2, 5, 7])
        #expect(kept.positions == [0, 1, 2, 3, 4, 7, 9, 10, 11, 12])
        let (once, places) = try kept.pruned(keeping: [0, 2, 4])
        #expect(places == [0, 1, 2, 4, 6, 7, 8, 9])
        #expect(once.positions == [0, 1, 2, 4, 9, 10, 11, 12])
        #expect(once.rows == [-1, -1, 0, 2, 4, -1, -1, -1])
        #expect(once.visualRows == [0, 2, 4])
        #expect(once.originalLength == 13)
        let (twice, morePlaces) = try once.pruned(keeping: [1])
        #expect(morePlaces == [0, 1, 3, 5, 6, 7])
        #expect(twice.positions == [0, 1, 4, 10, 11, 12])
        #expect(twice.rows == [-1, -1, 2, -1, -1, -1])
        // Original positions are gathered from what they were at the beginning, or step by step.
        let all = try twice.gather(Self.qwen25Positions.span, planes: 3)
        let first = try once.gather(Self.qwen25Positions.span, planes: 3)
        let byStep = (0..<3).flatMap { plane in morePlaces.map { first[plane * once.count + $0] } }
        #expect(all == byStep)
        // Hidden states follow the places.
        func states(_ prompt: KeptPrompt) -> [Float] {
            prompt.positions.flatMap { position -> [Float] in [Float(position), 0.5] }
        }
        let before = states(kept)
        #expect(
            try Gather.rows(before.span, width: 2, indices: places) == states(once))
        #expect(try twice.keyBias(counts: [9, 9, 2, 9, 9]) == [0, 0, 0.6931472, 0, 0, 0])
        #expect(try twice.keyBias(counts: [9, 9, 4, 9, 9], strength: 0.5) == [0, 0, 0.6931472, 0, 0, 0])
        #expect(try twice.keyBias(counts: [9, 9, 4, 9, 9], strength: 0) == [0, 0, 0, 0, 0, 0])
        let (none, _) = try kept.pruned(keeping: [])
        #expect(none.positions == [0, 1, 10, 11, 12])
    }

    @Test("a last query's attention prunes the prompt that it reads")
    func pruningByAttention() throws {
        // One head, keys of one number: the query attends the more to a position the larger its key.
        // user 0.3 a0 a1 1.3 b0 b1 ?
        let layout = try PromptLayout(.qwen3VL, length: 8, videoStarts: [2, 5], frames: 2, tokensPerFrame: 2)
        let kept = try layout.kept(indices: [0, 1, 3])
        #expect(kept.positions == [0, 1, 2, 3, 4, 6, 7])
        let keys: [Float] = [9, 9, 1, 3, 9, 2, 9]
        let query: [Float] = [1]
        var scorer = try AttentionScorer(threads: 1)
        let scores = try scorer.lastQueryScores(
            query: query.span, keys: keys.span, shape: GroupedAttentionShape(heads: 1, keyHeads: 1, keys: 7, width: 1),
            visual: kept.visualPlaces)
        let tokens = try VisualTokenPruning.keptTokens(attention: scores.span, ratio: 0.5)
        #expect(tokens == [1, 2])
        let (pruned, places) = try kept.pruned(keeping: tokens)
        #expect(places == [0, 1, 3, 4, 5, 6])
        #expect(pruned.positions == [0, 1, 3, 4, 6, 7])
        #expect(pruned.visualRows == [1, 2])
    }

    @Test("a compressed clip finds its places", arguments: Configuration.Model.allCases)
    func clip(_ model: Configuration.Model) throws {
        var random = SplitMix64(seed: 3)
        let shape = ClipShape(frames: 5, tokensPerFrame: 12, channels: 6)
        let features = (0..<5 * 12 * 6).map { _ in Float(1 + random.normal()) }
        var compressor = try Compressor(.preset(model, retentionRatio: 0.3), threads: 2)
        let video = try compressor.compress(features.span, shape: shape)
        let starts = model == .qwen3VL ? [3, 20, 40, 60, 80] : [3]
        let layout = try PromptLayout(model, length: 100, videoStarts: starts, frames: 5, tokensPerFrame: 12)
        let kept = try layout.kept(video)
        #expect(kept.count == 100 - 60 + video.count)
        #expect(kept.visualRows == Array(0..<video.count))
        for (row, place) in kept.visualPlaces.enumerated() {
            #expect(kept.positions[place] == layout.videoPositions[video.indices[row]])
        }
        let sequence = try VideoSequence(model, video)
        #expect(sequence.rows.filter { $0 != VideoSequence.newline } == Array(0..<video.count))
        #expect(sequence.rows.count - video.count == [.llavaOneVision: 1, .llavaVideo: 5][model, default: 0])
        let other = try PromptLayout(length: 100, videoStart: 3, frames: 6, tokensPerFrame: 10)
        #expect(throws: FlashVIDError.self) { try other.kept(video) }
    }

    // MARK: Bad input

    @Test("layouts that do not fit are named")
    func layouts() {
        func error(_ body: () throws(FlashVIDError) -> PromptLayout) -> FlashVIDError? {
            do throws(FlashVIDError) {
                _ = try body()
                return nil
            } catch {
                return error
            }
        }
        func contiguous(
            _ length: Int, _ start: Int, _ frames: Int, _ tokens: Int, _ newlines: PromptLayout.Newlines = .none
        ) -> FlashVIDError? {
            error { () throws(FlashVIDError) in
                try PromptLayout(
                    length: length, videoStart: start, frames: frames, tokensPerFrame: tokens, newlines: newlines)
            }
        }
        #expect(contiguous(6, 0, 2, 3) == nil)
        #expect(contiguous(7, 0, 2, 3, .afterVideo) == nil)
        #expect(contiguous(8, 0, 2, 3, .afterFrame) == nil)
        #expect(contiguous(6, 0, 0, 3) == .empty(dimension: "frames", value: 0))
        #expect(contiguous(6, 0, 2, -3) == .empty(dimension: "tokens per frame", value: -3))
        let overflows = "a video of 6 positions from"
        for (start, end) in [
            (1, "1 on"), (-1, "-1 on"), (7, "7 on"), (Int.max, "\(Int.max) on"), (.min, "\(Int.min) on"),
        ] {
            #expect(
                contiguous(6, start, 2, 3)
                    == .promptMismatch("\(overflows) \(end) does not fit in a prompt of 6"))
        }
        for newlines in [PromptLayout.Newlines.afterVideo, .afterFrame, .afterGridRow(columns: 1)] {
            guard case .promptMismatch = contiguous(6, 0, 2, 3, newlines) else {
                Issue.record("\(newlines)")
                continue
            }
        }
        for columns in [0, -1, 2, .min] {
            #expect(
                contiguous(9, 0, 2, 3, .afterGridRow(columns: columns))
                    == .gridMismatch("3 tokens a frame do not fill rows of \(columns)"))
        }
        #expect(contiguous(.max, 0, 2, 3) == .sizeOverflow("a prompt of \(Int.max) positions"))
        for (frames, tokens) in [(Int.max, 2), (2, .max), (.max, .max)] {
            guard case .promptMismatch = contiguous(6, 0, frames, tokens) else {
                Issue.record("\(frames) x \(tokens)")
                continue
            }
        }
        guard case .promptMismatch = contiguous(-6, 0, 2, 3) else {
            Issue.record("a negative length")
            return
        }

        func apart(_ length: Int, _ starts: [Int], _ tokens: Int) -> FlashVIDError? {
            error { () throws(FlashVIDError) in
                try PromptLayout(length: length, frameStarts: starts, tokensPerFrame: tokens)
            }
        }
        #expect(apart(6, [0, 4], 2) == nil)
        #expect(apart(6, [], 2) == .empty(dimension: "frames", value: 0))
        #expect(apart(6, [0, 5], 2) == .outOfRange(of: "start of frame", at: 1, value: 5, range: 0..<5))
        #expect(apart(6, [-1, 4], 2) == .outOfRange(of: "start of frame", at: 0, value: -1, range: 0..<5))
        #expect(apart(6, [0, .max], 2) == .outOfRange(of: "start of frame", at: 1, value: .max, range: 0..<5))
        #expect(apart(6, [0, 1], 2) == .notAscending("starts of frames", at: 1))
        #expect(apart(6, [4, 0], 2) == .notAscending("starts of frames", at: 1))

        let tokens: [Int32] = [1, 9, 9, 9, 1]
        let searched = error { () throws(FlashVIDError) in
            try PromptLayout(tokens: tokens.span, videoToken: 9, frames: 2, tokensPerFrame: 2)
        }
        #expect(searched == .promptMismatch("the prompt has 3 video tokens; 2 frames of 2 have 4"))
        for (model, starts) in [(.qwen3VL, [0]), (.qwen25VL, [0, 4]), (.llavaVideo, [])]
            as [(Configuration.Model, [Int])]
        {
            let mismatch = error { () throws(FlashVIDError) in
                try PromptLayout(model, length: 20, videoStarts: starts, frames: 2, tokensPerFrame: 3)
            }
            guard case .promptMismatch = mismatch else {
                Issue.record("\(model) with \(starts)")
                continue
            }
        }
    }

    @Test("indices, lists and buffers that do not fit are named")
    func lists() throws {
        let layout = try PromptLayout(length: 7, videoStart: 1, frames: 2, tokensPerFrame: 2)
        let cases: [([Int], FlashVIDError)] = [
            ([0, 4], .outOfRange(of: "index", at: 1, value: 4, range: 0..<4)),
            ([-1], .outOfRange(of: "index", at: 0, value: -1, range: 0..<4)),
            ([.max], .outOfRange(of: "index", at: 0, value: .max, range: 0..<4)),
            ([2, 1], .notAscending("indices", at: 1)),
            ([0, 0, 0, 0, 0, 0, 0], .countMismatch(of: "indices", expected: 4, found: 7)),
        ]
        for (indices, expected) in cases {
            #expect(throws: expected) { try layout.kept(indices: indices) }
        }
        let kept = try layout.kept(indices: [0, 3])
        let seven = [Float](repeating: 0, count: 7)
        let none: [Float] = []
        #expect(throws: FlashVIDError.countMismatch(of: "values by position", expected: 14, found: 7)) {
            try kept.gather(seven.span, planes: 2)
        }
        #expect(throws: FlashVIDError.empty(dimension: "numbers a position", value: 0)) {
            try kept.gather(seven.span, planes: 0)
        }
        #expect(throws: FlashVIDError.sizeOverflow("\(Int.max) numbers for each of 7 positions")) {
            try kept.gather(seven.span, planes: .max)
        }
        #expect(throws: FlashVIDError.countMismatch(of: "values by pair of positions", expected: 49, found: 7)) {
            try kept.gatherPairs(seven.span)
        }
        #expect(throws: FlashVIDError.countMismatch(of: "numbers of rows by position", expected: 14, found: 7)) {
            try kept.gatherRows(seven.span, width: 2)
        }
        #expect(throws: FlashVIDError.countMismatch(of: "numbers of the video's rows", expected: 2, found: 7)) {
            try kept.embeddings(prompt: seven.span, tokens: seven.span, width: 1)
        }
        #expect(
            throws: FlashVIDError.countMismatch(of: "numbers of the prompt's embeddings", expected: 14, found: 7)
        ) {
            try kept.embeddings(prompt: seven.span, tokens: seven.span, width: 2)
        }
        #expect(throws: FlashVIDError.countMismatch(of: "counts", expected: 2, found: 1)) {
            try kept.keyBias(counts: [1])
        }
        for strength in [-0.1, 1.5, .nan, .infinity] {
            #expect(
                throws: FlashVIDError.invalidConfiguration(
                    field: "strength", value: "\(strength)", expected: "a number in [0, 1]")
            ) { try kept.keyBias(counts: [1, 1], strength: strength) }
        }
        #expect(throws: FlashVIDError.outOfRange(of: "count", at: 1, value: 0, range: 1..<Int.max)) {
            try kept.keyBias(counts: [1, 0])
        }
        #expect(throws: FlashVIDError.countMismatch(of: "indices", expected: 2, found: 1)) {
            try kept.deepStackRows(seven.span, width: 1, indices: [0])
        }
        #expect(throws: FlashVIDError.outOfRange(of: "row", at: 1, value: 7, range: 0..<7)) {
            try kept.deepStackRows(seven.span, width: 1, indices: [0, 7])
        }
        #expect(throws: FlashVIDError.sizeOverflow("a prompt of 5 positions from \(Int.max) on")) {
            try kept.renumbered(from: .max)
        }
        let huge: [UInt64] = [0, 0, 0, 0, 0, 0, .max]
        #expect(throws: FlashVIDError.sizeOverflow("a position of \(UInt64.max)")) {
            try kept.nextPosition(after: huge.span, planes: 1)
        }
        for (tokens, expected) in [
            ([2], .outOfRange(of: "kept token", at: 0, value: 2, range: 0..<2)),
            ([-1], .outOfRange(of: "kept token", at: 0, value: -1, range: 0..<2)),
            ([1, 0], .notAscending("kept tokens", at: 1)), ([1, 1], .notAscending("kept tokens", at: 1)),
        ] as [([Int], FlashVIDError)] {
            #expect(throws: expected) { try kept.pruned(keeping: tokens).places }
        }
        #expect(throws: FlashVIDError.empty(dimension: "numbers a row", value: -1)) {
            try Gather.rows(seven.span, width: -1, indices: [0])
        }
        #expect(throws: FlashVIDError.outOfRange(of: "row", at: 0, value: -1, range: 0..<7)) {
            try Gather.rows(seven.span, width: 1, indices: [-1])
        }
        #expect(throws: FlashVIDError.outOfRange(of: "row", at: 0, value: 0, range: 0..<0)) {
            try Gather.rows(none.span, width: .max, indices: [0])
        }
        for (indices, frames, tokens, expected) in [
            ([0], 0, 2, .empty(dimension: "frames", value: 0)),
            ([0], 2, 0, .empty(dimension: "tokens per frame", value: 0)),
            ([4], 2, 2, .outOfRange(of: "index", at: 0, value: 4, range: 0..<4)),
            ([1, 0], 2, 2, .notAscending("indices", at: 1)),
            ([0], .max, 2, .sizeOverflow("\(Int.max) frames of 2 tokens")),
        ] as [([Int], Int, Int, FlashVIDError)] {
            #expect(throws: expected) {
                try VideoSequence(indices: indices, frames: frames, tokensPerFrame: tokens, newlines: .none)
            }
        }
        let sequence = try VideoSequence(indices: [0], frames: 1, tokensPerFrame: 2, newlines: .afterVideo)
        #expect(throws: FlashVIDError.countMismatch(of: "numbers of the newline", expected: 2, found: 7)) {
            try sequence.embeddings(tokens: seven.span, newline: seven.span, width: 2)
        }
        #expect(throws: FlashVIDError.countMismatch(of: "numbers of the video's rows", expected: 7, found: 0)) {
            try sequence.embeddings(tokens: none.span, newline: seven.span, width: 7)
        }
    }
}
