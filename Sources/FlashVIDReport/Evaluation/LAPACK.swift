internal import CBLASShim
internal import CFlashVIDProcess

// The one file of this module that calls BLAS and LAPACK. All in double: differences between tokens of neighbouring frames,
// on which the measures depend, are small beside the tokens.

/// A row-major matrix with memory of its own. It is written by one thread at a time, whichever runs the task that has it.
final class Matrix {
    let rows: Int
    let columns: Int
    let base: UnsafeMutablePointer<Double>

    init(_ rows: Int, _ columns: Int) {
        self.rows = rows
        self.columns = columns
        base = .allocate(capacity: max(1, rows * columns))
        base.initialize(repeating: 0, count: rows * columns)
    }

    deinit { base.deallocate() }

    @inline(__always)
    func row(_ index: Int) -> UnsafeMutablePointer<Double> {
        assert(index >= 0 && index < rows)
        return base + index &* columns
    }
}

enum LAPACK {
    /// a·bᵀ of some rows into the same rows and columns of `product`.
    static func products(_ a: Matrix, _ aRows: Range<Int>, _ b: Matrix, _ bRows: Range<Int>, into product: Matrix) {
        assert(a.columns == b.columns && aRows.upperBound <= product.rows && bRows.upperBound <= product.columns)
        guard !aRows.isEmpty, !bRows.isEmpty else { return }
        multiply {
            cblas_dgemm(
                CblasRowMajor, CblasNoTrans, CblasTrans, CInt(aRows.count), CInt(bRows.count), CInt(a.columns), 1,
                a.row(aRows.lowerBound), CInt(a.columns), b.row(bRows.lowerBound), CInt(b.columns), 0,
                product.row(aRows.lowerBound) + bRows.lowerBound, CInt(product.columns))
        }
    }

    /// Adds aᵀ·a of the first `count` rows to the upper triangle of `sum`.
    static func addGram(ofColumns a: Matrix, count: Int, to sum: Matrix) {
        assert(sum.rows == a.columns && sum.columns == a.columns)
        multiply {
            cblas_dsyrk(
                CblasRowMajor, CblasUpper, CblasTrans, CInt(a.columns), CInt(count), 1, a.base, CInt(a.columns), 1,
                sum.base, CInt(sum.columns))
        }
    }

    /// Upper triangle of a·aᵀ.
    static func gram(ofRows a: Matrix, into gram: Matrix) {
        multiply {
            cblas_dsyrk(
                CblasRowMajor, CblasUpper, CblasNoTrans, CInt(a.rows), CInt(a.columns), 1, a.base, CInt(a.columns), 0,
                gram.base, CInt(gram.columns))
        }
    }

    /// Sum of the squared lengths of the projections of some vectors x on the span of others, r, from products alone.
    ///
    /// - Parameters:
    ///   - gram: Room for [n, n] products of r with each other.
    ///   - products: [n, m] products of r with x; overwritten.
    ///   - tolerance: A vector of which less than this share, of the longest one's squared length, lies outside the span of
    ///     those before it adds nothing to it.
    ///   - dimension: More vectors than this cannot be independent.
    ///   - ordered: Room for n rows of m.
    ///   - fill: Writes the lower triangle of the products into `gram`; it may be called a second time.
    static func energy(
        in gram: Matrix, _ products: Matrix, rows count: Int, columns: Int, dimension: Int, tolerance: Double,
        ordered: Matrix, fill: () -> Void
    ) -> Double {
        guard count > 0 else { return 0 }
        fill()
        var longest = 0.0
        for row in 0..<count { longest = max(longest, gram.row(row)[row]) }
        guard longest > 0 else { return 0 }
        let limit = longest * tolerance

        // Row-major and lower is column-major and upper.
        var (order, stride, info) = (CInt(count), CInt(gram.columns), CInt(0))
        if count <= dimension {
            multiply { dpotrf_("U", &order, gram.base, &stride, &info, 1) }
            let isRegular = info == 0 && (0..<count).allSatisfy { gram.row($0)[$0] * gram.row($0)[$0] > limit }
            if isRegular { return solve(gram, products, rank: count, columns: columns) }
            fill()
        }

        var pivots = [CInt](repeating: 0, count: count)
        var work = [Double](repeating: 0, count: 2 * count)
        var (rank, smallest) = (CInt(0), limit)
        multiply { dpstrf_("U", &order, gram.base, &stride, &pivots, &rank, &smallest, &work, &info, 1) }
        for row in 0..<Int(rank) {
            ordered.row(row).update(from: products.row(Int(pivots[row]) - 1), count: columns)
        }
        return solve(gram, ordered, rank: Int(rank), columns: columns)
    }

