import CBLASShim
import FlashVID
import FlashVIDFile
import FlashVIDLibC
import TestSupport
import Testing

/// The same indices whatever kernels BLAS runs. OpenBLAS chooses them when it is loaded, so that a process sees one set:
/// `Benchmarks/kernels` runs this suite once for each.
@Suite("Kernels")
struct KernelTests {
    @Test("keep exactly the indices that the definition keeps in float64", arguments: ["real", "repeated"])
    func indices(_ folder: String) throws {
        var differing: [String] = []
        var runs = 0
        // FNV-1a over all indices: what tells whether two kernels agree with each other.
        var digest: UInt64 = 0xCBF2_9CE4_8422_2325
        var video = CompressedVideo()
        for name in RealClipTests.names {
            let expected = try Fixtures.open("\(folder)/\(name)")
            var clip = try Fixtures.clip("clips/" + name)
            if expected.entry("frames") != nil { clip = clip.picking(try expected.integers("frames")) }
            var withoutAttention = clip
            withoutAttention.attention = nil
            for entry in expected.entries.map(\.name).sorted() where entry.hasPrefix("indices-") {
                let run = String(entry.dropFirst("indices-".count))
                var compressor = try Compressor(try Fixtures.configuration(expected.metadata[run]), threads: 2)
                try compressor.compress(run.hasPrefix("noattention") ? withoutAttention : clip, into: &video)
                runs += 1
                for index in video.indices { digest = (digest ^ UInt64(index)) &* 0x100_0000_01B3 }
                let indices = try expected.integers(entry)
                if video.indices != indices {
                    differing.append("\(name) \(run): \(RealClipTests.share(video.indices, indices))")
                }
            }
        }
        let wanted = getenv("OPENBLAS_CORETYPE").map { String(cString: $0) }
        let kernel = openblas_get_corename().map { String(cString: $0) } ?? "unknown"
        // A name that OpenBLAS does not know is silently passed over, and the kernels tested would be others.
        if let wanted { #expect(kernel.lowercased() == wanted.lowercased()) }
        print(
            "OPENBLAS_CORETYPE \(wanted ?? "unset"), \(kernel) kernels, \(folder): \(runs - differing.count) of \(runs) runs exact, digest "
                + String(digest, radix: 16))
        #expect(runs == (folder == "real" ? 80 : 40))
        #expect(differing.isEmpty, "not exact:\n\(differing.joined(separator: "\n"))")
    }
}

extension Clip {
    /// The clip of these frames of this one, in this order.
    fileprivate func picking(_ frames: [Int]) -> Clip {
        var clip = self
        let (tokens, size) = (shape.tokensPerFrame, shape.tokensPerFrame * shape.channels)
        clip.shape.frames = frames.count
        clip.features = frames.flatMap { features[$0 * size..<($0 + 1) * size] }
        clip.attention = attention.map { attention in
            frames.flatMap { attention[$0 * tokens..<($0 + 1) * tokens] }
        }
        return clip
    }
}
