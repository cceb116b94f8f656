extension Compression {
    /// Mean token of a frame (spec 3), in double. A number that is not finite makes its channel's mean so, and nothing
    /// else does: this pass is also the check of the features. O(N·D).
    func measure(frame: Int, _ worker: Worker) {
        let mean = mean(ofFrame: frame)
        mean.update(repeating: 0, count: channels)
        // A few rows at a time, so that converted ones are read from cache.
        let step = 8
        for token in stride(from: 0, to: tokensPerFrame, by: step) {
            let rows = min(step, tokensPerFrame - token)
            let base = clip.tokens(self.token(frame, token), count: rows, convertedInto: worker.packed)
            Exact.sum(base, rows: rows, stride: channels, into: mean, count: channels)
        }
        Exact.divide(mean, by: tokensPerFrame, count: channels)
    }

    /// The first feature that is not finite, once the means are known.
    func firstNotFinite() -> FlashVIDError? {
        for frame in 0..<frames {
            let mean = mean(ofFrame: frame)
            for channel in 0..<channels where !mean[channel].isFinite {
                return clip.firstNotFinite(inFrame: frame, buffer: workers[0].rowA)
            }
        }
        return nil
    }

    /// Mean of the frame means of a frame's segment, in the worker's `event` and `roundedEvent` (spec 4).
    func prepareEvent(ofSegment segment: Int, _ worker: Worker) {
        guard worker.eventSegment.pointee != segment else { return }
        let frames = frames(ofSegment: segment)
        worker.event.update(repeating: 0, count: channels)
        for frame in frames {
            Exact.sum(UnsafePointer(mean(ofFrame: frame)), into: worker.event, count: channels)
        }
        Exact.divide(worker.event, by: frames.count, count: channels)
        Exact.round(worker.event, into: worker.roundedEvent, count: channels)
        worker.eventSegment.pointee = segment
    }
}
