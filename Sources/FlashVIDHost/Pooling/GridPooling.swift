public import FlashVID

/// LLaVA's pooling, stride 2, of a frame's G x G grid of tokens (spec 10.2). Features and attention are pooled alike, before
/// they are compressed.
public enum GridPooling: String, Sendable, CaseIterable, BitwiseCopyable {
    /// To ceil(G/2), half-pixel centres, no antialiasing. LLaVA-OneVision: 27 becomes 14.
    case bilinear
    /// The mean of 2 x 2, to floor(G/2); an odd last row and column are dropped. LLaVA-Video: 27 becomes 13.
    case average
    /// The largest of 2 x 2, channel by channel, to floor(G/2) likewise.
    case max

    /// Side of the pooled grid; at least 0.
    public func side(ofGrid grid: Int) -> Int {
        let half = Swift.max(0, grid) / 2
        return self == .bilinear ? half + Swift.max(0, grid) % 2 : half
    }

    /// Side of the square grid of a frame's tokens: 27 for 729.
    ///
    /// Throws `FlashVIDError.gridMismatch(_:)` where they are no square.
    public static func grid(ofTokens tokens: Int) throws(FlashVIDError) -> Int {
        // Doubles round numbers beyond 2^53, so that the root may be one too large, and no more.
        var side = Int(Double(Swift.max(0, tokens)).squareRoot())
        if side.multipliedReportingOverflow(by: side).overflow || side * side > tokens { side -= 1 }
        guard tokens > 0, side * side == tokens else {
            throw .gridMismatch("\(tokens) tokens a frame are no square grid")
        }
        return side
    }

    /// Pools features.
    ///
    /// - Parameters:
    ///   - features: [F, G, G, D], finite where they are read.
    ///   - frames: F.
    ///   - grid: G.
    ///   - channels: D.
    ///   - threads: threads that share the frames; nil for the machine's cores.
    /// - Returns: [F, P, P, D] with P = ``side(ofGrid:)``.
    ///
    /// Throws `FlashVIDError.empty(dimension:value:)`, `FlashVIDError.gridMismatch(_:)` for a grid of which nothing is
    /// left, `FlashVIDError.elementCount(tensor:expected:found:)`, `FlashVIDError.sizeOverflow(_:)`,
    /// `FlashVIDError.invalidThreadCount(_:)`, `FlashVIDError.outOfMemory(bytes:)` or
    /// `FlashVIDError.notFinite(tensor:frame:token:channel:)`. O(F·G²·D).
    public func pooled<Scalar: FeatureScalar>(
        features: Span<Scalar>, frames: Int, grid: Int, channels: Int, threads: Int? = nil
    ) throws(FlashVIDError) -> [Float] {
        try features.withUnsafeBytes { features throws(FlashVIDError) in
            try pooled(
                features, of: Scalar.scalarType, .features, frames: frames, grid: grid, channels: channels,
                threads: threads)
        }
    }

    /// Pools attention, [F, G, G] to [F, P, P], as ``pooled(features:frames:grid:channels:threads:)`` does features.
    public func pooled(attention: Span<Float>, frames: Int, grid: Int) throws(FlashVIDError) -> [Float] {
        try attention.withUnsafeBytes { attention throws(FlashVIDError) in
            try pooled(attention, of: .float32, .attention, frames: frames, grid: grid, channels: 1, threads: 1)
        }
    }

    private func pooled(
        _ source: UnsafeRawBufferPointer, of type: ScalarType, _ tensor: FlashVIDError.Tensor,
        frames: Int, grid: Int, channels: Int, threads: Int?
    ) throws(FlashVIDError) -> [Float] {
        try check(frames: frames, grid: grid, channels: channels)
        var elements = frames
        for factor in [grid, grid, channels, 4] {
            let (product, overflow) = elements.multipliedReportingOverflow(by: factor)
            guard !overflow else { throw .sizeOverflow("\(frames) grids of \(grid) x \(grid) x \(channels)") }
            elements = product
        }
        elements /= 4
        guard let base = source.baseAddress, source.count == elements * type.size else {
            throw .elementCount(tensor: tensor, expected: elements, found: source.count / type.size)
        }
        let view = try TensorView(
            tensor, base, type, frames: frames, tokens: grid * grid, width: channels, frameStride: nil,
            tokenStride: nil)
        let workers = try WorkerPool(sharing: frames, threads: threads)
        let count = frames * side(ofGrid: grid) * side(ofGrid: grid) * channels
        try Memory.probe((count, 4), of: "pooled numbers")
        var pooled = [Float](repeating: 0, count: count)
        var arena = Arena()
        try pooled.withUnsafeMutableBufferPointer { pooled throws(FlashVIDError) in
            // Sound: it holds a number at least, since nothing of the sizes is zero.
            let pass = PoolingPass(
                view, tensor, pooling: self, frames: frames, grid: grid, channels: channels,
                target: pooled.baseAddress!, type: .float32)
            try Guest.run { () throws(FlashVIDError) in try pass.run(on: workers, in: &arena) }
        }
        return pooled
    }

