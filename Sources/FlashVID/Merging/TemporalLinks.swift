/// TSTM, first half: which token of the frame before each token follows (spec 5.1; paper, section 3.3).
extension Compression {
    /// The tokens of a frame that selection left, gathered into rows.
    struct FreeTokens {
        let frame: Int
        /// Tokens of the frame, ascending.
        let tokens: UnsafeMutableBufferPointer<Int32>
        let rows: MatrixView
        let hasExtremes: Bool
    }

    /// Whether trees are built at all.
    var buildsTrees: Bool { budget.contextual > 0 && configuration.temporalThreshold < 1 }

    /// Gathers a frame's free tokens into `buffer` (N·D) and `list` (N).
    func gatherFree(
        _ frame: Int, _ view: MatrixView, into buffer: UnsafeMutablePointer<Float>,
        _ list: UnsafeMutablePointer<Int32>
    ) -> FreeTokens {
        var count = 0
        var hasExtremes = false
        for index in 0..<tokensPerFrame {
            let mark = tables.marks[token(frame, index)]
            guard !mark.contains(.selected) else { continue }
            (buffer + count &* channels).update(from: view.row(index), count: channels)
            list[count] = Int32(index)
            count += 1
            hasExtremes = hasExtremes || mark.contains(.extreme)
        }
        return FreeTokens(
            frame: frame, tokens: UnsafeMutableBufferPointer(start: list, count: count),
            rows: MatrixView(base: buffer, rows: count, columns: channels, stride: channels),
            hasExtremes: hasExtremes)
    }

    /// No parents for a frame: the first of its segment, or of a clip without trees.
    func unlink(frame: Int) {
        let first = token(frame, 0)
        (tables.parents + first).update(repeating: -1, count: tokensPerFrame)
        (tables.similarities + first).update(repeating: -1, count: tokensPerFrame)
    }

    /// Finds, for every free token of `later`, its best match among the free tokens of the frame before. Matches at or
    /// below the threshold merge nothing and stay unnamed. O(N²·D) in one product.
    func link(_ later: FreeTokens, to earlier: FreeTokens, _ worker: Worker) {
        unlink(frame: later.frame)
        let columns = earlier.tokens.count
        guard columns > 0 else { return }
        BLAS.products(later.rows, earlier.rows, into: worker.products)

        let scales = worker.scalars.0
        for column in 0..<columns {
            scales[column] = tables.inverseNorms[token(earlier.frame, Int(earlier.tokens[column]))]
        }
        let reach = tolerance + (1 - Exact.same)
        for (row, index) in later.tokens.enumerated() {
            let place = token(later.frame, Int(index))
            let cosines = worker.products + row &* columns
            let scale = tables.inverseNorms[place]
            var best = -Float.infinity
            for column in 0..<columns {
                cosines[column] *= scale * scales[column]
                best = max(best, cosines[column])
            }
            if later.hasExtremes || earlier.hasExtremes {
                best = mend(cosines, place, earlier, worker)
            }
            tables.similarities[place] = min(Double(best), 1)
            guard Double(best) + reach > configuration.temporalThreshold else { continue }
            let rivals = Float(Double(best) - 2 * reach).nextDown
            settle(place, worker, to: earlier, bestOf: cosines, above: rivals)
        }
    }

    /// Names the parent of a token: the only candidate, or the best in double, the first of equal ones.
    private func settle(
        _ place: Int, _ worker: Worker, to earlier: FreeTokens, bestOf cosines: UnsafePointer<Float>,
        above rivals: Float
    ) {
        var only = -1
        var count = 0
        for column in 0..<earlier.tokens.count where cosines[column] >= rivals {
            if count == 0 { only = column }
            count += 1
        }
        tables.parents[place] = Int32(token(earlier.frame, Int(earlier.tokens[only])))
        let isClear = tables.similarities[place] - tolerance - (1 - Exact.same) > configuration.temporalThreshold
        guard count > 1 || !isClear else { return }

        worker.closeCalls.pointee += 1
        var best = -Double.infinity
        for column in only..<earlier.tokens.count where cosines[column] >= rivals {
            let candidate = token(earlier.frame, Int(earlier.tokens[column]))
            let cosine = exactCosine(place, candidate, worker)
            if cosine > best {
                best = cosine
                tables.parents[place] = Int32(candidate)
                if best == 1 { break }
            }
        }
        tables.similarities[place] = best
    }

    func exactCosine(_ a: Int, _ b: Int, _ worker: Worker) -> Double {
        Exact.cosine(
            clip.token(a, convertedInto: worker.rowA), clip.token(b, convertedInto: worker.rowB), count: channels)
    }

    /// Computes the cosines of extreme tokens in double. Returns the largest.
    private func mend(
        _ cosines: UnsafeMutablePointer<Float>, _ place: Int, _ earlier: FreeTokens, _ worker: Worker
    ) -> Float {
        let isExtreme = tables.marks[place].contains(.extreme)
        var best = -Float.infinity
        for (column, index) in earlier.tokens.enumerated() {
            let other = token(earlier.frame, Int(index))
            if isExtreme || tables.marks[other].contains(.extreme) {
                cosines[column] = Float(exactCosine(place, other, worker))
            }
            best = max(best, cosines[column])
        }
        return best
    }
}
