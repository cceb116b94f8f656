/// Contextual tokens: what a frame's roots become (spec 6.2; paper, section 3.3). A task is a frame.
struct Clusters: Stage {
    static let charge = CompressedVideo.Stage.contextual

    struct Space: BitwiseCopyable {
        /// [F·N] the root that is the centre of a root's cluster.
        fileprivate let centres: Table<Int32>
        /// [F] frames in the order in which they are taken.
        fileprivate let order: Table<Int32>
        /// [threads]
        fileprivate let scratch: Table<Scratch>

        init(_ clip: Clip, centres: Table<Int32>, scratch: Table<Scratch>, plan: inout Arena.Plan) {
            self.centres = centres
            order = plan.table(Int32.self, clip.frames)
            self.scratch = scratch
        }
    }

    /// What a thread needs for a frame.
    struct Scratch: BitwiseCopyable {
        /// [N] roots of the frame, and by their position among these, the centres' positions.
        fileprivate let roots: Table<Int32>
        fileprivate let centres: Table<Int32>
        /// [N, D] the roots' aggregates less their origins.
        fileprivate let values: Table<Float>
        /// Their origins, of which the first is that of the first root, the number of each root's, and products of
        /// [origins] with [N] values.
        fileprivate let origins: Origins.Scratch
        fileprivate let groups: Table<Int32>
        fileprivate let projections: Table<Double>
        /// [D] the first origin.
        fileprivate let origin: Table<Float>
        fileprivate let classes: TokenClasses.Scratch
        /// [N] bounds of the squared distance to the nearest other root.
        fileprivate let lower: Table<Float>
        fileprivate let upper: Table<Float>
        /// [N, N] products of the same with each other, then their squared distances.
        fileprivate let distances: Table<Float>
        /// [N] squares of the same, and error bounds of their distances.
        fileprivate let squares: Table<Float>
        fileprivate let errors: Table<Float>
        /// [N, N] squared distances and [N] their error bounds in double, where roots have several origins.
        fileprivate let fineDistances: Table<Double>
        fileprivate let fineErrors: Table<Double>
        fileprivate let peaks: DensityPeaks<Float>.Scratch
        fileprivate let finePeaks: DensityPeaks<Double>.Scratch
        /// [D] an aggregate, and a mean of some.
        fileprivate let aggregate: Table<Double>
        fileprivate let mean: Table<Double>
        fileprivate let exactDistances: RootDistances.Scratch
        fileprivate let reader: Forest.Reader

        init(_ clip: Clip, plan: inout Arena.Plan) {
            let (count, channels) = (clip.tokensPerFrame, clip.channels)
            roots = plan.table(Int32.self, count)
            centres = plan.table(Int32.self, count)
            values = plan.table(Float.self, count, channels)
            origins = Origins.Scratch(clip, plan: &plan)
            groups = plan.table(Int32.self, count)
            projections = plan.table(Double.self, Origins.most + 1, count)
            origin = plan.table(Float.self, channels)
            classes = TokenClasses.Scratch(clip, plan: &plan)
            lower = plan.table(Float.self, count)
            upper = plan.table(Float.self, count)
            distances = plan.table(Float.self, count, count)
            squares = plan.table(Float.self, count)
            errors = plan.table(Float.self, count)
            fineDistances = plan.table(Double.self, count, count)
            fineErrors = plan.table(Double.self, count)
            (peaks, finePeaks) = plan.overlay(
                { plan in DensityPeaks<Float>.Scratch(count, plan: &plan) },
                { plan in DensityPeaks<Double>.Scratch(count, plan: &plan) })
            aggregate = plan.table(Double.self, channels)
            mean = plan.table(Double.self, channels)
            exactDistances = RootDistances.Scratch(clip, plan: &plan)
            reader = Forest.Reader(clip, plan: &plan)
        }
    }

    private let forest: Forest
    private let shares: Shares
    private let rows: Rows
    private let space: Space
    private var input: Input { forest.input }
    private var clip: Clip { input.clip }

    init(_ forest: Forest, _ shares: Shares, writing rows: Rows, in space: Space) {
        self.forest = forest
        self.shares = shares
        self.rows = rows
        self.space = space
        // Frames that begin a segment have the most roots: first, so that none of them is left for the end while other
        // threads wait.
        var count = 0
        for begins in [true, false] {
            for frame in 0..<forest.input.clip.frames where forest.selection.segments.begins(with: frame) == begins {
                space.order[count] = Int32(frame)
                count += 1
            }
        }
    }

    // MARK: Reading

