/// Mean tokens of frames and of segments (spec 3 and 4), in double.
///
/// A clip of up to 64 frames keeps the mean of every one. A longer clip is taken in 64 chunks of frames, of which the sum
/// and the outermost means are kept, and a single mean is computed again where it is asked for: the memory does not grow
/// with the clip. A task is a chunk.
struct FrameMeans: Stage {
    static let charge = CompressedVideo.Stage.segmentation
    static let maximumChunks = 64

    /// Frames of a chunk, and chunks of a clip.
    private struct Chunks {
        let frames: Int
        let count: Int

        init(_ frames: Int) {
            self.frames = (frames + maximumChunks - 1) / maximumChunks
            count = (frames + self.frames - 1) / self.frames
        }
    }

    struct Space: BitwiseCopyable {
        /// [chunks, D] sum of the means of a chunk's frames, the first and the last of them. One and the same where a
        /// chunk is one frame.
        fileprivate let sums: Table<Double>
        fileprivate let firsts: Table<Double>
        fileprivate let lasts: Table<Double>
        /// [F] whether all numbers of a frame are finite.
        fileprivate let isFinite: Table<Bool>
        /// [F - 1] cosine of each frame's mean with the next one's.
        fileprivate let transitions: Table<Double>
        /// [threads]
        fileprivate let readers: Table<Reader>

        init(_ clip: Clip, threads: Int, plan: inout Arena.Plan) {
            let chunks = Chunks(clip.frames)
            sums = plan.table(Double.self, chunks.count, clip.channels)
            firsts = chunks.frames > 1 ? plan.table(Double.self, chunks.count, clip.channels) : sums
            lasts = chunks.frames > 1 ? plan.table(Double.self, chunks.count, clip.channels) : sums
            isFinite = plan.table(Bool.self, clip.frames)
            transitions = plan.table(Double.self, clip.frames)
            readers = plan.perThread(threads) { plan in Reader(clip, plan: &plan) }
        }
    }

    /// What a thread needs to read means.
    struct Reader: BitwiseCopyable {
        /// [D] the mean of the frame that it was made for last, in clips that do not keep all.
        fileprivate let mean: Table<Double>
        fileprivate let meanFrame: Memo
        /// [8, D] tokens on their way, of clips that are not float32.
        fileprivate let converted: Table<Float>

        init(_ clip: Clip, plan: inout Arena.Plan) {
            mean = plan.table(Double.self, Chunks(clip.frames).frames > 1 ? clip.channels : 0)
            meanFrame = Memo(plan: &plan)
            converted = plan.table(Float.self, clip.type == .float32 ? 0 : 8, clip.channels)
        }
    }

    private let clip: Clip
    private let space: Space
    private let chunkFrames: Int
    /// Tasks.
    let chunks: Int

    init(_ clip: Clip, in space: Space) {
        self.clip = clip
        self.space = space
        let chunks = Chunks(clip.frames)
        (chunkFrames, self.chunks) = (chunks.frames, chunks.count)
        for thread in 0..<space.readers.count { space.readers[thread].meanFrame.forget() }
    }

    private func frames(ofChunk chunk: Int) -> Range<Int> {
        (chunk * chunkFrames)..<min(clip.frames, (chunk + 1) * chunkFrames)
    }

    // MARK: Making

    /// Means of a chunk's frames, and the cosines of neighbouring ones. A number that is not finite makes its channel's
    /// mean so, and nothing else does: this pass is also the check of the features. O(N·D) a frame.
    func run(_ chunk: Int, _ worker: Worker) {
        let reader = space.readers[worker.number]
        let sum = space.sums.row(chunk, of: clip.channels)
        let (first, last) = (space.firsts.row(chunk, of: clip.channels), space.lasts.row(chunk, of: clip.channels))
        let frames = frames(ofChunk: chunk)
        if chunkFrames > 1 { sum.fill(0) }
        for frame in frames {
            guard !worker.isOver else { return }
            worker.advance(by: Work.segmentation)
            let mean = chunkFrames == 1 ? sum : reader.mean
            clip.mean(ofFrame: frame, into: mean.base, converting: reader.converted.base)
            space.isFinite[frame] = mean.buffer.allSatisfy(\.isFinite)
            guard chunkFrames > 1 else { continue }
            if frame == frames.lowerBound {
                first.copy(mean)
            } else {
                space.transitions[frame - 1] = Self.cosine(last.base, mean.base, channels: clip.channels)
            }
            last.copy(mean)
            DoublePrecision.sum(UnsafePointer(mean.base), into: sum.base, count: clip.channels)
        }
    }

