/// The greedy choice of tokens that are far from each other by calibrated distance (spec 4 and 12.1).
///
/// A token's weight may be negative (event relevance). The least of its weighted distances is then its farthest one, so
/// `distances` holds, for every candidate, the nearest or the farthest distance to what is chosen, whichever counts.
struct MaxMinDiversity {
    /// What a thread needs for a frame, [N] each.
    struct Scratch: BitwiseCopyable {
        fileprivate let distances: Table<Interval>
        /// The same to what is chosen in the frame alone, where picks are carried.
        fileprivate let own: Table<Interval>
        fileprivate let weighted: Table<Interval>
        /// Candidates that are measured next, and room for an order statistic.
        fileprivate let rivals: Table<Int32>
        fileprivate let ranking: Table<Double>
        fileprivate let isChosen: Table<Bool>
        /// Distances of a choice from all tokens.
        fileprivate let fromChoice: Table<Float>
        /// Bounds of the distance to the second farthest other token, and room for that.
        fileprivate let lower: Table<Float>
        fileprivate let upper: Table<Float>
        fileprivate let farthest: Table<Float>

        init(_ clip: Clip, plan: inout Arena.Plan) {
            let count = clip.tokensPerFrame
            distances = plan.table(Interval.self, count)
            own = plan.table(Interval.self, count)
            weighted = plan.table(Interval.self, count)
            rivals = plan.table(Int32.self, count)
            ranking = plan.table(Double.self, count)
            isChosen = plan.table(Bool.self, count)
            fromChoice = plan.table(Float.self, count)
            lower = plan.table(Float.self, count)
            upper = plan.table(Float.self, count)
            farthest = plan.table(Float.self, count)
        }
    }

    private let selection: Selection
    private let frame: Int
    private let classes: TokenClasses
    private let pairs: FrameDistances
    private let exactCosines: ExactCosines
    private let weights: SelectionWeights
    private let carried: CarriedPicks?
    private let scratch: Scratch
    private let worker: Worker
    private var count: Int { pairs.count }
    private var distances: Table<Interval> { scratch.distances }

    init(
        _ selection: Selection, _ frame: Int, _ classes: TokenClasses, _ distances: FrameDistances,
        _ weights: SelectionWeights, _ carried: CarriedPicks.Scratch, _ scratch: Selection.Scratch, _ worker: Worker
    ) {
        self.selection = selection
        self.frame = frame
        self.classes = classes
        pairs = distances
        exactCosines = ExactCosines(within: classes, in: scratch.exactCosines, worker)
        self.weights = weights
        self.carried = CarriedPicks(
            selection, frame, classes, distances.centred, weights, carried, scratch.pair, worker)
        self.scratch = scratch.diversity
        self.worker = worker
    }

    /// Fills `picks` in the order of choice.
    func select(into picks: Table<Int32>) {
        scratch.isChosen.fill(false)
        if let carried {
            for index in 0..<count {
                distances[index] = carried[index]
                scratch.own[index] =
                    weights.countsNearest(index) ? Interval(exactly: .infinity) : Interval(exactly: -.infinity)
            }
        } else {
            isolate()
        }
        let keepsCandidates = selection.input.configuration.keepsChosenCandidates
        var batch = (size: max(8, 3 * picks.count / 2), next: max(8, picks.count / 2))
        var isExact = false
        for position in 0..<picks.count {
            if exactCosines.areKnown, !isExact, position > 0 {
                isExact = true
                for index in 0..<count where !distances[index].isExact && isMeasured(index) {
                    distances[index] = Interval(exactly: exactDistance(index, to: picks.part(0..<position)))
                }
            }
            let isFirst = position == 0 && carried == nil
            weigh()
            if let carried { measureRivals(carried, by: &batch) }
            let choice = mostDistant { index in
                isFirst ? exactIsolation(index) : exactDistance(index, to: picks.part(0..<position))
            }
            picks[position] = Int32(choice)
            scratch.isChosen[choice] = !keepsCandidates
            include(choice, first: isFirst)
        }
    }

    // MARK: Decision

    private func weigh() {
        for index in 0..<count where !scratch.isChosen[index] {
            scratch.weighted[index] = weights[index].times(nonNegative: distances[index])
        }
    }

    /// The candidate of largest weighted distance; of equal ones the first.
    private func mostDistant(settle: (Int) -> Double) -> Int {
        Decision.largest(
            of: 0..<count, where: { !scratch.isChosen[$0] }, lower: { scratch.weighted[$0].lower },
            upper: { scratch.weighted[$0].upper }, comparesSettled: true,
            settle: { index in
                // Of weight 0, a token is of weighted distance 0 from anything.
                if scratch.weighted[index].isExact { return scratch.weighted[index].lower }
                if !weights[index].isExact { weights.settle(index) }
                if !distances[index].isExact {
                    worker.countCloseCall()
                    distances[index] = Interval(exactly: settle(index))
                }
                return weights[index].lower * distances[index].lower
            }
        ).index
    }

    private func isZero(_ index: Int) -> Bool { selection.isZero(token(index)) }

    private func token(_ index: Int) -> Int { frame &* count &+ index }

    private func exactDistance(_ a: Int, _ b: Int) -> Double { 1 - exactCosines[a, b] }

    /// Whether a token is known to have a distance of 0 to another.
    private func hasEqual(_ index: Int) -> Bool { classes.size(index) > 1 && !isZero(index) }

    // MARK: Carried picks

    /// Whether a token's distance to carried picks is known as well as float32 tells it.
    private func isMeasured(_ index: Int) -> Bool { carried?.isMeasured(index) ?? true }

