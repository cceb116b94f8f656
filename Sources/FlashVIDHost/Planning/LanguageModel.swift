public import FlashVID

/// Dimensions of a decoder-only language model, as its published configuration has them, and what they make a prompt cost.
public struct LanguageModel: Sendable, Hashable {
    public var layers: Int
    /// Channels of a token (`hidden_size`).
    public var width: Int
    /// Channels inside the gated feed-forward network (`intermediate_size`).
    public var feedForwardWidth: Int
    /// Heads of the queries, and of the keys and values that groups of them share.
    public var heads: Int
    public var keyValueHeads: Int
    /// Channels of a head.
    public var headWidth: Int
    /// Positions that the model was trained for (`max_position_embeddings`).
    public var contextLength: Int

    public init(
        layers: Int, width: Int, feedForwardWidth: Int, heads: Int, keyValueHeads: Int, headWidth: Int,
        contextLength: Int
    ) {
        self.layers = layers
        self.width = width
        self.feedForwardWidth = feedForwardWidth
        self.heads = heads
        self.keyValueHeads = keyValueHeads
        self.headWidth = headWidth
        self.contextLength = contextLength
    }

    /// Throws `FlashVIDError.empty(dimension:value:)` for the first dimension below 1, or
    /// `FlashVIDError.headsNotDivisible(heads:keyHeads:)`.
    public func validate() throws(FlashVIDError) {
        for (name, value) in [
            ("layers", layers), ("channels", width), ("feed-forward channels", feedForwardWidth), ("heads", heads),
            ("key and value heads", keyValueHeads), ("channels a head", headWidth), ("positions", contextLength),
        ] {
            guard value > 0 else { throw .empty(dimension: name, value: value) }
        }
        guard heads % keyValueHeads == 0 else {
            throw .headsNotDivisible(heads: heads, keyHeads: keyValueHeads)
        }
    }

    /// Floating-point operations, counting a multiplication and an addition as two, of reading a prompt before the first
    /// token is written: projections of queries, keys, values and output, causal attention, and the gated feed-forward
    /// network with its three matrices. Norms, the embedding and the output's vocabulary are left out; together they are
    /// below a hundredth.
    ///
    /// - Parameters:
    ///   - visualTokens: tokens of the video that enter; at least 0.
    ///   - textTokens: all others; at least 0.
    ///   - pruning: what is pruned of the visual tokens inside the model (spec 9).
    ///
    /// Throws what ``validate()`` and ``InnerPruning/validate(layers:)`` do, or
    /// `FlashVIDError.outOfRange(of:at:value:range:)` for a negative number of tokens.
    public func prefillWork(
        visualTokens: Int, textTokens: Int, pruning: InnerPruning? = nil
    ) throws(FlashVIDError) -> Double {
        try validate()
        for (name, value) in [("number of visual tokens", visualTokens), ("number of text tokens", textTokens)] {
            guard value >= 0 else { throw .outOfRange(of: name, at: nil, value: value, range: 0..<Int.max) }
        }
        let text = Double(textTokens)
        guard let pruning else {
            return Double(layers) * work(ofLayer: Double(visualTokens) + text)
        }
        try pruning.validate(layers: layers)
        let kept = (Double(visualTokens) * pruning.keptRatio).rounded(.up)
        return Double(pruning.layer) * work(ofLayer: Double(visualTokens) + text)
            + Double(layers - pruning.layer) * work(ofLayer: kept + text)
    }

    private func work(ofLayer tokens: Double) -> Double {
        let queryWidth = Double(heads) * Double(headWidth)
        let keyWidth = Double(keyValueHeads) * Double(headWidth)
        let projections = 2 * Double(width) * (2 * queryWidth + 2 * keyWidth)
        let feedForward = 6 * Double(width) * Double(feedForwardWidth)
        // A token attends to itself and to those before it: (tokens + 1) / 2 of them on average, once for the logits and
        // once for the values.
        let attention = 2 * queryWidth * (tokens + 1)
        return tokens * (projections + feedForward + attention)
    }
}

/// Pruning inside the language model, which pays back what expansion lets in (spec 2 and 9).
public struct InnerPruning: Sendable, Hashable {
    /// K, the layer before which tokens go: the layers 0..<K see all of them.
    public var layer: Int
    /// Share of the visual tokens that stay; in (0, 1].
    public var keptRatio: Double

    public init(layer: Int, keptRatio: Double) {
        self.layer = layer
        self.keptRatio = keptRatio
    }

    /// Throws `FlashVIDError.empty(dimension:value:)` for a model without layers,
    /// `FlashVIDError.outOfRange(of:at:value:range:)` for a layer that it does not have, or
    /// `FlashVIDError.invalidConfiguration(field:value:expected:)` for the ratio.
    public func validate(layers: Int) throws(FlashVIDError) {
        guard layers > 0 else { throw .empty(dimension: "layers", value: layers) }
        guard layer >= 0, layer < layers else {
            throw .outOfRange(of: "pruning layer", at: nil, value: layer, range: 0..<layers)
        }
        guard keptRatio > 0, keptRatio <= 1 else {
            throw .invalidConfiguration(field: "kept ratio", value: "\(keptRatio)", expected: "a number in (0, 1]")
        }
    }

    /// Tokens that a layer sees on average, over those that the retention names: `expansion · (K + (L - K) · r) / L`
    /// (spec 2).
    ///
    /// Throws what ``validate(layers:)`` does, or `FlashVIDError.invalidConfiguration(field:value:expected:)` for an
    /// expansion that is not above 0.
    public func average(expansion: Double = 1, layers: Int) throws(FlashVIDError) -> Double {
        try validate(layers: layers)
        guard expansion > 0, expansion.isFinite else {
            throw .invalidConfiguration(
                field: "expansion", value: "\(expansion)", expected: "a finite number above 0")
        }
        return expansion * ((Double(layer) + Double(layers - layer) * keptRatio) / Double(layers))
    }

    /// The expansion with which the layers see `average` of what the retention names: 1.25 for an average of 1 with
    /// either of the authors' settings.
    ///
    /// Throws what ``validate(layers:)`` does, or `FlashVIDError.invalidConfiguration(field:value:expected:)` for an
    /// average that is not above 0.
    public func expansion(forAverage average: Double = 1, layers: Int) throws(FlashVIDError) -> Double {
        try validate(layers: layers)
        guard average > 0, average.isFinite else {
            throw .invalidConfiguration(field: "average", value: "\(average)", expected: "a finite number above 0")
        }
        let expansion = average * Double(layers) / (Double(layer) + Double(layers - layer) * keptRatio)
        guard expansion.isFinite else { throw .impossiblePlan("no expansion gives an average of \(average)") }
        return expansion
    }
}
