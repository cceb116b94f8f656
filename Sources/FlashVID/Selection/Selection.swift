/// ADTS: which tokens of a frame tell the most (spec 4; paper, section 3.2).
struct Selection: BitwiseCopyable {
    struct Space: BitwiseCopyable {
        /// [F·N] what is known of a token.
        fileprivate let marks: Table<Mark>
        /// [F·N] 1/|x|, or 0 where float32 cannot tell it.
        fileprivate let inverseNorms: Table<Float>
        /// Tokens picked in each frame, frame after frame, ascending.
        fileprivate let picks: Table<Int32>
        /// [threads]
        fileprivate let scratch: Table<Scratch>
        fileprivate let room: Table<FrameRoom>
        fileprivate let input: Slot<Input>
        fileprivate let means: Slot<FrameMeans>

        init(_ input: Input, scratch: Table<Scratch>, room: Table<FrameRoom>, plan: inout Arena.Plan) {
            let tokens = input.clip.frames * input.clip.tokensPerFrame
            marks = plan.table(Mark.self, tokens)
            inverseNorms = plan.table(Float.self, tokens)
            picks = plan.table(Int32.self, input.budget.selectedTokens(before: input.clip.frames))
            self.scratch = scratch
            self.room = room
            self.input = Slot(plan: &plan)
            means = Slot(plan: &plan)
        }
    }

    /// What a thread needs for a frame.
    struct Scratch: BitwiseCopyable {
        let weights: SelectionWeights.Scratch
        let diversity: MaxMinDiversity.Scratch
        let carried: CarriedPicks.Scratch
        let exactCosines: ExactCosines.Scratch
        fileprivate let distinct: DistinctTokens.Scratch
        /// [N] room for an order statistic.
        fileprivate let ranking: Table<Double>
        let pair: TokenPair

        init(_ input: Input, plan: inout Arena.Plan) {
            weights = SelectionWeights.Scratch(input, plan: &plan)
            diversity = MaxMinDiversity.Scratch(input.clip, plan: &plan)
            carried = CarriedPicks.Scratch(input, plan: &plan)
            exactCosines = ExactCosines.Scratch(input.clip, plan: &plan)
            distinct = DistinctTokens.Scratch(input.clip, plan: &plan)
            ranking = plan.table(Double.self, input.clip.tokensPerFrame)
            pair = TokenPair(input.clip, plan: &plan)
        }
    }

    fileprivate struct Mark: OptionSet, BitwiseCopyable {
        let rawValue: UInt8
        static let selected = Mark(rawValue: 1)
        static let extreme = Mark(rawValue: 2)
        static let zero = Mark(rawValue: 4)
    }

    let segments: Segments
    private let space: Space
    var input: Input { space.input.value }
    var means: FrameMeans { space.means.value }
    private var clip: Clip { input.clip }

    init(_ input: Input, _ means: FrameMeans, _ segments: Segments, in space: Space) {
        self.segments = segments
        self.space = space
        space.input.keep(input)
        space.means.keep(means)
        for thread in 0..<space.scratch.count { space.scratch[thread].weights.forget(means) }
    }

    // MARK: Reading

    /// Whether ADTS picked a token.
    @inline(__always)
    func isSelected(_ token: Int) -> Bool { space.marks[token].contains(.selected) }

    /// Whether a token's norm leaves the range in which float32 products can be trusted: its cosines are computed in double.
    @inline(__always)
    func isExtreme(_ token: Int) -> Bool { space.marks[token].contains(.extreme) }

    /// Whether a token has no length.
    func isZero(_ token: Int) -> Bool { space.marks[token].contains(.zero) }

    /// 1/|x|, or 0 for a token that is extreme or zero.
    @inline(__always)
    func inverseNorm(_ token: Int) -> Float { space.inverseNorms[token] }

    /// Tokens picked in a frame, by their index in it, ascending.
    func picks(ofFrame frame: Int) -> Table<Int32> {
        space.picks.part(input.budget.selectedTokens(before: frame)..<input.budget.selectedTokens(before: frame &+ 1))
    }

