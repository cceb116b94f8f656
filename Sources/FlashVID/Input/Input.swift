/// What a call works on: the clip, what it is to become, and how exact float32 is at its sizes.
struct Input: BitwiseCopyable {
    let clip: Clip
    /// [F, N] in float32, or nil.
    let attention: UnsafePointer<Float>?
    let configuration: Configuration
    let budget: Budget
    /// Error bound of a float32 cosine.
    let tolerance: Double

    init(_ clip: Clip, _ configuration: Configuration, _ budget: Budget, plan: inout Arena.Plan) {
        self.clip = clip
        attention = clip.attention(plan: &plan)
        self.configuration = configuration
        self.budget = budget
        tolerance = Self.cosineTolerance(channels: clip.channels)
    }

    /// Bound of the error of a float32 cosine. BLAS sums products in blocks of a few hundred channels; a sum of n terms errs
    /// like a random walk of √n steps of half a unit in the last place, and where a few large channels carry the sum from
    /// its beginning, those steps are of full size and may lean to one side. Twice what the worst of these shows
    /// (`ToleranceTests`).
    static func cosineTolerance(channels: Int) -> Double {
        let unit = Double(Float.ulpOfOne) / 2
        return unit * (16 + 4 * Double(min(channels, 1024)).squareRoot())
    }

    /// Whether rows change after they were clustered: where that is asked for, and there are any to change.
    var refines: Bool { budget.contextual > 0 && configuration.asksForRefinement }

    /// What a cosine may err by, with spec 1's rule that one above 1 - 1e-6 counts as 1.
    var cosineReach: Double { tolerance + (1 - DoublePrecision.same) }
}

extension Configuration {
    /// Whether rows are to change after they were clustered.
    var asksForRefinement: Bool { refinementRounds > 0 || placement == .medoid }
}

/// Two tokens at hand in float32.
struct TokenPair: BitwiseCopyable {
    /// [D] each, of clips that are not float32.
    private let first: Table<Float>
    private let second: Table<Float>

    init(_ clip: Clip, plan: inout Arena.Plan) {
        let size = clip.type == .float32 ? 0 : clip.channels
        (first, second) = (plan.table(Float.self, size), plan.table(Float.self, size))
    }

    /// A token in float32, until the next call.
    func token(_ token: Int, of clip: Clip) -> UnsafePointer<Float> { clip.token(token, convertedInto: first.base) }

    /// Cosine of two tokens in double (spec 1).
    func cosine(_ a: Int, _ b: Int, of clip: Clip) -> Double {
        DoublePrecision.cosine(
            clip.token(a, convertedInto: first.base), clip.token(b, convertedInto: second.base), count: clip.channels)
    }
}
