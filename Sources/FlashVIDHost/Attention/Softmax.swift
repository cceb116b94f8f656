/// Rows of logits to base 2 become their powers, in place. What is missing to a softmax is the division by their sum, which
/// the sum over the rows takes along as its weights.
enum Softmax {
    /// Rows whose logits stay below this magnitude need no shift: neither their powers nor the inverse of their sum, of up
    /// to 2^31 of them, leave the range of normal numbers. Where the product of the two does, it is nothing beside the
    /// largest.
    static let largestUnshifted = 90.0

    /// Powers of a row, each at most 1 after a shift by the largest logit unless `isSmall` says that none of them exceeds
    /// ``largestUnshifted``. Returns their sum.
    static func exponentiate(_ row: UnsafeMutablePointer<Float>, count: Int, isSmall: Bool) -> Double {
        guard !isSmall else { return replace(row, count, Unshifted()) }
        return replace(row, count, Shifted(largest: maximum(row, count)))
    }

    // Types rather than a parameter, so that each gets a loop of its own.

    private struct Unshifted: Power {
        @inline(__always)
        func callAsFunction(_ logits: SIMD8<Float>) -> SIMD8<Float> { Exponential.power2(logits) }
    }

    private struct Shifted: Power {
        let largest: Float

        @inline(__always)
        func callAsFunction(_ logits: SIMD8<Float>) -> SIMD8<Float> {
            // 2^-100 is nothing beside the largest power, 1, and its product with a weight is still a normal number.
            let floor = SIMD8<Float>(repeating: -100)
            let shifted = logits - largest
            return Exponential.power2(floor.replacing(with: shifted, where: shifted .> floor))
        }
    }

    /// Replaces logits by their powers and returns the sum of these.
    @inline(__always)
    private static func replace(
        _ row: UnsafeMutablePointer<Float>, _ count: Int, _ power: some Power
    ) -> Double {
        let raw = UnsafeMutableRawPointer(row)
        let whole = count & ~7
        var total = 0.0
        var index = 0
        while index < whole {
            // Float32 sums stay short, so that they lose nothing that matters.
            let end = min(whole, index &+ 2048)
            var partial = SIMD8<Float>.zero
            while index < end {
                let logits = raw.loadUnaligned(fromByteOffset: index &* 4, as: SIMD8<Float>.self)
                let values = power(logits)
                raw.storeBytes(of: values, toByteOffset: index &* 4, as: SIMD8<Float>.self)
                partial += values
                index &+= 8
            }
            total += Double(partial.sum())
        }
        guard index < count else { return total }
        var rest = SIMD8<Float>(repeating: row[index])
        for lane in 0..<(count &- index) { rest[lane] = row[index &+ lane] }
        let values = power(rest)
        for lane in 0..<(count &- index) {
            row[index &+ lane] = values[lane]
            total += Double(values[lane])
        }
        return total
    }

    @inline(__always)
    private static func maximum(_ row: UnsafeMutablePointer<Float>, _ count: Int) -> Float {
        let raw = UnsafeRawPointer(row)
        // Four chains of comparisons, since each waits for the one before.
        var even = SIMD8<Float>(repeating: row[0])
        var odd = even
        var index = 0
        while index &+ 16 <= count {
            let first = raw.loadUnaligned(fromByteOffset: index &* 4, as: SIMD8<Float>.self)
            let second = raw.loadUnaligned(fromByteOffset: index &* 4 &+ 32, as: SIMD8<Float>.self)
            even = even.replacing(with: first, where: first .> even)
            odd = odd.replacing(with: second, where: second .> odd)
            index &+= 16
        }
        even = even.replacing(with: odd, where: odd .> even)
        let half = even.lowHalf.replacing(with: even.highHalf, where: even.highHalf .> even.lowHalf)
        var result = Swift.max(half[0], half[1], half[2], half[3])
        while index < count {
            if row[index] > result { result = row[index] }
            index &+= 1
        }
        return result
    }
}

private protocol Power {
    func callAsFunction(_ logits: SIMD8<Float>) -> SIMD8<Float>
}
