public import FlashVID

/// One line of a plan: a video at a retention ratio, or with an exact number of rows.
public struct PlanRow: Sendable, Hashable {
    /// Nil for the video without compression, and with target rows.
    public var retentionRatio: Double?
    /// Nil but for a row by `Configuration.targetRows`.
    public var targetRows: Int?
    /// Tokens of a frame that enter the language model; with target rows the whole part of what a frame has on average.
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
    /// Frames that fit in the model's context; target rows grow in proportion.
    public var framesInContext: Int
    /// Frames whose prompt takes no more work than that of this video does without compression; target rows grow in
    /// proportion.
    public var framesAtSameWork: Int
}

extension HostModel {
    /// The rows of a plan: the video without compression, then at each retention ratio, with the authors' expansion and
    /// pruning inside the model, and then with each number of target rows.
    ///
    /// - Parameters:
    ///   - frames: nil for the model's usual.
    ///   - retentionRatios: each in (0, 1].
    ///   - targetRows: each in 1...F·N.
    ///   - textTokens: positions of the prompt that are not the video's.
    ///   - pruning: nil for the model's ``InnerPruning/init(_:)``. Expansion is what makes the average what the ratio
    ///     names.
    ///
    /// Throws `FlashVIDError.impossiblePlan(_:)` where a frame does not fit in the context, or what
    /// ``LanguageModel/prefillWork(visualTokens:textTokens:pruning:)`` and ``ContextBudget/frames(_:)`` do.
    public func plan(
        frames: Int? = nil, retentionRatios: [Double] = [0.25, 0.2, 0.15, 0.1], targetRows: [Int] = [],
        textTokens: Int = 64, pruning: InnerPruning? = nil
    ) throws(FlashVIDError) -> [PlanRow] {
        var rows: [PlanRow] = []
        for ratio in [nil] + retentionRatios.map(Optional.some) {
            rows.append(
                try planRow(frames: frames, retentionRatio: ratio, textTokens: textTokens, pruning: pruning))
        }
        for count in targetRows {
            rows.append(try planRow(frames: frames, targetRows: count, textTokens: textTokens, pruning: pruning))
        }
        return rows
    }

    /// One row of ``plan(frames:retentionRatios:targetRows:textTokens:pruning:)``; a ratio of nil is the video without
    /// compression.
    public func planRow(
        frames: Int? = nil, retentionRatio: Double?, textTokens: Int = 64, pruning: InnerPruning? = nil
    ) throws(FlashVIDError) -> PlanRow {
        let pruning = pruning ?? InnerPruning(model)
        var row = try planRow(
            frames ?? self.frames, try kept(retentionRatio: retentionRatio, pruning: pruning), textTokens, pruning)
        row.retentionRatio = retentionRatio
        return row
    }

    /// The same for an exact number of rows, in 1...F·N, which pruning inside the model makes fewer as it does the others.
    public func planRow(
        frames: Int? = nil, targetRows: Int, textTokens: Int = 64, pruning: InnerPruning? = nil
    ) throws(FlashVIDError) -> PlanRow {
        let frames = frames ?? self.frames
        var row = try planRow(
            frames, try kept(targetRows: targetRows, frames: frames), textTokens, pruning ?? InnerPruning(model))
        row.targetRows = targetRows
        return row
    }

    private func planRow(
        _ frames: Int, _ kept: Kept, _ textTokens: Int, _ pruning: InnerPruning
    ) throws(FlashVIDError) -> PlanRow {
        let full = try work(frames: frames, .all, textTokens, pruning)
        let visual = try visualTokens(frames: frames, kept)
        let prefill = try work(frames: frames, kept, textTokens, pruning)
        let others = try total(try total(textTokens, overheadPerVideo), try product(frames, overheadPerFrame))
        return PlanRow(
            tokensPerFrame: visual / frames, visualTokens: visual,
            averageVisualTokens: kept.isCompressed
                ? Double(visual) * (try pruning.average(layers: language.layers)) : Double(visual),
            promptLength: try total(visual, others), prefillWork: prefill, workShare: prefill / full,
            framesInContext: try framesInContext(kept, textTokens),
            framesAtSameWork: try largest { count throws(FlashVIDError) in
                try work(frames: count, kept, textTokens, pruning) <= full
            } ?? 0)
    }

    private func framesInContext(_ kept: Kept, _ textTokens: Int) throws(FlashVIDError) -> Int {
        let budget = ContextBudget(
            positions: language.contextLength, tokensPerFrame: tokensPerFrame, overheadPerFrame: overheadPerFrame,
            otherPositions: try total(textTokens, overheadPerVideo))
        switch kept {
        case .all: return try budget.frames(nil)
        case .each(let configuration): return try budget.frames(configuration)
        case .inProportion:
            let fitting = try largest { count throws(FlashVIDError) in
                let video = try total(try visualTokens(frames: count, kept), try product(count, overheadPerFrame))
                return try total(video, budget.otherPositions) <= language.contextLength
            }
            guard let fitting else {
                throw .impossiblePlan("not one frame fits in a context of \(language.contextLength)")
            }
            return fitting
        }
    }

    /// The smallest number of frames from which on compressing costs less time than it saves the language model.
    ///
    /// - Parameters:
    ///   - retentionRatio: in (0, 1].
    ///   - secondsPerFrame: what compressing takes, as measured; at least 0.
    ///   - workPerSecond: floating-point operations that the language model's machine does in a second; above 0.
    ///   - textTokens: tokens of the prompt besides the video.
    ///   - pruning: inside the language model; nil for the authors' choice for it.
    /// - Returns: nil where no video of up to a million frames pays.
    ///
    /// Throws `FlashVIDError.invalidConfiguration(field:value:expected:)` and what
    /// ``plan(frames:retentionRatios:targetRows:textTokens:pruning:)`` does.
    public func breakEvenFrames(
        retentionRatio: Double, secondsPerFrame: Double, workPerSecond: Double, textTokens: Int = 64,
        pruning: InnerPruning? = nil
    ) throws(FlashVIDError) -> Int? {
        let pruning = pruning ?? InnerPruning(model)
        return try breakEvenFrames(
            try kept(retentionRatio: retentionRatio, pruning: pruning), secondsPerFrame, workPerSecond, textTokens,
            pruning)
    }

