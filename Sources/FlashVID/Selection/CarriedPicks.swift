/// Picks of a segment's earlier frames, from which the choice in a frame starts (spec 12.1). Of equal ones the first stands
/// for all: a still picture has no more picks to carry than it has tokens.
///
/// A token's distance to all of them is measured where it may be the next choice (``MaxMinDiversity``). Until then it is
/// known to be no more than that to one of them, the token's hint: the pick that was nearest to the token at the same place
/// in the frame before.
struct CarriedPicks {
    /// What a thread needs along a segment.
    struct Scratch: BitwiseCopyable {
        /// At the most. Each block has BLAS arrange the tokens anew: not too few.
        static let mostRows = 256
        static let listed = 8
        let rows: Int
        /// [rows, D] a block of picks; of half as many, where some of these less an origin take the other half.
        let values: Table<Float>
        /// [rows, N] their distances from tokens, by sign, and products with tokens in double.
        let products: Table<Float>
        let exactProducts: Table<Double>
        /// Different picks of the segment so far: the tokens, their squared lengths or NaN, and how many they are.
        let picks: Table<Int32>
        let pickSquares: Table<Double>
        let count: Table<Int>
        /// [N] a token's hint, and its distance by sign.
        let hints: Table<Int32>
        let hintDistances: Table<Float>
        /// [N] whether a token was measured.
        let isMeasured: Table<Bool>
        /// [N] nearest or farthest distance of a token to them, within bounds; in double, or NaN; the squared lengths of
        /// tokens, or NaN.
        let distances: Table<Interval>
        let exactDistances: Table<Double>
        let squares: Table<Double>
        /// [N] 1 for a token whose nearest distance counts, -1 for one whose farthest does; bounds of the least distance, of
        /// this sign, so far.
        let signs: Table<Float>
        let lower: Table<Float>
        let upper: Table<Float>
        /// [N, listed] the picks of the least lower bounds, ascending, these bounds, and [N] the last of them.
        let nearest: Table<Int32>
        let nearestLower: Table<Float>
        let last: Table<Float>
        /// [N] tokens that are measured together, and by position among these the factor of their products, by sign.
        let batch: Table<Int32>
        let scales: Table<Float>
        /// [rows / 2] picks of a block that may be the nearest to tokens of a group, and [rows / 2, N] their products.
        let near: Table<Int32>
        let nearProducts: Table<Float>
        /// [N] by position: squares of such tokens less their origin.
        let squaresLess: Table<Double>
        /// [origins] the most that the distance of an origin from the nearest pick so far is, of unit vectors.
        let groupReach: Table<Double>
        /// How many were settled singly.
        let settled: Table<Int>

        init(_ input: Input, plan: inout Arena.Plan) {
            let carries = input.configuration.carry && input.budget.selects
            let all = carries ? input.budget.selectedTokens(before: input.clip.frames) : 0
            let tokens = carries ? input.clip.tokensPerFrame : 0
            rows = all > 0 ? max(2, min(Self.mostRows, all)) : 0
            values = plan.table(Float.self, rows, input.clip.channels)
            products = plan.table(Float.self, rows, max(tokens, carries ? Origins.most + 1 : 0))
            exactProducts = plan.table(Double.self, rows, tokens)
            picks = plan.table(Int32.self, all)
            pickSquares = plan.table(Double.self, all)
            count = plan.table(Int.self, 1)
            hints = plan.table(Int32.self, tokens)
            hintDistances = plan.table(Float.self, tokens)
            isMeasured = plan.table(Bool.self, tokens)
            distances = plan.table(Interval.self, tokens)
            exactDistances = plan.table(Double.self, tokens)
            squares = plan.table(Double.self, tokens)
            signs = plan.table(Float.self, tokens)
            lower = plan.table(Float.self, tokens)
            upper = plan.table(Float.self, tokens)
            nearest = plan.table(Int32.self, tokens, Self.listed)
            nearestLower = plan.table(Float.self, tokens, Self.listed)
            last = plan.table(Float.self, tokens)
            batch = plan.table(Int32.self, tokens)
            scales = plan.table(Float.self, tokens)
            near = plan.table(Int32.self, rows / 2)
            nearProducts = plan.table(Float.self, rows / 2, tokens)
            squaresLess = plan.table(Double.self, tokens)
            groupReach = plan.table(Double.self, carries ? Origins.most + 1 : 0)
            settled = plan.table(Int.self, 1)
        }

