/// Reads the JSON of a safetensors header: an object of tensors, each with `dtype`, `shape` and `data_offsets`, and
/// an object of strings called `__metadata__`.
///
/// By hand, since a general JSON parser keeps one of two equal keys and turns 1e3 and 1000.0 into a dimension: two
/// readers of one file would then see different tensors. Unknown fields are skipped, as the format's own reader does.
struct HeaderParser {
    /// A tensor as the header describes it, not yet checked against the file.
    struct Description {
        var name: String
        var type: ElementType
        var shape: [Int]
        var begin: Int
        var end: Int
    }

    /// Values nested deeper than this are refused; only unknown fields nest at all.
    static let maximumDepth = 32

    private let bytes: [UInt8]
    private let file: String
    private var position = 0

    init(_ bytes: [UInt8], file: String) {
        self.bytes = bytes
        self.file = file
    }

    mutating func parse() throws(SafetensorsError) -> (tensors: [Description], metadata: [String: String]) {
        guard bytes.first == UInt8(ascii: "{") else { throw fault(.notAnObject) }
        var tensors: [Description] = []
        var metadata: [String: String] = [:]
        // Swift's strings are equal when they are canonically equivalent. Two such names count as one here, since
        // nobody could ask for the second.
        var names: Set<String> = []
        try parseObject { parser, name throws(SafetensorsError) in
            guard names.insert(name).inserted else {
                throw .duplicateKey(file: parser.file, key: name, within: nil)
            }
            if name == SafetensorsHeader.metadataKey {
                metadata = try parser.parseMetadata()
            } else {
                tensors.append(try parser.parseTensor(name))
            }
        }
        skipSpace()
        guard position == bytes.count else { throw fault(.trailingContent) }
        return (tensors, metadata)
    }

    // MARK: The format

    private mutating func parseMetadata() throws(SafetensorsError) -> [String: String] {
        guard try peek() == UInt8(ascii: "{") else { throw .invalidMetadata(file: file, key: nil) }
        var metadata: [String: String] = [:]
        try parseObject { parser, key throws(SafetensorsError) in
            guard try parser.peek() == UInt8(ascii: "\"") else {
                throw .invalidMetadata(file: parser.file, key: key)
            }
            guard metadata.updateValue(try parser.parseString(), forKey: key) == nil else {
                throw .duplicateKey(file: parser.file, key: key, within: SafetensorsHeader.metadataKey)
            }
        }
        return metadata
    }

    private mutating func parseTensor(_ name: String) throws(SafetensorsError) -> Description {
        guard try peek() == UInt8(ascii: "{") else {
            throw .invalidField(file: file, tensor: name, field: nil, expected: "an object")
        }
        var type: ElementType?
        var shape: [Int]?
        var offsets: [Int]?
        var fields: Set<String> = []
        try parseObject { parser, field throws(SafetensorsError) in
            guard fields.insert(field).inserted else {
                throw .duplicateKey(file: parser.file, key: field, within: name)
            }
            switch field {
            case "dtype":
                guard try parser.peek() == UInt8(ascii: "\"") else {
                    throw .invalidField(file: parser.file, tensor: name, field: field, expected: "a string")
                }
                let value = try parser.parseString()
                type = ElementType(rawValue: value)
                guard type != nil else { throw .unknownType(file: parser.file, tensor: name, type: value) }
            case "shape":
                shape = try parser.parseCounts(tensor: name, field: field) { file, value in
                    .invalidDimension(file: file, tensor: name, value: value)
                }
            case "data_offsets":
                let values = try parser.parseCounts(tensor: name, field: field) { file, value in
                    .invalidOffset(file: file, tensor: name, value: value)
                }
                guard values.count == 2 else {
                    throw .invalidField(file: parser.file, tensor: name, field: field, expected: "a pair of counts")
                }
                offsets = values
            default:
                try parser.skipValue(depth: 1)
            }
        }
        guard let type else { throw .missingField(file: file, tensor: name, field: "dtype") }
        guard let shape else { throw .missingField(file: file, tensor: name, field: "shape") }
        guard let offsets else { throw .missingField(file: file, tensor: name, field: "data_offsets") }
        return Description(name: name, type: type, shape: shape, begin: offsets[0], end: offsets[1])
    }

