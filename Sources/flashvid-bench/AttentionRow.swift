import FlashVIDHost
import ToolSupport

/// One measurement of attention scores. The property names, in snake case, are the keys of a row in `--json` and the
/// columns of `--csv`.
struct AttentionRow: FlatRow, Equatable {
    var frames: Int
    var heads: Int
    var tokens: Int
    var width: Int
    var dtype: String
    var threads: Int
    var runs: Int
    var medianMs: Double
    var minMs: Double
    var maxMs: Double
    var gemmFloorMs: Double
    var gemmFloorMinMs: Double
    var gemmFloorMaxMs: Double
    /// Median over median.
    var overFloor: Double
    /// Of the floor's products.
    var gflop: Double
    /// The floor's flops over the engine's time.
    var gflops: Double
    /// `gflops` over the measured SGEMM peak on as many threads.
    var peakShare: Double
    /// What the engine's time has beyond the floor's, of it: the softmax and its sums.
    var softmaxShare: Double
    /// Peak of the first call beyond what was resident; absent where the system does not tell.
    var extraBytes: Int?

    enum CodingKeys: String, CodingKey, CaseIterable {
        case frames, heads, tokens, width, dtype, threads, runs
        case medianMs = "median_ms"
        case minMs = "min_ms"
        case maxMs = "max_ms"
        case gemmFloorMs = "gemm_floor_ms"
        case gemmFloorMinMs = "gemm_floor_min_ms"
        case gemmFloorMaxMs = "gemm_floor_max_ms"
        case overFloor = "over_floor"
        case gflop, gflops
        case peakShare = "peak_share"
        case softmaxShare = "softmax_share"
        case extraBytes = "extra_bytes"
    }

    static var keys: [String] { CodingKeys.allCases.map(\.stringValue) }
}

extension AttentionRow {
    init(_ measurement: AttentionMeasurement, of pass: AttentionPass, threads: Int, peak: Double) {
        let shape = pass.input.shape
        let (median, floor) = (measurement.times.median, measurement.floors.median)
        self.init(
            frames: shape.frames, heads: shape.heads, tokens: shape.tokens, width: shape.width,
            dtype: Row.name(pass.input.type), threads: threads, runs: measurement.times.count,
            medianMs: median.milliseconds, minMs: (measurement.times.min() ?? .nan).milliseconds,
            maxMs: (measurement.times.max() ?? .nan).milliseconds, gemmFloorMs: floor.milliseconds,
            gemmFloorMinMs: (measurement.floors.min() ?? .nan).milliseconds,
            gemmFloorMaxMs: (measurement.floors.max() ?? .nan).milliseconds,
            overFloor: (median / floor).rounded(places: 4), gflop: (pass.flops * 1e-9).rounded(places: 3),
            gflops: (pass.flops / median * 1e-9).rounded(places: 2),
            peakShare: (pass.flops / median / peak).rounded(places: 4),
            softmaxShare: (1 - floor / median).rounded(places: 4), extraBytes: measurement.extraBytes)
    }
}

extension Table<AttentionRow> {
    static var attention: Self {
        Table(columns: [
            Column(title: "F x H x N x E", width: 19) { "\($0.frames) x \($0.heads) x \($0.tokens) x \($0.width)" },
            Column(title: "ms", width: 6) { Format.number($0.medianMs) },
            Column(title: "min..max", width: 12) { "\(Format.number($0.minMs))..\(Format.number($0.maxMs))" },
            Column(title: "floor ms", width: 8) { Format.number($0.gemmFloorMs) },
            Column(title: "over floor", width: 10) { Format.number($0.overFloor) },
            Column(title: "GFLOP/s", width: 7) { Format.number($0.gflops) },
            Column(title: "of peak", width: 7) { Format.percent($0.peakShare) },
            Column(title: "softmax", width: 7) { Format.percent($0.softmaxShare) },
            Column(title: "memory MB", width: 9) { $0.extraBytes.map { Format.number(Double($0) * 1e-6) } ?? "?" },
        ])
    }
}
