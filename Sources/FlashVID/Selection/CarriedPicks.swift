/// Picks of a segment's earlier frames, from which the choice in a frame starts (spec 12.1). Of equal ones the first stands
/// for all: a still picture has no more picks to carry than it has tokens.
struct CarriedPicks {
    /// What a thread needs along a segment.
    struct Scratch: BitwiseCopyable {
        /// At the most. Each block has BLAS arrange the frame's tokens anew: not too few.
        static let mostRows = 256
        fileprivate let rows: Int
        /// [rows, D] a block of picks.
        fileprivate let values: Table<Float>
        /// [rows, N] their products with a frame, and the same in double.
        fileprivate let products: Table<Float>
        fileprivate let exactProducts: Table<Double>
        /// Different picks of the segment so far: the tokens, their squared lengths or NaN, and how many they are.
        fileprivate let picks: Table<Int32>
        fileprivate let pickSquares: Table<Double>
        fileprivate let count: Table<Int>
        /// [N] nearest or farthest distance of a token to them, within bounds; in double, or NaN; the squared lengths of
        /// tokens, or NaN.
        fileprivate let distances: Table<Interval>
        fileprivate let exactDistances: Table<Double>
        fileprivate let squares: Table<Double>
        /// [N] 1 for a token whose nearest distance counts, -1 for one whose farthest does; bounds of the least distance, of
        /// this sign, so far.
        fileprivate let signs: Table<Float>
        fileprivate let lower: Table<Float>
        fileprivate let upper: Table<Float>
        /// [N, listed] the picks of the least lower bounds, ascending, these bounds, and [N] the last of them.
        fileprivate let nearest: Table<Int32>
        fileprivate let nearestLower: Table<Float>
        fileprivate let last: Table<Float>
        fileprivate static let listed = 8
        /// [N] what the distances from a pick err by.
        fileprivate let errors: Table<Float>
        /// [rows] the origin of a block's picks.
        fileprivate let groups: Table<Int32>
        /// [origins, rows] products of a frame's origins with a block of picks.
        fileprivate let projections: Table<Double>
        /// How many were settled singly; -1 once that all are known.
        fileprivate let settled: Table<Int>

        init(_ input: Input, plan: inout Arena.Plan) {
            let carries = input.configuration.carry && input.budget.selects
            let all = carries ? input.budget.selectedTokens(before: input.clip.frames) : 0
            let tokens = carries ? input.clip.tokensPerFrame : 0
            rows = min(Self.mostRows, all)
            values = plan.table(Float.self, rows, input.clip.channels)
            products = plan.table(Float.self, rows, tokens)
            exactProducts = plan.table(Double.self, rows, tokens)
            picks = plan.table(Int32.self, all)
            pickSquares = plan.table(Double.self, all)
            count = plan.table(Int.self, 1)
            distances = plan.table(Interval.self, tokens)
            exactDistances = plan.table(Double.self, tokens)
            squares = plan.table(Double.self, tokens)
            signs = plan.table(Float.self, tokens)
            lower = plan.table(Float.self, tokens)
            upper = plan.table(Float.self, tokens)
            nearest = plan.table(Int32.self, tokens, Self.listed)
            nearestLower = plan.table(Float.self, tokens, Self.listed)
            last = plan.table(Float.self, tokens)
            errors = plan.table(Float.self, tokens)
            groups = plan.table(Int32.self, rows)
            projections = plan.table(Double.self, Origins.most + 1, rows)
            settled = plan.table(Int.self, 1)
        }

        /// To be called after each frame's choice, in order.
        func keep(_ picks: Table<Int32>, of frame: Selection.Frame, startsSegment: Bool) {
            guard self.picks.count > 0 else { return }
            if startsSegment { count[0] = 0 }
            for pick in picks.buffer where frame.classes.pick(Int(pick)) < 0 {
                frame.classes.note(pick: count[0], of: Int(pick))
                self.picks[count[0]] = Int32(frame.number &* frame.tokens.rows &+ Int(pick))
                pickSquares[count[0]] = .nan
                count[0] += 1
            }
        }
    }

    private let selection: Selection
    private let tokens: TokenClasses
    private let centred: CentredTokens?
    private let first: Int
    private let weights: SelectionWeights
    private let scratch: Scratch
    private let pair: TokenPair
    private let worker: Worker
    private var clip: Clip { selection.input.clip }
    private var count: Int { scratch.count[0] }

    /// Nil where there are none.
    init?(
        _ selection: Selection, _ frame: Int, _ tokens: TokenClasses, _ centred: CentredTokens?,
        _ weights: SelectionWeights, _ scratch: Selection.Scratch, _ worker: Worker
    ) {
        guard selection.input.configuration.carry,
            selection.input.budget.selectedTokens(of: selection.segments.earlierFrames(than: frame)) > 0
        else { return nil }
        self.selection = selection
        self.tokens = tokens
        self.centred = centred
        first = frame &* tokens.tokens.rows
        self.weights = weights
        self.scratch = scratch.carried
        pair = scratch.pair
        self.worker = worker
    }

    // MARK: Bounds

