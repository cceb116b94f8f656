import FlashVID
import FlashVIDFile
import FlashVIDHost
import TestSupport
import Testing

/// LLaVA's poolings (spec 10.2).
@Suite("Pooling")
struct PoolingTests {
    /// The definition, channel by channel, in double. [G, G, C] to [P, P, C].
    static func reference(_ frame: [Float], _ grid: Int, _ channels: Int, _ pooling: GridPooling) -> [Double] {
        func at(_ row: Int, _ column: Int, _ channel: Int) -> Double {
            Double(frame[(row * grid + column) * channels + channel])
        }
        let side = pooling == .bilinear ? (grid + 1) / 2 : grid / 2
        func place(_ index: Int) -> (low: Int, high: Int, weight: Double) {
            let centre = max(0, (Double(index) + 0.5) * Double(grid) / Double(side) - 0.5)
            let low = min(Int(centre), grid - 1)
            return (low, min(low + 1, grid - 1), centre - Double(low))
        }
        var pooled: [Double] = []
        for row in 0..<side {
            for column in 0..<side {
                for channel in 0..<channels {
                    if pooling == .bilinear {
                        let (y, x) = (place(row), place(column))
                        let upper =
                            at(y.low, x.low, channel) * (1 - x.weight) + at(y.low, x.high, channel) * x.weight
                        let lower =
                            at(y.high, x.low, channel) * (1 - x.weight) + at(y.high, x.high, channel) * x.weight
                        pooled.append(upper * (1 - y.weight) + lower * y.weight)
                    } else {
                        let block = [
                            at(2 * row, 2 * column, channel), at(2 * row, 2 * column + 1, channel),
                            at(2 * row + 1, 2 * column, channel), at(2 * row + 1, 2 * column + 1, channel),
                        ]
                        pooled.append(pooling == .max ? block.max()! : block.reduce(0, +) / 4)
                    }
                }
            }
        }
        return pooled
    }

    @Test("of a real grid is the reference's within 1e-6 of its largest", arguments: GridPooling.allCases)
    func realGrid(_ pooling: GridPooling) throws {
        let clip = try Fixtures.open("encoder/grid-27x27")
        let values = try clip.floats("features")
        let scores = try clip.floats("attention")
        let shape = try #require(clip.entry("features")).shape
        let expected = try Fixtures.open("encoder/pooled")
        let (frames, channels) = (shape[0], shape[2])
        let grid = try GridPooling.grid(ofTokens: shape[1])
        #expect(grid == 27)
        #expect(pooling.side(ofGrid: grid) == (pooling == .bilinear ? 14 : 13))
        let wanted = try expected.floats("features-\(pooling.rawValue)").map(Double.init)
        let features = try pooling.pooled(
            features: values.span, frames: frames, grid: grid, channels: channels, threads: 2)
        #expect(AttentionTests.error(features, wanted) < 1e-6)
        let inHalf = values.map { Float16($0) }
        let halves = try pooling.pooled(
            features: inHalf.span, frames: frames, grid: grid, channels: channels)
        #expect(halves == features)
        let attention = try pooling.pooled(attention: scores.span, frames: frames, grid: grid)
        let wantedAttention = try expected.floats("attention-\(pooling.rawValue)").map(Double.init)
        #expect(AttentionTests.error(attention, wantedAttention) < 1e-6)
    }

