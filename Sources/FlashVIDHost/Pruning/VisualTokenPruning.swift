public import FlashVID
import FlashVIDLibC

/// Pruning inside the language model, which pays back what expansion let in (spec 2 and 9).
///
/// Before layer K of L the host has the attention of the last query to the visual tokens, as the mean over its heads. The
/// authors keep 0.3 of the tokens before layer 20 of 28, or 0.1 before layer 28 of 36 (Qwen3-VL).
public enum VisualTokenPruning {
    /// Tokens that are kept: `ceil(tokens * ratio)`, in double.
    ///
    /// - Throws: `FlashVIDError.invalidConfiguration(field:value:expected:)` for a ratio outside (0, 1],
    ///   `FlashVIDError.empty(dimension:value:)` or `FlashVIDError.sizeOverflow(_:)`.
    public static func keptCount(of tokens: Int, ratio: Double) throws(FlashVIDError) -> Int {
        guard ratio > 0, ratio <= 1 else {
            throw .invalidConfiguration(field: "kept ratio", value: "\(ratio)", expected: "a number in (0, 1]")
        }
        guard tokens > 0 else { throw .empty(dimension: "visual tokens", value: tokens) }
        guard tokens <= Int(Int32.max) else { throw .sizeOverflow("an attention of \(tokens) visual tokens") }
        return min(tokens, Int((Double(tokens) * ratio).rounded(.up)))
    }

    /// The visual tokens of largest attention, ascending; of equal ones the first. O(V).
    ///
    /// - Parameters:
    ///   - attention: [V], finite.
    ///   - ratio: share of the tokens to keep.
    /// - Throws: what ``keptCount(of:ratio:)`` does, or `FlashVIDError.notFinite(tensor:frame:token:channel:)` with
    ///   frame 0.
    public static func keptTokens(attention: Span<Float>, ratio: Double) throws(FlashVIDError) -> [Int] {
        let count = try keptCount(of: attention.count, ratio: ratio)
        var kept = [Int](repeating: 0, count: count)
        var failure: FlashVIDError?
        // Sound: `kept` holds as many integers as tokens are kept, and `attention` is only read.
        attention.withUnsafeBytes { attention in
            kept.withUnsafeMutableBytes { kept in
                do throws(FlashVIDError) {
                    _ = try keep(
                        attention.baseAddress, of: .float32, count: attention.count / 4, stride: 1, ratio: ratio,
                        into: kept.baseAddress, as: .int64, capacity: count)
                } catch {
                    failure = error
                }
            }
        }
        if let failure { throw failure }
        return kept
    }

    /// The same from and into memory that the caller lends, which does not meet `others`; `stride` counts elements. Returns
    /// how many were kept. On an error nothing was written.
    package static func keep(
        _ attention: UnsafeRawPointer?, of type: ScalarType, count: Int, stride: Int?, ratio: Double,
        into kept: UnsafeMutableRawPointer?, as indexType: IndexType, capacity: Int,
        besides others: LentPieces = LentPieces()
    ) throws(FlashVIDError) -> Int {
        let wanted = try keptCount(of: count, ratio: ratio)
        guard let attention else { throw .missingBuffer("attention") }
        guard let kept else { throw .missingBuffer("kept tokens") }
        guard capacity >= wanted else {
            throw .bufferTooSmall(buffer: "kept tokens", expected: wanted, found: capacity)
        }
        let view = try TensorView(
            .attention, attention, type, frames: 1, tokens: count, width: 1, frameStride: nil, tokenStride: stride)
        let source = try view.extent("attention")
        let target = try Extent("kept tokens", kept, bytes: wanted * indexType.size, alignment: indexType.size)
        _ = try others.adding([source, target])
        for token in 0..<count where !view.value(frame: 0, token: token).isFinite {
            throw .notFinite(tensor: .attention, frame: 0, token: token, channel: 0)
        }
        let bytes = count * MemoryLayout<Double>.stride
        guard let room = malloc(bytes) else { throw .outOfMemory(bytes: bytes) }
        defer { free(room) }
        let ranking = UnsafeMutableBufferPointer(start: room.bindMemory(to: Double.self, capacity: count), count: count)
        for token in 0..<count { ranking[token] = Double(view.value(frame: 0, token: token)) }
        let last = Float(OrderStatistic.smallest(count - wanted, of: ranking))
        var ties = wanted
        for token in 0..<count where view.value(frame: 0, token: token) > last { ties -= 1 }
        func write<Integer: FixedWidthInteger & BitwiseCopyable>(as type: Integer.Type) {
            let kept = kept.assumingMemoryBound(to: type)
            var next = 0
            for token in 0..<count {
                let value = view.value(frame: 0, token: token)
                if value == last, ties > 0 {
                    ties -= 1
                } else if !(value > last) {
                    continue
                }
                kept[next] = Integer(truncatingIfNeeded: token)
                next += 1
            }
        }
        switch indexType {
        case .int32: write(as: Int32.self)
        case .int64: write(as: Int64.self)
        }
        return wanted
    }
}
