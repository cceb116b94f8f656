import FlashVIDFile
import Foundation
import Testing

/// What the disk, the system and Ctrl-C can do to the output.
@Suite(.serialized) struct DiskTests {
    /// A run that fails leaves what stood under the name.
    @Test func failureKeepsTheOldFile() throws {
        let scratch = try Scratch()
        var clip = RandomClip()
        clip.features[7] = .nan
        try clip.write(to: scratch.path("clip"))
        try Data([1, 2, 3]).write(to: URL(fileURLWithPath: scratch.path("out")))
        try Tool.expectFailure([scratch.path("clip"), "-o", scratch.path("out")], "features are not finite")
        #expect(try scratch.bytes("out") == [1, 2, 3])
        #expect(try scratch.names == ["clip", "out"])
    }

    @Test func placesThatCannotBeWritten() throws {
        let scratch = try Scratch()
        let path = try RandomClip().write(to: scratch.path("clip"))
        try Tool.expectFailure(
            [path, "-o", scratch.path("missing/out")], code: 1, "missing/out: cannot write: No such file or directory")
        try Tool.expectFailure([path, "-o", scratch.url.path], code: 1, "cannot write: Is a directory")
        try Tool.expectFailure([path, "-o", path + "/out"], code: 1, "cannot write: Not a directory")
        #expect(try scratch.names == ["clip"])
    }

    #if os(Linux)
        /// Root, whom permissions do not stop, runs a copy of the tool as another user.
        @Test func permissions() throws {
            let scratch = try Scratch()
            try RandomClip().write(to: scratch.path("clip"))
            let asAnother = "cp \"$0\" tool; exec setpriv --reuid 65534 --regid 65534 --clear-groups ./tool \"$@\""
            func expectFailure(_ code: Int32, _ message: String, after line: String) throws {
                try Tool.expectFailure(
                    ["clip", "-o", "folder/out"], code: code, message,
                    after: "cd '\(scratch.url.path)'; chmod 755 .; mkdir -m 777 folder; \(line); "
                        + (getuid() == 0 ? asAnother : ":"))
                try? FileManager.default.removeItem(atPath: scratch.path("folder"))
            }
            try expectFailure(2, "clip: cannot open: Permission denied", after: "chmod 0 clip")
            try expectFailure(1, "out: cannot write: Permission denied", after: "chmod 644 clip; chmod 755 folder")
        }
    #endif

    #if os(Linux)
        /// OpenBLAS's own threads wait for ever for theirs then, and an ordinary exit would wait for them.
        @Test(arguments: [180_000, 270_000])
        func littleMemory(kilobytes: Int) throws {
            let scratch = try Scratch()
            let path = try RandomClip(frames: 8, tokens: 16, channels: 64).write(to: scratch.path("clip"))
            try Tool.expectFailure(
                [path, "-o", scratch.path("out"), "--threads", "1"], code: 1, "no memory",
                after: "OPENBLAS_NUM_THREADS=2; export OPENBLAS_NUM_THREADS; ulimit -v \(kilobytes)")
            #expect(try scratch.names == ["clip"])
        }
    #endif

    /// The limit on file sizes stands in for a disk that is full in the middle; a signal would come first if the
    /// tool did not ignore it.
    @Test func fullDisk() throws {
        let scratch = try Scratch()
        let path = try RandomClip(frames: 8, tokens: 16, channels: 64).write(to: scratch.path("clip"))
        try Tool.expectFailure(
            [path, "-o", scratch.path("out"), "--retention", "1"], code: 1, "out: cannot write: File too large",
            after: "ulimit -f 16")
        #expect(try scratch.names == ["clip"])
        #if os(Linux)
            try Tool.expectFailure(
                [path, "-o", "/dev/full"], code: 1, "/dev/full: cannot write: No space left on device")
        #endif
    }

    /// Interrupted while the output stands under its temporary name: the name goes, and the process dies of the signal.
    @Test(arguments: [SIGINT, SIGTERM, SIGHUP]) func interrupted(by signal: Int32) throws {
        let scratch = try Scratch()
        let path = try RandomClip(frames: 8, tokens: 32, channels: 8192).write(to: scratch.path("clip"))
        let arguments = [path, "-o", scratch.path("out"), "--retention", "1", "--min-segments", "1"]
        // The rename may come before the signal; then the output is whole, and the next try has the chance.
        for _ in 0..<20 {
            let process = try Tool.start(arguments)
            while process.isRunning, !(try scratch.names.contains { $0.contains(".partial-") }) {}
            kill(process.processIdentifier, signal)
            process.waitUntilExit()
            if process.terminationReason == .uncaughtSignal {
                #expect(process.terminationStatus == signal)
                #expect(try scratch.names == ["clip"])
                return
            }
            #expect(process.terminationStatus == 0)
            #expect(try scratch.names == ["clip", "out"])
            _ = try SafetensorsFile(contentsOf: scratch.path("out"))
            try FileManager.default.removeItem(atPath: scratch.path("out"))
        }
        Issue.record("the signal never came before the end")
    }

    /// At any moment: nothing, or the whole output.
    @Test func interruptedAnywhere() throws {
        let scratch = try Scratch()
        let path = try RandomClip(frames: 8, tokens: 32, channels: 512).write(to: scratch.path("clip"))
        for milliseconds in stride(from: 0, to: 100, by: 4) {
            let process = try Tool.start([path, "-o", scratch.path("out")])
            usleep(UInt32(milliseconds) * 1000)
            kill(process.processIdentifier, SIGINT)
            process.waitUntilExit()
            let names = try scratch.names
            if process.terminationReason == .uncaughtSignal, names == ["clip"] { continue }
            #expect(names == ["clip", "out"])
            _ = try SafetensorsFile(contentsOf: scratch.path("out"))
            try FileManager.default.removeItem(atPath: scratch.path("out"))
        }
    }

    /// Under nohup, or in the background of a script, the signal is not for us.
    @Test func ignoredSignalsStayIgnored() throws {
        let scratch = try Scratch()
        let path = try RandomClip(frames: 8, tokens: 32, channels: 4096).write(to: scratch.path("clip"))
        let process = try Tool.start([path, "-o", scratch.path("out")], after: "trap '' INT HUP")
        for _ in 0..<20 {
            usleep(10_000)
            if process.isRunning {
                kill(process.processIdentifier, SIGINT)
                kill(process.processIdentifier, SIGHUP)
            }
        }
        process.waitUntilExit()
        #expect(process.terminationReason == .exit)
        #expect(process.terminationStatus == 0)
        #expect(try scratch.names == ["clip", "out"])
    }
}
