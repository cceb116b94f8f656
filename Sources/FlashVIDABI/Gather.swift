public import CFlashVID
import FlashVID
import FlashVIDHost

@c @implementation
public func flashvid_gather(
    _ values: UnsafeRawPointer!, _ planes: Int64, _ length: Int64, _ row_size: Int, _ indices: UnsafeRawPointer!,
    _ index_type: flashvid_index, _ count: Int64, _ gathered: UnsafeMutableRawPointer!, _ capacity: Int64,
    _ message: UnsafeMutablePointer<CChar>!, _ message_capacity: Int
) -> flashvid_status {
    report(message, message_capacity) { lent throws(Failure) in
        let length = try FlashVIDABI.count(length, of: "rows a plane")
        let indices = try IndexList("indices", indices, count: count, as: index_type, noting: &lent)
        let size = try bytes(row_size, of: "a row")
        let (source, target) = try buffers(values, gathered, length, indices.count)
        try translating { () throws(FlashVIDError) in
            try Gather.rows(
                source, planes: Int(planes), length: length, rowSize: size, indices: indices, into: target,
                capacity: Int(capacity), besides: lent)
        }
    }
}

@c @implementation
public func flashvid_gather_strided(
    _ values: UnsafeRawPointer!, _ planes: Int64, _ length: Int64, _ row_size: Int, _ plane_stride: Int64,
    _ row_stride: Int64, _ indices: UnsafeRawPointer!, _ index_type: flashvid_index, _ count: Int64,
    _ gathered: UnsafeMutableRawPointer!, _ gathered_size: Int, _ gathered_plane_stride: Int64,
    _ gathered_row_stride: Int64, _ message: UnsafeMutablePointer<CChar>!, _ message_capacity: Int
) -> flashvid_status {
    report(message, message_capacity) { lent throws(Failure) in
        let length = try FlashVIDABI.count(length, of: "rows a plane")
        let indices = try IndexList("indices", indices, count: count, as: index_type, noting: &lent)
        let size = try bytes(row_size, of: "a row")
        // What exceeds half of the address space is negative here, and room for anything.
        let room = gathered_size < 0 ? Int.max : gathered_size
        let (source, target) = try buffers(values, gathered, length, indices.count)
        try translating { () throws(FlashVIDError) in
            try Gather.rows(
                source, Gather.Strides(plane: stride(plane_stride), row: stride(row_stride)), planes: Int(planes),
                length: length, rowSize: size, indices: indices, into: target,
                Gather.Strides(plane: stride(gathered_plane_stride), row: stride(gathered_row_stride)), size: room,
                besides: lent)
        }
    }
}

@c @implementation
public func flashvid_gather_pairs(
    _ values: UnsafeRawPointer!, _ planes: Int64, _ length: Int64, _ element_size: Int,
    _ indices: UnsafeRawPointer!, _ index_type: flashvid_index, _ count: Int64, _ gathered: UnsafeMutableRawPointer!,
    _ capacity: Int64, _ message: UnsafeMutablePointer<CChar>!, _ message_capacity: Int
) -> flashvid_status {
    report(message, message_capacity) { lent throws(Failure) in
        let length = try FlashVIDABI.count(length, of: "positions a plane")
        let indices = try IndexList("indices", indices, count: count, as: index_type, noting: &lent)
        let size = try bytes(element_size, of: "an element")
        let (source, target) = try buffers(values, gathered, length, indices.count)
        try translating { () throws(FlashVIDError) in
            try Gather.pairs(
                source, planes: Int(planes), length: length, elementSize: size, indices: indices,
                into: target, capacity: Int(capacity), besides: lent)
        }
    }
}

/// Where to read and to write; what has nothing in it may be NULL.
private func buffers(
    _ values: UnsafeRawPointer?, _ gathered: UnsafeMutableRawPointer?, _ length: Int, _ count: Int
) throws(Failure) -> (UnsafeRawPointer, UnsafeMutableRawPointer) {
    guard let source = try present(values, "values", ifAny: length),
        let target = try present(gathered, "gathered", ifAny: count)
    else { throw .null("values") }
    return (source, UnsafeMutableRawPointer(mutating: target))
}

@c @implementation
public func flashvid_prompt_embeddings(
    _ rows: UnsafeRawPointer!, _ positions: UnsafeRawPointer!, _ index_type: flashvid_index, _ count: Int64,
    _ text: UnsafeRawPointer!, _ text_count: Int64, _ tokens: UnsafeRawPointer!, _ row_count: Int64,
    _ row_size: Int, _ embeddings: UnsafeMutableRawPointer!, _ capacity: Int64,
    _ message: UnsafeMutablePointer<CChar>!, _ message_capacity: Int
) -> flashvid_status {
    report(message, message_capacity) { lent throws(Failure) in
        let rows = try IndexList("rows", rows, count: count, as: index_type, noting: &lent)
        var list: IndexList?
        if positions != nil {
            list = try IndexList("positions", positions, count: count, as: index_type, noting: &lent)
        }
        let textCount = try FlashVIDABI.count(text_count, of: "rows of text")
        let tokenCount = try FlashVIDABI.count(row_count, of: "rows of tokens")
        let size = try bytes(row_size, of: "a row")
        guard let text = try present(text, "text", ifAny: textCount),
            let tokens = try present(tokens, "tokens", ifAny: tokenCount),
            let target = try present(embeddings, "embeddings", ifAny: rows.count)
        else { throw .null("text") }
        try translating { () throws(FlashVIDError) in
            try Gather.embeddings(
                rows: rows, positions: list, text: text, textCount: textCount, tokens: tokens, tokenCount: tokenCount,
                rowSize: size, into: UnsafeMutableRawPointer(mutating: target), capacity: Int(capacity), besides: lent)
        }
    }
}
