/// The roots of a frame as rows to cluster: their trees' aggregates.
struct RootRows {
    let compression: Compression
    let worker: Worker
    /// Roots, by their place in the clip, ascending.
    let roots: UnsafeMutableBufferPointer<Int32>

    /// Euclidean distance over √D, in double from the source tokens; 0 for equal rows.
    func exactDistance(_ a: Int, _ b: Int) -> Double {
        compression.aggregate(root: Int(roots[a]), into: worker.doublesA, worker)
        compression.aggregate(root: Int(roots[b]), into: worker.doublesB, worker)
        let square = Exact.squaredDistance(
            UnsafePointer(worker.doublesA), UnsafePointer(worker.doublesB), count: compression.channels)
        return square.squareRoot() / Double(compression.channels).squareRoot()
    }
}

/// Contextual tokens: what a frame's roots become (spec 6; paper, section 3.3).
extension Compression {
    /// Writes a frame's rows, selected and contextual, in order of token. O(R²·D) for R roots that are clustered.
    func writeRows(frame: Int, into output: OutputRows, _ worker: Worker) {
        let segmentFrames = frames(ofSegment: segment(ofFrame: frame)).count
        let share = tables.shares[frame]
        let roots = RootRows(
            compression: self, worker: worker,
            roots: UnsafeMutableBufferPointer(start: worker.lists.0, count: tables.rootCounts[frame]))
        var count = 0
        for index in 0..<tokensPerFrame where isRoot(token(frame, index), segmentFrames: segmentFrames) {
            worker.lists.0[count] = Int32(token(frame, index))
            count += 1
        }
        guard share > 0, share < count else {
            placeRows(frame, roots, centres: nil, share: min(share, count), scale: 1, into: output)
            return
        }
        let scale = cluster(roots, into: share, worker)
        placeRows(frame, roots, centres: worker.lists.1, share: share, scale: scale, into: output)
    }

    /// Leaves in the worker's `lists.1` the centre (as a position among the roots) of every root, and in `packed` the
    /// aggregates less `centre`. Returns the scale that was taken out of them.
    private func cluster(_ source: RootRows, into clusters: Int, _ worker: Worker) -> Double {
        let count = source.roots.count
        let rows = MatrixView(base: worker.packed, rows: count, columns: channels, stride: channels)
        var scale = 1.0
        gatherCentred(source)
        BLAS.gram(rows, into: worker.products)
        let largest = (0..<count).reduce(Float(0)) { max($0, worker.products[$1 &* (count &+ 1)]) }
        if !(largest <= 1e36) || (0..<count).contains(where: { worker.products[$0 &* (count &+ 1)].isNaN }) {
            scale = scaleDown(source)
            BLAS.gram(rows, into: worker.products)
        }
        squareDistances(count, worker)
        DensityPeaks(
            count: count, clusters: clusters, distances: worker.products, errors: worker.scalars.2,
            unit: scale * scale / Double(channels), source: source,
            room: DensityPeaks.Room(
                meanLower: worker.scalars.0, meanUpper: worker.scalars.1, exactDensity: worker.doubles.0,
                exactDelta: worker.doubles.1, score: worker.values, deltaUpper: worker.doubles.2,
                deltaRanking: worker.doubles.3, isCentre: worker.flags),
            closeCalls: worker.closeCalls
        ).assign(centres: worker.lists.1)
        return scale
    }

    /// Gathers the roots' aggregates less the first one: distances stay, and the digits that all rows share do not drown
    /// those in which they differ.
    private func gatherCentred(_ source: RootRows) {
        let worker = source.worker
        let centre = worker.centre
        for (position, root) in source.roots.enumerated() {
            let root = Int(root)
            let target = worker.packed + position &* channels
            if tables.nextInTree[root] < 0 {
                let row = clip.token(root, convertedInto: worker.rowA)
                if position == 0 { centre.update(from: row, count: channels) }
                for channel in 0..<channels { target[channel] = row[channel] - centre[channel] }
            } else {
                aggregate(root: root, into: worker.doublesA, worker)
                let row = worker.doublesA
                if position == 0 { Exact.round(UnsafePointer(row), into: centre, count: channels) }
                for channel in 0..<channels { target[channel] = Float(row[channel] - Double(centre[channel])) }
            }
        }
    }

