public import CFlashVID
import FlashVID
import FlashVIDHost

extension flashvid_prompt: Versioned {
    static let name: StaticString = "flashvid_prompt"
    /// Through `video_start`.
    static let leastSize = 40
    static var defaults: Self { Self() }
}

extension flashvid_kept_prompt: Versioned {
    static let name: StaticString = "flashvid_kept_prompt"
    /// Through `count`.
    static let leastSize = 64
    static var defaults: Self { Self() }
}

extension PromptLayout.Newlines {
    fileprivate init(_ newlines: flashvid_newlines, columns: Int64) throws(Failure) {
        switch Int(newlines) {
        case Int(FLASHVID_NEWLINES_NONE): self = .none
        case Int(FLASHVID_NEWLINES_AFTER_VIDEO): self = .afterVideo
        case Int(FLASHVID_NEWLINES_AFTER_FRAME): self = .afterFrame
        case Int(FLASHVID_NEWLINES_AFTER_GRID_ROW): self = .afterGridRow(columns: Int(columns))
        default: throw Failure(FLASHVID_INVALID_ARGUMENT, "no such newlines: \(newlines)")
        }
    }

    fileprivate var value: flashvid_newlines {
        switch self {
        case .none: flashvid_newlines(truncatingIfNeeded: FLASHVID_NEWLINES_NONE)
        case .afterVideo: flashvid_newlines(truncatingIfNeeded: FLASHVID_NEWLINES_AFTER_VIDEO)
        case .afterFrame: flashvid_newlines(truncatingIfNeeded: FLASHVID_NEWLINES_AFTER_FRAME)
        case .afterGridRow: flashvid_newlines(truncatingIfNeeded: FLASHVID_NEWLINES_AFTER_GRID_ROW)
        }
    }
}

/// A prompt of the caller's.
private struct Prompt {
    let layout: PromptLayout

    init(reading pointer: UnsafePointer<flashvid_prompt>?, noting lent: inout LentPieces) throws(Failure) {
        let prompt = try flashvid_prompt(reading: pointer, noting: &lent)
        let newlines = try PromptLayout.Newlines(prompt.newlines, columns: prompt.newline_columns)
        let (length, frames, tokensPerFrame) = (Int(prompt.length), Int(prompt.frames), Int(prompt.tokens_per_frame))
        if prompt.frame_starts != nil || prompt.tokens != nil {
            guard prompt.frame_starts == nil || prompt.tokens == nil else {
                throw Failure(FLASHVID_INVALID_ARGUMENT, "frame_starts and tokens exclude each other")
            }
            guard newlines == .none else {
                throw Failure(FLASHVID_INVALID_ARGUMENT, "newlines exclude frame_starts and tokens")
            }
        }
        layout = try translating { () throws(FlashVIDError) in
            // The lists are as long as these say.
            try PromptLayout.check(length: length, frames: frames, tokensPerFrame: tokensPerFrame)
            // Positions of the video, found one by one where tokens tell, and those that go, or starts of frames.
            try Memory.probe((length, 3 * 8), of: "positions")
            if let starts = prompt.frame_starts {
                try lent.add(starts.extent("frame_starts", count: frames, for: .reading))
                return try PromptLayout(
                    length: length, frameStarts: (0..<frames).map { Int(starts[$0]) }, tokensPerFrame: tokensPerFrame)
            } else if let tokens = prompt.tokens {
                try lent.add(tokens.extent("tokens", count: length, for: .reading))
                // Sound: the caller vouches for them, and the span does not outlive this call.
                return try PromptLayout(
                    tokens: UnsafeBufferPointer(start: tokens, count: length).span, videoToken: prompt.video_token,
                    frames: frames, tokensPerFrame: tokensPerFrame)
            } else {
                return try PromptLayout(
                    length: length, videoStart: Int(prompt.video_start), frames: frames,
                    tokensPerFrame: tokensPerFrame, newlines: newlines)
            }
        }
    }

    /// Places that are left with some rows.
    func placeCount(rows: Int) throws(Failure) -> Int {
        try translating { () throws(FlashVIDError) in try layout.check(rows: rows) }
        return layout.length - layout.videoPositions.count - layout.droppedPositions.count + rows
    }
}

@c @implementation
public func flashvid_prompt_preset(
    _ prompt: UnsafeMutablePointer<flashvid_prompt>!, _ struct_size: Int, _ model: flashvid_model
) -> flashvid_status {
    report(nil, 0) { _ throws(Failure) in
        guard let prompt else { throw .null("prompt") }
        try flashvid_prompt.check(alignment: prompt)
        try flashvid_prompt.check(size: struct_size)
        var value = flashvid_prompt()
        value.newlines = PromptLayout.Newlines(try Configuration.Model(model)).value
        value.write(to: prompt, size: struct_size)
    }
}

@c @implementation
public func flashvid_prompt_count(
    _ prompt: UnsafePointer<flashvid_prompt>!, _ row_count: Int64, _ count: UnsafeMutablePointer<Int64>!,
    _ message: UnsafeMutablePointer<CChar>!, _ message_capacity: Int
) -> flashvid_status {
    report(message, message_capacity) { lent throws(Failure) in
        let count = try result(count, "count", noting: &lent)
        let rows = try FlashVIDABI.count(row_count, of: "rows")
        let prompt = try Prompt(reading: prompt, noting: &lent)
        count.pointee = Int64(try prompt.placeCount(rows: rows))
    }
}

