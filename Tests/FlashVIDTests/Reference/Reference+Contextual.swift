import FlashVID
import Foundation

extension Reference {
    /// Spec 6.1: contextual tokens of every frame, from the roots left in it.
    static func allot(_ roots: [Int], total: Int, isExact: Bool) -> [Int] {
        let all = roots.reduce(0, +)
        let ratio = all > 0 ? Double(total) / Double(all) : 1
        guard ratio < 1 else { return roots }
        let quota = roots.map { Double($0) * ratio }
        var shares = quota.map { Int($0.rounded(.up)) }
        while isExact, shares.reduce(0, +) > total {
            // From the frame with the largest excess; a tie takes from the later one.
            var taker = -1
            for frame in shares.indices where shares[frame] > 1 {
                if taker < 0 || Double(shares[frame]) - quota[frame] >= Double(shares[taker]) - quota[taker] {
                    taker = frame
                }
            }
            shares[taker] -= 1
        }
        return shares
    }

    /// Spec 6.2 (DPC-kNN): the cluster of every row, and the rows that are centres by falling score.
    static func densityPeaks(_ rows: Rows, clusters: Int) -> (labels: [Int], centres: [Int]) {
        let count = rows.count
        let scale = Double(rows.columns).squareRoot()
        let distance = (0..<count).map { i in
            (0..<count).map { j in rows.squaredDistance(j, rows, i).squareRoot() / scale }
        }
        let neighbours = min(clusters, 7)
        let density = distance.map { row in
            exp(-row.sorted().prefix(neighbours).reduce(0) { $0 + $1 * $1 } / Double(neighbours))
        }
        let largest = distance.joined().max()!
        let delta = (0..<count).map { i in
            (0..<count).map { j in
                let isDenser = density[j] > density[i] || density[j] == density[i] && j < i
                return isDenser ? distance[i][j] : largest
            }.min()!
        }
        let centres = Array(falling((0..<count).map { delta[$0] * density[$0] }).prefix(clusters))
        var labels = distance.map { row in firstSmallest(centres.map { row[$0] }) }
        for (cluster, centre) in centres.enumerated() { labels[centre] = cluster }
        return (labels, centres)
    }

    /// Spec 12.2 and 12.3 for one segment. `origin` is the clip's: the source token that each one went to.
    static func refine(
        clip segment: [Rows], _ rows: inout SegmentRows, _ origin: inout [Int], _ configuration: Configuration
    ) {
        rows = rows.sortedByIndex()
        let first = rows.first
        let source = Rows(columns: segment[0].columns, values: segment.flatMap(\.values))
        let contextual = rows.indices.indices.filter { rows.kinds[$0] == .contextual }
        let isSelected = Set(
            rows.indices.indices.filter { rows.kinds[$0] == .selected }.map { rows.indices[$0] - first })
        let rowOfIndex = Dictionary(uniqueKeysWithValues: zip(rows.indices, rows.indices.indices))
        var row = (0..<source.count).map { rowOfIndex[origin[first + $0]]! }

        for _ in 0..<configuration.refinementRounds {
            let squares = rows.indices.indices.map { rows.tokens.dot($0, rows.tokens, $0) }
            for token in 0..<source.count where !isSelected.contains(token) {
                row[token] = firstSmallest(squares.indices.map { squares[$0] - 2 * source.dot(token, rows.tokens, $0) })
            }
            // A contextual row keeps its own source token.
            for k in contextual { row[rows.indices[k] - first] = k }
            for k in contextual { rows.tokens[k] = source.mean(of: row.indices.filter { row[$0] == k }) }
        }
        if configuration.placement == .medoid {
            for k in contextual {
                let members = row.indices.filter { row[$0] == k }
                rows.indices[k] =
                    first + members[firstSmallest(members.map { source.squaredDistance($0, rows.tokens, k) })]
            }
        }
        for token in row.indices { origin[first + token] = rows.indices[row[token]] }
    }
}
