/// TSTM, second half: the trees that the links of a segment make (spec 5.2; paper, section 3.3). A task is a segment.
struct Forest: Stage {
    static let charge = CompressedVideo.Stage.trees

    struct Space: BitwiseCopyable {
        /// [F·N] root of a token's tree; itself for a root.
        fileprivate let roots: Table<Int32>
        /// [F·N] next token of the same tree, ascending, or -1.
        fileprivate let next: Table<Int32>
        /// [F] roots that enter a frame's clusters.
        fileprivate let rootCounts: Table<Int>

        init(_ clip: Clip, plan: inout Arena.Plan) {
            let tokens = clip.frames * clip.tokensPerFrame
            roots = plan.table(Int32.self, tokens)
            next = plan.table(Int32.self, tokens)
            rootCounts = plan.table(Int.self, clip.frames)
        }
    }

    private let links: Links
    private let space: Space
    /// [F·N] room for an order statistic.
    private let ranking: Table<Double>
    var selection: Selection { links.selection }
    var input: Input { selection.input }
    private var clip: Clip { input.clip }
    private var segments: Segments { selection.segments }

    init(_ links: Links, in space: Space, ranking: Table<Double>) {
        self.links = links
        self.space = space
        self.ranking = ranking
    }

    // MARK: Reading

    /// [F·N] the token of the frame before that each merged token joined; -1 for roots and selected tokens.
    var parents: Table<Int32> { links.parents }

    /// Root of a token's tree; itself for a root and for a selected token.
    @inline(__always)
    func root(of token: Int) -> Int { Int(space.roots[token]) }

    /// Whether nothing joined a root.
    func isSingle(_ root: Int) -> Bool { space.next[root] < 0 }

    /// Roots that enter a frame's clusters.
    func rootCount(_ frame: Int) -> Int { space.rootCounts[frame] }

    /// Whether a token enters its frame's clusters; `segmentFrames` are the frames of its segment.
    @inline(__always)
    func isClustered(_ token: Int, segmentFrames: Int) -> Bool {
        guard space.roots[token] == Int32(token) else { return false }
        return !selection.isSelected(token)
            || (segmentFrames == 1 && input.configuration.clustersSelectedOfSingleFrames)
    }

    // MARK: Growing

    /// Decides which tokens of a segment merge, and threads every tree.
    func run(_ segment: Int, _ worker: Worker) {
        let frames = segments.frames(of: segment)
        let tokens = clip.tokens(ofFrames: frames)
        let threshold = frames.count > 1 ? mergeThreshold(tokens, floor: input.budget.rows(of: frames), worker) : nil
        // Parents stand in earlier frames, so their roots are known.
        for token in tokens {
            if let threshold, links.similarity(token) > threshold {
                space.roots[token] = space.roots[Int(parents[token])]
            } else {
                space.roots[token] = Int32(token)
                parents[token] = -1
            }
            space.next[token] = -1
        }
        // From the last to the first, each put behind its root: so a tree is in ascending order.
        for token in tokens.reversed() where space.roots[token] != Int32(token) {
            let root = root(of: token)
            space.next[token] = space.next[root]
            space.next[root] = Int32(token)
        }
        for frame in frames {
            space.rootCounts[frame] = clip.tokens(ofFrame: frame).count { isClustered($0, segmentFrames: frames.count) }
        }
    }

    /// The similarity above which tokens join their parents: the configuration's, or, where that would leave fewer tokens
    /// than there are rows to fill, the one that leaves as many (spec 5.2). Nil: none joins.
    private func mergeThreshold(_ tokens: Range<Int>, floor: Int, _ worker: Worker) -> Double? {
        guard links.areWanted else { return nil }
        let threshold = input.configuration.temporalThreshold
        let merged = tokens.count { links.similarity($0) > threshold }
        guard tokens.count - merged < floor else { return threshold }
        let most = tokens.count - floor
        guard most > 0 else { return nil }
        let first = tokens.lowerBound
        let last = Decision.kthLargest(
            most, of: tokens.count, in: ranking.part(tokens), bounds: { links.bounds(first &+ $0) },
            settle: { links.settle(first &+ $0, worker) })
        // -1 stands for no match, which never merges.
        return max(last, -1 + 1e-6)
    }

    // MARK: Aggregation

    /// What a thread needs to sum up trees.
    struct Reader: BitwiseCopyable {
        /// [4, D] tokens converted to float32; empty for float32 clips.
        fileprivate let rows: Table<Float>

        init(_ clip: Clip, plan: inout Arena.Plan) {
            rows = plan.table(Float.self, clip.type == .float32 ? 0 : 4, clip.channels)
        }
    }

    /// What a root becomes (spec 5.3): the mean or the maximum of its tree, in double, into `total` (D).
    func aggregate(root: Int, into total: Table<Double>, _ reader: Reader) {
        switch input.configuration.aggregation {
        case .mean:
            let tokens = sum(ofListFrom: root, space.next, into: total, reader)
            let divisor = input.configuration.dividesByDirectChildren ? 1 + childCount(ofRoot: root) : tokens
            DoublePrecision.divide(total.base, by: divisor, count: clip.channels)
        case .max:
            _ = sum(ofListFrom: root, nil, into: total, reader)
            var next = Int(space.next[root])
            while next >= 0 {
                DoublePrecision.maximum(
                    clip.token(next, convertedInto: reader.rows.base), into: total.base, count: clip.channels)
                next = Int(space.next[next])
            }
        }
    }

    private func childCount(ofRoot root: Int) -> Int {
        var children = 0
        var next = Int(space.next[root])
        while next >= 0 {
            if parents[next] == Int32(root) { children += 1 }
            next = Int(space.next[next])
        }
        return children
    }

    /// Sum of the tokens of a list, from `first` on along `next` (nil: the first alone), into `total` (D). Returns how many
    /// they are. A few at a time: they lie far from each other, and the time is that of waiting for memory.
    func sum(ofListFrom first: Int, _ next: Table<Int32>?, into total: Table<Double>, _ reader: Reader) -> Int {
        var count = 0
        var token = first
        while token >= 0 {
            var number = 0
            func row() -> UnsafePointer<Float> {
                guard token >= 0 else { return UnsafePointer(reader.rows.base) }
                let row = clip.token(token, convertedInto: reader.rows.base + number &* clip.channels)
                token = next.map { Int($0[token]) } ?? -1
                number += 1
                return row
            }
            let rows = (row(), row(), row(), row())
            DoublePrecision.sum(rows, number, into: total.base, adding: count > 0, count: clip.channels)
            count += number
        }
        return count
    }
}
