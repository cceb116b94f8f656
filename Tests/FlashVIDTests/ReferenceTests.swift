import FlashVID
import TestSupport
import Testing

/// The referee of the other tests is itself held to the golden cases, which an independent implementation computed.
@Suite("Reference")
struct ReferenceTests {
    @Test("computes what the golden cases say", arguments: Fixtures.goldenNames)
    func golden(_ name: String) throws {
        let golden = try GoldenCase(name)
        let result = Expectation(golden.clip.reference(golden.configuration))
        let difference = golden.expected.difference(from: result, tolerance: 1e-5)
        #expect(difference == nil, "\(golden.clip.shape), \(golden.configuration)")
        #expect((result.assignment == nil) == (golden.expected.assignment == nil))
    }
}
