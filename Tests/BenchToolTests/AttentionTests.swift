import FlashVID
import FlashVIDFile
import FlashVIDHost
import Foundation
import Testing
import ToolSupport

@testable import flashvid_bench

@Suite("Attention") struct AttentionTests {
    private static let shape = AttentionShape(frames: 2, heads: 5, tokens: 7, width: 6)

    private func input(
        seed: UInt64 = 1, as type: ScalarType = .float32, threads: Int = 2
    ) throws -> AttentionInput {
        try AttentionInput(Self.shape, seed: seed, as: type, pool: try WorkerPool(threads: threads, multiplying: true))
    }

    private func withFile(_ body: (String) throws -> Void) rethrows {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("flashvid-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        try body(path)
    }

    @Test func shapes() throws {
        let bench = try Bench.parseArguments(["--attention", "32x16x729x72,1x2x3x4"])
        try bench.check()
        #expect(
            bench.attention.attention?.elements == [
                AttentionShape(frames: 32, heads: 16, tokens: 729, width: 72),
                AttentionShape(frames: 1, heads: 2, tokens: 3, width: 4),
            ])
    }

    @Test(arguments: [
        (["--attention", "1x2x3"], "1x2x3"), (["--attention", "1x2x3x0"], "1x2x3x0"), (["--attention", ""], "''"),
        (["--attention", "1x2x3x4,"], "1x2x3x4,"),
        (["--attention", "1x1x2x3", "--shape", "1x2x3"], "--shape excludes --attention"),
        (["--attention", "1x1x2x3", "--preset", "llava-video"], "--preset excludes --attention"),
        (["--attention", "1x1x2x3", "--retention", "0.1"], "--retention excludes --attention"),
        (["--attention", "1x1x2x3", "--published"], "--published excludes --attention"),
        (["--attention", "1x1x2x3", "--refined"], "--refined excludes --attention"),
        (["--attention", "1x1x2x3", "--clips", "2"], "--clips excludes --attention"),
        (["--attention", "1x1x2x3", "--stages"], "--stages excludes --attention"),
        (["--attention", "1x1x2x3", "--input", "a", "--dtype", "f16"], "--dtype excludes --input"),
        (["--attention", "1x1x2x3", "--input", "a", "--write", "b"], "--write excludes --input"),
        (["--attention", "1x1x2x3,1x1x2x4", "--input", "a"], "--input takes one shape"),
        (["--attention", "1x1x2x3,1x1x2x4", "--write", "a"], "--write takes one shape"),
        (["--attention", "1x1x2x3,1x1x2x4", "--step"], "--step takes one shape"),
        (["--attention", "1x1x2x3", "--threads", "65"], "65 threads"),
    ])
    func refusals(_ arguments: [String], _ message: String) { expectRefusal(arguments, message) }

    @Test func followsFromTheSeed() throws {
        let (first, again, other) = (try input(), try input(threads: 1), try input(seed: 2))
        for tensor in 0..<2 {
            #expect(Array(first.floats[tensor]) == Array(again.floats[tensor]))
            #expect(Array(first.floats[tensor]) != Array(other.floats[tensor]))
            #expect(first.floats[tensor].allSatisfy { $0.isFinite })
        }
        #expect(Array(first.floats[0]) != Array(first.floats[1]))
    }

