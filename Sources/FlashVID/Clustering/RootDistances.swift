/// Distances of a frame's roots in double: the ones that decisions ask for.
///
/// Equal roots are found once, and what float32 has exactly (``Grid``) is taken from there. Other distances are computed one
/// at a time and kept, and all together in blocks once that they are many. Few aggregates are at hand at a time, since all of them take twice the memory of a frame.
struct RootDistances {
    struct Scratch: BitwiseCopyable {
        static let maximumPanel = 32
        /// Rows of a panel.
        fileprivate let panel: Int
        /// [2, panel, D] aggregates in double, and [2, panel] whose they are, or -1.
        fileprivate let aggregates: Table<Double>
        fileprivate let owners: Table<Int32>
        /// [N, N] distances over √D, NaN where one is not known, and [N] whether a row of these was begun.
        fileprivate let values: Table<Double>
        fileprivate let isBegun: Table<Bool>
        /// [N] the first root that is equal to one.
        fileprivate let first: Table<Int32>
        /// [N] whether a root lies on the frame's grid, less its origin too.
        fileprivate let isOnGrid: Table<Bool>
        fileprivate let classes: TokenClasses.Scratch
        /// Distances that were computed singly; -1 before the first, and -2 once that all are known.
        fileprivate let singles: Table<Int>
        /// Tokens on their way.
        fileprivate let pair: TokenPair

        init(_ clip: Clip, plan: inout Arena.Plan) {
            let (count, channels) = (clip.tokensPerFrame, clip.channels)
            panel = min(Self.maximumPanel, count)
            aggregates = plan.table(Double.self, 2 * panel, channels)
            owners = plan.table(Int32.self, 2 * panel)
            values = plan.table(Double.self, count, count)
            isBegun = plan.table(Bool.self, count)
            first = plan.table(Int32.self, count)
            isOnGrid = plan.table(Bool.self, count)
            classes = TokenClasses.Scratch(clip, plan: &plan)
            singles = plan.table(Int.self, 1)
            pair = TokenPair(clip, plan: &plan)
        }
    }

    private let forest: Forest
    private let roots: Table<Int32>
    private let rounded: Rounded
    private let scratch: Scratch
    private let reader: Forest.Reader
    private let worker: Worker
    private var count: Int { roots.count }
    private var channels: Int { forest.input.clip.channels }

    /// The roots as float32 has them.
    struct Rounded {
        /// Their aggregates, less their origins: equal where the aggregates are.
        let values: MatrixView
        /// [R, R] squared distances; the second where they have several origins.
        let distances: Table<Float>
        let fineDistances: Table<Double>
        /// [R]
        let squares: Table<Float>
        /// [R] where they have several origins, the number of a root's, and these; the only one otherwise.
        let groups: Table<Int32>
        let origins: Origins?
        let onlyOrigin: UnsafePointer<Float>
        /// Whether they were scaled.
        let isScaled: Bool

        func squaredDistance(_ index: Int) -> Double {
            origins == nil ? Double(distances[index]) : fineDistances[index]
        }

        func group(_ position: Int) -> Int { origins == nil ? 0 : Int(groups[position]) }

        func origin(_ group: Int) -> UnsafePointer<Float> { origins?.row(group) ?? onlyOrigin }
    }

    init(
        _ forest: Forest, _ roots: Table<Int32>, _ rounded: Rounded, _ scratch: Scratch, _ reader: Forest.Reader,
        _ worker: Worker
    ) {
        self.forest = forest
        self.roots = roots
        self.rounded = rounded
        self.scratch = scratch
        self.reader = reader
        self.worker = worker
        scratch.singles[0] = -1
    }

    /// Euclidean distance of two roots' aggregates over √D, from the source tokens; 0 for equal ones.
    subscript(_ a: Int, _ b: Int) -> Double {
        if scratch.singles[0] == -1 { begin() }
        let (a, b) = (Int(scratch.first[a]), Int(scratch.first[b]))
        guard a != b else {
            worker.countSettled(byClass: 1)
            return 0
        }
        let (row, column) = (min(a, b), max(a, b))
        if scratch.isOnGrid[a], scratch.isOnGrid[b] {
            worker.countSettled(byClass: 1)
            return distance(rounded.squaredDistance(row &* count &+ column))
        }
        let line = scratch.values.row(row, of: count)
        if scratch.singles[0] == -2 { return line[column] }
        if !scratch.isBegun[row] {
            line.fill(.nan)
            scratch.isBegun[row] = true
        }
        if line[column].isNaN {
            // A few take less time than all in blocks.
            guard scratch.singles[0] < max(count, count &* count / 16) else {
                computeAll()
                return line[column]
            }
            scratch.singles[0] &+= 1
            worker.countSettled(singly: 1)
            line[column] = distance(squaredDistance(a, b))
        }
        return line[column]
    }

