/// LLaVA's pooling, stride 2, of a frame's G x G grid of tokens (spec 10.2). Features and attention are pooled alike, before
/// they are compressed.
public enum GridPooling: String, Sendable, CaseIterable {
    /// To ceil(G/2), half-pixel centres, no antialiasing. LLaVA-OneVision: 27 becomes 14.
    case bilinear
    /// The mean of 2 x 2, to floor(G/2); an odd last row and column are dropped. LLaVA-Video: 27 becomes 13.
    case average
    /// The largest of 2 x 2, channel by channel, to floor(G/2) likewise.
    case max

    /// What a model pools by; nil for those that do not.
    public init?(_ model: Configuration.Model) {
        switch model {
        case .llavaOneVision: self = .bilinear
        case .llavaVideo: self = .average
        case .qwen25VL, .qwen3VL: return nil
        }
    }

    /// Side of the pooled grid; at least 0.
    public func side(ofGrid grid: Int) -> Int {
        let half = Swift.max(0, grid) / 2
        return self == .bilinear ? half + Swift.max(0, grid) % 2 : half
    }

    /// Side of the square grid of a frame's tokens: 27 for 729.
    ///
    /// Throws ``FlashVIDError/gridMismatch(_:)`` where they are no square.
    public static func grid(ofTokens tokens: Int) throws(FlashVIDError) -> Int {
        let side = Int(Double(Swift.max(0, tokens)).squareRoot())
        guard tokens > 0, side < 1 << 31, side * side == tokens else {
            throw .gridMismatch("\(tokens) tokens a frame are no square grid")
        }
        return side
    }

    /// Pools features.
    ///
    /// - Parameters:
    ///   - features: [F, G, G, D], finite where they are read.
    ///   - threads: threads that share the frames; nil for the machine's cores.
    /// - Returns: [F, P, P, D] with P = ``side(ofGrid:)``.
    ///
    /// Throws ``FlashVIDError/empty(dimension:value:)``, ``FlashVIDError/gridMismatch(_:)`` for a grid of which nothing is
    /// left, ``FlashVIDError/elementCount(tensor:expected:found:)``, ``FlashVIDError/sizeOverflow(_:)``,
    /// ``FlashVIDError/invalidThreadCount(_:)``, ``FlashVIDError/outOfMemory(bytes:)`` or
    /// ``FlashVIDError/notFinite(tensor:frame:token:channel:)``. O(F·G²·D).
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
        let count = try outputCount(
            source, of: type, tensor, frames: frames, grid: grid, channels: channels)
        var pooled = [Float](repeating: 0, count: count)
        var failure: FlashVIDError?
        pooled.withUnsafeMutableBufferPointer { pooled in
            do throws(FlashVIDError) {
                try pool(
                    source, of: type, tensor, frames: frames, grid: grid, channels: channels, into: pooled,
                    threads: threads)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return pooled
    }

    /// Numbers that come out, once the sizes fit the source.
    private func outputCount(
        _ source: UnsafeRawBufferPointer, of type: ScalarType, _ tensor: FlashVIDError.Tensor,
        frames: Int, grid: Int, channels: Int
    ) throws(FlashVIDError) -> Int {
        guard frames > 0 else { throw .empty(dimension: "frames", value: frames) }
        guard grid > 0 else { throw .empty(dimension: "tokens a side", value: grid) }
        guard channels > 0 else { throw .empty(dimension: "channels", value: channels) }
        let side = side(ofGrid: grid)
        guard side > 0 else {
            throw .gridMismatch("nothing is left of a grid of \(grid) x \(grid) by \(rawValue) pooling")
        }
        var elements = frames
        for factor in [grid, grid, channels, 4] {
            let (product, overflow) = elements.multipliedReportingOverflow(by: factor)
            guard !overflow else { throw .sizeOverflow("\(frames) grids of \(grid) x \(grid) x \(channels)") }
            elements = product
        }
        elements /= 4
        guard source.count == elements * type.size else {
            throw .elementCount(tensor: tensor, expected: elements, found: source.count / type.size)
        }
        return frames * side * side * channels
    }

    /// The same from untyped memory into the caller's. On an error `pooled` holds anything.
    package func pool(
        _ source: UnsafeRawBufferPointer, of type: ScalarType, _ tensor: FlashVIDError.Tensor,
        frames: Int, grid: Int, channels: Int, into pooled: UnsafeMutableBufferPointer<Float>, threads: Int?
    ) throws(FlashVIDError) {
        let count = try outputCount(source, of: type, tensor, frames: frames, grid: grid, channels: channels)
        guard pooled.count == count, let target = pooled.baseAddress, let base = source.baseAddress else {
            throw .countMismatch(of: "pooled numbers", expected: count, found: pooled.count)
        }
        let wanted = threads ?? Swift.min(WorkerPool.availableCores, Compressor.maximumThreads)
        guard wanted >= 1, wanted <= Compressor.maximumThreads else { throw .invalidThreadCount(wanted) }
        let pool = WorkerPool(threads: Swift.min(wanted, frames))
        var arena = Arena()
        let pass = try arena.layOut { plan in
            PoolingPass(
                source: base, type: type, target: target, pooling: self, grid: grid, side: side(ofGrid: grid),
                channels: channels, frames: frames, threads: pool.threads, plan: &plan)
        }
        pool.run(frames) { worker, frame in
            pass.isFinite[frame] = pass.pool(frame: frame, rows: pass.buffers + worker &* pass.bufferSize)
        }
        for frame in 0..<frames where !pass.isFinite[frame] {
            if let place = pass.firstNotFinite(frame: frame) {
                throw .notFinite(tensor: tensor, frame: frame, token: place.token, channel: place.channel)
            }
        }
    }
}

/// One call of ``GridPooling``: frame by frame, and there row by row of the pooled grid.
private struct PoolingPass: @unchecked Sendable {
    // Sound: source and target outlive the call, and a frame's task writes only to its part of the target.

