/// Two threads on a segment that is longer than all others together, or nearly so.
///
/// Along a segment that carries picks one frame must be selected in after the other. What a selection has to know
/// (``Selection/prepare(frame:_:after:_:_:)``) and the links depend on no other frame's choice: so while one thread selects in
/// a frame, another prepares the next, and the links are left to whoever has time.
struct PairedWalk: BitwiseCopyable {
    struct Space: BitwiseCopyable {
        /// [4] the last frames, by number.
        fileprivate let frames: Table<Selection.Frame>
        fileprivate let isPrepared: Flag
        fileprivate let walk: Slot<SelectThenLink>

        init(plan: inout Arena.Plan) {
            frames = plan.table(Selection.Frame.self, 4)
            isPrepared = Flag(plan: &plan)
            walk = Slot(plan: &plan)
        }
    }

    private let space: Space

    init(_ walk: SelectThenLink, in space: Space) {
        self.space = space
        space.walk.keep(walk)
    }

    /// The longest of some segments, of which the lengths are given, if the clip takes less time when two threads go along
    /// it first, and then all along the others, than when each thread takes segments of its own.
    static func segment<Lengths: Collection<Int>>(of lengths: Lengths, threads: Int) -> Int? {
        guard threads > 1 else { return nil }
        var (frames, longest, next, chosen) = (0, 0, 0, 0)
        for (segment, length) in lengths.enumerated() {
            frames += length
            next = max(next, min(longest, length))
            if length > longest { (longest, chosen) = (length, segment) }
        }
        func time(_ longest: Int, of frames: Int) -> Double { max(Double(longest), Double(frames) / Double(threads)) }
        let paired = pairedTime * Double(longest) + time(next, of: frames - longest)
        return paired < time(longest, of: frames) ? chosen : nil
    }

    /// What two threads take of one's time: half, and what they wait for each other.
    private static let pairedTime = 0.65

    /// Selects in a segment's frames and links them.
    func run(along frames: Range<Int>, on team: Team) throws(FlashVIDError) {
        for frame in (frames.lowerBound - 1)..<frames.upperBound {
            space.isPrepared.clear()
            try team.run(
                Step(space: space, first: frames.lowerBound, last: frames.upperBound - 1, frame: frame), over: 2)
        }
    }

    private struct Step: Stage {
        static let charge = SelectThenLink.charge
        let space: Space
        let first: Int
        let last: Int
        /// The frame that is selected in: one before the first, for a start.
        let frame: Int
        private var walk: SelectThenLink { space.walk.value }

        // A frame's scratch is that of the worker of number 0 or 1, in turns, and so are the two places that each has:
        // the last four frames stay at hand, and nobody uses what another task does. The picks are carried by number 0.

        func run(_ task: Int, _ worker: Worker) {
            if task == 0 {
                select(worker)
            } else {
                prepareNext(worker)
                space.isPrepared.raise()
            }
        }

        private func select(_ worker: Worker) {
            guard frame >= first else { return }
            let own = worker.using(scratchOf: frame & 1)
            walk.select(
                in: known(frame), after: before(frame),
                carrying: walk.selection.carriedPicks(worker.using(scratchOf: 0)), own)
            if !space.isPrepared.isRaised || frame == last {
                walk.link(known(frame), to: before(frame), own)
            }
        }

        private func prepareNext(_ worker: Worker) {
            let own = worker.using(scratchOf: (frame + 1) & 1)
            if frame > first { walk.link(known(frame - 1), to: before(frame - 1), own) }
            guard frame < last else { return }
            space.frames[(frame + 1) & 3] = walk.prepare(
                frame + 1, after: before(frame + 1), at: (frame + 1) >> 1 & 1, own)
        }

        private func known(_ frame: Int) -> Selection.Frame { space.frames[frame & 3] }

        private func before(_ frame: Int) -> Selection.Frame? { frame > first ? known(frame - 1) : nil }
    }
}
