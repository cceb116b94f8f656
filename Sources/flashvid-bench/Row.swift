import FlashVID

/// A row about a clip, with the time of each stage.
protocol StagedRow: Fields {
    /// F, N, D
    var shape: [Int] { get }
    /// Decisions of one clip settled in double precision.
    var closeCalls: Int { get }
    /// Medians, summed over threads and clips.
    var stagesMs: [String: Double] { get }
}

extension StagedRow {
    /// The shape, and the time of each stage, in columns of their own.
    var cells: [(title: String, text: String)] {
        zip(["frames", "tokens_per_frame", "channels"], shape).map { ($0, "\($1)") }
            + fields.filter { $0.key != "shape" && $0.key != "stages_ms" }
            .map { ($0.key, $0.value.map { "\($0)" } ?? "") }
            + CompressedVideo.Stage.allCases.map { ("stage_\($0.name)_ms", "\(stagesMs[$0.name] ?? 0)") }
    }

    static func stagesMs(of measurement: Measurement) -> [String: Double] {
        var medians: [String: Double] = [:]
        for stage in CompressedVideo.Stage.allCases {
            medians[stage.name] = measurement.stages.map { $0[stage.rawValue] }.median.milliseconds
        }
        return medians
    }
}

/// One measurement.
struct Row: MeasuredRow, StagedRow, Equatable {
    /// The preset, or `default`.
    var preset: String
    /// `default`, `published` or `refined`.
    var semantics: String
    /// F, N, D
    var shape: [Int]
    var dtype: String
    var retention: Double
    var threads: Int
    /// Clips in flight. Times are those of all of them together; tokens, and so K, of one.
    var clips: Int
    var runs: Int
    var tokensIn: Int
    var tokensOut: Int
    var segments: Int
    var times: Times
    var framesPerS: Double
    var tokensPerS: Double
    var rate: Rate
    /// Peak beyond what was resident before the first call, output included; absent where the system does not tell.
    var extraBytes: Int?
    /// Of them, the results' arrays.
    var outputBytes: Int
    /// Decisions of one clip settled in double precision.
    var closeCalls: Int
    /// Medians, summed over threads and clips.
    var stagesMs: [String: Double]
}

extension Row {
    init(
        _ measurement: Measurement, of flight: Flight, preset: String, semantics: String, retention: Double,
        threads: Int, peak: Double
    ) {
        let clip = flight.lanes[0].clip
        let video = flight.lanes[0].video
        let count = Double(flight.lanes.count)
        let median = measurement.times.median
        self.preset = preset
        self.semantics = semantics
        shape = [clip.shape.frames, clip.shape.tokensPerFrame, clip.shape.channels]
        dtype = Self.name(clip.type)
        self.retention = retention
        self.threads = threads
        clips = flight.lanes.count
        runs = measurement.times.count
        tokensIn = clip.shape.frames * clip.shape.tokensPerFrame
        tokensOut = video.count
        segments = video.segmentLengths.count
        times = Times(measurement)
        framesPerS = (count * Double(clip.shape.frames) / median).rounded(places: 1)
        tokensPerS = (count * Double(tokensIn) / median).rounded()
        rate = Rate(
            flops: flight.lanes[0].flops, total: flight.lanes.reduce(0) { $0 + $1.flops }, in: measurement, peak: peak)
        extraBytes = measurement.extraBytes
        outputBytes = flight.lanes.reduce(0) { $0 + $1.outputBytes }
        closeCalls = video.statistics.closeCalls
        stagesMs = Self.stagesMs(of: measurement)
    }

    static func name(_ type: ScalarType) -> String {
        switch type {
        case .float32: "f32"
        case .float16: "f16"
        case .bfloat16: "bf16"
        }
    }
}
