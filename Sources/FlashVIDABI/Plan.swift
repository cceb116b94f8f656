public import CFlashVID
import FlashVID
import FlashVIDHost

extension flashvid_context_budget: Versioned {
    static let name: StaticString = "flashvid_context_budget"
    /// Through `other_positions`.
    static let leastSize = 40
    static var defaults: Self { Self() }
}

extension flashvid_host_model: Versioned {
    static let name: StaticString = "flashvid_host_model"
    /// Through `overhead_per_video`.
    static let leastSize = 120
    static var defaults: Self { Self() }
}

extension flashvid_plan_row: Versioned {
    static let name: StaticString = "flashvid_plan_row"
    /// Through `tokens_per_frame`.
    static let leastSize = 16
    static var defaults: Self { Self() }
}

extension flashvid_host_model {
    fileprivate init(_ host: HostModel, _ model: flashvid_model) {
        self.init()
        let (language, pruning) = (host.language, InnerPruning(host.model))
        self.model = model
        layers = Int64(language.layers)
        width = Int64(language.width)
        feed_forward_width = Int64(language.feedForwardWidth)
        heads = Int64(language.heads)
        key_value_heads = Int64(language.keyValueHeads)
        head_width = Int64(language.headWidth)
        context_length = Int64(language.contextLength)
        pruning_layer = Int64(pruning.layer)
        kept_ratio = pruning.keptRatio
        frames = Int64(host.frames)
        tokens_per_frame = Int64(host.tokensPerFrame)
        overhead_per_frame = Int64(host.overheadPerFrame)
        overhead_per_video = Int64(host.overheadPerVideo)
    }
}

/// The caller's host model, and its pruning.
private func readHost(
    _ pointer: UnsafePointer<flashvid_host_model>?, noting lent: inout LentPieces
) throws(Failure) -> (host: HostModel, pruning: InnerPruning) {
    let given = try flashvid_host_model(reading: pointer, noting: &lent)
    guard given.reserved == 0 else {
        throw Failure(FLASHVID_UNSUPPORTED, "the reserved field of a flashvid_host_model is \(given.reserved)")
    }
    let language = LanguageModel(
        layers: Int(given.layers), width: Int(given.width), feedForwardWidth: Int(given.feed_forward_width),
        heads: Int(given.heads), keyValueHeads: Int(given.key_value_heads), headWidth: Int(given.head_width),
        contextLength: Int(given.context_length))
    let host = HostModel(
        name: "", model: try Configuration.Model(given.model), language: language, frames: Int(given.frames),
        tokensPerFrame: Int(given.tokens_per_frame), overheadPerFrame: Int(given.overhead_per_frame),
        overheadPerVideo: Int(given.overhead_per_video))
    return (host, InnerPruning(layer: Int(given.pruning_layer), keptRatio: given.kept_ratio))
}

@c @implementation
public func flashvid_plan_expansion(
    _ layers: Int64, _ pruning_layer: Int64, _ kept_ratio: Double, _ average: Double,
    _ expansion: UnsafeMutablePointer<Double>!, _ message: UnsafeMutablePointer<CChar>!, _ message_capacity: Int
) -> flashvid_status {
    give(expansion, "expansion", message, message_capacity) { lent throws(Failure) in
        try translating { () throws(FlashVIDError) in
            try InnerPruning(layer: Int(pruning_layer), keptRatio: kept_ratio)
                .expansion(forAverage: average, layers: Int(layers))
        }
    }
}

@c @implementation
public func flashvid_plan_average(
    _ layers: Int64, _ pruning_layer: Int64, _ kept_ratio: Double, _ expansion: Double,
    _ average: UnsafeMutablePointer<Double>!, _ message: UnsafeMutablePointer<CChar>!, _ message_capacity: Int
) -> flashvid_status {
    give(average, "average", message, message_capacity) { lent throws(Failure) in
        try translating { () throws(FlashVIDError) in
            try InnerPruning(layer: Int(pruning_layer), keptRatio: kept_ratio)
                .average(expansion: expansion, layers: Int(layers))
        }
    }
}

extension ContextBudget {
    fileprivate init(
        reading pointer: UnsafePointer<flashvid_context_budget>?, noting lent: inout LentPieces
    ) throws(Failure) {
        let context = try flashvid_context_budget(reading: pointer, noting: &lent)
        self.init(
            positions: Int(context.positions), tokensPerFrame: Int(context.tokens_per_frame),
            overheadPerFrame: Int(context.overhead_per_frame), otherPositions: Int(context.other_positions))
    }
}

@c @implementation
public func flashvid_plan_frames(
    _ budget: UnsafePointer<flashvid_context_budget>!, _ configuration: UnsafePointer<flashvid_configuration>!,
    _ frames: UnsafeMutablePointer<Int64>!, _ message: UnsafeMutablePointer<CChar>!, _ message_capacity: Int
) -> flashvid_status {
    give(frames, "frames", message, message_capacity) { lent throws(Failure) in
        let budget = try ContextBudget(reading: budget, noting: &lent)
        let configuration = configuration == nil ? nil : try Configuration(reading: configuration, noting: &lent)
        return try translating { () throws(FlashVIDError) in Int64(try budget.frames(configuration)) }
    }
}

