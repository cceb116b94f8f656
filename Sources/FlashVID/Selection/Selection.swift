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
        fileprivate let input: Slot<Input>
        fileprivate let means: Slot<FrameMeans>

        init(_ input: Input, scratch: Table<Scratch>, plan: inout Arena.Plan) {
            let tokens = input.clip.frames * input.clip.tokensPerFrame
            marks = plan.table(Mark.self, tokens)
            inverseNorms = plan.table(Float.self, tokens)
            picks = plan.table(Int32.self, input.budget.selectedTokens(before: input.clip.frames))
            self.scratch = scratch
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
        /// [N] room for an order statistic.
        fileprivate let ranking: Table<Double>
        let pair: TokenPair

        init(_ input: Input, plan: inout Arena.Plan) {
            weights = SelectionWeights.Scratch(input, plan: &plan)
            diversity = MaxMinDiversity.Scratch(input.clip, plan: &plan)
            carried = CarriedPicks.Scratch(input, plan: &plan)
            exactCosines = ExactCosines.Scratch(input.clip, plan: &plan)
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

    /// A frame after its selection, as the next one meets it.
    struct Frame {
        let number: Int
        let tokens: MatrixView
        let classes: TokenClasses
        /// Cosines of its tokens with each other, where selection needed them.
        let cosines: CosineMatrix?
    }

    /// Picks a frame's tokens, of which `classes` has the values in float32, matched with the frame before where that is
    /// of the same segment; `gram` is room for N² products, which the result's cosines keep. O(N²·D) in one Gram matrix.
    func select(frame: Int, _ classes: TokenClasses, gram: Table<Float>, _ worker: Worker) -> Frame {
        let tokens = classes.tokens
        let picks = picks(ofFrame: frame)
        space.marks.fill(clip.tokens(ofFrame: frame), with: [])
        // Max-min diversity reads the Gram matrix; plain attention needs the norms alone.
        let needsGram = input.configuration.selection != .attention && picks.count > 0
        if needsGram { BLAS.gram(tokens, into: gram.base) }
        noteNorms(frame, tokens, needsGram ? gram : nil)
        var cosines: CosineMatrix?
        if picks.count > 0 {
            let scratch = space.scratch[worker.number]
            let weights = SelectionWeights(self, frame, tokens, scratch, worker)
            if needsGram {
                let matrix = CosineMatrix(
                    gram: gram.base, count: clip.tokensPerFrame,
                    inverseNorms: space.inverseNorms.part(clip.tokens(ofFrame: frame)).base)
                settleExtremes(frame, matrix, scratch.pair)
                MaxMinDiversity(self, frame, classes, matrix, weights, scratch, worker).select(into: picks)
                picks.sort()
                cosines = matrix
            } else {
                selectLargest(weights, scratch, picks)
            }
        }
        let first = frame &* clip.tokensPerFrame
        for pick in picks.buffer { space.marks.base[first &+ Int(pick)].insert(.selected) }
        let result = Frame(number: frame, tokens: tokens, classes: classes, cosines: cosines)
        space.scratch[worker.number].carried.keep(picks, of: result, startsSegment: segments.begins(with: frame))
        return result
    }

    /// Inverse norms of a frame's tokens, and marks of those that float32 cannot handle. `gram` are the products of the
    /// tokens with each other, if there are any.
    private func noteNorms(_ frame: Int, _ tokens: MatrixView, _ gram: Table<Float>?) {
        for index in 0..<tokens.rows {
            let row = tokens.row(index)
            let square = gram.map { $0[index &* tokens.rows &+ index] } ?? BLAS.dot(row, row, count: tokens.columns)
            let token = frame &* tokens.rows &+ index
            if square >= 1e-24, square <= 1e36 {
                space.inverseNorms[token] = 1 / square.squareRoot()
            } else {
                space.inverseNorms[token] = 0
                space.marks.base[token].insert(DoublePrecision.isZero(row, count: tokens.columns) ? .zero : .extreme)
            }
        }
    }

    /// Replaces the cosines of extreme tokens, and sets the diagonal.
    private func settleExtremes(_ frame: Int, _ cosines: CosineMatrix, _ pair: TokenPair) {
        let tokens = clip.tokens(ofFrame: frame)
        for (index, token) in tokens.enumerated() {
            if isExtreme(token) {
                for (other, otherToken) in tokens.enumerated() {
                    cosines[index, other] = Float(pair.cosine(token, otherToken, of: clip))
                }
            }
            cosines[index, index] = isZero(token) ? 0 : 1
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
