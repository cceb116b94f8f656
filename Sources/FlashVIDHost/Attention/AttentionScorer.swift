public import FlashVID

/// What is read off an encoder's attention (spec 10.1).
public struct AttentionReading: Sendable, Hashable {
    /// Factor of the logits; nil for 1/√E. Its magnitude is at most 1e30.
    public var scale: Double?
    /// Tokens at the start of a frame that get no score of their own, as [CLS] and registers do not: the softmax runs
    /// over them all the same.
    public var skippedTokens = 0
    /// The only query that counts, as a CLIP host reads its [CLS] row; nil for the mean over all of them.
    public var query: Int?

    public init(scale: Double? = nil, skippedTokens: Int = 0, query: Int? = nil) {
        self.scale = scale
        self.skippedTokens = skippedTokens
        self.query = query
    }
}

/// Sizes of a language model's last query, [H, E], and its keys, [G, S, E], in one layer: `heads` of the query share
/// `keyHeads` of the keys, `heads / keyHeads` neighbours each.
public struct GroupedAttentionShape: Sendable, Hashable, BitwiseCopyable {
    public var heads: Int
    public var keyHeads: Int
    /// Positions that the query attends to.
    public var keys: Int
    /// Numbers a head.
    public var width: Int

    public init(heads: Int, keyHeads: Int, keys: Int, width: Int) {
        self.heads = heads
        self.keyHeads = keyHeads
        self.keys = keys
        self.width = width
    }
}

/// Computes the attention that tokens receive where a host has only queries and keys, because its attention kernel hides
/// the weights. It owns its threads and memory and reuses them.
///
/// ```swift
/// var scorer = try AttentionScorer()
/// let attention = try scorer.scores(
///     queries: queries.span, keys: keys.span, shape: AttentionShape(frames: 32, heads: 16, tokens: 729, width: 72))
/// ```
///
/// The result is the same on any number of threads. No more than N x N numbers a thread are held at a time. While a call
/// runs, OpenBLAS is set to one thread for the whole process, as `Compressor` does.
public struct AttentionScorer: ~Copyable {
    package let pool: WorkerPool
    package let watch = Watch()
    private var arena = Arena()

    /// Threads that work on a call.
    public var threads: Int { pool.threads }

    /// Ends calls from other threads.
    public var canceller: Canceller { Canceller(watch: watch) }

    /// The longest that a call may take: see `Compressor.timeLimit`.
    public var timeLimit: Duration?

    /// Starts the threads; `threads` nil takes the machine's cores.
    ///
    /// Throws `FlashVIDError.invalidThreadCount(_:)` outside of 1...`Compressor.maximumThreads`.
    public init(threads: Int? = nil) throws(FlashVIDError) {
        let count = threads ?? min(WorkerPool.availableCores, Compressor.maximumThreads)
        guard count >= 1, count <= Compressor.maximumThreads else { throw .invalidThreadCount(count) }
        pool = try WorkerPool(threads: count, multiplying: true)
    }

    /// Attention that each token of each frame receives: softmax(QKᵀ · scale) over all keys, averaged over heads and
    /// queries (spec 10.1), or of one query alone.
    ///
    /// - Parameters:
    ///   - queries: [F, H, N, E] in `queryLayout`, finite.
    ///   - keys: the same in `keyLayout`.
    ///   - shape: F, H, N and E.
    ///   - queryLayout: how the queries lie in memory.
    ///   - keyLayout: how the keys do.
    ///   - reading: which queries count, what is skipped, and the scale of the logits.
    /// - Returns: [F, N - skipped tokens], non-negative; a frame's scores sum to 1 where none is skipped. Logits are as
    ///   exact as float32 products: to some 1e-6 of the largest score where they are of ordinary size.
    ///
    /// Throws `FlashVIDError.empty(dimension:value:)`, `FlashVIDError.sizeOverflow(_:)`,
    /// `FlashVIDError.elementCount(tensor:expected:found:)`,
    /// `FlashVIDError.invalidStride(tensor:of:value:expected:)`, `FlashVIDError.invalidLayout(tensor:problem:)`,
    /// `FlashVIDError.misaligned(buffer:alignment:)`,
    /// `FlashVIDError.outOfRange(of:at:value:range:)` for the reading,
    /// `FlashVIDError.invalidConfiguration(field:value:expected:)` for its scale,
    /// `FlashVIDError.notFinite(tensor:frame:token:channel:)` (the channel is `head * E + element`) or
    /// `FlashVIDError.outOfMemory(bytes:)`. Time O(F·H·N²·E), in matrix products.
    public mutating func scores<Scalar: FeatureScalar>(
        queries: Span<Scalar>, keys: Span<Scalar>, shape: AttentionShape,
        queryLayout: AttentionLayout = .headsFirst, keyLayout: AttentionLayout = .headsFirst,
        reading: AttentionReading = AttentionReading()
    ) throws(FlashVIDError) -> [Float] {
        watch.begin(limit: timeLimit?.inSeconds)
        defer { watch.end() }
        return try queries.withUnsafeBytes { queries throws(FlashVIDError) in
            try keys.withUnsafeBytes { keys throws(FlashVIDError) in
                let pass = try EncoderAttention(
                    HeadTensor(.queries, queries, Scalar.scalarType, shape, queryLayout),
                    HeadTensor(.keys, keys, Scalar.scalarType, shape, keyLayout), reading)
                // Not more than the keys, which exist.
                var scores = [Float](repeating: 0, count: pass.scoreCount)
                try scores.withUnsafeMutableBufferPointer { scores throws(FlashVIDError) in
                    try compute(pass, into: scores)
                }
                return scores
            }
        }
    }

