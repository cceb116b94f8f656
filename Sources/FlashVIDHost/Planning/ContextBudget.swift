public import FlashVID

/// Room for a video in a language model's context.
public struct ContextBudget: Sendable, Hashable {
    /// B, the positions that the prompt may take.
    public var positions: Int
    /// N, the tokens of a frame before compression.
    public var tokensPerFrame: Int
    /// Positions beside its tokens that each frame takes: a newline, or a timestamp with its marks.
    public var overheadPerFrame: Int
    /// Positions of the prompt that are not the video's: text, a newline behind the video.
    public var otherPositions: Int

    public init(positions: Int, tokensPerFrame: Int, overheadPerFrame: Int = 0, otherPositions: Int = 0) {
        self.positions = positions
        self.tokensPerFrame = tokensPerFrame
        self.overheadPerFrame = overheadPerFrame
        self.otherPositions = otherPositions
    }

    /// Frames that fit when they are compressed, counting the tokens that enter the model; nil for none compressed.
    ///
    /// With `Configuration.targetRows` the video takes so many positions whatever its length, and only what is beside
    /// the tokens of a frame grows with it.
    ///
    /// Throws `FlashVIDError.impossiblePlan(_:)` where not one fits or any number does, `FlashVIDError.empty(dimension:value:)`,
    /// `FlashVIDError.outOfRange(of:at:value:range:)`, `FlashVIDError.sizeOverflow(_:)` or, for the configuration,
    /// `FlashVIDError.invalidConfiguration(field:value:expected:)`.
    public func frames(_ configuration: Configuration?) throws(FlashVIDError) -> Int {
        let room = try room()
        if let configuration, configuration.targetRows > 0 {
            return try frames(room, withRows: configuration)
        }
        let kept = try keptTokens(configuration)
        let (perFrame, overflow) = kept.addingReportingOverflow(overheadPerFrame)
        guard !overflow else { throw .sizeOverflow("a frame of \(kept) tokens and \(overheadPerFrame) others") }
        guard perFrame <= room else {
            throw .impossiblePlan("a frame takes \(perFrame) positions and \(room) are left for the video")
        }
        // A retention that underflows keeps nothing.
        guard perFrame > 0 else { throw .impossiblePlan("frames take no positions, so that any number of them fits") }
        return room / perFrame
    }

    /// The largest number of frames whose overhead fits beside the target rows.
    private func frames(_ room: Int, withRows configuration: Configuration) throws(FlashVIDError) -> Int {
        try configuration.validate()
        let rows = configuration.targetRows
        guard rows <= room else {
            throw .impossiblePlan("\(rows) rows do not fit in the \(room) positions left for the video")
        }
        guard overheadPerFrame > 0 else {
            throw .impossiblePlan(
                "frames take no positions beside the \(rows) rows of the video, so that any number of them fits")
        }
        let most = (room - rows) / overheadPerFrame
        guard most > 0 else {
            throw .impossiblePlan(
                "a frame takes \(overheadPerFrame) positions and \(room - rows) are left beside the \(rows) rows")
        }
        // Fewer frames than have as many tokens as there are rows cannot become them.
        _ = try configuration.outputTokenCount(frames: most, tokensPerFrame: tokensPerFrame)
        return most
    }

    /// The largest retention ratio with which a number of frames fits; the configuration's own ratio and target rows are
    /// not looked at.
    ///
    /// Throws `FlashVIDError.impossiblePlan(_:)` where they do not fit with a token each, or what ``frames(_:)`` does.
    public func retentionRatio(forFrames frames: Int, _ configuration: Configuration) throws(FlashVIDError) -> Double {
        guard frames > 0 else { throw .empty(dimension: "frames", value: frames) }
        var configuration = configuration
        configuration.targetRows = 0
        let room = try room()
        // The published semantics may round up once more.
        let roundedUp = configuration.semantics == .published ? 1 : 0
        let perFrame = room / frames - overheadPerFrame - roundedUp
        guard perFrame > 0 else {
            throw .impossiblePlan(
                "\(frames) frames of at least \(1 + roundedUp) positions and \(overheadPerFrame) others do not fit in the "
                    + "\(room) left for the video")
        }
        func fits(_ ratio: Double) throws(FlashVIDError) -> Bool {
            configuration.retentionRatio = ratio
            return try keptTokens(configuration) - roundedUp <= perFrame
        }
        guard try !fits(1) else { return 1 }
        // Doubles of one sign are in the order of their bits, so that the largest that fits is found in 64 steps.
        var low = Double.leastNonzeroMagnitude.bitPattern
        var high = 1.0.bitPattern
        guard try fits(Double(bitPattern: low)) else {
            throw .impossiblePlan("no retention keeps \(perFrame) tokens a frame or fewer")
        }
        while high - low > 1 {
            let middle = low + (high - low) / 2
            if try fits(Double(bitPattern: middle)) { low = middle } else { high = middle }
        }
        return Double(bitPattern: low)
    }

    /// Tokens of a frame that enter the model.
    private func keptTokens(_ configuration: Configuration?) throws(FlashVIDError) -> Int {
        guard tokensPerFrame > 0 else { throw .empty(dimension: "tokens per frame", value: tokensPerFrame) }
        guard let configuration else { return tokensPerFrame }
        return try configuration.outputTokenCount(frames: 1, tokensPerFrame: tokensPerFrame)
    }

    private func room() throws(FlashVIDError) -> Int {
        guard positions > 0 else { throw .empty(dimension: "positions", value: positions) }
        for (name, value) in [
            ("overhead of a frame", overheadPerFrame), ("number of other positions", otherPositions),
        ] {
            guard value >= 0 else { throw .outOfRange(of: name, at: nil, value: value, range: 0..<Int.max) }
        }
        guard otherPositions < positions else {
            throw .impossiblePlan("\(otherPositions) other positions fill a context of \(positions)")
        }
        return positions - otherPositions
    }
}
