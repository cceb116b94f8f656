/// The nearest row of its segment for every unselected token (spec 12.2).
struct NearestRows: BitwiseCopyable {
    struct Space: BitwiseCopyable {
        /// [F·N] the row that is nearest to a token.
        let nearest: Table<Int32>
        /// [F·N] the first unselected token of the segment that is equal to one, and room to find it.
        let first: Table<Int32>
        let buckets: Table<Int32>
        /// [K] by row: whether it is equal to an earlier one of its segment.
        let isRepeat: Table<Bool>
        /// [K] its square and its length; the square again, out of reach for those that repeat another.
        let squares: Table<Float>
        let lengths: Table<Float>
        let reachable: Table<Float>
        /// [K] the number of its origin, and [K, origins] its products with all origins of its segment.
        let groups: Table<Int32>
        let projections: Table<Double>
        /// [K] by row: the place where its values lie, and by place: the row. In a segment with origins the rows of one lie
        /// together.
        let places: Table<Int32>
        let rowAtPlace: Table<Int32>
        /// [F] by segment: the grid on which its selected tokens may lie, and [K] whether a row lies there, less its origin too.
        let grids: Table<Grid>
        let isOnGrid: Table<Bool>
        /// Lower bounds of the squared distances of a segment's rows from each other by place, segment after segment, and [F]
        /// where a segment's begin; -1 where there is no room for them.
        let rowDistances: Table<Float>
        let rowDistancesStart: Table<Int>
        /// [F, origins] by segment: rows that are its origins, and [F] how many.
        let leaders: Table<Int32>
        let leaderCounts: Table<Int32>
        /// [threads] see ``WorkStealingQueue``.
        let queue: Table<UInt64>
        /// Where the tasks of a round know it from.
        let current: Slot<NearestRows>

        init(_ input: Input, threads: Int, plan: inout Arena.Plan) {
            let runs = input.configuration.refinementRounds > 0
            let (frames, rows) = (runs ? input.clip.frames : 0, Scratch.rows(input))
            nearest = plan.table(Int32.self, frames * input.clip.tokensPerFrame)
            first = plan.table(Int32.self, frames * input.clip.tokensPerFrame)
            buckets = plan.table(Int32.self, 2 * frames, input.clip.tokensPerFrame)
            isRepeat = plan.table(Bool.self, rows)
            squares = plan.table(Float.self, rows)
            lengths = plan.table(Float.self, rows)
            reachable = plan.table(Float.self, rows)
            groups = plan.table(Int32.self, rows)
            projections = plan.table(Double.self, rows, Origins.most + 1)
            places = plan.table(Int32.self, rows)
            rowAtPlace = plan.table(Int32.self, rows)
            grids = plan.table(Grid.self, frames)
            isOnGrid = plan.table(Bool.self, rows)
            // No more than half of what the rows take, but for few rows.
            let most = max(640 * 640, rows.multipliedReportingOverflow(by: input.clip.channels / 2).partialValue)
            let square = rows.multipliedReportingOverflow(by: rows)
            rowDistances = plan.table(Float.self, square.overflow ? most : min(most, square.partialValue))
            rowDistancesStart = plan.table(Int.self, frames)
            leaders = plan.table(Int32.self, frames, Origins.most)
            leaderCounts = plan.table(Int32.self, frames)
            queue = plan.table(UInt64.self, threads)
            current = Slot(plan: &plan)
        }
    }

    /// What a thread needs for a frame.
    struct Scratch: BitwiseCopyable {
        static let anyGroup: Int32 = -1

