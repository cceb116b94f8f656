import FlashVID
import ToolSupport

/// One measurement of a clip beside the ordinary one.
struct HardRow: TimedRow, StagedRow, Equatable {
    var clip: String
    /// How it is made; absent of the ordinary one.
    var recipe: String?
    /// `default`, `published` or `refined`.
    var semantics: String
    /// F, N, D
    var shape: [Int]
    var dtype: String
    var retention: Double
    var threads: Int
    var runs: Int
    /// Its times, and those of the ordinary clip's floor in alternation with it.
    var times: Times
    /// The ordinary clip's, in alternation with it; of the ordinary clip its own.
    var ordinaryMs: Double
    /// Median over median.
    var overOrdinary: Double
    /// Decisions settled in double precision.
    var closeCalls: Int
    /// Numbers that float32 could not tell apart, by how they became known.
    var settledByClass: Int
    var settledInBlocks: Int
    var settledSingly: Int
    var extraBytes: Int?
    /// Over the ordinary clip's.
    var memoryOverOrdinary: Double?
    /// Of the indices, so that runs can be compared.
    var digest: String
    var stagesMs: [String: Double]
}

extension HardRow {
    /// `ordinary` is the ordinary clip's row of the same configuration; nil for that row itself.
    init(
        _ clip: HardClip, _ measurement: Measurement, of flight: Flight, semantics: String, retention: Double,
        threads: Int, ordinary: HardRow?
    ) {
        let (source, video) = (flight.lanes[0].clip, flight.lanes[0].video)
        let settled = video.statistics.settled
        let others = measurement.others.isEmpty ? measurement.times : measurement.others
        var memory: Double?
        if let bytes = measurement.extraBytes, let least = ordinary?.extraBytes ?? measurement.extraBytes, least > 0 {
            memory = (Double(bytes) / Double(least)).rounded(places: 4)
        }
        self.init(
            clip: clip.name, recipe: clip.recipe?.text, semantics: semantics,
            shape: [source.shape.frames, source.shape.tokensPerFrame, source.shape.channels],
            dtype: Row.name(source.type), retention: retention, threads: threads, runs: measurement.times.count,
            times: Times(measurement), ordinaryMs: others.median.milliseconds,
            overOrdinary: (measurement.times.median / others.median).rounded(places: 4),
            closeCalls: video.statistics.closeCalls, settledByClass: settled.byClass,
            settledInBlocks: settled.inBlocks, settledSingly: settled.singly, extraBytes: measurement.extraBytes,
            memoryOverOrdinary: memory, digest: Self.digest(video.indices), stagesMs: Self.stagesMs(of: measurement))
    }

    /// FNV-1a of the numbers' bytes.
    static func digest(_ indices: [Int]) -> String {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for index in indices {
            for byte in 0..<8 {
                hash = (hash ^ UInt64(truncatingIfNeeded: index >> (8 * byte)) & 0xFF) &* 0x100_0000_01B3
            }
        }
        let digits = String(hash, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}

extension Table<HardRow> {
    private static var clip: Column { Column(title: "clip", width: 15) { $0.clip } }

    static var hard: Self {
        Table(columns: [
            clip, .milliseconds, .range, .floor, .overFloor,
            Column(title: "over ordinary", width: 13) { Format.number($0.overOrdinary) },
            .closeCalls,
            Column(title: "by class", width: 8) { "\($0.settledByClass)" },
            Column(title: "in blocks", width: 9) { "\($0.settledInBlocks)" },
            Column(title: "singly", width: 8) { "\($0.settledSingly)" },
            .memory,
            Column(title: "over ordinary", width: 13) { $0.memoryOverOrdinary.map(Format.number) ?? "?" },
        ])
    }

    /// Where the time goes.
    static var hardStages: Self { Table(columns: [clip] + Column.stages) }
}

extension [HardRow] {
    /// The last line of the report: the row of the largest ratio, the ordinary clip's only where there is no other.
    var worst: String? {
        let hard = filter { $0.clip != HardClip.ordinary.name }
        guard let row = (hard.isEmpty ? self : hard).max(by: { $0.times.overFloor < $1.times.overFloor }) else {
            return nil
        }
        var place = [row.shape.map { "\($0)" }.joined(separator: " x "), row.dtype, Bench.name(threads: row.threads)]
        if row.semantics != "default" { place.append(row.semantics) }
        place.append("retention \(row.retention)")
        return "worst: \(row.clip), \(Format.number(row.times.overFloor)) times the ordinary clip's floor, "
            + "\(Format.number(row.overOrdinary)) times its time (\(place.joined(separator: ", ")))\n"
    }

    /// Clips whose indices are not the same on every number of threads.
    var unsteady: [String] {
        var first: [String: String] = [:]
        var names: [String] = []
        for row in self {
            let key = "\(row.clip) \(row.shape) \(row.dtype) \(row.semantics) \(row.retention)"
            let digest = first[key] ?? row.digest
            first[key] = digest
            if digest != row.digest, !names.contains(row.clip) { names.append(row.clip) }
        }
        return names
    }
}
