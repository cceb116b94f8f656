import FlashVID

/// Runs the ``FloorProducts`` of a clip and nothing else: with the engine's library and threads, on the clip's own memory,
/// one product a thread, frames in parallel. Which rows enter does not change the time, so that the first ones of a frame
/// (of a segment, where picks or rows of several frames enter) stand for those that a decision would choose.
final class GEMMFloor {
    let products: FloorProducts
    private let pool: WorkerPool
    /// [N, N] for every thread.
    private let results: [UnsafeMutablePointer<Float>]

    init(_ products: FloorProducts, threads: Int) throws(FlashVIDError) {
        self.products = products
        pool = try WorkerPool(threads: threads, multiplying: true)
        let tokens = products.shape.tokensPerFrame
        results = (0..<threads).map { _ in .allocate(capacity: tokens * tokens) }
    }

    deinit {
        for result in results { result.deallocate() }
    }

    /// Runs all products once on `features` [F, N, D].
    func run(on features: UnsafePointer<Float>) {
        let tokens = products.shape.tokensPerFrame
        BLAS.withSingleThreadedProducts {
            pool.run(products.frames.count) { worker, index in
                let frame = products.frames[index]
                let result = results[worker]
                BLAS.gram(rows(tokens, from: index, features), into: result)
                if frame.linked > 0 {
                    BLAS.products(
                        rows(frame.unselected, from: index, features), rows(frame.linked, from: index - 1, features),
                        into: result)
                }
                if frame.roots > 0 {
                    BLAS.gram(rows(frame.roots, from: index, features), into: result)
                }
                multiply(tokens, of: index, with: frame.carried, from: frame.segmentStart, features, into: result)
                for _ in 0..<products.rounds {
                    multiply(
                        frame.unselected, of: index, with: frame.rows, from: frame.segmentStart, features, into: result)
                }
            }
        }
    }

    /// Rows of a frame with rows from another on, N at a time, so that the result has room.
    private func multiply(
        _ count: Int, of frame: Int, with others: Int, from start: Int, _ features: UnsafePointer<Float>,
        into result: UnsafeMutablePointer<Float>
    ) {
        let shape = products.shape
        for offset in stride(from: 0, to: others, by: shape.tokensPerFrame) {
            BLAS.products(
                rows(count, from: frame, features),
                rows(
                    min(shape.tokensPerFrame, others - offset), from: start, features + offset * shape.channels),
                into: result)
        }
    }

    private func rows(_ count: Int, from frame: Int, _ features: UnsafePointer<Float>) -> MatrixView {
        let shape = products.shape
        return MatrixView(
            base: features + frame * shape.tokensPerFrame * shape.channels, rows: count, columns: shape.channels,
            stride: shape.channels)
    }
}

/// The machine's SGEMM peak in flop/s: the best of some large square products, one on each thread at a time.
func measuredPeak(threads: Int) throws(FlashVIDError) -> Double {
    let side = 1024
    let pool = try WorkerPool(threads: threads, multiplying: true)
    let inputs = (0..<threads).map { _ in UnsafeMutablePointer<Float>.allocate(capacity: side * side) }
    let outputs = (0..<threads).map { _ in UnsafeMutablePointer<Float>.allocate(capacity: side * side) }
    defer {
        for buffer in inputs + outputs { buffer.deallocate() }
    }
    for buffer in inputs {
        for index in 0..<(side * side) { buffer[index] = Float(index % 7) - 3 }
    }
    var best = Double.infinity
    BLAS.withSingleThreadedProducts {
        for _ in 0..<8 {
            let start = ContinuousClock.now
            // Two a thread, so that a thread that starts late is not waited for alone.
            pool.run(2 * threads) { worker, _ in
                let matrix = MatrixView(base: inputs[worker], rows: side, columns: side, stride: side)
                BLAS.products(matrix, matrix, into: outputs[worker])
            }
            best = min(best, seconds(since: start))
        }
    }
    let cube = Double(side) * Double(side) * Double(side)
    return 2 * cube * Double(2 * threads) / best
}

func seconds(since start: ContinuousClock.Instant) -> Double {
    (ContinuousClock.now - start) / .seconds(1)
}
