import FlashVIDFile
import Foundation
import Testing

/// What is wrong ends in one line, exit code 2, and no output file.
@Suite struct BadInputTests {
    struct Arguments: CustomTestStringConvertible, Sendable {
        let list: [String]
        let message: String

        init(_ list: [String], _ message: String) {
            self.list = list
            self.message = message
        }

        var testDescription: String { list.joined(separator: " ") }
    }

    @Test(arguments: [
        Arguments([], "Missing expected argument '<input>'"),
        Arguments(["CLIP"], "Missing expected argument '--output <file>'"),
        Arguments(["-o", "OUT"], "Missing expected argument '<input>'"),
        Arguments(["CLIP", "-o"], "Missing value for '-o <file>'"),
        Arguments(["CLIP", "-o", "OUT", "more"], "Unexpected argument 'more'"),
        Arguments(["CLIP", "-oOUT", "-x"], "Unknown option '-x'"),
        Arguments(["CLIP", "-o", "OUT", "--nonsense"], "Unknown option '--nonsense'"),
        Arguments(["CLIP", "-o", "OUT", "--preset", "gpt"], "'gpt' is invalid for '--preset"),
        Arguments(["CLIP", "-o", "OUT", "--selection", "best"], "'best' is invalid for '--selection"),
        Arguments(["CLIP", "-o", "OUT", "--aggregation", "sum"], "'sum' is invalid for '--aggregation"),
        Arguments(["CLIP", "-o", "OUT", "--placement", "left"], "'left' is invalid for '--placement"),
        Arguments(["CLIP", "-o", "OUT", "--dtype", "f64"], "'f64' is invalid for '--dtype"),
        Arguments(["CLIP", "-o", "OUT", "--retention", "much"], "'much' is invalid for '--retention"),
        Arguments(["CLIP", "-o", "OUT", "--min-segments", "1.5"], "'1.5' is invalid for '--min-segments"),
        Arguments(["CLIP", "-o", "OUT", "--threads", "two"], "'two' is invalid for '--threads"),
        Arguments(["CLIP", "-o", "OUT", "--retention", "0"], "retention is 0.0; expected a number in (0, 1]"),
        Arguments(["CLIP", "-o", "OUT", "--retention", "1.01"], "retention is 1.01"),
        Arguments(["CLIP", "-o", "OUT", "--retention", "-0.1"], "retention is -0.1"),
        Arguments(["CLIP", "-o", "OUT", "--retention", "nan"], "--retention is nan; expected a finite number"),
        Arguments(["CLIP", "-o", "OUT", "--expansion", "0"], "expansion is 0.0"),
        Arguments(["CLIP", "-o", "OUT", "--alpha", "1.5"], "alpha is 1.5"),
        Arguments(["CLIP", "-o", "OUT", "--segment-threshold", "-1.5"], "segment threshold is -1.5"),
        Arguments(["CLIP", "-o", "OUT", "--temporal-threshold", "-2"], "temporal threshold is -2.0"),
        Arguments(["CLIP", "-o", "OUT", "--temporal-threshold", "inf"], "--temporal-threshold is inf"),
        Arguments(["CLIP", "-o", "OUT", "--min-segments", "-1"], "minimum segments is -1"),
        Arguments(["CLIP", "-o", "OUT", "--min-segments", "most"], "'most' is invalid for '--min-segments"),
        Arguments(["CLIP", "-o", "OUT", "--rows", "0"], "--rows is 0; expected at least 1"),
        Arguments(["CLIP", "-o", "OUT", "--rows", "-7"], "--rows is -7; expected at least 1"),
        Arguments(["CLIP", "-o", "OUT", "--rows", "many"], "'many' is invalid for '--rows"),
        Arguments(
            ["CLIP", "-o", "OUT", "--rows", "73"], "target rows is 73; expected 1 to 72, the tokens of the clip"),
        Arguments(["CLIP", "-o", "OUT", "--rows", "9", "--published"], "--rows 9 excludes --published"),
        Arguments(["CLIP", "-o", "OUT", "--max-segment-frames", "-1"], "maximum segment frames is -1"),
        Arguments(["CLIP", "-o", "OUT", "--refinement-rounds", "-1"], "refinement rounds is -1"),
        Arguments(["CLIP", "-o", "OUT", "--threads", "0"], "0 threads"),
        Arguments(["CLIP", "-o", "OUT", "--threads", "100000"], "100000 threads"),
        Arguments(["CLIP", "-o", "OUT", "--published", "--refined"], "--refined excludes --published"),
        Arguments(["CLIP", "-o", "OUT", "--carry", "--published"], "--carry excludes --published"),
        Arguments(
            ["CLIP", "-o", "OUT", "--published", "--refinement-rounds", "2"],
            "--refinement-rounds 2 excludes --published"),
        Arguments(
            ["CLIP", "-o", "OUT", "--placement", "medoid", "--published"], "--placement medoid excludes --published"),
        Arguments(["CLIP", "-o", "OUT", "--frames", "."], "--frames is for the page of --report"),
        Arguments(["CLIP", "--evaluate", "--grid", "4x3"], "--grid is for the page of --report"),
        Arguments(["CLIP", "--report", "OUT", "--grid", "5x3"], "--grid is 5x3; expected columns x rows of 12 tokens"),
        Arguments(["CLIP", "--report", "OUT", "--frames", "MISSING"], "missing: cannot open: "),
        Arguments(["CLIP", "--report", "OUT", "--published"], "--report excludes --published"),
        Arguments(["CLIP", "--evaluate", "--published"], "--evaluate excludes --published"),
        Arguments(["CLIP", "-o", "OUT", "--report", "OUT"], "--report and --output are one file"),
        Arguments(["CLIP", "--report", "CLIP"], "--report is the input itself, which would be lost"),
        Arguments(["CLIP", "--report", ""], "the path of the output is empty"),
        Arguments(["", "-o", "OUT"], "the path of the input is empty"),
        Arguments(["CLIP", "-o", ""], "the path of the output is empty"),
        Arguments(["MISSING", "-o", "OUT"], "missing: cannot open: "),
        Arguments([".", "-o", "OUT"], ".: is a directory"),
    ])
    func arguments(_ arguments: Arguments) throws {
        let scratch = try Scratch()
        try RandomClip().write(to: scratch.path("clip"))
        let paths = ["CLIP": scratch.path("clip"), "OUT": scratch.path("out"), "MISSING": scratch.path("missing")]
        try Tool.expectFailure(arguments.list.map { paths[$0] ?? $0 }, arguments.message)
        #expect(try scratch.names == ["clip"])
    }

