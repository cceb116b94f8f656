/// Workspace of a thread that works on whole clips.
final class Lane: @unchecked Sendable {
    // Sound: a lane is used by the one thread whose number it has.
    let pool = WorkerPool(threads: 1)
    var arena = Arena()
    var statistics = CompressedVideo.Statistics()
    var total = CompressedVideo.Statistics()
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
        _ count: Int, clip: (Int) -> (ClipView, OutputBuffers),
        report: (Int, Result<Outcome, FlashVIDError>) -> Void, statistics: inout CompressedVideo.Statistics
    ) {
        let start = Compression.now
        let workers = count >= threads ? threads : 1
        while lanes.count < workers { lanes.append(Lane()) }
        for lane in lanes { lane.total.reset() }
        watch.expect((0..<max(0, count)).reduce(0) { $0 + Compression.Work.total(clip($1).0.shape, configuration) })
        if workers > 1 {
            let (lanes, configuration, watch) = (self.lanes, self.configuration, self.watch)
            pool.run(count) { worker, index in
                let (lane, (view, buffers)) = (lanes[worker], clip(index))
                let result = Result { () throws(FlashVIDError) in
                    try Self.compress(
                        view, into: buffers, firstToken: 0, configuration, lane.pool, watch, &lane.arena,
                        &lane.statistics)
                }
                if case .success = result { lane.total.add(lane.statistics) }
                report(index, result)
            }
        } else {
            let lane = lanes[0]
            for index in 0..<max(0, count) {
                let (view, buffers) = clip(index)
                let result = Result { () throws(FlashVIDError) in
                    try Self.compress(
                        view, into: buffers, firstToken: 0, configuration, pool, watch, &arena, &lane.statistics)
                }
                if case .success = result { lane.total.add(lane.statistics) }
                report(index, result)
            }
        }
        statistics.reset()
        for lane in lanes { statistics.add(lane.total) }
        statistics.threads = threads
        watch.finish()
        statistics.seconds = Compression.now - start
    }

    /// Two clips of a batch of which one writes where the other reads or writes; numbers from -1 down stand for `others`, memory
    /// of the batch as a whole. Clips that are refused for other reasons are not looked at. O(n log n).
    package func firstOverlap(
        count: Int, clip: (Int) -> (ClipView, OutputBuffers), others: LentPieces = LentPieces()
    ) -> (Int, Int)? {
        var extents: [(clip: Int, extent: Extent)] = []
        for index in 0..<others.count { extents.append((-1 - index, others[index])) }
        for index in 0..<max(0, count) {
            let (view, buffers) = clip(index)
            guard let clip = try? Clip(layout: view),
                let rows = try? configuration.outputTokenCount(
                    frames: clip.frames, tokensPerFrame: clip.tokensPerFrame),
                let destination = try? Destination(buffers, for: clip, configuration, rows: rows, firstToken: 0)
            else { continue }
            for place in 0..<destination.pieces.count { extents.append((index, destination.pieces[place])) }
        }
        extents.sort { $0.extent.start < $1.extent.start }
        // What reaches farthest so far. Within a clip nothing overlaps that is written, or it would not be here.
        var (any, written): (Int?, Int?) = (nil, nil)
        for place in extents.indices {
            let (clip, current) = extents[place]
            if let written, extents[written].extent.end > current.start { return (extents[written].clip, clip) }
            if current.isWritten, let any, extents[any].extent.end > current.start { return (extents[any].clip, clip) }
            if extents[any ?? place].extent.end <= current.end { any = place }
            if current.isWritten, extents[written ?? place].extent.end <= current.end { written = place }
        }
        return nil
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