@c @implementation
public func flashvid_plan_retention(
    _ budget: UnsafePointer<flashvid_context_budget>!, _ configuration: UnsafePointer<flashvid_configuration>!,
    _ frames: Int64, _ retention_ratio: UnsafeMutablePointer<Double>!, _ message: UnsafeMutablePointer<CChar>!,
    _ message_capacity: Int
) -> flashvid_status {
    give(retention_ratio, "retention_ratio", message, message_capacity) { lent throws(Failure) in
        let budget = try ContextBudget(reading: budget, noting: &lent)
        let configuration = try Configuration(reading: configuration, noting: &lent)
        return try translating { () throws(FlashVIDError) in
            try budget.retentionRatio(forFrames: Int(frames), configuration)
        }
    }
}

@c @implementation
public func flashvid_host_model_preset(
    _ host: UnsafeMutablePointer<flashvid_host_model>!, _ struct_size: Int, _ model: flashvid_model
) -> flashvid_status {
    report(nil, 0) { _ throws(Failure) in
        guard let host else { throw .null("host") }
        try flashvid_host_model.check(alignment: host)
        try flashvid_host_model.check(size: struct_size)
        let wanted = try Configuration.Model(model)
        guard let preset = HostModel.all.first(where: { $0.model == wanted }) else {
            throw Failure(FLASHVID_INVALID_ARGUMENT, "no host of \(wanted.rawValue)")
        }
        flashvid_host_model(preset, model).write(to: host, size: struct_size)
    }
}

@c @implementation
public func flashvid_plan_prefill(
    _ host: UnsafePointer<flashvid_host_model>!, _ visual_tokens: Int64, _ text_tokens: Int64,
    _ work: UnsafeMutablePointer<Double>!, _ message: UnsafeMutablePointer<CChar>!, _ message_capacity: Int
) -> flashvid_status {
    give(work, "work", message, message_capacity) { lent throws(Failure) in
        let (host, pruning) = try readHost(host, noting: &lent)
        return try translating { () throws(FlashVIDError) in
            try host.language.prefillWork(
                visualTokens: Int(visual_tokens), textTokens: Int(text_tokens), pruning: pruning)
        }
    }
}

@c @implementation
public func flashvid_plan_video(
    _ host: UnsafePointer<flashvid_host_model>!, _ retention_ratio: Double, _ text_tokens: Int64,
    _ row: UnsafeMutablePointer<flashvid_plan_row>!, _ message: UnsafeMutablePointer<CChar>!, _ message_capacity: Int
) -> flashvid_status {
    report(message, message_capacity) { lent throws(Failure) in
        let (host, pruning) = try readHost(host, noting: &lent)
        let size = try flashvid_plan_row.size(of: row)
        try lent.note { () throws(FlashVIDError) in
            try Extent(flashvid_plan_row.name, row, bytes: size, alignment: 1)
        }
        let plan = try translating { () throws(FlashVIDError) in
            try host.planRow(
                retentionRatio: retention_ratio == 0 ? nil : retention_ratio, textTokens: Int(text_tokens),
                pruning: pruning)
        }
        var value = flashvid_plan_row()
        value.tokens_per_frame = Int64(plan.tokensPerFrame)
        value.visual_tokens = Int64(plan.visualTokens)
        value.average_visual_tokens = plan.averageVisualTokens
        value.prompt_length = Int64(plan.promptLength)
        value.prefill_work = plan.prefillWork
        value.work_share = plan.workShare
        value.frames_in_context = Int64(plan.framesInContext)
        value.frames_at_same_work = Int64(plan.framesAtSameWork)
        value.write(to: row!, size: size)
    }
}

@c @implementation
public func flashvid_plan_break_even(
    _ host: UnsafePointer<flashvid_host_model>!, _ retention_ratio: Double, _ seconds_per_frame: Double,
    _ work_per_second: Double, _ text_tokens: Int64, _ frames: UnsafeMutablePointer<Int64>!,
    _ message: UnsafeMutablePointer<CChar>!, _ message_capacity: Int
) -> flashvid_status {
    give(frames, "frames", message, message_capacity) { lent throws(Failure) in
        let (host, pruning) = try readHost(host, noting: &lent)
        let found = try translating { () throws(FlashVIDError) in
            try host.breakEvenFrames(
                retentionRatio: retention_ratio, secondsPerFrame: seconds_per_frame, workPerSecond: work_per_second,
                textTokens: Int(text_tokens), pruning: pruning)
        }
        guard let found else { throw Failure(FLASHVID_IMPOSSIBLE, "no video of up to a million frames pays") }
        return Int64(found)
    }
}
