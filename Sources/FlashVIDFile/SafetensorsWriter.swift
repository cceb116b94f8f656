import FlashVID
import FlashVIDLibC

/// Writes a safetensors file.
///
/// ```swift
/// var writer = SafetensorsWriter(metadata: ["source": "bikes.mp4"])
/// writer.add("tokens", floats: video.tokens, shape: [video.count, channels], as: .bf16)
/// writer.add("indices", integers: video.indices, shape: [video.count])
/// try writer.write(to: "clip.flashvid.safetensors")
/// ```
///
/// The tensors are written from where they are, and converted in small pieces. What is wrong with them is found by
/// ``write(to:)``, before a file is made.
public struct SafetensorsWriter {
    /// The strings of `__metadata__`.
    public var metadata: [String: String]

    private struct Tensor {
        var name: String
        var type: ElementType
        var shape: [Int]
        var content: Content

        var byteCount: Int {
            switch content {
            case .pointer(let buffer): buffer.count
            case .bytes(let bytes): bytes.count
            case .floats(let floats): floats.count * type.size
            case .integers(let integers): integers.count * type.size
            }
        }
    }

    private enum Content {
        case pointer(UnsafeRawBufferPointer)
        case bytes([UInt8])
        case floats([Float])
        case integers([Int])
    }

    private var tensors: [Tensor] = []

    public init(metadata: [String: String] = [:]) {
        self.metadata = metadata
    }

    // MARK: Tensors

    /// Adds a tensor from memory, little-endian and row-major, that has to stay as it is until the file is written.
    public mutating func add(_ name: String, type: ElementType, shape: [Int], bytes: UnsafeRawBufferPointer) {
        tensors.append(Tensor(name: name, type: type, shape: shape, content: .pointer(bytes)))
    }

    /// Adds a tensor, little-endian and row-major.
    public mutating func add(_ name: String, type: ElementType, shape: [Int], bytes: [UInt8]) {
        tensors.append(Tensor(name: name, type: type, shape: shape, content: .bytes(bytes)))
    }

    /// Adds a tensor of F32, F16 or BF16, each value rounded to the nearest of the type (ties to even).
    public mutating func add(_ name: String, floats: [Float], shape: [Int], as type: ElementType = .f32) {
        tensors.append(Tensor(name: name, type: type, shape: shape, content: .floats(floats)))
    }

    /// Adds a tensor of I64.
    public mutating func add(_ name: String, integers: [Int], shape: [Int]) {
        tensors.append(Tensor(name: name, type: .i64, shape: shape, content: .integers(integers)))
    }

    // MARK: Writing

    /// Whether a file could be written there, as far as that is known before: the directory exists and may be written
    /// to, and the path is not one.
    public static func check(destination path: String) throws(SafetensorsError) {
        try OutputFile(FilePath(path)).check()
    }

    /// Writes the file, or leaves none: it is written beside `path` under a temporary name, brought to the disk, and
    /// renamed. A file that stood there before keeps standing until then, and under other hard links for good. Of a
    /// symbolic link the target is replaced, or made where there is none. Into a device, a pipe or an open descriptor
    /// (`/dev/stdout`, `/dev/fd/3`) it writes as it goes.
    ///
    /// - Throws: ``SafetensorsError/cannotWrite(file:code:)`` if the system refuses;
    ///   ``SafetensorsError/byteCount(file:tensor:expected:found:)``,
    ///   ``SafetensorsError/invalidDimension(file:tensor:value:)``,
    ///   ``SafetensorsError/sizeOverflow(file:tensor:shape:)``,
    ///   ``SafetensorsError/duplicateKey(file:key:within:)``, ``SafetensorsError/reservedName(file:tensor:)`` or
    ///   ``SafetensorsError/wrongType(file:tensor:found:expected:)`` for a tensor that cannot be written;
    ///   ``SafetensorsError/notRepresentable(file:tensor:index:type:)`` for a value that the type cannot hold.
    public func write(to path: String) throws(SafetensorsError) {
        try prepare(OutputFile(FilePath(path))).commit()
    }

