import FlashVID

/// `--step`: one pass for every line on standard input, so that a script can let programs take turns. It prints
/// `ready ROWS` after a first pass, then the seconds of every pass.
extension Bench {
    func step(_ clip: BenchClip, _ subject: Subject, threads: Int) throws {
        let flight = try Flight(
            [clip], try configuration(subject, retention: method.retentions[0]), threads: threads)
        _ = try flight.compress()
        try step(flight.lanes[0].video.count) { try flight.compress() }
    }

    /// `pass` makes one pass and returns its seconds.
    func step(_ rows: Int, pass: () throws -> Double) throws {
        try show("ready \(rows)\n")
        while readLine() != nil { try show("\(try pass())\n") }
    }
}
