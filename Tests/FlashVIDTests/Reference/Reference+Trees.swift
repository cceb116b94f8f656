import FlashVID

extension Reference {
    /// Redundancy trees of one segment.
    struct Forest {
        /// [S][N] whether the token joined its parent.
        var isMerged: [[Bool]]
        /// [S][N] the best match in the frame before; -1 in the first frame.
        var parent: [[Int]]
        /// [S] of N rows, aggregated at the roots.
        var features: [Rows]

        init(singleTokens segment: [Rows]) {
            isMerged = segment.map { [Bool](repeating: false, count: $0.count) }
            parent = segment.map { [Int](repeating: -1, count: $0.count) }
            features = segment
        }
    }

    /// Spec 5 (TSTM). `isFree` where ADTS did not select; `floor` tokens to keep at least.
    static func buildTrees(
        _ segment: [Rows], isFree: [[Bool]], floor: Int, _ configuration: Configuration
    ) -> Forest {
        let frames = segment.count
        let n = segment[0].count
        var forest = Forest(singleTokens: segment)

        // Spec 5.1. Selected tokens, on either side, count as -1.
        var similarity = [[Double]](repeating: [Double](repeating: -1, count: n), count: frames)
        let units = segment.map(\.unit)
        for frame in 1..<frames {
            var cosine = cosines(units[frame], units[frame - 1])
            for token in 0..<n {
                for other in 0..<n where !isFree[frame][token] || !isFree[frame - 1][other] {
                    cosine[token][other] = -1
                }
                forest.parent[frame][token] = firstLargest(cosine[token])
                similarity[frame][token] = cosine[token].max()!
            }
        }
        var threshold = configuration.temporalThreshold
        let left = similarity.joined().count { !($0 > threshold) }

        // Spec 5.2: not below the budget.
        if left < floor {
            let k = frames * n - floor
            threshold = k == 0 ? .infinity : max(similarity.joined().sorted(by: >)[k - 1], -1 + 1e-6)
        }
        for frame in 0..<frames {
            for token in 0..<n { forest.isMerged[frame][token] = similarity[frame][token] > threshold }
        }
        aggregate(&forest, configuration)
        return forest
    }

    /// Spec 5.3, and 8.1 with the published semantics.
    private static func aggregate(_ forest: inout Forest, _ configuration: Configuration) {
        let isPublished = configuration.semantics == .published
        let frames = forest.features.count
        let n = forest.features[0].count
        var size = [[Double]](repeating: [Double](repeating: 1, count: n), count: frames)
        for frame in stride(from: frames - 1, through: 0, by: -1) {
            for token in 0..<n {
                let row = forest.features[frame][token]
                switch configuration.aggregation {
                case .mean where !forest.isMerged[frame][token]:
                    forest.features[frame][token] = row.map { $0 / size[frame][token] }
                case .mean:
                    let parent = forest.parent[frame][token]
                    forest.features[frame - 1][parent] = zip(forest.features[frame - 1][parent], row).map(+)
                    size[frame - 1][parent] += isPublished ? 1 : size[frame][token]
                case .max where forest.isMerged[frame][token]:
                    let parent = forest.parent[frame][token]
                    forest.features[frame - 1][parent] = zip(forest.features[frame - 1][parent], row).map(max)
                case .max:
                    break
                }
            }
        }
    }
}
