import FlashVID
import FlashVIDFile
import Foundation
import Testing

@Suite struct ReadingTests {
    @Test func emptyFiles() throws {
        let file = try SafetensorsFile(bytes: file("{}      "))
        #expect(file.entries.isEmpty)
        #expect(file.metadata.isEmpty)
        #expect(file.entry("a") == nil)
    }

    @Test func whiteSpaceAndUnknownFields() throws {
        let text = """
            { "a" : { "shape" : [ 2 , 1 ] , "extra" : [ { "b" : -1.5e+3 } , null , true , false , "" ] ,
            \t"data_offsets" : [ 0 , 4 ] , "dtype" : "I16" } , "__metadata__" : { "k" : "v" } }\r\n\u{20}
            """
        let file = try SafetensorsFile(bytes: file(text, data: [1, 0, 0xFE, 0xFF]))
        #expect(file.metadata == ["k": "v"])
        #expect(file.entries.map(\.name) == ["a"])
        #expect(file.entry("a")?.shape == [2, 1])
        #expect(try file.integers("a") == [1, -2])
    }

    @Test func escapes() throws {
        let text = #"{"__metadata__":{"\"\\\/\b\f\n\r\t":"\u0041\u00e9\u20AC\uD83D\uDE00\u0000é😀"}}"#
        let file = try SafetensorsFile(bytes: file(text))
        #expect(file.metadata == ["\"\\/\u{8}\u{C}\n\r\t": "Aé€😀\0é😀"])
    }

    @Test func entriesAreSortedByName() throws {
        let file = try SafetensorsFile(
            bytes: file(
                header(["c": ("U8", "[1]", "[0,1]"), "a": ("U8", "[1]", "[2,3]"), "b": ("U8", "[1]", "[1,2]")]),
                data: [1, 2, 3]))
        #expect(file.entries.map(\.name) == ["a", "b", "c"])
        #expect(file.entries.map(\.byteRange) == [2..<3, 1..<2, 0..<1])
        #expect(try ["a", "b", "c"].map { try file.integers($0) } == [[3], [2], [1]])
    }

    /// After one byte, every wider type stands at an odd offset.
    @Test(arguments: ElementType.allCases) func alignment(_ type: ElementType) throws {
        let file = try SafetensorsFile(
            bytes: file(
                header([
                    "byte": ("U8", "[1]", "[0,1]"), "wide": (type.rawValue, "[3]", "[1,\(1 + 3 * type.size)]"),
                ]), data: (0..<UInt8(1 + 3 * type.size)).map { $0 }))
        try file.withBytes(of: "wide") { bytes in
            #expect(Array(bytes) == (1..<UInt8(1 + 3 * type.size)).map { $0 })
            #expect(UInt(bitPattern: bytes.baseAddress) % 64 == 0)
        }
    }

    @Test func halfPrecisionIsExact() throws {
        let halves: [Float16] = [0, -0.0, 1, 0.1, 65504, 5.9604645e-08, -.infinity]
        let brains = [Float(0), -1, 3.3895314e38, 0x1p-133, .infinity].map { BFloat16($0) }
        let data = halves.flatMap { bytes(of: $0.bitPattern) } + brains.flatMap { bytes(of: $0.bitPattern) }
        let file = try SafetensorsFile(
            bytes: file(header(["h": ("F16", "[7]", "[0,14]"), "b": ("BF16", "[5]", "[14,24]")]), data: data))
        #expect(try file.floats("h") == halves.map { Float($0) })
        #expect(try file.floats("b") == brains.map { Float($0) })
        #expect(try file.floats("h")[1].sign == .minus)
    }

    @Test func integersOfEveryType() throws {
        for type: ElementType in [.i64, .i32, .i16, .i8, .u64, .u32, .u16, .u8] {
            let data = zeros(type.size) + [UInt8](repeating: 0xFF, count: type.size)
            let bytes = file(header(["a": (type.rawValue, "[2]", "[0,\(2 * type.size)]")]), data: data)
            let read = try SafetensorsFile(bytes: bytes, named: "f")
            switch type {
            case .u64:
                #expect(throws: SafetensorsError.integerOutOfRange(file: "f", tensor: "a", index: 1)) {
                    try read.integers("a")
                }
            case .i64, .i32, .i16, .i8: #expect(try read.integers("a") == [0, -1])
            default: #expect(try read.integers("a") == [0, 1 << (8 * type.size) - 1])
            }
        }
    }

    @Test func wrongQuestions() throws {
        let read = try SafetensorsFile(
            bytes: file(header(["a": ("F64", "[1]", "[0,8]"), "b": ("BOOL", "[1]", "[8,9]")]), data: zeros(9)),
            named: "f")
        #expect(throws: SafetensorsError.missingTensor(file: "f", tensor: "c")) { try read.floats("c") }
        #expect(throws: SafetensorsError.missingTensor(file: "f", tensor: "c")) { try read.withBytes(of: "c") { _ in } }
        let floats = SafetensorsError.wrongType(
            file: "f", tensor: "a", found: .f64, expected: "F32, F16 or BF16")
        #expect(throws: floats) { try read.floats("a") }
        let integers = SafetensorsError.wrongType(file: "f", tensor: "b", found: .bool, expected: "an integer type")
        #expect(throws: integers) { try read.integers("b") }
    }

    @Test func fixturesAreRead() throws {
        var count = 0
        for folder in ["clips", "golden", "real"] {
            let directory = fixtures.appendingPathComponent(folder)
            for name in try FileManager.default.contentsOfDirectory(atPath: directory.path) {
                guard name.hasSuffix(".safetensors") else { continue }
                let file = try SafetensorsFile(contentsOf: directory.appendingPathComponent(name).path)
                #expect(!file.entries.isEmpty)
                #expect(!file.metadata.isEmpty)
                for entry in file.entries {
                    let elements = entry.shape.reduce(1, *)
                    if entry.type.scalarType != nil {
                        #expect(try file.floats(entry.name).count == elements)
                    } else {
                        #expect(try file.integers(entry.name).count == elements)
                    }
                }
                count += 1
            }
        }
        #expect(count >= 52)
    }

    @Test func clipIsWhatItsNotesSay() throws {
        let file = try SafetensorsFile(contentsOf: fixtures.appendingPathComponent("clips/bikes.safetensors").path)
        #expect(file.entries.map(\.name) == ["attention", "features"])
        #expect(file.entry("features")?.shape == [32, 196, 384])
        #expect(file.entry("features")?.type == .f16)
        #expect(file.metadata["grid"] == "14")
        #expect(try file.floats("attention").allSatisfy { $0.isFinite && $0 >= 0 })
    }
}

private func bytes(of value: UInt16) -> [UInt8] {
    [UInt8(truncatingIfNeeded: value), UInt8(truncatingIfNeeded: value >> 8)]
}
