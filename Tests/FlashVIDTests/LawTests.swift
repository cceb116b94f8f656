import FlashVID
import TestSupport
import Testing

/// What holds for every clip, whatever the configuration.
@Suite("Laws")
struct LawTests {
    /// A random clip with a random configuration of the definition, and what the engine makes of them.
    private static func sample(
        _ seed: UInt64
    ) throws -> (clip: Clip, configuration: Configuration, video: CompressedVideo, story: Comment) {
        var generator = ClipGenerator(seed: seed)
        let clip = generator.clip()
        var configuration = generator.configuration(.definition)
        if generator.random.chance(0.4) { configuration.targetRows = generator.targetRows(clip) }
        let story = Comment(rawValue: generator.story(clip, configuration))
        return (clip, configuration, try clip.compressed(configuration), story)
    }

    private static func contextualBudget(_ clip: Clip, _ configuration: Configuration) -> Int {
        Reference.budget(clip.shape, configuration).contextual
    }

    @Test("K = T·F or what was asked for, as foretold", arguments: Seeds.first(40))
    func count(_ seed: UInt64) throws {
        let (clip, configuration, video, story) = try Self.sample(seed)
        let budget = Reference.budget(clip.shape, configuration)
        let selected = budget.selected.reduce(0, +)
        let count =
            configuration.targetRows > 0
            ? configuration.targetRows : selected + budget.contextual * clip.shape.frames
        let foretold = try configuration.outputTokenCount(
            frames: clip.shape.frames, tokensPerFrame: clip.shape.tokensPerFrame)
        #expect(foretold == count, story)
        #expect(video.count == count, story)
        #expect(video.indices.count == count, story)
        #expect(video.kinds.count == count, story)
        #expect(video.counts.count == count, story)
        #expect(video.tokens.count == count * clip.shape.channels, story)
        #expect(video.assignment.count == clip.tokenCount, story)
        #expect(video.parents.count == clip.tokenCount, story)
        #expect(video.kinds.count { $0 == .selected } == selected, story)
        #expect(video.shape == clip.shape, story)
    }

    @Test("indices are unique and ascending", arguments: Seeds.first(40))
    func indices(_ seed: UInt64) throws {
        let (clip, _, video, story) = try Self.sample(seed)
        #expect(zip(video.indices, video.indices.dropFirst()).allSatisfy { $0 < $1 }, story)
        #expect(video.indices.allSatisfy { (0..<clip.tokenCount).contains($0) }, story)
    }

