import FlashVID
import FlashVIDFile
import Foundation
import TestSupport
import Testing

extension Fixtures {
    /// A file's `features` and, if it has them, `attention`.
    static func clip(_ path: String) throws -> Clip {
        let file = try open(path)
        let shape = try #require(file.entry("features")).shape
        return Clip(
            shape: ClipShape(frames: shape[0], tokensPerFrame: shape[1], channels: shape[2]),
            features: try file.floats("features"),
            attention: file.entry("attention") == nil ? nil : try file.floats("attention"))
    }

    static func configuration(_ json: String?) throws -> Configuration {
        try JSONDecoder().decode(Configuration.self, from: Data(try #require(json).utf8))
    }
}

/// A golden case: a clip, a configuration and what must come of them.
struct GoldenCase {
    let clip: Clip
    let configuration: Configuration
    let expected: Expectation

    init(_ name: String) throws {
        let file = try Fixtures.open("golden/" + name)
        clip = try Fixtures.clip("golden/" + name)
        configuration = try Fixtures.configuration(file.metadata["configuration"])
        expected = Expectation(
            tokens: try file.floats("expected_tokens"),
            indices: try file.integers("expected_indices"),
            segmentLengths: try file.integers("expected_segment_lengths"),
            assignment: file.entry("expected_assignment") == nil ? nil : try file.integers("expected_assignment"),
            counts: file.entry("expected_counts") == nil ? nil : try file.integers("expected_counts"))
    }
}
