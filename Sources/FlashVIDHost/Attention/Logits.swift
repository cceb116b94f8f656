import FlashVID
import FlashVIDLibC

/// Logits of a head, and how far float32 may be trusted with them.
struct Logits {
    /// Factor of the products, as the definition has it.
    let scale: Double
    /// The same to base 2, for products in float32.
    let scaleToBase2: Float

    /// Throws `FlashVIDError.invalidConfiguration(field:value:expected:)`. Below the limit no logit leaves the range of
    /// doubles.
    init(scale: Double?, width: Int) throws(FlashVIDError) {
        let scale = scale ?? 1 / Double(width).squareRoot()
        guard scale.magnitude <= 1e30 else {
            throw .invalidConfiguration(field: "scale", value: "\(scale)", expected: "a number from -1e30 to 1e30")
        }
        self.scale = scale
        scaleToBase2 = Float(scale * Exponential.logarithmOfE)
    }

    enum Range {
        /// No logit to base 2 exceeds ``Softmax/largestUnshifted``.
        case small
        /// All logits are finite in float32.
        case ordinary
        /// Double precision has to do.
        case extreme
    }

    /// What the lengths of a query and of the longest key bound their logits to (Cauchy and Schwarz).
    func range(query: Double, longestKey: Double) -> Range {
        let product = query * longestKey
        let factor = scale.magnitude
        // Products that underflow must not matter, and none may overflow.
        guard product <= 1e37, factor <= 1e6, factor >= 1e-6 || factor == 0 else { return .extreme }
        let bound = product * factor * Exponential.logarithmOfE
        return bound <= Softmax.largestUnshifted ? .small : bound <= 1e30 ? .ordinary : .extreme
    }

    /// Length of a row, or a little more, since squares of small numbers vanish; not finite where a number is not, or where
    /// its square is too large for float32.
    static func length(_ row: UnsafePointer<Float>, _ count: Int) -> Double {
        let raw = UnsafeRawPointer(row)
        var squares = SIMD8<Float>.zero
        var index = 0
        while index &+ 8 <= count {
            let values = raw.loadUnaligned(fromByteOffset: index &* 4, as: SIMD8<Float>.self)
            squares += values * values
            index &+= 8
        }
        var total = squares.sum()
        while index < count {
            total += row[index] * row[index]
            index &+= 1
        }
        return Double(total).squareRoot() + Double(count).squareRoot() * 0x1p-62
    }

    /// The longest row. NaN where one is not finite, since a comparison would lose it.
    static func longest(_ rows: MatrixView) -> Double {
        var longest = 0.0
        for row in 0..<rows.rows {
            let length = length(rows.row(row), rows.columns)
            guard length.isFinite else { return .nan }
            longest = max(longest, length)
        }
        return longest
    }

    /// Softmax of a query's logits in double precision, added to `scores` from key `first` on.
    func addExactSoftmax(
        query: UnsafePointer<Float>, keys: MatrixView, into scores: UnsafeMutablePointer<Double>, from first: Int,
        scratch: UnsafeMutablePointer<Double>
    ) {
        var largest = -Double.infinity
        for key in 0..<keys.rows {
            scratch[key] = DoublePrecision.dot(query, keys.row(key), count: keys.columns) * scale
            largest = max(largest, scratch[key])
        }
        Self.addSoftmax(scratch, largest: largest, count: keys.rows, from: first, into: scores)
    }

    static func naturalLogarithm(_ value: Double) -> Double { log(value) }

    /// Softmax of some logits, added to `scores` from key `first` on. The logits are overwritten.
    static func addSoftmax(
        _ logits: UnsafeMutablePointer<Double>, largest: Double, count: Int, from first: Int,
        into scores: UnsafeMutablePointer<Double>
    ) {
        var sum = 0.0
        for key in 0..<count {
            logits[key] = exp(logits[key] - largest)
            sum += logits[key]
        }
        for key in first..<count {
            scores[key - first] += logits[key] / sum
        }
    }
}
