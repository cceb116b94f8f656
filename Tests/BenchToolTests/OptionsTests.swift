import FlashVID
import Testing
import ToolSupport

@testable import flashvid_bench

@Suite("Options") struct OptionsTests {
    private func parse(_ arguments: String...) throws -> Bench {
        try Bench.parseArguments(arguments)
    }

    @Test func nothingMeansThePresets() throws {
        let bench = try parse()
        try bench.check()
        #expect(
            try bench.subjects().map(\.shape) == [
                ClipShape(frames: 32, tokensPerFrame: 196, channels: 3584),
                ClipShape(frames: 64, tokensPerFrame: 169, channels: 3584),
                ClipShape(frames: 16, tokensPerFrame: 391, channels: 3584),
                ClipShape(frames: 16, tokensPerFrame: 1024, channels: 4096),
            ])
        #expect(bench.method.retentions == [0.10, 0.15, 0.20, 0.25])
        #expect(try bench.threadCounts() == [WorkerPool.availableCores])
        #expect(bench.semantics == "default")
    }

    @Test func lists() throws {
        let bench = try parse(
            "--preset", "qwen2.5-vl", "--shape", "2x3x4,5x6x7", "--retention", "0.5,1", "--threads", "1,2")
        try bench.check()
        #expect(
            try bench.subjects() == [
                Bench.Subject(
                    preset: .qwen25VL, shape: ClipShape(frames: 2, tokensPerFrame: 3, channels: 4)),
                Bench.Subject(
                    preset: .qwen25VL, shape: ClipShape(frames: 5, tokensPerFrame: 6, channels: 7)),
            ])
        #expect(bench.method.retentions == [0.5, 1])
        #expect(try bench.threadCounts() == [1, 2])
        let configuration = try bench.configuration(try bench.subjects()[0], retention: 0.5)
        #expect(configuration == .preset(.qwen25VL, retentionRatio: 0.5))
    }

    @Test func configurations() throws {
        let subject = Bench.Subject(preset: nil, shape: nil)
        #expect(try parse("--refined").configuration(subject, retention: 0.1).carry)
        #expect(try parse("--published").configuration(subject, retention: 0.1).semantics == .published)
    }

    @Test(arguments: [
        (["--shape", "1x2"], "1x2"), (["--shape", "0x2x3"], "0x2x3"), (["--shape", "1x2x3,"], "1x2x3,"),
        (["--shape", "-1x2x3"], "-1x2x3"), (["--shape", "1x2x99999999999999999999"], "invalid"),
        (["--retention", "0"], "retention is 0.0"), (["--retention", "nan"], "retention is nan"),
        (["--retention", "0.1,x"], "0.1,x"), (["--threads", "0"], "0 threads"), (["--threads", "65"], "65 threads"),
        (["--threads", "1,-1"], "-1 threads"), (["--runs", "0"], "--runs is 0"),
        (["--warmup", "-1"], "--warmup is -1"),
        (["--clips", "0"], "--clips is 0"), (["--clips", "99999"], "--clips is 99999"),
        (["--input", "a", "--shape", "1x2x3"], "--shape excludes --input"),
        (["--input", "a", "--dtype", "f16"], "--dtype excludes --input"),
        (["--input", "a", "--write", "b"], "--write excludes --input"),
        (["--published", "--refined"], "--refined excludes --published"), (["--preset", "gpt"], "gpt"),
        (["--shape", "1x2x3", "--write", "a", "--json", "b"], "--write measures nothing that --json"),
        (["--shape", "1x2x3", "--write", "a", "--csv", "b"], "--write measures nothing that --csv"),
        (
            ["--input", "-", "--step", "--retention", "0.1"],
            "--step takes its turns from standard input"
        ),
        (["--json", "-", "--csv", "-"], "standard output: --csv and --json are one file"),
        (["--json", "-", "--csv", "/dev/stdout"], "/dev/stdout: --csv and --json are one file"),
        (["--json", "new", "--csv", "./new"], "./new: --csv and --json are one file"),
        (["--write", "a"], "one clip"), (["--dtype", "f64"], "f64"), (["more"], "more"),
    ])
    func refusals(_ arguments: [String], _ message: String) {
        let failure = #expect(throws: (any Error).self) { try Bench.parseArguments(arguments).check() }
        guard let failure else { return }
        let told = Failure(failure)
        #expect(told.exitCode == 2)
        #expect(told.message.contains(message), "\(told.message)")
        #expect(!told.message.contains("\n"))
    }

    @Test func refusesToMeasureWhatItCannotWrite() throws {
        let bench = try parse("--json", "/nonexistent/file")
        let error = #expect(throws: (any Error).self) { try bench.check() }
        #expect(error.map { Failure($0).exitCode } == 1)
    }

    @Test func helpIsNoError() throws {
        #expect(throws: CleanRequest.self) { _ = try parse("--help") }
        #expect(throws: CleanRequest.self) { _ = try parse("--version") }
    }
}
