// What a call hands out, once all is decided: into a result of Swift arrays, or into memory of the caller's.

// MARK: - Into a result

extension Compression {
    /// Writes rows, tables and statistics into a result, in its storage where it fits.
    func write(segments: Int, firstFrame: Int, into video: inout CompressedVideo) {
        let (rows, tokens) = (rowCount, frames * tokensPerFrame)
        let isComplete = configuration.semantics == .definition
        let firstToken = firstFrame * tokensPerFrame
        video.shape = clip.shape
        video.firstFrame = firstFrame
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
                    write(
                        segments: segments,
                        into: OutputRows(tokens: values, stride: channels, indices: indices, kinds: kinds))
                }
            }
        }
        for segment in 0..<segments {
            video.segmentLengths[segment] = frames(ofSegment: segment).count
        }
        for token in 0..<tokens {
            let parent = Int(tables.parents[token])
            video.parents[token] = parent < 0 ? parent : parent + firstToken
        }
        if firstToken > 0 {
            for row in 0..<rows { video.indices[row] += firstToken }
        }
        if isComplete {
            for row in 0..<rows { video.counts[row] = 0 }
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
    /// Room for the rows: the caller's where they are float32, else in the workspace, to be converted when all is known
    /// to fit. Indices and kinds are worked on and always kept in the workspace.
    func layOutRows(_ destination: Destination, capacity: Int, plan: inout Arena.Plan) -> OutputRows {
        let isDirect = destination.buffers.tokenType == .float32
        let indices = plan.take(Int.self, capacity)
        let kinds = plan.take(CompressedVideo.Kind.self, capacity)
        let room = plan.take(Float.self, isDirect ? 0 : capacity, channels)
        return OutputRows(
            tokens: isDirect ? destination.tokens.assumingMemoryBound(to: Float.self) : room,
            stride: isDirect ? destination.rowStride : channels, indices: indices, kinds: kinds)
    }

    /// Hands out what ``write(segments:into:)`` made. Throws before it writes anything, and only where rows are converted.
    func deliver(
        _ rows: OutputRows, segments: Int, to destination: Destination, firstToken: Int
    ) throws(FlashVIDError) {
        if destination.buffers.tokenType != .float32 {
            if let error = firstNotRepresentable(rows, in: destination.buffers.tokenType) { throw error }
            convert(rows, into: destination)
        }
        switch destination.buffers.indexType {
        case .int32: deliver(rows, segments, destination, firstToken, as: Int32.self)
        case .int64: deliver(rows, segments, destination, firstToken, as: Int64.self)
        }
        if let kinds = destination.buffers.kinds {
            for row in 0..<rowCount { kinds[row] = rows.kinds[row].rawValue }
        }
    }

    private func convert(_ rows: OutputRows, into destination: Destination) {
        let rounded = (
            base: destination.tokens, stride: destination.rowStride, type: destination.buffers.tokenType
        )
        parallel(.contextual, frames, (self, rows, rounded)) { context, _, frame in
            let (clip, rows, rounded) = context
            for row in clip.tables.firstRows[frame]..<clip.tables.firstRows[frame + 1] {
                Rounding.fromFloat32(
                    rows.row(row), to: rounded.type, count: clip.channels,
                    into: rounded.base + row &* rounded.stride &* rounded.type.size)
            }
        }
    }

    /// The first number that would become infinite. A mean or a maximum of numbers of a type lies within the type.
    private func firstNotRepresentable(_ rows: OutputRows, in type: ScalarType) -> FlashVIDError? {
        guard clip.type != type || configuration.semantics == .published else { return nil }
        for row in 0..<rowCount {
            let values = rows.row(row)
            guard !Rounding.fits(values, in: type, count: channels) else { continue }
            for channel in 0..<channels where !Rounding.fits(values + channel, in: type, count: 1) {
                return .notRepresentable(row: row, channel: channel, type: type)
            }
        }
        return nil
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
