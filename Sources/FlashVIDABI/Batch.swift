public import CFlashVID
import FlashVID
import FlashVIDLibC

/// A clip and where its result goes.
struct LentClip: BitwiseCopyable {
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

/// The clips of a batch, in memory of its own.
private struct Batch: ~Copyable {
    /// More clips than this are refused.
    static let most = 1 << 20

    /// What was wrong with the first clip at fault.
    private struct FirstFailure: Sendable {
        private(set) var failure: Failure?
        private var place = Int.max

        mutating func note(_ failure: Failure, of place: Int) {
            guard place < self.place else { return }
            self.place = place
            self.failure = Failure(Int(failure.status), "clip \(place): \(failure.text)")
        }
    }

    private struct Item: BitwiseCopyable {
        let clip: LentClip
        /// In the caller's lists.
        let place: Int
    }

    /// [count] what became of each clip.
    let statuses: UnsafeMutablePointer<flashvid_status>
    /// Those that could be read.
    private let items: UnsafeMutablePointer<Item>
    private var count = 0
    private let first = Guarded(FirstFailure())

    var failure: Failure? { first.withLock { $0.failure } }

    init(
        _ clips: UnsafePointer<UnsafePointer<flashvid_clip>?>?,
        _ outputs: UnsafePointer<UnsafeMutablePointer<flashvid_output>?>?, _ number: Int, noting lent: inout LentPieces
    ) throws(Failure) {
        guard let clips else { throw .null("clips") }
        guard let outputs else { throw .null("outputs") }
        try lent.note { () throws(FlashVIDError) in try clips.extent("clips", count: number, for: .reading) }
        try lent.note { () throws(FlashVIDError) in try outputs.extent("outputs", count: number, for: .reading) }
        (statuses, items) = try translating { () throws(FlashVIDError) in
            let statuses = try Memory.allocate(flashvid_status.self, number)
            do throws(FlashVIDError) {
                return (statuses, try Memory.allocate(Item.self, number))
            } catch {
                free(statuses)
                throw error
            }
        }
        for place in 0..<number {
            do throws(Failure) {
                items[count] = Item(clip: try LentClip(clips[place], outputs[place]), place: place)
                count += 1
            } catch {
                note(error, of: place)
            }
        }
    }

    deinit {
        free(statuses)
        free(items)
    }

    private func note(_ failure: Failure, of place: Int) {
        statuses[place] = failure.status
        first.withLock { $0.note(failure, of: place) }
    }

    /// Throws where one clip writes to what another one, or the batch as a whole, reads or writes.
    func checkApart(_ engine: borrowing Compressor, besides others: LentPieces) throws(Failure) {
        let items = items
        let overlap = try translating { () throws(FlashVIDError) in
            try engine.firstOverlap(
                count: count, clip: { (items[$0].clip.view, items[$0].clip.buffers) }, others: others)
        }
        guard let (one, other) = overlap else { return }
        guard one < 0 || other < 0 else {
            let (one, other) = (items[one].place, items[other].place)
            throw Failure(FLASHVID_OVERLAP, "the buffers of clips \(one) and \(other) overlap")
        }
        // Two lists that overlap were found before.
        throw Failure(
            .overlap("clip \(items[max(one, other)].place)", "\(others[-1 - min(one, other)].name)"))
    }

    /// Compresses the clips.
    func run(on engine: inout Compressor, _ statistics: inout CompressedVideo.Statistics) throws(Failure) {
        // Sound: each clip is reported once, and no two of them have a place in common.
        nonisolated(unsafe) let (items, statuses) = (items, statuses)
        let first = first
        try translating { () throws(FlashVIDError) in
            try engine.compressBatch(
                count, clip: { (items[$0].clip.view, items[$0].clip.buffers) },
                report: { index, attempt in
                    let item = items[index]
                    switch attempt {
                    case .succeeded(let outcome):
                        item.clip.output.deliver(outcome, firstFrame: 0, firstRow: 0)
                        statuses[item.place] = flashvid_status(FLASHVID_OK)
                    case .failed(let error):
                        let failure = Failure(error)
                        statuses[item.place] = failure.status
                        first.withLock { $0.note(failure, of: item.place) }
                    }
                },
                statistics: &statistics)
        }
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
        func refuse(_ error: Failure) -> Failure {
            if !error.isMute { statuses?.update(repeating: flashvid_status(FLASHVID_NOT_TRIED), count: count) }
            return error
        }
        let batch: Batch
        do throws(Failure) {
            batch = try Batch(clips, outputs, count, noting: &lent)
        } catch {
            throw refuse(error)
        }
        do throws(Failure) {
            try batch.checkApart(engine, besides: lent)
            try batch.run(on: &engine, &statistics)
        } catch {
            throw refuse(error)
        }
        statuses?.update(from: batch.statuses, count: count)
        if let failure = batch.failure { throw failure }
    }
}
