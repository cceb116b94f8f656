public import CFlashVID
import FlashVID
import FlashVIDHost

extension GridPooling {
    fileprivate init(_ pooling: flashvid_pooling) throws(Failure) {
        switch Int(pooling) {
        case Int(FLASHVID_POOLING_BILINEAR): self = .bilinear
        case Int(FLASHVID_POOLING_AVERAGE): self = .average
        case Int(FLASHVID_POOLING_MAX): self = .max
        default: throw Failure(FLASHVID_INVALID_ARGUMENT, "no such pooling: \(pooling)")
        }
    }
}

@c @implementation
public func flashvid_pooled_tokens(
    _ pooling: flashvid_pooling, _ tokens_per_frame: Int64, _ count: UnsafeMutablePointer<Int64>!,
    _ message: UnsafeMutablePointer<CChar>!, _ message_capacity: Int
) -> flashvid_status {
    report(message, message_capacity) { lent throws(Failure) in
        let count = try result(count, "count", noting: &lent)
        let pooling = try GridPooling(pooling)
        count.pointee = try translating { () throws(FlashVIDError) in
            Int64(try pooling.tokenCount(ofTokens: Int(tokens_per_frame)))
        }
    }
}

private func pool(
    _ clip: UnsafePointer<flashvid_clip>?, _ pooling: flashvid_pooling, _ features: GridPooling.Buffer,
    _ attention: GridPooling.Buffer, _ capacity: Int64, _ threads: Int32, _ lent: inout LentPieces
) throws(Failure) {
    let view = try ClipView(reading: clip, noting: &lent)
    let pooling = try GridPooling(pooling)
    let threads = try threadCount(threads)
    try translating { () throws(FlashVIDError) in
        try pooling.pool(
            view, features: features, attention: attention, capacity: Int(capacity), threads: threads, besides: lent)
    }
}

@c @implementation
public func flashvid_pool(
    _ clip: UnsafePointer<flashvid_clip>!, _ pooling: flashvid_pooling, _ features: UnsafeMutablePointer<Float>!,
    _ attention: UnsafeMutablePointer<Float>!, _ token_capacity: Int64, _ threads: Int32,
    _ message: UnsafeMutablePointer<CChar>!, _ message_capacity: Int
) -> flashvid_status {
    report(message, message_capacity) { lent throws(Failure) in
        try pool(
            clip, pooling, GridPooling.Buffer(features), GridPooling.Buffer(attention), token_capacity, threads, &lent)
    }
}

@c @implementation
public func flashvid_pool_typed(
    _ clip: UnsafePointer<flashvid_clip>!, _ pooling: flashvid_pooling, _ features: UnsafeMutableRawPointer!,
    _ feature_type: flashvid_scalar, _ attention: UnsafeMutableRawPointer!, _ attention_type: flashvid_scalar,
    _ token_capacity: Int64, _ threads: Int32, _ message: UnsafeMutablePointer<CChar>!, _ message_capacity: Int
) -> flashvid_status {
    report(message, message_capacity) { lent throws(Failure) in
        let features = GridPooling.Buffer(features, of: try ScalarType(feature_type, of: "pooled features"))
        let attention = GridPooling.Buffer(attention, of: try ScalarType(attention_type, of: "pooled attention"))
        try pool(clip, pooling, features, attention, token_capacity, threads, &lent)
    }
}
