import FlashVID

/// What a language model's last query gives to its keys, as the mean over heads (spec 9). A task is one head of the keys,
/// with the heads of the query that share it.
struct DecoderAttention: @unchecked Sendable {
    // Sound: the caller's memory outlives the call, and it is only read.

    let query: HeadTensor
    let keys: HeadTensor
    let logits: Logits
    let shape: GroupedAttentionShape

    /// Heads of the query that share one of the keys.
    var group: Int { shape.heads / shape.keyHeads }
    /// Keys that are converted and multiplied at a time.
    private static let tileRows = 512

    init(
        query: UnsafeRawBufferPointer, keys: UnsafeRawBufferPointer, of type: ScalarType,
        _ shape: GroupedAttentionShape, _ keyLayout: AttentionLayout, _ scale: Double?
    ) throws(FlashVIDError) {
        try shape.checkHeads()
        try self.init(
            HeadTensor(.queries, query, type, shape.queryShape, .headsFirst),
            HeadTensor(.keys, keys, type, shape.keyShape, keyLayout), shape, scale)
    }

    /// The layout of the query has its heads in the place of tokens.
    init(
        query: HeadView, keys: HeadView, _ shape: GroupedAttentionShape, _ scale: Double?
    ) throws(FlashVIDError) {
        try shape.checkHeads()
        try self.init(
            HeadTensor(.queries, query.base, query.type, shape.queryShape, query.layout),
            HeadTensor(.keys, keys.base, keys.type, shape.keyShape, keys.layout), shape, scale)
    }

    private init(
        _ query: HeadTensor, _ keys: HeadTensor, _ shape: GroupedAttentionShape, _ scale: Double?
    ) throws(FlashVIDError) {
        self.query = query
        self.keys = keys
        logits = try Logits(scale: scale, width: shape.width)
        self.shape = shape
    }

    /// Memory of a call.
    struct Workspace: @unchecked Sendable {
        // Sound: it points into the scorer's arena, and threads write disjoint parts.

        /// [G, S]
        let headSums: UnsafeMutablePointer<Double>
        /// [G] whether a number was met that is not finite.
        let isNotFinite: UnsafeMutablePointer<Bool>
        /// [S]
        let scores: UnsafeMutablePointer<Float>
        /// [threads]
        let scratch: UnsafeMutablePointer<Scratch>

        struct Scratch {
            /// [group, E] and [tile, E] converted to float32.
            let queries: UnsafeMutablePointer<Float>
            let keys: UnsafeMutablePointer<Float>
            /// [group, S]
            let logits: UnsafeMutablePointer<Float>
            /// [group] inverse sums of the rows.
            let weights: UnsafeMutablePointer<Float>
            /// [S]
            let columns: UnsafeMutablePointer<Float>
            let exact: UnsafeMutablePointer<Double>
        }

        init(_ pass: DecoderAttention, threads: Int, plan: inout Arena.Plan) {
            let shape = pass.shape
            headSums = plan.take(Double.self, shape.keyHeads, shape.keys)
            isNotFinite = plan.take(Bool.self, shape.keyHeads)
            scores = plan.take(Float.self, shape.keys)
            scratch = plan.take(Scratch.self, threads)
            for index in 0..<threads {
                let one = Scratch(
                    queries: plan.take(Float.self, pass.group, shape.width),
                    keys: plan.take(Float.self, min(tileRows, shape.keys), shape.width),
                    logits: plan.take(Float.self, pass.group, shape.keys),
                    weights: plan.take(Float.self, pass.group),
                    columns: plan.take(Float.self, shape.keys),
                    exact: plan.take(Double.self, shape.keys))
                if plan.handsOut { scratch[index] = one }
            }
        }
    }

    /// Computes ``Workspace/scores``. Throws what is wrong with the numbers, or what ended the call early.
    func run(on pool: WorkerPool, _ watch: Watch, in workspace: Workspace) throws(FlashVIDError) {
        let keyCount = shape.keys
        let heads = Heads(pass: self, watch: .passUnretained(watch), workspace: workspace)
        pool.run(shape.keyHeads, with: heads) { heads, worker, head in
            guard !heads.watch.isOver else { return }
            heads.workspace.isNotFinite[head] = !heads.pass.addUp(
                keyHead: head, into: heads.workspace.headSums + head &* heads.pass.shape.keys,
                heads.workspace.scratch[worker])
            heads.watch.advance(by: 1)
        }
        try watch.check()
        for head in 0..<shape.keyHeads where workspace.isNotFinite[head] {
            try throwFirstNotFinite(workspace.scratch[0])
        }
        for key in 0..<keyCount {
            var total = 0.0
            for head in 0..<shape.keyHeads { total += workspace.headSums[head &* keyCount &+ key] }
            workspace.scores[key] = Float(total / Double(shape.heads))
        }
    }

