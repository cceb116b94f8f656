internal import CFlashVIDKernels

package enum Conversion {
    /// `count` numbers of `type` at `source` to float32; exact for every value.
    package static func toFloat32(
        _ source: UnsafeRawPointer, _ type: ScalarType, count: Int, into target: UnsafeMutablePointer<Float>
    ) {
        switch type {
        case .float32: UnsafeMutableRawPointer(target).copyMemory(from: source, byteCount: count &* 4)
        case .float16: flashvid_from_float16(source.assumingMemoryBound(to: UInt16.self), target, count)
        case .bfloat16: flashvid_from_bfloat16(source.assumingMemoryBound(to: UInt16.self), target, count)
        }
    }
}
