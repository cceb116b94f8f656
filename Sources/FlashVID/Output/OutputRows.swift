/// Rows of a clip in the workspace. The caller gets them when all of them are there, and nothing before.
struct OutputRows: @unchecked Sendable, BitwiseCopyable {
    // Sound: the workspace owns the memory for the duration of the call, and frames (segments, in refinement) write disjoint
    // rows.

    /// [K, D]
    private let values: UnsafeMutablePointer<Float>
    private let channels: Int
    /// [K]
    let indices: UnsafeMutablePointer<Int>
    let kinds: UnsafeMutablePointer<CompressedVideo.Kind>
    /// Whether the values of selected rows are there as well, for refinement. They are source tokens.
    let holdsSelected: Bool

    init(for compression: Compression, capacity: Int, plan: inout Arena.Plan) {
        channels = compression.channels
        indices = plan.take(Int.self, capacity)
        kinds = plan.take(CompressedVideo.Kind.self, capacity)
        values = plan.take(Float.self, capacity, channels)
        holdsSelected = compression.refines
    }

    @inline(__always)
    func row(_ row: Int) -> UnsafeMutablePointer<Float> { values + row &* channels }
}
