import FlashVID
import FlashVIDFile
import FlashVIDHost
import ToolSupport

/// Queries and keys in memory as the engine reads them, and as float32 for the floor's products.
final class AttentionInput {
    static let tensors = ["queries", "keys"]

    /// How they are made, in one line for the head of a report.
    static let recipe =
        "independent normal queries and keys; the logits' standard deviation is 1, 2, 4 and 8 in turn by head"

    let shape: AttentionShape
    let type: ScalarType
    /// Queries and keys, [F, H, N, E] each, float32. The engine's own input where `type` is that.
    let floats: [UnsafeMutableBufferPointer<Float>]
    /// The same in the two types of half the size; empty with float32.
    private let halves: [UnsafeMutableBufferPointer<UInt16>]

    /// What the engine reads.
    var queries: UnsafeRawBufferPointer { bytes(0) }
    var keys: UnsafeRawBufferPointer { bytes(1) }

    private init(_ shape: AttentionShape, _ type: ScalarType) throws {
        let name = "attention of \(shape.frames)x\(shape.heads)x\(shape.tokens)x\(shape.width)"
        var count = 1
        for size in [shape.frames, shape.heads, shape.tokens, shape.width] {
            let (product, overflow) = count.multipliedReportingOverflow(by: size)
            guard !overflow else { throw Failure(environment: "\(name) does not fit into the memory of this machine") }
            count = product
        }
        // Float32 for the floor, and the engine's type beside it.
        let bytes = count.multipliedReportingOverflow(by: type == .float32 ? 8 : 12)
        guard !bytes.overflow, bytes.partialValue < MachineMemory.bytes else {
            throw Failure(environment: "\(name) does not fit into the memory of this machine")
        }
        self.shape = shape
        self.type = type
        floats = Self.tensors.map { _ in .allocate(capacity: count) }
        halves = Self.tensors.map { _ in .allocate(capacity: type == .float32 ? 0 : count) }
    }

    deinit {
        for buffer in floats { buffer.deallocate() }
        for buffer in halves { buffer.deallocate() }
    }

    /// Generated: the same numbers on every machine and any number of threads.
    convenience init(_ shape: AttentionShape, seed: UInt64, as type: ScalarType, pool: WorkerPool) throws {
        try self.init(shape, type)
        let size = shape.tokens * shape.width
        for tensor in 0..<2 {
            guard let values = floats[tensor].baseAddress else { continue }
            let target = halves[tensor].baseAddress
            pool.run(shape.frames * shape.heads) { _, task in
                var random = SplitMix64(seed: seed, stream: 2 * task + tensor)
                // Soft and sharp heads, as encoders have them.
                let factor: Float = tensor == 0 ? [1, 2, 4, 8][task % shape.heads % 4] : 1
                for index in (task * size)..<((task + 1) * size) { values[index] = factor * random.noise() }
                if type != .float32, let target {
                    Halves.round(values + task * size, as: type, count: size, into: target + task * size)
                }
            }
        }
    }

    /// From a file that holds `queries` and `keys` of this shape.
    convenience init(contentsOf input: InputFile, _ shape: AttentionShape) throws {
        let file = try SafetensorsFile(contentsOf: input, maximumBytes: MachineMemory.largestInput)
        let path = file.path
        var type: ScalarType?
        for name in Self.tensors {
            guard let entry = file.entry(name) else {
                throw SafetensorsError.missingTensor(file: path, tensor: name)
            }
            guard let found = entry.type.scalarType else {
                throw SafetensorsError.wrongType(
                    file: path, tensor: name, found: entry.type, expected: "F32, F16 or BF16")
            }
            guard type == nil || type == found else {
                throw Failure(input: "\(path): queries and keys are of different types")
            }
            type = found
            let expected = [shape.frames, shape.heads, shape.tokens, shape.width]
            guard entry.shape == expected else {
                throw Failure(input: "\(path): \(name) have the shape \(entry.shape); --attention says \(expected)")
            }
        }
        try self.init(shape, type ?? .float32)
        for (tensor, name) in Self.tensors.enumerated() {
            try file.withBytes(of: name) { bytes in
                if self.type == .float32 {
                    UnsafeMutableRawBufferPointer(floats[tensor]).copyMemory(from: bytes)
                } else {
                    UnsafeMutableRawBufferPointer(halves[tensor]).copyMemory(from: bytes)
                    Halves.widen(halves[tensor], as: self.type, into: floats[tensor])
                }
            }
        }
    }

    private func bytes(_ tensor: Int) -> UnsafeRawBufferPointer {
        type == .float32 ? UnsafeRawBufferPointer(floats[tensor]) : UnsafeRawBufferPointer(halves[tensor])
    }

    /// Saves both as a safetensors file.
    func write(to file: OutputFile, metadata: [String: String]) throws {
        var writer = SafetensorsWriter(metadata: metadata)
        for (tensor, name) in Self.tensors.enumerated() {
            writer.add(
                name, type: ElementType(type), shape: [shape.frames, shape.heads, shape.tokens, shape.width],
                bytes: bytes(tensor))
        }
        try withExtendedLifetime(self) { try writer.prepare(file).commit() }
    }
}