    @Test("is the definition's on any grid", arguments: GridPooling.allCases)
    func grids(_ pooling: GridPooling) throws {
        var random = SplitMix64(seed: 7)
        for grid in 1...9 {
            for channels in [1, 3, 8, 17] {
                let frames = 2
                let values = (0..<frames * grid * grid * channels).map { _ in Float(random.normal()) }
                guard pooling.side(ofGrid: grid) > 0 else {
                    #expect(throws: FlashVIDError.self) {
                        try pooling.pooled(features: values.span, frames: frames, grid: grid, channels: channels)
                    }
                    continue
                }
                let pooled = try pooling.pooled(
                    features: values.span, frames: frames, grid: grid, channels: channels, threads: 2)
                let size = grid * grid * channels
                let expected = (0..<frames).flatMap {
                    Self.reference(Array(values[$0 * size..<($0 + 1) * size]), grid, channels, pooling)
                }
                #expect(AttentionTests.error(pooled, expected) < 1e-6, "\(grid) x \(grid) x \(channels)")
            }
        }
    }

    @Test("belongs to LLaVA")
    func models() {
        #expect(GridPooling(.llavaOneVision) == .bilinear)
        #expect(GridPooling(.llavaVideo) == .average)
        #expect(GridPooling(.qwen25VL) == nil)
        #expect(GridPooling(.qwen3VL) == nil)
    }

    @Test("of the largest numbers stays finite", arguments: GridPooling.allCases)
    func largest(_ pooling: GridPooling) throws {
        for value in [Float.greatestFiniteMagnitude, -.greatestFiniteMagnitude, .leastNonzeroMagnitude] {
            let values = [Float](repeating: value, count: 49 * 9)
            let pooled = try pooling.pooled(features: values.span, frames: 1, grid: 7, channels: 9)
            // The two weights of bilinear pooling may round.
            #expect(pooled.allSatisfy { $0.isFinite && ($0 - value).magnitude <= 4 * value.ulp })
        }
    }

    @Test("bad sizes and numbers are named")
    func refusals() throws {
        func error(_ values: [Float], frames: Int, grid: Int, channels: Int, threads: Int? = 1) -> FlashVIDError? {
            do throws(FlashVIDError) {
                _ = try GridPooling.average.pooled(
                    features: values.span, frames: frames, grid: grid, channels: channels, threads: threads)
                return nil
            } catch {
                return error
            }
        }
        let values = [Float](repeating: 1, count: 50)
        #expect(error(values, frames: 1, grid: 5, channels: 2) == nil)
        #expect(error(values, frames: 0, grid: 5, channels: 2) == .empty(dimension: "frames", value: 0))
        #expect(error(values, frames: 1, grid: -5, channels: 2) == .empty(dimension: "tokens a side", value: -5))
        #expect(error(values, frames: 1, grid: 5, channels: 0) == .empty(dimension: "channels", value: 0))
        #expect(
            error(values, frames: 2, grid: 5, channels: 2)
                == .elementCount(tensor: .features, expected: 100, found: 50))
        #expect(error(values, frames: 1, grid: 5, channels: 2, threads: 0) == .invalidThreadCount(0))
        for sizes in [(Int.max, 5, 2), (1, .max, 2), (1, 5, .max)] {
            guard case .sizeOverflow = error(values, frames: sizes.0, grid: sizes.1, channels: sizes.2) else {
                Issue.record("\(sizes)")
                continue
            }
        }
        guard case .gridMismatch = error([1], frames: 1, grid: 1, channels: 1) else {
            Issue.record("an average of one token")
            return
        }
        for tokens in [0, -4, 2, 728, .max] {
            #expect(throws: FlashVIDError.gridMismatch("\(tokens) tokens a frame are no square grid")) {
                try GridPooling.grid(ofTokens: tokens)
            }
        }
        for value in [Float.nan, .infinity, -.infinity] {
            for place in [0, 2 * (5 + 1) + 1, 2 * 18] {
                var broken = values
                broken[place] = value
                #expect(
                    error(broken, frames: 1, grid: 5, channels: 2)
                        == .notFinite(tensor: .features, frame: 0, token: place / 2, channel: place % 2))
            }
            // The fifth row and column are dropped.
            var unread = values
            unread[49] = value
            unread[9] = value
            #expect(error(unread, frames: 1, grid: 5, channels: 2) == nil)
        }
        let attention: [Float] = [0, 0, .nan, 1]
        #expect(throws: FlashVIDError.notFinite(tensor: .attention, frame: 0, token: 2, channel: 0)) {
            try GridPooling.max.pooled(attention: attention.span, frames: 1, grid: 2)
        }
    }
}
