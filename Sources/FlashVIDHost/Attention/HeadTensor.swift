import FlashVID

/// Sizes of an encoder's queries and keys, [F, H, N, E]: `frames` of `heads` of `tokens` of `width` numbers.
public struct AttentionShape: Sendable, Hashable, BitwiseCopyable {
    public var frames: Int
    public var heads: Int
    /// Tokens of a frame, [CLS] and registers included: all keys that a query attends to.
    public var tokens: Int
    /// Numbers a token and head.
    public var width: Int

    public init(frames: Int, heads: Int, tokens: Int, width: Int) {
        self.frames = frames
        self.heads = heads
        self.tokens = tokens
        self.width = width
    }
}

/// How queries or keys lie in memory. The E numbers of a token and head lie side by side.
public enum AttentionLayout: Sendable, Hashable {
    /// [F, H, N, E]
    case headsFirst
    /// [F, N, H, E], as projections give it.
    case tokensFirst
    /// Elements from one frame, head or token to the next, each at least E; nil is what ``headsFirst`` has. One of a
    /// dimension of size 1 is not looked at.
    case strided(frame: Int?, head: Int?, token: Int?)
}

/// Queries or keys whose sizes and strides were checked against their memory.
struct HeadTensor: @unchecked Sendable {
    // Sound: it is only read, and the caller's memory outlives the call.
    let base: UnsafeRawPointer
    let type: ScalarType
    let shape: AttentionShape
    let frameStride: Int
    let headStride: Int
    let tokenStride: Int

    /// From the first byte to behind the last one.
    let byteCount: Int

    /// Queries or keys in memory whose size is known.
    init(
        _ tensor: FlashVIDError.Tensor, _ bytes: UnsafeRawBufferPointer, _ type: ScalarType, _ shape: AttentionShape,
        _ layout: AttentionLayout
    ) throws(FlashVIDError) {
        // What is nowhere has no numbers; the address is looked at only when there are some.
        let nowhere = UnsafeRawPointer(bitPattern: type.size)!
        try self.init(tensor, bytes.baseAddress ?? nowhere, type, shape, layout)
        let elements = shape.frames * shape.heads * shape.tokens * shape.width
        let extent = byteCount / type.size
        let found = bytes.count / type.size
        guard elements == extent ? found == extent : found >= extent else {
            throw .elementCount(tensor: tensor, expected: extent, found: found)
        }
    }

    /// The same in memory that the caller vouches for, up to a token `last` if nothing behind it is read.
    init(
        _ tensor: FlashVIDError.Tensor, _ base: UnsafeRawPointer, _ type: ScalarType, _ shape: AttentionShape,
        _ layout: AttentionLayout, upTo last: Int? = nil
    ) throws(FlashVIDError) {
        let (frames, heads, tokens, width) = (shape.frames, shape.heads, shape.tokens, shape.width)
        func check(_ value: Int, _ name: StaticString) throws(FlashVIDError) {
            guard value > 0 else { throw .empty(dimension: "\(name)", value: value) }
        }
        try check(frames, "frames")
        try check(heads, "heads")
        try check(tokens, "tokens")
        try check(width, "numbers a head")
        func product(_ a: Int, _ b: Int) throws(FlashVIDError) -> Int {
            let (value, overflow) = a.multipliedReportingOverflow(by: b)
            guard !overflow else {
                throw .sizeOverflow("\(tensor.rawValue) of \(frames) x \(heads) x \(tokens) x \(width)")
            }
            return value
        }
        _ = try product(try product(try product(try product(frames, heads), tokens), width), 4)
        let tokensRead = last.map { max(0, min($0, tokens - 1)) + 1 } ?? tokens
        // BLAS counts in 32 bits.
        guard tokens <= BLAS.maximumSide, width <= BLAS.maximumSide else {
            throw .sizeOverflow("\(tensor.rawValue) of \(tokens) x \(width)")
        }
        let strides: (frame: Int, head: Int, token: Int) =
            switch layout {
            case .headsFirst: (heads * tokens * width, tokens * width, width)
            case .tokensFirst: (heads * tokens * width, width, heads * width)
            case .strided(let frame, let head, let token):
                (
                    frames > 1 ? frame ?? heads * tokens * width : width, heads > 1 ? head ?? tokens * width : width,
                    tokens > 1 ? token ?? width : width
                )
            }
        var extent = width
        func extend(_ count: Int, _ stride: Int, _ name: StaticString) throws(FlashVIDError) {
            guard stride >= width else {
                throw .invalidStride(tensor: tensor, of: "\(name)", value: stride, expected: width)
            }
            let (sum, overflow) = extent.addingReportingOverflow(try product(count - 1, stride))
            guard !overflow else { throw .sizeOverflow("\(tensor.rawValue) with these strides") }
            extent = sum
        }
        try extend(frames, strides.frame, "frames")
        try extend(heads, strides.head, "heads")
        try extend(tokensRead, strides.token, "tokens")
        guard strides.token <= BLAS.maximumSide else {
            throw .sizeOverflow("a stride of \(strides.token) between tokens")
        }
        guard frames * heads * tokensRead * width <= extent else {
            throw .invalidLayout(tensor: tensor, problem: "the strides let tokens overlap")
        }
        let bytes = try product(extent, type.size)
        guard Int(bitPattern: base) % type.size == 0 else {
            throw .misaligned(buffer: tensor.rawValue, alignment: type.size)
        }
        self.base = base
        self.type = type
        self.shape = shape
        byteCount = bytes
        (frameStride, headStride, tokenStride) = strides
    }

    /// The memory that it is read from.
    func extent(_ name: StaticString) throws(FlashVIDError) -> Extent {
        try Extent(name, base, bytes: byteCount, alignment: type.size, for: .reading)
    }

    @inline(__always)
    func address(_ frame: Int, _ head: Int, _ token: Int) -> UnsafeRawPointer {
        base + (frame &* frameStride &+ head &* headStride &+ token &* tokenStride) &* type.size
    }

    /// Some tokens of a head in float32: in place, or converted into `buffer` (count·E).
    func rows(
        _ frame: Int, _ head: Int, from token: Int, count: Int, convertedInto buffer: UnsafeMutablePointer<Float>
    ) -> MatrixView {
        let start = address(frame, head, token)
        let width = shape.width
        guard type != .float32 else {
            return MatrixView(
                base: start.assumingMemoryBound(to: Float.self), rows: count, columns: width, stride: tokenStride)
        }
        if tokenStride == width {
            Conversion.toFloat32(start, type, count: count &* width, into: buffer)
        } else {
            for row in 0..<count {
                Conversion.toFloat32(
                    start + row &* tokenStride &* type.size, type, count: width, into: buffer + row &* width)
            }
        }
        return MatrixView(base: buffer, rows: count, columns: width, stride: width)
    }

    /// The first number among some tokens of a frame that is not finite; `buffer` holds E numbers.
    func firstNotFinite(
        frame: Int, tokens: Range<Int>, buffer: UnsafeMutablePointer<Float>
    ) -> (token: Int, channel: Int)? {
        for token in tokens {
            for head in 0..<shape.heads {
                let row = rows(frame, head, from: token, count: 1, convertedInto: buffer).base
                for element in 0..<shape.width where !row[element].isFinite {
                    return (token, head * shape.width + element)
                }
            }
        }
        return nil
    }
}
