/// Beyond the paper: every unselected token is given to the nearest row of its segment, contextual rows become the means of
/// their members (spec 12.2), and take the place of their medoid (spec 12.3).
struct Refinement: BitwiseCopyable {
    static let charge = CompressedVideo.Stage.refinement

    struct Space: BitwiseCopyable {
        /// [F·N] the row that a round gives a token.
        fileprivate let nextRow: Table<Int32>
        /// [F·N] by row: its first member; by token: the next member of the same row; ascending, or -1.
        fileprivate let firstMember: Table<Int32>
        fileprivate let nextMember: Table<Int32>
        /// [F·N] by row: its squared norm.
        fileprivate let squares: Table<Float>
        /// [F·N] by row: whether it is equal to an earlier one of its segment.
        fileprivate let isRepeat: Table<Bool>
        /// [F] by segment: whether its rows are less an origin during a round.
        fileprivate let isCentred: Table<Bool>
        /// [F] by segment: tokens that the round moved to another row.
        fileprivate let moved: Table<Int32>
        /// [threads] see ``WorkStealingQueue``.
        fileprivate let queue: Table<UInt64>
        fileprivate let medoids: Medoids.Space
        /// [threads]
        fileprivate let scratch: Table<Scratch>

        init(_ input: Input, scratch: Table<Scratch>, plan: inout Arena.Plan) {
            let tokens = input.configuration.asksForRefinement ? input.clip.frames * input.clip.tokensPerFrame : 0
            // Medoids are looked for when all rounds are over.
            ((nextRow, squares), medoids) = plan.overlay(
                { plan in (plan.table(Int32.self, tokens), plan.table(Float.self, tokens)) },
                { plan in Medoids.Space(input, plan: &plan) })
            firstMember = plan.table(Int32.self, tokens)
            nextMember = plan.table(Int32.self, tokens)
            isRepeat = plan.table(Bool.self, tokens)
            isCentred = plan.table(Bool.self, input.configuration.asksForRefinement ? input.clip.frames : 0)
            moved = plan.table(Int32.self, input.configuration.asksForRefinement ? input.clip.frames : 0)
            queue = plan.table(UInt64.self, scratch.count)
            self.scratch = scratch
        }
    }

    /// What a thread needs for a frame or a row.
    struct Scratch: BitwiseCopyable {
        static let maximumRowProducts = 640
        static let maximumValues = 32

        /// [N, D] tokens that enter a product, and [N] which they are.
        fileprivate let tokens: Table<Float>
        fileprivate let tokenIndices: Table<Int32>
        /// Products of some tokens with a segment's rows.
        fileprivate let products: Table<Float>
        /// [N] positions of rows that are near enough, and products of a token with these.
        fileprivate let candidates: Table<Int32>
        fileprivate let nearby: Table<Float>
        /// Products of a segment's rows with each other, for the round and the segment that they were made for last.
        fileprivate let rowProducts: Table<Float>
        fileprivate let rowProductsMade: Memo
        /// [32, D] values of rows in double, for the round and the segment that they were made for last, and [32] whose they
        /// are, or -1.
        fileprivate let values: Table<Double>
        fileprivate let valueRows: Table<Int32>
        fileprivate let valuesMade: Memo
        /// Distances of a frame that were computed singly, and [N] tokens that were left to a block, how many, and [N] their
        /// nearest distances so far, and what they are compared by in float32 at the least.
        fileprivate let singles: Table<Int>
        fileprivate let open: Table<Int32>
        fileprivate let openCount: Table<Int>
        fileprivate let nearest: Table<Double>
        fileprivate let openLower: Table<Float>
        /// [N, 32] distances of tokens that were left open from rows, [N] by token which of these may be its
        /// nearest, a bit a row, and [N] and [32] which of both are measured together.
        fileprivate let distances: Table<Double>
        fileprivate let rivals: Table<UInt64>
        fileprivate let together: Table<Int32>
        fileprivate let panelRows: Table<Int32>
        fileprivate let classes: TokenClasses.Scratch
        let equalRows: EqualRows.Scratch
        /// [N] by first token of a class, one that has its row.
        fileprivate let assigned: Table<Int32>
        /// [D] the origin of a segment, for the segment that it was copied for last, a token less that, and [N] squared
        /// lengths of a frame's tokens less that.
        fileprivate let origin: Table<Float>
        fileprivate let originMade: Memo
        fileprivate let centred: Table<Float>
        fileprivate let lengths: Table<Float>
        /// [D] an aggregate of a row's cluster.
        fileprivate let aggregate: Table<Double>
        /// A token that is compared with rows, and one that is a row.
        let token: TokenPair
        fileprivate let rowToken: TokenPair
        fileprivate let reader: Forest.Reader

