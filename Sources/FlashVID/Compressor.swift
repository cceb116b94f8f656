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
    package let pool: WorkerPool
    package let watch = Watch()
    var arena = Arena()
    /// Bytes of workspace that it holds.
    package var heldBytes: Int { arena.capacity }
    /// What each thread needs to work on a clip alone; made for the first batch.
    var lanes: [Lane] = []

    /// Threads that work on a clip.
    public var threads: Int { pool.threads }

    /// Ends calls from other threads.
    public var canceller: Canceller { Canceller(watch: watch) }

    /// The longest that a call may take; nil for no limit. One that takes longer ends at its next frame with
    /// ``FlashVIDError/cancelled(by:)``.
    public var timeLimit: Duration?

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
    ///   - shape: F, N and D.
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
    /// error `video` is as it was. `progress` is called on the calling thread with a share in 0...1 that rises, 1 at the end; it
    /// may end the call by ``canceller``.
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
        beginCall(progress)
        defer { watch.end() }
        try compress(try Clip(features, type, shape, attention: attention), firstFrame: 0, into: &video)
    }

    private func beginCall(_ progress: ((Double) -> Void)?) {
        watch.begin(
            limit: timeLimit?.inSeconds,
            report: progress.map { progress in
                { share in
                    progress(share)
                    return true
                }
            })
    }

    /// The same for a clip that is a part of a video and begins with its frame `firstFrame`.
    mutating func compress(
        _ view: ClipView, firstFrame: Int, into video: inout CompressedVideo
    ) throws(FlashVIDError) {
        beginCall(nil)
        defer { watch.end() }
        try compress(try Clip(view), firstFrame: firstFrame, into: &video)
    }

    private mutating func compress(
        _ clip: Clip, firstFrame: Int, into video: inout CompressedVideo
    ) throws(FlashVIDError) {
        let start = Clock.now
        let (configuration, pool, watch) = (self.configuration, self.pool, self.watch)
        let first = firstFrame.multipliedReportingOverflow(by: clip.tokensPerFrame)
        guard !first.overflow, first.partialValue <= Int.max - clip.frames * clip.tokensPerFrame else {
            throw .sizeOverflow("a video of \(firstFrame) frames")
        }
        watch.expect(Work.total(clip.shape, configuration))
        try Guest.run { () throws(FlashVIDError) in
            _ = try Self.run(clip, configuration, pool, watch, &arena) { delivery throws(FlashVIDError) in
                delivery.write(to: &video, firstFrame: firstFrame)
                delivery.sumUp(into: &video.statistics)
            }
        }
        video.statistics.seconds = Clock.now - start
        watch.finish()
    }

    /// Bytes of workspace that a clip of these sizes takes, at the most: what a compressor allocates that has seen no other
    /// clip, and nothing where it has seen one that takes as much. OpenBLAS has memory of its own. (Attention that is not
    /// compact float32 counts, since it is copied.)
    ///
    /// Throws ``FlashVIDError/empty(dimension:value:)`` or ``FlashVIDError/sizeOverflow(_:)``.
    public func workspaceBytes(for shape: ClipShape, of type: ScalarType = .float32) throws(FlashVIDError) -> Int {
        try Self.workspaceBytes(for: shape, of: type, configuration, pool)
    }

    package static func workspaceBytes(
        for shape: ClipShape, of type: ScalarType, _ configuration: Configuration, _ pool: WorkerPool
    ) throws(FlashVIDError) -> Int {
        // Any address does, since nothing is read.
        var view = ClipView(features: UnsafeRawPointer(bitPattern: 64), of: type, shape: shape)
        view.attention = view.features
        view.attentionType = .float16
        let clip = try Clip(layout: view)
        let budget = try Budget(frames: clip.frames, tokensPerFrame: clip.tokensPerFrame, configuration)
        let rows = try configuration.outputTokenCount(frames: clip.frames, tokensPerFrame: clip.tokensPerFrame)
        return try Arena.bytes { plan in
            Workspace(
                Input(clip, configuration, budget, plan: &plan), capacity: rows, pool, Watch(), plan: &plan)
        }
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
        watch.expect(Work.total(view.shape, configuration))
        let outcome = try Self.compress(
            view, into: buffers, firstToken: firstToken, configuration, pool, watch, &arena, &statistics)
        watch.finish()
        return outcome
    }

    static func compress(
        _ view: ClipView, into buffers: OutputBuffers, firstToken: Int, _ configuration: Configuration,
        _ pool: WorkerPool, _ watch: Watch, _ arena: inout Arena, _ statistics: inout CompressedVideo.Statistics
    ) throws(FlashVIDError) -> Outcome {
        let start = Clock.now
        let clip = try Clip(view)
        let capacity = try configuration.outputTokenCount(
            frames: clip.frames, tokensPerFrame: clip.tokensPerFrame)
        let destination = try Destination(buffers, for: clip, configuration, rows: capacity, firstToken: firstToken)
        let outcome = try run(clip, configuration, pool, watch, &arena) { delivery throws(FlashVIDError) in
            try delivery.check(in: buffers.tokenType)
            delivery.write(to: destination.target, firstToken: firstToken)
            delivery.sumUp(into: &statistics)
        }
        statistics.seconds = Clock.now - start
        return outcome
    }

    /// Runs the method on a clip, and lets `deliver` hand out what it made, with OpenBLAS single-threaded meanwhile.
    private static func run(
        _ clip: Clip, _ configuration: Configuration, _ pool: WorkerPool, _ watch: Watch, _ arena: inout Arena,
        deliver: (Delivery) throws(FlashVIDError) -> Void
    ) throws(FlashVIDError) -> Outcome {
        let budget = try Budget(frames: clip.frames, tokensPerFrame: clip.tokensPerFrame, configuration)
        let capacity = try configuration.outputTokenCount(frames: clip.frames, tokensPerFrame: clip.tokensPerFrame)
        let (input, space) = try arena.layOut { plan in
            let input = Input(clip, configuration, budget, plan: &plan)
            return (input, Workspace(input, capacity: capacity, pool, watch, plan: &plan))
        }
        return try BLAS.withSingleThreadedProducts { () throws(FlashVIDError) in
            let method = try Method(input, in: space)
            try deliver(Delivery(method, of: input, in: space))
            return Outcome(rows: method.rows.count, segments: method.segments.count)
        }
    }
}
