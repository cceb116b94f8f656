/// What to keep of a video and how to choose it. The defaults are the paper's (arXiv 2602.08024).
///
/// Values are checked when a ``Compressor`` is made, or by ``validate()``.
public struct Configuration: Sendable, Hashable, BitwiseCopyable {
    /// How the telling tokens of a frame are found (ADTS; paper, section 3.2).
    public enum Selection: String, Sendable, CaseIterable, BitwiseCopyable, Codable {
        /// The tokens of largest attention.
        case attention
        /// Max-min diversity over cosine distances.
        case diversity
        /// The same, each distance weighted by the candidate's attention. The authors' choice for Qwen-VL.
        case attentionDiversity
        /// The same, weighted by attention and by relevance to the segment. The authors' choice for LLaVA.
        case attentionDiversityEvent
    }

    /// What a tree's root becomes.
    public enum Aggregation: String, Sendable, CaseIterable, BitwiseCopyable, Codable {
        /// The mean of all tokens of the tree.
        case mean
        /// The maximum of each channel over all tokens of the tree.
        case max
    }

    /// Which source token's place a contextual row takes.
    public enum Placement: String, Sendable, CaseIterable, BitwiseCopyable, Codable {
        /// The centre of its cluster.
        case centre
        /// The member nearest to the row's final value.
        case medoid
    }

    /// Whose reading of the method is computed.
    public enum Semantics: String, Sendable, CaseIterable, BitwiseCopyable {
        /// The definition: exact budgets, every source token accounted for.
        case definition
        /// The authors' released program, defects included, to compare with published figures: a root's sum is
        /// divided by one more than its direct children; a segment of one frame clusters its selected tokens too;
        /// the event form may select a token twice; shares are rounded up. Indices may repeat, the number of rows is
        /// known only afterwards, and there is no assignment.
        case published
    }

    /// Share of the tokens to keep, averaged over the LLM's layers; in (0, 1]. Not looked at with ``targetRows``.
    public var retentionRatio = 0.25
    /// Tokens that enter the LLM over tokens that the ratio names, to be paid back by pruning inside it; > 0. Not looked
    /// at with ``targetRows``.
    public var expansion = 1.25
    /// K, the exact number of rows that a clip becomes, for hosts that size their prompt before any feature exists; at
    /// most the clip's F·N tokens. 0: a number by the ratio and the expansion. Not with the published semantics, and not in
    /// a stream. (Spec 2.1.)
    public var targetRows = 0
    /// Share of the budget that selection takes; the rest goes to the merged tokens; in 0...1.
    public var alpha = 0.7
    /// How tokens are selected.
    public var selection = Selection.attentionDiversityEvent
    /// Whether the clip is cut into segments at all.
    public var segmentation = true
    /// A cut is made where the cosine of neighbouring frames' means is below this; >= -1.
    public var segmentThreshold = 0.9
    /// Fewer segments than this are cut further at their weakest transitions; >= 0. 0 is automatic: min(8, ceil(F / 4)),
    /// the paper's 8 at its 32 frames, and fewer for shorter clips, so that they keep their trees.
    public var minimumSegments = 8
    /// Whether those further cuts are made.
    public var complementarySegments = true
    /// Longest segment, in frames; 0 for no limit.
    public var maximumSegmentFrames = 0
    /// A token joins its best match in the frame before if their cosine is above this; >= -1, and from 1 on nothing
    /// is merged.
    public var temporalThreshold = 0.8
    /// What a tree's root becomes.
    public var aggregation = Aggregation.mean
    /// Whose reading of the method is computed.
    public var semantics = Semantics.definition
    /// Whether selection in a frame starts from the picks of the segment's earlier frames.
    public var carry = false
    /// How often every unselected token is given to the nearest row of its segment; in 0...``maximumRefinementRounds``.
    /// Rounds that would change nothing, since the one before moved no token, are left out.
    public var refinementRounds = 0
    /// Which place a contextual row takes.
    public var placement = Placement.centre

    /// More rounds than this are refused. Clips come to rest long before.
    public static let maximumRefinementRounds = 1000

