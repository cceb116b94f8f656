import FlashVID
import FlashVIDFile
import Foundation
import TestSupport
import Testing

@testable import FlashVIDHost

/// Attention scores from queries and keys (spec 10.1) and of a last query (spec 9).
@Suite("Attention scores")
struct AttentionTests {
    // MARK: The definition

    /// Softmax in double over all keys; `logit` gives the product of a query and a key, scaled.
    static func softmax(_ keys: Int, _ logit: (Int) -> Double) -> [Double] {
        let logits = (0..<keys).map(logit)
        let largest = logits.max()!
        let powers = logits.map { exp($0 - largest) }
        let sum = powers.reduce(0, +)
        return powers.map { $0 / sum }
    }

    /// [F, N - skipped] from [F, H, N, E].
    static func reference(
        _ queries: [Float], _ keys: [Float], _ shape: AttentionShape, _ reading: AttentionReading = AttentionReading()
    ) -> [Double] {
        let (tokens, width) = (shape.tokens, shape.width)
        let scale = reading.scale ?? 1 / Double(width).squareRoot()
        let rows = reading.query.map { [$0] } ?? Array(0..<tokens)
        var scores: [Double] = []
        for frame in 0..<shape.frames {
            var total = [Double](repeating: 0, count: tokens)
            for head in 0..<shape.heads {
                let base = (frame * shape.heads + head) * tokens * width
                for query in rows {
                    let received = softmax(tokens) { key in
                        var dot = 0.0
                        for element in 0..<width {
                            dot +=
                                Double(queries[base + query * width + element])
                                * Double(keys[base + key * width + element])
                        }
                        return dot * scale
                    }
                    for key in 0..<tokens { total[key] += received[key] }
                }
            }
            scores += total[reading.skippedTokens...].map { $0 / Double(shape.heads * rows.count) }
        }
        return scores
    }

    struct Sample {
        var shape: AttentionShape
        var queries: [Float]
        var keys: [Float]

        init(seed: UInt64, shape: AttentionShape, magnitude: Double = 1) {
            var random = SplitMix64(seed: seed)
            self.shape = shape
            let count = shape.frames * shape.heads * shape.tokens * shape.width
            // Numbers that half precision holds, so that all formats mean the same.
            queries = (0..<count).map { _ in Float(BFloat16(Float(random.normal() * magnitude))) }
            keys = (0..<count).map { _ in Float(BFloat16(Float(random.normal()))) }
        }

        /// [F, N, H, E]
        func tokensFirst(_ values: [Float]) -> [Float] {
            var result: [Float] = []
            for frame in 0..<shape.frames {
                for token in 0..<shape.tokens {
                    for head in 0..<shape.heads {
                        let start = ((frame * shape.heads + head) * shape.tokens + token) * shape.width
                        result += values[start..<start + shape.width]
                    }
                }
            }
            return result
        }
    }

    /// The largest difference over the largest number of the expected, which a skipped token may have left below all that
    /// float32 holds.
    static func error(_ values: [Float], _ expected: [Double]) -> Double {
        guard values.count == expected.count else { return .infinity }
        let largest = max(expected.map(\.magnitude).max() ?? 0, Double(Float.leastNormalMagnitude))
        var worst = 0.0
        for (value, wanted) in zip(values, expected) {
            let difference = (Double(value) - wanted).magnitude
            guard difference.isFinite else { return .infinity }
            worst = max(worst, difference)
        }
        return worst / largest
    }

    // MARK: Agreement

    @Test("of a real encoder are the file's within 1e-6 of its largest", arguments: ScalarType.allCases)
    func realEncoder(_ type: ScalarType) throws {
        let file = try Fixtures.open("encoder/attention")
        let queries = try file.floats("query")
        let keys = try file.floats("key")
        let sizes = try #require(file.entry("query")).shape
        let shape = AttentionShape(frames: sizes[0], heads: sizes[1], tokens: sizes[2], width: sizes[3])
        let expected = try file.floats("attention").map(Double.init)
        var scorer = try AttentionScorer(threads: 2)
        switch type {
        case .float32:
            let scores = try scorer.arrays(queries: queries, keys: keys, shape: shape)
            #expect(Self.error(scores, expected) < 1e-6)
        case .float16:
            let scores = try scorer.arrays(
                queries: queries.map { Float16($0) }, keys: keys.map { Float16($0) }, shape: shape)
            #expect(Self.error(scores, expected) < 1e-6)
        case .bfloat16:
            // The file is in float16, of which bfloat16 keeps eight bits.
            let scores = try scorer.arrays(
                queries: queries.map { BFloat16($0) }, keys: keys.map { BFloat16($0) }, shape: shape)
            #expect(Self.error(scores, expected) < 2e-2)
            #expect(Self.error(scores, expected) > 1e-6)
        }
    }

