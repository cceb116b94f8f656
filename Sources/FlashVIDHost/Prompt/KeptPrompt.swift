public import FlashVID

/// What is left of a prompt: its positions that stay, in order, and which of them hold rows of the compressed video.
///
/// A host gathers by it whatever it keeps by position. Qwen's M-RoPE keeps the original numbers: gather its [3, L], the
/// cache positions and the mask. A host with ordinary RoPE, such as LLaVA's or one that refuses gaps, takes
/// ``renumbered(from:)``.
public struct KeptPrompt: Sendable, Hashable {
    /// Stands in ``rows`` for a position that is not of the video.
    public static let text = -1

    /// L, the positions of the original prompt.
    public let originalLength: Int
    /// K, the rows of the compressed video, of which pruning may have taken some.
    public let rowCount: Int
    /// [L'] the original position at each place; ascending.
    public let positions: [Int]
    /// [L'] the row of the compressed video at each place, or ``text``.
    public let rows: [Int]

    /// L', the places that are left.
    public var count: Int { positions.count }

    /// [V] the places that hold rows of the video; ascending. What pruning inside the model looks at. O(L').
    public var visualPlaces: [Int] {
        rows.indices.filter { rows[$0] != Self.text }
    }

    /// [L'] whether a place holds a row of the video, as DeepStack wants to know. O(L').
    public var visualMask: [Bool] {
        rows.map { $0 != Self.text }
    }

    /// [V] the rows of the compressed video that are left: all K before any pruning. O(L').
    public var visualRows: [Int] {
        rows.filter { $0 != Self.text }
    }

    /// [L'] positions without gaps. O(L').
    ///
    /// Throws `FlashVIDError.sizeOverflow(_:)` where they leave the range of integers.
    public func renumbered(from first: Int = 0) throws(FlashVIDError) -> [Int] {
        guard !first.addingReportingOverflow(count).overflow else {
            throw .sizeOverflow("a prompt of \(count) positions from \(first) on")
        }
        return Array(first..<first + count)
    }
}

// MARK: - Gathering

extension KeptPrompt {
    /// Numbers by position: M-RoPE positions with 3 planes, cache positions with one, a mask with one a sequence.
    ///
    /// - Parameters:
    ///   - values: [planes, L]
    ///   - planes: how often the positions come.
    /// - Returns: [planes, L'].
    ///
    /// Throws `FlashVIDError.empty(dimension:value:)` or `FlashVIDError.countMismatch(of:expected:found:)`.
    /// O(planes·L').
    public func gather<Element: BitwiseCopyable>(
        _ values: Span<Element>, planes: Int = 1
    ) throws(FlashVIDError) -> [Element] {
        try check(values.count, planes: planes, of: "values by position", timesLength: 1)
        var gathered: [Element] = []
        gathered.reserveCapacity(planes * count)
        for plane in 0..<planes {
            for position in positions { gathered.append(values[plane * originalLength + position]) }
        }
        return gathered
    }

    /// A mask between positions.
    ///
    /// - Parameters:
    ///   - mask: [planes, L, L]
    ///   - planes: masks, one behind the other.
    /// - Returns: [planes, L', L'].
    ///
    /// Throws as ``gather(_:planes:)`` does. O(planes·L'²).
    public func gatherPairs<Element: BitwiseCopyable>(
        _ mask: Span<Element>, planes: Int = 1
    ) throws(FlashVIDError) -> [Element] {
        try check(mask.count, planes: planes, of: "values by pair of positions", timesLength: originalLength)
        var gathered: [Element] = []
        gathered.reserveCapacity(planes * count * count)
        for plane in 0..<planes {
            for query in positions {
                let row = (plane * originalLength + query) * originalLength
                for key in positions { gathered.append(mask[row + key]) }
            }
        }
        return gathered
    }

