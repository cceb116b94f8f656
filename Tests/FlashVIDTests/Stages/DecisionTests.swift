import TestSupport
import Testing

@testable import FlashVID

/// The one way in which a choice is made: by bounds, and in double where they overlap.
@Suite("Decisions")
struct DecisionTests {
    /// Numbers, many of them equal, and what float32 might know of them.
    private struct Numbers {
        var values: [Double]
        var bounds: [Interval]
        var random: SplitMix64

        init(_ seed: UInt64) {
            random = SplitMix64(seed: seed)
            let count = random.integer(1...40)
            let levels = random.integer(1...12)
            let error = random.pick([0, 0.05, 0.4, 3])
            values = []
            bounds = []
            for _ in 0..<count {
                let value = Double(random.integer(-levels...levels)) / 4
                let shift = (random.uniform() * 2 - 1) * error
                values.append(value)
                bounds.append(error == 0 ? Interval(exactly: value) : Interval(value + shift, within: error))
            }
        }
    }

    private func withRanking<Result>(_ count: Int, _ body: (Table<Double>) throws -> Result) throws -> Result {
        var arena = Arena()
        return try body(try arena.layOut { plan in plan.table(Double.self, count) })
    }

    @Test("the largest, of equal ones the first, among those that count", arguments: Seeds.first(300))
    func largest(_ seed: UInt64) {
        var numbers = Numbers(seed)
        let counts = numbers.values.map { _ in numbers.random.chance(0.7) }
        let comparesSettled = numbers.random.chance(0.5)
        var settled = Set<Int>()
        let choice = Decision.largest(
            of: numbers.values.indices, where: { counts[$0] }, lower: { numbers.bounds[$0].lower },
            upper: { numbers.bounds[$0].upper }, comparesSettled: comparesSettled,
            settle: { index in
                settled.insert(index)
                return numbers.values[index]
            })
        let candidates = numbers.values.indices.filter { counts[$0] }
        let best = candidates.map { numbers.values[$0] }.max()
        #expect(choice.index == candidates.first { numbers.values[$0] == best } ?? -1)
        // Nothing is settled that could not be it, and nothing at all where there is one alone.
        let threshold = candidates.map { numbers.bounds[$0].lower }.max() ?? 0
        let rivals = candidates.filter { numbers.bounds[$0].upper >= threshold }
        // One that lies below a number that was settled before it may be passed over.
        let needed = rivals.filter { !comparesSettled || numbers.bounds[$0].upper >= best ?? 0 }
        #expect(settled.isSubset(of: rivals.count > 1 ? Set(rivals) : []))
        #expect(rivals.count < 2 || settled.isSuperset(of: needed))
        #expect(choice.value == (rivals.count > 1 ? best : nil))
    }

    @Test("ties by another rule, and a limit that nothing is above")
    func tiesAndLimit() {
        let values = [1.0, 3, 2, 3, 3]
        func largest(limit: Double, wins: (Int, Int) -> Bool) -> (index: Int, settled: Int) {
            var settled = 0
            let choice = Decision.largest(
                of: values.indices, lower: { values[$0] - 5 }, upper: { values[$0] + 5 }, limit: limit, wins: wins,
                settle: { index in
                    settled += 1
                    return values[index]
                })
            return (choice.index, settled)
        }
        #expect(largest(limit: .infinity) { _, _ in false } == (1, 5))
        #expect(largest(limit: .infinity) { $0 > $1 } == (4, 5))
        #expect(largest(limit: 3) { _, _ in false } == (1, 2))
    }

    @Test("the k-th largest in double, whatever the bounds", arguments: Seeds.first(300))
    func kthLargest(_ seed: UInt64) throws {
        var numbers = Numbers(seed)
        let k = numbers.random.integer(1...numbers.values.count)
        var bounds = numbers.bounds
        let found = try withRanking(bounds.count) { ranking in
            Decision.kthLargest(
                k, of: bounds.count, in: ranking, bounds: { bounds[$0] },
                settle: {
                    #expect(!bounds[$0].isExact)
                    bounds[$0] = Interval(exactly: numbers.values[$0])
                })
        }
        #expect(found == numbers.values.sorted(by: >)[k - 1])
    }

    @Test("the k largest, of equal ones the first", arguments: Seeds.first(300))
    func chooseLargest(_ seed: UInt64) throws {
        var numbers = Numbers(seed)
        let k = numbers.random.integer(1...numbers.values.count)
        var bounds = numbers.bounds
        var chosen: [Int] = []
        try withRanking(bounds.count) { ranking in
            Decision.chooseLargest(
                k, of: bounds.count, in: ranking, bounds: { bounds[$0] },
                settle: { bounds[$0] = Interval(exactly: numbers.values[$0]) },
                choose: { index, isChosen in
                    if isChosen { chosen.append(index) }
                })
        }
        #expect(chosen == falling(numbers.values).prefix(k).sorted())
    }

    @Test("order statistics of numbers with many repeats", arguments: Seeds.first(100))
    func orderStatistic(_ seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let values = (0..<random.integer(1...200)).map { _ in Double(random.integer(0...20)) }
        for rank in values.indices {
            var copy = values
            #expect(
                copy.withUnsafeMutableBufferPointer { OrderStatistic.smallest(rank, of: $0) } == values.sorted()[rank])
        }
    }
}
