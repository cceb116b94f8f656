/// A number of which it is known between what it lies, however the sums that it is made of are ordered and rounded.
struct Bounds {
    var lower: Double
    var upper: Double

    /// Half a unit in the last place of 1.
    static let unit = 0x1p-53

    init(exactly value: Double) { (lower, upper) = (value, value) }

    init(_ value: Double, within error: Double) { (lower, upper) = (value - error, value + error) }

    init(_ lower: Double, _ upper: Double) { (self.lower, self.upper) = (lower, upper) }

    /// Every computation has this very number.
    var isExact: Bool { lower == upper }

    var middle: Double { (lower + upper) / 2 }

    /// As far apart again as a few roundings of the number itself move it; an exact zero stays one.
    func rounded(_ times: Double = 4) -> Bounds {
        let error = times * Self.unit
        return Bounds(lower - lower.magnitude * error, upper + upper.magnitude * error)
    }

    static func * (a: Bounds, b: Bounds) -> Bounds {
        let products = [a.lower * b.lower, a.lower * b.upper, a.upper * b.lower, a.upper * b.upper]
        return Bounds(products.min()!, products.max()!)
    }

    static func - (a: Double, b: Bounds) -> Bounds { Bounds(a - b.upper, a - b.lower) }

    static func min(_ a: Bounds, _ b: Bounds) -> Bounds {
        Bounds(Swift.min(a.lower, b.lower), Swift.min(a.upper, b.upper))
    }

    /// Whether both are the same number in every computation.
    static func areEqual(_ a: Bounds, _ b: Bounds) -> Bool { a.isExact && b.isExact && a.lower == b.lower }
}

extension [Bounds] {
    /// The number that so many are smaller than.
    func ranked(_ rank: Int) -> Bounds {
        Bounds(map(\.lower).sorted()[rank], map(\.upper).sorted()[rank])
    }
}
