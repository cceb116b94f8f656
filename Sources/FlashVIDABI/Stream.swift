public import CFlashVID
import FlashVID

private typealias StreamHandle = Handle<VideoStream>

@c @implementation
public func flashvid_stream_create(
    _ configuration: UnsafePointer<flashvid_configuration>!, _ tokens_per_frame: Int64, _ channels: Int64,
    _ type: flashvid_scalar, _ threads: Int32, _ stream: UnsafeMutablePointer<OpaquePointer?>!,
    _ message: UnsafeMutablePointer<CChar>!, _ message_capacity: Int
) -> flashvid_status {
    report(message, message_capacity) { () throws(Failure) in
        let configuration = try Configuration(reading: configuration)
        let stream = try place(stream, "stream")
        let threads = try threadCount(threads)
        let type = try ScalarType(type, of: "features")
        let engine: VideoStream
        do throws(FlashVIDError) {
            engine = try VideoStream(
                configuration, of: type, tokensPerFrame: Int(tokens_per_frame), channels: Int(channels),
                threads: threads)
        } catch {
            throw Failure(error)
        }
        let count = engine.threads
        stream.pointee = StreamHandle.give(StreamHandle(engine, threads: count))
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
        let taken = taken == nil ? nil : try place(taken, "taken")
        var count = 0
        defer { taken?.pointee = Int64(count) }
        let view = try ClipView(reading: clip)
        do throws(FlashVIDError) {
            try engine.push(view, from: Int(first), taken: &count)
        } catch {
            throw Failure(error)
        }
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
        let frames = try place(frames, "frames")
        frames.pointee = Int64(engine.closedFrames)
    }
}

@c @implementation
public func flashvid_stream_next(
    _ stream: OpaquePointer!, _ output: UnsafeMutablePointer<flashvid_output>!
) -> flashvid_status {
    StreamHandle.call(stream) { engine, statistics throws(Failure) in
        let (buffers, size) = try OutputBuffers.reading(output)
        let firstFrame = engine.firstFrame
        let outcome: Outcome?
        do throws(FlashVIDError) {
            outcome = try engine.nextSegment(into: buffers, statistics: &statistics)
        } catch {
            throw Failure(error)
        }
        guard let outcome else { throw Failure(FLASHVID_NO_SEGMENT, "no segment is closed") }
        output.set(outcome, firstFrame: firstFrame, structSize: size)
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
