public import CFlashVID
import FlashVID
import FlashVIDHost

@c @implementation
public func flashvid_pruned_count(
    _ tokens: Int64, _ ratio: Double, _ count: UnsafeMutablePointer<Int64>!,
    _ message: UnsafeMutablePointer<CChar>!, _ message_capacity: Int
) -> flashvid_status {
    report(message, message_capacity) { lent throws(Failure) in
        let count = try result(count, "count", noting: &lent)
        count.pointee = try translating { () throws(FlashVIDError) in
            Int64(try VisualTokenPruning.keptCount(of: Int(tokens), ratio: ratio))
        }
    }
}

@c @implementation
public func flashvid_prune(
    _ attention: UnsafeRawPointer!, _ type: flashvid_scalar, _ tokens: Int64, _ stride: Int64, _ ratio: Double,
    _ kept: UnsafeMutableRawPointer!, _ index_type: flashvid_index, _ capacity: Int64,
    _ count: UnsafeMutablePointer<Int64>!, _ message: UnsafeMutablePointer<CChar>!, _ message_capacity: Int
) -> flashvid_status {
    report(message, message_capacity) { lent throws(Failure) in
        guard let attention else { throw .null("attention") }
        guard let kept else { throw .null("kept") }
        let count = try result(count, "count", noting: &lent)
        let type = try ScalarType(type, of: "attention")
        let indexType = try IndexType(index_type)
        count.pointee = try translating { () throws(FlashVIDError) in
            Int64(
                try VisualTokenPruning.keep(
                    attention, of: type, count: Int(tokens), stride: stride == 0 ? nil : Int(stride), ratio: ratio,
                    into: kept, as: indexType, capacity: Int(capacity), besides: lent))
        }
    }
}