    /// A decision asks for those of one root and some others, mostly: the first stays in double.
    private func squaredDistance(_ a: Int, _ b: Int) -> Double {
        let (own, other) = (aggregate(a, inPanel: 0), Int(roots[b]))
        if forest.isSingle(other) {
            return DoublePrecision.squaredDistance(
                scratch.pair.token(other, of: forest.input.clip), own, count: channels)
        }
        return DoublePrecision.squaredDistance(own, aggregate(b, inPanel: 1), count: channels)
    }

    private func distance(_ square: Double) -> Double { square.squareRoot() / Double(channels).squareRoot() }

    /// An aggregate, in its place of one of the two panels until another is asked for there.
    private func aggregate(_ position: Int, inPanel panel: Int) -> UnsafePointer<Double> {
        let place = panel &* scratch.panel &+ position % scratch.panel
        let aggregate = scratch.aggregates.row(place, of: channels)
        if scratch.owners[place] != Int32(position) {
            forest.aggregate(root: Int(roots[position]), into: aggregate, reader)
            scratch.owners[place] = Int32(position)
        }
        return UnsafePointer(aggregate.base)
    }

    /// Finds the equal roots among those that are equal in float32.
    private func begin() {
        scratch.singles[0] = 0
        scratch.isBegun.fill(false)
        scratch.owners.fill(-1)
        let classes = TokenClasses(rounded.values, in: scratch.classes)
        for position in 0..<count {
            let first = classes.first(position)
            scratch.first[position] = Int32(areEqual(position, first) ? first : position)
        }
        findGrid()
    }

    /// Finds the roots of which float32 has the distances exactly.
    private func findGrid() {
        let clip = forest.input.clip
        let grid =
            rounded.isScaled
            ? .none
            : Grid(ofSome: 0..<count, channels: channels) { position in
                let root = Int(roots[position])
                return forest.isSingle(root) ? scratch.pair.token(root, of: clip) : nil
            }
        guard grid.exists else {
            scratch.isOnGrid.fill(false)
            return
        }
        var last = -1
        var isOriginOnGrid = false
        for position in 0..<count {
            let root = Int(roots[position])
            if rounded.group(position) != last {
                last = rounded.group(position)
                isOriginOnGrid = grid.holds(rounded.origin(last), count: channels) && isShort(last, grid)
            }
            scratch.isOnGrid[position] =
                isOriginOnGrid && rounded.squares[position].squareRoot() <= grid.reach
                && (forest.isSingle(root)
                    ? grid.holds(scratch.pair.token(root, of: clip), count: channels)
                    : grid.holds(aggregate(position, inPanel: 0), count: channels))
        }
    }

    /// Whether double has the products of an origin on the grid with others and with roots exactly.
    private func isShort(_ origin: Int, _ grid: Grid) -> Bool {
        guard let origins = rounded.origins else { return true }
        return origins.product(origin, origin).squareRoot() <= 0x1p24 * Double(grid.unit)
    }

    private func areEqual(_ a: Int, _ b: Int) -> Bool {
        guard a != b else { return true }
        let (clip, rootA, rootB) = (forest.input.clip, Int(roots[a]), Int(roots[b]))
        if forest.isSingle(rootA), forest.isSingle(rootB) { return clip.areEqual(rootA, rootB) }
        let (rowA, rowB) = (aggregate(a, inPanel: 0), aggregate(b, inPanel: 1))
        return (0..<channels).allSatisfy { rowA[$0] == rowB[$0] }
    }

    /// All distances, a panel of roots with another at a time. O(R²·D).
    private func computeAll() {
        let size = scratch.panel
        for start in stride(from: 0, to: count, by: size) {
            let rows = min(size, count - start)
            for row in 0..<rows { _ = aggregate(start + row, inPanel: 0) }
            for other in stride(from: start, to: count, by: size) {
                let columns = min(size, count - other)
                for column in 0..<columns { _ = aggregate(other + column, inPanel: 1) }
                DoublePrecision.squaredDistances(
                    scratch.aggregates.base, rows: rows, scratch.aggregates.row(size, of: channels).base,
                    others: columns, channels: channels, into: scratch.values.base + (start &* count &+ other),
                    stride: count, triangle: start == other)
            }
        }
        scratch.singles[0] = -2
        worker.countSettled(inBlocks: count &* (count &+ 1) / 2)
        for row in 0..<count {
            let line = scratch.values.row(row, of: count)
            for column in row..<count { line[column] = distance(line[column]) }
        }
    }
}
