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
        let compressor = try place(compressor, "compressor", noting: &lent)
        let threads = try threadCount(threads)
        let engine: Compressor
        do throws(FlashVIDError) {
            engine = try Compressor(configuration, threads: threads)
        } catch {
            throw Failure(error)
        }
        let count = engine.threads
        compressor.pointee = CompressorHandle.give(CompressorHandle(engine, threads: count))
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
        let outcome: Outcome
        do throws(FlashVIDError) {
            outcome = try engine.compress(clip.view, into: clip.buffers, statistics: &statistics)
        } catch {
            throw Failure(error)
        }
        clip.output.deliver(outcome, firstFrame: 0)
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
