// Float32 rows to half precision, eight numbers at a time, to the nearest value, ties to even. Written with integer
// shifts: the package is compiled for baseline x86-64, where `Float16(value)` is a library call a number.

package enum Rounding {
    /// `count` numbers at `source` to `type`, at `target`.
    package static func fromFloat32(
        _ source: UnsafePointer<Float>, to type: ScalarType, count: Int, into target: UnsafeMutableRawPointer
    ) {
        switch type {
        case .float32: target.copyMemory(from: source, byteCount: count &* 4)
        case .float16: convert(source, count, target, Rounding.float16)
        case .bfloat16: convert(source, count, target) { ($0 &+ 0x7FFF &+ ($0 &>> 16 & 1)) &>> 16 }
        }
    }

    @inline(__always)
    private static func convert(
        _ source: UnsafePointer<Float>, _ count: Int, _ target: UnsafeMutableRawPointer,
        _ bits: (SIMD8<UInt32>) -> SIMD8<UInt32>
    ) {
        let input = UnsafeRawPointer(source)
        var index = 0
        while index &+ 8 <= count {
            let halves = bits(input.loadUnaligned(fromByteOffset: index &* 4, as: SIMD8<UInt32>.self))
            target.storeBytes(
                of: SIMD8<UInt16>(truncatingIfNeeded: halves), toByteOffset: index &* 2, as: SIMD8<UInt16>.self)
            index &+= 8
        }
        while index < count {
            let half = bits(SIMD8(repeating: source[index].bitPattern))[0]
            target.storeBytes(of: UInt16(truncatingIfNeeded: half), toByteOffset: index &* 2, as: UInt16.self)
            index &+= 1
        }
    }

    /// Bits of float32 to bits of float16. In the range of normal numbers the exponent's bias is moved and the cut half
    /// rounds with a carry; below it, adding 1/2 lets the addition round to float16's subnormal spacing; from 65536 on
    /// it is infinity, and NaN stays one.
    @inline(__always)
    private static func float16(_ float: SIMD8<UInt32>) -> SIMD8<UInt32> {
        let magnitude = float & 0x7FFF_FFFF
        let normal = (magnitude &+ 0xC800_0FFF &+ (magnitude &>> 13 & 1)) &>> 13
        let shifted = unsafeBitCast(magnitude, to: SIMD8<Float>.self) + 0.5
        let subnormal = unsafeBitCast(shifted, to: SIMD8<UInt32>.self) &- 0x3F00_0000
        let special = SIMD8<UInt32>(repeating: 0x7C00).replacing(with: 0x7E00, where: magnitude .> 0x7F80_0000)
        let half =
            normal
            .replacing(with: subnormal, where: magnitude .< 0x3880_0000)
            .replacing(with: special, where: magnitude .>= 0x4780_0000)
        return half | (float & 0x8000_0000) &>> 16
    }

    /// Whether all numbers stay finite in `type`.
    package static func fits(_ values: UnsafePointer<Float>, in type: ScalarType, count: Int) -> Bool {
        // The first magnitudes that round to infinity.
        let limit: UInt32 =
            switch type {
            case .float32: 0x7F80_0000
            case .float16: 0x477F_F000
            case .bfloat16: 0x7F7F_8000
            }
        var largest: UInt32 = 0
        for index in 0..<count { largest = max(largest, values[index].bitPattern & 0x7FFF_FFFF) }
        return largest < limit
    }
}