        init(_ input: Input, plan: inout Arena.Plan) {
            let (clip, rounds) = (input.clip, input.configuration.refinementRounds)
            let (count, channels) = (rounds > 0 ? clip.tokensPerFrame : 0, clip.channels)
            // A token is compared with every row of its segment, at the most the clip's.
            let rows = rounds > 0 ? input.budget.rows(of: 0..<clip.frames) : 0
            let square = count.multipliedReportingOverflow(by: count)
            tokens = plan.table(Float.self, count, channels)
            tokenIndices = plan.table(Int32.self, count)
            products = plan.table(Float.self, max(square.overflow ? Int.max : square.partialValue, rows))
            candidates = plan.table(Int32.self, count)
            nearby = plan.table(Float.self, count)
            let side = min(Self.maximumRowProducts, rows)
            rowProducts = plan.table(Float.self, side, side)
            rowProductsMade = Memo(plan: &plan)
            let refined = input.configuration.asksForRefinement ? channels : 0
            values = plan.table(Double.self, Self.maximumValues, refined)
            valueRows = plan.table(Int32.self, Self.maximumValues)
            valuesMade = Memo(plan: &plan)
            origin = plan.table(Float.self, refined)
            originMade = Memo(plan: &plan)
            centred = plan.table(Float.self, refined)
            lengths = plan.table(Float.self, count)
            singles = plan.table(Int.self, 1)
            open = plan.table(Int32.self, count)
            openCount = plan.table(Int.self, 1)
            nearest = plan.table(Double.self, count)
            openLower = plan.table(Float.self, count)
            distances = plan.table(Double.self, count, Self.maximumValues)
            rivals = plan.table(UInt64.self, count)
            together = plan.table(Int32.self, count)
            panelRows = plan.table(Int32.self, Self.maximumValues)
            classes = TokenClasses.Scratch(clip, plan: &plan)
            equalRows = EqualRows.Scratch(rows: rows, plan: &plan)
            assigned = plan.table(Int32.self, clip.tokensPerFrame)
            aggregate = plan.table(Double.self, refined)
            token = TokenPair(clip, plan: &plan)
            rowToken = TokenPair(clip, plan: &plan)
            reader = Forest.Reader(clip, plan: &plan)
        }
    }

    private let clusters: Clusters
    let forest: Forest
    let rows: Rows
    /// [F·N] the row that stands for a token.
    let rowOfToken: Table<Int32>
    private let space: Space
    /// Rounds that the rows have been through.
    private var finishedRounds = 0
    var input: Input { forest.input }
    var clip: Clip { input.clip }
    private var selection: Selection { forest.selection }
    private var segments: Segments { forest.selection.segments }

    init(
        _ rows: Rows, _ assignment: Assignment, _ clusters: Clusters, _ forest: Forest, in space: Space
    ) {
        self.clusters = clusters
        self.forest = forest
        self.rows = rows
        rowOfToken = assignment.rowOfToken
        self.space = space
        for thread in 0..<space.scratch.count {
            space.scratch[thread].rowProductsMade.forget()
            space.scratch[thread].valuesMade.forget()
            space.scratch[thread].originMade.forget()
        }
    }

