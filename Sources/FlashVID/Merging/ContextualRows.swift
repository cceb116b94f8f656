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
            placeRows(frame, roots, centres: nil, share: min(share, count), into: output)
            return
        }
        cluster(roots, into: share, worker)
        placeRows(frame, roots, centres: worker.lists.1, share: share, into: output)
    }

    /// Leaves in the worker's `lists.1` the centre (as a position among the roots) of every root, and in `packed.0` the
    /// aggregates.
    private func cluster(_ source: RootRows, into clusters: Int, _ worker: Worker) {
        let count = source.roots.count
        let rows = MatrixView(base: worker.packed.0, rows: count, columns: channels, stride: channels)
        for (row, root) in source.roots.enumerated() {
            let target = worker.packed.0 + row &* channels
            if tables.nextInTree[Int(root)] < 0 {
                clip.copyToken(Int(root), into: target)
            } else {
                aggregate(root: Int(root), into: worker.doublesA, worker)
                Exact.round(UnsafePointer(worker.doublesA), into: target, count: channels)
            }
        }
        let scale = centreRows(rows, into: worker.packed.1, worker)
        let centred = MatrixView(base: worker.packed.1, rows: count, columns: channels, stride: channels)
        BLAS.gram(centred, into: worker.products)
        squareDistances(count, worker)
        let (means, errors) = ((worker.scalars.0, worker.scalars.1), worker.scalars.2)
        DensityPeaks(
            count: count, clusters: clusters, distances: worker.products, errors: errors,
            unit: scale * scale / Double(channels), source: source,
            room: DensityPeaks.Room(
                meanLower: means.0, meanUpper: means.1, exactDensity: worker.doubles.0, exactDelta: worker.doubles.1,
                score: worker.values, deltaUpper: worker.doubles.2, deltaRanking: worker.doubles.3,
                isCentre: worker.flags),
            closeCalls: worker.closeCalls
        ).assign(centres: worker.lists.1)
    }

    /// Copies rows less their first one: distances stay, and the digits that all rows share do not drown those in which
    /// they differ. Rows beyond float32's squares are scaled down; returns the scale, a power of two.
    private func centreRows(_ rows: MatrixView, into centred: UnsafeMutablePointer<Float>, _ worker: Worker) -> Double {
        var largest: Float = 0
        let centre = rows.row(0)
        for row in 0..<rows.rows {
            let (source, target) = (rows.row(row), centred + row &* channels)
            for channel in 0..<channels {
                let difference = source[channel] - centre[channel]
                target[channel] = difference
                largest = max(largest, abs(difference))
            }
        }
        guard largest > 0, !(largest > 1e-9 && largest < 1e15) else { return 1 }
        // Twice the difference of two finite numbers may overflow: scale before subtracting.
        let exponent = largest.isFinite ? largest.exponent : 128
        let down = Float(sign: .plus, exponent: -exponent / 2, significand: 1)
        let rest = Float(sign: .plus, exponent: -exponent + exponent / 2, significand: 1)
        for row in 0..<rows.rows {
            let (source, target) = (rows.row(row), centred + row &* channels)
            for channel in 0..<channels {
                target[channel] = (source[channel] * down) * rest - (centre[channel] * down) * rest
            }
        }
        return Double(sign: .plus, exponent: exponent, significand: 1)
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
        _ frame: Int, _ source: RootRows, centres: UnsafeMutablePointer<Int32>?, share: Int, into output: OutputRows
    ) {
        let worker = source.worker
        let picks = picks(ofFrame: frame)
        var pick = 0
        var row = tables.firstRows[frame]
        func placePicks(upTo limit: Int) {
            while pick < picks.count, token(frame, Int(picks[pick])) <= limit {
                let place = token(frame, Int(picks[pick]))
                clip.copyToken(place, into: output.tokens + row &* channels)
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
                meanOfCluster(position, source, centres, into: output.tokens + row &* channels)
            } else {
                tables.centres[root] = Int32(root)
                placePicks(upTo: root)
                aggregate(root: root, into: worker.doublesA, worker)
                Exact.round(UnsafePointer(worker.doublesA), into: output.tokens + row &* channels, count: channels)
            }
            output.indices[row] = root
            output.kinds[row] = .contextual
            row += 1
        }
        placePicks(upTo: Int.max)
    }

    /// The plain mean of a cluster's rows.
    private func meanOfCluster(
        _ centre: Int, _ source: RootRows, _ centres: UnsafePointer<Int32>, into target: UnsafeMutablePointer<Float>
    ) {
        let worker = source.worker
        worker.doublesC.update(repeating: 0, count: channels)
        var members = 0
        for position in 0..<source.roots.count where Int(centres[position]) == centre {
            Exact.sum(worker.packed.0 + position &* channels, into: worker.doublesC, count: channels)
            members += 1
        }
        Exact.divide(worker.doublesC, by: members, count: channels)
        Exact.round(UnsafePointer(worker.doublesC), into: target, count: channels)
    }
}
