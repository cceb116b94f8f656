/// What the engine refuses, and where. Nothing that a caller can pass traps: it ends in one of these, with the
/// caller's buffers as they were.
public enum FlashVIDError: Error, Hashable, Sendable {
    /// The tensors that a caller hands in, by the names that the file format and the messages use.
    public enum Tensor: String, Sendable {
        case queries
        case keys
        case features
        case attention
    }

    /// A field of ``Configuration`` is outside its range, or two of its fields exclude each other.
    case invalidConfiguration(field: String, value: String, expected: String)
    /// A thread count below 1, or above ``Compressor/maximumThreads``.
    case invalidThreadCount(Int)
    /// Query heads that do not divide among the key heads.
    case headsNotDivisible(heads: Int, keyHeads: Int)
    /// A tensor whose strides or address the engine cannot read it by.
    case invalidLayout(tensor: Tensor, problem: String)
    /// A grid of patches or tokens that cannot be pooled, merged or matched with a frame's tokens.
    case gridMismatch(String)
    /// A list or a buffer that does not hold as many items as the others ask for.
    case countMismatch(of: String, expected: Int, found: Int)
    /// An item of a list, or a single number, that points outside of what it points into.
    case outOfRange(of: String, at: Int, value: Int, range: Range<Int>)
    /// A list that has to rise and does not at an item.
    case notAscending(String, at: Int)
    /// An order that names a place twice.
    case notAPermutation(String, at: Int)
    /// A prompt that the model's layout of video tokens does not fit.
    case promptMismatch(String)
    /// What is asked of a budget cannot be had.
    case impossiblePlan(String)
    /// A clip without frames, tokens or channels; `dimension` names the one that is not positive.
    case empty(dimension: String, value: Int)
    /// A product of the clip's sizes leaves the range of the engine's (and BLAS') integers.
    case sizeOverflow(String)
    /// A buffer that does not hold as many elements as the shape says.
    case elementCount(tensor: Tensor, expected: Int, found: Int)
    /// NaN or infinity. `channel` is 0 for attention, and `head * E + element` for queries and keys.
    case notFinite(tensor: Tensor, frame: Int, token: Int, channel: Int)
    /// Attention below zero.
    case negativeAttention(frame: Int, token: Int)
    /// The system refused the workspace.
    case outOfMemory(bytes: Int)
}

extension FlashVIDError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .invalidConfiguration(let field, let value, let expected):
            "\(field) is \(value); expected \(expected)"
        case .invalidThreadCount(let count):
            "\(count) threads; expected 1 to \(Compressor.maximumThreads)"
        case .headsNotDivisible(let heads, let keyHeads):
            "\(heads) query heads do not divide among \(keyHeads) key heads"
        case .invalidLayout(let tensor, let problem):
            "\(tensor.rawValue): \(problem)"
        case .gridMismatch(let problem), .promptMismatch(let problem), .impossiblePlan(let problem):
            problem
        case .countMismatch(let name, let expected, let found):
            "\(found) \(name); expected \(expected)"
        case .outOfRange(let name, let place, let value, let range):
            "\(name) \(place) is \(value); expected \(range.lowerBound) to \(range.upperBound - 1)"
        case .notAscending(let name, let place):
            "\(name) do not rise at \(place)"
        case .notAPermutation(let name, let place):
            "\(name) repeats itself at \(place)"
        case .notFinite(.queries, let frame, let token, let channel):
            "queries are not finite at frame \(frame), token \(token), channel \(channel)"
        case .notFinite(.keys, let frame, let token, let channel):
            "keys are not finite at frame \(frame), token \(token), channel \(channel)"
        case .empty(let dimension, let value):
            "the clip has \(value) \(dimension); expected at least 1"
        case .sizeOverflow(let what):
            "\(what) is too large"
        case .elementCount(let tensor, let expected, let found):
            "\(tensor.rawValue) has \(found) elements; its shape needs \(expected)"
        case .notFinite(.attention, let frame, let token, _):
            "attention is not finite at frame \(frame), token \(token)"
        case .notFinite(.features, let frame, let token, let channel):
            "features are not finite at frame \(frame), token \(token), channel \(channel)"
        case .negativeAttention(let frame, let token):
            "attention is negative at frame \(frame), token \(token)"
        case .outOfMemory(let bytes):
            "no memory for a workspace of \(bytes) bytes"
        }
    }
}
