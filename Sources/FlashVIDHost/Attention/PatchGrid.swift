public import FlashVID

/// A frame of patches as Qwen's vision encoder sees it: `rows` x `columns` patches, merged 2 x 2 into tokens (spec 10.3).
///
/// The encoder keeps the patches of a token together, so that the scores of a token are consecutive. Qwen2.5-VL moreover
/// keeps the tokens of a window together: windows from left to right and from top to bottom, tokens in them likewise, and
/// the windows of the last column and row as small as the grid leaves them.
public struct PatchGrid: Sendable, Hashable {
    /// Height and width in patches.
    public var rows: Int
    public var columns: Int
    /// Patches a side of a token.
    public var mergeSize: Int
    /// Side of a window and of a patch in pixels; a window of 0 is none.
    public var windowPixels: Int
    public var patchPixels: Int

    public init(rows: Int, columns: Int, mergeSize: Int = 2, windowPixels: Int = 112, patchPixels: Int = 14) {
        self.rows = rows
        self.columns = columns
        self.mergeSize = mergeSize
        self.windowPixels = windowPixels
        self.patchPixels = patchPixels
    }

    /// Patches that a grid may have.
    public static let maximumPatches = 1 << 24

    /// Height and width in tokens.
    ///
    /// Throws `FlashVIDError.gridMismatch(_:)` for sides that do not divide into tokens or a window smaller than a
    /// token, `FlashVIDError.empty(dimension:value:)` or `FlashVIDError.sizeOverflow(_:)`.
    public func tokenGrid() throws(FlashVIDError) -> (rows: Int, columns: Int) {
        for (name, value) in [
            ("rows of patches", rows), ("columns of patches", columns), ("patches a side of a token", mergeSize),
            ("pixels a patch", patchPixels),
        ] {
            guard value > 0 else { throw .empty(dimension: name, value: value) }
        }
        let (patches, overflow) = rows.multipliedReportingOverflow(by: columns)
        guard !overflow, patches <= Self.maximumPatches else {
            throw .sizeOverflow("a grid of \(rows) x \(columns) patches")
        }
        guard rows % mergeSize == 0, columns % mergeSize == 0 else {
            throw .gridMismatch(
                "a grid of \(rows) x \(columns) patches does not divide into tokens of \(mergeSize) x \(mergeSize)")
        }
        guard windowPixels >= 0, windowPixels == 0 || windowPixels / mergeSize / patchPixels > 0 else {
            throw .gridMismatch(
                "a window of \(windowPixels) pixels is smaller than a token of \(mergeSize) patches of \(patchPixels)")
        }
        return (rows / mergeSize, columns / mergeSize)
    }

    /// [N] the token, in reading order, at each place of the encoder's order. Throws as ``tokenGrid()`` does. O(N).
    public func encoderOrder() throws(FlashVIDError) -> [Int] {
        let grid = try tokenGrid()
        guard windowPixels > 0 else { return Array(0..<grid.rows * grid.columns) }
        let side = windowPixels / mergeSize / patchPixels
        var order: [Int] = []
        order.reserveCapacity(grid.rows * grid.columns)
        for top in stride(from: 0, to: grid.rows, by: side) {
            for left in stride(from: 0, to: grid.columns, by: side) {
                for row in top..<min(top + side, grid.rows) {
                    for column in left..<min(left + side, grid.columns) {
                        order.append(row * grid.columns + column)
                    }
                }
            }
        }
        return order
    }

    /// [N] the place in the encoder's order of each token in reading order: gathering by it restores reading order.
    /// Throws as ``tokenGrid()`` does. O(N).
    public func readingOrder() throws(FlashVIDError) -> [Int] {
        let order = try encoderOrder()
        var places = [Int](repeating: 0, count: order.count)
        for (place, token) in order.enumerated() { places[token] = place }
        return places
    }
}

/// From the patches of an encoder that merges them to the tokens that the language model reads (spec 10.3).
public enum PatchGroups {
    /// Attention of tokens: the mean of the scores of their patches, in reading order.
    ///
    /// - Parameters:
    ///   - attention: [F, rows, columns] of patches in the encoder's order, finite.
    ///   - frames: F.
    ///   - grid: the encoder's grid of patches.
    /// - Returns: [F, N] in reading order.
    ///
    /// Throws what ``PatchGrid/tokenGrid()`` and ``attention(_:frames:group:order:)`` do.
    public static func attention(
        _ attention: Span<Float>, frames: Int, grid: PatchGrid
    ) throws(FlashVIDError) -> [Float] {
        let order = try grid.readingOrder()
        let patches = grid.rows * grid.columns
        let (expected, overflow) = frames.multipliedReportingOverflow(by: patches)
        guard frames > 0 else { throw .empty(dimension: "frames", value: frames) }
        guard !overflow else { throw .sizeOverflow("\(frames) frames of \(patches) patches") }
        guard attention.count == expected else {
            throw .gridMismatch(
                "attention has \(attention.count) patches; \(frames) grids of \(grid.rows) x \(grid.columns) have "
                    + "\(expected)")
        }
        let group = grid.mergeSize * grid.mergeSize
        return try Self.attention(attention, frames: frames, group: group, order: grid.windowPixels > 0 ? order : nil)
    }

