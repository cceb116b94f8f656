import FlashVID
import ToolSupport

/// A search for the recipe whose clip takes the engine longest: it climbs from what it knows, a change or a few at a time.
struct HardSearch {
    struct Candidate: Equatable {
        var recipe: Recipe
        var type: ScalarType
        /// Over the ordinary clip's floor.
        var ratio = 0.0

        var typeName: String { Row.name(type) }
    }

    /// The slowest so far, the slowest first, no two of one recipe and type.
    private(set) var best: [Candidate] = []
    /// Candidates that were measured.
    private(set) var tried = 0
    private var waiting: [Candidate]
    private let types: [ScalarType]
    private let tokens: Int
    private var random: SplitMix64

    /// As many are climbed from.
    static let width = 4

    init(from starts: [Recipe], types: [ScalarType], tokensPerFrame: Int, seed: UInt64) {
        self.types = types
        tokens = tokensPerFrame
        random = SplitMix64(seed: seed)
        waiting = starts.flatMap { recipe in types.map { Candidate(recipe: recipe, type: $0) } }
    }

    /// What to measure next.
    mutating func next() -> Candidate {
        if !waiting.isEmpty { return waiting.removeFirst() }
        guard !best.isEmpty else { return Candidate(recipe: Recipe().changed(tokens: tokens, &random), type: types[0]) }
        // The slowest twice as often as the next, and so on.
        var place = 0
        while place + 1 < min(Self.width, best.count), random.next() & 1 == 0 { place += 1 }
        var candidate = best[place]
        candidate.ratio = 0
        for _ in 0...(random.next() % 3) { candidate.recipe = candidate.recipe.changed(tokens: tokens, &random) }
        if random.next() % 8 == 0 { candidate.type = types[Int(random.next() % UInt64(types.count))] }
        return candidate
    }

    /// Whether a ratio would come among those that are climbed from.
    func isPromising(_ ratio: Double) -> Bool { best.count < Self.width || ratio > best[Self.width - 1].ratio }

    /// Takes a measured one in; true where it is the slowest.
    mutating func take(_ candidate: Candidate) -> Bool {
        tried += 1
        if let known = best.firstIndex(where: { $0.recipe == candidate.recipe && $0.type == candidate.type }) {
            // What was a disturbance the first time does not stand.
            best[known].ratio = min(best[known].ratio, candidate.ratio)
            best.sort { $0.ratio > $1.ratio }
            return false
        }
        let isSlowest = candidate.ratio > best.first?.ratio ?? 0
        best.append(candidate)
        best.sort { $0.ratio > $1.ratio }
        best = Array(best.prefix(4 * Self.width))
        return isSlowest
    }
}

extension Recipe {
    /// This one with one field changed, near by or to something else.
    func changed(tokens: Int, _ random: inout SplitMix64) -> Recipe {
        func pick<Value>(_ values: [Value], _ random: inout SplitMix64) -> Value {
            values[Int(random.next() % UInt64(values.count))]
        }
        /// A weight some half powers of ten off, gone, or back.
        func weight(_ value: Double, _ random: inout SplitMix64) -> Double {
            guard value > 0 else { return pick([1e-6, 1e-4, 1e-2, 1], &random) }
            let moved = value * pick([0.1, 0.3, 0.5, 0.8, 1.25, 2, 3, 10], &random)
            return moved < 1e-9 || moved > 1e4 ? 1 : pick([moved, moved, moved, moved, 0], &random)
        }
        func share(_ value: Double, _ random: inout SplitMix64) -> Double {
            min(1, max(0, pick([0, 0.25, 0.5, 0.75, value * 0.7, value * 1.3, value - 0.05, value + 0.05], &random)))
        }
        var recipe = self
        switch random.next() % 20 {
        case 0, 1:
            recipe.patches = min(
                65536,
                max(
                    0, pick([0, 1, 2, tokens / 4, tokens, patches - 1, patches + 1, patches / 2, patches * 2], &random))
            )
        case 2: recipe.layout = pick(Layout.allCases, &random)
        case 3: recipe.shared = weight(shared, &random)
        case 4, 5: recipe.own = weight(own, &random)
        case 6, 7: recipe.grain = weight(grain, &random)
        case 8: recipe.grainBy = pick(Grain.allCases, &random)
        case 9: recipe.spread = pick([0, 1, 2, 4], &random)
        case 10: recipe.black = share(black, &random)
        case 11: recipe.dark = pick([0, 0.1, 1], &random)
        case 12: recipe.period = pick([0, 0, 1, 2, 3, 7], &random)
        case 13: recipe.hold = pick([1, 1, 2, 3, 8], &random)
        case 14: recipe.scroll = pick([0, 0, 1, 7, tokens / 3], &random)
        case 15: recipe.odd = pick([0, 1, 2, tokens / 8, tokens / 2], &random)
        case 16: recipe.scales = 1 + Int(random.next() % UInt64(Self.factors.count))
        case 17:
            recipe.sinks = share(sinks, &random)
            recipe.sink = pick([0.1, 10, 1000], &random)
        case 18:
            recipe.outlier = pick([0, 0, 30, 1000], &random)
            recipe.grid = pick([0, 0, 0x1p-3, 0x1p-6, 0x1p-10], &random)
        default:
            switch random.next() % 4 {
            case 0: recipe.signs.toggle()
            case 1: recipe.fade.toggle()
            default: recipe.attention = pick(Attention.allCases, &random)
            }
        }
        return recipe
    }
}

