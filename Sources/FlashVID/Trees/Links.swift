/// TSTM, first half: which token of the frame before each token follows (spec 5.1; paper, section 3.3).
struct Links: BitwiseCopyable {
    struct Space: BitwiseCopyable {
        /// [F·N] best match in the frame before, or -1.
        fileprivate let parents: Table<Int32>
        /// [F·N] cosine with the best match, named or not; -1 where there is none to look for.
        fileprivate let similarities: Table<Double>
        /// [F·N] what that cosine may err by: 0 where it was computed in double.
        fileprivate let errors: Table<Float>
        /// [threads]
        let scratch: Table<Scratch>
        fileprivate let selection: Slot<Selection>

        init(_ clip: Clip, scratch: Table<Scratch>, plan: inout Arena.Plan) {
            let tokens = clip.frames * clip.tokensPerFrame
            parents = plan.table(Int32.self, tokens)
            similarities = plan.table(Double.self, tokens)
            errors = plan.table(Float.self, tokens)
            self.scratch = scratch
            selection = Slot(plan: &plan)
        }
    }

    /// What a thread needs to link a frame with the one before.
    struct Scratch: BitwiseCopyable {
        /// [N] tokens of the later frame that take part in the product.
        let rowTokens: Table<Int32>
        /// [N] what turns a product with an earlier token into its distance.
        fileprivate let scales: Table<Float>
        let shifts: Table<Float>
        /// [N] distances of an earlier token from its frame.
        fileprivate let apart: Table<Float>
        /// [N] earlier tokens that are near enough, and distances from these.
        fileprivate let candidates: Table<Int32>
        fileprivate let nearby: Table<Float>
        /// [N] of those, the ones that may be the nearest.
        fileprivate let rivals: Table<Int32>
        fileprivate let pair: TokenPair
        let origins: OriginScratch

        init(_ clip: Clip, plan: inout Arena.Plan) {
            let count = clip.tokensPerFrame
            rowTokens = plan.table(Int32.self, count)
            scales = plan.table(Float.self, count)
            shifts = plan.table(Float.self, count)
            apart = plan.table(Float.self, count)
            candidates = plan.table(Int32.self, count)
            nearby = plan.table(Float.self, count)
            rivals = plan.table(Int32.self, count)
            pair = TokenPair(clip, plan: &plan)
            origins = OriginScratch(clip, plan: &plan)
        }
    }

    let space: Space
    var selection: Selection { space.selection.value }
    var input: Input { selection.input }
    var clip: Clip { input.clip }

    init(_ selection: Selection, in space: Space) {
        self.space = space
        space.selection.keep(selection)
    }

    /// Whether trees are built at all.
    var areWanted: Bool { input.budget.contextual > 0 && input.configuration.temporalThreshold < 1 }

    // MARK: Reading

    /// [F·N] best match in the frame before, or -1. ``Forest`` takes it over.
    var parents: Table<Int32> { space.parents }

    /// Cosine of a token with its best match, named or not, in float32, or in double where it was settled; -1 where there is
    /// none to look for.
    @inline(__always)
    func similarity(_ token: Int) -> Double { space.similarities[token] }

    /// Bounds of the same. One without a parent lies below the threshold with all its bounds, and need not be known better.
    @inline(__always)
    func bounds(_ token: Int) -> Interval {
        space.parents[token] < 0 || space.errors[token] == 0
            ? Interval(exactly: space.similarities[token])
            : .similarity(Float(1 - space.similarities[token]), within: space.errors[token])
    }

    /// Computes a token's cosine with its parent in double.
    func settle(_ token: Int, _ worker: Worker) {
        worker.countCloseCall()
        setSimilarity(
            token, exactly: space.scratch[worker.number].pair.cosine(token, Int(space.parents[token]), of: clip))
    }

    private func setSimilarity(_ token: Int, exactly cosine: Double) {
        space.similarities[token] = cosine
        space.errors[token] = 0
    }

    // MARK: Linking

    /// No parents for a frame: the first of its segment, or of a clip without trees.
    func unlink(frame: Int) {
        let tokens = clip.tokens(ofFrame: frame)
        space.parents.fill(tokens, with: -1)
        space.similarities.fill(tokens, with: -1)
        space.errors.fill(tokens, with: 0)
    }

