@testable import FlashVID

/// The method on a clip, stopped behind each stage, so that a test can look at what the stage made of what it was given.
struct StageRun {
    let source: Clip
    let configuration: Configuration
    let input: Input
    let space: Workspace
    let means: FrameMeans
    let segments: Segments
    let selection: Selection
    let links: Links

    var shape: ClipShape { source.shape }
    var team: Team { space.team }

    /// Runs up to the links, and lets `body` go on.
    static func on(
        _ clip: Clip, _ configuration: Configuration, threads: Int = 3, _ body: (StageRun) throws -> Void
    ) throws {
        let pool = try WorkerPool(threads: threads, multiplying: true)
        let watch = Watch()
        watch.begin()
        defer { watch.end() }
        var arena = Arena()
        try clip.features.withUnsafeBytes { features in
            try (clip.attention ?? []).withUnsafeBufferPointer { attention in
                let view = try FlashVID.Clip(
                    features, .float32, clip.shape, attention: clip.attention == nil ? nil : attention)
                let budget = try Budget(
                    frames: clip.shape.frames, tokensPerFrame: clip.shape.tokensPerFrame, configuration)
                let capacity = try configuration.outputTokenCount(
                    frames: clip.shape.frames, tokensPerFrame: clip.shape.tokensPerFrame)
                let (input, space) = try arena.layOut { plan in
                    let input = Input(view, configuration, budget, plan: &plan)
                    return (input, Workspace(input, capacity: capacity, pool, watch, plan: &plan))
                }
                try body(StageRun(clip, input, space))
            }
        }
    }

    private init(_ source: Clip, _ input: Input, _ space: Workspace) throws {
        self.source = source
        configuration = input.configuration
        self.input = input
        self.space = space
        means = FrameMeans(input.clip, in: space.means)
        try space.team.run(means, over: means.chunks)
        segments = Segments(cutting: means.transitions(), of: input.clip, input.configuration, in: space.segments)
        selection = Selection(input, means, segments, in: space.selection)
        links = Links(selection, in: space.links)
        try SelectThenLink(selection, links, in: space.walk).run(on: space.team)
    }

    /// The next stages, each to be called once and in this order.
    func forest() throws -> Forest {
        let forest = Forest(links, in: space.forest, ranking: space.ranking)
        try team.run(forest, over: segments.count)
        return forest
    }

    func shares(_ forest: Forest) throws -> Shares {
        let shares = Shares(forest, in: space.shares)
        try team.run(shares, over: segments.count)
        return shares
    }

    func rows(_ forest: Forest, _ shares: Shares) throws -> (FlashVID.Rows, Clusters) {
        let rows = FlashVID.Rows(selection, shares, in: space.rows)
        let clusters = Clusters(forest, shares, writing: rows, in: space.clusters)
        try team.run(clusters, over: shape.frames)
        return (rows, clusters)
    }

    func assignment(_ rows: FlashVID.Rows, _ clusters: Clusters, _ forest: Forest) throws -> Assignment {
        let assignment = Assignment(rows, clusters, forest, in: space.rowOfToken)
        try team.run(assignment, over: segments.count)
        return assignment
    }

    // MARK: As the reference has it

    /// Tokens of some frames in double.
    func tokens(_ frames: Range<Int>) -> [Rows] {
        let size = shape.tokensPerFrame * shape.channels
        return frames.map {
            Rows(columns: shape.channels, values: source.features[$0 * size..<($0 + 1) * size].map(Double.init))
        }
    }

    func attention(_ frames: Range<Int>) -> [[Double]] {
        guard let attention = source.attention else { return Reference.distinctiveness(tokens(frames)) }
        return frames.map { frame in
            attention[frame * shape.tokensPerFrame..<(frame + 1) * shape.tokensPerFrame].map(Double.init)
        }
    }

    /// [S][N] where selection left tokens free.
    func isFree(_ frames: Range<Int>) -> [[Bool]] {
        frames.map { frame in input.clip.tokens(ofFrame: frame).map { !selection.isSelected($0) } }
    }

    var segmentFrames: [Range<Int>] { (0..<segments.count).map { segments.frames(of: $0) } }
}
