import FlashVID
import FlashVIDHost
import Foundation
import Testing
import ToolSupport

@testable import flashvid_bench

@Suite("Plan") struct PlanTests {
    private func plan(_ model: HostModel = .llavaOneVision7B, frames: Int? = nil) throws -> Plan {
        try Plan(model, frames: frames, context: nil, textTokens: 64, retentions: [0.1, 0.25])
    }

    @Test func models() throws {
        #expect(try Bench.models(["all"]) == HostModel.all)
        #expect(try Bench.models(["qwen3-vl-8b", "llava-video-7b"]) == [.qwen3VL8B, .llavaVideo7B])
        for model in HostModel.all { #expect(try plan(model).shape == model.model.shape, "\(model.name)") }
    }

    @Test(arguments: [
        (["--plan", "gpt"], "--plan: there is no gpt; expected llava-onevision-7b,"),
        (["--plan", ""], "there is no ;"),
        (["--plan", "all", "--attention", "1x1x2x3"], "--attention excludes --plan"),
        (["--plan", "all", "--input", "a"], "--input excludes --plan"),
        (["--plan", "all", "--write", "a"], "--write excludes --plan"),
        (["--plan", "all", "--step"], "--step excludes --plan"),
        (["--plan", "all", "--shape", "1x2x3"], "--shape excludes --plan"),
        (["--plan", "all", "--preset", "llava-video"], "--preset excludes --plan"),
        (["--plan", "all", "--published"], "--published excludes --plan"),
        (["--plan", "all", "--refined"], "--refined excludes --plan"),
        (["--plan", "all", "--clips", "2"], "--clips excludes --plan"),
        (["--plan", "all", "--stages"], "--stages excludes --plan"),
        (["--plan", "all", "--frames", "0"], "--frames is 0; expected at least 1"),
        (["--plan", "all", "--context", "-3"], "--context is -3; expected at least 1"),
        (["--plan", "all", "--text-tokens", "-1"], "--text-tokens is -1; expected at least 0"),
        (["--plan", "all", "--llm-tflops", "1,0"], "--llm-tflops is 0.0"),
        (["--plan", "all", "--llm-tflops", "nan"], "--llm-tflops is nan"),
        (["--plan", "all", "--llm-tflops", "inf"], "--llm-tflops is inf"),
        (["--plan", "all", "--retention", "0"], "llava-onevision-7b: "),
        (["--plan", "all", "--threads", "0"], "0 threads"), (["--plan", "all", "--runs", "0"], "--runs is 0"),
        (["--plan", "all", "--rows", "0"], "llava-onevision-7b: target rows is 0; expected at least 1"),
        (["--plan", "llava-onevision-7b", "--rows", "6273"], "target rows is 6273; expected 1 to 6272"),
        (["--rows", "3"], "--rows says nothing without --plan"),
        (["--frames", "3"], "--frames says nothing without --plan"),
        (["--context", "3"], "--context says nothing without --plan"),
        (["--text-tokens", "3"], "--text-tokens says nothing without --plan"),
        (["--llm-tflops", "3", "--attention", "1x1x2x3"], "--llm-tflops says nothing without --plan"),
    ])
    func refusals(_ arguments: [String], _ message: String) { expectRefusal(arguments, message) }

    /// What cannot be met is told before anything is measured.
    @Test func impossible() {
        expectRefusal(
            ["--plan", "llava-onevision-7b", "--context", "100"],
            "llava-onevision-7b: a frame takes 196 positions and 35 are left for the video")
        expectRefusal(
            ["--plan", "qwen3-vl-8b", "--text-tokens", "300000"],
            "qwen3-vl-8b: 300000 other positions fill a context of 262144")
        expectRefusal(["--plan", "all", "--frames", "\(Int.max)"], "llava-onevision-7b: ")
        expectRefusal(["--plan", "all", "--text-tokens", "\(Int.max)"], "llava-onevision-7b: ")
    }

    @Test func lines() throws {
        let plan = try plan()
        #expect(plan.rows.map(\.retentionRatio) == [nil, 0.1, 0.25])
        let rate = try #require(LLMRate.list(peak: 1e11, threads: 2, [100]).last)
        let full = try PlanLine(plan.rows[0], of: plan, dtype: "f32", threads: 2, times: nil).with(rate, of: plan)
        #expect(
            full.retention == nil && full.compressMs == nil && full.paysUpToTflopPerS == nil
                && full.paysFromFrames == nil && full.runs == 0)
        #expect(full.visualTokens == 6272 && full.promptLength == 6337)
        #expect(full.speedup > 0.999 && full.speedup < 1.001)
        let line = try PlanLine(plan.rows[1], of: plan, dtype: "f32", threads: 2, times: [0.06, 0.05, 0.09])
            .with(rate, of: plan)
        #expect(line.visualTokens == 800 && line.averageVisualTokens == 640 && line.promptLength == 865)
        #expect(line.compressMs == 60 && line.compressMinMs == 50 && line.compressMaxMs == 90 && line.runs == 3)
        #expect(abs(line.prefillS - line.prefillTflop / 100) < 1e-9)
        #expect(abs(line.totalS - line.prefillS - 0.06) < 1e-9)
        #expect(abs(line.speedup - full.totalS / line.totalS) < 1e-3)
        #expect(line.paysFromFrames == 1)
        let limit = try #require(line.paysUpToTflopPerS)
        #expect(abs(limit - (full.prefillTflop - line.prefillTflop) / 0.06) < 0.1)
        // At that rate nothing is gained and nothing lost.
        let there = try line.with(LLMRate(tflopPerSecond: limit, heading: "", isMeasured: false), of: plan)
        #expect(abs(there.speedup - 1) < 1e-3)
        // 10 s a frame pay on no machine of 100 TFLOP/s.
        let slow = try PlanLine(plan.rows[1], of: plan, dtype: "f32", threads: 2, times: [1e6]).with(rate, of: plan)
        #expect(slow.paysFromFrames == nil)
        #expect(Table<PlanLine>.reading.text(of: slow).hasSuffix("none\n"))
    }

