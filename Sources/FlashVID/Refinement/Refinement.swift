/// Beyond the paper: every unselected token is given to the nearest row of its segment, contextual rows become the means of
/// their members (spec 12.2), and take the place of their medoid (spec 12.3).
struct Refinement: BitwiseCopyable {
    static let charge = CompressedVideo.Stage.refinement

    struct Space: BitwiseCopyable {
        /// [F·N] by row: its first member; by token: the next member of the same row; ascending, or -1.
        fileprivate let firstMember: Table<Int32>
        fileprivate let nextMember: Table<Int32>
        /// [F] by segment: tokens that the round moved to another row.
        fileprivate let moved: Table<Int32>
        fileprivate let nearestRows: NearestRows.Space
        fileprivate let medoids: Medoids.Space
        /// [threads]
        fileprivate let scratch: Table<Scratch>

        init(_ input: Input, scratch: Table<Scratch>, plan: inout Arena.Plan) {
            let asks = input.configuration.asksForRefinement
            let tokens = asks ? input.clip.frames * input.clip.tokensPerFrame : 0
            // Medoids are looked for when all rounds are over.
            (nearestRows, medoids) = plan.overlay(
                { plan in NearestRows.Space(input, threads: scratch.count, plan: &plan) },
                { plan in Medoids.Space(input, plan: &plan) })
            firstMember = plan.table(Int32.self, tokens)
            nextMember = plan.table(Int32.self, tokens)
            moved = plan.table(Int32.self, asks ? input.clip.frames : 0)
            self.scratch = scratch
        }
    }

    /// What a thread needs for a frame or a row.
    struct Scratch: BitwiseCopyable {
        static let maximumValues = 32

        /// [32, D] values of rows in double, for the round and the segment that they were made for last, and [32] whose they
        /// are, or -1.
        let values: Table<Double>
        fileprivate let valueRows: Table<Int32>
        fileprivate let valuesMade: Memo
        /// [D] an aggregate of a row's cluster.
        fileprivate let aggregate: Table<Double>
        /// A token that is compared with rows, and one that is a row.
        let token: TokenPair
        fileprivate let rowToken: TokenPair
        fileprivate let reader: Forest.Reader
        let nearestRows: NearestRows.Scratch

        init(_ input: Input, plan: inout Arena.Plan) {
            let channels = input.configuration.asksForRefinement ? input.clip.channels : 0
            values = plan.table(Double.self, Self.maximumValues, channels)
            valueRows = plan.table(Int32.self, Self.maximumValues)
            valuesMade = Memo(plan: &plan)
            aggregate = plan.table(Double.self, channels)
            token = TokenPair(input.clip, plan: &plan)
            rowToken = TokenPair(input.clip, plan: &plan)
            reader = Forest.Reader(input.clip, plan: &plan)
            nearestRows = NearestRows.Scratch(input, plan: &plan)
        }
    }

    private let clusters: Clusters
    let forest: Forest
    let rows: Rows
    /// [F·N] the row that stands for a token.
    let rowOfToken: Table<Int32>
    private let space: Space
    /// Rounds that the rows have been through.
    private(set) var finishedRounds = 0
    var input: Input { forest.input }
    var clip: Clip { input.clip }
    var selection: Selection { forest.selection }
    var segments: Segments { forest.selection.segments }

    init(
        _ rows: Rows, _ assignment: Assignment, _ clusters: Clusters, _ forest: Forest, in space: Space
    ) {
        self.clusters = clusters
        self.forest = forest
        self.rows = rows
        rowOfToken = assignment.rowOfToken
        self.space = space
        for thread in 0..<space.scratch.count {
            space.scratch[thread].valuesMade.forget()
            space.scratch[thread].nearestRows.forget()
        }
    }

    /// Refines rows and assignment in place. Each round costs at the most one product of the unselected tokens with their
    /// segment's rows.
    func run(on team: Team) throws(FlashVIDError) {
        guard input.refines else { return }
        var refinement = self
        for round in 0..<input.configuration.refinementRounds {
            let nearest = NearestRows(refinement, in: space.nearestRows)
            try nearest.find(on: team)
            try team.run(Adoption(current: space.nearestRows.current), over: segments.count)
            refinement.finishedRounds = round + 1
            try team.run(
                MemberMeans(current: space.nearestRows.current, finishedRounds: round + 1), over: rowTasks)
            // From the second round on the rows are means of their members: where these stay, so do the rows, and every
            // further round would do the same again.
            if round > 0, (0..<segments.count).allSatisfy({ space.moved[$0] == 0 }) { break }
        }
        guard input.configuration.placement == .medoid else { return }
        if input.configuration.refinementRounds == 0 {
            try team.run(Membership(refinement: refinement), over: segments.count)
        }
        try Medoids(refinement, in: space.medoids).run(on: team)
    }

    // MARK: Reading

    func rows(ofSegment segment: Int) -> Range<Int> { rows.ofFrames(segments.frames(of: segment)) }

    func tokens(ofSegment segment: Int) -> Range<Int> { clip.tokens(ofFrames: segments.frames(of: segment)) }

    func scratch(_ worker: Worker) -> Scratch { space.scratch[worker.number] }