        /// To be called after each frame's choice, in order.
        func keep(_ picks: Table<Int32>, of frame: Selection.Frame, startsSegment: Bool) {
            guard self.picks.count > 0 else { return }
            if startsSegment { count[0] = 0 }
            guard let distances = frame.distances else { return }
            if count[0] == 0 {
                signs.fill(1)
                hintDistances.fill(.infinity)
            } else {
                for index in 0..<signs.count {
                    hintDistances[index] = upper[index]
                    let first = index &* Self.listed
                    if isMeasured[index], nearestLower[first] < .infinity { hints[index] = nearest[first] }
                }
            }
            for pick in picks.buffer {
                if frame.classes.pick(Int(pick)) < 0 {
                    frame.classes.note(pick: count[0], of: Int(pick))
                    self.picks[count[0]] = Int32(frame.number &* frame.tokens.rows &+ Int(pick))
                    pickSquares[count[0]] = .nan
                    count[0] += 1
                }
                distances.copy(row: Int(pick), into: scales.base)
                for index in 0..<signs.count where signs[index] * scales[index] < hintDistances[index] {
                    hintDistances[index] = signs[index] * scales[index]
                    hints[index] = Int32(frame.classes.pick(Int(pick)))
                }
            }
        }
    }

    let selection: Selection
    let tokens: TokenClasses
    let centred: CentredTokens?
    let first: Int
    private let weights: SelectionWeights
    let scratch: Scratch
    let pair: TokenPair
    let worker: Worker
    var clip: Clip { selection.input.clip }
    var tolerance: Float { Float(selection.input.tolerance).nextUp }
    private var count: Int { scratch.count[0] }

    /// Nil where there are none. Takes a dot product for each token, with its hint.
    init?(
        _ selection: Selection, _ frame: Int, _ tokens: TokenClasses, _ centred: CentredTokens?,
        _ weights: SelectionWeights, _ scratch: Scratch, _ pair: TokenPair, _ worker: Worker
    ) {
        guard selection.input.configuration.carry,
            selection.input.budget.selectedTokens(of: selection.segments.earlierFrames(than: frame)) > 0
        else { return nil }
        self.selection = selection
        self.tokens = tokens
        self.centred = centred
        first = frame &* tokens.tokens.rows
        self.weights = weights
        self.scratch = scratch
        self.pair = pair
        self.worker = worker
        begin()
    }

    // MARK: Reading

    /// Bounds of the distance that counts of a token to the picks: the nearest or the farthest, whichever its weight asks
    /// for.
    @inline(__always)
    subscript(_ index: Int) -> Interval { scratch.distances[index] }

    /// Whether a token's distance is known as well as float32 tells it.
    @inline(__always)
    func isMeasured(_ index: Int) -> Bool { scratch.isMeasured[index] }

    // MARK: Hints

    private func begin() {
        scratch.exactDistances.fill(.nan)
        scratch.squares.fill(.nan)
        scratch.settled[0] = 0
        scratch.nearestLower.fill(.infinity)
        scratch.last.fill(.infinity)
        for index in 0..<tokens.tokens.rows {
            let token = first &+ index
            let sign: Float = weights.countsNearest(index) ? 1 : -1
            scratch.signs[index] = sign
            if tokens.pick(index) >= 0, sign > 0 {
                scratch.distances[index] = Interval(exactly: selection.isZero(token) ? 1 : 0)
                scratch.hints[index] = Int32(tokens.pick(index))
                scratch.upper[index] = selection.isZero(token) ? 1 : 0
                worker.countSettled(byClass: 1)
            } else {
                let hint = distance(index, toPick: Int(scratch.hints[index]))
                scratch.upper[index] = sign * hint.distance + hint.error
                scratch.distances[index] =
                    sign > 0
                    ? .bounds(ofDistance: 0, scratch.upper[index])
                    : .bounds(ofDistance: -scratch.upper[index], Self.farthest)
            }
            scratch.isMeasured[index] = scratch.distances[index].isExact
        }
    }

    /// No distance is as large.
    private static let farthest: Float = 3

