/// Distances, 1 - cosine, of a frame's tokens with each other in float32, within error bounds: the upper triangle of an
/// N x N matrix, made from products of the tokens.
struct FrameDistances: BitwiseCopyable {
    /// What is kept of a frame.
    struct Scratch: BitwiseCopyable {
        /// [N, N] products, then distances.
        let values: Table<Float>
        /// [N]
        fileprivate let errors: Table<Float>
        /// [N] bounds of the distance to the nearest other token.
        fileprivate let lower: Table<Float>
        fileprivate let upper: Table<Float>
        /// [N] least distance from a token that is not equal.
        fileprivate let apart: Table<Float>
        fileprivate let centred: CentredTokens.Scratch

        init(_ clip: Clip, plan: inout Arena.Plan) {
            values = plan.table(Float.self, clip.tokensPerFrame, clip.tokensPerFrame)
            errors = plan.table(Float.self, clip.tokensPerFrame)
            lower = plan.table(Float.self, clip.tokensPerFrame)
            upper = plan.table(Float.self, clip.tokensPerFrame)
            apart = plan.table(Float.self, clip.tokensPerFrame)
            centred = CentredTokens.Scratch(clip, plan: &plan)
        }
    }

    private let scratch: Scratch
    private let tolerance: Double
    /// The tokens as the distances were made from them, where many of the frame are much alike.
    private(set) var centred: CentredTokens?
    private var values: UnsafeMutablePointer<Float> { scratch.values.base }
    let count: Int

    /// `tolerance` is the error bound of a float32 cosine.
    init(count: Int, tolerance: Double, in scratch: Scratch) {
        self.count = count
        self.tolerance = tolerance
        self.scratch = scratch
        scratch.errors.fill(Self.up(tolerance / 2))
    }

    private static func up(_ error: Double) -> Float { Float(error).nextUp }

    // MARK: Reading

    /// A distance in float32.
    @inline(__always)
    subscript(_ a: Int, _ b: Int) -> Float {
        get { a <= b ? values[a &* count &+ b] : values[b &* count &+ a] }
        nonmutating set {
            if a <= b { values[a &* count &+ b] = newValue } else { values[b &* count &+ a] = newValue }
        }
    }

    /// What is added to the other token's for the error bound of a distance, beside its own rounding.
    @inline(__always)
    func error(_ index: Int) -> Float { scratch.errors[index] }

    /// Bounds of a distance as the definition counts it (spec 1).
    @inline(__always)
    func bounds(_ a: Int, _ b: Int) -> Interval { .distance(self[a, b], within: error(a) + error(b)) }

    /// All distances of a token in float32, in order.
    func copy(row: Int, into target: UnsafeMutablePointer<Float>) {
        for column in 0..<row { target[column] = values[column &* count &+ row] }
        (target + row).update(from: values + (row &* count &+ row), count: count &- row)
    }

    /// Bounds of a token's distance to the nearest other one, after ``findNearest()``.
    @inline(__always)
    func nearest(_ index: Int) -> Interval { .bounds(ofDistance: scratch.lower[index], scratch.upper[index]) }

    /// Bounds of every token's distance to the second farthest other one; `first` is room for N numbers. O(N²).
    func secondFarthest(into lower: Table<Float>, _ upper: Table<Float>, first: Table<Float>) {
        for (target, sign) in [(lower, Float(-1)), (upper, Float(1))] {
            first.fill(-.infinity)
            target.fill(-.infinity)
            for row in 0..<count {
                for column in (row &+ 1)..<max(count, row &+ 1) {
                    let distance = self[row, column] + sign * (error(row) + error(column))
                    for index in [row, column] {
                        target[index] = max(target[index], min(first[index], distance))
                        first[index] = max(first[index], distance)
                    }
                }
            }
        }
    }

    // MARK: Making

    /// Turns the Gram matrix of the tokens, in `Scratch.values`, into distances. `inverseNorms` are 0 for tokens without
    /// length, which are at distance 1 from all.
    func scale(inverseNorms: UnsafePointer<Float>) {
        for row in 0..<count {
            let line = values + row &* count
            let scale = inverseNorms[row]
            for column in row..<count {
                line[column] = 1 - line[column] * (scale * inverseNorms[column])
            }
        }
    }

