// Tokens whose nearest row was left open, in double and many together.

extension NearestRows {
    /// Leaves a token open, and notes which rows may be its nearest.
    func leaveOpen(
        _ index: Int, _ tokens: FrameTokens, among count: Int, row: (Int) -> Int, isRival: (Int) -> Bool
    ) {
        let scratch = tokens.scratch
        let position = scratch.openCount[0]
        let rivals = scratch.openRivals.row(position, of: scratch.panels)
        rivals.fill(0)
        for candidate in 0..<count where isRival(candidate) {
            let row = row(candidate)
            rivals[panel(ofRow: row) - panel(ofRow: tokens.range.lowerBound)] |=
                1 << UInt32(refinement.place(ofRow: row))
        }
        scratch.open[position] = Int32(index)
        scratch.openCount[0] = position + 1
    }

    /// Rows whose values in double are kept at the same time.
    func panel(ofRow row: Int) -> Int { row / Refinement.Scratch.maximumValues }

    /// Finds the nearest rows of the tokens that were left open, in double: a panel of rows at a time, and of these the ones
    /// that may be it.
    func settleOpen(_ tokens: FrameTokens, _ worker: Worker) {
        let (scratch, range) = (tokens.scratch, tokens.range)
        let count = scratch.openCount[0]
        guard count > 0 else { return }
        scratch.openNearest.part(0..<count).fill(.infinity)
        for position in 0..<count {
            clip.copyToken(
                tokens.token(Int(scratch.open[position])), into: scratch.tokens.row(position, of: clip.channels).base)
        }
        let matrix = MatrixView(
            base: scratch.tokens.base, rows: count, columns: clip.channels, stride: clip.channels)
        let first = panel(ofRow: range.lowerBound)
        for panel in first...panel(ofRow: range.upperBound - 1) {
            // Sorted by their rivals of the panel.
            for position in 0..<count {
                let rivals = scratch.openRivals[position &* scratch.panels &+ (panel - first)]
                scratch.rivals[position] = UInt64(rivals) << 32 | UInt64(position)
            }
            scratch.rivals.part(0..<count).sort()
            settleRivals(panel, tokens, matrix, worker)
        }
    }

    /// Measures every token's distances to its rivals of a panel. Tokens of much the same rivals are taken together, since a
    /// block is faster than single distances, though it has some that nobody asked for.
    func settleRivals(_ panel: Int, _ tokens: FrameTokens, _ matrix: MatrixView, _ worker: Worker) {
        let scratch = tokens.scratch
        let first = panel * Refinement.Scratch.maximumValues
        var start = 0
        while start < matrix.rows {
            var (end, mask, asked) = (start, UInt64(0), 0)
            while end < matrix.rows {
                let own = scratch.rivals[end] >> 32
                let all = asked + own.nonzeroBitCount
                guard end == start || 2 * (mask | own).nonzeroBitCount * (end - start + 1) <= 3 * all else { break }
                (mask, asked) = (mask | own, all)
                scratch.together[end - start] = Int32(scratch.rivals[end] & 0xFFFF_FFFF)
                end += 1
            }
            var others = 0
            for place in 0..<Refinement.Scratch.maximumValues where mask >> place & 1 != 0 {
                _ = refinement.value(ofRow: first + place, refinement.scratch(worker))
                scratch.panelRows[others] = Int32(place)
                others += 1
            }
            DoublePrecision.squaredDistances(
                matrix, rows: scratch.together.base, end - start, refinement.scratch(worker).values.base,
                rows: scratch.panelRows.base, others, into: scratch.distances.base)
            worker.countSettled(inBlocks: (end - start) &* others)
            for position in 0..<(end - start) {
                let open = Int(scratch.together[position])
                for other in 0..<others {
                    let distance = scratch.distances[position &* others &+ other]
                    guard distance < scratch.openNearest[open] else { continue }
                    scratch.openNearest[open] = distance
                    space.nearest[tokens.token(Int(scratch.open[open]))] = Int32(first + Int(scratch.panelRows[other]))
                }
            }
            start = end
        }
    }
}
