public import FlashVID

/// Rows by their indices, in any type of number: DeepStack features, hidden states, keys and values of a cache.
public enum Gather {
    /// Rows of a matrix.
    ///
    /// - Parameters:
    ///   - values: [R, width]
    ///   - width: numbers a row.
    ///   - indices: [K] rows, in any order and as often as wanted.
    /// - Returns: [K, width].
    ///
    /// Throws `FlashVIDError.empty(dimension:value:)` for a width below 1,
    /// `FlashVIDError.countMismatch(of:expected:found:)` where the values are no whole rows,
    /// `FlashVIDError.outOfRange(of:at:value:range:)`, `FlashVIDError.sizeOverflow(_:)` or
    /// `FlashVIDError.outOfMemory(bytes:)`. O(K·width).
    public static func rows<Element: BitwiseCopyable>(
        _ values: Span<Element>, width: Int, indices: [Int]
    ) throws(FlashVIDError) -> [Element] {
        let count = try rowCount(values.count, width: width)
        for (place, index) in indices.enumerated() where index < 0 || index >= count {
            throw .outOfRange(of: "row", at: place, value: index, range: 0..<count)
        }
        let (size, overflow) = indices.count.multipliedReportingOverflow(by: width)
        guard !overflow else { throw .sizeOverflow("\(indices.count) rows of \(width)") }
        // Repeated rows can ask for any size.
        try Memory.probe((size, MemoryLayout<Element>.stride), of: "gathered rows")
        return [Element](unsafeUninitializedCapacity: size) { target, initialised in
            // Sound: rows lie within `values`, as just checked, and the target holds one for every index.
            values.withUnsafeBufferPointer { values in
                guard let source = values.baseAddress, let target = target.baseAddress else { return }
                for (place, index) in indices.enumerated() {
                    (target + place &* width).initialize(from: source + index &* width, count: width)
                }
            }
            initialised = size
        }
    }

    static func rowCount(_ elements: Int, width: Int) throws(FlashVIDError) -> Int {
        guard width > 0 else { throw .empty(dimension: "numbers a row", value: width) }
        guard elements % width == 0 else {
            throw .countMismatch(of: "numbers", expected: (elements / width + 1) * width, found: elements)
        }
        return elements / width
    }
}

// MARK: - Lent memory

extension Gather {
    /// Where rows of a plane lie, and planes: bytes from one to the next; nil is the compact layout. That of a dimension of 1 is
    /// not looked at.
    package struct Strides {
        package var plane: Int?
        package var row: Int?

        package init(plane: Int? = nil, row: Int? = nil) {
            self.plane = plane
            self.row = row
        }
    }

    /// Rows of every plane, [planes, length] to [planes, count] of `rowSize` bytes, into memory with room for
    /// `capacity` rows. On an error nothing was written.
    package static func rows(
        _ values: UnsafeRawPointer, planes: Int, length: Int, rowSize: Int, indices: IndexList,
        into target: UnsafeMutableRawPointer, capacity: Int, besides others: LentPieces = LentPieces()
    ) throws(FlashVIDError) {
        try check(values, target, planes, [length, rowSize], [indices.count, rowSize], indices, capacity, others)
        copyRows(
            values, Strides(plane: length &* rowSize, row: rowSize), to: target,
            Strides(plane: indices.count &* rowSize, row: rowSize), planes: planes, rowSize: rowSize, indices)
    }

