/// A few vectors that rows are much like, one for each group of rows that are near to each other. The first of them, 0 or
/// what is common to all, is that of rows that are like no others.
///
/// Where rows are much alike, float32's digits go to what they share, and its products tell them apart badly. So each row's
/// origin is taken out of it first, and what the origins have in a product or a distance is computed in double, a few
/// numbers for each row. What is left to float32 errs in proportion to what rows differ by from their origins.
struct Origins: BitwiseCopyable {
    /// Those beside the first. With as many the products with rows in double take a quarter of the time that the rows' own
    /// products in double would.
    static let most = 48

    struct Scratch: BitwiseCopyable {
        /// [most + 1, D]
        fileprivate let values: Table<Float>
        /// [most + 1, most + 1] products of them.
        fileprivate let products: Table<Double>
        /// [most] rows that they were.
        fileprivate let leaders: Table<Int32>

        init(_ clip: Clip, plan: inout Arena.Plan) {
            let rows = Origins.most + 1
            values = plan.table(Float.self, rows, clip.channels)
            products = plan.table(Double.self, rows, rows)
            leaders = plan.table(Int32.self, Origins.most)
        }
    }

    private let scratch: Scratch
    private let channels: Int
    private(set) var count = 1

    /// `first`: nil for 0.
    init(_ first: UnsafePointer<Float>? = nil, channels: Int, in scratch: Scratch) {
        self.channels = channels
        self.scratch = scratch
        if let first {
            scratch.values.row(0, of: channels).copy(first)
        } else {
            scratch.values.row(0, of: channels).fill(0)
        }
    }

    /// So many that were made before.
    init(count: Int, channels: Int, in scratch: Scratch) {
        self.channels = channels
        self.scratch = scratch
        self.count = count
    }

    var matrix: MatrixView {
        MatrixView(base: scratch.values.base, rows: count, columns: channels, stride: channels)
    }

    func row(_ origin: Int) -> UnsafePointer<Float> { UnsafePointer(scratch.values.row(origin, of: channels).base) }

    /// Product of two, after ``multiply()``.
    @inline(__always)
    func product(_ a: Int, _ b: Int) -> Double { scratch.products[a &* count &+ b] }

    func multiply() {
        DoublePrecision.gram(matrix, into: scratch.products.base)
        for row in 0..<count {
            for column in 0..<row {
                scratch.products[row &* count &+ column] = scratch.products[column &* count &+ row]
            }
        }
    }

    /// Squared distance of two, after ``multiply()``.
    @inline(__always)
    func squaredDistance(_ a: Int, _ b: Int) -> Double { product(a, a) + product(b, b) - 2 * product(a, b) }

    /// The length of the longest, after ``multiply()``.
    var longest: Double { (0..<count).reduce(0) { max($0, product($1, $1)) }.squareRoot() }

    /// The distance of an origin from the one farthest from it, after ``multiply()``.
    func farthest(from origin: Int) -> Double {
        (0..<count).reduce(0) { max($0, squaredDistance(origin, $1)) }.squareRoot()
    }

    /// What the parts in double of a squared distance of rows of two origins may err by, where that is not covered by a share
    /// of 1e-7 of the distance or of the rows' squares less their origins: 0, unless another origin is much nearer than
    /// origins are long.
    func slack(_ origin: Int) -> Double {
        var (longest, nearest) = (0.0, Double.infinity)
        for other in 0..<count {
            longest = max(longest, product(other, other))
            if other != origin { nearest = min(nearest, squaredDistance(origin, other)) }
        }
        return nearest < 1e-4 * longest ? 1e-12 * longest : 0
    }

    /// Takes over all of another's.
    mutating func copy(_ other: Origins) {
        count = other.count
        scratch.values.part(0..<(count &* channels)).copy(other.scratch.values.part(0..<(count &* channels)))
        scratch.products.part(0..<(count &* count)).copy(other.scratch.products.part(0..<(count &* count)))
    }

    /// Adds one, which `write` writes, and returns its number, or 0 where there is no more room.
    mutating func add(_ write: (UnsafeMutablePointer<Float>) -> Void) -> Int {
        guard count <= Self.most else { return 0 }
        write(scratch.values.row(count, of: channels).base)
        count += 1
        return count - 1
    }

    /// The origin that is nearest to a unit vector, of which `product` is the product with one; 0 where none is near.
    func nearest(_ product: (Int) -> Double) -> Int {
        var (nearest, largest) = (0, 1 - Double(Self.radius) / 2)
        for origin in 1..<max(count, 1) where product(origin) > largest {
            (nearest, largest) = (origin, product(origin))
        }
        return nearest
    }

    /// How far from an origin a row may be, by the squared distance in terms of its own square.
    static let radius: Float = 1 / 16
    /// How near another row must be, in the same terms, for float32 to tell them apart badly.
    static let crowd: Float = 1 / 128

    /// Finds origins among rows: one that is near to others but to no origin so far becomes one, as long as there is room.
    /// Squared distances, and squares of rows as they are now, are known to float32's precision. O(rows · origins).
    mutating func choose(
        among rows: Int, groups: Table<Int32>, square: (Int) -> Float, nearest: (Int) -> Float,
        distance: (Int, Int) -> Float, write: (Int, UnsafeMutablePointer<Float>) -> Void
    ) {
        let leaders = scratch.leaders
        for row in 0..<rows {
            groups[row] = 0
            let reach = square(row) * Self.radius
            guard nearest(row) < reach else { continue }
            var (least, group) = (Float.infinity, 0)
            for origin in 1..<max(count, 1) {
                let distance = distance(Int(leaders[origin &- 1]), row)
                if distance < least { (least, group) = (distance, origin) }
            }
            // Much farther than the nearest row, it would not gain much from that origin.
            if !(least < min(reach, 64 * nearest(row))) {
                let added = add { write(row, $0) }
                if added > 0 {
                    leaders[added &- 1] = Int32(row)
                    group = added
                } else if !(least < reach) {
                    group = 0
                }
            }
            groups[row] = Int32(group)
        }
        multiply()
    }
}
