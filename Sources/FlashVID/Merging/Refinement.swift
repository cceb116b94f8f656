/// Beyond the paper: every unselected token is given to the nearest row of its segment, and rows are placed at their
/// medoid (spec 12.2 and 12.3).
extension Compression {
    /// Whether rows change after they were clustered.
    var refines: Bool { budget.contextual > 0 && configuration.refines }

    /// Refines the rows and their assignment in place. Each round costs at the most one product of the unselected tokens
    /// with their segment's rows.
    func refine(segments: Int, _ output: OutputRows) throws(FlashVIDError) {
        for round in 0..<configuration.refinementRounds {
            let refinement = Refinement(self, output, finishedRounds: round)
            try parallelRows(refinement) { refinement, _, row in refinement.measure(row: row) }
            let walk = (refinement, WorkStretches(frames, threads: pool.threads, in: tables.stretches))
            try parallel(.refinement, pool.threads, walk) { walk, worker, thread in
                let (refinement, stretches) = walk
                while !refinement.compression.watch.isOver, let frame = stretches.next(for: thread) {
                    refinement.reassign(frame: frame, worker)
                    refinement.compression.watch.advance(by: Work.refinement)
                }
            }
            try parallel(.refinement, segments, refinement) { refinement, _, segment in
                refinement.adoptAssignment(segment: segment)
                refinement.threadMembers(segment: segment)
            }
            // From the second round on the rows are means of their members: where these stay, so do the rows, and every
            // further round would do the same again.
            if round > 0, (0..<segments).allSatisfy({ tables.movedTokens[$0] == 0 }) { break }
            let refined = Refinement(self, output, finishedRounds: round + 1)
            try parallelRows(refined) { refined, worker, row in refined.write(row: row, worker) }
        }
        guard configuration.placement == .medoid else { return }
        let refinement = Refinement(self, output, finishedRounds: configuration.refinementRounds)
        if configuration.refinementRounds == 0 {
            try parallel(.refinement, segments, refinement) { refinement, _, segment in
                refinement.threadMembers(segment: segment)
            }
        }
        try parallelRows(refinement) { refinement, worker, row in refinement.findMedoid(row: row, worker) }
        try parallel(.refinement, segments, refinement) { refinement, _, segment in
            refinement.placeAtMedoids(segment: segment)
        }
    }

    private func parallelRows(
        _ refinement: Refinement, _ body: @escaping (_ refinement: Refinement, _ worker: Worker, _ row: Int) -> Void
    ) throws(FlashVIDError) {
        try withUnsafePointer(to: RowLoop.Body(call: body)) { body throws(FlashVIDError) in
            let loop = RowLoop(refinement: refinement, body: body)
            try parallel(.refinement, (rowCount + RowLoop.chunk - 1) / RowLoop.chunk, loop) { loop, worker, index in
                let end = min(loop.refinement.compression.rowCount, (index + 1) * RowLoop.chunk)
                for row in (index * RowLoop.chunk)..<end { loop.body.pointee.call(loop.refinement, worker, row) }
            }
        }
    }
}

/// Some rows a task.
private struct RowLoop {
    static let chunk = 8
    let refinement: Refinement
    let body: UnsafePointer<Body>

    struct Body {
        let call: (Refinement, Worker, Int) -> Void
    }
}

extension Configuration {
    /// Whether rows change after they were clustered.
    var refines: Bool { refinementRounds > 0 || placement == .medoid }
}

/// Rows and assignment after some rounds.
private struct Refinement {
    let compression: Compression
    let output: OutputRows
    let finishedRounds: Int

    init(_ compression: Compression, _ output: OutputRows, finishedRounds: Int) {
        self.compression = compression
        self.output = output
        self.finishedRounds = finishedRounds
    }

    private var tables: Compression.Tables { compression.tables }
    private var channels: Int { compression.channels }

    private func rows(ofSegment segment: Int) -> Range<Int> {
        let frames = compression.frames(ofSegment: segment)
        return tables.firstRows[frames.lowerBound]..<tables.firstRows[frames.upperBound]
    }

