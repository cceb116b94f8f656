import FlashVID
import FlashVIDFile
import ToolSupport

extension Command {
    /// Reads, compresses, writes, and tells.
    func compress() throws {
        let configuration = try configuration()
        var compressor = try Compressor(configuration, threads: running.threads)
        // Found out now and not after the work.
        let stream = try RunFiles(input: input, outputs: [RunFiles.Output("--output", output)]).check()

        let bar = ProgressBar()
        defer { bar?.clear() }
        let start = ContinuousClock.now
        let clip = try Clip(contentsOf: input, progress: bar?.progress(of: .reading))
        let reading = ContinuousClock.now

        let video = try clip.compressed(by: &compressor, progress: bar?.progress(of: .compressing))
        let compression = ContinuousClock.now

        let type = running.dtype?.elementType ?? ElementType(clip.type)
        let file = try writer(video, type, configuration).prepare(output, progress: bar?.progress(of: .writing))
        let end = ContinuousClock.now

        let report = Report(
            input: input, output: output, clip: clip, video: video, outputType: type, configuration: configuration,
            reading: reading - start, compression: compression - reading, writing: end - compression)
        bar?.clear()
        // While the output can still be withheld: there is none without its summary.
        try report.print(asJSON: running.json, to: stream)
        try file.commit()
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
