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

    /// Indices of numbers that are not above `limit`, to `indices`, `most` at the most. Returns how many they are, or most + 1
    /// where there are more.
    static func atMost(
        _ limit: Float, of values: UnsafePointer<Float>, count: Int, most: Int,
        into indices: UnsafeMutablePointer<Int32>
    ) -> Int {
        flashvid_at_most(values, count, limit, most, indices)
    }

    /// What a squared distance less a square of its own may err by: `constant`, and parts of the other square, of its root
    /// and of the number itself.
    struct Error {
        var constant: Float
        var ofSquare: Float
        var ofLength: Float
        var ofValue: Float

        @inline(__always)
        func callAsFunction(_ value: Float, _ square: Float, _ length: Float) -> Float {
            constant + ofSquare * square + ofLength * length + ofValue * abs(value)
        }
    }

    /// Indices of the numbers that may be the smallest, to `indices`, with what numbers may err by. Returns how many, and
    /// the smallest upper bound.
    static func rivals(
        _ values: UnsafePointer<Float>, squares: UnsafePointer<Float>, lengths: UnsafePointer<Float>, count: Int,
        _ error: Error, into indices: UnsafeMutablePointer<Int32>
    ) -> (count: Int, bound: Float) {
        var bound: Float = 0
        var parts = flashvid_error(
            constant: error.constant, of_square: error.ofSquare, of_length: error.ofLength, of_value: error.ofValue)
        let found = flashvid_rivals(values, squares, lengths, count, &parts, indices, &bound)
        return (found, bound)
    }
}
