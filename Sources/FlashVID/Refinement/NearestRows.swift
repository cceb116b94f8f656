/// The nearest row of its segment for every unselected token (spec 12.2).
struct NearestRows: BitwiseCopyable {
    struct Space: BitwiseCopyable {
        /// [F·N] the row that is nearest to a token.
        fileprivate let nearest: Table<Int32>
        /// [F·N] the first unselected token of the segment that is equal to one, and room to find it.
        fileprivate let first: Table<Int32>
        fileprivate let places: Table<Int32>
        /// [K] by row: whether it is equal to an earlier one of its segment.
        fileprivate let isRepeat: Table<Bool>
        /// [K] its square and its length; the square again, out of reach for those that repeat another.
        fileprivate let squares: Table<Float>
        fileprivate let lengths: Table<Float>
        fileprivate let reachable: Table<Float>
        /// [K] the number of its origin, and [K, origins] its products with all origins of its segment.
        fileprivate let groups: Table<Int32>
        fileprivate let projections: Table<Double>
        /// Lower bounds of the squared distances of a segment's rows from each other, segment after segment, and [F] where
        /// a segment's begin; -1 where there is no room for them.
        fileprivate let rowDistances: Table<Float>
        fileprivate let rowDistancesStart: Table<Int>
        /// [F, origins] by segment: rows that are its origins, and [F] how many.
        fileprivate let leaders: Table<Int32>
        fileprivate let leaderCounts: Table<Int32>
        /// [threads] see ``WorkStealingQueue``.
        fileprivate let queue: Table<UInt64>

        init(_ input: Input, threads: Int, plan: inout Arena.Plan) {
            let runs = input.configuration.refinementRounds > 0
            let (frames, rows) = (runs ? input.clip.frames : 0, Scratch.rows(input))
            nearest = plan.table(Int32.self, frames * input.clip.tokensPerFrame)
            first = plan.table(Int32.self, frames * input.clip.tokensPerFrame)
            places = plan.table(Int32.self, 2 * frames, input.clip.tokensPerFrame)
            isRepeat = plan.table(Bool.self, rows)
            squares = plan.table(Float.self, rows)
            lengths = plan.table(Float.self, rows)
            reachable = plan.table(Float.self, rows)
            groups = plan.table(Int32.self, rows)
            projections = plan.table(Double.self, rows, Origins.most + 1)
            // No more than half of what the rows take, but for few rows.
            let most = max(640 * 640, rows.multipliedReportingOverflow(by: input.clip.channels / 2).partialValue)
            let square = rows.multipliedReportingOverflow(by: rows)
            rowDistances = plan.table(Float.self, square.overflow ? most : min(most, square.partialValue))
            rowDistancesStart = plan.table(Int.self, frames)
            leaders = plan.table(Int32.self, frames, Origins.most)
            leaderCounts = plan.table(Int32.self, frames)
            queue = plan.table(UInt64.self, threads)
        }
    }

    /// What a thread needs for a frame.
    struct Scratch: BitwiseCopyable {
        fileprivate static let memberBlock = 128
        fileprivate static let anyGroup: Int32 = -1

