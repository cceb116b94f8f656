import FlashVID

extension Reference {
    /// Spec 4 (ADTS) for one segment: so many ascending tokens of each frame. With the published semantics a token may
    /// come twice.
    static func select(
        _ segment: [Rows], attention: [[Double]], counts: [Int], _ configuration: Configuration
    ) -> [[Int]] {
        let isPublished = configuration.semantics == .published
        let usesEvent = configuration.selection == .attentionDiversityEvent
        let columns = segment[0].columns
        let event = Rows(
            columns: columns, values: Rows(columns: columns, values: segment.flatMap(\.mean)).mean)
        // Spec 12.1: unit rows picked in the segment's frames before.
        var earlier = Rows(columns: columns)
        var picks: [[Int]] = []
        for (frame, tokens) in segment.enumerated() {
            let count = counts[frame]
            guard count > 0 else {
                picks.append([])
                continue
            }
            if configuration.selection == .attention {
                picks.append(falling(attention[frame]).prefix(count).sorted())
                continue
            }
            let n = tokens.count
            let unit = tokens.unit
            var weight = [Double](repeating: 1, count: n)
            if configuration.selection != .diversity {
                weight = attention[frame].map { $0 * attentionScale }
            }
            if usesEvent {
                for token in 0..<n { weight[token] *= tokens.dot(token, event, 0) }
            }
            // Row: from which token; column: to which candidate, calibrated by the candidate's weight.
            func distances(from rows: Rows) -> [[Double]] {
                cosines(rows, unit).map { row in (0..<n).map { (1 - row[$0]) * weight[$0] } }
            }
            let distance = distances(from: unit)
            var chosen: [Int]
            var nearest: [Double]
            if configuration.carry, earlier.count > 0 {
                let carried = distances(from: earlier)
                nearest = (0..<n).map { token in carried.map { $0[token] }.min()! }
                chosen = [firstLargest(nearest)]
                for token in 0..<n { nearest[token] = min(nearest[token], distance[chosen[0]][token]) }
            } else {
                let second = (0..<n).map { token in
                    distance.map { $0[token] }.sorted()[n > 1 ? 1 : 0]
                }
                chosen = [firstLargest(second)]
                nearest = distance[chosen[0]]
            }
            while chosen.count < count {
                var candidates = nearest
                // Spec 8.3: published, the event form leaves selected tokens among the candidates.
                if !(isPublished && usesEvent) {
                    for token in chosen { candidates[token] = isPublished ? -1 : -.infinity }
                }
                let best = firstLargest(candidates)
                chosen.append(best)
                for token in 0..<n { nearest[token] = min(nearest[token], distance[best][token]) }
            }
            picks.append(chosen.sorted())
            if configuration.carry {
                for token in chosen.sorted() { earlier.append(unit[token]) }
            }
        }
        return picks
    }
}
