// Half-precision rows to float32, eight numbers at a time. Written with integer shifts: the package is compiled for
// baseline x86-64, where `Float(half)` is a library call a number. In vectors of four, which the compiler keeps whole there;
// it takes some operations on eight apart.

package enum Conversion {
    /// `count` numbers of `type` at `source` to float32; exact for every value.
    package static func toFloat32(
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

    /// `bits` makes a float32 of the half-precision number in the lower half of every element.
    @inline(__always)
    private static func convert(
        _ source: UnsafeRawPointer, _ count: Int, _ target: UnsafeMutablePointer<Float>,
        _ bits: (SIMD4<UInt32>) -> SIMD4<UInt32>
    ) {
        let output = UnsafeMutableRawPointer(target)
        var index = 0
        while index &+ 8 <= count {
            let pairs = source.loadUnaligned(fromByteOffset: index &* 2, as: SIMD4<UInt32>.self)
            var result = SIMD8<UInt32>()
            result.evenHalf = bits(pairs & 0xFFFF)
            result.oddHalf = bits(pairs &>> 16)
            output.storeBytes(of: result, toByteOffset: index &* 4, as: SIMD8<UInt32>.self)
            index &+= 8
        }
        while index < count {
            let half = source.loadUnaligned(fromByteOffset: index &* 2, as: UInt16.self)
            target[index] = Float(bitPattern: bits(SIMD4(repeating: UInt32(half)))[0])
            index &+= 1
        }
    }

    /// Bits of float16 to bits of float32. Moving exponent and mantissa into place and multiplying by 2^112 mends the
    /// exponent's bias and normalises subnormals in one exact step; infinities and NaN would come out finite (65536 and
    /// above) and get the full exponent instead.
    @inline(__always)
    private static func float16(_ half: SIMD4<UInt32>) -> SIMD4<UInt32> {
        let magnitude = (half & 0x7FFF) &<< 13
        let scaled = unsafeBitCast(magnitude, to: SIMD4<Float>.self) * 0x1p112
        let finite = unsafeBitCast(scaled, to: SIMD4<Int32>.self)
        let fullExponent = SIMD4<Int32>.zero.replacing(with: 0x7F80_0000, where: finite .>= 0x4780_0000)
        return unsafeBitCast(finite | fullExponent, to: SIMD4<UInt32>.self) | (half & 0x8000) &<< 16
    }
}
