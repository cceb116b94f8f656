public import ArgumentParser
public import FlashVID
import FlashVIDFile
import FlashVIDReport
import ToolSupport

extension Configuration.Selection: ExpressibleByArgument {}
extension Configuration.Aggregation: ExpressibleByArgument {}
extension Configuration.Placement: ExpressibleByArgument {}

/// A minimum of segments: a number, or a word for 0.
struct SegmentMinimum: ExpressibleByArgument {
    let count: Int

    init?(argument: String) {
        guard let count = argument == "auto" ? 0 : Int(argument) else { return nil }
        self.count = count
    }
}

/// A folder's path.
struct PictureFolder: ExpressibleByArgument {
    let path: FilePath

    init(argument: String) { path = FilePath(bytes: ArgumentText.bytes(of: argument)) }
}

/// The command line. Every option of the method is optional, so that what stands there can be told from what does
/// not: presets are applied first, explicit options last, wherever they stand.
struct Command: ParsableArguments {
    private static let defaults = Configuration()

    @Argument(
        help: ArgumentHelp(
            "Clip to compress: a safetensors file with features [frames, tokens, channels] and, if it has them, "
                + "attention [frames, tokens], each F32, F16 or BF16; - for standard input.",
            valueName: "input"))
    var input: InputFile

    @Option(
        name: [.short, .long],
        help: ArgumentHelp(
            "Safetensors file to write, which appears when it is complete; - for standard output. Not needed with "
                + "--report or --evaluate.", valueName: "file"))
    var output: OutputFile?

    @OptionGroup(title: "Budget") var budget: Budget
    @OptionGroup(title: "Segments") var segments: Segments
    @OptionGroup(title: "Selection and merging") var merging: Merging
    @OptionGroup(title: "Presets") var presets: Presets
    @OptionGroup(title: "Seeing what was kept") var seeing: Seeing
    @OptionGroup(title: "Running") var running: Running

    struct Budget: ParsableArguments {
        @Option(
            parsing: .unconditional,
            help: ArgumentHelp(
                "Share of the tokens to keep, averaged over the language model's layers; in (0, 1]. "
                    + "(default: \(defaults.retentionRatio))", valueName: "share"))
        var retention: Double?

        @Option(
            parsing: .unconditional,
            help: ArgumentHelp(
                "Tokens that enter the language model over tokens that --retention names, to be paid back by pruning "
                    + "inside it; above 0. (default: \(defaults.expansion))", valueName: "factor"))
        var expansion: Double?

        @Option(
            parsing: .unconditional,
            help: ArgumentHelp(
                "Rows that the clip becomes, exactly; 1 to frames * tokens. --retention and --expansion are then not "
                    + "looked at. Not with --published. (default: a number by these two)", valueName: "count"))
        var rows: Int?

        @Option(
            parsing: .unconditional,
            help: ArgumentHelp(
                "Share of the budget that selected tokens take, the rest goes to merged ones; 0 to 1. "
                    + "(default: \(defaults.alpha))", valueName: "share"))
        var alpha: Double?
    }

    struct Segments: ParsableArguments {
        @Option(
            parsing: .unconditional,
            help: ArgumentHelp(
                "Cut where the cosine of neighbouring frames' mean tokens is below this; at least -1. "
                    + "(default: \(defaults.segmentThreshold))", valueName: "cosine"))
        var segmentThreshold: Double?

        @Option(
            parsing: .unconditional,
            help: ArgumentHelp(
                "Cut further, at the weakest transitions, until there are so many segments; at least 1, or auto (0): a "
                    + "quarter of the frames, at most 8. (default: \(defaults.minimumSegments))", valueName: "count"))
        var minSegments: SegmentMinimum?

        @Flag(help: "Do not cut the clip at all.")
        var noSegmentation = false

        @Flag(help: "Do not cut further to reach --min-segments.")
        var noComplementary = false

        @Option(
            parsing: .unconditional,
            help: ArgumentHelp(
                "Longest segment in frames; 0 for no limit. (default: \(defaults.maximumSegmentFrames))",
                valueName: "frames"))
        var maxSegmentFrames: Int?
    }

    struct Merging: ParsableArguments {
        @Option(
            help: ArgumentHelp(
                "How the telling tokens of a frame are found. (default: \(defaults.selection.rawValue))",
                valueName: "form"))
        var selection: Configuration.Selection?

        @Option(
            parsing: .unconditional,
            help: ArgumentHelp(
                "A token joins its best match in the frame before if their cosine is above this; at least -1, from 1 "
                    + "on nothing is joined. (default: \(defaults.temporalThreshold))", valueName: "cosine"))
        var temporalThreshold: Double?

        @Option(
            help: ArgumentHelp(
                "What a tree of joined tokens becomes. (default: \(defaults.aggregation.rawValue))",
                valueName: "form"))
        var aggregation: Configuration.Aggregation?

