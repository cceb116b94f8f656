import FlashVIDHost
import ToolSupport

/// One measurement of attention scores.
struct AttentionRow: MeasuredRow, Equatable {
    var frames: Int
    var heads: Int
    var tokens: Int
    var width: Int
    var dtype: String
    var threads: Int
    var runs: Int
    var times: Times
    var rate: Rate
    /// What the engine's time has beyond the floor's, of it: the softmax and its sums.
    var softmaxShare: Double
    /// Peak of the first call beyond what was resident; absent where the system does not tell.
    var extraBytes: Int?
}

extension AttentionRow {
    init(_ measurement: Measurement, of pass: AttentionPass, threads: Int, peak: Double) {
        let shape = pass.input.shape
        self.init(
            frames: shape.frames, heads: shape.heads, tokens: shape.tokens, width: shape.width,
            dtype: Row.name(pass.input.type), threads: threads, runs: measurement.times.count,
            times: Times(measurement),
            rate: Rate(flops: pass.flops, total: pass.flops, in: measurement, peak: peak),
            softmaxShare: (1 - measurement.floors.median / measurement.times.median).rounded(places: 4),
            extraBytes: measurement.extraBytes)
    }
}

extension Table<AttentionRow> {
    static var attention: Self {
        Table(columns: [
            Column(title: "F x H x N x E", width: 19) { "\($0.frames) x \($0.heads) x \($0.tokens) x \($0.width)" },
            .milliseconds, .range, .floor, .overFloor, .rate, .peakShare,
            Column(title: "softmax", width: 7) { Format.percent($0.softmaxShare) },
            .memory,
        ])
    }
}