    /// Rows by position: token ids' embeddings, hidden states.
    ///
    /// - Parameters:
    ///   - values: [L, width]
    ///   - width: numbers a row.
    /// - Returns: [L', width].
    ///
    /// Throws `FlashVIDError.empty(dimension:value:)` or `FlashVIDError.countMismatch(of:expected:found:)`.
    /// O(L'·width).
    public func gatherRows<Element: BitwiseCopyable>(
        _ values: Span<Element>, width: Int
    ) throws(FlashVIDError) -> [Element] {
        try check(values.count, planes: width, of: "numbers of rows by position", timesLength: 1)
        return try Gather.rows(values, width: width, indices: positions)
    }

    /// What the model reads: the prompt's own embeddings with the video's rows in their places.
    ///
    /// - Parameters:
    ///   - prompt: [L, width] of the original prompt; what stands at video positions is not looked at.
    ///   - tokens: [K, width], the rows of the compressed video, in the host's type.
    ///   - width: numbers a row.
    /// - Returns: [L', width].
    ///
    /// Throws `FlashVIDError.empty(dimension:value:)` or `FlashVIDError.countMismatch(of:expected:found:)`.
    /// O(L'·width).
    public func embeddings<Element: BitwiseCopyable>(
        prompt: Span<Element>, tokens: Span<Element>, width: Int
    ) throws(FlashVIDError) -> [Element] {
        try check(prompt.count, planes: width, of: "numbers of the prompt's embeddings", timesLength: 1)
        let (expected, overflow) = rowCount.multipliedReportingOverflow(by: width)
        guard !overflow, tokens.count == expected else {
            throw .countMismatch(of: "numbers of the video's rows", expected: expected, found: tokens.count)
        }
        var embeddings: [Element] = []
        embeddings.reserveCapacity(count * width)
        for (place, row) in rows.enumerated() {
            if row == Self.text {
                let start = positions[place] * width
                for index in start..<start + width { embeddings.append(prompt[index]) }
            } else {
                for index in row * width..<(row + 1) * width { embeddings.append(tokens[index]) }
            }
        }
        return embeddings
    }

    /// DeepStack features of the rows that are left. They are those of the source tokens, not merged (spec 11).
    ///
    /// - Parameters:
    ///   - features: [F·N, width] of one of the encoder's layers.
    ///   - width: numbers a row.
    ///   - indices: [K], as the compressed video gives them.
    /// - Returns: [V, width], a row for each of ``visualPlaces``.
    ///
    /// Throws `FlashVIDError.countMismatch(of:expected:found:)` and what ``Gather/rows(_:width:indices:)`` does.
    /// O(V·width).
    public func deepStackRows<Element: BitwiseCopyable>(
        _ features: Span<Element>, width: Int, indices: [Int]
    ) throws(FlashVIDError) -> [Element] {
        guard indices.count == rowCount else {
            throw .countMismatch(of: "indices", expected: rowCount, found: indices.count)
        }
        return try Gather.rows(features, width: width, indices: visualRows.map { indices[$0] })
    }

    /// What a host may add to the logits of each place's key, so that a row that stands for many source tokens is seen as
    /// more: strength · log(count) for rows of the video, 0 for text (spec 7).
    ///
    /// An option to measure: see `CompressedVideo.counts` for what it gained and cost.
    ///
    /// - Parameters:
    ///   - counts: [K], as the compressed video gives them; each at least 1.
    ///   - strength: in 0...1; at 1 the row is seen as often as its source tokens would be.
    ///
    /// Throws `FlashVIDError.countMismatch(of:expected:found:)`, `FlashVIDError.outOfRange(of:at:value:range:)` or, for
    /// the strength, `FlashVIDError.invalidConfiguration(field:value:expected:)`. O(L').
    public func keyBias(counts: [Int], strength: Double = 1) throws(FlashVIDError) -> [Float] {
        guard strength >= 0, strength <= 1 else {
            throw .invalidConfiguration(field: "strength", value: "\(strength)", expected: "a number in [0, 1]")
        }
        guard counts.count == rowCount else {
            throw .countMismatch(of: "counts", expected: rowCount, found: counts.count)
        }
        for (row, count) in counts.enumerated() where count < 1 {
            throw .outOfRange(of: "count", at: row, value: count, range: 1..<Int.max)
        }
        return rows.map { $0 == Self.text ? 0 : Float(strength * Logits.naturalLogarithm(Double(counts[$0]))) }
    }

