/// What the engine refuses, and where. Nothing that a caller can pass traps: it ends in one of these, with the
/// caller's buffers as they were.
public enum FlashVIDError: Error, Hashable, Sendable {
    /// The tensors that a caller hands in, by the names that the file format and the messages use.
    public enum Tensor: String, Sendable {
        case queries
        case keys
        case features
        case attention
        case tokens
        case values
        case gathered = "gathered values"
    }

    /// What ends a call before its time.
    public enum Interruption: Int, Sendable {
        /// ``Canceller/cancel()``.
        case request = 1
        /// The time that a call may take is over.
        case timeLimit = 2
        /// What is told of the call's progress wants it to end.
        case progress = 3
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
    /// An item of a list, or a single number (`at` is nil), that points outside of what it points into.
    case outOfRange(of: String, at: Int?, value: Int, range: Range<Int>)
    /// A list that has to rise and does not at an item.
    case notAscending(String, at: Int)
    /// An order that names a place twice.
    case notAPermutation(String, at: Int)
    /// A prompt that the model's layout of video tokens does not fit.
    case promptMismatch(String)
    /// What is asked of a budget cannot be had.
    case impossiblePlan(String)
    /// Something without frames, tokens, channels, layers; `dimension` names what is not positive.
    case empty(dimension: String, value: Int)
    /// A product of the clip's sizes leaves the range of the engine's (and BLAS') integers.
    case sizeOverflow(String)
    /// A buffer that does not hold as many elements as the shape says.
    case elementCount(tensor: Tensor, expected: Int, found: Int)
    /// Elements between the items of a dimension (`of`: frames, tokens, rows) that would lie in one another.
    case invalidStride(tensor: Tensor, of: String, value: Int, expected: Int)
    /// NaN or infinity. `channel` is 0 for attention, and `head * E + element` for queries and keys.
    case notFinite(tensor: Tensor, frame: Int, token: Int, channel: Int)
    /// Attention below zero.
    case negativeAttention(frame: Int, token: Int)
    /// A buffer that has to be given and is not.
    case missingBuffer(String)
    /// A buffer for what this configuration does not compute (spec 8).
    case notGiven(String)
    /// A buffer that does not hold as many items as the result may have.
    case bufferTooSmall(buffer: String, expected: Int, found: Int)
    /// A buffer that does not start at a multiple of its elements' size.
    case misaligned(buffer: String, alignment: Int)
    /// Two buffers share memory, and one of them is written.
    case overlap(String, String)
    /// A number of the result that is finite and would not be in the type that the caller wants.
    case notRepresentable(row: Int, channel: Int, type: ScalarType)
    /// Frames that are not those of the stream that they are pushed into.
    case otherFrames(String, expected: String)
    /// A clip has no such frame.
    case frameOutOfRange(frame: Int, frames: Int)
    /// A stream takes no frame while a closed segment of `frames` waits to be fetched.
    case segmentPending(frames: Int)
    /// A stream takes no frame after its end.
    case streamFinished
    /// The system refused the workspace.
    case outOfMemory(bytes: Int)
    /// The call was ended before its time.
    case cancelled(by: Interruption)
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
            (place.map { "\(name) \($0)" } ?? name) + " is \(value); " + Self.expectation(range)
        case .notAscending(let name, let place):
            "\(name) do not rise at \(place)"
        case .notAPermutation(let name, let place):
            "\(name) repeats itself at \(place)"
        case .empty(let dimension, let value):
            "\(value) \(dimension); expected at least 1"
        case .sizeOverflow(let what):
            "\(what) is too large"
        case .elementCount(let tensor, let expected, let found):
            "\(tensor.rawValue) has \(found) elements; its shape needs \(expected)"
        case .invalidStride(let tensor, let dimension, let value, let expected):
            "\(tensor.rawValue) has a stride of \(value) between \(dimension); expected at least \(expected)"
        case .notFinite(.attention, let frame, let token, _):
            "attention is not finite at frame \(frame), token \(token)"
        case .notFinite(let tensor, let frame, let token, let channel):
            "\(tensor.rawValue) are not finite at frame \(frame), token \(token), channel \(channel)"
        case .negativeAttention(let frame, let token):
            "attention is negative at frame \(frame), token \(token)"
        case .missingBuffer(let buffer):
            "no buffer for the \(buffer)"
        case .notGiven(let buffer):
            "a buffer for the \(buffer), which the published semantics do not give"
        case .bufferTooSmall(let buffer, let expected, let found):
            "room for \(found) \(buffer); expected at least \(expected)"
        case .misaligned(let buffer, let alignment):
            "the \(buffer) do not start at a multiple of \(alignment) bytes"
        case .overlap(let first, let second):
            "the buffers of \(first) and \(second) overlap"
        case .notRepresentable(let row, let channel, let type):
            "row \(row) is out of the range of \(type) at channel \(channel)"
        case .otherFrames(let found, let expected):
            "frames with \(found) in a stream that expects \(expected)"
        case .frameOutOfRange(let frame, let frames):
            "frame \(frame) of a clip of \(frames) frames"
        case .segmentPending(let frames):
            "a segment of \(frames) frames waits to be fetched"
        case .streamFinished:
            "the stream was finished"
        case .outOfMemory(let bytes):
            "no memory for a block of \(bytes) bytes"
        case .cancelled(by: .request):
            "the call was cancelled"
        case .cancelled(by: .timeLimit):
            "the call was ended by its time limit"
        case .cancelled(by: .progress):
            "the call was ended by its progress callback"
        }
    }

    private static func expectation(_ range: Range<Int>) -> String {
        guard !range.isEmpty else { return "there is none" }
        guard range.upperBound < .max else { return "expected at least \(range.lowerBound)" }
        return "expected \(range.lowerBound) to \(range.upperBound - 1)"
    }
}
