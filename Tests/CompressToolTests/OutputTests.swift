import FlashVID
import FlashVIDFile
import Foundation
import Testing

@Suite struct OutputTests {
    private let scratch: Scratch
    private let clip = RandomClip()
    private let shape: ClipShape

    init() throws {
        scratch = try Scratch()
        shape = ClipShape(frames: clip.frames, tokensPerFrame: clip.tokens, channels: clip.channels)
    }

    /// Runs what has to succeed, and reads what it wrote.
    private func compress(
        _ arguments: [String], as type: ElementType = .f32, attention: Bool = true
    ) throws -> (file: SafetensorsFile, run: Tool.Run) {
        try clip.write(to: scratch.path("clip"), as: type, attention: attention)
        let run = try Tool.run([scratch.path("clip"), "-o", scratch.path("out")] + arguments)
        #expect(run.code == 0 && !run.diedBySignal, "\(run.error)")
        #expect(run.error.isEmpty)
        #expect(try scratch.names == ["clip", "out"])
        return (try SafetensorsFile(contentsOf: scratch.path("out")), run)
    }

    private func configuration(_ arguments: [String]) throws -> Configuration {
        let (file, _) = try compress(arguments)
        let text = try #require(file.metadata["configuration"])
        return try JSONDecoder().decode(Configuration.self, from: Data(text.utf8))
    }

    // MARK: The page

    /// Pictures in the order of their names; what is none, or hidden, is passed over.
    @Test func page() throws {
        try clip.write(to: scratch.path("clip"))
        let folder = scratch.url.appendingPathComponent("frames")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        func write(_ name: String, _ bytes: [UInt8]) throws {
            try Data(bytes).write(to: folder.appendingPathComponent(name))
        }
        for frame in 0..<clip.frames { try write("\(frame).jpg", [0xFF, 0xD8, 0xFF, UInt8(frame)]) }
        try write("notes.txt", Array("none".utf8))
        try write(".0.jpg", [0xFF, 0xD8, 0xFF, 0xFF])
        try FileManager.default.createDirectory(
            at: folder.appendingPathComponent("more"), withIntermediateDirectories: true)

        let arguments = [scratch.path("clip"), "--report", scratch.path("page"), "--frames", folder.path, "--json"]
        let run = try Tool.run(arguments)
        #expect(run.code == 0 && run.error.isEmpty, "\(run.error)")
        #expect(run.output.contains("\"report\":\"\(scratch.path("page"))\"") && !run.output.contains("\"output\""))
        #expect(try scratch.names == ["clip", "frames", "page"])
        let page = String(decoding: try scratch.bytes("page"), as: UTF8.self)
        // FF D8 FF 00, 01 and so on.
        let pictures = ["/9j/AA==", "/9j/AQ==", "/9j/Ag==", "/9j/Aw==", "/9j/BA==", "/9j/BQ=="]
        #expect(
            page.contains("\"pictures\":[" + pictures.map { "\"data:image/jpeg;base64,\($0)\"" }.joined(separator: ","))
        )
        #expect(page.components(separatedBy: "\"retention\":").count - 1 == 10)

