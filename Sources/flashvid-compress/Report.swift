import FlashVID
import FlashVIDFile
import FlashVIDReport
import ToolSupport

/// What happened, for a person or for a program. The property names, in snake case, are the keys of `--json`.
struct Report: Encodable {
    struct Seconds: Encodable {
        let reading: Double
        let compression: Double
        let writing: Double
        let evaluation: Double?
        let spectrum: Double?
        let page: Double?
        let total: Double
    }

    let input: String
    let output: String?
    let report: String?
    let frames: Int
    let tokensPerFrame: Int
    let channels: Int
    let type: String
    let outputType: String
    let attention: Bool
    let segmentLengths: [Int]
    let tokensIn: Int
    let tokensOut: Int
    let ratio: Double
    let selected: Int
    let contextual: Int
    let mergedTokens: Int
    let trees: Int
    let largestTree: Int
    let deepestTree: Int
    let closeCalls: Int
    let threads: Int
    let seconds: Seconds
    let stageSeconds: [String: Double]
    let configuration: Configuration
    let evaluation: Measures?
    /// `output` and `report` for a person.
    private let outputName: String?
    private let reportName: String?
    /// Mean time of compressing at the retentions that were compared.
    private let comparedSeconds: Double

    private enum CodingKeys: String, CodingKey {
        case input, output, report, evaluation, frames, channels, type, attention, ratio, selected, contextual, trees,
            threads, seconds
        case configuration
        case tokensPerFrame = "tokens_per_frame"
        case outputType = "output_type"
        case segmentLengths = "segment_lengths"
        case tokensIn = "tokens_in"
        case tokensOut = "tokens_out"
        case mergedTokens = "merged_tokens"
        case largestTree = "largest_tree"
        case deepestTree = "deepest_tree"
        case closeCalls = "close_calls"
        case stageSeconds = "stage_seconds"
    }

    init(
        input: InputFile, output: OutputFile?, page: OutputFile?, clip: Clip, video: CompressedVideo,
        outputType: ElementType, configuration: Configuration, comparison: Comparison?, times: Times
    ) {
        let evaluation = comparison?.evaluation
        self.input = input.argument
        self.output = output?.argument
        outputName = output?.name
        report = page?.argument
        reportName = page?.name
        self.evaluation = evaluation.map { Measures($0) }
        comparedSeconds = comparison.map { $0.steps.reduce(0) { $0 + $1.seconds } / Double($0.steps.count) } ?? 0
        frames = clip.shape.frames
        tokensPerFrame = clip.shape.tokensPerFrame
        channels = clip.shape.channels
        type = ElementType(clip.type).rawValue
        self.outputType = outputType.rawValue
        attention = clip.attention != nil
        segmentLengths = video.segmentLengths
        tokensIn = frames * tokensPerFrame
        tokensOut = video.count
        ratio = Double(tokensOut) / Double(tokensIn)
        selected = video.kinds.count { $0 == .selected }
        contextual = video.kinds.count { $0 == .contextual }
        let forest = video.forest
        mergedTokens = forest.mergedTokens
        trees = forest.trees
        largestTree = forest.largestTree
        deepestTree = forest.deepestTree
        closeCalls = video.statistics.closeCalls
        threads = video.statistics.threads
        seconds = Seconds(
            reading: times.reading.seconds, compression: times.compression.seconds, writing: times.writing.seconds,
            evaluation: evaluation.map { toMicroseconds($0.seconds) },
            spectrum: evaluation.map { toMicroseconds($0.spectrumSeconds) },
            page: page.map { _ in times.page.seconds }, total: times.total.seconds)
        var stages: [String: Double] = [:]
        for (stage, time) in zip(CompressedVideo.Stage.allCases, video.statistics.stageSeconds) {
            stages[stage.name] = toMicroseconds(time)
        }
        stageSeconds = stages
        self.configuration = configuration
    }

    func print(asJSON: Bool, to stream: StandardStream) throws {
        let text = asJSON ? try JSON.text(self) + "\n" : summary
        if let reason = stream.write(text) { throw Failure(environment: "cannot write the summary: \(reason)") }
    }
}

// MARK: - For a person

extension Report {
    private var summary: String {
        var table = Table()
        table.add(
            "clip",
            "\(frames) frames x \(tokensPerFrame) tokens x \(channels) channels, \(type), "
                + (attention ? "with attention" : "without attention"))
        table.add("segments", "\(segmentLengths.count), of \(lengths)")
        table.add("tokens", "\(tokensIn) in, \(tokensOut) out (\(Format.percent(ratio)))")
        table.add("  selected", "\(selected)")
        table.add("  contextual", "\(contextual)")
        table.add("merged", mergedTokens == 0 ? "0 tokens" : "\(mergedTokens) tokens into \(trees) trees")
        if trees > 0 {
            table.add("  largest tree", "\(largestTree) tokens")
            table.add("  deepest tree", "\(deepestTree) frames")
        }
        table.add("close calls", "\(closeCalls) settled in double precision")
        table.add("time", "\(Format.time(seconds.total)) on \(threads == 1 ? "1 thread" : "\(threads) threads")")
        table.add("  reading", Format.time(seconds.reading))
        table.add("  compression", Format.time(seconds.compression))
        for stage in CompressedVideo.Stage.allCases {
            guard let time = stageSeconds[stage.name], time > 0 else { continue }
            table.add("    \(stage.name)", Format.time(time) + (threads == 1 ? "" : " (all threads)"))
        }
        if outputName != nil { table.add("  writing", Format.time(seconds.writing)) }
        if let time = seconds.evaluation, let count = evaluation?.points.count, count > 0, comparedSeconds > 0 {
            let each = time / Double(count)
            table.add(
                "  evaluation",
                "\(Format.time(each)) a retention, \(Format.number(each / comparedSeconds)) times compressing there")
        }
        if let time = seconds.spectrum { table.add("  spectrum", Format.time(time)) }
        if let time = seconds.page { table.add("  page", Format.time(time)) }
        if let outputName { table.add("output", "\(outputName), \(outputType)") }
        if let reportName { table.add("report", reportName) }
        return table.text + (evaluation.map { "\n" + $0.summary } ?? "")
    }

    /// Each of them while they fit on a line.
    private var lengths: String {
        let shortest = segmentLengths.min() ?? 0
        let longest = segmentLengths.max() ?? 0
        let unit = longest == 1 ? "frame" : "frames"
        if segmentLengths.count > 1, shortest == longest { return "\(longest) \(unit) each" }
        if segmentLengths.count > 16 { return "\(shortest) to \(longest) \(unit)" }
        return segmentLengths.map(String.init).joined(separator: " ") + " " + unit
    }
}

/// Two columns.
private struct Table {
    private var rows: [(label: String, value: String)] = []

    mutating func add(_ label: String, _ value: String) {
        rows.append((label, value))
    }

    var text: String {
        let width = rows.map(\.label.count).max() ?? 0
        return rows.map { row in
            row.label + String(repeating: " ", count: width - row.label.count + 2) + row.value + "\n"
        }.joined()
    }
}

extension Duration {
    /// In seconds, to the microsecond.
    fileprivate var seconds: Double {
        toMicroseconds(Double(components.seconds) + Double(components.attoseconds) * 1e-18)
    }
}

func toMicroseconds(_ seconds: Double) -> Double { (seconds * 1e6).rounded() / 1e6 }
