/// DySeg: where a clip is cut into segments (spec 3; paper, section 3.3).
extension Compression {
    /// Cuts the clip from its frames' means. Returns the number of segments.
    func cutSegments() -> Int {
        // `cut[f]` is a cut behind frame f; the table of a frame's segment is not needed yet.
        let cut = tables.segmentOfFrame
        var cuts = 0
        for frame in 0..<frames {
            cut[frame] = 0
            guard configuration.segmentation, frame + 1 < frames else { continue }
            if tables.transitions[frame] < configuration.segmentThreshold {
                cut[frame] = 1
                cuts += 1
            }
        }
        let minimum = configuration.minimumSegments(frames: frames)
        if configuration.segmentation, configuration.complementarySegments, cuts + 1 < minimum {
            cutWeakest(minimum - (cuts + 1), cut)
        }
        return numberSegments(cutBehind: cut)
    }

    /// Cuts up to `count` more transitions, the least similar first, the earlier of equal ones.
    private func cutWeakest(_ count: Int, _ cut: UnsafeMutablePointer<Int32>) {
        let rest = tables.ranking
        var left = 0
        for frame in 0..<(frames - 1) where cut[frame] == 0 {
            rest[left] = tables.transitions[frame]
            left += 1
        }
        guard left > 0 else { return }
        let count = min(count, left)
        let limit = OrderStatistic.smallest(count - 1, of: UnsafeMutableBufferPointer(start: rest, count: left))
        var wanted = count
        for frame in 0..<(frames - 1) where cut[frame] == 0 && tables.transitions[frame] < limit {
            cut[frame] = 1
            wanted -= 1
        }
        for frame in 0..<(frames - 1) where wanted > 0 && cut[frame] == 0 && tables.transitions[frame] == limit {
            cut[frame] = 1
            wanted -= 1
        }
    }

    /// Numbers the segments between the cuts, and cuts a segment again after every `maximumSegmentFrames`.
    private func numberSegments(cutBehind cut: UnsafeMutablePointer<Int32>) -> Int {
        let longest = configuration.maximumSegmentFrames > 0 ? configuration.maximumSegmentFrames : Int.max
        var segments = 0
        var start = 0
        for frame in 0..<frames {
            let ends = cut[frame] == 1 || frame + 1 == frames
            if frame == start { tables.segmentStarts[segments] = Int32(start) }
            cut[frame] = Int32(segments)
            if ends || frame + 1 - start == longest {
                segments += 1
                start = frame + 1
            }
        }
        tables.segmentStarts[segments] = Int32(frames)
        return segments
    }
}

extension Configuration {
    /// The minimum of segments of a clip: the paper's 8 at its 32 frames, fewer for shorter clips, where it is automatic.
    fileprivate func minimumSegments(frames: Int) -> Int {
        minimumSegments > 0 ? minimumSegments : min(8, (frames + 3) / 4)
    }
}