    /// Finds, for every free token of `later`, its best match among the free tokens of the frame before. Matches at or
    /// below the threshold merge nothing and stay unnamed. O(N²·D) in one product at the most.
    func link(_ later: Selection.Frame, to earlier: Selection.Frame, _ worker: Worker) {
        unlink(frame: later.number)
        let scratch = space.scratch[worker.number]
        let count = clip.tokensPerFrame
        let (laterTokens, earlierTokens) = (clip.tokens(ofFrame: later.number), clip.tokens(ofFrame: earlier.number))
        let exact = ExactCosines(
            from: later.classes, to: earlier.classes, in: selection.exactCosines(worker), worker)
        // Selected columns are pushed out of reach.
        var hasColumns = false
        for index in 0..<count {
            let isSelected = selection.isSelected(earlierTokens.lowerBound &+ index)
            scratch.scales[index] = isSelected ? 0 : selection.inverseNorm(earlierTokens.lowerBound &+ index)
            scratch.shifts[index] = isSelected ? Self.unreachable : 1
            hasColumns = hasColumns || !isSelected
        }
        guard hasColumns else { return }
        let hasExtremes =
            selection.hasExtremes(inFrame: later.number) || selection.hasExtremes(inFrame: earlier.number)

        var rows = 0
        for index in 0..<count where !selection.isSelected(laterTokens.lowerBound &+ index) {
            if !hasExtremes,
                linkEqual(index, later, to: earlier, exact, worker)
                    || linkNearby(index, later, to: earlier, exact, scratch, worker)
            {
                continue
            }
            scratch.rowTokens[rows] = Int32(index)
            rows += 1
        }
        guard rows > 0 else { return }
        if !hasExtremes, let laterCentred = later.distances?.centred, let centred = earlier.distances?.centred {
            link(later, laterCentred, to: centred, rows: rows, exact, worker)
            return
        }
        multiply(later.tokens, earlier.tokens, rows: rows, scratch, worker)
        let error = Float(input.tolerance).nextUp
        for row in 0..<rows {
            let token = laterTokens.lowerBound &+ Int(scratch.rowTokens[row])
            let distances = selection.room(worker).products.row(row, of: count)
            let scale = selection.inverseNorm(token)
            for column in 0..<count {
                distances[column] = scratch.shifts[column] - distances[column] * (scale * scratch.scales[column])
            }
            if hasExtremes { settleExtremes(distances, token, earlierTokens, scratch.pair) }
            nameParent(
                token, distances, count: count, exact, scratch, worker, error: { _ in error }, candidate: { $0 })
        }
    }

    /// The distance of a token that is no candidate.
    static let unreachable: Float = 8

    /// Products of some later tokens with the earlier frame.
    private func multiply(
        _ later: MatrixView, _ earlier: MatrixView, rows: Int, _ scratch: Scratch, _ worker: Worker
    ) {
        let room = selection.room(worker)
        for row in 0..<rows {
            room.rows.row(row, of: clip.channels).copy(later.row(Int(scratch.rowTokens[row])))
        }
        BLAS.products(
            MatrixView(base: room.rows.base, rows: rows, columns: clip.channels, stride: clip.channels), earlier,
            into: room.products.base)
    }

    /// Computes the distances of extreme tokens in double.
    private func settleExtremes(
        _ distances: Table<Float>, _ token: Int, _ earlierTokens: Range<Int>, _ pair: TokenPair
    ) {
        for (column, earlier) in earlierTokens.enumerated() {
            if selection.isSelected(earlier) {
                distances[column] = Self.unreachable
            } else if selection.isExtreme(token) || selection.isExtreme(earlier) {
                distances[column] = Float(1 - pair.cosine(token, earlier, of: clip))
            }
        }
    }

    // MARK: Equal

    /// Links a token to one that is equal, if the frame before has one that is free: the best match there can be, unless one
    /// at a lower index counts as equal too, which its angle to the equal one tells.
    private func linkEqual(
        _ index: Int, _ later: Selection.Frame, to earlier: Selection.Frame, _ exact: ExactCosines, _ worker: Worker
    ) -> Bool {
        let (twin, token) = (later.classes.twin(index), later.number &* clip.tokensPerFrame &+ index)
        guard twin >= 0, let distances = earlier.distances, !selection.isZero(token) else { return false }
        let earlierFirst = earlier.number &* clip.tokensPerFrame
        for other in 0..<clip.tokensPerFrame where !selection.isSelected(earlierFirst &+ other) {
            let isEqual = earlier.classes.first(other) == twin
            if isEqual || (distances.bounds(twin, other).lower == 0 && exact[index, other] == 1) {
                if isEqual { worker.countSettled(byClass: 1) }
                space.parents[token] = Int32(earlierFirst &+ other)
                setSimilarity(token, exactly: 1)
                return true
            }
        }
        return false
    }

    // MARK: Nearby

