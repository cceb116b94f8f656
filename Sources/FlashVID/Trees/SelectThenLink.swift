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

        init(_ clip: Clip, scratch: Table<Scratch>, plan: inout Arena.Plan) {
            queue = plan.table(UInt64.self, scratch.count)
            isLinked = plan.table(Bool.self, clip.frames)
            unlinked = plan.table(Int32.self, clip.frames)
            self.scratch = scratch
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

    private let selection: Selection
    private let links: Links
    private let space: Space
    private let queue: WorkStealingQueue
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
        try team.run(self, over: team.threads)
        let late = LateLinks(walk: self, count: gatherUnlinked())
        try team.run(late, over: late.count)
    }

    /// One thread's walk. Picks that are carried along a segment make it one unit.
    func run(_ thread: Int, _ worker: Worker) {
        var earlier: Selection.Frame?
        // Of the two buffers; the frame before has the other.
        var usesFirst = false
        while let unit = queue.next(for: thread) {
            for frame in selection.input.configuration.carry ? selection.segments.frames(of: unit) : unit..<(unit + 1) {
                guard !worker.isOver else { return }
                usesFirst.toggle()
                earlier = step(to: frame, from: earlier, usesFirst, worker)
            }
        }
    }

    private func step(
        to frame: Int, from earlier: Selection.Frame?, _ usesFirst: Bool, _ worker: Worker
    ) -> Selection.Frame {
        let scratch = space.scratch[worker.number]
        let classes = TokenClasses(
            clip.frame(frame, convertedInto: (usesFirst ? scratch.frames.0 : scratch.frames.1).base),
            in: usesFirst ? scratch.classes.0 : scratch.classes.1)
        let follows = earlier?.number == frame - 1 && !selection.segments.begins(with: frame)
        if follows, let earlier { classes.match(earlier.classes) }
        let selected = selection.select(
            frame: frame, classes, after: follows ? earlier : nil,
            usesFirst ? scratch.distances.0 : scratch.distances.1, worker)
        worker.advance(by: Work.selection)
        links.unlink(frame: frame)
        space.isLinked[frame] = !links.areWanted || selection.segments.begins(with: frame)
        if !space.isLinked[frame], follows, let earlier {
            worker.charge(.trees, insteadOf: Self.charge) { links.link(selected, to: earlier, worker) }
            space.isLinked[frame] = true
        }
        return selected
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
            let scratch = walk.space.scratch[worker.number]
            func selected(_ frame: Int, _ buffer: Table<Float>, _ classes: TokenClasses.Scratch) -> Selection.Frame {
                let tokens = walk.clip.frame(frame, convertedInto: buffer.base)
                return Selection.Frame(
                    number: frame, tokens: tokens, classes: TokenClasses(tokens, in: classes), distances: nil)
            }
            let earlier = selected(frame - 1, scratch.frames.1, scratch.classes.1)
            let later = selected(frame, scratch.frames.0, scratch.classes.0)
            later.classes.match(earlier.classes)
            walk.links.link(later, to: earlier, worker)
        }
    }
}
