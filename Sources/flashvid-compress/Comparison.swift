import FlashVID
import FlashVIDFile
import FlashVIDReport
import ToolSupport

/// The clip at the retentions of the page, and at the run's own.
struct Comparison {
    /// In the order of their rows.
    let steps: [Step]
    let ownStep: Int
    let evaluation: Evaluation?

    init(
        _ clip: Clip, of own: CompressedVideo, _ configuration: Configuration, threads: Int, grid: TokenGrid?,
        evaluating: Bool, _ bar: ProgressBar?, _ times: inout Times
    ) throws {
        (steps, ownStep, evaluation) = try times.measure(\.comparison) {
            let ownRetention = configuration.targetRows > 0 ? nil : configuration.retentionRatio
            var steps = [(step: Step(own, retention: ownRetention), isOwn: true)]
            var kept = evaluating ? [KeptTokens(own)] : []
            for (number, retention) in Page.retentions.enumerated() where retention != ownRetention {
                var other = configuration
                other.targetRows = 0
                other.retentionRatio = retention
                var compressor = try Compressor(other, threads: threads)
                let count = Double(Page.retentions.count)
                let video = try clip.compressed(by: &compressor) { share in
                    bar?.progress(of: .comparing)((Double(number) + share) / count)
                }
                steps.append((Step(video, retention: retention), false))
                if evaluating { kept.append(KeptTokens(video)) }
            }
            // Small clips may become as many rows at several retentions.
            let order = steps.indices.sorted { first, second in
                let (first, second) = (steps[first].step, steps[second].step)
                return (first.rows, first.retention ?? 0) < (second.rows, second.retention ?? 0)
            }
            let sorted = order.map { steps[$0] }
            let evaluation =
                try evaluating
                ? clip.withFootage(grid) { footage in
                    try Evaluation(
                        of: footage, order.map { (steps[$0].step.retention, kept[$0]) },
                        segmentLengths: own.segmentLengths, threshold: configuration.temporalThreshold,
                        threads: threads, progress: bar?.progress(of: .evaluating))
                } : nil
            return (sorted.map(\.step), sorted.firstIndex { $0.isOwn } ?? 0, evaluation)
        }
    }
}

extension Clip {
    /// Calls `body` with what the report reads of this clip.
    func withFootage<Result>(_ grid: TokenGrid?, _ body: (Footage) throws -> Result) throws -> Result {
        try file.withBytes(of: Self.features) { features in
            try body(
                Footage(
                    features, of: type, shape: shape, attention: attention,
                    grid: grid ?? TokenGrid(nearlySquare: shape.tokensPerFrame)))
        }
    }
}

/// What the page shows besides the comparison, read and checked before the work.
struct PageInput {
    let path: OutputFile
    let grid: TokenGrid
    private let name: String
    private let pictures: [Picture]

    init(_ clip: Clip, seeing: Command.Seeing, path: OutputFile) throws {
        self.path = path
        let count = clip.shape.tokensPerFrame
        if let text = seeing.grid {
            guard let grid = TokenGrid(text, count: count) else {
                throw Failure(input: "--grid is \(text); expected columns x rows of \(count) tokens")
            }
            self.grid = grid
        } else {
            grid =
                clip.file.metadata["grid"].flatMap { TokenGrid($0, count: count) } ?? TokenGrid(nearlySquare: count)
        }
        name = clip.file.path.split(separator: "/").last.map(String.init) ?? clip.file.path

        guard let folder = seeing.frames.map(\.path) else {
            pictures = []
            return
        }
        let files = try Folder(folder)
        pictures = try files.names.compactMap { name in try files.bytes(of: name).flatMap { Picture($0) } }
        guard pictures.count == clip.shape.frames else {
            throw Failure(
                input: "\(folder.description): has \(pictures.count) pictures; the clip has \(clip.shape.frames) frames"
            )
        }
    }

    /// Writes the page; it has its name when the file is committed.
    func write(
        _ comparison: Comparison, _ configuration: Configuration, _ video: CompressedVideo, _ clip: Clip
    ) throws -> PendingFile {
        let page = Page(
            name: name, tool: "flashvid-compress \(toolVersion)", metadata: clip.file.metadata,
            configuration: configuration, configurationText: try JSON.text(configuration, indented: true),
            transitions: video.transitions, segmentLengths: video.segmentLengths, steps: comparison.steps,
            ownStep: comparison.ownStep, pictures: pictures, evaluation: comparison.evaluation)
        let bytes = try clip.withFootage(grid) { page.html(of: $0) }
        var file = try path.create()
        try bytes.withUnsafeBytes { try file.write($0) }
        try file.finish()
        return file
    }
}
