/// A header that was checked: its tensors cover the data exactly.
struct SafetensorsHeader {
    /// The format's limit.
    static let maximumBytes = 100_000_000
    static let metadataKey = "__metadata__"

    /// A tensor and where its bytes are put in memory.
    struct Placed {
        let entry: SafetensorsFile.Entry
        let position: Int
    }

    /// In the order of the data.
    let tensors: [Placed]
    let metadata: [String: String]
    /// Bytes of data in the file.
    let dataBytes: Int
    /// Bytes of memory that hold them, each tensor aligned.
    let memoryBytes: Int

    /// The number of bytes that a header's length field may ask for.
    static func length(_ field: [UInt8], available: Int?, file: String) throws(SafetensorsError) -> Int {
        var value: UInt64 = 0
        for byte in field.reversed() { value = value << 8 | UInt64(byte) }
        guard value <= UInt64(maximumBytes) else { throw .headerTooLarge(file: file, bytes: value) }
        let length = Int(value)
        if let available, length > available {
            throw .headerOutsideFile(file: file, bytes: length, available: available)
        }
        return length
    }

    /// `available` is the number of bytes after the header, nil where it is not known.
    init(_ bytes: [UInt8], available: Int?, file: String) throws(SafetensorsError) {
        var parser = HeaderParser(bytes, file: file)
        var (descriptions, metadata) = try parser.parse()

        for tensor in descriptions {
            guard tensor.begin <= tensor.end else {
                throw .offsetsRunBackwards(file: file, tensor: tensor.name, begin: tensor.begin, end: tensor.end)
            }
            if let available, tensor.end > available {
                throw .offsetsOutsideFile(file: file, tensor: tensor.name, end: tensor.end, available: available)
            }
            guard let expected = tensor.type.byteCount(of: tensor.shape) else {
                throw .sizeOverflow(file: file, tensor: tensor.name, shape: tensor.shape)
            }
            guard expected == tensor.end - tensor.begin else {
                throw .byteCount(
                    file: file, tensor: tensor.name, expected: expected, found: tensor.end - tensor.begin)
            }
        }

        descriptions.sort { ($0.begin, $0.end) < ($1.begin, $1.end) }
        var placed: [Placed] = []
        placed.reserveCapacity(descriptions.count)
        var covered = 0
        var memory = 0
        for (index, tensor) in descriptions.enumerated() {
            guard tensor.begin >= covered else {
                throw .offsetsOverlap(file: file, tensor: tensor.name, other: descriptions[index - 1].name)
            }
            guard tensor.begin == covered else {
                throw .offsetsLeaveHole(file: file, tensor: tensor.name, bytes: tensor.begin - covered)
            }
            let entry = SafetensorsFile.Entry(
                name: tensor.name, type: tensor.type, shape: tensor.shape, byteRange: tensor.begin..<tensor.end)
            placed.append(Placed(entry: entry, position: memory))
            covered = tensor.end
            guard let next = Self.aligned(tensor.end - tensor.begin, after: memory) else {
                throw .outOfMemory(file: file, bytes: covered)
            }
            memory = next
        }
        if let available, covered < available {
            throw .trailingBytes(file: file, bytes: available - covered)
        }
        self.tensors = placed
        self.metadata = metadata
        dataBytes = covered
        memoryBytes = memory
    }

    /// Where the tensor after one of `bytes` at `position` begins; nil if that leaves `Int`.
    private static func aligned(_ bytes: Int, after position: Int) -> Int? {
        let mask = AlignedStorage.alignment - 1
        let (padded, tooLarge) = bytes.addingReportingOverflow(mask)
        let (next, overflow) = position.addingReportingOverflow(padded & ~mask)
        return tooLarge || overflow ? nil : next
    }
}
