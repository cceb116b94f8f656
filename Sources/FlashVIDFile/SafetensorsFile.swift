import FlashVID

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

#if _endian(big)
    #error("safetensors is little-endian, and so is this reader")
#endif

/// A safetensors file in memory, read once and checked in full: every tensor lies inside the file, none overlaps
/// another, and together they are all of it.
///
/// ```swift
/// let file = try SafetensorsFile(contentsOf: "clip.safetensors")
/// let attention = try file.floats("attention")
/// try file.withBytes(of: "features") { bytes in … }
/// ```
///
/// Copies share the one copy of the data. It is read, not mapped: a file that somebody shortens meanwhile is then an
/// error and not a SIGBUS.
public struct SafetensorsFile: Sendable {
    /// A tensor of the file.
    public struct Entry: Sendable, Hashable {
        public let name: String
        public let type: ElementType
        /// Dimensions, the slowest first; empty for a scalar.
        public let shape: [Int]
        /// Its place in the data section, which begins after the header.
        public let byteRange: Range<Int>
    }

    /// The strings of the file's `__metadata__`.
    public let metadata: [String: String]
    /// The tensors, in the order of their names.
    public let entries: [Entry]
    /// What errors call the file.
    public let path: String

    private let positions: [String: (index: Int, position: Int)]
    private let storage: AlignedStorage

    /// Reads a file. Its memory peaks at the size of the file.
    ///
    /// A pipe or a device will do as well as a file.
    ///
    /// - Throws: A case of ``SafetensorsError`` for whatever is wrong with the file; a lying header is found out
    ///   before anything of the size that it names is allocated.
    public init(contentsOf path: String) throws(SafetensorsError) {
        let descriptor: Int32
        do { descriptor = try System.open(path, O_RDONLY) } catch {
            throw .cannotOpen(file: path, code: error.code)
        }
        // Nothing was written, so nothing can be lost in a close that fails.
        defer { try? System.close(descriptor) }

        let status: stat
        do { status = try System.status(of: descriptor) } catch {
            throw .cannotRead(file: path, code: error.code)
        }
        guard !System.isDirectory(status) else { throw .directory(file: path) }
        let size = System.isRegular(status) ? Int(status.st_size) : nil
        let source = Source(path: path, size: size) { buffer throws(System.Failure) in
            try System.read(descriptor, into: buffer)
        }
        try self.init(source)
    }

    /// Reads a file that is in memory already; `name` is what errors call it.
    public init(bytes: [UInt8], named name: String = "safetensors") throws(SafetensorsError) {
        var position = 0
        let source = Source(path: name, size: bytes.count) { buffer throws(System.Failure) in
            let count = min(buffer.count, bytes.count - position)
            buffer.copyBytes(from: bytes[position..<position + count])
            position += count
            return count
        }
        try self.init(source)
    }

    private init(_ source: Source) throws(SafetensorsError) {
        var source = source
        guard source.size != 0 else { throw .empty(file: source.path) }
        let field = try source.read(8)
        let length = try SafetensorsHeader.length(field, available: source.available, file: source.path)
        let text = try source.read(length)
        let header = try SafetensorsHeader(text, available: source.available, file: source.path)

        guard let storage = AlignedStorage(byteCount: header.memoryBytes) else {
            throw .outOfMemory(file: source.path, bytes: header.memoryBytes)
        }
        // One after the other, each to an aligned place: the format aligns neither the data nor the tensors in it.
        for tensor in header.tensors {
            let range = tensor.position..<tensor.position + tensor.entry.byteRange.count
            try source.read(into: UnsafeMutableRawBufferPointer(rebasing: storage.bytes[range]))
        }
        try source.expectEnd()

        self.storage = storage
        path = source.path
        metadata = header.metadata
        let sorted = header.tensors.sorted { $0.entry.name < $1.entry.name }
        entries = sorted.map(\.entry)
        var positions: [String: (index: Int, position: Int)] = [:]
        for (index, tensor) in sorted.enumerated() {
            positions[tensor.entry.name] = (index, tensor.position)
        }
        self.positions = positions
    }

    // MARK: Tensors

    /// The tensor of this name; nil if there is none. O(1).
    public func entry(_ name: String) -> Entry? {
        positions[name].map { entries[$0.index] }
    }

    /// Gives `body` a tensor's bytes, little-endian, row-major, aligned to 64. They are valid until `body` returns.
    ///
    /// - Throws: ``SafetensorsError/missingTensor(file:tensor:)``, and what `body` throws.
    public func withBytes<Result>(
        of name: String, _ body: (UnsafeRawBufferPointer) throws -> Result
    ) throws -> Result {
        let tensor = try located(name)
        return try withExtendedLifetime(storage) { try body(tensor.bytes) }
    }