        @Flag(
            inversion: .prefixedNo,
            help: "Start the selection in a frame from the picks of the segment's earlier frames. (default: no)")
        var carry: Bool?

        @Option(
            parsing: .unconditional,
            help: ArgumentHelp(
                "How often every unselected token is given to the nearest row of its segment; 0 to "
                    + "\(Configuration.maximumRefinementRounds). (default: \(defaults.refinementRounds))",
                valueName: "count"))
        var refinementRounds: Int?

        @Option(
            help: ArgumentHelp(
                "Whose place a merged row takes: the cluster's centre's, or that of the member nearest to the row's "
                    + "value. (default: \(defaults.placement.rawValue))", valueName: "form"))
        var placement: Configuration.Placement?
    }

    struct Presets: ParsableArguments {
        @Option(
            help: ArgumentHelp(
                "The authors' configuration for a model: its selection and its minimum of segments.", valueName: "model"
            ))
        var preset: Configuration.Model?

        @Flag(
            help: ArgumentHelp(
                "Beyond the paper: --alpha \(Configuration.refined.alpha) --carry "
                    + "--refinement-rounds \(Configuration.refined.refinementRounds) "
                    + "--placement \(Configuration.refined.placement.rawValue) --min-segments auto."))
        var refined = false

        @Flag(
            help: ArgumentHelp(
                "The semantics of the authors' released program, to compare with published figures. Excludes "
                    + "--refined, --carry, --refinement-rounds above 0, --placement medoid and --rows; the output has "
                    + "no assignment and no counts then."))
        var published = false
    }

    struct Seeing: ParsableArguments {
        @Option(
            help: ArgumentHelp(
                "Page to write: what is kept at retentions of 0.05 to 0.50, and of what. One HTML file that asks nothing "
                    + "of any network. Not with --published.", valueName: "file"))
        var report: OutputFile?

        @Option(
            help: ArgumentHelp(
                "Folder with the clip's frames for the page, a picture (JPEG, PNG, WebP, AVIF or GIF) a frame, in the "
                    + "order of the names; other files are passed over. (default: colours by the features' principal "
                    + "components)", valueName: "folder"), completion: .directory)
        var frames: PictureFolder?

        @Option(
            help: ArgumentHelp(
                "How a frame's tokens lie, columns x rows, such as 20x15. (default: what the clip's metadata says under "
                    + "\"grid\", or the most nearly square grid)", valueName: "size"))
        var grid: String?

        @Flag(
            help: ArgumentHelp(
                "Measure how much of the clip is kept at these retentions, beside as many tokens sampled uniformly or "
                    + "chosen by attention alone, without a language model. Not with --published."))
        var evaluate = false

        /// Whether the clip is compressed at all retentions of the page.
        var comparesRetentions: Bool { report != nil || evaluate }
    }

    struct Running: ParsableArguments {
        @Option(help: ArgumentHelp("Type of the output's tokens. (default: the input's)", valueName: "type"))
        var dtype: FeatureType?

        @Option(
            parsing: .unconditional,
            help: ArgumentHelp(
                "Threads to work with, 1 to \(Compressor.maximumThreads); the result does not depend on it. "
                    + "(default: the cores that the process may run on)", valueName: "count"))
        var threads: Int?

        @Flag(help: "Print the summary as one JSON object on one line.")
        var json = false
    }
}

// MARK: - Configuration

extension Command {
    /// What the options say together.
    func configuration() throws -> Configuration {
        if presets.published { try refuseAdditions() }
        if seeing.report == nil {
            if seeing.frames != nil { throw Failure(input: "--frames is for the page of --report") }
            if seeing.grid != nil { throw Failure(input: "--grid is for the page of --report") }
        }
        if let rows = budget.rows, rows < 1 {
            throw Failure(input: "--rows is \(rows); expected at least 1")
        }
        try check("--retention", budget.retention)
        try check("--expansion", budget.expansion)
        try check("--alpha", budget.alpha)
        try check("--segment-threshold", segments.segmentThreshold)
        try check("--temporal-threshold", merging.temporalThreshold)

        var configuration = presets.preset.map { Configuration.preset($0) } ?? Configuration()
        if presets.refined { configuration.refine() }
        if presets.published { configuration.semantics = .published }
        set(&configuration.retentionRatio, budget.retention)
        set(&configuration.expansion, budget.expansion)
        set(&configuration.alpha, budget.alpha)
        set(&configuration.targetRows, budget.rows)
        set(&configuration.segmentThreshold, segments.segmentThreshold)
        set(&configuration.minimumSegments, segments.minSegments?.count)
        set(&configuration.maximumSegmentFrames, segments.maxSegmentFrames)
        if segments.noSegmentation { configuration.segmentation = false }
        if segments.noComplementary { configuration.complementarySegments = false }
        set(&configuration.selection, merging.selection)
        set(&configuration.temporalThreshold, merging.temporalThreshold)
        set(&configuration.aggregation, merging.aggregation)
        set(&configuration.carry, merging.carry)
        set(&configuration.refinementRounds, merging.refinementRounds)
        set(&configuration.placement, merging.placement)
        try configuration.validate()
        return configuration
    }

