/// TSTM, second half: the trees that the links of a segment make (spec 5.2; paper, section 3.3).
extension Compression {
    /// Decides which tokens of a segment merge, and threads every tree. Leaves the number of roots of every frame.
    func growTrees(segment: Int, _ worker: Worker) {
        let frames = frames(ofSegment: segment)
        let tokens = token(frames.lowerBound, 0)..<token(frames.upperBound, 0)
        if buildsTrees, frames.count > 1 {
            merge(tokens, keeping: budget.rows(of: frames), worker)
        }
        // Parents stand in earlier frames, so a root is known before what joins it.
        let lastInTree = tables.centres
        for token in tokens {
            tables.nextInTree[token] = -1
            guard tables.marks[token].contains(.merged) else {
                tables.roots[token] = Int32(token)
                lastInTree[token] = Int32(token)
                tables.parents[token] = -1
                continue
            }
            let root = Int(tables.roots[Int(tables.parents[token])])
            tables.roots[token] = Int32(root)
            tables.nextInTree[Int(lastInTree[root])] = Int32(token)
            lastInTree[root] = Int32(token)
        }
        for frame in frames {
            var count = 0
            for index in 0..<tokensPerFrame where isRoot(token(frame, index), segmentFrames: frames.count) {
                count += 1
            }
            tables.rootCounts[frame] = count
        }
    }

    /// Whether a token enters the contextual clustering of its frame.
    func isRoot(_ token: Int, segmentFrames: Int) -> Bool {
        let mark = tables.marks[token]
        if mark.contains(.merged) { return false }
        // Published semantics: a segment of one frame clusters its selected tokens too (spec 8.2).
        return !mark.contains(.selected) || (configuration.semantics == .published && segmentFrames == 1)
    }

    private func merge(_ tokens: Range<Int>, keeping floor: Int, _ worker: Worker) {
        var merged = 0
        for token in tokens where tables.similarities[token] > configuration.temporalThreshold {
            merged += 1
        }
        var threshold = configuration.temporalThreshold
        if tokens.count - merged < floor {
            let most = tokens.count - floor
            guard most > 0 else { return }
            threshold = max(largestSimilarity(rank: most, of: tokens, worker), -1 + 1e-6)
        }
        for token in tokens where tables.similarities[token] > threshold {
            tables.marks[token].insert(.merged)
        }
    }

    /// The k-th largest similarity, in double: those that rounding could move across it are settled.
    private func largestSimilarity(rank: Int, of tokens: Range<Int>, _ worker: Worker) -> Double {
        let ranking = UnsafeMutableBufferPointer(start: tables.ranking + tokens.lowerBound, count: tokens.count)
        func limit() -> Double {
            for (index, token) in tokens.enumerated() { ranking[index] = -tables.similarities[token] }
            return -OrderStatistic.smallest(rank - 1, of: ranking)
        }
        let near = limit()
        let reach = 2 * (tolerance + (1 - Exact.same))
        for token in tokens where tables.parents[token] >= 0 && abs(tables.similarities[token] - near) <= reach {
            worker.closeCalls.pointee += 1
            tables.similarities[token] = exactCosine(token, Int(tables.parents[token]), worker)
        }
        return limit()
    }
}

// MARK: - Aggregation

extension Compression {
    /// What a root becomes (spec 5.3): the mean or the maximum of its tree, in double, into `total` (D).
    func aggregate(root: Int, into total: UnsafeMutablePointer<Double>, _ worker: Worker) {
        switch configuration.aggregation {
        case .mean:
            let tokens = sum(ofListFrom: root, tables.nextInTree, into: total, worker)
            // Published semantics: divided by the direct children alone (spec 8.1).
            let isPublished = configuration.semantics == .published
            Exact.divide(total, by: isPublished ? 1 + childCount(ofRoot: root) : tokens, count: channels)
        case .max:
            _ = sum(ofListFrom: root, nil, into: total, worker)
            var next = Int(tables.nextInTree[root])
            while next >= 0 {
                Exact.maximum(clip.token(next, convertedInto: worker.rows), into: total, count: channels)
                next = Int(tables.nextInTree[next])
            }
        }
    }

    private func childCount(ofRoot root: Int) -> Int {
        var children = 0
        var next = Int(tables.nextInTree[root])
        while next >= 0 {
            if tables.parents[next] == Int32(root) { children += 1 }
            next = Int(tables.nextInTree[next])
        }
        return children
    }

    /// Sum of the tokens of a list, from `first` on along `next` (nil: the first alone), into `total` (D). Returns how many
    /// they are. A few at a time: they lie far from each other, and the time is that of waiting for memory.
    func sum(
        ofListFrom first: Int, _ next: UnsafePointer<Int32>?, into total: UnsafeMutablePointer<Double>, _ worker: Worker
    ) -> Int {
        var count = 0
        var token = first
        while token >= 0 {
            var number = 0
            func row() -> UnsafePointer<Float> {
                guard token >= 0 else { return UnsafePointer(worker.rows) }
                let row = clip.token(token, convertedInto: worker.rows + number &* channels)
                token = next.map { Int($0[token]) } ?? -1
                number += 1
                return row
            }
            let rows = (row(), row(), row(), row())
            Exact.sum(rows, number, into: total, adding: count > 0, count: channels)
            count += number
        }
        return count
    }
}
