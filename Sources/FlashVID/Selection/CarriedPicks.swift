/// Picks of a segment's earlier frames, from which the choice in a frame starts (spec 12.1).
struct CarriedPicks {
    /// What a thread needs: picks of earlier frames, a block of them at a time.
    struct Scratch: BitwiseCopyable {
        static let rows = 256
        /// [rows, D]
        fileprivate let values: Table<Float>
        /// [rows, N] their products with a frame.
        fileprivate let products: Table<Float>
        /// [rows] the tokens that they are.
        fileprivate let tokens: Table<Int>

        init(_ input: Input, plan: inout Arena.Plan) {
            let rows = input.configuration.carry && input.budget.selects ? Self.rows : 0
            values = plan.table(Float.self, rows, input.clip.channels)
            products = plan.table(Float.self, rows, input.clip.tokensPerFrame)
            tokens = plan.table(Int.self, rows)
        }
    }

    private let selection: Selection
    private let frame: Int
    private let scratch: Scratch
    private var clip: Clip { selection.input.clip }

    /// Nil where there are none.
    init?(_ selection: Selection, _ frame: Int, _ scratch: Scratch) {
        let earlier = selection.segments.earlierFrames(than: frame)
        guard selection.input.configuration.carry, selection.input.budget.selectedTokens(of: earlier) > 0 else {
            return nil
        }
        self.selection = selection
        self.frame = frame
        self.scratch = scratch
    }

    /// Calls `body` with every token that was picked in the segment's earlier frames.
    func visit(_ body: (Int) -> Void) {
        for earlier in selection.segments.earlierFrames(than: frame) {
            let first = earlier &* clip.tokensPerFrame
            for pick in selection.picks(ofFrame: earlier).buffer { body(first &+ Int(pick)) }
        }
    }

    /// The nearest or farthest distance of every token to an earlier pick, whichever its weight asks for. One product of
    /// the picks with the frame, a block of them at a time: 2·P·N·D flops for P picks.
    func distances(
        _ tokens: MatrixView, _ weights: SelectionWeights, into distances: Table<Interval>, _ pair: TokenPair,
        distance: (_ cosine: Float) -> Interval
    ) {
        for index in 0..<tokens.rows {
            distances[index] = Interval(exactly: weights.countsNearest(index) ? .infinity : -.infinity)
        }
        var rows = 0
        func flush() {
            let block = MatrixView(
                base: scratch.values.base, rows: rows, columns: tokens.columns, stride: tokens.columns)
            BLAS.products(block, tokens, into: scratch.products.base)
            for row in 0..<rows { include(row, weights, distances, pair, distance) }
            rows = 0
        }
        visit { pick in
            clip.copyToken(pick, into: scratch.values.row(rows, of: tokens.columns).base)
            scratch.tokens[rows] = pick
            rows += 1
            if rows == Scratch.rows { flush() }
        }
        flush()
    }

    private func include(
        _ row: Int, _ weights: SelectionWeights, _ distances: Table<Interval>, _ pair: TokenPair,
        _ distance: (Float) -> Interval
    ) {
        let pick = scratch.tokens[row]
        let products = scratch.products.row(row, of: distances.count)
        let scale = selection.inverseNorm(pick)
        let isExtreme = selection.isExtreme(pick)
        for (index, token) in clip.tokens(ofFrame: frame).enumerated() {
            let interval =
                isExtreme || selection.isExtreme(token)
                ? Interval(exactly: 1 - pair.cosine(token, pick, of: clip))
                : distance(products[index] * (scale * selection.inverseNorm(token)))
            distances[index] =
                weights.countsNearest(index) ? .min(distances[index], interval) : .max(distances[index], interval)
        }
    }
}
