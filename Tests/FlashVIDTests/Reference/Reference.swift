import FlashVID

/// The method as its definition says it, in double precision and without any cleverness: slow, plain, and the referee
/// of the engine's tests. "Spec" and a number name the section of the specification that a function is. Every tie, in
/// every step, goes to the lower index unless stated.
///
/// A clip is an array of frames, and a frame is `Rows`: one row a token.
enum Reference {
    struct Result {
        var tokens: Rows
        var indices: [Int]
        var kinds: [CompressedVideo.Kind]
        var segmentLengths: [Int]
        /// Nil with the published semantics.
        var assignment: [Int]?
        var parents: [Int]

        /// Source tokens that each row stands for (spec 7).
        var counts: [Int]? {
            guard let assignment else { return nil }
            var counts = [Int](repeating: 0, count: indices.count)
            for row in assignment where row >= 0 { counts[row] += 1 }
            return counts
        }
    }

    /// Factor of the calibration (spec 4).
    static let attentionScale = 1e6
    /// A cosine above this counts as 1 (spec 1).
    static let same = 1 - 1e-6

    /// [a.count][b.count] cosines of rows of unit length (spec 1).
    static func cosines(_ a: Rows, _ b: Rows) -> [[Double]] {
        (0..<a.count).map { i in
            (0..<b.count).map { j in
                let cosine = a.dot(i, b, j)
                return cosine > same ? 1 : cosine
            }
        }
    }

    /// Spec 2 and 2.1: selected tokens of every frame, and contextual ones a frame.
    static func budget(_ shape: ClipShape, _ configuration: Configuration) -> (selected: [Int], contextual: Int) {
        let (frames, n) = (shape.frames, shape.tokensPerFrame)
        let (total, rest): (Int, Int)
        if configuration.targetRows > 0 {
            (total, rest) = (configuration.targetRows / frames, configuration.targetRows % frames)
        } else {
            let wanted = (Double(n) * configuration.retentionRatio * configuration.expansion).rounded(.up)
            (total, rest) = (Int(min(wanted, Double(n))), 0)
        }
        let selected = Int((Double(total) * configuration.alpha).rounded(.up))
        return ((0..<frames).map { selected + ($0 + 1) * rest / frames - $0 * rest / frames }, total - selected)
    }

