import FlashVID

/// One measurement. The property names, in snake case, are the keys of a row in `--json` and the columns of `--csv`.
struct Row: Encodable, Equatable {
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
    var medianMs: Double
    var minMs: Double
    var maxMs: Double
    var gemmFloorMs: Double
    var gemmFloorMinMs: Double
    var gemmFloorMaxMs: Double
    /// Median over median.
    var overFloor: Double
    var framesPerS: Double
    var tokensPerS: Double
    /// Of the floor's products, per clip.
    var gflop: Double
    /// The floor's flops over the engine's time.
    var gflops: Double
    /// `gflops` over the measured SGEMM peak on as many threads.
    var peakShare: Double
    /// Peak beyond what was resident before the first call, output included; absent where the system does not tell.
    var extraBytes: Int?
    /// Of them, the results' arrays.
    var outputBytes: Int
    /// Decisions of one clip settled in double precision.
    var closeCalls: Int
    /// Medians, summed over threads and clips.
    var stagesMs: [String: Double]

    enum CodingKeys: String, CodingKey, CaseIterable {
        case preset, semantics, shape, dtype, retention, threads, clips, runs
        case tokensIn = "tokens_in"
        case tokensOut = "tokens_out"
        case segments
        case medianMs = "median_ms"
        case minMs = "min_ms"
        case maxMs = "max_ms"
        case gemmFloorMs = "gemm_floor_ms"
        case gemmFloorMinMs = "gemm_floor_min_ms"
        case gemmFloorMaxMs = "gemm_floor_max_ms"
        case overFloor = "over_floor"
        case framesPerS = "frames_per_s"
        case tokensPerS = "tokens_per_s"
        case gflop, gflops
        case peakShare = "peak_share"
        case extraBytes = "extra_bytes"
        case outputBytes = "output_bytes"
        case closeCalls = "close_calls"
        case stagesMs = "stages_ms"
    }
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
        let flops = flight.lanes.reduce(0) { $0 + $1.flops }
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
        medianMs = median.milliseconds
        minMs = (measurement.times.min() ?? .nan).milliseconds
        maxMs = (measurement.times.max() ?? .nan).milliseconds
        gemmFloorMs = measurement.floors.median.milliseconds
        gemmFloorMinMs = (measurement.floors.min() ?? .nan).milliseconds
        gemmFloorMaxMs = (measurement.floors.max() ?? .nan).milliseconds
        overFloor = (median / measurement.floors.median).rounded(places: 4)
        framesPerS = (count * Double(clip.shape.frames) / median).rounded(places: 1)
        tokensPerS = (count * Double(tokensIn) / median).rounded()
        gflop = (flight.lanes[0].flops * 1e-9).rounded(places: 3)
        gflops = (flops / median * 1e-9).rounded(places: 2)
        peakShare = (flops / median / peak).rounded(places: 4)
        extraBytes = measurement.extraBytes
        outputBytes = flight.lanes.reduce(0) { $0 + $1.outputBytes }
        closeCalls = video.statistics.closeCalls
        stagesMs = [:]
        for stage in CompressedVideo.Stage.allCases {
            stagesMs[stage.name] = measurement.stages.map { $0[stage.rawValue] }.median.milliseconds
        }
    }

    static func name(_ type: ScalarType) -> String {
        switch type {
        case .float32: "f32"
        case .float16: "f16"
        case .bfloat16: "bf16"
        }
    }
}

extension Double {
    /// In milliseconds, to the microsecond.
    var milliseconds: Double { (self * 1e3).rounded(places: 3) }

    func rounded(places: Int) -> Double {
        let scale = [1, 1e1, 1e2, 1e3, 1e4][places]
        return (self * scale).rounded() / scale
    }
}
