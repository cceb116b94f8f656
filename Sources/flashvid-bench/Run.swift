import FlashVID
import FlashVIDFile
import ToolSupport

extension Bench {
    /// Measures what the options say, and shows every row as soon as it is there.
    func measure() throws {
        try check()
        switch try mode() {
        case .clips: try measureClips()
        case .attention(let shapes): try measureAttention(shapes)
        case .plan(let models): try showPlan(models)
        case .hard(let clips): try measureHard(clips)
        case .search(let seconds, let starts): try searchHard(seconds, from: starts)
        }
    }

    private func measureClips() throws {
        let threads = try threadCounts()
        let subjects = try subjects()
        if let file = input.write { return try write(subjects[0], to: file) }
        if measuring.step { return try step(try clip(subjects[0]), subjects[0], threads: threads[0]) }
        // A bad file is told before anything else.
        let loaded = input.input == nil ? nil : try clip(subjects[0])

        let (machine, peaks) = try showMachine(threads, recipe: SyntheticClip.recipe)
        var rows: [Row] = []
        for subject in subjects {
            let first = try loaded ?? clip(subject)
            // Clips in flight do not share a cache by sharing their memory.
            let clips = try [first] + (1..<measuring.clips).map { _ in try BenchClip(copying: first) }
            for count in threads {
                try show("\n" + title(subject, first, threads: count) + "\n" + Table.rows.header)
                var measured: [Row] = []
                for retention in method.retentions {
                    let row = try row(subject, clips, retention: retention, threads: count, peak: peaks[count] ?? .nan)
                    try show(Table.rows.text(of: row))
                    measured.append(row)
                }
                if output.stages {
                    try show("\n" + Table.stages.header + measured.map(Table.stages.text(of:)).joined())
                }
                rows += measured
            }
        }
        try save(rows, machine, csv: CSV.text(rows))
    }

    /// Measures what the machine can do, and shows it as the head of the report.
    func showMachine(_ threads: [Int], recipe: String) throws -> (Machine, peaks: [Int: Double]) {
        var machine = Machine(
            coresUsed: min(threads.max() ?? 1, WorkerPool.availableCores), clip: input.input?.name ?? recipe,
            seed: input.input == nil ? input.seed : nil)
        var peaks: [Int: Double] = [:]
        for count in threads {
            let peak = try measuredPeak(threads: count)
            peaks[count] = peak
            machine.peakGflops["\(count)"] = (peak * 1e-8).rounded() / 10
        }
        try show(machine.summary)
        return (machine, peaks)
    }

    func save(_ rows: [some Encodable], _ machine: Machine, csv: String) throws {
        let results = try output.json.map { file in
            (file, try JSON.text(Results(machine: machine, rows: rows), indented: true) + "\n")
        }
        // Both are complete before one of them appears.
        let json = try prepare(results)
        let table = try prepare(output.csv.map { ($0, csv) })
        try json?.commit()
        try table?.commit()
    }

    private func prepare(_ text: (file: OutputFile, content: String)?) throws -> PendingFile? {
        guard let text else { return nil }
        var file = try text.file.create()
        try Array(text.content.utf8).withUnsafeBytes { try file.write($0) }
        try file.finish()
        return file
    }

    private func row(
        _ subject: Subject, _ clips: [BenchClip], retention: Double, threads: Int, peak: Double
    ) throws -> Row {
        do {
            let flight = try Flight(clips, try configuration(subject, retention: retention), threads: threads)
            let measurement = try Measurement(
                of: flight, Repetitions(runs: measuring.runs, warmup: measuring.warmup))
            return Row(
                measurement, of: flight, preset: subject.preset?.rawValue ?? "default", semantics: semantics,
                retention: retention, threads: threads, peak: peak)
        } catch let error as FlashVIDError {
            throw Failure(error, path: input.input?.name)
        }
    }

    func clip(_ subject: Subject) throws -> BenchClip {
        if let file = input.input { return try BenchClip(contentsOf: file) }
        guard let shape = subject.shape else { throw Failure(input: "a generated clip needs --shape or --preset") }
        return try BenchClip(
            SyntheticClip(shape: shape, seed: input.seed), as: scalarType,
            pool: try WorkerPool(threads: WorkerPool.availableCores, multiplying: true))
    }

    /// Of what is generated.
    var scalarType: ScalarType { (input.dtype ?? .f32).elementType.scalarType ?? .float32 }

    private func write(_ subject: Subject, to file: OutputFile) throws {
        try clip(subject).write(to: file, metadata: ["seed": "\(input.seed)", "clip": SyntheticClip.recipe])
    }

    func title(_ subject: Subject, _ clip: BenchClip, threads: Int) -> String {
        let shape = clip.shape
        var parts = [
            subject.preset?.rawValue ?? "default", "\(shape.frames) x \(shape.tokensPerFrame) x \(shape.channels)",
            Row.name(clip.type), Self.name(threads: threads),
        ]
        if semantics != "default" { parts.append(semantics) }
        if measuring.clips > 1 { parts.append("\(measuring.clips) clips in flight") }
        return parts.joined(separator: ", ")
    }

    static func name(threads: Int) -> String { threads == 1 ? "1 thread" : "\(threads) threads" }

    func show(_ text: String) throws {
        guard let reason = files.stream.write(text) else { return }
        throw Failure(environment: "cannot write the table: \(reason)")
    }
}
