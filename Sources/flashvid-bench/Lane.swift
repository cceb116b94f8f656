import FlashVID

/// One of the clips in flight: a clip in memory of its own, the compressor that works on it, and its floor.
final class Lane {
    let clip: BenchClip
    let threads: Int
    private(set) var video = CompressedVideo()
    private var compressor: Compressor
    private var floor: GEMMFloor?
    private var failure: FlashVIDError?

    init(_ clip: BenchClip, _ configuration: Configuration, threads: Int) throws {
        self.clip = clip
        self.threads = threads
        compressor = try Compressor(configuration, threads: threads)
    }

    /// Threads of each of `clips` that share `threads`: the first ones get what does not divide, and each at least one.
    static func share(threads: Int, among clips: Int) -> [Int] {
        (0..<clips).map { max(1, threads / clips + ($0 < threads % clips ? 1 : 0)) }
    }

    /// Compresses the clip, in the storage of the last result.
    func compress() {
        do throws(FlashVIDError) {
            try clip.compress(with: &compressor, into: &video)
        } catch {
            failure = error
        }
    }

    /// Throws what ``compress()`` met.
    func check() throws(FlashVIDError) {
        if let failure { throw failure }
    }

    /// Counts the floor's products in the last result.
    func prepareFloor() throws(FlashVIDError) {
        floor = try GEMMFloor(FloorProducts(of: video, compressor.configuration), threads: threads)
    }

    func runFloor() {
        guard let floor, let features = clip.floats.baseAddress else { return }
        floor.run(on: features)
    }

    var flops: Double { floor?.products.flops ?? 0 }

    /// Bytes of the result's arrays.
    var outputBytes: Int {
        let words = video.indices.count + video.segmentLengths.count + video.assignment.count + video.counts.count
        return video.tokens.count * 4 + (words + video.parents.count) * 8 + video.kinds.count
    }
}

/// Clips in flight on a number of threads.
struct Flight {
    let lanes: [Lane]
    private let pool: WorkerPool

    init(_ clips: [BenchClip], _ configuration: Configuration, threads: Int) throws {
        lanes = try zip(clips, Lane.share(threads: threads, among: clips.count)).map {
            try Lane($0, configuration, threads: $1)
        }
        pool = try WorkerPool(threads: min(threads, clips.count), multiplying: true)
    }

    /// Compresses every clip once; the time until the last one is done.
    func compress() throws -> Double {
        let start = ContinuousClock.now
        pool.run(lanes.count) { _, lane in lanes[lane].compress() }
        let time = seconds(since: start)
        for lane in lanes { try lane.check() }
        return time
    }

    /// Seconds of every stage of the last pass, summed over threads and clips.
    var stageSeconds: [Double] {
        CompressedVideo.Stage.allCases.map { stage in
            lanes.reduce(0) { $0 + $1.video.statistics.stageSeconds[stage.rawValue] }
        }
    }

    /// Runs every clip's floor once, in the same way.
    func runFloor() -> Double {
        let start = ContinuousClock.now
        pool.run(lanes.count) { _, lane in lanes[lane].runFloor() }
        return seconds(since: start)
    }
}
