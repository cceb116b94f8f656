import FlashVID
import Testing

@testable import flashvid_bench

@Suite("Floor") struct FloorTests {
    /// Two frames of 4 tokens, 10 channels: grams 2·4·5·10 = 400, links 2·3·3·10 = 180, clusters 2·3·10 = 60.
    @Test func defaultFlops() {
        let products = FloorProducts(
            shape: ClipShape(frames: 2, tokensPerFrame: 4, channels: 10),
            frames: [
                FloorProducts.Frame(unselected: 3, roots: 2), FloorProducts.Frame(unselected: 3, linked: 3),
            ])
        #expect(products.flops == 400 + 180 + 60)
    }

    /// One frame of 4 tokens, 10 channels: gram 200, carried 2·4·2·10 = 160, two rounds of 2·3·5·10 = 300.
    @Test func refinedFlops() {
        let products = FloorProducts(
            shape: ClipShape(frames: 1, tokensPerFrame: 4, channels: 10),
            frames: [FloorProducts.Frame(unselected: 3, carried: 2, rows: 5)], rounds: 2)
        #expect(products.flops == 200 + 160 + 600)
    }

    /// Three equal frames of four orthogonal tokens in one segment: everything unselected merges down to the budget.
    private func equalFrames() -> [Float] {
        (0..<3 * 4 * 4).map { $0 / 4 % 4 == $0 % 4 ? 1 : 0 }
    }

    private func configuration() -> Configuration {
        var configuration = Configuration(retentionRatio: 0.5)
        configuration.expansion = 1
        configuration.alpha = 0.5
        configuration.segmentation = false
        return configuration
    }

    /// T = 2, one selected and one contextual a frame. Three tokens of the first frame are roots, in the later frames
    /// each unselected token has the one in its place before as parent, unless that was selected.
    @Test func countsInResult() throws {
        var compressor = try Compressor(configuration(), threads: 1)
        let shape = ClipShape(frames: 3, tokensPerFrame: 4, channels: 4)
        let video = try compressor.compress(equalFrames().span, shape: shape)
        let products = FloorProducts(of: video, compressor.configuration)
        #expect(video.segmentLengths == [3])
        #expect(products.frames.map(\.unselected) == [3, 3, 3])
        #expect(products.frames.map(\.linked) == [0, 3, 3])
        #expect(products.frames.map(\.segmentStart) == [0, 0, 0])
        #expect(products.frames.allSatisfy { $0.carried == 0 && $0.rows == 0 })
        // A frame is clustered where fewer rows than roots are left of it.
        for frame in 0..<3 {
            let places = frame * 4..<(frame + 1) * 4
            let selected = Set(zip(video.indices, video.kinds).filter { $1 == .selected }.map { $0.0 })
            let roots = places.count { !selected.contains($0) && video.parents[$0] < 0 }
            let rows = zip(video.indices, video.kinds).count { places.contains($0) && $1 == .contextual }
            #expect(products.frames[frame].roots == (rows > 0 && rows < roots ? roots : 0))
        }
    }

    @Test func countsRefinement() throws {
        var configuration = configuration()
        configuration.refine()
        var compressor = try Compressor(configuration, threads: 1)
        let shape = ClipShape(frames: 3, tokensPerFrame: 4, channels: 4)
        let products = FloorProducts(
            of: try compressor.compress(equalFrames().span, shape: shape), compressor.configuration)
        #expect(products.rounds == 1)
        #expect(products.frames.map(\.carried) == [0, 1, 2])
        #expect(products.frames.map(\.rows) == [6, 6, 6])
    }

    /// Without a contextual part there are no trees and nothing is clustered.
    @Test func countsSelectionAlone() throws {
        var configuration = configuration()
        configuration.alpha = 1
        var compressor = try Compressor(configuration, threads: 1)
        let shape = ClipShape(frames: 3, tokensPerFrame: 4, channels: 4)
        let products = FloorProducts(of: try compressor.compress(equalFrames().span, shape: shape), configuration)
        #expect(products.flops == 3 * 4 * 5 * 4)
    }

    @Test func runs() throws {
        let frame = FloorProducts.Frame(unselected: 3, linked: 3, roots: 2, carried: 7, rows: 8)
        let shape = ClipShape(frames: 2, tokensPerFrame: 4, channels: 4)
        let floor = try GEMMFloor(
            FloorProducts(shape: shape, frames: [FloorProducts.Frame(unselected: 3), frame], rounds: 1), threads: 2)
        [Float](repeating: 1, count: 32).withUnsafeBufferPointer { features in
            if let base = features.baseAddress { floor.run(on: base) }
        }
    }
}
