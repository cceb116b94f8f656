/// The order of the stages.
extension Compression {
    /// Rough weight of each stage's work on a frame, for the progress report.
    enum Work {
        static let segmentation = 1
        static let selection = 6
        static let rows = 3
        static let refinement = 6

        static func total(_ shape: ClipShape, _ configuration: Configuration) -> Int {
            shape.frames
                * (segmentation + selection + rows + refinement * configuration.refinementRounds)
        }
    }

    /// Segments, selections, trees and shares: everything up to the number of rows of every frame, `firstRows`.
    /// Returns the number of segments.
    func decide() throws(FlashVIDError) -> Int {
        parallel(.segmentation, chunks, self) { clip, worker, chunk in
            clip.measure(chunk: chunk, worker)
            clip.progress?.advance(by: Work.segmentation * clip.frames / clip.chunks, worker)
        }
        if let error = firstNotFinite() { throw error }
        joinChunks()
        let segments = cutSegments()

        let runs = cutRuns(segments: segments)
        parallel(.selection, runs, self) { clip, worker, run in
            clip.selectAndLink(clip.frames(ofRun: run), worker)
        }
        if buildsTrees {
            parallel(.trees, runs, self) { clip, worker, run in
                clip.linkAcross(runStart: clip.frames(ofRun: run).lowerBound, worker)
            }
        }
        parallel(.trees, segments, self) { clip, worker, segment in
            clip.growTrees(segment: segment, worker)
            clip.shareOut(segment: segment)
        }
        tables.firstRows[0] = 0
        for frame in 0..<frames {
            tables.firstRows[frame + 1] = tables.firstRows[frame] + budget.selected + tables.shares[frame]
        }
        return segments
    }

    /// Rows of the whole clip, once ``decide()`` has run.
    var rowCount: Int { tables.firstRows[frames] }

    /// The rows themselves, their indices, and the assignment of every token, `rows`.
    func write(segments: Int, into output: OutputRows) {
        parallel(.contextual, frames, (self, output)) { context, worker, frame in
            let (clip, output) = context
            clip.writeRows(frame: frame, into: output, worker)
            clip.progress?.advance(by: Work.rows, worker)
        }
        guard configuration.semantics == .definition else { return }
        parallel(.contextual, segments, (self, output)) { context, _, segment in
            context.0.assignRows(segment: segment, context.1)
        }
        if refines {
            refine(segments: segments, output)
        }
    }
}

// MARK: - Runs

extension Compression {
    /// Cuts every segment into runs of frames. One thread walks along a run, so that a frame is gathered once and meets
    /// both its neighbours. Picks that are carried along a segment make it one run.
    private func cutRuns(segments: Int) -> Int {
        let share = frames / (pool.threads * 4)
        let longest = configuration.carry ? frames : max(1, min(16, share))
        var runs = 0
        for segment in 0..<segments {
            for start in stride(
                from: frames(ofSegment: segment).lowerBound, to: frames(ofSegment: segment).upperBound, by: longest)
            {
                tables.runStarts[runs] = Int32(start)
                runs += 1
            }
        }
        tables.runStarts[runs] = Int32(frames)
        return runs
    }

    private func frames(ofRun run: Int) -> Range<Int> {
        Int(tables.runStarts[run])..<Int(tables.runStarts[run + 1])
    }

    /// Selects in every frame of a run and links it with the one before in the run.
    private func selectAndLink(_ run: Range<Int>, _ worker: Worker) {
        var earlier: SelectedFrame?
        for frame in run {
            let isEven = (frame - run.lowerBound) % 2 == 0
            let view = clip.frame(frame, convertedInto: isEven ? worker.frames.0 : worker.frames.1)
            let selected = select(
                frame: frame, view, gram: isEven ? worker.grams.0 : worker.grams.1, worker)
            if let earlier, buildsTrees {
                let start = Self.now
                link(selected, to: earlier, worker)
                let seconds = Self.now - start
                worker.seconds[CompressedVideo.Stage.trees.rawValue] += seconds
                worker.seconds[CompressedVideo.Stage.selection.rawValue] -= seconds
            } else {
                unlink(frame: frame)
            }
            earlier = selected
            progress?.advance(by: Work.selection, worker)
        }
    }

    /// Links a run's first frame with the one before it, if that is of the same segment.
    private func linkAcross(runStart frame: Int, _ worker: Worker) {
        guard !isFirstOfSegment(frame) else { return }
        func selected(_ frame: Int, _ buffer: UnsafeMutablePointer<Float>) -> SelectedFrame {
            SelectedFrame(frame: frame, tokens: clip.frame(frame, convertedInto: buffer), cosines: nil)
        }
        link(selected(frame, worker.frames.0), to: selected(frame - 1, worker.frames.1), worker)
    }
}