    @Test("are the definition's in every format and layout", arguments: Seeds.first(24))
    func random(_ seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let shape = AttentionShape(
            frames: random.pick([1, 2, 3]), heads: random.pick([1, 2, 5]), tokens: random.pick([1, 2, 7, 8, 33, 100]),
            width: random.pick([1, 3, 8, 20]))
        let sample = Sample(seed: seed, shape: shape, magnitude: random.pick([0, 0.1, 1, 40]))
        var reading = AttentionReading()
        if random.chance(0.3) { reading.scale = random.pick([0, -0.5, 1, 7]) }
        if random.chance(0.3) { reading.skippedTokens = random.integer(0...shape.tokens - 1) }
        if random.chance(0.3) { reading.query = random.integer(0...shape.tokens - 1) }
        let expected = Self.reference(sample.queries, sample.keys, shape, reading)
        // Logits of a few hundred lose their last digits in float32.
        let tolerance = 3e-6 * max(1, 40 * (reading.scale?.magnitude ?? 1))
        var scorer = try AttentionScorer(threads: random.pick([1, 2, 3]))
        let plain = try scorer.arrays(
            queries: sample.queries, keys: sample.keys, shape: shape, reading: reading)
        #expect(Self.error(plain, expected) < tolerance)
        let halves = try scorer.arrays(
            queries: sample.queries.map { Float16($0) }, keys: sample.keys.map { Float16($0) }, shape: shape,
            reading: reading)
        #expect(halves == plain || Self.error(halves, expected) < tolerance)
        let brains = try scorer.arrays(
            queries: sample.tokensFirst(sample.queries).map { BFloat16($0) },
            keys: sample.keys.map { BFloat16($0) }, shape: shape, queryLayout: .tokensFirst, reading: reading)
        #expect(brains == plain || Self.error(brains, expected) < tolerance)
        let swapped = try scorer.arrays(
            queries: sample.tokensFirst(sample.queries), keys: sample.tokensFirst(sample.keys), shape: shape,
            queryLayout: .tokensFirst, keyLayout: .tokensFirst, reading: reading)
        #expect(Self.error(swapped, expected) < tolerance)
    }

    @Test("are read from between other numbers")
    func strided() throws {
        let shape = AttentionShape(frames: 2, heads: 3, tokens: 5, width: 4)
        let sample = Sample(seed: 5, shape: shape)
        // [F, N, 3 · H, E]: queries, keys and values of a token side by side, as one projection gives them.
        var joined = [Float](repeating: .nan, count: 2 * 5 * 9 * 4)
        for frame in 0..<2 {
            for token in 0..<5 {
                for head in 0..<3 {
                    for element in 0..<4 {
                        let source = ((frame * 3 + head) * 5 + token) * 4 + element
                        let target = ((frame * 5 + token) * 9 + head) * 4 + element
                        joined[target] = sample.queries[source]
                        joined[target + 12] = sample.keys[source]
                    }
                }
            }
        }
        let layout = AttentionLayout.strided(frame: 180, head: 4, token: 36)
        var scorer = try AttentionScorer(threads: 2)
        let scores = try scorer.arrays(
            queries: joined, keys: Array(joined[12...]), shape: shape, queryLayout: layout, keyLayout: layout)
        #expect(Self.error(scores, Self.reference(sample.queries, sample.keys, shape)) < 1e-6)
    }

