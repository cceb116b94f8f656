import TestSupport
import Testing

@testable import FlashVID

/// Distances within a frame and their bounds, whichever way they were made.
@Suite("Frame distances")
struct FrameDistancesTests {
    /// Some colours with grain around each, a few tokens like no other, one without length, some twice.
    private struct Frame {
        let count: Int
        let channels: Int
        var tokens: [[Float]] = []

        init(grain: Double, colours: Int, _ random: inout SplitMix64) {
            (count, channels) = (random.integer(30...70), random.integer(40...600))
            func vector(_ scale: Double) -> [Double] { (0..<channels).map { _ in scale * random.normal() } }
            let palette = (0..<colours).map { _ in vector(1) }
            for index in 0..<count {
                if index > 0, random.chance(0.1) {
                    tokens.append(tokens[random.integer(0...index - 1)])
                } else if random.chance(0.1) {
                    tokens.append(vector(1).map(Float.init))
                } else if random.chance(0.02) {
                    tokens.append([Float](repeating: 0, count: channels))
                } else {
                    let scale = random.chance(0.2) ? 40.0 : 1
                    let colour = palette[random.integer(0...colours - 1)]
                    tokens.append(zip(colour, vector(grain)).map { Float(scale * ($0 + $1)) })
                }
            }
        }
    }

    /// Makes distances in every way, and hands them to `body` with what they are in double.
    private func forEachWay(
        _ frame: Frame, _ body: (_ way: String, _ distances: FrameDistances, _ exact: (Int, Int) -> Double) -> Void
    ) throws {
        let shape = ClipShape(frames: 1, tokensPerFrame: frame.count, channels: frame.channels)
        let values = frame.tokens.flatMap { $0 }
        try values.withUnsafeBytes { bytes in
            let clip = try FlashVID.Clip(bytes, .float32, shape, attention: nil)
            var arena = Arena()
            let (scratch, classScratch, distinctScratch, room) = try arena.layOut { plan in
                (
                    FrameDistances.Scratch(clip, plan: &plan), TokenClasses.Scratch(clip, plan: &plan),
                    DistinctTokens.Scratch(clip, plan: &plan), FrameRoom(clip, carries: false, plan: &plan)
                )
            }
            let tokens = MatrixView(
                base: bytes.baseAddress!.assumingMemoryBound(to: Float.self), rows: frame.count,
                columns: frame.channels, stride: frame.channels)
            let inverseNorms = (0..<frame.count).map { index -> Float in
                let square = BLAS.dot(tokens.row(index), tokens.row(index), count: frame.channels)
                return square > 0 ? 1 / square.squareRoot() : 0
            }
            func exact(_ a: Int, _ b: Int) -> Double {
                1 - DoublePrecision.cosine(tokens.row(a), tokens.row(b), count: frame.channels)
            }
            let classes = TokenClasses(tokens, in: classScratch)
            let tolerance = Input.cosineTolerance(channels: frame.channels)
            var distances = FrameDistances(count: frame.count, tolerance: tolerance, in: scratch)
            BLAS.gram(tokens, into: scratch.values.base)
            distances.scale(inverseNorms: inverseNorms)
            body("from the Gram matrix", distances, exact)
            let distinct = DistinctTokens(classes, knowsEarlier: false, in: distinctScratch)
            #expect(distinct.fresh == distinct.count)
            distinct.multiply(tokens, gatheringInto: room.rows, room.products)
            distances.expand(distinct, room.products, inverseNorms: inverseNorms, classes, nil)
            body("from different tokens", distances, exact)
            distances.findNearest()
            _ = distances.isCrowded(classes)
            distances.centre(tokens, rows: room.rows)
            body("less origins", distances, exact)
        }
    }

    @Test("bounds hold the distance in double", arguments: Seeds.first(40), [1e-1, 1e-2, 1e-3, 1e-5])
    func bounds(_ seed: UInt64, grain: Double) throws {
        var random = SplitMix64(seed: seed)
        let frame = Frame(grain: grain, colours: random.integer(1...30), &random)
        try forEachWay(frame) { way, distances, exact in
            for a in 0..<frame.count {
                for b in (a + 1)..<max(frame.count, a + 1) {
                    let (bounds, value) = (distances.bounds(a, b), exact(a, b))
                    let isInside = bounds.lower <= value && value <= bounds.upper
                    #expect(isInside, "\(way), \(a), \(b): \(bounds), \(value)")
                }
            }
        }
    }

    @Test("origins make the bounds of tokens that are much alike narrow", arguments: Seeds.first(10))
    func narrow(_ seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let frame = Frame(grain: 1e-2, colours: random.integer(1...6), &random)
        var widths: [String: Double] = [:]
        try forEachWay(frame) { way, distances, exact in
            for a in 0..<frame.count {
                for b in (a + 1)..<max(frame.count, a + 1) where exact(a, b) > 1e-6 && exact(a, b) < 1e-3 {
                    let bounds = distances.bounds(a, b)
                    widths[way] = max(widths[way] ?? 0, (bounds.upper - bounds.lower) / exact(a, b))
                }
            }
        }
        #expect(try #require(widths["from the Gram matrix"]) > 1e-2)
        #expect(try #require(widths["less origins"]) < 1e-4)
    }
}