    private func tokens(ofSegment segment: Int) -> Range<Int> {
        let frames = compression.frames(ofSegment: segment)
        return compression.token(frames.lowerBound, 0)..<compression.token(frames.upperBound, 0)
    }

    // MARK: Values

    /// A row in double: a selected token as it is, a contextual row as the mean of its cluster's aggregates, and after a
    /// round as the mean of its members.
    func value(ofRow row: Int, into total: UnsafeMutablePointer<Double>, _ worker: Worker) {
        total.update(repeating: 0, count: channels)
        if output.kinds[row] == .selected {
            let token = compression.clip.token(output.indices[row], convertedInto: worker.rowA)
            Exact.sum(token, into: total, count: channels)
        } else if finishedRounds > 0 {
            let count = compression.sum(
                ofListFrom: Int(tables.firstMembers[row]), tables.nextMembers, into: total, worker)
            Exact.divide(total, by: count, count: channels)
        } else {
            let centre = output.indices[row]
            let first = centre - centre % compression.tokensPerFrame
            var count = 0
            for root in first..<(first + compression.tokensPerFrame)
            where !compression.isSelected(root) && tables.roots[root] == Int32(root)
                && tables.centres[root] == Int32(centre)
            {
                compression.aggregate(root: root, into: worker.doublesA, worker)
                Exact.sum(UnsafePointer(worker.doublesA), into: total, count: channels)
                count += 1
            }
            Exact.divide(total, by: count, count: channels)
        }
    }

    /// Writes a contextual row's value.
    func write(row: Int, _ worker: Worker) {
        guard output.kinds[row] == .contextual else { return }
        value(ofRow: row, into: worker.doublesC, worker)
        Exact.round(UnsafePointer(worker.doublesC), into: output.row(row), count: channels)
    }

    // MARK: Assignment

    func measure(row: Int) {
        tables.rowSquares[row] = BLAS.dot(
            output.row(row), output.row(row), count: channels)
    }

    /// The nearest row of the segment for every unselected token of a frame; of equally near ones the first.
    func reassign(frame: Int, _ worker: Worker) {
        let segment = compression.segment(ofFrame: frame)
        let rows = rows(ofSegment: segment)
        let first = compression.token(frame, 0)
        let knowsDistances = prepareRowProducts(segment, rows, worker)
        var left = 0
        for index in 0..<compression.tokensPerFrame where !compression.isSelected(first &+ index) {
            if knowsDistances, reassignNearby(first &+ index, rows, worker) { continue }
            compression.clip.copyToken(first &+ index, into: worker.packed + left &* channels)
            worker.lists.0[left] = Int32(index)
            left += 1
        }
        let block = max(1, worker.productCapacity / rows.count)
        for start in stride(from: 0, to: left, by: block) {
            let count = min(block, left - start)
            let part = MatrixView(
                base: worker.packed + start &* channels, rows: count, columns: channels, stride: channels)
            BLAS.products(part, view(rows), into: worker.products)
            for index in 0..<count {
                let token = first &+ Int(worker.lists.0[start + index])
                let products = worker.products + index &* rows.count
                tables.nextRows[token] = Int32(
                    nearestRow(token, products, count: rows.count, worker) { rows.lowerBound + $0 })
            }
        }
    }

    private func view(_ rows: Range<Int>) -> MatrixView {
        MatrixView(base: output.row(rows.lowerBound), rows: rows.count, columns: channels, stride: channels)
    }

    /// Products of a segment's rows with each other, in the worker's `rowProducts`, if there are few enough.
    private func prepareRowProducts(_ segment: Int, _ rows: Range<Int>, _ worker: Worker) -> Bool {
        guard rows.count <= Worker.maximumRowProducts else { return false }
        let key = finishedRounds * compression.frames + segment
        if worker.rowProductsKey.pointee != key {
            BLAS.gram(view(rows), into: worker.rowProducts)
            worker.rowProductsKey.pointee = key
        }
        return true
    }