    /// The nearest or farthest distance of every token to an earlier pick, whichever its weight asks for. One product of
    /// the picks with the frame, a block of them at a time: 2·P·N·D flops for P picks.
    func distances(into distances: Table<Interval>) {
        scratch.exactDistances.fill(.nan)
        scratch.squares.fill(.nan)
        scratch.settled[0] = 0
        scratch.lower.fill(.infinity)
        scratch.upper.fill(.infinity)
        scratch.nearestLower.fill(.infinity)
        scratch.last.fill(.infinity)
        for index in 0..<distances.count { scratch.signs[index] = weights.countsNearest(index) ? 1 : -1 }
        let tolerance = selection.input.tolerance
        forEachBlock { picks, block in
            if let centred {
                include(picks, block, centred, tolerance)
            } else {
                include(picks, block, Float(tolerance).nextUp)
            }
            return !allAreEqual
        }
        for index in 0..<distances.count {
            let token = first &+ index
            let (lower, upper) = (scratch.lower[index], scratch.upper[index])
            if tokens.pick(index) >= 0, weights.countsNearest(index) {
                scratch.distances[index] = Interval(exactly: selection.isZero(token) ? 1 : 0)
                worker.countSettled(byClass: 1)
            } else {
                scratch.distances[index] =
                    scratch.signs[index] > 0
                    ? .bounds(ofDistance: lower, upper) : .bounds(ofDistance: -upper, -lower)
            }
        }
        distances.copy(scratch.distances)
    }

    /// Whether every token counts as equal to a pick so far, so that no other can be nearer.
    private var allAreEqual: Bool {
        (0..<tokens.tokens.rows).allSatisfy { index in
            scratch.signs[index] > 0
                && Interval.bounds(ofDistance: scratch.lower[index], scratch.upper[index]).upper == 0
        }
    }

    /// Calls `body` with some picks at a time, by their numbers, and their values, as long as it asks for more. The first
    /// are few.
    private func forEachBlock(_ body: (_ picks: Range<Int>, _ block: MatrixView) -> Bool) {
        let channels = clip.channels
        var start = 0
        while start < count {
            let picks = start..<min(count, start + (start == 0 ? min(32, scratch.rows) : scratch.rows))
            defer { start = picks.upperBound }
            for (row, pick) in picks.enumerated() {
                clip.copyToken(Int(scratch.picks[pick]), into: scratch.values.row(row, of: channels).base)
            }
            let block = MatrixView(
                base: scratch.values.base, rows: picks.count, columns: channels, stride: channels)
            guard body(picks, block) else { return }
        }
    }

    private func include(_ picks: Range<Int>, _ block: MatrixView, _ error: Float) {
        let count = tokens.tokens.rows
        BLAS.products(block, tokens.tokens, into: scratch.products.base)
        scratch.errors.fill(error)
        let hasExtremes = selection.hasExtremes(inFrame: first / count)
        for (row, number) in picks.enumerated() {
            let pick = Int(scratch.picks[number])
            let products = scratch.products.row(row, of: count)
            let scale = selection.inverseNorm(pick)
            for index in 0..<count {
                products[index] = 1 - products[index] * (scale * selection.inverseNorm(first &+ index))
            }
            if hasExtremes || selection.isExtreme(pick) { settleExtremes(products, pick) }
            take(products, of: number)
        }
    }

    /// Computes the distances of extreme tokens in double.
    private func settleExtremes(_ distances: Table<Float>, _ pick: Int) {
        for index in 0..<distances.count where selection.isExtreme(pick) || selection.isExtreme(first &+ index) {
            distances[index] = Float(1 - pair.cosine(first &+ index, pick, of: clip))
        }
    }

    /// The same less the frame's origins, of which each pick takes the nearest.
    private func include(_ picks: Range<Int>, _ block: MatrixView, _ centred: CentredTokens, _ tolerance: Double) {
        let (count, channels) = (tokens.tokens.rows, clip.channels)
        DoublePrecision.products(centred.origins.matrix, block, into: scratch.projections.base)
        for (row, number) in picks.enumerated() {
            let square = pickSquare(number, block.row(row))
            let inverse = square > 0 ? 1 / square.squareRoot() : 0
            for origin in 0..<centred.origins.count {
                scratch.projections[origin &* picks.count &+ row] *= inverse
            }
            let group = centred.origins.nearest { scratch.projections[$0 &* picks.count &+ row] }
            scratch.groups[row] = Int32(group)
            let values = scratch.values.row(row, of: channels).base
            SinglePrecision.round(
                values, scale: inverse, less: centred.origins.row(group), into: values, count: channels)
        }
        let room = selection.room(worker)
        let rows = MatrixView(base: room.rows.base, rows: count, columns: channels, stride: channels)
        BLAS.products(block, rows, into: scratch.products.base)
        for (row, number) in picks.enumerated() {
            let products = scratch.products.row(row, of: count)
            let group = Int(scratch.groups[row])
            for index in 0..<count {
                let other = centred.group(index)
                let shared =
                    centred.projection(group, index) + scratch.projections[other &* picks.count &+ row]
                    - centred.origins.product(group, other)
                products[index] = Float(1 - (Double(products[index]) + shared))
            }
            let length = BLAS.dot(block.row(row), block.row(row), count: channels).squareRoot()
            let error = CentredTokens.error(of: length, tolerance: tolerance)
            for index in 0..<count { scratch.errors[index] = error.ofLength * centred.length(index) + error.rest }
            take(products, of: number)
        }
    }

