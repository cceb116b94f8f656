// Where the authors' released program does otherwise than the definition (spec 8), by name: what a stage asks.

extension Configuration {
    private var isPublished: Bool { semantics == .published }

    /// A tree's sum is divided by one more than the root's direct children, and not by its tokens (spec 8.1).
    var dividesByDirectChildren: Bool { isPublished }

    /// A segment of one frame clusters its selected tokens too (spec 8.2).
    var clustersSelectedOfSingleFrames: Bool { isPublished }

    /// In the event form a chosen token stays a candidate, and may be chosen again (spec 8.3).
    var keepsChosenCandidates: Bool { isPublished && selection == .attentionDiversityEvent }

    /// Shares are rounded up and none is given back, so that a frame may get a row more (spec 8.4).
    var mayExceedBudget: Bool { isPublished }

    /// Every token is told which row stands for it; what the released program does with its rows leaves no such thing.
    var assignsTokens: Bool { !isPublished }

    /// Whether every value is a mean or a maximum of source tokens, and so lies in their range.
    var staysInRange: Bool { !dividesByDirectChildren }
}
