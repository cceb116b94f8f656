import FlashVID

extension Reference {
    /// Spec 3 (DySeg): frames of every segment.
    static func segmentLengths(_ clip: [Rows], _ configuration: Configuration) -> [Int] {
        let lengths = transitions(clip, configuration)
        let longest = configuration.maximumSegmentFrames
        guard longest > 0 else { return lengths }
        return lengths.flatMap { length in
            stride(from: 0, to: length, by: longest).map { min(longest, length - $0) }
        }
    }

    /// min(8, ceil(F / 4)).
    static func automaticSegments(_ frames: Int) -> Int { min(8, Int((Double(frames) / 4).rounded(.up))) }

    /// The same before long segments are cut.
    private static func transitions(_ clip: [Rows], _ configuration: Configuration) -> [Int] {
        let frames = clip.count
        guard configuration.segmentation, frames > 1 else { return [frames] }
        var means = Rows(columns: clip[0].columns)
        for frame in clip { means.append(frame.mean) }
        means = means.unit
        let similarity = (0..<frames - 1).map { means.dot($0, means, $0 + 1) }

        var cuts = similarity.indices.filter { similarity[$0] < configuration.segmentThreshold }
        let minimum = configuration.minimumSegments > 0 ? configuration.minimumSegments : automaticSegments(frames)
        let missing = minimum - (cuts.count + 1)
        if missing > 0, configuration.complementarySegments {
            let rest = rising(similarity).filter { similarity[$0] >= configuration.segmentThreshold }
            cuts = (cuts + rest.prefix(missing)).sorted()
        }
        return zip(cuts + [frames - 1], [-1] + cuts).map { $0 - $1 }
    }
}
