import FlashVID
import Testing

/// What must come out of a clip. Parts that are nil are not known.
struct Expectation {
    var tokens: [Float]
    var indices: [Int]
    var segmentLengths: [Int]
    var assignment: [Int]?
    var counts: [Int]?
    var kinds: [CompressedVideo.Kind]?
    var parents: [Int]?

    init(tokens: [Float], indices: [Int], segmentLengths: [Int], assignment: [Int]?, counts: [Int]?) {
        self.tokens = tokens
        self.indices = indices
        self.segmentLengths = segmentLengths
        self.assignment = assignment
        self.counts = counts
    }

    init(_ result: Reference.Result) {
        self.init(
            tokens: result.tokens.values.map { Float($0) }, indices: result.indices,
            segmentLengths: result.segmentLengths, assignment: result.assignment, counts: result.counts)
        kinds = result.kinds
        parents = result.parents
    }

    init(_ video: CompressedVideo) {
        self.init(
            tokens: video.tokens, indices: video.indices, segmentLengths: video.segmentLengths,
            assignment: video.assignment.isEmpty ? nil : video.assignment,
            counts: video.counts.isEmpty ? nil : video.counts)
        kinds = video.kinds
        parents = video.parents
    }

    /// The first thing in which `other` differs, or nil. Tokens may differ by `tolerance` of the largest magnitude; with
    /// nil they are not looked at.
    func difference(from other: Expectation, tolerance: Float?) -> String? {
        func differ<Part: Equatable>(_ name: String, _ mine: [Part]?, _ theirs: [Part]?) -> String? {
            guard let mine, let theirs, mine != theirs else { return nil }
            let sizes = mine.count == theirs.count ? "" : ", of \(theirs.count) for \(mine.count)"
            guard let place = zip(mine, theirs).enumerated().first(where: { $0.element.0 != $0.element.1 }) else {
                return name + sizes
            }
            return "\(name) at \(place.offset): \(place.element.1) for \(place.element.0)\(sizes)"
        }
        return differ("segment lengths", segmentLengths, other.segmentLengths)
            ?? differ("parents", parents, other.parents)
            ?? differ("indices", indices, other.indices)
            ?? differ("kinds", kinds, other.kinds)
            ?? differ("assignment", assignment, other.assignment)
            ?? differ("counts", counts, other.counts)
            ?? tolerance.flatMap { tokenDifference(from: other, tolerance: $0) }
    }

    func tokenDifference(from other: Expectation, tolerance: Float) -> String? {
        guard tokens.count == other.tokens.count else {
            return "\(other.tokens.count) numbers in the tokens for \(tokens.count)"
        }
        // In double: the limit of a clip near the end of float32's range must not vanish or overflow. Subnormal numbers
        // have fewer digits than the tolerance asks for.
        let largest = tokens.reduce(0) { max($0, Double($1.magnitude)) }
        let limit = max(Double(tolerance) * largest, 4 * Double(Float.leastNonzeroMagnitude))
        for (place, (mine, theirs)) in zip(tokens, other.tokens).enumerated() {
            // The negation, so that a NaN is a difference.
            if !((Double(mine) - Double(theirs)).magnitude <= limit) {
                return "tokens at \(place): \(theirs) for \(mine), largest \(largest)"
            }
        }
        return nil
    }
}

/// Decisions equal, and tokens within 1e-5 of the largest magnitude.
func expectEqual(
    _ video: CompressedVideo, _ expected: Expectation, _ story: @autoclosure () -> String = "",
    sourceLocation: SourceLocation = #_sourceLocation
) {
    if let difference = expected.difference(from: Expectation(video), tolerance: 1e-5) {
        Issue.record("\(difference)\n\(story())", sourceLocation: sourceLocation)
    }
    // Nil in an expectation is "not known"; whether the engine gives these lists at all is known from the semantics.
    if expected.assignment != nil {
        #expect(video.assignment.count == video.parents.count, sourceLocation: sourceLocation)
        #expect(video.counts.count == video.indices.count, sourceLocation: sourceLocation)
    } else {
        #expect(video.assignment.isEmpty && video.counts.isEmpty, sourceLocation: sourceLocation)
    }
}

/// Everything equal, the tokens bit for bit.
func expectIdentical(
    _ video: CompressedVideo, _ expected: CompressedVideo, _ story: @autoclosure () -> String = "",
    sourceLocation: SourceLocation = #_sourceLocation
) {
    if video.shape != expected.shape {
        Issue.record("shape: \(video.shape) for \(expected.shape)\n\(story())", sourceLocation: sourceLocation)
    }
    let decisions = Expectation(expected).difference(from: Expectation(video), tolerance: nil)
    let isSame = decisions == nil && video.assignment == expected.assignment && video.counts == expected.counts
    if !isSame || video.tokens.map(\.bitPattern) != expected.tokens.map(\.bitPattern) {
        Issue.record("\(decisions ?? "tokens differ in their bits")\n\(story())", sourceLocation: sourceLocation)
    }
}

/// The engine's answer is the reference's: decisions equal, tokens within 1e-5 of the largest magnitude.
func expectAgreement(
    _ clip: Clip, _ configuration: Configuration, threads: Int? = 2, _ story: @autoclosure () -> String = "",
    sourceLocation: SourceLocation = #_sourceLocation
) throws {
    let video = try clip.compressed(configuration, threads: threads)
    let reference = Expectation(clip.reference(configuration))
    guard let difference = reference.difference(from: Expectation(video), tolerance: 1e-5) else {
        expectEqual(video, reference, sourceLocation: sourceLocation)
        return
    }
    // The reference is rounded too. Where it contradicts itself once its sums run the other way, the clip has a tie
    // that no one can call, and it is the clip that should go.
    let backwards = clip.permutingChannels((0..<clip.shape.channels).reversed()).reference(configuration)
    let isTie = reference.difference(from: Expectation(backwards), tolerance: nil) != nil
    Issue.record(
        "\(difference)\(isTie ? " (a tie: the reference decides otherwise when channels are reversed)" : "")\n\(story())",
        sourceLocation: sourceLocation)
}