    /// A clip that is refused, with a message that names what and where.
    private func expectRefusal(
        _ message: String, sourceLocation: SourceLocation = #_sourceLocation,
        _ fill: (inout SafetensorsWriter) -> Void
    ) throws {
        let scratch = try Scratch()
        var writer = SafetensorsWriter()
        fill(&writer)
        let path = scratch.path("clip")
        try writer.write(to: path)
        try Tool.expectFailure(
            [path, "-o", scratch.path("out")], "\(path): \(message)", sourceLocation: sourceLocation)
        #expect(try scratch.names == ["clip"], sourceLocation: sourceLocation)
    }

    @Test func tensorsThatDoNotFit() throws {
        try expectRefusal("no tensor 'features'") { $0.add("tokens", floats: [1], shape: [1, 1, 1]) }
        try expectRefusal("features have the shape [2, 2]; expected [frames, tokens, channels]") {
            $0.add("features", floats: [1, 2, 3, 4], shape: [2, 2])
        }
        try expectRefusal("tensor 'features' is I64; expected F32, F16 or BF16") {
            $0.add("features", integers: [1, 2], shape: [1, 1, 2])
        }
        try expectRefusal("attention has the shape [2, 1]; features of [1, 2, 2] need [1, 2]") {
            $0.add("features", floats: [1, 2, 3, 4], shape: [1, 2, 2])
            $0.add("attention", floats: [1, 2], shape: [2, 1])
        }
        try expectRefusal("tensor 'attention' is I64; expected F32, F16 or BF16") {
            $0.add("features", floats: [1, 2, 3, 4], shape: [1, 2, 2])
            $0.add("attention", integers: [1, 2], shape: [1, 2])
        }
    }

