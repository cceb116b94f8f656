public import CFlashVID
import FlashVID

private typealias CompressorHandle = Handle<Compressor>

@c @implementation
public func flashvid_compressor_create(
    _ configuration: UnsafePointer<flashvid_configuration>!, _ threads: Int32,
    _ compressor: UnsafeMutablePointer<OpaquePointer?>!, _ message: UnsafeMutablePointer<CChar>!,
    _ message_capacity: Int
) -> flashvid_status {
    report(message, message_capacity) { () throws(Failure) in
        let configuration = try Configuration(reading: configuration)
        let compressor = try place(compressor, "compressor")
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
        let view = try ClipView(reading: clip)
        let (buffers, size) = try OutputBuffers.reading(output)
        let outcome: Outcome
        do throws(FlashVIDError) {
            outcome = try engine.compress(view, into: buffers, statistics: &statistics)
        } catch {
            throw Failure(error)
        }
        output.set(outcome, firstFrame: 0, structSize: size)
    }
}

/// A clip of a batch: what was read of it, and what became of it.
private struct Item {
    var view: ClipView
    var buffers: OutputBuffers
    var structSize: Int
    /// Its place in the caller's batch.
    var place: Int
}

@c @implementation
public func flashvid_compressor_compress_batch(
    _ compressor: OpaquePointer!, _ clips: UnsafePointer<UnsafePointer<flashvid_clip>?>!,
    _ outputs: UnsafePointer<UnsafeMutablePointer<flashvid_output>?>!, _ count: Int64,
    _ statuses: UnsafeMutablePointer<flashvid_status>!
) -> flashvid_status {
    CompressorHandle.call(compressor) { engine, statistics throws(Failure) in
        let count = Int(count)
        guard count >= 0 else { throw Failure(FLASHVID_INVALID_ARGUMENT, "a batch of \(count) clips") }
        guard count > 0 else { return }
        guard count <= 1 << 24 else { throw Failure(FLASHVID_INVALID_ARGUMENT, "a batch of \(count) clips") }
        guard let clips else { throw .null("clips") }
        guard let outputs else { throw .null("outputs") }
        try translating { () throws(FlashVIDError) in
            _ = try clips.extent("clips")
            _ = try outputs.extent("outputs")
            _ = try statuses?.extent("statuses")
        }
        if let statuses {
            for place in 0..<count { statuses[place] = flashvid_status(FLASHVID_NOT_TRIED) }
        }

        var failures = [Failure?](repeating: nil, count: count)
        var items: [Item] = []
        items.reserveCapacity(count)
        for place in 0..<count {
            do throws(Failure) {
                let view = try ClipView(reading: clips[place])
                let (buffers, size) = try OutputBuffers.reading(outputs[place])
                items.append(Item(view: view, buffers: buffers, structSize: size, place: place))
            } catch {
                failures[place] = error
            }
        }
        for (first, second) in zip(outputs.sortedAddresses(count), outputs.sortedAddresses(count).dropFirst())
        where first.address == second.address {
            throw Failure(FLASHVID_OVERLAP, "clips \(first.place) and \(second.place) have one output struct")
        }
        let item = { (index: Int) in (items[index].view, items[index].buffers) }
        if let (first, second) = engine.firstOverlap(count: items.count, clip: item) {
            throw Failure(
                FLASHVID_OVERLAP,
                "the buffers of clips \(items[first].place) and \(items[second].place) overlap")
        }
        failures.withUnsafeMutableBufferPointer { failures in
            // Sound: each index is reported once, and no two of them have a place in common.
            nonisolated(unsafe) let failures = failures
            engine.compressBatch(
                items.count, clip: item,
                report: { index, result in
                    let item = items[index]
                    switch result {
                    case .success(let outcome):
                        outputs[item.place]?.set(outcome, firstFrame: 0, structSize: item.structSize)
                    case .failure(let error):
                        failures[item.place] = Failure(error)
                    }
                },
                statistics: &statistics)
        }
        if let statuses {
            for place in 0..<count { statuses[place] = failures[place]?.status ?? flashvid_status(FLASHVID_OK) }
        }
        for place in 0..<count {
            if let failure = failures[place] {
                throw Failure(Int(failure.status), "clip \(place): \(failure.text)")
            }
        }
    }
}

extension UnsafePointer<UnsafeMutablePointer<flashvid_output>?> {
    /// The output structs of a batch by their address, those that are NULL left out.
    fileprivate func sortedAddresses(_ count: Int) -> [(address: UInt, place: Int)] {
        (0..<count).compactMap { place in self[place].map { (UInt(bitPattern: $0), place) } }.sorted { $0 < $1 }
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
