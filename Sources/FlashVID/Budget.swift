/// Rows that a clip becomes, and how they are shared out (spec 2 and 2.1).
struct Budget: Equatable {
    /// F.
    let frames: Int
    /// Tokens that ADTS selects in every frame.
    let selected: Int
    /// Rows a frame that are left to TSTM.
    let contextual: Int
    /// Tokens of the clip that ADTS selects besides, spread evenly over its frames; fewer than there are frames.
    let spread: Int

    /// T and what follows from it in IEEE double, in the order of the definition, so that a host can compute K beforehand
    /// and agree.
    ///
    /// Throws ``FlashVIDError/invalidConfiguration(field:value:expected:)`` for more target rows than the clip has tokens,
    /// or ``FlashVIDError/sizeOverflow(_:)``.
    init(frames: Int, tokensPerFrame: Int, _ configuration: Configuration) throws(FlashVIDError) {
        self.frames = frames
        let total: Int
        if configuration.targetRows > 0 {
            try Self.check(configuration.targetRows, frames, tokensPerFrame)
            (total, spread) = configuration.targetRows.quotientAndRemainder(dividingBy: frames)
        } else {
            let wanted = (Double(tokensPerFrame) * configuration.retentionRatio * configuration.expansion).rounded(.up)
            (total, spread) = (wanted < Double(tokensPerFrame) ? Int(wanted) : tokensPerFrame, 0)
        }
        selected = min(total, Int((Double(total) * configuration.alpha).rounded(.up)))
        contextual = total - selected
    }

    private static func check(_ rows: Int, _ frames: Int, _ tokensPerFrame: Int) throws(FlashVIDError) {
        let tokens = frames.multipliedReportingOverflow(by: tokensPerFrame)
        guard !tokens.overflow else { throw .sizeOverflow("\(frames) frames of \(tokensPerFrame) tokens") }
        guard rows <= tokens.partialValue else {
            throw .invalidConfiguration(
                field: "target rows", value: "\(rows)",
                expected: "1 to \(tokens.partialValue), the tokens of the clip, or 0 for a number by the ratio")
        }
    }

    /// Tokens that ADTS selects in the frames before one.
    func selectedTokens(before frame: Int) -> Int {
        // Neither product overflows: a clip has fewer than 2^31 frames, and each as many picks or fewer.
        frame &* selected &+ frame &* spread / frames
    }

    /// Tokens that ADTS selects in some frames.
    func selectedTokens(of frames: Range<Int>) -> Int {
        selectedTokens(before: frames.upperBound) - selectedTokens(before: frames.lowerBound)
    }

    /// Rows that some frames become together. (The published semantics may add one to each.)
    func rows(of frames: Range<Int>) -> Int { selectedTokens(of: frames) + contextual * frames.count }

    /// Whether ADTS selects anything at all.
    var selects: Bool { selected > 0 || spread > 0 }
}

extension Configuration {
    /// Rows that a clip becomes, known before any feature exists.
    ///
    /// ``targetRows``, if there are any. Else exact with ``Semantics/definition``: `frames * T`, where
    /// `T = min(N, ceil(N * retention * expansion))`; with ``Semantics/published`` an upper bound, `frames * (T + 1)`.
    /// (Spec 2, 6.1 and 8.)
    ///
    /// Throws ``FlashVIDError/invalidConfiguration(field:value:expected:)``, also where the clip has fewer tokens than
    /// ``targetRows``, ``FlashVIDError/empty(dimension:value:)`` or ``FlashVIDError/sizeOverflow(_:)``.
    public func outputTokenCount(frames: Int, tokensPerFrame: Int) throws(FlashVIDError) -> Int {
        try validate()
        guard frames > 0 else { throw .empty(dimension: "frames", value: frames) }
        guard tokensPerFrame > 0 else { throw .empty(dimension: "tokens per frame", value: tokensPerFrame) }
        guard tokensPerFrame < 1 << 53 else { throw .sizeOverflow("a frame of \(tokensPerFrame) tokens") }
        let budget = try Guest.run { () throws(FlashVIDError) in
            try Budget(frames: frames, tokensPerFrame: tokensPerFrame, self)
        }
        let perFrame = budget.selected + budget.contextual + (mayExceedBudget ? 1 : 0)
        let rows = frames.multipliedReportingOverflow(by: perFrame)
        guard !rows.overflow else { throw .sizeOverflow("\(frames) frames of \(tokensPerFrame) tokens") }
        return rows.partialValue + budget.spread
    }
}
