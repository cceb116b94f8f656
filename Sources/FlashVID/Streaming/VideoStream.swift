/// Compresses a video while its encoder is still at work: frames go in as they come, and each segment comes out as soon
/// as it is closed.
///
/// ```swift
/// var stream = try VideoStream(configuration, of: .float16, tokensPerFrame: 196, channels: 3584)
/// while let frame = encoder.next() {
///     if try stream.push(frame.span) { use(try stream.nextSegment()!) }
/// }
/// stream.finish()
/// while let segment = try stream.nextSegment() { use(segment) }
/// ```
///
/// A segment is closed by the first frame behind it (spec 3), by ``Configuration/maximumSegmentFrames``, which bounds the
/// memory and must be given, or by ``finish()``. Complementary cuts need the whole clip, so a stream makes none, whatever
/// the configuration says of them and of the minimum of segments. What comes out is what ``Compressor`` makes of the whole
/// clip with complementary cuts off: a cut depends on the two frames beside it, and a segment's rows on its own frames.
///
/// It keeps the frames of the open segment, in the type in which they come, and one frame more.
public struct VideoStream: ~Copyable {
    /// What it keeps and how it chooses.
    public let configuration: Configuration
    /// The type of the features.
    public let type: ScalarType
    public let tokensPerFrame: Int
    public let channels: Int

    private var compressor: Compressor
    private var store: FrameStore
    private var arena = Arena()
    /// Of the two means in the arena, which is the last frame's.
    private var lastMean = 0
    /// Frames of the segment that is closed and not handed out yet, or 0.
    private var closed = 0
    private var hasAttention: Bool?

    /// Source frame with which the next segment begins.
    public private(set) var firstFrame = 0
    /// Rows of the segments that were handed out: what to add to the next segment's assignment to number rows through the
    /// video.
    public private(set) var firstRow = 0
    /// Whether ``finish()`` was called.
    public private(set) var isFinished = false

    /// Starts the threads; `threads` nil takes the machine's cores.
    ///
    /// Throws ``FlashVIDError/invalidConfiguration(field:value:expected:)``, also where there is no maximum of segment
    /// frames or a number of target rows, ``FlashVIDError/invalidThreadCount(_:)``, ``FlashVIDError/empty(dimension:value:)`` or
    /// ``FlashVIDError/sizeOverflow(_:)``.
    public init(
        _ configuration: Configuration, of type: ScalarType = .float32, tokensPerFrame: Int, channels: Int,
        threads: Int? = nil
    ) throws(FlashVIDError) {
        try configuration.validate()
        let most = configuration.maximumSegmentFrames
        guard most >= 1 else {
            throw .invalidConfiguration(
                field: "maximum segment frames", value: "\(most)",
                expected: "at least 1, which bounds a stream's memory")
        }
        guard configuration.targetRows == 0 else {
            throw .invalidConfiguration(
                field: "target rows", value: "\(configuration.targetRows)",
                expected: "0 in a stream, whose frames are not known beforehand")
        }
        guard tokensPerFrame > 0 else { throw .empty(dimension: "tokens per frame", value: tokensPerFrame) }
        guard channels > 0 else { throw .empty(dimension: "channels", value: channels) }
        let limit = most.addingReportingOverflow(1)
        guard !limit.overflow else { throw .sizeOverflow("a segment of \(most) frames") }
        let shape = ClipShape(frames: limit.partialValue, tokensPerFrame: tokensPerFrame, channels: channels)
        _ = try Clip.byteCount(shape, .float32)
        guard limit.partialValue * tokensPerFrame <= BLAS.maximumSide else {
            throw .sizeOverflow("a segment of \(most) frames of \(tokensPerFrame) tokens")
        }
        guard channels <= BLAS.maximumSide else { throw .sizeOverflow("a token of \(channels) channels") }

        compressor = try Compressor(Self.single(configuration), threads: threads)
        store = FrameStore(type: type, tokensPerFrame: tokensPerFrame, channels: channels, limit: limit.partialValue)
        self.configuration = configuration
        self.type = type
        self.tokensPerFrame = tokensPerFrame
        self.channels = channels
    }

    /// Threads that work on a segment.
    public var threads: Int { compressor.threads }

    /// Ends calls from other threads. Frames that were pushed before stay, and so does a segment that was not handed out.
    public var canceller: Canceller { compressor.canceller }

    package var watch: Watch { compressor.watch }
    package var pool: WorkerPool { compressor.pool }

