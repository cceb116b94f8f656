import FlashVIDLibC

/// The words of the command line as strings that keep every byte. Swift's `CommandLine.arguments` repairs what is not UTF-8,
/// and a file of such a name could not be found.
package enum ArgumentText {
    /// The program's arguments, without its name.
    package static var all: [String] {
        UnsafeBufferPointer(start: CommandLine.unsafeArgv, count: Int(CommandLine.argc)).dropFirst().compactMap {
            word in
            word.map { string(of: UnsafeBufferPointer(start: $0, count: strlen($0)).map { UInt8(bitPattern: $0) }) }
        }
    }

    // A byte that is no part of a character stands as a scalar at the end of the last plane for private use, and so do the
    // bytes of these scalars themselves: no two lists of bytes give the same string.
    private static let first: UInt32 = 0x10_FF80

    /// Whether a scalar stands for a byte.
    static func isByte(_ scalar: Unicode.Scalar) -> Bool { scalar.value >= first }

    package static func string(of bytes: [UInt8]) -> String {
        var text = String.UnicodeScalarView()
        func append(_ bytes: some Sequence<UInt8>) {
            for byte in bytes { text.append(Unicode.Scalar(first + UInt32(byte & 0x7F)) ?? "\u{FFFD}") }
        }
        var parser = Unicode.UTF8.ForwardParser()
        var input = bytes.makeIterator()
        var position = 0
        while true {
            switch parser.parseScalar(from: &input) {
            case .valid(let encoded):
                let scalar = Unicode.UTF8.decode(encoded)
                if isByte(scalar) { append(encoded) } else { text.append(scalar) }
                position += encoded.count
            case .error(let length):
                append(bytes[position..<position + length])
                position += length
            case .emptyInput:
                return String(text)
            }
        }
    }

    package static func bytes(of string: String) -> [UInt8] {
        string.unicodeScalars.flatMap { scalar in
            isByte(scalar) ? [0x80 | UInt8(scalar.value & 0x7F)] : Array(String(scalar).utf8)
        }
    }
}
