extension LanguageModel {
    /// Qwen2 and Qwen2.5 of 7B, on which three of the models are built.
    static func qwen2With(contextLength: Int) -> LanguageModel {
        LanguageModel(
            layers: 28, width: 3584, feedForwardWidth: 18_944, heads: 28, keyValueHeads: 4, headWidth: 128,
            contextLength: contextLength)
    }
}

extension InnerPruning {
    /// The authors' for its 28 layers.
    static var inQwen2: InnerPruning { InnerPruning(layer: 20, keptRatio: 0.3) }
}
