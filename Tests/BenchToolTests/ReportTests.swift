import FlashVID
import Foundation
import Testing
import ToolSupport

@testable import flashvid_bench

@Suite("Report") struct ReportTests {
    private static let row = Row(
        preset: "llava-video", semantics: "default", shape: [64, 169, 3584], dtype: "f32", retention: 0.1, threads: 2,
        clips: 1, runs: 7, tokensIn: 10816, tokensOut: 1408, segments: 10,
        times: Times(
            medianMs: 50.5, minMs: 49, maxMs: 1234.5, gemmFloorMs: 48, gemmFloorMinMs: 47, gemmFloorMaxMs: 50,
            overFloor: 1.0521),
        framesPerS: 1267.3, tokensPerS: 214_178, rate: Rate(gflop: 18.5, gflops: 366.3, peakShare: 0.91),
        extraBytes: 28_000_000, outputBytes: 20_500_000, closeCalls: 12,
        stagesMs: ["segmentation": 1, "selection": 2, "trees": 1, "contextual": 4, "refinement": 0])

    @Test func median() {
        #expect([3.0].median == 3)
        #expect([5.0, 1, 3].median == 3)
        #expect([4.0, 1, 3, 2].median == 2.5)
        #expect([Double]().median.isNaN)
    }

    @Test func repetitions() {
        #expect(!Repetitions(runs: 5).isEnough(4, after: 100))
        #expect(Repetitions(runs: 5).isEnough(5, after: 0))
        #expect(!Repetitions().isEnough(2, after: 1))
        #expect(Repetitions().isEnough(3, after: 1))
        #expect(!Repetitions().isEnough(1, after: 100))
        #expect(Repetitions().isEnough(2, after: 100))
        #expect(!Repetitions().isEnough(14, after: 0))
        #expect(Repetitions().isEnough(15, after: 0))
    }

    @Test func sharesThreads() {
        #expect(Lane.share(threads: 2, among: 4) == [1, 1, 1, 1])
        #expect(Lane.share(threads: 2, among: 1) == [2])
        #expect(Lane.share(threads: 5, among: 2) == [3, 2])
    }

    @Test(arguments: [Table<Row>.rows, Table<Row>.stages]) func table(_ table: Table<Row>) {
        let header = table.header
        let line = table.text(of: Self.row)
        #expect(header.count == line.count)
        #expect(header.hasSuffix("\n") && line.hasSuffix("\n"))
        #expect(line.filter { $0 == "\n" }.count == 1)
    }

    @Test func tableShowsWhatWasMeasured() {
        let cells = Table<Row>.rows.text(of: Self.row).split(whereSeparator: \.isWhitespace).map(String.init)
        #expect(
            cells == [
                "0.1", "10816", "→", "1408", "50.5", "49.0..1235", "1267", "214178", "366", "91.0", "%", "48.0", "1.05",
                "28.0",
            ])
        let stages = Table<Row>.stages.text(of: Self.row).split(whereSeparator: \.isWhitespace).map(String.init)
        #expect(stages.prefix(4) == ["0.1", "1.00", "(12.5", "%)"])
        #expect(stages.last == "12")
        var unknown = Self.row
        unknown.extraBytes = nil
        #expect(Table<Row>.rows.text(of: unknown).hasSuffix("?\n"))
    }

    @Test func json() throws {
        let machine = Machine(coresUsed: 2, clip: SyntheticClip.recipe, seed: 1)
        let text = try JSON.text(Results(machine: machine, rows: [Self.row]), indented: true)
        let results = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        #expect(Set(results.keys) == ["machine", "rows"])
        let head = try #require(results["machine"] as? [String: Any])
        for key in [
            "cpu", "cores_used", "blas", "blas_core", "blas_version", "openblas_environment", "swift", "commit",
        ] {
            #expect(head[key] != nil, "\(key)")
        }
        let row = try #require((results["rows"] as? [[String: Any]])?.first)
        for key in [
            "shape", "retention", "threads", "tokens_out", "median_ms", "min_ms", "max_ms", "gemm_floor_ms",
            "over_floor", "gflops", "peak_share", "extra_bytes", "stages_ms",
        ] { #expect(row[key] != nil, "\(key)") }
        #expect(row["shape"] as? [Int] == [64, 169, 3584])
        #expect(
            Set((row["stages_ms"] as? [String: Any] ?? [:]).keys)
                == Set(CompressedVideo.Stage.allCases.map(\.name)))
    }

    @Test func csv() throws {
        var unknown = Self.row
        unknown.extraBytes = nil
        let lines = CSV.text([Self.row, unknown]).split(separator: "\n").map {
            $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        }
        #expect(lines.count == 3)
        #expect(lines.allSatisfy { $0.count == lines[0].count })
        let cells = Dictionary(uniqueKeysWithValues: zip(lines[0], lines[1]))
        #expect(cells["frames"] == "64")
        #expect(cells["tokens_per_frame"] == "169")
        #expect(cells["channels"] == "3584")
        #expect(cells["preset"] == "llava-video")
        #expect(cells["median_ms"] == "50.5")
        #expect(cells["extra_bytes"] == "28000000")
        #expect(cells["stage_contextual_ms"] == "4.0")
        #expect(Dictionary(uniqueKeysWithValues: zip(lines[0], lines[2]))["extra_bytes"] == "")
    }

    @Test func head() {
        var machine = Machine(coresUsed: 2, clip: "made", seed: 7)
        machine.openblasEnvironment = ["OPENBLAS_CORETYPE": "Haswell"]
        machine.peakGflops = ["1": 100, "2": 200.5]
        let summary = machine.summary
        #expect(summary.contains("OPENBLAS_CORETYPE=Haswell"))
        #expect(summary.contains("generated from seed 7: made"))
        #expect(summary.contains("100 GFLOP/s on 1 thread, 201 GFLOP/s on 2 threads"))
        #expect(summary.split(separator: "\n").count == 6)
    }

    /// One row from end to end, its numbers consistent with each other. How long it takes says nothing here.
    @Test(arguments: [1, 3]) func measures(clips: Int) throws {
        let clip = try BenchClip(
            SyntheticClip(shape: ClipShape(frames: 9, tokensPerFrame: 16, channels: 32), seed: 1), as: .float32,
            pool: try WorkerPool(threads: 1, multiplying: true))
        let flight = try Flight(
            (0..<clips).map { _ in try BenchClip(copying: clip) }, Configuration(retentionRatio: 0.25), threads: 2)
        let measurement = try Measurement(of: flight, Repetitions(runs: 4, warmup: 2))
        let row = Row(
            measurement, of: flight, preset: "default", semantics: "default", retention: 0.25, threads: 2, peak: 1e9)
        #expect(row.shape == [9, 16, 32])
        #expect(row.tokensIn == 144)
        #expect(row.tokensOut == 45)
        #expect(row.clips == clips)
        #expect(row.runs == 4)
        #expect(row.times.minMs <= row.times.medianMs && row.times.medianMs <= row.times.maxMs)
        #expect(flight.lanes.allSatisfy { $0.flops > 0 } && row.times.overFloor > 0)
        #expect(row.outputBytes > clips * 45 * 32 * 4)
        #if os(Linux)
            #expect(row.extraBytes != nil)
        #endif
    }
}
