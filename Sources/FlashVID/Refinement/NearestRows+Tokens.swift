extension NearestRows {
    /// A frame's tokens as its segment's rows are.
    struct FrameTokens {
        let rows: NearestRows
        let frame: Int
        let segment: Int
        let range: Range<Int>
        let scratch: Scratch
        /// Where the segment has some.
        let origins: Origins?
        /// None where no row lies on it.
        let grid: Grid

        /// `tokens` are the frame's as they are, of which `room` may be the memory.
        init(_ rows: NearestRows, _ frame: Int, _ tokens: MatrixView, _ worker: Worker) {
            self.rows = rows
            self.frame = frame
            segment = rows.refinement.segments.containing(frame)
            range = rows.refinement.rows(ofSegment: segment)
            scratch = rows.scratch(worker)
            grid = range.contains { rows.space.isOnGrid[$0] } ? rows.space.grids[segment] : .none
            guard rows.isCentred(segment) else {
                origins = nil
                return
            }
            let origins = rows.origins(ofSegment: segment, worker)
            self.origins = origins
            let (scratch, count) = (scratch, origins.count)
            DoublePrecision.products(tokens, origins.matrix, into: scratch.projections.base)
            for index in 0..<tokens.rows {
                let token = tokens.row(index)
                let square = DoublePrecision.dot(token, token, count: tokens.columns)
                let line = scratch.projections.base + index &* count
                var (least, group) = (square * Double(Origins.radius), 0)
                for origin in 1..<max(count, 1) {
                    let distance = square + origins.product(origin, origin) - 2 * line[origin]
                    if distance < least { (least, group) = (distance, origin) }
                }
                scratch.groups[index] = Int32(group)
                for origin in 0..<count { line[origin] -= origins.product(origin, group) }
            }
        }

        func token(_ index: Int) -> Int { frame &* rows.clip.tokensPerFrame &+ index }

        /// Writes a token less its origin, and notes its length.
        func write(_ index: Int, into target: UnsafeMutablePointer<Float>) {
            let channels = rows.clip.channels
            rows.clip.copyToken(token(index), into: target)
            scratch.isOnGrid[index] = grid.exists && grid.holds(target, count: channels)
            if let origins {
                let group = Int(scratch.groups[index])
                SinglePrecision.subtract(origins.row(group), from: target, into: target, count: channels)
                noteLength(index, BLAS.dot(target, target, count: channels).squareRoot())
                scratch.isOnGrid[index] = scratch.isOnGrid[index] && scratch.originsOnGrid[group]
            } else {
                let inverse = rows.selection.inverseNorm(token(index))
                noteLength(index, inverse > 0 ? 1 / inverse : 0)
            }
        }

        /// Notes the same of a token that is taken as it is.
        func note(_ index: Int, _ values: UnsafePointer<Float>, length: Float) {
            scratch.isOnGrid[index] = grid.exists && grid.holds(values, count: rows.clip.channels)
            noteLength(index, length)
        }

        private func noteLength(_ index: Int, _ length: Float) {
            scratch.lengths[index] = length
            if !(length <= grid.reach) { scratch.isOnGrid[index] = false }
        }

        /// Whether float32 has the very distance of a token from a row.
        @inline(__always)
        func isExact(_ index: Int, _ row: Int) -> Bool {
            scratch.isOnGrid[index] && rows.space.isOnGrid[row]
                && (origins == nil || scratch.groups[index] == rows.space.groups[row])
        }

        /// What the squared distance of a token from a row has beside that of the two less their origins.
        @inline(__always)
        func shift(_ index: Int, _ row: Int, _ origins: Origins) -> Float {
            let (group, other) = (Int(scratch.groups[index]), Int(rows.space.groups[row]))
            guard group != other else { return 0 }
            let line = scratch.projections.base + index &* origins.count
            let across =
                line[group] - line[other] - rows.projection(group, row) + rows.projection(other, row)
            return Float(origins.squaredDistance(group, other) + 2 * across)
        }

        /// The squared distance of a token from a row less the token's square, from their product.
        @inline(__always)
        func value(_ index: Int, _ row: Int, _ product: Float) -> Float {
            let value = rows.space.squares[row] - 2 * product
            return origins.map { value + shift(index, row, $0) } ?? value
        }

        /// Turns products of a token with the rows at some places into such numbers; those of rows that repeat another are out
        /// of reach.
        func values(_ index: Int, _ places: Range<Int>, from products: Table<Float>) {
            let reachable = rows.space.reachable.base + places.lowerBound
            for position in 0..<places.count {
                products.base[position] = reachable[position] - 2 * products.base[position]
            }
            guard let origins else { return }
            for position in 0..<places.count {
                products[position] += shift(index, rows.row(at: places.lowerBound &+ position), origins)
            }
        }

        /// What such a number may err by.
        func error(_ index: Int) -> SinglePrecision.Error {
            let length = scratch.lengths[index]
            var least = Float.leastNormalMagnitude * Float(4 * rows.clip.channels)
            if let origins { least += Float(origins.slack(Int(scratch.groups[index]))) + 1e-7 * length * length }
            return SinglePrecision.Error(
                // Of numbers beyond float32's squares nothing is known.
                constant: rows.selection.isExtreme(token(index)) ? .infinity : least,
                ofSquare: rows.tolerance, ofLength: 2 * rows.tolerance * length, ofValue: 0x1p-22)
        }
    }
}
