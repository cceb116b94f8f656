/// Numbers that are multiples of one unit, a power of two, and not many times it: for rows of these float32 is exact.
///
/// Pictures that were drawn, and features that were rounded to few digits, lie on such a grid. There many distances are
/// equal, which no bound tells, however narrow; but where squares and products stay below 2²⁴ squares of the unit, every sum of
/// them is a whole number that float32 has, in whatever order BLAS adds.
struct Grid: BitwiseCopyable {
    /// 0: none.
    let unit: Float

    static let none = Grid(unit: 0)

    /// So many rows tell the grid of all, mostly.
    private static let samples = 16

    private init(unit: Float) { self.unit = unit }

    /// The grid of some of `rows` rows of so many channels; `row` gives the values of one that counts. None where one is much
    /// longer than its unit, which most often its first numbers tell, or where all are zero.
    init(ofSome rows: Range<Int>, channels: Int, row: (Int) -> UnsafePointer<Float>?) {
        var (least, greatest) = (Int.max, Int.min)
        for number in stride(from: rows.lowerBound, to: rows.upperBound, by: max(1, rows.count / Self.samples)) {
            guard let row = row(number) else { continue }
            for channel in 0..<channels where row[channel] != 0 {
                let exponent = Int(row[channel].exponent)
                least = min(least, exponent - row[channel].significandWidth)
                greatest = max(greatest, exponent)
                guard greatest - least < 20 else {
                    self = .none
                    return
                }
            }
        }
        // Squares keep far from the ends of float32's range.
        guard (-40...40).contains(least) else {
            self = .none
            return
        }
        self = Grid(unit: Float(sign: .plus, exponent: least, significand: 1))
    }

    var exists: Bool { unit > 0 }

    /// How long two rows may be for |a|² + |b|² - 2 a·b to be exact: 4·2000² < 2²⁴.
    var reach: Float { 2000 * unit }

    /// Whether all of a row's numbers are multiples of the unit; one beyond 2²² of it counts as none.
    func holds(_ row: UnsafePointer<Float>, count: Int) -> Bool {
        // Added to this, a number is rounded to a multiple.
        let large = 0x1.8p23 * unit
        var others = 0
        for channel in 0..<count where (row[channel] + large) - large != row[channel] { others &+= 1 }
        return exists && others == 0
    }

    func holds(_ row: UnsafePointer<Double>, count: Int) -> Bool {
        let large = 0x1.8p52 * Double(unit)
        var others = 0
        for channel in 0..<count where (row[channel] + large) - large != row[channel] { others &+= 1 }
        return exists && others == 0
    }
}
