import FlashVIDLibC

/// DPC-kNN: clusters of rows around density peaks (spec 6.2; Du et al. 2016, as TSTM uses it).
///
/// Works on squared distances with error bounds, in float32 or, where they are known better, in double. Where a density, a rank
/// or a label hangs on less than the bound, the distances it hangs on are computed in double from the rows themselves.
struct DensityPeaks<Number: PeakNumber> {
    /// Rows to cluster.
    let count: Int
    /// How many clusters; above 0 and below `count`.
    let clusters: Int
    /// [count, count] squared Euclidean distances, symmetric.
    let distances: Table<Number>
    /// [count] error bound of a row's distances: that of (i, j) is `errors[i] + errors[j]`.
    let errors: Table<Number>
    /// What a squared distance is multiplied with: 1/D, and the square of the scale that was taken out of the rows.
    let unit: Double
    /// Their distances in double.
    let source: RootDistances

    /// Room for the steps' results, `count` each.
    struct Scratch: BitwiseCopyable {
        /// Bounds of the mean of the smallest squared distances.
        fileprivate let meanLower: Table<Number>
        fileprivate let meanUpper: Table<Number>
        /// Density and delta in double, or -1 where they were not settled.
        fileprivate let exactDensity: Table<Double>
        fileprivate let exactDelta: Table<Double>
        /// Bounds of density times delta.
        fileprivate let score: Table<Interval>
        /// Upper bound of delta's square, in the units of `distances`.
        fileprivate let deltaUpper: Table<Double>
        fileprivate let ranking: Table<Double>
        fileprivate let isCentre: Table<Bool>
        /// Largest distance of all, or -1.
        fileprivate let farthest: Table<Double>

        init(_ count: Int, plan: inout Arena.Plan) {
            meanLower = plan.table(Number.self, count)
            meanUpper = plan.table(Number.self, count)
            exactDensity = plan.table(Double.self, count)
            exactDelta = plan.table(Double.self, count)
            score = plan.table(Interval.self, count)
            deltaUpper = plan.table(Double.self, count)
            ranking = plan.table(Double.self, count)
            isCentre = plan.table(Bool.self, count)
            farthest = plan.table(Double.self, 1)
        }
    }

    let scratch: Scratch
    let worker: Worker

    /// Neighbours that make a density.
    private var neighbours: Int { min(clusters, 7) }

    /// Writes, for every row, the centre of its cluster (itself for a centre). O(count²).
    func assign(centres: Table<Int32>) {
        estimateDensities()
        estimateScores()
        chooseCentres()
        for row in 0..<count {
            centres[row] = Int32(scratch.isCentre[row] ? row : nearestCentre(row))
        }
    }

    // MARK: Densities

    @inline(__always)
    private func line(_ row: Int) -> UnsafeMutablePointer<Number> { distances.row(row, of: count).base }

    /// Bounds of a squared distance. Beside the rows' errors it was rounded itself.
    @inline(__always)
    private func lower(_ row: Int, _ column: Int) -> Number {
        line(row)[column] * (1 - Number.rounding) - errors[row] - errors[column]
    }

    @inline(__always)
    private func upper(_ row: Int, _ column: Int) -> Number {
        line(row)[column] * (1 + Number.rounding) + errors[row] + errors[column]
    }

    /// Bounds of the mean of every row's smallest squared distances, the zero to itself included. The density is
    /// exp(-mean), so they order the densities. Leaves infinity on the diagonal.
    private func estimateDensities() {
        scratch.farthest[0] = -1
        let wanted = neighbours - 1
        for row in 0..<count {
            let line = line(row)
            line[row] = .infinity
            // Bounds of each order statistic are that of the bounds.
            func sum(_ sign: FloatingPointSign) -> Double {
                guard wanted > 0 else { return 0 }
                return Number.sum(
                    ofSmallest: wanted, of: line, sign, errors: errors.base, errors[row], count: count)
            }
            // Past 745 every density is 0, and below the unit of double's 1 they cannot be told apart either: such rows
            // are left to the exact comparison.
            let scale = unit / Double(neighbours)
            let (lower, upper) = (sum(.minus) * scale, sum(.plus) * scale)
            scratch.meanLower[row] = Number(min(max(0, lower - lower * Number.slack - 1e-15), 740)).nextDown
            scratch.meanUpper[row] = Number(min(upper + upper * Number.slack + 1e-15, 760)).nextUp
            if scratch.meanUpper[row] > 740 { scratch.meanUpper[row] = .greatestFiniteMagnitude }
            scratch.exactDensity[row] = -1
            scratch.exactDelta[row] = -1
        }
    }

