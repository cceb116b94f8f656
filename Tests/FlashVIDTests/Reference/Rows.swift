/// Rows of doubles, one after the other: tokens by channels. Everything the reference does with numbers is spelt here
/// as a loop in ascending order; there is nothing else to trust.
struct Rows: Equatable {
    let columns: Int
    private(set) var values: [Double]

    init(columns: Int, values: [Double] = []) {
        self.columns = columns
        self.values = values
    }

    var count: Int { values.count / columns }

    subscript(row: Int) -> [Double] {
        get { Array(values[row * columns..<(row + 1) * columns]) }
        set { values.replaceSubrange(row * columns..<(row + 1) * columns, with: newValue) }
    }

    mutating func append(_ row: [Double]) {
        precondition(row.count == columns)
        values += row
    }

    func gather(_ rows: [Int]) -> Rows {
        var gathered = Rows(columns: columns)
        for row in rows { gathered.append(self[row]) }
        return gathered
    }

    /// Sum of `combine(a, b)` over the channels of row `i` here and row `j` of `other`. Pointers because a debug build
    /// runs this some million times.
    private func sum(_ i: Int, _ other: Rows, _ j: Int, _ isDistance: Bool) -> Double {
        values.withUnsafeBufferPointer { mine in
            other.values.withUnsafeBufferPointer { theirs in
                guard let a = mine.baseAddress, let b = theirs.baseAddress else { return 0 }
                let first = a + i * columns
                let second = b + j * columns
                var sum = 0.0
                var channel = 0
                while channel < columns {
                    if isDistance {
                        let difference = first[channel] - second[channel]
                        sum += difference * difference
                    } else {
                        sum += first[channel] * second[channel]
                    }
                    channel += 1
                }
                return sum
            }
        }
    }

    func dot(_ row: Int, _ other: Rows, _ otherRow: Int) -> Double {
        sum(row, other, otherRow, false)
    }

    func squaredDistance(_ row: Int, _ other: Rows, _ otherRow: Int) -> Double {
        sum(row, other, otherRow, true)
    }

    /// Mean of the rows named, in the order named.
    func mean(of rows: [Int]) -> [Double] {
        var mean = [Double](repeating: 0, count: columns)
        for row in rows {
            for channel in 0..<columns { mean[channel] += values[row * columns + channel] }
        }
        for channel in 0..<columns { mean[channel] /= Double(rows.count) }
        return mean
    }

    /// Mean of all rows.
    var mean: [Double] { mean(of: Array(0..<count)) }

    /// Every row at length 1; a row of zeros stays what it is (spec 1).
    var unit: Rows {
        var unit = self
        for row in 0..<count {
            let length = dot(row, self, row).squareRoot()
            for channel in 0..<columns {
                unit.values[row * columns + channel] = length > 0 ? values[row * columns + channel] / length : 0
            }
        }
        return unit
    }
}

/// Index of the largest value; a tie goes to the lower index (spec 1).
func firstLargest(_ values: [Double]) -> Int {
    var best = 0
    for index in values.indices where values[index] > values[best] { best = index }
    return best
}

/// Index of the smallest value; a tie goes to the lower index (spec 1).
func firstSmallest(_ values: [Double]) -> Int {
    var best = 0
    for index in values.indices where values[index] < values[best] { best = index }
    return best
}

/// Indices by rising value; a tie goes to the lower index (spec 1).
func rising(_ values: [Double]) -> [Int] {
    values.indices.sorted { values[$0] != values[$1] ? values[$0] < values[$1] : $0 < $1 }
}

/// Indices by falling value; a tie goes to the lower index (spec 1).
func falling(_ values: [Double]) -> [Int] {
    values.indices.sorted { values[$0] != values[$1] ? values[$0] > values[$1] : $0 < $1 }
}
