internal import CFlashVIDKernels
import FlashVIDLibC

// Double precision over rows. Products in float32 leave a decision open where two values lie within their rounding of each
// other; these settle it. The same on every machine, and the same singly and in a block (see flashvid_kernels.h).

package enum DoublePrecision {
    /// Dot product of two rows.
    package static func dot(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, count: Int) -> Double {
        flashvid_dot(a, b, count)
    }

    /// Dot product of a row with a vector of doubles.
    static func dot(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Double>, count: Int) -> Double {
        flashvid_dot_mixed(a, b, count)
    }

    /// Dot product of two vectors of doubles.
    static func dot(_ a: UnsafePointer<Double>, _ b: UnsafePointer<Double>, count: Int) -> Double {
        flashvid_dot_double(a, b, count)
    }

    /// Squared distance of two vectors of doubles; 0 for equal ones, and the same whichever comes first.
    static func squaredDistance(_ a: UnsafePointer<Double>, _ b: UnsafePointer<Double>, count: Int) -> Double {
        flashvid_squared_distance(a, b, count)
    }

    /// Squared distance of a row from a vector of doubles.
    static func squaredDistance(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Double>, count: Int) -> Double {
        flashvid_squared_distance_mixed(a, b, count)
    }

    // MARK: Blocks

    /// Dot products of every row of `a` with every row of `b`, to `products[i * b.rows + j]`. 2·m·n·d flops.
    static func products(_ a: MatrixView, _ b: MatrixView, into products: UnsafeMutablePointer<Double>) {
        assert(a.columns == b.columns)
        flashvid_dots(a.base, a.stride, a.rows, b.base, b.stride, b.rows, a.columns, products, b.rows, 0)
    }

    /// The upper triangle of the Gram matrix of `a`, to `gram[i * a.rows + j]`. n·(n + 1)·d flops.
    static func gram(_ a: MatrixView, into gram: UnsafeMutablePointer<Double>) {
        flashvid_dots(a.base, a.stride, a.rows, a.base, a.stride, a.rows, a.columns, gram, a.rows, 1)
    }

    /// Squared distances of `count` rows of `a` from `others` rows of doubles of as many channels, which two lists name, to
    /// `distances[i * others + j]`. 3·m·n·d flops.
    static func squaredDistances(
        _ a: MatrixView, rows: UnsafePointer<Int32>, _ count: Int, _ b: UnsafePointer<Double>,
        rows otherRows: UnsafePointer<Int32>, _ others: Int, into distances: UnsafeMutablePointer<Double>
    ) {
        flashvid_squared_distances_mixed(
            a.base, a.stride, rows, count, b, a.columns, otherRows, others, a.columns, distances, others)
    }

    /// Squared distances of `rows` rows of doubles from `others`, to `distances[i * stride + j]`; of a row from itself and
    /// those behind it alone, where `triangle` holds. 3·m·n·d flops.
    static func squaredDistances(
        _ a: UnsafePointer<Double>, rows: Int, _ b: UnsafePointer<Double>, others: Int, channels: Int,
        into distances: UnsafeMutablePointer<Double>, stride: Int, triangle: Bool
    ) {
        flashvid_squared_distances(
            a, channels, rows, b, channels, others, channels, distances, stride, triangle ? 1 : 0)
    }

    // MARK: Cosines

    /// Cosine of two rows as the definition counts it (spec 1): 0 where a row has no length, 1 above ``same``.
    static func cosine(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, count: Int) -> Double {
        // Repeated frames and flat areas are common and cheap to see.
        if areEqual(a, b, count: count) { return isZero(a, count: count) ? 0 : 1 }
        return cosine(dot: dot(a, b, count: count), dot(a, a, count: count), dot(b, b, count: count))
    }

    /// Cosine of two rows from their product and their squared lengths.
    @inline(__always)
    static func cosine(dot: Double, _ aa: Double, _ bb: Double) -> Double {
        guard aa > 0, bb > 0 else { return 0 }
        let value = dot / (aa.squareRoot() * bb.squareRoot())
        return value > same ? 1 : value
    }

    /// Cosine of a row and a vector of doubles, with no cosine counted as 1 but 1 itself.
    static func plainCosine(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Double>, count: Int) -> Double {
        let lengths = dot(a, a, count: count).squareRoot() * dot(b, b, count: count).squareRoot()
        return lengths > 0 ? dot(a, b, count: count) / lengths : 0
    }

    /// A cosine above this counts as 1 (spec 1).
    static let same = 1 - 1e-6

    /// Whether two rows have the same numbers, 0 and -0 being one.
    static func areEqual(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, count: Int) -> Bool {
        Equality.ofNumbers(UnsafeRawPointer(a), UnsafeRawPointer(b), .float32, count: count)
    }

    static func isZero(_ row: UnsafePointer<Float>, count: Int) -> Bool {
        for index in 0..<count where row[index] != 0 { return false }
        return true
    }

    // MARK: Sums

    /// Adds a row to `total`.
    static func sum(_ row: UnsafePointer<Float>, into total: UnsafeMutablePointer<Double>, count: Int) {
        flashvid_sum_strided(row, 1, count, total, count)
    }

    /// Adds `rows` rows, `stride` apart, to `total`.
    static func sum(
        _ base: UnsafePointer<Float>, rows: Int, stride: Int, into total: UnsafeMutablePointer<Double>, count: Int
    ) {
        flashvid_sum_strided(base, rows, stride, total, count)
    }

    /// Adds up to four rows to `total`, or sets it to their sum. Rows from here and there in memory are waited for
    /// together.
    static func sum(
        _ rows: (UnsafePointer<Float>, UnsafePointer<Float>, UnsafePointer<Float>, UnsafePointer<Float>), _ number: Int,
        into total: UnsafeMutablePointer<Double>, adding: Bool, count: Int
    ) {
        withUnsafePointer(to: rows) { rows in
            rows.withMemoryRebound(to: UnsafePointer<Float>?.self, capacity: 4) {
                flashvid_sum_rows($0, CInt(number), total, adding ? 1 : 0, count)
            }
        }
    }

    /// Adds a vector to `total`.
    static func sum(_ row: UnsafePointer<Double>, into total: UnsafeMutablePointer<Double>, count: Int) {
        flashvid_sum_double(row, total, count)
    }

    static func maximum(_ row: UnsafePointer<Float>, into total: UnsafeMutablePointer<Double>, count: Int) {
        flashvid_maximum(row, total, count)
    }

    /// Divides in place: division, not multiplication by the inverse, so that the mean of equal rows is that row.
    static func divide(_ total: UnsafeMutablePointer<Double>, by divisor: Int, count: Int) {
        guard divisor != 1 else { return }
        flashvid_divide(total, Double(divisor), count)
    }

    // MARK: Rounding

    static func round(_ row: UnsafePointer<Double>, into target: UnsafeMutablePointer<Float>, count: Int) {
        flashvid_round(row, target, count)
    }

    /// A row less `origin`, times `scale`, rounded once.
    static func round(
        _ row: UnsafePointer<Double>, less origin: UnsafePointer<Float>, scale: Double = 1,
        into target: UnsafeMutablePointer<Float>, count: Int
    ) {
        flashvid_round_less(row, origin, scale, target, count)
    }

    /// A row and `origin`, added and then rounded.
    static func round(
        _ row: UnsafePointer<Double>, plus origin: UnsafePointer<Float>, into target: UnsafeMutablePointer<Float>,
        count: Int
    ) {
        flashvid_round_plus(row, origin, target, count)
    }
}