    /// Writes the file except for its name, which ``PendingFile/commit()`` gives it. `progress` is called with a share
    /// in 0...1.
    package func prepare(
        _ output: OutputFile, progress: ((Double) -> Void)? = nil
    ) throws(SafetensorsError) -> PendingFile {
        let (header, ordered) = try layOut(output.name)
        var file = try output.create()
        try write(header, ordered, to: file, output.name, progress)
        try file.finish()
        return file
    }

    /// Removes the temporary files of every writer in the process, for a signal handler about to end it: from here
    /// on no writer makes another. It calls only what is async-signal-safe, if ``prepareForSignals()`` was called
    /// before the handler was installed.
    public static func removeTemporaries() {
        Registry.removeAll()
    }

    /// See ``removeTemporaries()``.
    public static func prepareForSignals() {
        Registry.prepare()
    }

    // MARK: Layout

    /// The length, the header, and the tensors in the order of the data: larger elements first, so that each tensor
    /// is aligned for its type, then by name.
    private func layOut(_ path: String) throws(SafetensorsError) -> (header: [UInt8], tensors: [Tensor]) {
        let ordered = tensors.sorted { ($1.type.size, $0.name) < ($0.type.size, $1.name) }
        var json = JSONText()
        json.append("{")
        if !metadata.isEmpty {
            json.append(string: SafetensorsHeader.metadataKey)
            json.append(":{")
            for (index, (key, value)) in metadata.sorted(by: { $0.key < $1.key }).enumerated() {
                if index > 0 { json.append(",") }
                json.append(string: key)
                json.append(":")
                json.append(string: value)
            }
            json.append("}")
        }
        var names: Set<String> = []
        var offset = 0
        for (index, tensor) in ordered.enumerated() {
            try check(tensor, path)
            guard names.insert(tensor.name).inserted else {
                throw .duplicateKey(file: path, key: tensor.name, within: nil)
            }
            let (end, overflow) = offset.addingReportingOverflow(tensor.byteCount)
            guard !overflow else { throw .sizeOverflow(file: path, tensor: tensor.name, shape: tensor.shape) }
            if index > 0 || !metadata.isEmpty { json.append(",") }
            json.append(string: tensor.name)
            json.append(":{\"dtype\":\"\(tensor.type.rawValue)\",\"shape\":[")
            json.append(tensor.shape.map(String.init).joined(separator: ","))
            json.append("],\"data_offsets\":[\(offset),\(end)]}")
            offset = end
        }
        json.append("}")
        while json.bytes.count % 8 != 0 { json.append(" ") }
        guard json.bytes.count <= SafetensorsHeader.maximumBytes else {
            throw .headerTooLarge(file: path, bytes: UInt64(json.bytes.count))
        }
        let length = UInt64(json.bytes.count)
        return ((0..<8).map { UInt8(truncatingIfNeeded: length >> (8 * $0)) } + json.bytes, ordered)
    }

    private func check(_ tensor: Tensor, _ path: String) throws(SafetensorsError) {
        guard tensor.name != SafetensorsHeader.metadataKey else {
            throw .reservedName(file: path, tensor: tensor.name)
        }
        if let dimension = tensor.shape.first(where: { $0 < 0 }) {
            throw .invalidDimension(file: path, tensor: tensor.name, value: "\(dimension)")
        }
        guard let expected = tensor.type.byteCount(of: tensor.shape) else {
            throw .sizeOverflow(file: path, tensor: tensor.name, shape: tensor.shape)
        }
        if case .floats = tensor.content, tensor.type.scalarType == nil {
            throw .wrongType(file: path, tensor: tensor.name, found: tensor.type, expected: "F32, F16 or BF16")
        }
        guard tensor.byteCount == expected else {
            throw .byteCount(file: path, tensor: tensor.name, expected: expected, found: tensor.byteCount)
        }
    }

