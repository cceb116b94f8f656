public import CFlashVID
import FlashVID

// MARK: - Values

extension flashvid_configuration {
    /// The engine's configuration as the caller sees it.
    init(_ configuration: Configuration) {
        self.init()
        struct_size = MemoryLayout<Self>.size
        retention_ratio = configuration.retentionRatio
        expansion = configuration.expansion
        alpha = configuration.alpha
        selection = flashvid_selection(
            truncatingIfNeeded: {
                switch configuration.selection {
                case .attention: FLASHVID_SELECTION_ATTENTION
                case .diversity: FLASHVID_SELECTION_DIVERSITY
                case .attentionDiversity: FLASHVID_SELECTION_ATTENTION_DIVERSITY
                case .attentionDiversityEvent: FLASHVID_SELECTION_ATTENTION_DIVERSITY_EVENT
                }
            }())
        segmentation = configuration.segmentation ? 1 : 0
        segment_threshold = configuration.segmentThreshold
        minimum_segments = Int64(configuration.minimumSegments)
        maximum_segment_frames = Int64(configuration.maximumSegmentFrames)
        temporal_threshold = configuration.temporalThreshold
        complementary_segments = configuration.complementarySegments ? 1 : 0
        aggregation = flashvid_aggregation(
            truncatingIfNeeded: configuration.aggregation == .mean
                ? FLASHVID_AGGREGATION_MEAN : FLASHVID_AGGREGATION_MAX)
        semantics = flashvid_semantics(
            truncatingIfNeeded: configuration.semantics == .definition
                ? FLASHVID_SEMANTICS_DEFINITION : FLASHVID_SEMANTICS_PUBLISHED)
        carry = configuration.carry ? 1 : 0
        refinement_rounds = Int64(configuration.refinementRounds)
        placement = flashvid_placement(
            truncatingIfNeeded: configuration.placement == .centre
                ? FLASHVID_PLACEMENT_CENTRE : FLASHVID_PLACEMENT_MEDOID)
        target_rows = Int64(configuration.targetRows)
    }

    /// The engine's configuration, checked.
    func checked() throws(Failure) -> Configuration {
        func refuse(_ field: String, _ value: some CustomStringConvertible, _ expected: String) -> Failure {
            Failure(.invalidConfiguration(field: field, value: value.description, expected: expected))
        }
        func flag(_ field: String, _ value: Int32) throws(Failure) -> Bool {
            guard value == 0 || value == 1 else { throw refuse(field, value, "0 or 1") }
            return value == 1
        }
        var result = Configuration(retentionRatio: retention_ratio)
        result.expansion = expansion
        result.alpha = alpha
        switch Int(selection) {
        case Int(FLASHVID_SELECTION_ATTENTION): result.selection = .attention
        case Int(FLASHVID_SELECTION_DIVERSITY): result.selection = .diversity
        case Int(FLASHVID_SELECTION_ATTENTION_DIVERSITY): result.selection = .attentionDiversity
        case Int(FLASHVID_SELECTION_ATTENTION_DIVERSITY_EVENT): result.selection = .attentionDiversityEvent
        default: throw refuse("selection", selection, "one of FLASHVID_SELECTION_…")
        }
        result.segmentation = try flag("segmentation", segmentation)
        result.segmentThreshold = segment_threshold
        result.minimumSegments = Int(minimum_segments)
        result.maximumSegmentFrames = Int(maximum_segment_frames)
        result.temporalThreshold = temporal_threshold
        result.complementarySegments = try flag("complementary segments", complementary_segments)
        switch Int(aggregation) {
        case Int(FLASHVID_AGGREGATION_MEAN): result.aggregation = .mean
        case Int(FLASHVID_AGGREGATION_MAX): result.aggregation = .max
        default: throw refuse("aggregation", aggregation, "one of FLASHVID_AGGREGATION_…")
        }
        switch Int(semantics) {
        case Int(FLASHVID_SEMANTICS_DEFINITION): result.semantics = .definition
        case Int(FLASHVID_SEMANTICS_PUBLISHED): result.semantics = .published
        default: throw refuse("semantics", semantics, "one of FLASHVID_SEMANTICS_…")
        }
        result.carry = try flag("carry", carry)
        result.targetRows = Int(target_rows)
        result.refinementRounds = Int(refinement_rounds)
        switch Int(placement) {
        case Int(FLASHVID_PLACEMENT_CENTRE): result.placement = .centre
        case Int(FLASHVID_PLACEMENT_MEDOID): result.placement = .medoid
        default: throw refuse("placement", placement, "one of FLASHVID_PLACEMENT_…")
        }
        guard reserved == 0 else {
            throw Failure(FLASHVID_UNSUPPORTED, "the reserved field of a flashvid_configuration is \(reserved)")
        }
        try translating { () throws(FlashVIDError) in try result.validate() }
        return result
    }
}

