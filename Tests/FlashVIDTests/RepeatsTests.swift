import TestSupport
import Testing

@testable import FlashVID

/// How equal rows are found.
@Suite("Repeats")
struct RepeatsTests {
    private let kinds: [RowHash] = [.ofSample, .ofAll]

    @Test(
        "rows that are equal have the same hash, and 0 is -0",
        arguments: [1, 3, 7, 8, 9, 15, 16, 17, 31, 40, 3584])
    func equal(_ count: Int) {
        var random = SplitMix64(seed: UInt64(count))
        let row = (0..<count).map { $0 % 3 == 0 ? 0 : Float(random.integer(-9...9)) }
        let other = row.map { $0 == 0 ? -0.0 : $0 }
        for hash in kinds { #expect(hash(row, channels: count) == hash(other, channels: count)) }
    }

    @Test("one channel that differs changes the hash of all", arguments: [1, 7, 8, 16, 17, 40, 203])
    func different(_ count: Int) {
        let row = [Float](repeating: 1, count: count)
        var hashes: Set<UInt64> = [RowHash.ofAll(row, channels: count)]
        for channel in 0..<count {
            var other = row
            other[channel] = 2
            hashes.insert(RowHash.ofAll(other, channels: count))
        }
        #expect(hashes.count == count + 1)
    }

    /// Rows by number that are alike but in one channel, which the sample does not hold, or in two.
    private func alike(_ rows: Int, _ channels: Int, contents: Int) -> [[Float]] {
        (0..<rows).map { row in
            (0..<channels).map { channel in
                let content = row % contents
                // The sample's lie at both ends and begin at a third and two thirds.
                return channel == channels / 2 + content % 5 ? Float(1 + content) : 0.5
            }
        }
    }

    @Test("of rows that agree in the sample all equal ones are found", arguments: [60, 200, 1000])
    func repeats(_ channels: Int) {
        let rows = alike(120, channels, contents: 30)
        #expect(Set(rows.map { RowHash.ofSample($0, channels: channels) }).count == 1)
        var buckets = [Int32](repeating: 7, count: 240)
        var first = [Int](repeating: -1, count: 120)
        let found = buckets.withUnsafeMutableBufferPointer { buckets in
            Repeats.find(
                0..<120, where: { $0 % 40 != 3 }, in: Table(base: buckets.baseAddress!, count: buckets.count),
                hash: { $1(rows[$0], channels: channels) }, areEqual: { rows[$0] == rows[$1] },
                note: { first[$0] = $1 })
        }
        let expected = (0..<120).map { row in row % 40 == 3 ? -1 : row % 30 == 3 ? 33 : row % 30 }
        #expect(first == expected)
        #expect(found == zip(expected, 0...).count { $0 >= 0 && $0 < $1 })
    }

    @Test("of tokens that agree in the sample every class is found, in a frame and in the frame before")
    func classes() throws {
        let (rows, channels) = (40, 200)
        let shape = ClipShape(frames: 2, tokensPerFrame: rows, channels: channels)
        let values = [10, 20].flatMap { alike(rows, channels, contents: $0) }.flatMap { $0 }
        try values.withUnsafeBytes { bytes in
            let clip = try FlashVID.Clip(bytes, .float32, shape, attention: nil)
            var arena = Arena()
            let scratch = try arena.layOut { plan in
                (TokenClasses.Scratch(clip, plan: &plan), TokenClasses.Scratch(clip, plan: &plan))
            }
            func classes(_ frame: Int, _ scratch: TokenClasses.Scratch) -> TokenClasses {
                let tokens = bytes.baseAddress!.assumingMemoryBound(to: Float.self) + frame * rows * channels
                return TokenClasses(
                    MatrixView(base: tokens, rows: rows, columns: channels, stride: channels), in: scratch)
            }
            let (earlier, own) = (classes(0, scratch.0), classes(1, scratch.1))
            for row in 0..<rows {
                #expect(earlier.first(row) == row % 10 && earlier.size(row) == 4)
                #expect(own.first(row) == row % 20 && own.size(row) == 2)
            }
            own.match(earlier)
            for row in 0..<rows { #expect(own.twin(row) == (row % 20 < 10 ? row % 20 : -1)) }
        }
    }
}
