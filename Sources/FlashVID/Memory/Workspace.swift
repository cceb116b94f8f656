/// The memory of all stages, laid out for a clip. What is never needed at the same time lies in the same place.
struct Workspace: BitwiseCopyable {
    let team: Team
    let means: FrameMeans.Space
    let segments: Segments.Space
    let selection: Selection.Space
    let links: Links.Space
    let walk: SelectThenLink.Space
    let forest: Forest.Space
    /// [F·N] room for the forest's order statistics.
    let ranking: Table<Double>
    /// [F]
    let shares: Table<Int>
    let rows: Rows.Space
    let clusters: Clusters.Space
    /// [F·N]
    let rowOfToken: Table<Int32>
    let refinement: Refinement.Space
    /// [threads] a token on its way out.
    let delivering: Table<TokenPair>

    /// `capacity` are the most rows that the clip becomes.
    init(_ input: Input, capacity: Int, _ pool: WorkerPool, _ watch: Watch, plan: inout Arena.Plan) {
        let (clip, threads) = (input.clip, pool.threads)
        let tokens = clip.frames * clip.tokensPerFrame
        team = Team(pool, watch, plan: &plan)
        means = FrameMeans.Space(clip, threads: threads, plan: &plan)
        segments = Segments.Space(clip, plan: &plan)

        // A thread first walks along the clip, then makes rows, then refines them.
        let room = plan.table(FrameRoom.self, threads)
        let selecting = plan.table(Selection.Scratch.self, threads)
        let linking = plan.table(Links.Scratch.self, threads)
        let walking = plan.table(SelectThenLink.Scratch.self, threads)
        let clustering = plan.table(Clusters.Scratch.self, threads)
        let refining = plan.table(Refinement.Scratch.self, threads)
        _ = plan.overlay(
            { plan in
                plan.layOut(perThread: room) { plan in
                    FrameRoom(clip, carries: input.configuration.carry, plan: &plan)
                }
                plan.layOut(perThread: selecting) { plan in Selection.Scratch(input, plan: &plan) }
                plan.layOut(perThread: linking) { plan in Links.Scratch(clip, plan: &plan) }
                plan.layOut(perThread: walking) { plan in SelectThenLink.Scratch(clip, plan: &plan) }
            },
            { plan in
                plan.overlay(
                    { plan in
                        plan.layOut(perThread: clustering) { plan in Clusters.Scratch(clip, plan: &plan) }
                    },
                    { plan in
                        plan.layOut(perThread: refining) { plan in Refinement.Scratch(input, plan: &plan) }
                    })
            })

        selection = Selection.Space(input, scratch: selecting, room: room, plan: &plan)
        links = Links.Space(clip, scratch: linking, plan: &plan)
        walk = SelectThenLink.Space(clip, scratch: walking, plan: &plan)
        forest = Forest.Space(clip, plan: &plan)
        shares = plan.table(Int.self, clip.frames)
        rows = Rows.Space(clip, capacity: capacity, plan: &plan)
        // Clusters begin when the forest is done.
        let made: (centres: Table<Int32>, rowOfToken: Table<Int32>, refinement: Refinement.Space)
        (ranking, made) = plan.overlay(
            { plan in plan.table(Double.self, tokens) },
            { plan in
                (
                    plan.table(Int32.self, tokens), plan.table(Int32.self, tokens),
                    Refinement.Space(input, scratch: refining, plan: &plan)
                )
            })
        (rowOfToken, refinement) = (made.rowOfToken, made.refinement)
        delivering = plan.perThread(threads) { plan in TokenPair(clip, plan: &plan) }
        clusters = Clusters.Space(clip, centres: made.centres, scratch: clustering, plan: &plan)
    }
}
