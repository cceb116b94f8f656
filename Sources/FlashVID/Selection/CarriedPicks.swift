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
        fileprivate static let listed = 8
        fileprivate let rows: Int
        /// [rows, D] a block of picks; of half as many, where some of these less an origin take the other half.
        fileprivate let values: Table<Float>
        /// [rows, N] their distances from tokens, by sign, and products with tokens in double.
        fileprivate let products: Table<Float>
        fileprivate let exactProducts: Table<Double>
        /// Different picks of the segment so far: the tokens, their squared lengths or NaN, and how many they are.
        fileprivate let picks: Table<Int32>
        fileprivate let pickSquares: Table<Double>
        fileprivate let count: Table<Int>
        /// [N] a token's hint, and its distance by sign.
        fileprivate let hints: Table<Int32>
        fileprivate let hintDistances: Table<Float>
        /// [N] whether a token was measured.
        fileprivate let isMeasured: Table<Bool>
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
        /// [N] tokens that are measured together, and by position among these the factor of their products, by sign.
        fileprivate let batch: Table<Int32>
        fileprivate let scales: Table<Float>
        /// [rows / 2] picks of a block that may be the nearest to tokens of a group, and [rows / 2, N] their products.
        fileprivate let near: Table<Int32>
        fileprivate let nearProducts: Table<Float>
        /// [N] by position: squares of such tokens less their origin.
        fileprivate let squaresLess: Table<Double>
        /// [origins] the most that the distance of an origin from the nearest pick so far is, of unit vectors.
        fileprivate let groupReach: Table<Double>
        /// How many were settled singly.
        fileprivate let settled: Table<Int>

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

    private let selection: Selection
    private let tokens: TokenClasses
    private let centred: CentredTokens?
    private let first: Int
    private let weights: SelectionWeights
    private let scratch: Scratch
    private let pair: TokenPair
    private let worker: Worker
    private var clip: Clip { selection.input.clip }
    private var tolerance: Float { Float(selection.input.tolerance).nextUp }
    private var count: Int { scratch.count[0] }

    /// Nil where there are none. Takes a dot product for each token, with its hint.
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
    private func write(
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

    // MARK: Measuring

    /// Measures the distances of some tokens, by index, to all picks. One product, a block of picks at a time: 2·P·n·D flops
    /// for P picks and n tokens. Of tokens that have an origin the products are with the picks near to it alone.
    func measure(_ indices: Table<Int32>) {
        let batch = scratch.batch.part(0..<indices.count)
        batch.copy(indices)
        sort(batch)
        var plain = 0
        while plain < batch.count, group(Int(batch[plain])) == 0 { plain += 1 }
        let rows = gather(batch) { index in
            group(index) == 0
                ? tokens.tokens.row(index)
                : UnsafePointer(selection.room(worker).rows.row(index, of: clip.channels).base)
        }
        for index in batch.buffer { scratch.lower[Int(index)] = .infinity }
        scratch.groupReach.fill(.infinity)
        forEachBlock(of: plain == batch.count ? scratch.rows : scratch.rows / 2) { picks, block in
            if plain > 0 { measure(batch.part(0..<plain), rows, picks, block) }
            if let centred, plain < batch.count {
                measureNear(plain..<batch.count, batch, rows, picks, block, centred)
            }
        }
        for index in batch.buffer {
            let index = Int(index)
            let (lower, upper) = (scratch.lower[index], scratch.upper[index])
            scratch.isMeasured[index] = true
            scratch.distances[index] =
                scratch.signs[index] > 0
                ? .bounds(ofDistance: lower, upper) : .bounds(ofDistance: -upper, -lower)
        }
    }

    /// The number of the origin that was taken out of a token; 0 also where its farthest distance is asked for.
    @inline(__always)
    private func group(_ index: Int) -> Int {
        guard let centred, scratch.signs[index] > 0 else { return 0 }
        return centred.group(index)
    }

    private func sort(_ batch: Table<Int32>) {
        guard centred != nil else { return }
        for position in 1..<max(batch.count, 1) {
            let index = batch[position]
            var place = position
            while place > 0, group(Int(batch[place - 1])) > group(Int(index)) {
                batch[place] = batch[place - 1]
                place -= 1
            }
            batch[place] = index
        }
    }

    /// Measures tokens, the first of `rows`, from a block of picks.
    private func measure(_ batch: Table<Int32>, _ rows: MatrixView, _ picks: Range<Int>, _ block: MatrixView) {
        for (position, index) in batch.buffer.enumerated() {
            scratch.scales[position] = scratch.signs[Int(index)] * selection.inverseNorm(first &+ Int(index))
        }
        let hasExtremes = batch.buffer.contains { selection.isExtreme(first &+ Int($0)) }
        BLAS.products(
            block, MatrixView(base: rows.base, rows: batch.count, columns: rows.columns, stride: rows.stride),
            into: scratch.products.base)
        for (row, number) in picks.enumerated() {
            let pick = Int(scratch.picks[number])
            let distances = scratch.products.row(row, of: batch.count)
            let scale = selection.inverseNorm(pick)
            for position in 0..<batch.count {
                distances[position] =
                    scratch.signs[Int(batch[position])] - distances[position] * (scale * scratch.scales[position])
            }
            if hasExtremes || selection.isExtreme(pick) { settleExtremes(distances, pick, batch) }
            for position in 0..<batch.count {
                include(distances.base[position], within: tolerance, number, of: Int(batch.base[position]))
            }
        }
    }

    /// Calls `body` with so many picks at a time, by their numbers, and their values.
    private func forEachBlock(of rows: Int, _ body: (_ picks: Range<Int>, _ block: MatrixView) -> Void) {
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
    private func gather(_ batch: Table<Int32>, _ row: (Int) -> UnsafePointer<Float>) -> MatrixView {
        let (rows, channels) = (selection.room(worker).others, clip.channels)
        for (position, index) in batch.buffer.enumerated() {
            rows.row(position, of: channels).copy(row(Int(index)))
        }
        return MatrixView(base: rows.base, rows: batch.count, columns: channels, stride: channels)
    }

    /// Computes the distances of extreme tokens in double.
    private func settleExtremes(_ distances: Table<Float>, _ pick: Int, _ batch: Table<Int32>) {
        for (position, index) in batch.buffer.enumerated() {
            let token = first &+ Int(index)
            guard selection.isExtreme(pick) || selection.isExtreme(token) else { continue }
            distances[position] = scratch.signs[Int(index)] * Float(1 - pair.cosine(token, pick, of: clip))
        }
    }

    /// Takes a distance from a pick, by sign, into those so far.
    @inline(__always)
    private func include(_ distance: Float, within error: Float, _ pick: Int, of index: Int) {
        let lower = distance - error
        if lower < scratch.lower[index] { scratch.lower[index] = lower }
        if distance + error < scratch.upper[index] { scratch.upper[index] = distance + error }
        if lower < scratch.last[index] { list(pick, lower, of: index) }
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

    // MARK: Tokens that are much alike

    /// Measures tokens, `members` of the batch, from the picks of a block that may be their nearest, both less the tokens'
    /// origin: half the squared distance of unit vectors is 1 - cosine. Which may be, the picks' distances from the origin
    /// tell: a pick is no nearer to a token than to its origin, less what the token is from that.
    private func measureNear(
        _ members: Range<Int>, _ batch: Table<Int32>, _ rows: MatrixView, _ picks: Range<Int>, _ block: MatrixView,
        _ centred: CentredTokens
    ) {
        let channels = clip.channels
        let others = scratch.values.base + (scratch.rows / 2) &* channels
        BLAS.products(block, centred.origins.matrix, into: scratch.products.base)
        var start = members.lowerBound
        while start < members.upperBound {
            let group = group(Int(batch[start]))
            var end = start + 1
            while end < members.upperBound, self.group(Int(batch[end])) == group { end += 1 }
            let members = start..<end
            start = end
            let near = findNear(batch.part(members), group, picks, block, centred, into: others)
            guard near > 0 else { continue }
            for position in members {
                let row = rows.row(position)
                scratch.squaresLess[position] = DoublePrecision.dot(row, row, count: channels)
            }
            BLAS.products(
                MatrixView(base: others, rows: near, columns: channels, stride: channels),
                MatrixView(
                    base: rows.row(members.lowerBound), rows: members.count, columns: channels, stride: channels),
                into: scratch.nearProducts.base)
            for number in 0..<near {
                let other = others + number &* channels
                let square = DoublePrecision.dot(other, other, count: channels)
                for (column, position) in members.enumerated() {
                    let product = Double(scratch.nearProducts[number &* members.count &+ column])
                    let half = (scratch.squaresLess[position] + square) / 2
                    // |y||z| is at most half the sum of their squares. With what y and z are rounded by.
                    let error = Float(half) * (1.1 * tolerance + 0x1p-21) + 1e-14
                    include(
                        Float(max(0, half - product)), within: error, Int(scratch.near[number]),
                        of: Int(batch[position]))
                }
            }
        }
    }

    /// Finds the picks that may be the nearest to one of some tokens of a group, to `Scratch.near`, and writes them less
    /// the group's origin. Returns how many.
    private func findNear(
        _ tokens: Table<Int32>, _ group: Int, _ picks: Range<Int>, _ block: MatrixView, _ centred: CentredTokens,
        into others: UnsafeMutablePointer<Float>
    ) -> Int {
        let origins = centred.origins
        let slack = 4 * Double(tolerance)
        var nearest = scratch.groupReach[group]
        for row in 0..<picks.count {
            let number = picks.lowerBound + row
            guard !isApart(number), !selection.isExtreme(Int(scratch.picks[number])) else { continue }
            let square = squaredDistance(number, row, origins, group)
            nearest = min(nearest, max(0, square + slack).squareRoot())
        }
        scratch.groupReach[group] = nearest
        var reach = 0.0
        for index in tokens.buffer {
            let (index, length) = (Int(index), Double(centred.length(Int(index))))
            let chord = (nearest + length) * 1.0001
            let upper = min(scratch.upper[index], Float(chord * chord / 2).nextUp)
            scratch.upper[index] = upper
            // Distances below 1e-6 count as 0.
            reach = max(reach, length + (2 * (Double(max(0, upper)) * 1.001 + 3e-6)).squareRoot())
        }
        reach = reach * reach * 1.001 + slack
        var near = 0
        for row in 0..<picks.count {
            let number = picks.lowerBound + row
            guard !isApart(number) else {
                for index in tokens.buffer { include(1, within: 0, number, of: Int(index)) }
                continue
            }
            guard squaredDistance(number, row, origins, group) <= reach else { continue }
            scratch.near[near] = Int32(number)
            write(number, block.row(row), less: origins.row(group), into: others + near &* clip.channels)
            near += 1
        }
        return near
    }

    /// The squared distance of a pick, by number and by its row in the block, from an origin, as unit vectors, from their
    /// product; 0 where float32 does not tell it.
    @inline(__always)
    private func squaredDistance(_ number: Int, _ row: Int, _ origins: Origins, _ group: Int) -> Double {
        let pick = Int(scratch.picks[number])
        guard !selection.isExtreme(pick) else { return 0 }
        let product = scratch.products[row &* origins.count &+ group] * selection.inverseNorm(pick)
        return 1 + origins.product(group, group) - 2 * Double(product)
    }

    /// Whether a pick has no length, so that it is at a distance of 1 from all.
    private func isApart(_ number: Int) -> Bool { selection.isZero(Int(scratch.picks[number])) }

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
