/// Which row stands for which token (spec 7). A task is a segment.
struct Assignment: Stage {
    static let charge = CompressedVideo.Stage.contextual

    private let clusters: Clusters
    private let forest: Forest
    private let rows: Rows
    /// [F·N] the row that stands for a token, or -1.
    let rowOfToken: Table<Int32>

    init(_ rows: Rows, _ clusters: Clusters, _ forest: Forest, in rowOfToken: Table<Int32>) {
        self.clusters = clusters
        self.forest = forest
        self.rows = rows
        self.rowOfToken = rowOfToken
    }

    /// A selected token has its own row; a root its cluster's; a merged token what its root got. Without a contextual budget
    /// the unselected have none.
    func run(_ segment: Int, _ worker: Worker) {
        let frames = forest.selection.segments.frames(of: segment)
        let tokens = forest.input.clip.tokens(ofFrames: frames)
        rowOfToken.fill(tokens, with: -1)
        for row in rows.ofFrames(frames) { rowOfToken[rows.indices[row]] = Int32(row) }
        guard forest.input.budget.contextual > 0 else { return }
        for token in tokens where !forest.selection.isSelected(token) {
            rowOfToken[token] = rowOfToken[clusters.centre(ofRoot: forest.root(of: token))]
        }
    }
}
