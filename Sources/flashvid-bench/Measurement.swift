import FlashVID

/// How often something is run.
struct Repetitions: Equatable {
    /// Measured runs; nil for as many as ``patience`` allows, 2 to 15.
    var runs: Int?
    /// Runs before them that do not count. The engine's first run, which the memory is taken from, is one of them.
    var warmup = 1

    /// Whether a run may take so long that a second one would tell little for its time.
    var mayBeSlow = false

    /// Seconds that a row's measured runs take, engine and floor together.
    static let patience = 0.8
    /// Seconds from which on one run is enough, where runs may be slow.
    static let longRun = 4.0
    /// And from which on the first call, which is not measured otherwise, is that run.
    static let longestRun = 10.0

    func isEnough(_ runs: Int, after seconds: Double) -> Bool {
        if let wanted = self.runs { return runs >= wanted }
        if mayBeSlow, runs > 0, seconds >= Self.longRun { return true }
        // Where a single run tries the patience, two must do.
        let fewest = seconds > Double(runs) * Self.patience ? 2 : 3
        return runs >= 15 || runs >= fewest && seconds >= Self.patience
    }

    /// Whether a first call of so many seconds is all that is measured.
    func isEnough(first seconds: Double) -> Bool { runs == nil && mayBeSlow && seconds >= Self.longestRun }
}

/// Times of the engine and of its floor.
struct Measurement {
    /// Seconds of every pass of the engine.
    var times: [Double] = []
    /// Seconds of every pass of the floor.
    var floors: [Double] = []
    /// Seconds of every pass of the engine on another clip, to compare with; empty where there is none.
    var others: [Double] = []
    /// Seconds of every stage, by pass, summed over threads and clips; empty where there are no stages.
    var stages: [[Double]] = []
    /// Peak of the first pass, on a fresh engine, beyond what was resident; nil where the system does not tell.
    var extraBytes: Int?

    /// Engine and floor alternate, so that what disturbs the machine disturbs both. Both give their seconds; the floor is
    /// prepared when there is a first result.
    init(
        _ repetitions: Repetitions, engine: () throws -> Double, preparing prepareFloor: () throws -> Void = {},
        floor: () -> Double, other: (() throws -> Double)? = nil, stages: () -> [Double]? = { nil }
    ) throws {
        var first = 0.0
        extraBytes = try ResidentMemory.peak { first = try engine() }
        try prepareFloor()
        if repetitions.isEnough(first: first) {
            times = [first]
            floors = (0..<3).map { _ in floor() }
            if let other { others = try (0..<3).map { _ in try other() } }
            if let stages = stages() { self.stages = [stages] }
            return
        }
        for run in 0..<repetitions.warmup {
            _ = floor()
            if run > 0 { _ = try engine() }
        }
        let start = ContinuousClock.now
        repeat {
            floors.append(floor())
            if let other { others.append(try other()) }
            times.append(try engine())
            if let stages = stages() { self.stages.append(stages) }
        } while !repetitions.isEnough(times.count, after: seconds(since: start))
    }

    /// Of one configuration on one clip, or on several at a time.
    init(of flight: Flight, _ repetitions: Repetitions) throws {
        try self.init(
            repetitions, engine: flight.compress, preparing: { for lane in flight.lanes { try lane.prepareFloor() } },
            floor: flight.runFloor, stages: { flight.stageSeconds })
    }

    /// Of one configuration on clips, in alternation with it on the clips of `other` and with the floor of those. `other` has
    /// been measured.
    init(of flight: Flight, beside other: Flight, _ repetitions: Repetitions) throws {
        try self.init(
            repetitions, engine: flight.compress, floor: other.runFloor, other: other.compress,
            stages: { flight.stageSeconds })
    }

    /// Of attention scores. Whether there is memory for the floor is known before the first pass, which may take long.
    init(of pass: AttentionPass, _ repetitions: Repetitions) throws {
        try pass.prepareFloor()
        try self.init(repetitions, engine: pass.score, floor: pass.runFloor)
    }
}

extension [Double] {
    /// The middle one; of an even number the mean of the two in the middle.
    var median: Double {
        guard !isEmpty else { return .nan }
        let sorted = sorted()
        return (sorted[(count - 1) / 2] + sorted[count / 2]) / 2
    }
}
