import CFlashVID
import FlashVID
import FlashVIDHost

/// A number of things, which the caller counts in 64 bits.
func count(_ value: Int64, of name: StaticString) throws(Failure) -> Int {
    guard value >= 0 else { throw Failure(FLASHVID_INVALID_ARGUMENT, "\(value) \(name)") }
    return Int(value)
}

extension IndexList {
    /// A list of the caller's, which joins what he lends to the call; nothing of it is read yet.
    init(
        _ name: StaticString, _ base: UnsafeRawPointer?, count: Int64, as type: flashvid_index,
        noting lent: inout LentPieces
    ) throws(Failure) {
        let length = try FlashVIDABI.count(count, of: name)
        let type = try IndexType(type)
        guard let base = try present(base, name, ifAny: length) else { throw .null(name) }
        self = try translating { () throws(FlashVIDError) in
            let list = try IndexList(name, base, count: length, as: type)
            try lent.add(list.extent)
            return list
        }
    }

    /// Its integers. No more than a prompt can have, so that there is memory for them.
    func integers(of name: StaticString, atMost most: Int = 2 * PromptLayout.maximumLength) throws(Failure) -> [Int] {
        guard count <= most else { throw Failure(FLASHVID_SIZE_OVERFLOW, "\(count) \(name) are too many") }
        try translating { () throws(FlashVIDError) in try Memory.probe((count, 8), of: name) }
        return (0..<count).map { self[$0] }
    }
}

/// Where a single number or handle goes.
func result<Value>(
    _ pointer: UnsafeMutablePointer<Value>?, _ name: StaticString, noting lent: inout LentPieces
) throws(Failure) -> UnsafeMutablePointer<Value> {
    guard let pointer else { throw .null(name) }
    try lent.note { () throws(FlashVIDError) in
        try Extent(
            name, pointer, bytes: MemoryLayout<Value>.size, alignment: MemoryLayout<Value>.alignment, for: .result)
    }
    return pointer
}

/// Runs a function that gives one number.
func give<Number>(
    _ number: UnsafeMutablePointer<Number>?, _ name: StaticString, _ message: UnsafeMutablePointer<CChar>?,
    _ capacity: Int, _ compute: (inout LentPieces) throws(Failure) -> Number
) -> flashvid_status {
    report(message, capacity) { lent throws(Failure) in
        let number = try result(number, name, noting: &lent)
        number.pointee = try compute(&lent)
    }
}

/// A size in bytes, which the caller gives as a `size_t`.
func bytes(_ size: Int, of name: StaticString) throws(Failure) -> Int {
    // What exceeds half of the address space is negative here.
    guard size >= 0 else { throw Failure(FLASHVID_SIZE_OVERFLOW, "\(name) of \(UInt(bitPattern: size)) bytes") }
    return size
}

/// A pointer that may be NULL where there is nothing behind it.
func present(_ base: UnsafeRawPointer?, _ name: StaticString, ifAny count: Int) throws(Failure) -> UnsafeRawPointer? {
    if let base { return base }
    guard count == 0 else { throw .null(name) }
    // Any address does for nothing.
    return UnsafeRawPointer(bitPattern: 64)
}

/// Room of the caller's for integers; there need not be any where none are written.
struct IndexRoom {
    let name: StaticString
    let base: UnsafeMutableRawPointer?
    let type: IndexType
    let capacity: Int

    init(
        _ name: StaticString, _ base: UnsafeMutableRawPointer?, capacity: Int64, as type: flashvid_index
    ) throws(Failure) {
        self.name = name
        self.base = base
        self.type = try IndexType(type)
        self.capacity = Int(capacity)
    }

    /// The part that `count` integers take. Throws where there is no room for them.
    func extent(count: Int) throws(FlashVIDError) -> Extent {
        guard base != nil || count == 0 else { throw .missingBuffer("\(name)") }
        guard capacity >= count else {
            throw .bufferTooSmall(buffer: "\(name)", expected: count, found: capacity)
        }
        return try Extent(
            name, base, bytes: try Extent.bytes(count, type.size, of: name), alignment: type.size)
    }

    /// Integers that are no larger than a prompt is long, and its first position.
    func write(_ values: some Sequence<Int>) {
        guard let base else { return }
        // Sound: `extent(count:)` found room for them.
        for (index, value) in values.enumerated() {
            switch type {
            case .int32:
                base.storeBytes(of: Int32(truncatingIfNeeded: value), toByteOffset: index * 4, as: Int32.self)
            case .int64:
                base.storeBytes(of: Int64(value), toByteOffset: index * 8, as: Int64.self)
            }
        }
    }
}

extension UnsafePointer {
    /// A list of the caller's.
    func extent(_ name: StaticString, count: Int, for use: Extent.Use) throws(FlashVIDError) -> Extent {
        try Extent(
            name, self, bytes: Extent.bytes(count, MemoryLayout<Pointee>.stride, of: name),
            alignment: MemoryLayout<Pointee>.alignment, for: use)
    }
}