    /// The same with `targetRows` rows for `frames` frames, nil for the model's usual, and rows in proportion for others.
    public func breakEvenFrames(
        targetRows: Int, frames: Int? = nil, secondsPerFrame: Double, workPerSecond: Double, textTokens: Int = 64,
        pruning: InnerPruning? = nil
    ) throws(FlashVIDError) -> Int? {
        try breakEvenFrames(
            try kept(targetRows: targetRows, frames: frames ?? self.frames), secondsPerFrame, workPerSecond, textTokens,
            pruning ?? InnerPruning(model))
    }

    private func breakEvenFrames(
        _ kept: Kept, _ secondsPerFrame: Double, _ workPerSecond: Double, _ textTokens: Int, _ pruning: InnerPruning
    ) throws(FlashVIDError) -> Int? {
        guard secondsPerFrame >= 0, secondsPerFrame.isFinite else {
            throw .invalidConfiguration(
                field: "seconds a frame", value: "\(secondsPerFrame)", expected: "a finite number of at least 0")
        }
        guard workPerSecond > 0, workPerSecond.isFinite else {
            throw .invalidConfiguration(
                field: "work a second", value: "\(workPerSecond)", expected: "a finite number above 0")
        }
        // What a frame saves rises with their number, since attention does, and what it costs does not. Pruning rounds up,
        // which makes what frames of a few tokens save uneven: then this is one of the numbers from which on it pays.
        let loses = try largest(upTo: 1_000_000) { count throws(FlashVIDError) in
            let without = try work(frames: count, .all, textTokens, pruning)
            let with = try work(frames: count, kept, textTokens, pruning)
            return (without - with) / workPerSecond <= secondsPerFrame * Double(count)
        }
        guard let loses else { return 1 }
        return loses < 1_000_000 ? loses + 1 : nil
    }

    /// The authors' configuration at a ratio, expanded by what pruning pays back: what a plan counts with.
    ///
    /// Throws what ``InnerPruning/expansion(forAverage:layers:)`` and `Configuration.validate()` do.
    public func configuration(
        retentionRatio: Double, pruning: InnerPruning? = nil
    ) throws(FlashVIDError) -> Configuration {
        var configuration = Configuration.preset(model, retentionRatio: retentionRatio)
        configuration.expansion = try (pruning ?? InnerPruning(model)).expansion(layers: language.layers)
        try configuration.validate()
        return configuration
    }

    /// The authors' configuration with an exact number of rows: what a plan with target rows counts with.
    public func configuration(targetRows: Int) throws(FlashVIDError) -> Configuration {
        var configuration = Configuration.preset(model)
        configuration.targetRows = targetRows
        try configuration.validate()
        return configuration
    }

    /// What of a video enters the language model, for any number of frames.
    private enum Kept {
        case all
        /// So many tokens of each frame.
        case each(Configuration)
        /// So many rows for so many frames, and in proportion.
        case inProportion(rows: Int, frames: Int)

        var isCompressed: Bool {
            if case .all = self { false } else { true }
        }
    }

    private func kept(retentionRatio: Double?, pruning: InnerPruning) throws(FlashVIDError) -> Kept {
        guard let retentionRatio else { return .all }
        return .each(try configuration(retentionRatio: retentionRatio, pruning: pruning))
    }

    private func kept(targetRows: Int, frames: Int) throws(FlashVIDError) -> Kept {
        guard targetRows > 0 else {
            throw .invalidConfiguration(field: "target rows", value: "\(targetRows)", expected: "at least 1")
        }
        let configuration = try configuration(targetRows: targetRows)
        _ = try configuration.outputTokenCount(frames: frames, tokensPerFrame: tokensPerFrame)
        return .inProportion(rows: targetRows, frames: frames)
    }

    private func visualTokens(frames: Int, _ kept: Kept) throws(FlashVIDError) -> Int {
        guard tokensPerFrame > 0 else { throw .empty(dimension: "tokens per frame", value: tokensPerFrame) }
        switch kept {
        case .all: return try product(frames, tokensPerFrame)
        case .each(let configuration):
            return try product(
                frames, try configuration.outputTokenCount(frames: 1, tokensPerFrame: tokensPerFrame))
        case .inProportion(let rows, let usual):
            let (quotient, rest) = try product(frames, rows).quotientAndRemainder(dividingBy: usual)
            return quotient + (rest > 0 ? 1 : 0)
        }
    }

    /// Work of reading the prompt; without compression nothing is pruned inside the model either.
    private func work(
        frames: Int, _ kept: Kept, _ textTokens: Int, _ pruning: InnerPruning
    ) throws(FlashVIDError) -> Double {
        guard frames > 0 else { throw .empty(dimension: "frames", value: frames) }
        guard textTokens >= 0, overheadPerFrame >= 0, overheadPerVideo >= 0 else {
            throw .outOfRange(
                of: "number of other positions", at: nil, value: min(textTokens, overheadPerFrame, overheadPerVideo),
                range: 0..<Int.max)
        }
        let others = try total(try total(textTokens, overheadPerVideo), try product(frames, overheadPerFrame))
        return try language.prefillWork(
            visualTokens: try visualTokens(frames: frames, kept), textTokens: others,
            pruning: kept.isCompressed ? pruning : nil)
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
