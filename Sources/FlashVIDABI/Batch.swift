public import CFlashVID
import FlashVID

/// A clip and where its result goes.
struct LentClip {
    let view: ClipView
    let output: LentOutput
    /// The two structs that say so.
    private let structs: InlineArray<2, Extent>

    init(
        _ clip: UnsafePointer<flashvid_clip>?, _ output: UnsafeMutablePointer<flashvid_output>?
    ) throws(Failure) {
        var lent = LentPieces()
        view = try ClipView(reading: clip, noting: &lent)
        self.output = try LentOutput(reading: output, noting: &lent)
        structs = [lent[0], lent[1]]
    }

    var buffers: OutputBuffers {
        // The structs do not meet, or this would not have been made.
        output.buffers(besides: (try? LentPieces().adding(structs)) ?? LentPieces())
    }
}

/// The clips of a batch.
private struct Batch {
    /// More clips than this are refused.
    static let most = 1 << 20

    /// What became of the clips.
    struct Outcomes: Sendable {
        var statuses: [flashvid_status]
        /// What was wrong with the first one at fault.
        var failure: (place: Int, reason: Failure)?

        mutating func note(_ reason: Failure, of place: Int) {
            statuses[place] = reason.status
            if place < failure?.place ?? .max { failure = (place, reason) }
        }
    }

    /// Those that could be read, and their places in the caller's lists.
    private var items: [(clip: LentClip, place: Int)] = []
    private var outcomes: Outcomes

    init(
        _ clips: UnsafePointer<UnsafePointer<flashvid_clip>?>?,
        _ outputs: UnsafePointer<UnsafeMutablePointer<flashvid_output>?>?, _ count: Int, noting lent: inout LentPieces
    ) throws(Failure) {
        guard let clips else { throw .null("clips") }
        guard let outputs else { throw .null("outputs") }
        try lent.note { () throws(FlashVIDError) in try clips.extent("clips", count: count, for: .reading) }
        try lent.note { () throws(FlashVIDError) in try outputs.extent("outputs", count: count, for: .reading) }
        try translating { () throws(FlashVIDError) in
            // Its own lists, and the list of their pieces of memory, which grows by doubling.
            try Memory.check(
                (count, MemoryLayout<(LentClip, Int)>.stride + 4), (count, 3 * 16 * MemoryLayout<Extent>.stride),
                of: "clips")
        }
        outcomes = Outcomes(statuses: [flashvid_status](repeating: flashvid_status(FLASHVID_OK), count: count))
        items.reserveCapacity(count)
        for place in 0..<count {
            do throws(Failure) {
                items.append((try LentClip(clips[place], outputs[place]), place))
            } catch {
                outcomes.note(error, of: place)
            }
        }
    }

    /// Throws where one clip writes to what another one, or the batch as a whole, reads or writes.
    func checkApart(_ engine: borrowing Compressor, besides others: LentPieces) throws(Failure) {
        guard
            let (first, second) = engine.firstOverlap(
                count: items.count, clip: { (items[$0].clip.view, items[$0].clip.buffers) }, others: others)
        else { return }
        guard let (own, other) = [(first, second), (second, first)].first(where: { $0.1 < 0 }) else {
            throw Failure(
                FLASHVID_OVERLAP, "the buffers of clips \(items[first].place) and \(items[second].place) overlap")
        }
        // Two lists that overlap were found before.
        throw Failure(.overlap("clip \(items[max(0, own)].place)", "\(others[-1 - other].name)"))
    }

    /// Compresses the clips.
    func run(on engine: inout Compressor, _ statistics: inout CompressedVideo.Statistics) -> Outcomes {
        let outcomes = Guarded(self.outcomes)
        engine.compressBatch(
            items.count, clip: { (items[$0].clip.view, items[$0].clip.buffers) },
            report: { index, result in
                switch result {
                case .success(let outcome): items[index].clip.output.deliver(outcome, firstFrame: 0, firstRow: 0)
                case .failure(let error): outcomes.withLock { $0.note(Failure(error), of: items[index].place) }
                }
            },
            statistics: &statistics)
        return outcomes.withLock { $0 }
    }
}

@c @implementation
public func flashvid_compressor_compress_batch(
    _ compressor: OpaquePointer!, _ clips: UnsafePointer<UnsafePointer<flashvid_clip>?>!,
    _ outputs: UnsafePointer<UnsafeMutablePointer<flashvid_output>?>!, _ count: Int64,
    _ statuses: UnsafeMutablePointer<flashvid_status>!
) -> flashvid_status {
    Handle<Compressor>.call(compressor) { engine, statistics throws(Failure) in
        let count = Int(count)
        guard count >= 0 else { throw Failure(FLASHVID_INVALID_ARGUMENT, "a batch of \(count) clips") }
        guard count <= Batch.most else {
            throw Failure(FLASHVID_SIZE_OVERFLOW, "a batch of \(count) clips; expected at most \(Batch.most)")
        }
        guard count > 0 else { return }
        var lent = LentPieces()
        if let statuses {
            try lent.note { () throws(FlashVIDError) in
                try UnsafePointer(statuses).extent(Message.statuses, count: count, for: .writing)
            }
        }
        let batch: Batch
        do throws(Failure) {
            batch = try Batch(clips, outputs, count, noting: &lent)
            try batch.checkApart(engine, besides: lent)
        } catch {
            if !error.isMute { statuses?.update(repeating: flashvid_status(FLASHVID_NOT_TRIED), count: count) }
            throw error
        }
        let outcomes = batch.run(on: &engine, &statistics)
        for place in 0..<count { statuses?[place] = outcomes.statuses[place] }
        if let (place, reason) = outcomes.failure {
            throw Failure(Int(reason.status), "clip \(place): \(reason.text)")
        }
    }
}
