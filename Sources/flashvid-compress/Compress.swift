import FlashVID
import FlashVIDFile
import FlashVIDReport
import ToolSupport

extension Command {
    /// Reads, compresses, writes, and tells.
    func compress() throws {
        let configuration = try configuration()
        var compressor = try Compressor(configuration, threads: running.threads)
        var outputs: [RunFiles.Output] = []
        if let output { outputs.append(RunFiles.Output("--output", output)) }
        if let report = seeing.report { outputs.append(RunFiles.Output("--report", report, isText: true)) }
        // Found out now and not after the work.
        let stream = try RunFiles(input: input, outputs: outputs).check()

        let bar = ProgressBar()
        defer { bar?.clear() }
        var times = Times()
        let clip = try times.measure(\.reading) {
            try Clip(contentsOf: input, progress: bar?.progress(of: .reading))
        }
        let page = try seeing.report.map { try PageInput(clip, seeing: seeing, path: $0) }

        let video = try times.measure(\.compression) {
            try clip.compressed(by: &compressor, progress: bar?.progress(of: .compressing))
        }
        let type = running.dtype?.elementType ?? ElementType(clip.type)
        var file = try times.measure(\.writing) {
            try output.map { output in
                try writer(video, type, configuration).prepare(output, progress: bar?.progress(of: .writing))
            }
        }
        var comparison: Comparison?
        if seeing.comparesRetentions {
            comparison = try Comparison(
                clip, of: video, configuration, threads: compressor.threads, grid: page?.grid,
                evaluating: seeing.evaluate, bar, &times)
        }
        var pageFile: PendingFile?
        if let page, let comparison {
            pageFile = try times.measure(\.page) { try page.write(comparison, configuration, video, clip) }
        }

        let report = Report(
            input: input, output: output, page: seeing.report, clip: clip, video: video, outputType: type,
            configuration: configuration, comparison: comparison, times: times)
        bar?.clear()
        // While the outputs can still be withheld: there are none without their summary.
        try report.print(asJSON: running.json, to: stream)
        try file.take()?.commit()
        try pageFile.take()?.commit()
    }

    private func writer(
        _ video: CompressedVideo, _ type: ElementType, _ configuration: Configuration
    ) throws -> SafetensorsWriter {
        var writer = SafetensorsWriter(metadata: ["configuration": try JSON.text(configuration)])
        writer.add("tokens", floats: video.tokens, shape: [video.count, video.shape.channels], as: type)
        writer.add("indices", integers: video.indices, shape: [video.count])
        writer.add("segment_lengths", integers: video.segmentLengths, shape: [video.segmentLengths.count])
        if configuration.semantics != .published {
            writer.add("assignment", integers: video.assignment, shape: [video.assignment.count])
            writer.add("counts", integers: video.counts, shape: [video.counts.count])
        }
        return writer
    }
}

/// Wall time of the parts of a run.
struct Times {
    var reading = Duration.zero
    var compression = Duration.zero
    var writing = Duration.zero
    var comparison = Duration.zero
    var page = Duration.zero

    var total: Duration { reading + compression + writing + comparison + page }

    mutating func measure<Result: ~Copyable>(
        _ part: WritableKeyPath<Times, Duration>, _ body: () throws -> Result
    ) rethrows -> Result {
        let start = ContinuousClock.now
        let result = try body()
        self[keyPath: part] += ContinuousClock.now - start
        return result
    }
}
