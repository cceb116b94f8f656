/// What is wrong with a safetensors file, or with writing one, and where. `file` is the path as the caller gave it;
/// `code` is the system's `errno`.
public enum SafetensorsError: Error, Hashable, Sendable {
    /// Why a header is not the JSON that the format asks for.
    public enum HeaderFault: String, Sendable, CaseIterable {
        case notAnObject = "does not begin with '{'"
        case unexpectedEnd = "ends in the middle of a value"
        case unexpectedCharacter = "has an unexpected character"
        case invalidNumber = "has a malformed number"
        case invalidEscape = "has a malformed escape in a string"
        case loneSurrogate = "has half a surrogate pair in a string"
        case controlCharacter = "has a raw control character in a string"
        case invalidUTF8 = "is not UTF-8"
        case tooDeep = "is nested too deeply"
        case trailingContent = "has something after its closing '}'"
    }

    // MARK: Opening

    /// The path cannot be opened.
    case cannotOpen(file: String, code: Int32)
    /// The path is a directory.
    case directory(file: String)
    /// The system failed while reading.
    case cannotRead(file: String, code: Int32)
    /// A file of no bytes.
    case empty(file: String)
    /// The file ends too early.
    case truncated(file: String, expected: Int, found: Int)
    /// No memory for the tensors.
    case outOfMemory(file: String, bytes: Int)

    // MARK: Header

    /// The header is longer than the format permits (100 MB), or says so.
    case headerTooLarge(file: String, bytes: UInt64)
    /// The header reaches past the end of the file.
    case headerOutsideFile(file: String, bytes: Int, available: Int)
    /// The header is not JSON of the expected form; `offset` counts from its first byte.
    case headerSyntax(file: String, offset: Int, fault: HeaderFault)
    /// A name that stands twice: among the tensors, or in the object called `within`.
    case duplicateKey(file: String, key: String, within: String?)
    /// A key of `__metadata__` has a value that is not a string; `key` is nil where `__metadata__` is no object.
    case invalidMetadata(file: String, key: String?)

    // MARK: A tensor's description

    /// `dtype`, `shape` or `data_offsets` is missing.
    case missingField(file: String, tensor: String, field: String)
    /// A field, or the whole description (`field` nil), is of the wrong kind.
    case invalidField(file: String, tensor: String, field: String?, expected: String)
    /// A `dtype` that is not among ``ElementType``.
    case unknownType(file: String, tensor: String, type: String)
    /// A dimension that is negative, fractional or too large.
    case invalidDimension(file: String, tensor: String, value: String)
    /// An offset that is negative, fractional or too large.
    case invalidOffset(file: String, tensor: String, value: String)
    /// The product of the dimensions and the element's size leaves 64 bits.
    case sizeOverflow(file: String, tensor: String, shape: [Int])
    /// `data_offsets` end before they begin.
    case offsetsRunBackwards(file: String, tensor: String, begin: Int, end: Int)
    /// `data_offsets` reach past the end of the file.
    case offsetsOutsideFile(file: String, tensor: String, end: Int, available: Int)
    /// Two tensors share bytes.
    case offsetsOverlap(file: String, tensor: String, other: String)
    /// Bytes before a tensor that belong to none.
    case offsetsLeaveHole(file: String, tensor: String, bytes: Int)
    /// A tensor's bytes are not its shape times its element size.
    case byteCount(file: String, tensor: String, expected: Int, found: Int)
    /// Bytes after the last tensor.
    case trailingBytes(file: String, bytes: Int)

    // MARK: A tensor's values

    /// No tensor of this name.
    case missingTensor(file: String, tensor: String)
    /// A tensor of another type than asked for.
    case wrongType(file: String, tensor: String, found: ElementType, expected: String)
    /// An unsigned value above the range of `Int`.
    case integerOutOfRange(file: String, tensor: String, index: Int)

    // MARK: Writing

    /// The system refused to create, write or rename.
    case cannotWrite(file: String, code: Int32)
    /// A finite value that the chosen element type can only give as infinity.
    case notRepresentable(file: String, tensor: String, index: Int, type: ElementType)
    /// A tensor that bears the name of the metadata.
    case reservedName(file: String, tensor: String)
    /// ``SafetensorsWriter/removeTemporaries()`` was called: the process is about to end.
    case interrupted(file: String)
}

