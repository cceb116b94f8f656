/// Where the rows of a clip go.
struct OutputRows: @unchecked Sendable {
    // Sound: the caller of the engine or the workspace owns the memory for the duration of the call, and frames (segments,
    // in refinement) write disjoint rows.

    /// [K, D], rows `stride` numbers apart.
    let tokens: UnsafeMutablePointer<Float>
    let stride: Int
    /// [K]
    let indices: UnsafeMutablePointer<Int>
    let kinds: UnsafeMutablePointer<CompressedVideo.Kind>

    @inline(__always)
    func row(_ row: Int) -> UnsafeMutablePointer<Float> { tokens + row &* stride }
}