    /// The mean of every `group` scores, taken in an order.
    ///
    /// - Parameters:
    ///   - attention: [F, group·N], finite.
    ///   - frames: F.
    ///   - group: patches a token.
    ///   - order: which group, as they come, takes each place: [N] for every frame alike, or [F·N] over the clip. Nil
    ///     leaves them as they are.
    /// - Returns: [F, N].
    ///
    /// Throws `FlashVIDError.empty(dimension:value:)`, `FlashVIDError.gridMismatch(_:)` where the scores do not divide,
    /// `FlashVIDError.notFinite(tensor:frame:token:channel:)` (the token is the patch), or for the order
    /// `FlashVIDError.countMismatch(of:expected:found:)`, `FlashVIDError.outOfRange(of:at:value:range:)` or
    /// `FlashVIDError.notAPermutation(_:at:)`. O(F·N).
    public static func attention(
        _ attention: Span<Float>, frames: Int, group: Int = 4, order: [Int]? = nil
    ) throws(FlashVIDError) -> [Float] {
        guard frames > 0 else { throw .empty(dimension: "frames", value: frames) }
        guard group > 0 else { throw .empty(dimension: "patches a token", value: group) }
        guard attention.count > 0, attention.count % frames == 0, attention.count / frames % group == 0 else {
            throw .gridMismatch(
                "\(attention.count) scores do not divide into \(frames) frames of groups of \(group)")
        }
        let patches = attention.count / frames
        let tokens = patches / group
        for index in 0..<attention.count where !attention[index].isFinite {
            throw .notFinite(tensor: .attention, frame: index / patches, token: index % patches, channel: 0)
        }
        var means = [Float](repeating: 0, count: frames * tokens)
        for token in 0..<means.count {
            var sum = 0.0
            for patch in 0..<group { sum += Double(attention[token * group + patch]) }
            means[token] = Float(sum / Double(group))
        }
        guard let order else { return means }
        return try reorder(means.span, width: 1, frames: frames, order: order)
    }

    /// Lent scores in float32, in place or converted.
    package static func withFloats<Result>(
        _ base: UnsafeRawPointer, _ type: ScalarType, count: Int,
        _ body: (Span<Float>) throws(FlashVIDError) -> Result
    ) throws(FlashVIDError) -> Result {
        guard type != .float32 else {
            // Sound: the caller vouches for the numbers, and the span does not outlive the call.
            let floats = UnsafeBufferPointer(start: base.assumingMemoryBound(to: Float.self), count: count)
            return try body(floats.span)
        }
        let floats = [Float](unsafeUninitializedCapacity: count) { floats, initialised in
            if let target = floats.baseAddress { Conversion.toFloat32(base, type, count: count, into: target) }
            initialised = count
        }
        return try body(floats.span)
    }

    /// Rows in another order: the features of an encoder that gives its own.
    ///
    /// - Parameters:
    ///   - rows: [F·N, width]
    ///   - width: numbers a row.
    ///   - frames: F.
    ///   - order: which row, as they come, takes each place: [N] for every frame alike, or [F·N] over the clip.
    ///
    /// Throws `FlashVIDError.empty(dimension:value:)`, `FlashVIDError.countMismatch(of:expected:found:)`,
    /// `FlashVIDError.outOfRange(of:at:value:range:)` or `FlashVIDError.notAPermutation(_:at:)`. O(F·N·width).
    public static func reorder<Element: BitwiseCopyable>(
        _ rows: Span<Element>, width: Int, frames: Int, order: [Int]
    ) throws(FlashVIDError) -> [Element] {
        guard frames > 0 else { throw .empty(dimension: "frames", value: frames) }
        let count = try Gather.rowCount(rows.count, width: width)
        guard count % frames == 0 else {
            throw .countMismatch(of: "rows", expected: (count / frames + 1) * frames, found: count)
        }
        let tokens = count / frames
        guard order.count == tokens || order.count == count else {
            throw .countMismatch(of: "places in the order", expected: tokens, found: order.count)
        }
        var isTaken = [Bool](repeating: false, count: order.count)
        for (place, row) in order.enumerated() {
            guard order.indices.contains(row) else {
                throw .outOfRange(of: "order", at: place, value: row, range: order.indices)
            }
            guard !isTaken[row] else { throw .notAPermutation("order", at: place) }
            isTaken[row] = true
        }
        guard order.count < count else { return try Gather.rows(rows, width: width, indices: order) }
        let whole = (0..<count).map { $0 / tokens * tokens + order[$0 % tokens] }
        return try Gather.rows(rows, width: width, indices: whole)
    }
}
