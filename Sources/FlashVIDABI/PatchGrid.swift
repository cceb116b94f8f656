public import CFlashVID
import FlashVID
import FlashVIDHost

extension flashvid_patch_grid: Versioned {
    static let name: StaticString = "flashvid_patch_grid"
    /// Through `patch_pixels`.
    static let leastSize = 48
    static var defaults: Self { Self() }
}

extension PatchGrid {
    fileprivate init(
        reading pointer: UnsafePointer<flashvid_patch_grid>?, noting lent: inout LentPieces
    ) throws(Failure) {
        let grid = try flashvid_patch_grid(reading: pointer, noting: &lent)
        self.init(
            rows: Int(grid.rows), columns: Int(grid.columns), mergeSize: Int(grid.merge_size),
            windowPixels: Int(grid.window_pixels), patchPixels: Int(grid.patch_pixels))
    }
}

extension PatchGrid {
    /// Asks for the memory of two orders.
    fileprivate func checkMemory() throws(FlashVIDError) {
        let grid = try tokenGrid()
        try Memory.probe((grid.rows * grid.columns, 2 * 8), of: "order")
    }
}

@c @implementation
public func flashvid_patch_grid_preset(
    _ grid: UnsafeMutablePointer<flashvid_patch_grid>!, _ struct_size: Int, _ model: flashvid_model, _ rows: Int64,
    _ columns: Int64
) -> flashvid_status {
    report(nil, 0) { _ throws(Failure) in
        guard let grid else { throw .null("grid") }
        try flashvid_patch_grid.check(alignment: grid)
        try flashvid_patch_grid.check(size: struct_size)
        let model = try Configuration.Model(model)
        guard let preset = PatchGrid(model, rows: Int(rows), columns: Int(columns)) else {
            throw Failure(FLASHVID_INVALID_ARGUMENT, "\(model.rawValue) does not merge patches")
        }
        var value = flashvid_patch_grid()
        value.rows = rows
        value.columns = columns
        value.merge_size = Int64(preset.mergeSize)
        value.window_pixels = Int64(preset.windowPixels)
        value.patch_pixels = Int64(preset.patchPixels)
        value.write(to: grid, size: struct_size)
    }
}

@c @implementation
public func flashvid_patch_grid_reading_order(
    _ grid: UnsafePointer<flashvid_patch_grid>!, _ order: UnsafeMutableRawPointer!, _ index_type: flashvid_index,
    _ capacity: Int64, _ count: UnsafeMutablePointer<Int64>!, _ message: UnsafeMutablePointer<CChar>!,
    _ message_capacity: Int
) -> flashvid_status {
    give(grid, order, index_type, capacity, count, message, message_capacity) { grid throws(FlashVIDError) in
        try grid.readingOrder()
    }
}

@c @implementation
public func flashvid_patch_grid_encoder_order(
    _ grid: UnsafePointer<flashvid_patch_grid>!, _ order: UnsafeMutableRawPointer!, _ index_type: flashvid_index,
    _ capacity: Int64, _ count: UnsafeMutablePointer<Int64>!, _ message: UnsafeMutablePointer<CChar>!,
    _ message_capacity: Int
) -> flashvid_status {
    give(grid, order, index_type, capacity, count, message, message_capacity) { grid throws(FlashVIDError) in
        try grid.encoderOrder()
    }
}

/// Gives an order of a grid's tokens.
private func give(
    _ grid: UnsafePointer<flashvid_patch_grid>?, _ order: UnsafeMutableRawPointer?, _ type: flashvid_index,
    _ capacity: Int64, _ count: UnsafeMutablePointer<Int64>?, _ message: UnsafeMutablePointer<CChar>?,
    _ messageCapacity: Int, _ compute: (PatchGrid) throws(FlashVIDError) -> [Int]
) -> flashvid_status {
    report(message, messageCapacity) { lent throws(Failure) in
        let room = try IndexRoom("order", order, capacity: capacity, as: type)
        let count = try result(count, "count", noting: &lent)
        let grid = try PatchGrid(reading: grid, noting: &lent)
        let values = try translating { () throws(FlashVIDError) in
            try grid.checkMemory()
            return try compute(grid)
        }
        try lent.note { () throws(FlashVIDError) in try room.extent(count: values.count) }
        room.write(values)
        count.pointee = Int64(values.count)
    }
}

