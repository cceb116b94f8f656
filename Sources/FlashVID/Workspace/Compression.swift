import FlashVIDLibC

/// One clip on its way through the stages: what every stage reads and what it leaves to the next.
///
/// Tokens are named by their index in the clip, `frame * N + token`. Frames are worked on in parallel; a stage writes only
/// to its own frame's (or segment's) part of the tables, so no two threads write to one place.
struct Compression: @unchecked Sendable, BitwiseCopyable {
    // Sound although full of pointers: they point into the workspace's arena, which outlives the call, as do the pool and
    // the progress, and the parts that threads write are disjoint as said above.

    let clip: Clip
    let configuration: Configuration
    let budget: Budget
    private let poolReference: Unmanaged<WorkerPool>
    var pool: WorkerPool { poolReference._withUnsafeGuaranteedRef { $0 } }
    /// Error bound of a float32 cosine.
    let tolerance: Double

    private let watchReference: Unmanaged<Watch>
    var watch: Watch { watchReference._withUnsafeGuaranteedRef { $0 } }
    let tables: Tables
    let workers: UnsafeMutablePointer<Worker>

    var frames: Int { clip.frames }
    var tokensPerFrame: Int { clip.tokensPerFrame }
    var channels: Int { clip.channels }

    /// What the stages leave to each other.
    struct Tables {
        // Segmentation
        /// [chunks, D] sum of the means of a chunk's frames, the first and the last of them. One and the same where a
        /// chunk is one frame.
        let chunkSums: UnsafeMutablePointer<Double>
        let chunkFirsts: UnsafeMutablePointer<Double>
        let chunkLasts: UnsafeMutablePointer<Double>
        /// [F] whether all numbers of a frame are finite.
        let isFinite: UnsafeMutablePointer<Bool>
        /// [F] cosine of each frame's mean with the next one's.
        let transitions: UnsafeMutablePointer<Double>
        /// Up to F + 1 first frames of segments, and the number of frames behind the last.
        let segmentStarts: UnsafeMutablePointer<Int32>
        /// [F] the segment of a frame.
        let segmentOfFrame: UnsafeMutablePointer<Int32>
        // Selection
        /// [threads] see ``WorkStretches``.
        let stretches: UnsafeMutablePointer<UInt64>
        /// [F] whether a frame was linked with the one before, or has none.
        let isLinked: UnsafeMutablePointer<Bool>
        /// [F] frames in the order in which a stage takes them.
        let order: UnsafeMutablePointer<Int32>
        /// [F·N] what is known of a token.
        let marks: UnsafeMutablePointer<Mark>
        /// [F·N] 1/|x|, or 0 where float32 cannot tell it.
        let inverseNorms: UnsafeMutablePointer<Float>
        /// Tokens picked in each frame, frame after frame, ascending.
        let picks: UnsafeMutablePointer<Int32>
        // Trees
        /// [F·N] best match in the frame before, or -1.
        let parents: UnsafeMutablePointer<Int32>
        /// [F·N] cosine with that match; -1 where there is none to look for.
        let similarities: UnsafeMutablePointer<Double>
        /// [F·N] room for an order statistic of the similarities.
        let ranking: UnsafeMutablePointer<Double>
        /// [F·N] root of a token's tree; itself for a root.
        let roots: UnsafeMutablePointer<Int32>
        /// [F·N] next token of the same tree, ascending, or -1.
        let nextInTree: UnsafeMutablePointer<Int32>
        // Contextual
        /// [F] roots, contextual rows, and the first output row of a frame.
        let rootCounts: UnsafeMutablePointer<Int>
        let shares: UnsafeMutablePointer<Int>
        let firstRows: UnsafeMutablePointer<Int>
        /// [F·N] the centre of a root's cluster; before that, the last token of a root's tree.
        let centres: UnsafeMutablePointer<Int32>
        /// [F·N] the row that stands for a token, or -1.
        let rows: UnsafeMutablePointer<Int32>
        // Refinement
        /// [F·N] the same for the round under way.
        let nextRows: UnsafeMutablePointer<Int32>
        /// [F·N] by row: its first member; by token: the next member of the same row; ascending, or -1.
        let firstMembers: UnsafeMutablePointer<Int32>
        let nextMembers: UnsafeMutablePointer<Int32>
        /// [F·N] by row: its squared norm.
        let rowSquares: UnsafeMutablePointer<Float>
        /// [F] by segment: tokens that the round moved to another row.
        let movedTokens: UnsafeMutablePointer<Int32>
    }

    /// What is known of a token.
    struct Mark: OptionSet {
        let rawValue: UInt8
        /// Picked by ADTS.
        static let selected = Mark(rawValue: 1)
        /// Joined its parent.
        static let merged = Mark(rawValue: 2)
        /// Its norm leaves the range in which float32 products can be trusted; its cosines are computed in double.
        static let extreme = Mark(rawValue: 4)
        /// Has no length.
        static let zero = Mark(rawValue: 8)
    }