        /// [N, D] tokens that enter a product, and [N] which they are.
        let tokens: Table<Float>
        let tokenIndices: Table<Int32>
        /// Products of some tokens with a segment's rows.
        let products: Table<Float>
        /// [N] by place: the row that was the nearest to the token there in the thread's last frame, of a segment.
        let hints: Table<Int32>
        let hintsMade: Memo
        /// [N] by place: the group of rows to which a token's nearest belongs, or ``anyGroup``.
        let wanted: Table<Int32>
        /// [K] squares and lengths of rows that enter a product, by place.
        let memberSquares: Table<Float>
        let memberLengths: Table<Float>
        /// [K] places of rows that are near enough or may be the nearest, less the first, and [N] numbers of these.
        let candidates: Table<Int32>
        let nearby: Table<Float>
        /// Distances of a frame that were computed singly, and [N] tokens that were left to a block, how many, and [N] their
        /// nearest distances so far, and [N, K / 32 + 1] the rows that may be it, a bit each, by panels of 32.
        let singles: Table<Int>
        let open: Table<Int32>
        let openCount: Table<Int>
        let openNearest: Table<Double>
        let openRivals: Table<UInt32>
        let panels: Int
        /// [N, 32] distances of tokens that were left open from rows, [N] by token which of these may be its
        /// nearest, a bit a row, and [N] and [32] which of both are measured together.
        let distances: Table<Double>
        let rivals: Table<UInt64>
        let together: Table<Int32>
        let panelRows: Table<Int32>
        let equalRows: EqualRows.Scratch
        /// The origins of a segment, for the round and the segment that they were made for last.
        let origins: Origins.Scratch
        let originsMade: Memo
        /// [origins] whether they lie on their segment's grid.
        let originsOnGrid: Table<Bool>
        /// [N] by token: its origin, its length less that, whether it is on the grid, and [N, origins] its products with all.
        let groups: Table<Int32>
        let lengths: Table<Float>
        let isOnGrid: Table<Bool>
        let projections: Table<Double>
        /// [D] a token less its origin.
        let centred: Table<Float>

        init(_ input: Input, plan: inout Arena.Plan) {
            let (clip, runs) = (input.clip, input.configuration.refinementRounds > 0)
            let (count, channels) = runs ? (clip.tokensPerFrame, clip.channels) : (0, 0)
            let rows = Self.rows(input)
            let square = count.multipliedReportingOverflow(by: count)
            tokens = plan.table(Float.self, count, channels)
            tokenIndices = plan.table(Int32.self, count)
            products = plan.table(Float.self, max(square.overflow ? Int.max : square.partialValue, rows))
            wanted = plan.table(Int32.self, count)
            memberSquares = plan.table(Float.self, rows)
            memberLengths = plan.table(Float.self, rows)
            hints = plan.table(Int32.self, count)
            hintsMade = Memo(plan: &plan)
            candidates = plan.table(Int32.self, max(count, rows))
            nearby = plan.table(Float.self, count)
            singles = plan.table(Int.self, 1)
            open = plan.table(Int32.self, count)
            openCount = plan.table(Int.self, 1)
            openNearest = plan.table(Double.self, count)
            panels = rows / Refinement.Scratch.maximumValues + 2
            openRivals = plan.table(UInt32.self, count, panels)
            distances = plan.table(Double.self, count, Refinement.Scratch.maximumValues)
            rivals = plan.table(UInt64.self, count)
            together = plan.table(Int32.self, count)
            panelRows = plan.table(Int32.self, Refinement.Scratch.maximumValues)
            equalRows = EqualRows.Scratch(rows: rows, plan: &plan)
            origins = Origins.Scratch(clip, plan: &plan)
            originsMade = Memo(plan: &plan)
            originsOnGrid = plan.table(Bool.self, Origins.most + 1)
            groups = plan.table(Int32.self, count)
            lengths = plan.table(Float.self, count)
            isOnGrid = plan.table(Bool.self, count)
            projections = plan.table(Double.self, count, Origins.most + 1)
            centred = plan.table(Float.self, channels)
        }

        /// Rows of the clip: a token is compared with every one of its segment, which may be all.
        static func rows(_ input: Input) -> Int {
            input.configuration.refinementRounds > 0 ? input.budget.rows(of: 0..<input.clip.frames) : 0
        }

        /// To be called before a clip's first round.
        func forget() {
            hintsMade.forget()
            originsMade.forget()
        }
    }

    let refinement: Refinement
    let space: Space
    var clip: Clip { refinement.clip }
    var selection: Selection { refinement.selection }
    var tolerance: Float { Float(refinement.input.tolerance) }

    init(_ refinement: Refinement, in space: Space) {
        self.refinement = refinement
        self.space = space
    }

    /// Finds the nearest rows. Costs at the most one product of the unselected tokens with their segment's rows. Takes the
    /// origin out of the rows of a segment that has some.
    func find(on team: Team) throws(FlashVIDError) {
        let segments = refinement.segments.count
        let current = space.current
        current.keep(self)
        if refinement.finishedRounds == 0 { try team.run(EqualTokens(current: current), over: segments) }
        try team.run(EqualRows(current: current), over: segments)
        try team.run(Grouping(current: current), over: segments)
        try team.run(Measures(current: current), over: refinement.rowTasks)
        placeRowDistances()
        try team.run(RowDistances(current: current), over: RowDistances.tasks(refinement.rows.count))
        try team.run(Search(current, frames: clip.frames, in: space.queue), over: team.threads)
    }