    /// Gathers them again, scaled down by a power of two, where squares leave float32's range. Returns the scale.
    private func scaleDown(_ source: RootRows) -> Double {
        let worker = source.worker
        // Differences of float32 numbers stay below twice their range.
        let down = Double(sign: .plus, exponent: -130, significand: 1)
        for (position, root) in source.roots.enumerated() {
            aggregate(root: Int(root), into: worker.doublesA, worker)
            let target = worker.packed + position &* channels
            for channel in 0..<channels {
                target[channel] = Float((worker.doublesA[channel] - Double(worker.centre[channel])) * down)
            }
        }
        return 1 / down
    }

    /// Turns the upper triangle of a Gram matrix into all squared distances, and leaves their error bounds in
    /// `scalars.2`.
    private func squareDistances(_ count: Int, _ worker: Worker) {
        let gram = worker.products
        let (squares, errors) = (worker.scalars.0, worker.scalars.2)
        for row in 0..<count {
            squares[row] = gram[row &* count &+ row]
            // |a|² + |b|² - 2ab errs by the tolerance of each term, and ab is at most half the sum of the squares.
            errors[row] = Float(2 * tolerance) * squares[row] + .leastNormalMagnitude
        }
        for row in 0..<count {
            let line = gram + row &* count
            for column in (row &+ 1)..<max(count, row &+ 1) {
                let distance = max(0, squares[row] + squares[column] - 2 * line[column])
                line[column] = distance
                gram[column &* count &+ row] = distance
            }
        }
    }

    /// Writes a frame's rows in order of token; at equal tokens (published semantics) the selected one first.
    /// `centres` nil: every root is a row, or with `share` 0 none.
    private func placeRows(
        _ frame: Int, _ source: RootRows, centres: UnsafeMutablePointer<Int32>?, share: Int, scale: Double,
        into output: OutputRows
    ) {
        let worker = source.worker
        let picks = picks(ofFrame: frame)
        var pick = 0
        var row = tables.firstRows[frame]
        func placePicks(upTo limit: Int) {
            while pick < picks.count, token(frame, Int(picks[pick])) <= limit {
                let place = token(frame, Int(picks[pick]))
                if output.holdsSelected { clip.copyToken(place, into: output.row(row)) }
                output.indices[row] = place
                output.kinds[row] = .selected
                pick += 1
                row += 1
            }
        }
        for (position, root) in source.roots.enumerated() where share > 0 {
            let root = Int(root)
            if let centres {
                let centre = Int(centres[position])
                tables.centres[root] = source.roots[centre]
                guard centre == position else { continue }
                placePicks(upTo: root)
                meanOfCluster(position, source, centres, scale, into: output.row(row))
            } else {
                tables.centres[root] = Int32(root)
                placePicks(upTo: root)
                aggregate(root: root, into: worker.doublesA, worker)
                Exact.round(UnsafePointer(worker.doublesA), into: output.row(row), count: channels)
            }
            output.indices[row] = root
            output.kinds[row] = .contextual
            row += 1
        }
        placePicks(upTo: Int.max)
    }

    /// The plain mean of a cluster's rows; the row itself where there is only one. From the gathered rows, which were
    /// rounded after the centre was taken out, or in double from the source tokens where refinement will compare distances
    /// with the result's own rounding in mind.
    private func meanOfCluster(
        _ centre: Int, _ source: RootRows, _ centres: UnsafePointer<Int32>, _ scale: Double,
        into target: UnsafeMutablePointer<Float>
    ) {
        let worker = source.worker
        let total = worker.doublesC
        total.update(repeating: 0, count: channels)
        let members = (0..<source.roots.count).count { Int(centres[$0]) == centre }
        if members == 1, tables.nextInTree[Int(source.roots[centre])] < 0 {
            clip.copyToken(Int(source.roots[centre]), into: target)
            return
        }
        guard scale == 1, !configuration.refines else {
            for position in 0..<source.roots.count where Int(centres[position]) == centre {
                aggregate(root: Int(source.roots[position]), into: worker.doublesA, worker)
                Exact.sum(UnsafePointer(worker.doublesA), into: total, count: channels)
            }
            Exact.divide(total, by: members, count: channels)
            Exact.round(UnsafePointer(total), into: target, count: channels)
            return
        }
        for position in 0..<source.roots.count where Int(centres[position]) == centre {
            Exact.sum(worker.packed + position &* channels, into: total, count: channels)
        }
        Exact.divide(total, by: members, count: channels)
        for channel in 0..<channels {
            target[channel] = Float(total[channel] + Double(worker.centre[channel]))
        }
    }
}
