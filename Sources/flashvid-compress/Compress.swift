import FlashVID
import FlashVIDFile
import ToolSupport

extension Command {
    /// Reads, compresses, writes, and tells.
    func compress() throws {
        let configuration = try configuration()
        var compressor = try Compressor(configuration, threads: running.threads)
        // Found out now and not after the work.
        try SafetensorsWriter.check(destination: output)

        let start = ContinuousClock.now
        let clip = try Clip(contentsOf: input)
        let reading = ContinuousClock.now

        let bar = ProgressBar()
        let video: CompressedVideo
        do {
            defer { bar?.clear() }
            video = try clip.compressed(by: &compressor, progress: bar.map { bar in { bar.show($0) } })
        }
        let compression = ContinuousClock.now

        let type = running.dtype?.elementType ?? ElementType(clip.type)
        try write(video, type, configuration)
        let end = ContinuousClock.now

        let report = Report(
            input: input, output: output, clip: clip, video: video, outputType: type, configuration: configuration,
            reading: reading - start, compression: compression - reading, writing: end - compression)
        try report.print(asJSON: running.json)
    }

    private func write(_ video: CompressedVideo, _ type: ElementType, _ configuration: Configuration) throws {
        var writer = SafetensorsWriter(metadata: ["configuration": try JSON.text(configuration)])
        writer.add("tokens", floats: video.tokens, shape: [video.count, video.shape.channels], as: type)
        writer.add("indices", integers: video.indices, shape: [video.count])
        writer.add("segment_lengths", integers: video.segmentLengths, shape: [video.segmentLengths.count])
        if configuration.semantics != .published {
            writer.add("assignment", integers: video.assignment, shape: [video.assignment.count])
            writer.add("counts", integers: video.counts, shape: [video.counts.count])
        }
        try writer.write(to: output)
    }
}