    /// The same for the spans of the first so many of the vectors, all from one factor; nil where they have not full rank.
    static func energies(
        ofFirst ends: [Int], in gram: Matrix, _ products: Matrix, columns: Int, tolerance: Double, fill: () -> Void
    ) -> [Double]? {
        let count = ends.last ?? 0
        guard count > 0 else { return ends.map { _ in 0 } }
        fill()
        let longest = (0..<count).reduce(0.0) { max($0, gram.row($1)[$1]) }
        var (order, stride, info) = (CInt(count), CInt(gram.columns), CInt(0))
        multiply { dpotrf_("U", &order, gram.base, &stride, &info, 1) }
        guard info == 0,
            (0..<count).allSatisfy({ gram.row($0)[$0] * gram.row($0)[$0] > longest * tolerance })
        else { return nil }
        project(gram, products, rank: count, columns: columns)
        var (sum, row) = (0.0, 0)
        return ends.map { end in
            while row < end {
                sum += squares(products.row(row), columns)
                row += 1
            }
            return sum
        }
    }

    /// Squared numbers of L⁻¹·b, summed.
    private static func solve(_ factor: Matrix, _ b: Matrix, rank: Int, columns: Int) -> Double {
        project(factor, b, rank: rank, columns: columns)
        return (0..<rank).reduce(0) { $0 + squares(b.row($1), columns) }
    }

    /// L⁻¹·b in place of b.
    private static func project(_ factor: Matrix, _ b: Matrix, rank: Int, columns: Int) {
        guard rank > 0, columns > 0 else { return }
        multiply {
            cblas_dtrsm(
                CblasRowMajor, CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit, CInt(rank), CInt(columns), 1,
                factor.base, CInt(factor.columns), b.base, CInt(b.columns))
        }
    }

    private static func squares(_ row: UnsafePointer<Double>, _ count: Int) -> Double {
        var sum = 0.0
        for column in 0..<count { sum += row[column] * row[column] }
        return sum
    }

    /// Eigenvalues of a symmetric matrix in ascending order, of which the upper triangle is given. `matrix` is overwritten, with
    /// the eigenvectors as its rows where they are wanted. Nil where LAPACK finds none.
    static func eigenvalues(of matrix: Matrix, withVectors: Bool) -> [Double]? {
        var values = [Double](repeating: 0, count: matrix.rows)
        var (order, info) = (CInt(matrix.rows), CInt(0))
        let job = withVectors ? "V" : "N"
        // First asks how much room it wants.
        var (size, integers, all) = (0.0, CInt(0), CInt(-1))
        dsyevd_(job, "L", &order, matrix.base, &order, &values, &size, &all, &integers, &all, &info, 1, 1)
        guard info == 0 else { return nil }
        var work = [Double](repeating: 0, count: max(1, Int(size)))
        var integerWork = [CInt](repeating: 0, count: max(1, Int(integers)))
        var (workSize, integerSize) = (CInt(work.count), CInt(integerWork.count))
        // Row-major and upper is column-major and lower; columns of the one are rows of the other.
        multiply {
            dsyevd_(
                job, "L", &order, matrix.base, &order, &values, &work, &workSize, &integerWork, &integerSize, &info, 1,
                1)
        }
        return info == 0 ? values : nil
    }

    /// A product, which holds one of OpenBLAS's buffers meanwhile.
    private static func multiply(_ product: () -> Void) {
        flashvid_product_enter()
        product()
        flashvid_product_leave()
    }

    /// Runs `body` with so many threads of OpenBLAS's own.
    static func withThreads<Result>(_ threads: Int, _ body: () -> Result) -> Result {
        let before = openblas_get_num_threads()
        openblas_set_num_threads(CInt(threads))
        defer { openblas_set_num_threads(before) }
        return body()
    }
}