    private mutating func parseCounts(
        tensor: String, field: String, invalid: (_ file: String, _ value: String) -> SafetensorsError
    ) throws(SafetensorsError) -> [Int] {
        guard try peek() == UInt8(ascii: "[") else {
            throw .invalidField(file: file, tensor: tensor, field: field, expected: "an array of counts")
        }
        var counts: [Int] = []
        try parseArray { parser throws(SafetensorsError) in
            let first = try parser.peek()
            guard first == UInt8(ascii: "-") || isDigit(first) else {
                throw .invalidField(file: parser.file, tensor: tensor, field: field, expected: "an array of counts")
            }
            let text = try parser.parseNumber()
            guard text.utf8.allSatisfy(isDigit), let count = Int(text) else { throw invalid(parser.file, text) }
            counts.append(count)
        }
        return counts
    }

    // MARK: JSON

    private func fault(_ fault: SafetensorsError.HeaderFault) -> SafetensorsError {
        .headerSyntax(file: file, offset: position, fault: fault)
    }

    private mutating func skipSpace() {
        while position < bytes.count {
            switch bytes[position] {
            case UInt8(ascii: " "), UInt8(ascii: "\n"), UInt8(ascii: "\r"), UInt8(ascii: "\t"): position += 1
            default: return
            }
        }
    }

    /// The first byte of what follows the white space; not consumed.
    private mutating func peek() throws(SafetensorsError) -> UInt8 {
        skipSpace()
        guard position < bytes.count else { throw fault(.unexpectedEnd) }
        return bytes[position]
    }

    private mutating func expect(_ byte: UInt8) throws(SafetensorsError) {
        guard try peek() == byte else { throw fault(.unexpectedCharacter) }
        position += 1
    }

    private mutating func take() throws(SafetensorsError) -> UInt8 {
        guard position < bytes.count else { throw fault(.unexpectedEnd) }
        defer { position += 1 }
        return bytes[position]
    }

    /// `body` consumes the value of each key.
    private mutating func parseObject(
        _ body: (inout HeaderParser, String) throws(SafetensorsError) -> Void
    ) throws(SafetensorsError) {
        try expect(UInt8(ascii: "{"))
        try parseItems(until: UInt8(ascii: "}")) { parser throws(SafetensorsError) in
            let key = try parser.parseString()
            try parser.expect(UInt8(ascii: ":"))
            try body(&parser, key)
        }
    }

    /// `body` consumes each element.
    private mutating func parseArray(
        _ body: (inout HeaderParser) throws(SafetensorsError) -> Void
    ) throws(SafetensorsError) {
        try expect(UInt8(ascii: "["))
        try parseItems(until: UInt8(ascii: "]"), body)
    }

    private mutating func parseItems(
        until close: UInt8, _ body: (inout HeaderParser) throws(SafetensorsError) -> Void
    ) throws(SafetensorsError) {
        if try peek() == close {
            position += 1
            return
        }
        while true {
            try body(&self)
            if try peek() == close {
                position += 1
                return
            }
            try expect(UInt8(ascii: ","))
        }
    }

    private mutating func skipValue(depth: Int) throws(SafetensorsError) {
        guard depth <= Self.maximumDepth else { throw fault(.tooDeep) }
        switch try peek() {
        case UInt8(ascii: "{"):
            var keys: Set<String> = []
            try parseObject { parser, key throws(SafetensorsError) in
                guard keys.insert(key).inserted else {
                    throw .duplicateKey(file: parser.file, key: key, within: nil)
                }
                try parser.skipValue(depth: depth + 1)
            }
        case UInt8(ascii: "["):
            try parseArray { parser throws(SafetensorsError) in try parser.skipValue(depth: depth + 1) }
        case UInt8(ascii: "\""):
            _ = try parseString()
        case UInt8(ascii: "t"):
            try skipLiteral("true")
        case UInt8(ascii: "f"):
            try skipLiteral("false")
        case UInt8(ascii: "n"):
            try skipLiteral("null")
        default:
            _ = try parseNumber()
        }
    }