    // MARK: Content

    private func write(
        _ header: [UInt8], _ tensors: [Tensor], to file: borrowing PendingFile, _ path: String,
        _ progress: ((Double) -> Void)?
    ) throws(SafetensorsError) {
        let total = Double(max(1, tensors.reduce(0) { $0 + $1.byteCount }))
        var written = 0
        func write(_ buffer: UnsafeRawBufferPointer) throws(SafetensorsError) {
            try file.write(buffer)
            written += buffer.count
            progress?(Double(written) / total)
        }
        try Self.withBytes(of: header) { header throws(SafetensorsError) in try file.write(header) }
        for tensor in tensors {
            switch tensor.content {
            case .pointer(let buffer): try Self.inPieces(buffer, write)
            case .bytes(let bytes): try Self.withBytes(of: bytes, write)
            case .integers(let integers):
                try Self.convert(integers, write) { integer, _ in Int64(integer) }
            case .floats(let floats):
                func refuse(_ index: Int) -> SafetensorsError {
                    .notRepresentable(file: path, tensor: tensor.name, index: index, type: tensor.type)
                }
                switch tensor.type {
                case .f16:
                    try Self.convert(floats, write) { value, index throws(SafetensorsError) in
                        let rounded = Float16(value)
                        guard rounded.isFinite || !value.isFinite else { throw refuse(index) }
                        return rounded
                    }
                case .bf16:
                    try Self.convert(floats, write) { value, index throws(SafetensorsError) in
                        let rounded = BFloat16(value)
                        guard Float(rounded).isFinite || !value.isFinite else { throw refuse(index) }
                        return rounded
                    }
                default: try Self.withBytes(of: floats, write)
                }
            }
        }
    }

    /// Converts piece by piece: a second copy of the tokens would be half of the first.
    private static func convert<Source, Target: BitwiseCopyable>(
        _ values: [Source], _ write: (UnsafeRawBufferPointer) throws(SafetensorsError) -> Void,
        _ convert: (Source, Int) throws(SafetensorsError) -> Target
    ) throws(SafetensorsError) {
        let piece = 1 << 15
        var converted: [Target] = []
        converted.reserveCapacity(min(piece, values.count))
        for start in stride(from: 0, to: values.count, by: piece) {
            converted.removeAll(keepingCapacity: true)
            for index in start..<min(start + piece, values.count) {
                converted.append(try convert(values[index], index))
            }
            try withBytes(of: converted, write)
        }
    }

    private static func inPieces(
        _ buffer: UnsafeRawBufferPointer, _ write: (UnsafeRawBufferPointer) throws(SafetensorsError) -> Void
    ) throws(SafetensorsError) {
        for start in stride(from: 0, to: buffer.count, by: piece) {
            try write(UnsafeRawBufferPointer(rebasing: buffer[start..<min(start + piece, buffer.count)]))
        }
    }

    /// Bytes between two reports of progress.
    private static let piece = 1 << 23

    private static func withBytes<Element: BitwiseCopyable>(
        of array: [Element], _ body: (UnsafeRawBufferPointer) throws(SafetensorsError) -> Void
    ) throws(SafetensorsError) {
        var failure: SafetensorsError?
        array.withUnsafeBytes { buffer in
            do throws(SafetensorsError) { try inPieces(buffer, body) } catch { failure = error }
        }
        if let failure { throw failure }
    }
}

/// JSON under construction.
private struct JSONText {
    var bytes: [UInt8] = []

    mutating func append(_ text: String) {
        bytes.append(contentsOf: text.utf8)
    }

    mutating func append(string: String) {
        append("\"")
        for byte in string.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                bytes.append(UInt8(ascii: "\\"))
                bytes.append(byte)
            case 0..<0x20:
                append(byte < 0x10 ? "\\u000" : "\\u00")
                append(String(byte, radix: 16))
            default:
                bytes.append(byte)
            }
        }
        append("\"")
    }
}