    /// Reassigns a token without a product of the frame, if the distances between rows leave few candidates: by the
    /// triangle inequality a row farther than 2d from the token's present one, which is at distance d, is no nearer.
    private func reassignNearby(_ token: Int, _ rows: Range<Int>, _ worker: Worker) -> Bool {
        let inverse = tables.inverseNorms[token]
        guard inverse > 0 else { return false }
        let present = Int(tables.rows[token])
        let source = compression.clip.token(token, convertedInto: worker.rowA)
        let tolerance = Float(compression.tolerance)
        let square = 1 / (inverse * inverse)
        let presentSquare = tables.rowSquares[present]
        let product = BLAS.dot(source, output.row(present), count: channels)
        // Each error is at most the tolerance times a square or a product of lengths, which is at most half their sum.
        let distance = square + presentSquare - 2 * product + 2 * tolerance * (square + presentSquare)
        guard distance.isFinite else { return false }
        let limit = 4 * distance * 1.0001

        let (candidates, products) = (worker.lists.1, worker.nearby)
        let most = min(compression.tokensPerFrame, max(1, rows.count / 16))
        let (own, count) = (present - rows.lowerBound, rows.count)
        var number = 0
        for index in 0..<count {
            let (low, high) = (min(own, index), max(own, index))
            let other = tables.rowSquares[rows.lowerBound + index]
            let apart = presentSquare + other - 2 * worker.rowProducts[low &* count &+ high]
            guard index == own || !(apart - 2 * tolerance * (presentSquare + other) > limit) else { continue }
            guard number < most else { return false }
            candidates[number] = Int32(index)
            number += 1
        }
        for candidate in 0..<number {
            let index = Int(candidates[candidate])
            products[candidate] =
                index == own ? product : BLAS.dot(source, output.row(rows.lowerBound + index), count: channels)
        }
        tables.nextRows[token] = Int32(
            nearestRow(token, products, count: number, worker) { rows.lowerBound + Int(candidates[$0]) })
        return true
    }

    /// Squared distances less the token's own square, in float32, then in double among those that rounding could swap.
    private func nearestRow(
        _ token: Int, _ products: UnsafePointer<Float>, count: Int, _ worker: Worker, row: (Int) -> Int
    ) -> Int {
        let inverse = tables.inverseNorms[token]
        let length = inverse > 0 ? 1 / inverse : 0
        let tolerance = Float(compression.tolerance)
        // Of numbers beyond float32's squares nothing is known.
        let isExtreme = compression.tables.marks[token].contains(.extreme)
        var reach = Float.infinity
        func error(_ square: Float) -> Float {
            tolerance * (square + 2 * length * square.squareRoot()) + .leastNormalMagnitude * Float(4 * channels)
        }
        for index in 0..<count {
            let square = tables.rowSquares[row(index)]
            let upper = square - 2 * products[index] + error(square)
            if upper < reach { reach = upper }
        }
        func isCandidate(_ index: Int) -> Bool {
            let square = tables.rowSquares[row(index)]
            return isExtreme || !(square - 2 * products[index] - error(square) > reach)
        }
        var only = -1
        var rivals = 0
        for index in 0..<count where isCandidate(index) {
            if rivals == 0 { only = row(index) }
            rivals += 1
        }
        guard rivals > 1 else { return only }
        worker.closeCalls.pointee += 1
        var best = only
        var nearest = Double.infinity
        for index in 0..<count where isCandidate(index) {
            value(ofRow: row(index), into: worker.doublesC, worker)
            let source = compression.clip.token(token, convertedInto: worker.rowB)
            let distance = Exact.squaredDistance(source, UnsafePointer(worker.doublesC), count: channels)
            if distance < nearest {
                nearest = distance
                best = row(index)
            }
        }
        return best
    }

    /// Makes the round's assignment the current one, and counts whom that moves. A contextual row keeps its own source
    /// token.
    func adoptAssignment(segment: Int) {
        var moved: Int32 = 0
        for token in tokens(ofSegment: segment) where !compression.isSelected(token) {
            let row = tables.rows[token]
            guard row != tables.nextRows[token], output.indices[Int(row)] != token else { continue }
            tables.rows[token] = tables.nextRows[token]
            moved += 1
        }
        tables.movedTokens[segment] = moved
    }