    /// A tensor of F32, F16 or BF16 as `Float`, which holds each of them exactly.
    ///
    /// - Throws: ``SafetensorsError/missingTensor(file:tensor:)`` or
    ///   ``SafetensorsError/wrongType(file:tensor:found:expected:)``.
    public func floats(_ name: String) throws(SafetensorsError) -> [Float] {
        let (entry, bytes) = try located(name)
        return try withExtendedLifetime(storage) { () throws(SafetensorsError) -> [Float] in
            switch entry.type {
            case .f32: Array(bytes.bindMemory(to: Float.self))
            case .f16: bytes.bindMemory(to: Float16.self).map { Float($0) }
            case .bf16: bytes.bindMemory(to: BFloat16.self).map { Float($0) }
            default:
                throw .wrongType(file: path, tensor: name, found: entry.type, expected: "F32, F16 or BF16")
            }
        }
    }

    /// A tensor of integers as `Int`.
    ///
    /// - Throws: ``SafetensorsError/missingTensor(file:tensor:)``,
    ///   ``SafetensorsError/wrongType(file:tensor:found:expected:)``, or
    ///   ``SafetensorsError/integerOutOfRange(file:tensor:index:)`` for a U64 above `Int.max`.
    public func integers(_ name: String) throws(SafetensorsError) -> [Int] {
        let (entry, bytes) = try located(name)
        return try withExtendedLifetime(storage) { () throws(SafetensorsError) -> [Int] in
            switch entry.type {
            case .i64: try convert(bytes, of: Int64.self, name)
            case .i32: try convert(bytes, of: Int32.self, name)
            case .i16: try convert(bytes, of: Int16.self, name)
            case .i8: try convert(bytes, of: Int8.self, name)
            case .u64: try convert(bytes, of: UInt64.self, name)
            case .u32: try convert(bytes, of: UInt32.self, name)
            case .u16: try convert(bytes, of: UInt16.self, name)
            case .u8: try convert(bytes, of: UInt8.self, name)
            case .f64, .f32, .f16, .bf16, .bool:
                throw .wrongType(file: path, tensor: name, found: entry.type, expected: "an integer type")
            }
        }
    }

    private func located(_ name: String) throws(SafetensorsError) -> (entry: Entry, bytes: UnsafeRawBufferPointer) {
        guard let (index, position) = positions[name] else { throw .missingTensor(file: path, tensor: name) }
        let entry = entries[index]
        let range = position..<position + entry.byteRange.count
        return (entry, UnsafeRawBufferPointer(rebasing: storage.bytes[range]))
    }

    private func convert<Value: FixedWidthInteger & BitwiseCopyable>(
        _ bytes: UnsafeRawBufferPointer, of type: Value.Type, _ name: String
    ) throws(SafetensorsError) -> [Int] {
        var integers: [Int] = []
        integers.reserveCapacity(bytes.count / MemoryLayout<Value>.size)
        for value in bytes.bindMemory(to: type) {
            guard let integer = Int(exactly: value) else {
                throw .integerOutOfRange(file: path, tensor: name, index: integers.count)
            }
            integers.append(integer)
        }
        return integers
    }
}

// MARK: - Source

/// Bytes in order, from a file, a pipe or memory.
private struct Source {
    let path: String
    /// Nil for a pipe or a device.
    let size: Int?
    /// Fills the buffer as far as there are bytes.
    let fill: (UnsafeMutableRawBufferPointer) throws(System.Failure) -> Int
    private var position = 0

    init(path: String, size: Int?, fill: @escaping (UnsafeMutableRawBufferPointer) throws(System.Failure) -> Int) {
        self.path = path
        self.size = size
        self.fill = fill
    }

    /// Bytes that are still to come, if that is known.
    var available: Int? { size.map { $0 - position } }

    mutating func read(into buffer: UnsafeMutableRawBufferPointer) throws(SafetensorsError) {
        let found: Int
        do { found = try fill(buffer) } catch { throw .cannotRead(file: path, code: error.code) }
        guard found > 0 || position > 0 || buffer.isEmpty else { throw .empty(file: path) }
        guard found == buffer.count else {
            throw .truncated(file: path, expected: position + buffer.count, found: position + found)
        }
        position += buffer.count
    }

    /// `count` was checked against the size of the file and the format's limit.
    mutating func read(_ count: Int) throws(SafetensorsError) -> [UInt8] {
        guard let scratch = AlignedStorage(byteCount: count) else { throw .outOfMemory(file: path, bytes: count) }
        try read(into: scratch.bytes)
        return Array(scratch.bytes)
    }

    /// A file may have grown since it was measured, and of a pipe the end is not known before.
    func expectEnd() throws(SafetensorsError) {
        guard let scratch = AlignedStorage(byteCount: 1) else { throw .outOfMemory(file: path, bytes: 1) }
        let found: Int
        do { found = try fill(scratch.bytes) } catch { throw .cannotRead(file: path, code: error.code) }
        guard found == 0 else { throw .trailingBytes(file: path, bytes: found) }
    }
}
