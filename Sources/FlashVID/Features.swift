/// Sizes of a clip: `frames` of `tokensPerFrame` tokens of `channels` numbers, row-major.
public struct ClipShape: Sendable, Hashable, BitwiseCopyable {
    public var frames: Int
    public var tokensPerFrame: Int
    public var channels: Int

    public init(frames: Int, tokensPerFrame: Int, channels: Int) {
        self.frames = frames
        self.tokensPerFrame = tokensPerFrame
        self.channels = channels
    }
}

/// The number formats in which features may come.
public enum ScalarType: Sendable, Hashable, CaseIterable, BitwiseCopyable, CustomStringConvertible {
    case float32
    case float16
    case bfloat16

    /// Bytes of one number.
    public var size: Int {
        self == .float32 ? 4 : 2
    }

    public var description: String {
        switch self {
        case .float32: "float32"
        case .float16: "float16"
        case .bfloat16: "bfloat16"
        }
    }
}

/// The upper half of an IEEE float32, as the encoders of most models give it.
public struct BFloat16: BitwiseCopyable, Sendable, Hashable {
    public var bitPattern: UInt16

    public init(bitPattern: UInt16) {
        self.bitPattern = bitPattern
    }

    /// The nearest value; ties to even.
    public init(_ value: Float) {
        guard !value.isNaN else {
            bitPattern = 0x7FC0
            return
        }
        let bits = value.bitPattern
        bitPattern = UInt16(truncatingIfNeeded: (bits &+ 0x7FFF &+ (bits >> 16 & 1)) >> 16)
    }
}

extension Float {
    public init(_ value: BFloat16) {
        self.init(bitPattern: UInt32(value.bitPattern) << 16)
    }
}

/// A number format that ``Compressor`` reads without a copy of the clip.
public protocol FeatureScalar: BitwiseCopyable, Sendable {
    static var scalarType: ScalarType { get }
}

extension Float: FeatureScalar {
    public static var scalarType: ScalarType { .float32 }
}

extension Float16: FeatureScalar {
    public static var scalarType: ScalarType { .float16 }
}

extension BFloat16: FeatureScalar {
    public static var scalarType: ScalarType { .bfloat16 }
}