extension Configuration {
    init(
        reading pointer: UnsafePointer<flashvid_configuration>?, noting lent: inout LentPieces
    ) throws(Failure) {
        self = try flashvid_configuration(reading: pointer, noting: &lent).checked()
    }
}

extension Configuration.Model {
    init(_ model: flashvid_model) throws(Failure) {
        switch Int(model) {
        case Int(FLASHVID_LLAVA_ONEVISION): self = .llavaOneVision
        case Int(FLASHVID_LLAVA_VIDEO): self = .llavaVideo
        case Int(FLASHVID_QWEN25_VL): self = .qwen25VL
        case Int(FLASHVID_QWEN3_VL): self = .qwen3VL
        default: throw Failure(FLASHVID_INVALID_ARGUMENT, "no such model: \(model)")
        }
    }
}

// MARK: - Functions

func write(
    _ configuration: Configuration, to pointer: UnsafeMutablePointer<flashvid_configuration>?, size: Int
) -> flashvid_status {
    report(nil, 0) { _ throws(Failure) in
        guard let pointer else { throw .null("configuration") }
        try flashvid_configuration.check(alignment: pointer)
        try flashvid_configuration.check(size: size)
        flashvid_configuration(configuration).write(to: pointer, size: size)
    }
}

@c @implementation
public func flashvid_configuration_init(
    _ configuration: UnsafeMutablePointer<flashvid_configuration>!, _ struct_size: Int
) -> flashvid_status {
    write(Configuration(), to: configuration, size: struct_size)
}

@c @implementation
public func flashvid_configuration_preset(
    _ configuration: UnsafeMutablePointer<flashvid_configuration>!, _ struct_size: Int, _ model: flashvid_model,
    _ retention_ratio: Double
) -> flashvid_status {
    guard let model = try? Configuration.Model(model) else { return flashvid_status(FLASHVID_INVALID_ARGUMENT) }
    return write(.preset(model, retentionRatio: retention_ratio), to: configuration, size: struct_size)
}

@c @implementation
public func flashvid_configuration_refine(
    _ configuration: UnsafeMutablePointer<flashvid_configuration>!
) -> flashvid_status {
    report(nil, 0) { lent throws(Failure) in
        var value = try flashvid_configuration(reading: configuration, for: .writing, noting: &lent)
        let size = value.struct_size
        guard size >= MemoryLayout<flashvid_configuration>.offset(of: \.reserved)! + 4 else {
            throw Failure(FLASHVID_UNSUPPORTED, "this flashvid_configuration is too old to be refined")
        }
        let refined = flashvid_configuration(.refined)
        value.alpha = refined.alpha
        value.minimum_segments = refined.minimum_segments
        value.carry = refined.carry
        value.refinement_rounds = refined.refinement_rounds
        value.placement = refined.placement
        value.write(to: configuration, size: size)
    }
}

@c @implementation
public func flashvid_configuration_validate(
    _ configuration: UnsafePointer<flashvid_configuration>!, _ message: UnsafeMutablePointer<CChar>!,
    _ message_capacity: Int
) -> flashvid_status {
    report(message, message_capacity) { lent throws(Failure) in
        _ = try Configuration(reading: configuration, noting: &lent)
    }
}

@c @implementation
public func flashvid_output_token_count(
    _ configuration: UnsafePointer<flashvid_configuration>!, _ frames: Int64, _ tokens_per_frame: Int64,
    _ count: UnsafeMutablePointer<Int64>!, _ message: UnsafeMutablePointer<CChar>!, _ message_capacity: Int
) -> flashvid_status {
    report(message, message_capacity) { lent throws(Failure) in
        let configuration = try Configuration(reading: configuration, noting: &lent)
        let count = try result(count, "count", noting: &lent)
        count.pointee = try translating { () throws(FlashVIDError) in
            Int64(try configuration.outputTokenCount(frames: Int(frames), tokensPerFrame: Int(tokens_per_frame)))
        }
    }
}