@c @implementation
public func flashvid_prompt_keep(
    _ prompt: UnsafePointer<flashvid_prompt>!, _ indices: UnsafeRawPointer!, _ index_type: flashvid_index,
    _ row_count: Int64, _ kept: UnsafeMutablePointer<flashvid_kept_prompt>!, _ message: UnsafeMutablePointer<CChar>!,
    _ message_capacity: Int
) -> flashvid_status {
    report(message, message_capacity) { lent throws(Failure) in
        let prompt = try Prompt(reading: prompt, noting: &lent)
        let indices = try IndexList("indices", indices, count: row_count, as: index_type, noting: &lent)
        var given = try flashvid_kept_prompt(reading: UnsafePointer(kept), for: .writing, noting: &lent)
        let places = try prompt.placeCount(rows: indices.count)
        func room(_ name: StaticString, _ base: UnsafeMutableRawPointer?, _ capacity: Int64) throws(Failure)
            -> IndexRoom
        {
            try IndexRoom(name, base, capacity: capacity, as: index_type)
        }
        let positions = try room("positions", given.positions, given.capacity)
        let rows = try room("rows", given.rows, given.capacity)
        let renumbered = given.renumbered == nil ? nil : try room("renumbered", given.renumbered, given.capacity)
        let visual = given.visual_places == nil ? nil : try room("visual_places", given.visual_places, row_count)
        let result = try translating { () throws(FlashVIDError) in
            _ = try lent.adding([
                positions.extent(count: places), rows.extent(count: places),
                renumbered?.extent(count: places) ?? Extent(), visual?.extent(count: indices.count) ?? Extent(),
            ])
            // Indices, positions and rows, positions without gaps, and places of rows, found one by one.
            try Memory.probe((indices.count, 3 * 8), (places, 3 * 8), of: "positions")
            return try prompt.layout.kept(indices: (0..<indices.count).map { indices[$0] })
        }
        if let renumbered {
            let numbers = try translating { () throws(FlashVIDError) in
                try result.renumbered(from: Int(given.first_position))
            }
            if let last = numbers.last, let first = numbers.first, index_type == flashvid_index(FLASHVID_INT32) {
                guard Int32(exactly: first) != nil, Int32(exactly: last) != nil else {
                    throw Failure(FLASHVID_SIZE_OVERFLOW, "positions \(first) to \(last) are too large for int32_t")
                }
            }
            renumbered.write(numbers)
        }
        positions.write(result.positions)
        rows.write(result.rows)
        visual?.write(result.visualPlaces)
        given.count = Int64(places)
        given.write(to: kept, size: given.struct_size)
    }
}

/// What functions give that make a list: it, and how many integers it has.
private func give(
    _ values: [Int], to room: IndexRoom, _ count: UnsafeMutablePointer<Int64>, noting lent: inout LentPieces
) throws(Failure) {
    try lent.note { () throws(FlashVIDError) in try room.extent(count: values.count) }
    room.write(values)
    count.pointee = Int64(values.count)
}

@c @implementation
public func flashvid_prompt_prune(
    _ rows: UnsafeRawPointer!, _ count: Int64, _ kept: UnsafeRawPointer!, _ kept_count: Int64,
    _ index_type: flashvid_index, _ places: UnsafeMutableRawPointer!, _ capacity: Int64,
    _ place_count: UnsafeMutablePointer<Int64>!, _ message: UnsafeMutablePointer<CChar>!, _ message_capacity: Int
) -> flashvid_status {
    report(message, message_capacity) { lent throws(Failure) in
        let rows = try IndexList("rows", rows, count: count, as: index_type, noting: &lent)
        let kept = try IndexList("kept", kept, count: kept_count, as: index_type, noting: &lent)
        let room = try IndexRoom("places", places, capacity: capacity, as: index_type)
        guard kept.count <= rows.count else {
            throw Failure(.countMismatch(of: "kept tokens", expected: rows.count, found: kept.count))
        }
        let values = try rows.integers(of: "rows")
        for (place, row) in values.enumerated() where row < KeptPrompt.text {
            throw Failure(.outOfRange(of: "row", at: place, value: row, range: KeptPrompt.text..<Int.max))
        }
        let keeping = try kept.integers(of: "kept")
        let place_count = try result(place_count, "place_count", noting: &lent)
        let result = try translating { () throws(FlashVIDError) in
            try Memory.probe((values.count, 8), of: "places")
            return try KeptPrompt.places(ofRows: values, keeping: keeping)
        }
        try give(result, to: room, place_count, noting: &lent)
    }
}

@c @implementation
public func flashvid_video_rows(
    _ indices: UnsafeRawPointer!, _ index_type: flashvid_index, _ row_count: Int64, _ frames: Int64,
    _ tokens_per_frame: Int64, _ newlines: flashvid_newlines, _ rows: UnsafeMutableRawPointer!, _ capacity: Int64,
    _ count: UnsafeMutablePointer<Int64>!, _ message: UnsafeMutablePointer<CChar>!, _ message_capacity: Int
) -> flashvid_status {
    report(message, message_capacity) { lent throws(Failure) in
        let indices = try IndexList("indices", indices, count: row_count, as: index_type, noting: &lent)
        let room = try IndexRoom("rows", rows, capacity: capacity, as: index_type)
        let newlines = try PromptLayout.Newlines(newlines, columns: tokens_per_frame)
        try translating { () throws(FlashVIDError) in
            try VideoSequence.check(rows: indices.count, frames: Int(frames), tokensPerFrame: Int(tokens_per_frame))
        }
        let values = try indices.integers(of: "indices")
        let count = try result(count, "count", noting: &lent)
        let result = try translating { () throws(FlashVIDError) in
            try Memory.probe((values.count, 2 * 8), (Int(frames), 8), of: "rows")
            return try VideoSequence(
                indices: values, frames: Int(frames), tokensPerFrame: Int(tokens_per_frame), newlines: newlines)
        }
        try give(result.rows, to: room, count, noting: &lent)
    }
}
