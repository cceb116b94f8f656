import CFlashVID
import FlashVID

/// A struct of the contract that begins with its size and grows at the end.
///
/// A caller's may be shorter (built against an older header) or longer (a newer one) than the one that this code was
/// compiled with. It is copied in, the fields that the caller does not know keeping their defaults, and only fields that the
/// caller knows are copied out.
protocol Versioned {
    /// Bytes that every version has.
    static var leastSize: Int { get }
    /// What fields have that the caller does not know.
    static var defaults: Self { get }
    static var name: StaticString { get }
    var struct_size: Int { get set }
}

/// No struct grows beyond this; what says it did was not set.
private let largestSize = 4096

extension Versioned {
    static func check(size: Int) throws(Failure) {
        guard size >= leastSize, size <= largestSize, size % 8 == 0 else {
            throw Failure(
                FLASHVID_INVALID_STRUCT, "the size of a \(name) is \(size); expected \(MemoryLayout<Self>.size)")
        }
    }

    static func check(alignment pointer: UnsafeRawPointer) throws(Failure) {
        guard UInt(bitPattern: pointer) % UInt(MemoryLayout<Self>.alignment) == 0 else {
            throw Failure(FLASHVID_INVALID_STRUCT, "a \(name) is not aligned")
        }
    }

    /// How much of the caller's memory a struct is, by its own word, which is checked.
    static func size(of pointer: UnsafeRawPointer?) throws(Failure) -> Int {
        guard let pointer else { throw .null(Self.name) }
        try Self.check(alignment: pointer)
        // Sound: every version begins with the size.
        let size = pointer.load(as: Int.self)
        try Self.check(size: size)
        return size
    }

    /// The caller's struct, as this code knows it. It joins what the caller lends to the call: `use` says whether fields of it
    /// are written at the end.
    init(
        reading pointer: UnsafePointer<Self>?, for use: Extent.Use = .parameters, noting lent: inout LentPieces
    ) throws(Failure) {
        let size = try Self.size(of: pointer)
        try lent.note { () throws(FlashVIDError) in
            try Extent(Self.name, pointer, bytes: size, alignment: 1, for: use)
        }
        guard let pointer else { throw .null(Self.name) }
        let bytes = UnsafeRawPointer(pointer)
        var value = Self.defaults
        withUnsafeMutableBytes(of: &value) { value in
            value.copyMemory(from: UnsafeRawBufferPointer(start: bytes, count: min(size, value.count)))
        }
        for byte in MemoryLayout<Self>.size..<max(size, MemoryLayout<Self>.size)
        where bytes.load(fromByteOffset: byte, as: UInt8.self) != 0 {
            throw Failure(
                FLASHVID_UNSUPPORTED, "a \(Self.name) has something at byte \(byte) that this library does not know")
        }
        value.struct_size = size
        self = value
    }

    /// Writes as much of it as the caller's struct holds; what the caller has beyond becomes zero.
    func write(to pointer: UnsafeMutablePointer<Self>, size: Int) {
        var value = self
        value.struct_size = size
        let target = UnsafeMutableRawPointer(pointer)
        withUnsafeBytes(of: value) { value in
            target.copyMemory(from: value.baseAddress!, byteCount: min(size, value.count))
            if size > value.count {
                (target + value.count).initializeMemory(as: UInt8.self, repeating: 0, count: size - value.count)
            }
        }
    }
}

extension flashvid_configuration: Versioned {
    static let name: StaticString = "flashvid_configuration"
    /// Through `retention_ratio`.
    static let leastSize = 16
    static var defaults: Self { Self(Configuration()) }
}

extension flashvid_clip: Versioned {
    static let name: StaticString = "flashvid_clip"
    /// Through `attention_type`.
    static let leastSize = 48
    static var defaults: Self { Self() }
}

extension flashvid_output: Versioned {
    static let name: StaticString = "flashvid_output"
    /// Through `segment_count`.
    static let leastSize = 64
    static var defaults: Self { Self() }
}

extension flashvid_statistics: Versioned {
    static let name: StaticString = "flashvid_statistics"
    /// Through `seconds`.
    static let leastSize = 16
    static var defaults: Self { Self() }
}
