/// A step of the method in tasks that threads share out among them. It writes only what belongs to the task, so that the
/// result does not depend on who runs which.
protocol Stage: BitwiseCopyable {
    /// What its time is charged to.
    static var charge: CompressedVideo.Stage { get }

    func run(_ task: Int, _ worker: Worker)
}

/// The thread that runs a task, as the task sees it.
struct Worker: BitwiseCopyable {
    /// Which scratch is its own: mostly the thread's number, from 0.
    let number: Int
    /// Where it notes what it did.
    private let thread: Int
    private let team: Team

    fileprivate init(number: Int, thread: Int, team: Team) {
        self.number = number
        self.thread = thread
        self.team = team
    }

    /// The same thread with the scratch of another number, for a task that goes on with what lies there. No other task may
    /// use that meanwhile.
    func using(scratchOf number: Int) -> Worker { Worker(number: number, thread: thread, team: team) }

    /// Whether the call is to end early. What a long task does then does not matter.
    var isOver: Bool { team.watch.isOver }

    /// Counts work that is done, for the report of progress.
    func advance(by work: Int) { team.watch.advance(by: work) }

    /// Counts a decision that was settled in double.
    func countCloseCall() { team.closeCalls[thread] += 1 }

    /// Counts numbers that were settled, by how they were.
    func countSettled(byClass: Int = 0, inBlocks: Int = 0, singly: Int = 0) {
        team.settled.base[thread].byClass += byClass
        team.settled.base[thread].inBlocks += inBlocks
        team.settled.base[thread].singly += singly
    }

    /// Charges the time that `body` takes to another stage than the one under way.
    func charge(_ stage: CompressedVideo.Stage, insteadOf own: CompressedVideo.Stage, _ body: () -> Void) {
        let start = Clock.now
        body()
        let seconds = Clock.now - start
        team.add(seconds, to: stage, of: thread)
        team.add(-seconds, to: own, of: thread)
    }
}

/// The threads that work on a clip, and what they note.
struct Team: BitwiseCopyable {
    // Without references, so that it is handed to the threads without counting; the call keeps both alive.
    private let poolReference: Unmanaged<WorkerPool>
    private let watchReference: Unmanaged<Watch>
    private var pool: WorkerPool { poolReference._withUnsafeGuaranteedRef { $0 } }
    var watch: Watch { watchReference._withUnsafeGuaranteedRef { $0 } }
    let threads: Int
    /// [threads, stages]
    private let seconds: Table<Double>
    /// [threads]
    fileprivate let closeCalls: Table<Int>
    /// [threads]
    fileprivate let settled: Table<CompressedVideo.Settled>

    init(_ pool: WorkerPool, _ watch: Watch, plan: inout Arena.Plan) {
        poolReference = .passUnretained(pool)
        watchReference = .passUnretained(watch)
        threads = pool.threads
        seconds = plan.table(Double.self, threads, CompressedVideo.Stage.allCases.count)
        closeCalls = plan.table(Int.self, threads)
        settled = plan.table(CompressedVideo.Settled.self, threads)
        guard plan.handsOut else { return }
        seconds.fill(0)
        closeCalls.fill(0)
        settled.fill(CompressedVideo.Settled())
    }

    /// Runs a stage's tasks, and returns when all are done.
    ///
    /// Throws ``FlashVIDError/cancelled(by:)``; some tasks were then left out.
    func run<S: Stage>(_ stage: S, over tasks: Int) throws(FlashVIDError) {
        pool.run(tasks, with: Run(team: self, stage: stage)) { run, number, task in
            if !run.team.watch.isOver { run.run(task, number) }
        }
        try watch.check()
    }

    /// The same for what is not to be ended early, since the caller's memory is being written.
    func runToTheEnd<S: Stage>(_ stage: S, over tasks: Int) {
        pool.run(tasks, with: Run(team: self, stage: stage)) { run, number, task in run.run(task, number) }
    }

    private struct Run<S: Stage>: BitwiseCopyable {
        let team: Team
        let stage: S

        func run(_ task: Int, _ number: Int) {
            let start = Clock.now
            stage.run(task, Worker(number: number, thread: number, team: team))
            team.add(Clock.now - start, to: S.charge, of: number)
        }
    }

    fileprivate func add(_ time: Double, to stage: CompressedVideo.Stage, of thread: Int) {
        seconds[thread &* CompressedVideo.Stage.allCases.count &+ stage.rawValue] += time
    }

    /// Sums up what the threads noted. The wall time is the caller's to add.
    func sumUp(into statistics: inout CompressedVideo.Statistics) {
        let stages = CompressedVideo.Stage.allCases.count
        for stage in 0..<stages { statistics.stageSeconds[stage] = 0 }
        statistics.closeCalls = 0
        statistics.settled = CompressedVideo.Settled()
        statistics.threads = threads
        for thread in 0..<threads {
            for stage in 0..<stages { statistics.stageSeconds[stage] += seconds[thread * stages + stage] }
            statistics.closeCalls += closeCalls[thread]
            statistics.settled.byClass += settled[thread].byClass
            statistics.settled.inBlocks += settled[thread].inBlocks
            statistics.settled.singly += settled[thread].singly
        }
    }
}
