/// The method, from a clip to its rows. A stage is made of the stages above it and of its part of the workspace, and then run,
/// by a team of threads where it has tasks. Sections of the specification are retold in `FlashVID.docc/Method.md`.
struct Method: BitwiseCopyable {
    /// [F - 1] see ``CompressedVideo/transitions``.
    let transitions: Table<Double>
    let segments: Segments
    let forest: Forest
    let rows: Rows
    let assignment: Assignment

    /// Throws for the first feature that is not finite, or ``FlashVIDError/cancelled(by:)``.
    init(_ input: Input, in space: Workspace) throws(FlashVIDError) {
        let team = space.team

        // Segments of similar frames: DySeg, spec 3.
        let means = FrameMeans(input.clip, in: space.means)
        try team.run(means, over: means.chunks)
        try means.check()
        transitions = means.transitions()
        segments = Segments(cutting: transitions, of: input.clip, input.configuration, in: space.segments)

        // Telling tokens of each frame: ADTS, spec 4. The others' best matches in the frame before: TSTM, spec 5.1.
        let selection = Selection(input, means, segments, in: space.selection)
        let links = Links(selection, in: space.links)
        try SelectThenLink(selection, links, in: space.walk).run(on: team)

        // Trees of tokens that follow a thing through time: TSTM, spec 5.2.
        forest = Forest(links, in: space.forest, ranking: space.ranking)
        try team.run(forest, over: segments.count)

        // Rows: the selected tokens, and clusters of each frame's roots by DPC-kNN, spec 6.
        let shares = Shares(forest, in: space.shares)
        try team.run(shares, over: segments.count)
        rows = Rows(selection, shares, in: space.rows)
        let clusters = Clusters(forest, shares, writing: rows, in: space.clusters)
        try team.run(clusters, over: input.clip.frames)

        // The row that stands for each token, spec 7; the nearest one, where that is asked for, spec 12.
        assignment = Assignment(rows, clusters, forest, in: space.rowOfToken)
        if input.configuration.assignsTokens { try team.run(assignment, over: segments.count) }
        try Refinement(rows, assignment, clusters, forest, in: space.refinement).run(on: team)
    }
}