        /// [N, D] tokens that enter a product, and [N] which they are.
        fileprivate let tokens: Table<Float>
        fileprivate let tokenIndices: Table<Int32>
        /// Products of some tokens with a segment's rows.
        fileprivate let products: Table<Float>
        /// [N] by place: the row that was the nearest to the token there in the thread's last frame, of a segment.
        fileprivate let hints: Table<Int32>
        fileprivate let hintsMade: Memo
        /// [N] by place: the group of rows to which a token's nearest belongs, or ``anyGroup``.
        fileprivate let wanted: Table<Int32>
        /// [K] positions of a group's rows, their squares and lengths, the squares again as they are reached, and [128, D]
        /// some of their values.
        fileprivate let members: Table<Int32>
        fileprivate let memberSquares: Table<Float>
        fileprivate let memberLengths: Table<Float>
        fileprivate let memberValues: Table<Float>
        /// [K] positions of rows that are near enough or may be the nearest, and [N] numbers of these.
        fileprivate let candidates: Table<Int32>
        fileprivate let nearby: Table<Float>
        /// Distances of a frame that were computed singly, and [N] tokens that were left to a block, how many, and [N] their
        /// nearest distances so far, and [N, K / 32 + 1] the rows that may be it, a bit each, by panels of 32.
        fileprivate let singles: Table<Int>
        fileprivate let open: Table<Int32>
        fileprivate let openCount: Table<Int>
        fileprivate let openNearest: Table<Double>
        fileprivate let openRivals: Table<UInt32>
        fileprivate let panels: Int
        /// [N, 32] distances of tokens that were left open from rows, [N] by token which of these may be its
        /// nearest, a bit a row, and [N] and [32] which of both are measured together.
        fileprivate let distances: Table<Double>
        fileprivate let rivals: Table<UInt64>
        fileprivate let together: Table<Int32>
        fileprivate let panelRows: Table<Int32>
        let equalRows: EqualRows.Scratch
        /// The origins of a segment, for the round and the segment that they were made for last.
        fileprivate let origins: Origins.Scratch
        fileprivate let originsMade: Memo
        /// [N] by token: its origin, its length less that, and [N, origins] its products with all.
        fileprivate let groups: Table<Int32>
        fileprivate let lengths: Table<Float>
        fileprivate let projections: Table<Double>
        /// [D] a token less its origin.
        fileprivate let centred: Table<Float>

        init(_ input: Input, plan: inout Arena.Plan) {
            let (clip, runs) = (input.clip, input.configuration.refinementRounds > 0)
            let (count, channels) = runs ? (clip.tokensPerFrame, clip.channels) : (0, 0)
            let rows = Self.rows(input)
            let square = count.multipliedReportingOverflow(by: count)
            tokens = plan.table(Float.self, count, channels)
            tokenIndices = plan.table(Int32.self, count)
            products = plan.table(Float.self, max(square.overflow ? Int.max : square.partialValue, rows))
            wanted = plan.table(Int32.self, count)
            members = plan.table(Int32.self, rows)
            memberSquares = plan.table(Float.self, rows)
            memberLengths = plan.table(Float.self, rows)
            memberValues = plan.table(Float.self, min(rows, Self.memberBlock), channels)
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
            groups = plan.table(Int32.self, count)
            lengths = plan.table(Float.self, count)
            projections = plan.table(Double.self, count, Origins.most + 1)
            centred = plan.table(Float.self, channels)
        }

        /// Rows of the clip: a token is compared with every one of its segment, which may be all.
        fileprivate static func rows(_ input: Input) -> Int {
            input.configuration.refinementRounds > 0 ? input.budget.rows(of: 0..<input.clip.frames) : 0
        }

        /// To be called before a clip's first round.
        func forget() {
            hintsMade.forget()
            originsMade.forget()
        }
    }

    private let refinement: Refinement
    private let space: Space
    private var clip: Clip { refinement.clip }
    private var selection: Selection { refinement.selection }
    private var tolerance: Float { Float(refinement.input.tolerance) }

    init(_ refinement: Refinement, in space: Space) {
        self.refinement = refinement
        self.space = space
    }

    /// Finds the nearest rows. Costs at the most one product of the unselected tokens with their segment's rows. Takes the
    /// origin out of the rows of a segment that has some.
    func find(on team: Team) throws(FlashVIDError) {
        let segments = refinement.segments.count
        if refinement.finishedRounds == 0 { try team.run(EqualTokens(rows: self), over: segments) }
        try team.run(EqualRows(refinement: refinement, isRepeat: space.isRepeat), over: segments)
        try team.run(Grouping(rows: self), over: segments)
        try team.run(Measures(rows: self), over: refinement.rowTasks)
        placeRowDistances()
        try team.run(RowDistances(rows: self), over: RowDistances.tasks(refinement.rows.count))
        try team.run(Search(self), over: team.threads)
    }

    // MARK: Reading

    /// The row that is nearest to an unselected token.
    func row(ofToken token: Int) -> Int32 { space.nearest[Int(space.first[token])] }

