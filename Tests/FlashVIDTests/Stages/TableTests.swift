import TestSupport
import Testing

@testable import FlashVID

@Suite("Tables")
struct TableTests {
    @Test("are sorted in place", arguments: Seeds.first(50))
    func sort(_ seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let values = (0..<random.integer(0...300)).map { _ in Int32(random.integer(-40...40)) }
        var arena = Arena()
        let table = try arena.layOut { plan in plan.table(Int32.self, values.count) }
        for (index, value) in values.enumerated() { table[index] = value }
        table.sort()
        #expect(Array(table.buffer) == values.sorted())
    }
}
