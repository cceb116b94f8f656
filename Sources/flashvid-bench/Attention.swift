public import ArgumentParser
import FlashVID
import FlashVIDFile
public import FlashVIDHost
import ToolSupport

extension AttentionShape: ExpressibleByArgument {
    /// `FxHxNxE`, each at least 1.
    public init?(argument: String) {
        let parts = argument.split(separator: "x", omittingEmptySubsequences: false)
        let sizes = parts.compactMap { Int($0) }
        guard parts.count == 4, sizes.count == 4, sizes.allSatisfy({ $0 > 0 }) else { return nil }
        self.init(frames: sizes[0], heads: sizes[1], tokens: sizes[2], width: sizes[3])
    }
}

extension Bench {
    struct Attention: ParsableArguments {
        @Option(
            parsing: .unconditional,
            help: ArgumentHelp(
                "Measure the attention scores of queries and keys of these sizes, FxHxNxE: frames, heads, tokens, "
                    + "numbers a head. --input takes them from a file that holds queries and keys.", valueName: "sizes")
        )
        var attention: List<AttentionShape>?
    }

    func checkAttention(_ shapes: [AttentionShape]) throws {
        if input.input != nil {
            for (name, isGiven) in [("--dtype", input.dtype != nil), ("--write", input.write != nil)] where isGiven {
                throw Failure(input: "\(name) excludes --input; it is about generated numbers")
            }
        }
        for (name, isGiven) in [
            ("--input", input.input != nil), ("--write", input.write != nil), ("--step", measuring.step),
        ] where isGiven && shapes.count != 1 {
            throw Failure(input: "\(name) takes one shape of --attention")
        }
    }

    func measureAttention(_ shapes: [AttentionShape]) throws {
        let threads = try threadCounts()
        if let file = input.write { return try write(shapes[0], to: file) }
        if measuring.step {
            let pass = try AttentionPass(try attentionInput(shapes[0]), threads: threads[0])
            _ = try pass.score()
            return try step(pass.scores.count) { try pass.score() }
        }
        // A bad file is told before anything else.
        let loaded = input.input == nil ? nil : try attentionInput(shapes[0])
        let (machine, peaks) = try showMachine(threads, recipe: AttentionInput.recipe)
        var rows: [AttentionRow] = []
        for count in threads {
            let table = Table<AttentionRow>.attention
            let type = loaded?.type ?? scalarType
            try show("\nattention, \(Row.name(type)), \(Self.name(threads: count))\n" + table.header)
            for shape in shapes {
                let row = try row(try loaded ?? attentionInput(shape), threads: count, peak: peaks[count] ?? .nan)
                try show(table.text(of: row))
                rows.append(row)
            }
        }
        try save(rows, machine, csv: CSV.text(rows))
    }

    private func row(_ input: AttentionInput, threads: Int, peak: Double) throws -> AttentionRow {
        do {
            let pass = try AttentionPass(input, threads: threads)
            let measurement = try Measurement(
                of: pass, Repetitions(runs: measuring.runs, warmup: measuring.warmup))
            return AttentionRow(measurement, of: pass, threads: threads, peak: peak)
        } catch let error as FlashVIDError {
            throw Failure(error, path: self.input.input?.name)
        }
    }

    func attentionInput(_ shape: AttentionShape) throws -> AttentionInput {
        if let file = input.input { return try AttentionInput(contentsOf: file, shape) }
        return try AttentionInput(
            shape, seed: input.seed, as: scalarType,
            pool: try WorkerPool(threads: WorkerPool.availableCores, multiplying: true))
    }

    private func write(_ shape: AttentionShape, to file: OutputFile) throws {
        try attentionInput(shape).write(
            to: file, metadata: ["seed": "\(input.seed)", "tensors": AttentionInput.recipe])
    }
}
