/// Rough weight of each stage's work on a frame, for the report of progress.
enum Work {
    static let segmentation = 1
    static let selection = 6
    static let rows = 3
    static let refinement = 6

    /// Of a clip. More frames than this are no clip's, and a sum over a batch stays a number.
    static func total(_ shape: ClipShape, _ configuration: Configuration) -> Int {
        max(0, min(shape.frames, 1 << 28))
            * (segmentation + selection + rows + refinement * configuration.refinementRounds)
    }
}