    /// The same from lent memory into the caller's, with room for `capacity` scores. On an error `scores` is as it was.
    package mutating func scores(
        queries: HeadView, keys: HeadView, shape: AttentionShape, reading: AttentionReading,
        into scores: UnsafeMutablePointer<Float>, capacity: Int, besides others: LentPieces = LentPieces()
    ) throws(FlashVIDError) {
        let pass = try EncoderAttention(
            HeadTensor(.queries, queries.base, queries.type, shape, queries.layout, upTo: reading.query),
            HeadTensor(.keys, keys.base, keys.type, shape, keys.layout), reading)
        let target = UnsafeMutableBufferPointer(start: scores, count: pass.scoreCount)
        try Self.check(
            target, capacity: capacity,
            try others.adding([pass.queries.extent("queries"), pass.keys.extent("keys")]))
        try compute(pass, into: target)
    }

    /// Bytes of workspace that ``scores(queries:keys:shape:queryLayout:keyLayout:reading:)`` takes for tensors of these sizes:
    /// what a scorer allocates that had no other call. OpenBLAS has memory of its own.
    public func workspaceBytes(
        for shape: AttentionShape, of type: ScalarType = .float32, reading: AttentionReading = AttentionReading()
    ) throws(FlashVIDError) -> Int {
        // Any address does, since nothing is read.
        let nowhere = HeadView(UnsafeRawPointer(bitPattern: 64)!, of: type, .headsFirst)
        return try Self.workspaceBytes(queries: nowhere, keys: nowhere, shape: shape, reading: reading, pool)
    }

    package static func workspaceBytes(
        queries: HeadView, keys: HeadView, shape: AttentionShape, reading: AttentionReading, _ pool: WorkerPool
    ) throws(FlashVIDError) -> Int {
        let pass = try EncoderAttention(
            HeadTensor(.queries, queries.base, queries.type, shape, queries.layout, upTo: reading.query),
            HeadTensor(.keys, keys.base, keys.type, shape, keys.layout), reading)
        return try Arena.bytes { plan in EncoderAttention.Workspace(pass, threads: pool.threads, plan: &plan) }
    }

    /// The same of ``lastQueryScores(query:keys:shape:keyLayout:scale:visual:)``.
    public func workspaceBytes(
        for shape: GroupedAttentionShape, of type: ScalarType = .float32
    ) throws(FlashVIDError) -> Int {
        let nowhere = HeadView(UnsafeRawPointer(bitPattern: 64)!, of: type, .headsFirst)
        return try Self.workspaceBytes(query: nowhere, keys: nowhere, shape: shape, pool)
    }

    package static func workspaceBytes(
        query: HeadView, keys: HeadView, shape: GroupedAttentionShape, _ pool: WorkerPool
    ) throws(FlashVIDError) -> Int {
        let pass = try DecoderAttention(query: query, keys: keys, shape, nil)
        return try Arena.bytes { plan in DecoderAttention.Workspace(pass, threads: pool.threads, plan: &plan) }
    }

    private static func check(
        _ scores: UnsafeMutableBufferPointer<Float>, capacity: Int, _ others: LentPieces
    ) throws(FlashVIDError) {
        guard capacity >= scores.count else {
            throw .bufferTooSmall(buffer: "scores", expected: scores.count, found: capacity)
        }
        _ = try others.adding([Extent("scores", scores.baseAddress, bytes: scores.count * 4, alignment: 4)])
    }

