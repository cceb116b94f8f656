import Testing

@testable import FlashVID

/// The figures about trees that a person is shown.
@Suite("Forest")
struct ForestTests {
    private static func video(_ tokensPerFrame: Int, _ parents: [Int]) -> CompressedVideo {
        var video = CompressedVideo()
        video.shape = ClipShape(
            frames: parents.count / tokensPerFrame, tokensPerFrame: tokensPerFrame, channels: 1)
        video.parents = parents
        return video
    }

    @Test("counts trees, their tokens and the frames that they span")
    func handMade() {
        let forest = Self.video(
            3,
            [
                -1, -1, -1,  // tokens 0, 1, 2
                0, 0, -1,  // 3 and 4 join 0
                3, -1, 5,  // 6 joins 0's tree; 8 joins 5
                8, -1, 7,  // 9 joins 5's tree; 11 joins 7
                9, -1, -1,  // 12 joins 5's tree
            ]
        ).forest
        #expect(forest.mergedTokens == 7)
        #expect(forest.trees == 3)
        // 0, 3, 4 and 6, and 5, 8, 9 and 12: the second spans four frames, the first three.
        #expect(forest.largestTree == 4)
        #expect(forest.deepestTree == 4)
    }

    @Test("counts a wide tree as large and not as deep")
    func wide() {
        let forest = Self.video(4, [-1, -1, -1, -1, 2, 2, 2, 2]).forest
        #expect(forest == CompressedVideo.Forest(mergedTokens: 4, trees: 1, largestTree: 5, deepestTree: 2))
    }

    @Test("is empty where nothing merged")
    func nothing() {
        #expect(Self.video(2, [-1, -1, -1, -1]).forest == CompressedVideo.Forest())
        #expect(CompressedVideo().forest == CompressedVideo.Forest())
        #expect(CompressedVideo().count == 0)
    }

    /// The still clip of eight frames: without a budget that binds, every token of the first frame is a tree through all.
    @Test("of a still clip spans it")
    func still() throws {
        let frame: [Float] = [1, 0, 0, 1, -1, 0]
        let clip = Clip(8, 3, 2) { _, token, channel in frame[token * 2 + channel] }
        var configuration = Configuration(retentionRatio: 0.3)
        configuration.expansion = 1
        configuration.alpha = 0
        configuration.segmentation = false
        let video = try clip.compressed(configuration)
        // T is 1, so 8 rows must be left of 24, and three trees are fewer: 5.2 asks for a cosine above the 16th largest,
        // which is 1 as all others are.
        #expect(video.forest.mergedTokens == 0)
        #expect(video.count == 8)
    }
}