    init(
        _ clip: Clip, _ configuration: Configuration, _ budget: Budget, _ pool: WorkerPool,
        _ watch: Watch, plan: inout Arena.Plan
    ) {
        var clip = clip
        clip.gatherAttention(plan: &plan)
        self.clip = clip
        self.configuration = configuration
        self.budget = budget
        poolReference = .passUnretained(pool)
        watchReference = .passUnretained(watch)
        tolerance = Self.cosineTolerance(channels: clip.channels)
        let frames = clip.frames
        let tokens = frames * clip.tokensPerFrame
        let refined = configuration.refines ? tokens : 0
        let chunks = min(frames, Self.maximumChunks)
        let chunkSums = plan.take(Double.self, chunks, clip.channels)
        let isLong = frames > Self.maximumChunks
        tables = Tables(
            chunkSums: chunkSums,
            chunkFirsts: isLong ? plan.take(Double.self, chunks, clip.channels) : chunkSums,
            chunkLasts: isLong ? plan.take(Double.self, chunks, clip.channels) : chunkSums,
            isFinite: plan.take(Bool.self, frames),
            transitions: plan.take(Double.self, frames),
            segmentStarts: plan.take(Int32.self, frames + 1),
            segmentOfFrame: plan.take(Int32.self, frames),
            stretches: plan.take(UInt64.self, pool.threads),
            isLinked: plan.take(Bool.self, frames),
            order: plan.take(Int32.self, frames),
            marks: plan.take(Mark.self, tokens),
            inverseNorms: plan.take(Float.self, tokens),
            picks: plan.take(Int32.self, budget.selectedTokens(before: frames)),
            parents: plan.take(Int32.self, tokens),
            similarities: plan.take(Double.self, tokens),
            ranking: plan.take(Double.self, tokens),
            roots: plan.take(Int32.self, tokens),
            nextInTree: plan.take(Int32.self, tokens),
            rootCounts: plan.take(Int.self, frames),
            shares: plan.take(Int.self, frames),
            firstRows: plan.take(Int.self, frames + 1),
            centres: plan.take(Int32.self, tokens),
            rows: plan.take(Int32.self, tokens),
            nextRows: plan.take(Int32.self, refined),
            firstMembers: plan.take(Int32.self, refined),
            nextMembers: plan.take(Int32.self, refined),
            rowSquares: plan.take(Float.self, refined),
            movedTokens: plan.take(Int32.self, configuration.refines ? frames : 0))
        workers = plan.take(Worker.self, pool.threads)
        for index in 0..<pool.threads {
            let worker = Worker(clip, configuration, budget, plan: &plan)
            if plan.handsOut { workers[index] = worker }
        }
    }

    /// Bound of the error of a float32 cosine. BLAS sums products in blocks of a few hundred channels; a sum of n terms errs
    /// like a random walk of √n steps of half a unit in the last place, and where a few large channels carry the sum from
    /// its beginning, those steps are of full size and may lean to one side. Twice what the worst of these shows
    /// (`ToleranceTests`).
    static func cosineTolerance(channels: Int) -> Double {
        let unit = Double(Float.ulpOfOne) / 2
        return unit * (16 + 4 * Double(min(channels, 1024)).squareRoot())
    }

    // MARK: Places

    func token(_ frame: Int, _ token: Int) -> Int { frame &* tokensPerFrame &+ token }

    func isSelected(_ token: Int) -> Bool { tables.marks[token].contains(.selected) }

    /// Frames of a segment.
    func frames(ofSegment segment: Int) -> Range<Int> {
        Int(tables.segmentStarts[segment])..<Int(tables.segmentStarts[segment + 1])
    }

    func segment(ofFrame frame: Int) -> Int { Int(tables.segmentOfFrame[frame]) }

    func isFirstOfSegment(_ frame: Int) -> Bool {
        tables.segmentStarts[segment(ofFrame: frame)] == Int32(frame)
    }

    /// Tokens picked in a frame, ascending.
    func picks(ofFrame frame: Int) -> UnsafeMutableBufferPointer<Int32> {
        let first = budget.selectedTokens(before: frame)
        return UnsafeMutableBufferPointer(
            start: tables.picks + first, count: budget.selectedTokens(before: frame &+ 1) &- first)
    }
}

// MARK: - Time

extension Compression {
    /// Runs `body` for every task on the pool and charges its time to a stage. What it works on comes as `context`: a
    /// body without captures is handed to the threads without an allocation.
    ///
    /// Throws ``FlashVIDError/cancelled(by:)``; some tasks were then left out.
    func parallel<Context: BitwiseCopyable>(
        _ stage: CompressedVideo.Stage, _ tasks: Int, _ context: Context,
        _ body: @escaping (_ context: Context, _ worker: Worker, _ task: Int) -> Void
    ) throws(FlashVIDError) {
        withUnsafePointer(to: Body(call: body)) { body in
            let loop = Loop(compression: self, stage: stage, context: context, body: body)
            pool.run(tasks, with: loop) { loop, index, task in
                guard !loop.compression.watch.isOver else { return }
                loop.run(task, index)
            }
        }
        try watch.check()
    }

    /// The same for what is not to be ended early, since the caller's memory is being written.
    func parallelToTheEnd<Context: BitwiseCopyable>(
        _ stage: CompressedVideo.Stage, _ tasks: Int, _ context: Context,
        _ body: @escaping (_ context: Context, _ worker: Worker, _ task: Int) -> Void
    ) {
        withUnsafePointer(to: Body(call: body)) { body in
            let loop = Loop(compression: self, stage: stage, context: context, body: body)
            pool.run(tasks, with: loop) { loop, index, task in loop.run(task, index) }
        }
    }

    private struct Loop<Context: BitwiseCopyable>: BitwiseCopyable {
        let compression: Compression
        let stage: CompressedVideo.Stage
        let context: Context
        let body: UnsafePointer<Body<Context>>

        func run(_ task: Int, _ index: Int) {
            let worker = compression.workers[index]
            compression.charge(stage, worker) { body.pointee.call(context, worker, task) }
        }
    }

    /// A pointer to a function alone would wrap it, on the heap.
    private struct Body<Context> {
        let call: (Context, Worker, Int) -> Void
    }

    func charge(_ stage: CompressedVideo.Stage, _ worker: Worker, _ body: () -> Void) {
        let start = Self.now
        body()
        worker.seconds[stage.rawValue] += Self.now - start
    }

    /// Seconds on a clock that only rises.
    static var now: Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }
}
