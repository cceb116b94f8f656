import FlashVIDFile
import Foundation
import Testing

/// Where the clip comes from and where rows and summary go, and what must not happen to other files on the way.
@Suite struct FilesTests {
    private let scratch: Scratch
    private let original: [UInt8]
    /// What the tool makes of the clip.
    private let expected: [UInt8]

    init() throws {
        scratch = try Scratch()
        try RandomClip().write(to: scratch.path("clip"))
        original = try scratch.bytes("clip")
        #expect(try Tool.run([scratch.path("clip"), "-o", scratch.path("expected")]).code == 0)
        expected = try scratch.bytes("expected")
        try FileManager.default.removeItem(atPath: scratch.path("expected"))
    }

    /// In the scratch directory, after a line of the shell there.
    private func run(_ arguments: [String], after line: String = ":") throws -> Tool.Run {
        try Tool.run(arguments, after: "cd '\(scratch.url.path)'; \(line)")
    }

    private func expectFailure(
        _ arguments: [String], code: Int32 = 2, _ message: String, after line: String = ":",
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        try Tool.expectFailure(
            arguments, code: code, message, after: "cd '\(scratch.url.path)'; \(line)", sourceLocation: sourceLocation)
        #expect(try scratch.bytes("clip") == original, sourceLocation: sourceLocation)
        #expect(try !scratch.names.contains { $0.contains("partial") }, sourceLocation: sourceLocation)
    }

