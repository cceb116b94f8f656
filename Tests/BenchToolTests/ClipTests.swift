import FlashVID
import FlashVIDFile
import Foundation
import Testing

@testable import flashvid_bench

@Suite("Generated clip") struct ClipTests {
    private static let shape = ClipShape(frames: 16, tokensPerFrame: 10, channels: 24)

    private func clip(seed: UInt64 = 1, as type: ScalarType = .float32, threads: Int = 2) throws -> BenchClip {
        try BenchClip(
            SyntheticClip(shape: Self.shape, seed: seed), as: type,
            pool: try WorkerPool(threads: threads, multiplying: true))
    }

    private func frame(_ number: Int, of clip: BenchClip) -> [Float] {
        let size = Self.shape.tokensPerFrame * Self.shape.channels
        return Array(clip.floats[number * size..<(number + 1) * size])
    }

    @Test func followsFromTheSeed() throws {
        let clip = try clip()
        let again = try self.clip(threads: 1)
        #expect(Array(clip.floats) == Array(again.floats))
        #expect(Array(clip.attention) == Array(again.attention))
        let other = try self.clip(seed: 2)
        #expect(Array(clip.floats) != Array(other.floats))
    }

    /// The same numbers on every machine: no function of a mathematics library is in them.
    @Test func staysAsItWas() throws {
        let clip = try clip()
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for value in clip.floats {
            hash = (hash ^ UInt64(value.bitPattern)) &* 0x100_0000_01B3
        }
        #expect(hash == 3_752_836_236_568_210_071)
    }

    @Test func hasMotionAndRest() throws {
        let clip = try clip()
        #expect(clip.floats.allSatisfy { $0.isFinite })
        #expect(clip.attention.allSatisfy { $0 > 0 && $0.isFinite })
        // Frames 7 to 13 are a scene at rest; 11 to 13 repeat frame 10.
        #expect(frame(9, of: clip) != frame(10, of: clip))
        #expect(frame(10, of: clip) == frame(11, of: clip))
        #expect(frame(11, of: clip) == frame(13, of: clip))
        #expect(frame(13, of: clip) != frame(14, of: clip))
    }

    @Test func converts() throws {
        let half = try clip(as: .float16)
        let bfloat = try clip(as: .bfloat16)
        #expect(half.features.count == half.floats.count * 2)
        let halves = Array(half.features.bindMemory(to: Float16.self))
        #expect(halves == half.floats.map { Float16($0) })
        let bfloats = Array(bfloat.features.bindMemory(to: BFloat16.self))
        #expect(bfloats == bfloat.floats.map { BFloat16($0) })
    }

    @Test(arguments: [ScalarType.float32, .float16, .bfloat16]) func survivesTheFile(type: ScalarType) throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("flashvid-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        let clip = try clip(as: type)
        try clip.write(to: path, metadata: ["seed": "1"])
        let read = try BenchClip(contentsOf: path)
        #expect(read.shape == Self.shape)
        #expect(read.type == type)
        #expect(Array(read.features) == Array(clip.features))
        #expect(Array(read.attention) == Array(clip.attention))
        let copy = try BenchClip(copying: read)
        #expect(Array(copy.features) == Array(clip.features))
        #expect(Array(copy.floats) == Array(read.floats))
    }

    @Test func refusesWhatDoesNotFit() {
        let shape = ClipShape(frames: .max, tokensPerFrame: 2, channels: 1)
        #expect(throws: (any Error).self) {
            try BenchClip(
                SyntheticClip(shape: shape, seed: 1), as: .float32, pool: try WorkerPool(threads: 1, multiplying: true))
        }
    }
}
