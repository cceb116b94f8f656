import FlashVIDFile
import Foundation
import Testing

/// The built tool, as a process.
enum Tool {
    struct Run {
        var code: Int32
        var diedBySignal: Bool
        var output: String
        var error: String
    }

    /// It stands next to the tests.
    static var url: URL {
        #if canImport(Darwin)
            let bundle = Bundle.allBundles.first { $0.bundlePath.hasSuffix(".xctest") } ?? Bundle.main
            let directory = bundle.bundleURL.deletingLastPathComponent()
        #else
            let directory = Bundle.main.bundleURL
        #endif
        return directory.appendingPathComponent("flashvid-compress")
    }

    /// `prefix` is a line for the shell to run before it becomes the tool.
    static func start(
        _ arguments: [String], after prefix: String? = nil, input: Any = FileHandle.nullDevice, output: Pipe = Pipe(),
        error: Any = Pipe()
    ) throws -> Process {
        let process = Process()
        if let prefix {
            process.executableURL = URL(fileURLWithPath: "/bin/sh")
            process.arguments = ["-c", "\(prefix); exec \"$0\" \"$@\"", url.path] + arguments
        } else {
            process.executableURL = url
            process.arguments = arguments
        }
        process.standardInput = input
        process.standardOutput = output
        process.standardError = error
        try process.run()
        return process
    }

    static func run(_ arguments: [String], after prefix: String? = nil) throws -> Run {
        let output = Pipe()
        let error = Pipe()
        let process = try start(arguments, after: prefix, output: output, error: error)
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        let complaint = String(decoding: error.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return Run(
            code: process.terminationStatus, diedBySignal: process.terminationReason == .uncaughtSignal,
            output: text, error: complaint)
    }

    /// Runs what has to fail: with this code, one line that contains `message`, and nothing on standard output.
    static func expectFailure(
        _ arguments: [String], code: Int32 = 2, _ message: String, after prefix: String? = nil,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let run = try run(arguments, after: prefix)
        #expect(!run.diedBySignal, sourceLocation: sourceLocation)
        #expect(run.code == code, sourceLocation: sourceLocation)
        #expect(run.output.isEmpty, sourceLocation: sourceLocation)
        #expect(run.error.hasPrefix("flashvid-compress: error: "), sourceLocation: sourceLocation)
        #expect(run.error.hasSuffix("\n"), sourceLocation: sourceLocation)
        #expect(run.error.split(separator: "\n").count == 1, "\(run.error)", sourceLocation: sourceLocation)
        #expect(run.error.contains(message), "\(run.error)", sourceLocation: sourceLocation)
    }
}

extension Pipe {
    /// Writes all of it, on a thread where a reader that has gone is no signal: that would end the tests.
    func send(_ bytes: some DataProtocol) {
        let data = Data(bytes)
        let handle = fileHandleForWriting
        let isDone = DispatchSemaphore(value: 0)
        Thread {
            var signals = sigset_t()
            sigemptyset(&signals)
            sigaddset(&signals, SIGPIPE)
            pthread_sigmask(SIG_BLOCK, &signals, nil)
            try? handle.write(contentsOf: data)
            isDone.signal()
        }.start()
        isDone.wait()
    }
}

/// A pseudo-terminal, and what was written to it.
final class Terminal {
    /// The end that a program has, and its path.
    let end: FileHandle
    let path: String
    private let watcher: FileHandle

    init(columns: Int = 80) throws {
        var size = winsize(ws_row: 24, ws_col: UInt16(columns), ws_xpixel: 0, ws_ypixel: 0)
        var (ours, theirs): (Int32, Int32) = (-1, -1)
        try #require(openpty(&ours, &theirs, nil, nil, &size) == 0)
        watcher = FileHandle(fileDescriptor: ours, closeOnDealloc: true)
        end = FileHandle(fileDescriptor: theirs, closeOnDealloc: true)
        path = String(cString: try #require(ttyname(theirs)))
    }

    /// What has come since the last call; does not wait.
    func read() -> String {
        var text: [UInt8] = []
        var request = pollfd(fd: watcher.fileDescriptor, events: Int16(POLLIN), revents: 0)
        while poll(&request, 1, 0) == 1, request.revents & Int16(POLLIN) != 0 {
            text += watcher.availableData
        }
        return String(decoding: text, as: UTF8.self)
    }
}

/// A directory of its own for a test, gone when the test is.
final class Scratch {
    let url: URL

    init() throws {
        url = FileManager.default.temporaryDirectory.appendingPathComponent("flashvid-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit {
        try? FileManager.default.removeItem(at: url)
    }

    func path(_ name: String) -> String { url.appendingPathComponent(name).path }

    var names: [String] {
        get throws { try FileManager.default.contentsOfDirectory(atPath: url.path).sorted() }
    }

    func bytes(_ name: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: URL(fileURLWithPath: path(name)))) }
}

/// A clip of random numbers, the same for the same sizes.
struct RandomClip {
    var frames = 6
    var tokens = 12
    var channels = 8
    var features: [Float]
    var attention: [Float]

    init(frames: Int = 6, tokens: Int = 12, channels: Int = 8) {
        self.frames = frames
        self.tokens = tokens
        self.channels = channels
        var state: UInt64 = 0x9E37_79B9_7F4A_7C15
        func next() -> Float {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            // Eighths survive the way through F16 and BF16.
            return Float(Int(state >> 60)) / 8
        }
        features = (0..<frames * tokens * channels).map { _ in next() - 1 }
        attention = (0..<frames * tokens).map { _ in next() }
    }

    @discardableResult
    func write(to path: String, as type: ElementType = .f32, attention withAttention: Bool = true) throws -> String {
        var writer = SafetensorsWriter()
        writer.add("features", floats: features, shape: [frames, tokens, channels], as: type)
        if withAttention { writer.add("attention", floats: attention, shape: [frames, tokens]) }
        try writer.write(to: path)
        return path
    }
}
