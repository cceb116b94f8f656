package import FlashVID

/// How much of a clip its rows still tell, without a language model: beside what as many tokens tell that were sampled uniformly
/// or chosen by attention alone. The documentation has the definitions (FlashVIDReport.docc).
package struct Evaluation {
    /// One measure of what three ways keep, in 0...1 but for coverage, which is a mean of cosines.
    package struct Scores {
        package var kept = 0.0
        package var uniform = 0.0
        package var attention = 0.0
    }

    /// The measures of one number of rows.
    package struct Point {
        package let retention: Double?
        package let rows: Int
        /// Mean over the source tokens of the best cosine with a row of their segment.
        package var coverage = Scores()
        /// Mean over the frames of the share of their tokens' energy that lies in the span of the rows around them.
        package var energy = Scores()
    }

    /// Tokens that a match with the frame before would merge, and how similar the pairs are.
    package struct Merging {
        package var tokens = 0
        /// Mean cosine of the pairs; 0 where there are none.
        package var similarity = 0.0

        mutating func add(_ count: Int, _ sum: Double) {
            let total = tokens + count
            if total > 0 { similarity = (similarity * Double(tokens) + sum) / Double(total) }
            tokens = total
        }
    }

    package internal(set) var points: [Point]
    /// Directions that the clip's tokens use, from the spectrum of their Gram matrix.
    package internal(set) var effectiveRank = 0.0
    /// Matches anywhere in the frame before, as trees have them, and at the same place.
    package internal(set) var anywhere = Merging()
    package internal(set) var samePlace = Merging()
    /// Wall time of the measures of all points, and of the spectrum, in seconds.
    package internal(set) var seconds = 0.0
    package internal(set) var spectrumSeconds = 0.0

    /// Rows within this share of the longest one's squared length of the span of the others add nothing to it.
    package static let spanTolerance = 1e-10

    /// Measures `steps`, each a retention and what FlashVID keeps at it.
    ///
    /// - Parameters:
    ///   - segmentLengths: Frames of every segment, the same for all steps.
    ///   - threshold: The cosine above which a token would join another.
    ///   - threads: Threads to work with.
    ///   - progress: Called on the calling thread with a share in 0...1.
    package init(
        of footage: Footage, _ steps: [(retention: Double?, kept: KeptTokens)], segmentLengths: [Int],
        threshold: Double, threads: Int, progress: ((Double) -> Void)? = nil
    ) throws(FlashVIDError) {
        let pool = try WorkerPool(threads: threads, multiplying: true)
        let shape = footage.shape
        points = steps.map { step in
            Point(
                retention: step.retention,
                rows: step.kept.places.reduce(0) { $0 + $1.count } + (step.kept.firstRow.last ?? 0))
        }
        let start = ContinuousClock.now
        let order = Self.attentionOrder(of: footage)
        // The sets of a step lie side by side.
        let sets = zip(steps, points).flatMap { step, point in
            [step.kept, .uniform(point.rows, of: shape), .attention(point.rows, of: shape, order)]
        }
        let made = steps.map(\.kept)
        let mean = Self.mean(of: footage)
        let (coverage, energy) = BLAS.withSingleThreadedProducts {
            (
                Coverage(footage, segmentLengths, made, sets, threshold: threshold, pool) { progress?($0 * 0.45) },
                SubspaceEnergy(footage, mean, made, sets, pool) { progress?(0.45 + $0 * 0.45) }
            )
        }
        (anywhere, samePlace) = (coverage.anywhere, coverage.samePlace)
        for step in points.indices {
            points[step].coverage = Scores(coverage.means, 3 * step)
            points[step].energy = Scores(energy.means, 3 * step)
        }
        let measured = ContinuousClock.now
        effectiveRank = LAPACK.withThreads(threads) { Self.effectiveRank(of: footage, mean) }
        seconds = (measured - start) / .seconds(1)
        spectrumSeconds = (ContinuousClock.now - measured) / .seconds(1)
        progress?(1)
    }

    /// Mean token of the clip, in double.
    static func mean(of footage: Footage) -> [Double] {
        let channels = footage.shape.channels
        var total = [Double](repeating: 0, count: channels)
        var frame = [Float](repeating: 0, count: footage.shape.tokensPerFrame * channels)
        for number in 0..<footage.shape.frames {
            frame.withUnsafeMutableBufferPointer { tokens in
                guard let base = tokens.baseAddress else { return }
                footage.read(
                    number * footage.shape.tokensPerFrame, count: footage.shape.tokensPerFrame, into: base)
                total.withUnsafeMutableBufferPointer { total in
                    for token in 0..<footage.shape.tokensPerFrame {
                        let row = base + token * channels
                        for channel in 0..<channels { total[channel] += Double(row[channel]) }
                    }
                }
            }
        }
        return total.map { $0 / Double(footage.tokens) }
    }

    /// [F][N] places of a frame's tokens by falling attention; of equal ones the first comes first. Without attention
    /// 1 - the cosine with the frame's mean stands in, as it does for the engine.
    private static func attentionOrder(of footage: Footage) -> [[Int]] {
        let shape = footage.shape
        var tokens = [Float](repeating: 0, count: shape.tokensPerFrame * shape.channels)
        return (0..<shape.frames).map { frame in
            let scores: [Double]
            if let attention = footage.attention {
                scores = attention[footage.tokens(ofFrame: frame)].map { Double($0) }
            } else {
                scores = tokens.withUnsafeMutableBufferPointer { tokens in
                    guard let base = tokens.baseAddress else { return [] }
                    footage.read(frame * shape.tokensPerFrame, count: shape.tokensPerFrame, into: base)
                    return standIn(UnsafePointer(base), shape)
                }
            }
            return scores.indices.sorted { (scores[$1], $0) < (scores[$0], $1) }
        }
    }

    private static func standIn(_ tokens: UnsafePointer<Float>, _ shape: ClipShape) -> [Double] {
        var mean = [Double](repeating: 0, count: shape.channels)
        for token in 0..<shape.tokensPerFrame {
            for channel in 0..<shape.channels {
                mean[channel] += Double(tokens[token * shape.channels + channel]) / Double(shape.tokensPerFrame)
            }
        }
        let length = mean.reduce(0) { $0 + $1 * $1 }.squareRoot()
        return (0..<shape.tokensPerFrame).map { token in
            var (dot, squared) = (0.0, 0.0)
            for channel in 0..<shape.channels {
                let number = Double(tokens[token * shape.channels + channel])
                dot += number * mean[channel]
                squared += number * number
            }
            return squared > 0 && length > 0 ? 1 - dot / (squared.squareRoot() * length) : 1
        }
    }
}

extension Evaluation.Scores {
    fileprivate init(_ means: [Double], _ first: Int) {
        (kept, uniform, attention) = (means[first], means[first + 1], means[first + 2])
    }
}
