// Float32 over single rows, where no matrix product serves.

enum SinglePrecision {
    /// Squared distance of two rows by their differences: errs by a few units in the last place of the result, and by
    /// those of the rows themselves.
    static func squaredDistance(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, count: Int) -> Float {
        let (rawA, rawB) = (UnsafeRawPointer(a), UnsafeRawPointer(b))
        var even = SIMD8<Float>.zero
        var odd = SIMD8<Float>.zero
        var index = 0
        while index &+ 16 <= count {
            let first = difference(rawA, rawB, index)
            let second = difference(rawA, rawB, index &+ 8)
            even += first * first
            odd += second * second
            index &+= 16
        }
        var total = (even + odd).sum()
        while index < count {
            total += (a[index] - b[index]) * (a[index] - b[index])
            index &+= 1
        }
        return total
    }

    @inline(__always)
    private static func difference(_ a: UnsafeRawPointer, _ b: UnsafeRawPointer, _ index: Int) -> SIMD8<Float> {
        a.loadUnaligned(fromByteOffset: index &* 4, as: SIMD8<Float>.self)
            - b.loadUnaligned(fromByteOffset: index &* 4, as: SIMD8<Float>.self)
    }
}