    private func set<Value>(_ field: inout Value, _ option: Value?) {
        if let option { field = option }
    }

    /// JSON, in which the configuration is kept, has no infinity.
    private func check(_ name: String, _ value: Double?) throws {
        guard let value, !value.isFinite else { return }
        throw Failure(input: "\(name) is \(value); expected a finite number")
    }

    private func refuseAdditions() throws {
        let option: String? =
            if presets.refined {
                "--refined"
            } else if merging.carry == true {
                "--carry"
            } else if let rounds = merging.refinementRounds, rounds > 0 {
                "--refinement-rounds \(rounds)"
            } else if merging.placement == .medoid {
                "--placement medoid"
            } else if let rows = budget.rows {
                "--rows \(rows)"
            } else if seeing.report != nil {
                "--report"
            } else if seeing.evaluate {
                "--evaluate"
            } else {
                nil
            }
        guard let option else { return }
        throw Failure(input: "\(option) excludes --published; the released program has nothing like it")
    }
}

// MARK: - Parsing

extension Command {
    static let version = toolVersion

    /// The command that gives the arguments their name, their help and their version.
    private struct Root: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "flashvid-compress",
            abstract: "Compress the visual tokens of a video clip, without training (FlashVID, arXiv 2602.08024).",
            discussion: """
                The options of a preset are overridden by those given beside it, wherever they stand.

                The output is a safetensors file: tokens [K, channels]; indices [K], the source token (frame * tokens + \
                token) whose place each row takes; segment_lengths, in frames; assignment [frames * tokens], the row \
                that stands for each source token or -1; counts [K], the source tokens that each row stands for. \
                Integers are I64. The metadata holds the configuration as JSON under "configuration".

                The output appears under its name when it is complete, and replaces what stood there. Of a symbolic \
                link the target is replaced, or made. An output that is the input itself is refused, by whatever path. \
                Standard output, devices and pipes are written into as they stand, terminals are refused. The input is \
                held in memory: more than three quarters of what the machine, or the control group, has is refused \
                before it is read.

                The summary goes to standard output, or to standard error where the output is standard output. With \
                --json it has the keys input, output, frames, \
                tokens_per_frame, channels, type, output_type, attention (whether the clip had it), segment_lengths, \
                tokens_in, tokens_out, ratio, selected, contextual, merged_tokens, trees, largest_tree (tokens), \
                deepest_tree (frames), close_calls (decisions settled in double precision), threads, seconds (reading, \
                compression, writing and total by the clock; evaluation, spectrum and page where there are), stage_seconds (each stage of the compression, summed \
                over its threads), configuration and, with --evaluate, evaluation: effective_rank; merged_anywhere and \
                merged_at_same_place (tokens and mean similarity of the pairs that the temporal threshold would merge, by \
                the best match in the frame before and by the same place); points, each with retention, rows, coverage \
                and energy (kept, uniform and attention).

                The exit code is 2 for bad arguments and bad input, 1 where the machine refuses (a full disk, no \
                permission, too little memory, a summary that cannot be written), each with one line on standard error \
                and no output file; what stood under its name is left as it was.

                While a terminal watches standard error, a bar there shows how far a long run is.
                """,
            version: version)

        @OptionGroup var command: Command
    }

    /// Throws a ``CleanRequest`` or a ``Failure``.
    static func parseArguments(_ arguments: [String]) throws -> Command {
        let command = try Root.parseArguments(separatingOutput(arguments)).command
        if command.input.name.isEmpty { throw Failure(input: "the path of the input is empty") }
        // What the parser would say.
        if command.output == nil, !command.seeing.comparesRetentions {
            throw Failure(input: "Missing expected argument '--output <file>', --report or --evaluate")
        }
        for output in [command.output, command.seeing.report] where output?.name.isEmpty == true {
            throw Failure(input: "the path of the output is empty")
        }
        return command
    }

    /// `-oFILE` as `-o FILE`. The parser's own way would look for options in FILE, and end it at a `=`.
    private static func separatingOutput(_ arguments: [String]) -> [String] {
        var separated: [String] = []
        for (index, argument) in arguments.enumerated() {
            if argument == "--" { return separated + arguments[index...] }
            let isValue = ["-o", "--output"].contains(separated.last)
            if argument.hasPrefix("-o"), argument.count > 2, !argument.hasPrefix("-o="), !isValue {
                separated += ["-o", String(argument.dropFirst(2))]
            } else {
                separated.append(argument)
            }
        }
        return separated
    }
}
