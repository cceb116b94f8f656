import FlashVID

/// Between float32 and the two types of half the size, whose bits are kept as integers.
enum Halves {
    static func round(
        _ values: UnsafePointer<Float>, as type: ScalarType, count: Int, into halves: UnsafeMutablePointer<UInt16>
    ) {
        for index in 0..<count {
            halves[index] = type == .float16 ? Float16(values[index]).bitPattern : BFloat16(values[index]).bitPattern
        }
    }

    static func widen(
        _ halves: UnsafeMutableBufferPointer<UInt16>, as type: ScalarType,
        into values: UnsafeMutableBufferPointer<Float>
    ) {
        for index in halves.indices {
            values[index] =
                type == .float16
                ? Float(Float16(bitPattern: halves[index])) : Float(BFloat16(bitPattern: halves[index]))
        }
    }
}