extension SafetensorsError: CustomStringConvertible {
    /// One line. Names out of a file are quoted, with control characters escaped and long ones cut.
    public var description: String {
        switch self {
        case .cannotOpen(let file, let code):
            "\(path(file)): cannot open: \(reason(code))"
        case .directory(let file):
            "\(path(file)): is a directory, not a safetensors file"
        case .cannotRead(let file, let code):
            "\(path(file)): cannot read: \(reason(code))"
        case .empty(let file):
            "\(path(file)): the file is empty"
        case .truncated(let file, let expected, let found):
            "\(path(file)): the file is truncated: \(plural(found)) of at least \(expected)"
        case .outOfMemory(let file, let bytes):
            "\(path(file)): no memory for \(plural(bytes)) of tensors"

        case .headerTooLarge(let file, let bytes):
            "\(path(file)): a header of \(bytes) bytes; at most \(SafetensorsHeader.maximumBytes) are permitted"
        case .headerOutsideFile(let file, let bytes, let available):
            "\(path(file)): a header of \(plural(bytes)), but only \(available) follow its length"
        case .headerSyntax(let file, let offset, let fault):
            "\(path(file)): the header \(fault.rawValue), at its byte \(offset)"
        case .duplicateKey(let file, let key, nil):
            "\(path(file)): \(quoted(key)) stands twice in the header"
        case .duplicateKey(let file, let key, let within?):
            "\(path(file)): \(quoted(key)) stands twice in \(quoted(within))"
        case .invalidMetadata(let file, nil):
            "\(path(file)): __metadata__ is not an object"
        case .invalidMetadata(let file, let key?):
            "\(path(file)): \(quoted(key)) in __metadata__ is not a string"

        case .missingField(let file, let tensor, let field):
            "\(path(file)): tensor \(quoted(tensor)) has no \(field)"
        case .invalidField(let file, let tensor, let field?, let expected):
            "\(path(file)): \(field) of tensor \(quoted(tensor)) is not \(expected)"
        case .invalidField(let file, let tensor, nil, let expected):
            "\(path(file)): the description of tensor \(quoted(tensor)) is not \(expected)"
        case .unknownType(let file, let tensor, let type):
            "\(path(file)): tensor \(quoted(tensor)) has the unknown dtype \(quoted(type))"
        case .invalidDimension(let file, let tensor, let value):
            "\(path(file)): tensor \(quoted(tensor)) has the dimension \(clipped(value)); expected a 64-bit count"
        case .invalidOffset(let file, let tensor, let value):
            "\(path(file)): tensor \(quoted(tensor)) has the data offset \(clipped(value)); expected a 64-bit count"
        case .sizeOverflow(let file, let tensor, let shape):
            "\(path(file)): tensor \(quoted(tensor)): the size of shape \(clipped("\(shape)")) overflows 64 bits"
        case .offsetsRunBackwards(let file, let tensor, let begin, let end):
            "\(path(file)): data_offsets of tensor \(quoted(tensor)) run backwards, from \(begin) to \(end)"
        case .offsetsOutsideFile(let file, let tensor, let end, let available):
            "\(path(file)): tensor \(quoted(tensor)) ends at data byte \(end), but the file has \(available)"
        case .offsetsOverlap(let file, let tensor, let other):
            "\(path(file)): tensors \(quoted(other)) and \(quoted(tensor)) overlap"
        case .offsetsLeaveHole(let file, let tensor, let bytes):
            "\(path(file)): \(plural(bytes)) before tensor \(quoted(tensor)) outside any tensor"
        case .byteCount(let file, let tensor, let expected, let found):
            "\(path(file)): tensor \(quoted(tensor)) has \(plural(found)); its shape and dtype need \(expected)"
        case .trailingBytes(let file, let bytes):
            "\(path(file)): \(plural(bytes)) or more after the last tensor"

        case .missingTensor(let file, let tensor):
            "\(path(file)): no tensor \(quoted(tensor))"
        case .wrongType(let file, let tensor, let found, let expected):
            "\(path(file)): tensor \(quoted(tensor)) is \(found.rawValue); expected \(expected)"
        case .integerOutOfRange(let file, let tensor, let index):
            "\(path(file)): element \(index) of tensor \(quoted(tensor)) is above the range of 64-bit integers"

        case .cannotWrite(let file, let code):
            "\(path(file)): cannot write: \(reason(code))"
        case .notRepresentable(let file, let tensor, let index, let type):
            "\(path(file)): element \(index) of tensor \(quoted(tensor)) is too large for \(type.rawValue)"
        case .reservedName(let file, let tensor):
            "\(path(file)): a tensor cannot be called \(quoted(tensor))"
        case .interrupted(let file):
            "\(path(file)): not written, the process is ending"
        }
    }
}

// A message is one line on somebody's terminal, and what it quotes is a stranger's: no line breaks, no escape
// sequences, no megabytes.

private func path(_ file: String) -> String { escaped(file, limit: 1024) }

private func quoted(_ name: String) -> String { "'" + clipped(name) + "'" }

private func plural(_ bytes: Int) -> String { bytes == 1 ? "1 byte" : "\(bytes) bytes" }

private func clipped(_ text: String) -> String { escaped(text, limit: 80) }

private func escaped(_ text: String, limit: Int) -> String {
    var result = ""
    for (count, scalar) in text.unicodeScalars.enumerated() {
        guard count < limit else { return result + "…" }
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator:
            result += "\\u{\(String(scalar.value, radix: 16))}"
        default:
            result.unicodeScalars.append(scalar)
        }
    }
    return result
}

private func reason(_ code: Int32) -> String { System.message(for: code) }
