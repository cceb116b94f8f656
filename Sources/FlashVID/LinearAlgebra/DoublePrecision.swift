import FlashVIDLibC

// Double precision over single rows. Products in float32 leave a decision open where two values lie within their
// rounding of each other; these settle it. They are called for a handful of pairs a frame, so plain loops do.

package enum DoublePrecision {
    /// Dot product of two rows.
    package static func dot(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, count: Int) -> Double {
        reduce(count) { offset in
            SIMD4<Double>(load(a + offset)) * SIMD4<Double>(load(b + offset))
        } tail: { index in
            Double(a[index]) * Double(b[index])
        }
    }

    /// Dot product of a row with a vector of doubles.
    static func dot(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Double>, count: Int) -> Double {
        reduce(count) { offset in
            SIMD4<Double>(load(a + offset)) * load(b + offset)
        } tail: { index in
            Double(a[index]) * b[index]
        }
    }

    /// Dot product of two vectors of doubles.
    static func dot(_ a: UnsafePointer<Double>, _ b: UnsafePointer<Double>, count: Int) -> Double {
        reduce(count) { offset in
            load(a + offset) * load(b + offset)
        } tail: { index in
            a[index] * b[index]
        }
    }

    /// Squared distance of two vectors of doubles; 0 for equal ones, and the same whichever comes first.
    static func squaredDistance(_ a: UnsafePointer<Double>, _ b: UnsafePointer<Double>, count: Int) -> Double {
        reduce(count) { offset in
            let difference = load(a + offset) - load(b + offset)
            return difference * difference
        } tail: { index in
            (a[index] - b[index]) * (a[index] - b[index])
        }
    }

    /// Squared distance of a row from a vector of doubles.
    static func squaredDistance(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Double>, count: Int) -> Double {
        reduce(count) { offset in
            let difference = SIMD4<Double>(load(a + offset)) - load(b + offset)
            return difference * difference
        } tail: { index in
            (Double(a[index]) - b[index]) * (Double(a[index]) - b[index])
        }
    }

    /// Cosine of two rows as the definition counts it (spec 1): 0 where a row has no length, 1 above ``same``.
    static func cosine(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, count: Int) -> Double {
        // Repeated frames and flat areas are common and cheap to see.
        if memcmp(a, b, count &* MemoryLayout<Float>.stride) == 0 {
            return isZero(a, count: count) ? 0 : 1
        }
        return cosine(dot: dot(a, b, count: count), dot(a, a, count: count), dot(b, b, count: count))
    }

    /// Cosine of a row and a vector of doubles, with no cosine counted as 1 but 1 itself.
    static func plainCosine(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Double>, count: Int) -> Double {
        let lengths = dot(a, a, count: count).squareRoot() * dot(b, b, count: count).squareRoot()
        return lengths > 0 ? dot(a, b, count: count) / lengths : 0
    }

    private static func cosine(dot: Double, _ aa: Double, _ bb: Double) -> Double {
        guard aa > 0, bb > 0 else { return 0 }
        let value = dot / (aa.squareRoot() * bb.squareRoot())
        return value > same ? 1 : value
    }

    /// A cosine above this counts as 1 (spec 1).
    static let same = 1 - 1e-6

    static func isZero(_ row: UnsafePointer<Float>, count: Int) -> Bool {
        for index in 0..<count where row[index] != 0 { return false }
        return true
    }

    /// Adds a row to `total`.
    static func sum(_ row: UnsafePointer<Float>, into total: UnsafeMutablePointer<Double>, count: Int) {
        var index = 0
        while index &+ 4 <= count {
            store(load(total + index) + SIMD4<Double>(load(row + index)), total + index)
            index &+= 4
        }
        while index < count {
            total[index] += Double(row[index])
            index &+= 1
        }
    }

    /// Adds `rows` rows, `stride` apart, to `total`. Eight at a time: the total is then loaded and stored an eighth as
    /// often, and the loop runs at the speed of memory.
    static func sum(
        _ base: UnsafePointer<Float>, rows: Int, stride: Int, into total: UnsafeMutablePointer<Double>, count: Int
    ) {
        var row = 0
        while row &+ 8 <= rows {
            let r0 = base + row &* stride
            let (r1, r2, r3) = (r0 + stride, r0 + 2 &* stride, r0 + 3 &* stride)
            let r4 = r0 + 4 &* stride
            let (r5, r6, r7) = (r4 + stride, r4 + 2 &* stride, r4 + 3 &* stride)
            var index = 0
            while index &+ 4 <= count {
                var sum = SIMD4<Double>(load(r0 + index)) + SIMD4<Double>(load(r1 + index))
                sum += SIMD4<Double>(load(r2 + index))
                sum += SIMD4<Double>(load(r3 + index))
                sum += SIMD4<Double>(load(r4 + index))
                sum += SIMD4<Double>(load(r5 + index))
                sum += SIMD4<Double>(load(r6 + index))
                sum += SIMD4<Double>(load(r7 + index))
                store(load(total + index) + sum, total + index)
                index &+= 4
            }
            while index < count {
                for offset in 0..<8 { total[index] += Double(r0[offset &* stride &+ index]) }
                index &+= 1
            }
            row &+= 8
        }
        while row < rows {
            sum(base + row &* stride, into: total, count: count)
            row &+= 1
        }
    }

    /// Adds up to four rows to `total`, or sets it to their sum. Rows from here and there in memory are waited for
    /// together.
    static func sum(
        _ rows: (UnsafePointer<Float>, UnsafePointer<Float>, UnsafePointer<Float>, UnsafePointer<Float>), _ number: Int,
        into total: UnsafeMutablePointer<Double>, adding: Bool, count: Int
    ) {
        let (r0, r1, r2, r3) = rows
        switch number {
        case 1:
            accumulate(total, count, adding) {
                SIMD4<Double>(load(r0 + $0))
            } tail: {
                Double(r0[$0])
            }
        case 2:
            accumulate(total, count, adding) {
                SIMD4<Double>(load(r0 + $0)) + SIMD4<Double>(load(r1 + $0))
            } tail: {
                Double(r0[$0]) + Double(r1[$0])
            }
        case 3:
            accumulate(total, count, adding) {
                SIMD4<Double>(load(r0 + $0)) + SIMD4<Double>(load(r1 + $0)) + SIMD4<Double>(load(r2 + $0))
            } tail: {
                Double(r0[$0]) + Double(r1[$0]) + Double(r2[$0])
            }
        default:
            accumulate(total, count, adding) {
                (SIMD4<Double>(load(r0 + $0)) + SIMD4<Double>(load(r1 + $0)))
                    + (SIMD4<Double>(load(r2 + $0)) + SIMD4<Double>(load(r3 + $0)))
            } tail: {
                Double(r0[$0]) + Double(r1[$0]) + (Double(r2[$0]) + Double(r3[$0]))
            }
        }
    }

    /// Adds a vector to `total`.
    static func sum(_ row: UnsafePointer<Double>, into total: UnsafeMutablePointer<Double>, count: Int) {
        var index = 0
        while index &+ 4 <= count {
            store(load(total + index) + load(row + index), total + index)
            index &+= 4
        }
        while index < count {
            total[index] += row[index]
            index &+= 1
        }
    }

    static func maximum(_ row: UnsafePointer<Float>, into total: UnsafeMutablePointer<Double>, count: Int) {
        for index in 0..<count {
            total[index] = max(total[index], Double(row[index]))
        }
    }

    /// Divides in place: division, not multiplication by the inverse, so that the mean of equal rows is that row.
    static func divide(_ total: UnsafeMutablePointer<Double>, by divisor: Int, count: Int) {
        guard divisor != 1 else { return }
        let divisor = Double(divisor)
        for index in 0..<count {
            total[index] /= divisor
        }
    }

    static func round(_ row: UnsafePointer<Double>, into target: UnsafeMutablePointer<Float>, count: Int) {
        for index in 0..<count {
            target[index] = Float(row[index])
        }
    }

    // MARK: Loops

    @inline(__always)
    private static func accumulate(
        _ total: UnsafeMutablePointer<Double>, _ count: Int, _ adding: Bool, _ step: (Int) -> SIMD4<Double>,
        tail: (Int) -> Double
    ) {
        var index = 0
        if adding {
            while index &+ 4 <= count {
                store(load(total + index) + step(index), total + index)
                index &+= 4
            }
        } else {
            while index &+ 4 <= count {
                store(step(index), total + index)
                index &+= 4
            }
        }
        while index < count {
            total[index] = (adding ? total[index] : 0) + tail(index)
            index &+= 1
        }
    }

    @inline(__always)
    private static func reduce(
        _ count: Int, _ step: (Int) -> SIMD4<Double>, tail: (Int) -> Double
    ) -> Double {
        var even = SIMD4<Double>.zero
        var odd = SIMD4<Double>.zero
        var index = 0
        while index &+ 8 <= count {
            even += step(index)
            odd += step(index &+ 4)
            index &+= 8
        }
        var total = (even + odd).sum()
        while index < count {
            total += tail(index)
            index &+= 1
        }
        return total
    }

    @inline(__always)
    private static func load(_ pointer: UnsafePointer<Float>) -> SIMD4<Float> {
        UnsafeRawPointer(pointer).loadUnaligned(as: SIMD4<Float>.self)
    }

    @inline(__always)
    private static func load(_ pointer: UnsafePointer<Double>) -> SIMD4<Double> {
        UnsafeRawPointer(pointer).loadUnaligned(as: SIMD4<Double>.self)
    }

    @inline(__always)
    private static func load(_ pointer: UnsafeMutablePointer<Double>) -> SIMD4<Double> {
        load(UnsafePointer(pointer))
    }

    @inline(__always)
    private static func store(_ value: SIMD4<Double>, _ pointer: UnsafeMutablePointer<Double>) {
        UnsafeMutableRawPointer(pointer).storeBytes(of: value, as: SIMD4<Double>.self)
    }
}
