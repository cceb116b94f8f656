/// Hashes of rows: the same for those that are equal number by number, 0 and -0 being one.
enum RowHash {
    /// Of four places of four channels, or of all channels where these are few. O(1).
    case ofSample
    /// Of all channels, for rows that are much alike and differ in few. O(D).
    case ofAll

    func callAsFunction(_ row: UnsafePointer<Float>, channels: Int) -> UInt64 {
        self(channels: channels) { start, _ in row + start }
    }

    /// The same of a row of which `part` gives some channels.
    @inline(__always)
    func callAsFunction(channels: Int, part: (_ start: Int, _ count: Int) -> UnsafePointer<Float>) -> UInt64 {
        if channels <= Self.sample { return Self.mix(part(0, channels), channels, Self.seed) }
        switch self {
        case .ofSample:
            return (0..<4).reduce(Self.seed) { Self.mix(part($1 &* (channels &- 4) / 3, 4), 4, $0) }
        case .ofAll:
            return Self.mixAll(part(0, channels), channels)
        }
    }

    private static let sample = 16

    private static let seed: UInt64 = 0x9E37_79B9_7F4A_7C15

    @inline(__always)
    private static func mix(_ word: UInt32, _ hash: UInt64) -> UInt64 {
        let mixed = (hash ^ UInt64(word)) &* 0xFF51_AFD7_ED55_8CCD
        return mixed ^ mixed &>> 32
    }

    /// Adding 0 makes 0 of -0.
    @inline(__always)
    private static func mix(_ part: UnsafePointer<Float>, _ count: Int, _ hash: UInt64) -> UInt64 {
        (0..<count).reduce(hash) { mix((part[$1] + 0).bitPattern, $0) }
    }

    /// Eight channels at a time.
    private static func mixAll(_ row: UnsafePointer<Float>, _ count: Int) -> UInt64 {
        var lanes = SIMD8<UInt32>(repeating: 0)
        var channel = 0
        while channel &+ 8 <= count {
            let numbers = UnsafeRawPointer(row + channel).loadUnaligned(as: SIMD8<Float>.self) + 0
            lanes = (lanes ^ unsafeBitCast(numbers, to: SIMD8<UInt32>.self)) &* 0x85EB_CA6B
            lanes ^= lanes &>> 15
            channel &+= 8
        }
        let hash = (0..<8).reduce(seed) { mix(lanes[$1], $0) }
        return mix(row + channel, count &- channel, hash)
    }
}
