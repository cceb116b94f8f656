import FlashVID

/// How often something is run.
struct Repetitions: Equatable {
    /// Measured runs; nil for as many as ``patience`` allows, 2 to 15.
    var runs: Int?
    /// Runs before them that do not count. The engine's first run, which the memory is taken from, is one of them.
    var warmup = 1

    /// Seconds that a row's measured runs take, engine and floor together.
    static let patience = 0.8

    func isEnough(_ runs: Int, after seconds: Double) -> Bool {
        if let wanted = self.runs { return runs >= wanted }
        // Where a single run tries the patience, two must do.
        let fewest = seconds > Double(runs) * Self.patience ? 2 : 3
        return runs >= 15 || runs >= fewest && seconds >= Self.patience
    }
}

/// Times of one configuration on one clip, or on several at a time.
struct Measurement {
    /// Seconds of every pass of the engine over all clips in flight.
    var times: [Double] = []
    /// Seconds of every pass of the floor.
    var floors: [Double] = []
    /// Seconds of every stage, by pass, summed over threads and clips.
    var stages: [[Double]] = []
    /// Peak beyond what was resident, of the first call on fresh compressors; nil where the system does not tell.
    var extraBytes: Int?

    /// Engine and floor alternate, so that what disturbs the machine disturbs both.
    init(of flight: Flight, _ repetitions: Repetitions) throws {
        extraBytes = try ResidentMemory.peak { _ = try flight.compress() }
        for lane in flight.lanes { try lane.prepareFloor() }
        for run in 0..<repetitions.warmup {
            _ = flight.runFloor()
            if run > 0 { _ = try flight.compress() }
        }
        let start = ContinuousClock.now
        repeat {
            floors.append(flight.runFloor())
            times.append(try flight.compress())
            stages.append(
                CompressedVideo.Stage.allCases.map { stage in
                    flight.lanes.reduce(0) { $0 + $1.video.statistics.stageSeconds[stage.rawValue] }
                })
        } while !repetitions.isEnough(times.count, after: seconds(since: start))
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