    /// Throws for the first feature that is not finite.
    func check() throws(FlashVIDError) {
        for frame in 0..<clip.frames where !space.isFinite[frame] {
            let reader = space.readers[0]
            if let error = clip.firstNotFinite(inFrame: frame, buffer: reader.converted.base) { throw error }
        }
    }

    /// [F - 1] cosine of each frame's mean with the next one's, across the chunks too.
    func transitions() -> Table<Double> {
        for chunk in 1..<max(1, chunks) {
            space.transitions[chunk * chunkFrames - 1] = Self.cosine(
                space.lasts.row(chunk - 1, of: clip.channels).base, space.firsts.row(chunk, of: clip.channels).base,
                channels: clip.channels)
        }
        return space.transitions
    }

    // MARK: Reading

    /// Mean token of a frame, until the reader reads another.
    func mean(ofFrame frame: Int, _ reader: Reader) -> UnsafePointer<Double> {
        if chunkFrames == 1 { return UnsafePointer(space.sums.row(frame, of: clip.channels).base) }
        reader.meanFrame(frame) {
            clip.mean(ofFrame: frame, into: reader.mean.base, converting: reader.converted.base)
        }
        return UnsafePointer(reader.mean.base)
    }

    /// Mean of the means of some frames, into `total` (D).
    func mean(ofFrames frames: Range<Int>, into total: Table<Double>, _ reader: Reader) {
        total.fill(0)
        var frame = frames.lowerBound
        while frame < frames.upperBound {
            let chunk = self.frames(ofChunk: frame / chunkFrames)
            if chunk.lowerBound == frame, chunk.upperBound <= frames.upperBound {
                let sum = space.sums.row(frame / chunkFrames, of: clip.channels)
                DoublePrecision.sum(UnsafePointer(sum.base), into: total.base, count: clip.channels)
                frame = chunk.upperBound
            } else {
                DoublePrecision.sum(mean(ofFrame: frame, reader), into: total.base, count: clip.channels)
                frame += 1
            }
        }
        DoublePrecision.divide(total.base, by: frames.count, count: clip.channels)
    }

    func forget(_ reader: Reader) { reader.meanFrame.forget() }

    /// Cosine of two means; 0 where one has no length.
    static func cosine(_ a: UnsafePointer<Double>, _ b: UnsafePointer<Double>, channels: Int) -> Double {
        let lengths =
            DoublePrecision.dot(a, a, count: channels).squareRoot()
            * DoublePrecision.dot(b, b, count: channels).squareRoot()
        return lengths > 0 ? DoublePrecision.dot(a, b, count: channels) / lengths : 0
    }
}

extension Clip {
    /// Mean token of a frame in double, into `mean` (D); `buffer` is room for 8 converted tokens. O(N·D).
    func mean(
        ofFrame frame: Int, into mean: UnsafeMutablePointer<Double>, converting buffer: UnsafeMutablePointer<Float>
    ) {
        mean.update(repeating: 0, count: channels)
        // A few rows at a time, so that converted ones are read from cache.
        let step = 8
        for token in stride(from: 0, to: tokensPerFrame, by: step) {
            let rows = tokens(
                frame &* tokensPerFrame &+ token, count: min(step, tokensPerFrame - token), convertedInto: buffer)
            DoublePrecision.sum(rows.base, rows: rows.rows, stride: rows.stride, into: mean, count: channels)
        }
        DoublePrecision.divide(mean, by: tokensPerFrame, count: channels)
    }
}
