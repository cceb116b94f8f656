/// Compresses clips, one after the other, in a workspace that it owns and reuses.
///
/// ```swift
/// var compressor = try Compressor(.preset(.llavaOneVision, retentionRatio: 0.10))
/// let video = try compressor.compress(features.span, shape: ClipShape(frames: 32, tokensPerFrame: 196, channels: 3584))
/// ```
///
/// The same clip gives the same result on any number of threads. While a call runs, OpenBLAS is set to one thread for the
/// whole process, since the engine runs one product a thread; the host's setting is put back when the last call ends.
public struct Compressor: ~Copyable {
    /// More threads than this are refused.
    public static let maximumThreads = 64

    /// What it keeps and how it chooses.
    public let configuration: Configuration
    let pool: WorkerPool
    private var arena = Arena()
    /// What each thread needs to work on a clip alone; made for the first batch.
    var lanes: [Lane] = []

    /// Threads that work on a clip.
    public var threads: Int { pool.threads }

    /// Starts the threads; `threads` nil takes the machine's cores.
    ///
    /// Throws ``FlashVIDError/invalidConfiguration(field:value:expected:)`` or
    /// ``FlashVIDError/invalidThreadCount(_:)``.
    public init(_ configuration: Configuration = Configuration(), threads: Int? = nil) throws(FlashVIDError) {
        try configuration.validate()
        let count = threads ?? min(WorkerPool.availableCores, Self.maximumThreads)
        guard count >= 1, count <= Self.maximumThreads else { throw .invalidThreadCount(count) }
        pool = try WorkerPool(threads: count, multiplying: true)
        self.configuration = configuration
    }

    /// Compresses a clip.
    ///
    /// - Parameters:
    ///   - features: [F, N, D], row-major, finite.
    ///   - attention: [F, N], finite and non-negative: what each token receives in its frame. Without it, 1 - the cosine
    ///     with the frame's mean stands in.
    ///
    /// Throws a ``FlashVIDError`` that names what was wrong and where. Time O(F·N²·D), in matrix products.
    public mutating func compress<Scalar: FeatureScalar>(
        _ features: Span<Scalar>, shape: ClipShape, attention: Span<Float>? = nil
    ) throws(FlashVIDError) -> CompressedVideo {
        var video = CompressedVideo()
        try compress(features, shape: shape, attention: attention, into: &video)
        return video
    }

    /// The same, into a result whose storage is reused: no allocation once both have seen a clip of this size. On an
    /// error `video` is as it was. `progress` is called on the calling thread with a share in 0...1.
    public mutating func compress<Scalar: FeatureScalar>(
        _ features: Span<Scalar>, shape: ClipShape, attention: Span<Float>? = nil, into video: inout CompressedVideo,
        progress: ((Double) -> Void)? = nil
    ) throws(FlashVIDError) {
        try features.withUnsafeBytes { features throws(FlashVIDError) in
            guard let attention else {
                return try compress(
                    features, of: Scalar.scalarType, shape: shape, attention: nil, into: &video, progress: progress)
            }
            try attention.withUnsafeBufferPointer { attention throws(FlashVIDError) in
                try compress(
                    features, of: Scalar.scalarType, shape: shape, attention: attention, into: &video,
                    progress: progress)
            }
        }
    }

    /// The same, from untyped memory: `features` holds numbers of `type`, aligned to their size.
    public mutating func compress(
        _ features: UnsafeRawBufferPointer, of type: ScalarType, shape: ClipShape,
        attention: UnsafeBufferPointer<Float>? = nil, into video: inout CompressedVideo,
        progress: ((Double) -> Void)? = nil
    ) throws(FlashVIDError) {
        try compress(
            try Clip(features, type, shape, attention: attention), firstFrame: 0, into: &video, progress: progress)
    }

    /// The same for a clip that is a part of a video and begins with its frame `firstFrame`.
    mutating func compress(
        _ view: ClipView, firstFrame: Int, into video: inout CompressedVideo
    ) throws(FlashVIDError) {
        try compress(try Clip(view), firstFrame: firstFrame, into: &video, progress: nil)
    }