    /// Attention of a language model's last query to its keys, as the mean over heads: what pruning inside the model
    /// wants (spec 9).
    ///
    /// - Parameters:
    ///   - query: [H, E], finite.
    ///   - keys: [G, S, E] in `keyLayout` (its frame stride is not looked at), finite: the keys that the query attends to,
    ///     its own included, after RoPE as the model has it.
    ///   - shape: H, G, S and E.
    ///   - keyLayout: how the keys lie in memory.
    ///   - scale: factor of the logits; nil for 1/√E.
    ///   - visual: the positions among the S whose scores are wanted, as ``KeptPrompt/visualPlaces`` gives them.
    /// - Returns: a score a visual position, in their order. The softmax runs over all S keys.
    ///
    /// Throws what ``scores(queries:keys:shape:queryLayout:keyLayout:reading:)`` throws, and
    /// `FlashVIDError.headsNotDivisible(heads:keyHeads:)` or, for a position outside of the keys,
    /// `FlashVIDError.outOfRange(of:at:value:range:)`. Time O(H·S·E).
    public mutating func lastQueryScores<Scalar: FeatureScalar>(
        query: Span<Scalar>, keys: Span<Scalar>, shape: GroupedAttentionShape,
        keyLayout: AttentionLayout = .headsFirst, scale: Double? = nil, visual: some RandomAccessCollection<Int>
    ) throws(FlashVIDError) -> [Float] {
        watch.begin(limit: timeLimit?.inSeconds)
        defer { watch.end() }
        return try query.withUnsafeBytes { query throws(FlashVIDError) in
            try keys.withUnsafeBytes { keys throws(FlashVIDError) in
                let pass = try DecoderAttention(
                    query: query, keys: keys, of: Scalar.scalarType, shape, keyLayout, scale)
                for (place, position) in visual.enumerated() where position < 0 || position >= shape.keys {
                    throw .outOfRange(of: "visual position", at: place, value: position, range: 0..<shape.keys)
                }
                let all = try compute(pass)
                return visual.map { all[$0] }
            }
        }
    }

    /// The same from lent memory into the caller's, with room for `capacity` scores: of the keys at `places`, or of all. On an
    /// error `scores` is as it was.
    package mutating func lastQueryScores(
        query: HeadView, keys: HeadView, shape: GroupedAttentionShape, scale: Double?, places: IndexList?,
        into scores: UnsafeMutablePointer<Float>?, capacity: Int, besides others: LentPieces = LentPieces()
    ) throws(FlashVIDError) {
        let pass = try DecoderAttention(query: query, keys: keys, shape, scale)
        let wanted = places?.count ?? shape.keys
        guard scores != nil || wanted == 0 else { throw .missingBuffer("scores") }
        let target = UnsafeMutableBufferPointer(start: scores, count: wanted)
        try Self.check(
            target, capacity: capacity,
            try others.adding([
                pass.query.extent("queries"), pass.keys.extent("keys"), places?.extent ?? Extent(),
            ]))
        try places?.check(0..<shape.keys, of: "place")
        let all = try compute(pass)
        if let places {
            for place in 0..<places.count { target[place] = all[places[place]] }
        } else {
            scores?.update(from: all, count: shape.keys)
        }
    }

    private mutating func compute(
        _ pass: EncoderAttention, into scores: UnsafeMutableBufferPointer<Float>
    ) throws(FlashVIDError) {
        let (pool, watch) = (self.pool, self.watch)
        watch.expect(pass.shape.frames * pass.shape.heads)
        let workspace = try arena.layOut { plan in EncoderAttention.Workspace(pass, threads: pool.threads, plan: &plan)
        }
        try Guest.multiply { () throws(FlashVIDError) in try pass.run(on: pool, watch, in: workspace) }
        watch.finish()
        scores.baseAddress?.update(from: workspace.scores, count: pass.scoreCount)
    }

    /// The scores of all S keys, in memory that lives until the next call.
    private mutating func compute(_ pass: DecoderAttention) throws(FlashVIDError) -> UnsafePointer<Float> {
        let (pool, watch) = (self.pool, self.watch)
        watch.expect(pass.shape.keyHeads)
        let workspace = try arena.layOut { plan in DecoderAttention.Workspace(pass, threads: pool.threads, plan: &plan)
        }
        try Guest.multiply { () throws(FlashVIDError) in try pass.run(on: pool, watch, in: workspace) }
        watch.finish()
        return UnsafePointer(workspace.scores)
    }
}

/// Queries or keys in memory that the caller lends for the duration of a call.
package struct HeadView {
    let base: UnsafeRawPointer
    let type: ScalarType
    let layout: AttentionLayout

    package init(_ base: UnsafeRawPointer, of type: ScalarType, _ layout: AttentionLayout) {
        self.base = base
        self.type = type
        self.layout = layout
    }
}