    private func check(frames: Int, grid: Int, channels: Int) throws(FlashVIDError) {
        guard frames > 0 else { throw .empty(dimension: "frames", value: frames) }
        guard grid > 0 else { throw .empty(dimension: "tokens a side", value: grid) }
        guard channels > 0 else { throw .empty(dimension: "channels", value: channels) }
        guard side(ofGrid: grid) > 0 else {
            throw .gridMismatch("nothing is left of a grid of \(grid) x \(grid) by \(rawValue) pooling")
        }
    }
}

extension GridPooling {
    /// Tokens of a pooled frame: 196 or 169 of 729.
    ///
    /// Throws `FlashVIDError.gridMismatch(_:)` where the tokens are no square grid, or one of which nothing is left.
    public func tokenCount(ofTokens tokens: Int) throws(FlashVIDError) -> Int {
        let grid = try Self.grid(ofTokens: tokens)
        try check(frames: 1, grid: grid, channels: 1)
        return side(ofGrid: grid) * side(ofGrid: grid)
    }

    /// The caller's buffer for pooled numbers of a type, or none.
    package struct Buffer {
        let base: UnsafeMutableRawPointer?
        let type: ScalarType

        package init(_ base: UnsafeMutableRawPointer?, of type: ScalarType = .float32) {
            self.base = base
            self.type = type
        }
    }

    /// Pools a lent clip, features and attention alike, into the caller's memory, each where there is a buffer for it:
    /// `capacity` tokens. On an error nothing was written.
    package func pool(
        _ clip: ClipView, features: Buffer, attention: Buffer, capacity: Int, threads: Int?,
        besides others: LentPieces = LentPieces()
    ) throws(FlashVIDError) {
        let (frames, tokens, channels) = (clip.shape.frames, clip.shape.tokensPerFrame, clip.shape.channels)
        // A clip is what the engine takes as one, and lends all of it.
        let lent = try clip.extents()
        let grid = try Self.grid(ofTokens: tokens)
        try check(frames: frames, grid: grid, channels: channels)
        let side = side(ofGrid: grid)
        func extent(_ name: StaticString, _ buffer: Buffer, width: Int) throws(FlashVIDError) -> Extent {
            let bytes = try Extent.bytes(frames, side, side, width, buffer.type.size, of: name)
            guard buffer.base == nil || capacity >= frames * side * side else {
                throw .bufferTooSmall(buffer: "pooled tokens", expected: frames * side * side, found: capacity)
            }
            return try Extent(name, buffer.base, bytes: bytes, alignment: buffer.type.size)
        }
        func pass(
            _ tensor: FlashVIDError.Tensor, _ base: UnsafeRawPointer?, _ type: ScalarType, width: Int,
            _ frameStride: Int?, _ tokenStride: Int?, _ buffer: Buffer
        ) throws(FlashVIDError) -> PoolingPass? {
            guard let target = buffer.base else { return nil }
            guard let base else { throw .missingBuffer(tensor.rawValue) }
            let view = try TensorView(
                tensor, base, type, frames: frames, tokens: tokens, width: width, frameStride: frameStride,
                tokenStride: tokenStride)
            return PoolingPass(
                view, tensor, pooling: self, frames: frames, grid: grid, channels: width, target: target,
                type: buffer.type)
        }
        guard features.base != nil || attention.base != nil else { throw .missingBuffer("pooled tokens") }
        let featurePass = try pass(
            .features, clip.features, clip.type, width: channels, clip.frameStride, clip.tokenStride, features)
        let attentionPass = try pass(
            .attention, clip.attention, clip.attentionType, width: 1, clip.attentionFrameStride,
            clip.attentionTokenStride, attention)
        _ = try others.adding([
            lent.features, lent.attention,
            extent("pooled features", features, width: channels), extent("pooled attention", attention, width: 1),
        ])
        let workers = try WorkerPool(sharing: frames, threads: threads)
        // The first check takes all the memory that is needed, so that nothing can fail once something is written.
        var arena = Arena()
        try featurePass?.check(on: workers, in: &arena)
        try attentionPass?.check(on: workers, in: &arena)
        try featurePass?.run(on: workers, in: &arena)
        try attentionPass?.run(on: workers, in: &arena)
    }
}

extension WorkerPool {
    /// Threads for some tasks, not more than these: `threads`, nil for the machine's cores.
    fileprivate convenience init(sharing tasks: Int, threads: Int?) throws(FlashVIDError) {
        let wanted = threads ?? min(WorkerPool.availableCores, Compressor.maximumThreads)
        guard wanted >= 1, wanted <= Compressor.maximumThreads else { throw .invalidThreadCount(wanted) }
        try self.init(threads: min(wanted, tasks), multiplying: false)
    }
}
