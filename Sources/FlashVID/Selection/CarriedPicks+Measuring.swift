// Distances of tokens from carried picks in float32, within bounds: where they may decide.

extension CarriedPicks {
    /// Measures the distances of some tokens, by index, to all picks. One product, a block of picks at a time: 2·P·n·D flops
    /// for P picks and n tokens. Of tokens that have an origin the products are with the picks near to it alone.
    func measure(_ indices: Table<Int32>) {
        let batch = scratch.batch.part(0..<indices.count)
        batch.copy(indices)
        sort(batch)
        var plain = 0
        while plain < batch.count, group(Int(batch[plain])) == 0 { plain += 1 }
        let rows = gather(batch) { index in
            group(index) == 0
                ? tokens.tokens.row(index)
                : UnsafePointer(selection.room(worker).rows.row(index, of: clip.channels).base)
        }
        for index in batch.buffer { scratch.lower[Int(index)] = .infinity }
        scratch.groupReach.fill(.infinity)
        forEachBlock(of: plain == batch.count ? scratch.rows : scratch.rows / 2) { picks, block in
            if plain > 0 { measure(batch.part(0..<plain), rows, picks, block) }
            if let centred, plain < batch.count {
                measureNear(plain..<batch.count, batch, rows, picks, block, centred)
            }
        }
        for index in batch.buffer {
            let index = Int(index)
            let (lower, upper) = (scratch.lower[index], scratch.upper[index])
            scratch.isMeasured[index] = true
            scratch.distances[index] =
                scratch.signs[index] > 0
                ? .bounds(ofDistance: lower, upper) : .bounds(ofDistance: -upper, -lower)
        }
    }

    /// The number of the origin that was taken out of a token; 0 also where its farthest distance is asked for.
    @inline(__always)
    private func group(_ index: Int) -> Int {
        guard let centred, scratch.signs[index] > 0 else { return 0 }
        return centred.group(index)
    }

    private func sort(_ batch: Table<Int32>) {
        guard centred != nil else { return }
        for position in 1..<max(batch.count, 1) {
            let index = batch[position]
            var place = position
            while place > 0, group(Int(batch[place - 1])) > group(Int(index)) {
                batch[place] = batch[place - 1]
                place -= 1
            }
            batch[place] = index
        }
    }

    /// Measures tokens, the first of `rows`, from a block of picks.
    private func measure(_ batch: Table<Int32>, _ rows: MatrixView, _ picks: Range<Int>, _ block: MatrixView) {
        for (position, index) in batch.buffer.enumerated() {
            scratch.scales[position] = scratch.signs[Int(index)] * selection.inverseNorm(first &+ Int(index))
        }
        let hasExtremes = batch.buffer.contains { selection.isExtreme(first &+ Int($0)) }
        BLAS.products(
            block, MatrixView(base: rows.base, rows: batch.count, columns: rows.columns, stride: rows.stride),
            into: scratch.products.base)
        for (row, number) in picks.enumerated() {
            let pick = Int(scratch.picks[number])
            let distances = scratch.products.row(row, of: batch.count)
            let scale = selection.inverseNorm(pick)
            for position in 0..<batch.count {
                distances[position] =
                    scratch.signs[Int(batch[position])] - distances[position] * (scale * scratch.scales[position])
            }
            if hasExtremes || selection.isExtreme(pick) { settleExtremes(distances, pick, batch) }
            for position in 0..<batch.count {
                include(distances.base[position], within: tolerance, number, of: Int(batch.base[position]))
            }
        }
    }

    /// Computes the distances of extreme tokens in double.
    private func settleExtremes(_ distances: Table<Float>, _ pick: Int, _ batch: Table<Int32>) {
        for (position, index) in batch.buffer.enumerated() {
            let token = first &+ Int(index)
            guard selection.isExtreme(pick) || selection.isExtreme(token) else { continue }
            distances[position] = scratch.signs[Int(index)] * Float(1 - pair.cosine(token, pick, of: clip))
        }
    }

    /// Takes a distance from a pick, by sign, into those so far.
    @inline(__always)
    private func include(_ distance: Float, within error: Float, _ pick: Int, of index: Int) {
        let lower = distance - error
        if lower < scratch.lower[index] { scratch.lower[index] = lower }
        if distance + error < scratch.upper[index] { scratch.upper[index] = distance + error }
        if lower < scratch.last[index] { list(pick, lower, of: index) }
    }

    /// Puts a pick among the nearest of a token.
    private func list(_ pick: Int, _ lower: Float, of index: Int) {
        let picks = scratch.nearest.row(index, of: Scratch.listed)
        let bounds = scratch.nearestLower.row(index, of: Scratch.listed)
        var rank = Scratch.listed - 1
        while rank > 0, bounds[rank - 1] > lower {
            bounds[rank] = bounds[rank - 1]
            picks[rank] = picks[rank - 1]
            rank -= 1
        }
        bounds[rank] = lower
        picks[rank] = Int32(pick)
        scratch.last[index] = bounds[Scratch.listed - 1]
    }