    /// Threads the members of every row, ascending.
    func threadMembers(segment: Int) {
        for row in rows(ofSegment: segment) { tables.firstMembers[row] = -1 }
        for token in tokens(ofSegment: segment).reversed() {
            let row = Int(tables.rows[token])
            tables.nextMembers[token] = tables.firstMembers[row]
            tables.firstMembers[row] = Int32(token)
        }
    }

    // MARK: Placement

    /// The member nearest to a contextual row's final value; of equally near ones the first. Left in `nextRows`, by row.
    func findMedoid(row: Int, _ worker: Worker) {
        guard output.kinds[row] == .contextual else {
            tables.nextRows[row] = Int32(output.indices[row])
            return
        }
        // In float32 first, by token in a table that the trees are done with.
        let distances = tables.similarities
        let value = output.row(row)
        var nearest = Float.infinity
        forEachMember(of: row) { member in
            let token = compression.clip.token(member, convertedInto: worker.rowA)
            let distance = Rounded.squaredDistance(token, value, count: channels)
            distances[member] = Double(distance)
            nearest = min(nearest, distance)
        }
        // The value was rounded too, by up to half a unit in the last place of each of its channels; that moves every
        // distance by as much.
        let length = Double(BLAS.dot(value, value, count: channels)).squareRoot()
        let farthest = Double(nearest).squareRoot() + 2e-7 * length
        let reach = farthest * farthest * (1 + 1e-5)
        var medoid = -1
        var rivals = 0
        forEachMember(of: row) { member in
            guard !(distances[member] > reach) else { return }
            if rivals == 0 { medoid = member }
            rivals += 1
        }
        if rivals > 1 {
            worker.closeCalls.pointee += 1
            self.value(ofRow: row, into: worker.doublesC, worker)
            var best = Double.infinity
            forEachMember(of: row) { member in
                guard !(distances[member] > reach) else { return }
                let token = compression.clip.token(member, convertedInto: worker.rowA)
                let distance = Exact.squaredDistance(token, UnsafePointer(worker.doublesC), count: channels)
                if distance < best {
                    best = distance
                    medoid = member
                }
            }
        }
        tables.nextRows[row] = Int32(medoid)
    }

    private func forEachMember(of row: Int, _ body: (Int) -> Void) {
        var member = Int(tables.firstMembers[row])
        while member >= 0 {
            body(member)
            member = Int(tables.nextMembers[member])
        }
    }

    /// Gives rows their medoids' places and brings the segment's rows back into ascending order.
    func placeAtMedoids(segment: Int) {
        let rows = rows(ofSegment: segment)
        let tokens = tokens(ofSegment: segment)
        // Members are done with: their tables hold which row takes a place, and where a row goes.
        let rowAtPlace = tables.nextMembers
        let target = tables.firstMembers
        for token in tokens { rowAtPlace[token] = -1 }
        for row in rows {
            output.indices[row] = Int(tables.nextRows[row])
            rowAtPlace[output.indices[row]] = Int32(row)
        }
        var next = rows.lowerBound
        for token in tokens where rowAtPlace[token] >= 0 {
            target[Int(rowAtPlace[token])] = Int32(next)
            next += 1
        }
        for token in tokens { tables.rows[token] = target[Int(tables.rows[token])] }
        for row in rows {
            while Int(target[row]) != row {
                let other = Int(target[row])
                swapRows(row, other)
                target[row] = target[other]
                target[other] = Int32(other)
            }
        }
    }

    private func swapRows(_ a: Int, _ b: Int) {
        swap(&output.indices[a], &output.indices[b])
        swap(&output.kinds[a], &output.kinds[b])
        let (rowA, rowB) = (output.row(a), output.row(b))
        for channel in 0..<channels { swap(&rowA[channel], &rowB[channel]) }
    }
}
