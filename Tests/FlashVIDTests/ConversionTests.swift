import Testing

@testable import FlashVID

@Suite("Conversion")
struct ConversionTests {
    /// All 65,536 of them, in vectors and in the rest that fills none.
    @Test("every half-precision number", arguments: [ScalarType.float16, .bfloat16], [65536, 65533])
    func everyNumber(type: ScalarType, count: Int) {
        let halves = (0..<count).map { UInt16($0) }
        var floats = [Float](repeating: -1, count: count)
        floats.withUnsafeMutableBufferPointer { floats in
            halves.withUnsafeBytes { halves in
                Conversion.toFloat32(halves.baseAddress!, type, count: count, into: floats.baseAddress!)
            }
        }
        for (half, value) in zip(halves, floats) {
            let expected =
                type == .float16 ? Float(Float16(bitPattern: half)) : Float(BFloat16(bitPattern: half))
            guard value.bitPattern != expected.bitPattern, !(value.isNaN && expected.isNaN) else { continue }
            Issue.record("\(type) \(half) became \(value), not \(expected)")
        }
    }
}