    /// Whether a segment's rows are less their origins.
    func isCentred(_ segment: Int) -> Bool { space.leaderCounts[segment] > 0 }

    private func scratch(_ worker: Worker) -> Scratch { refinement.scratch(worker).nearestRows }

    private func key(_ segment: Int) -> Int { refinement.finishedRounds * clip.frames + segment }

    // MARK: Equal tokens

    /// Finds the tokens of a segment that are equal to an earlier one. They have the same nearest row, so that a still
    /// picture is searched once. O(tokens), and a comparison for each that is equal to another; one that is missed costs time
    /// and changes nothing.
    private struct EqualTokens: Stage {
        static let charge = Refinement.charge
        let rows: NearestRows

        func run(_ segment: Int, _ worker: Worker) { rows.findEqualTokens(segment: segment, worker) }
    }

    private func findEqualTokens(segment: Int, _ worker: Worker) {
        let tokens = refinement.tokens(ofSegment: segment)
        let (clip, pair) = (clip, refinement.scratch(worker).token)
        // As many places as the largest power of two below twice the tokens.
        let mask = (1 << (Int.bitWidth - 1 - (2 * tokens.count).leadingZeroBitCount)) - 1
        let places = space.places.part((2 * tokens.lowerBound)..<(2 * tokens.lowerBound + mask + 1))
        places.fill(-1)
        for token in tokens where !selection.isSelected(token) {
            space.first[token] = Int32(token)
            let hash = TokenClasses.hash(pair.token(token, of: clip), channels: clip.channels)
            var place = Int(truncatingIfNeeded: hash) & mask
            for _ in 0..<8 {
                guard places[place] >= 0 else {
                    places[place] = Int32(token)
                    break
                }
                if pair.areEqual(token, Int(places[place]), of: clip) {
                    space.first[token] = places[place]
                    worker.countSettled(byClass: 1)
                    break
                }
                place = (place &+ 1) & mask
            }
        }
    }

    // MARK: Origins
    //
    // Where rows of a segment are much alike, their origins are taken out of them and of the tokens (``Origins``):
    //
    //     |a - b|² = |y|² + |z|² - 2 y·z + |o - p|² + 2 (o - p)·(y - z)    for a = o + y, b = p + z.

    /// Looks for origins among a segment's rows.
    private struct Grouping: Stage {
        static let charge = Refinement.charge
        let rows: NearestRows

        func run(_ segment: Int, _ worker: Worker) { rows.group(segment: segment) }
    }

    private func group(segment: Int) {
        let rows = refinement.rows(ofSegment: segment)
        let leaders = space.leaders.row(segment, of: Origins.most)
        var count = 0
        func areNear(_ a: Int, _ b: Int) -> Bool {
            let (first, other) = (refinement.rows[a].base, refinement.rows[b].base)
            let square = BLAS.dot(first, first, count: clip.channels)
            return SinglePrecision.squaredDistance(first, other, count: clip.channels) < square * Origins.radius / 2
        }
        // Rows from all over the segment are compared with some of them. Few segments need more than the first four.
        let samples = min(rows.count, 24)
        func sample(_ number: Int) -> Int { rows.lowerBound + number * rows.count / samples }
        for number in 0..<min(samples, Origins.most) {
            if number == 4, count == 0 { break }
            let row = sample(number * samples / min(samples, Origins.most))
            guard !(0..<count).contains(where: { areNear(Int(leaders[$0]), row) }) else { continue }
            let near = (0..<samples).count {
                sample($0) != row && !space.isRepeat[sample($0)] && areNear(row, sample($0))
            }
            guard near >= 2 else { continue }
            leaders[count] = Int32(row)
            count += 1
        }
        space.leaderCounts[segment] = Int32(count)
        guard count > 0 else { return }
        for row in rows {
            let value = refinement.rows[row].base
            var (least, group) = (BLAS.dot(value, value, count: clip.channels) * Origins.radius, 0)
            for leader in 0..<count {
                let other = refinement.rows[Int(leaders[leader])].base
                let distance = SinglePrecision.squaredDistance(value, other, count: clip.channels)
                if distance < least { (least, group) = (distance, leader + 1) }
            }
            space.groups[row] = Int32(group)
        }
    }

