/// Cosines in double of a frame's tokens with each other, or with those of the frame before: the ones that decisions ask for.
///
/// Those of equal tokens are known. Others are computed one at a time and kept, and all together in a block once that
/// they are many: so a frame costs at the most what a product of matrices in double does, however many of its decisions
/// are close.
struct ExactCosines: BitwiseCopyable {
    struct Scratch: BitwiseCopyable {
        /// [N, N], NaN where one is not known.
        fileprivate let values: Table<Double>
        /// [N] whether a row of these was begun.
        fileprivate let isBegun: Table<Bool>
        /// [N] squared lengths of the rows' and of the columns' tokens; NaN where one is not known.
        fileprivate let rowSquares: Table<Double>
        fileprivate let columnSquares: Table<Double>
        /// Numbers that were computed singly; -1 once that all are known.
        fileprivate let singles: Table<Int>

        init(_ clip: Clip, plan: inout Arena.Plan) {
            let count = clip.tokensPerFrame
            values = plan.table(Double.self, count, count)
            isBegun = plan.table(Bool.self, count)
            rowSquares = plan.table(Double.self, count)
            columnSquares = plan.table(Double.self, count)
            singles = plan.table(Int.self, 1)
        }
    }

    private let scratch: Scratch
    private let rows: TokenClasses
    private let columns: TokenClasses
    private let isSymmetric: Bool
    private let worker: Worker
    private var count: Int { rows.tokens.rows }
    private var channels: Int { rows.tokens.columns }

    /// A single number takes four to five times as long as its share of a block, so that so many take a third of a block's
    /// time, or more where a frame has few tokens.
    private var mostSingles: Int { max(2 &* count, count &* count / (isSymmetric ? 32 : 16)) }

    /// Of a frame's tokens with each other.
    init(within frame: TokenClasses, in scratch: Scratch, _ worker: Worker) {
        self.init(frame, frame, isSymmetric: true, scratch, worker)
    }

    /// Of a frame's tokens with those of the frame before, with which it was matched.
    init(from later: TokenClasses, to earlier: TokenClasses, in scratch: Scratch, _ worker: Worker) {
        self.init(later, earlier, isSymmetric: false, scratch, worker)
    }

    private init(
        _ rows: TokenClasses, _ columns: TokenClasses, isSymmetric: Bool, _ scratch: Scratch, _ worker: Worker
    ) {
        self.rows = rows
        self.columns = columns
        self.isSymmetric = isSymmetric
        self.scratch = scratch
        self.worker = worker
        scratch.isBegun.fill(false)
        scratch.rowSquares.fill(.nan)
        if !isSymmetric { scratch.columnSquares.fill(.nan) }
        scratch.singles[0] = 0
    }

    /// Whether all are known.
    var areKnown: Bool { scratch.singles[0] < 0 }

    /// The cosine of a row's token with a column's (spec 1).
    subscript(_ row: Int, _ column: Int) -> Double {
        let (first, other) = (rows.first(row), columns.first(column))
        if (isSymmetric ? first : rows.twin(first)) == other {
            worker.countSettled(byClass: 1)
            return rowSquare(first) > 0 ? 1 : 0
        }
        if areKnown { return scratch.values[first &* count &+ other] }
        // A pair stands once, in the row of the lower index.
        let (row, column) = isSymmetric ? (min(first, other), max(first, other)) : (first, other)
        let line = scratch.values.row(row, of: count)
        if !scratch.isBegun[row] {
            line.fill(.nan)
            scratch.isBegun[row] = true
        }
        if line[column].isNaN {
            guard scratch.singles[0] < mostSingles else {
                computeAll()
                return scratch.values[first &* count &+ other]
            }
            scratch.singles[0] &+= 1
            worker.countSettled(singly: 1)
            line[column] = DoublePrecision.cosine(
                dot: DoublePrecision.dot(rows.tokens.row(row), columns.tokens.row(column), count: channels),
                rowSquare(row), columnSquare(column))
        }
        return line[column]
    }

    private func rowSquare(_ row: Int) -> Double { square(row, of: rows, in: scratch.rowSquares) }

    private func columnSquare(_ column: Int) -> Double {
        square(column, of: columns, in: isSymmetric ? scratch.rowSquares : scratch.columnSquares)
    }

    private func square(_ index: Int, of classes: TokenClasses, in squares: Table<Double>) -> Double {
        if squares[index].isNaN {
            let token = classes.tokens.row(index)
            squares[index] = DoublePrecision.dot(token, token, count: channels)
        }
        return squares[index]
    }

    /// All numbers in one product. O(N²·D).
    private func computeAll() {
        if isSymmetric {
            DoublePrecision.gram(rows.tokens, into: scratch.values.base)
        } else {
            DoublePrecision.products(rows.tokens, columns.tokens, into: scratch.values.base)
        }
        scratch.singles[0] = -1
        worker.countSettled(inBlocks: isSymmetric ? count &* (count &+ 1) / 2 : count &* count)
        for row in 0..<count {
            let line = scratch.values.row(row, of: count)
            let square = rowSquare(row)
            for column in (isSymmetric ? row : 0)..<count {
                line[column] = DoublePrecision.cosine(dot: line[column], square, columnSquare(column))
                if isSymmetric { scratch.values[column &* count &+ row] = line[column] }
            }
        }
    }
}