    let source: UnsafeRawPointer
    let type: ScalarType
    let target: UnsafeMutablePointer<Float>
    let pooling: GridPooling
    let grid: Int
    let side: Int
    let channels: Int
    /// [F]
    let isFinite: UnsafeMutablePointer<Bool>
    /// Three rows of the grid a thread: the two that meet, converted to float32, and what they give.
    let buffers: UnsafeMutablePointer<Float>
    var bufferSize: Int { 3 * rowLength }
    var rowLength: Int { grid * channels }

    init(
        source: UnsafeRawPointer, type: ScalarType, target: UnsafeMutablePointer<Float>, pooling: GridPooling,
        grid: Int, side: Int, channels: Int, frames: Int, threads: Int, plan: inout Arena.Plan
    ) {
        self.source = source
        self.type = type
        self.target = target
        self.pooling = pooling
        self.grid = grid
        self.side = side
        self.channels = channels
        isFinite = plan.take(Bool.self, frames)
        buffers = plan.take(Float.self, 3 * threads, grid * channels)
    }

    /// The two rows or columns of the grid that make one of the pooled, and the weight of the second.
    private func place(_ index: Int) -> (low: Int, high: Int, weight: Float) {
        guard pooling == .bilinear else { return (2 * index, 2 * index + 1, 0.5) }
        let centre = (Double(index) + 0.5) * Double(grid) / Double(side) - 0.5
        let low = Swift.min(Int(Swift.max(0, centre)), grid - 1)
        return (low, Swift.min(low + 1, grid - 1), Float(Swift.max(0, centre) - Double(low)))
    }

    /// Pools a frame; whether all numbers that it read are finite.
    func pool(frame: Int, rows: UnsafeMutablePointer<Float>) -> Bool {
        let (upper, lower, both) = (rows, rows + rowLength, rows + 2 * rowLength)
        // Columns that are read: an odd last one may be dropped.
        let used = (place(side - 1).high + 1) * channels
        var poison: Float = 0
        for row in 0..<side {
            let vertical = place(row)
            load(frame, vertical.low, count: used, into: upper)
            load(frame, vertical.high, count: used, into: lower)
            poison += combine(upper, lower, vertical.weight, count: used, into: both)
            for column in 0..<side {
                let horizontal = place(column)
                _ = combine(
                    both + horizontal.low &* channels, both + horizontal.high &* channels, horizontal.weight,
                    count: channels, into: target + ((frame &* side &+ row) &* side &+ column) &* channels)
            }
        }
        return poison == 0
    }

    private func load(_ frame: Int, _ row: Int, count: Int, into buffer: UnsafeMutablePointer<Float>) {
        let start = (frame &* grid &+ row) &* rowLength
        Conversion.toFloat32(source + start &* type.size, type, count: count, into: buffer)
    }

    /// Writes the weighted mean, or the maximum, of two rows. Returns 0 where all numbers are finite and NaN else.
    private func combine(
        _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ weight: Float, count: Int,
        into target: UnsafeMutablePointer<Float>
    ) -> Float {
        let (rawA, rawB) = (UnsafeRawPointer(a), UnsafeRawPointer(b))
        let output = UnsafeMutableRawPointer(target)
        // The two weights may round a mean of the largest numbers up to infinity.
        let limit = SIMD8<Float>(repeating: .greatestFiniteMagnitude)
        var poison = SIMD8<Float>.zero
        var index = 0
        if pooling == .max {
            while index &+ 8 <= count {
                let first = rawA.loadUnaligned(fromByteOffset: index &* 4, as: SIMD8<Float>.self)
                let second = rawB.loadUnaligned(fromByteOffset: index &* 4, as: SIMD8<Float>.self)
                poison += first * 0 + second * 0
                output.storeBytes(
                    of: first.replacing(with: second, where: second .> first), toByteOffset: index &* 4,
                    as: SIMD8<Float>.self)
                index &+= 8
            }
        } else {
            while index &+ 8 <= count {
                let first = rawA.loadUnaligned(fromByteOffset: index &* 4, as: SIMD8<Float>.self)
                let second = rawB.loadUnaligned(fromByteOffset: index &* 4, as: SIMD8<Float>.self)
                poison += first * 0 + second * 0
                var mean = first * (1 - weight) + second * weight
                mean = mean.replacing(with: limit, where: mean .> limit)
                mean = mean.replacing(with: -limit, where: mean .< -limit)
                output.storeBytes(of: mean, toByteOffset: index &* 4, as: SIMD8<Float>.self)
                index &+= 8
            }
        }
        var total = poison.sum()
        while index < count {
            total += a[index] * 0 + b[index] * 0
            let largest = Float.greatestFiniteMagnitude
            let mean = a[index] * (1 - weight) + b[index] * weight
            target[index] =
                pooling == .max ? Swift.max(a[index], b[index]) : Swift.min(Swift.max(mean, -largest), largest)
            index &+= 1
        }
        return total
    }

    func firstNotFinite(frame: Int) -> (token: Int, channel: Int)? {
        let used = place(side - 1).high + 1
        for row in 0..<used {
            load(frame, row, count: used * channels, into: buffers)
            for index in 0..<(used * channels) where !buffers[index].isFinite {
                return (row * grid + index / channels, index % channels)
            }
        }
        return nil
    }
}
