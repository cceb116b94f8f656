/// The order of the stages.
extension Compression {
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

    /// Segments, selections, trees and shares: everything up to the number of rows of every frame, `firstRows`.
    /// Returns the number of segments.
    func decide() throws(FlashVIDError) -> Int {
        try parallel(.segmentation, chunks, self) { clip, worker, chunk in clip.measure(chunk: chunk, worker) }
        if let error = firstNotFinite() { throw error }
        joinChunks()
        let segments = cutSegments()

        try selectAndLink(segments: segments)
        try parallel(.trees, segments, self) { clip, worker, segment in
            clip.growTrees(segment: segment, worker)
            clip.shareOut(segment: segment)
        }
        tables.firstRows[0] = 0
        for frame in 0..<frames {
            let selected = budget.selectedTokens(of: frame..<(frame + 1))
            tables.firstRows[frame + 1] = tables.firstRows[frame] + selected + tables.shares[frame]
        }
        return segments
    }

    /// Rows of the whole clip, once ``decide()`` has run.
    var rowCount: Int { tables.firstRows[frames] }

    /// The rows themselves, their indices, and the assignment of every token, `rows`.
    func makeRows(segments: Int, into output: OutputRows) throws(FlashVIDError) {
        orderByWork()
        try parallel(.contextual, frames, (self, output)) { context, worker, index in
            let (clip, output) = context
            clip.writeRows(frame: Int(clip.tables.order[index]), into: output, worker)
            clip.watch.advance(by: Work.rows)
        }
        guard configuration.semantics == .definition else { return }
        try parallel(.contextual, segments, (self, output)) { context, _, segment in
            context.0.assignRows(segment: segment, context.1)
        }
        if refines {
            try refine(segments: segments, output)
        }
    }
}

extension Compression {
    /// Frames in the table of order: first those that begin a segment, which have the most roots, so that none of them is
    /// left for the end while other threads wait.
    private func orderByWork() {
        var count = 0
        for begins in [true, false] {
            for frame in 0..<frames where isFirstOfSegment(frame) == begins {
                tables.order[count] = Int32(frame)
                count += 1
            }
        }
    }
}

// MARK: - Walking along the frames

extension Compression {
    /// Selects in every frame and links it with the one before, if that is of the same segment.
    private func selectAndLink(segments: Int) throws(FlashVIDError) {
        // Picks that are carried along a segment make it one unit.
        let units = configuration.carry ? segments : frames
        let walk = Walk(
            compression: self, isBySegment: configuration.carry,
            stretches: WorkStretches(units, threads: pool.threads, in: tables.stretches))
        try parallel(.selection, pool.threads, walk) { walk, worker, thread in walk.run(thread, worker) }
        guard buildsTrees else { return }
        // Where a walk began in the middle of a segment.
        let pending = tables.order
        var count = 0
        for frame in 0..<frames where !tables.isLinked[frame] {
            pending[count] = Int32(frame)
            count += 1
        }
        try parallel(.trees, count, self) { clip, worker, index in
            clip.linkAlone(frame: Int(clip.tables.order[index]), worker)
        }
    }

    /// One thread's way through the clip. A frame meets the one before while both are at hand.
    private struct Walk {
        let compression: Compression
        let isBySegment: Bool
        let stretches: WorkStretches

        func run(_ thread: Int, _ worker: Worker) {
            var earlier: SelectedFrame?
            var isEven = false
            while let unit = stretches.next(for: thread) {
                for frame in isBySegment ? compression.frames(ofSegment: unit) : unit..<(unit + 1) {
                    guard !compression.watch.isOver else { return }
                    isEven.toggle()
                    earlier = step(to: frame, from: earlier, isEven, worker)
                }
            }
        }

        private func step(
            to frame: Int, from earlier: SelectedFrame?, _ isEven: Bool, _ worker: Worker
        ) -> SelectedFrame {
            let clip = compression
            let view = clip.clip.frame(frame, convertedInto: isEven ? worker.frames.0 : worker.frames.1)
            let selected = clip.select(
                frame: frame, view, gram: isEven ? worker.grams.0 : worker.grams.1, worker)
            clip.watch.advance(by: Work.selection)
            clip.unlink(frame: frame)
            clip.tables.isLinked[frame] = !clip.buildsTrees || clip.isFirstOfSegment(frame)
            guard !clip.tables.isLinked[frame], let earlier, earlier.frame == frame - 1 else { return selected }
            let start = Compression.now
            clip.link(selected, to: earlier, worker)
            clip.tables.isLinked[frame] = true
            let seconds = Compression.now - start
            worker.seconds[CompressedVideo.Stage.trees.rawValue] += seconds
            worker.seconds[CompressedVideo.Stage.selection.rawValue] -= seconds
            return selected
        }
    }

    /// Links a frame with the one before where neither is at hand.
    private func linkAlone(frame: Int, _ worker: Worker) {
        func selected(_ frame: Int, _ buffer: UnsafeMutablePointer<Float>) -> SelectedFrame {
            SelectedFrame(frame: frame, tokens: clip.frame(frame, convertedInto: buffer), cosines: nil)
        }
        link(selected(frame, worker.frames.0), to: selected(frame - 1, worker.frames.1), worker)
    }
}