    /// Room for exact cosines of a thread's frames at hand.
    func exactCosines(_ worker: Worker) -> ExactCosines.Scratch { space.scratch[worker.number].exactCosines }

    // MARK: Selecting

    /// A frame as its selection finds it, and as the next one meets it.
    struct Frame: BitwiseCopyable {
        let number: Int
        let tokens: MatrixView
        let classes: TokenClasses
        /// Distances of its tokens from each other, where selection needs them.
        let distances: FrameDistances?
    }

    /// Max-min diversity reads distances; plain attention needs the norms alone.
    private func needsDistances(inFrame frame: Int) -> Bool {
        input.configuration.selection != .attention && picks(ofFrame: frame).count > 0
    }

    /// What a frame's selection needs to know, of which nothing depends on the choice in another frame. `classes` has the
    /// frame's values in float32, matched with the frame before, `earlier`, where that is at hand and of the same segment. The
    /// result keeps its distances in `distances`. O(N²·D) in one Gram matrix, or two where many tokens are much alike; less
    /// where tokens are equal.
    func prepare(
        frame: Int, _ classes: TokenClasses, after earlier: Frame?, _ distances: FrameDistances.Scratch,
        _ worker: Worker
    ) -> Frame {
        let tokens = classes.tokens
        space.marks.fill(clip.tokens(ofFrame: frame), with: [])
        let measured: FrameDistances?
        if needsDistances(inFrame: frame) {
            measured = measure(frame, classes, earlier?.distances, distances, worker)
        } else {
            noteNorms(frame, classes) { BLAS.dot(tokens.row($0), tokens.row($0), count: tokens.columns) }
            measured = nil
        }
        return Frame(number: frame, tokens: tokens, classes: classes, distances: measured)
    }

    /// Picks the tokens of a frame that the same worker prepared. `carried` has the picks of its segment's earlier frames,
    /// `earlier` being the one before; those of this frame are added.
    func select(
        in frame: Frame, after earlier: Frame?, carrying carried: CarriedPicks.Scratch, _ worker: Worker
    ) {
        let (number, classes) = (frame.number, frame.classes)
        let picks = picks(ofFrame: number)
        if let earlier { classes.takePicks(from: earlier.classes) }
        if picks.count > 0 {
            let scratch = space.scratch[worker.number]
            let weights = SelectionWeights(self, number, frame.tokens, scratch, worker)
            if let distances = frame.distances {
                MaxMinDiversity(self, number, classes, distances, weights, carried, scratch, worker).select(into: picks)
                picks.sort()
            } else {
                selectLargest(weights, scratch, picks)
            }
        }
        let first = number &* clip.tokensPerFrame
        for pick in picks.buffer { space.marks.base[first &+ Int(pick)].insert(.selected) }
        carried.keep(picks, of: frame, startsSegment: segments.begins(with: number))
    }

    /// A thread's room for picks that are carried along a segment.
    func carriedPicks(_ worker: Worker) -> CarriedPicks.Scratch { space.scratch[worker.number].carried }

    /// Distances of a frame's tokens from each other, and their norms on the way.
    private func measure(
        _ frame: Int, _ classes: TokenClasses, _ earlier: FrameDistances?, _ scratch: FrameDistances.Scratch,
        _ worker: Worker
    ) -> FrameDistances {
        let tokens = classes.tokens
        var distances = FrameDistances(count: tokens.rows, tolerance: input.tolerance, in: scratch)
        let inverseNorms = UnsafePointer(space.inverseNorms.part(clip.tokens(ofFrame: frame)).base)
        let distinct = DistinctTokens(
            classes, knowsEarlier: earlier != nil, in: space.scratch[worker.number].distinct)
        let room = space.room[worker.number]
        func square(_ index: Int) -> Float { BLAS.dot(tokens.row(index), tokens.row(index), count: tokens.columns) }
        if distinct.saves {
            noteNorms(frame, classes, square: square)
            distinct.multiply(tokens, gatheringInto: room.rows, room.products)
            distances.expand(distinct, room.products, inverseNorms: inverseNorms, classes, earlier)
        } else if earlier?.centred != nil {
            noteNorms(frame, classes, square: square)
            if !hasExtremes(inFrame: frame), distances.centre(tokens, as: earlier, rows: room.rows) { return distances }
            BLAS.gram(tokens, into: scratch.values.base)
            distances.scale(inverseNorms: inverseNorms)
        } else {
            BLAS.gram(tokens, into: scratch.values.base)
            noteNorms(frame, classes) { scratch.values[$0 &* (tokens.rows &+ 1)] }
            distances.scale(inverseNorms: inverseNorms)
        }
        settleExtremes(frame, distances, space.scratch[worker.number].pair)
        distances.findNearest()
        if distances.isCrowded(classes), !hasExtremes(inFrame: frame) { distances.centre(tokens, rows: room.rows) }
        return distances
    }