    /// The same between strided layouts, into `size` bytes. What lies between the rows is not written.
    package static func rows(
        _ values: UnsafeRawPointer, _ sourceStrides: Strides, planes: Int, length: Int, rowSize: Int,
        indices: IndexList, into target: UnsafeMutableRawPointer, _ targetStrides: Strides, size: Int,
        besides others: LentPieces = LentPieces()
    ) throws(FlashVIDError) {
        guard planes > 0 else { throw .empty(dimension: "planes", value: planes) }
        guard rowSize > 0 else { throw .empty(dimension: "bytes a row", value: rowSize) }
        let source = try StridedRows(.values, sourceStrides, planes: planes, rows: length, rowSize: rowSize)
        let gathered = try StridedRows(.gathered, targetStrides, planes: planes, rows: indices.count, rowSize: rowSize)
        try gathered.checkApart()
        guard size >= gathered.bytes else {
            throw .bufferTooSmall(buffer: "bytes of gathered values", expected: gathered.bytes, found: size)
        }
        _ = try others.adding([
            Extent("values", values, bytes: source.bytes, alignment: 1, for: .reading), indices.extent,
            Extent("gathered values", target, bytes: gathered.bytes, alignment: 1),
        ])
        try indices.check(0..<length, of: "index")
        copyRows(
            values, source.strides, to: target, gathered.strides, planes: planes, rowSize: rowSize, indices)
    }

    private static func copyRows(
        _ values: UnsafeRawPointer, _ source: Strides, to target: UnsafeMutableRawPointer, _ gathered: Strides,
        planes: Int, rowSize: Int, _ indices: IndexList
    ) {
        // Planes of nothing can be any number.
        guard indices.count > 0, let sourceRow = source.row, let sourcePlane = source.plane,
            let targetRow = gathered.row, let targetPlane = gathered.plane
        else { return }
        for plane in 0..<planes {
            let source = values + plane &* sourcePlane
            let target = target + plane &* targetPlane
            for place in 0..<indices.count {
                (target + place &* targetRow).copyMemory(from: source + indices[place] &* sourceRow, byteCount: rowSize)
            }
        }
    }

    /// Checked strides of [planes, rows] of `rowSize` bytes, and how much memory they span.
    private struct StridedRows {
        let tensor: FlashVIDError.Tensor
        let planes: Int
        let rows: Int
        let rowSize: Int
        let strides: Strides
        let bytes: Int

        init(
            _ tensor: FlashVIDError.Tensor, _ given: Strides, planes: Int, rows: Int, rowSize: Int
        ) throws(FlashVIDError) {
            func stride(_ value: Int, _ name: String) throws(FlashVIDError) -> Int {
                guard value >= rowSize else {
                    throw .invalidStride(tensor: tensor, of: name, value: value, expected: rowSize)
                }
                return value
            }
            func overflow() -> FlashVIDError { .sizeOverflow("\(tensor.rawValue) with these strides") }
            let row = rows > 1 ? try stride(given.row ?? rowSize, "rows") : rowSize
            let compact = rows.multipliedReportingOverflow(by: row)
            guard given.plane != nil || planes == 1 || !compact.overflow else { throw overflow() }
            // Rows of nothing are next to one another.
            let plane = planes > 1 && rows > 0 ? try stride(given.plane ?? compact.partialValue, "planes") : rowSize
            let lastRow = max(0, rows - 1).multipliedReportingOverflow(by: row)
            let lastPlane = (planes - 1).multipliedReportingOverflow(by: plane)
            let last = lastRow.partialValue.addingReportingOverflow(lastPlane.partialValue)
            let end = last.partialValue.addingReportingOverflow(rowSize)
            guard rows == 0 || !(lastRow.overflow || lastPlane.overflow || last.overflow || end.overflow) else {
                throw overflow()
            }
            self.tensor = tensor
            self.planes = planes
            self.rows = rows
            self.rowSize = rowSize
            strides = Strides(plane: plane, row: row)
            bytes = rows == 0 ? 0 : end.partialValue
        }

        /// Throws where two rows would share a byte: either all rows of a plane come before the next plane, or all planes of a
        /// row before the next row.
        func checkApart() throws(FlashVIDError) {
            guard planes > 1, rows > 1, let plane = strides.plane, let row = strides.row else { return }
            guard plane >= (rows - 1) * row + rowSize || row >= (planes - 1) * plane + rowSize else {
                throw .invalidLayout(tensor: tensor, problem: "the strides let rows overlap")
            }
        }
    }

