public import CFlashVID
import FlashVID

private typealias StreamHandle = Handle<VideoStream>

@c @implementation
public func flashvid_stream_create(
    _ configuration: UnsafePointer<flashvid_configuration>!, _ tokens_per_frame: Int64, _ channels: Int64,
    _ type: flashvid_scalar, _ threads: Int32, _ stream: UnsafeMutablePointer<OpaquePointer?>!,
    _ message: UnsafeMutablePointer<CChar>!, _ message_capacity: Int
) -> flashvid_status {
    report(message, message_capacity) { lent throws(Failure) in
        let configuration = try Configuration(reading: configuration, noting: &lent)
        let stream = try result(stream, "stream", noting: &lent)
        let threads = try threadCount(threads)
        let type = try ScalarType(type, of: "features")
        let engine = try translating { () throws(FlashVIDError) in
            try VideoStream(
                configuration, of: type, tokensPerFrame: Int(tokens_per_frame), channels: Int(channels),
                threads: threads)
        }
        let (pool, watch) = (engine.pool, engine.watch)
        stream.pointee = StreamHandle.give(
            StreamHandle(
                engine, pool: pool, watch: watch,
                facts: Facts(
                    configuration: configuration, tokensPerFrame: Int(tokens_per_frame), channels: Int(channels),
                    type: type)))
    }
}

@c @implementation
public func flashvid_stream_destroy(_ stream: OpaquePointer!) -> flashvid_status {
    StreamHandle.destroy(stream)
}

@c @implementation
public func flashvid_stream_threads(_ stream: OpaquePointer!) -> Int32 {
    Int32((try? StreamHandle.at(stream))?.threads ?? 0)
}

@c @implementation
public func flashvid_stream_push(
    _ stream: OpaquePointer!, _ clip: UnsafePointer<flashvid_clip>!, _ first: Int64,
    _ taken: UnsafeMutablePointer<Int64>!
) -> flashvid_status {
    StreamHandle.call(stream) { engine, _ throws(Failure) in
        var lent = LentPieces()
        let taken = taken == nil ? nil : try result(taken, "taken", noting: &lent)
        var count = 0
        do throws(Failure) {
            let view = try ClipView(reading: clip, noting: &lent)
            try translating { () throws(FlashVIDError) in
                try engine.push(view, from: Int(first), taken: &count, besides: lent)
            }
        } catch {
            // Not where frames are missing, nor where the number would go into them.
            if error.status != flashvid_status(FLASHVID_NULL_POINTER), error.status != flashvid_status(FLASHVID_OVERLAP)
            {
                taken?.pointee = Int64(count)
            }
            throw error
        }
        taken?.pointee = Int64(count)
    }
}

@c @implementation
public func flashvid_stream_finish(_ stream: OpaquePointer!) -> flashvid_status {
    StreamHandle.call(stream) { engine, _ throws(Failure) in engine.finish() }
}

@c @implementation
public func flashvid_stream_segment_frames(
    _ stream: OpaquePointer!, _ frames: UnsafeMutablePointer<Int64>!
) -> flashvid_status {
    StreamHandle.call(stream) { engine, _ throws(Failure) in
        var lent = LentPieces()
        let frames = try result(frames, "frames", noting: &lent)
        frames.pointee = Int64(engine.closedFrames)
    }
}

@c @implementation
public func flashvid_stream_next(
    _ stream: OpaquePointer!, _ output: UnsafeMutablePointer<flashvid_output>!
) -> flashvid_status {
    StreamHandle.call(stream) { engine, statistics throws(Failure) in
        var lent = LentPieces()
        let given = try LentOutput(reading: output, noting: &lent)
        let (firstFrame, firstRow) = (engine.firstFrame, engine.firstRow)
        let outcome = try translating { () throws(FlashVIDError) in
            try engine.nextSegment(into: given.buffers(besides: lent), statistics: &statistics)
        }
        guard let outcome else { throw Failure(FLASHVID_NO_SEGMENT, "no segment is closed") }
        given.deliver(outcome, firstFrame: firstFrame, firstRow: firstRow)
    }
}

@c @implementation
public func flashvid_stream_reset(_ stream: OpaquePointer!) -> flashvid_status {
    StreamHandle.call(stream) { engine, _ throws(Failure) in engine.reset() }
}

@c @implementation
public func flashvid_stream_error(
    _ stream: OpaquePointer!, _ message: UnsafeMutablePointer<CChar>!, _ message_capacity: Int
) -> Int {
    StreamHandle.error(stream, message, message_capacity)
}

@c @implementation
public func flashvid_stream_statistics(
    _ stream: OpaquePointer!, _ statistics: UnsafeMutablePointer<flashvid_statistics>!
) -> flashvid_status {
    StreamHandle.statistics(stream, statistics)
}

// MARK: - Control

@c @implementation
public func flashvid_stream_close(_ stream: OpaquePointer!) -> flashvid_status {
    StreamHandle.destroy(stream, waiting: true)
}

@c @implementation
public func flashvid_stream_cancel(_ stream: OpaquePointer!) -> flashvid_status {
    StreamHandle.cancel(stream)
}

@c @implementation
public func flashvid_stream_set_time_limit(_ stream: OpaquePointer!, _ seconds: Double) -> flashvid_status {
    StreamHandle.setTimeLimit(stream, seconds)
}

@c @implementation
public func flashvid_stream_set_progress(
    _ stream: OpaquePointer!, _ progress: flashvid_progress!, _ context: UnsafeMutableRawPointer!
) -> flashvid_status {
    StreamHandle.setProgress(stream, progress, context)
}

// MARK: - What a handle is

@c @implementation
public func flashvid_stream_configuration(
    _ stream: OpaquePointer!, _ configuration: UnsafeMutablePointer<flashvid_configuration>!, _ struct_size: Int
) -> flashvid_status {
    StreamHandle.configuration(stream, to: configuration, size: struct_size)
}

@c @implementation
public func flashvid_stream_output_token_count(
    _ stream: OpaquePointer!, _ frames: Int64, _ count: UnsafeMutablePointer<Int64>!,
    _ message: UnsafeMutablePointer<CChar>!, _ message_capacity: Int
) -> flashvid_status {
    give(count, "count", message, message_capacity) { _ throws(Failure) in
        let facts = try StreamHandle.alive(stream).facts
        return try translating { () throws(FlashVIDError) in
            Int64(
                try facts.configuration.outputTokenCount(frames: Int(frames), tokensPerFrame: facts.tokensPerFrame))
        }
    }
}

@c @implementation
public func flashvid_stream_workspace_bytes(
    _ stream: OpaquePointer!, _ bytes: UnsafeMutablePointer<Int64>!, _ message: UnsafeMutablePointer<CChar>!,
    _ message_capacity: Int
) -> flashvid_status {
    give(bytes, "bytes", message, message_capacity) { _ throws(Failure) in
        let handle = try StreamHandle.alive(stream)
        return try translating { () throws(FlashVIDError) in
            Int64(
                try VideoStream.workspaceBytes(
                    tokensPerFrame: handle.facts.tokensPerFrame, channels: handle.facts.channels, of: handle.facts.type,
                    handle.facts.configuration, handle.pool))
        }
    }
}
