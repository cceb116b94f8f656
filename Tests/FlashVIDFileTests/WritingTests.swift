import FlashVID
import FlashVIDFile
import Foundation
import Testing

@Suite struct WritingTests {
    @Test func roundTrip() throws {
        let scratch = try Scratch()
        let path = scratch.path("out.safetensors")
        var writer = SafetensorsWriter(metadata: ["configuration": "{\"a\": \"\\\"\"}", "\u{1}\n\u{1F}": "é😀"])
        writer.add("bytes", type: .u8, shape: [3], bytes: [1, 2, 3])
        writer.add("floats", floats: [1, -2.5, .infinity, .nan], shape: [2, 2])
        writer.add("halves", floats: [1, 0.1], shape: [2], as: .f16)
        writer.add("brains", floats: [1, 0.1], shape: [2], as: .bf16)
        writer.add("integers", integers: [.min, -1, .max], shape: [3])
        writer.add("nothing", integers: [], shape: [4, 0])
        writer.add("scalar", floats: [7], shape: [])
        let raw: [Int32] = [5, -6]
        try raw.withUnsafeBytes { buffer in
            writer.add("tensor \"x\"", type: .i32, shape: [2], bytes: buffer)
            try writer.write(to: path)
        }

        let file = try SafetensorsFile(contentsOf: path)
        #expect(file.metadata == writer.metadata)
        #expect(try file.integers("bytes") == [1, 2, 3])
        let floats = try file.floats("floats")
        #expect(Array(floats[..<3]) == [1, -2.5, .infinity])
        #expect(floats[3].isNaN)
        #expect(try file.floats("halves") == [1, Float(Float16(0.1))])
        #expect(try file.floats("brains") == [1, Float(BFloat16(0.1))])
        #expect(try file.integers("integers") == [.min, -1, .max])
        #expect(try file.integers("nothing") == [])
        #expect(file.entry("nothing")?.shape == [4, 0])
        #expect(file.entry("scalar")?.shape == [])
        #expect(try file.integers("tensor \"x\"") == [5, -6])
        #expect(try scratch.names == ["out.safetensors"])
        // For readers that map the file: the data begins at a multiple of 8, and each tensor at one of its size.
        let size = try #require(try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int)
        #expect((size - file.entries.map(\.byteRange.upperBound).max()!) % 8 == 0)
        for entry in file.entries { #expect(entry.byteRange.lowerBound % entry.type.size == 0) }
    }

    @Test func manyPieces() throws {
        let scratch = try Scratch()
        let values = (0..<100_000).map { Float($0 % 2048) }
        var writer = SafetensorsWriter()
        writer.add("a", floats: values, shape: [100_000], as: .f16)
        try writer.write(to: scratch.path("a"))
        #expect(try SafetensorsFile(contentsOf: scratch.path("a")).floats("a") == values)
    }

    @Test func nothingAtAll() throws {
        let scratch = try Scratch()
        try SafetensorsWriter().write(to: scratch.path("a"))
        #expect(try [UInt8](Data(contentsOf: URL(fileURLWithPath: scratch.path("a")))) == file("{}      "))
    }

    @Test func badTensors() throws {
        let scratch = try Scratch()
        let path = scratch.path("a")
        func expect(_ error: SafetensorsError, _ fill: (inout SafetensorsWriter) -> Void) throws {
            var writer = SafetensorsWriter()
            fill(&writer)
            #expect(throws: error) { try writer.write(to: path) }
            #expect(try scratch.names.isEmpty)
        }
        try expect(.byteCount(file: path, tensor: "t", expected: 8, found: 4)) { $0.add("t", floats: [1], shape: [2]) }
        try expect(.invalidDimension(file: path, tensor: "t", value: "-1")) { $0.add("t", floats: [1], shape: [-1]) }
        try expect(.sizeOverflow(file: path, tensor: "t", shape: [1 << 62, 4])) {
            $0.add("t", floats: [1], shape: [1 << 62, 4])
        }
        try expect(.wrongType(file: path, tensor: "t", found: .i8, expected: "F32, F16 or BF16")) {
            $0.add("t", floats: [1], shape: [1], as: .i8)
        }
        try expect(.reservedName(file: path, tensor: "__metadata__")) {
            $0.add("__metadata__", floats: [1], shape: [1])
        }
        try expect(.duplicateKey(file: path, key: "t", within: nil)) {
            $0.add("t", floats: [1], shape: [1])
            $0.add("t", integers: [1], shape: [1])
        }
        try expect(.notRepresentable(file: path, tensor: "t", index: 1, type: .f16)) {
            $0.add("t", floats: [.infinity, 65520], shape: [2], as: .f16)
        }
        try expect(.notRepresentable(file: path, tensor: "t", index: 0, type: .bf16)) {
            $0.add("t", floats: [.greatestFiniteMagnitude], shape: [1], as: .bf16)
        }
    }

    // MARK: Destinations

    private var small: SafetensorsWriter {
        var writer = SafetensorsWriter()
        writer.add("a", floats: [1, 2], shape: [2])
        return writer
    }

    @Test func destinationsThatCannotBe() throws {
        let scratch = try Scratch()
        let plain = try scratch.write([1], as: "plain")
        for (path, code) in [
            ("", ENOENT), (scratch.url.path, EISDIR), (scratch.path("missing/a"), ENOENT), (plain + "/a", ENOTDIR),
            (scratch.path("new") + "/", EISDIR), (scratch.path(String(repeating: "n", count: 300)), ENAMETOOLONG),
        ] {
            #expect(throws: SafetensorsError.cannotWrite(file: path, code: code)) { try small.write(to: path) }
            #expect(throws: SafetensorsError.cannotWrite(file: path, code: code)) {
                try SafetensorsWriter.check(destination: path)
            }
        }
        #expect(try scratch.names == ["plain"])
    }