    @Test("sum to one, and are the same on any number of threads")
    func threads() throws {
        let shape = AttentionShape(frames: 3, heads: 4, tokens: 300, width: 16)
        let sample = Sample(seed: 9, shape: shape, magnitude: 3)
        var results: [[Float]] = []
        for threads in [1, 2, 3, 7] {
            var scorer = try AttentionScorer(threads: threads)
            for _ in 0..<2 {
                results.append(try scorer.arrays(queries: sample.queries, keys: sample.keys, shape: shape))
            }
        }
        #expect(results.allSatisfy { $0 == results[0] })
        for frame in 0..<3 {
            let sum = results[0][frame * 300..<(frame + 1) * 300].reduce(0) { $0 + Double($1) }
            #expect((sum - 1).magnitude < 1e-5)
        }
    }

    @Test("drop [CLS] after the softmax, not before")
    func classToken() throws {
        let shape = AttentionShape(frames: 2, heads: 2, tokens: 10, width: 8)
        let sample = Sample(seed: 4, shape: shape)
        var scorer = try AttentionScorer(threads: 1)
        let all = try scorer.arrays(queries: sample.queries, keys: sample.keys, shape: shape)
        let dropped = try scorer.arrays(
            queries: sample.queries, keys: sample.keys, shape: shape,
            reading: AttentionReading(skippedTokens: 1))
        #expect(dropped.count == 18)
        let expected = (all[1..<10] + all[11..<20]).map(Double.init)
        #expect(Self.error(dropped, expected) < 1e-6)
        let row = try scorer.arrays(
            queries: sample.queries, keys: sample.keys, shape: shape,
            reading: AttentionReading(skippedTokens: 1, query: 0))
        #expect(
            Self.error(
                row,
                Self.reference(
                    sample.queries, sample.keys, shape, AttentionReading(skippedTokens: 1, query: 0))) < 1e-6)
        #expect(Self.error(row, expected) > 1e-2)
    }

    @Test("come out of any finite numbers", arguments: [1e-30, 1e10, 1e19, 1e30, 3e38] as [Float])
    func extremes(_ magnitude: Float) throws {
        let shape = AttentionShape(frames: 1, heads: 2, tokens: 6, width: 3)
        var sample = Sample(seed: 6, shape: shape)
        sample.queries = sample.queries.map { $0 / 8 * magnitude }
        var scorer = try AttentionScorer(threads: 1)
        let scores = try scorer.arrays(queries: sample.queries, keys: sample.keys, shape: shape)
        #expect(Self.error(scores, Self.reference(sample.queries, sample.keys, shape)) < 1e-6)
        sample.keys = sample.keys.map { $0 / 8 * magnitude }
        let both = try scorer.arrays(queries: sample.queries, keys: sample.keys, shape: shape)
        #expect(Self.error(both, Self.reference(sample.queries, sample.keys, shape)) < 1e-6)
        let scaled = try scorer.arrays(
            queries: sample.queries, keys: sample.keys, shape: shape, reading: AttentionReading(scale: 1e30))
        #expect(
            Self.error(
                scaled, Self.reference(sample.queries, sample.keys, shape, AttentionReading(scale: 1e30))) < 1e-6)
    }

    @Test(
        "need no shift up to a limit and one beyond it", arguments: [-1, 1] as [Float],
        [0.5, 0.99, 1.01, 1.6, 20])
    func shift(sign: Float, ofLimit share: Double) throws {
        // Numbers of two bits, so that logits of this size are exact but for the factor.
        let shape = AttentionShape(frames: 1, heads: 1, tokens: 40, width: 1)
        let queries = (0..<40).map { [8, -8, 4, 0][$0 % 4] * sign }
        let keys: [Float] = (0..<40).map { [8, -8, 6, 1, 0][$0 % 5] }
        let reading = AttentionReading(scale: Softmax.largestUnshifted * share / (64 * Exponential.logarithmOfE))
        var scorer = try AttentionScorer(threads: 1)
        let scores = try scorer.arrays(queries: queries, keys: keys, shape: shape, reading: reading)
        #expect(Self.error(scores, Self.reference(queries, keys, shape, reading)) < 1e-6)
    }

    @Test("come out of numbers whose squares vanish", arguments: [1e4, 5e5, 1e6, 1e7])
    func vanishing(scale: Double) throws {
        let (queries, keys): ([Float], [Float]) = ([2e-23, -2e-23], [1e19, 0])
        var scorer = try AttentionScorer(threads: 1)
        let shape = AttentionShape(frames: 1, heads: 1, tokens: 2, width: 1)
        let reading = AttentionReading(scale: scale)
        let scores = try scorer.arrays(queries: queries, keys: keys, shape: shape, reading: reading)
        #expect(Self.error(scores, Self.reference(queries, keys, shape, reading)) < 1e-6)
        let query: [Float] = [2e-23]
        let last = try scorer.lastQueryScores(
            query: query.span, keys: keys.span,
            shape: GroupedAttentionShape(heads: 1, keyHeads: 1, keys: 2, width: 1), scale: scale, visual: 0..<2)
        #expect(Self.error(last, Self.softmax(2) { Double(query[0]) * Double(keys[$0]) * scale }) < 1e-6)
    }

    // MARK: The last query

    /// [S] from [H, E] and [G, S, E].
    static func lastQuery(_ query: [Float], _ keys: [Float], _ shape: GroupedAttentionShape) -> [Double] {
        var total = [Double](repeating: 0, count: shape.keys)
        for head in 0..<shape.heads {
            let group = head / (shape.heads / shape.keyHeads)
            let received = softmax(shape.keys) { key in
                var dot = 0.0
                for element in 0..<shape.width {
                    dot +=
                        Double(query[head * shape.width + element])
                        * Double(keys[(group * shape.keys + key) * shape.width + element])
                }
                return dot / Double(shape.width).squareRoot()
            }
            for key in 0..<shape.keys { total[key] += received[key] / Double(shape.heads) }
        }
        return total
    }

    @Test(
        "of the last query are the definition's, with heads in groups",
        arguments: [(1, 1, 1), (4, 4, 9), (28, 4, 700), (6, 1, 1100)])
    func lastQuery(_ sizes: (heads: Int, keyHeads: Int, keys: Int)) throws {
        for magnitude in [1.0, 30, 3e19] as [Float] {
            let shape = GroupedAttentionShape(
                heads: sizes.heads, keyHeads: sizes.keyHeads, keys: sizes.keys, width: 16)
            var random = SplitMix64(seed: 1)
            let isHalf = magnitude < 100
            let query = (0..<shape.heads * 16).map { _ in Float(BFloat16(Float(random.normal()) * magnitude)) }
            let keys = (0..<shape.keyHeads * shape.keys * 16).map { _ in Float(BFloat16(Float(random.normal()))) }
            let expected = Self.lastQuery(query, keys, shape)
            let tolerance = magnitude == 30 ? 2e-5 : 2e-6
            var scorer = try AttentionScorer(threads: 2)
            let all = try scorer.lastQueryArrays(
                query: query, keys: keys, shape: shape, visual: 0..<shape.keys)
            #expect(Self.error(all, expected) < tolerance)
            let range = shape.keys / 3..<shape.keys
            let some = try scorer.lastQueryArrays(query: query, keys: keys, shape: shape, visual: range)
            #expect(some == Array(all[range]))
            let places = [shape.keys - 1, 0]
            let picked = try scorer.lastQueryArrays(query: query, keys: keys, shape: shape, visual: places)
            #expect(picked == places.map { all[$0] })
            guard isHalf else { continue }
            // [S, G, E]
            var tokensFirst: [Float16] = []
            for key in 0..<shape.keys {
                for head in 0..<shape.keyHeads {
                    let start = (head * shape.keys + key) * 16
                    tokensFirst += keys[start..<start + 16].map { Float16($0) }
                }
            }
            let halves = try scorer.lastQueryArrays(
                query: query.map { Float16($0) }, keys: tokensFirst, shape: shape, keyLayout: .tokensFirst,
                visual: 0..<shape.keys)
            #expect(Self.error(halves, expected) < tolerance)
        }
    }

    @Test("go into lent memory, which an error leaves alone")
    func lentMemory() throws {
        let shape = AttentionShape(frames: 2, heads: 2, tokens: 6, width: 4)
        let sample = Sample(seed: 8, shape: shape)
        var scorer = try AttentionScorer(threads: 2)
        let expected = try scorer.arrays(queries: sample.queries, keys: sample.keys, shape: shape)
        let grouped = GroupedAttentionShape(heads: 4, keyHeads: 2, keys: 12, width: 4)
        let query = Array(sample.queries[0..<16])
        let expectedLast = try scorer.lastQueryArrays(query: query, keys: sample.keys, shape: grouped, visual: 0..<12)
        // Queries of the last layer, keys, and the scores of both forms lie in one block.
        func run(capacity: Int, places: [Int32]? = nil, overlaps: Bool = false) throws(FlashVIDError) -> [[Float]] {
            var block = sample.queries + sample.keys + [Float](repeating: 7, count: 24)
            let before = block
            var failure: FlashVIDError?
            block.withUnsafeMutableBufferPointer { block in
                (places ?? []).withUnsafeBufferPointer { list in
                    let base = block.baseAddress!
                    let queries = HeadView(base, of: .float32, .headsFirst)
                    let keys = HeadView(
                        base + 96, of: .float32, .strided(frame: nil, head: nil, token: nil))
                    let target = base + (overlaps ? 185 : 192)
                    do throws(FlashVIDError) {
                        try scorer.scores(
                            queries: queries, keys: keys, shape: shape, reading: AttentionReading(),
                            into: target, capacity: capacity)
                        try scorer.lastQueryScores(
                            query: queries, keys: keys, shape: grouped, scale: nil,
                            places: places == nil
                                ? nil : IndexList("places", list.baseAddress!, count: list.count, as: .int32),
                            into: target + 12, capacity: capacity)
                    } catch {
                        failure = error
                    }
                }
            }
            if let failure {
                // The first call may have succeeded.
                #expect(block[..<192] == before[..<192] && block[204...] == before[204...])
                throw failure
            }
            return [Array(block[192..<204]), Array(block[204...])]
        }
        #expect(try run(capacity: 12) == [expected, expectedLast])
        let some = try run(capacity: 12, places: [11, 0, 3])
        #expect(some[1] == [expectedLast[11], expectedLast[0], expectedLast[3]] + [Float](repeating: 7, count: 9))
        #expect(throws: FlashVIDError.bufferTooSmall(buffer: "scores", expected: 12, found: 11)) {
            try run(capacity: 11)
        }
        #expect(throws: FlashVIDError.outOfRange(of: "place", at: 1, value: 12, range: 0..<12)) {
            try run(capacity: 12, places: [1, 12])
        }
        #expect(throws: FlashVIDError.overlap("keys", "scores")) { try run(capacity: 12, overlaps: true) }
    }

    @Test("an address between two numbers is refused")
    func misaligned() throws {
        let shape = AttentionShape(frames: 1, heads: 1, tokens: 2, width: 1)
        let bytes = UnsafeMutableRawPointer.allocate(byteCount: 16, alignment: 16)
        defer { bytes.deallocate() }
        bytes.initializeMemory(as: UInt8.self, repeating: 0, count: 16)
        #expect(
            throws: FlashVIDError.misaligned(buffer: "keys", alignment: 4)
        ) {
            try HeadTensor(
                .keys, UnsafeRawBufferPointer(start: bytes + 2, count: 8), .float32, shape, .headsFirst
            ).tokenStride
        }
        let half = try HeadTensor(
            .keys, UnsafeRawBufferPointer(start: bytes + 2, count: 4), .float16, shape, .headsFirst)
        #expect(half.tokenStride == 1)
    }

    // MARK: Powers

    @Test("powers of two err by less than 5 units in the last place")
    func powers() {
        var worst = 0.0
        for step in 0...4_000 {
            var exponents = SIMD8<Float>.zero
            for lane in 0..<8 { exponents[lane] = -126 + Float(step * 8 + lane) * (253 / 32_008) }
            let powers = Exponential.power2(exponents)
            for lane in 0..<8 {
                let exact = exp2(Double(exponents[lane]))
                worst = max(worst, (Double(powers[lane]) - exact).magnitude / Double(Float(exact).ulp))
            }
        }
        #expect(worst < 5)
        #expect(worst > 0.5, "an error below half a unit would not be float32's")
        #expect(Exponential.power2(SIMD8(repeating: 0))[0] == 1)
        #expect(Exponential.power2(SIMD8(repeating: .nan))[3].isNaN)
    }

    // MARK: Bad input

    private static func error(
        _ shape: AttentionShape, _ count: Int = 24, _ layout: AttentionLayout = .headsFirst,
        _ reading: AttentionReading = AttentionReading()
    ) -> FlashVIDError? {
        let values = [Float](repeating: 1, count: count)
        do throws(FlashVIDError) {
            var scorer = try AttentionScorer(threads: 1)
            _ = try scorer.arrays(
                queries: values, keys: values, shape: shape, queryLayout: layout, keyLayout: layout,
                reading: reading)
            return nil
        } catch {
            return error
        }
    }

    @Test("sizes, strides and readings that do not fit are named")
    func sizes() {
        let good = AttentionShape(frames: 2, heads: 1, tokens: 3, width: 4)
        #expect(Self.error(good) == nil)
        for (name, path) in [
            ("frames", \AttentionShape.frames), ("heads", \.heads), ("tokens", \.tokens), ("numbers a head", \.width),
        ] as [(String, WritableKeyPath<AttentionShape, Int>)] {
            for value in [0, -1, .min] {
                var shape = good
                shape[keyPath: path] = value
                #expect(Self.error(shape) == .empty(dimension: name, value: value))
            }
            var shape = good
            shape[keyPath: path] = .max
            guard case .sizeOverflow = Self.error(shape) else {
                Issue.record("\(name) of Int.max: \(String(describing: Self.error(shape)))")
                continue
            }
        }
        #expect(Self.error(good, 23) == .elementCount(tensor: .queries, expected: 24, found: 23))
        #expect(Self.error(good, 25) == .elementCount(tensor: .queries, expected: 24, found: 25))
        #expect(Self.error(good, 0) == .elementCount(tensor: .queries, expected: 24, found: 0))
        for layout in [
            AttentionLayout.strided(frame: 3, head: 4, token: 4), .strided(frame: 12, head: 4, token: 0),
            .strided(frame: -12, head: 4, token: 4), .strided(frame: 4, head: 4, token: 4),
        ] {
            switch Self.error(good, 24, layout) {
            case .invalidStride(.queries, _, _, expected: 4), .invalidLayout(.queries, _): break
            case let other: Issue.record("\(layout): \(String(describing: other))")
            }
        }
        guard case .sizeOverflow = Self.error(good, 24, .strided(frame: .max, head: 4, token: .max)) else {
            Issue.record("strides of Int.max")
            return
        }
        #expect(
            Self.error(good, 24, .headsFirst, AttentionReading(skippedTokens: 3))
                == .outOfRange(of: "number of skipped tokens", at: nil, value: 3, range: 0..<3))
        #expect(
            Self.error(good, 24, .headsFirst, AttentionReading(skippedTokens: -1))
                == .outOfRange(of: "number of skipped tokens", at: nil, value: -1, range: 0..<3))
        #expect(
            Self.error(good, 24, .headsFirst, AttentionReading(query: 3))
                == .outOfRange(of: "query", at: nil, value: 3, range: 0..<3))
        for scale in [Double.nan, .infinity, 1e31] {
            guard
                case .invalidConfiguration("scale", _, _) =
                    Self.error(good, 24, .headsFirst, AttentionReading(scale: scale))
            else {
                Issue.record("a scale of \(scale)")
                continue
            }
        }
        #expect(throws: FlashVIDError.invalidThreadCount(0)) { _ = try AttentionScorer(threads: 0).threads }
    }

    @Test("a query or key that is not finite is named", arguments: [Float.nan, .infinity, -.infinity])
    func notFinite(_ value: Float) throws {
        let shape = AttentionShape(frames: 2, heads: 3, tokens: 9, width: 5)
        let sample = Sample(seed: 2, shape: shape)
        var scorer = try AttentionScorer(threads: 2)
        for frame in 0..<2 {
            for head in [0, 2] {
                for token in [0, 8] {
                    let place = ((frame * 3 + head) * 9 + token) * 5 + 4
                    var broken = sample
                    broken.queries[place] = value
                    let channel = head * 5 + 4
                    #expect(
                        throws: FlashVIDError.notFinite(tensor: .queries, frame: frame, token: token, channel: channel)
                    ) {
                        try scorer.arrays(queries: broken.queries, keys: broken.keys, shape: shape)
                    }
                    #expect(
                        throws: FlashVIDError.notFinite(tensor: .keys, frame: frame, token: token, channel: channel)
                    ) {
                        try scorer.arrays(
                            queries: sample.queries.map { Float16($0) },
                            keys: broken.queries.map { Float16($0) }, shape: shape)
                    }
                    // A query that does not count is not looked at.
                    _ = try scorer.arrays(
                        queries: broken.queries, keys: broken.keys, shape: shape,
                        reading: AttentionReading(query: 4))
                }
            }
        }
    }

    @Test("of the last query: bad sizes and numbers are named")
    func badLastQuery() throws {
        func error(
            _ shape: GroupedAttentionShape, _ query: [Float], _ keys: [Float], visual: [Int] = []
        ) -> FlashVIDError? {
            do throws(FlashVIDError) {
                var scorer = try AttentionScorer(threads: 1)
                _ = try scorer.lastQueryArrays(query: query, keys: keys, shape: shape, visual: visual)
                return nil
            } catch {
                return error
            }
        }
        let shape = GroupedAttentionShape(heads: 4, keyHeads: 2, keys: 3, width: 2)
        let (query, keys) = ([Float](repeating: 1, count: 8), [Float](repeating: 1, count: 12))
        #expect(error(shape, query, keys, visual: [0, 2]) == nil)
        #expect(
            error(shape, query, keys, visual: [0, 3])
                == .outOfRange(of: "visual position", at: 1, value: 3, range: 0..<3))
        #expect(
            error(shape, query, keys, visual: [-1])
                == .outOfRange(of: "visual position", at: 0, value: -1, range: 0..<3))
        #expect(
            error(GroupedAttentionShape(heads: 4, keyHeads: 3, keys: 3, width: 2), query, keys)
                == .headsNotDivisible(heads: 4, keyHeads: 3))
        #expect(
            error(GroupedAttentionShape(heads: 2, keyHeads: 4, keys: 3, width: 2), query, keys)
                == .headsNotDivisible(heads: 2, keyHeads: 4))
        #expect(
            error(GroupedAttentionShape(heads: 4, keyHeads: 0, keys: 3, width: 2), query, keys)
                == .empty(dimension: "key heads", value: 0))
        #expect(
            error(GroupedAttentionShape(heads: 0, keyHeads: 1, keys: 3, width: 2), query, keys)
                == .empty(dimension: "heads", value: 0))
        #expect(error(shape, [1], keys) == .elementCount(tensor: .queries, expected: 8, found: 1))
        #expect(error(shape, query, [1]) == .elementCount(tensor: .keys, expected: 12, found: 1))
        var broken = query
        broken[5] = .nan
        #expect(error(shape, broken, keys) == .notFinite(tensor: .queries, frame: 0, token: 0, channel: 5))
        broken = keys
        broken[9] = .infinity
        #expect(error(shape, query, broken) == .notFinite(tensor: .keys, frame: 0, token: 1, channel: 3))
    }
}

extension AttentionScorer {
    fileprivate mutating func arrays<Scalar: FeatureScalar>(
        queries: [Scalar], keys: [Scalar], shape: AttentionShape, queryLayout: AttentionLayout = .headsFirst,
        keyLayout: AttentionLayout = .headsFirst, reading: AttentionReading = AttentionReading()
    ) throws(FlashVIDError) -> [Float] {
        try scores(
            queries: queries.span, keys: keys.span, shape: shape, queryLayout: queryLayout, keyLayout: keyLayout,
            reading: reading)
    }

    fileprivate mutating func lastQueryArrays<Scalar: FeatureScalar>(
        query: [Scalar], keys: [Scalar], shape: GroupedAttentionShape, keyLayout: AttentionLayout = .headsFirst,
        visual: some RandomAccessCollection<Int>
    ) throws(FlashVIDError) -> [Float] {
        try lastQueryScores(query: query.span, keys: keys.span, shape: shape, keyLayout: keyLayout, visual: visual)
    }
}
