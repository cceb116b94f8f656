import FlashVID

/// What the tokens of every frame receive, as the mean over heads and queries (spec 10.1).
///
/// A task is one head of one frame: blocks of its rows of logits are multiplied, exponentiated and summed by column while
/// they are in the cache. Every task has a sum of its own and these are added in the order of heads, so that the result
/// does not depend on who computed what.
struct EncoderAttention: @unchecked Sendable {
    // Sound: the caller's memory outlives the call, and it is only read.

    let queries: HeadTensor
    let keys: HeadTensor
    let logits: Logits
    let skipped: Int
    /// Queries that count.
    var rows: Range<Int> { firstQuery..<queryEnd }
    private let firstQuery: Int
    private let queryEnd: Int

    var shape: AttentionShape { keys.shape }
    /// Scores of a frame.
    var columns: Int { shape.tokens - skipped }
    var scoreCount: Int { shape.frames * columns }

    init(_ queries: HeadTensor, _ keys: HeadTensor, _ reading: AttentionReading) throws(FlashVIDError) {
        let tokens = keys.shape.tokens
        guard reading.skippedTokens >= 0, reading.skippedTokens < tokens else {
            throw .outOfRange(of: "number of skipped tokens", at: nil, value: reading.skippedTokens, range: 0..<tokens)
        }
        if let query = reading.query {
            guard query >= 0, query < tokens else {
                throw .outOfRange(of: "query", at: nil, value: query, range: 0..<tokens)
            }
        }
        self.queries = queries
        self.keys = keys
        logits = try Logits(scale: reading.scale, width: keys.shape.width)
        skipped = reading.skippedTokens
        firstQuery = reading.query ?? 0
        queryEnd = reading.query.map { $0 + 1 } ?? tokens
    }

    /// Memory of a call.
    struct Workspace: @unchecked Sendable {
        // Sound: it points into the scorer's arena, and threads write disjoint parts.

        /// Frames that are worked on before their heads are added up.
        let waveFrames: Int
        /// Queries of a block.
        let blockRows: Int
        /// [wave, H, columns]
        let headSums: UnsafeMutablePointer<Double>
        /// [wave, H] whether a number was met that is not finite.
        let isNotFinite: UnsafeMutablePointer<Bool>
        /// [F, columns]
        let scores: UnsafeMutablePointer<Float>
        /// [threads]
        let scratch: UnsafeMutablePointer<Scratch>

        struct Scratch {
            /// [N, E] converted to float32; empty where the tensors are.
            let queries: UnsafeMutablePointer<Float>
            let keys: UnsafeMutablePointer<Float>
            /// [block, N]
            let logits: UnsafeMutablePointer<Float>
            /// [block] inverse sums of the rows.
            let weights: UnsafeMutablePointer<Float>
            /// [columns]
            let columns: UnsafeMutablePointer<Float>
            /// [N]
            let exact: UnsafeMutablePointer<Double>
        }

        init(_ pass: EncoderAttention, threads: Int, plan: inout Arena.Plan) {
            let shape = pass.shape
            // All frames at once where their heads' sums take little, so that no thread waits for the others; else enough
            // tasks that none waits long.
            let few = Self.sumsSize / (shape.heads * pass.columns)
            waveFrames = max(1, min(shape.frames, max(few, 32 * threads / shape.heads)))
            blockRows = min(pass.rows.count, max(192, Self.blockSize / shape.tokens))
            headSums = plan.take(Double.self, waveFrames * shape.heads, pass.columns)
            isNotFinite = plan.take(Bool.self, waveFrames * shape.heads)
            scores = plan.take(Float.self, shape.frames, pass.columns)
            scratch = plan.take(Scratch.self, threads)
            func converted(_ tensor: HeadTensor, _ rows: Int) -> UnsafeMutablePointer<Float> {
                plan.take(Float.self, tensor.type == .float32 ? 0 : rows, shape.width)
            }
            for index in 0..<threads {
                let one = Scratch(
                    queries: converted(pass.queries, pass.rows.count),
                    keys: converted(pass.keys, shape.tokens),
                    logits: plan.take(Float.self, blockRows, shape.tokens),
                    weights: plan.take(Float.self, blockRows),
                    columns: plan.take(Float.self, pass.columns),
                    exact: plan.take(Double.self, shape.tokens))
                if plan.handsOut { scratch[index] = one }
            }
        }

        /// Logits of a block: few enough to stay near the core, enough rows to make up for packing the keys anew.
        private static let blockSize = 256 * 1024
        /// Sums of heads: 8 MB.
        private static let sumsSize = 1024 * 1024
    }

