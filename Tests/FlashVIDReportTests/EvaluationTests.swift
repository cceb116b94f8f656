import FlashVID
import Testing

@testable import FlashVIDReport

/// The measures where they are known without computing them. `scripts/report-test` compares them with NumPy on real clips.
@Suite("Evaluation")
struct EvaluationTests {
    private func evaluation(
        _ clip: RandomFootage, _ retentions: [Double], threads: Int = 2,
        _ change: (inout Configuration) -> Void = { _ in }
    ) throws -> Evaluation {
        var configuration = Configuration()
        change(&configuration)
        var steps: [(Double?, KeptTokens)] = []
        var lengths: [Int] = []
        for retention in retentions {
            configuration.retentionRatio = retention
            let video = try clip.compressed(configuration)
            lengths = video.segmentLengths
            steps.append((retention, KeptTokens(video)))
        }
        return try clip.withFootage { footage in
            try Evaluation(
                of: footage, steps, segmentLengths: lengths, threshold: configuration.temporalThreshold,
                threads: threads)
        }
    }

    @Test("is 1 where everything is kept")
    func everything() throws {
        let evaluation = try evaluation(RandomFootage(), [1])
        for scores in [evaluation.points[0].coverage, evaluation.points[0].energy] {
            for score in [scores.kept, scores.uniform, scores.attention] { #expect(abs(score - 1) < 1e-6) }
        }
    }

    @Test("does not depend on the threads")
    func threads() throws {
        let clip = RandomFootage(frames: 11, tokens: 20, channels: 40)
        let (one, three) = (
            try evaluation(clip, [0.1, 0.3], threads: 1), try evaluation(clip, [0.1, 0.3], threads: 3)
        )
        for (a, b) in zip(one.points, three.points) {
            #expect(abs(a.coverage.kept - b.coverage.kept) < 1e-9 && abs(a.energy.kept - b.energy.kept) < 1e-9)
            #expect(abs(a.energy.uniform - b.energy.uniform) < 1e-9)
        }
    }

    @Test("counts a repeated frame's tokens as merged, at either place, and alike")
    func still() throws {
        let evaluation = try evaluation(RandomFootage(frames: 4, tokens: 9, repeating: true), [0.5]) {
            $0.minimumSegments = 1
        }
        #expect(evaluation.anywhere.tokens == 27 && evaluation.samePlace.tokens == 27)
        #expect(abs(evaluation.anywhere.similarity - 1) < 1e-6 && abs(evaluation.samePlace.similarity - 1) < 1e-6)
    }

    @Test("ranks a clip of so many directions of equal strength by their number")
    func rank() throws {
        // Each frame has e₁, -e₁, e₂, -e₂ and so on, around a mean of 0.
        let (directions, channels) = (3, 5)
        var features: [Float] = []
        for _ in 0..<4 {
            for token in 0..<(2 * directions) {
                features += (0..<channels).map { $0 == token / 2 ? (token % 2 == 0 ? 1 : -1) : 0 }
            }
        }
        let shape = ClipShape(frames: 4, tokensPerFrame: 6, channels: channels)
        features.withUnsafeBytes { bytes in
            let footage = Footage(
                bytes, of: .float32, shape: shape, attention: nil, grid: TokenGrid(nearlySquare: 6))
            let rank = Evaluation.effectiveRank(of: footage, Evaluation.mean(of: footage))
            #expect(abs(rank - 3) < 1e-9)
        }
    }

    @Test("projects on the span of rows of which some repeat others, or are zero", arguments: [3, 4])
    func deficientSpan(dimension: Int) {
        // r: e₁, e₁, 0, e₁ + e₂; x: e₁, e₂, e₃, of which two lie in the span.
        let (r, x) = ([[1.0, 0, 0], [1, 0, 0], [0, 0, 0], [1, 1, 0]], [[1.0, 0, 0], [0, 1, 0], [0, 0, 1]])
        let (gram, products, ordered) = (Matrix(4, 4), Matrix(4, 3), Matrix(4, 3))
        write(r, x, into: products)
        let energy = LAPACK.energy(
            in: gram, products, rows: 4, columns: 3, dimension: dimension, tolerance: Evaluation.spanTolerance,
            ordered: ordered
        ) { write(r, r, into: gram) }
        #expect(abs(energy - 2) < 1e-12)
        #expect(
            LAPACK.energies(ofFirst: [1, 2], in: gram, products, columns: 3, tolerance: Evaluation.spanTolerance) {
                write(r, r, into: gram)
            } == nil)
    }

    @Test("projects on the spans of the first rows from one factor")
    func chain() throws {
        let (r, x) = ([[1.0, 0, 0], [1, 1, 0], [0, 1, 1]], [[3.0, 0, 0], [0, 2, 0], [0, 0, 1]])
        let (gram, products) = (Matrix(3, 3), Matrix(3, 3))
        write(r, x, into: products)
        let energies = try #require(
            LAPACK.energies(ofFirst: [1, 2, 3], in: gram, products, columns: 3, tolerance: Evaluation.spanTolerance) {
                write(r, r, into: gram)
            })
        for (energy, expected) in zip(energies, [9, 13, 14]) { #expect(abs(energy - Double(expected)) < 1e-12) }
    }

    private func write(_ a: [[Double]], _ b: [[Double]], into products: Matrix) {
        for (row, a) in a.enumerated() {
            for (column, b) in b.enumerated() { products.row(row)[column] = zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
        }
    }

    @Test("samples tokens in the middle of equal parts, and shares them evenly over the frames")
    func sampling() {
        let shape = ClipShape(frames: 3, tokensPerFrame: 10, channels: 1)
        #expect(KeptTokens.uniform(7, of: shape).places == [[2, 7], [2, 7], [1, 5, 8]])
        let order = [[4, 3, 2], [0, 1, 2], [9, 8, 7]]
        #expect(KeptTokens.attention(5, of: shape, order).places == [[4], [0, 1], [9, 8]])
    }
}