    private mutating func skipLiteral(_ literal: StaticString) throws(SafetensorsError) {
        for index in 0..<literal.utf8CodeUnitCount {
            guard try take() == literal.utf8Start[index] else {
                position -= 1
                throw fault(.unexpectedCharacter)
            }
        }
    }

    /// The text of a number, by JSON's grammar.
    private mutating func parseNumber() throws(SafetensorsError) -> String {
        let start = position
        if position < bytes.count, bytes[position] == UInt8(ascii: "-") { position += 1 }
        let integer = skipDigits()
        guard integer > 0 else { throw fault(position == start ? .unexpectedCharacter : .invalidNumber) }
        if integer > 1, bytes[position - integer] == UInt8(ascii: "0") { throw fault(.invalidNumber) }
        if position < bytes.count, bytes[position] == UInt8(ascii: ".") {
            position += 1
            guard skipDigits() > 0 else { throw fault(.invalidNumber) }
        }
        if position < bytes.count, bytes[position] | 0x20 == UInt8(ascii: "e") {
            position += 1
            if position < bytes.count, bytes[position] == UInt8(ascii: "+") || bytes[position] == UInt8(ascii: "-") {
                position += 1
            }
            guard skipDigits() > 0 else { throw fault(.invalidNumber) }
        }
        return String(decoding: bytes[start..<position], as: UTF8.self)
    }

    private mutating func skipDigits() -> Int {
        let start = position
        while position < bytes.count, isDigit(bytes[position]) { position += 1 }
        return position - start
    }

    private mutating func parseString() throws(SafetensorsError) -> String {
        try expect(UInt8(ascii: "\""))
        let start = position
        var text: [UInt8] = []
        while true {
            let byte = try take()
            switch byte {
            case UInt8(ascii: "\""):
                guard let string = String(validating: text, as: UTF8.self) else {
                    position = start
                    throw fault(.invalidUTF8)
                }
                return string
            case UInt8(ascii: "\\"):
                try parseEscape(into: &text)
            case 0..<0x20:
                position -= 1
                throw fault(.controlCharacter)
            default:
                text.append(byte)
            }
        }
    }

    private mutating func parseEscape(into text: inout [UInt8]) throws(SafetensorsError) {
        let start = position - 1
        switch try take() {
        case UInt8(ascii: "\""): text.append(UInt8(ascii: "\""))
        case UInt8(ascii: "\\"): text.append(UInt8(ascii: "\\"))
        case UInt8(ascii: "/"): text.append(UInt8(ascii: "/"))
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0C)
        case UInt8(ascii: "n"): text.append(0x0A)
        case UInt8(ascii: "r"): text.append(0x0D)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"):
            var value = try parseHexadecimal()
            if 0xD800..<0xDC00 ~= value {
                guard position + 1 < bytes.count, bytes[position] == UInt8(ascii: "\\"),
                    bytes[position + 1] == UInt8(ascii: "u")
                else {
                    position = start
                    throw fault(.loneSurrogate)
                }
                position += 2
                let low = try parseHexadecimal()
                guard 0xDC00..<0xE000 ~= low else {
                    position = start
                    throw fault(.loneSurrogate)
                }
                value = 0x10000 + (value - 0xD800) << 10 + (low - 0xDC00)
            }
            // Nil for the second half of a pair on its own.
            guard let scalar = Unicode.Scalar(value) else {
                position = start
                throw fault(.loneSurrogate)
            }
            text.append(contentsOf: String(scalar).utf8)
        default:
            position = start
            throw fault(.invalidEscape)
        }
    }

    private mutating func parseHexadecimal() throws(SafetensorsError) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            let byte = try take()
            guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                position -= 1
                throw fault(.invalidEscape)
            }
            value = value << 4 | UInt32(digit)
        }
        return value
    }
}

private func isDigit(_ byte: UInt8) -> Bool {
    UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte
}