    /// The root at the centre of a root's cluster.
    @inline(__always)
    func centre(ofRoot root: Int) -> Int { Int(space.centres[root]) }

    // MARK: Clustering

    /// Writes a frame's rows, selected and contextual. O(R²·D) for R roots that are clustered.
    func run(_ task: Int, _ worker: Worker) {
        let frame = Int(space.order[task])
        let scratch = space.scratch[worker.number]
        let segmentFrames = forest.selection.segments.frames(of: forest.selection.segments.containing(frame)).count
        var count = 0
        for token in clip.tokens(ofFrame: frame) where forest.isClustered(token, segmentFrames: segmentFrames) {
            scratch.roots[count] = Int32(token)
            count += 1
        }
        let roots = scratch.roots.part(0..<count)
        if shares[frame] == 0 {
            writeRows(frame, roots.part(0..<0), scratch) { _ in }
        } else if shares[frame] < count {
            let gathering = cluster(roots, into: shares[frame], scratch, worker)
            writeRows(frame, roots, scratch) { row in
                meanOfCluster(row.position, roots, gathering, into: rows[row.number], scratch)
            }
        } else {
            for position in 0..<count { scratch.centres[position] = Int32(position) }
            writeRows(frame, roots, scratch) { row in
                forest.aggregate(root: Int(roots[row.position]), into: scratch.aggregate, scratch.reader)
                DoublePrecision.round(
                    UnsafePointer(scratch.aggregate.base), into: rows[row.number].base, count: clip.channels)
            }
        }
        worker.advance(by: Work.rows)
    }

    /// Writes the rows in order of token; at equal tokens (published semantics) the selected one first. `write` is
    /// told of each centre's.
    private func writeRows(
        _ frame: Int, _ roots: Table<Int32>, _ scratch: Scratch, _ write: (_ row: (number: Int, position: Int)) -> Void
    ) {
        let picks = forest.selection.picks(ofFrame: frame)
        let first = frame &* clip.tokensPerFrame
        var pick = 0
        var row = rows.ofFrame(frame).lowerBound
        func writePicks(upTo limit: Int) {
            while pick < picks.count, first &+ Int(picks[pick]) <= limit {
                let token = first &+ Int(picks[pick])
                if rows.holdsSelected { clip.copyToken(token, into: rows[row].base) }
                rows.indices[row] = token
                rows.kinds[row] = .selected
                pick += 1
                row += 1
            }
        }
        for position in 0..<roots.count {
            let (root, centre) = (Int(roots[position]), Int(scratch.centres[position]))
            space.centres[root] = roots[centre]
            guard centre == position else { continue }
            writePicks(upTo: root)
            write((row, position))
            rows.indices[row] = root
            rows.kinds[row] = .contextual
            row += 1
        }
        writePicks(upTo: Int.max)
    }

    /// How the values of a frame's roots were gathered.
    private struct Gathering {
        /// What they were divided by.
        var scale = 1.0
        /// Their origins, where they have several.
        var origins: Origins?
        /// Length of the first origin.
        var originLength: Float = 0
    }

    /// Finds every root's centre, and leaves the aggregates less their origins in `values`. O(R²·D) in one Gram matrix, or two
    /// where many roots are much alike.
    private func cluster(
        _ roots: Table<Int32>, into clusters: Int, _ scratch: Scratch, _ worker: Worker
    ) -> Gathering {
        let count = roots.count
        let values = MatrixView(
            base: scratch.values.base, rows: count, columns: clip.channels, stride: clip.channels)
        var gathering = Gathering()
        gather(roots, scratch)
        gathering.originLength =
            BLAS.dot(scratch.origin.base, scratch.origin.base, count: clip.channels).squareRoot()
        BLAS.gram(values, into: scratch.distances.base)
        if !(0..<count).allSatisfy({ scratch.distances[$0 &* (count &+ 1)] <= 1e36 }) {
            gathering.scale = gatherScaledDown(roots, scratch)
            BLAS.gram(values, into: scratch.distances.base)
        }
        squareDistances(count, scratch)
        if gathering.scale == 1, isCrowded(values, scratch) {
            gathering.origins = group(roots, values, scratch)
        }
        let rounded = RootDistances.Rounded(
            values: values, distances: scratch.distances, fineDistances: scratch.fineDistances,
            squares: scratch.squares, groups: scratch.groups, origins: gathering.origins,
            onlyOrigin: UnsafePointer(scratch.origin.base), isScaled: gathering.scale != 1)
        let source = RootDistances(forest, roots, rounded, scratch.exactDistances, scratch.reader, worker)
        let unit = gathering.scale * gathering.scale / Double(clip.channels)
        if gathering.origins == nil {
            assign(scratch.distances, scratch.errors, scratch.peaks)
        } else {
            assign(scratch.fineDistances, scratch.fineErrors, scratch.finePeaks)
        }
        func assign<Number: PeakNumber>(
            _ distances: Table<Number>, _ errors: Table<Number>, _ peaks: DensityPeaks<Number>.Scratch
        ) {
            mirror(distances, count)
            DensityPeaks(
                count: count, clusters: clusters, distances: distances.part(0..<(count &* count)),
                errors: errors.part(0..<count), unit: unit, source: source, scratch: peaks, worker: worker
            ).assign(centres: scratch.centres)
        }
        return gathering
    }

