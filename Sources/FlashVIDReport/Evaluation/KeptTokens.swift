package import FlashVID

/// What a way of compressing keeps of a clip, a frame at a time: source tokens as they were, and rows of its own making.
package struct KeptTokens {
    /// [F] places of the source tokens that a frame keeps.
    var places: [[Int]]
    /// [C, D] the rows that are no source tokens, in the order of their frames.
    var rows: [Float] = []
    /// [F + 1] the first of these rows of each frame, and their number.
    var firstRow: [Int]

    /// Nothing but source tokens.
    private init(places: [[Int]]) {
        self.places = places
        firstRow = [Int](repeating: 0, count: places.count + 1)
    }

    /// FlashVID's rows.
    package init(_ video: CompressedVideo) {
        let shape = video.shape
        self.init(places: [[Int]](repeating: [], count: shape.frames))
        var made = [Int](repeating: 0, count: shape.frames)
        for (row, token) in video.indices.enumerated() {
            let (frame, place) = token.quotientAndRemainder(dividingBy: shape.tokensPerFrame)
            switch video.kinds[row] {
            case .selected: places[frame].append(place)
            case .contextual:
                rows += video.tokens[(row * shape.channels)..<((row + 1) * shape.channels)]
                made[frame] += 1
            }
        }
        for frame in 0..<shape.frames { firstRow[frame + 1] = firstRow[frame] + made[frame] }
    }

    /// As many tokens, at even distances: in each frame those in the middle of equal parts of its list of tokens.
    static func uniform(_ count: Int, of shape: ClipShape) -> KeptTokens {
        KeptTokens(
            places: (0..<shape.frames).map { frame in
                let share = share(ofFrame: frame, count, shape)
                return (0..<share).map { (2 * $0 + 1) * shape.tokensPerFrame / (2 * share) }
            })
    }

    /// As many tokens, those of the largest attention of each frame, of equal ones the first. `order` [F][N] are the places of
    /// a frame's tokens, the largest attention first.
    static func attention(_ count: Int, of shape: ClipShape, _ order: [[Int]]) -> KeptTokens {
        KeptTokens(places: (0..<shape.frames).map { Array(order[$0].prefix(share(ofFrame: $0, count, shape))) })
    }

    /// Tokens of a frame of `count` that are spread evenly over the clip.
    private static func share(ofFrame frame: Int, _ count: Int, _ shape: ClipShape) -> Int {
        (frame + 1) * count / shape.frames - frame * count / shape.frames
    }
}