    /// The paper's defaults at a retention ratio.
    public init(retentionRatio: Double = 0.25) {
        self.retentionRatio = retentionRatio
    }

    /// The semantics of the authors' released program (see ``Semantics/published``).
    public static var published: Configuration {
        var configuration = Configuration()
        configuration.semantics = .published
        return configuration
    }

    /// Beyond the paper: picks carried from frame to frame, one refinement round, rows at their medoid, alpha 0.5, the
    /// automatic minimum of segments.
    ///
    /// At the same number of tokens it covers the clip better. One small video LLM has judged it (SmolLM2-135M on a ViT-S,
    /// clips of 8 frames of 64 tokens, 1,549 synthetic questions on 200 clips not trained on, standard errors 0.007 to
    /// 0.014, 2 segments). Right answers, 0.881 with all tokens:
    ///
    /// | kept | 0.25 | 0.15 | 0.10 | 0.05 |
    /// |---|---|---|---|---|
    /// | attention alone | 0.867 | 0.832 | 0.786 | 0.719 |
    /// | default | 0.869 | 0.863 | 0.841 | 0.757 |
    /// | refined | 0.872 | 0.864 | 0.855 | 0.821 |
    ///
    /// With 8 segments of one frame each it gained nothing there, hence the automatic minimum. It is one model and one
    /// training; the default stays the paper's.
    public static var refined: Configuration {
        var configuration = Configuration()
        configuration.refine()
        return configuration
    }

    /// Sets the fields of ``refined`` and leaves the others.
    public mutating func refine() {
        alpha = 0.5
        minimumSegments = 0
        carry = true
        refinementRounds = 1
        placement = .medoid
    }
}

// MARK: - Models

extension Configuration {
    /// The models that the authors evaluated.
    public enum Model: String, Sendable, CaseIterable {
        case llavaOneVision = "llava-onevision"
        case llavaVideo = "llava-video"
        case qwen25VL = "qwen2.5-vl"
        case qwen3VL = "qwen3-vl"
    }

    /// The authors' configuration for a model: its form of selection and its minimum of segments.
    public static func preset(_ model: Model, retentionRatio: Double = 0.25) -> Configuration {
        var configuration = Configuration(retentionRatio: retentionRatio)
        switch model {
        case .llavaOneVision, .llavaVideo:
            configuration.selection = .attentionDiversityEvent
            configuration.minimumSegments = 8
        case .qwen25VL, .qwen3VL:
            configuration.selection = .attentionDiversity
            configuration.minimumSegments = 4
        }
        return configuration
    }
}

// MARK: - Validation

extension Configuration {
    /// Throws ``FlashVIDError/invalidConfiguration(field:value:expected:)`` for the first field outside its range.
    public func validate() throws(FlashVIDError) {
        func check(_ holds: Bool, _ field: String, _ value: some CustomStringConvertible, _ expected: String)
            throws(FlashVIDError)
        {
            guard holds else {
                throw .invalidConfiguration(field: field, value: value.description, expected: expected)
            }
        }
        try check(targetRows >= 0, "target rows", targetRows, "at least 1, or 0 for a number by the ratio")
        if targetRows == 0 {
            try check(retentionRatio > 0 && retentionRatio <= 1, "retention", retentionRatio, "a number in (0, 1]")
            try check(expansion > 0 && expansion.isFinite, "expansion", expansion, "a finite number above 0")
        }
        try check(alpha >= 0 && alpha <= 1, "alpha", alpha, "a number in [0, 1]")
        try check(segmentThreshold >= -1, "segment threshold", segmentThreshold, "a number of at least -1")
        try check(minimumSegments >= 0, "minimum segments", minimumSegments, "at least 0 (automatic)")
        try check(maximumSegmentFrames >= 0, "maximum segment frames", maximumSegmentFrames, "at least 0 (no limit)")
        try check(temporalThreshold >= -1, "temporal threshold", temporalThreshold, "a number of at least -1")
        try check(
            (0...Self.maximumRefinementRounds).contains(refinementRounds), "refinement rounds", refinementRounds,
            "0 to \(Self.maximumRefinementRounds)")
        guard semantics == .published else { return }
        try check(targetRows == 0, "target rows", targetRows, "0 with the published semantics")
        try check(!carry, "carry", carry, "off with the published semantics")
        try check(refinementRounds == 0, "refinement rounds", refinementRounds, "0 with the published semantics")
        try check(placement == .centre, "placement", placement.rawValue, "centre with the published semantics")
    }
}