    /// Room for a frame's tokens, less an origin.
    func room(_ worker: Worker) -> FrameRoom { space.room[worker.number] }

    /// Whether float32 products of all of a frame's tokens can be trusted.
    func hasExtremes(inFrame frame: Int) -> Bool { clip.tokens(ofFrame: frame).contains { isExtreme($0) } }

    /// Inverse norms of a frame's tokens, and marks of those that float32 cannot handle. `square` is a token's squared norm,
    /// by the first of its class.
    private func noteNorms(_ frame: Int, _ classes: TokenClasses, square: (Int) -> Float) {
        let tokens = classes.tokens
        let firstToken = frame &* tokens.rows
        for index in 0..<tokens.rows {
            let (token, first) = (firstToken &+ index, classes.first(index))
            guard first == index else {
                space.inverseNorms[token] = space.inverseNorms[firstToken &+ first]
                space.marks[token] = space.marks[firstToken &+ first]
                continue
            }
            let square = square(index)
            if square >= 1e-24, square <= 1e36 {
                space.inverseNorms[token] = 1 / square.squareRoot()
            } else {
                space.inverseNorms[token] = 0
                space.marks.base[token].insert(
                    DoublePrecision.isZero(tokens.row(index), count: tokens.columns) ? .zero : .extreme)
            }
        }
    }

    /// Replaces the distances of extreme tokens, and sets the diagonal.
    private func settleExtremes(_ frame: Int, _ distances: FrameDistances, _ pair: TokenPair) {
        let tokens = clip.tokens(ofFrame: frame)
        for (index, token) in tokens.enumerated() {
            if isExtreme(token) {
                for (other, otherToken) in tokens.enumerated() {
                    distances[index, other] = Float(1 - pair.cosine(token, otherToken, of: clip))
                }
            }
            distances[index, index] = isZero(token) ? 1 : 0
        }
    }

    /// The tokens of largest weight, ascending (spec 4.1, `attention`).
    private func selectLargest(_ weights: SelectionWeights, _ scratch: Scratch, _ picks: Table<Int32>) {
        var count = 0
        Decision.chooseLargest(
            picks.count, of: clip.tokensPerFrame, in: scratch.ranking, bounds: { weights[$0] },
            settle: { weights.settle($0) },
            choose: { index, isChosen in
                guard isChosen else { return }
                picks[count] = Int32(index)
                count += 1
            })
    }
}

/// Room of a thread for two frames at hand.
struct FrameRoom: BitwiseCopyable {
    /// [N, D] tokens as they enter a product.
    let rows: Table<Float>
    /// [mostOthers, D] those that they are multiplied with, some at a time; tokens that are compared with carried picks are
    /// there all together.
    let others: Table<Float>
    let mostOthers: Int
    /// [N, N]
    let products: Table<Float>

    /// `carries`: whether picks are carried along.
    init(_ clip: Clip, carries: Bool, plan: inout Arena.Plan) {
        mostOthers = carries ? clip.tokensPerFrame : min(clip.tokensPerFrame, 128)
        rows = plan.table(Float.self, clip.tokensPerFrame, clip.channels)
        others = plan.table(Float.self, mostOthers, clip.channels)
        products = plan.table(Float.self, clip.tokensPerFrame, clip.tokensPerFrame)
    }
}