    private struct Heads {
        let pass: DecoderAttention
        let watch: Unmanaged<Watch>
        let workspace: Workspace
    }

    /// Sums what the keys of a head receive from its group of queries. False where a number is not finite.
    private func addUp(keyHead: Int, into sums: UnsafeMutablePointer<Double>, _ scratch: Workspace.Scratch) -> Bool {
        let keyCount = shape.keys
        sums.update(repeating: 0, count: keyCount)
        let queries = query.rows(0, 0, from: keyHead * group, count: group, convertedInto: scratch.queries)
        let longestQuery = Logits.longest(queries)
        guard longestQuery.isFinite || EncoderAttention.isFinite(queries) else { return false }
        var longestKey = 0.0
        var isExtreme = false
        forEachTile(keyHead, scratch) { first, tile in
            let longest = Logits.longest(tile)
            guard longest.isFinite else {
                longestKey = .nan
                return false
            }
            longestKey = max(longestKey, longest)
            // Products that overflow are not looked at: the longest key tells, once it is known.
            BLAS.products(
                queries, tile, scale: logits.scaleToBase2, into: scratch.logits + first, stride: keyCount)
            return true
        }
        let range = logits.range(query: longestQuery, longestKey: longestKey)
        isExtreme = !longestKey.isFinite || !longestQuery.isFinite || range == .extreme
        guard isExtreme else {
            for row in 0..<group {
                let sum = Softmax.exponentiate(
                    scratch.logits + row &* keyCount, count: keyCount, isSmall: range == .small)
                scratch.weights[row] = Float(1 / sum)
            }
            let powers = MatrixView(base: scratch.logits, rows: group, columns: keyCount, stride: keyCount)
            BLAS.weightedSum(powers, weights: scratch.weights, into: scratch.columns)
            for key in 0..<keyCount { sums[key] = Double(scratch.columns[key]) }
            return true
        }
        return addExactly(queries, keyHead, into: sums, scratch)
    }

    private func addExactly(
        _ queries: MatrixView, _ keyHead: Int, into sums: UnsafeMutablePointer<Double>, _ scratch: Workspace.Scratch
    ) -> Bool {
        for row in 0..<group {
            var largest = -Double.infinity
            let isFinite = forEachTile(keyHead, scratch) { first, tile in
                guard EncoderAttention.isFinite(tile) else { return false }
                for key in 0..<tile.rows {
                    let logit = logits.scale * DoublePrecision.dot(queries.row(row), tile.row(key), count: tile.columns)
                    scratch.exact[first + key] = logit
                    largest = max(largest, logit)
                }
                return true
            }
            guard isFinite else { return false }
            Logits.addSoftmax(scratch.exact, largest: largest, count: shape.keys, from: 0, into: sums)
        }
        return true
    }

    /// Calls `body` with the first key of every tile and its rows until it answers false; whether it never did.
    @discardableResult
    private func forEachTile(
        _ keyHead: Int, _ scratch: Workspace.Scratch, _ body: (_ first: Int, _ tile: MatrixView) -> Bool
    ) -> Bool {
        for first in stride(from: 0, to: shape.keys, by: Self.tileRows) {
            let count = min(Self.tileRows, shape.keys - first)
            let tile = keys.rows(0, keyHead, from: first, count: count, convertedInto: scratch.keys)
            guard body(first, tile) else { return false }
        }
        return true
    }

    /// Throws the first number that is not finite.
    private func throwFirstNotFinite(_ scratch: Workspace.Scratch) throws(FlashVIDError) {
        // The query's heads stand in the place of tokens.
        if let place = query.firstNotFinite(frame: 0, tokens: 0..<shape.heads, buffer: scratch.queries) {
            throw .notFinite(
                tensor: .queries, frame: 0, token: 0, channel: place.token * shape.width + place.channel)
        }
        if let place = keys.firstNotFinite(frame: 0, tokens: 0..<shape.keys, buffer: scratch.keys) {
            throw .notFinite(tensor: .keys, frame: 0, token: place.token, channel: place.channel)
        }
    }
}

extension GroupedAttentionShape {
    fileprivate func checkHeads() throws(FlashVIDError) {
        guard heads > 0 else { throw .empty(dimension: "heads", value: heads) }
        guard keyHeads > 0 else { throw .empty(dimension: "key heads", value: keyHeads) }
        guard heads % keyHeads == 0 else { throw .headsNotDivisible(heads: heads, keyHeads: keyHeads) }
    }

    /// The query's heads as if they were tokens.
    fileprivate var queryShape: AttentionShape { AttentionShape(frames: 1, heads: 1, tokens: heads, width: width) }
    fileprivate var keyShape: AttentionShape {
        AttentionShape(frames: 1, heads: keyHeads, tokens: keys, width: width)
    }
}
