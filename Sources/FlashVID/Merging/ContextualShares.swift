/// How the contextual budget of a segment is shared out among its frames (spec 6.1).
extension Compression {
    func shareOut(segment: Int) {
        let frames = frames(ofSegment: segment)
        guard budget.contextual > 0 else {
            for frame in frames { tables.shares[frame] = 0 }
            return
        }
        let total = budget.contextual * frames.count
        let roots = frames.reduce(0) { $0 + tables.rootCounts[$1] }
        let ratio = roots > 0 ? Double(total) / Double(roots) : 1
        guard ratio < 1 else {
            for frame in frames { tables.shares[frame] = tables.rootCounts[frame] }
            return
        }
        var sum = 0
        for frame in frames {
            tables.shares[frame] = Int((Double(tables.rootCounts[frame]) * ratio).rounded(.up))
            sum += tables.shares[frame]
        }
        guard configuration.semantics == .definition else { return }
        while sum > total {
            // The frame that was rounded up the most gives one back; of equal ones the later.
            var giver = frames.lowerBound
            var most = -Double.infinity
            for frame in frames where tables.shares[frame] > 1 {
                let excess = Double(tables.shares[frame]) - Double(tables.rootCounts[frame]) * ratio
                if excess >= most {
                    giver = frame
                    most = excess
                }
            }
            tables.shares[giver] -= 1
            sum -= 1
        }
    }
}
