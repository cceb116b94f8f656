/// The rows that a clip becomes, in order of source token. The caller gets them when all of them are there, and nothing
/// before.
struct Rows: BitwiseCopyable {
    struct Space: BitwiseCopyable {
        /// [F + 1] first row of every frame, and the number of rows.
        fileprivate let starts: Table<Int>
        /// [K] source tokens whose places they take.
        fileprivate let indices: Table<Int>
        /// [K]
        fileprivate let kinds: Table<CompressedVideo.Kind>
        /// [K, D]
        fileprivate let values: Table<Float>

        init(_ clip: Clip, capacity: Int, plan: inout Arena.Plan) {
            starts = plan.table(Int.self, clip.frames + 1)
            indices = plan.table(Int.self, capacity)
            kinds = plan.table(CompressedVideo.Kind.self, capacity)
            values = plan.table(Float.self, capacity, clip.channels)
        }
    }

    private let frames: Int
    private let channels: Int
    private let space: Space
    /// Whether the values of selected rows are there as well, for refinement. They are source tokens.
    let holdsSelected: Bool

    /// Numbers the rows of frames that have their picks and their shares.
    init(_ selection: Selection, _ shares: Shares, in space: Space) {
        let input = selection.input
        (frames, channels) = (input.clip.frames, input.clip.channels)
        self.space = space
        holdsSelected = input.refines
        space.starts[0] = 0
        for frame in 0..<frames {
            space.starts[frame + 1] = space.starts[frame] + selection.picks(ofFrame: frame).count + shares[frame]
        }
    }

    var count: Int { space.starts[frames] }

    func ofFrames(_ frames: Range<Int>) -> Range<Int> {
        space.starts[frames.lowerBound]..<space.starts[frames.upperBound]
    }

    func ofFrame(_ frame: Int) -> Range<Int> { ofFrames(frame..<(frame + 1)) }

    /// Source tokens whose places the rows take.
    var indices: Table<Int> { space.indices }
    var kinds: Table<CompressedVideo.Kind> { space.kinds }

    /// A row's values; not there for a selected row unless ``holdsSelected``.
    @inline(__always)
    subscript(_ row: Int) -> Table<Float> { space.values.row(row, of: channels) }

    /// Rows as a matrix.
    func matrix(_ rows: Range<Int>) -> MatrixView {
        MatrixView(
            base: space.values.base + rows.lowerBound &* channels, rows: rows.count, columns: channels,
            stride: channels)
    }

    func swap(_ a: Int, _ b: Int) {
        space.indices.swapAt(a, b)
        space.kinds.swapAt(a, b)
        let (first, other) = (space.values.row(a, of: channels).base, space.values.row(b, of: channels).base)
        for channel in 0..<channels {
            let value = first[channel]
            first[channel] = other[channel]
            other[channel] = value
        }
    }
}