    // MARK: Reading

    /// The row that is nearest to an unselected token.
    func row(ofToken token: Int) -> Int32 { space.nearest[Int(space.first[token])] }

    /// A row's values, less its origin where its segment has some.
    func values(ofRow row: Int) -> Table<Float> { refinement.rows[Int(space.places[row])] }

    @inline(__always)
    func row(at place: Int) -> Int { Int(space.rowAtPlace[place]) }

    /// Whether a segment's rows are less their origins.
    func isCentred(_ segment: Int) -> Bool { space.leaderCounts[segment] > 0 }

    func scratch(_ worker: Worker) -> Scratch { refinement.scratch(worker).nearestRows }

    func key(_ segment: Int) -> Int { refinement.finishedRounds * clip.frames + segment }

    // MARK: Search

    /// A task is a thread, which takes frames from a queue: neighbours share their segment's rows.
    struct Search: Stage {
        static let charge = Refinement.charge
        private let current: Slot<NearestRows>
        private let queue: WorkStealingQueue

        init(_ current: Slot<NearestRows>, frames: Int, in words: Table<UInt64>) {
            self.current = current
            queue = WorkStealingQueue(frames, in: words)
        }

        func run(_ thread: Int, _ worker: Worker) {
            let rows = current.value
            while !worker.isOver, let frame = queue.next(for: thread) {
                rows.search(frame: frame, worker)
                worker.advance(by: Work.refinement)
            }
        }
    }

    func search(frame: Int, _ worker: Worker) {
        let scratch = scratch(worker)
        // In place, or converted into where those that are left then move up.
        let source = clip.frame(frame, convertedInto: scratch.tokens.base)
        let tokens = FrameTokens(self, frame, source, worker)
        let knowsDistances = space.rowDistancesStart[tokens.segment] >= 0
        scratch.hintsMade(key(tokens.segment)) { scratch.hints.fill(-1) }
        scratch.singles[0] = 0
        scratch.openCount[0] = 0
        var left = 0
        var groups = 0
        for index in 0..<clip.tokensPerFrame where !selection.isSelected(tokens.token(index)) {
            scratch.wanted[index] = Scratch.anyGroup
            guard space.first[tokens.token(index)] == Int32(tokens.token(index)) else { continue }
            if knowsDistances, searchNearby(index, tokens, worker) { continue }
            scratch.tokenIndices[left] = Int32(index)
            left += 1
            groups = max(groups, Int(scratch.wanted[index]) + 1)
        }
        // Tokens whose nearest rows are of one group need no other's. Indices are compacted in place: those of the first
        // group come last.
        var remaining = left
        for group in 0..<groups {
            var some = 0
            var others = 0
            for position in 0..<remaining {
                let index = Int(scratch.tokenIndices[position])
                if scratch.wanted[index] == Int32(group) {
                    scratch.together[some] = Int32(index)
                    some += 1
                } else {
                    scratch.tokenIndices[others] = Int32(index)
                    others += 1
                }
            }
            remaining = others
            for position in 0..<some { scratch.tokenIndices[remaining + position] = scratch.together[position] }
            guard some > 0 else { continue }
            search(tokens, remaining..<(remaining + some), ofGroup: Int32(group), worker)
        }
        search(tokens, 0..<remaining, ofGroup: Scratch.anyGroup, worker)
        settleOpen(tokens, worker)
        for index in 0..<clip.tokensPerFrame where !selection.isSelected(tokens.token(index)) {
            let token = tokens.token(index)
            if space.first[token] == Int32(token) { scratch.hints[index] = space.nearest[token] }
        }
    }

