import FlashVIDFile
import Foundation
import Testing

/// A safetensors file from the text of its header, however wrong.
func file(_ header: String, data: [UInt8] = [], length: UInt64? = nil) -> [UInt8] {
    file(Array(header.utf8), data: data, length: length)
}

func file(_ header: [UInt8], data: [UInt8] = [], length: UInt64? = nil) -> [UInt8] {
    let length = length ?? UInt64(header.count)
    return (0..<8).map { UInt8(truncatingIfNeeded: length >> (8 * $0)) } + header + data
}

/// A header of tensors without metadata: `"a": ("F32", "[2]", "[0,8]")`.
func header(_ tensors: KeyValuePairs<String, (type: String, shape: String, offsets: String)>) -> String {
    let descriptions = tensors.map { name, tensor in
        "\"\(name)\":{\"dtype\":\"\(tensor.type)\",\"shape\":\(tensor.shape),\"data_offsets\":\(tensor.offsets)}"
    }
    return "{" + descriptions.joined(separator: ",") + "}"
}

func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }

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

    func write(_ bytes: [UInt8], as name: String) throws -> String {
        try Data(bytes).write(to: url.appendingPathComponent(name))
        return path(name)
    }

    var names: [String] {
        get throws { try FileManager.default.contentsOfDirectory(atPath: url.path).sorted() }
    }
}

/// Runs `body` as a user whom permissions stop: they do not stop root, who runs the tests in a container.
func withoutPrivileges(_ body: () throws -> Void) throws {
    #if os(Linux)
        guard getuid() == 0 else { return try body() }
        // Of this thread alone, while seteuid is for the process and its other tests. No header that Swift imports has it.
        let symbol = try #require(dlsym(nil, "setfsuid"))
        let setfsuid = unsafeBitCast(symbol, to: (@convention(c) (uid_t) -> Int32).self)
        let nobody: uid_t = 65534
        _ = setfsuid(nobody)
        defer { _ = setfsuid(0) }
        // It returns what it was, and says in no other way that it failed.
        try #require(setfsuid(nobody) == nobody)
        try body()
    #else
        try #require(getuid() != 0, "these tests are not for root")
        try body()
    #endif
}

let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Fixtures")
