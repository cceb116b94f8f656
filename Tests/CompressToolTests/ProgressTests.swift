import Foundation
import Testing

/// The bar on a terminal.
@Suite struct ProgressTests {
    /// A run on a terminal whose clip comes by a pipe, slowly.
    private struct Watched {
        /// All that the terminal was told.
        var shown: String
        var code: Int32
        var output: String
        var isComplete: Bool
    }

    /// Sends a byte of the clip at a time until the terminal shows something, or for `patience` seconds, and then the rest.
    private func watch(
        _ terminal: Terminal, after line: String = "TERM=xterm; export TERM", patience: Double = 20
    ) throws -> Watched {
        let scratch = try Scratch()
        try RandomClip(frames: 8, tokens: 16, channels: 32).write(to: scratch.path("clip"))
        let clip = try scratch.bytes("clip")
        let (input, output) = (Pipe(), Pipe())
        let process = try Tool.start(
            ["-", "-o", scratch.path("out")], after: line, input: input, output: output,
            error: terminal.end)
        var shown = ""
        var sent = clip.count / 2
        input.send(clip[..<sent])
        let start = ContinuousClock.now
        while shown.isEmpty, ContinuousClock.now - start < .seconds(patience), sent + 1 < clip.count {
            usleep(10_000)
            input.send(clip[sent...sent])
            sent += 1
            shown += terminal.read()
        }
        input.send(clip[sent...])
        try input.fileHandleForWriting.close()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        shown += terminal.read()
        return Watched(
            shown: shown, code: process.terminationStatus, output: text,
            isComplete: FileManager.default.fileExists(atPath: scratch.path("out")))
    }

    /// What stands on a line after carriage returns and erasures, every state of it.
    private func states(_ shown: String) -> [Substring] {
        shown.split(separator: "\r", omittingEmptySubsequences: true)
    }

    @Test func everyStageShows() throws {
        let run = try watch(try Terminal())
        #expect(run.code == 0)
        #expect(run.isComplete)
        let states = states(run.shown)
        for stage in ["reading    ", "compressing", "writing    "] {
            let bars = states.filter { $0.hasPrefix("\(stage) [") }
            #expect(!bars.isEmpty, "\(run.shown.debugDescription)")
            for bar in bars {
                #expect(bar.hasSuffix(" %"))
                #expect(bar.count == stage.count + 2 + 40 + 1 + 1 + 5)
            }
        }
        // It leaves nothing behind, and the summary stands alone.
        #expect(states.last == "\u{1B}[K", "\(run.shown.debugDescription)")
        #expect(run.output.hasPrefix("clip "))
        #expect(!run.output.contains("["))
    }

    @Test func narrowTerminals() throws {
        let run = try watch(try Terminal(columns: 40))
        #expect(run.code == 0)
        for state in states(run.shown) where state != "\u{1B}[K" { #expect(state.count == 39, "\(state)") }
        #expect(try watch(try Terminal(columns: 20), patience: 0.5).shown == "")
    }

    /// As wide as the 80 columns of old, where a terminal does not know.
    @Test func terminalsOfNoSize() throws {
        #expect(try watch(try Terminal(columns: 0)).shown.contains("[####################"))
    }

    @Test func terminalsThatCannotTakeALineBack() throws {
        for line in ["TERM=dumb; export TERM", "unset TERM"] {
            let run = try watch(try Terminal(), after: line, patience: 0.5)
            #expect(run.code == 0)
            #expect(run.shown == "")
        }
    }

    /// The line is free for the message.
    @Test func errors() throws {
        let run = try watch(try Terminal(), after: "TERM=xterm; export TERM; exec > /dev/full")
        #expect(run.code == 1)
        #expect(!run.isComplete)
        #expect(run.shown.contains("\r\u{1B}[Kflashvid-compress: error: cannot write the summary: "))
    }
}
