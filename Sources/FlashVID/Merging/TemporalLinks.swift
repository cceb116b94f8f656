/// TSTM, first half: which token of the frame before each token follows (spec 5.1; paper, section 3.3).
extension Compression {
    /// A frame after its selection, as the next one meets it.
    struct SelectedFrame {
        let frame: Int
        let tokens: MatrixView
        /// Cosines of its tokens with each other, where selection needed them.
        let cosines: CosineMatrix?
    }

    /// Whether trees are built at all.
    var buildsTrees: Bool { budget.contextual > 0 && configuration.temporalThreshold < 1 }

    /// No parents for a frame: the first of its segment, or of a clip without trees.
    func unlink(frame: Int) {
        let first = token(frame, 0)
        (tables.parents + first).update(repeating: -1, count: tokensPerFrame)
        (tables.similarities + first).update(repeating: -1, count: tokensPerFrame)
    }

    /// Finds, for every free token of `later`, its best match among the free tokens of the frame before. Matches at or
    /// below the threshold merge nothing and stay unnamed. O(N²·D) in one product at the most.
    func link(_ later: SelectedFrame, to earlier: SelectedFrame, _ worker: Worker) {
        unlink(frame: later.frame)
        let count = tokensPerFrame
        let (laterFirst, earlierFirst) = (token(later.frame, 0), token(earlier.frame, 0))
        // Selected columns are pushed out of a cosine's range.
        let (scales, shifts) = (worker.scalars.0, worker.scalars.1)
        var hasExtremes = false
        var hasColumns = false
        for index in 0..<count {
            let isSelected = isSelected(earlierFirst &+ index)
            scales[index] = isSelected ? 0 : tables.inverseNorms[earlierFirst &+ index]
            shifts[index] = isSelected ? -4 : 0
            hasColumns = hasColumns || !isSelected
            hasExtremes =
                hasExtremes || tables.marks[earlierFirst &+ index].contains(.extreme)
                || tables.marks[laterFirst &+ index].contains(.extreme)
        }
        guard hasColumns else { return }

        var rows = 0
        for index in 0..<count where !isSelected(laterFirst &+ index) {
            if !hasExtremes, linkNearby(index, later, to: earlier, worker) { continue }
            (worker.packed + rows &* channels).update(from: later.tokens.row(index), count: channels)
            worker.lists.0[rows] = Int32(index)
            rows += 1
        }
        BLAS.products(
            MatrixView(base: worker.packed, rows: rows, columns: channels, stride: channels), earlier.tokens,
            into: worker.products)
        for row in 0..<rows {
            let place = laterFirst &+ Int(worker.lists.0[row])
            let cosines = worker.products + row &* count
            let scale = tables.inverseNorms[place]
            for column in 0..<count {
                cosines[column] = cosines[column] * (scale * scales[column]) + shifts[column]
            }
            if hasExtremes { mend(cosines, place, earlierFirst, worker) }
            settle(place, cosines, count: count, worker) { earlierFirst &+ $0 }
        }
    }

    // MARK: Nearby

    /// Links a token without a product of frames, if what is known of the frame before leaves few candidates.
    ///
    /// Angles obey the triangle inequality: a token at angle a from the one at its own place in the frame before is no
    /// nearer than b - a to a token at angle b from that one. Only tokens within 2a of it can be better matches, and the
    /// angles within the frame are known from its selection. Slow or still parts of a picture leave a handful, and single
    /// dot products with these cost less than a row of the product.
    private func linkNearby(
        _ index: Int, _ later: SelectedFrame, to earlier: SelectedFrame, _ worker: Worker
    ) -> Bool {
        let (place, anchor) = (token(later.frame, index), token(earlier.frame, index))
        guard let angles = earlier.cosines, !isSelected(anchor) else { return false }
        let row = later.tokens.row(index)
        func cosine(_ other: Int) -> Float {
            BLAS.dot(row, earlier.tokens.row(other), count: channels)
                * (tables.inverseNorms[place] * tables.inverseNorms[token(earlier.frame, other)])
        }
        let nearest = cosine(index)
        // Cosines above `same` are equal (spec 1), so a match is as good as one at that angle.
        let certain = min(Double(nearest) - tolerance, Exact.same)
        guard certain > 0.5 else { return false }
        let limit = Float(2 * certain * certain - 1 - 2 * tolerance).nextDown

        angles.copy(row: index, into: worker.scalars.2)
        let most = max(1, tokensPerFrame / 12)
        let (candidates, cosines) = (worker.lists.1, worker.nearby)
        var count = 0
        for other in 0..<tokensPerFrame
        where worker.scalars.2[other] >= limit && !isSelected(token(earlier.frame, other)) {
            guard count < most else { return false }
            candidates[count] = Int32(other)
            count += 1
        }
        for candidate in 0..<count {
            let other = Int(candidates[candidate])
            cosines[candidate] = other == index ? nearest : cosine(other)
        }
        settle(place, cosines, count: count, worker) { token(earlier.frame, Int(candidates[$0])) }
        return true
    }

    // MARK: Decision

    /// Names the parent of a token among `count` candidates: the best, in double where rounding could swap it for another,
    /// and the first of equal ones.
    private func settle(
        _ place: Int, _ cosines: UnsafePointer<Float>, count: Int, _ worker: Worker, candidate: (Int) -> Int
    ) {
        let reach = tolerance + (1 - Exact.same)
        var largest = -Float.infinity
        for index in 0..<count { largest = max(largest, cosines[index]) }
        let best = min(Double(largest), 1)
        tables.similarities[place] = best
        guard best + reach > configuration.temporalThreshold else { return }

        let limit = Float(best - 2 * reach).nextDown
        var first = -1
        var rivals = 0
        for index in 0..<count where cosines[index] >= limit {
            if rivals == 0 { first = index }
            rivals += 1
        }
        tables.parents[place] = Int32(candidate(first))
        guard rivals > 1 || best - reach <= configuration.temporalThreshold else { return }

        worker.closeCalls.pointee += 1
        var exact = -Double.infinity
        for index in first..<count where cosines[index] >= limit {
            let cosine = exactCosine(place, candidate(index), worker)
            if cosine > exact {
                exact = cosine
                tables.parents[place] = Int32(candidate(index))
                if exact == 1 { break }
            }
        }
        tables.similarities[place] = exact
    }

    func exactCosine(_ a: Int, _ b: Int, _ worker: Worker) -> Double {
        Exact.cosine(
            clip.token(a, convertedInto: worker.rowA), clip.token(b, convertedInto: worker.rowB), count: channels)
    }

    /// Computes the cosines of extreme tokens in double.
    private func mend(
        _ cosines: UnsafeMutablePointer<Float>, _ place: Int, _ earlierFirst: Int, _ worker: Worker
    ) {
        let isExtreme = tables.marks[place].contains(.extreme)
        for column in 0..<tokensPerFrame where !isSelected(earlierFirst &+ column) {
            if isExtreme || tables.marks[earlierFirst &+ column].contains(.extreme) {
                cosines[column] = Float(exactCosine(place, earlierFirst &+ column, worker))
            }
        }
        for column in 0..<tokensPerFrame where isSelected(earlierFirst &+ column) { cosines[column] = -4 }
    }
}
