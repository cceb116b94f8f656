/// A video language model as a host runs it: its language model, its usual video, and what a budget makes of both.
public struct HostModel: Sendable, Hashable {
    /// As `flashvid-bench --plan` takes it.
    public var name: String
    /// Which of the authors' configurations it takes.
    public var model: Configuration.Model
    public var language: LanguageModel
    /// Frames of its usual video; for Qwen, pairs of frames.
    public var frames: Int
    /// N after the encoder's pooling or merging.
    public var tokensPerFrame: Int
    /// Positions beside its tokens that each frame takes.
    public var overheadPerFrame: Int
    /// Positions beside the frames that the video takes.
    public var overheadPerVideo: Int

    public init(
        name: String, model: Configuration.Model, language: LanguageModel, frames: Int, tokensPerFrame: Int,
        overheadPerFrame: Int = 0, overheadPerVideo: Int = 0
    ) {
        self.name = name
        self.model = model
        self.language = language
        self.frames = frames
        self.tokensPerFrame = tokensPerFrame
        self.overheadPerFrame = overheadPerFrame
        self.overheadPerVideo = overheadPerVideo
    }

    // Dimensions as in the models' published config.json (`hidden_size`, `intermediate_size`, `num_hidden_layers`,
    // `num_attention_heads`, `num_key_value_heads`, `max_position_embeddings`); frames and tokens as in spec 11.

    /// 32 frames of 14 x 14 tokens, one newline; Qwen2-7B.
    public static let llavaOneVision7B = HostModel(
        name: "llava-onevision-7b", model: .llavaOneVision, language: qwen2With(contextLength: 32_768), frames: 32,
        tokensPerFrame: 196, overheadPerVideo: 1)

    /// 64 frames of 13 x 13 tokens, a newline each; Qwen2-7B. That is the compressed video's layout. The model's own
    /// (`mm_newline_position` "grid") ends each row of the grid with one, 182 positions a frame instead of the 170 counted
    /// here, so that the saving is a little more than a plan says.
    public static let llavaVideo7B = HostModel(
        name: "llava-video-7b", model: .llavaVideo, language: qwen2With(contextLength: 32_768), frames: 64,
        tokensPerFrame: 169, overheadPerFrame: 1)

    /// 32 frames in pairs of 23 x 17 tokens between two marks; Qwen2.5-7B.
    public static let qwen25VL7B = HostModel(
        name: "qwen2.5-vl-7b", model: .qwen25VL, language: qwen2With(contextLength: 128_000), frames: 16,
        tokensPerFrame: 391, overheadPerVideo: 2)

    /// 32 frames in pairs of 32 x 32 tokens; Qwen3-8B. Beside its tokens a pair takes 9 positions: the model's processor
    /// writes `<12.5 seconds>`, 7 tokens since each digit is one, and a mark before and behind the tokens. Before 10 s it
    /// is one position less, from 100 s on one more.
    public static let qwen3VL8B = HostModel(
        name: "qwen3-vl-8b", model: .qwen3VL,
        language: LanguageModel(
            layers: 36, width: 4096, feedForwardWidth: 12_288, heads: 32, keyValueHeads: 8, headWidth: 128,
            contextLength: 262_144),
        frames: 16, tokensPerFrame: 1024, overheadPerFrame: 9)

    /// The models that have a preset.
    public static let all = [llavaOneVision7B, llavaVideo7B, qwen25VL7B, qwen3VL8B]

    /// Qwen2 and Qwen2.5 of 7B, on which three of them are built.
    private static func qwen2With(contextLength: Int) -> LanguageModel {
        LanguageModel(
            layers: 28, width: 3584, feedForwardWidth: 18_944, heads: 28, keyValueHeads: 4, headWidth: 128,
            contextLength: contextLength)
    }
}

// MARK: - The plan