    // MARK: Tokens that are much alike

    /// Measures tokens, `members` of the batch, from the picks of a block that may be their nearest, both less the tokens'
    /// origin: half the squared distance of unit vectors is 1 - cosine. Which may be, the picks' distances from the origin
    /// tell: a pick is no nearer to a token than to its origin, less what the token is from that.
    private func measureNear(
        _ members: Range<Int>, _ batch: Table<Int32>, _ rows: MatrixView, _ picks: Range<Int>, _ block: MatrixView,
        _ centred: CentredTokens
    ) {
        let channels = clip.channels
        let others = scratch.values.base + (scratch.rows / 2) &* channels
        BLAS.products(block, centred.origins.matrix, into: scratch.products.base)
        var start = members.lowerBound
        while start < members.upperBound {
            let group = group(Int(batch[start]))
            var end = start + 1
            while end < members.upperBound, self.group(Int(batch[end])) == group { end += 1 }
            let members = start..<end
            start = end
            let near = findNear(batch.part(members), group, picks, block, centred, into: others)
            guard near > 0 else { continue }
            for position in members {
                let row = rows.row(position)
                scratch.squaresLess[position] = DoublePrecision.dot(row, row, count: channels)
            }
            BLAS.products(
                MatrixView(base: others, rows: near, columns: channels, stride: channels),
                MatrixView(
                    base: rows.row(members.lowerBound), rows: members.count, columns: channels, stride: channels),
                into: scratch.nearProducts.base)
            for number in 0..<near {
                let other = others + number &* channels
                let square = DoublePrecision.dot(other, other, count: channels)
                for (column, position) in members.enumerated() {
                    let product = Double(scratch.nearProducts[number &* members.count &+ column])
                    let half = (scratch.squaresLess[position] + square) / 2
                    // |y||z| is at most half the sum of their squares. With what y and z are rounded by.
                    let error = Float(half) * (1.1 * tolerance + 0x1p-21) + 1e-14
                    include(
                        Float(max(0, half - product)), within: error, Int(scratch.near[number]),
                        of: Int(batch[position]))
                }
            }
        }
    }

    /// Finds the picks that may be the nearest to one of some tokens of a group, to `Scratch.near`, and writes them less
    /// the group's origin. Returns how many.
    private func findNear(
        _ tokens: Table<Int32>, _ group: Int, _ picks: Range<Int>, _ block: MatrixView, _ centred: CentredTokens,
        into others: UnsafeMutablePointer<Float>
    ) -> Int {
        let origins = centred.origins
        let slack = 4 * Double(tolerance)
        var nearest = scratch.groupReach[group]
        for row in 0..<picks.count {
            let number = picks.lowerBound + row
            guard !isApart(number), !selection.isExtreme(Int(scratch.picks[number])) else { continue }
            let square = squaredDistance(number, row, origins, group)
            nearest = min(nearest, max(0, square + slack).squareRoot())
        }
        scratch.groupReach[group] = nearest
        var reach = 0.0
        for index in tokens.buffer {
            let (index, length) = (Int(index), Double(centred.length(Int(index))))
            let chord = (nearest + length) * 1.0001
            let upper = min(scratch.upper[index], Float(chord * chord / 2).nextUp)
            scratch.upper[index] = upper
            // Distances below 1e-6 count as 0.
            reach = max(reach, length + (2 * (Double(max(0, upper)) * 1.001 + 3e-6)).squareRoot())
        }
        reach = reach * reach * 1.001 + slack
        var near = 0
        for row in 0..<picks.count {
            let number = picks.lowerBound + row
            guard !isApart(number) else {
                for index in tokens.buffer { include(1, within: 0, number, of: Int(index)) }
                continue
            }
            guard squaredDistance(number, row, origins, group) <= reach else { continue }
            scratch.near[near] = Int32(number)
            write(number, block.row(row), less: origins.row(group), into: others + near &* clip.channels)
            near += 1
        }
        return near
    }

    /// The squared distance of a pick, by number and by its row in the block, from an origin, as unit vectors, from their
    /// product; 0 where float32 does not tell it.
    @inline(__always)
    private func squaredDistance(_ number: Int, _ row: Int, _ origins: Origins, _ group: Int) -> Double {
        let pick = Int(scratch.picks[number])
        guard !selection.isExtreme(pick) else { return 0 }
        let product = scratch.products[row &* origins.count &+ group] * selection.inverseNorm(pick)
        return 1 + origins.product(group, group) - 2 * Double(product)
    }

    /// Whether a pick has no length, so that it is at a distance of 1 from all.
    private func isApart(_ number: Int) -> Bool { selection.isZero(Int(scratch.picks[number])) }
}