    /// The longest that a call may take: see ``Compressor/timeLimit``.
    public var timeLimit: Duration? {
        get { compressor.timeLimit }
        set { compressor.timeLimit = newValue }
    }

    /// Frames of the segment that waits to be handed out, or 0.
    public var closedFrames: Int { closed }

    /// Frames that were pushed and not handed out yet.
    public var pendingFrames: Int { store.count }

    // MARK: Memory

    /// Bytes that it takes at the most: frames that wait, and the workspace of a segment. (While it takes room for more frames,
    /// those that it has are there twice.)
    public func workspaceBytes() throws(FlashVIDError) -> Int {
        try Self.workspaceBytes(
            tokensPerFrame: tokensPerFrame, channels: channels, of: type, configuration, compressor.pool)
    }

    package static func workspaceBytes(
        tokensPerFrame: Int, channels: Int, of type: ScalarType, _ configuration: Configuration, _ pool: WorkerPool
    ) throws(FlashVIDError) -> Int {
        let frames = configuration.maximumSegmentFrames
        let segment = try Compressor.workspaceBytes(
            for: ClipShape(frames: frames, tokensPerFrame: tokensPerFrame, channels: channels), of: type,
            single(configuration), pool)
        let store = FrameStore(type: type, tokensPerFrame: tokensPerFrame, channels: channels, limit: frames + 1)
        let means = try Arena.bytes { plan in layOutMeans(tokensPerFrame, channels, plan: &plan) }
        let (bytes, overflow) = segment.addingReportingOverflow(try store.largestBytes())
        guard !overflow, bytes <= Int.max - means else { throw .sizeOverflow("a stream's workspace") }
        return bytes + means
    }

    /// The configuration of a segment: the stream cuts, and what it hands the compressor is in one piece.
    private static func single(_ configuration: Configuration) -> Configuration {
        var single = configuration
        single.segmentation = false
        single.maximumSegmentFrames = 0
        return single
    }

    /// Means of the last two frames, and room for some converted tokens.
    private static func layOutMeans(
        _ tokensPerFrame: Int, _ channels: Int, plan: inout Arena.Plan
    ) -> (UnsafeMutablePointer<Double>, UnsafeMutablePointer<Float>) {
        (plan.take(Double.self, 2, channels), plan.take(Float.self, min(8, tokensPerFrame), channels))
    }

    // MARK: Frames

    /// Takes the next frame. Returns whether a segment is closed now, which has to be fetched before the next frame.
    ///
    /// - Parameters:
    ///   - frame: [N, D], row-major, finite.
    ///   - attention: [N], finite and non-negative; for every frame of a video or for none.
    ///
    /// Throws a ``FlashVIDError`` whose frame is 0, with the stream as it was. O(N·D).
    @discardableResult
    public mutating func push<Scalar: FeatureScalar>(
        _ frame: Span<Scalar>, attention: Span<Float>? = nil
    ) throws(FlashVIDError) -> Bool {
        let shape = ClipShape(frames: 1, tokensPerFrame: tokensPerFrame, channels: channels)
        return try frame.withUnsafeBytes { frame throws(FlashVIDError) in
            guard let attention else {
                return try push(try Clip(frame, Scalar.scalarType, shape, attention: nil), frame: 0)
            }
            return try attention.withUnsafeBufferPointer { attention throws(FlashVIDError) in
                try push(try Clip(frame, Scalar.scalarType, shape, attention: attention), frame: 0)
            }
        }
    }

    /// Takes frames of a lent clip from `first` on, up to and with the one that closes a segment. Returns how many. On an
    /// error in a frame those before it were taken if `taken` says so. `others` is what else the caller lends.
    package mutating func push(
        _ view: ClipView, from first: Int, taken: inout Int, besides others: LentPieces = LentPieces()
    ) throws(FlashVIDError) {
        taken = 0
        try expectFrames()
        let clip = try Clip(layout: view)
        _ = try others.adding([clip.features.extent("features"), clip.lentAttention?.extent("attention") ?? Extent()])
        guard first >= 0, first < clip.frames else {
            throw .frameOutOfRange(frame: first, frames: clip.frames)
        }
        while first + taken < clip.frames {
            try watch.check()
            let isClosed = try push(clip, frame: first + taken)
            taken += 1
            if isClosed { return }
        }
    }

