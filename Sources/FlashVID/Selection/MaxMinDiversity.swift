/// The greedy choice of tokens that are far from each other by calibrated distance (spec 4 and 12.1).
///
/// A column's weight may be negative (event relevance). The least of its weighted distances is then its farthest one, so
/// `distances` holds, for every candidate, the nearest or the farthest distance to what is chosen, whichever counts.
struct MaxMinDiversity {
    private let source: SelectionFrame
    private let cosines: CosineMatrix
    private let view: MatrixView
    private let count: Int
    private let weights: UnsafeMutablePointer<Interval>
    private let distances: UnsafeMutablePointer<Interval>
    private let values: UnsafeMutablePointer<Interval>
    private let isChosen: UnsafeMutablePointer<Bool>
    private let row: UnsafeMutablePointer<Float>
    /// A cosine above `Exact.same` counts as 1, which may take that much from a distance on top of rounding.
    private let tolerance: Double
    /// Published semantics, event form: a chosen token stays a candidate (spec 8.3).
    private let keepsCandidates: Bool

    init(_ source: SelectionFrame, _ cosines: CosineMatrix, _ view: MatrixView) {
        self.source = source
        self.view = view
        self.cosines = cosines
        let worker = source.worker
        let configuration = source.compression.configuration
        count = cosines.count
        weights = worker.weights
        distances = worker.distances
        values = worker.values
        isChosen = worker.flags
        row = worker.scalars.0
        tolerance = source.compression.tolerance + (1 - Exact.same)
        keepsCandidates =
            configuration.semantics == .published && configuration.selection == .attentionDiversityEvent
    }

    /// Fills `picks` in the order of choice.
    func select(into picks: UnsafeMutableBufferPointer<Int32>) {
        isChosen.update(repeating: false, count: count)
        let carries = source.hasCarried
        if carries {
            source.measureCarried(view, into: distances) { interval($0) }
        } else {
            measureIsolation()
        }
        for index in 0..<picks.count {
            let chosen = UnsafeMutableBufferPointer(rebasing: picks[..<index])
            let best = largestCandidate { token in
                if index == 0 && !carries {
                    exactIsolation(token)
                } else {
                    exactDistance(token, to: chosen, carries: carries)
                }
            }
            picks[index] = Int32(best)
            isChosen[best] = !keepsCandidates
            include(best, first: index == 0 && !carries)
        }
    }

    // MARK: Decision

    /// The candidate of largest weighted distance; of equal ones the first.
    private func largestCandidate(exactDistance: (Int) -> Double) -> Int {
        var threshold = -Double.infinity
        for token in 0..<count where !isChosen[token] {
            values[token] = weights[token].times(nonNegative: distances[token])
            threshold = max(threshold, values[token].lower)
        }
        var rival = -1
        var rivals = 0
        for token in 0..<count where !isChosen[token] && values[token].upper >= threshold {
            if rivals == 0 { rival = token }
            rivals += 1
        }
        guard rivals > 1 else { return rival }
        var best = -1
        var bestValue = -Double.infinity
        for token in rival..<count where !isChosen[token] && values[token].upper >= threshold {
            if !weights[token].isExact { source.settleWeight(token) }
            if !distances[token].isExact {
                source.worker.closeCalls.pointee += 1
                distances[token] = Interval(exactly: exactDistance(token))
            }
            let value = weights[token].lower * distances[token].lower
            if value > bestValue {
                best = token
                bestValue = value
            }
        }
        return best
    }

    private func attracts(_ token: Int) -> Bool { weights[token].lower >= 0 }

    private func interval(_ cosine: Float) -> Interval {
        let distance = 1 - Double(cosine)
        return Interval(max(0, distance - tolerance), max(0, distance + tolerance))
    }

    // MARK: First choice

    /// The second least weighted distance of every column, its own diagonal included: the first choice's measure.
    private func measureIsolation() {
        let (largest, smallest, second) = source.worker.scalars
        cosines.largest(into: largest)
        var hasRepelling = false
        for token in 0..<count where !attracts(token) { hasRepelling = true }
        for token in 0..<count {
            if count == 1 {
                distances[token] = Interval(exactly: source.isZero(token) ? 1 : 0)
            } else if source.isZero(token) {
                distances[token] = Interval(exactly: 1)
            } else {
                distances[token] = interval(largest[token])
            }
        }
        guard hasRepelling, count > 1 else { return }
        cosines.smallest(into: smallest, second: second)
        for token in 0..<count where !attracts(token) && !source.isZero(token) {
            // Its own distance, 0, is the third farthest, or with two tokens the second.
            distances[token] = count > 2 ? interval(second[token]) : Interval(exactly: 0)
        }
    }

    private func exactIsolation(_ token: Int) -> Double {
        let bound = distances[token]
        if attracts(token) {
            var nearest = Double.infinity
            for other in 0..<count where other != token && interval(cosines[token, other]).lower <= bound.upper {
                nearest = min(nearest, source.exactDistance(token, other))
            }
            return nearest
        }
        var farthest = -Double.infinity
        var second = -Double.infinity
        for other in 0..<count where other != token && interval(cosines[token, other]).upper >= bound.lower {
            let distance = source.exactDistance(token, other)
            second = max(second, min(farthest, distance))
            farthest = max(farthest, distance)
        }
        return second
    }

    // MARK: Further choices

    /// Takes a choice's distances into the candidates'.
    private func include(_ chosen: Int, first: Bool) {
        cosines.copy(row: chosen, into: row)
        for token in 0..<count {
            let distance =
                token == chosen ? Interval(exactly: source.isZero(token) ? 1 : 0) : interval(row[token])
            if first {
                distances[token] = distance
            } else if attracts(token) {
                distances[token] = .min(distances[token], distance)
            } else {
                distances[token] = .max(distances[token], distance)
            }
        }
    }

    private func exactDistance(
        _ token: Int, to chosen: UnsafeMutableBufferPointer<Int32>, carries: Bool
    ) -> Double {
        let bound = distances[token]
        let attracts = attracts(token)
        var result = attracts ? Double.infinity : -Double.infinity
        func take(_ distance: Double) { result = attracts ? min(result, distance) : max(result, distance) }
        for pick in chosen {
            let pick = Int(pick)
            if pick == token {
                take(source.isZero(token) ? 1 : 0)
                continue
            }
            let distance = interval(cosines[token, pick])
            if attracts ? distance.lower <= bound.upper : distance.upper >= bound.lower {
                take(source.exactDistance(token, pick))
            }
        }
        if carries {
            source.forEachCarried { place in take(source.exactDistance(places: source.place(token), place)) }
        }
        return result
    }
}