    /// Runs what has to write `out` as it should be.
    private func expectOutput(
        _ arguments: [String], after line: String = ":", summaryOn stream: KeyPath<Tool.Run, String> = \.output,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let run = try run(arguments, after: line)
        #expect(run.code == 0 && !run.diedBySignal, "\(run.error)", sourceLocation: sourceLocation)
        #expect(isSummary(run[keyPath: stream]), sourceLocation: sourceLocation)
        if stream == \.output { #expect(run.error.isEmpty, "\(run.error)", sourceLocation: sourceLocation) }
        if stream == \.error { #expect(run.output.isEmpty, sourceLocation: sourceLocation) }
        #expect(try scratch.bytes("out") == expected, sourceLocation: sourceLocation)
        #expect(try scratch.bytes("clip") == original, sourceLocation: sourceLocation)
    }

    private func isSummary(_ text: String) -> Bool { text.contains("72 in, 24 out") }

    struct Way: CustomTestStringConvertible, Sendable {
        var line: String
        var arguments: [String]

        init(_ line: String, _ arguments: String...) {
            self.line = line
            self.arguments = arguments
        }

        var testDescription: String { "\(line); flashvid-compress \(arguments.joined(separator: " "))" }
    }

    // MARK: The input is safe

    @Test(arguments: [
        Way(":", "clip", "-o", "clip"),
        Way("mkdir folder", "./clip", "-o", "folder/../clip"),
        Way("ln -s clip link", "clip", "-o", "link"),
        Way("ln -s clip link", "link", "-o", "clip"),
        Way("ln clip hard", "clip", "-o", "hard"),
        Way("exec < clip", "-", "-o", "clip"),
        Way("exec < clip", "/dev/stdin", "-o", "clip"),
        Way("exec >> clip", "clip", "-o", "-"),
        Way("exec >> clip", "clip", "-o", "/dev/stdout"),
        Way("exec 3>> clip", "clip", "-o", "/dev/fd/3"),
        Way("exec < clip >> clip", "-", "-o", "-"),
        // It would wait for itself.
        Way("mkfifo pipe; exec timeout 20 \"$0\" \"$@\"", "pipe", "-o", "pipe"),
    ]) func outputIsTheInput(_ way: Way) throws {
        try expectFailure(way.arguments, "--output is the input itself, which would be lost", after: way.line)
    }

    /// The summary would stand at the end of the clip.
    @Test func summaryGoesIntoTheInput() throws {
        try expectFailure(["clip", "-o", "out"], "standard output is the input itself", after: "exec >> clip")
        #expect(try scratch.names == ["clip"])
    }

    @Test func outputTakesBothStreams() throws {
        let run = try run(["clip", "-o", "-"], after: "exec > out 2>&1")
        #expect(run.code == 2)
        #expect(
            try String(decoding: scratch.bytes("out"), as: UTF8.self)
                == "flashvid-compress: error: standard output: --output takes standard output and standard error\n")
    }

    // MARK: Standard input and output

    @Test(arguments: [
        Way("exec < clip", "-", "-o", "out"),
        Way("cat clip | \"$0\" \"$@\"; exit", "-", "-o", "out"),
        Way("cat clip | \"$0\" \"$@\"; exit", "/dev/stdin", "-o", "out"),
        // In pieces, smaller than the header is.
        Way("dd if=clip bs=7 2>&- | \"$0\" \"$@\"; exit", "-", "-o", "out"),
        // Another program has read what stood before.
        Way("{ echo other; cat clip; } > two; exec < two; read -r line", "-", "-o", "out"),
    ]) func fromStandardInput(_ way: Way) throws {
        try expectOutput(way.arguments, after: way.line)
    }

    @Test(arguments: [
        Way("exec > out", "clip", "-o", "-"),
        Way("exec > out", "clip", "-o-"),
        Way("exec > out", "clip", "--output=-"),
        Way("exec > out", "clip", "-o", "/dev/stdout"),
        Way("exec > out", "clip", "-o", "/dev/fd/1"),
        Way("exec > out", "clip", "-o", "/proc/self/fd/1"),
        Way("\"$0\" \"$@\" | cat > out; exit", "clip", "-o", "-"),
        Way("\"$0\" \"$@\" | cat > out; exit", "clip", "-o", "/dev/stdout"),
        Way("exec < clip > out", "-", "-o", "-"),
        // The file is replaced, and the summary would be lost in the old one.
        Way("exec > out", "clip", "-o", "out"),
    ]) func toStandardOutput(_ way: Way) throws {
        try expectOutput(way.arguments, after: way.line, summaryOn: \.error)
    }

    @Test func jsonGoesToStandardErrorToo() throws {
        let run = try run(["-", "-o", "-", "--json"], after: "exec < clip > out")
        let object = try #require(try JSONSerialization.jsonObject(with: Data(run.error.utf8)) as? [String: Any])
        #expect(object["input"] as? String == "-")
        #expect(object["output"] as? String == "-")
        #expect(try scratch.bytes("out") == expected)
    }

    /// What is open already is written where it stands, and not replaced.
    @Test(arguments: [
        Way("exec > out; printf before", "clip", "-o", "-"),
        Way("exec > out; printf before", "clip", "-o", "/dev/stdout"),
        Way("printf before > out; exec >> out", "clip", "-o", "/dev/stdout"),
        Way("exec 3> out; printf before >&3", "clip", "-o", "/dev/fd/3"),
    ]) func openFiles(_ way: Way) throws {
        #expect(try run(way.arguments, after: way.line).code == 0)
        #expect(try scratch.bytes("out") == Array("before".utf8) + expected)
    }

    /// Whoever shares a pipe may set it not to wait; then there is no room now and again.
    @Test func pipesThatDoNotWait() throws {
        let large = try RandomClip(frames: 8, tokens: 32, channels: 512).write(to: scratch.path("large"))
        #expect(try Tool.run([large, "-o", scratch.path("rows")]).code == 0)
        let (input, output, error) = (Pipe(), Pipe(), Pipe())
        for handle in [input.fileHandleForReading, output.fileHandleForWriting] {
            #expect(fcntl(handle.fileDescriptor, F_SETFL, O_NONBLOCK) == 0)
        }
        let process = try Tool.start(["-", "-o", "-"], input: input, output: output, error: error)
        let bytes = try scratch.bytes("large")
        // The tool waits for the input, and then for room in a full pipe.
        usleep(100_000)
        input.send(bytes)
        try input.fileHandleForWriting.close()
        usleep(300_000)
        let rows = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        let text = String(decoding: error.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        #expect(process.terminationStatus == 0, "\(text)")
        #expect(try [UInt8](rows) == scratch.bytes("rows"))
    }

    /// More is promised than any machine has.
    @Test(arguments: [
        Way("cat header | \"$0\" \"$@\"; exit", "-", "-o", "out"),
        Way("exec < header", "/dev/stdin", "-o", "out"),
    ]) func inputThatNoMemoryHolds(_ way: Way) throws {
        let isPipe = way.arguments[0] == "-"
        let header =
            #"{"features":{"dtype":"F32","shape":[1048576,1048576,256],"data_offsets":[0,1125899906842624]}} "#
        let file = [UInt8(header.utf8.count), 0, 0, 0, 0, 0, 0, 0] + Array(header.utf8)
        try Data(file).write(to: scratch.url.appendingPathComponent("header"))
        // Of a file it is known that it lies.
        try expectFailure(
            way.arguments, code: isPipe ? 1 : 2,
            isPipe ? "standard input: no memory for 1125899906842624 bytes of tensors" : "but the file has 0",
            after: way.line)
    }

    // MARK: Names

    @Test(arguments: [
        Way(":", "clip", "-oout"), Way(":", "-oout", "clip"), Way(":", "-o", "out", "clip"),
        Way(":", "-o=out", "clip"), Way("cp clip ./-", "./-", "-oout"), Way("cp clip ./-o1", "-oout", "--", "-o1"),
    ]) func arguments(_ way: Way) throws {
        try expectOutput(way.arguments, after: way.line)
    }

    @Test(arguments: ["a=b", "./-", "help", "./-o", "o"]) func attachedValues(_ name: String) throws {
        #expect(try run(["clip", "-o" + name]).code == 0)
        #expect(try scratch.bytes(name) == expected)
    }

    #if os(Linux)
        /// The system's names are bytes.
        @Test(arguments: [
            "\\377", "cl\\303ip", "\\355\\240\\200", "\\364\\217\\276\\200\\200", "\\303\\251\\360\\237\\230",
        ]) func namesThatAreNotUTF8(_ name: String) throws {
            try expectOutput(
                [],
                after:
                    "name=$(printf '\(name)'); mv clip \"$name\"; set -- \"$name\" -o out; \"$0\" \"$@\" || exit; mv \"$name\" clip; exit"
            )
            try FileManager.default.removeItem(atPath: scratch.path("out"))
            for arguments in ["-o \"$name\" clip", "-o\"$name\" clip", "--output=\"$name\" clip"] {
                try expectOutput(
                    [], after: "name=$(printf '\(name)'); \"$0\" \(arguments) || exit; mv \"$name\" out; exit")
            }
            // In a message what is no character is shown as such.
            try expectFailure(["clip", "-o", "out"], "\u{FFFD}", after: "set -- \"$(printf '\(name)')\" -o out")
        }
    #endif

    // MARK: Places

    @Test(arguments: [
        Way("echo > target; ln -s target out", "clip", "-o", "out"),
        Way("ln -s target out", "clip", "-o", "out"),
        Way("mkdir a b; ln -s ../b/link a/link; ln -s ../target b/link; ln -s a/link out", "clip", "-o", "out"),
        Way("ln -s \"$PWD/target\" out", "clip", "-o", "out"),
    ]) func links(_ way: Way) throws {
        try expectOutput(way.arguments, after: way.line)
        #expect(try scratch.bytes("target") == expected)
        #expect(throws: Never.self) {
            try FileManager.default.destinationOfSymbolicLink(atPath: scratch.path("out"))
        }
    }

    @Test func placesThatCannotBe() throws {
        for (line, reason) in [
            ("ln -s out out", "Too many levels of symbolic links"), ("mkdir out", "Is a directory"),
            ("ln -s nowhere/target out", "No such file or directory"),
        ] {
            try expectFailure(["clip", "-o", "out"], code: 1, "out: cannot write: \(reason)", after: line)
            try? FileManager.default.removeItem(atPath: scratch.path("out"))
        }
    }

    /// Other names of a file that is replaced keep what they had.
    @Test func hardLinks() throws {
        try expectOutput(["clip", "-o", "out"], after: "printf old > out; ln out other")
        #expect(try scratch.bytes("other") == Array("old".utf8))
    }

    @Test func namedPipes() throws {
        try expectOutput(
            ["clip", "-o", "pipe"], after: "mkfifo pipe; cat pipe > out & \"$0\" \"$@\"; code=$?; wait; exit $code")
    }

    @Test func terminals() throws {
        let terminal = try Terminal()
        for (line, arguments) in [
            (":", ["clip", "-o", terminal.path]), ("exec 3> '\(terminal.path)'", ["clip", "-o", "/dev/fd/3"]),
        ] {
            try expectFailure(arguments, "is a terminal; it cannot show tensors", after: line)
        }
        let shown = try run(["clip", "-o", "-"], after: "exec > '\(terminal.path)'")
        #expect(shown.code == 2)
        #expect(shown.error.contains("standard output: is a terminal"))
        // The null device is none.
        #expect(try run(["clip", "-o", "/dev/null"]).code == 0)
        let null = try run(["clip", "-o", "-"], after: "exec > /dev/null")
        #expect(isSummary(null.error))
    }

    // MARK: A summary that cannot be written

    @Test(arguments: [
        Way("exec >&-", "clip", "-o", "out"), Way("exec 3< /dev/zero >&3", "clip", "-o", "out"),
        Way("exec > /dev/full", "clip", "-o", "out"), Way("exec > /dev/full", "clip", "-o", "out", "--json"),
    ]) func summaryRefused(_ way: Way) throws {
        for before: [UInt8]? in [nil, [1, 2, 3]] {
            if let before { try Data(before).write(to: scratch.url.appendingPathComponent("out")) }
            try expectFailure(way.arguments, code: 1, "cannot write the summary: ", after: way.line)
            #expect((try? scratch.bytes("out")) == before)
        }
    }

    @Test func summaryThatNobodyReads() throws {
        let output = Pipe()
        try output.fileHandleForReading.close()
        let error = Pipe()
        let process = try Tool.start(
            [scratch.path("clip"), "-o", scratch.path("out")], output: output, error: error)
        process.waitUntilExit()
        #expect(process.terminationReason == .exit)
        #expect(process.terminationStatus == 1)
        let text = String(decoding: error.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        #expect(text == "flashvid-compress: error: cannot write the summary: Broken pipe\n")
        #expect(try scratch.names == ["clip"])
    }

    /// The next file that is opened gets the number of one that is closed: the summary must not go into it.
    @Test(arguments: ["<&-", "2>&-", "<&- 2>&-"]) func closedStreams(_ streams: String) throws {
        try expectOutput(["clip", "-o", "out"], after: "exec \(streams)")
    }

    @Test func closedStreamsThatAreNeeded() throws {
        try expectFailure(
            ["-", "-o", "out"], code: 1, "standard input: cannot read: Bad file descriptor", after: "exec <&-")
        try expectFailure(
            ["clip", "-o", "-"], code: 1, "standard output: cannot write: Bad file descriptor", after: "exec >&-")
        #expect(try run(["clip", "-o", "out"], after: "exec <&- >&- 2>&-").code == 1)
        #expect(try scratch.names == ["clip"])
    }
}