    /// The position that the first generated token takes where original M-RoPE positions are kept: one above the largest.
    ///
    /// A host that counts the places of its cache adds `nextPosition - count` to them.
    ///
    /// - Parameters:
    ///   - positions: [planes, L], original M-RoPE positions.
    ///   - planes: 3 for M-RoPE.
    ///
    /// Throws as ``gather(_:planes:)`` does, or `FlashVIDError.sizeOverflow(_:)`. O(planes·L').
    public func nextPosition<Position: FixedWidthInteger & BitwiseCopyable>(
        after positions: Span<Position>, planes: Int = 3
    ) throws(FlashVIDError) -> Int {
        guard let largest = try gather(positions, planes: planes).max() else { return 0 }
        guard let position = Int(exactly: largest), position < Int.max else {
            throw .sizeOverflow("a position of \(largest)")
        }
        return position + 1
    }

    private func check(
        _ found: Int, planes: Int, of name: String, timesLength factor: Int
    ) throws(FlashVIDError) {
        guard planes > 0 else { throw .empty(dimension: "numbers a position", value: planes) }
        let plane = originalLength.multipliedReportingOverflow(by: factor)
        let expected = plane.partialValue.multipliedReportingOverflow(by: planes)
        guard !plane.overflow, !expected.overflow else {
            throw .sizeOverflow("\(planes) numbers for each of \(originalLength) positions")
        }
        guard found == expected.partialValue else {
            throw .countMismatch(of: name, expected: expected.partialValue, found: found)
        }
    }
}

// MARK: - Pruning

extension KeptPrompt {
    /// What stays after pruning inside the model (spec 9), and again after more of it.
    ///
    /// - Parameter kept: visual tokens that stay, counted as ``visualPlaces`` lists them, ascending:
    ///   ``VisualTokenPruning/keptTokens(attention:ratio:)`` gives them from V scores.
    /// - Returns: the prompt that is left, its positions still those of the original, and the places of this one that it
    ///   keeps, by which hidden states, masks and caches are gathered.
    ///
    /// Throws `FlashVIDError.outOfRange(of:at:value:range:)` or `FlashVIDError.notAscending(_:at:)`. O(L').
    public func pruned(keeping kept: [Int]) throws(FlashVIDError) -> (prompt: KeptPrompt, places: [Int]) {
        let places = try Self.places(ofRows: rows, keeping: kept)
        let prompt = KeptPrompt(
            originalLength: originalLength, rowCount: rowCount, positions: places.map { positions[$0] },
            rows: places.map { rows[$0] })
        return (prompt, places)
    }

    /// The places that stay of those that hold `rows`, ``text`` among them.
    package static func places(ofRows rows: [Int], keeping kept: [Int]) throws(FlashVIDError) -> [Int] {
        let visual = rows.count { $0 != Self.text }
        for (place, token) in kept.enumerated() {
            guard token >= 0, token < visual else {
                throw .outOfRange(of: "kept token", at: place, value: token, range: 0..<visual)
            }
            guard place == 0 || kept[place - 1] < token else { throw .notAscending("kept tokens", at: place) }
        }
        var places: [Int] = []
        places.reserveCapacity(rows.count - visual + kept.count)
        var (token, next) = (0, 0)
        for place in rows.indices {
            guard rows[place] != Self.text else {
                places.append(place)
                continue
            }
            if next < kept.count, kept[next] == token {
                places.append(place)
                next += 1
            }
            token += 1
        }
        return places
    }
}
