public import ArgumentParser
public import FlashVID
import FlashVIDFile
import FlashVIDHost
import ToolSupport

/// Several values, separated by commas.
struct List<Element: ExpressibleByArgument>: ExpressibleByArgument {
    var elements: [Element]

    init(_ elements: [Element]) { self.elements = elements }

    init?(argument: String) {
        let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
        elements = parts.compactMap { Element(argument: String($0)) }
        guard elements.count == parts.count else { return nil }
    }
}

extension ClipShape: ExpressibleByArgument {
    /// `FxNxD`, each at least 1.
    public init?(argument: String) {
        let parts = argument.split(separator: "x", omittingEmptySubsequences: false)
        let sizes = parts.compactMap { Int($0) }
        guard parts.count == 3, sizes.count == 3, sizes.allSatisfy({ $0 > 0 }) else { return nil }
        self.init(frames: sizes[0], tokensPerFrame: sizes[1], channels: sizes[2])
    }
}

extension Configuration.Model {
    /// The clip that the model's host hands over, as the authors measured it.
    var shape: ClipShape {
        let host = ModelFacts(self).host
        return ClipShape(frames: host.frames, tokensPerFrame: host.tokensPerFrame, channels: host.language.width)
    }
}

struct Bench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "flashvid-bench",
        abstract: "Measure how fast clips are compressed on this machine, beside the matrix products they need.",
        discussion: """
            Without arguments the four presets run, each at the shape its model hands over, on generated clips.

            A row is one retention. Its times are medians, the fastest and the slowest run beside them. "floor" is the \
            time of the matrix products that a straightforward engine needs for this clip, measured in the same run in \
            alternation with the engine; "over floor" is the ratio of the medians. GFLOP/s are the floor's operations \
            over the engine's time, "of peak" is their share of the SGEMM peak measured at the start. "memory" is the \
            peak of the first call beyond what was resident before it, the result included.

            --hard measures clips that are hard for the engine, each in alternation with the ordinary clip of its shape and \
            with that clip's floor: "over floor" is a hard clip's time over the floor of the ordinary one, "over \
            ordinary" its time, or its memory, over the ordinary clip's. "by class", "in blocks" and "singly" say how many \
            numbers that float32 could not tell apart became known in which way. The last line names the worst clip. \
            --search-hard looks for one that is worse still.

            --attention measures the scores of queries and keys in the same way, and --plan says what compressing \
            makes of a model's prompt, beside the time that it takes here.

            An output file appears when it is complete; one that is the input is refused. The tables go to standard \
            output, or to standard error where --json, --csv or --write takes standard output (-).

            Benchmarks/README.md in the repository has the formulas and the keys of --json.

            The exit code is 2 for bad arguments and bad input, 1 where the machine refuses, each with one line on \
            standard error.
            """,
        version: toolVersion)

    @OptionGroup(title: "Clip") var input: Input
    @OptionGroup(title: "Configuration") var method: Method
    @OptionGroup(title: "Attention") var attention: Attention
    @OptionGroup(title: "Plan") var planning: Planning
    @OptionGroup(title: "Hard clips") var hard: Hard
    @OptionGroup(title: "Measuring") var measuring: Measuring
    @OptionGroup(title: "Output") var output: Output

    struct Input: ParsableArguments {
        @Option(
            parsing: .unconditional,
            help: ArgumentHelp(
                "Generate clips of these sizes, FxNxD: frames, tokens a frame, channels. (default: the preset's)",
                valueName: "sizes"))
        var shape: List<ClipShape>?

        @Option(
            help: ArgumentHelp(
                "Measure a clip from a safetensors file, as flashvid-compress takes it; - for standard input.",
                valueName: "file"))
        var input: InputFile?

        @Option(help: ArgumentHelp("Type of the generated features. (default: f32)", valueName: "type"))
        var dtype: FeatureType?

        @Option(
            parsing: .unconditional, help: ArgumentHelp("What the generated clip follows from.", valueName: "number"))
        var seed: UInt64 = 1

        @Option(
            help: ArgumentHelp(
                "Save the generated clip as a safetensors file, and end without a measurement; - for standard output.",
                valueName: "file"))
        var write: OutputFile?
    }

    struct Method: ParsableArguments {
        @Option(help: ArgumentHelp("The authors' configuration for a model, and its clip's sizes.", valueName: "model"))
        var preset: Configuration.Model?

        @Option(
            parsing: .unconditional,
            help: ArgumentHelp(
                "Shares of the tokens to keep, each in (0, 1]. (default: 0.1,0.15,0.2,0.25)", valueName: "shares"))
        var retention: List<Double>?

        var retentions: [Double] { retention?.elements ?? [0.10, 0.15, 0.20, 0.25] }

        @Flag(help: "The semantics of the authors' released program.")
        var published = false

        @Flag(help: "Beyond the paper; its floor has the further products that it needs.")
        var refined = false
    }

    struct Measuring: ParsableArguments {
        @Option(
            parsing: .unconditional,
            help: ArgumentHelp(
                "Threads, 1 to \(Compressor.maximumThreads). (default: the machine's cores)", valueName: "counts"))
        var threads: List<Int>?

        @Option(
            parsing: .unconditional,
            help: ArgumentHelp(
                "Measured runs a row. (default: 2 to 15, as many as fit into \(Repetitions.patience) s)",
                valueName: "count"))
        var runs: Int?

        @Option(parsing: .unconditional, help: ArgumentHelp("Runs before them that do not count.", valueName: "count"))
        var warmup = 1

        @Option(
            parsing: .unconditional,
            help: ArgumentHelp(
                "Clips in flight, each with memory and a compressor of its own. The threads are shared out among them: "
                    + "where there are not more threads than clips, every clip runs on one. Times are those of all clips together.",
                valueName: "count"))
        var clips = 1

        /// For comparisons with other programs in alternation: see `Stepping.swift`.
        @Flag(help: .hidden)
        var step = false
    }

    struct Output: ParsableArguments {
        @Flag(help: "Show where the time goes, and how many decisions were settled in double precision.")
        var stages = false

        @Option(help: ArgumentHelp("Write machine and rows as JSON; - for standard output.", valueName: "file"))
        var json: OutputFile?

        @Option(
            help: ArgumentHelp("Write the rows as comma-separated values; - for standard output.", valueName: "file"))
        var csv: OutputFile?
    }
}