    private func expectFrames() throws(FlashVIDError) {
        guard !isFinished else { throw .streamFinished }
        guard closed == 0 else { throw .segmentPending(frames: closed) }
    }

    private mutating func push(_ clip: Clip, frame: Int) throws(FlashVIDError) -> Bool {
        try Guest.run { () throws(FlashVIDError) in try take(clip, frame: frame) }
    }

    private mutating func take(_ clip: Clip, frame: Int) throws(FlashVIDError) -> Bool {
        try expectFrames()
        guard clip.tokensPerFrame == tokensPerFrame else {
            throw .otherFrames("\(clip.tokensPerFrame) tokens", expected: "\(tokensPerFrame)")
        }
        guard clip.channels == channels else {
            throw .otherFrames("\(clip.channels) channels", expected: "\(channels)")
        }
        guard clip.type == type else { throw .otherFrames("features of \(clip.type)", expected: "\(type)") }
        let givesAttention = clip.lentAttention != nil
        guard hasAttention == nil || hasAttention == givesAttention else {
            throw .otherFrames(
                givesAttention ? "attention" : "no attention",
                expected: givesAttention ? "none, as before" : "attention, as before")
        }
        try clip.checkAttention(ofFrame: frame)
        let (tokensPerFrame, channels) = (tokensPerFrame, channels)
        // Laid out alike for every frame, so that the last mean is still there.
        let (means, buffer) = try arena.layOut { plan in Self.layOutMeans(tokensPerFrame, channels, plan: &plan) }
        let (last, mean) = (means + lastMean * channels, means + (1 - lastMean) * channels)
        clip.mean(ofFrame: frame, into: mean, converting: buffer)
        if (0..<channels).contains(where: { !mean[$0].isFinite }),
            let error = clip.firstNotFinite(inFrame: frame, buffer: buffer)
        {
            throw error
        }
        try store.reserve()
        // Nothing fails from here on.
        hasAttention = givesAttention
        if store.count > 0, configuration.segmentation,
            FrameMeans.cosine(last, mean, channels: channels) < configuration.segmentThreshold
        {
            closed = store.count
        }
        store.append(clip, frame: frame)
        lastMean = 1 - lastMean
        if closed == 0, store.count == configuration.maximumSegmentFrames { closed = store.count }
        return closed > 0
    }

    /// Says that no frame follows: what is left becomes the last segment.
    public mutating func finish() {
        isFinished = true
        if closed == 0 { closed = store.count }
    }

    /// Drops what was pushed and begins another video.
    public mutating func reset() {
        store.removeFirst(store.count)
        (closed, firstFrame, firstRow, isFinished, hasAttention) = (0, 0, 0, false, nil)
    }

    // MARK: Segments

    /// The closed segment, or nil if there is none. ``CompressedVideo/firstFrame`` says where it begins; its indices and
    /// parents count from the video's first frame, its assignment from its own first row.
    public mutating func nextSegment() throws(FlashVIDError) -> CompressedVideo? {
        var segment = CompressedVideo()
        return try nextSegment(into: &segment) ? segment : nil
    }

    /// The same, into a result whose storage is reused. Returns whether there was a segment.
    public mutating func nextSegment(into segment: inout CompressedVideo) throws(FlashVIDError) -> Bool {
        guard closed > 0 else { return false }
        let view = store.view(frames: closed, hasAttention: hasAttention == true)
        try compressor.compress(view, firstFrame: firstFrame, into: &segment)
        removeClosed(rows: segment.count)
        return true
    }

    /// The same, into memory of the caller's; nil if there is no segment. On an error it stays to be fetched.
    package mutating func nextSegment(
        into buffers: OutputBuffers, statistics: inout CompressedVideo.Statistics
    ) throws(FlashVIDError) -> Outcome? {
        guard closed > 0 else { return nil }
        let view = store.view(frames: closed, hasAttention: hasAttention == true)
        let first = firstFrame.multipliedReportingOverflow(by: tokensPerFrame)
        guard !first.overflow else { throw .sizeOverflow("a stream of \(firstFrame) frames") }
        let outcome = try compressor.compress(
            view, into: buffers, firstToken: first.partialValue, statistics: &statistics)
        removeClosed(rows: outcome.rows)
        return outcome
    }

    private mutating func removeClosed(rows: Int) {
        store.removeFirst(closed)
        firstFrame += closed
        // Fewer than the tokens, whose number is checked.
        firstRow &+= rows
        closed = isFinished ? store.count : 0
    }
}