    @Test func placesThatBelongToOthers() throws {
        let scratch = try Scratch()
        let path = try scratch.write([1], as: "locked")
        chmod(path, 0o444)
        try FileManager.default.createDirectory(atPath: scratch.path("folder"), withIntermediateDirectories: false)
        chmod(scratch.path("folder"), 0o555)
        try withoutPrivileges {
            for path in [path, scratch.path("folder/a")] {
                #expect(throws: SafetensorsError.cannotWrite(file: path, code: EACCES)) { try small.write(to: path) }
            }
        }
        #expect(try [UInt8](Data(contentsOf: URL(fileURLWithPath: path))) == [1])
    }

    @Test func longNames() throws {
        let scratch = try Scratch()
        let name = String(repeating: "é", count: 127)
        try small.write(to: scratch.path(name))
        #expect(try scratch.names.count == 1)
    }

    @Test func replacesAndKeepsPermissions() throws {
        let scratch = try Scratch()
        let path = try scratch.write([1, 2, 3], as: "a")
        chmod(path, 0o640)
        try small.write(to: path)
        #expect(try SafetensorsFile(contentsOf: path).floats("a") == [1, 2])
        var status = stat()
        #expect(stat(path, &status) == 0)
        #expect(status.st_mode & 0o777 == 0o640)
    }

    @Test func writesThroughLinks() throws {
        let scratch = try Scratch()
        let target = try scratch.write([1], as: "target")
        try FileManager.default.createSymbolicLink(atPath: scratch.path("link"), withDestinationPath: target)
        try small.write(to: scratch.path("link"))
        #expect(try SafetensorsFile(contentsOf: target).floats("a") == [1, 2])
        #expect(try FileManager.default.destinationOfSymbolicLink(atPath: scratch.path("link")) == target)
        #expect(try scratch.names == ["link", "target"])
    }

