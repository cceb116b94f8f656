import FlashVIDLibC

extension Memory {
    /// Below this, memory that cannot be had ends the process anyway.
    private static let worthAsking = 1 << 20

    /// Asks for a block and gives it back, since an array that cannot be had ends the process. Nothing is set aside: what another
    /// thread takes in between may still be missing then.
    ///
    /// Throws ``FlashVIDError/outOfMemory(bytes:)`` or ``FlashVIDError/sizeOverflow(_:)``.
    package static func probe(_ sizes: (count: Int, bytes: Int)..., of name: StaticString) throws(FlashVIDError) {
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
            name, base, bytes: try Extent.bytes(count, type.size, of: name), alignment: type.size, for: .reading)
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
package struct Extent: BitwiseCopyable {
    /// What a call does with it.
    package enum Use: Sendable, BitwiseCopyable {
        case reading
        case writing
        /// A struct, of which the call takes a copy before it does anything else.
        case parameters
        /// A single number that the call gives as the last thing it does.
        case result
    }

    package private(set) var name: StaticString = ""
    var start: UInt = 0
    var end: UInt = 0
    var use = Use.reading

    var isWritten: Bool { use == .writing || use == .result }

    package init() {}

    package init(
        _ name: StaticString, _ base: UnsafeRawPointer?, bytes: Int, alignment: Int, for use: Use = .writing
    ) throws(FlashVIDError) {
        guard let base else { return }
        self.name = name
        self.use = use
        start = UInt(bitPattern: base)
        guard start % UInt(alignment) == 0 else { throw .misaligned(buffer: "\(name)", alignment: alignment) }
        let end = start.addingReportingOverflow(UInt(bytes))
        guard !end.overflow else { throw .sizeOverflow("\(name) at the end of memory") }
        self.end = end.partialValue
    }

    /// Whether they share a byte of which one is written. What is empty shares none, wherever it lies; and a result may go
    /// into the struct that it came of.
    func meets(_ other: Extent) -> Bool {
        guard isWritten || other.isWritten, max(start, other.start) < min(end, other.end) else { return false }
        return !(use == .result && other.use == .parameters || use == .parameters && other.use == .result)
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
}

/// The pieces of the caller's memory that a call has to do with, no two of which meet.
package struct LentPieces: BitwiseCopyable {
    /// More than any call has.
    package static let most = 16

    private var pieces = InlineArray<16, Extent>(repeating: Extent())
    package private(set) var count = 0

    package init() {}

    package subscript(index: Int) -> Extent { pieces[index] }

    /// Throws ``FlashVIDError/overlap(_:_:)`` where the new one meets one of the others.
    package mutating func add(_ piece: Extent) throws(FlashVIDError) {
        guard piece.start < piece.end else { return }
        for index in 0..<count where pieces[index].meets(piece) {
            throw .overlap("\(pieces[index].name)", "\(piece.name)")
        }
        precondition(count < Self.most)
        pieces[count] = piece
        count += 1
    }

    /// These and some others.
    package func adding<let number: Int>(_ others: InlineArray<number, Extent>) throws(FlashVIDError) -> LentPieces {
        var all = self
        for index in others.indices { try all.add(others[index]) }
        return all
    }
}