    /// Turns products of the frame's different tokens, `distinct`, into distances; those of tokens that the frame before has
    /// too are taken from there.
    func expand(
        _ distinct: DistinctTokens, _ products: Table<Float>, inverseNorms: UnsafePointer<Float>,
        _ classes: TokenClasses,
        _ earlier: FrameDistances?
    ) {
        if let earlier {
            for index in 0..<count where distinct.isKnown(index) {
                scratch.errors[index] = earlier.error(classes.twin(index))
            }
        }
        for row in 0..<count {
            let line = values + row &* count
            let (place, scale, twin) = (distinct.place(row), inverseNorms[row], classes.twin(row))
            for column in row..<count {
                let other = distinct.place(column)
                if other == place {
                    // Tokens without length are at distance 1 from each other too.
                    line[column] = scale > 0 ? 0 : 1
                } else if min(place, other) < distinct.fresh {
                    let product = products[min(place, other) &* distinct.count &+ max(place, other)]
                    line[column] = 1 - product * (scale * inverseNorms[column])
                } else if let earlier {
                    line[column] = earlier[twin, classes.twin(column)]
                }
            }
        }
    }

    /// Finds every token's nearest other one. O(N²).
    func findNearest() {
        SinglePrecision.nearest(
            UnsafePointer(values), count, errors: UnsafePointer(scratch.errors.base), scratch.lower.base,
            scratch.upper.base)
    }

    // MARK: Centring

    /// Whether so many tokens are so near to others, equal ones left out, that float32's products tell them apart badly.
    func isCrowded(_ classes: TokenClasses) -> Bool {
        if classes.areDistinct {
            scratch.apart.copy(scratch.upper)
        } else {
            scratch.apart.fill(.infinity)
            for row in 0..<count where classes.first(row) == row {
                let line = values + row &* count
                var least = scratch.apart[row]
                for column in (row &+ 1)..<max(count, row &+ 1) where classes.first(column) == column {
                    least = min(least, line[column])
                    scratch.apart[column] = min(scratch.apart[column], line[column])
                }
                scratch.apart[row] = least
            }
            for row in 0..<count {
                let first = classes.first(row)
                if first != row { scratch.apart[row] = scratch.apart[first] }
                scratch.apart[row] = max(scratch.apart[row], Float(tolerance))
            }
        }
        var crowded = 0
        for index in 0..<count where 2 * scratch.apart[index] < Origins.crowd { crowded += 1 }
        return crowded >= max(8, count / 16)
    }

    /// Makes the distances again from the tokens less a few origins, after ``isCrowded(_:)``; `rows` is room for N. One Gram
    /// matrix.
    mutating func centre(_ tokens: MatrixView, rows: Table<Float>) {
        measure(CentredTokens(tokens, self, nearest: scratch.apart, in: scratch.centred), rows)
    }

    /// Makes them from the tokens less the origins of the frame before, if these fit. One Gram matrix.
    mutating func centre(_ tokens: MatrixView, as earlier: FrameDistances?, rows: Table<Float>) -> Bool {
        guard let earlier = earlier?.centred,
            let centred = CentredTokens(tokens, as: earlier, in: scratch.centred)
        else { return false }
        measure(centred, rows)
        return true
    }

    private mutating func measure(_ centred: CentredTokens, _ rows: Table<Float>) {
        BLAS.gram(centred.write(into: rows), into: values)
        for row in 0..<count {
            let line = values + row &* count
            for column in (row &+ 1)..<max(count, row &+ 1) {
                line[column] = Float(1 - (Double(line[column]) + centred.shared(row, column)))
            }
            line[row] = centred.isZero(row) ? 1 : 0
            scratch.errors[row] = Self.up(centred.error(row, tolerance: tolerance))
        }
        self.centred = centred
        findNearest()
    }
}

