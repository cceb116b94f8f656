import Foundation
import Testing
import ToolSupport

@testable import flashvid_bench

/// Files that the tool must not destroy, and what it writes where.
@Suite("Files") struct FilesTests {
    private let folder = FileManager.default.temporaryDirectory.appendingPathComponent("flashvid-\(UUID().uuidString)")

    private struct Run {
        var code: Int32
        var output: Data
        var error: String
    }

    /// Runs the built tool, which stands next to the tests, in a folder with a clip, after a line of the shell.
    private func run(_ arguments: [String], after line: String = ":") throws -> Run {
        #if canImport(Darwin)
            let bundle = Bundle.allBundles.first { $0.bundlePath.hasSuffix(".xctest") } ?? Bundle.main
            let directory = bundle.bundleURL.deletingLastPathComponent()
        #else
            let directory = Bundle.main.bundleURL
        #endif
        let (process, output, error) = (Process(), Pipe(), Pipe())
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments =
            ["-c", "cd '\(folder.path)' && { \(line); } && exec \"$0\" \"$@\""]
            + [directory.appendingPathComponent("flashvid-bench").path] + arguments
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output
        process.standardError = error
        try process.run()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        let text = String(decoding: error.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return Run(code: process.terminationStatus, output: data, error: text)
    }

    /// Runs `body` in a folder that holds `clip`, the bytes of which it is given.
    private func withClip(_ body: (Data) throws -> Void) throws {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let made = try run(["--shape", "4x6x16", "--write", "clip"])
        #expect(made.code == 0, "\(made.error)")
        try body(try bytes("clip"))
    }

    private func bytes(_ name: String) throws -> Data { try Data(contentsOf: folder.appendingPathComponent(name)) }

    private var names: [String] {
        get throws { try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() }
    }

    private static let quick = ["--retention", "0.5", "--runs", "1", "--warmup", "0", "--threads", "1"]

    @Test func inputIsSafe() throws {
        try withClip { clip in
            for (line, options) in [
                (":", ["--json", "clip"]), (":", ["--csv", "./clip"]), ("ln -sf clip link", ["--json", "link"]),
                ("ln -f clip hard", ["--csv", "hard"]), ("exec >> clip", ["--json", "out"]),
                ("exec < clip", ["--json", "clip"]), ("exec < clip", ["--csv", "/dev/stdin"]),
            ] {
                let input = line == "exec < clip" ? "-" : "clip"
                let run = try run(["--input", input] + options + Self.quick, after: line)
                #expect(run.code == 2)
                #expect(run.error.contains("is the input itself, which would be lost"), "\(run.error)")
                #expect(run.error.hasSuffix("\n") && run.error.split(separator: "\n").count == 1)
                #expect(run.output.isEmpty)
                #expect(try bytes("clip") == clip)
            }
            #expect(try !names.contains("out"))
        }
    }

    /// Nothing is made or changed before all is measured.
    @Test func failuresKeepOldFiles() throws {
        try withClip { clip in
            try Data("old".utf8).write(to: folder.appendingPathComponent("a.json"))
            let arguments = ["--input", "clip", "--json", "a.json", "--csv", "b.csv"] + Self.quick
            // Cut short, so that it is no clip.
            try clip.dropLast().write(to: folder.appendingPathComponent("clip"))
            #expect(try run(arguments).code == 2)
            #expect(try bytes("a.json") == Data("old".utf8))
            #expect(try names == ["a.json", "clip"])
            // A disk that is full in the middle: not even the half of them appears.
            try clip.write(to: folder.appendingPathComponent("clip"))
            let full = try run(arguments + ["--threads", "1"], after: "ulimit -f 0")
            #expect(full.code == 1)
            #expect(full.error == "flashvid-bench: error: a.json: cannot write: File too large\n")
            #expect(try bytes("a.json") == Data("old".utf8))
            #expect(try names == ["a.json", "clip"])
        }
    }

    @Test func standardStreams() throws {
        try withClip { clip in
            let written = try run(["--shape", "4x6x16", "--write", "-"])
            #expect(written.code == 0)
            #expect(written.output == clip)
            #expect(written.error.isEmpty)

            for output in ["-", "/dev/stdout"] {
                let run = try run(["--input", "-", "--json", output] + Self.quick, after: "exec < clip")
                #expect(run.code == 0, "\(run.error)")
                let object = try #require(try JSONSerialization.jsonObject(with: run.output) as? [String: Any])
                #expect((object["rows"] as? [Any])?.count == 1)
                #expect(run.error.contains("over floor"))
            }
            let table = try run(["--input", "clip", "--csv", "-"] + Self.quick)
            #expect(String(decoding: table.output, as: UTF8.self).hasPrefix("frames,"))
        }
    }

    @Test func tableThatCannotBeWritten() throws {
        try withClip { _ in
            let run = try run(["--input", "clip", "--json", "out"] + Self.quick, after: "exec >&-")
            #expect(run.code == 1)
            #expect(run.error == "flashvid-bench: error: cannot write the table: Bad file descriptor\n")
            #expect(try names == ["clip"])
        }
    }

    #if os(Linux)
        @Test func namesThatAreNotUTF8() throws {
            try withClip { clip in
                let line =
                    "name=$(printf 'a\\377b'); mv clip \"$name\"; set -- --input \"$name\" --csv \"$name.csv\" \"$@\""
                let run = try run(Self.quick, after: line)
                #expect(run.code == 0, "\(run.error)")
                #expect(try self.run(["--version"], after: "mv \"$(printf 'a\\377b.csv')\" out.csv").code == 0)
                #expect(try String(decoding: bytes("out.csv"), as: UTF8.self).hasPrefix("frames,"))
            }
        }
    #endif

    /// Every byte survives the way through a string, and no two names become one.
    @Test func argumentsKeepTheirBytes() throws {
        var strings: Set<String> = []
        var names: Set<[UInt8]> = []
        var random = SplitMix64(seed: 1)
        // Bytes that begin and continue characters, those of the scalars that stand for bytes among them.
        let alphabet: [UInt8] = [0x2F, 0x41, 0x7F, 0x80, 0xA9, 0xBE, 0xBF, 0xC3, 0xE2, 0xED, 0xF0, 0xF4, 0x8F, 0xFF]
        for _ in 0..<20_000 {
            let name = (0..<Int(random.next() % 9)).map { _ in alphabet[Int(random.next() % 14)] }
            let string = ArgumentText.string(of: name)
            #expect(ArgumentText.bytes(of: string) == name)
            names.insert(name)
            strings.insert(string)
        }
        #expect(names.count == strings.count)
        let plain = "clips/è é 视频 😀.safetensors"
        #expect(ArgumentText.string(of: Array(plain.utf8)) == plain)
        let escape = Array("\u{10FF80}\u{10FFFF}".utf8)
        #expect(ArgumentText.bytes(of: ArgumentText.string(of: escape)) == escape)
        #expect(ArgumentText.string(of: [0x80, 0xFF]) != ArgumentText.string(of: escape))
    }
}