// MARK: - Run

extension Bench {
    static let longestSearch = 86400.0

    func checkSearch(_ seconds: Double, _ starts: [HardClip]) throws {
        guard seconds > 0, seconds <= Self.longestSearch else {
            throw Failure(input: "--search-hard is \(seconds); expected seconds up to \(Int(Self.longestSearch))")
        }
        try checkHard(starts)
        let counts = [try subjects().count, retentions.count, try threadCounts().count]
        guard counts == [1, 1, 1] else {
            throw Failure(input: "--search-hard takes one shape, one retention and one number of threads")
        }
    }

    /// Searches, shows what is slower than all before as soon as it is found, and measures the slowest again.
    func searchHard(_ seconds: Double, from starts: [HardClip]) throws {
        let (threads, subject, retention) = (try threadCounts()[0], try subjects()[0], retentions[0])
        guard let shape = subject.shape else { throw Failure(input: "a generated clip needs --shape or --preset") }
        let (machine, _) = try showMachine(
            [threads], recipe: "found by a search, beside the ordinary one: \(SyntheticClip.recipe)")
        let ordinary = try clip(.ordinary, subject, as: scalarType)
        let other = try Flight([ordinary], try configuration(subject, retention: retention), threads: threads)
        _ = try Measurement(of: other, Repetitions(runs: 1))
        var search = HardSearch(
            from: starts.compactMap(\.recipe), types: input.dtype == nil ? [.float32, .float16] : [scalarType],
            tokensPerFrame: shape.tokensPerFrame, seed: input.seed)
        try show(
            "\n\(title(subject, ordinary, threads: threads)), retention \(retention): a search of "
                + "\(Format.number(seconds)) s\n" + Table.found.header)
        let start = ContinuousClock.now
        while case let time = flashvid_bench.seconds(since: start), time < seconds {
            var candidate = search.next()
            do {
                candidate.ratio = try ratio(of: candidate, subject, retention, threads, beside: other, search)
            } catch is FlashVIDError {
                // Numbers that the type does not hold.
                continue
            }
            if search.take(candidate) { try show(Table.found.text(of: (time, candidate))) }
        }
        let found = search.best.prefix(3).enumerated().map { place, candidate in
            (HardClip(name: "found-\(place + 1)", recipe: candidate.recipe), candidate.type)
        }
        try show("\n\(search.tried) clips tried; the slowest again:\n")
        let rows = try measure(found, beside: ordinary, subject, retention: retention, threads: threads)
        if let worst = rows.worst { try show("\n" + worst) }
        for (clip, type) in found { try show("\(clip.name): \(again(clip, type, shape, retention, threads))\n") }
        try save(rows, machine, csv: CSV.text(rows))
    }

    /// A candidate's time over the ordinary clip's floor: the least of two runs over that of two, and where that is much, of
    /// medians, since what disturbs the machine would be climbed from otherwise.
    private func ratio(
        of candidate: HardSearch.Candidate, _ subject: Subject, _ retention: Double, _ threads: Int,
        beside other: Flight, _ search: HardSearch
    ) throws -> Double {
        let made = try clip(HardClip(name: "candidate", recipe: candidate.recipe), subject, as: candidate.type)
        let flight = try Flight([made], try configuration(subject, retention: retention), threads: threads)
        var times = [try flight.compress()]
        var floors = [other.runFloor(), other.runFloor()]
        func run() throws {
            times.append(try flight.compress())
            floors.append(other.runFloor())
        }
        if times[0] < 1 { try run() }
        let ratio = (times.min() ?? .nan) / (floors.min() ?? .nan)
        guard times[0] < Repetitions.longRun, search.isPromising(ratio) else { return ratio }
        for _ in 0..<3 { try run() }
        // The first call takes its memory from the system.
        return times.dropFirst().map { $0 }.median / floors.median
    }

    /// The command that measures a found clip again.
    func again(_ clip: HardClip, _ type: ScalarType, _ shape: ClipShape, _ retention: Double, _ threads: Int) -> String
    {
        var words = ["flashvid-bench --hard --recipe '\(clip.text)' --dtype \(Row.name(type)) --seed \(input.seed)"]
        if let preset = method.preset { words.append("--preset \(preset.rawValue)") }
        words.append("--shape \(shape.frames)x\(shape.tokensPerFrame)x\(shape.channels)")
        words.append("--retention \(retention) --threads \(threads)")
        if method.refined { words.append("--refined") }
        if method.published { words.append("--published") }
        return words.joined(separator: " ")
    }
}

extension Table<(seconds: Double, candidate: HardSearch.Candidate)> {
    /// The slowest clips as they are found.
    static var found: Self {
        Table(columns: [
            Column(title: "after s", width: 8) { Format.number($0.seconds) },
            Column(title: "over floor", width: 10) { Format.number($0.candidate.ratio) },
            Column(title: "type", width: 4) { $0.candidate.typeName },
            Column(title: "recipe", width: 0) { $0.candidate.recipe.text },
        ])
    }
}