    /// Takes the distances of a pick into those so far, with `Scratch.errors`. Leaves their lower bounds, by the token's sign,
    /// in `distances`.
    private func take(_ distances: Table<Float>, of pick: Int) {
        let (signs, errors) = (scratch.signs.base, scratch.errors.base)
        let (lower, upper, last) = (scratch.lower.base, scratch.upper.base, scratch.last.base)
        for index in 0..<distances.count {
            let distance = distances.base[index] * signs[index]
            distances.base[index] = distance - errors[index]
            lower[index] = min(lower[index], distance - errors[index])
            upper[index] = min(upper[index], distance + errors[index])
        }
        for index in 0..<distances.count where distances.base[index] < last[index] {
            list(pick, distances.base[index], of: index)
        }
    }

    /// Puts a pick among the nearest of a token.
    private func list(_ pick: Int, _ lower: Float, of index: Int) {
        let picks = scratch.nearest.row(index, of: Scratch.listed)
        let bounds = scratch.nearestLower.row(index, of: Scratch.listed)
        var rank = Scratch.listed - 1
        while rank > 0, bounds[rank - 1] > lower {
            bounds[rank] = bounds[rank - 1]
            picks[rank] = picks[rank - 1]
            rank -= 1
        }
        bounds[rank] = lower
        picks[rank] = Int32(pick)
        scratch.last[index] = bounds[Scratch.listed - 1]
    }

    private func pickSquare(_ number: Int, _ values: UnsafePointer<Float>) -> Double {
        if scratch.pickSquares[number].isNaN {
            scratch.pickSquares[number] = DoublePrecision.dot(values, values, count: clip.channels)
        }
        return scratch.pickSquares[number]
    }

    // MARK: Exact

    /// Bounds of the distance that counts of a token to the picks.
    subscript(_ index: Int) -> Interval { scratch.distances[index] }

    /// The same in double: from the few picks that it can be, where they are few. Other tokens are settled one by one, and once
    /// that they are many, all in a block.
    func exactDistance(_ index: Int) -> Double {
        if scratch.distances[index].isExact { return scratch.distances[index].lower }
        if scratch.exactDistances[index].isNaN {
            // With what numbers are rounded by, and below 1e-6 they count as 0.
            let upper = scratch.upper[index]
            let reach = upper + 2e-6 + abs(upper) * 0x1p-20
            if scratch.last[index] > reach + abs(scratch.last[index]) * 0x1p-20 {
                let bounds = scratch.nearestLower.row(index, of: Scratch.listed)
                let picks = scratch.nearest.row(index, of: Scratch.listed)
                let count = (0..<Scratch.listed).count { bounds[$0] <= reach + abs(bounds[$0]) * 0x1p-20 }
                settle(index, picks: count) { Int(picks[$0]) }
            } else if scratch.settled[0] < max(4, tokens.tokens.rows / 8) {
                scratch.settled[0] += 1
                settle(index, picks: count) { $0 }
            } else {
                settleAll()
            }
        }
        return scratch.exactDistances[index]
    }

    @inline(__always)
    private func settle(_ index: Int, picks: Int, pick: (Int) -> Int) {
        worker.countSettled(singly: picks)
        var result = weights.countsNearest(index) ? Double.infinity : -Double.infinity
        let row = tokens.tokens.row(index)
        for number in 0..<picks {
            let pick = pick(number)
            let other = clip.token(Int(scratch.picks[pick]), convertedInto: scratch.values.base)
            take(DoublePrecision.dot(row, other, count: clip.channels), pick, other, of: index, into: &result)
        }
        scratch.exactDistances[index] = result
    }

    private func settleAll() {
        let tokens = tokens.tokens
        worker.countSettled(inBlocks: count &* tokens.rows)
        for index in 0..<tokens.rows {
            scratch.exactDistances[index] = weights.countsNearest(index) ? .infinity : -.infinity
        }
        forEachBlock { picks, block in
            DoublePrecision.products(block, tokens, into: scratch.exactProducts.base)
            for (row, pick) in picks.enumerated() {
                let products = scratch.exactProducts.row(row, of: tokens.rows)
                for index in 0..<tokens.rows {
                    take(products[index], pick, block.row(row), of: index, into: &scratch.exactDistances.base[index])
                }
            }
            return true
        }
    }

    private func take(
        _ product: Double, _ pick: Int, _ values: UnsafePointer<Float>, of index: Int, into result: inout Double
    ) {
        if scratch.squares[index].isNaN {
            let row = tokens.tokens.row(index)
            scratch.squares[index] = DoublePrecision.dot(row, row, count: clip.channels)
        }
        let distance =
            1 - DoublePrecision.cosine(dot: product, scratch.squares[index], pickSquare(pick, values))
        result = weights.countsNearest(index) ? min(result, distance) : max(result, distance)
    }
}
