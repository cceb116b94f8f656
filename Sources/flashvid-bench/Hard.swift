import ArgumentParser
import FlashVID
import FlashVIDFile
import ToolSupport

extension Bench {
    struct Hard: ParsableArguments {
        @Flag(
            help: ArgumentHelp(
                "Measure hard clips, beside the ordinary clip of the same shape: letterboxes, screens, flat colours, test "
                    + "pictures and their like. (default: --preset llava-onevision --retention 0.1)"))
        var hard = false

        @Option(
            help: ArgumentHelp(
                "Measure these of them alone: \(HardClip.all.map(\.name).joined(separator: ", ")). The ordinary clip is "
                    + "measured always.", valueName: "names"))
        var only: List<String>?

        @Option(
            help: ArgumentHelp(
                "Measure a clip of this recipe, NAME=VALUE with spaces or commas between: "
                    + "\(Recipe.names.joined(separator: ", ")).", valueName: "text"))
        var recipe: String?

        @Option(
            parsing: .unconditional,
            help: ArgumentHelp(
                "Search so long for the clip that takes the engine longest over the ordinary clip's floor, from all hard "
                    + "clips or those of --only and --recipe on, in both f32 and f16 or in --dtype.",
                valueName: "seconds")
        )
        var searchHard: Double?

        /// Whether hard clips are what is measured.
        var isWanted: Bool { hard || searchHard != nil }
    }

    /// The clips that the options name, without the ordinary one unless they name it.
    func hardClips() throws -> [HardClip] {
        var clips = try hard.only.map { names in
            try names.elements.map { name in
                guard let clip = HardClip.all.first(where: { $0.name == name }) else {
                    let known = HardClip.all.map(\.name).joined(separator: ", ")
                    throw Failure(input: "--only: there is no \(name); expected \(known)")
                }
                return clip
            }
        }
        if let text = hard.recipe {
            do throws(RecipeError) {
                clips = (clips ?? []) + [HardClip(name: "recipe", recipe: try Recipe(text: text))]
            } catch {
                throw Failure(input: "--recipe: \(error.message)")
            }
        }
        return clips ?? HardClip.all
    }

    func checkHard(_ clips: [HardClip]) throws {
        let subjects = try subjects()
        for subject in subjects {
            for retention in retentions { _ = try configuration(subject, retention: retention) }
        }
        for (index, clip) in clips.enumerated() where clips[..<index].contains(where: { $0.name == clip.name }) {
            throw Failure(input: "--only names \(clip.name) twice")
        }
        if input.write != nil, clips.count != 1 || subjects.count != 1 {
            throw Failure(input: "--write saves one clip; name it with --only or --recipe, and one --shape at the most")
        }
    }

    func measureHard(_ clips: [HardClip]) throws {
        let (threads, subjects) = (try threadCounts(), try subjects())
        if let file = input.write {
            return try clip(clips[0], subjects[0], as: scalarType).write(
                to: file, metadata: ["seed": "\(input.seed)", "clip": "\(clips[0].name): \(clips[0].text)"])
        }
        let (machine, _) = try showMachine(
            threads, recipe: "hard clips beside the ordinary one: \(SyntheticClip.recipe)")
        var rows: [HardRow] = []
        for subject in subjects {
            // Made once, so that all rows have the same beside them.
            let ordinary = try clip(.ordinary, subject, as: scalarType)
            for count in threads {
                for retention in retentions {
                    rows += try measure(
                        clips.map { ($0, scalarType) }, beside: ordinary, subject, retention: retention, threads: count)
                }
            }
        }
        for name in rows.unsteady { try show("\n\(name): the indices depend on the number of threads\n") }
        if let worst = rows.worst { try show("\n" + worst) }
        try save(rows, machine, csv: CSV.text(rows))
    }

    /// A table: the ordinary clip and then the others.
    func measure(
        _ clips: [(HardClip, ScalarType)], beside ordinary: BenchClip, _ subject: Subject, retention: Double,
        threads: Int
    ) throws -> [HardRow] {
        let title = title(subject, ordinary, threads: threads) + ", retention \(retention)"
        try show("\n" + title + "\n" + Table.hard.header)
        let configuration = try configuration(subject, retention: retention)
        let repetitions = Repetitions(runs: measuring.runs, warmup: measuring.warmup, mayBeSlow: true)
        let other = try Flight([ordinary], configuration, threads: threads)
        var rows: [HardRow] = []
        func add(_ clip: HardClip, _ measurement: Measurement, of flight: Flight) throws {
            let row = HardRow(
                clip, measurement, of: flight, semantics: semantics, retention: retention, threads: threads,
                ordinary: rows.first)
            try show(Table.hard.text(of: row))
            rows.append(row)
        }
        try add(.ordinary, try Measurement(of: other, repetitions), of: other)
        for (hardClip, type) in clips where hardClip != .ordinary {
            let flight = try Flight([try clip(hardClip, subject, as: type)], configuration, threads: threads)
            do {
                try add(hardClip, try Measurement(of: flight, beside: other, repetitions), of: flight)
            } catch let error as FlashVIDError {
                throw Failure(error, path: hardClip.name)
            }
        }
        if output.stages { try show("\n" + Table.hardStages.header + rows.map(Table.hardStages.text(of:)).joined()) }
        return rows
    }

    func clip(_ clip: HardClip, _ subject: Subject, as type: ScalarType) throws -> BenchClip {
        guard let shape = subject.shape else { throw Failure(input: "a generated clip needs --shape or --preset") }
        return try BenchClip(
            clip.generator(shape, seed: input.seed), as: type,
            pool: try WorkerPool(threads: WorkerPool.availableCores, multiplying: true))
    }
}
