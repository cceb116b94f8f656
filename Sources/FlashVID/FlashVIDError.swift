/// What the engine refuses, and where. Nothing that a caller can pass traps: it ends in one of these, with the
/// caller's buffers as they were.
public enum FlashVIDError: Error, Hashable, Sendable {
    /// The tensors that a caller hands in, by the names that the file format and the messages use.
    public enum Tensor: String, Sendable {
        case features
        case attention
    }

    /// A field of ``Configuration`` is outside its range, or two of its fields exclude each other.
    case invalidConfiguration(field: String, value: String, expected: String)
    /// A thread count below 1, or above ``Compressor/maximumThreads``.
    case invalidThreadCount(Int)
    /// A clip without frames, tokens or channels; `dimension` names the one that is not positive.
    case empty(dimension: String, value: Int)
    /// A product of the clip's sizes leaves the range of the engine's (and BLAS') integers.
    case sizeOverflow(String)
    /// A buffer that does not hold as many elements as the shape says.
    case elementCount(tensor: Tensor, expected: Int, found: Int)
    /// NaN or infinity. `channel` is 0 for attention.
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
