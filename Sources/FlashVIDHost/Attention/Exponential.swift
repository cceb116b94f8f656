/// Powers of two, eight at a time. The package is compiled for baseline x86-64, where a library call a number would cost
/// more than the matrix products whose results go through here.
enum Exponential {
    /// log2(e): exp(x) is 2^(x · log2(e)).
    static let logarithmOfE = 1.442695040888963407359924681

    /// 2^y for y in -126...127, within 5 units in the last place. What lies outside of that range comes out as anything;
    /// NaN stays NaN.
    @inline(__always)
    static func power2(_ y: SIMD8<Float>) -> SIMD8<Float> {
        // Adding 1.5 · 2^23 leaves the nearest integer in the lowest bits of the sum. The 127 on top is the bias of the
        // exponent: shifted into its place, these bits are the power of that integer.
        let magic = Float(12_582_912 + 127)
        let sum = y + magic
        let fraction = y - (sum - magic)
        let power = unsafeBitCast(unsafeBitCast(sum, to: SIMD8<UInt32>.self) &<< 23, to: SIMD8<Float>.self)
        // Half the fraction needs a degree less: a polynomial of degree 4 for 2^(x/2) in -1/2...1/2, with a relative error of
        // 9.3e-8 (the smallest is 8.1e-8, without a constant of 1), and its square.
        var root = fraction * 0.0006003813468851149 + 0.0069510117173194885
        root = root * fraction + 0.06005695462226868
        root = root * fraction + 0.34657278656959534
        root = root * fraction + 1
        return root * root * power
    }
}
