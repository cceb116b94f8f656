/// Text of a page under way, as bytes: there may be many megabytes of pictures in it.
struct PageText {
    private(set) var bytes: [UInt8] = []

    mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }

    mutating func append(_ others: [UInt8]) { bytes.append(contentsOf: others) }

    // MARK: JSON

    // What stands between <script> and </script> is read by the HTML parser first, which looks for the end of the element and
    // for comments. A '<' that is written as \u003c is none to it, and the same to the JSON parser.

    /// A string, quoted: sound inside an element of HTML too, whatever stands in it.
    mutating func append(json text: String) {
        append("\"")
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\":
                append("\\")
                append(String(scalar))
            case "<", ">", "&", "'", "\u{2028}", "\u{2029}": append(escaped: scalar)
            default:
                switch scalar.properties.generalCategory {
                // A name that would write itself from right to left, or over what stands before it.
                case .control, .format, .privateUse: append(escaped: scalar)
                default: append(String(scalar))
                }
            }
        }
        append("\"")
    }

    private mutating func append(escaped scalar: Unicode.Scalar) {
        for unit in String(scalar).utf16 {
            let digits = String(unit, radix: 16)
            append("\\u" + String(repeating: "0", count: 4 - digits.count) + digits)
        }
    }

    /// A number; null for what JSON has no number for.
    mutating func append(json number: Double, places: Int) {
        guard number.isFinite, number.magnitude < 1e12 else { return append("null") }
        var scale = 1.0
        for _ in 0..<places { scale *= 10 }
        let scaled = (number * scale).rounded()
        // The shortest text that gives the rounded number again.
        append(scaled == 0 ? "0" : "\(scaled / scale)")
    }

    mutating func append<Element>(
        list: some Sequence<Element>, _ element: (inout PageText, Element) -> Void
    ) {
        append("[")
        for (index, value) in list.enumerated() {
            if index > 0 { append(",") }
            element(&self, value)
        }
        append("]")
    }

    /// Bytes in base64, quoted.
    mutating func append(base64 source: [UInt8], prefix: String = "") {
        append("\"" + prefix)
        bytes.reserveCapacity(bytes.count + (source.count + 2) / 3 * 4 + 1)
        let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        var index = 0
        while index < source.count {
            let left = source.count - index
            let second = left > 1 ? UInt32(source[index + 1]) : 0
            let third = left > 2 ? UInt32(source[index + 2]) : 0
            let group = UInt32(source[index]) << 16 | second << 8 | third
            for digit in 0..<4 {
                bytes.append(digit <= left ? digits[Int(group >> UInt32(18 - 6 * digit)) & 63] : UInt8(ascii: "="))
            }
            index += 3
        }
        append("\"")
    }

    /// Whole numbers in as few bytes each as all of them fit in, little-endian: `{"width":2,"data":"…"}`. A negative one is the
    /// largest number of the width, which stands for none.
    mutating func append(packed numbers: [Int]) {
        let largest = numbers.max() ?? 0
        let width = largest < 0xFF ? 1 : largest < 0xFFFF ? 2 : 4
        var packed: [UInt8] = []
        packed.reserveCapacity(numbers.count * width)
        for number in numbers {
            let bits = UInt32(truncatingIfNeeded: number)
            for byte in 0..<width { packed.append(UInt8(truncatingIfNeeded: bits >> UInt32(8 * byte))) }
        }
        append("{\"width\":\(width),\"data\":")
        append(base64: packed)
        append("}")
    }
}
