import FlashVID
import FlashVIDHost
import Testing

/// Budgets: averages over layers, frames that fit, work (spec 2 and 9).
@Suite("Planning")
struct PlanningTests {
    @Test("the authors' expansion averages to one")
    func averages() throws {
        let llava = InnerPruning(layer: 20, keptRatio: 0.3)
        let qwen3 = InnerPruning(layer: 28, keptRatio: 0.1)
        #expect(try (llava.average(expansion: 1.25, layers: 28) - 1).magnitude < 1e-12)
        #expect(try (qwen3.average(expansion: 1.25, layers: 36) - 1).magnitude < 1e-12)
        #expect(try llava.expansion(layers: 28) == 1.25)
        #expect(try qwen3.expansion(layers: 36) == 1.25)
        for model in Configuration.Model.allCases {
            #expect(InnerPruning(model) == (model == .qwen3VL ? qwen3 : llava))
        }
        // Four layers of ten see everything, six see half: 0.7 on average.
        #expect(try (InnerPruning(layer: 4, keptRatio: 0.5).average(layers: 10) - 0.7).magnitude < 1e-12)
        #expect(
            try (InnerPruning(layer: 4, keptRatio: 0.5).expansion(forAverage: 1.4, layers: 10) - 2).magnitude < 1e-12)
        #expect(try InnerPruning(layer: 0, keptRatio: 0.5).average(layers: 10) == 0.5)
    }

    @Test("presets have the published dimensions")
    func presets() throws {
        #expect(
            HostModel.all.map(\.name) == ["llava-onevision-7b", "llava-video-7b", "qwen2.5-vl-7b", "qwen3-vl-8b"])
        #expect(Set(HostModel.all.map(\.model)) == Set(Configuration.Model.allCases))
        for host in HostModel.all {
            try host.language.validate()
            let isQwen3 = host.model == .qwen3VL
            #expect(host.language.layers == (isQwen3 ? 36 : 28))
            #expect(host.language.width == (isQwen3 ? 4096 : 3584))
            #expect(host.language.heads * host.language.headWidth == host.language.width)
        }
    }

    @Test("work is what a count by hand gives")
    func work() throws {
        // Two layers of 4 channels, 6 inside; two heads of 2, one of keys and values.
        let model = LanguageModel(
            layers: 2, width: 4, feedForwardWidth: 6, heads: 2, keyValueHeads: 1, headWidth: 2, contextLength: 100)
        // A token: q 4x4, k 4x2, v 4x2, o 4x4 = 48 multiplications, feed-forward 3 · 4x6 = 72.
        // Three tokens see 1 + 2 + 3 keys, 4 numbers each, for the logits and again for the values: 48.
        #expect(try model.prefillWork(visualTokens: 2, textTokens: 1) == Double(2 * 2 * (3 * (48 + 72) + 48)))
        #expect(try model.prefillWork(visualTokens: 0, textTokens: 0) == 0)
        // The second layer sees one of the two visual tokens: 2 tokens, 3 keys.
        let pruned = try model.prefillWork(
            visualTokens: 2, textTokens: 1, pruning: InnerPruning(layer: 1, keptRatio: 0.5))
        #expect(pruned == Double(2 * (3 * 120 + 48) + 2 * (2 * 120 + 24)))
        // 2 flops a parameter and token, but for attention: 6.5 of the 7.6 billion parameters are in the layers.
        let qwen2 = HostModel.llavaOneVision7B.language
        let perToken = try qwen2.prefillWork(visualTokens: 0, textTokens: 1)
        #expect((perToken / 2 / 6.5e9 - 1).magnitude < 0.01)
    }

    @Test("frames and retention fit, and one more would not")
    func context() throws {
        var configuration = Configuration(retentionRatio: 0.1)
        let budget = ContextBudget(positions: 1000, tokensPerFrame: 196, overheadPerFrame: 1, otherPositions: 65)
        // ceil(196 · 0.1 · 1.25) = 25 tokens and one newline.
        #expect(try budget.frames(configuration) == 935 / 26)
        #expect(try budget.frames(nil) == 935 / 197)
        configuration.expansion = 1
        #expect(try budget.frames(configuration) == 935 / 21)

        for frames in [1, 4, 5, 7, 30, 100, 300, 467] {
            for expansion in [0.5, 1, 1.25, 3] {
                for semantics in Configuration.Semantics.allCases {
                    configuration.expansion = expansion
                    configuration.semantics = semantics
                    guard let ratio = try? budget.retentionRatio(forFrames: frames, configuration) else {
                        #expect(frames > (semantics == .published ? 311 : 467))
                        continue
                    }
                    configuration.retentionRatio = ratio
                    let fits = try configuration.outputTokenCount(frames: frames, tokensPerFrame: 196) + frames
                    #expect(fits <= 935, "\(frames) frames at \(expansion), \(semantics)")
                    #expect(try budget.frames(configuration) >= frames)
                    guard ratio < 1 else { continue }
                    configuration.retentionRatio = ratio.nextUp
                    let more = try configuration.outputTokenCount(frames: frames, tokensPerFrame: 196) + frames
                    #expect(more > 935, "\(frames) frames at \(expansion), \(semantics)")
                }
            }
        }
    }

    @Test("with target rows the video takes so many positions, whatever its length")
    func targetRows() throws {
        // Neither the ratio nor the expansion is looked at.
        var configuration = Configuration(retentionRatio: 7)
        configuration.targetRows = 800
        let budget = ContextBudget(positions: 1000, tokensPerFrame: 196, overheadPerFrame: 2, otherPositions: 65)
        #expect(try budget.frames(configuration) == (1000 - 65 - 800) / 2)
        func error(_ budget: ContextBudget, _ rows: Int) -> FlashVIDError? {
            configuration.targetRows = rows
            return Self.error { () throws(FlashVIDError) in try budget.frames(configuration) }
        }
        #expect(error(budget, 936) == .impossiblePlan("936 rows do not fit in the 935 positions left for the video"))
        #expect(
            error(budget, 934) == .impossiblePlan("a frame takes 2 positions and 1 are left beside the 934 rows"))
        // The one frame that fits beside the rows has fewer tokens than there are rows.
        #expect(
            error(budget, 933)
                == .invalidConfiguration(
                    field: "target rows", value: "933",
                    expected: "1 to 196, the tokens of the clip, or 0 for a number by the ratio"))
        #expect(
            error(ContextBudget(positions: 1000, tokensPerFrame: 196), 800)
                == .impossiblePlan(
                    "frames take no positions beside the 800 rows of the video, so that any number of them fits"))
        guard case .invalidConfiguration("target rows", "-1", _) = error(budget, -1) else {
            Issue.record("-1 rows")
            return
        }
        // What a ratio buys does not depend on them.
        var ratio = Configuration()
        let wanted = try budget.retentionRatio(forFrames: 30, ratio)
        ratio.targetRows = 5
        #expect(try budget.retentionRatio(forFrames: 30, ratio) == wanted)
    }

    @Test("a plan with target rows is that of a ratio that gives as many, and one row finer")
    func planWithRows() throws {
        for host in HostModel.all {
            let frames = host.frames
            let ratio = try host.planRow(retentionRatio: 0.1, textTokens: 50)
            var row = try host.planRow(targetRows: ratio.visualTokens, textTokens: 50)
            #expect(row.targetRows == ratio.visualTokens)
            (row.targetRows, row.retentionRatio) = (nil, 0.1)
            #expect(row == ratio)
            let more = try host.planRow(targetRows: ratio.visualTokens + 1, textTokens: 50)
            #expect(more.visualTokens == ratio.visualTokens + 1)
            #expect(more.promptLength == ratio.promptLength + 1)
            #expect(more.prefillWork > ratio.prefillWork)
            #expect(more.framesInContext <= ratio.framesInContext)
            // What fits, in whole numbers, and one frame more that does not.
            func positions(_ count: Int) -> Int {
                let rows = (count * (ratio.visualTokens + 1) + frames - 1) / frames
                return rows + count * host.overheadPerFrame + host.overheadPerVideo + 50
            }
            #expect(positions(more.framesInContext) <= host.language.contextLength)
            #expect(positions(more.framesInContext + 1) > host.language.contextLength)
            let (seconds, work) = (0.03, 1e14)
            #expect(
                try host.breakEvenFrames(
                    targetRows: ratio.visualTokens, secondsPerFrame: seconds, workPerSecond: work)
                    == (try host.breakEvenFrames(retentionRatio: 0.1, secondsPerFrame: seconds, workPerSecond: work)))
            #expect(
                Self.error { () throws(FlashVIDError) in
                    try host.planRow(targetRows: frames * host.tokensPerFrame + 1)
                }
                    == .invalidConfiguration(
                        field: "target rows", value: "\(frames * host.tokensPerFrame + 1)",
                        expected: "1 to \(frames * host.tokensPerFrame), the tokens of the clip, or 0 for a number by "
                            + "the ratio"))
        }
        #expect(
            Self.error { () throws(FlashVIDError) in try HostModel.qwen25VL7B.planRow(targetRows: 0) }
                == .invalidConfiguration(field: "target rows", value: "0", expected: "at least 1"))
        #expect(
            Self.error { () throws(FlashVIDError) in try HostModel.qwen25VL7B.planRow(frames: 0, targetRows: 5) }
                == .empty(dimension: "frames", value: 0))
    }

    @Test("ten times the frames: a plan's rows hang together")
    func plan() throws {
        for host in HostModel.all {
            let rows = try host.plan(textTokens: 50)
            #expect(rows.map(\.retentionRatio) == [nil, 0.25, 0.2, 0.15, 0.1])
            let full = rows[0]
            #expect(full.visualTokens == host.frames * host.tokensPerFrame)
            #expect(full.averageVisualTokens == Double(full.visualTokens))
            #expect(full.workShare == 1)
            #expect(full.framesAtSameWork == host.frames)
            #expect(full.promptLength <= host.language.contextLength)
            for (earlier, row) in zip(rows, rows.dropFirst()) {
                let ratio = try #require(row.retentionRatio)
                #expect(row.visualTokens == host.frames * row.tokensPerFrame)
                #expect(row.tokensPerFrame == Int((Double(host.tokensPerFrame) * ratio * 1.25).rounded(.up)))
                // The average is what the ratio names, but for rounding up.
                let wanted = ratio * Double(full.visualTokens)
                #expect(row.averageVisualTokens >= wanted * (1 - 1e-9))
                #expect(row.averageVisualTokens < wanted + Double(host.frames))
                #expect(row.prefillWork < earlier.prefillWork)
                #expect(row.workShare == row.prefillWork / full.prefillWork)
                #expect(row.framesInContext > earlier.framesInContext)
                #expect(row.framesAtSameWork > earlier.framesAtSameWork)
                let again = try host.plan(frames: row.framesAtSameWork, retentionRatios: [ratio], textTokens: 50)[1]
                let more = try host.plan(frames: row.framesAtSameWork + 1, retentionRatios: [ratio], textTokens: 50)[1]
                #expect(again.prefillWork <= full.prefillWork)
                #expect(more.prefillWork > full.prefillWork)
            }
            #expect(rows[4].workShare < 0.13)
        }
        let oneVision = try HostModel.llavaOneVision7B.plan(textTokens: 64)
        #expect(oneVision[4].visualTokens == 800)
        #expect(oneVision[4].promptLength == 865)
        #expect(oneVision[0].framesInContext == (32_768 - 65) / 196)
        #expect(oneVision[4].framesInContext == (32_768 - 65) / 25)
    }

    @Test("compressing pays from some number of frames on")
    func breakEven() throws {
        let host = HostModel.llavaOneVision7B
        // A machine of 100 TFLOP/s: 171 tokens a frame less save some 20 ms a frame.
        #expect(try host.breakEvenFrames(retentionRatio: 0.1, secondsPerFrame: 0.002, workPerSecond: 1e14) == 1)
        #expect(try host.breakEvenFrames(retentionRatio: 0.1, secondsPerFrame: 1e9, workPerSecond: 1e14) == nil)
        let between = try #require(
            try host.breakEvenFrames(retentionRatio: 0.1, secondsPerFrame: 0.03, workPerSecond: 1e14))
        #expect(between > 1)
        func saved(_ frames: Int) throws -> Double {
            let rows = try host.plan(frames: frames, retentionRatios: [0.1])
            return (rows[0].prefillWork - rows[1].prefillWork) / 1e14
        }
        #expect(try saved(between) >= 0.03 * Double(between))
        #expect(try saved(between - 1) < 0.03 * Double(between - 1))
        #expect(try host.breakEvenFrames(retentionRatio: 0.1, secondsPerFrame: 0, workPerSecond: 1) == 1)
    }

    // MARK: Bad input

    private static func error<Value>(_ body: () throws(FlashVIDError) -> Value) -> FlashVIDError? {
        do throws(FlashVIDError) {
            _ = try body()
            return nil
        } catch {
            return error
        }
    }

    @Test("plans that cannot be met and numbers out of range are named")
    func refusals() {
        let pruning = InnerPruning(layer: 20, keptRatio: 0.3)
        for layers in [0, -1] {
            #expect(
                Self.error { () throws(FlashVIDError) in try pruning.average(layers: layers) }
                    == .empty(dimension: "layers", value: layers))
        }
        #expect(
            Self.error { () throws(FlashVIDError) in try pruning.average(layers: 20) }
                == .outOfRange(of: "pruning layer", at: nil, value: 20, range: 0..<20))
        for ratio in [0, -0.1, 1.0.nextUp, .nan, .infinity] {
            guard
                case .invalidConfiguration("kept ratio", _, _) = Self.error({ () throws(FlashVIDError) in
                    try InnerPruning(layer: 1, keptRatio: ratio).expansion(layers: 2)
                })
            else {
                Issue.record("a kept ratio of \(ratio)")
                continue
            }
        }
        for value in [0, -1, .nan, .infinity] as [Double] {
            guard
                case .invalidConfiguration("expansion", _, _) = Self.error({ () throws(FlashVIDError) in
                    try pruning.average(expansion: value, layers: 28)
                }),
                case .invalidConfiguration("average", _, _) = Self.error({ () throws(FlashVIDError) in
                    try pruning.expansion(forAverage: value, layers: 28)
                })
            else {
                Issue.record("an expansion or average of \(value)")
                continue
            }
        }
        guard
            case .impossiblePlan = Self.error({ () throws(FlashVIDError) in
                try InnerPruning(layer: 0, keptRatio: 0.1).expansion(
                    forAverage: .greatestFiniteMagnitude, layers: 28)
            })
        else {
            Issue.record("an expansion beyond all numbers")
            return
        }

        var language = HostModel.qwen25VL7B.language
        language.keyValueHeads = 5
        let heads = language
        #expect(
            Self.error { () throws(FlashVIDError) in try heads.prefillWork(visualTokens: 1, textTokens: 1) }
                == .headsNotDivisible(heads: 28, keyHeads: 5))
        language.keyValueHeads = 0
        let none = language
        #expect(
            Self.error { () throws(FlashVIDError) in try none.validate() }
                == .empty(dimension: "key and value heads", value: 0))
        #expect(
            Self.error { () throws(FlashVIDError) in
                try HostModel.qwen25VL7B.language.prefillWork(visualTokens: -1, textTokens: 1)
            } == .outOfRange(of: "number of visual tokens", at: nil, value: -1, range: 0..<Int.max))
        let largest = try? HostModel.qwen25VL7B.language.prefillWork(visualTokens: .max, textTokens: .max)
        #expect(largest?.isFinite == true)

        let configuration = Configuration(retentionRatio: 0.1)
        func frames(_ budget: ContextBudget, _ configuration: Configuration? = configuration) -> FlashVIDError? {
            Self.error { () throws(FlashVIDError) in try budget.frames(configuration) }
        }
        #expect(frames(ContextBudget(positions: 25, tokensPerFrame: 196)) == nil)
        #expect(
            frames(ContextBudget(positions: 24, tokensPerFrame: 196))
                == .impossiblePlan("a frame takes 25 positions and 24 are left for the video"))
        #expect(
            frames(ContextBudget(positions: 64, tokensPerFrame: 196, otherPositions: 64))
                == .impossiblePlan("64 other positions fill a context of 64"))
        #expect(
            frames(ContextBudget(positions: 0, tokensPerFrame: 196)) == .empty(dimension: "positions", value: 0))
        #expect(
            frames(ContextBudget(positions: 10, tokensPerFrame: 0)) == .empty(dimension: "tokens per frame", value: 0))
        #expect(
            frames(ContextBudget(positions: 10, tokensPerFrame: -1), nil)
                == .empty(dimension: "tokens per frame", value: -1))
        #expect(
            frames(ContextBudget(positions: 10, tokensPerFrame: 1, overheadPerFrame: -1))
                == .outOfRange(of: "overhead of a frame", at: nil, value: -1, range: 0..<Int.max))
        guard
            case .sizeOverflow = frames(
                ContextBudget(positions: .max, tokensPerFrame: 196, overheadPerFrame: .max))
        else {
            Issue.record("an overhead of Int.max")
            return
        }
        func ratio(_ budget: ContextBudget, _ frames: Int, _ configuration: Configuration) -> FlashVIDError? {
            Self.error { () throws(FlashVIDError) in try budget.retentionRatio(forFrames: frames, configuration) }
        }
        let small = ContextBudget(positions: 100, tokensPerFrame: 196)
        #expect(ratio(small, 100, configuration) == nil)
        // A retention that underflows, and an overhead that no text may overflow with.
        var nothing = configuration
        (nothing.retentionRatio, nothing.expansion) = (1e-200, 1e-200)
        guard case .impossiblePlan = ratio(small, 101, configuration),
            case .impossiblePlan = ratio(small, .max, configuration),
            case .impossiblePlan = ratio(
                ContextBudget(positions: 100, tokensPerFrame: 196, overheadPerFrame: .max), 1, configuration),
            case .impossiblePlan = frames(small, nothing)
        else {
            Issue.record("101 frames in 100 positions")
            return
        }
        #expect(ratio(small, 0, configuration) == .empty(dimension: "frames", value: 0))
        var invalid = configuration
        invalid.expansion = .nan
        guard case .invalidConfiguration("expansion", _, _) = ratio(small, 1, invalid) else {
            Issue.record("an expansion of NaN")
            return
        }

        func plan(_ frames: Int, _ ratio: Double, _ text: Int = 64) -> FlashVIDError? {
            Self.error { () throws(FlashVIDError) in
                try HostModel.llavaVideo7B.plan(frames: frames, retentionRatios: [ratio], textTokens: text)
            }
        }
        #expect(plan(1, 0.5) == nil)
        #expect(plan(0, 0.5) == .empty(dimension: "frames", value: 0))
        guard case .sizeOverflow = plan(.max, 0.5) else {
            Issue.record("Int.max frames")
            return
        }
        for value in [0, 1.5, .nan] {
            guard case .invalidConfiguration("retention", _, _) = plan(1, value) else {
                Issue.record("a retention of \(value)")
                continue
            }
        }
        #expect(
            plan(1, 0.5, -1) == .outOfRange(of: "number of other positions", at: nil, value: -1, range: 0..<Int.max))
        guard case .impossiblePlan = plan(1, 0.5, 40_000) else {
            Issue.record("more text than context")
            return
        }
        for value in [-1, .nan, .infinity] as [Double] {
            guard
                case .invalidConfiguration("seconds a frame", _, _) = Self.error({ () throws(FlashVIDError) in
                    try HostModel.llavaVideo7B.breakEvenFrames(
                        retentionRatio: 0.1, secondsPerFrame: value, workPerSecond: 1)
                })
            else {
                Issue.record("\(value) seconds a frame")
                continue
            }
        }
        for value in [0, -1, .nan, .infinity] as [Double] {
            guard
                case .invalidConfiguration("work a second", _, _) = Self.error({ () throws(FlashVIDError) in
                    try HostModel.llavaVideo7B.breakEvenFrames(
                        retentionRatio: 0.1, secondsPerFrame: 1, workPerSecond: value)
                })
            else {
                Issue.record("\(value) operations a second")
                continue
            }
        }
    }
}