    /// Gathers the roots' aggregates less the first one: distances stay, and the digits that all rows share do not drown
    /// those in which they differ.
    private func gather(_ roots: Table<Int32>, _ scratch: Scratch) {
        let origin = scratch.origin
        for position in 0..<roots.count {
            let root = Int(roots[position])
            let target = scratch.values.row(position, of: clip.channels)
            if forest.isSingle(root) {
                // As a row of the values, in which its place is still free.
                let row = clip.token(root, convertedInto: target.base)
                if position == 0 { origin.copy(row) }
                SinglePrecision.subtract(
                    UnsafePointer(origin.base), from: row, into: target.base, count: clip.channels)
            } else {
                forest.aggregate(root: root, into: scratch.aggregate, scratch.reader)
                let row = scratch.aggregate.base
                if position == 0 { DoublePrecision.round(UnsafePointer(row), into: origin.base, count: clip.channels) }
                DoublePrecision.round(row, less: origin.base, into: target.base, count: clip.channels)
            }
        }
    }

    /// Gathers them again, scaled down by a power of two, where squares leave float32's range. Returns the scale.
    private func gatherScaledDown(_ roots: Table<Int32>, _ scratch: Scratch) -> Double {
        // Differences of float32 numbers stay below twice their range.
        let down = Double(sign: .plus, exponent: -130, significand: 1)
        for position in 0..<roots.count {
            forest.aggregate(root: Int(roots[position]), into: scratch.aggregate, scratch.reader)
            let target = scratch.values.row(position, of: clip.channels)
            DoublePrecision.round(
                scratch.aggregate.base, less: scratch.origin.base, scale: down, into: target.base, count: clip.channels)
        }
        return 1 / down
    }

    /// Turns the upper triangle of a Gram matrix into squared distances, and notes their error bounds.
    private func squareDistances(_ count: Int, _ scratch: Scratch) {
        let (gram, squares) = (scratch.distances.base, scratch.squares.base)
        for row in 0..<count {
            squares[row] = gram[row &* count &+ row]
            // |a|² + |b|² - 2ab errs by the tolerance of each term, and ab is at most half the sum of the squares.
            scratch.errors[row] = Float(2 * input.tolerance) * squares[row] + .leastNormalMagnitude
        }
        for row in 0..<count {
            let line = gram + row &* count
            for column in (row &+ 1)..<max(count, row &+ 1) {
                line[column] = max(0, squares[row] + squares[column] - 2 * line[column])
            }
        }
    }

    /// Copies the upper triangle of a matrix to the lower.
    private func mirror<Number>(_ distances: Table<Number>, _ count: Int) {
        for row in 0..<count {
            for column in (row &+ 1)..<max(count, row &+ 1) {
                distances.base[column &* count &+ row] = distances.base[row &* count &+ column]
            }
        }
    }

    // MARK: Groups of roots that are much alike

    /// Whether so many roots are so near to others that float32's products tell them apart badly.
    private func isCrowded(_ values: MatrixView, _ scratch: Scratch) -> Bool {
        SinglePrecision.nearest(
            UnsafePointer(scratch.distances.base), values.rows, errors: UnsafePointer(scratch.errors.base),
            scratch.lower.base, scratch.upper.base)
        let classes = TokenClasses(values, in: scratch.classes)
        var crowded = 0
        for row in 0..<values.rows
        where scratch.upper[row] < scratch.squares[row] * Origins.crowd && classes.size(row) == 1 {
            crowded += 1
        }
        return crowded >= max(8, values.rows / 16)
    }

