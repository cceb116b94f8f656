import FlashVID
import FlashVIDHost
import ToolSupport

/// A video at a retention, and what an LLM at some rate makes of it.
struct PlanLine: Fields, Equatable {
    var model: String
    var layers: Int
    var width: Int
    var feedForwardWidth: Int
    var heads: Int
    var keyValueHeads: Int
    var headWidth: Int
    var contextLength: Int
    var pruningLayer: Int
    var keptRatio: Double
    var expansion: Double
    var textTokens: Int
    var overheadPerFrame: Int
    var overheadPerVideo: Int
    var frames: Int
    /// N before compression.
    var tokensPerFrame: Int
    var dtype: String
    var threads: Int
    /// Absent without compression, and with target rows.
    var retention: Double?
    /// Absent but for an exact number of rows.
    var targetRows: Int?
    /// Tokens of the video that enter the LLM.
    var visualTokens: Int
    /// Those that a layer sees on average.
    var averageVisualTokens: Double
    var promptLength: Int
    var prefillTflop: Double
    /// Of the work without compression.
    var workShare: Double
    var framesInContext: Int
    var framesAtSameWork: Int
    /// Measured runs, and their times; 0 and absent without compression.
    var runs: Int
    var compressMs: Double?
    var compressMinMs: Double?
    var compressMaxMs: Double?
    /// Rate of an LLM's machine up to which compressing takes less time than it saves of this video's prefill.
    var paysUpToTflopPerS: Double?
    /// What follows is about an LLM at this rate.
    var llmTflopPerS: Double
    /// Whether the rate is this machine's measured peak.
    var llmIsThisMachine: Bool
    var prefillS: Double
    /// Compressing and prefill.
    var totalS: Double
    /// The prefill without compression over that.
    var speedup: Double
    /// Frames from which on compressing takes less time than it saves; absent without compression, and where none of up
    /// to a million do.
    var paysFromFrames: Int?
}

extension PlanLine {
    /// Without an LLM's rate; `times` are the seconds of compressing, nil without compression.
    init(_ row: PlanRow, of plan: Plan, dtype: String, threads: Int, times: [Double]?) {
        let (model, language) = (plan.model, plan.model.language)
        self.init(
            model: model.name, layers: language.layers, width: language.width,
            feedForwardWidth: language.feedForwardWidth, heads: language.heads,
            keyValueHeads: language.keyValueHeads, headWidth: language.headWidth,
            contextLength: language.contextLength, pruningLayer: plan.pruning.layer,
            keptRatio: plan.pruning.keptRatio, expansion: plan.expansion, textTokens: plan.textTokens,
            overheadPerFrame: model.overheadPerFrame, overheadPerVideo: model.overheadPerVideo, frames: plan.frames,
            tokensPerFrame: model.tokensPerFrame, dtype: dtype, threads: threads, retention: row.retentionRatio,
            targetRows: row.targetRows, visualTokens: row.visualTokens,
            averageVisualTokens: row.averageVisualTokens.rounded(places: 1),
            promptLength: row.promptLength, prefillTflop: row.prefillWork * 1e-12,
            workShare: row.workShare.rounded(places: 4), framesInContext: row.framesInContext,
            framesAtSameWork: row.framesAtSameWork, runs: times?.count ?? 0, compressMs: times?.median.milliseconds,
            compressMinMs: times?.min()?.milliseconds, compressMaxMs: times?.max()?.milliseconds,
            paysUpToTflopPerS: times.map {
                ((plan.rows[0].prefillWork - row.prefillWork) / $0.median * 1e-12).rounded(places: 2)
            },
            llmTflopPerS: .nan, llmIsThisMachine: false, prefillS: .nan, totalS: .nan, speedup: .nan,
            paysFromFrames: nil)
    }

    /// The line for an LLM at a rate.
    func with(_ rate: LLMRate, of plan: Plan) throws(FlashVIDError) -> PlanLine {
        var line = self
        let compressing = (compressMs ?? 0) * 1e-3
        let prefill = prefillTflop / rate.tflopPerSecond
        line.llmTflopPerS = rate.tflopPerSecond
        line.llmIsThisMachine = rate.isMeasured
        line.prefillS = prefill
        line.totalS = compressing + prefill
        line.speedup = plan.rows[0].prefillWork * 1e-12 / rate.tflopPerSecond / line.totalS
        let (perFrame, rate) = (compressing / Double(frames), rate.tflopPerSecond * 1e12)
        if let retention {
            line.paysFromFrames = try plan.model.breakEvenFrames(
                retentionRatio: retention, secondsPerFrame: perFrame, workPerSecond: rate, textTokens: textTokens)
        } else if let targetRows {
            line.paysFromFrames = try plan.model.breakEvenFrames(
                targetRows: targetRows, frames: frames, secondsPerFrame: perFrame, workPerSecond: rate,
                textTokens: textTokens)
        }
        return line
    }
}

// MARK: - Tables

extension Table<PlanLine> {
    private static var retention: Column {
        Column(title: "retention", width: 10) { line in
            line.retention.map { "\($0)" } ?? line.targetRows.map { "\($0) rows" } ?? "none"
        }
    }

    /// What does not depend on the LLM's machine.
    static var plan: Self {
        Table(columns: [
            retention,
            Column(title: "tokens", width: 6) { "\($0.visualTokens)" },
            Column(title: "a layer", width: 7) { Format.number($0.averageVisualTokens) },
            Column(title: "prompt", width: 6) { "\($0.promptLength)" },
            Column(title: "TFLOP", width: 6) { Format.number($0.prefillTflop) },
            Column(title: "share", width: 7) { Format.percent($0.workShare) },
            Column(title: "frames in context", width: 17) { "\($0.framesInContext)" },
            Column(title: "at the same work", width: 16) { "\($0.framesAtSameWork)" },
            Column(title: "compress ms", width: 11) { $0.compressMs.map(Format.number) ?? "" },
            Column(title: "min..max", width: 12) { line in
                guard let least = line.compressMinMs, let most = line.compressMaxMs else { return "" }
                return "\(Format.number(least))..\(Format.number(most))"
            },
            Column(title: "pays to TFLOP/s", width: 15) { $0.paysUpToTflopPerS.map(Format.number) ?? "" },
        ])
    }

    /// What an LLM at a rate makes of it.
    static var reading: Self {
        Table(columns: [
            retention,
            Column(title: "prefill", width: 8) { Format.time($0.prefillS) },
            Column(title: "with compressing", width: 16) { Format.time($0.totalS) },
            Column(title: "times as fast", width: 13) { Format.number($0.speedup) },
            Column(title: "pays from frames", width: 16) { line in
                line.compressMs == nil ? "" : line.paysFromFrames.map { "\($0)" } ?? "none"
            },
        ])
    }
}
