/// What one thread needs to work on one frame. Laid out once a clip, in the arena.
struct Worker {
    // Sound although full of pointers: a worker is used by one thread at a time, and its memory is its own.

    /// [N, D] two frames converted to float32, since a frame meets the one before; empty for float32 clips.
    let frames: (UnsafeMutablePointer<Float>, UnsafeMutablePointer<Float>)
    /// [N, D] rows gathered from a frame, or made.
    let packed: UnsafeMutablePointer<Float>
    /// [N, N] products of a frame's tokens with each other; two, since a frame's are still read in the next one.
    let grams: (UnsafeMutablePointer<Float>, UnsafeMutablePointer<Float>)
    /// [N, N] products of a frame's tokens with another's, and room for refinement's.
    let products: UnsafeMutablePointer<Float>
    let productCapacity: Int
    /// [4, D] tokens of a list converted to float32; empty for float32 clips.
    let rows: UnsafeMutablePointer<Float>
    /// [D] single tokens and means.
    let rowA: UnsafeMutablePointer<Float>
    let rowB: UnsafeMutablePointer<Float>
    let doublesA: UnsafeMutablePointer<Double>
    let doublesB: UnsafeMutablePointer<Double>
    let doublesC: UnsafeMutablePointer<Double>
    /// [D] mean of the segment `eventSegment`'s frame means, in both precisions.
    let event: UnsafeMutablePointer<Double>
    let roundedEvent: UnsafeMutablePointer<Float>
    let eventSegment: UnsafeMutablePointer<Int>
    /// [D] mean of frame `meanFrame`, in clips that do not keep all.
    let mean: UnsafeMutablePointer<Double>
    let meanFrame: UnsafeMutablePointer<Int>
    /// [8, D] some tokens converted to float32; empty for float32 clips.
    let converted: UnsafeMutablePointer<Float>
    /// [N] each.
    let weights: UnsafeMutablePointer<Interval>
    let distances: UnsafeMutablePointer<Interval>
    let values: UnsafeMutablePointer<Interval>
    let scalars: (UnsafeMutablePointer<Float>, UnsafeMutablePointer<Float>, UnsafeMutablePointer<Float>)
    let doubles:
        (
            UnsafeMutablePointer<Double>, UnsafeMutablePointer<Double>, UnsafeMutablePointer<Double>,
            UnsafeMutablePointer<Double>
        )
    /// [N] tokens of the frame and of the one before that enter a product; and lists for a step's own use.
    let lists:
        (
            UnsafeMutablePointer<Int32>, UnsafeMutablePointer<Int32>, UnsafeMutablePointer<Int32>,
            UnsafeMutablePointer<Int32>
        )
    let flags: UnsafeMutablePointer<Bool>
    /// [N] cosines of a token with a few of the frame before.
    let nearby: UnsafeMutablePointer<Float>
    /// [D] what is subtracted from the rows that are clustered.
    let centre: UnsafeMutablePointer<Float>
    /// [carriedRows, D] picks of earlier frames (spec 12.1), and [carriedRows, N] their products with a frame.
    let carried: UnsafeMutablePointer<Float>
    let carriedProducts: UnsafeMutablePointer<Float>
    let carriedPlaces: UnsafeMutablePointer<Int>
    static let carriedRows = 256
    /// Products of a segment's rows with each other (spec 12.2), and the round and segment that they are of.
    let rowProducts: UnsafeMutablePointer<Float>
    let rowProductsKey: UnsafeMutablePointer<Int>
    static let maximumRowProducts = 640
    /// Time by stage, and decisions settled in double.
    let seconds: UnsafeMutablePointer<Double>
    let closeCalls: UnsafeMutablePointer<Int>

    init(
        _ clip: Clip, _ configuration: Configuration, _ budget: Budget, plan: inout Arena.Plan
    ) {
        let tokens = clip.tokensPerFrame
        let channels = clip.channels
        let carries = configuration.carry && budget.selects
        // Refinement compares a token with every row of its segment, at the most the clip's.
        let rows = configuration.refinementRounds > 0 ? budget.rows(of: 0..<clip.frames) : 0
        let square = tokens.multipliedReportingOverflow(by: tokens)
        productCapacity = max(square.overflow ? Int.max : square.partialValue, rows)

        let converted = clip.type == .float32 ? 0 : tokens
        frames = (plan.take(Float.self, converted, channels), plan.take(Float.self, converted, channels))
        packed = plan.take(Float.self, tokens, channels)
        grams = (plan.take(Float.self, tokens, tokens), plan.take(Float.self, tokens, tokens))
        products = plan.take(Float.self, productCapacity)
        self.rows = plan.take(Float.self, converted > 0 ? 4 : 0, channels)
        rowA = plan.take(Float.self, channels)
        rowB = plan.take(Float.self, channels)
        doublesA = plan.take(Double.self, channels)
        doublesB = plan.take(Double.self, channels)
        doublesC = plan.take(Double.self, channels)
        event = plan.take(Double.self, channels)
        roundedEvent = plan.take(Float.self, channels)
        eventSegment = plan.take(Int.self, 1)
        mean = plan.take(Double.self, channels)
        meanFrame = plan.take(Int.self, 1)
        self.converted = plan.take(Float.self, converted > 0 ? 8 : 0, channels)
        weights = plan.take(Interval.self, tokens)
        distances = plan.take(Interval.self, tokens)
        values = plan.take(Interval.self, tokens)
        scalars = (plan.take(Float.self, tokens), plan.take(Float.self, tokens), plan.take(Float.self, tokens))
        doubles = (
            plan.take(Double.self, tokens), plan.take(Double.self, tokens), plan.take(Double.self, tokens),
            plan.take(Double.self, tokens)
        )
        lists = (
            plan.take(Int32.self, tokens), plan.take(Int32.self, tokens), plan.take(Int32.self, tokens),
            plan.take(Int32.self, tokens)
        )
        flags = plan.take(Bool.self, tokens)
        nearby = plan.take(Float.self, tokens)
        centre = plan.take(Float.self, channels)
        carried = plan.take(Float.self, carries ? Self.carriedRows : 0, channels)
        carriedProducts = plan.take(Float.self, carries ? Self.carriedRows : 0, tokens)
        carriedPlaces = plan.take(Int.self, carries ? Self.carriedRows : 0)
        let refined = configuration.refinementRounds > 0 ? min(Self.maximumRowProducts, rows) : 0
        rowProducts = plan.take(Float.self, refined, refined)
        rowProductsKey = plan.take(Int.self, 1)
        seconds = plan.take(Double.self, CompressedVideo.Stage.allCases.count)
        closeCalls = plan.take(Int.self, 1)
        guard plan.handsOut else { return }
        eventSegment.initialize(to: -1)
        meanFrame.initialize(to: -1)
        rowProductsKey.initialize(to: -1)
        seconds.initialize(repeating: 0, count: CompressedVideo.Stage.allCases.count)
        closeCalls.initialize(to: 0)
    }
}
