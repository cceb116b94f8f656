import FlashVID
import Foundation
import Testing

#if os(Linux)
    /// What a compressor holds on to ends with it: a host may make one for every video.
    @Suite("Lifetime")
    struct LifetimeTests {
        private static func runningThreads() throws -> Int {
            try FileManager.default.contentsOfDirectory(atPath: "/proc/self/task").count
        }

        @Test("threads end with their compressor")
        func threads() throws {
            var generator = ClipGenerator(seed: 3)
            let clip = generator.clip(
                shape: ClipShape(frames: 6, tokensPerFrame: 10, channels: 8), traits: [.motion])
            let before = try Self.runningThreads()
            for _ in 0..<100 {
                _ = try clip.compressed(Configuration(), threads: 5)
                // One that never saw a clip.
                _ = try Compressor(threads: 5)
            }
            // 800 if they stay; other tests, running beside this one, have some of their own.
            #expect(try Self.runningThreads() < before + 200)
        }
    }
#endif
