import ArgumentParser
import FlashVID
import FlashVIDHost
import ToolSupport

extension Bench {
    struct Planning: ParsableArguments {
        @Option(
            help: ArgumentHelp(
                "Say what compressing makes of a model's prompt: \(HostModel.all.map(\.name).joined(separator: ", ")) "
                    + "or all. The time of compressing is measured, that of the LLM reckoned.",
                valueName: "models"))
        var plan: List<String>?

        @Option(parsing: .unconditional, help: ArgumentHelp("Frames of its video. (default: the model's usual)"))
        var frames: Int?

        @Option(
            parsing: .unconditional,
            help: ArgumentHelp(
                "Exact numbers of rows that its video becomes, besides the retentions of --retention or, without it, "
                    + "instead of any; for other numbers of frames in proportion.", valueName: "counts"))
        var rows: List<Int>?

        @Option(
            parsing: .unconditional,
            help: ArgumentHelp("Tokens of its prompt that are not the video's. (default: 64)", valueName: "count"))
        var textTokens: Int?

        @Option(
            parsing: .unconditional,
            help: ArgumentHelp("Positions of its context. (default: as published)", valueName: "count"))
        var context: Int?

        @Option(
            parsing: .unconditional,
            help: ArgumentHelp(
                "What the LLM's machine reads a prompt with, in TFLOP/s, besides this machine's own SGEMM peak.",
                valueName: "rates"))
        var llmTflops: List<Double>?
    }

    static func models(_ names: [String]) throws -> [HostModel] {
        try names.flatMap { name throws -> [HostModel] in
            if name == "all" { return HostModel.all }
            guard let model = HostModel.all.first(where: { $0.name == name }) else {
                let known = HostModel.all.map(\.name).joined(separator: ", ")
                throw Failure(input: "--plan: there is no \(name); expected \(known) or all")
            }
            return [model]
        }
    }

    /// Everything that a plan rests on but the times.
    func plan(_ model: HostModel) throws -> Plan {
        do throws(FlashVIDError) {
            return try Plan(
                model, frames: planning.frames, context: planning.context, textTokens: planning.textTokens ?? 64,
                retentions: planning.rows != nil && method.retention == nil ? [] : method.retentions,
                targetRows: planning.rows?.elements ?? [])
        } catch {
            throw Failure(input: "\(model.name): \(error.description)")
        }
    }

    func checkPlan(_ models: [HostModel]) throws {
        for (name, value, least) in [
            ("--frames", planning.frames, 1), ("--context", planning.context, 1),
            ("--text-tokens", planning.textTokens, 0),
        ] {
            if let value, value < least {
                throw Failure(input: "\(name) is \(value); expected at least \(least)")
            }
        }
        for rate in planning.llmTflops?.elements ?? [] where !(rate >= 1e-6 && rate <= 1e9) {
            throw Failure(input: "--llm-tflops is \(rate); expected numbers from 1e-6 to 1e9")
        }
        for model in models { _ = try plan(model) }
    }

    func showPlan(_ models: [HostModel]) throws {
        let threads = try threadCounts()
        let (machine, peaks) = try showMachine(threads, recipe: SyntheticClip.recipe)
        var all: [PlanLine] = []
        for model in models {
            let plan = try plan(model)
            let clip = try clip(Subject(preset: model.model, shape: plan.shape))
            for count in threads {
                let rates = LLMRate.list(peak: peaks[count] ?? .nan, threads: count, planning.llmTflops?.elements ?? [])
                try show("\n" + plan.heading(Row.name(clip.type), threads: count) + Table<PlanLine>.plan.header)
                var lines: [[PlanLine]] = []
                for row in plan.rows {
                    let times = try plan.configuration(row).map { try compressionTimes(of: clip, $0, count) }
                    let line = PlanLine(row, of: plan, dtype: Row.name(clip.type), threads: count, times: times)
                    try show(Table<PlanLine>.plan.text(of: line))
                    lines.append(try rates.map { try line.with($0, of: plan) })
                }
                for (place, rate) in rates.enumerated() {
                    let table = Table<PlanLine>.reading
                    try show("\n" + rate.heading + table.header + lines.map { table.text(of: $0[place]) }.joined())
                }
                all += lines.joined()
            }
        }
        try save(all, machine, csv: CSV.text(all))
    }

    private func compressionTimes(
        of clip: BenchClip, _ configuration: Configuration, _ threads: Int
    ) throws -> [Double] {
        let flight = try Flight([clip], configuration, threads: threads)
        return try Measurement(of: flight, Repetitions(runs: measuring.runs, warmup: measuring.warmup)).times
    }
}

/// A model with its video and prompt, and what retention ratios and numbers of rows make of them.
struct Plan {
    /// With the context that was asked for.
    let model: HostModel
    let frames: Int
    let textTokens: Int
    let pruning: InnerPruning
    let expansion: Double
    /// The video without compression first.
    let rows: [PlanRow]

    init(
        _ model: HostModel, frames: Int?, context: Int?, textTokens: Int, retentions: [Double],
        targetRows: [Int] = []
    ) throws(FlashVIDError) {
        var model = model
        model.language.contextLength = context ?? model.language.contextLength
        self.model = model
        self.frames = frames ?? model.frames
        self.textTokens = textTokens
        pruning = InnerPruning(model.model)
        expansion = try pruning.expansion(layers: model.language.layers)
        rows = try model.plan(
            frames: self.frames, retentionRatios: retentions, targetRows: targetRows, textTokens: textTokens)
    }

    /// With which a row's clip is compressed; nil without compression.
    func configuration(_ row: PlanRow) throws(FlashVIDError) -> Configuration? {
        if let rows = row.targetRows { return try model.configuration(targetRows: rows) }
        guard let retention = row.retentionRatio else { return nil }
        return try model.configuration(retentionRatio: retention)
    }

    /// Of the clip that is compressed.
    var shape: ClipShape {
        ClipShape(frames: frames, tokensPerFrame: model.tokensPerFrame, channels: model.language.width)
    }

    /// All that the rows follow from.
    func heading(_ dtype: String, threads: Int) -> String {
        let language = model.language
        return """
            \(model.name), \(frames) x \(model.tokensPerFrame) x \(language.width), \(dtype), \(Bench.name(threads: threads))
            language    \(language.layers) layers of width \(language.width), feed-forward \(language.feedForwardWidth), \
            \(language.heads) heads of \(language.headWidth), \(language.keyValueHeads) of keys and values, \
            context \(language.contextLength)
            prompt      \(textTokens) text tokens; beside the video's tokens \(model.overheadPerFrame) positions a frame \
            and \(model.overheadPerVideo) more
            pruning     before layer \(pruning.layer) of \(language.layers) down to \(pruning.keptRatio) of the video's \
            tokens; expansion \(expansion)

            """
    }
}

/// How fast a language model's machine works.
struct LLMRate {
    let tflopPerSecond: Double
    let heading: String
    let isMeasured: Bool

    /// This machine first, and then those that were asked for.
    static func list(peak: Double, threads: Int, _ rates: [Double]) -> [LLMRate] {
        let own = LLMRate(
            tflopPerSecond: peak * 1e-12,
            heading: "LLM at \(Format.number(peak * 1e-12)) TFLOP/s, the SGEMM peak of this machine on "
                + "\(Bench.name(threads: threads)); a GPU is far faster\n", isMeasured: true)
        return [own]
            + rates.map {
                LLMRate(tflopPerSecond: $0, heading: "LLM at \(Format.number($0)) TFLOP/s\n", isMeasured: false)
            }
    }
}
