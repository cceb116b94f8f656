/// How much each token of a frame counts in its selection (spec 4 and 4.2): the factor that its distances are calibrated by.
struct SelectionWeights {
    /// What a thread needs for a frame.
    struct Scratch: BitwiseCopyable {
        /// [N]
        fileprivate let weights: Table<Interval>
        /// [N] products of the tokens with a mean.
        fileprivate let products: Table<Float>
        /// [D] mean of a segment's frame means, and the same rounded; kept from frame to frame.
        fileprivate let event: Table<Double>
        fileprivate let roundedEvent: Table<Float>
        fileprivate let eventSegment: Memo
        /// [D] the frame's mean, rounded.
        fileprivate let roundedMean: Table<Float>
        fileprivate let means: FrameMeans.Reader
        fileprivate let token: TokenPair

        init(_ input: Input, plan: inout Arena.Plan) {
            let (tokens, channels) = (input.clip.tokensPerFrame, input.clip.channels)
            let configuration = input.configuration
            let usesEvent = configuration.selection == .attentionDiversityEvent
            weights = plan.table(Interval.self, tokens)
            products = plan.table(Float.self, tokens)
            event = plan.table(Double.self, usesEvent ? channels : 0)
            roundedEvent = plan.table(Float.self, usesEvent ? channels : 0)
            eventSegment = Memo(plan: &plan)
            roundedMean = plan.table(Float.self, input.attention == nil ? channels : 0)
            means = FrameMeans.Reader(input.clip, plan: &plan)
            token = TokenPair(input.clip, plan: &plan)
        }

        /// To be called before a clip's first frame.
        func forget(_ means: FrameMeans) {
            eventSegment.forget()
            means.forget(self.means)
        }
    }

    private let selection: Selection
    private let frame: Int
    private let scratch: Scratch
    private let worker: Worker
    private var clip: Clip { selection.input.clip }
    private var configuration: Configuration { selection.input.configuration }
    private var tolerance: Double { selection.input.tolerance }
    private var usesEvent: Bool { configuration.selection == .attentionDiversityEvent }
    private func token(_ index: Int) -> Int { frame &* clip.tokensPerFrame &+ index }

    init(
        _ selection: Selection, _ frame: Int, _ tokens: MatrixView, _ scratch: Selection.Scratch, _ worker: Worker
    ) {
        self.selection = selection
        self.frame = frame
        self.scratch = scratch.weights
        self.worker = worker
        if configuration.selection == .diversity {
            self.scratch.weights.fill(Interval(exactly: 1))
            return
        }
        if let attention = selection.input.attention {
            for index in 0..<tokens.rows {
                self.scratch.weights[index] = Interval(exactly: Double(attention[token(index)]))
            }
        } else {
            weighByDistinctiveness(tokens)
        }
        if usesEvent { weighByEvent(tokens) }
        // The sign of a weight decides whether a token's least distance is its nearest or its farthest.
        for index in 0..<tokens.rows where self[index].lower < 0 && self[index].upper > 0 { settle(index) }
    }

    /// Bounds of a token's weight.
    @inline(__always)
    subscript(_ index: Int) -> Interval { scratch.weights[index] }

    /// Whether a token's weight is not negative: then its least weighted distance is that to the nearest, and else to the
    /// farthest.
    @inline(__always)
    func countsNearest(_ index: Int) -> Bool { self[index].lower >= 0 }

    /// Computes a weight in double.
    func settle(_ index: Int) {
        worker.countCloseCall()
        let attention =
            selection.input.attention.map { Double($0[token(index)]) } ?? exactDistinctiveness(index)
        scratch.weights[index] = Interval(exactly: usesEvent ? attention * exactRelevance(index) : attention)
    }

    // MARK: Attention

    /// Spec 4.2: 1 - the cosine with the frame's mean stands in for attention.
    private func weighByDistinctiveness(_ tokens: MatrixView) {
        let mean = selection.means.mean(ofFrame: frame, scratch.means)
        let length = DoublePrecision.dot(mean, mean, count: clip.channels).squareRoot()
        guard length > 1e-12, length < 1e18 else {
            for index in 0..<tokens.rows {
                scratch.weights[index] = Interval(exactly: exactDistinctiveness(index))
            }
            return
        }
        DoublePrecision.round(mean, into: scratch.roundedMean.base, count: clip.channels)
        BLAS.products(tokens, scratch.roundedMean.base, into: scratch.products.base)
        for index in 0..<tokens.rows {
            let inverse = Double(selection.inverseNorm(token(index)))
            let weight = 1 - Double(scratch.products[index]) * inverse / length
            scratch.weights[index] =
                inverse > 0
                ? Interval(max(0, weight - tolerance), weight + tolerance)
                : Interval(exactly: exactDistinctiveness(index))
        }
    }

    private func exactDistinctiveness(_ index: Int) -> Double {
        let row = scratch.token.token(token(index), of: clip)
        let mean = selection.means.mean(ofFrame: frame, scratch.means)
        return max(0, 1 - DoublePrecision.plainCosine(row, mean, count: clip.channels))
    }

    // MARK: Event

    /// Multiplies with the relevance to the segment: the product with the mean of its frames' means (spec 4, event form).
    private func weighByEvent(_ tokens: MatrixView) {
        let segment = selection.segments.containing(frame)
        scratch.eventSegment(segment) {
            let frames = selection.segments.frames(of: segment)
            selection.means.mean(ofFrames: frames, into: scratch.event, scratch.means)
            DoublePrecision.round(
                UnsafePointer(scratch.event.base), into: scratch.roundedEvent.base, count: clip.channels)
        }
        BLAS.products(tokens, scratch.roundedEvent.base, into: scratch.products.base)
        let event = UnsafePointer(scratch.event.base)
        let length = DoublePrecision.dot(event, event, count: clip.channels).squareRoot()
        for index in 0..<tokens.rows {
            let inverse = Double(selection.inverseNorm(token(index)))
            let relevance =
                inverse > 0 && length < 1e18 && length > 1e-12
                ? Interval(Double(scratch.products[index]), within: tolerance * length / inverse)
                : Interval(exactly: exactRelevance(index))
            // Attention is not negative.
            scratch.weights[index] = relevance.times(nonNegative: scratch.weights[index])
        }
    }

    private func exactRelevance(_ index: Int) -> Double {
        DoublePrecision.dot(
            scratch.token.token(token(index), of: clip), UnsafePointer(scratch.event.base), count: clip.channels)
    }
}