    /// A single distance, and what it may err by.
    private func distance(_ index: Int, toPick number: Int) -> (distance: Float, error: Float) {
        let (token, pick, channels) = (first &+ index, Int(scratch.picks[number]), clip.channels)
        if selection.isExtreme(token) || selection.isExtreme(pick) {
            return (Float(1 - pair.cosine(token, pick, of: clip)), 0)
        }
        if selection.isZero(token) || selection.isZero(pick) { return (1, 0) }
        let values = clip.token(pick, convertedInto: scratch.values.base)
        guard let centred, centred.group(index) > 0 else {
            let product = BLAS.dot(tokens.tokens.row(index), values, count: channels)
            return (1 - product * (selection.inverseNorm(token) * selection.inverseNorm(pick)), tolerance)
        }
        let other = scratch.values.row(1, of: channels).base
        write(number, values, less: centred.origins.row(centred.group(index)), into: other)
        // Of unit vectors, half the squared distance.
        let row = UnsafePointer(selection.room(worker).rows.row(index, of: channels).base)
        let distance = SinglePrecision.squaredDistance(row, other, count: channels) / 2
        let lengths = centred.length(index) + BLAS.dot(other, other, count: channels).squareRoot()
        // What the rows were rounded by, and the sum.
        return (distance, distance * 1e-4 + (2 * distance).squareRoot() * lengths * 0x1p-22 + 1e-14)
    }

    /// A pick as a unit vector less an origin.
    func write(
        _ number: Int, _ values: UnsafePointer<Float>, less origin: UnsafePointer<Float>,
        into target: UnsafeMutablePointer<Float>
    ) {
        let square = pickSquare(number, values)
        SinglePrecision.round(
            values, scale: square > 0 ? 1 / square.squareRoot() : 0, less: origin, into: target, count: clip.channels)
    }

    private func pickSquare(_ number: Int, _ values: UnsafePointer<Float>) -> Double {
        if scratch.pickSquares[number].isNaN {
            scratch.pickSquares[number] = DoublePrecision.dot(values, values, count: clip.channels)
        }
        return scratch.pickSquares[number]
    }

    // MARK: Rows

    /// Calls `body` with so many picks at a time, by their numbers, and their values.
    func forEachBlock(of rows: Int, _ body: (_ picks: Range<Int>, _ block: MatrixView) -> Void) {
        let channels = clip.channels
        for start in stride(from: 0, to: count, by: rows) {
            let picks = start..<min(count, start + rows)
            for (row, pick) in picks.enumerated() {
                clip.copyToken(Int(scratch.picks[pick]), into: scratch.values.row(row, of: channels).base)
            }
            body(
                picks,
                MatrixView(base: scratch.values.base, rows: picks.count, columns: channels, stride: channels))
        }
    }

    /// Rows of some tokens, one after another.
    func gather(_ batch: Table<Int32>, _ row: (Int) -> UnsafePointer<Float>) -> MatrixView {
        let (rows, channels) = (selection.room(worker).others, clip.channels)
        for (position, index) in batch.buffer.enumerated() {
            rows.row(position, of: channels).copy(row(Int(index)))
        }
        return MatrixView(base: rows.base, rows: batch.count, columns: channels, stride: channels)
    }

    // MARK: Exact

    /// The distance that counts of a token that was measured, in double: from the few picks that it can be, where they are
    /// few. Other tokens are settled one by one, and once that they are many, all in a block.
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

    /// Settles all tokens that were measured.
    private func settleAll() {
        var number = 0
        for index in 0..<tokens.tokens.rows
        where scratch.isMeasured[index] && !scratch.distances[index].isExact && scratch.exactDistances[index].isNaN {
            scratch.batch[number] = Int32(index)
            scratch.exactDistances[index] = weights.countsNearest(index) ? .infinity : -.infinity
            number += 1
        }
        let batch = scratch.batch.part(0..<number)
        worker.countSettled(inBlocks: count &* number)
        let rows = gather(batch) { tokens.tokens.row($0) }
        forEachBlock(of: scratch.rows) { picks, block in
            DoublePrecision.products(block, rows, into: scratch.exactProducts.base)
            for (row, pick) in picks.enumerated() {
                let products = scratch.exactProducts.row(row, of: number)
                for position in 0..<number {
                    let index = Int(batch[position])
                    take(products[position], pick, block.row(row), of: index, into: &scratch.exactDistances.base[index])
                }
            }
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
