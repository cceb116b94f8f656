/// Picks of a segment's earlier frames, from which the choice in a frame starts (spec 12.1).
extension SelectionFrame {
    /// Whether there are any.
    var hasCarried: Bool {
        guard compression.configuration.carry else { return false }
        let start = compression.frames(ofSegment: compression.segment(ofFrame: frame)).lowerBound
        return compression.budget.selectedTokens(of: start..<frame) > 0
    }

    /// Calls `body` with the place in the clip of every pick of the segment's earlier frames.
    func forEachCarried(_ body: (Int) -> Void) {
        let start = compression.frames(ofSegment: compression.segment(ofFrame: frame)).lowerBound
        for earlier in start..<frame {
            for pick in compression.picks(ofFrame: earlier) {
                body(compression.token(earlier, Int(pick)))
            }
        }
    }

    /// The nearest or farthest distance of every token to an earlier pick, whichever its weight asks for. One product of
    /// the picks with the frame, a block of them at a time: 2·P·N·D flops for P picks.
    func measureCarried(
        _ view: MatrixView, into distances: UnsafeMutablePointer<Interval>, _ distance: (Float) -> Interval
    ) {
        for token in 0..<view.rows {
            distances[token] = Interval(exactly: attracts(token) ? .infinity : -.infinity)
        }
        var rows = 0
        func flush() {
            let block = MatrixView(base: worker.carried, rows: rows, columns: view.columns, stride: view.columns)
            BLAS.products(block, view, into: worker.carriedProducts)
            for row in 0..<rows { include(row, view.rows, distances, distance) }
            rows = 0
        }
        forEachCarried { pick in
            compression.clip.copyToken(pick, into: worker.carried + rows &* view.columns)
            worker.carriedPlaces[rows] = pick
            rows += 1
            if rows == Worker.carriedRows { flush() }
        }
        flush()
    }

    private func attracts(_ token: Int) -> Bool { worker.weights[token].lower >= 0 }

    private func include(
        _ row: Int, _ count: Int, _ distances: UnsafeMutablePointer<Interval>, _ distance: (Float) -> Interval
    ) {
        let pick = worker.carriedPlaces[row]
        let products = worker.carriedProducts + row &* count
        let scale = compression.tables.inverseNorms[pick]
        let isExtreme = compression.tables.marks[pick].contains(.extreme)
        for token in 0..<count {
            let interval =
                isExtreme || compression.tables.marks[place(token)].contains(.extreme)
                ? Interval(exactly: exactDistance(places: place(token), pick))
                : distance(products[token] * (scale * compression.tables.inverseNorms[place(token)]))
            distances[token] =
                attracts(token) ? .min(distances[token], interval) : .max(distances[token], interval)
        }
    }
}
