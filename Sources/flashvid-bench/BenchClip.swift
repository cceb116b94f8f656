import FlashVID
import FlashVIDFile
import ToolSupport

/// A clip in memory as the engine reads it, and as float32 for the floor's products.
final class BenchClip {
    let shape: ClipShape
    let type: ScalarType
    let hasAttention: Bool
    /// [F, N, D], float32. The engine's own input where `type` is that.
    let floats: UnsafeMutableBufferPointer<Float>
    /// [F, N]
    let attention: UnsafeMutableBufferPointer<Float>
    /// [F, N, D] in the two types of half the size; empty with float32.
    private let halves: UnsafeMutableBufferPointer<UInt16>

    /// What the engine reads.
    var features: UnsafeRawBufferPointer {
        type == .float32 ? UnsafeRawBufferPointer(floats) : UnsafeRawBufferPointer(halves)
    }

    private init(_ shape: ClipShape, _ type: ScalarType, hasAttention: Bool) throws {
        let count = try Self.elementCount(shape, type)
        self.shape = shape
        self.type = type
        self.hasAttention = hasAttention
        floats = .allocate(capacity: count)
        halves = .allocate(capacity: type == .float32 ? 0 : count)
        attention = .allocate(capacity: hasAttention ? shape.frames * shape.tokensPerFrame : 0)
    }

    deinit {
        floats.deallocate()
        halves.deallocate()
        attention.deallocate()
    }

    /// Elements of a clip that this machine can hold.
    private static func elementCount(_ shape: ClipShape, _ type: ScalarType) throws -> Int {
        let name = "a clip of \(shape.frames)x\(shape.tokensPerFrame)x\(shape.channels)"
        let (tokens, overflow) = shape.frames.multipliedReportingOverflow(by: shape.tokensPerFrame)
        let (count, overflows) = tokens.multipliedReportingOverflow(by: shape.channels)
        // Float32 for the floor, and the engine's type beside it.
        let bytes = count.multipliedReportingOverflow(by: type == .float32 ? 4 : 6)
        guard !overflow, !overflows, !bytes.overflow, bytes.partialValue < MachineMemory.bytes else {
            throw Failure(environment: "\(name) does not fit into the memory of this machine")
        }
        return count
    }

    /// A generated clip, converted if `type` asks for it.
    convenience init(_ clip: any GeneratedClip, as type: ScalarType, pool: WorkerPool) throws {
        try self.init(clip.shape, type, hasAttention: true)
        guard let values = floats.baseAddress, let attention = attention.baseAddress else { return }
        clip.generate(features: values, attention: attention, pool: pool)
        guard type != .float32, let target = halves.baseAddress else { return }
        let size = clip.shape.tokensPerFrame * clip.shape.channels
        pool.run(clip.shape.frames) { _, frame in
            Halves.round(values + frame * size, as: type, count: size, into: target + frame * size)
        }
    }

    /// A clip from a file.
    convenience init(contentsOf input: InputFile) throws {
        let clip = try Clip(contentsOf: input)
        try self.init(clip.shape, clip.type, hasAttention: clip.attention != nil)
        if let values = clip.attention { _ = attention.update(fromContentsOf: values) }
        if type == .float32 {
            try clip.file.withBytes(of: Clip.features) {
                UnsafeMutableRawBufferPointer(floats).copyMemory(from: $0)
            }
        } else {
            try clip.file.withBytes(of: Clip.features) {
                UnsafeMutableRawBufferPointer(halves).copyMemory(from: $0)
            }
            Halves.widen(halves, as: type, into: floats)
        }
    }

    /// A copy in memory of its own.
    convenience init(copying other: BenchClip) throws {
        try self.init(other.shape, other.type, hasAttention: other.hasAttention)
        _ = floats.update(fromContentsOf: other.floats)
        _ = halves.update(fromContentsOf: other.halves)
        _ = attention.update(fromContentsOf: other.attention)
    }

    /// Compresses the clip.
    func compress(with compressor: inout Compressor, into video: inout CompressedVideo) throws(FlashVIDError) {
        try compressor.compress(
            features, of: type, shape: shape, attention: hasAttention ? UnsafeBufferPointer(attention) : nil,
            into: &video)
    }

    /// Saves the clip as a safetensors file.
    func write(to file: OutputFile, metadata: [String: String]) throws {
        var writer = SafetensorsWriter(metadata: metadata)
        writer.add(
            Clip.features, type: ElementType(type), shape: [shape.frames, shape.tokensPerFrame, shape.channels],
            bytes: features)
        if hasAttention {
            writer.add(
                Clip.attention, type: .f32, shape: [shape.frames, shape.tokensPerFrame],
                bytes: UnsafeRawBufferPointer(attention))
        }
        try withExtendedLifetime(self) { try writer.prepare(file).commit() }
    }
}
