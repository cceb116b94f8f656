import FlashVIDLibC

/// Equality of rows by their bits, whatever the type. Numbers that were rounded to a coarse grid are often -0 where others are 0.
enum Equality {
    static func ofNumbers(_ a: UnsafeRawPointer, _ b: UnsafeRawPointer, _ type: ScalarType, count: Int) -> Bool {
        if memcmp(a, b, count &* type.size) == 0 { return true }
        switch type {
        case .float32:
            return ofWords(a.assumingMemoryBound(to: UInt32.self), b.assumingMemoryBound(to: UInt32.self), count)
        case .float16, .bfloat16:
            return ofWords(a.assumingMemoryBound(to: UInt16.self), b.assumingMemoryBound(to: UInt16.self), count)
        }
    }

    @inline(__always)
    private static func ofWords<Word: FixedWidthInteger & UnsignedInteger>(
        _ a: UnsafePointer<Word>, _ b: UnsafePointer<Word>, _ count: Int
    ) -> Bool {
        let sign: Word = 1 << Word(Word.bitWidth - 1)
        // Most rows that differ do so at once.
        for start in stride(from: 0, to: count, by: 64) {
            var differing: Word = 0
            for index in start..<min(count, start + 64) {
                let difference = a[index] ^ b[index]
                // Where the signs differ the number must be 0.
                differing |= difference & ~sign | (difference & sign != 0 ? a[index] & ~sign : 0)
            }
            if differing != 0 { return false }
        }
        return true
    }
}
