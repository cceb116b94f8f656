/// TSTM, first half: which token of the frame before each token follows (spec 5.1; paper, section 3.3).
struct Links: BitwiseCopyable {
    struct Space: BitwiseCopyable {
        /// [F·N] best match in the frame before, or -1.
        fileprivate let parents: Table<Int32>
        /// [F·N] cosine with the best match, named or not; -1 where there is none to look for.
        fileprivate let similarities: Table<Double>
        /// [F·N] whether that cosine was computed in double.
        fileprivate let isSettled: Table<Bool>
        /// [threads]
        fileprivate let scratch: Table<Scratch>
        fileprivate let selection: Slot<Selection>

        init(_ clip: Clip, scratch: Table<Scratch>, plan: inout Arena.Plan) {
            let tokens = clip.frames * clip.tokensPerFrame
            parents = plan.table(Int32.self, tokens)
            similarities = plan.table(Double.self, tokens)
            isSettled = plan.table(Bool.self, tokens)
            self.scratch = scratch
            selection = Slot(plan: &plan)
        }
    }

    /// What a thread needs to link a frame with the one before.
    struct Scratch: BitwiseCopyable {
        /// [N, D] tokens of the later frame that take part in the product, and [N] which they are.
        fileprivate let rows: Table<Float>
        fileprivate let rowTokens: Table<Int32>
        /// [N, N] their products with the earlier frame.
        fileprivate let products: Table<Float>
        /// [N] what turns a product with an earlier token into its cosine.
        fileprivate let scales: Table<Float>
        fileprivate let shifts: Table<Float>
        /// [N] cosines of an earlier token with its frame.
        fileprivate let angles: Table<Float>
        /// [N] earlier tokens that are near enough, and cosines with these.
        fileprivate let candidates: Table<Int32>
        fileprivate let nearby: Table<Float>
        fileprivate let pair: TokenPair

        init(_ clip: Clip, plan: inout Arena.Plan) {
            let count = clip.tokensPerFrame
            rows = plan.table(Float.self, count, clip.channels)
            rowTokens = plan.table(Int32.self, count)
            products = plan.table(Float.self, count, count)
            scales = plan.table(Float.self, count)
            shifts = plan.table(Float.self, count)
            angles = plan.table(Float.self, count)
            candidates = plan.table(Int32.self, count)
            nearby = plan.table(Float.self, count)
            pair = TokenPair(clip, plan: &plan)
        }
    }

