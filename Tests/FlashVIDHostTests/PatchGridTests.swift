import FlashVID
import FlashVIDFile
import FlashVIDHost
import TestSupport
import Testing

/// Qwen's patches: groups of four, and Qwen2.5-VL's windows (spec 10.3).
@Suite("Patch groups")
struct PatchGridTests {
    /// Patches of token (row, column) as the window order sorts them: by window, then in reading order.
    private static func sorted(_ rows: Int, _ columns: Int, side: Int) -> [Int] {
        let tokens = (0..<rows * columns).map { ($0 / columns, $0 % columns) }
        return tokens.sorted { a, b in
            let (windowA, windowB) = ([a.0 / side, a.1 / side], [b.0 / side, b.1 / side])
            if windowA != windowB { return windowA.lexicographicallyPrecedes(windowB) }
            return [a.0, a.1].lexicographicallyPrecedes([b.0, b.1])
        }.map { $0.0 * columns + $0.1 }
    }

    @Test("a grid of 5 x 6 tokens has four windows")
    func byHand() throws {
        let grid = PatchGrid.qwen25VL(rows: 10, columns: 12)
        let order = [
            0, 1, 2, 3, 6, 7, 8, 9, 12, 13, 14, 15, 18, 19, 20, 21,  // 4 x 4
            4, 5, 10, 11, 16, 17, 22, 23,  // 4 x 2
            24, 25, 26, 27,  // 1 x 4
            28, 29,  // 1 x 2
        ]
        #expect(try grid.encoderOrder() == order)
        let reading = try grid.readingOrder()
        #expect(reading[4] == 16)
        #expect(reading[6] == 4)
        #expect(reading[29] == 29)
        #expect(reading.map { order[$0] } == Array(0..<30))
    }

    @Test("belongs to Qwen", arguments: Configuration.Model.allCases)
    func models(_ model: Configuration.Model) {
        let expected: PatchGrid? =
            switch model {
            case .llavaOneVision, .llavaVideo: nil
            case .qwen25VL: PatchGrid(rows: 4, columns: 6, mergeSize: 2, windowPixels: 112, patchPixels: 14)
            case .qwen3VL: PatchGrid(rows: 4, columns: 6, mergeSize: 2, windowPixels: 0, patchPixels: 16)
            }
        #expect(PatchGrid(model, rows: 4, columns: 6) == expected)
    }

    @Test(
        "windows are those of the grid, multiples of them or not",
        arguments: [(8, 8), (2, 2), (46, 34), (10, 14), (2, 50), (18, 16), (30, 22), (16, 24)])
    func windows(_ size: (rows: Int, columns: Int)) throws {
        let grid = PatchGrid.qwen25VL(rows: size.rows, columns: size.columns)
        let order = try grid.encoderOrder()
        #expect(order == Self.sorted(size.rows / 2, size.columns / 2, side: 4))
        #expect(try grid.readingOrder().map { order[$0] } == Array(0..<order.count))
        let plain = try PatchGrid.qwen3VL(rows: size.rows, columns: size.columns).readingOrder()
        #expect(plain == Array(0..<order.count))
    }

    @Test("other windows and merges have their own order")
    func otherWindows() throws {
        let grid = PatchGrid(rows: 9, columns: 12, mergeSize: 3, windowPixels: 60, patchPixels: 10)
        #expect(try grid.encoderOrder() == Self.sorted(3, 4, side: 2))
        #expect(try grid.tokenGrid() == (3, 4))
    }

    @Test("means of real groups are the reference's, as they come and in an order")
    func groups() throws {
        let file = try Fixtures.open("encoder/groups")
        let attention = try file.floats("attention")
        let order = try file.integers("order")
        let plain = try PatchGroups.attention(attention.span, frames: 3)
        #expect(AttentionTests.error(plain, try file.floats("expected").map(Double.init)) < 1e-6)
        let ordered = try PatchGroups.attention(attention.span, frames: 3, order: order)
        #expect(AttentionTests.error(ordered, try file.floats("expected_ordered").map(Double.init)) < 1e-6)
    }

