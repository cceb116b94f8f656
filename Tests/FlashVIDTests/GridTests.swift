import TestSupport
import Testing

@testable import FlashVID

/// Rows for which float32 is exact.
@Suite("Grid")
struct GridTests {
    private func grid(_ rows: [[Float]]) -> Grid {
        let columns = rows[0].count
        return rows.flatMap { $0 }.withUnsafeBufferPointer { values in
            Grid(ofSome: rows.indices, channels: columns) { values.baseAddress! + $0 * columns }
        }
    }

    @Test("the unit is the largest power of two that all numbers are multiples of")
    func unit() {
        #expect(grid([[0.5, -0.375, 0, 2]]).unit == 0.125)
        #expect(grid([[8, 0], [0, -24]]).unit == 8)
        #expect(grid([[0, 0], [0, 0x1p-30]]).unit == 0x1p-30)
    }

    @Test("none where numbers have many digits, are all zero, or lie near the ends of float32's range")
    func none() {
        #expect(!grid([[0.1, 0.7]]).exists)
        #expect(!grid([[1, 0x1p-21]]).exists)
        #expect(!grid([[0, 0]]).exists)
        #expect(!grid([[0x1p-60]]).exists)
        #expect(!grid([[0x1p60]]).exists)
        #expect(!Grid.none.holds([0] as [Float], count: 1))
    }

    @Test(
        "a row is held if all its numbers are multiples of the unit", arguments: [0x1p-30, 0.125, 1, 0x1p20] as [Float])
    func holds(_ unit: Float) {
        let grid = grid([[unit, 3 * unit]])
        let multiples: [Float] = [0, 1, -1, 2, 1023, -4097, 0x1p22 - 1].map { $0 * unit }
        #expect(grid.holds(multiples, count: multiples.count))
        #expect(grid.holds(multiples.map(Double.init), count: multiples.count))
        for place in multiples.indices {
            for stray in [0.5, 0.25, 1e-3, -0.5] as [Float] {
                var row = multiples.map { Double($0) }
                row[place] += Double(stray * unit)
                #expect(!grid.holds(row, count: row.count), "\(place)")
                let rounded = row.map { Float($0) }
                // Where float32 has that number.
                if Double(rounded[place]) == row[place] { #expect(!grid.holds(rounded, count: row.count), "\(place)") }
            }
        }
        // A mean that differs from a multiple in double's last place is none.
        #expect(!grid.holds([Double(unit).nextUp], count: 1))
    }

    @Test("squared distances of rows within reach are exact", arguments: Seeds.first(20))
    func exact(_ seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let (count, channels) = (40, random.pick([7, 64, 600, 3584]))
        let grid = grid([[0.25]])
        // Around the reach: uniform numbers have a root mean square of 1/√3 of the largest.
        let largest = Int(1.73 * 2000 / Double(channels).squareRoot())
        let rows = (0..<(count * channels)).map { _ in Float(random.integer(-largest...largest)) * grid.unit }
        var gram = [Float](repeating: 0, count: count * count)
        var compared = 0
        rows.withUnsafeBufferPointer { rows in
            BLAS.gram(
                MatrixView(base: rows.baseAddress!, rows: count, columns: channels, stride: channels), into: &gram)
        }
        func square(_ row: Int) -> Float { gram[row * (count + 1)] }
        for a in 0..<count where square(a).squareRoot() <= grid.reach {
            for b in a..<count where square(b).squareRoot() <= grid.reach {
                let exact = (0..<channels).reduce(0.0) { sum, channel in
                    let difference = Double(rows[a * channels + channel]) - Double(rows[b * channels + channel])
                    return sum + difference * difference
                }
                #expect(Double(square(a) + square(b) - 2 * gram[a * count + b]) == exact)
                compared += 1
            }
        }
        #expect(compared > 0)
    }
}