// MARK: - Coding

/// The keys are those of the method's reference files; the published semantics stand there as the three switches that
/// they turn (`aggregation`, `exact_budget`, `published_quirks`).
extension Configuration: Codable {
    private enum CodingKeys: String, CodingKey {
        case retentionRatio = "retention_ratio"
        case expansion, alpha, selection, segmentation
        case segmentThreshold = "segment_threshold"
        case minimumSegments = "minimum_segments"
        case complementarySegments = "complementary_segments"
        case maximumSegmentFrames = "maximum_segment_frames"
        case temporalThreshold = "temporal_threshold"
        case aggregation
        case exactBudget = "exact_budget"
        case publishedQuirks = "published_quirks"
        case carry
        case refinementRounds = "refinement_rounds"
        case placement
        case targetRows = "target_rows"
    }

    private static let directChildren = "directChildren"

    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        retentionRatio = try values.decode(Double.self, forKey: .retentionRatio)
        expansion = try values.decode(Double.self, forKey: .expansion)
        alpha = try values.decode(Double.self, forKey: .alpha)
        selection = try values.decode(Selection.self, forKey: .selection)
        segmentation = try values.decode(Bool.self, forKey: .segmentation)
        segmentThreshold = try values.decode(Double.self, forKey: .segmentThreshold)
        minimumSegments = try values.decode(Int.self, forKey: .minimumSegments)
        complementarySegments = try values.decode(Bool.self, forKey: .complementarySegments)
        maximumSegmentFrames = try values.decode(Int.self, forKey: .maximumSegmentFrames)
        temporalThreshold = try values.decode(Double.self, forKey: .temporalThreshold)
        semantics = try values.decode(Bool.self, forKey: .publishedQuirks) ? .published : .definition
        let name = try values.decode(String.self, forKey: .aggregation)
        if semantics == .published, name == Self.directChildren {
            aggregation = .mean
        } else {
            aggregation = try values.decode(Aggregation.self, forKey: .aggregation)
        }
        carry = try values.decode(Bool.self, forKey: .carry)
        refinementRounds = try values.decode(Int.self, forKey: .refinementRounds)
        placement = try values.decode(Placement.self, forKey: .placement)
        // Files from before there were any have none.
        targetRows = try values.decodeIfPresent(Int.self, forKey: .targetRows) ?? 0
    }

    public func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: CodingKeys.self)
        let isPublished = semantics == .published
        try values.encode(retentionRatio, forKey: .retentionRatio)
        try values.encode(expansion, forKey: .expansion)
        try values.encode(alpha, forKey: .alpha)
        try values.encode(selection, forKey: .selection)
        try values.encode(segmentation, forKey: .segmentation)
        try values.encode(segmentThreshold, forKey: .segmentThreshold)
        try values.encode(minimumSegments, forKey: .minimumSegments)
        try values.encode(complementarySegments, forKey: .complementarySegments)
        try values.encode(maximumSegmentFrames, forKey: .maximumSegmentFrames)
        try values.encode(temporalThreshold, forKey: .temporalThreshold)
        try values.encode(
            isPublished && aggregation == .mean ? Self.directChildren : aggregation.rawValue, forKey: .aggregation)
        try values.encode(!isPublished, forKey: .exactBudget)
        try values.encode(isPublished, forKey: .publishedQuirks)
        try values.encode(carry, forKey: .carry)
        try values.encode(refinementRounds, forKey: .refinementRounds)
        try values.encode(placement, forKey: .placement)
        try values.encode(targetRows, forKey: .targetRows)
    }
}
