package import FlashVID

/// A clip as the report sees it: what the engine was given, and what is known about it besides.
package struct Footage {
    package let shape: ClipShape
    package let type: ScalarType
    /// [F·N], nil where the clip has none.
    package let attention: [Float]?
    /// How a frame's tokens lie.
    package let grid: TokenGrid
    private let features: UnsafeRawBufferPointer

    /// `features` [F, N, D] of `type` stays where it is as long as this value is used.
    package init(
        _ features: UnsafeRawBufferPointer, of type: ScalarType, shape: ClipShape, attention: [Float]?, grid: TokenGrid
    ) {
        precondition(
            features.count == shape.frames * shape.tokensPerFrame * shape.channels * type.size
                && grid.count == shape.tokensPerFrame)
        self.features = features
        self.type = type
        self.shape = shape
        self.attention = attention
        self.grid = grid
    }

    /// F·N.
    var tokens: Int { shape.frames * shape.tokensPerFrame }

    /// The source tokens of a frame.
    func tokens(ofFrame frame: Int) -> Range<Int> {
        (frame * shape.tokensPerFrame)..<((frame + 1) * shape.tokensPerFrame)
    }

    /// `count` tokens from `first` on in float32, into `target` [count, D]; exact.
    func read(_ first: Int, count: Int, into target: UnsafeMutablePointer<Float>) {
        guard count > 0, let base = features.baseAddress else { return }
        Conversion.toFloat32(
            base + first * shape.channels * type.size, type, count: count * shape.channels, into: target)
    }
}

/// How the tokens of a frame lie: row by row.
package struct TokenGrid: Hashable, Sendable {
    package let columns: Int
    package let rows: Int

    /// C·R = N.
    package var count: Int { columns * rows }

    package init(columns: Int, rows: Int) {
        self.columns = columns
        self.rows = rows
    }

    /// The most nearly square grid of so many tokens, lying.
    package init(nearlySquare count: Int) {
        var rows = max(1, Int(Double(count).squareRoot()))
        while count % rows != 0 { rows -= 1 }
        self.init(columns: count / rows, rows: rows)
    }

    /// `14`, for a square, or `20x15`, columns first; nil for another text, or a grid of other than `count` tokens.
    package init?(_ text: String, count: Int) {
        let sides = text.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
        guard (1...2).contains(sides.count), let columns = sides[0], let rows = sides[sides.count - 1], columns > 0,
            rows > 0
        else { return nil }
        let (product, overflow) = columns.multipliedReportingOverflow(by: rows)
        guard !overflow, product == count else { return nil }
        self.init(columns: columns, rows: rows)
    }
}