    @Test("scores in encoder order come out in reading order")
    func readingOrder() throws {
        // Two frames of 5 x 3 tokens; each patch says whose it is.
        let grid = PatchGrid.qwen25VL(rows: 10, columns: 6)
        let order = try grid.encoderOrder()
        var patches: [Float] = []
        for frame in 0..<2 {
            for token in order {
                patches += [0, 0.25, 0.75, 1].map { Float(100 * frame + token) - 0.5 + $0 }
            }
        }
        let expected = (0..<15).map(Float.init) + (100..<115).map(Float.init)
        #expect(try PatchGroups.attention(patches.span, frames: 2, grid: grid) == expected)
        var features: [Int32] = []
        for frame in 0..<2 {
            for token in order { features += [Int32(100 * frame + token), -1] }
        }
        let reordered = try PatchGroups.reorder(features.span, width: 2, frames: 2, order: try grid.readingOrder())
        #expect(stride(from: 0, to: 60, by: 2).map { Float(reordered[$0]) } == expected)
    }

    @Test("bad grids and orders are named")
    func refusals() throws {
        func gridError(_ grid: PatchGrid) -> FlashVIDError? {
            do throws(FlashVIDError) {
                _ = try grid.readingOrder()
                return nil
            } catch {
                return error
            }
        }
        #expect(
            gridError(.qwen25VL(rows: 5, columns: 4))
                == .gridMismatch("a grid of 5 x 4 patches does not divide into tokens of 2 x 2"))
        #expect(gridError(.qwen25VL(rows: 0, columns: 4)) == .empty(dimension: "rows of patches", value: 0))
        #expect(gridError(.qwen25VL(rows: 4, columns: -2)) == .empty(dimension: "columns of patches", value: -2))
        #expect(
            gridError(PatchGrid(rows: 4, columns: 4, mergeSize: 0))
                == .empty(dimension: "patches a side of a token", value: 0))
        #expect(
            gridError(.qwen25VL(rows: .max, columns: 2)) == .sizeOverflow("a grid of \(Int.max) x 2 patches"))
        #expect(
            gridError(.qwen25VL(rows: 1 << 20, columns: 1 << 20))
                == .sizeOverflow("a grid of 1048576 x 1048576 patches"))
        for window in [-1, 27, .min] {
            guard case .gridMismatch = gridError(PatchGrid(rows: 4, columns: 4, windowPixels: window)) else {
                Issue.record("a window of \(window) pixels")
                continue
            }
        }

        func error(_ count: Int, frames: Int, group: Int = 4, order: [Int]? = nil) -> FlashVIDError? {
            let attention = [Float](repeating: 1, count: count)
            do throws(FlashVIDError) {
                _ = try PatchGroups.attention(attention.span, frames: frames, group: group, order: order)
                return nil
            } catch {
                return error
            }
        }
        #expect(error(24, frames: 2, order: [2, 0, 1]) == nil)
        #expect(error(24, frames: 0) == .empty(dimension: "frames", value: 0))
        #expect(error(24, frames: 2, group: 0) == .empty(dimension: "patches a token", value: 0))
        for (count, frames) in [(0, 1), (23, 2), (22, 2), (24, 5)] {
            guard case .gridMismatch = error(count, frames: frames) else {
                Issue.record("\(count) scores of \(frames) frames")
                continue
            }
        }
        #expect(
            error(24, frames: 2, order: [0, 1]) == .countMismatch(of: "places in the order", expected: 3, found: 2))
        #expect(
            error(24, frames: 2, order: [0, 1, 3]) == .outOfRange(of: "order", at: 2, value: 3, range: 0..<3))
        #expect(
            error(24, frames: 2, order: [0, -1, 2]) == .outOfRange(of: "order", at: 1, value: -1, range: 0..<3))
        #expect(error(24, frames: 2, order: [0, 1, 0]) == .notAPermutation("order", at: 2))
        var attention = [Float](repeating: 1, count: 24)
        attention[17] = .infinity
        #expect(throws: FlashVIDError.notFinite(tensor: .attention, frame: 1, token: 5, channel: 0)) {
            try PatchGroups.attention(attention.span, frames: 2)
        }
        #expect(throws: FlashVIDError.self) {
            try PatchGroups.attention(attention.span, frames: 2, grid: .qwen25VL(rows: 4, columns: 4))
        }
        #expect(throws: FlashVIDError.empty(dimension: "numbers a row", value: 0)) {
            try PatchGroups.reorder(attention.span, width: 0, frames: 2, order: [0])
        }
        #expect(throws: FlashVIDError.countMismatch(of: "numbers", expected: 25, found: 24)) {
            try PatchGroups.reorder(attention.span, width: 5, frames: 2, order: [0])
        }
    }
}
