package import FlashVID

/// What one retention ratio leaves of a clip, without the rows' values.
package struct Step {
    /// As the configuration has it; nil where the number of rows was named instead.
    package let retention: Double?
    package let rows: Int
    package let selected: Int
    package let contextual: Int
    package let forest: CompressedVideo.Forest
    /// Mean number of frames and of tokens of a tree; 0 where there is none.
    package let meanDepth: Double
    package let meanSize: Double
    /// Wall time of the compression, in seconds.
    package let seconds: Double
    /// [F·N / 4] two bits a token, the first in the lowest: 1 a selected token, 2 the place of a contextual row.
    let kinds: [UInt8]
    /// [F·N] the place, in the frame before, of the token that each merged token joined; or -1.
    let parents: [Int]
    /// [F·N] the row that stands for each token that is not selected, counted from its segment's first; or -1.
    let members: [Int]

    /// `video` is the outcome of a configuration with this retention, of the definition's semantics.
    package init(_ video: CompressedVideo, retention: Double?) {
        let tokensPerFrame = video.shape.tokensPerFrame
        let tokens = video.shape.frames * tokensPerFrame
        self.retention = retention
        rows = video.count
        selected = video.kinds.count { $0 == .selected }
        contextual = rows - selected
        forest = video.forest
        meanSize = forest.trees > 0 ? Double(forest.mergedTokens + forest.trees) / Double(forest.trees) : 0
        seconds = video.statistics.seconds

        var kinds = [UInt8](repeating: 0, count: (tokens + 3) / 4)
        var isSelected = [Bool](repeating: false, count: tokens)
        for (row, token) in video.indices.enumerated() {
            let kind: UInt8 = video.kinds[row] == .selected ? 1 : 2
            kinds[token / 4] |= kind << UInt8(2 * (token % 4))
            isSelected[token] = kind == 1
        }
        self.kinds = kinds
        parents = video.parents.map { $0 < 0 ? -1 : $0 % tokensPerFrame }

        var members = [Int](repeating: -1, count: tokens)
        // Rows stand in the order of their tokens, so that a segment's are a range.
        var (frame, row) = (0, 0)
        for length in video.segmentLengths {
            let end = (frame + length) * tokensPerFrame
            for token in (frame * tokensPerFrame)..<end where !isSelected[token] && video.assignment[token] >= 0 {
                members[token] = video.assignment[token] - row
            }
            while row < rows, video.indices[row] < end { row += 1 }
            frame += length
        }
        self.members = members
        meanDepth = Self.meanDepth(of: video)
    }

    private static func meanDepth(of video: CompressedVideo) -> Double {
        let tokensPerFrame = video.shape.tokensPerFrame
        var root = Array(video.parents.indices)
        var last = [Int](repeating: -1, count: root.count)
        for (token, parent) in video.parents.enumerated() where parent >= 0 {
            root[token] = root[parent]
            last[root[token]] = token / tokensPerFrame
        }
        var (frames, trees) = (0, 0)
        for (token, frame) in last.enumerated() where frame >= 0 {
            frames += frame - token / tokensPerFrame + 1
            trees += 1
        }
        return trees > 0 ? Double(frames) / Double(trees) : 0
    }
}
