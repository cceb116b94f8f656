internal import CFlashVIDKernels

// Float32 over single rows, where no matrix product serves.

enum SinglePrecision {
    /// Squared distance of two rows by their differences: errs by a few units in the last place of the result, and by
    /// those of the rows themselves.
    static func squaredDistance(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, count: Int) -> Float {
        flashvid_squared_distance_single(a, b, count)
    }

    /// A row less `origin`.
    static func subtract(
        _ origin: UnsafePointer<Float>, from row: UnsafePointer<Float>, into target: UnsafeMutablePointer<Float>,
        count: Int
    ) {
        flashvid_subtract(row, origin, target, count)
    }

    /// A row times `scale`, less `origin`, in double and then rounded.
    static func round(
        _ row: UnsafePointer<Float>, scale: Double, less origin: UnsafePointer<Float>,
        into target: UnsafeMutablePointer<Float>, count: Int
    ) {
        flashvid_scaled_less(row, scale, origin, target, count)
    }

    /// Bounds of the least number of every row and column of a symmetric matrix of which the part above the diagonal is
    /// given, (i, j) within `errors[i] + errors[j]`.
    static func nearest(
        _ distances: UnsafePointer<Float>, _ count: Int, errors: UnsafePointer<Float>,
        _ lower: UnsafeMutablePointer<Float>,
        _ upper: UnsafeMutablePointer<Float>
    ) {
        flashvid_nearest(distances, count, errors, lower, upper)
    }

    /// The `wanted` smallest (at most 8) of some numbers, each plus or less its error; ascending, infinity where there are
    /// fewer.
    static func smallest(
        _ wanted: Int, of values: UnsafePointer<Float>, _ sign: FloatingPointSign, errors: UnsafePointer<Float>,
        count: Int
    ) -> SIMD8<Float> {
        var smallest = SIMD8<Float>(repeating: .infinity)
        withUnsafeMutableBytes(of: &smallest) {
            flashvid_smallest(
                values, errors, sign == .plus ? 1 : -1, count, CInt(wanted),
                $0.assumingMemoryBound(to: Float.self).baseAddress)
        }
        return smallest
    }
}
