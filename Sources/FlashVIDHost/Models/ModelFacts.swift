public import FlashVID

/// What a host has to know of a model, beside how the authors configure the method for it
/// (`Configuration.preset(_:retentionRatio:)`). Each model has a file in this folder.
///
/// To add one: a case of `Configuration.Model` with its preset, a file here, and its line in ``init(_:)``.
package struct ModelFacts: Sendable {
    /// Its dimensions and its usual video.
    package var host: HostModel
    /// How its encoder's grid of tokens is pooled; nil where it is not.
    package var pooling: GridPooling?
    /// Windows and patches of its encoder, which merges patches into tokens; nil where it does not.
    package var patches: PatchSizes?
    /// Newlines among the tokens of the video.
    package var newlines: PromptLayout.Newlines
    /// Whether text stands between the frames of the video.
    package var framesAreApart: Bool
    /// What the authors prune inside its language model.
    package var pruning: InnerPruning

    /// Sides in pixels; a window of 0 is none.
    package struct PatchSizes: Sendable {
        package var window: Int
        package var patch: Int
    }

    package init(_ model: Configuration.Model) {
        self =
            switch model {
            case .llavaOneVision: .llavaOneVision
            case .llavaVideo: .llavaVideo
            case .qwen25VL: .qwen25VL
            case .qwen3VL: .qwen3VL
            }
    }

    init(
        host: HostModel, pooling: GridPooling? = nil, patches: PatchSizes? = nil,
        newlines: PromptLayout.Newlines = .none, framesAreApart: Bool = false, pruning: InnerPruning
    ) {
        self.host = host
        self.pooling = pooling
        self.patches = patches
        self.newlines = newlines
        self.framesAreApart = framesAreApart
        self.pruning = pruning
    }
}

extension HostModel {
    /// The models that have a preset.
    public static let all = Configuration.Model.allCases.map { ModelFacts($0).host }
}

// MARK: - By model

extension GridPooling {
    /// What a model pools by; nil for those that do not.
    public init?(_ model: Configuration.Model) {
        guard let pooling = ModelFacts(model).pooling else { return nil }
        self = pooling
    }
}

extension PatchGrid {
    /// A model's grid; nil for those whose encoder does not merge patches.
    public init?(_ model: Configuration.Model, rows: Int, columns: Int) {
        guard let sizes = ModelFacts(model).patches else { return nil }
        self.init(rows: rows, columns: columns, windowPixels: sizes.window, patchPixels: sizes.patch)
    }
}

extension PromptLayout.Newlines {
    /// A model's newlines (spec 11).
    public init(_ model: Configuration.Model) { self = ModelFacts(model).newlines }
}

extension InnerPruning {
    /// The authors' settings for a model: before layer 20 of 28 down to 0.3, for Qwen3-VL before 28 of 36 down to 0.1.
    public init(_ model: Configuration.Model) { self = ModelFacts(model).pruning }
}