// MARK: - What they say together

extension Bench {
    static let maximumClips = 1024

    /// The shares to keep; of hard clips one, where none are given.
    var retentions: [Double] { method.retention == nil && hard.isWanted ? [0.10] : method.retentions }

    /// A configuration and the clips that it is measured on.
    struct Subject: Equatable {
        var preset: Configuration.Model?
        /// Nil for the clip of `--input`.
        var shape: ClipShape?
    }

    func subjects() throws -> [Subject] {
        if input.input != nil {
            for (name, isGiven) in [
                ("--shape", input.shape != nil), ("--dtype", input.dtype != nil), ("--write", input.write != nil),
            ] where isGiven {
                throw Failure(input: "\(name) excludes --input; it is about a generated clip")
            }
            return [Subject(preset: method.preset, shape: nil)]
        }
        if let shapes = input.shape { return shapes.elements.map { Subject(preset: method.preset, shape: $0) } }
        let usual = hard.isWanted ? [.llavaOneVision] : Configuration.Model.allCases
        return (method.preset.map { [$0] } ?? usual).map { Subject(preset: $0, shape: $0.shape) }
    }

    func configuration(_ subject: Subject, retention: Double) throws -> Configuration {
        if method.published, method.refined {
            throw Failure(input: "--refined excludes --published; the released program has nothing like it")
        }
        var configuration = subject.preset.map { Configuration.preset($0) } ?? Configuration()
        configuration.retentionRatio = retention
        if method.refined { configuration.refine() }
        if method.published { configuration.semantics = .published }
        try configuration.validate()
        return configuration
    }

    var semantics: String { method.refined ? "refined" : method.published ? "published" : "default" }

    func threadCounts() throws -> [Int] {
        let counts = measuring.threads?.elements ?? [min(WorkerPool.availableCores, Compressor.maximumThreads)]
        for count in counts where !(1...Compressor.maximumThreads).contains(count) {
            throw FlashVIDError.invalidThreadCount(count)
        }
        return counts
    }

    /// Everything that can be known to be wrong before a clip is made.
    func check() throws {
        if let runs = measuring.runs, runs < 1 { throw Failure(input: "--runs is \(runs); expected at least 1") }
        if measuring.warmup < 0 { throw Failure(input: "--warmup is \(measuring.warmup); expected at least 0") }
        guard (1...Self.maximumClips).contains(measuring.clips) else {
            throw Failure(input: "--clips is \(measuring.clips); expected 1 to \(Self.maximumClips)")
        }
        switch try mode() {
        case .clips: try checkClips()
        case .attention(let shapes): try checkAttention(shapes)
        case .plan(let models): try checkPlan(models)
        case .hard(let clips): try checkHard(clips)
        case .search(let seconds, let starts): try checkSearch(seconds, starts)
        }
        _ = try threadCounts()
        if measuring.step, input.input == .standardInput {
            throw Failure(input: "--step takes its turns from standard input; --input cannot be there too")
        }
        if input.write != nil, output.json != nil || output.csv != nil {
            throw Failure(input: "--write measures nothing that \(output.json == nil ? "--csv" : "--json") could hold")
        }
        _ = try files.check()
    }

    /// What the run reads and writes.
    var files: RunFiles {
        var outputs: [RunFiles.Output] = []
        if let file = input.write { outputs.append(RunFiles.Output("--write", file)) }
        if let file = output.json { outputs.append(RunFiles.Output("--json", file, isText: true)) }
        if let file = output.csv { outputs.append(RunFiles.Output("--csv", file, isText: true)) }
        return RunFiles(input: input.input, outputs: outputs)
    }

    private func checkClips() throws {
        let subjects = try subjects()
        for subject in subjects {
            for retention in method.retentions { _ = try configuration(subject, retention: retention) }
        }
        if input.write != nil, subjects.count != 1 {
            throw Failure(input: "--write saves one clip; name its --preset or one --shape")
        }
        if measuring.step, subjects.count != 1 || method.retentions.count != 1 || measuring.clips != 1 {
            throw Failure(input: "--step takes one clip, one retention and no --clips")
        }
    }
}