    private mutating func compress(
        _ clip: Clip, firstFrame: Int, into video: inout CompressedVideo, progress: ((Double) -> Void)?
    ) throws(FlashVIDError) {
        let start = Compression.now
        let (configuration, pool) = (self.configuration, self.pool)
        let first = firstFrame.multipliedReportingOverflow(by: clip.tokensPerFrame)
        guard !first.overflow, first.partialValue <= Int.max - clip.frames * clip.tokensPerFrame else {
            throw .sizeOverflow("a video of \(firstFrame) frames")
        }
        let progress = progress.map {
            Progress(total: Compression.Work.total(clip.shape, configuration), report: $0)
        }
        try Guest.run { () throws(FlashVIDError) in
            let budget = try Budget(frames: clip.frames, tokensPerFrame: clip.tokensPerFrame, configuration)
            let compression = try arena.layOut { plan in
                Compression(clip, configuration, budget, pool, progress, plan: &plan)
            }
            try compression.run { segments throws(FlashVIDError) in
                compression.write(segments: segments, firstFrame: firstFrame, into: &video)
            }
        }
        // The compression holds no reference to it.
        withExtendedLifetime(progress) {}
        video.statistics.seconds = Compression.now - start
    }

    /// Rows that a clip becomes: see ``Configuration/outputTokenCount(frames:tokensPerFrame:)``.
    public func outputTokenCount(frames: Int, tokensPerFrame: Int) throws(FlashVIDError) -> Int {
        try configuration.outputTokenCount(frames: frames, tokensPerFrame: tokensPerFrame)
    }
}

// MARK: - Caller's memory

extension Compressor {
    /// Compresses a clip from memory that the caller lends into memory that the caller lends: no copy of the clip, and no
    /// allocation once a clip of this size was seen. On an error nothing was written.
    ///
    /// `firstToken` is added to every source token that the result names.
    package mutating func compress(
        _ view: ClipView, into buffers: OutputBuffers, firstToken: Int = 0,
        statistics: inout CompressedVideo.Statistics
    ) throws(FlashVIDError) -> Outcome {
        try Self.compress(
            view, into: buffers, firstToken: firstToken, configuration, pool, &arena, &statistics)
    }

    static func compress(
        _ view: ClipView, into buffers: OutputBuffers, firstToken: Int, _ configuration: Configuration,
        _ pool: WorkerPool, _ arena: inout Arena, _ statistics: inout CompressedVideo.Statistics
    ) throws(FlashVIDError) -> Outcome {
        let start = Compression.now
        let clip = try Clip(view)
        let capacity = try configuration.outputTokenCount(
            frames: clip.frames, tokensPerFrame: clip.tokensPerFrame)
        let destination = try Destination(buffers, for: clip, configuration, rows: capacity, firstToken: firstToken)
        let budget = try Budget(frames: clip.frames, tokensPerFrame: clip.tokensPerFrame, configuration)
        let (compression, rows) = try arena.layOut { plan in
            let compression = Compression(clip, configuration, budget, pool, nil, plan: &plan)
            return (compression, compression.layOutRows(destination, capacity: capacity, plan: &plan))
        }
        var outcome = Outcome()
        try compression.run { segments throws(FlashVIDError) in
            compression.write(segments: segments, into: rows)
            try compression.deliver(rows, segments: segments, to: destination, firstToken: firstToken)
            outcome = Outcome(rows: compression.rowCount, segments: segments)
        }
        compression.addStatistics(to: &statistics)
        statistics.seconds = Compression.now - start
        return outcome
    }
}

extension Compression {
    /// Decides, and lets `write` hand out what was decided, with OpenBLAS single-threaded meanwhile.
    fileprivate func run(
        _ write: (_ segments: Int) throws(FlashVIDError) -> Void
    ) throws(FlashVIDError) {
        try BLAS.withSingleThreadedProducts { () throws(FlashVIDError) in try write(try decide()) }
    }
}
