/// A frame's tokens as unit vectors less an origin, the nearest of a few.
///
/// Where tokens are much alike, as in a flat area with grain, float32's digits go to what they share, and its products tell
/// them apart badly. So that is taken out first. A token u of origin o is o + y, and
///
///     u·v = o·v + p·u - o·p + y·z    for a token v = p + z,
///
/// of which all but y·z are computed in double, a few numbers for each token. What is left to float32 errs by its tolerance
/// times |y||z|: the nearer the tokens, the smaller the error. Tokens that are like no others have the origin 0.
struct CentredTokens: BitwiseCopyable {
    struct Scratch: BitwiseCopyable {
        static let maximumOrigins = 16
        /// [origins, D] the first of which is 0.
        fileprivate let origins: Table<Float>
        /// [N] the number of a token's origin.
        fileprivate let groups: Table<Int32>
        /// [N] 1/|x| in double, 0 for a token without length, and |y|.
        fileprivate let inverseNorms: Table<Double>
        fileprivate let lengths: Table<Float>
        /// [origins, N] products of origins and tokens, and [origins, origins] of origins with each other.
        fileprivate let projections: Table<Double>
        fileprivate let between: Table<Double>

        init(_ clip: Clip, plan: inout Arena.Plan) {
            let (count, origins) = (clip.tokensPerFrame, Self.maximumOrigins + 1)
            self.origins = plan.table(Float.self, origins, clip.channels)
            groups = plan.table(Int32.self, count)
            inverseNorms = plan.table(Double.self, count)
            lengths = plan.table(Float.self, count)
            projections = plan.table(Double.self, origins, count)
            between = plan.table(Double.self, origins, origins)
        }
    }

    private let scratch: Scratch
    let tokens: MatrixView
    /// That of 0 included.
    private(set) var originCount = 1
    private var count: Int { tokens.rows }
    private var channels: Int { tokens.columns }

    /// Tokens nearer than that to another may have it as their origin.
    static let radius: Float = 1 / 32

    /// Finds origins among a frame's tokens by distances known so far, and upper bounds of those to the nearest other token.
    init(_ tokens: MatrixView, _ distances: FrameDistances, nearest: Table<Float>, in scratch: Scratch) {
        self.tokens = tokens
        self.scratch = scratch
        for index in 0..<count {
            let token = tokens.row(index)
            let square = DoublePrecision.dot(token, token, count: channels)
            scratch.inverseNorms[index] = square > 0 ? 1 / square.squareRoot() : 0
        }
        scratch.origins.row(0, of: channels).fill(0)
        chooseOrigins(distances, nearest)
        DoublePrecision.products(origins, tokens, into: scratch.projections.base)
        for origin in 0..<originCount {
            let line = scratch.projections.row(origin, of: count)
            for index in 0..<count { line[index] *= scratch.inverseNorms[index] }
        }
        DoublePrecision.products(origins, origins, into: scratch.between.base)
    }

    /// The first token of those that are near to each other becomes their origin, as long as there are places.
    private mutating func chooseOrigins(_ distances: FrameDistances, _ nearest: Table<Float>) {
        var leaders = SIMD16<Int32>(repeating: -1)
        for index in 0..<count {
            scratch.groups[index] = 0
            guard scratch.inverseNorms[index] > 0, nearest[index] < Self.radius else { continue }
            var least = Float.infinity
            for origin in 1..<max(originCount, 1) {
                let distance = distances[Int(leaders[origin &- 1]), index]
                if distance < least {
                    least = distance
                    scratch.groups[index] = Int32(origin)
                }
            }
            // Much farther than its nearest, it would not gain much from that origin.
            if least < min(Self.radius, 64 * nearest[index]) { continue }
            if originCount <= Scratch.maximumOrigins {
                leaders[originCount &- 1] = Int32(index)
                SinglePrecision.round(
                    tokens.row(index), scale: scratch.inverseNorms[index], less: scratch.origins.base,
                    into: scratch.origins.row(originCount, of: channels).base, count: channels)
                scratch.groups[index] = Int32(originCount)
                originCount += 1
            } else if least >= Self.radius {
                scratch.groups[index] = 0
            }
        }
    }

    // MARK: Reading

    /// The origins.
    var origins: MatrixView { matrix(scratch.origins, originCount) }

    private func matrix(_ table: Table<Float>, _ rows: Int) -> MatrixView {
        MatrixView(base: table.base, rows: rows, columns: channels, stride: channels)
    }

    /// The number of a token's origin.
    @inline(__always)
    func group(_ index: Int) -> Int { Int(scratch.groups[index]) }

    /// 1/|x| in double; 0 for a token without length.
    @inline(__always)
    func inverseNorm(_ index: Int) -> Double { scratch.inverseNorms[index] }

    func isZero(_ index: Int) -> Bool { inverseNorm(index) == 0 }

    /// Product of an origin with a token, as a unit vector.
    @inline(__always)
    func projection(_ origin: Int, _ index: Int) -> Double { scratch.projections[origin &* count &+ index] }

    /// Product of two origins.
    @inline(__always)
    func between(_ a: Int, _ b: Int) -> Double { scratch.between[a &* originCount &+ b] }

    /// What the product of two tokens, as unit vectors, has beside that of the two less their origins.
    @inline(__always)
    func shared(_ a: Int, _ b: Int) -> Double {
        let (first, other) = (group(a), group(b))
        return projection(first, b) + projection(other, a) - between(first, other)
    }

    /// Half of what a product with another token errs by at the most, if that one has the same length.
    @inline(__always)
    func error(_ index: Int, tolerance: Double) -> Double {
        Self.error(length: scratch.lengths[index], tolerance: tolerance)
    }

    static func error(length: Float, tolerance: Double) -> Double {
        // |y||z| is at most half the sum of their squares. With what y is rounded by, and the sums in double.
        0.55 * tolerance * Double(length) * Double(length) + 4e-12
    }

    // MARK: Writing

    /// A token less its origin. Notes its length.
    func write(_ index: Int, into target: UnsafeMutablePointer<Float>) {
        SinglePrecision.round(
            tokens.row(index), scale: inverseNorm(index), less: scratch.origins.row(group(index), of: channels).base,
            into: target, count: channels)
        scratch.lengths[index] = BLAS.dot(target, target, count: channels).squareRoot()
    }

    /// All tokens less their origins.
    func write(into rows: Table<Float>) -> MatrixView {
        for index in 0..<count { write(index, into: rows.row(index, of: channels).base) }
        return matrix(rows, count)
    }
}