    /// Source tokens that a row stands for, ascending.
    func members(of row: Int) -> Members { Members(current: Int(space.firstMember[row]), following: space.nextMember) }

    struct Members: Sequence, IteratorProtocol {
        fileprivate var current: Int
        fileprivate let following: Table<Int32>

        mutating func next() -> Int? {
            guard current >= 0 else { return nil }
            defer { current = Int(following[current]) }
            return current
        }
    }

    /// A row in double, until that of the 32nd from it is asked for: a selected token as it is, a contextual row as the mean
    /// of its cluster's aggregates, and after a round as the mean of its members.
    func value(ofRow row: Int, _ scratch: Scratch) -> UnsafePointer<Double> {
        scratch.valuesMade(finishedRounds) { scratch.valueRows.fill(-1) }
        let place = place(ofRow: row)
        let value = scratch.values.row(place, of: clip.channels)
        if scratch.valueRows[place] != Int32(row) {
            makeValue(ofRow: row, into: value, scratch)
            scratch.valueRows[place] = Int32(row)
        }
        return UnsafePointer(value.base)
    }

    /// Where a row's value is kept in `Scratch.values`.
    func place(ofRow row: Int) -> Int { row % Scratch.maximumValues }

    private func makeValue(ofRow row: Int, into value: Table<Double>, _ scratch: Scratch) {
        if rows.kinds[row] == .selected {
            value.fill(0)
            let token = scratch.rowToken.token(rows.indices[row], of: clip)
            DoublePrecision.sum(token, into: value.base, count: clip.channels)
        } else if finishedRounds > 0 {
            let count = forest.sum(
                ofListFrom: Int(space.firstMember[row]), space.nextMember, into: value, scratch.reader)
            DoublePrecision.divide(value.base, by: count, count: clip.channels)
        } else {
            let centre = rows.indices[row]
            let frame = centre / clip.tokensPerFrame
            var count = 0
            value.fill(0)
            for root in clip.tokens(ofFrame: frame)
            where !selection.isSelected(root) && forest.root(of: root) == root
                && clusters.centre(ofRoot: root) == centre
            {
                forest.aggregate(root: root, into: scratch.aggregate, scratch.reader)
                DoublePrecision.sum(UnsafePointer(scratch.aggregate.base), into: value.base, count: clip.channels)
                count += 1
            }
            DoublePrecision.divide(value.base, by: count, count: clip.channels)
        }
    }

    // MARK: Rows, some a task

    private static let rowsOfTask = 8

    var rowTasks: Int { (rows.count + Self.rowsOfTask - 1) / Self.rowsOfTask }

    func rows(ofTask task: Int) -> Range<Int> {
        (task * Self.rowsOfTask)..<min(rows.count, (task + 1) * Self.rowsOfTask)
    }

    /// Contextual rows become the means of their members, and the selected ones what they were.
    private struct MemberMeans: Stage {
        static let charge = Refinement.charge
        let current: Slot<NearestRows>
        let finishedRounds: Int

        func run(_ task: Int, _ worker: Worker) {
            let nearest = current.value
            var refinement = nearest.refinement
            refinement.finishedRounds = finishedRounds
            let (rows, scratch) = (refinement.rows, refinement.scratch(worker))
            for row in refinement.rows(ofTask: task) {
                if rows.kinds[row] == .contextual {
                    DoublePrecision.round(
                        refinement.value(ofRow: row, scratch), into: rows[row].base, count: refinement.clip.channels)
                } else if nearest.isCentred(refinement.segment(ofRow: row)) {
                    refinement.clip.copyToken(rows.indices[row], into: rows[row].base)
                }
            }
        }
    }

    func segment(ofRow row: Int) -> Int { segments.containing(rows.indices[row] / clip.tokensPerFrame) }

    // MARK: Members, by segment

    /// Makes the round's assignment the current one.
    private struct Adoption: Stage {
        static let charge = Refinement.charge
        let current: Slot<NearestRows>

        func run(_ segment: Int, _ worker: Worker) {
            let nearest = current.value
            nearest.refinement.adoptRows(nearest, segment: segment)
            nearest.refinement.threadMembers(segment: segment)
        }
    }

    private struct Membership: Stage {
        static let charge = Refinement.charge
        let refinement: Refinement

        func run(_ segment: Int, _ worker: Worker) { refinement.threadMembers(segment: segment) }
    }

    /// Gives tokens their next rows, and counts those that move. A contextual row keeps its own source token.
    private func adoptRows(_ nearest: NearestRows, segment: Int) {
        var moved: Int32 = 0
        for token in tokens(ofSegment: segment) where !selection.isSelected(token) {
            let row = rowOfToken[token]
            guard row != nearest.row(ofToken: token), rows.indices[Int(row)] != token else { continue }
            rowOfToken[token] = nearest.row(ofToken: token)
            moved += 1
        }
        space.moved[segment] = moved
    }

    /// Threads the members of every row, ascending.
    private func threadMembers(segment: Int) {
        for row in rows(ofSegment: segment) { space.firstMember[row] = -1 }
        for token in tokens(ofSegment: segment).reversed() {
            let row = Int(rowOfToken[token])
            space.nextMember[token] = space.firstMember[row]
            space.firstMember[row] = Int32(token)
        }
    }
}