    /// Finds the nearest rows of some tokens of a frame, by their numbers among `Scratch.tokenIndices`, in a product with
    /// the rows of a group, or with all.
    func search(_ tokens: FrameTokens, _ some: Range<Int>, ofGroup group: Int32, _ worker: Worker) {
        let (scratch, channels) = (tokens.scratch, clip.channels)
        for (position, number) in some.enumerated() {
            tokens.write(Int(scratch.tokenIndices[number]), into: scratch.tokens.row(position, of: channels).base)
        }
        let members = Members(self, tokens.range, group, scratch)
        let block = max(1, scratch.products.count / members.count)
        for start in stride(from: 0, to: some.count, by: block) {
            let count = min(block, some.count - start)
            members.multiply(
                MatrixView(
                    base: scratch.tokens.base + start &* channels, rows: count, columns: channels, stride: channels))
            for position in 0..<count {
                let index = Int(scratch.tokenIndices[some.lowerBound + start + position])
                let values = scratch.products.row(position, of: members.count)
                tokens.values(index, members.places, from: values)
                let rivals = SinglePrecision.rivals(
                    values.base, squares: members.squares, lengths: members.lengths, count: members.count,
                    tokens.error(index), into: scratch.candidates.base)
                choose(
                    index, tokens, among: rivals.count, worker,
                    row: { members.row(Int(scratch.candidates[$0])) }, value: { values[Int(scratch.candidates[$0])] })
            }
        }
    }

    /// The rows of a segment, or those of one of its groups.
    struct Members {
        private let rows: NearestRows
        private let scratch: Scratch
        let places: Range<Int>
        let squares: UnsafePointer<Float>
        let lengths: UnsafePointer<Float>
        var count: Int { places.count }

        init(_ rows: NearestRows, _ range: Range<Int>, _ group: Int32, _ scratch: Scratch) {
            self.rows = rows
            self.scratch = scratch
            squares = UnsafePointer(scratch.memberSquares.base)
            lengths = UnsafePointer(scratch.memberLengths.base)
            var places = range
            if group != Scratch.anyGroup {
                // Groups lie in order.
                let space = rows.space
                let first = range.first { space.groups[rows.row(at: $0)] == group } ?? range.upperBound
                var end = first
                while end < range.upperBound, space.groups[rows.row(at: end)] == group { end += 1 }
                places = first..<end
            }
            self.places = places
            for (position, place) in places.enumerated() {
                scratch.memberSquares[position] = rows.space.squares[rows.row(at: place)]
                scratch.memberLengths[position] = rows.space.lengths[rows.row(at: place)]
            }
        }

        @inline(__always)
        func row(_ member: Int) -> Int { rows.row(at: places.lowerBound &+ member) }

        /// Products of some tokens with all members, to `Scratch.products`.
        func multiply(_ tokens: MatrixView) {
            BLAS.products(tokens, rows.refinement.rows.matrix(places), into: scratch.products.base)
        }
    }

    /// Finds a token's row without a product of the frame, if the distances between rows leave few candidates: by the
    /// triangle inequality a row that is farther than d + e from one at distance d is no nearer than another at distance e.
    func searchNearby(_ index: Int, _ tokens: FrameTokens, _ worker: Worker) -> Bool {
        let (scratch, token, range) = (tokens.scratch, tokens.token(index), tokens.range)
        guard selection.inverseNorm(token) > 0 else { return false }
        let source: UnsafePointer<Float>
        if tokens.origins == nil, clip.type == .float32 {
            source = refinement.scratch(worker).token.token(token, of: clip)
            tokens.note(index, source, length: 1 / selection.inverseNorm(token))
        } else {
            tokens.write(index, into: scratch.centred.base)
            source = UnsafePointer(scratch.centred.base)
        }
        let square = scratch.lengths[index] * scratch.lengths[index]
        func value(_ row: Int) -> Float {
            tokens.value(index, row, BLAS.dot(source, values(ofRow: row).base, count: clip.channels))
        }
        let error = tokens.error(index)
        /// The most that the distance is, squared. With float32's rounding of the sums above.
        func bound(_ value: Float, _ row: Int) -> Float {
            let other = space.squares[row]
            return (square * (1 + 2 * tolerance) + value + error(value, other, space.lengths[row])) * 1.0001
        }
        // Its present row, the one of the token at its place in another frame, or the row that is its origin.
        var near = Int(refinement.rowOfToken[token])
        var own = value(near)
        var least = bound(own, near)
        func start(from row: Int) {
            let other = value(row)
            if row != near, bound(other, row) < least { (near, own, least) = (row, other, bound(other, row)) }
        }
        if scratch.hints[index] >= 0 { start(from: Int(scratch.hints[index])) }
        if tokens.origins != nil, scratch.groups[index] > 0 {
            start(from: Int(space.leaders.row(tokens.segment, of: Origins.most)[Int(scratch.groups[index]) - 1]))
        }
        guard least.isFinite, least >= 0 else { return false }
        let length = least.squareRoot()

        let distances =
            space.rowDistances.base + space.rowDistancesStart[tokens.segment]
            + (Int(space.places[near]) - range.lowerBound) &* range.count
        let possible = SinglePrecision.atMost(
            4 * least * 1.0001, of: distances, count: range.count, most: range.count, into: scratch.candidates.base)
        // A dot product costs several times its share of a matrix product.
        let most = min(clip.tokensPerFrame, max(1, range.count / 16))
        if possible > most { noteGroup(index, tokens, possible) }
        guard possible <= 4 * most else { return false }
        var number = 0
        for candidate in 0..<possible {
            let position = scratch.candidates[candidate]
            // The nearer the nearest so far, the fewer rows can be nearer.
            let reach = length + least.squareRoot()
            guard !(distances[Int(position)] > reach * reach * 1.0001) else { continue }
            guard number < most else { return false }
            let row = row(at: range.lowerBound &+ Int(position))
            let value = row == near ? own : value(row)
            least = min(least, max(0, bound(value, row)))
            scratch.candidates[number] = position
            scratch.nearby[number] = value
            number += 1
        }
        choose(
            index, tokens, among: number, worker, row: { row(at: range.lowerBound &+ Int(scratch.candidates[$0])) },
            value: { scratch.nearby[$0] })
        return true
    }