    /// Spec 1: `features` [F, N, D] and `attention` [F, N] or none.
    static func compress(
        _ features: [Double], shape: ClipShape, attention: [Double]?, _ configuration: Configuration
    ) -> Result {
        let (frames, n, channels) = (shape.frames, shape.tokensPerFrame, shape.channels)
        let isPublished = configuration.semantics == .published
        let clip = (0..<frames).map {
            Rows(columns: channels, values: Array(features[$0 * n * channels..<($0 + 1) * n * channels]))
        }
        let weights =
            attention.map { attention in (0..<frames).map { Array(attention[$0 * n..<($0 + 1) * n]) } }
            ?? distinctiveness(clip)
        let (selected, contextual) = budget(shape, configuration)

        var result = Result(
            tokens: Rows(columns: channels), indices: [], kinds: [],
            segmentLengths: segmentLengths(clip, configuration),
            parents: [Int](repeating: -1, count: frames * n))
        // The source token that each source token ended in.
        var origin = [Int](repeating: -1, count: frames * n)
        var start = 0
        for length in result.segmentLengths {
            let segment = Array(clip[start..<start + length])
            var rows = SegmentRows(first: start * n, tokens: Rows(columns: channels))

            let chosen = select(
                segment, attention: Array(weights[start..<start + length]),
                counts: Array(selected[start..<start + length]), configuration)
            var isFree = [[Bool]](repeating: [Bool](repeating: true, count: n), count: length)
            for frame in 0..<length {
                for token in chosen[frame] {
                    let index = (start + frame) * n + token
                    isFree[frame][token] = false
                    rows.append(segment[frame][token], index, .selected)
                    origin[index] = index
                }
            }

            if contextual > 0 {
                let floor = selected[start..<start + length].reduce(0, +) + contextual * length
                let forest =
                    length > 1 && configuration.temporalThreshold < 1
                    ? buildTrees(segment, isFree: isFree, floor: floor, configuration)
                    : Forest(singleTokens: segment)
                // Spec 8.2: published, a segment of one frame clusters its selected tokens too.
                let roots = (0..<length).map { frame in
                    (0..<n).filter { token in
                        isPublished && length == 1 || isFree[frame][token] && !forest.isMerged[frame][token]
                    }
                }
                let shares = allot(
                    roots.map(\.count), total: contextual * length, isExact: !isPublished)
                for frame in 0..<length {
                    let base = (start + frame) * n
                    let aggregates = forest.features[frame].gather(roots[frame])
                    if shares[frame] > 0, shares[frame] < roots[frame].count {
                        let (labels, centres) = densityPeaks(aggregates, clusters: shares[frame])
                        for (cluster, centre) in centres.enumerated() {
                            let members = labels.indices.filter { labels[$0] == cluster }
                            rows.append(
                                aggregates.mean(of: members), base + roots[frame][centre], .contextual)
                        }
                        for (row, token) in roots[frame].enumerated() {
                            origin[base + token] = base + roots[frame][centres[labels[row]]]
                        }
                    } else {
                        for (row, token) in roots[frame].enumerated() {
                            rows.append(aggregates[row], base + token, .contextual)
                            origin[base + token] = base + token
                        }
                    }
                    // Spec 7: a merged token goes where its parent, one frame earlier, went.
                    for token in 0..<n where forest.isMerged[frame][token] {
                        let parent = base - n + forest.parent[frame][token]
                        result.parents[base + token] = parent
                        origin[base + token] = origin[parent]
                    }
                }
                if configuration.refinementRounds > 0 || configuration.placement == .medoid {
                    refine(clip: segment, &rows, &origin, configuration)
                }
            }
            for row in rows.indices.indices { result.tokens.append(rows.tokens[row]) }
            result.indices += rows.indices
            result.kinds += rows.kinds
            start += length
        }

        // Merged by index; at equal indices (published only) the selected row was appended first and stays first.
        let order = rising(result.indices.map(Double.init))
        result.tokens = result.tokens.gather(order)
        result.indices = order.map { result.indices[$0] }
        result.kinds = order.map { result.kinds[$0] }
        if !isPublished {
            let rowOfIndex = Dictionary(uniqueKeysWithValues: zip(result.indices, result.indices.indices))
            result.assignment = origin.map { $0 >= 0 ? rowOfIndex[$0]! : -1 }
        }
        return result
    }

    /// Spec 4.2: stands in for attention where the host has none, [F][N].
    static func distinctiveness(_ clip: [Rows]) -> [[Double]] {
        clip.map { frame in
            let unit = frame.unit
            let mean = Rows(columns: frame.columns, values: frame.mean).unit
            return (0..<frame.count).map { 1 - unit.dot($0, mean, 0) }
        }
    }
}

/// The rows that a segment leaves, while they are made.
struct SegmentRows {
    /// Flat index of the segment's first source token.
    let first: Int
    var tokens: Rows
    /// Flat indices in the clip.
    var indices: [Int] = []
    var kinds: [CompressedVideo.Kind] = []

    init(first: Int, tokens: Rows) {
        self.first = first
        self.tokens = tokens
    }

    mutating func append(_ row: [Double], _ index: Int, _ kind: CompressedVideo.Kind) {
        tokens.append(row)
        indices.append(index)
        kinds.append(kind)
    }

    func sortedByIndex() -> SegmentRows {
        var sorted = SegmentRows(first: first, tokens: Rows(columns: tokens.columns))
        for row in rising(indices.map(Double.init)) { sorted.append(tokens[row], indices[row], kinds[row]) }
        return sorted
    }
}