    private func exactDistance(_ a: Int, _ b: Int) -> Double { a == b ? 0 : source[a, b] }

    private func density(_ row: Int) -> Double {
        if scratch.exactDensity[row] >= 0 { return scratch.exactDensity[row] }
        worker.countCloseCall()
        let wanted = neighbours - 1
        // Every row that may be among the nearest: within the last one's bound.
        var nearest = SIMD8<Double>(repeating: .infinity)
        if wanted > 0 {
            var bounds = SIMD8<Double>(repeating: .infinity)
            for column in 0..<count where column != row {
                bounds.insert(Double(upper(row, column)), among: wanted)
            }
            let reach = Number(bounds[wanted - 1]).nextUp
            for column in 0..<count where column != row && lower(row, column) <= reach {
                nearest.insert(exactDistance(row, column), among: wanted)
                if nearest[wanted - 1] == 0 { break }
            }
        }
        var sum = 0.0
        for rank in 0..<wanted { sum += nearest[rank] * nearest[rank] }
        scratch.exactDensity[row] = exp(-(sum / Double(neighbours)))
        return scratch.exactDensity[row]
    }

    /// Whether `a` is the denser of two rows: of equal densities the lower index.
    private func isDenser(_ a: Int, than b: Int) -> Bool {
        if scratch.meanUpper[a] < scratch.meanLower[b] { return true }
        if scratch.meanUpper[b] < scratch.meanLower[a] { return false }
        let (densityA, densityB) = (density(a), density(b))
        return densityA > densityB || (densityA == densityB && a < b)
    }

    // MARK: Scores

    /// Bounds of delta * density for every row; delta is the distance to the nearest denser row, or the largest distance of
    /// all where there is none.
    private func estimateScores() {
        var farthestLower: Number = 0
        var farthestUpper: Number = 0
        for row in 0..<count {
            for column in (row &+ 1)..<max(count, row &+ 1) {
                farthestLower = max(farthestLower, self.lower(row, column))
                farthestUpper = max(farthestUpper, self.upper(row, column))
            }
        }
        for row in 0..<count {
            let (lower, upper) = (scratch.meanLower[row], scratch.meanUpper[row])
            var nearestUpper = farthestUpper
            var nearestLower = farthestLower
            for column in 0..<count {
                nearestUpper = min(
                    nearestUpper, scratch.meanUpper[column] < lower ? self.upper(row, column) : .infinity)
                nearestLower = min(
                    nearestLower, scratch.meanLower[column] <= upper ? self.lower(row, column) : .infinity)
            }
            scratch.deltaUpper[row] = Double(nearestUpper)
            // For the sums above and for the functions.
            let slack = Number.slack
            scratch.score[row] = Interval(
                (Double(max(0, nearestLower)) * unit * (1 - slack)).squareRoot() * exp(-Double(scratch.meanUpper[row])),
                (Double(nearestUpper) * unit * (1 + slack)).squareRoot() * exp(-Double(scratch.meanLower[row])))
        }
    }

    private func settleScore(_ row: Int) {
        guard scratch.exactDelta[row] < 0 else { return }
        var delta = Double.infinity
        let reach = Number(scratch.deltaUpper[row]).nextUp
        var hasDenser = false
        for column in 0..<count where column != row {
            // Certainly not denser, or certainly farther than one that is.
            if scratch.meanLower[column] > scratch.meanUpper[row] { continue }
            if hasDenser && lower(row, column) > reach { continue }
            guard isDenser(column, than: row) else { continue }
            hasDenser = true
            if lower(row, column) <= reach {
                delta = min(delta, exactDistance(row, column))
            }
        }
        if delta == .infinity {
            delta = hasDenser ? exactNearestDenser(row) : exactFarthest()
        }
        scratch.exactDelta[row] = delta
        scratch.score[row] = Interval(exactly: delta * density(row))
    }

    private func exactNearestDenser(_ row: Int) -> Double {
        var delta = Double.infinity
        for column in 0..<count where column != row && isDenser(column, than: row) {
            delta = min(delta, exactDistance(row, column))
        }
        return delta
    }

