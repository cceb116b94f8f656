import FlashVIDLibC

/// Workspace of a thread that works on whole clips.
final class Lane: @unchecked Sendable {
    // Sound: a lane is used by the one thread whose number it has.
    let pool: WorkerPool
    var arena = Arena()
    var statistics = CompressedVideo.Statistics()
    var total = CompressedVideo.Statistics()

    init() throws(FlashVIDError) {
        // No threads of its own: the one that works here is of the compressor's pool, and counted there.
        pool = try WorkerPool(threads: 1, multiplying: false)
    }
}

/// What became of a clip of a batch.
package enum Attempt {
    case succeeded(Outcome)
    case failed(FlashVIDError)

    init(_ attempt: () throws(FlashVIDError) -> Outcome) {
        do throws(FlashVIDError) { self = .succeeded(try attempt()) } catch { self = .failed(error) }
    }
}

extension Compressor {
    /// Compresses `count` clips. One that is under way when the call is ended, and those after it, fail with
    /// ``FlashVIDError/cancelled(by:)``.
    /// Where there are as many as threads, each thread works on clips of its own; else they are
    /// compressed one after the other by all threads. The results are the same.
    ///
    /// `clip` gives a clip and its buffers; `report` is told the outcome of each, once. Both are called on any of the
    /// threads, with different indices at the same time. What one clip writes no other may read or write: see
    /// ``firstOverlap(count:clip:)``. `statistics` become the sums over the clips.
    package mutating func compressBatch(
        _ count: Int, clip: (Int) -> (ClipView, OutputBuffers), report: (Int, Attempt) -> Void,
        statistics: inout CompressedVideo.Statistics
    ) throws(FlashVIDError) {
        let start = Clock.now
        let workers = count >= threads ? threads : 1
        while lanes.count < workers { lanes.append(try Lane()) }
        for lane in lanes { lane.total.reset() }
        watch.expect((0..<max(0, count)).reduce(0) { $0 + Work.total(clip($1).0.shape, configuration) })
        if workers > 1 {
            let (lanes, configuration, watch) = (self.lanes, self.configuration, self.watch)
            pool.run(count) { worker, index in
                let (lane, (view, buffers)) = (lanes[worker], clip(index))
                let attempt = Attempt { () throws(FlashVIDError) in
                    try Self.compress(
                        view, into: buffers, firstToken: 0, configuration, lane.pool, watch, &lane.arena,
                        &lane.statistics)
                }
                if case .succeeded = attempt { lane.total.add(lane.statistics) }
                report(index, attempt)
            }
        } else {
            let lane = lanes[0]
            for index in 0..<max(0, count) {
                let (view, buffers) = clip(index)
                let attempt = Attempt { () throws(FlashVIDError) in
                    try Self.compress(
                        view, into: buffers, firstToken: 0, configuration, pool, watch, &arena, &lane.statistics)
                }
                if case .succeeded = attempt { lane.total.add(lane.statistics) }
                report(index, attempt)
            }
        }
        statistics.reset()
        for lane in lanes { statistics.add(lane.total) }
        statistics.threads = threads
        if !watch.isOver { watch.finish() }
        statistics.seconds = Clock.now - start
    }

    /// Two clips of a batch of which one writes where the other reads or writes; numbers from -1 down stand for `others`, memory
    /// of the batch as a whole. Clips that are refused for other reasons are not looked at. O(n log n).
    package func firstOverlap(
        count: Int, clip: (Int) -> (ClipView, OutputBuffers), others: LentPieces = LentPieces()
    ) throws(FlashVIDError) -> (Int, Int)? {
        let extents = try Memory.allocate(ClipExtent.self, (max(0, count) + 1) * LentPieces.most)
        defer { free(extents) }
        var found = 0
        func add(_ extent: Extent, of clip: Int) {
            extents[found] = ClipExtent(clip: clip, start: extent.start, end: extent.end, isWritten: extent.isWritten)
            found += 1
        }
        for index in 0..<others.count { add(others[index], of: -1 - index) }
        for index in 0..<max(0, count) {
            let (view, buffers) = clip(index)
            guard let clip = try? Clip(layout: view),
                let rows = try? configuration.outputTokenCount(
                    frames: clip.frames, tokensPerFrame: clip.tokensPerFrame),
                let destination = try? Destination(buffers, for: clip, configuration, rows: rows, firstToken: 0)
            else { continue }
            for place in 0..<destination.pieces.count { add(destination.pieces[place], of: index) }
        }
        // C's, which does without memory where it gets none.
        qsort(extents, found, MemoryLayout<ClipExtent>.stride) { first, second in
            guard let first = first?.assumingMemoryBound(to: ClipExtent.self).pointee,
                let second = second?.assumingMemoryBound(to: ClipExtent.self).pointee
            else { return 0 }
            return first.start < second.start ? -1 : first.start > second.start ? 1 : 0
        }
        // What reaches farthest so far. Within a clip nothing overlaps that is written, or it would not be here.
        var (any, written): (Int?, Int?) = (nil, nil)
        for place in 0..<found {
            let current = extents[place]
            if let written, extents[written].end > current.start { return (extents[written].clip, current.clip) }
            if current.isWritten, let any, extents[any].end > current.start { return (extents[any].clip, current.clip) }
            if extents[any ?? place].end <= current.end { any = place }
            if current.isWritten, extents[written ?? place].end <= current.end { written = place }
        }
        return nil
    }

    /// A piece of a clip's memory.
    private struct ClipExtent: BitwiseCopyable {
        let clip: Int
        let start: UInt
        let end: UInt
        let isWritten: Bool
    }
}

extension CompressedVideo.Statistics {
    fileprivate mutating func reset() {
        for stage in stageSeconds.indices { stageSeconds[stage] = 0 }
        (seconds, closeCalls) = (0, 0)
    }

    fileprivate mutating func add(_ other: Self) {
        for stage in stageSeconds.indices { stageSeconds[stage] += other.stageSeconds[stage] }
        closeCalls += other.closeCalls
    }
}
