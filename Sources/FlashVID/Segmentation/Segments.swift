/// DySeg: where a clip is cut into segments (spec 3; paper, section 3.3).
struct Segments: BitwiseCopyable {
    struct Space: BitwiseCopyable {
        /// Up to F + 1 first frames of segments, and the number of frames behind the last.
        fileprivate let starts: Table<Int32>
        /// [F] the segment of a frame.
        fileprivate let ofFrame: Table<Int32>
        /// [F] whether a cut is behind a frame.
        fileprivate let isCut: Table<Bool>
        /// [F] room for an order statistic.
        fileprivate let ranking: Table<Double>

        init(_ clip: Clip, plan: inout Arena.Plan) {
            starts = plan.table(Int32.self, clip.frames + 1)
            ofFrame = plan.table(Int32.self, clip.frames)
            isCut = plan.table(Bool.self, clip.frames)
            ranking = plan.table(Double.self, clip.frames)
        }
    }

    private let frames: Int
    private let space: Space
    private(set) var count = 0

    /// Cuts where the cosine of neighbouring frames' means is low: below the threshold, and then at the weakest transitions
    /// until there are as many segments as there have to be. O(F).
    init(cutting transitions: Table<Double>, of clip: Clip, _ configuration: Configuration, in space: Space) {
        frames = clip.frames
        self.space = space
        var cuts = 0
        for frame in 0..<frames {
            let isCut =
                configuration.segmentation && frame + 1 < frames
                && transitions[frame] < configuration.segmentThreshold
            space.isCut[frame] = isCut
            if isCut { cuts += 1 }
        }
        let minimum = configuration.minimumSegments(frames: frames)
        if configuration.segmentation, configuration.complementarySegments, cuts + 1 < minimum {
            cutWeakest(minimum - (cuts + 1), transitions)
        }
        number(longest: configuration.maximumSegmentFrames)
    }

    /// Cuts up to `wanted` more transitions, the least similar first, the earlier of equal ones.
    private func cutWeakest(_ wanted: Int, _ transitions: Table<Double>) {
        var uncut = 0
        for frame in 0..<(frames - 1) where !space.isCut[frame] {
            space.ranking[uncut] = transitions[frame]
            uncut += 1
        }
        guard uncut > 0 else { return }
        var wanted = min(wanted, uncut)
        let limit = OrderStatistic.smallest(wanted - 1, of: space.ranking.part(0..<uncut).buffer)
        for frame in 0..<(frames - 1) where !space.isCut[frame] && transitions[frame] < limit {
            space.isCut[frame] = true
            wanted -= 1
        }
        for frame in 0..<(frames - 1) where wanted > 0 && !space.isCut[frame] && transitions[frame] == limit {
            space.isCut[frame] = true
            wanted -= 1
        }
    }

    /// Numbers the segments between the cuts, and cuts a segment again after every `longest` frames, if above 0.
    private mutating func number(longest: Int) {
        var start = 0
        for frame in 0..<frames {
            if frame == start { space.starts[count] = Int32(start) }
            space.ofFrame[frame] = Int32(count)
            if space.isCut[frame] || frame + 1 == frames || frame + 1 - start == longest {
                count += 1
                start = frame + 1
            }
        }
        space.starts[count] = Int32(frames)
    }

    // MARK: Reading

    /// Frames of a segment.
    @inline(__always)
    func frames(of segment: Int) -> Range<Int> { Int(space.starts[segment])..<Int(space.starts[segment + 1]) }

    /// The segment of a frame.
    @inline(__always)
    func containing(_ frame: Int) -> Int { Int(space.ofFrame[frame]) }

    /// Whether a frame is the first of its segment.
    func begins(with frame: Int) -> Bool { frames(of: containing(frame)).lowerBound == frame }

    /// The frames of a frame's segment that come before it.
    func earlierFrames(than frame: Int) -> Range<Int> { frames(of: containing(frame)).lowerBound..<frame }
}

extension Configuration {
    /// The minimum of segments of a clip: the paper's 8 at its 32 frames, fewer for shorter clips, where it is automatic.
    fileprivate func minimumSegments(frames: Int) -> Int {
        minimumSegments > 0 ? minimumSegments : min(8, (frames + 3) / 4)
    }
}