    /// The origins of a segment that has some.
    private func origins(ofSegment segment: Int, _ worker: Worker) -> Origins {
        let scratch = scratch(worker)
        var origins = Origins(channels: clip.channels, in: scratch.origins)
        let leaders = space.leaders.row(segment, of: Origins.most)
        let count = Int(space.leaderCounts[segment])
        scratch.originsMade(key(segment)) {
            for leader in 0..<count {
                _ = origins.add { target in
                    DoublePrecision.round(
                        refinement.value(ofRow: Int(leaders[leader]), refinement.scratch(worker)), into: target,
                        count: clip.channels)
                }
            }
            origins.multiply()
        }
        return Origins(count: count + 1, channels: clip.channels, in: scratch.origins)
    }

    /// Squares of the rows, less their origins where their segment has some.
    private struct Measures: Stage {
        static let charge = Refinement.charge
        let rows: NearestRows

        func run(_ task: Int, _ worker: Worker) {
            for row in rows.refinement.rows(ofTask: task) { rows.measure(row: row, worker) }
        }
    }

    private func measure(row: Int, _ worker: Worker) {
        let segment = refinement.segment(ofRow: row)
        let value = refinement.rows[row].base
        if isCentred(segment) {
            let origins = origins(ofSegment: segment, worker)
            DoublePrecision.round(
                refinement.value(ofRow: row, refinement.scratch(worker)), less: origins.row(Int(space.groups[row])),
                into: value, count: clip.channels)
            let centred = refinement.rows.matrix(row..<(row + 1))
            DoublePrecision.products(
                centred, origins.matrix, into: space.projections.row(row, of: Origins.most + 1).base)
        }
        let square = BLAS.dot(value, value, count: clip.channels)
        space.squares[row] = square
        space.lengths[row] = square.squareRoot()
        space.reachable[row] = space.isRepeat[row] ? .greatestFiniteMagnitude : square
    }

    @inline(__always)
    private func projection(_ origin: Int, _ row: Int) -> Double {
        space.projections[row &* (Origins.most + 1) &+ origin]
    }

    // MARK: Distances between rows

    /// Gives each segment its room, as far as there is some.
    private func placeRowDistances() {
        var start = 0
        for segment in 0..<refinement.segments.count {
            let count = refinement.rows(ofSegment: segment).count
            let square = count.multipliedReportingOverflow(by: count)
            let fits = !square.overflow && square.partialValue <= space.rowDistances.count - start
            space.rowDistancesStart[segment] = fits ? start : -1
            if fits { start += square.partialValue }
        }
    }

    /// Lower bounds of the squared distances of some rows from those of their segment; infinity from one that repeats
    /// another.
    private struct RowDistances: Stage {
        static let charge = Refinement.charge
        // Each multiplies the rows behind it, which BLAS arranges anew for each: not too few.
        static let rowsOfTask = 128
        let rows: NearestRows

        static func tasks(_ rows: Int) -> Int { (rows + rowsOfTask - 1) / rowsOfTask }

        func run(_ task: Int, _ worker: Worker) {
            let end = min(rows.refinement.rows.count, (task + 1) * Self.rowsOfTask)
            var row = task * Self.rowsOfTask
            while row < end {
                let segment = rows.refinement.segment(ofRow: row)
                let some = row..<min(end, rows.refinement.rows(ofSegment: segment).upperBound)
                rows.measureDistances(some, segment, worker)
                row = some.upperBound
            }
        }
    }

