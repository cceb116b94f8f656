#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Rows by their indices, in any type of number: DeepStack features, hidden states, keys and values of a cache.
public enum Gather {
    /// Rows of a matrix.
    ///
    /// - Parameters:
    ///   - values: [R, width]
    ///   - indices: [K] rows, in any order and as often as wanted.
    /// - Returns: [K, width].
    ///
    /// Throws ``FlashVIDError/empty(dimension:value:)`` for a width below 1,
    /// ``FlashVIDError/countMismatch(of:expected:found:)`` where the values are no whole rows,
    /// ``FlashVIDError/outOfRange(of:at:value:range:)``, ``FlashVIDError/sizeOverflow(_:)`` or
    /// ``FlashVIDError/outOfMemory(bytes:)``. O(K·width).
    public static func rows<Element: BitwiseCopyable>(
        _ values: Span<Element>, width: Int, indices: [Int]
    ) throws(FlashVIDError) -> [Element] {
        let count = try rowCount(values.count, width: width)
        for (place, index) in indices.enumerated() where index < 0 || index >= count {
            throw .outOfRange(of: "row", at: place, value: index, range: 0..<count)
        }
        let (size, overflow) = indices.count.multipliedReportingOverflow(by: width)
        let (bytes, bytesOverflow) = size.multipliedReportingOverflow(by: MemoryLayout<Element>.stride)
        guard !overflow, !bytesOverflow else { throw .sizeOverflow("\(indices.count) rows of \(width)") }
        if size > values.count {
            // Repeated rows can ask for any size, and an array that cannot be had ends the process.
            guard let room = malloc(bytes) else { throw .outOfMemory(bytes: bytes) }
            free(room)
        }
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
