import FlashVID

/// One call of ``GridPooling``: frame by frame, and there row by row of the pooled grid.
struct PoolingPass: @unchecked Sendable {
    // Sound: source and target outlive the call, and a frame's task writes only to its part of the target.

    /// [F, G·G, C]
    let source: TensorView
    let tensor: FlashVIDError.Tensor
    let target: UnsafeMutableRawPointer
    /// Of the pooled numbers.
    let type: ScalarType
    let pooling: GridPooling
    let grid: Int
    let side: Int
    let channels: Int
    let frames: Int
    private var rowLength: Int { grid * channels }

    init(
        _ source: TensorView, _ tensor: FlashVIDError.Tensor, pooling: GridPooling, frames: Int, grid: Int,
        channels: Int, target: UnsafeMutableRawPointer, type: ScalarType
    ) {
        self.source = source
        self.tensor = tensor
        self.target = target
        self.type = type
        self.pooling = pooling
        self.grid = grid
        self.channels = channels
        self.frames = frames
        side = pooling.side(ofGrid: grid)
    }

    /// Throws unless all numbers that are read are finite, and all that are written will be.
    func check(on workers: WorkerPool, in arena: inout Arena) throws(FlashVIDError) {
        // Means and maxima of numbers of a type lie within the type.
        let narrows = type != .float32 && type != source.type
        try forEachFrame(on: workers, in: &arena) { pass, frame, rows in
            let used = (pass.sources(of: pass.side - 1).high + 1)
            var poison: Float = 0
            for row in 0..<used {
                pass.load(frame, row, columns: used, into: rows)
                poison += pass.poison(rows, count: used * pass.channels)
            }
            return poison == 0 && (!narrows || pass.firstNotRepresentable(frame: frame, rows: rows) == nil)
        }
    }

    /// Pools. On an error the target holds anything.
    func run(on workers: WorkerPool, in arena: inout Arena) throws(FlashVIDError) {
        try forEachFrame(on: workers, in: &arena) { pass, frame, rows in pass.pool(frame: frame, rows: rows) }
    }

    /// `body` tells whether all is well with a frame; `rows` are four of the grid's, in float32.
    private func forEachFrame(
        on workers: WorkerPool, in arena: inout Arena,
        _ body: (PoolingPass, _ frame: Int, _ rows: UnsafeMutablePointer<Float>) -> Bool
    ) throws(FlashVIDError) {
        let (isWell, buffers) = try arena.layOut { plan in
            (plan.take(Bool.self, frames), plan.take(Float.self, 4 * workers.threads, rowLength))
        }
        workers.run(frames) { worker, frame in
            isWell[frame] = body(self, frame, buffers + worker &* 4 &* rowLength)
        }
        for frame in 0..<frames where !isWell[frame] {
            if let place = firstNotFinite(frame: frame, buffer: buffers) {
                throw .notFinite(tensor: tensor, frame: frame, token: place.token, channel: place.channel)
            }
            if let place = firstNotRepresentable(frame: frame, rows: buffers) {
                throw .notRepresentable(row: place.token, channel: place.channel, type: type)
            }
        }
    }

    /// The two rows or columns of the grid that make one of the pooled, and the weight of the second.
    private func sources(of index: Int) -> (low: Int, high: Int, weight: Float) {
        guard pooling == .bilinear else { return (2 * index, 2 * index + 1, 0.5) }
        let centre = (Double(index) + 0.5) * Double(grid) / Double(side) - 0.5
        let low = Swift.min(Int(Swift.max(0, centre)), grid - 1)
        return (low, Swift.min(low + 1, grid - 1), Float(Swift.max(0, centre) - Double(low)))
    }

    /// Pools a frame; whether all numbers that it read are finite.
    private func pool(frame: Int, rows: UnsafeMutablePointer<Float>) -> Bool {
        var poison: Float = 0
        for row in 0..<side {
            let first = (frame &* side &+ row) &* side &* channels
            guard type != .float32 else {
                poison += pool(frame, row, rows, into: target.assumingMemoryBound(to: Float.self) + first)
                continue
            }
            let pooled = rows + 3 &* rowLength
            poison += pool(frame, row, rows, into: pooled)
            Rounding.fromFloat32(pooled, to: type, count: side &* channels, into: target + first &* type.size)
        }
        return poison == 0
    }

    /// Pools a row of the pooled grid. Returns 0 where all numbers that it read are finite and NaN else.
    private func pool(
        _ frame: Int, _ row: Int, _ rows: UnsafeMutablePointer<Float>, into pooled: UnsafeMutablePointer<Float>
    ) -> Float {
        let (upper, lower, both) = (rows, rows + rowLength, rows + 2 &* rowLength)
        // Columns that are read: an odd last one may be dropped.
        let columns = sources(of: side - 1).high + 1
        let vertical = sources(of: row)
        load(frame, vertical.low, columns: columns, into: upper)
        load(frame, vertical.high, columns: columns, into: lower)
        let poison = combine(upper, lower, vertical.weight, count: columns &* channels, into: both)
        for column in 0..<side {
            let horizontal = sources(of: column)
            _ = combine(
                both + horizontal.low &* channels, both + horizontal.high &* channels, horizontal.weight,
                count: channels, into: pooled + column &* channels)
        }
        return poison
    }

    /// The first pooled number of a frame that would be infinite in the type that is wanted.
    private func firstNotRepresentable(
        frame: Int, rows: UnsafeMutablePointer<Float>
    ) -> (token: Int, channel: Int)? {
        let pooled = rows + 3 &* rowLength
        for row in 0..<side {
            _ = pool(frame, row, rows, into: pooled)
            guard !Rounding.fits(pooled, in: type, count: side &* channels) else { continue }
            for index in 0..<(side &* channels) where !Rounding.fits(pooled + index, in: type, count: 1) {
                return ((frame &* side &+ row) &* side &+ index / channels, index % channels)
            }
        }
        return nil
    }

    /// The first columns of a row of the grid in float32.
    private func load(_ frame: Int, _ row: Int, columns: Int, into buffer: UnsafeMutablePointer<Float>) {
        let start = source.address(frame: frame, token: row &* grid)
        if source.tokenStride == channels {
            Conversion.toFloat32(start, source.type, count: columns &* channels, into: buffer)
        } else {
            for column in 0..<columns {
                Conversion.toFloat32(
                    start + column &* source.tokenStride &* source.type.size, source.type, count: channels,
                    into: buffer + column &* channels)
            }
        }
    }

    /// 0 where all numbers are finite and NaN else.
    private func poison(_ numbers: UnsafePointer<Float>, count: Int) -> Float {
        let raw = UnsafeRawPointer(numbers)
        var poison = SIMD8<Float>.zero
        var index = 0
        while index &+ 8 <= count {
            poison += raw.loadUnaligned(fromByteOffset: index &* 4, as: SIMD8<Float>.self) * 0
            index &+= 8
        }
        var total = poison.sum()
        while index < count {
            total += numbers[index] * 0
            index &+= 1
        }
        return total
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

    private func firstNotFinite(
        frame: Int, buffer: UnsafeMutablePointer<Float>
    ) -> (token: Int, channel: Int)? {
        let used = sources(of: side - 1).high + 1
        for row in 0..<used {
            load(frame, row, columns: used, into: buffer)
            for index in 0..<(used * channels) where !buffer[index].isFinite {
                return (row * grid + index / channels, index % channels)
            }
        }
        return nil
    }
}
