import CFlashVIDKernels
import TestSupport
import Testing

@testable import FlashVID

/// The loops over rows, on every level of vectors that this machine has: the same bits, singly and in blocks.
@Suite("Kernel levels", .serialized)
struct KernelLevelTests {
    private struct Rows {
        let channels: Int
        let stride: Int
        var floats: [Float]
        var doubles: [Double]

        init(_ count: Int, _ channels: Int, _ random: inout SplitMix64) {
            self.channels = channels
            stride = channels + random.integer(0...3)
            floats = []
            doubles = []
            for _ in 0..<(count * stride) {
                let value = random.uniform() * 2 - 1
                floats.append(Float(value) * (random.chance(0.1) ? 1e-20 : random.chance(0.1) ? 1e9 : 1))
                doubles.append(value / 3)
            }
        }
    }

    /// Everything that the kernels give for some rows.
    private func results(_ a: Rows, _ b: Rows, rows m: Int, others n: Int) -> [Double] {
        let (count, channels) = (a.channels, a.channels)
        var results: [Double] = []
        var block = [Double](repeating: 0, count: m * n)
        for i in 0..<m {
            for j in 0..<n {
                a.floats.withUnsafeBufferPointer { x in
                    b.floats.withUnsafeBufferPointer { y in
                        let (x, y) = (x.baseAddress! + i * a.stride, y.baseAddress! + j * b.stride)
                        results.append(flashvid_dot(x, y, count))
                        results.append(Double(flashvid_squared_distance_single(x, y, count)))
                    }
                }
                a.doubles.withUnsafeBufferPointer { x in
                    b.doubles.withUnsafeBufferPointer { y in
                        let (x, y) = (x.baseAddress! + i * a.stride, y.baseAddress! + j * b.stride)
                        results.append(flashvid_squared_distance(x, y, count))
                        results.append(flashvid_dot_double(x, y, count))
                    }
                }
            }
        }
        flashvid_dots(a.floats, a.stride, m, b.floats, b.stride, n, channels, &block, n, 0)
        results += block
        flashvid_squared_distances(a.doubles, a.stride, m, b.doubles, b.stride, n, channels, &block, n, 0)
        results += block
        let (some, others) = ((0..<CInt(m)).map { $0 ^ 1 < m ? $0 ^ 1 : $0 }, (0..<CInt(n)).map { CInt(n) - 1 - $0 })
        flashvid_squared_distances_mixed(
            a.floats, a.stride, some, m, b.doubles, b.stride, others, n, channels, &block, n)
        for i in 0..<m {
            for j in 0..<n {
                let single = a.floats.withUnsafeBufferPointer { x in
                    b.doubles.withUnsafeBufferPointer { y in
                        flashvid_squared_distance_mixed(
                            x.baseAddress! + Int(some[i]) * a.stride, y.baseAddress! + Int(others[j]) * b.stride,
                            channels)
                    }
                }
                #expect(block[i * n + j] == single)
            }
        }
        results += block
        var total = [Double](repeating: 0.25, count: channels)
        flashvid_sum_strided(a.floats, m, a.stride, &total, count)
        flashvid_divide(&total, 7, count)
        flashvid_sum_double(b.doubles, &total, count)
        flashvid_maximum(a.floats, &total, count)
        results += total
        var rounded = [Float](repeating: 0, count: channels)
        flashvid_round_less(total, b.floats, 0.5, &rounded, count)
        results += rounded.map(Double.init)
        flashvid_round_plus(total, b.floats, &rounded, count)
        results += rounded.map(Double.init)
        flashvid_scaled_less(a.floats, 1 / 3, b.floats, &rounded, count)
        results += rounded.map(Double.init)
        // Any numbers do for a matrix of distances and its errors.
        let side = min(m, count)
        var (lower, upper) = ([Float](repeating: 0, count: side), [Float](repeating: 0, count: side))
        let square = (0..<side * side).map { a.floats[$0 % a.floats.count] }
        flashvid_nearest(square, side, b.floats, &lower, &upper)
        results += (lower + upper).map(Double.init)
        var smallest = [Float](repeating: 0, count: 6)
        for wanted in [0, 1, 6] {
            flashvid_smallest(a.floats, b.floats, -1, min(a.floats.count, b.floats.count), CInt(wanted), &smallest)
            results += smallest.map(Double.init)
        }
        return results
    }

    @Test("give the same bits", arguments: Seeds.first(40))
    func sameBits(_ seed: UInt64) {
        defer { flashvid_kernels_use(-1) }
        var random = SplitMix64(seed: seed)
        let (m, n, channels) = (random.integer(1...11), random.integer(1...11), random.integer(1...70))
        let (a, b) = (Rows(m, channels, &random), Rows(n, channels, &random))
        flashvid_kernels_use(0)
        let plain = results(a, b, rows: m, others: n).map(\.bitPattern)
        for level in 1..<max(1, Int(flashvid_kernels_levels())) {
            flashvid_kernels_use(CInt(level))
            let found = results(a, b, rows: m, others: n).map(\.bitPattern)
            #expect(found == plain, "level \(level)")
        }
    }