    private func exactFarthest() -> Double {
        if scratch.farthest[0] >= 0 { return scratch.farthest[0] }
        var least: Number = 0
        for row in 0..<count {
            for column in (row + 1)..<max(count, row + 1) { least = max(least, lower(row, column)) }
        }
        var farthest = 0.0
        for row in 0..<count {
            for column in (row + 1)..<max(count, row + 1)
            where upper(row, column) >= least {
                farthest = max(farthest, exactDistance(row, column))
            }
        }
        scratch.farthest[0] = farthest
        return farthest
    }

    // MARK: Centres

    /// Marks the rows of largest score; of equal ones the first.
    private func chooseCentres() {
        Decision.chooseLargest(
            clusters, of: count, in: scratch.ranking, bounds: { scratch.score[$0] }, settle: { settleScore($0) },
            choose: { row, isChosen in scratch.isCentre[row] = isChosen })
    }

    // MARK: Labels

    /// The nearest centre; of equally near ones that of higher score.
    private func nearestCentre(_ row: Int) -> Int {
        let nearest = Decision.largest(
            of: 0..<count, where: { scratch.isCentre[$0] }, lower: { -upper(row, $0) }, upper: { -lower(row, $0) },
            wins: { ranksHigher($0, than: $1) }, settle: { -exactDistance(row, $0) })
        if nearest.value != nil { worker.countCloseCall() }
        return nearest.index
    }

    /// Whether a centre has the higher score; of equal ones the lower index.
    private func ranksHigher(_ a: Int, than b: Int) -> Bool {
        settleScore(a)
        settleScore(b)
        let (scoreA, scoreB) = (scratch.score[a].lower, scratch.score[b].lower)
        return scoreA > scoreB || (scoreA == scoreB && a < b)
    }
}

/// Numbers that density peaks can be found with.
protocol PeakNumber: BinaryFloatingPoint, BitwiseCopyable {
    /// What a squared distance may err by beside the errors of its rows, as a share of itself.
    static var rounding: Self { get }
    /// What sums of a few distances and functions of these may err by, as a share.
    static var slack: Double { get }

    /// Sum of the `wanted` smallest (at most 8) of some numbers, each plus or less its error and `error`, and 0 at the least.
    static func sum(
        ofSmallest wanted: Int, of values: UnsafePointer<Self>, _ sign: FloatingPointSign, errors: UnsafePointer<Self>,
        _ error: Self, count: Int
    ) -> Double
}

extension Float: PeakNumber {
    static var rounding: Float { 0x1p-22 }
    static var slack: Double { 1e-6 }

    static func sum(
        ofSmallest wanted: Int, of values: UnsafePointer<Float>, _ sign: FloatingPointSign,
        errors: UnsafePointer<Float>, _ error: Float, count: Int
    ) -> Double {
        let smallest = SinglePrecision.smallest(wanted, of: values, sign, errors: errors, count: count)
        let own = sign == .plus ? error : -error
        return (0..<wanted).reduce(0) { $0 + Double(max(0, smallest[$1] + own)) }
    }
}

extension Double: PeakNumber {
    // Distances that are settled err by up to D units in the last place, and are to lie within the bounds.
    static var rounding: Double { 0x1p-36 }
    static var slack: Double { 0x1p-35 }

    static func sum(
        ofSmallest wanted: Int, of values: UnsafePointer<Double>, _ sign: FloatingPointSign,
        errors: UnsafePointer<Double>, _ error: Double, count: Int
    ) -> Double {
        var smallest = SIMD8<Double>(repeating: .infinity)
        let factor: Double = sign == .plus ? 1 : -1
        for index in 0..<count {
            smallest.insert(max(0, values[index] + factor * (errors[index] + error)), among: wanted)
        }
        return (0..<wanted).reduce(0) { $0 + smallest[$1] }
    }
}

extension SIMD8<Double> {
    /// Puts a value among the `wanted` smallest so far, which are in ascending order.
    @inline(__always)
    fileprivate mutating func insert(_ value: Double, among wanted: Int) {
        guard value < self[wanted &- 1] else { return }
        var rank = wanted &- 1
        while rank > 0 && self[rank &- 1] > value {
            self[rank] = self[rank &- 1]
            rank &-= 1
        }
        self[rank] = value
    }
}
