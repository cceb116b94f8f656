import FlashVID
import FlashVIDLibC

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
        try self.init(contentsOf: .path(FilePath(path)))
    }

    /// Reads a file that takes at most `maximumBytes` of memory, and calls `progress` with a share in 0...1.
    ///
    /// - Throws: As above; ``SafetensorsError/outOfMemory(file:bytes:)`` if it takes more, before its tensors are read.
    package init(
        contentsOf input: InputFile, maximumBytes: Int = .max, progress: ((Double) -> Void)? = nil
    ) throws(SafetensorsError) {
        self = try input.read { descriptor, size throws(SafetensorsError) in
            let source = Source(path: input.name, size: size, progress: progress) { buffer throws(System.Failure) in
                try System.read(descriptor, into: buffer)
            }
            return try SafetensorsFile(source, maximumBytes: maximumBytes)
        }
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

    private init(_ source: Source, maximumBytes: Int = .max) throws(SafetensorsError) {
        var source = source
        guard source.size != 0 else { throw .empty(file: source.path) }
        let field = try source.read(8)
        let length = try SafetensorsHeader.length(field, available: source.available, file: source.path)
        let text = try source.read(length)
        let header = try SafetensorsHeader(text, available: source.available, file: source.path)

        guard header.memoryBytes <= maximumBytes, let storage = AlignedStorage(byteCount: header.memoryBytes) else {
            throw .outOfMemory(file: source.path, bytes: header.memoryBytes)
        }
        source.expect(header.dataBytes)
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
    /// Bytes between two reports of progress, at most.
    private static let piece = 1 << 23

    let path: String
    /// Nil for a pipe or a device.
    let size: Int?
    /// Reads at least a byte; 0 at the end.
    let fill: (UnsafeMutableRawBufferPointer) throws(System.Failure) -> Int
    private let progress: ((Double) -> Void)?
    private var position = 0
    /// Position at the end of the tensors, once that is known.
    private var end: Int?

    init(
        path: String, size: Int?, progress: ((Double) -> Void)? = nil,
        fill: @escaping (UnsafeMutableRawBufferPointer) throws(System.Failure) -> Int
    ) {
        self.path = path
        self.size = size
        self.progress = progress
        self.fill = fill
    }

    /// So many bytes are still to come, and their progress is reported.
    mutating func expect(_ bytes: Int) { end = position + bytes }

    /// Bytes that are still to come, if that is known.
    var available: Int? { size.map { $0 - position } }

    mutating func read(into buffer: UnsafeMutableRawBufferPointer) throws(SafetensorsError) {
        var found = 0
        while found < buffer.count {
            let piece = found..<(progress == nil ? buffer.count : min(found + Self.piece, buffer.count))
            let count: Int
            do { count = try fill(UnsafeMutableRawBufferPointer(rebasing: buffer[piece])) } catch {
                throw .cannotRead(file: path, code: error.code)
            }
            guard count > 0 else { break }
            found += count
            if let end, let progress { progress(Double(position + found) / Double(end)) }
        }
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
