// What a call hands out, once all is decided: into a result of Swift arrays, or into memory of the caller's.

// MARK: - Into a result

extension Compression {
    /// Writes rows, tables and statistics into a result, in its storage where it fits.
    func deliver(_ rows: OutputRows, segments: Int, firstFrame: Int, to video: inout CompressedVideo) {
        let (count, tokens) = (rowCount, frames * tokensPerFrame)
        let isComplete = configuration.semantics == .definition
        let firstToken = firstFrame * tokensPerFrame
        video.shape = clip.shape
        video.firstFrame = firstFrame
        resize(&video.tokens, to: count * channels, filling: 0)
        resize(&video.indices, to: count, filling: 0)
        resize(&video.kinds, to: count, filling: .selected)
        resize(&video.segmentLengths, to: segments, filling: 0)
        resize(&video.parents, to: tokens, filling: -1)
        resize(&video.assignment, to: isComplete ? tokens : 0, filling: -1)
        resize(&video.counts, to: isComplete ? count : 0, filling: 0)

        // Sound: the array holds as many elements as were just asked for, and is not touched otherwise meanwhile.
        video.tokens.withUnsafeMutableBytes { tokens in
            guard let tokens = tokens.baseAddress else { return }
            deliver(rows, to: tokens, .float32, stride: channels)
        }
        for row in 0..<count {
            video.indices[row] = rows.indices[row] + firstToken
            video.kinds[row] = rows.kinds[row]
        }
        for segment in 0..<segments {
            video.segmentLengths[segment] = frames(ofSegment: segment).count
        }
        for token in 0..<tokens {
            let parent = Int(tables.parents[token])
            video.parents[token] = parent < 0 ? parent : parent + firstToken
        }
        if isComplete {
            for row in 0..<count { video.counts[row] = 0 }
            for token in 0..<tokens {
                let row = Int(tables.rows[token])
                video.assignment[token] = row
                if row >= 0 { video.counts[row] += 1 }
            }
        }
        addStatistics(to: &video.statistics)
    }

    private func resize<Element>(_ array: inout [Element], to count: Int, filling value: Element) {
        guard array.count != count else { return }
        array.removeAll(keepingCapacity: array.capacity >= count)
        array.reserveCapacity(count)
        array.append(contentsOf: repeatElement(value, count: count))
    }

    /// Sums up what the workers noted. The wall time is the caller's to add.
    func addStatistics(to statistics: inout CompressedVideo.Statistics) {
        for stage in CompressedVideo.Stage.allCases {
            statistics.stageSeconds[stage.rawValue] = 0
        }
        statistics.closeCalls = 0
        statistics.threads = pool.threads
        for index in 0..<pool.threads {
            for stage in 0..<CompressedVideo.Stage.allCases.count {
                statistics.stageSeconds[stage] += workers[index].seconds[stage]
            }
            statistics.closeCalls += workers[index].closeCalls.pointee
        }
    }
}

// MARK: - Into the caller's memory

extension Compression {
    /// Hands out what ``makeRows(segments:into:)`` made; nothing fails on the way: see ``checkRepresentable(_:in:)``.
    func deliver(_ rows: OutputRows, segments: Int, to destination: Destination, firstToken: Int) {
        deliver(rows, to: destination.tokens, destination.buffers.tokenType, stride: destination.rowStride)
        switch destination.buffers.indexType {
        case .int32: deliver(rows, segments, destination, firstToken, as: Int32.self)
        case .int64: deliver(rows, segments, destination, firstToken, as: Int64.self)
        }
        if let kinds = destination.buffers.kinds {
            for row in 0..<rowCount { kinds[row] = rows.kinds[row].rawValue }
        }
    }

    /// Throws for the first number that would become infinite in a type. A mean or a maximum of numbers of a type lies within
    /// the type.
    func checkRepresentable(_ rows: OutputRows, in type: ScalarType) throws(FlashVIDError) {
        guard type != .float32, clip.type != type || configuration.semantics == .published else { return }
        for row in 0..<rowCount {
            let values = values(ofRow: row, rows, workers[0])
            guard !Rounding.fits(values, in: type, count: channels) else { continue }
            for channel in 0..<channels where !Rounding.fits(values + channel, in: type, count: 1) {
                throw .notRepresentable(row: row, channel: channel, type: type)
            }
        }
    }

    /// Writes all rows, `stride` numbers of a type apart.
    private func deliver(
        _ rows: OutputRows, to tokens: UnsafeMutableRawPointer, _ type: ScalarType, stride: Int
    ) {
        // Sound: frames write disjoint rows.
        nonisolated(unsafe) let tokens = tokens
        parallelToTheEnd(.contextual, frames, (self, rows, tokens, type, stride)) { context, worker, frame in
            let (clip, rows, tokens, type, stride) = context
            for row in clip.tables.firstRows[frame]..<clip.tables.firstRows[frame + 1] {
                let target = tokens + row &* stride &* type.size
                if clip.clip.type == type, rows.kinds[row] == .selected, !rows.holdsSelected {
                    clip.clip.copyToken(rows.indices[row], bytesTo: target)
                } else {
                    Rounding.fromFloat32(
                        clip.values(ofRow: row, rows, worker), to: type, count: clip.channels, into: target)
                }
            }
        }
    }

    /// A row in float32, in place or converted into the worker's room.
    private func values(ofRow row: Int, _ rows: OutputRows, _ worker: Worker) -> UnsafePointer<Float> {
        rows.kinds[row] == .contextual || rows.holdsSelected
            ? UnsafePointer(rows.row(row)) : clip.token(rows.indices[row], convertedInto: worker.rowA)
    }

    private func deliver<Integer: FixedWidthInteger & BitwiseCopyable>(
        _ rows: OutputRows, _ segments: Int, _ destination: Destination, _ firstToken: Int, as type: Integer.Type
    ) {
        // Sound: the buffers were checked to be aligned and to hold as many integers of this type.
        func integers(_ buffer: UnsafeMutableRawPointer?) -> UnsafeMutablePointer<Integer>? {
            buffer?.assumingMemoryBound(to: type)
        }
        let tokens = frames * tokensPerFrame
        let indices = destination.indices.assumingMemoryBound(to: type)
        for row in 0..<rowCount { indices[row] = Integer(truncatingIfNeeded: rows.indices[row] &+ firstToken) }
        if let lengths = integers(destination.buffers.segmentLengths) {
            for segment in 0..<segments {
                lengths[segment] = Integer(truncatingIfNeeded: frames(ofSegment: segment).count)
            }
        }
        if let parents = integers(destination.buffers.parents) {
            for token in 0..<tokens {
                let parent = Int(tables.parents[token])
                parents[token] = Integer(truncatingIfNeeded: parent < 0 ? parent : parent &+ firstToken)
            }
        }
        if let assignment = integers(destination.buffers.assignment) {
            for token in 0..<tokens { assignment[token] = Integer(truncatingIfNeeded: tables.rows[token]) }
        }
        if let counts = integers(destination.buffers.counts) {
            for row in 0..<rowCount { counts[row] = 0 }
            for token in 0..<tokens where tables.rows[token] >= 0 { counts[Int(tables.rows[token])] += 1 }
        }
    }
}
