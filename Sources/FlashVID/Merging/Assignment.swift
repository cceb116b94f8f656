/// Which row stands for which token (spec 7).
extension Compression {
    /// Fills the table of rows for a segment. A selected token has its own row; a root its cluster's; a merged token what
    /// its root got. Without a contextual budget the unselected have none.
    func assignRows(segment: Int, _ output: OutputRows) {
        let frames = frames(ofSegment: segment)
        let tokens = token(frames.lowerBound, 0)..<token(frames.upperBound, 0)
        for token in tokens { tables.rows[token] = -1 }
        for row in tables.firstRows[frames.lowerBound]..<tables.firstRows[frames.upperBound] {
            tables.rows[output.indices[row]] = Int32(row)
        }
        guard budget.contextual > 0 else { return }
        for token in tokens where !isSelected(token) {
            tables.rows[token] = tables.rows[Int(tables.centres[Int(tables.roots[token])])]
        }
    }
}