    @Test(arguments: [ScalarType.float32, .float16, .bfloat16]) func survivesTheFile(type: ScalarType) throws {
        try withFile { path in
            let input = try input(as: type)
            try input.write(to: OutputFile(FilePath(path)), metadata: ["seed": "1"])
            let read = try AttentionInput(contentsOf: .path(FilePath(path)), Self.shape)
            #expect(read.type == type)
            #expect(Array(read.queries) == Array(input.queries))
            #expect(Array(read.keys) == Array(input.keys))
            if type == .float16 { #expect(Array(read.floats[0]) == input.floats[0].map { Float(Float16($0)) }) }
            let failure = #expect(throws: Failure.self) {
                try AttentionInput(
                    contentsOf: .path(FilePath(path)), AttentionShape(frames: 2, heads: 5, tokens: 6, width: 7))
            }
            #expect(failure?.exitCode == 2)
            #expect(
                failure?.message.hasSuffix("queries have the shape [2, 5, 7, 6]; --attention says [2, 5, 6, 7]") == true
            )
        }
    }

    @Test func wantsBothTensors() throws {
        try withFile { path in
            let clip = try BenchClip(
                SyntheticClip(shape: ClipShape(frames: 1, tokensPerFrame: 2, channels: 3), seed: 1), as: .float32,
                pool: try WorkerPool(threads: 1, multiplying: true))
            try clip.write(to: OutputFile(FilePath(path)), metadata: [:])
            let failure = #expect(throws: (any Error).self) {
                try AttentionInput(contentsOf: .path(FilePath(path)), Self.shape)
            }
            #expect(failure.map { Failure($0).exitCode } == 2)
            #expect(failure.map { Failure($0).message.contains("queries") } == true)
        }
    }

    @Test func refusesWhatDoesNotFit() {
        let shape = AttentionShape(frames: .max, heads: 2, tokens: 1, width: 1)
        #expect(throws: (any Error).self) {
            try AttentionInput(shape, seed: 1, as: .float32, pool: try WorkerPool(threads: 1, multiplying: true))
        }
        #expect(throws: Failure.self) {
            let long = AttentionShape(frames: 1, heads: 1, tokens: 2_000_000, width: 1)
            let input = try AttentionInput(
                long, seed: 1, as: .float32, pool: try WorkerPool(threads: 2, multiplying: true))
            try AttentionPass(input, threads: 2).prepareFloor()
        }
    }

    /// One row, its numbers consistent with each other. How long it takes says nothing here.
    @Test(arguments: [ScalarType.float32, .bfloat16]) func passes(type: ScalarType) throws {
        let pass = try AttentionPass(try input(as: type), threads: 2)
        let measurement = try Measurement(of: pass, Repetitions(runs: 3, warmup: 2))
        for frame in 0..<2 {
            let sum = pass.scores[frame * 7..<(frame + 1) * 7].reduce(0, +)
            #expect(abs(sum - 1) < 1e-5)
        }
        #expect(pass.flops == 2 * 2 * 5 * 7 * 7 * 6)
        let row = AttentionRow(measurement, of: pass, threads: 2, peak: 1e9)
        #expect(row.frames == 2 && row.heads == 5 && row.tokens == 7 && row.width == 6)
        #expect(row.runs == 3)
        #expect(row.times.minMs <= row.times.medianMs && row.times.medianMs <= row.times.maxMs)
        #expect(row.times.gemmFloorMinMs <= row.times.gemmFloorMs && row.times.gemmFloorMs <= row.times.gemmFloorMaxMs)
        #if os(Linux)
            #expect(row.extraBytes != nil)
        #endif
        let table = Table<AttentionRow>.attention
        #expect(table.text(of: row).split(separator: "\n").count == 1)
    }

    @Test func table() {
        let row = AttentionRow(
            frames: 32, heads: 16, tokens: 729, width: 72, dtype: "f32", threads: 2, runs: 9,
            times: Times(
                medianMs: 610.2, minMs: 599, maxMs: 1234.5, gemmFloorMs: 421, gemmFloorMinMs: 400, gemmFloorMaxMs: 430,
                overFloor: 1.4494),
            rate: Rate(gflop: 39.189, gflops: 64.26, peakShare: 0.654), softmaxShare: 0.31, extraBytes: 1_410_000)
        let table = Table<AttentionRow>.attention
        #expect(table.text(of: row).count == table.header.count)
        let cells = table.text(of: row).split(whereSeparator: \.isWhitespace).map(String.init)
        #expect(
            cells == [
                "32", "x", "16", "x", "729", "x", "72", "610", "599..1235", "421", "1.45", "64.3", "65.4", "%", "31.0",
                "%", "1.41",
            ])
    }

    /// From end to end, on generated numbers and on a file.
    @Test func measures() throws {
        let outcome = try Outcome(
            "--attention", "1x2x5x3,2x1x4x2", "--dtype", "f16", "--threads", "1,2", "--runs", "1", "--warmup", "0")
        #expect(
            outcome.titles == [
                "frames", "heads", "tokens", "width", "dtype", "threads", "runs", "median_ms", "min_ms", "max_ms",
                "gemm_floor_ms", "gemm_floor_min_ms", "gemm_floor_max_ms", "over_floor", "gflop", "gflops",
                "peak_share", "softmax_share", "extra_bytes",
            ])
        #expect(outcome.agrees)
        #expect(outcome.machine["peak_gflops"] != nil)
        #expect(outcome.rows.map { $0["threads"] as? Int } == [1, 1, 2, 2])
        #expect(outcome.rows.map { $0["tokens"] as? Int } == [5, 4, 5, 4])
        #expect(outcome.rows.allSatisfy { $0["dtype"] as? String == "f16" })
        try withFile { path in
            try Bench.parseArguments(["--attention", "1x2x5x3", "--dtype", "bf16", "--write", path]).measure()
            let outcome = try Outcome("--attention", "1x2x5x3", "--input", path, "--threads", "1", "--runs", "1")
            #expect(outcome.rows.map { $0["dtype"] as? String } == ["bf16"])
            #expect(outcome.machine["clip"] as? String == path)
        }
    }
}
