/// How the method chooses the largest, or the k largest, of numbers that come from matrix products.
///
/// Numbers are known within bounds, as matrix products in float32 leave them. Where the bounds of the best do not reach those
/// of another, the choice is made. Where they do, the numbers in question, and only they, are settled: computed in double
/// from the source tokens. Of equal numbers the one of lowest index wins.
enum Decision {
    /// Which number is the largest.
    struct Largest {
        /// Its index; -1 where there is no candidate, and where it was left open.
        let index: Int
        /// Its value, if it took one to decide.
        let value: Double?
    }

    /// The largest of some numbers, each of which has an index. O(n) for n of them, and one call of `settle` for each whose
    /// bounds reach the largest lower one, if these are two or more.
    ///
    /// - Parameters:
    ///   - indices: in ascending order; those that `isCandidate` holds for count.
    ///   - lower, upper: bounds of a number, the same each time they are asked for.
    ///   - limit: no number is larger, so that the first that reaches it is the largest.
    ///   - comparesSettled: whether bounds are of the very numbers that `settle` gives, so that one may leave others behind.
    ///     Where false they are only in the same order.
    ///   - leavesOpen: whether to leave a decision between so many open; `lower` is the largest lower bound.
    ///   - wins: whether a number comes before another, at a lower index, that is equal.
    ///   - settle: the number in double.
    @inline(__always)
    static func largest<Bound: BinaryFloatingPoint, Indices: Sequence<Int>>(
        of indices: Indices, where isCandidate: (Int) -> Bool = { _ in true }, lower: (Int) -> Bound,
        upper: (Int) -> Bound, limit: Double = .infinity, comparesSettled: Bool = false,
        leavesOpen: (_ rivals: Int, _ lower: Bound) -> Bool = { _, _ in false },
        wins: (_ later: Int, _ earlier: Int) -> Bool = { _, _ in false }, settle: (Int) -> Double
    ) -> Largest {
        var threshold = -Bound.infinity
        for index in indices where isCandidate(index) {
            let bound = lower(index)
            if bound > threshold { threshold = bound }
        }
        var first = -1
        var rivals = 0
        for index in indices where isCandidate(index) && !(upper(index) < threshold) {
            if rivals == 0 { first = index }
            rivals &+= 1
        }
        guard rivals > 1 else { return Largest(index: first, value: nil) }
        guard !leavesOpen(rivals, threshold) else { return Largest(index: -1, value: nil) }
        var best = -1
        var largest = -Double.infinity
        for index in indices where isCandidate(index) && !(upper(index) < threshold) {
            if comparesSettled, Double(upper(index)) < largest { continue }
            let value = settle(index)
            if best < 0 || value > largest || (value == largest && wins(index, best)) {
                best = index
                largest = value
                if value >= limit { break }
            }
        }
        return Largest(index: best, value: largest)
    }

    /// The k-th largest of numbers, k from 1: those that could be it are settled, the others keep their bounds. O(count) on
    /// average.
    ///
    /// - Parameters:
    ///   - ranking: room for `count` numbers.
    ///   - bounds: bounds of a number: both are its value once it was settled.
    @inline(__always)
    static func kthLargest(
        _ k: Int, of count: Int, in ranking: Table<Double>, bounds: (Int) -> Interval, settle: (Int) -> Void
    ) -> Double {
        // It lies between the k-th largest of the lower and that of the upper bounds.
        let lower = rank(k, count, ranking) { bounds($0).lower }
        let upper = rank(k, count, ranking) { bounds($0).upper }
        for index in 0..<count {
            let interval = bounds(index)
            if !interval.isExact, interval.upper >= lower, interval.lower <= upper { settle(index) }
        }
        return rank(k, count, ranking) { bounds($0).upper }
    }

    /// Tells, in order of index, whether each number is among the k largest, k from 1; of equal ones the first are. Settles
    /// nothing where the bounds leave no more than k. O(count) on average.
    @inline(__always)
    static func chooseLargest(
        _ k: Int, of count: Int, in ranking: Table<Double>, bounds: (Int) -> Interval, settle: (Int) -> Void,
        choose: (_ index: Int, _ isChosen: Bool) -> Void
    ) {
        let lower = rank(k, count, ranking) { bounds($0).lower }
        var possible = 0
        for index in 0..<count where bounds(index).upper >= lower { possible += 1 }
        guard possible > k else {
            for index in 0..<count { choose(index, bounds(index).upper >= lower) }
            return
        }
        let last = kthLargest(k, of: count, in: ranking, bounds: bounds, settle: settle)
        // What is not settled lies above or below the last place with both its bounds.
        var ties = k
        for index in 0..<count where bounds(index).lower > last { ties -= 1 }
        for index in 0..<count {
            let interval = bounds(index)
            let isTie = interval.lower <= last && interval.upper >= last
            choose(index, isTie ? ties > 0 : interval.lower > last)
            if isTie { ties -= 1 }
        }
    }

    @inline(__always)
    private static func rank(
        _ k: Int, _ count: Int, _ ranking: Table<Double>, _ bound: (Int) -> Double
    ) -> Double {
        for index in 0..<count { ranking[index] = bound(index) }
        return OrderStatistic.smallest(count - k, of: ranking.part(0..<count).buffer)
    }
}
