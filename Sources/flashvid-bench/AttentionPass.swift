import FlashVID
import FlashVIDHost
import ToolSupport

/// Queries and keys, the scorer that works on them, and its floor.
final class AttentionPass {
    let input: AttentionInput
    /// [F, N], of the last pass.
    let scores: UnsafeMutableBufferPointer<Float>
    private var scorer: AttentionScorer
    private let pool: WorkerPool
    /// [N, N] for every thread, once they were asked for.
    private var products: [UnsafeMutablePointer<Float>] = []

    init(_ input: AttentionInput, threads: Int) throws {
        self.input = input
        scorer = try AttentionScorer(threads: threads)
        pool = try WorkerPool(threads: threads, multiplying: true)
        scores = .allocate(capacity: input.shape.frames * input.shape.tokens)
    }

    deinit {
        scores.deallocate()
        for product in products { product.deallocate() }
    }

    /// Takes the memory of the floor's products.
    func prepareFloor() throws(Failure) {
        let side = input.shape.tokens
        let square = side.multipliedReportingOverflow(by: side)
        let bytes = square.partialValue.multipliedReportingOverflow(by: 4 * pool.threads)
        guard !square.overflow, !bytes.overflow, bytes.partialValue < MachineMemory.bytes else {
            throw Failure(
                environment: "the floor's products of \(side) x \(side) do not fit into the memory of this machine")
        }
        guard products.isEmpty else { return }
        products = (0..<pool.threads).map { _ in .allocate(capacity: side * side) }
    }

    /// Of the floor's products: 2·F·H·N²·E.
    var flops: Double {
        let shape = input.shape
        return 2 * Double(shape.frames) * Double(shape.heads) * Double(shape.tokens) * Double(shape.tokens)
            * Double(shape.width)
    }

    /// Scores once; the seconds of it.
    func score() throws(FlashVIDError) -> Double {
        let start = ContinuousClock.now
        if let queries = input.queries.baseAddress, let keys = input.keys.baseAddress, let scores = scores.baseAddress {
            try scorer.scores(
                queries: HeadView(queries, of: input.type, .headsFirst),
                keys: HeadView(keys, of: input.type, .headsFirst),
                shape: input.shape, reading: AttentionReading(), into: scores, capacity: self.scores.count)
        }
        return seconds(since: start)
    }

    /// The products Q·Kᵀ of every frame and head and nothing else: with the engine's library and threads, one product a
    /// thread, heads in parallel.
    ///
    /// After ``prepareFloor()``.
    func runFloor() -> Double {
        let shape = input.shape
        let size = shape.tokens * shape.width
        let start = ContinuousClock.now
        guard let queries = input.floats[0].baseAddress, let keys = input.floats[1].baseAddress else { return .nan }
        BLAS.withSingleThreadedProducts {
            pool.run(shape.frames * shape.heads) { worker, task in
                let (query, key) = (queries + task * size, keys + task * size)
                BLAS.products(
                    MatrixView(base: query, rows: shape.tokens, columns: shape.width, stride: shape.width),
                    MatrixView(base: key, rows: shape.tokens, columns: shape.width, stride: shape.width),
                    into: products[worker])
            }
        }
        return seconds(since: start)
    }
}