/// One line of a plan: a video at a retention ratio.
public struct PlanRow: Sendable, Hashable {
    /// Nil for the video without compression.
    public var retentionRatio: Double?
    /// Tokens of a frame that enter the language model.
    public var tokensPerFrame: Int
    /// Tokens of the video that enter it.
    public var visualTokens: Int
    /// Tokens of the video that a layer sees on average, after pruning inside the model.
    public var averageVisualTokens: Double
    /// Positions of the prompt: visual tokens, newlines or timestamps, text.
    public var promptLength: Int
    /// Floating-point operations of reading the prompt.
    public var prefillWork: Double
    /// The same over those without compression.
    public var workShare: Double
    /// Frames that fit in the model's context.
    public var framesInContext: Int
    /// Frames whose prompt takes no more work than that of this video does without compression.
    public var framesAtSameWork: Int
}

extension HostModel {
    /// The rows of a plan: the video without compression, and then at each retention ratio, with the authors' expansion
    /// and pruning inside the model.
    ///
    /// - Parameters:
    ///   - frames: nil for the model's usual.
    ///   - retentionRatios: each in (0, 1].
    ///   - textTokens: positions of the prompt that are not the video's.
    ///   - pruning: nil for the model's ``InnerPruning/init(_:)``. Expansion is what makes the average what the ratio
    ///     names.
    ///
    /// Throws ``FlashVIDError/impossiblePlan(_:)`` where a frame does not fit in the context, or what
    /// ``LanguageModel/prefillWork(visualTokens:textTokens:pruning:)`` and ``ContextBudget/frames(_:)`` do.
    public func plan(
        frames: Int? = nil, retentionRatios: [Double] = [0.25, 0.2, 0.15, 0.1], textTokens: Int = 64,
        pruning: InnerPruning? = nil
    ) throws(FlashVIDError) -> [PlanRow] {
        var rows: [PlanRow] = []
        for ratio in [nil] + retentionRatios.map(Optional.some) {
            rows.append(
                try planRow(frames: frames, retentionRatio: ratio, textTokens: textTokens, pruning: pruning))
        }
        return rows
    }

    /// One row of ``plan(frames:retentionRatios:textTokens:pruning:)``; a ratio of nil is the video without compression.
    public func planRow(
        frames: Int? = nil, retentionRatio: Double?, textTokens: Int = 64, pruning: InnerPruning? = nil
    ) throws(FlashVIDError) -> PlanRow {
        let frames = frames ?? self.frames
        let pruning = pruning ?? InnerPruning(model)
        let full = try work(frames: frames, nil, textTokens, pruning)
        var configuration: Configuration?
        if let retentionRatio {
            configuration = try self.configuration(retentionRatio: retentionRatio, pruning: pruning)
        }
        let budget = ContextBudget(
            positions: language.contextLength, tokensPerFrame: tokensPerFrame, overheadPerFrame: overheadPerFrame,
            otherPositions: try total(textTokens, overheadPerVideo))
        let kept = try keptTokens(configuration)
        let visual = try product(frames, kept)
        let prefill = try work(frames: frames, configuration, textTokens, pruning)
        let others = try total(try total(textTokens, overheadPerVideo), try product(frames, overheadPerFrame))
        let average =
            configuration == nil ? Double(visual) : Double(visual) * (try pruning.average(layers: language.layers))
        return PlanRow(
            retentionRatio: retentionRatio, tokensPerFrame: kept, visualTokens: visual, averageVisualTokens: average,
            promptLength: try total(visual, others), prefillWork: prefill, workShare: prefill / full,
            framesInContext: try budget.frames(configuration),
            framesAtSameWork: try largest { count throws(FlashVIDError) in
                try work(frames: count, configuration, textTokens, pruning) <= full
            } ?? 0)
    }

