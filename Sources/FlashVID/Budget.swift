/// Tokens a frame may keep (spec 2): `total` of them, `selected` by ADTS and `contextual` by TSTM.
struct Budget: Equatable {
    let total: Int
    let selected: Int
    let contextual: Int

    /// IEEE double, in the order of the definition, so that a host can compute K beforehand and agree.
    init(tokensPerFrame: Int, _ configuration: Configuration) {
        let wanted = (Double(tokensPerFrame) * configuration.retentionRatio * configuration.expansion).rounded(.up)
        total = wanted < Double(tokensPerFrame) ? Int(wanted) : tokensPerFrame
        selected = min(total, Int((Double(total) * configuration.alpha).rounded(.up)))
        contextual = total - selected
    }
}

extension Configuration {
    /// Rows that a clip becomes, known before any feature exists.
    ///
    /// Exact with ``Semantics/definition``: `frames * T`, where `T = min(N, ceil(N * retention * expansion))`. With
    /// ``Semantics/published`` an upper bound, `frames * (T + 1)`. (Spec 2, 6.1 and 8.)
    public func outputTokenCount(frames: Int, tokensPerFrame: Int) throws(FlashVIDError) -> Int {
        try validate()
        guard frames > 0 else { throw .empty(dimension: "frames", value: frames) }
        guard tokensPerFrame > 0 else { throw .empty(dimension: "tokens per frame", value: tokensPerFrame) }
        guard tokensPerFrame < 1 << 53 else { throw .sizeOverflow("a frame of \(tokensPerFrame) tokens") }
        let budget = Budget(tokensPerFrame: tokensPerFrame, self)
        let rows = frames.multipliedReportingOverflow(by: semantics == .published ? budget.total + 1 : budget.total)
        guard !rows.overflow else { throw .sizeOverflow("\(frames) frames of \(tokensPerFrame) tokens") }
        return rows.partialValue
    }
}