    /// Gathers the roots again, less an origin for each group of those that are near to each other, and makes their
    /// squared distances anew, in double but for y·z:
    ///
    ///     |a - b|² = |y|² + |z|² - 2 y·z + |o - p|² + 2 (o - p)·(y - z)    for a = o + y, b = p + z.
    private func group(_ roots: Table<Int32>, _ values: MatrixView, _ scratch: Scratch) -> Origins {
        let count = roots.count
        var origins = Origins(scratch.origin.base, channels: clip.channels, in: scratch.origins)
        origins.choose(
            among: count, groups: scratch.groups, square: { scratch.squares[$0] }, nearest: { scratch.upper[$0] },
            distance: { scratch.distances[min($0, $1) &* count &+ max($0, $1)] },
            write: { position, target in
                forest.aggregate(root: Int(roots[position]), into: scratch.aggregate, scratch.reader)
                DoublePrecision.round(UnsafePointer(scratch.aggregate.base), into: target, count: clip.channels)
            })
        for position in 0..<count where scratch.groups[position] > 0 {
            forest.aggregate(root: Int(roots[position]), into: scratch.aggregate, scratch.reader)
            DoublePrecision.round(
                UnsafePointer(scratch.aggregate.base), less: origins.row(Int(scratch.groups[position])),
                into: scratch.values.row(position, of: clip.channels).base, count: clip.channels)
        }
        BLAS.gram(values, into: scratch.distances.base)
        DoublePrecision.products(origins.matrix, values, into: scratch.projections.base)
        func projection(_ origin: Int, _ position: Int) -> Double {
            scratch.projections[origin &* count &+ position]
        }
        // Products of float32 err by the tolerance of the squares, and those of double, which have origins, by D units in the last
        // place. And roots less their origins were rounded, each number by up to 2⁻²⁴ of itself.
        let (unit, longest) = (Double(clip.channels) * 0x1p-53, origins.longest)
        for row in 0..<count {
            scratch.squares[row] = scratch.distances[row &* (count &+ 1)]
            let square = Double(scratch.squares[row])
            let (length, farthest) = (square.squareRoot(), origins.farthest(from: Int(scratch.groups[row])))
            scratch.fineErrors[row] =
                2 * input.tolerance * square + 0x1p-22 * length * (length + farthest)
                + 2 * unit * longest * (longest + 2 * length) + Double(Float.leastNormalMagnitude)
        }
        for row in 0..<count {
            let (group, square) = (Int(scratch.groups[row]), Double(scratch.squares[row]))
            let (products, distances) = (
                scratch.distances.row(row, of: count).base, scratch.fineDistances.row(row, of: count).base
            )
            for column in (row &+ 1)..<max(count, row &+ 1) {
                let other = Int(scratch.groups[column])
                distances[column] = square + Double(scratch.squares[column]) - 2 * Double(products[column])
                guard other != group else { continue }
                let across =
                    projection(group, row) - projection(other, row) - projection(group, column)
                    + projection(other, column)
                distances[column] += origins.squaredDistance(group, other) + 2 * across
            }
        }
        return origins
    }

    // MARK: Means

    /// The plain mean of a cluster's rows; the row itself where there is only one. From the gathered rows, which were
    /// rounded after the origin was taken out; in double from the source tokens where a scale was taken out of these as well,
    /// where there are several origins, and where the origin is so long that what was rounded shows.
    private func meanOfCluster(
        _ centre: Int, _ roots: Table<Int32>, _ gathering: Gathering, into target: Table<Float>, _ scratch: Scratch
    ) {
        var members = 0
        var isExact = gathering.scale != 1 || gathering.origins != nil || input.configuration.aggregation == .max
        for position in 0..<roots.count where Int(scratch.centres[position]) == centre {
            let inverseNorm = forest.selection.inverseNorm(Int(roots[position]))
            isExact = isExact || !(inverseNorm > 0 && gathering.originLength * inverseNorm <= 4)
            members += 1
        }
        if members == 1, forest.isSingle(Int(roots[centre])) {
            clip.copyToken(Int(roots[centre]), into: target.base)
            return
        }
        let mean = scratch.mean
        mean.fill(0)
        for position in 0..<roots.count where Int(scratch.centres[position]) == centre {
            if isExact {
                forest.aggregate(root: Int(roots[position]), into: scratch.aggregate, scratch.reader)
                DoublePrecision.sum(UnsafePointer(scratch.aggregate.base), into: mean.base, count: clip.channels)
            } else {
                DoublePrecision.sum(
                    scratch.values.row(position, of: clip.channels).base, into: mean.base, count: clip.channels)
            }
        }
        DoublePrecision.divide(mean.base, by: members, count: clip.channels)
        if isExact {
            DoublePrecision.round(UnsafePointer(mean.base), into: target.base, count: clip.channels)
        } else {
            DoublePrecision.round(mean.base, plus: scratch.origin.base, into: target.base, count: clip.channels)
        }
    }
}