/// Scores of the caller's in float32, checked against those that come of them.
private func group(
    _ attention: UnsafeRawPointer?, _ type: flashvid_scalar, count: (Int, Int),
    into scores: UnsafeMutablePointer<Float>?,
    _ capacity: Int64, groups: (Int, Int), besides others: LentPieces,
    _ compute: (Span<Float>) throws(FlashVIDError) -> [Float]
) throws(Failure) {
    guard let attention else { throw .null("attention") }
    guard let scores else { throw .null("scores") }
    let type = try ScalarType(type, of: "attention")
    try translating { () throws(FlashVIDError) in
        let source = try Extent(
            "attention", attention, bytes: try Extent.bytes(count.0, count.1, type.size, of: "attention"),
            alignment: type.size, for: .reading)
        let bytes = try Extent.bytes(groups.0, groups.1, 4, of: "scores")
        guard Int(capacity) >= groups.0 * groups.1 else {
            throw .bufferTooSmall(buffer: "scores", expected: groups.0 * groups.1, found: Int(capacity))
        }
        _ = try others.adding([source, Extent("scores", scores, bytes: bytes, alignment: 4)])
        // The scores in float32, their means, the order that the means take over the clip, and they in that order.
        try Memory.probe(
            (type == .float32 ? 0 : count.0 * count.1, 4), (groups.0 * groups.1, 4 + 8 + 4), of: "scores")
        let result = try PatchGroups.withFloats(attention, type, count: count.0 * count.1, compute)
        for (index, score) in result.enumerated() { scores[index] = score }
    }
}

@c @implementation
public func flashvid_patch_grid_attention(
    _ grid: UnsafePointer<flashvid_patch_grid>!, _ attention: UnsafeRawPointer!, _ type: flashvid_scalar,
    _ frames: Int64, _ scores: UnsafeMutablePointer<Float>!, _ capacity: Int64,
    _ message: UnsafeMutablePointer<CChar>!, _ message_capacity: Int
) -> flashvid_status {
    report(message, message_capacity) { lent throws(Failure) in
        let grid = try PatchGrid(reading: grid, noting: &lent)
        let tokens = try translating { () throws(FlashVIDError) in
            let side = try grid.tokenGrid()
            guard frames > 0 else { throw .empty(dimension: "frames", value: Int(frames)) }
            return side.rows * side.columns
        }
        try translating { () throws(FlashVIDError) in try grid.checkMemory() }
        try group(
            attention, type, count: (Int(frames), grid.rows * grid.columns), into: scores, capacity,
            groups: (Int(frames), tokens), besides: lent
        ) { attention throws(FlashVIDError) in
            try PatchGroups.attention(attention, frames: Int(frames), grid: grid)
        }
    }
}

@c @implementation
public func flashvid_group_attention(
    _ attention: UnsafeRawPointer!, _ type: flashvid_scalar, _ frames: Int64, _ patches_per_frame: Int64,
    _ group: Int64, _ order: UnsafeRawPointer!, _ index_type: flashvid_index, _ order_count: Int64,
    _ scores: UnsafeMutablePointer<Float>!, _ capacity: Int64, _ message: UnsafeMutablePointer<CChar>!,
    _ message_capacity: Int
) -> flashvid_status {
    report(message, message_capacity) { lent throws(Failure) in
        let (frames, patches, size) = (Int(frames), Int(patches_per_frame), Int(group))
        try translating { () throws(FlashVIDError) in
            for (name, value) in [("frames", frames), ("patches a frame", patches), ("patches a token", size)] {
                guard value > 0 else { throw .empty(dimension: name, value: value) }
            }
            guard patches % size == 0 else {
                throw .gridMismatch("\(patches) patches a frame do not divide into groups of \(size)")
            }
            _ = try Extent.bytes(frames, patches, 8, of: "attention")
        }
        let groups = patches / size
        _ = try IndexType(index_type)
        var list: IndexList?
        if order != nil || order_count != 0 {
            let given = try IndexList("order", order, count: order_count, as: index_type, noting: &lent)
            guard given.count == groups || given.count == groups * frames else {
                throw Failure(.countMismatch(of: "places in the order", expected: groups, found: given.count))
            }
            list = given
        }
        try FlashVIDABI.group(
            attention, type, count: (frames, patches), into: scores, capacity, groups: (frames, groups),
            besides: lent
        ) { attention throws(FlashVIDError) in
            try PatchGroups.attention(
                attention, frames: frames, group: size, order: try list?.checkedIntegers())
        }
    }
}

extension IndexList {
    /// Its integers, and room for a mark for each; where there is no memory for them, an error.
    fileprivate func checkedIntegers() throws(FlashVIDError) -> [Int] {
        try Memory.probe((count, 8 + 1), of: "order")
        return (0..<count).map { self[$0] }
    }
}