    @Test("published: indices ascend, and K is at most what was foretold", arguments: Seeds.first(40))
    func published(_ seed: UInt64) throws {
        var generator = ClipGenerator(seed: seed)
        let clip = generator.clip()
        let configuration = generator.configuration(.published)
        let story = Comment(rawValue: generator.story(clip, configuration))
        let video = try clip.compressed(configuration)
        let bound = try configuration.outputTokenCount(
            frames: clip.shape.frames, tokensPerFrame: clip.shape.tokensPerFrame)
        #expect(video.count <= bound, story)
        #expect(zip(video.indices, video.indices.dropFirst()).allSatisfy { $0 <= $1 }, story)
        let rows = zip(zip(video.indices, video.kinds), zip(video.indices, video.kinds).dropFirst())
        #expect(
            rows.allSatisfy { $0.0 < $1.0 || $0.1 == .selected || $1.1 == .contextual },
            "at equal indices the selected row comes first\n\(story)")
        #expect(video.assignment.isEmpty && video.counts.isEmpty, story)
    }

    @Test("segments cover the clip", arguments: Seeds.first(40))
    func segments(_ seed: UInt64) throws {
        let (clip, configuration, video, story) = try Self.sample(seed)
        #expect(video.segmentLengths.reduce(0, +) == clip.shape.frames, story)
        #expect(video.segmentLengths.allSatisfy { $0 > 0 }, story)
        if configuration.maximumSegmentFrames > 0 {
            #expect(video.segmentLengths.allSatisfy { $0 <= configuration.maximumSegmentFrames }, story)
        } else if !configuration.segmentation {
            #expect(video.segmentLengths == [clip.shape.frames], story)
        }
        if configuration.segmentation, configuration.complementarySegments {
            let minimum = configuration.minimumSegments
            let wanted = minimum > 0 ? minimum : Reference.automaticSegments(clip.shape.frames)
            #expect(video.segmentLengths.count >= min(wanted, clip.shape.frames), story)
        }
    }

    @Test("transitions are the cosines of neighbouring frames' means", arguments: Seeds.first(40))
    func transitions(_ seed: UInt64) throws {
        let (clip, _, video, story) = try Self.sample(seed)
        let (count, channels) = (clip.shape.tokensPerFrame, clip.shape.channels)
        let means = (0..<clip.shape.frames).map { frame in
            (0..<channels).map { channel in
                (0..<count).reduce(0.0) { $0 + Double(clip.features[(frame * count + $1) * channels + channel]) }
            }
        }
        func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
        #expect(video.transitions.count == clip.shape.frames - 1, story)
        for (frame, transition) in video.transitions.enumerated() {
            let lengths = (dot(means[frame], means[frame]) * dot(means[frame + 1], means[frame + 1])).squareRoot()
            let expected = lengths > 0 ? dot(means[frame], means[frame + 1]) / lengths : 0
            #expect(abs(transition - expected) < 1e-9, story)
        }
    }

    @Test("every row stands for itself", arguments: Seeds.first(40))
    func rowsStandForThemselves(_ seed: UInt64) throws {
        let (clip, _, video, story) = try Self.sample(seed)
        #expect(video.counts.allSatisfy { $0 >= 1 }, story)
        #expect(video.indices.indices.allSatisfy { video.assignment[video.indices[$0]] == $0 }, story)
        var counts = [Int](repeating: 0, count: video.count)
        for row in video.assignment where row >= 0 { counts[row] += 1 }
        #expect(video.counts == counts, story)
        // A row stands for tokens of its own segment only.
        var segment: [Int] = []
        for (number, length) in video.segmentLengths.enumerated() {
            segment += [Int](repeating: number, count: length * clip.shape.tokensPerFrame)
        }
        #expect(
            video.assignment.enumerated().allSatisfy { $1 < 0 || segment[$0] == segment[video.indices[$1]] }, story)
    }

    @Test("assignment is total where there is a contextual budget", arguments: Seeds.first(40))
    func assignment(_ seed: UInt64) throws {
        let (clip, configuration, video, story) = try Self.sample(seed)
        if Self.contextualBudget(clip, configuration) > 0 {
            #expect(video.assignment.allSatisfy { (0..<video.count).contains($0) }, story)
            #expect(video.counts.reduce(0, +) == clip.tokenCount, story)
        } else {
            let kept = Set(video.indices)
            #expect((0..<clip.tokenCount).allSatisfy { (video.assignment[$0] >= 0) == kept.contains($0) }, story)
            #expect(video.parents.allSatisfy { $0 == -1 }, story)
        }
    }

    @Test("selected rows are source tokens, bit for bit", arguments: Seeds.first(40))
    func selectedRows(_ seed: UInt64) throws {
        let (clip, _, video, story) = try Self.sample(seed)
        let channels = clip.shape.channels
        for row in 0..<video.count where video.kinds[row] == .selected {
            let token = video.tokens[row * channels..<(row + 1) * channels].map(\.bitPattern)
            guard token == clip.token(video.indices[row]).map(\.bitPattern) else {
                Issue.record("row \(row)\n\(story)")
                return
            }
        }
    }

    @Test("trees climb one frame at a time, and their tokens stay together", arguments: Seeds.first(40))
    func trees(_ seed: UInt64) throws {
        let (clip, configuration, video, story) = try Self.sample(seed)
        let n = clip.shape.tokensPerFrame
        var isSelected = [Bool](repeating: false, count: clip.tokenCount)
        for row in 0..<video.count where video.kinds[row] == .selected { isSelected[video.indices[row]] = true }
        var firstFrames: Set<Int> = []
        var frame = 0
        for length in video.segmentLengths {
            firstFrames.insert(frame)
            frame += length
        }
        var merged = 0
        for (token, parent) in video.parents.enumerated() where parent != -1 {
            merged += 1
            #expect(parent >= 0 && parent / n == token / n - 1, "token \(token) joined \(parent)\n\(story)")
            #expect(!firstFrames.contains(token / n), "token \(token) joined another segment\n\(story)")
            #expect(!isSelected[token] && !isSelected[parent], "token \(token) joined \(parent)\n\(story)")
            if configuration.refinementRounds == 0 {
                #expect(video.assignment[token] == video.assignment[parent], "token \(token)\n\(story)")
            }
        }
        // 5.2: what is left, selected tokens counted, is not below the budget.
        #expect(clip.tokenCount - merged >= video.count, story)
        #expect(video.forest.mergedTokens == merged, story)
    }

    @Test("after a refinement round a contextual row is the mean of its members", arguments: Seeds.first(40))
    func refinedRows(_ seed: UInt64) throws {
        var generator = ClipGenerator(seed: seed)
        let clip = generator.clip()
        var configuration = generator.configuration(.definition)
        configuration.refinementRounds = generator.random.integer(1...2)
        let video = try clip.compressed(configuration)
        let story = Comment(rawValue: generator.story(clip, configuration))
        let channels = clip.shape.channels
        let largest = clip.features.reduce(0) { max($0, $1.magnitude) }
        for row in 0..<video.count where video.kinds[row] == .contextual {
            var mean = [Double](repeating: 0, count: channels)
            for token in 0..<clip.tokenCount where video.assignment[token] == row {
                for (channel, value) in clip.token(token).enumerated() { mean[channel] += Double(value) }
            }
            for channel in 0..<channels {
                let expected = Float(mean[channel] / Double(video.counts[row]))
                let found = video.tokens[row * channels + channel]
                guard (expected - found).magnitude <= 1e-5 * largest else {
                    Issue.record("row \(row), channel \(channel): \(found) for \(expected)\n\(story)")
                    return
                }
            }
        }
    }

    /// Spec 12.2 is at its fixed point once a round moves no token and the rows are the means of their members.
    @Test("refinement rests where a round changes nothing, and further rounds are left out", arguments: Seeds.first(12))
    func fixedPoint(_ seed: UInt64) throws {
        var generator = ClipGenerator(seed: seed)
        var clip = generator.clip(
            shape: ClipShape(frames: 5, tokensPerFrame: 16, channels: 8), traits: [.motion, .cuts])
        let attention = generator.attention(clip.shape)
        clip.attention = attention
        var configuration = generator.configuration(.definition)
        (configuration.retentionRatio, configuration.expansion, configuration.alpha) = (0.25, 1.25, 0.4)
        func refine(_ rounds: Int) throws -> (video: CompressedVideo, reports: Int) {
            configuration.refinementRounds = rounds
            var compressor = try Compressor(configuration, threads: 1)
            var (video, reports) = (CompressedVideo(), 0)
            try compressor.compress(
                clip.features.span, shape: clip.shape, attention: attention.span,
                into: &video
            ) { _ in reports += 1 }
            return (video, reports)
        }
        let story = generator.story(clip, configuration)
        var rounds = 1
        var rest = try refine(1)
        while true {
            let next = try refine(rounds + 1)
            if next.video.tokens == rest.video.tokens, next.video.assignment == rest.video.assignment { break }
            (rounds, rest) = (rounds + 1, next)
        }
        let most = try refine(Configuration.maximumRefinementRounds)
        expectEqual(most.video, Expectation(rest.video), story)
        #expect(most.video.tokens.map(\.bitPattern) == rest.video.tokens.map(\.bitPattern), Comment(rawValue: story))
        // The round that finds everything at rest is the last.
        #expect(most.reports == (try refine(rounds + 2)).reports, Comment(rawValue: story))
        // The definition, which leaves no round out.
        configuration.refinementRounds = 10_000
        expectEqual(most.video, Expectation(clip.reference(configuration)), story)
    }

    @Test("the order of channels decides nothing", arguments: Seeds.first(40))
    func channelOrder(_ seed: UInt64) throws {
        let (clip, configuration, video, story) = try Self.sample(seed)
        var random = SplitMix64(seed: ~seed)
        let order = random.permutation(clip.shape.channels)
        let permuted = try clip.permutingChannels(order).compressed(configuration)
        var expected = Expectation(video)
        expected.tokens =
            Clip(
                shape: ClipShape(frames: 1, tokensPerFrame: video.count, channels: clip.shape.channels),
                features: video.tokens
            ).permutingChannels(order).features
        expectEqual(permuted, expected, story.rawValue)
    }

    @Test("float16, bfloat16 and float32 of the same values give the same", arguments: Seeds.first(30))
    func formats(_ seed: UInt64) throws {
        var generator = ClipGenerator(seed: seed)
        var clip = generator.clip(traits: [.motion, .halfPrecision, .equalTokens])
        let configuration = generator.configuration()
        let story = generator.story(clip, configuration)
        var compressor = try Compressor(configuration, threads: 2)
        var video = CompressedVideo()

        try compressor.compress(clip.features.map { Float16($0) }, clip, into: &video)
        expectIdentical(video, try clip.compressed(configuration), "float16\n\(story)")

        let brain = clip.features.map { BFloat16($0) }
        clip.features = brain.map { Float($0) }
        try compressor.compress(brain, clip, into: &video)
        expectIdentical(video, try clip.compressed(configuration), "bfloat16\n\(story)")
    }

    @Test("untyped memory gives the same as typed, wherever it lies", arguments: ScalarType.allCases, 0...1)
    func untyped(_ type: ScalarType, _ misalignment: Int) throws {
        for seed in Seeds.first(6) {
            var generator = ClipGenerator(seed: seed)
            var clip = generator.clip(traits: [.motion])
            let configuration = generator.configuration()
            let story = generator.story(clip, configuration)
            // A tensor in a memory-mapped file starts wherever the header ends.
            var bytes = [UInt8](repeating: 0xFF, count: misalignment)
            func append<Scalar>(_ numbers: [Scalar]) { numbers.withUnsafeBytes { bytes += $0 } }
            switch type {
            case .float32: append(clip.features)
            case .float16:
                clip.features = clip.features.map { Float(Float16($0)) }
                append(clip.features.map { Float16($0) })
            case .bfloat16:
                clip.features = clip.features.map { Float(BFloat16($0)) }
                append(clip.features.map { BFloat16($0) })
            }
            var compressor = try Compressor(configuration, threads: 2)
            var video = CompressedVideo()
            try bytes.withUnsafeBytes { bytes in
                let features = UnsafeRawBufferPointer(rebasing: bytes.dropFirst(misalignment))
                if let attention = clip.attention {
                    try attention.withUnsafeBufferPointer {
                        try compressor.compress(features, of: type, shape: clip.shape, attention: $0, into: &video)
                    }
                } else {
                    try compressor.compress(features, of: type, shape: clip.shape, into: &video)
                }
            }
            expectIdentical(video, try clip.compressed(configuration), story)
        }
    }

    @Test("any exact number of rows of a clip comes out, spread evenly")
    func everyCount() throws {
        var generator = ClipGenerator(seed: 5)
        let clip = generator.clip(
            shape: ClipShape(frames: 7, tokensPerFrame: 6, channels: 9), traits: [.motion, .stillParts])
        for alpha in [0, 0.3, 1] {
            for base in [Configuration(), .refined] {
                for rows in 1...42 {
                    var configuration = base
                    configuration.alpha = alpha
                    configuration.targetRows = rows
                    let video = try clip.compressed(configuration)
                    #expect(video.count == rows)
                    #expect(try configuration.outputTokenCount(frames: 7, tokensPerFrame: 6) == rows)
                    let selected = (0..<7).map { frame in
                        zip(video.kinds, video.indices).count { $0 == .selected && $1 / 6 == frame }
                    }
                    #expect(selected == Reference.budget(clip.shape, configuration).selected, "\(rows), alpha \(alpha)")
                    #expect(selected.max()! - selected.min()! <= 1)
                }
            }
        }
    }

    @Test("1, 2 and 5 threads give the same, bit for bit", arguments: Seeds.first(30))
    func threads(_ seed: UInt64) throws {
        var generator = ClipGenerator(seed: seed)
        let clip = generator.clip()
        var configuration = generator.configuration()
        if configuration.semantics == .definition, generator.random.chance(0.4) {
            configuration.targetRows = generator.targetRows(clip)
        }
        let story = generator.story(clip, configuration)
        let single = try clip.compressed(configuration, threads: 1)
        for threads in [2, 5, nil] {
            let several = try clip.compressed(configuration, threads: threads)
            expectIdentical(several, single, "\(threads.map(String.init) ?? "default") threads\n\(story)")
        }
    }

    @Test("a compressor may be reused, clip after clip", arguments: Seeds.first(20))
    func reuse(_ seed: UInt64) throws {
        var generator = ClipGenerator(seed: seed)
        let configuration = generator.configuration()
        // Larger, smaller and without attention, in a random order: nothing may be left over from the clip before.
        let clips = (0..<5).map { _ in generator.clip() }
        var compressor = try Compressor(configuration, threads: 2)
        var reused = CompressedVideo()
        for clip in clips + clips.reversed() {
            let story = generator.story(clip, configuration)
            let fresh = try clip.compressed(configuration)
            expectIdentical(try compressor.compress(clip), fresh, story)
            try compressor.compress(clip, into: &reused)
            expectIdentical(reused, fresh, "into a used result\n\(story)")
        }
    }

    @Test("compressors may work at the same time")
    func concurrency() async throws {
        var generator = ClipGenerator(seed: 1)
        let clip = generator.clip(
            shape: ClipShape(frames: 8, tokensPerFrame: 36, channels: 48), traits: [.motion, .cuts])
        let configuration = Configuration(retentionRatio: 0.2)
        let alone = try clip.compressed(configuration)
        try await withThrowingTaskGroup(of: CompressedVideo.self) { group in
            for task in 0..<8 {
                group.addTask { try clip.compressed(configuration, threads: task % 4 + 1) }
            }
            for try await video in group { expectIdentical(video, alone) }
        }
    }

    @Test("a power of two on all attention decides nothing", arguments: Seeds.first(20))
    func attentionScale(_ seed: UInt64) throws {
        var generator = ClipGenerator(seed: seed)
        var clip = generator.clip()
        clip.attention = generator.attention(clip.shape)
        let configuration = generator.configuration()
        let story = generator.story(clip, configuration)
        let video = try clip.compressed(configuration)
        for factor in [0x1p-20, 0x1p40] as [Float] {
            clip.attention = clip.attention!.map { $0 * factor }
            expectIdentical(try clip.compressed(configuration), video, "attention times \(factor)\n\(story)")
        }
    }

    @Test("progress rises within 0...1 and changes nothing", arguments: Seeds.first(10))
    func progress(_ seed: UInt64) throws {
        let (clip, configuration, video, story) = try Self.sample(seed)
        var compressor = try Compressor(configuration, threads: 2)
        var watched = CompressedVideo()
        var shares: [Double] = []
        if let attention = clip.attention {
            try compressor.compress(
                clip.features.span, shape: clip.shape, attention: attention.span, into: &watched
            ) { shares.append($0) }
        } else {
            try compressor.compress(clip.features.span, shape: clip.shape, into: &watched) { shares.append($0) }
        }
        #expect(shares.allSatisfy { (0...1).contains($0) }, story)
        #expect(zip(shares, shares.dropFirst()).allSatisfy { $0 <= $1 }, story)
        expectIdentical(watched, video, story.rawValue)
    }
}
