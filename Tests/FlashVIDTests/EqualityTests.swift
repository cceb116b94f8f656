import TestSupport
import Testing

@testable import FlashVID

/// When tokens count as equal.
@Suite("Equality")
struct EqualityTests {
    private func areEqual<Scalar: FeatureScalar>(_ a: [Scalar], _ b: [Scalar]) -> Bool {
        a.withUnsafeBytes { a in
            b.withUnsafeBytes { b in
                Equality.ofNumbers(
                    a.baseAddress!, b.baseAddress!, Scalar.scalarType, count: a.count / MemoryLayout<Scalar>.size)
            }
        }
    }

    private func check<Scalar: FeatureScalar & Equatable>(
        _ row: [Scalar], zero: Scalar, minusZero: Scalar, _ flip: (Scalar) -> Scalar
    ) {
        #expect(areEqual(row, row))
        for place in row.indices {
            var (other, zeros, minus) = (row, row, row)
            other[place] = flip(row[place])
            #expect(!areEqual(row, other), "\(place)")
            (zeros[place], minus[place]) = (zero, minusZero)
            #expect(areEqual(zeros, minus) && areEqual(minus, zeros), "\(place)")
            #expect(!areEqual(row, zeros), "\(place)")
        }
    }

    @Test("rows are equal if their numbers are, and 0 is -0, in every type", arguments: [1, 2, 63, 64, 65, 200])
    func numbers(_ count: Int) {
        var random = SplitMix64(seed: UInt64(count))
        let row = (0..<count).map { _ in Float(random.integer(1...100)) }
        check(row, zero: 0, minusZero: -0.0) { -$0 }
        check(row, zero: 0, minusZero: -0.0) { $0.nextUp }
        check(row.map { Float16($0) }, zero: 0, minusZero: -0.0) { -$0 }
        check(row.map { BFloat16($0) }, zero: BFloat16(0), minusZero: BFloat16(-0.0)) { BFloat16(-Float($0)) }
    }

    @Test("tokens that differ in the sign of zeros are of one class, in a frame and in the next")
    func classes() throws {
        let zeros: [Float] = [0, -0.0, 1, 0, 2]
        let clip = Clip(2, 6, 40) { frame, token, channel in
            let value = zeros[channel % 5]
            return value == 0 && (frame + token + channel) % 2 == 0 ? -value : value
        }
        let settled = try clip.compressed(Configuration(retentionRatio: 0.5)).statistics.settled
        #expect(settled.singly == 0 && settled.inBlocks == 0)
        #expect(settled.byClass > 0)
    }
}