    /// Computes ``Workspace/scores``. Throws what is wrong with the numbers, or what ended the call early.
    func run(on pool: WorkerPool, _ watch: Watch, in workspace: Workspace) throws(FlashVIDError) {
        let heads = shape.heads
        var first = 0
        while first < shape.frames {
            let frames = first..<min(first + workspace.waveFrames, shape.frames)
            let wave = Wave(pass: self, watch: .passUnretained(watch), workspace: workspace, first: first)
            pool.run(frames.count * heads, with: wave) { wave, worker, task in
                guard !wave.watch.isOver else { return }
                let (frame, head) = task.quotientAndRemainder(dividingBy: wave.pass.shape.heads)
                wave.workspace.isNotFinite[task] = !wave.pass.addUp(
                    frame: wave.first + frame, head: head, into: wave.workspace.headSums + task &* wave.pass.columns,
                    wave.workspace.scratch[worker], wave.workspace.blockRows)
                wave.watch.advance(by: 1)
            }
            try watch.check()
            for task in 0..<(frames.count * heads) where workspace.isNotFinite[task] {
                try throwFirstNotFinite(from: frames.lowerBound + task / heads, workspace)
            }
            let share = 1 / (Double(heads) * Double(rows.count))
            for frame in frames {
                let sums = workspace.headSums + (frame - first) * heads * columns
                for column in 0..<columns {
                    var total = 0.0
                    for head in 0..<heads { total += sums[head &* columns &+ column] }
                    workspace.scores[frame * columns + column] = Float(total * share)
                }
            }
            first = frames.upperBound
        }
    }

    private struct Wave {
        let pass: EncoderAttention
        let watch: Unmanaged<Watch>
        let workspace: Workspace
        let first: Int
    }

    /// Sums what the tokens of a frame receive in a head. False where a number is not finite.
    private func addUp(
        frame: Int, head: Int, into sums: UnsafeMutablePointer<Double>, _ scratch: Workspace.Scratch, _ blockRows: Int
    ) -> Bool {
        let tokens = shape.tokens
        sums.update(repeating: 0, count: columns)
        let keys = keys.rows(frame, head, from: 0, count: tokens, convertedInto: scratch.keys)
        let queries = queries.rows(
            frame, head, from: rows.lowerBound, count: rows.count, convertedInto: scratch.queries)
        let longestKey = Logits.longest(keys)
        let longestQuery = Logits.longest(queries)
        let range = logits.range(query: longestQuery, longestKey: longestKey)
        guard !(longestKey.isFinite && longestQuery.isFinite && range != .extreme) else {
            multiply(queries, keys, longestKey, isSmall: range == .small, into: sums, scratch, blockRows)
            return true
        }
        guard Self.isFinite(queries), Self.isFinite(keys) else { return false }
        for row in 0..<queries.rows {
            logits.addExactSoftmax(
                query: queries.row(row), keys: keys, into: sums, from: skipped, scratch: scratch.exact)
        }
        return true
    }

    private func multiply(
        _ queries: MatrixView, _ keys: MatrixView, _ longestKey: Double, isSmall: Bool,
        into sums: UnsafeMutablePointer<Double>, _ scratch: Workspace.Scratch, _ blockRows: Int
    ) {
        let tokens = shape.tokens
        var first = 0
        while first < queries.rows {
            let count = min(blockRows, queries.rows - first)
            let block = MatrixView(
                base: queries.row(first), rows: count, columns: queries.columns, stride: queries.stride)
            if count == 1 {
                BLAS.products(keys, block.base, scale: logits.scaleToBase2, into: scratch.logits)
            } else {
                BLAS.products(block, keys, scale: logits.scaleToBase2, into: scratch.logits, stride: tokens)
            }
            for row in 0..<count {
                let isSmall =
                    isSmall
                    || logits.range(query: Logits.length(block.row(row), block.columns), longestKey: longestKey)
                        == .small
                let sum = Softmax.exponentiate(scratch.logits + row &* tokens, count: tokens, isSmall: isSmall)
                scratch.weights[row] = Float(1 / sum)
            }
            let powers = MatrixView(base: scratch.logits + skipped, rows: count, columns: columns, stride: tokens)
            BLAS.weightedSum(powers, weights: scratch.weights, into: scratch.columns)
            for column in 0..<columns { sums[column] += Double(scratch.columns[column]) }
            first += count
        }
    }

    static func isFinite(_ rows: MatrixView) -> Bool {
        for row in 0..<rows.rows {
            let values = rows.row(row)
            for index in 0..<rows.columns where !values[index].isFinite { return false }
        }
        return true
    }

    /// Throws the first number that is not finite in the frames from `first` on.
    private func throwFirstNotFinite(from first: Int, _ workspace: Workspace) throws(FlashVIDError) {
        // The buffers of the first worker hold at least one row, or are not touched.
        let buffer = workspace.scratch[0]
        for frame in first..<shape.frames {
            if let place = queries.firstNotFinite(frame: frame, tokens: rows, buffer: buffer.queries) {
                throw .notFinite(tensor: .queries, frame: frame, token: place.token, channel: place.channel)
            }
            if let place = keys.firstNotFinite(frame: frame, tokens: 0..<shape.tokens, buffer: buffer.keys) {
                throw .notFinite(tensor: .keys, frame: frame, token: place.token, channel: place.channel)
            }
        }
    }
}