    @Test(
        "a block has the numbers that single calls have, and the plain sum to its rounding", arguments: Seeds.first(40))
    func blocks(_ seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let (m, channels) = (random.integer(1...11), random.integer(1...70))
        let a = Rows(m, channels, &random)
        var block = [Double](repeating: -1, count: m * m)
        flashvid_dots(a.floats, a.stride, m, a.floats, a.stride, m, channels, &block, m, 1)
        var distances = [Double](repeating: -1, count: m * m)
        flashvid_squared_distances(a.doubles, a.stride, m, a.doubles, a.stride, m, channels, &distances, m, 1)
        for i in 0..<m {
            for j in 0..<m {
                guard j >= i else {
                    // The lower triangle is not written.
                    #expect(block[i * m + j] == -1 && distances[i * m + j] == -1)
                    continue
                }
                let (x, y) = (
                    Array(a.floats[(i * a.stride)...].prefix(channels)),
                    Array(a.floats[(j * a.stride)...].prefix(channels))
                )
                let (p, q) = (
                    Array(a.doubles[(i * a.stride)...].prefix(channels)),
                    Array(a.doubles[(j * a.stride)...].prefix(channels))
                )
                #expect(block[i * m + j] == flashvid_dot(x, y, channels))
                #expect(distances[i * m + j] == flashvid_squared_distance(p, q, channels))
                let sum = zip(x, y).reduce(0) { $0 + Double($1.0) * Double($1.1) }
                let size = zip(x, y).reduce(0) { $0 + abs(Double($1.0) * Double($1.1)) }
                #expect(abs(block[i * m + j] - sum) <= 1e-14 * size)
                let square = zip(p, q).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
                #expect(abs(distances[i * m + j] - square) <= 1e-14 * square)
            }
        }
    }

    @Test("the nearest are the least of every row and column", arguments: Seeds.first(20))
    func nearest(_ seed: UInt64) {
        defer { flashvid_kernels_use(-1) }
        var random = SplitMix64(seed: seed)
        let count = random.integer(1...40)
        let distances = (0..<count * count).map { _ in Float(random.uniform()) }
        let errors = (0..<count).map { _ in Float(random.uniform()) / 8 }
        for level in 0..<flashvid_kernels_levels() {
            flashvid_kernels_use(level)
            var (lower, upper) = ([Float](repeating: 0, count: count), [Float](repeating: 0, count: count))
            flashvid_nearest(distances, count, errors, &lower, &upper)
            for i in 0..<count {
                let others = (0..<count).filter { $0 != i }
                let pairs = others.map { (distances[min(i, $0) * count + max(i, $0)], errors[$0]) }
                #expect(lower[i] == (pairs.map { $0.0 - $0.1 }.min() ?? .infinity) - errors[i])
                #expect(upper[i] == (pairs.map { $0.0 + $0.1 }.min() ?? .infinity) + errors[i])
            }
        }
    }

    @Test("the smallest are the first of all in order", arguments: Seeds.first(20))
    func smallest(_ seed: UInt64) {
        defer { flashvid_kernels_use(-1) }
        var random = SplitMix64(seed: seed)
        let count = random.integer(0...60)
        let (values, offsets) = (
            (0..<count).map { _ in Float(random.integer(0...20)) }, (0..<count).map { _ in Float(random.uniform()) / 8 }
        )
        for level in 0..<flashvid_kernels_levels() {
            flashvid_kernels_use(level)
            for (sign, wanted) in [(Float(1), 6), (-1, 6), (1, 1), (-1, 3)] {
                var found = [Float](repeating: 0, count: wanted)
                flashvid_smallest(values, offsets, sign, count, CInt(wanted), &found)
                let all = zip(values, offsets).map { $0 + sign * $1 }.sorted()
                let expected = all.prefix(wanted) + [Float](repeating: .infinity, count: max(0, wanted - count))
                #expect(found == Array(expected))
            }
        }
    }

    @Test("what is not above a limit, and what is no number, is found on every level", arguments: Seeds.first(20))
    func notAbove(_ seed: UInt64) {
        defer { flashvid_kernels_use(-1) }
        var random = SplitMix64(seed: seed)
        let values = (0..<random.integer(0...60)).map { _ in
            random.chance(0.1) ? Float.nan : Float(random.integer(0...20))
        }
        let expected = values.indices.filter { !(values[$0] > 5) }.map { Int32($0) }
        for level in 0..<flashvid_kernels_levels() {
            flashvid_kernels_use(level)
            for most in [0, 3, values.count] {
                var found = [Int32](repeating: -1, count: values.count)
                let count = flashvid_at_most(values, values.count, 5, most, &found)
                #expect(count == min(expected.count, most + 1))
                #expect(found.prefix(min(count, most)).elementsEqual(expected.prefix(most)))
            }
        }
    }

    @Test("half precision is exact on every level, for every number")
    func halves() {
        defer { flashvid_kernels_use(-1) }
        let source = (0...UInt16.max).map { $0 }
        for level in 0..<flashvid_kernels_levels() {
            flashvid_kernels_use(level)
            var (from16, fromB) = ([Float](repeating: 0, count: 65536), [Float](repeating: 0, count: 65536))
            flashvid_from_float16(source, &from16, 65536)
            flashvid_from_bfloat16(source, &fromB, 65536)
            for bits in source {
                let expected = Float(Float16(bitPattern: bits))
                let found = from16[Int(bits)]
                #expect(found.bitPattern == expected.bitPattern || (found.isNaN && expected.isNaN), "\(bits)")
                #expect(fromB[Int(bits)].bitPattern == UInt32(bits) << 16)
            }
        }
    }
}
