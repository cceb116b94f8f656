import FlashVID
import TestSupport
import Testing

/// The engine against cases that others computed: the definition in float64, and the authors' released program.
@Suite("Golden cases")
struct GoldenTests {
    @Test("all are there")
    func count() {
        #expect(Fixtures.goldenNames.count == 48 + 24 + 24 + 8)
        for (folder, count) in [("rows", 24), ("hard", 24), ("auto", 8)] {
            #expect(Fixtures.goldenNames.count { $0.hasPrefix(folder + "/") } == count, "\(folder)")
        }
    }

    @Test("decisions are equal, tokens within 1e-5", arguments: Fixtures.goldenNames)
    func golden(_ name: String) throws {
        let golden = try GoldenCase(name)
        let video = try golden.clip.compressed(golden.configuration)
        #expect(video.shape == golden.clip.shape)
        expectEqual(video, golden.expected, "\(golden.clip.shape), \(golden.configuration)")
        // The cases say nothing of kinds and trees, and the reference that they were checked against does.
        expectEqual(video, Expectation(golden.clip.reference(golden.configuration)))
    }
}