    /// Pairs of positions, [planes, length, length] to [planes, count, count] of `elementSize` bytes, likewise.
    package static func pairs(
        _ values: UnsafeRawPointer, planes: Int, length: Int, elementSize: Int, indices: IndexList,
        into target: UnsafeMutableRawPointer, capacity: Int, besides others: LentPieces = LentPieces()
    ) throws(FlashVIDError) {
        let count = indices.count
        try check(
            values, target, planes, [length, length, elementSize], [count, count, elementSize], indices, capacity,
            others)
        guard count > 0 else { return }
        for plane in 0..<planes {
            for query in 0..<count {
                let source = values + (plane &* length &+ indices[query]) &* length &* elementSize
                let target = target + (plane &* count &+ query) &* count &* elementSize
                for key in 0..<count {
                    (target + key &* elementSize).copyMemory(
                        from: source + indices[key] &* elementSize, byteCount: elementSize)
                }
            }
        }
    }

    private static func check(
        _ values: UnsafeRawPointer, _ target: UnsafeMutableRawPointer, _ planes: Int, _ sizes: [Int],
        _ gathered: [Int], _ indices: IndexList, _ capacity: Int, _ others: LentPieces
    ) throws(FlashVIDError) {
        guard planes > 0 else { throw .empty(dimension: "planes", value: planes) }
        let elementSize = sizes[sizes.count - 1]
        guard elementSize > 0 else { throw .empty(dimension: "bytes a row", value: elementSize) }
        var (read, written) = (planes, planes)
        for size in sizes { read = try Extent.bytes(read, size, of: "values") }
        for size in gathered { written = try Extent.bytes(written, size, of: "gathered values") }
        guard capacity >= written / elementSize else {
            throw .bufferTooSmall(buffer: "gathered values", expected: written / elementSize, found: capacity)
        }
        _ = try others.adding([
            Extent("values", values, bytes: read, alignment: 1, for: .reading), indices.extent,
            Extent("gathered values", target, bytes: written, alignment: 1),
        ])
        try indices.check(0..<sizes[0], of: "index")
    }

    /// What stands at each place: a row of `tokens`, [tokenCount], or where there is none a row of `text`, [textCount],
    /// the one at its position or, without positions, the first. Likewise.
    package static func embeddings(
        rows: IndexList, positions: IndexList?, text: UnsafeRawPointer, textCount: Int, tokens: UnsafeRawPointer,
        tokenCount: Int, rowSize: Int, into target: UnsafeMutableRawPointer, capacity: Int,
        besides others: LentPieces = LentPieces()
    ) throws(FlashVIDError) {
        guard rowSize > 0 else { throw .empty(dimension: "bytes a row", value: rowSize) }
        if let positions, positions.count != rows.count {
            throw .countMismatch(of: "positions", expected: rows.count, found: positions.count)
        }
        let written = try Extent.bytes(rows.count, rowSize, of: "embeddings")
        guard capacity >= rows.count else {
            throw .bufferTooSmall(buffer: "embeddings", expected: rows.count, found: capacity)
        }
        _ = try others.adding([
            rows.extent, positions?.extent ?? Extent(),
            Extent(
                "text", text, bytes: try Extent.bytes(textCount, rowSize, of: "text"), alignment: 1, for: .reading),
            Extent(
                "tokens", tokens, bytes: try Extent.bytes(tokenCount, rowSize, of: "tokens"), alignment: 1,
                for: .reading),
            Extent("embeddings", target, bytes: written, alignment: 1),
        ])
        for place in 0..<rows.count {
            let row = rows[place]
            guard row >= KeptPrompt.text, row < tokenCount else {
                throw .outOfRange(of: "row", at: place, value: row, range: KeptPrompt.text..<tokenCount)
            }
            let position = positions?[place] ?? 0
            guard row != KeptPrompt.text || (position >= 0 && position < textCount) else {
                throw .outOfRange(of: "position", at: place, value: position, range: 0..<textCount)
            }
        }
        for place in 0..<rows.count {
            let row = rows[place]
            let source = row == KeptPrompt.text ? text + (positions?[place] ?? 0) &* rowSize : tokens + row &* rowSize
            (target + place &* rowSize).copyMemory(from: source, byteCount: rowSize)
        }
    }
}