    @Test func emptyClips() throws {
        for (shape, name) in [([0, 2, 2], "frames"), ([2, 0, 2], "tokens per frame"), ([2, 2, 0], "channels")] {
            try expectRefusal("0 \(name); expected at least 1") {
                $0.add("features", floats: [], shape: shape)
            }
        }
    }

    /// Sizes that are no bytes, and yet overflow.
    @Test func overflowingClip() throws {
        try expectRefusal("0 channels; expected at least 1") {
            $0.add("features", floats: [], shape: [1 << 30, 1 << 30, 0])
        }
    }

    @Test func valuesThatAreNone() throws {
        for type in [ElementType.f32, .f16, .bf16] {
            for value in [Float.nan, .infinity, -.infinity] {
                var clip = RandomClip(frames: 3, tokens: 4, channels: 5)
                clip.features[(2 * 4 + 1) * 5 + 3] = value
                try expectRefusal("features are not finite at frame 2, token 1, channel 3") {
                    $0.add("features", floats: clip.features, shape: [3, 4, 5], as: type)
                }
            }
        }
        var clip = RandomClip(frames: 3, tokens: 4, channels: 5)
        clip.attention[4 + 2] = .nan
        try expectRefusal("attention is not finite at frame 1, token 2") {
            $0.add("features", floats: clip.features, shape: [3, 4, 5])
            $0.add("attention", floats: clip.attention, shape: [3, 4], as: .bf16)
        }
        clip.attention[4 + 2] = -0.125
        try expectRefusal("attention is negative at frame 1, token 2") {
            $0.add("features", floats: clip.features, shape: [3, 4, 5])
            $0.add("attention", floats: clip.attention, shape: [3, 4], as: .f16)
        }
    }

    @Test(
        arguments: [
            ([], "the file is empty"),
            ([1, 2, 3], "the file is truncated"),
            ([0, 0xE4, 0x0B, 0x54, 2, 0, 0, 0] + Array("{}".utf8), "a header of 10000000000 bytes"),
            ([2, 0, 0, 0, 0, 0, 0, 0] + Array("{}x".utf8), "1 byte or more after the last tensor"),
            ([200, 0, 0, 0, 0, 0, 0, 0] + Array("{}".utf8), "a header of 200 bytes, but only 2 follow"),
            (
                [65, 0, 0, 0, 0, 0, 0, 0]
                    + Array(#"{"features":{"dtype":"F8","shape":[1,1,1],"data_offsets":[0,1]}}  "#.utf8),
                "tensor 'features' has the unknown dtype 'F8'"
            ),
        ] as [([UInt8], String)])
    func lyingFiles(bytes: [UInt8], message: String) throws {
        let scratch = try Scratch()
        let path = scratch.path("clip")
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        try Tool.expectFailure([path, "-o", scratch.path("out")], message)
        #expect(try scratch.names == ["clip"])
    }

    /// A name with a line break stays on the one line.
    @Test func lineBreaks() throws {
        let scratch = try Scratch()
        try Tool.expectFailure(["a\nb\u{1B}[2J", "-o", scratch.path("out")], "a\\u{a}b\\u{1b}[2J: cannot open")
        try Tool.expectFailure(["a", "-o", "b", "--preset", "c\nd"], "is invalid for '--preset")
    }
}
