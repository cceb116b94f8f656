import FlashVIDFile
import Foundation
import Testing

/// Every way in which a file can lie, by the error that answers it.
@Suite struct BadFileTests {
    struct Attack: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let bytes: [UInt8]
        let error: SafetensorsError

        init(_ name: String, _ bytes: [UInt8], _ error: SafetensorsError) {
            testDescription = name
            self.bytes = bytes
            self.error = error
        }

        init(_ name: String, header: String, _ offset: Int, _ fault: SafetensorsError.HeaderFault) {
            self.init(name, file(header), .headerSyntax(file: "f", offset: offset, fault: fault))
        }
    }

    static let sizes: [Attack] = [
        Attack("no bytes", [], .empty(file: "f")),
        Attack("part of the length", [2, 0, 0], .truncated(file: "f", expected: 8, found: 3)),
        Attack("only the length", file("", length: 2), .headerOutsideFile(file: "f", bytes: 2, available: 0)),
        Attack(
            "part of the header", file("{}", length: 9), .headerOutsideFile(file: "f", bytes: 9, available: 2)),
        Attack(
            "10 GB of header", file("{}", length: 10_000_000_000), .headerTooLarge(file: "f", bytes: 10_000_000_000)),
        Attack(
            "a header above the limit", file("{}", length: 100_000_001),
            .headerTooLarge(file: "f", bytes: 100_000_001)),
        Attack("2^64 - 1 bytes of header", file("{}", length: .max), .headerTooLarge(file: "f", bytes: .max)),
        Attack("bytes after nothing", file("{}", data: [7]), .trailingBytes(file: "f", bytes: 1)),
        Attack(
            "bytes after the last tensor", file(header(["a": ("U8", "[2]", "[0,2]")]), data: zeros(5)),
            .trailingBytes(file: "f", bytes: 3)),
        Attack(
            "truncated data", file(header(["a": ("F32", "[2]", "[0,8]")]), data: zeros(7)),
            .offsetsOutsideFile(file: "f", tensor: "a", end: 8, available: 7)),
    ]

    static let syntax: [Attack] = [
        Attack("an empty header", header: "", 0, .notAnObject),
        Attack("a space before", header: " {}", 0, .notAnObject),
        Attack("an array", header: "[]", 0, .notAnObject),
        Attack("an open object", header: "{", 1, .unexpectedEnd),
        Attack("an open string", header: "{\"a", 3, .unexpectedEnd),
        Attack("an open escape", header: "{\"a\\", 4, .unexpectedEnd),
        Attack("a key without a value", header: "{\"a\"}", 4, .unexpectedCharacter),
        Attack("a key that is a number", header: "{1:2}", 1, .unexpectedCharacter),
        Attack("a comma at the end", header: "{\"__metadata__\":{},}", 19, .unexpectedCharacter),
        Attack("no comma", header: "{\"__metadata__\":{} \"b\":{}}", 19, .unexpectedCharacter),
        Attack("a second object", header: "{}{}", 2, .trailingContent),
        Attack("a zero after", header: "{}\0", 2, .trailingContent),
        Attack("a raw line break", header: "{\"a\nb\":{}}", 3, .controlCharacter),
        Attack("an unknown escape", header: "{\"\\x41\":{}}", 2, .invalidEscape),
        Attack("a short escape", header: "{\"\\u12G4\":{}}", 6, .invalidEscape),
        Attack("the first half of a pair", header: "{\"\\uD83D\":{}}", 2, .loneSurrogate),
        Attack("the first half twice", header: "{\"\\uD83D\\uD83D\":{}}", 2, .loneSurrogate),
        Attack("the second half of a pair", header: "{\"\\uDE00\":{}}", 2, .loneSurrogate),
        Attack("a leading zero", header: "{\"a\":{\"shape\":[01]}}", 17, .invalidNumber),
        Attack("a bare minus", header: "{\"a\":{\"shape\":[-]}}", 16, .invalidNumber),
        Attack("a bare exponent", header: "{\"a\":{\"x\":1e}}", 12, .invalidNumber),
        Attack("not a literal", header: "{\"a\":{\"x\":nul}}", 13, .unexpectedCharacter),
        Attack("NaN", header: "{\"a\":{\"x\":NaN}}", 10, .unexpectedCharacter),
        Attack(
            "not UTF-8", file(Array("{\"a".utf8) + [0xFF] + Array("\":{}}".utf8)),
            .headerSyntax(file: "f", offset: 2, fault: .invalidUTF8)),
        Attack(
            "an overlong zero", file(Array("{\"".utf8) + [0xC0, 0x80] + Array("\":{}}".utf8)),
            .headerSyntax(file: "f", offset: 2, fault: .invalidUTF8)),
        Attack(
            "a surrogate in UTF-8", file(Array("{\"".utf8) + [0xED, 0xA0, 0x80] + Array("\":{}}".utf8)),
            .headerSyntax(file: "f", offset: 2, fault: .invalidUTF8)),
        Attack(
            "a million brackets", file("{\"a\":{\"x\":" + String(repeating: "[", count: 1_000_000)),
            .headerSyntax(file: "f", offset: 42, fault: .tooDeep)),
    ]

    static let descriptions: [Attack] = [
        Attack(
            "a tensor twice",
            file(header(["a": ("U8", "[1]", "[0,1]"), "a": ("U8", "[1]", "[1,2]")]), data: zeros(2)),
            .duplicateKey(file: "f", key: "a", within: nil)),
        Attack(
            "a tensor twice, once in escapes",
            file(header(["a": ("U8", "[1]", "[0,1]"), "\\u0061": ("U8", "[1]", "[1,2]")]), data: zeros(2)),
            .duplicateKey(file: "f", key: "a", within: nil)),
        Attack(
            "metadata twice", file("{\"__metadata__\":{},\"__metadata__\":{}}"),
            .duplicateKey(file: "f", key: "__metadata__", within: nil)),
        Attack(
            "a key of the metadata twice", file("{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}"),
            .duplicateKey(file: "f", key: "k", within: "__metadata__")),
        Attack(
            "a field twice",
            file("{\"a\":{\"dtype\":\"U8\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,1]}}", data: zeros(1)),
            .duplicateKey(file: "f", key: "dtype", within: "a")),
        Attack(
            "metadata that is no object", file("{\"__metadata__\":[]}"), .invalidMetadata(file: "f", key: nil)),
        Attack(
            "metadata that is null", file("{\"__metadata__\":null}"), .invalidMetadata(file: "f", key: nil)),
        Attack(
            "a number in the metadata", file("{\"__metadata__\":{\"layer\":9}}"),
            .invalidMetadata(file: "f", key: "layer")),
        Attack(
            "no dtype", file("{\"a\":{\"shape\":[1],\"data_offsets\":[0,1]}}", data: zeros(1)),
            .missingField(file: "f", tensor: "a", field: "dtype")),
        Attack(
            "no shape", file("{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,1]}}", data: zeros(1)),
            .missingField(file: "f", tensor: "a", field: "shape")),
        Attack(
            "no offsets", file("{\"a\":{\"dtype\":\"U8\",\"shape\":[1]}}", data: zeros(1)),
            .missingField(file: "f", tensor: "a", field: "data_offsets")),
        Attack(
            "a tensor that is a string", file("{\"a\":\"b\"}"),
            .invalidField(file: "f", tensor: "a", field: nil, expected: "an object")),
        Attack(
            "a dtype that is a number", file(header(["a": ("U8", "[]", "[0,1]")]).replacing("\"U8\"", with: "8")),
            .invalidField(file: "f", tensor: "a", field: "dtype", expected: "a string")),
        Attack(
            "an unknown dtype", file(header(["a": ("F8_E4M3", "[1]", "[0,1]")]), data: zeros(1)),
            .unknownType(file: "f", tensor: "a", type: "F8_E4M3")),
        Attack(
            "a dtype in small letters", file(header(["a": ("f32", "[1]", "[0,4]")]), data: zeros(4)),
            .unknownType(file: "f", tensor: "a", type: "f32")),
        Attack(
            "a shape that is a number", file(header(["a": ("U8", "1", "[0,1]")]), data: zeros(1)),
            .invalidField(file: "f", tensor: "a", field: "shape", expected: "an array of counts")),
        Attack(
            "a dimension that is a string", file(header(["a": ("U8", "[\"1\"]", "[0,1]")]), data: zeros(1)),
            .invalidField(file: "f", tensor: "a", field: "shape", expected: "an array of counts")),
        Attack(
            "three offsets", file(header(["a": ("U8", "[1]", "[0,1,1]")]), data: zeros(1)),
            .invalidField(file: "f", tensor: "a", field: "data_offsets", expected: "a pair of counts")),
    ]

    static let numbers: [Attack] = [
        Attack(
            "a negative dimension", file(header(["a": ("U8", "[-1]", "[0,1]")]), data: zeros(1)),
            .invalidDimension(file: "f", tensor: "a", value: "-1")),
        Attack(
            "minus zero", file(header(["a": ("U8", "[-0]", "[0,0]")])),
            .invalidDimension(file: "f", tensor: "a", value: "-0")),
        Attack(
            "half a token", file(header(["a": ("U8", "[1.5]", "[0,1]")]), data: zeros(1)),
            .invalidDimension(file: "f", tensor: "a", value: "1.5")),
        Attack(
            "an exponent", file(header(["a": ("U8", "[1e0]", "[0,1]")]), data: zeros(1)),
            .invalidDimension(file: "f", tensor: "a", value: "1e0")),
        Attack(
            "a dimension of 2^63", file(header(["a": ("U8", "[9223372036854775808]", "[0,1]")]), data: zeros(1)),
            .invalidDimension(file: "f", tensor: "a", value: "9223372036854775808")),
        Attack(
            "a product of 2^64",
            file(header(["a": ("U8", "[4294967296,4294967296]", "[0,0]")])),
            .sizeOverflow(file: "f", tensor: "a", shape: [1 << 32, 1 << 32])),
        Attack(
            "an overflow hidden by a zero",
            file(header(["a": ("U8", "[4294967296,4294967296,0]", "[0,0]")])),
            .sizeOverflow(file: "f", tensor: "a", shape: [1 << 32, 1 << 32, 0])),
        Attack(
            "a product that overflows with the element's size",
            file(header(["a": ("F64", "[2305843009213693952]", "[0,0]")])),
            .sizeOverflow(file: "f", tensor: "a", shape: [1 << 61])),
        Attack(
            "a negative offset", file(header(["a": ("U8", "[1]", "[-1,0]")]), data: zeros(1)),
            .invalidOffset(file: "f", tensor: "a", value: "-1")),
        Attack(
            "an offset of 2^64", file(header(["a": ("U8", "[1]", "[0,18446744073709551616]")]), data: zeros(1)),
            .invalidOffset(file: "f", tensor: "a", value: "18446744073709551616")),
        Attack(
            "offsets that run backwards", file(header(["a": ("U8", "[1]", "[1,0]")]), data: zeros(1)),
            .offsetsRunBackwards(file: "f", tensor: "a", begin: 1, end: 0)),
        Attack(
            "offsets past the end", file(header(["a": ("U8", "[100]", "[0,100]")]), data: zeros(10)),
            .offsetsOutsideFile(file: "f", tensor: "a", end: 100, available: 10)),
        Attack(
            "the largest offset",
            file(header(["a": ("U8", "[9223372036854775807]", "[0,9223372036854775807]")])),
            .offsetsOutsideFile(file: "f", tensor: "a", end: .max, available: 0)),
        Attack(
            "two tensors on the same bytes",
            file(header(["a": ("U8", "[4]", "[0,4]"), "b": ("U8", "[4]", "[0,4]")]), data: zeros(4)),
            .offsetsOverlap(file: "f", tensor: "b", other: "a")),
        Attack(
            "two tensors that overlap",
            file(header(["b": ("U8", "[4]", "[3,7]"), "a": ("U8", "[4]", "[0,4]")]), data: zeros(7)),
            .offsetsOverlap(file: "f", tensor: "b", other: "a")),
        Attack(
            "a hole in the beginning", file(header(["a": ("U8", "[1]", "[2,3]")]), data: zeros(3)),
            .offsetsLeaveHole(file: "f", tensor: "a", bytes: 2)),
        Attack(
            "a hole in the middle",
            file(header(["a": ("U8", "[1]", "[0,1]"), "b": ("U8", "[1]", "[2,3]")]), data: zeros(3)),
            .offsetsLeaveHole(file: "f", tensor: "b", bytes: 1)),
        Attack(
            "an empty tensor in another",
            file(header(["a": ("U8", "[4]", "[0,4]"), "b": ("U8", "[0]", "[2,2]")]), data: zeros(4)),
            .offsetsOverlap(file: "f", tensor: "b", other: "a")),
        Attack(
            "more bytes than the shape", file(header(["a": ("F32", "[2]", "[0,12]")]), data: zeros(12)),
            .byteCount(file: "f", tensor: "a", expected: 8, found: 12)),
        Attack(
            "fewer bytes than the shape", file(header(["a": ("F32", "[2,2]", "[0,8]")]), data: zeros(8)),
            .byteCount(file: "f", tensor: "a", expected: 16, found: 8)),
        Attack(
            "a scalar without bytes", file(header(["a": ("F32", "[]", "[0,0]")])),
            .byteCount(file: "f", tensor: "a", expected: 4, found: 0)),
    ]

    @Test(arguments: sizes + syntax + descriptions + numbers)
    func inMemory(_ attack: Attack) {
        #expect(throws: attack.error) { try SafetensorsFile(bytes: attack.bytes, named: "f") }
        #expect(attack.error.description.hasPrefix("f: "))
        #expect(!attack.error.description.contains("\n"))
    }

    /// The same from the disk: nothing depends on where the bytes come from.
    @Test func onDisk() throws {
        let scratch = try Scratch()
        for attack in Self.sizes + Self.syntax + Self.descriptions + Self.numbers {
            let path = try scratch.write(attack.bytes, as: "attack")
            #expect(throws: SafetensorsError.self, "\(attack.testDescription)") {
                try SafetensorsFile(contentsOf: path)
            }
        }
    }

    /// A real file cut at every length, and with every byte of its beginning changed: an error or a file, never a trap.
    @Test func cutAndBent() throws {
        let url = fixtures.appendingPathComponent("golden/case-00-default.safetensors")
        let bytes = [UInt8](try Data(contentsOf: url))
        for length in 0..<bytes.count where length < 1100 || length % 97 == 0 {
            #expect(throws: SafetensorsError.self) {
                try SafetensorsFile(bytes: Array(bytes[..<length]))
            }
        }
        for position in 0..<1008 {
            for change: UInt8 in [0x01, 0x20, 0x80, 0xFF] {
                var bent = bytes
                bent[position] ^= change
                _ = try? SafetensorsFile(bytes: bent)
            }
        }
    }

    @Test func paths() throws {
        let scratch = try Scratch()
        let missing = scratch.path("missing")
        #expect(throws: SafetensorsError.cannotOpen(file: missing, code: ENOENT)) {
            try SafetensorsFile(contentsOf: missing)
        }
        #expect(throws: SafetensorsError.directory(file: scratch.url.path)) {
            try SafetensorsFile(contentsOf: scratch.url.path)
        }
        #expect(throws: SafetensorsError.cannotOpen(file: "", code: ENOENT)) { try SafetensorsFile(contentsOf: "") }
        let cut = try scratch.write(file("{}"), as: "cut") + "\0after"
        #expect(throws: SafetensorsError.cannotOpen(file: cut, code: EINVAL)) { try SafetensorsFile(contentsOf: cut) }
    }

    @Test func unreadable() throws {
        let scratch = try Scratch()
        let path = try scratch.write(file("{}"), as: "locked")
        chmod(path, 0)
        try withoutPrivileges {
            #expect(throws: SafetensorsError.cannotOpen(file: path, code: EACCES)) {
                try SafetensorsFile(contentsOf: path)
            }
        }
    }

    /// A pipe has no size to check a header against, so the end of the data is found by reading.
    @Test func pipes() throws {
        let scratch = try Scratch()
        func read(_ bytes: [UInt8]) throws -> SafetensorsFile {
            let path = scratch.path("pipe-\(UUID().uuidString)")
            try #require(mkfifo(path, 0o600) == 0)
            let writer = Thread {
                let handle = FileHandle(forWritingAtPath: path)
                try? handle?.write(contentsOf: Data(bytes))
                try? handle?.close()
            }
            writer.start()
            return try SafetensorsFile(contentsOf: path)
        }
        let good = header(["a": ("U8", "[2]", "[0,2]")])
        #expect(try read(file(good, data: [3, 4])).integers("a") == [3, 4])
        #expect(throws: SafetensorsError.self) { try read(file(good, data: [3])) }
        #expect(throws: SafetensorsError.self) { try read(file(good, data: [3, 4, 5])) }
        let lying = header(["a": ("U8", "[9223372036854775807]", "[0,9223372036854775807]")])
        #expect(throws: SafetensorsError.self) { try read(file(lying, data: [3])) }
    }

    /// A stranger's names do not drive the terminal.
    @Test func messages() {
        let name = "a\u{1B}[2J\nb" + String(repeating: "x", count: 1000)
        let message = SafetensorsError.missingTensor(file: "f", tensor: name).description
        #expect(message.hasPrefix("f: no tensor 'a\\u{1b}[2J\\u{a}bxxx"))
        #expect(message.count < 120)
    }
}
