/// Powers of two, eight at a time. The package is compiled for baseline x86-64, where a library call a number would cost
/// more than the matrix products whose results go through here.
enum Exponential {
    /// log2(e): exp(x) is 2^(x · log2(e)).
    static let logarithmOfE = 1.442695040888963407359924681

    /// 2^y for y in -126...127, within 4 units in the last place. What lies outside of that range comes out as anything;
    /// NaN stays NaN.
    @inline(__always)
    static func power2(_ y: SIMD8<Float>) -> SIMD8<Float> {
        // Adding 1.5 · 2^23 leaves the nearest integer in the lowest bits of the sum. The 127 on top is the bias of the
        // exponent: shifted into its place, these bits are the power of that integer.
        let magic = Float(12_582_912 + 127)
        let sum = y + magic
        let fraction = y - (sum - magic)
        let power = unsafeBitCast(unsafeBitCast(sum, to: SIMD8<UInt32>.self) &<< 23, to: SIMD8<Float>.self)
        // The polynomial of degree 5 with the smallest relative error, 7.5e-8, for 2^x in -1/2...1/2.
        var value = fraction * 0.0013276472454890609 + 0.009675540961325169
        value = value * fraction + 0.05550713092088699
        value = value * fraction + 0.24022120237350464
        value = value * fraction + 0.6931469440460205
        value = value * fraction + 1.0000001192092896
        return value * power
    }
}