    private func measureDistances(_ some: Range<Int>, _ segment: Int, _ worker: Worker) {
        let start = space.rowDistancesStart[segment]
        guard start >= 0 else { return }
        let range = refinement.rows(ofSegment: segment)
        let (first, count) = (range.lowerBound, range.count)
        let distances = space.rowDistances.base + start
        let origins = isCentred(segment) ? origins(ofSegment: segment, worker) : nil
        // With those behind them; the others are the same, made by other tasks.
        BLAS.products(
            refinement.rows.matrix(some), refinement.rows.matrix(some.lowerBound..<range.upperBound), scale: 1,
            into: distances + (some.lowerBound - first) &* (count &+ 1), stride: count)
        for row in some {
            let square = space.squares[row]
            let line = distances + (row - first) &* count
            for other in row..<range.upperBound {
                let sum = square + space.squares[other]
                var distance = sum - 2 * line[other - first]
                if let origins {
                    distance += shift(row, other, origins) - Float(origins.slack(Int(space.groups[row])))
                }
                distance -= 2 * tolerance * sum + abs(distance) * 0x1p-22
                line[other - first] = space.isRepeat[other] ? .infinity : distance
                distances[(other - first) &* count &+ (row - first)] = space.isRepeat[row] ? .infinity : distance
            }
        }
    }

    /// What the squared distance of two rows has beside that of the two less their origins.
    private func shift(_ a: Int, _ b: Int, _ origins: Origins) -> Float {
        let (group, other) = (Int(space.groups[a]), Int(space.groups[b]))
        guard group != other else { return 0 }
        let across = projection(group, a) - projection(other, a) - projection(group, b) + projection(other, b)
        return Float(origins.squaredDistance(group, other) + 2 * across)
    }

    // MARK: Tokens

    /// A frame's tokens as its segment's rows are.
    private struct FrameTokens {
        let rows: NearestRows
        let frame: Int
        let segment: Int
        let range: Range<Int>
        let scratch: Scratch
        /// Where the segment has some.
        let origins: Origins?

        /// `tokens` are the frame's as they are, of which `room` may be the memory.
        init(_ rows: NearestRows, _ frame: Int, _ tokens: MatrixView, _ worker: Worker) {
            self.rows = rows
            self.frame = frame
            segment = rows.refinement.segments.containing(frame)
            range = rows.refinement.rows(ofSegment: segment)
            scratch = rows.scratch(worker)
            guard rows.isCentred(segment) else {
                origins = nil
                return
            }
            let origins = rows.origins(ofSegment: segment, worker)
            self.origins = origins
            let (scratch, count) = (scratch, origins.count)
            DoublePrecision.products(tokens, origins.matrix, into: scratch.projections.base)
            for index in 0..<tokens.rows {
                let token = tokens.row(index)
                let square = DoublePrecision.dot(token, token, count: tokens.columns)
                let line = scratch.projections.base + index &* count
                var (least, group) = (square * Double(Origins.radius), 0)
                for origin in 1..<max(count, 1) {
                    let distance = square + origins.product(origin, origin) - 2 * line[origin]
                    if distance < least { (least, group) = (distance, origin) }
                }
                scratch.groups[index] = Int32(group)
                for origin in 0..<count { line[origin] -= origins.product(origin, group) }
            }
        }

        func token(_ index: Int) -> Int { frame &* rows.clip.tokensPerFrame &+ index }

        /// Writes a token less its origin, and notes its length.
        func write(_ index: Int, into target: UnsafeMutablePointer<Float>) {
            let channels = rows.clip.channels
            rows.clip.copyToken(token(index), into: target)
            if let origins {
                SinglePrecision.subtract(
                    origins.row(Int(scratch.groups[index])), from: target, into: target, count: channels)
                scratch.lengths[index] = BLAS.dot(target, target, count: channels).squareRoot()
            } else {
                let inverse = rows.selection.inverseNorm(token(index))
                scratch.lengths[index] = inverse > 0 ? 1 / inverse : 0
            }
        }

        /// What the squared distance of a token from a row has beside that of the two less their origins.
        @inline(__always)
        func shift(_ index: Int, _ row: Int, _ origins: Origins) -> Float {
            let (group, other) = (Int(scratch.groups[index]), Int(rows.space.groups[row]))
            guard group != other else { return 0 }
            let line = scratch.projections.base + index &* origins.count
            let across =
                line[group] - line[other] - rows.projection(group, row) + rows.projection(other, row)
            return Float(origins.squaredDistance(group, other) + 2 * across)
        }

