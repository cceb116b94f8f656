internal import CBLASShim
internal import CFlashVIDProcess

// The one file that calls BLAS. Pointers cross here because cblas takes nothing else; each wrapper takes views whose
// sizes were checked against 32-bit BLAS integers when the clip was accepted, so the conversions below cannot fail.

/// A borrowed row-major matrix: `rows` of `columns` numbers, `stride` apart. It owns nothing; the workspace or the caller
/// outlives it.
package struct MatrixView: @unchecked Sendable, BitwiseCopyable {
    package let base: UnsafePointer<Float>
    package let rows: Int
    package let columns: Int
    package let stride: Int

    package init(base: UnsafePointer<Float>, rows: Int, columns: Int, stride: Int) {
        self.base = base
        self.rows = rows
        self.columns = columns
        self.stride = stride
    }

    @inlinable @inline(__always)
    package func row(_ index: Int) -> UnsafePointer<Float> {
        assert(index >= 0 && index < rows)
        return base + index &* stride
    }
}

package enum BLAS {
    /// Products a·bᵀ of every row of `a` with every row of `b`, to `product[i * b.rows + j]`. 2·m·n·d flops.
    package static func products(_ a: MatrixView, _ b: MatrixView, into product: UnsafeMutablePointer<Float>) {
        assert(a.columns == b.columns)
        guard a.rows > 0, b.rows > 0 else { return }
        multiply {
            cblas_sgemm(
                CblasRowMajor, CblasNoTrans, CblasTrans, CInt(a.rows), CInt(b.rows), CInt(a.columns),
                1, a.base, CInt(a.stride), b.base, CInt(b.stride), 0, product, CInt(b.rows))
        }
    }

    /// Upper triangle (j >= i) of the Gram matrix of the rows of `a`, to `gram[i * a.rows + j]`; the rest is not written.
    /// n·(n + 1)·d flops.
    package static func gram(_ a: MatrixView, into gram: UnsafeMutablePointer<Float>) {
        guard a.rows > 0 else { return }
        multiply {
            cblas_ssyrk(
                CblasRowMajor, CblasUpper, CblasNoTrans, CInt(a.rows), CInt(a.columns),
                1, a.base, CInt(a.stride), 0, gram, CInt(a.rows))
        }
    }

    /// `scale`·a·bᵀ of every row of `a` with every row of `b`, to `product[i * stride + j]`. 2·m·n·d flops.
    package static func products(
        _ a: MatrixView, _ b: MatrixView, scale: Float, into product: UnsafeMutablePointer<Float>, stride: Int
    ) {
        assert(a.columns == b.columns && stride >= b.rows)
        guard a.rows > 0, b.rows > 0 else { return }
        multiply {
            cblas_sgemm(
                CblasRowMajor, CblasNoTrans, CblasTrans, CInt(a.rows), CInt(b.rows), CInt(a.columns),
                scale, a.base, CInt(a.stride), b.base, CInt(b.stride), 0, product, CInt(stride))
        }
    }

    /// Product of every row of `a` with `x`, times `scale`. 2·m·d flops.
    package static func products(
        _ a: MatrixView, _ x: UnsafePointer<Float>, scale: Float = 1, into product: UnsafeMutablePointer<Float>
    ) {
        guard a.rows > 0 else { return }
        multiply {
            cblas_sgemv(
                CblasRowMajor, CblasNoTrans, CInt(a.rows), CInt(a.columns), scale, a.base, CInt(a.stride), x, 1, 0,
                product, 1)
        }
    }

    /// Sum of the rows of `a`, each times its weight. 2·m·d flops.
    package static func weightedSum(
        _ a: MatrixView, weights: UnsafePointer<Float>, into sum: UnsafeMutablePointer<Float>
    ) {
        guard a.rows > 0, a.columns > 0 else { return }
        multiply {
            cblas_sgemv(
                CblasRowMajor, CblasTrans, CInt(a.rows), CInt(a.columns), 1, a.base, CInt(a.stride), weights, 1, 0, sum,
                1)
        }
    }

    /// Product of two rows.
    static func dot(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, count: Int) -> Float {
        cblas_sdot(CInt(count), a, 1, b, 1)
    }

    /// Largest matrix side and row stride that the BLAS integers hold.
    package static let maximumSide = Int(CInt.max)
}

// MARK: - The host's process

extension BLAS {
    /// A product of matrices, which holds one of OpenBLAS's buffers meanwhile.
    @inline(__always)
    private static func multiply(_ product: () -> Void) {
        flashvid_product_enter()
        product()
        flashvid_product_leave()
    }

    /// Runs `body` with OpenBLAS single-threaded inside. The engine runs one product a thread: faster at its sizes than
    /// one product on all threads, and its results do not depend on their number. The setting is the process's, so it
    /// is counted: the first caller in sets it, the last one out restores what the host had.
    package static func withSingleThreadedProducts<Result, Failure>(
        _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        flashvid_products_begin()
        defer { flashvid_products_end() }
        return try body()
    }
}
