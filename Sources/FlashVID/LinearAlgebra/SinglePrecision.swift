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
}