    /// Refines rows and assignment in place. Each round costs at the most one product of the unselected tokens with their
    /// segment's rows.
    func run(on team: Team) throws(FlashVIDError) {
        guard input.refines else { return }
        var refinement = self
        for round in 0..<input.configuration.refinementRounds {
            try team.run(EqualRows(refinement: refinement, isRepeat: space.isRepeat), over: segments.count)
            chooseOrigins()
            try team.run(RowSquares(refinement: refinement), over: rowTasks)
            try team.run(Reassignment(refinement), over: team.threads)
            try team.run(Adoption(refinement: refinement), over: segments.count)
            refinement.finishedRounds = round + 1
            try team.run(MemberMeans(refinement: refinement), over: rowTasks)
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
        let place = row % Scratch.maximumValues
        let value = scratch.values.row(place, of: clip.channels)
        if scratch.valueRows[place] != Int32(row) {
            makeValue(ofRow: row, into: value, scratch)
            scratch.valueRows[place] = Int32(row)
        }
        return UnsafePointer(value.base)
    }

    /// Whether two rows' values are not to be had at the same time.
    func sharePlace(_ a: Int, _ b: Int) -> Bool { a % Scratch.maximumValues == b % Scratch.maximumValues }

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

    /// Squared lengths of the rows, of which the origin is taken out first where their segment has one.
    private struct RowSquares: Stage {
        static let charge = Refinement.charge
        let refinement: Refinement

        func run(_ task: Int, _ worker: Worker) {
            for row in refinement.rows(ofTask: task) {
                let value = refinement.rows[row]
                refinement.centre(row: row, refinement.scratch(worker))
                refinement.space.squares[row] = BLAS.dot(value.base, value.base, count: value.count)
            }
        }
    }

    /// Contextual rows become the means of their members, and the selected ones what they were.
    private struct MemberMeans: Stage {
        static let charge = Refinement.charge
        let refinement: Refinement

        func run(_ task: Int, _ worker: Worker) {
            let (rows, scratch) = (refinement.rows, refinement.scratch(worker))
            for row in refinement.rows(ofTask: task) {
                if rows.kinds[row] == .contextual {
                    DoublePrecision.round(
                        refinement.value(ofRow: row, scratch), into: rows[row].base, count: refinement.clip.channels)
                } else if refinement.isCentred(refinement.segment(ofRow: row)) {
                    refinement.clip.copyToken(rows.indices[row], into: rows[row].base)
                }
            }
        }
    }

    // MARK: Origins
    //
    // Where the rows of a segment are much alike, float32's digits go to what they share, and its products tell nothing. So
    // such a segment's first token is taken out of its rows and its tokens first: distances stay.

    private func segment(ofRow row: Int) -> Int { segments.containing(rows.indices[row] / clip.tokensPerFrame) }

    private func isCentred(_ segment: Int) -> Bool { space.isCentred[segment] }

    /// Decides by a few rows of each segment.
    private func chooseOrigins() {
        for segment in 0..<segments.count {
            let rows = rows(ofSegment: segment)
            var (apart, lengths): (Float, Float) = (0, 0)
            for position in 1...4 {
                let (first, other) = (
                    self.rows[rows.lowerBound], self.rows[rows.lowerBound + position * (rows.count - 1) / 4]
                )
                apart += SinglePrecision.squaredDistance(first.base, other.base, count: clip.channels)
                lengths += BLAS.dot(other.base, other.base, count: clip.channels)
            }
            space.isCentred[segment] = apart < lengths / 16
        }
    }

    /// The segment's first token.
    private func origin(ofSegment segment: Int, _ scratch: Scratch) -> UnsafePointer<Float> {
        scratch.originMade(segment) {
            let token = clip.tokens(ofFrames: segments.frames(of: segment)).lowerBound
            clip.copyToken(token, into: scratch.origin.base)
        }
        return UnsafePointer(scratch.origin.base)
    }

    private func centre(row: Int, _ scratch: Scratch) {
        let segment = segment(ofRow: row)
        guard isCentred(segment) else { return }
        let (target, origin) = (rows[row].base, origin(ofSegment: segment, scratch))
        if rows.kinds[row] == .selected {
            SinglePrecision.subtract(origin, from: target, into: target, count: clip.channels)
        } else {
            DoublePrecision.round(
                value(ofRow: row, scratch), less: origin, into: target, count: clip.channels)
        }
    }

    /// Copies a token as the segment's rows are, and notes its length.
    private func copyToken(
        _ token: Int, ofSegment segment: Int, into target: UnsafeMutablePointer<Float>, _ scratch: Scratch
    ) {
        clip.copyToken(token, into: target)
        let place = token % clip.tokensPerFrame
        if isCentred(segment) {
            SinglePrecision.subtract(
                origin(ofSegment: segment, scratch), from: target, into: target, count: clip.channels)
            scratch.lengths[place] = BLAS.dot(target, target, count: clip.channels).squareRoot()
        } else {
            let inverse = selection.inverseNorm(token)
            scratch.lengths[place] = inverse > 0 ? 1 / inverse : 0
        }
    }

    // MARK: Members, by segment

    /// Makes the round's assignment the current one.
    private struct Adoption: Stage {
        static let charge = Refinement.charge
        let refinement: Refinement

        func run(_ segment: Int, _ worker: Worker) {
            refinement.adoptRows(segment: segment)
            refinement.threadMembers(segment: segment)
        }
    }

    private struct Membership: Stage {
        static let charge = Refinement.charge
        let refinement: Refinement

        func run(_ segment: Int, _ worker: Worker) { refinement.threadMembers(segment: segment) }
    }

    /// Gives tokens their next rows, and counts those that move. A contextual row keeps its own source token.
    private func adoptRows(segment: Int) {
        var moved: Int32 = 0
        for token in tokens(ofSegment: segment) where !selection.isSelected(token) {
            let row = rowOfToken[token]
            guard row != space.nextRow[token], rows.indices[Int(row)] != token else { continue }
            rowOfToken[token] = space.nextRow[token]
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

// MARK: - Nearest rows

extension Refinement {
    /// The nearest row of the segment for every unselected token. A task is a thread, which takes frames from a queue:
    /// neighbours share their segment's rows.
    private struct Reassignment: Stage {
        static let charge = Refinement.charge
        let refinement: Refinement
        let queue: WorkStealingQueue

        init(_ refinement: Refinement) {
            self.refinement = refinement
            queue = WorkStealingQueue(refinement.clip.frames, in: refinement.space.queue)
        }

        func run(_ thread: Int, _ worker: Worker) {
            while !worker.isOver, let frame = queue.next(for: thread) {
                refinement.reassign(frame: frame, worker)
                worker.advance(by: Work.refinement)
            }
        }
    }

    private func reassign(frame: Int, _ worker: Worker) {
        let scratch = scratch(worker)
        let segment = segments.containing(frame)
        let rows = rows(ofSegment: segment)
        let tokens = clip.tokens(ofFrame: frame)
        let knowsDistances = rows.count <= Scratch.maximumRowProducts
        if knowsDistances {
            scratch.rowProductsMade(finishedRounds * clip.frames + segment) {
                BLAS.gram(self.rows.matrix(rows), into: scratch.rowProducts.base)
            }
        }
        scratch.singles[0] = 0
        scratch.openCount[0] = 0
        // In place, or converted into where those that are left then move up.
        let classes = TokenClasses(clip.frame(frame, convertedInto: scratch.tokens.base), in: scratch.classes)
        scratch.assigned.fill(-1)
        var left = 0
        for (index, token) in tokens.enumerated() where !selection.isSelected(token) {
            // Equal tokens have one nearest row.
            let first = classes.first(index)
            guard scratch.assigned[first] < 0 else { continue }
            scratch.assigned[first] = Int32(token)
            if knowsDistances, reassignNearby(token, segment, rows, scratch, worker) { continue }
            copyToken(token, ofSegment: segment, into: scratch.tokens.row(left, of: clip.channels).base, scratch)
            scratch.tokenIndices[left] = Int32(index)
            left += 1
        }
        let block = max(1, scratch.products.count / rows.count)
        for start in stride(from: 0, to: left, by: block) {
            let count = min(block, left - start)
            let part = MatrixView(
                base: scratch.tokens.base + start &* clip.channels, rows: count, columns: clip.channels,
                stride: clip.channels)
            BLAS.products(part, self.rows.matrix(rows), into: scratch.products.base)
            for index in 0..<count {
                let token = tokens.lowerBound &+ Int(scratch.tokenIndices[start + index])
                assignNearestRow(token, scratch.products.row(index, of: rows.count), rows.count, scratch, worker) {
                    rows.lowerBound &+ $0
                }
            }
        }
        settleOpen(rows, segment, scratch, worker)
        guard !classes.areDistinct else { return }
        for (index, token) in tokens.enumerated() where !selection.isSelected(token) {
            let assigned = Int(scratch.assigned[classes.first(index)])
            guard assigned != token else { continue }
            space.nextRow[token] = space.nextRow[assigned]
            worker.countSettled(byClass: 1)
        }
    }

    /// Finds the nearest rows of the tokens that were left open, in double: a panel of rows at a time, and of these the ones
    /// that may be it.
    private func settleOpen(_ rows: Range<Int>, _ segment: Int, _ scratch: Scratch, _ worker: Worker) {
        let count = scratch.openCount[0]
        guard count > 0 else { return }
        scratch.nearest.part(0..<count).fill(.infinity)
        let tokens = MatrixView(
            base: scratch.tokens.base, rows: count, columns: clip.channels, stride: clip.channels)
        // As many products at a time as there is room for.
        let width = max(1, scratch.products.count / count)
        for start in stride(from: rows.lowerBound, to: rows.upperBound, by: width) {
            let multiplied = start..<min(start + width, rows.upperBound)
            for index in 0..<count {
                let target = scratch.tokens.row(index, of: clip.channels).base
                copyToken(Int(scratch.open[index]), ofSegment: segment, into: target, scratch)
            }
            BLAS.products(tokens, self.rows.matrix(multiplied), into: scratch.products.base)
            // Distances in double are those of the source tokens.
            for index in 0..<count where isCentred(segment) {
                clip.copyToken(Int(scratch.open[index]), into: scratch.tokens.row(index, of: clip.channels).base)
            }
            var row = start
            while row < multiplied.upperBound {
                let place = row % Scratch.maximumValues
                let panel = row..<min(row + Scratch.maximumValues - place, multiplied.upperBound)
                markRivals(panel, of: multiplied, count, scratch)
                settleRivals(panel, tokens, scratch, worker)
                row = panel.upperBound
            }
        }
    }

    /// Marks, a bit a row of a panel, which may be the nearest of the tokens that were left open, and sorts these by that.
    private func markRivals(_ panel: Range<Int>, of multiplied: Range<Int>, _ count: Int, _ scratch: Scratch) {
        for index in 0..<count {
            let bounds = RowBounds(self, Int(scratch.open[index]), scratch)
            let products = scratch.products.row(index, of: multiplied.count)
            var rivals: UInt64 = 0
            for (other, row) in panel.enumerated()
            where !space.isRepeat[row]
                && !(bounds.upper(space.squares[row], products[row - multiplied.lowerBound]) < scratch.openLower[index])
            {
                rivals |= 1 << other
            }
            scratch.rivals[index] = rivals << 32 | UInt64(index)
        }
        scratch.rivals.part(0..<count).sort()
    }

    /// Measures every token's distances to its rivals of a panel. Tokens of much the same rivals are taken together, since a
    /// block is faster than single distances, though it has some that nobody asked for.
    private func settleRivals(_ panel: Range<Int>, _ tokens: MatrixView, _ scratch: Scratch, _ worker: Worker) {
        var start = 0
        while start < tokens.rows {
            var (end, mask, asked) = (start, UInt64(0), 0)
            while end < tokens.rows {
                let own = scratch.rivals[end] >> 32
                let all = asked + own.nonzeroBitCount
                guard end == start || 2 * (mask | own).nonzeroBitCount * (end - start + 1) <= 3 * all else { break }
                (mask, asked) = (mask | own, all)
                scratch.together[end - start] = Int32(scratch.rivals[end] & 0xFFFF_FFFF)
                end += 1
            }
            var others = 0
            for other in 0..<panel.count where mask >> other & 1 != 0 {
                let row = panel.lowerBound + other
                _ = value(ofRow: row, scratch)
                scratch.panelRows[others] = Int32(row % Scratch.maximumValues)
                others += 1
            }
            DoublePrecision.squaredDistances(
                tokens, rows: scratch.together.base, end - start, scratch.values.base, rows: scratch.panelRows.base,
                others, into: scratch.distances.base)
            worker.countSettled(inBlocks: (end - start) &* others)
            let first = panel.lowerBound - panel.lowerBound % Scratch.maximumValues
            for position in 0..<(end - start) {
                let index = Int(scratch.together[position])
                for other in 0..<others {
                    let distance = scratch.distances[position &* others &+ other]
                    guard distance < scratch.nearest[index] else { continue }
                    scratch.nearest[index] = distance
                    space.nextRow[Int(scratch.open[index])] = Int32(first + Int(scratch.panelRows[other]))
                }
            }
            start = end
        }
    }

    /// Bounds of how near a token is to rows: of the squared distances less the token's own square, negated.
    private struct RowBounds {
        let length: Float
        let tolerance: Float
        let least: Float
        /// Of numbers beyond float32's squares nothing is known.
        let isExtreme: Bool

        init(_ refinement: Refinement, _ token: Int, _ scratch: Scratch) {
            length = scratch.lengths[token % refinement.clip.tokensPerFrame]
            tolerance = Float(refinement.input.tolerance)
            least = Float.leastNormalMagnitude * Float(4 * refinement.clip.channels)
            isExtreme = refinement.selection.isExtreme(token)
        }

        @inline(__always)
        private func error(_ square: Float) -> Float {
            tolerance * (square + 2 * length * square.squareRoot()) + least
        }

        @inline(__always)
        func lower(_ square: Float, _ product: Float) -> Float { -(square - 2 * product + error(square)) }

        @inline(__always)
        func upper(_ square: Float, _ product: Float) -> Float {
            isExtreme ? .infinity : -(square - 2 * product - error(square))
        }
    }

    /// Reassigns a token without a product of the frame, if the distances between rows leave few candidates: by the
    /// triangle inequality a row farther than 2d from the token's present one, which is at distance d, is no nearer.
    private func reassignNearby(
        _ token: Int, _ segment: Int, _ rows: Range<Int>, _ scratch: Scratch, _ worker: Worker
    ) -> Bool {
        let inverse = selection.inverseNorm(token)
        guard inverse > 0 else { return false }
        let present = Int(rowOfToken[token])
        let place = token % clip.tokensPerFrame
        let source: UnsafePointer<Float>
        if isCentred(segment) {
            copyToken(token, ofSegment: segment, into: scratch.centred.base, scratch)
            source = UnsafePointer(scratch.centred.base)
        } else {
            source = scratch.token.token(token, of: clip)
            scratch.lengths[place] = 1 / inverse
        }
        let tolerance = Float(input.tolerance)
        let square = scratch.lengths[place] * scratch.lengths[place]
        let presentSquare = space.squares[present]
        let product = BLAS.dot(source, self.rows[present].base, count: clip.channels)
        // Each error is at most the tolerance times a square or a product of lengths, which is at most half their sum.
        let distance = square + presentSquare - 2 * product + 2 * tolerance * (square + presentSquare)
        guard distance.isFinite else { return false }
        // Of squared distances, with float32's rounding of the sum above.
        let limit = 4 * distance * 1.0001

        // A dot product costs several times its share of a matrix product.
        let most = min(clip.tokensPerFrame, max(1, rows.count / 16))
        let (own, count) = (present - rows.lowerBound, rows.count)
        var number = 0
        for index in 0..<count {
            let (low, high) = (min(own, index), max(own, index))
            let other = space.squares[rows.lowerBound + index]
            let apart = presentSquare + other - 2 * scratch.rowProducts[low &* count &+ high]
            guard index == own || !(apart - 2 * tolerance * (presentSquare + other) > limit) else { continue }
            guard index == own || !space.isRepeat[rows.lowerBound + index] else { continue }
            guard number < most else { return false }
            scratch.candidates[number] = Int32(index)
            number += 1
        }
        for candidate in 0..<number {
            let index = Int(scratch.candidates[candidate])
            scratch.nearby[candidate] =
                index == own
                ? product : BLAS.dot(source, self.rows[rows.lowerBound + index].base, count: clip.channels)
        }
        assignNearestRow(token, scratch.nearby, number, scratch, worker) {
            rows.lowerBound &+ Int(scratch.candidates[$0])
        }
        return true
    }

    /// Gives a token the nearest of `count` rows, of which the products with it are given; of equally near ones the first.
    /// Compares squared distances less the token's own square. Leaves it open once that a frame has asked for many distances
    /// in double.
    @inline(__always)
    private func assignNearestRow(
        _ token: Int, _ products: Table<Float>, _ count: Int, _ scratch: Scratch, _ worker: Worker, row: (Int) -> Int
    ) {
        let bounds = RowBounds(self, token, scratch)
        let nearest = Decision.largest(
            of: 0..<count, where: { !space.isRepeat[row($0)] },
            lower: { bounds.lower(space.squares[row($0)], products[$0]) },
            upper: { bounds.upper(space.squares[row($0)], products[$0]) },
            leavesOpen: { rivals, lower in
                guard scratch.singles[0] &+ rivals > clip.tokensPerFrame else { return false }
                scratch.openLower[scratch.openCount[0]] = lower
                return true
            },
            settle: { index in
                scratch.singles[0] &+= 1
                worker.countSettled(singly: 1)
                let value = value(ofRow: row(index), scratch)
                return -DoublePrecision.squaredDistance(
                    scratch.token.token(token, of: clip), value, count: clip.channels)
            })
        if nearest.index < 0 {
            worker.countCloseCall()
            scratch.open[scratch.openCount[0]] = Int32(token)
            scratch.openCount[0] &+= 1
            return
        }
        if nearest.value != nil { worker.countCloseCall() }
        space.nextRow[token] = Int32(row(nearest.index))
    }
}