    /// Where a link leads, a file is made, as a shell's redirection does it.
    @Test func makesTheTargetsOfLinks() throws {
        let scratch = try Scratch()
        try FileManager.default.createDirectory(atPath: scratch.path("folder"), withIntermediateDirectories: false)
        let manager = FileManager.default
        try manager.createSymbolicLink(atPath: scratch.path("link"), withDestinationPath: "folder/second")
        try manager.createSymbolicLink(atPath: scratch.path("folder/second"), withDestinationPath: "../target")
        try small.write(to: scratch.path("link"))
        #expect(try SafetensorsFile(contentsOf: scratch.path("target")).floats("a") == [1, 2])
        #expect(try scratch.names == ["folder", "link", "target"])

        try manager.createSymbolicLink(atPath: scratch.path("loop"), withDestinationPath: "loop")
        #expect(throws: SafetensorsError.cannotWrite(file: scratch.path("loop"), code: ELOOP)) {
            try small.write(to: scratch.path("loop"))
        }
    }

    @Test func openDescriptorsAreWrittenWhereTheyStand() throws {
        let scratch = try Scratch()
        let path = try scratch.write([1, 2, 3, 4], as: "a")
        let handle = try #require(FileHandle(forUpdatingAtPath: path))
        try handle.seek(toOffset: 3)
        let name = "/dev/fd/\(handle.fileDescriptor)"
        try small.write(to: name)
        try small.write(to: scratch.path("b"))
        let written = [UInt8](try Data(contentsOf: scratch.url.appendingPathComponent("b")))
        #expect(try [UInt8](Data(contentsOf: URL(fileURLWithPath: path))) == [1, 2, 3] + written)
        try handle.close()
        #expect(throws: SafetensorsError.cannotWrite(file: name, code: EBADF)) { try small.write(to: name) }
        #expect(throws: SafetensorsError.self) { try small.write(to: "/dev/fd/99999999999999999999") }
    }

    /// A device is written into, not replaced by a file of its name.
    @Test func devices() throws {
        try small.write(to: "/dev/null")
        var status = stat()
        #expect(stat("/dev/null", &status) == 0)
        #expect(status.st_mode & S_IFMT == S_IFCHR)
        #if os(Linux)
            #expect(throws: SafetensorsError.cannotWrite(file: "/dev/full", code: ENOSPC)) {
                try small.write(to: "/dev/full")
            }
        #endif
    }

    /// What a failure in the middle leaves: the old file, and nothing else.
    @Test func failureKeepsTheOldFile() throws {
        let scratch = try Scratch()
        let path = try scratch.write([9], as: "a")
        var writer = SafetensorsWriter()
        writer.add("a", floats: [Float](repeating: 1, count: 100_000) + [1e30], shape: [100_001], as: .f16)
        #expect(throws: SafetensorsError.notRepresentable(file: path, tensor: "a", index: 100_000, type: .f16)) {
            try writer.write(to: path)
        }
        #expect(try [UInt8](Data(contentsOf: URL(fileURLWithPath: path))) == [9])
        #expect(try scratch.names == ["a"])
    }

    @Test func manyWritersAtOnce() async throws {
        let scratch = try Scratch()
        let path = scratch.path("a")
        await withTaskGroup(of: Void.self) { group in
            for value in 0..<200 {
                group.addTask {
                    var writer = SafetensorsWriter()
                    writer.add("a", integers: [Int](repeating: value, count: 1000), shape: [1000])
                    #expect(throws: Never.self) { try writer.write(to: path) }
                }
            }
        }
        #expect(Set(try SafetensorsFile(contentsOf: path).integers("a")).count == 1)
        #expect(try scratch.names == ["a"])
    }

    @Test func bestGuessesOfTypes() {
        for type in ScalarType.allCases {
            #expect(ElementType(type).scalarType == type)
            #expect(ElementType(type).size == type.size)
        }
        #expect(ElementType.i64.scalarType == nil)
    }
}
