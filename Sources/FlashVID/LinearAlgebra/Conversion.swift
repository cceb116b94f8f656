// Half-precision rows to float32, eight numbers at a time. Written with integer shifts: the package is compiled for
// baseline x86-64, where `Float(half)` is a library call a number.

enum Conversion {
    /// `count` numbers of `type` at `source` to float32; exact for every value.
    static func toFloat32(
        _ source: UnsafeRawPointer, _ type: ScalarType, count: Int, into target: UnsafeMutablePointer<Float>
    ) {
        switch type {
        case .float32:
            UnsafeMutableRawPointer(target).copyMemory(from: source, byteCount: count &* 4)
        case .float16:
            convert(source, count, target, Conversion.float16)
        case .bfloat16:
            convert(source, count, target) { $0 &<< 16 }
        }
    }

    @inline(__always)
    private static func convert(
        _ source: UnsafeRawPointer, _ count: Int, _ target: UnsafeMutablePointer<Float>,
        _ bits: (SIMD8<UInt32>) -> SIMD8<UInt32>
    ) {
        let output = UnsafeMutableRawPointer(target)
        var index = 0
        while index &+ 8 <= count {
            let halves = source.loadUnaligned(fromByteOffset: index &* 2, as: SIMD8<UInt16>.self)
            output.storeBytes(
                of: bits(SIMD8<UInt32>(truncatingIfNeeded: halves)), toByteOffset: index &* 4, as: SIMD8<UInt32>.self)
            index &+= 8
        }
        while index < count {
            let half = source.loadUnaligned(fromByteOffset: index &* 2, as: UInt16.self)
            target[index] = Float(bitPattern: bits(SIMD8(repeating: UInt32(half)))[0])
            index &+= 1
        }
    }

    /// Bits of float16 to bits of float32. Moving exponent and mantissa into place and multiplying by 2^112 mends the
    /// exponent's bias and normalises subnormals in one exact step; infinities and NaN would come out finite (65536 and
    /// above) and get the full exponent instead. Without a comparison, which the compiler would make lane by lane.
    @inline(__always)
    private static func float16(_ half: SIMD8<UInt32>) -> SIMD8<UInt32> {
        let magnitude = (half & 0x7FFF) &<< 13
        let scaled = unsafeBitCast(magnitude, to: SIMD8<Float>.self) * Float(sign: .plus, exponent: 112, significand: 1)
        let finite = unsafeBitCast(scaled, to: SIMD8<UInt32>.self)
        // The highest bit tells whether the magnitude is 0x0F80_0000 or more.
        let isSpecial = (magnitude &+ 0x7080_0000) &>> 31
        let fullExponent = (SIMD8<UInt32>.zero &- isSpecial) & 0x7F80_0000
        return finite | fullExponent | (half & 0x8000) &<< 16
    }
}
