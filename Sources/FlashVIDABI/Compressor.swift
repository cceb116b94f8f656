public import CFlashVID
import FlashVID

private typealias CompressorHandle = Handle<Compressor>

@c @implementation
public func flashvid_compressor_create(
    _ configuration: UnsafePointer<flashvid_configuration>!, _ threads: Int32,
    _ compressor: UnsafeMutablePointer<OpaquePointer?>!, _ message: UnsafeMutablePointer<CChar>!,
    _ message_capacity: Int
) -> flashvid_status {
    report(message, message_capacity) { lent throws(Failure) in
        let configuration = try Configuration(reading: configuration, noting: &lent)
        let compressor = try result(compressor, "compressor", noting: &lent)
        let threads = try threadCount(threads)
        let engine = try translating { () throws(FlashVIDError) in try Compressor(configuration, threads: threads) }
        let (pool, watch) = (engine.pool, engine.watch)
        compressor.pointee = CompressorHandle.give(
            CompressorHandle(engine, pool: pool, watch: watch, facts: Facts(configuration: configuration)))
    }
}

@c @implementation
public func flashvid_compressor_destroy(_ compressor: OpaquePointer!) -> flashvid_status {
    CompressorHandle.destroy(compressor)
}

@c @implementation
public func flashvid_compressor_threads(_ compressor: OpaquePointer!) -> Int32 {
    Int32((try? CompressorHandle.at(compressor))?.threads ?? 0)
}

@c @implementation
public func flashvid_compressor_compress(
    _ compressor: OpaquePointer!, _ clip: UnsafePointer<flashvid_clip>!,
    _ output: UnsafeMutablePointer<flashvid_output>!
) -> flashvid_status {
    CompressorHandle.call(compressor) { engine, statistics throws(Failure) in
        let clip = try LentClip(clip, output)
        let outcome = try translating { () throws(FlashVIDError) in
            try engine.compress(clip.view, into: clip.buffers, statistics: &statistics)
        }
        clip.output.deliver(outcome, firstFrame: 0, firstRow: 0)
    }
}

@c @implementation
public func flashvid_compressor_error(
    _ compressor: OpaquePointer!, _ message: UnsafeMutablePointer<CChar>!, _ message_capacity: Int
) -> Int {
    CompressorHandle.error(compressor, message, message_capacity)
}

@c @implementation
public func flashvid_compressor_statistics(
    _ compressor: OpaquePointer!, _ statistics: UnsafeMutablePointer<flashvid_statistics>!
) -> flashvid_status {
    CompressorHandle.statistics(compressor, statistics)
}

// MARK: - Control

@c @implementation
public func flashvid_compressor_close(_ compressor: OpaquePointer!) -> flashvid_status {
    CompressorHandle.destroy(compressor, waiting: true)
}

@c @implementation
public func flashvid_compressor_cancel(_ compressor: OpaquePointer!) -> flashvid_status {
    CompressorHandle.cancel(compressor)
}

@c @implementation
public func flashvid_compressor_set_time_limit(_ compressor: OpaquePointer!, _ seconds: Double) -> flashvid_status {
    CompressorHandle.setTimeLimit(compressor, seconds)
}

@c @implementation
public func flashvid_compressor_set_progress(
    _ compressor: OpaquePointer!, _ progress: flashvid_progress!, _ context: UnsafeMutableRawPointer!
) -> flashvid_status {
    CompressorHandle.setProgress(compressor, progress, context)
}

// MARK: - What a handle is

@c @implementation
public func flashvid_compressor_configuration(
    _ compressor: OpaquePointer!, _ configuration: UnsafeMutablePointer<flashvid_configuration>!, _ struct_size: Int
) -> flashvid_status {
    CompressorHandle.configuration(compressor, to: configuration, size: struct_size)
}

@c @implementation
public func flashvid_compressor_output_token_count(
    _ compressor: OpaquePointer!, _ frames: Int64, _ tokens_per_frame: Int64, _ count: UnsafeMutablePointer<Int64>!,
    _ message: UnsafeMutablePointer<CChar>!, _ message_capacity: Int
) -> flashvid_status {
    give(count, "count", message, message_capacity) { _ throws(Failure) in
        let configuration = try CompressorHandle.alive(compressor).facts.configuration
        return try translating { () throws(FlashVIDError) in
            Int64(try configuration.outputTokenCount(frames: Int(frames), tokensPerFrame: Int(tokens_per_frame)))
        }
    }
}

@c @implementation
public func flashvid_compressor_workspace_bytes(
    _ compressor: OpaquePointer!, _ frames: Int64, _ tokens_per_frame: Int64, _ channels: Int64,
    _ type: flashvid_scalar, _ bytes: UnsafeMutablePointer<Int64>!, _ message: UnsafeMutablePointer<CChar>!,
    _ message_capacity: Int
) -> flashvid_status {
    give(bytes, "bytes", message, message_capacity) { _ throws(Failure) in
        let handle = try CompressorHandle.alive(compressor)
        let type = try ScalarType(type, of: "features")
        return try translating { () throws(FlashVIDError) in
            Int64(
                try Compressor.workspaceBytes(
                    for: ClipShape(
                        frames: Int(frames), tokensPerFrame: Int(tokens_per_frame), channels: Int(channels)),
                    of: type, handle.facts.configuration, handle.pool))
        }
    }
}
