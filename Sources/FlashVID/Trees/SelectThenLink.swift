/// Selects in every frame (ADTS) and links it with the one before (TSTM): each thread walks along the clip, so that a frame
/// meets the one before while both are at hand.
struct SelectThenLink: Stage {
    static let charge = CompressedVideo.Stage.selection

    struct Space: BitwiseCopyable {
        /// [threads] see ``WorkStealingQueue``.
        fileprivate let queue: Table<UInt64>
        /// [F] whether a frame was linked with the one before, or has none.
        fileprivate let isLinked: Table<Bool>
        /// [F] frames that were not.
        fileprivate let unlinked: Table<Int32>
        /// [threads]
        fileprivate let scratch: Table<Scratch>
        fileprivate let pair: PairedWalk.Space

        init(_ clip: Clip, scratch: Table<Scratch>, plan: inout Arena.Plan) {
            queue = plan.table(UInt64.self, scratch.count)
            isLinked = plan.table(Bool.self, clip.frames)
            unlinked = plan.table(Int32.self, clip.frames)
            self.scratch = scratch
            pair = PairedWalk.Space(plan: &plan)
        }
    }

    /// What a thread needs for the two frames at hand.
    struct Scratch: BitwiseCopyable {
        /// [N, D] converted to float32; empty for float32 clips.
        fileprivate let frames: (Table<Float>, Table<Float>)
        fileprivate let distances: (FrameDistances.Scratch, FrameDistances.Scratch)
        fileprivate let classes: (TokenClasses.Scratch, TokenClasses.Scratch)

        init(_ clip: Clip, plan: inout Arena.Plan) {
            let converted = clip.type == .float32 ? 0 : clip.tokensPerFrame
            frames = (
                plan.table(Float.self, converted, clip.channels), plan.table(Float.self, converted, clip.channels)
            )
            distances = (FrameDistances.Scratch(clip, plan: &plan), FrameDistances.Scratch(clip, plan: &plan))
            classes = (TokenClasses.Scratch(clip, plan: &plan), TokenClasses.Scratch(clip, plan: &plan))
        }
    }

    let selection: Selection
    private let links: Links
    private let space: Space
    private let queue: WorkStealingQueue
    /// A segment that was walked along by two threads together, or -1.
    private var pairedSegment = -1
    private var carries: Bool { selection.input.configuration.carry }
    var segments: Segments { selection.segments }
    private var clip: Clip { selection.input.clip }

    init(_ selection: Selection, _ links: Links, in space: Space) {
        self.selection = selection
        self.links = links
        self.space = space
        queue = WorkStealingQueue(
            selection.input.configuration.carry ? selection.segments.count : selection.input.clip.frames,
            in: space.queue)
    }

    /// Walks along the whole clip on all threads.
    func run(on team: Team) throws(FlashVIDError) {
        var walk = self
        let lengths = (0..<segments.count).lazy.map { [segments] in segments.frames(of: $0).count }
        if carries, let segment = PairedWalk.segment(of: lengths, threads: team.threads) {
            try PairedWalk(self, in: space.pair).run(along: segments.frames(of: segment), on: team)
            walk.pairedSegment = segment
        }
        try team.run(walk, over: team.threads)
        let late = LateLinks(walk: self, count: gatherUnlinked())
        try team.run(late, over: late.count)
    }

    /// One thread's walk. Picks that are carried along a segment make it one unit.
    func run(_ thread: Int, _ worker: Worker) {
        var earlier: Selection.Frame?
        // Of the two places; the frame before has the other.
        var place = 0
        while let unit = queue.next(for: thread) {
            guard !carries || unit != pairedSegment else { continue }
            for number in carries ? segments.frames(of: unit) : unit..<(unit + 1) {
                guard !worker.isOver else { return }
                if earlier?.number != number - 1 || segments.begins(with: number) { earlier = nil }
                place = 1 - place
                let frame = prepare(number, after: earlier, at: place, worker)
                select(in: frame, after: earlier, carrying: selection.carriedPicks(worker), worker)
                link(frame, to: earlier, worker)
                earlier = frame
            }
        }
    }

    // MARK: A frame
    //
    // `earlier` is the frame before, where it is at hand and of the same segment.

    /// Brings a frame to one of the worker's two places, and finds out what its selection has to know.
    func prepare(_ number: Int, after earlier: Selection.Frame?, at place: Int, _ worker: Worker) -> Selection.Frame {
        let classes = classes(ofFrame: number, at: place, worker)
        if let earlier { classes.match(earlier.classes) }
        let scratch = space.scratch[worker.number]
        return selection.prepare(
            frame: number, classes, after: earlier, place == 0 ? scratch.distances.0 : scratch.distances.1, worker)
    }

    private func classes(ofFrame number: Int, at place: Int, _ worker: Worker) -> TokenClasses {
        let scratch = space.scratch[worker.number]
        return TokenClasses(
            clip.frame(number, convertedInto: (place == 0 ? scratch.frames.0 : scratch.frames.1).base),
            in: place == 0 ? scratch.classes.0 : scratch.classes.1)
    }

    func select(
        in frame: Selection.Frame, after earlier: Selection.Frame?, carrying carried: CarriedPicks.Scratch,
        _ worker: Worker
    ) {
        selection.select(in: frame, after: earlier, carrying: carried, worker)
        worker.advance(by: Work.selection)
        links.unlink(frame: frame.number)
        space.isLinked[frame.number] = !links.areWanted || segments.begins(with: frame.number)
    }

    /// Links a frame with the one before, if that is at hand and not done yet. Both are selected in.
    func link(_ frame: Selection.Frame, to earlier: Selection.Frame?, _ worker: Worker) {
        guard let earlier, !space.isLinked[frame.number] else { return }
        worker.charge(.trees, insteadOf: Self.charge) { links.link(frame, to: earlier, worker) }
        space.isLinked[frame.number] = true
    }

    // MARK: Where a walk began in the middle of a segment

    private func gatherUnlinked() -> Int {
        var count = 0
        for frame in 0..<clip.frames where !space.isLinked[frame] {
            space.unlinked[count] = Int32(frame)
            count += 1
        }
        return count
    }

    /// Links frames with the ones before where neither is at hand.
    private struct LateLinks: Stage {
        static let charge = CompressedVideo.Stage.trees
        let walk: SelectThenLink
        let count: Int

        func run(_ task: Int, _ worker: Worker) {
            let frame = Int(walk.space.unlinked[task])
            func selected(_ frame: Int, at place: Int) -> Selection.Frame {
                let classes = walk.classes(ofFrame: frame, at: place, worker)
                return Selection.Frame(number: frame, tokens: classes.tokens, classes: classes, distances: nil)
            }
            let earlier = selected(frame - 1, at: 1)
            let later = selected(frame, at: 0)
            later.classes.match(earlier.classes)
            walk.links.link(later, to: earlier, worker)
        }
    }
}
