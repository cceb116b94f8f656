/// Bounds of a number known to float32 precision; equal bounds once it was settled in double.
///
/// Every decision of the algorithm compares such numbers. Where the bounds overlap the decision is not float32's to make.
struct Interval {
    var lower: Double
    var upper: Double

    @inline(__always)
    init(_ lower: Double, _ upper: Double) {
        self.lower = lower
        self.upper = upper
    }

    @inline(__always)
    init(exactly value: Double) {
        self.init(value, value)
    }

    @inline(__always)
    init(_ value: Double, within error: Double) {
        self.init(value - error, value + error)
    }

    @inline(__always)
    var isExact: Bool { lower == upper }

    @inline(__always)
    static func min(_ a: Interval, _ b: Interval) -> Interval {
        Interval(Swift.min(a.lower, b.lower), Swift.min(a.upper, b.upper))
    }

    @inline(__always)
    static func max(_ a: Interval, _ b: Interval) -> Interval {
        Interval(Swift.max(a.lower, b.lower), Swift.max(a.upper, b.upper))
    }

    /// Product with an interval that does not reach below zero.
    @inline(__always)
    func times(nonNegative other: Interval) -> Interval {
        Interval(
            lower * (lower < 0 ? other.upper : other.lower),
            upper * (upper < 0 ? other.lower : other.upper))
    }
}
