import FlashVID

/// How near the kept rows come to every source token: the mean of the best cosine with a row of the token's segment.
///
/// One product of each frame with every frame of its segment serves all sets of kept tokens, since most of these are source
/// tokens; only the rows that are none need products of their own.
struct Coverage {
    /// A set each.
    let means: [Double]
    private(set) var anywhere = Evaluation.Merging()
    private(set) var samePlace = Evaluation.Merging()

    /// `made` have rows of their own; `sets` are three for each of them, of which it is the first.
    init(
        _ footage: Footage, _ segmentLengths: [Int], _ made: [KeptTokens], _ sets: [KeptTokens], threshold: Double,
        _ pool: WorkerPool, progress: (Double) -> Void
    ) {
        let (shape, count) = (footage.shape, footage.shape.tokensPerFrame)
        let tokens = Self.unitTokens(of: footage)
        defer { tokens.deallocate() }
        let rows = MadeRows(made, shape)
        let segments = segmentLengths.reduce(into: [Range<Int>]()) { ranges, length in
            let start = ranges.last?.upperBound ?? 0
            ranges.append(start..<(start + length))
        }
        let segmentOfFrame = segments.flatMap { segment in segment.map { _ in segment } }

        let sums = UnsafeMutableBufferPointer<Double>.allocate(capacity: sets.count * shape.frames)
        let mergers = UnsafeMutableBufferPointer<(Int, Double, Int, Double)>.allocate(capacity: shape.frames)
        defer {
            sums.deallocate()
            mergers.deallocate()
        }
        pool.run(shape.frames) { worker, frame in
            if worker == 0 { progress(Double(frame) / Double(shape.frames)) }
            let own = MatrixView(
                base: UnsafePointer(tokens) + frame * count * shape.channels, rows: count, columns: shape.channels,
                stride: shape.channels)
            let room = max(count, rows.most)
            let block = UnsafeMutablePointer<Float>.allocate(capacity: room * count)
            let best = UnsafeMutablePointer<Float>.allocate(capacity: sets.count * count)
            defer {
                block.deallocate()
                best.deallocate()
            }
            best.initialize(repeating: -.infinity, count: sets.count * count)
            mergers[frame] = (0, 0, 0, 0)

            for other in segmentOfFrame[frame] {
                let others = MatrixView(
                    base: UnsafePointer(tokens) + other * count * shape.channels, rows: count,
                    columns: shape.channels, stride: shape.channels)
                BLAS.products(others, own, into: block)
                for (number, set) in sets.enumerated() {
                    for place in set.places[other] {
                        Self.raise(best + number * count, to: block + place * count, count: count)
                    }
                }
                if other == frame - 1 { mergers[frame] = Self.mergers(block, count, threshold) }
                BLAS.products(rows.view(ofFrame: other), own, into: block)
                for step in made.indices {
                    for row in rows.rows(ofFrame: other, step) {
                        Self.raise(best + 3 * step * count, to: block + row * count, count: count)
                    }
                }
            }
            for number in sets.indices {
                var sum = 0.0
                for token in 0..<count {
                    let cosine = best[number * count + token]
                    // In a segment of which nothing was kept a token has no best cosine, and 0 says so.
                    if cosine.isFinite { sum += Double(min(cosine, 1)) }
                }
                sums[number * shape.frames + frame] = sum
            }
        }
        means = sets.indices.map { number in
            (0..<shape.frames).reduce(0) { $0 + sums[number * shape.frames + $1] } / Double(footage.tokens)
        }
        for frame in 0..<shape.frames {
            anywhere.add(mergers[frame].0, mergers[frame].1)
            samePlace.add(mergers[frame].2, mergers[frame].3)
        }
    }

    /// [F·N, D] in float32, each of length 1, or 0.
    private static func unitTokens(of footage: Footage) -> UnsafeMutablePointer<Float> {
        let channels = footage.shape.channels
        let tokens = UnsafeMutablePointer<Float>.allocate(capacity: footage.tokens * channels)
        footage.read(0, count: footage.tokens, into: tokens)
        for token in 0..<footage.tokens { normalise(tokens + token * channels, channels) }
        return tokens
    }

    fileprivate static func normalise(_ row: UnsafeMutablePointer<Float>, _ channels: Int) {
        let squared = DoublePrecision.dot(UnsafePointer(row), UnsafePointer(row), count: channels)
        let scale = squared > 0 ? 1 / squared.squareRoot() : 0
        for channel in 0..<channels { row[channel] = Float(Double(row[channel]) * scale) }
    }

    @inline(__always)
    private static func raise(_ best: UnsafeMutablePointer<Float>, to cosines: UnsafePointer<Float>, count: Int) {
        for token in 0..<count { best[token] = cosines[token] > best[token] ? cosines[token] : best[token] }
    }

    /// Tokens above the threshold, and their cosines' sum, by the best match and by the same place, where `cosines` are those
    /// of every token of the frame before with every token of the frame.
    private static func mergers(
        _ cosines: UnsafePointer<Float>, _ count: Int, _ threshold: Double
    ) -> (Int, Double, Int, Double) {
        var found = (0, 0.0, 0, 0.0)
        for token in 0..<count {
            var best = -Float.infinity
            for earlier in 0..<count { best = max(best, cosines[earlier * count + token]) }
            if Double(best) > threshold {
                found.0 += 1
                found.1 += min(1, Double(best))
            }
            let same = Double(cosines[token * count + token])
            if same > threshold {
                found.2 += 1
                found.3 += min(1, same)
            }
        }
        return found
    }
}

/// The rows that are no source tokens, of all steps, those of a frame side by side; each of length 1, or 0. It is not written
/// once it is made.
private final class MadeRows {
    private let values: UnsafeMutablePointer<Float>
    private let channels: Int
    /// [F + 1] the first row of a frame.
    private let first: [Int]
    /// [steps][F] a step's rows among its frame's.
    private let ofStep: [[Range<Int>]]
    /// The most rows of a frame.
    let most: Int

    init(_ made: [KeptTokens], _ shape: ClipShape) {
        channels = shape.channels
        values = .allocate(capacity: max(1, made.reduce(0) { $0 + $1.rows.count }))
        var first = [0]
        var ofStep = [[Range<Int>]](repeating: [], count: made.count)
        for frame in 0..<shape.frames {
            var number = 0
            for (step, kept) in made.enumerated() {
                let rows = kept.firstRow[frame]..<kept.firstRow[frame + 1]
                for row in rows {
                    let place = values + (first[frame] + number + row - rows.lowerBound) * channels
                    for channel in 0..<channels { place[channel] = kept.rows[row * channels + channel] }
                    Coverage.normalise(place, channels)
                }
                ofStep[step].append(number..<(number + rows.count))
                number += rows.count
            }
            first.append(first[frame] + number)
        }
        most = zip(first, first.dropFirst()).map { $1 - $0 }.max() ?? 0
        (self.first, self.ofStep) = (first, ofStep)
    }

    deinit { values.deallocate() }

    func view(ofFrame frame: Int) -> MatrixView {
        MatrixView(
            base: UnsafePointer(values) + first[frame] * channels, rows: first[frame + 1] - first[frame],
            columns: channels, stride: channels)
    }

    func rows(ofFrame frame: Int, _ step: Int) -> Range<Int> { ofStep[step][frame] }
}
