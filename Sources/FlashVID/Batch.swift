#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

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
    /// Compresses `count` clips. Where there are as many as threads, each thread works on clips of its own; else they are
    /// compressed one after the other by all threads. The results are the same.
    ///
    /// `clip` gives a clip and its buffers; `report` is told the outcome of each, once. Both are called on any of the
    /// threads, with different indices at the same time. What one clip writes no other may read or write: see
    /// ``firstOverlap(count:clip:)``. `statistics` become the sums over the clips.
    package mutating func compressBatch(
        _ count: Int, clip: (Int) -> (ClipView, OutputBuffers), report: (Int, Attempt) -> Void,
        statistics: inout CompressedVideo.Statistics
    ) throws(FlashVIDError) {
        let start = Compression.now
        let workers = count >= threads ? threads : 1
        while lanes.count < workers { lanes.append(try Lane()) }
        for lane in lanes { lane.total.reset() }
        if workers > 1 {
            let (lanes, configuration) = (self.lanes, self.configuration)
            pool.run(count) { worker, index in
                let (lane, (view, buffers)) = (lanes[worker], clip(index))
                let attempt = Attempt { () throws(FlashVIDError) in
                    try Self.compress(
                        view, into: buffers, firstToken: 0, configuration, lane.pool, &lane.arena, &lane.statistics)
                }
                if case .succeeded = attempt { lane.total.add(lane.statistics) }
                report(index, attempt)
            }
        } else {
            let lane = lanes[0]
            for index in 0..<max(0, count) {
                let (view, buffers) = clip(index)
                let attempt = Attempt { () throws(FlashVIDError) in
                    try compress(view, into: buffers, statistics: &lane.statistics)
                }
                if case .succeeded = attempt { lane.total.add(lane.statistics) }
                report(index, attempt)
            }
        }
        statistics.reset()
        for lane in lanes { statistics.add(lane.total) }
        statistics.threads = threads
        statistics.seconds = Compression.now - start
    }

    /// Two clips of a batch of which one writes where the other reads or writes. Clips that are refused for other reasons
    /// are not looked at. O(n log n).
    package func firstOverlap(
        count: Int, clip: (Int) -> (ClipView, OutputBuffers)
    ) throws(FlashVIDError) -> (Int, Int)? {
        let most = InlineArray<9, Extent>(repeating: Extent()).count
        let extents = try Memory.allocate(ClipExtent.self, max(0, count) * most)
        defer { free(extents) }
        var found = 0
        for index in 0..<max(0, count) {
            let (view, buffers) = clip(index)
            guard let clip = try? Clip(layout: view),
                let rows = try? configuration.outputTokenCount(
                    frames: clip.frames, tokensPerFrame: clip.tokensPerFrame),
                let destination = try? Destination(buffers, for: clip, configuration, rows: rows, firstToken: 0)
            else { continue }
            for place in destination.extents.indices where destination.extents[place].end > 0 {
                let extent = destination.extents[place]
                extents[found] = ClipExtent(
                    clip: index, start: extent.start, end: extent.end, isWritten: extent.isWritten)
                found += 1
            }
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
