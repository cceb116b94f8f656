/// A frame's tokens as unit vectors less their ``Origins``. A token u of origin o is o + y, and
///
///     u·v = o·v + p·u - o·p + y·z    for a token v = p + z,
///
/// of which all but y·z are computed in double. So a cosine errs by float32's tolerance times |y||z|.
struct CentredTokens: BitwiseCopyable {
    struct Scratch: BitwiseCopyable {
        fileprivate let origins: Origins.Scratch
        /// [N] the number of a token's origin.
        fileprivate let groups: Table<Int32>
        /// [N] 1/|x| in double, 0 for a token without length, and |y|.
        fileprivate let inverseNorms: Table<Double>
        fileprivate let lengths: Table<Float>
        /// [origins, N] products of origins and tokens.
        fileprivate let projections: Table<Double>

        init(_ clip: Clip, plan: inout Arena.Plan) {
            let count = clip.tokensPerFrame
            origins = Origins.Scratch(clip, plan: &plan)
            groups = plan.table(Int32.self, count)
            inverseNorms = plan.table(Double.self, count)
            lengths = plan.table(Float.self, count)
            projections = plan.table(Double.self, Origins.most + 1, count)
        }
    }

    private let scratch: Scratch
    let tokens: MatrixView
    private(set) var origins: Origins
    /// Whether these are those of the frame before.
    private var tookOrigins = false
    /// Mean of 1 - the products of the tokens for which the origins were chosen with these.
    private var spread = 0.0
    private var count: Int { tokens.rows }
    private var channels: Int { tokens.columns }

    /// Finds origins among a frame's tokens by distances known so far, and upper bounds of those to the nearest other token.
    init(_ tokens: MatrixView, _ distances: FrameDistances, nearest: Table<Float>, in scratch: Scratch) {
        self.init(tokens, scratch)
        // The squared distance of two unit vectors is twice 1 - cosine.
        origins.choose(
            among: count, groups: scratch.groups, square: { scratch.inverseNorms[$0] > 0 ? 1 : 0 },
            nearest: { 2 * nearest[$0] }, distance: { 2 * distances[$0, $1] },
            write: { [self] index, target in
                SinglePrecision.round(
                    tokens.row(index), scale: inverseNorm(index), less: origins.row(0), into: target, count: channels)
            })
        project()
        measureSpread()
    }

    /// Takes the origins of the frame before. Nil where tokens are much farther from them than those were for which they
    /// were chosen.
    init?(_ tokens: MatrixView, as earlier: CentredTokens, in scratch: Scratch) {
        self.init(tokens, scratch)
        origins.copy(earlier.origins)
        tookOrigins = true
        project()
        for index in 0..<count { scratch.groups[index] = Int32(origins.nearest { projection($0, index) }) }
        measureSpread()
        guard spread <= 4 * earlier.spread else { return nil }
        spread = earlier.spread
    }

    /// Notes how far the tokens are from their origins. Those that are near to none count as if they were as far as can be.
    private mutating func measureSpread() {
        var sum = 0.0
        for index in 0..<count where inverseNorm(index) > 0 {
            sum += group(index) > 0 ? max(0, 1 - projection(group(index), index)) : 1
        }
        // Below that, nothing is gained by nearer origins.
        spread = max(sum / Double(count), 1e-9)
    }

    private init(_ tokens: MatrixView, _ scratch: Scratch) {
        self.tokens = tokens
        self.scratch = scratch
        origins = Origins(channels: tokens.columns, in: scratch.origins)
        for index in 0..<count {
            let token = tokens.row(index)
            let square = DoublePrecision.dot(token, token, count: channels)
            scratch.inverseNorms[index] = square > 0 ? 1 / square.squareRoot() : 0
        }
    }

    private func project() { project(on: origins, into: scratch.projections) }

    private func project(on origins: Origins, into projections: Table<Double>) {
        DoublePrecision.products(origins.matrix, tokens, into: projections.base)
        for origin in 0..<origins.count {
            let line = projections.row(origin, of: count)
            for index in 0..<count { line[index] *= scratch.inverseNorms[index] }
        }
    }

    /// Products of the frame before's origins with the tokens, as unit vectors: known where the frame took these over.
    func project(on earlier: CentredTokens, into projections: Table<Double>) {
        if tookOrigins {
            projections.part(0..<(origins.count &* count)).copy(scratch.projections.part(0..<(origins.count &* count)))
        } else {
            project(on: earlier.origins, into: projections)
        }
    }

    // MARK: Reading

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

    /// What the product of two tokens, as unit vectors, has beside that of the two less their origins.
    @inline(__always)
    func shared(_ a: Int, _ b: Int) -> Double {
        let (first, other) = (group(a), group(b))
        return projection(first, b) + projection(other, a) - origins.product(first, other)
    }

    /// Half of what a product with another token errs by at the most, if that one has the same length.
    @inline(__always)
    func error(_ index: Int, tolerance: Double) -> Double {
        Self.error(length: scratch.lengths[index], tolerance: tolerance)
    }

    private static func error(length: Float, tolerance: Double) -> Double {
        // |y||z| is at most half the sum of their squares. With what y is rounded by, and the sums in double.
        0.55 * tolerance * Double(length) * Double(length) + 4e-12
    }

    /// Length of a token less its origin.
    @inline(__always)
    func length(_ index: Int) -> Float { scratch.lengths[index] }

    /// What a product of a token with another of so great a length errs by: such a part of the token's length, and the
    /// rest.
    static func error(of length: Float, tolerance: Double) -> (ofLength: Float, rest: Float) {
        (Float(1.1 * tolerance * Double(length)).nextUp, 8e-12)
    }

    // MARK: Writing

    /// A token less its origin. Notes its length.
    func write(_ index: Int, into target: UnsafeMutablePointer<Float>) {
        scratch.lengths[index] = write(index, less: origins.row(group(index)), into: target)
    }

    /// A token as a unit vector less an origin. Returns its length.
    func write(
        _ index: Int, less origin: UnsafePointer<Float>, into target: UnsafeMutablePointer<Float>
    ) -> Float {
        SinglePrecision.round(
            tokens.row(index), scale: inverseNorm(index), less: origin, into: target, count: channels)
        return BLAS.dot(target, target, count: channels).squareRoot()
    }

    /// All tokens less their origins.
    func write(into rows: Table<Float>) -> MatrixView {
        for index in 0..<count { write(index, into: rows.row(index, of: channels).base) }
        return MatrixView(base: rows.base, rows: count, columns: channels, stride: channels)
    }
}