    /// Links a token without a product of frames, if what is known of the frame before leaves few candidates.
    ///
    /// Angles obey the triangle inequality: a token at angle a from the one at its own place in the frame before is no
    /// nearer than b - a to a token at angle b from that one. Only tokens within 2a of it can be better matches, and the
    /// angles within the frame are known from its selection. Slow or still parts of a picture leave a handful, and single
    /// dot products with these cost less than a row of the product.
    private func linkNearby(
        _ index: Int, _ later: Selection.Frame, to earlier: Selection.Frame, _ exact: ExactCosines,
        _ scratch: Scratch, _ worker: Worker
    ) -> Bool {
        let earlierFirst = earlier.number &* clip.tokensPerFrame
        let (token, anchor) = (later.number &* clip.tokensPerFrame &+ index, earlierFirst &+ index)
        guard let pairs = earlier.distances, pairs.centred == nil, !selection.isSelected(anchor) else { return false }
        let row = later.tokens.row(index)
        func distance(_ other: Int) -> Float {
            1 - BLAS.dot(row, earlier.tokens.row(other), count: clip.channels)
                * (selection.inverseNorm(token) * selection.inverseNorm(earlierFirst &+ other))
        }
        let nearest = distance(index)
        // Cosines above `same` are equal (spec 1), so a match is as good as one at that angle.
        let certain = min(1 - Double(nearest) - input.tolerance, DoublePrecision.same)
        guard certain > 0.5 else { return false }
        // 1 - cos(2a), by the double-angle formula.
        let limit = Float(2 - 2 * certain * certain + 2 * input.tolerance).nextUp

        pairs.copy(row: index, into: scratch.apart.base)
        // A dot product costs several times its share of a matrix product.
        let most = max(1, clip.tokensPerFrame / 12)
        var count = 0
        for other in 0..<clip.tokensPerFrame
        where scratch.apart[other] <= limit && !selection.isSelected(earlierFirst &+ other) {
            guard count < most else { return false }
            scratch.candidates[count] = Int32(other)
            count += 1
        }
        for candidate in 0..<count {
            let other = Int(scratch.candidates[candidate])
            scratch.nearby[candidate] = other == index ? nearest : distance(other)
        }
        let error = Float(input.tolerance).nextUp
        nameParent(
            token, scratch.nearby, count: count, exact, scratch, worker, error: { _ in error },
            candidate: { Int(scratch.candidates[$0]) })
        return true
    }

    // MARK: Decision

    /// Names the parent of a token among `count` candidates, of which the distances are given, each with what it may err by:
    /// the nearest, and of equally near ones the first. One that cannot be above the threshold stays unnamed. `candidate`
    /// tells their indices in the frame before.
    @inline(__always)
    func nameParent(
        _ token: Int, _ distances: Table<Float>, count: Int, _ exact: ExactCosines, _ scratch: Scratch,
        _ worker: Worker, error: (Int) -> Float, candidate: (Int) -> Int
    ) {
        let index = token % clip.tokensPerFrame
        let earlierFirst = token &- index &- clip.tokensPerFrame
        var (least, nearest) = (Float.infinity, 0)
        for index in 0..<count where distances[index] < least { (least, nearest) = (distances[index], index) }
        let reach = Interval.similarity(least, within: error(nearest))
        space.similarities[token] = 1 - Double(least)
        space.errors[token] = error(nearest)
        // Few are within reach of the nearest: a distance errs by the tolerance at the most, and counts as 0 below 1e-6.
        let limit = least + 3 * Float(input.tolerance) + 2e-6
        var rivals = 0
        var upper = -Double.infinity
        for index in 0..<count where distances[index] <= limit {
            let bounds = Interval.similarity(distances[index], within: error(index))
            guard bounds.upper >= reach.lower else { continue }
            upper = max(upper, bounds.upper)
            scratch.rivals[rivals] = Int32(index)
            rivals += 1
        }
        guard upper > input.configuration.temporalThreshold else { return }

        func bounds(_ rival: Int) -> Interval {
            let index = Int(scratch.rivals[rival])
            return .similarity(distances[index], within: error(index))
        }
        let parent = Decision.largest(
            of: 0..<rivals, lower: { bounds($0).lower }, upper: { bounds($0).upper }, limit: 1, comparesSettled: true,
            settle: { rival in
                let known = bounds(rival)
                return known.isExact ? known.lower : exact[index, candidate(Int(scratch.rivals[rival]))]
            })
        let chosen = Int(scratch.rivals[parent.index])
        space.parents[token] = Int32(earlierFirst &+ candidate(chosen))
        if let cosine = parent.value {
            worker.countCloseCall()
            setSimilarity(token, exactly: cosine)
        } else if bounds(parent.index).lower <= input.configuration.temporalThreshold {
            worker.countCloseCall()
            setSimilarity(token, exactly: exact[index, candidate(chosen)])
        } else {
            let similarity = bounds(parent.index)
            space.similarities[token] = similarity.isExact ? similarity.lower : min(1, 1 - Double(distances[chosen]))
            space.errors[token] = similarity.isExact ? 0 : error(chosen)
        }
    }
}

extension Interval {
    /// Bounds of a cosine from 1 less the same (see ``distance(_:within:)``).
    @inline(__always)
    fileprivate static func similarity(_ distance: Float, within error: Float) -> Interval {
        let bounds = Interval.distance(distance, within: error)
        return Interval(1 - bounds.upper, 1 - bounds.lower)
    }
}
