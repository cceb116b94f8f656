/// A clip after compression: K rows in reading order, and how they came about.
public struct CompressedVideo: Sendable {
    /// Where a row comes from.
    public enum Kind: UInt8, BitwiseCopyable, Sendable {
        /// A source token as it was, chosen by ADTS.
        case selected
        /// A merged row, made by TSTM.
        case contextual
    }

    /// The clip's sizes.
    public internal(set) var shape = ClipShape(frames: 0, tokensPerFrame: 0, channels: 0)
    /// Source frame with which it begins: 0, but for the later segments of a ``VideoStream``.
    public internal(set) var firstFrame = 0
    /// [K, D], row-major.
    public internal(set) var tokens: [Float] = []
    /// [K] the source token, `frame * tokensPerFrame + token`, whose place each row takes. Ascending; unique but with
    /// the published semantics.
    public internal(set) var indices: [Int] = []
    /// [K] selected or merged.
    public internal(set) var kinds: [Kind] = []
    /// Frames of every segment; they sum to the clip's.
    public internal(set) var segmentLengths: [Int] = []
    /// [F - 1] cosine of each frame's mean token with the next frame's: where it is below the configuration's threshold, and
    /// where it is lowest, the clip is cut. 0 where a mean has no length.
    public internal(set) var transitions: [Double] = []
    /// [F·N] the row that stands for each source token, or -1 where the budget has no contextual part and the token was
    /// dropped. Empty with the published semantics.
    public internal(set) var assignment: [Int] = []
    /// [K] source tokens that each row stands for. A host may add `log(count)`, or a share of it, to the logit of a row's
    /// key. That is an option to measure, with a strength, and off by default: reading compressed tokens, a vision
    /// transformer's [CLS] came out three times nearer with it (error 0.017 for 0.048 at 0.10), while a small video LLM
    /// that was trained without it lost 3 to 8 points of accuracy at full strength and none at half.
    /// Empty with the published semantics.
    public internal(set) var counts: [Int] = []
    /// [F·N] the redundancy trees: the source token, in the frame before, that each merged token joined; -1 for roots
    /// and selected tokens.
    public internal(set) var parents: [Int] = []
    /// Where the time went.
    public internal(set) var statistics = Statistics()

    /// An empty one, to be filled by ``Compressor/compress(_:shape:attention:into:progress:)``, which reuses its storage.
    public init() {}

    /// Rows kept.
    public var count: Int { indices.count }
}

extension CompressedVideo {
    /// The stages of the algorithm, in order.
    public enum Stage: Int, Sendable, CaseIterable, BitwiseCopyable {
        case segmentation
        case selection
        case trees
        case contextual
        case refinement

        public var name: String { "\(self)" }
    }

    /// Where the time went.
    public struct Statistics: Sendable {
        /// Wall time of the whole call, in seconds.
        public internal(set) var seconds = 0.0
        /// Time spent in each stage, in seconds, summed over threads; indexed by ``Stage``'s raw value.
        public internal(set) var stageSeconds = [Double](repeating: 0, count: Stage.allCases.count)
        /// Decisions too close for float32 that were settled in double precision.
        public internal(set) var closeCalls = 0
        /// How the numbers that they hang on were found.
        public internal(set) var settled = Settled()
        /// Threads used.
        public internal(set) var threads = 1

        package init() {}
    }

    /// Numbers that float32 could not tell apart, cosines and distances of two tokens or rows, by how they became known.
    public struct Settled: Sendable, Hashable, BitwiseCopyable {
        /// Of tokens that are equal, which costs nothing.
        public internal(set) var byClass = 0
        /// In a product of matrices in double precision.
        public internal(set) var inBlocks = 0
        /// One at a time, in double precision.
        public internal(set) var singly = 0

        package init() {}
    }

    /// Size and shape of the redundancy trees. A tree is a root with everything that joined it.
    public struct Forest: Sendable, Hashable {
        /// Tokens that joined another.
        public var mergedTokens = 0
        /// Trees of at least two tokens.
        public var trees = 0
        /// Tokens of the largest tree.
        public var largestTree = 0
        /// Frames that the deepest tree spans.
        public var deepestTree = 0
    }

    /// Counts the trees. O(F·N).
    public var forest: Forest {
        var forest = Forest()
        var root = [Int](repeating: -1, count: parents.count)
        var size = [Int](repeating: 1, count: parents.count)
        let firstToken = firstFrame * shape.tokensPerFrame
        for (token, parent) in parents.enumerated() where parent >= 0 {
            let parent = parent - firstToken
            // Parents stand in earlier frames, so their roots are known.
            root[token] = root[parent] >= 0 ? root[parent] : parent
            let base = root[token]
            forest.mergedTokens += 1
            if size[base] == 1 { forest.trees += 1 }
            size[base] += 1
            forest.largestTree = Swift.max(forest.largestTree, size[base])
            let span = token / shape.tokensPerFrame - base / shape.tokensPerFrame + 1
            forest.deepestTree = Swift.max(forest.deepestTree, span)
        }
        return forest
    }
}