    /// The smallest number of frames from which on compressing costs less time than it saves the language model.
    ///
    /// - Parameters:
    ///   - retentionRatio: in (0, 1].
    ///   - secondsPerFrame: what compressing takes, as measured; at least 0.
    ///   - workPerSecond: floating-point operations that the language model's machine does in a second; above 0.
    /// - Returns: nil where no video of up to a million frames pays.
    ///
    /// Throws ``FlashVIDError/invalidConfiguration(field:value:expected:)`` and what
    /// ``plan(frames:retentionRatios:textTokens:pruning:)`` does.
    public func breakEvenFrames(
        retentionRatio: Double, secondsPerFrame: Double, workPerSecond: Double, textTokens: Int = 64,
        pruning: InnerPruning? = nil
    ) throws(FlashVIDError) -> Int? {
        guard secondsPerFrame >= 0, secondsPerFrame.isFinite else {
            throw .invalidConfiguration(
                field: "seconds a frame", value: "\(secondsPerFrame)", expected: "a finite number of at least 0")
        }
        guard workPerSecond > 0, workPerSecond.isFinite else {
            throw .invalidConfiguration(
                field: "work a second", value: "\(workPerSecond)", expected: "a finite number above 0")
        }
        let pruning = pruning ?? InnerPruning(model)
        let configuration = try configuration(retentionRatio: retentionRatio, pruning: pruning)
        // What a frame saves rises with their number, since attention does, and what it costs does not. Pruning rounds up,
        // which makes what frames of a few tokens save uneven: then this is one of the numbers from which on it pays.
        let loses = try largest(upTo: 1_000_000) { count throws(FlashVIDError) in
            let without = try work(frames: count, nil, textTokens, pruning)
            let with = try work(frames: count, configuration, textTokens, pruning)
            return (without - with) / workPerSecond <= secondsPerFrame * Double(count)
        }
        guard let loses else { return 1 }
        return loses < 1_000_000 ? loses + 1 : nil
    }

    /// The authors' configuration at a ratio, expanded by what pruning pays back: what a plan counts with.
    ///
    /// Throws what ``InnerPruning/expansion(forAverage:layers:)`` and ``Configuration/validate()`` do.
    public func configuration(
        retentionRatio: Double, pruning: InnerPruning? = nil
    ) throws(FlashVIDError) -> Configuration {
        var configuration = Configuration.preset(model, retentionRatio: retentionRatio)
        configuration.expansion = try (pruning ?? InnerPruning(model)).expansion(layers: language.layers)
        try configuration.validate()
        return configuration
    }

    private func keptTokens(_ configuration: Configuration?) throws(FlashVIDError) -> Int {
        guard tokensPerFrame > 0 else { throw .empty(dimension: "tokens per frame", value: tokensPerFrame) }
        return try configuration?.outputTokenCount(frames: 1, tokensPerFrame: tokensPerFrame) ?? tokensPerFrame
    }

    /// Work of reading the prompt; without compression nothing is pruned inside the model either.
    private func work(
        frames: Int, _ configuration: Configuration?, _ textTokens: Int, _ pruning: InnerPruning
    ) throws(FlashVIDError) -> Double {
        guard frames > 0 else { throw .empty(dimension: "frames", value: frames) }
        guard textTokens >= 0, overheadPerFrame >= 0, overheadPerVideo >= 0 else {
            throw .outOfRange(
                of: "number of other positions", at: nil, value: min(textTokens, overheadPerFrame, overheadPerVideo),
                range: 0..<Int.max)
        }
        let others = try total(try total(textTokens, overheadPerVideo), try product(frames, overheadPerFrame))
        return try language.prefillWork(
            visualTokens: try product(frames, try keptTokens(configuration)), textTokens: others,
            pruning: configuration == nil ? nil : pruning)
    }

    /// The largest number from 1 on of which something holds that holds up to some number and not beyond; nil if not of 1.
    private func largest(
        upTo limit: Int = 1 << 40, where holds: (Int) throws(FlashVIDError) -> Bool
    ) throws(FlashVIDError) -> Int? {
        guard try holds(1) else { return nil }
        var low = 1
        var high = 2
        while high < limit, try holds(high) { (low, high) = (high, high * 2) }
        high = min(high, limit + 1)
        while high - low > 1 {
            let middle = low + (high - low) / 2
            if try holds(middle) { low = middle } else { high = middle }
        }
        return low
    }

    private func product(_ a: Int, _ b: Int) throws(FlashVIDError) -> Int {
        let (value, overflow) = a.multipliedReportingOverflow(by: b)
        guard !overflow else { throw .sizeOverflow("a video of \(a) x \(b) positions") }
        return value
    }

    private func total(_ a: Int, _ b: Int) throws(FlashVIDError) -> Int {
        let (value, overflow) = a.addingReportingOverflow(b)
        guard !overflow else { throw .sizeOverflow("a prompt of \(a) and \(b) positions") }
        return value
    }
}
