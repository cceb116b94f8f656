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
    private let pool: WorkerPool
    private var arena = Arena()

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
        self.configuration = configuration
        pool = WorkerPool(threads: count)
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
        let (start, configuration, pool) = (Compression.now, self.configuration, self.pool)
        let clip = try Clip(features, type, shape, attention: attention)
        let budget = Budget(tokensPerFrame: shape.tokensPerFrame, configuration)
        let progress = progress.map {
            Progress(total: Compression.Work.total(shape, configuration), report: $0)
        }
        let compression = try arena.layOut { plan in
            Compression(clip, configuration, budget, pool, progress, plan: &plan)
        }
        var failure: FlashVIDError?
        BLAS.withSingleThreadedProducts {
            do throws(FlashVIDError) {
                let segments = try compression.decide()
                compression.write(segments: segments, into: &video)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        video.statistics.seconds = Compression.now - start
    }

    /// Rows that a clip becomes: see ``Configuration/outputTokenCount(frames:tokensPerFrame:)``.
    public func outputTokenCount(frames: Int, tokensPerFrame: Int) throws(FlashVIDError) -> Int {
        try configuration.outputTokenCount(frames: frames, tokensPerFrame: tokensPerFrame)
    }
}

// MARK: - Output

extension Compression {
    /// Writes rows, tables and statistics into a result, in its storage where it fits.
    fileprivate func write(segments: Int, into video: inout CompressedVideo) {
        let (rows, tokens) = (rowCount, frames * tokensPerFrame)
        let isComplete = configuration.semantics == .definition
        video.shape = clip.shape
        resize(&video.tokens, to: rows * channels, filling: 0)
        resize(&video.indices, to: rows, filling: 0)
        resize(&video.kinds, to: rows, filling: .selected)
        resize(&video.segmentLengths, to: segments, filling: 0)
        resize(&video.parents, to: tokens, filling: -1)
        resize(&video.assignment, to: isComplete ? tokens : 0, filling: -1)
        resize(&video.counts, to: isComplete ? rows : 0, filling: 0)

        // Sound: the arrays hold as many elements as were just asked for, and are not touched otherwise meanwhile.
        video.tokens.withUnsafeMutableBufferPointer { values in
            video.indices.withUnsafeMutableBufferPointer { indices in
                video.kinds.withUnsafeMutableBufferPointer { kinds in
                    guard let values = values.baseAddress, let indices = indices.baseAddress,
                        let kinds = kinds.baseAddress
                    else { return }
                    write(segments: segments, into: OutputRows(tokens: values, indices: indices, kinds: kinds))
                }
            }
        }
        for segment in 0..<segments {
            video.segmentLengths[segment] = frames(ofSegment: segment).count
        }
        for token in 0..<tokens {
            video.parents[token] = Int(tables.parents[token])
        }
        if isComplete {
            for row in 0..<rows { video.counts[row] = 0 }
            for token in 0..<tokens {
                let row = Int(tables.rows[token])
                video.assignment[token] = row
                if row >= 0 { video.counts[row] += 1 }
            }
        }
        for stage in CompressedVideo.Stage.allCases {
            video.statistics.stageSeconds[stage.rawValue] = 0
        }
        video.statistics.closeCalls = 0
        video.statistics.threads = pool.threads
        for index in 0..<pool.threads {
            for stage in 0..<CompressedVideo.Stage.allCases.count {
                video.statistics.stageSeconds[stage] += workers[index].seconds[stage]
            }
            video.statistics.closeCalls += workers[index].closeCalls.pointee
        }
    }

    private func resize<Element>(_ array: inout [Element], to count: Int, filling value: Element) {
        guard array.count != count else { return }
        array.removeAll(keepingCapacity: array.capacity >= count)
        array.reserveCapacity(count)
        array.append(contentsOf: repeatElement(value, count: count))
    }
}
