import Foundation

/// Steele, Lea and Flood's SplitMix64: the same numbers from the same seed, on every machine and for ever.
package struct SplitMix64: RandomNumberGenerator {
    private var state: UInt64

    package init(seed: UInt64) {
        state = seed
    }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// In 0..<1.
    package mutating func uniform() -> Double {
        Double(next() >> 11) * 0x1p-53
    }

    /// Near enough to a normal distribution of deviation 1.
    package mutating func normal() -> Double {
        (uniform() + uniform() + uniform() + uniform() - 2) * 3.0.squareRoot()
    }

    package mutating func chance(_ probability: Double) -> Bool {
        uniform() < probability
    }

    package mutating func pick<Element>(_ choices: [Element]) -> Element {
        choices[Int(next() % UInt64(choices.count))]
    }

    package mutating func integer(_ range: ClosedRange<Int>) -> Int {
        range.lowerBound + Int(next() % UInt64(range.count))
    }

    /// The numbers below `count`, in some order.
    package mutating func permutation(_ count: Int) -> [Int] {
        var order = Array(0..<count)
        for place in stride(from: count - 1, to: 0, by: -1) { order.swapAt(place, integer(0...place)) }
        return order
    }
}

/// The seeds of the random tests. They are the same from run to run, so that a red test stays red until it is mended;
/// `FLASHVID_SEEDS=500` tries that many instead, and `FLASHVID_SEED=7` that one alone.
package enum Seeds {
    package static func first(_ count: Int) -> [UInt64] {
        let environment = ProcessInfo.processInfo.environment
        if let seed = environment["FLASHVID_SEED"].flatMap(UInt64.init) { return [seed] }
        return Array(0..<(environment["FLASHVID_SEEDS"].flatMap(UInt64.init) ?? UInt64(count)))
    }
}