    /// Notes the group of a token's possible rows, `Scratch.candidates`, if they are of one.
    func noteGroup(_ index: Int, _ tokens: FrameTokens, _ count: Int) {
        guard tokens.origins != nil, count > 0 else { return }
        let (scratch, first) = (tokens.scratch, tokens.range.lowerBound)
        func group(_ candidate: Int) -> Int32 { space.groups[row(at: first &+ Int(scratch.candidates[candidate]))] }
        // They are in order of place, and so of group.
        if group(0) == group(count - 1) { scratch.wanted[index] = group(0) }
    }

    // MARK: Decision

    /// Gives a token the nearest of some rows, which `row` tells; of equally near ones the first. Compares squared distances less the token's own square. Leaves it open once that a frame has asked for many distances in double.
    func choose(
        _ index: Int, _ tokens: FrameTokens, among count: Int, _ worker: Worker, row: (Int) -> Int,
        value: (Int) -> Float
    ) {
        let (scratch, token) = (tokens.scratch, tokens.token(index))
        let error = tokens.error(index)
        // Of the rows of which float32 has the very distance only the first of the nearest counts.
        var exact = -1
        if scratch.isOnGrid[index] {
            for candidate in 0..<count
            where tokens.isExact(index, row(candidate)) && !space.isRepeat[row(candidate)]
                && (exact < 0 || value(candidate) < value(exact)
                    || (value(candidate) == value(exact) && row(candidate) < row(exact)))
            {
                exact = candidate
            }
        }
        func counts(_ candidate: Int) -> Bool {
            !space.isRepeat[row(candidate)]
                && (exact < 0 || candidate == exact || !tokens.isExact(index, row(candidate)))
        }
        func within(_ candidate: Int) -> Float {
            candidate == exact
                ? 0 : error(value(candidate), space.squares[row(candidate)], space.lengths[row(candidate)])
        }
        func upper(_ candidate: Int) -> Float {
            error.constant == .infinity ? .infinity : -(value(candidate) - within(candidate))
        }
        let nearest = Decision.largest(
            of: 0..<count, where: counts, lower: { -(value($0) + within($0)) }, upper: upper,
            leavesOpen: { rivals, lower in
                guard scratch.singles[0] &+ rivals > clip.tokensPerFrame / 8 else { return false }
                leaveOpen(
                    index, tokens, among: count, row: row, isRival: { counts($0) && !(upper($0) < lower) })
                return true
            },
            wins: { row($0) < row($1) },
            settle: { candidate in
                scratch.singles[0] &+= 1
                worker.countSettled(singly: 1)
                let values = refinement.scratch(worker)
                let value = refinement.value(ofRow: row(candidate), values)
                return -DoublePrecision.squaredDistance(
                    values.token.token(token, of: clip), value, count: clip.channels)
            })
        if nearest.index < 0 {
            worker.countCloseCall()
            return
        }
        if nearest.value != nil { worker.countCloseCall() }
        space.nearest[token] = Int32(row(nearest.index))
    }
}
