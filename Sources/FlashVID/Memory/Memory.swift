import FlashVIDLibC

/// Memory whose size the caller names.
package enum Memory {
    /// Room for `count` elements, not initialised, to be given back by `free`.
    package static func allocate<Element: BitwiseCopyable>(
        _ type: Element.Type, _ count: Int
    ) throws(FlashVIDError) -> UnsafeMutablePointer<Element> {
        let bytes = count.multipliedReportingOverflow(by: MemoryLayout<Element>.stride)
        guard !bytes.overflow, let room = malloc(max(1, bytes.partialValue)) else {
            throw .outOfMemory(bytes: bytes.overflow ? .max : bytes.partialValue)
        }
        return room.bindMemory(to: type, capacity: count)
    }
}
