public import CFlashVID
import FlashVID

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

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

/// A clip of a batch: what was read of it.
private struct Item: BitwiseCopyable {
    var view: ClipView
    var buffers: OutputBuffers
    var structSize: Int
    /// Its place in the caller's batch.
    var place: Int
}

/// The first clip of a batch that was not compressed.
private struct FirstFailure: Sendable {
    private(set) var failure: Failure?
    private var place = Int.max

    mutating func note(_ failure: Failure, at place: Int) {
        guard place < self.place else { return }
        self.place = place
        self.failure = Failure(Int(failure.status), "clip \(place): \(failure.text)")
    }
}

/// Clips of a batch at the most.
private let maximumBatch = 1 << 24

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
        guard count <= maximumBatch else { throw Failure(FLASHVID_INVALID_ARGUMENT, "a batch of \(count) clips") }
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
        let results = try translating { () throws(FlashVIDError) in try Memory.allocate(flashvid_status.self, count) }
        defer { free(results) }
        let items = try translating { () throws(FlashVIDError) in try Memory.allocate(Item.self, count) }
        defer { free(items) }

        let first = Guarded(FirstFailure())
        var itemCount = 0
        for place in 0..<count {
            do throws(Failure) {
                let view = try ClipView(reading: clips[place])
                let (buffers, size) = try OutputBuffers.reading(outputs[place])
                items[itemCount] = Item(view: view, buffers: buffers, structSize: size, place: place)
                itemCount += 1
            } catch {
                results[place] = error.status
                first.withLock { $0.note(error, at: place) }
            }
        }
        try checkApart(outputs, count)
        let item = { (index: Int) in (items[index].view, items[index].buffers) }
        let overlap = try translating { () throws(FlashVIDError) in
            try engine.firstOverlap(count: itemCount, clip: item)
        }
        if let overlap {
            let (one, other) = (items[overlap.0].place, items[overlap.1].place)
            throw Failure(FLASHVID_OVERLAP, "the buffers of clips \(one) and \(other) overlap")
        }
        try translating { () throws(FlashVIDError) in
            try engine.compressBatch(
                itemCount, clip: item,
                report: { index, attempt in
                    // Sound: each index is reported once, and no two of them have a place in common.
                    let item = items[index]
                    switch attempt {
                    case .succeeded(let outcome):
                        outputs[item.place]?.set(outcome, firstFrame: 0, structSize: item.structSize)
                        results[item.place] = flashvid_status(FLASHVID_OK)
                    case .failed(let error):
                        let failure = Failure(error)
                        results[item.place] = failure.status
                        first.withLock { $0.note(failure, at: item.place) }
                    }
                },
                statistics: &statistics)
        }
        statuses?.update(from: results, count: count)
        if let failure = first.withLock({ $0.failure }) { throw failure }
    }
}

/// Throws where two clips of a batch have one output struct.
private func checkApart(
    _ outputs: UnsafePointer<UnsafeMutablePointer<flashvid_output>?>, _ count: Int
) throws(Failure) {
    struct Output: BitwiseCopyable {
        let address: UInt
        let place: Int
    }
    let sorted = try translating { () throws(FlashVIDError) in try Memory.allocate(Output.self, count) }
    defer { free(sorted) }
    for place in 0..<count { sorted[place] = Output(address: UInt(bitPattern: outputs[place]), place: place) }
    qsort(sorted, count, MemoryLayout<Output>.stride) { first, second in
        guard let first = first?.assumingMemoryBound(to: Output.self).pointee,
            let second = second?.assumingMemoryBound(to: Output.self).pointee
        else { return 0 }
        return first.address < second.address ? -1 : first.address > second.address ? 1 : 0
    }
    for index in 1..<max(1, count) where sorted[index].address == sorted[index - 1].address {
        guard sorted[index].address != 0 else { continue }
        let (one, other) = (sorted[index - 1].place, sorted[index].place)
        throw Failure(FLASHVID_OVERLAP, "clips \(min(one, other)) and \(max(one, other)) have one output struct")
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