    /// Measures the distances to carried picks of the candidates that may be the next choice, those of the largest bounds
    /// first, and so many together: at last all, in few products.
    private func measureRivals(_ carried: CarriedPicks, by batch: inout (size: Int, next: Int)) {
        while true {
            var threshold = -Double.infinity
            func isKnown(_ index: Int) -> Bool { carried.isMeasured(index) || scratch.weighted[index].isExact }
            for index in 0..<count where !scratch.isChosen[index] && isKnown(index) {
                threshold = max(threshold, scratch.weighted[index].lower)
            }
            func mayBeNext(_ index: Int) -> Bool {
                !scratch.isChosen[index] && !isKnown(index) && scratch.weighted[index].upper >= threshold
            }
            var possible = 0
            for index in 0..<count where mayBeNext(index) {
                scratch.ranking[possible] = scratch.weighted[index].upper
                possible += 1
            }
            guard possible > 0 else { return }
            // A few more make no difference.
            let isWhole = possible <= batch.size + batch.size / 2
            let least =
                isWhole
                ? -.infinity
                : OrderStatistic.smallest(possible - batch.size, of: scratch.ranking.part(0..<possible).buffer)
            var number = 0
            for index in 0..<count where mayBeNext(index) && scratch.weighted[index].upper >= least {
                scratch.rivals[number] = Int32(index)
                number += 1
            }
            carried.measure(scratch.rivals.part(0..<number))
            var misled = 0
            for index in scratch.rivals.part(0..<number).buffer {
                let index = Int(index)
                if 4 * carried[index].upper < distances[index].upper { misled += 1 }
                distances[index] =
                    weights.countsNearest(index)
                    ? .min(scratch.own[index], carried[index]) : .max(scratch.own[index], carried[index])
                scratch.weighted[index] = weights[index].times(nonNegative: distances[index])
            }
            // Hints that told little for these tell little for the others.
            batch = 2 * misled > number ? (count, count) : (batch.next, 2 * batch.next)
        }
    }

    // MARK: First choice

    /// The second least weighted distance of every token, that to itself included: the first choice's measure.
    private func isolate() {
        for index in 0..<count {
            if count == 1 {
                distances[index] = Interval(exactly: isZero(index) ? 1 : 0)
            } else if isZero(index) {
                distances[index] = Interval(exactly: 1)
            } else if hasEqual(index) {
                distances[index] = Interval(exactly: 0)
                worker.countSettled(byClass: 1)
            } else {
                distances[index] = pairs.nearest(index)
            }
        }
        guard count > 1, (0..<count).contains(where: { !weights.countsNearest($0) }) else { return }
        pairs.secondFarthest(into: scratch.lower, scratch.upper, first: scratch.farthest)
        for index in 0..<count where !weights.countsNearest(index) && !isZero(index) {
            // Its own distance, 0, is the third farthest, or with two tokens the second.
            distances[index] =
                count > 2 ? .bounds(ofDistance: scratch.lower[index], scratch.upper[index]) : Interval(exactly: 0)
        }
    }

    private func exactIsolation(_ index: Int) -> Double {
        let bound = distances[index]
        if weights.countsNearest(index) {
            var nearest = Double.infinity
            for other in 0..<count where other != index && pairs.bounds(index, other).lower <= bound.upper {
                nearest = min(nearest, exactDistance(index, other))
                if nearest == 0 { break }
            }
            return nearest
        }
        var farthest = -Double.infinity
        var second = -Double.infinity
        for other in 0..<count where other != index && pairs.bounds(index, other).upper >= bound.lower {
            let distance = exactDistance(index, other)
            second = max(second, min(farthest, distance))
            farthest = max(farthest, distance)
        }
        return second
    }

    // MARK: Further choices

    /// Takes a choice's distances into the candidates'.
    private func include(_ choice: Int, first: Bool) {
        if exactCosines.areKnown {
            for index in 0..<count { take(Interval(exactly: exactDistance(index, choice)), at: index, first: first) }
            return
        }
        pairs.copy(row: choice, into: scratch.fromChoice.base)
        let error = pairs.error(choice)
        let own = Interval(exactly: isZero(choice) ? 1 : 0)
        let repeats = classes.size(choice) > 1
        for index in 0..<count {
            let isEqual = index == choice || (repeats && classes.first(index) == classes.first(choice))
            let bounds = Interval.distance(scratch.fromChoice[index], within: error + pairs.error(index))
            take(isEqual ? own : bounds, at: index, first: first)
        }
    }

    @inline(__always)
    private func take(_ distance: Interval, at index: Int, first: Bool) {
        if first {
            distances[index] = distance
        } else if weights.countsNearest(index) {
            distances[index] = .min(distances[index], distance)
            if carried != nil { scratch.own[index] = .min(scratch.own[index], distance) }
        } else {
            distances[index] = .max(distances[index], distance)
            if carried != nil { scratch.own[index] = .max(scratch.own[index], distance) }
        }
    }

    /// The nearest or farthest distance to what is chosen, from those that may be it.
    private func exactDistance(_ index: Int, to chosen: Table<Int32>) -> Double {
        let bound = distances[index]
        let countsNearest = weights.countsNearest(index)
        var result = countsNearest ? Double.infinity : -Double.infinity
        func take(_ distance: Double) { result = countsNearest ? min(result, distance) : max(result, distance) }
        func isInReach(_ interval: Interval) -> Bool {
            countsNearest ? interval.lower <= bound.upper : interval.upper >= bound.lower
        }
        for pick in chosen.buffer {
            let pick = Int(pick)
            if isInReach(pairs.bounds(index, pick)) { take(exactDistance(index, pick)) }
        }
        if let carried, isInReach(carried[index]) { take(carried.exactDistance(index)) }
        return result
    }
}