extension Interval {
    /// Bounds of 1 - cosine as the definition counts it, where a cosine above 1 - 1e-6 counts as 1 (spec 1), from a number in
    /// float32 that may err by so much and by its own rounding.
    @inline(__always)
    static func distance(_ value: Float, within error: Float) -> Interval {
        bounds(ofDistance: Double(value) - Double(error), Double(value) + Double(error))
    }

    /// The same from bounds in float32.
    @inline(__always)
    static func bounds(ofDistance lower: Float, _ upper: Float) -> Interval {
        bounds(ofDistance: Double(lower), Double(upper))
    }

    @inline(__always)
    private static func bounds(ofDistance lower: Double, _ upper: Double) -> Interval {
        // What the number itself was rounded by, in float32.
        let (lower, upper) = (lower - abs(lower) * 0x1p-22, upper + abs(upper) * 0x1p-22)
        return Interval(lower > leastDistance * (1 + 1e-5) ? lower : 0, upper < leastDistance * (1 - 1e-5) ? 0 : upper)
    }

    private static var leastDistance: Double { 1 - DoublePrecision.same }
}

/// Which tokens of a frame enter its products: one of each class of equal ones, of which those that the frame before does not
/// have come first.
struct DistinctTokens: BitwiseCopyable {
    struct Scratch: BitwiseCopyable {
        /// [N] place of a token's class, and [N] first token of the class at a place.
        fileprivate let places: Table<Int32>
        fileprivate let tokens: Table<Int32>

        init(_ clip: Clip, plan: inout Arena.Plan) {
            places = plan.table(Int32.self, clip.tokensPerFrame)
            tokens = plan.table(Int32.self, clip.tokensPerFrame)
        }
    }

    private let scratch: Scratch
    /// How many there are, and how many of them the frame before does not have.
    let count: Int
    let fresh: Int

    /// `knowsEarlier`: whether distances of the frame before are at hand.
    init(_ classes: TokenClasses, knowsEarlier: Bool, in scratch: Scratch) {
        self.scratch = scratch
        var count = 0
        let tokens = 0..<classes.tokens.rows
        for index in tokens where classes.first(index) == index && !(knowsEarlier && classes.twin(index) >= 0) {
            scratch.tokens[count] = Int32(index)
            count += 1
        }
        fresh = count
        for index in tokens where classes.first(index) == index && knowsEarlier && classes.twin(index) >= 0 {
            scratch.tokens[count] = Int32(index)
            count += 1
        }
        self.count = count
        for place in 0..<count { scratch.places[Int(scratch.tokens[place])] = Int32(place) }
        for index in tokens { scratch.places[index] = scratch.places[classes.first(index)] }
    }

    func place(_ index: Int) -> Int { Int(scratch.places[index]) }

    func isKnown(_ index: Int) -> Bool { place(index) >= fresh }

    /// First token of the class at a place.
    func token(_ place: Int) -> Int { Int(scratch.tokens[place]) }

    /// Whether products of these alone take clearly less than the frame's Gram matrix.
    var saves: Bool {
        5 * fresh &* (fresh == count ? count : 2 &* count) < 4 &* scratch.places.count &* scratch.places.count
    }

    /// Products of the fresh ones with all, by place, the upper triangle alone where all are fresh; `rows` is room for N
    /// tokens. 2·f·n·d flops, or n·(n + 1)·d.
    func multiply(_ tokens: MatrixView, gatheringInto rows: Table<Float>, _ products: Table<Float>) {
        guard fresh > 0 else { return }
        for place in 0..<count { rows.row(place, of: tokens.columns).copy(tokens.row(token(place))) }
        func matrix(_ rows: Int, _ base: UnsafeMutablePointer<Float>) -> MatrixView {
            MatrixView(base: base, rows: rows, columns: tokens.columns, stride: tokens.columns)
        }
        let all = matrix(count, rows.base)
        if fresh == count {
            BLAS.gram(all, into: products.base)
        } else {
            BLAS.products(matrix(fresh, rows.base), all, into: products.base)
        }
    }
}
