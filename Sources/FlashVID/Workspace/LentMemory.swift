#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

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

    /// Below this, memory that cannot be had ends the process anyway.
    private static let worthAsking = 1 << 20

    /// Asks for a block and gives it back, since an array that cannot be had ends the process.
    ///
    /// Throws ``FlashVIDError/outOfMemory(bytes:)`` or ``FlashVIDError/sizeOverflow(_:)``.
    package static func check(_ sizes: (count: Int, bytes: Int)..., of name: StaticString) throws(FlashVIDError) {
        var total = 0
        for size in sizes {
            let (sum, overflow) = total.addingReportingOverflow(
                try Extent.bytes(size.count, size.bytes, of: name))
            guard !overflow else { throw .sizeOverflow("\(name)") }
            total = sum
        }
        guard total >= worthAsking else { return }
        // Not malloc, since the optimiser takes one whose memory nobody uses for granted.
        let room = mmap(nil, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0)
        guard let room, room != UnsafeMutableRawPointer(bitPattern: -1) else { throw .outOfMemory(bytes: total) }
        munmap(room, total)
    }
}

/// The integers in which a caller wants indices.
package enum IndexType: Sendable, Hashable, CaseIterable, BitwiseCopyable {
    case int32
    case int64

    /// Bytes of one integer.
    package var size: Int { self == .int32 ? 4 : 8 }
}

/// Integers that the caller lends.
package struct IndexList {
    let base: UnsafeRawPointer
    let type: IndexType
    package let count: Int
    /// Where they lie.
    package let extent: Extent

    /// Throws ``FlashVIDError/misaligned(buffer:alignment:)`` or ``FlashVIDError/sizeOverflow(_:)``. `count` is at least 0.
    package init(
        _ name: StaticString, _ base: UnsafeRawPointer, count: Int, as type: IndexType
    ) throws(FlashVIDError) {
        extent = try Extent(
            name, base, bytes: try Extent.bytes(count, type.size, of: name), alignment: type.size, isWritten: false)
        self.base = base
        self.type = type
        self.count = count
    }

    @inline(__always)
    package subscript(index: Int) -> Int {
        switch type {
        case .int32: Int(base.loadUnaligned(fromByteOffset: index &* 4, as: Int32.self))
        case .int64: base.loadUnaligned(fromByteOffset: index &* 8, as: Int.self)
        }
    }

    /// Throws ``FlashVIDError/outOfRange(of:at:value:range:)`` for the first integer outside of `range`. O(count).
    package func check(_ range: Range<Int>, of name: String) throws(FlashVIDError) {
        for index in 0..<count where !range.contains(self[index]) {
            throw .outOfRange(of: name, at: index, value: self[index], range: range)
        }
    }
}

/// A piece of the caller's memory; none where the caller gave none.
package struct Extent {
    var name: StaticString = ""
    var start: UInt = 0
    var end: UInt = 0
    var isWritten = false

    package init() {}

    package init(
        _ name: StaticString, _ base: UnsafeRawPointer?, bytes: Int, alignment: Int, isWritten: Bool = true
    ) throws(FlashVIDError) {
        guard let base else { return }
        self.name = name
        self.isWritten = isWritten
        start = UInt(bitPattern: base)
        guard start % UInt(alignment) == 0 else { throw .misaligned(buffer: "\(name)", alignment: alignment) }
        let end = start.addingReportingOverflow(UInt(bytes))
        guard !end.overflow else { throw .sizeOverflow("\(name) at the end of memory") }
        self.end = end.partialValue
    }

    /// Whether they share a byte of which one is written. What is empty shares none, wherever it lies.
    func meets(_ other: Extent) -> Bool {
        (isWritten || other.isWritten) && max(start, other.start) < min(end, other.end)
    }

    /// The product of sizes, each at least 0, in bytes.
    package static func bytes(
        _ first: Int, _ second: Int, _ third: Int = 1, _ fourth: Int = 1, _ fifth: Int = 1, of name: StaticString
    ) throws(FlashVIDError) -> Int {
        let sizes: InlineArray<5, Int> = [first, second, third, fourth, fifth]
        var bytes = 1
        for index in sizes.indices {
            let (product, overflow) = bytes.multipliedReportingOverflow(by: sizes[index])
            guard !overflow else {
                throw .sizeOverflow("\(name) of \(first) x \(second) x \(third) x \(fourth) x \(fifth) bytes")
            }
            bytes = product
        }
        return bytes
    }

    /// Throws ``FlashVIDError/overlap(_:_:)`` for the first two that share memory of which one is written.
    package static func checkApart<let count: Int>(
        _ extents: InlineArray<count, Extent>
    ) throws(FlashVIDError) {
        for later in extents.indices {
            for earlier in 0..<later where extents[earlier].meets(extents[later]) {
                throw .overlap("\(extents[earlier].name)", "\(extents[later].name)")
            }
        }
    }
}