        /// The squared distance of a token from a row less the token's square, from their product.
        @inline(__always)
        func value(_ index: Int, _ row: Int, _ product: Float) -> Float {
            let value = rows.space.squares[row] - 2 * product
            return origins.map { value + shift(index, row, $0) } ?? value
        }

        /// Turns products of a token with some rows into such numbers; those of rows that repeat another are out of reach.
        func values(_ index: Int, _ range: Range<Int>, from products: Table<Float>) {
            let reachable = rows.space.reachable.base + range.lowerBound
            for position in 0..<range.count {
                products.base[position] = reachable[position] - 2 * products.base[position]
            }
            guard let origins else { return }
            for position in 0..<range.count {
                products[position] += shift(index, range.lowerBound &+ position, origins)
            }
        }

        /// What such a number may err by.
        func error(_ index: Int) -> SinglePrecision.Error {
            let length = scratch.lengths[index]
            var least = Float.leastNormalMagnitude * Float(4 * rows.clip.channels)
            if let origins { least += Float(origins.slack(Int(scratch.groups[index]))) + 1e-7 * length * length }
            return SinglePrecision.Error(
                // Of numbers beyond float32's squares nothing is known.
                constant: rows.selection.isExtreme(token(index)) ? .infinity : least,
                ofSquare: rows.tolerance, ofLength: 2 * rows.tolerance * length, ofValue: 0x1p-22)
        }
    }

    // MARK: Search

    /// A task is a thread, which takes frames from a queue: neighbours share their segment's rows.
    private struct Search: Stage {
        static let charge = Refinement.charge
        let rows: NearestRows
        let queue: WorkStealingQueue

        init(_ rows: NearestRows) {
            self.rows = rows
            queue = WorkStealingQueue(rows.clip.frames, in: rows.space.queue)
        }

        func run(_ thread: Int, _ worker: Worker) {
            while !worker.isOver, let frame = queue.next(for: thread) {
                rows.search(frame: frame, worker)
                worker.advance(by: Work.refinement)
            }
        }
    }

    private func search(frame: Int, _ worker: Worker) {
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
        for index in 0..<clip.tokensPerFrame where space.first[tokens.token(index)] == Int32(tokens.token(index)) {
            if !selection.isSelected(tokens.token(index)) { scratch.hints[index] = space.nearest[tokens.token(index)] }
        }
    }

