/// How the contextual budget of a segment is shared out among its frames (spec 6.1). A task is a segment.
struct Shares: Stage {
    // No time to speak of, and settled by the trees.
    static let charge = CompressedVideo.Stage.trees

    private let forest: Forest
    /// [F]
    private let shares: Table<Int>
    private var input: Input { forest.input }

    init(_ forest: Forest, in shares: Table<Int>) {
        self.forest = forest
        self.shares = shares
    }

    /// Contextual rows of a frame.
    @inline(__always)
    subscript(_ frame: Int) -> Int { shares[frame] }

    /// In proportion to the frames' roots, rounded up, and what is too much taken back.
    func run(_ segment: Int, _ worker: Worker) {
        let frames = forest.selection.segments.frames(of: segment)
        let total = input.budget.contextual * frames.count
        let roots = frames.reduce(0) { $0 + forest.rootCount($1) }
        guard total < roots else {
            for frame in frames { shares[frame] = total > 0 ? forest.rootCount(frame) : 0 }
            return
        }
        let ratio = Double(total) / Double(roots)
        for frame in frames { shares[frame] = Int((Double(forest.rootCount(frame)) * ratio).rounded(.up)) }
        guard !input.configuration.mayExceedBudget else { return }
        var excess = frames.reduce(0) { $0 + shares[$1] } - total
        while excess > 0 {
            // The frame that was rounded up the most gives one back; of equal ones the later.
            var giver = frames.lowerBound
            var most = -Double.infinity
            for frame in frames where shares[frame] > 1 {
                let gained = Double(shares[frame]) - Double(forest.rootCount(frame)) * ratio
                if gained >= most {
                    giver = frame
                    most = gained
                }
            }
            shares[giver] -= 1
            excess -= 1
        }
    }
}
