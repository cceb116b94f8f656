import FlashVID

/// Sizes of the products that a straightforward engine needs for a clip (see `Benchmarks/README.md`), counted from a real
/// result. For a frame of N tokens of D channels:
///
/// - `ssyrk` of its tokens, N·(N + 1)·D flops: norms, and the cosines that selection takes;
/// - `sgemm` of its U unselected tokens with the U' of the frame before in its segment, 2·U·U'·D: the trees;
/// - `ssyrk` of its R roots if they are clustered, R·(R + 1)·D.
///
/// The refined configuration needs two more:
///
/// - `sgemm` of its tokens with the P picks of its segment's earlier frames, 2·N·P·D: picks carried along;
/// - `sgemm` of its unselected tokens with the K rows of its segment, 2·U·K·D, once a round.
struct FloorProducts: Equatable {
    struct Frame: Equatable {
        /// The first frame of its segment.
        var segmentStart = 0
        var unselected = 0
        /// Unselected tokens of the frame before, or 0 where no trees are built.
        var linked = 0
        /// Roots to cluster, or 0.
        var roots = 0
        /// Picks of the segment's earlier frames, or 0 where they are not carried.
        var carried = 0
        /// Rows of the segment, or 0 without refinement.
        var rows = 0
    }

    let shape: ClipShape
    let frames: [Frame]
    /// Refinement rounds.
    let rounds: Int

    init(shape: ClipShape, frames: [Frame], rounds: Int = 0) {
        self.shape = shape
        self.frames = frames
        self.rounds = rounds
    }

    /// Counts in the result that `configuration` gave.
    init(of video: CompressedVideo, _ configuration: Configuration) {
        let shape = video.shape
        let tokens = shape.tokensPerFrame
        var isSelected = [Bool](repeating: false, count: shape.frames * tokens)
        var selected = [Int](repeating: 0, count: shape.frames)
        var contextual = [Int](repeating: 0, count: shape.frames)
        for (index, kind) in zip(video.indices, video.kinds) {
            if kind == .selected {
                isSelected[index] = true
                selected[index / tokens] += 1
            } else {
                contextual[index / tokens] += 1
            }
        }
        let hasContext = contextual.contains { $0 > 0 }
        var frames = [Frame](repeating: Frame(), count: shape.frames)
        var first = 0
        for length in video.segmentLengths {
            let segment = first..<(first + length)
            let rows = segment.reduce(0) { $0 + selected[$1] + contextual[$1] }
            let roots = segment.map { frame in
                (frame * tokens..<(frame + 1) * tokens).count { !isSelected[$0] && video.parents[$0] < 0 }
            }
            let ratio = Double(segment.reduce(0) { $0 + contextual[$1] }) / Double(max(1, roots.reduce(0, +)))
            var earlier = 0
            for frame in segment {
                frames[frame].segmentStart = first
                frames[frame].unselected = (frame * tokens..<(frame + 1) * tokens).count { !isSelected[$0] }
                if configuration.carry { frames[frame].carried = earlier }
                earlier += selected[frame]
                guard hasContext else { continue }
                if frame > first, configuration.temporalThreshold < 1 {
                    frames[frame].linked = frames[frame - 1].unselected
                }
                // With the published semantics a segment of one frame clusters all its tokens (spec 8.2).
                let all = configuration.semantics == .published && length == 1
                let candidates = all ? tokens : roots[frame - first]
                // A medoid may stand in another frame than its row was made in; the frame's share says how many were.
                let share =
                    configuration.placement == .medoid
                    ? Int((Double(candidates) * min(1, ratio)).rounded(.up)) : contextual[frame]
                if share > 0, share < candidates { frames[frame].roots = candidates }
                if configuration.refinementRounds > 0 { frames[frame].rows = rows }
            }
            first += length
        }
        self.init(shape: shape, frames: frames, rounds: configuration.refinementRounds)
    }

    /// Floating-point operations of all products.
    var flops: Double {
        let (tokens, channels) = (Double(shape.tokensPerFrame), Double(shape.channels))
        return frames.reduce(0) { sum, frame in
            let (unselected, roots) = (Double(frame.unselected), Double(frame.roots))
            let gram = tokens * (tokens + 1)
            let links = 2 * unselected * Double(frame.linked)
            let clusters = roots * (roots + 1)
            let carried = 2 * tokens * Double(frame.carried)
            let refinement = 2 * unselected * Double(frame.rows) * Double(rounds)
            return sum + (gram + links + clusters + carried + refinement) * channels
        }
    }
}