    @Test func rates() {
        let rates = LLMRate.list(peak: 1.9e11, threads: 2, [100, 0.5])
        #expect(rates.map(\.tflopPerSecond) == [0.19, 100, 0.5])
        #expect(rates.map(\.isMeasured) == [true, false, false])
        #expect(rates[0].heading.contains("SGEMM peak of this machine on 2 threads"))
        #expect(rates[1].heading == "LLM at 100 TFLOP/s\n")
    }

    @Test(arguments: [Table<PlanLine>.plan, Table<PlanLine>.reading]) func table(_ table: Table<PlanLine>) throws {
        let plan = try plan()
        let rate = LLMRate.list(peak: 1e11, threads: 1, [])[0]
        for (row, times) in zip(plan.rows, [nil, [0.0604], [12.5]]) {
            let line = try PlanLine(row, of: plan, dtype: "f32", threads: 1, times: times).with(rate, of: plan)
            #expect(table.text(of: line).count == table.header.count)
        }
    }

    /// The heading names everything that the rows rest on.
    @Test func heading() throws {
        let heading = try plan(.qwen3VL8B, frames: 5).heading("f16", threads: 1)
        for part in [
            "qwen3-vl-8b, 5 x 1024 x 4096, f16, 1 thread\n", "36 layers of width 4096", "feed-forward 12288",
            "32 heads of 128, 8 of keys and values", "context 262144", "64 text tokens", "9 positions a frame",
            "before layer 28 of 36 down to 0.1", "expansion 1.25",
        ] { #expect(heading.contains(part), "\(part)") }
    }

    /// The engine lets in what the plan says.
    @Test func keepsWhatIsPlanned() throws {
        let plan = try plan(frames: 2)
        let clip = try BenchClip(
            SyntheticClip(shape: plan.shape, seed: 1), as: .float16, pool: try WorkerPool(threads: 2, multiplying: true)
        )
        let flight = try Flight([clip], try plan.model.configuration(retentionRatio: 0.1), threads: 2)
        _ = try flight.compress()
        #expect(flight.lanes[0].video.count == plan.rows[1].visualTokens)
    }

    @Test func rows() throws {
        let plan = try Plan(
            .llavaOneVision7B, frames: 2, context: nil, textTokens: 64, retentions: [], targetRows: [77, 392])
        #expect(plan.rows.map(\.targetRows) == [nil, 77, 392])
        #expect(plan.rows.map(\.visualTokens) == [392, 77, 392])
        #expect(try plan.configuration(plan.rows[0]) == nil)
        let configuration = try #require(try plan.configuration(plan.rows[1]))
        let clip = try BenchClip(
            SyntheticClip(shape: plan.shape, seed: 1), as: .float16, pool: try WorkerPool(threads: 2, multiplying: true)
        )
        let flight = try Flight([clip], configuration, threads: 2)
        _ = try flight.compress()
        #expect(flight.lanes[0].video.count == 77)
        let rate = LLMRate.list(peak: 1e11, threads: 2, [])[0]
        let line = try PlanLine(plan.rows[1], of: plan, dtype: "f16", threads: 2, times: [0.01]).with(rate, of: plan)
        #expect(line.targetRows == 77 && line.retention == nil)
        #expect(line.paysFromFrames == 1)
        #expect(Table<PlanLine>.plan.text(of: line).contains("77 rows"))
    }

    /// From end to end. How long it takes says nothing here.
    @Test func measures() throws {
        let outcome = try Outcome(
            "--plan", "llava-onevision-7b", "--frames", "1", "--retention", "0.2", "--threads", "1", "--runs", "1",
            "--context", "1000", "--text-tokens", "9", "--llm-tflops", "100")
        #expect(
            outcome.titles == [
                "model", "layers", "width", "feed_forward_width", "heads", "key_value_heads", "head_width",
                "context_length", "pruning_layer", "kept_ratio", "expansion", "text_tokens", "overhead_per_frame",
                "overhead_per_video", "frames", "tokens_per_frame", "dtype", "threads", "retention", "target_rows",
                "visual_tokens", "average_visual_tokens", "prompt_length", "prefill_tflop", "work_share",
                "frames_in_context", "frames_at_same_work", "runs", "compress_ms", "compress_min_ms",
                "compress_max_ms", "pays_up_to_tflop_per_s", "llm_tflop_per_s", "llm_is_this_machine", "prefill_s",
                "total_s", "speedup", "pays_from_frames",
            ])
        #expect(outcome.agrees)
        #expect(outcome.machine["peak_gflops"] != nil)
        // Without compression and with it, each for this machine and for the one that was named.
        #expect(outcome.rows.count == 4)
        #expect(outcome.rows.map { $0["llm_is_this_machine"] as? Bool } == [true, false, true, false])
        let (full, row) = (outcome.rows[1], outcome.rows[3])
        #expect(full["retention"] == nil && full["compress_ms"] == nil)
        #expect(row["retention"] as? Double == 0.2)
        #expect(row["visual_tokens"] as? Int == 49)
        #expect(row["prompt_length"] as? Int == 59)
        #expect(row["frames_in_context"] as? Int == 20)
        #expect(row["llm_tflop_per_s"] as? Double == 100)
        #expect(row["compress_ms"] as? Double ?? 0 > 0)
        #expect(row["runs"] as? Int == 1)
    }
}
