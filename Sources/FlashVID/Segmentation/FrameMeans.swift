/// Mean tokens of frames and of segments (spec 3 and 4), in double.
///
/// A clip of up to 64 frames keeps the mean of every one. A longer clip is taken in 64 chunks of frames, of which the sum
/// and the outermost means are kept, and a single mean is computed again where it is asked for: the memory does not grow
/// with the clip.
extension Compression {
    static let maximumChunks = 64

    /// Frames of a chunk.
    private var chunkFrames: Int { (frames + Self.maximumChunks - 1) / Self.maximumChunks }

    var chunks: Int { (frames + chunkFrames - 1) / chunkFrames }

    private func frames(ofChunk chunk: Int) -> Range<Int> {
        (chunk * chunkFrames)..<min(frames, (chunk + 1) * chunkFrames)
    }

    /// Means of a chunk's frames, and the cosines of neighbouring ones. A number that is not finite makes its channel's
    /// mean so, and nothing else does: this pass is also the check of the features. O(N·D) a frame.
    func measure(chunk: Int, _ worker: Worker) {
        let sum = tables.chunkSums + chunk &* channels
        let (first, last) = (tables.chunkFirsts + chunk &* channels, tables.chunkLasts + chunk &* channels)
        let frames = frames(ofChunk: chunk)
        if chunkFrames > 1 { sum.update(repeating: 0, count: channels) }
        for frame in frames {
            guard !watch.isOver else { return }
            watch.advance(by: Work.segmentation)
            let mean = chunkFrames == 1 ? sum : worker.doublesA
            computeMean(ofFrame: frame, into: mean, worker)
            tables.isFinite[frame] = (0..<channels).allSatisfy { mean[$0].isFinite }
            guard chunkFrames > 1 else { continue }
            if frame == frames.lowerBound {
                first.update(from: mean, count: channels)
            } else {
                tables.transitions[frame - 1] = cosine(last, mean)
            }
            last.update(from: mean, count: channels)
            Exact.sum(UnsafePointer(mean), into: sum, count: channels)
        }
    }

    /// Cosines of neighbouring frames' means across the chunks.
    func joinChunks() {
        for chunk in 1..<max(1, chunks) {
            tables.transitions[chunk * chunkFrames - 1] = cosine(
                tables.chunkLasts + (chunk - 1) &* channels, tables.chunkFirsts + chunk &* channels)
        }
    }

    /// The first feature that is not finite.
    func firstNotFinite() -> FlashVIDError? {
        guard let frame = (0..<frames).first(where: { !tables.isFinite[$0] }) else { return nil }
        return clip.firstNotFinite(inFrame: frame, buffer: workers[0].rowA)
    }

    /// Mean token of a frame.
    func mean(ofFrame frame: Int, _ worker: Worker) -> UnsafePointer<Double> {
        if chunkFrames == 1 { return UnsafePointer(tables.chunkSums + frame &* channels) }
        if worker.meanFrame.pointee != frame {
            computeMean(ofFrame: frame, into: worker.mean, worker)
            worker.meanFrame.pointee = frame
        }
        return UnsafePointer(worker.mean)
    }

    /// Mean of the frame means of a segment, in the worker's `event` and `roundedEvent`.
    func prepareEvent(ofSegment segment: Int, _ worker: Worker) {
        guard worker.eventSegment.pointee != segment else { return }
        let frames = frames(ofSegment: segment)
        worker.event.update(repeating: 0, count: channels)
        var frame = frames.lowerBound
        while frame < frames.upperBound {
            let chunk = self.frames(ofChunk: frame / chunkFrames)
            if chunk.lowerBound == frame, chunk.upperBound <= frames.upperBound {
                let sum = tables.chunkSums + (frame / chunkFrames) &* channels
                Exact.sum(UnsafePointer(sum), into: worker.event, count: channels)
                frame = chunk.upperBound
            } else {
                Exact.sum(mean(ofFrame: frame, worker), into: worker.event, count: channels)
                frame += 1
            }
        }
        Exact.divide(worker.event, by: frames.count, count: channels)
        Exact.round(worker.event, into: worker.roundedEvent, count: channels)
        worker.eventSegment.pointee = segment
    }

    private func computeMean(ofFrame frame: Int, into mean: UnsafeMutablePointer<Double>, _ worker: Worker) {
        clip.measure(frame: frame, into: mean, buffer: worker.converted)
    }

    private func cosine(_ a: UnsafePointer<Double>, _ b: UnsafePointer<Double>) -> Double {
        Self.meanCosine(a, b, channels: channels)
    }

    /// Cosine of two means; 0 where one has no length.
    static func meanCosine(_ a: UnsafePointer<Double>, _ b: UnsafePointer<Double>, channels: Int) -> Double {
        let lengths =
            Exact.dot(a, a, count: channels).squareRoot() * Exact.dot(b, b, count: channels).squareRoot()
        return lengths > 0 ? Exact.dot(a, b, count: channels) / lengths : 0
    }
}

extension Clip {
    /// Mean token of a frame in double, into `mean` (D); `buffer` is room for 8 converted tokens. O(N·D).
    func measure(frame: Int, into mean: UnsafeMutablePointer<Double>, buffer: UnsafeMutablePointer<Float>) {
        mean.update(repeating: 0, count: channels)
        // A few rows at a time, so that converted ones are read from cache.
        let step = 8
        for token in stride(from: 0, to: tokensPerFrame, by: step) {
            let rows = tokens(
                frame &* tokensPerFrame &+ token, count: min(step, tokensPerFrame - token), convertedInto: buffer)
            Exact.sum(rows.base, rows: rows.rows, stride: rows.stride, into: mean, count: channels)
        }
        Exact.divide(mean, by: tokensPerFrame, count: channels)
    }
}