        try write("9.jpg", [0xFF, 0xD8, 0xFF])
        try Tool.expectFailure(arguments, "has 7 pictures; the clip has 6 frames")
        #expect(try scratch.bytes("page") == Array(page.utf8))
    }

    /// A run of its own retention, or of a number of rows, is one step more; the rows of the output are the run's.
    @Test(arguments: [["--retention", "0.07"], ["--rows", "13"]]) func ownStep(arguments: [String]) throws {
        try clip.write(to: scratch.path("clip"))
        let run = try Tool.run([scratch.path("clip"), "--evaluate", "--json"] + arguments)
        #expect(run.code == 0 && run.error.isEmpty, "\(run.error)")
        #expect(run.output.components(separatedBy: "\"coverage\":").count - 1 == 11)
        #expect(run.output.contains("\"effective_rank\":"))
        #expect(try scratch.names == ["clip"])
    }

    // MARK: Tensors

    /// The file holds what the library computes.
    @Test(arguments: [true, false]) func tensors(attention: Bool) throws {
        let (file, _) = try compress(["--retention", "0.5"], attention: attention)
        var compressor = try Compressor(Configuration(retentionRatio: 0.5))
        let expected = try compressor.compress(
            clip.features.span, shape: shape, attention: attention ? clip.attention.span : nil)

        #expect(
            file.entries.map(\.name) == ["assignment", "counts", "indices", "segment_lengths", "tokens"])
        #expect(file.entry("tokens")?.type == .f32)
        #expect(file.entry("tokens")?.shape == [expected.count, clip.channels])
        #expect(try file.floats("tokens") == expected.tokens)
        for (name, values) in [
            ("indices", expected.indices), ("segment_lengths", expected.segmentLengths),
            ("assignment", expected.assignment), ("counts", expected.counts),
        ] {
            #expect(file.entry(name)?.type == .i64)
            #expect(file.entry(name)?.shape == [values.count])
            #expect(try file.integers(name) == values)
        }
        #expect(expected.count == 6 * 8)
        #expect(try file.integers("counts").reduce(0, +) == 6 * 12)
    }

    @Test func publishedHasNoAssignment() throws {
        let (file, _) = try compress(["--published"])
        #expect(file.entries.map(\.name) == ["indices", "segment_lengths", "tokens"])
        #expect(try configuration(["--published"]) == .published)
    }

    @Test(arguments: [ElementType.f32, .f16, .bf16]) func typesStayThoseOfTheInput(_ type: ElementType) throws {
        #expect(try compress([], as: type).file.entry("tokens")?.type == type)
    }

    @Test(arguments: ["f32", "f16", "bf16"]) func typesAreChosen(_ name: String) throws {
        for type in [ElementType.f32, .f16, .bf16] {
            let file = try compress(["--dtype", name], as: type).file
            #expect(file.entry("tokens")?.type.rawValue == name.uppercased())
        }
        // Eighths are the same in every type, so the rows that were selected are those of the input.
        let file = try compress(["--dtype", name, "--alpha", "1"]).file
        let indices = try file.integers("indices")
        #expect(
            try file.floats("tokens")
                == indices.flatMap { clip.features[$0 * clip.channels..<($0 + 1) * clip.channels] })
    }

    @Test func valuesThatTheTypeCannotHold() throws {
        var large = clip
        large.features[0] = 1e6
        try large.write(to: scratch.path("clip"))
        let arguments = [scratch.path("clip"), "-o", scratch.path("out"), "--retention", "1", "--expansion", "1"]
        try Tool.expectFailure(arguments + ["--dtype", "f16"], "of tensor 'tokens' is too large for F16")
        #expect(try scratch.names == ["clip"])
    }

    @Test func threadsDoNotMatter() throws {
        var files: [[UInt8]] = []
        for threads in ["1", "2", "3"] {
            _ = try compress(["--threads", threads])
            files.append(try scratch.bytes("out"))
        }
        #expect(files[0] == files[1] && files[1] == files[2])
    }

    // MARK: Configuration

    @Test func defaultsAreTheLibrarys() throws {
        #expect(try configuration([]) == Configuration())
        #expect(try configuration(["--refined"]) == .refined)
        for model in Configuration.Model.allCases {
            #expect(try configuration(["--preset", model.rawValue]) == .preset(model))
        }
    }

    @Test func everyOption() throws {
        var expected = Configuration(retentionRatio: 0.5)
        expected.expansion = 1.5
        expected.alpha = 0.25
        expected.selection = .diversity
        expected.segmentThreshold = -1
        expected.minimumSegments = 3
        expected.maximumSegmentFrames = 2
        expected.temporalThreshold = -0.5
        expected.aggregation = .max
        expected.complementarySegments = false
        expected.carry = true
        expected.refinementRounds = 2
        expected.placement = .medoid
        let arguments = [
            "--retention", "0.5", "--expansion", "1.5", "--alpha", "0.25", "--selection", "diversity",
            "--segment-threshold", "-1", "--min-segments", "3", "--max-segment-frames", "2",
            "--temporal-threshold", "-0.5", "--aggregation", "max", "--no-complementary", "--carry",
            "--refinement-rounds", "2", "--placement", "medoid",
        ]
        #expect(try configuration(arguments) == expected)
        expected.segmentation = false
        #expect(try configuration(["--no-segmentation"] + arguments) == expected)
    }

    /// The ratio and the expansion are then not looked at.
    @Test func rows() throws {
        let (file, run) = try compress(["--rows", "41", "--retention", "7", "--expansion", "-1", "--refined"])
        #expect(run.output.contains("72 in, 41 out"))
        #expect(try #require(file.entry("tokens")).shape == [41, 8])
        var expected = Configuration.refined
        expected.targetRows = 41
        expected.retentionRatio = 7
        expected.expansion = -1
        #expect(try configuration(["--rows", "41", "--retention", "7", "--expansion", "-1", "--refined"]) == expected)
    }

    @Test func automaticSegments() throws {
        var expected = Configuration()
        expected.minimumSegments = 0
        #expect(try configuration(["--min-segments", "auto"]) == expected)
        #expect(try configuration(["--min-segments", "0"]) == expected)
        #expect(try configuration(["--refined"]).minimumSegments == 0)
        #expect(try configuration(["--refined", "--min-segments", "5"]).minimumSegments == 5)
    }

    /// Explicit options win, before a preset and after it.
    @Test func explicitOptionsOverridePresets() throws {
        var refined = Configuration.refined
        refined.alpha = 0.3
        refined.placement = .centre
        refined.carry = false
        refined.refinementRounds = 0
        let overrides = ["--alpha", "0.3", "--placement", "centre", "--no-carry", "--refinement-rounds", "0"]
        #expect(try configuration(["--refined"] + overrides) == refined)
        #expect(try configuration(overrides + ["--refined"]) == refined)

        var preset = Configuration.preset(.qwen25VL)
        preset.refine()
        preset.minimumSegments = 2
        preset.selection = .attention
        let more = ["--min-segments", "2", "--selection", "attention"]
        for order in [
            ["--preset", "qwen2.5-vl", "--refined"] + more, more + ["--refined", "--preset", "qwen2.5-vl"],
            ["--refined"] + more + ["--preset", "qwen2.5-vl"],
        ] {
            #expect(try configuration(order) == preset)
        }
    }

    @Test func refinementsThatAreOffGoWithPublished() throws {
        let off = ["--no-carry", "--refinement-rounds", "0", "--placement", "centre"]
        #expect(try configuration(["--published"] + off) == .published)
    }

    // MARK: Summary

    @Test func summary() throws {
        let (_, run) = try compress(["--retention", "0.5"])
        let lines = run.output.split(separator: "\n").map(String.init)
        #expect(lines.first?.hasPrefix("clip ") == true)
        #expect(lines.first?.hasSuffix(" 6 frames x 12 tokens x 8 channels, F32, with attention") == true)
        for label in ["segments", "tokens", "  selected", "  contextual", "merged", "close calls", "time", "output"] {
            #expect(lines.contains { $0.hasPrefix(label + " ") }, "\(label)")
        }
        #expect(run.output.contains("72 in, 48 out (66.7 %)"))
        // The values stand in one column.
        let column = try #require(lines.first?.firstIndex(of: "6")).utf16Offset(in: lines[0])
        for line in lines {
            let start = line.index(line.startIndex, offsetBy: column)
            #expect(line[start] != " " && line[line.index(start, offsetBy: -2)..<start] == "  ", "\(line)")
        }
    }

    @Test func json() throws {
        let (file, run) = try compress(
            ["--retention", "0.5", "--json", "--refined", "--threads", "1"], attention: false)
        #expect(run.output.hasSuffix("}\n"))
        #expect(run.output.split(separator: "\n").count == 1)
        let object = try #require(
            try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
        #expect(
            Set(object.keys) == [
                "input", "output", "frames", "tokens_per_frame", "channels", "type", "output_type", "attention",
                "segment_lengths", "tokens_in", "tokens_out", "ratio", "selected", "contextual", "merged_tokens",
                "trees", "largest_tree", "deepest_tree", "close_calls", "threads", "seconds", "stage_seconds",
                "configuration",
            ])
        #expect(object["output"] as? String == scratch.path("out"))
        #expect(object["attention"] as? Bool == false)
        #expect(object["tokens_in"] as? Int == 72)
        #expect(object["tokens_out"] as? Int == 48)
        #expect(object["selected"] as? Int == 24)
        #expect(object["contextual"] as? Int == 24)
        #expect(object["threads"] as? Int == 1)
        #expect(object["segment_lengths"] as? [Int] == (try file.integers("segment_lengths")))
        let stages = try #require(object["stage_seconds"] as? [String: Double])
        #expect(Set(stages.keys) == Set(CompressedVideo.Stage.allCases.map(\.name)))
        let configuration = try #require(object["configuration"] as? [String: Any])
        #expect(configuration["carry"] as? Bool == true)
        // Every key is in the help.
        let help = try Tool.run(["--help"])
        let words = Set(help.output.split { !$0.isLetter && $0 != "_" }.map(String.init))
        #expect(words.isSuperset(of: object.keys))
    }

    @Test func helpAndVersion() throws {
        for (flag, text) in [("--help", "USAGE: flashvid-compress"), ("-h", "USAGE: "), ("--version", ".")] {
            let run = try Tool.run([flag])
            #expect(run.code == 0)
            #expect(run.error.isEmpty)
            #expect(run.output.contains(text))
        }
    }
}