    private let space: Space
    var selection: Selection { space.selection.value }
    private var input: Input { selection.input }
    private var clip: Clip { input.clip }

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
        space.parents[token] < 0 || space.isSettled[token]
            ? Interval(exactly: space.similarities[token])
            : Interval(space.similarities[token], within: input.cosineReach)
    }

    /// Computes a token's cosine with its parent in double.
    func settle(_ token: Int, _ worker: Worker) {
        worker.countCloseCall()
        setSimilarity(
            token, exactly: space.scratch[worker.number].pair.cosine(token, Int(space.parents[token]), of: clip))
    }

    private func setSimilarity(_ token: Int, exactly cosine: Double) {
        space.similarities[token] = cosine
        space.isSettled[token] = true
    }

    // MARK: Linking

    /// No parents for a frame: the first of its segment, or of a clip without trees.
    func unlink(frame: Int) {
        let tokens = clip.tokens(ofFrame: frame)
        space.parents.fill(tokens, with: -1)
        space.similarities.fill(tokens, with: -1)
        space.isSettled.fill(tokens, with: false)
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
        // Selected columns are pushed out of a cosine's range.
        var hasExtremes = false
        var hasColumns = false
        for index in 0..<count {
            let token = earlierTokens.lowerBound &+ index
            let isSelected = selection.isSelected(token)
            scratch.scales[index] = isSelected ? 0 : selection.inverseNorm(token)
            scratch.shifts[index] = isSelected ? -4 : 0
            hasColumns = hasColumns || !isSelected
            hasExtremes =
                hasExtremes || selection.isExtreme(token) || selection.isExtreme(laterTokens.lowerBound &+ index)
        }
        guard hasColumns else { return }

        var rows = 0
        for index in 0..<count where !selection.isSelected(laterTokens.lowerBound &+ index) {
            if !hasExtremes,
                linkEqual(index, later, to: earlier, exact, worker)
                    || linkNearby(index, later, to: earlier, exact, scratch, worker)
            {
                continue
            }
            scratch.rows.row(rows, of: clip.channels).copy(later.tokens.row(index))
            scratch.rowTokens[rows] = Int32(index)
            rows += 1
        }
        BLAS.products(
            MatrixView(base: scratch.rows.base, rows: rows, columns: clip.channels, stride: clip.channels),
            earlier.tokens, into: scratch.products.base)
        for row in 0..<rows {
            let token = laterTokens.lowerBound &+ Int(scratch.rowTokens[row])
            let cosines = scratch.products.row(row, of: count)
            let scale = selection.inverseNorm(token)
            for column in 0..<count {
                cosines[column] = cosines[column] * (scale * scratch.scales[column]) + scratch.shifts[column]
            }
            if hasExtremes { settleExtremes(cosines, token, earlierTokens, scratch.pair) }
            nameParent(token, cosines, count: count, exact, worker) { $0 }
        }
    }

    /// Computes the cosines of extreme tokens in double.
    private func settleExtremes(
        _ cosines: Table<Float>, _ token: Int, _ earlierTokens: Range<Int>, _ pair: TokenPair
    ) {
        for (column, earlier) in earlierTokens.enumerated() {
            if selection.isSelected(earlier) {
                cosines[column] = -4
            } else if selection.isExtreme(token) || selection.isExtreme(earlier) {
                cosines[column] = Float(pair.cosine(token, earlier, of: clip))
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
        guard twin >= 0, let cosines = earlier.cosines, !selection.isZero(token) else { return false }
        let least = Float(DoublePrecision.same - input.tolerance).nextDown
        let earlierFirst = earlier.number &* clip.tokensPerFrame
        for other in 0..<clip.tokensPerFrame where !selection.isSelected(earlierFirst &+ other) {
            let isEqual = earlier.classes.first(other) == twin
            if isEqual || (cosines[twin, other] >= least && exact[index, other] == 1) {
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
        guard let angles = earlier.cosines, !selection.isSelected(anchor) else { return false }
        let row = later.tokens.row(index)
        func cosine(_ other: Int) -> Float {
            BLAS.dot(row, earlier.tokens.row(other), count: clip.channels)
                * (selection.inverseNorm(token) * selection.inverseNorm(earlierFirst &+ other))
        }
        let nearest = cosine(index)
        // Cosines above `same` are equal (spec 1), so a match is as good as one at that angle.
        let certain = min(Double(nearest) - input.tolerance, DoublePrecision.same)
        guard certain > 0.5 else { return false }
        let limit = Float(2 * certain * certain - 1 - 2 * input.tolerance).nextDown

        angles.copy(row: index, into: scratch.angles.base)
        // A dot product costs several times its share of a matrix product.
        let most = max(1, clip.tokensPerFrame / 12)
        var count = 0
        for other in 0..<clip.tokensPerFrame
        where scratch.angles[other] >= limit && !selection.isSelected(earlierFirst &+ other) {
            guard count < most else { return false }
            scratch.candidates[count] = Int32(other)
            count += 1
        }
        for candidate in 0..<count {
            let other = Int(scratch.candidates[candidate])
            scratch.nearby[candidate] = other == index ? nearest : cosine(other)
        }
        nameParent(token, scratch.nearby, count: count, exact, worker) { Int(scratch.candidates[$0]) }
        return true
    }

    // MARK: Decision

    /// Names the parent of a token among `count` candidates, of which the cosines are given: the best, and of equal ones the
    /// first. One that cannot be above the threshold stays unnamed. `candidate` tells their indices in the frame before.
    @inline(__always)
    private func nameParent(
        _ token: Int, _ cosines: Table<Float>, count: Int, _ exact: ExactCosines, _ worker: Worker,
        candidate: (Int) -> Int
    ) {
        let index = token % clip.tokensPerFrame
        let earlierFirst = token &- index &- clip.tokensPerFrame
        let reach = input.cosineReach
        var largest = -Float.infinity
        for index in 0..<count { largest = max(largest, cosines[index]) }
        let best = min(Double(largest), 1)
        space.similarities[token] = best
        guard best + reach > input.configuration.temporalThreshold else { return }

        // With what the bounds themselves may be rounded by, in float32.
        let bound = Float(reach) + 2 * .ulpOfOne
        let parent = Decision.largest(
            of: 0..<count, lower: { _ in Float(best) - bound }, upper: { cosines[$0] + bound }, limit: 1,
            comparesSettled: true, settle: { exact[index, candidate($0)] })
        space.parents[token] = Int32(earlierFirst &+ candidate(parent.index))
        if let cosine = parent.value {
            worker.countCloseCall()
            setSimilarity(token, exactly: cosine)
        } else if best - reach <= input.configuration.temporalThreshold {
            worker.countCloseCall()
            setSimilarity(token, exactly: exact[index, candidate(parent.index)])
        }
    }
}