    /// Finds the nearest rows of some tokens of a frame, by their numbers among `Scratch.tokenIndices`, in a product with
    /// the rows of a group, or with all.
    private func search(_ tokens: FrameTokens, _ some: Range<Int>, ofGroup group: Int32, _ worker: Worker) {
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
                if members.isAll {
                    tokens.values(index, tokens.range, from: values)
                } else {
                    for member in 0..<members.count {
                        let row = members.row(member)
                        values[member] =
                            space.isRepeat[row]
                            ? .greatestFiniteMagnitude : tokens.value(index, row, values[member])
                    }
                }
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
    private struct Members {
        private let rows: NearestRows
        private let range: Range<Int>
        private let scratch: Scratch
        let isAll: Bool
        let count: Int
        let squares: UnsafePointer<Float>
        let lengths: UnsafePointer<Float>

        init(_ rows: NearestRows, _ range: Range<Int>, _ group: Int32, _ scratch: Scratch) {
            (self.rows, self.range, self.scratch) = (rows, range, scratch)
            isAll = group == Scratch.anyGroup
            guard !isAll else {
                count = range.count
                squares = UnsafePointer(rows.space.squares.base + range.lowerBound)
                lengths = UnsafePointer(rows.space.lengths.base + range.lowerBound)
                return
            }
            var count = 0
            for row in range where rows.space.groups[row] == group {
                scratch.members[count] = Int32(row)
                scratch.memberSquares[count] = rows.space.squares[row]
                scratch.memberLengths[count] = rows.space.lengths[row]
                count += 1
            }
            self.count = count
            squares = UnsafePointer(scratch.memberSquares.base)
            lengths = UnsafePointer(scratch.memberLengths.base)
        }

        @inline(__always)
        func row(_ member: Int) -> Int { isAll ? range.lowerBound &+ member : Int(scratch.members[member]) }

        /// Products of some tokens with all members, to `Scratch.products`.
        func multiply(_ tokens: MatrixView) {
            guard !isAll else {
                BLAS.products(tokens, rows.refinement.rows.matrix(range), into: scratch.products.base)
                return
            }
            let channels = tokens.columns
            for start in stride(from: 0, to: count, by: Scratch.memberBlock) {
                let some = min(Scratch.memberBlock, count - start)
                for member in 0..<some {
                    scratch.memberValues.row(member, of: channels).copy(rows.refinement.rows[row(start + member)])
                }
                BLAS.products(
                    tokens,
                    MatrixView(base: scratch.memberValues.base, rows: some, columns: channels, stride: channels),
                    scale: 1, into: scratch.products.base + start, stride: count)
            }
        }
    }

    /// Finds a token's row without a product of the frame, if the distances between rows leave few candidates: by the
    /// triangle inequality a row that is farther than d + e from one at distance d is no nearer than another at distance e.
    private func searchNearby(_ index: Int, _ tokens: FrameTokens, _ worker: Worker) -> Bool {
        let (scratch, token, range) = (tokens.scratch, tokens.token(index), tokens.range)
        guard selection.inverseNorm(token) > 0 else { return false }
        let source: UnsafePointer<Float>
        if tokens.origins == nil, clip.type == .float32 {
            source = refinement.scratch(worker).token.token(token, of: clip)
            scratch.lengths[index] = 1 / selection.inverseNorm(token)
        } else {
            tokens.write(index, into: scratch.centred.base)
            source = UnsafePointer(scratch.centred.base)
        }
        let square = scratch.lengths[index] * scratch.lengths[index]
        func value(_ row: Int) -> Float {
            tokens.value(index, row, BLAS.dot(source, refinement.rows[row].base, count: clip.channels))
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
            + (near - range.lowerBound) &* range.count
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
            guard distances[Int(position)] <= reach * reach * 1.0001 else { continue }
            guard number < most else { return false }
            let row = range.lowerBound &+ Int(position)
            let value = row == near ? own : value(row)
            least = min(least, max(0, bound(value, row)))
            scratch.candidates[number] = position
            scratch.nearby[number] = value
            number += 1
        }
        choose(
            index, tokens, among: number, worker, row: { range.lowerBound &+ Int(scratch.candidates[$0]) },
            value: { scratch.nearby[$0] })
        return true
    }

    /// Notes the group of a token's possible rows, `Scratch.candidates`, if they are of one.
    private func noteGroup(_ index: Int, _ tokens: FrameTokens, _ count: Int) {
        guard tokens.origins != nil, count > 0 else { return }
        let (scratch, first) = (tokens.scratch, tokens.range.lowerBound)
        let group = space.groups[first &+ Int(scratch.candidates[0])]
        for candidate in 1..<count where space.groups[first &+ Int(scratch.candidates[candidate])] != group { return }
        scratch.wanted[index] = group
    }

    // MARK: Decision

    /// Gives a token the nearest of some rows, which `row` tells; of equally near ones the first. Compares squared
    /// distances less the token's own square. Leaves it open once that a frame has asked for many distances in double.
    private func choose(
        _ index: Int, _ tokens: FrameTokens, among count: Int, _ worker: Worker, row: (Int) -> Int,
        value: (Int) -> Float
    ) {
        let (scratch, token) = (tokens.scratch, tokens.token(index))
        let error = tokens.error(index)
        func within(_ candidate: Int) -> Float {
            error(value(candidate), space.squares[row(candidate)], space.lengths[row(candidate)])
        }
        func upper(_ candidate: Int) -> Float {
            error.constant == .infinity ? .infinity : -(value(candidate) - within(candidate))
        }
        let nearest = Decision.largest(
            of: 0..<count, where: { !space.isRepeat[row($0)] }, lower: { -(value($0) + within($0)) },
            upper: { upper($0) },
            leavesOpen: { rivals, lower in
                guard scratch.singles[0] &+ rivals > clip.tokensPerFrame else { return false }
                leaveOpen(
                    index, tokens, among: count, row: row,
                    isRival: { !space.isRepeat[row($0)] && !(upper($0) < lower) })
                return true
            },
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

    // MARK: In blocks

    /// Leaves a token open, and notes which rows may be its nearest.
    private func leaveOpen(
        _ index: Int, _ tokens: FrameTokens, among count: Int, row: (Int) -> Int, isRival: (Int) -> Bool
    ) {
        let scratch = tokens.scratch
        let position = scratch.openCount[0]
        let rivals = scratch.openRivals.row(position, of: scratch.panels)
        rivals.fill(0)
        for candidate in 0..<count where isRival(candidate) {
            let row = row(candidate)
            rivals[panel(ofRow: row) - panel(ofRow: tokens.range.lowerBound)] |=
                1 << UInt32(refinement.place(ofRow: row))
        }
        scratch.open[position] = Int32(index)
        scratch.openCount[0] = position + 1
    }

    /// Rows whose values in double are kept at the same time.
    private func panel(ofRow row: Int) -> Int { row / Refinement.Scratch.maximumValues }

    /// Finds the nearest rows of the tokens that were left open, in double: a panel of rows at a time, and of these the ones
    /// that may be it.
    private func settleOpen(_ tokens: FrameTokens, _ worker: Worker) {
        let (scratch, range) = (tokens.scratch, tokens.range)
        let count = scratch.openCount[0]
        guard count > 0 else { return }
        scratch.openNearest.part(0..<count).fill(.infinity)
        for position in 0..<count {
            clip.copyToken(
                tokens.token(Int(scratch.open[position])), into: scratch.tokens.row(position, of: clip.channels).base)
        }
        let matrix = MatrixView(
            base: scratch.tokens.base, rows: count, columns: clip.channels, stride: clip.channels)
        let first = panel(ofRow: range.lowerBound)
        for panel in first...panel(ofRow: range.upperBound - 1) {
            // Sorted by their rivals of the panel.
            for position in 0..<count {
                let rivals = scratch.openRivals[position &* scratch.panels &+ (panel - first)]
                scratch.rivals[position] = UInt64(rivals) << 32 | UInt64(position)
            }
            scratch.rivals.part(0..<count).sort()
            settleRivals(panel, tokens, matrix, worker)
        }
    }

    /// Measures every token's distances to its rivals of a panel. Tokens of much the same rivals are taken together, since a
    /// block is faster than single distances, though it has some that nobody asked for.
    private func settleRivals(_ panel: Int, _ tokens: FrameTokens, _ matrix: MatrixView, _ worker: Worker) {
        let scratch = tokens.scratch
        let first = panel * Refinement.Scratch.maximumValues
        var start = 0
        while start < matrix.rows {
            var (end, mask, asked) = (start, UInt64(0), 0)
            while end < matrix.rows {
                let own = scratch.rivals[end] >> 32
                let all = asked + own.nonzeroBitCount
                guard end == start || 2 * (mask | own).nonzeroBitCount * (end - start + 1) <= 3 * all else { break }
                (mask, asked) = (mask | own, all)
                scratch.together[end - start] = Int32(scratch.rivals[end] & 0xFFFF_FFFF)
                end += 1
            }
            var others = 0
            for place in 0..<Refinement.Scratch.maximumValues where mask >> place & 1 != 0 {
                _ = refinement.value(ofRow: first + place, refinement.scratch(worker))
                scratch.panelRows[others] = Int32(place)
                others += 1
            }
            DoublePrecision.squaredDistances(
                matrix, rows: scratch.together.base, end - start, refinement.scratch(worker).values.base,
                rows: scratch.panelRows.base, others, into: scratch.distances.base)
            worker.countSettled(inBlocks: (end - start) &* others)
            for position in 0..<(end - start) {
                let open = Int(scratch.together[position])
                for other in 0..<others {
                    let distance = scratch.distances[position &* others &+ other]
                    guard distance < scratch.openNearest[open] else { continue }
                    scratch.openNearest[open] = distance
                    space.nearest[tokens.token(Int(scratch.open[open]))] = Int32(first + Int(scratch.panelRows[other]))
                }
            }
            start = end
        }
    }
}
