import FlashVID
import FlashVIDFile
import Foundation
import Testing
import ToolSupport

@testable import flashvid_bench

@Suite("Hard clips") struct HardTests {
    private static let shape = ClipShape(frames: 5, tokensPerFrame: 100, channels: 24)

    private static func clip(
        _ name: String, seed: UInt64 = 1, as type: ScalarType = .float32, threads: Int = 2
    ) throws -> BenchClip {
        let clip = try #require(HardClip.all.first { $0.name == name })
        return try BenchClip(
            clip.generator(shape, seed: seed), as: type, pool: try WorkerPool(threads: threads, multiplying: true))
    }

    /// Features and attention, out of the clip's memory, which lives as long as the clip.
    private static func values(_ clip: BenchClip) -> (features: [Float], attention: [Float]) {
        withExtendedLifetime(clip) { (Array(clip.floats), Array(clip.attention)) }
    }

    private static func bytes(_ clip: BenchClip) -> [UInt8] { withExtendedLifetime(clip) { Array(clip.features) } }

    /// [F][N] rows.
    private static func frames(_ clip: BenchClip) -> [[[Float]]] {
        let (n, d) = (clip.shape.tokensPerFrame, clip.shape.channels)
        let values = values(clip).features
        return (0..<clip.shape.frames).map { frame in
            (0..<n).map { token in
                let start = (frame * n + token) * d
                return Array(values[start..<start + d])
            }
        }
    }

    private static func frames(_ name: String) throws -> [[[Float]]] { frames(try clip(name)) }

    private static func distance(_ a: [Float], _ b: [Float]) -> Float {
        zip(a, b).map { abs($0 - $1) }.max() ?? 0
    }

    @Test func namesAreUnique() {
        #expect(Set(HardClip.all.map(\.name)).count == HardClip.all.count)
        #expect(HardClip.all.first == .ordinary)
        #expect(HardClip.all.count { $0.recipe == nil } == 1)
    }

    @Test(arguments: HardClip.all.map(\.name)) func followsFromTheSeed(_ name: String) throws {
        let (clip, again) = (Self.values(try Self.clip(name)), Self.values(try Self.clip(name, threads: 1)))
        #expect(clip == again)
        #expect(clip.features.allSatisfy { $0.isFinite } && clip.attention.allSatisfy { $0 >= 0 && $0.isFinite })
        #expect(clip.features != Self.values(try Self.clip(name, seed: 2)).features)
    }

    /// The same numbers on every machine, now and later.
    @Test func stayAsTheyWere() throws {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for clip in HardClip.all {
            for value in Self.values(try Self.clip(clip.name)).features {
                hash = (hash ^ UInt64(value.bitPattern)) &* 0x100_0000_01B3
            }
        }
        #expect(hash == 18_046_937_327_001_202_800)
    }

    @Test func letterbox() throws {
        let frames = try Self.frames("letterbox")
        let black = Set(frames.flatMap { $0[..<50] })
        #expect(black.count == 1)
        #expect(Set(frames.flatMap { $0[50...] }).count == 5 * 50)
    }

    @Test func screens() throws {
        let screen = try Self.frames("screen")
        #expect(Set(screen[0]).count == 12)
        #expect(screen.allSatisfy { $0 == screen[0] })

        let positioned = try Self.frames("screen-position")
        #expect(positioned.allSatisfy { $0 == positioned[0] })
        #expect(Set(positioned[0]).count == 100)
        let differences = zip(positioned[0], screen[0]).map { Self.distance($0, $1) }
        #expect(differences.allSatisfy { $0 > 1e-5 && $0 < 1e-3 })

        let scrolling = try Self.frames("screen-scroll")
        #expect(scrolling[0] == screen[0])
        for time in 1..<5 {
            #expect(scrolling[time] == Array(scrolling[time - 1].dropFirst()) + [scrolling[time - 1][0]])
        }
    }

    @Test(arguments: [("flat-1e-2", 1e-2), ("flat-1e-3", 1e-3), ("flat-1e-6", 1e-6)] as [(String, Float)])
    func flat(_ name: String, _ grain: Float) throws {
        let rows = try Self.frames(name).joined()
        // With the finest grain some tokens of few channels may meet.
        #expect(Set(rows).count > 490)
        let first = try #require(rows.first)
        #expect(rows.allSatisfy { Self.distance($0, first) < 8 * grain })
        #expect(rows.contains { Self.distance($0, first) > grain })
    }

    @Test func repetitions() throws {
        #expect(Set(try Self.frames("equal").joined()).count == 1)
        let still = try Self.frames("still")
        #expect(Set(still).count == 1 && Set(still[0]).count == 100)
        let alternating = try Self.frames("alternating")
        #expect(alternating[0] == alternating[2] && alternating[1] == alternating[3])
        #expect(alternating[0] != alternating[1])
    }

    @Test func fade() throws {
        let (fade, still) = (try Self.frames("fade"), try Self.frames("still"))
        #expect(fade[0] == still[0])
        #expect(fade[2] == still[2].map { $0.map { $0 * 0.5 } })
        #expect(fade[4].joined().allSatisfy { $0 == 0 })
    }

    @Test func bars() throws {
        let frames = try Self.frames("bars")
        #expect(frames.allSatisfy { $0 == frames[0] })
        let row = frames[0][..<10]
        #expect(Set(row).count == 8)
        for line in 1..<10 { #expect(Array(frames[0][line * 10..<line * 10 + 10]) == Array(row)) }
    }

    @Test func peaks() throws {
        #expect(try Self.frames("outlier").joined().allSatisfy { $0[8] == 1000 && $0.count { abs($0) > 100 } == 1 })
        let longest = try Self.frames("sink").map { frame in
            frame.indices.filter { frame[$0].contains { abs($0) > 100 } }
        }
        #expect(Set(longest).count == 1)
        #expect((1...20).contains(longest[0].count))
    }

    @Test func exceptions() throws {
        let frames = try Self.frames("one-different")
        let common = Set(frames.map { Set($0).filter { row in frames[0].count { $0 == row } == 99 } })
        #expect(common.count == 1)
        for frame in frames {
            #expect(Set(frame).count == 2)
            #expect(frame.count { $0 == common.first?.first } == 99)
        }
    }

    @Test func colours() throws {
        let rows = Array(try Self.frames("two-colours").joined())
        let first = rows.filter { Self.distance($0, rows[0]) < 1e-2 }
        let others = rows.filter { Self.distance($0, rows[0]) >= 1e-2 }
        #expect(first.count > 100 && others.count > 100)
        #expect(others.allSatisfy { Self.distance($0, others[0]) < 1e-2 })
        #expect(Set(rows).count == 500)
    }

    @Test func values() throws {
        let signs = try Self.frames("signs")
        #expect(signs.joined().joined().allSatisfy { abs($0) == 1 })
        #expect(Set(signs.joined()).count == 500)
        #expect(Self.distance(signs[0][0], signs[0][1]) == 2)
        // Nothing is lost in either type of half the size.
        let grid = try Self.frames("half-grid").joined().joined()
        #expect(grid.allSatisfy { $0 * 64 == ($0 * 64).rounded() })
        #expect(grid.allSatisfy { Float(Float16($0)) == $0 && Float(BFloat16($0)) == $0 })
    }

    @Test func scaled() throws {
        let rows = try Self.frames("scaled").joined()
        let directions = rows.map { row in
            let length = row.reduce(0) { $0 + $1 * $1 }.squareRoot()
            return row.map { Int(($0 / length * 1e3).rounded()) }
        }
        #expect(Set(directions).count <= 12)
        #expect(Set(rows).count == 6 * 5)
    }

    // MARK: Recipes

    @Test func recipesAreText() throws {
        for clip in HardClip.all {
            guard let recipe = clip.recipe else { continue }
            #expect(try Recipe(text: recipe.text) == recipe, "\(clip.name)")
            // A cell of the CSV.
            #expect(!recipe.text.contains(",") && !recipe.text.isEmpty, "\(clip.name)")
        }
        var recipe = Recipe()
        #expect(recipe.text.isEmpty)
        recipe.patches = 3
        recipe.grain = 1e-4
        recipe.grainBy = .position
        recipe.fade = true
        recipe.attention = .steps
        #expect(recipe.text == "patches=3 grain=0.0001 grain-by=position fade=1 attention=steps")
        #expect(try Recipe(text: "patches=3,grain=1e-4, grain-by=position,fade=1 attention=steps") == recipe)
        #expect(try Recipe(text: "") == Recipe())
    }

    @Test func everyFieldCounts() throws {
        // With something for each of them to act on.
        let base = "patches=3 grain=0.1 sinks=0.5 black=0.1"
        func values(_ text: String) throws -> [Float] {
            let clip = RecipeClip(recipe: try Recipe(text: text), shape: Self.shape, seed: 1)
            let made = try BenchClip(clip, as: .float32, pool: try WorkerPool(threads: 1, multiplying: true))
            let values = Self.values(made)
            return values.features + values.attention
        }
        let usual = try values(base)
        let changes = [
            "patches=4", "layout=columns", "layout=frames", "shared=2", "own=2", "grain=0.2", "grain-by=position",
            "spread=1", "black=0.5", "dark=0", "period=1", "hold=2", "scroll=1", "odd=2", "scales=2", "sinks=0.1",
            "sink=2", "outlier=5", "signs=1", "grid=0.5", "fade=1", "attention=still", "attention=peaked",
            "attention=steps", "attention=equal", "attention=zero",
        ]
        for change in changes { #expect(try values(base + " " + change) != usual, "\(change)") }
        #expect(Set(changes.map { String($0.prefix { $0 != "=" }) }) == Set(Recipe.names))
    }

    // MARK: Search

    @Test func changesStayRecipes() throws {
        var random = SplitMix64(seed: 5)
        var recipe = Recipe()
        var seen = Set<String>()
        for _ in 0..<5000 {
            recipe = recipe.changed(tokens: 50, &random)
            #expect(try Recipe(text: recipe.text) == recipe)
            for part in recipe.text.split(separator: " ") { seen.insert(String(part.prefix { $0 != "=" })) }
        }
        #expect(seen == Set(Recipe.names))
    }

    /// It climbs: what was slow is changed, and what was slowest most.
    @Test func climbs() {
        func search() -> HardSearch {
            HardSearch(from: [Recipe()], types: [.float32, .float16], tokensPerFrame: 50, seed: 3)
        }
        var (first, again) = (search(), search())
        var steps = 0
        for _ in 0..<400 {
            var (candidate, other) = (first.next(), again.next())
            #expect(candidate == other)
            // More patches, and on float16, are slow here.
            candidate.ratio = Double(min(candidate.recipe.patches, 90)) + (candidate.type == .float16 ? 0.5 : 0)
            other.ratio = candidate.ratio
            steps += first.take(candidate) ? 1 : 0
            _ = again.take(other)
        }
        #expect(first.tried == 400)
        #expect(first.best[0].ratio == 90.5 && first.best[0].type == .float16)
        #expect(steps > 3 && steps < 40)
        #expect(zip(first.best, first.best.dropFirst()).allSatisfy { $0.ratio >= $1.ratio })
        #expect(first.best.count <= 16)
        #expect(first.isPromising(91) && !first.isPromising(1))
        // What was found by a disturbance falls back when it is measured again.
        var slowest = first.best[0]
        slowest.ratio = 1
        let isSlowest = first.take(slowest)
        #expect(!isSlowest && first.best[0].recipe != slowest.recipe)
    }

    @Test func searches() throws {
        let outcome = try Outcome(
            "--search-hard", "0.3", "--shape", "6x12x16", "--threads", "1", "--runs", "1", "--dtype", "f16")
        #expect(outcome.rows.map { $0["clip"] as? String } == ["ordinary", "found-1", "found-2", "found-3"])
        let recipe = try #require(outcome.rows[1]["recipe"] as? String)
        let again = try Outcome(
            "--hard", "--recipe", recipe, "--shape", "6x12x16", "--threads", "1", "--runs", "1", "--dtype", "f16")
        #expect(again.rows[1]["digest"] as? String == outcome.rows[1]["digest"] as? String)
    }

    @Test func saysHowToMeasureAgain() throws {
        let bench = try Bench.parseArguments([
            "--search-hard", "9", "--refined", "--preset", "qwen2.5-vl", "--seed", "7",
        ])
        var recipe = Recipe()
        recipe.patches = 12
        let line = bench.again(
            HardClip(name: "found-1", recipe: recipe), .float16, ClipShape(frames: 1, tokensPerFrame: 2, channels: 3),
            0.1, 2)
        #expect(
            line
                == "flashvid-bench --hard --recipe 'patches=12' --dtype f16 --seed 7 --preset qwen2.5-vl --shape 1x2x3 "
                + "--retention 0.1 --threads 2 --refined")
    }

    // MARK: Options

    @Test(arguments: [
        (["--only", "screen"], "--only says nothing without --hard or --search-hard"),
        (["--recipe", "patches=2"], "--recipe says nothing without --hard or --search-hard"),
        (["--search-hard", "0"], "--search-hard is 0.0; expected seconds up to 86400"),
        (["--search-hard", "nan"], "--search-hard is nan"),
        (["--search-hard", "1e9"], "--search-hard is 1000000000.0"),
        (["--search-hard", "9", "--hard"], "--search-hard excludes --hard"),
        (["--search-hard", "9", "--input", "a"], "--input excludes --search-hard"),
        (["--search-hard", "9", "--write", "a"], "--write excludes --search-hard"),
        (["--search-hard", "9", "--threads", "1,2"], "--search-hard takes one shape"),
        (["--search-hard", "9", "--shape", "1x2x3,4x5x6"], "--search-hard takes one shape"),
        (["--search-hard", "9", "--only", "scren"], "--only: there is no scren"),
        (["--hard", "--only", "scren"], "--only: there is no scren; expected ordinary, letterbox"),
        (["--hard", "--only", ""], "--only: there is no ;"),
        (["--hard", "--only", "screen,bars,screen"], "--only names screen twice"),
        (["--hard", "--recipe", "patches"], "--recipe: patches is not NAME=VALUE"),
        (["--hard", "--recipe", "patch=1"], "--recipe: there is no patch; expected patches, layout"),
        (["--hard", "--recipe", "patches=-1"], "--recipe: patches=-1: not a value of it"),
        (["--hard", "--recipe", "grain=nan"], "--recipe: grain=nan: not a value of it"),
        (["--hard", "--recipe", "hold=0"], "--recipe: hold=0: not a value of it"),
        (["--hard", "--attention", "1x1x2x3"], "--attention excludes --hard"),
        (["--hard", "--plan", "all"], "--plan excludes --hard"),
        (["--hard", "--input", "a"], "--input excludes --hard"),
        (["--hard", "--clips", "2"], "--clips excludes --hard"),
        (["--hard", "--step"], "--step excludes --hard"), (["--hard", "--rows", "9"], "--rows excludes --hard"),
        (["--hard", "--write", "a"], "--write saves one clip"),
        (["--hard", "--only", "screen,bars", "--write", "a"], "--write saves one clip"),
        (["--hard", "--only", "screen", "--recipe", "own=1", "--write", "a"], "--write saves one clip"),
        (["--hard", "--only", "screen", "--shape", "1x2x3,4x5x6", "--write", "a"], "--write saves one clip"),
        (["--hard", "--only", "screen", "--write", "a", "--json", "b"], "--write measures nothing that --json"),
        (["--hard", "--retention", "0"], "retention is 0.0"), (["--hard", "--threads", "65"], "65 threads"),
        (["--hard", "--refined", "--published"], "--refined excludes --published"),
    ])
    func refusals(_ arguments: [String], _ message: String) { expectRefusal(arguments, message) }

    @Test func nothingMeansTheFirstPreset() throws {
        let bench = try Bench.parseArguments(["--hard"])
        try bench.check()
        #expect(try bench.subjects().map(\.shape) == [ClipShape(frames: 32, tokensPerFrame: 196, channels: 3584)])
        #expect(bench.retentions == [0.1])
        #expect(try bench.hardClips() == HardClip.all)
        let both = try Bench.parseArguments(["--hard", "--preset", "qwen2.5-vl", "--retention", "0.2,0.3"])
        #expect(try both.subjects().map(\.preset) == [.qwen25VL])
        #expect(both.retentions == [0.2, 0.3])
        let named = try Bench.parseArguments(["--hard", "--only", "bars,equal", "--recipe", "patches=2"])
        #expect(try named.hardClips().map(\.name) == ["bars", "equal", "recipe"])
    }

    /// Runs that take long are few.
    @Test func patience() {
        let patient = Repetitions(mayBeSlow: true)
        #expect(!patient.isEnough(2, after: 1) && patient.isEnough(3, after: 1))
        #expect(!patient.isEnough(1, after: 3) && patient.isEnough(1, after: 5))
        #expect(!patient.isEnough(first: 9) && patient.isEnough(first: 11))
        #expect(!Repetitions().isEnough(1, after: 5) && !Repetitions().isEnough(first: 11))
        let asked = Repetitions(runs: 3, mayBeSlow: true)
        #expect(!asked.isEnough(2, after: 100) && !asked.isEnough(first: 100))
    }

    // MARK: The report

    private static let row = HardRow(
        clip: "screen-position", recipe: "patches=12", semantics: "refined", shape: [32, 196, 3584], dtype: "f16",
        retention: 0.1, threads: 2, runs: 3,
        times: Times(
            medianMs: 947, minMs: 900, maxMs: 1234.5, gemmFloorMs: 35, gemmFloorMinMs: 34, gemmFloorMaxMs: 36,
            overFloor: 27.0571),
        ordinaryMs: 36.5, overOrdinary: 25.9452, closeCalls: 24131, settledByClass: 12345, settledInBlocks: 6789,
        settledSingly: 55, extraBytes: 28_000_000, memoryOverOrdinary: 1.1234, digest: "0123456789abcdef",
        stagesMs: ["segmentation": 1, "selection": 2, "trees": 1, "contextual": 4, "refinement": 0])

    @Test func table() {
        let (hard, stages) = (Table<HardRow>.hard, Table<HardRow>.hardStages)
        #expect(hard.header.count == hard.text(of: Self.row).count)
        #expect(stages.header.count == stages.text(of: Self.row).count)
        #expect(
            hard.text(of: Self.row).split(whereSeparator: \.isWhitespace).map(String.init) == [
                "screen-position", "947", "900..1235", "35.0", "27.1", "25.9", "24131", "12345", "6789", "55", "28.0",
                "1.12",
            ])
        // No name is wider than its column.
        for clip in HardClip.all {
            var row = Self.row
            row.clip = clip.name
            #expect(hard.text(of: row).count == hard.header.count, "\(clip.name)")
        }
        var unknown = Self.row
        (unknown.extraBytes, unknown.memoryOverOrdinary) = (nil, nil)
        #expect(hard.text(of: unknown).split(whereSeparator: \.isWhitespace).suffix(2) == ["?", "?"])
    }

    @Test func worst() {
        var (ordinary, mild) = (Self.row, Self.row)
        (ordinary.clip, ordinary.times.overFloor) = ("ordinary", 99)
        (mild.clip, mild.times.overFloor) = ("bars", 2)
        let line =
            "worst: screen-position, 27.1 times the ordinary clip's floor, 25.9 times its time "
            + "(32 x 196 x 3584, f16, 2 threads, refined, retention 0.1)\n"
        #expect([ordinary, mild, Self.row].worst == line)
        #expect([ordinary].worst?.hasPrefix("worst: ordinary, 99.0 times") == true)
        #expect([HardRow]().worst == nil)
    }

    @Test func unsteady() {
        var (other, elsewhere) = (Self.row, Self.row)
        other.threads = 1
        #expect([Self.row, other].unsteady.isEmpty)
        other.digest = "f"
        (elsewhere.shape, elsewhere.digest) = ([1, 2, 3], "e")
        #expect([Self.row, elsewhere].unsteady.isEmpty)
        #expect([Self.row, other, elsewhere].unsteady == ["screen-position"])
        #expect(HardRow.digest([1, 2]) != HardRow.digest([2, 1]))
        #expect(HardRow.digest([]).count == 16)
    }

    /// From end to end.
    @Test(arguments: ["f32", "f16"]) func measures(dtype: String) throws {
        let outcome = try Outcome(
            "--hard", "--shape", "8x20x32", "--dtype", dtype, "--threads", "1,2", "--runs", "1", "--refined")
        let names = HardClip.all.map(\.name)
        let agrees = outcome.agrees
        #expect(agrees)
        #expect(outcome.rows.map { $0["clip"] as? String } == names + names)
        #expect(
            outcome.titles == [
                "frames", "tokens_per_frame", "channels", "clip", "recipe", "semantics", "dtype", "retention",
                "threads",
                "runs", "median_ms", "min_ms", "max_ms", "gemm_floor_ms", "gemm_floor_min_ms", "gemm_floor_max_ms",
                "over_floor", "ordinary_ms", "over_ordinary", "close_calls", "settled_by_class", "settled_in_blocks",
                "settled_singly", "extra_bytes", "memory_over_ordinary", "digest", "stage_segmentation_ms",
                "stage_selection_ms", "stage_trees_ms", "stage_contextual_ms", "stage_refinement_ms",
            ])
        #expect(outcome.rows.allSatisfy { $0["semantics"] as? String == "refined" && $0["dtype"] as? String == dtype })
        #expect(outcome.rows.allSatisfy { ($0["over_floor"] as? Double ?? 0) > 0 })
        #expect(outcome.rows[0]["over_ordinary"] as? Double == 1 && outcome.rows[0]["recipe"] == nil)
        let digests = outcome.rows.map { $0["digest"] as? String ?? "" }
        #expect(Array(digests[..<names.count]) == Array(digests[names.count...]))
    }

    @Test func someAlone() throws {
        let outcome = try Outcome(
            "--hard", "--only", "bars", "--recipe", "patches=2 grain=1e-3", "--shape", "4x9x8", "--threads", "1",
            "--runs",
            "1")
        #expect(outcome.rows.map { $0["clip"] as? String } == ["ordinary", "bars", "recipe"])
        #expect(outcome.rows.last?["recipe"] as? String == "patches=2 grain=0.001")
    }

    /// Numbers that a type cannot hold are the recipe's fault.
    @Test func refusesWhatOverflows() throws {
        let bench = try Bench.parseArguments([
            "--hard", "--recipe", "sinks=1 sink=1e6", "--dtype", "f16", "--shape", "4x9x8", "--threads", "1",
        ])
        let failure = #expect(throws: Failure.self) { try bench.measure() }
        #expect(failure?.exitCode == 2)
        #expect(failure?.message.hasPrefix("recipe: features are not finite") == true)
    }

    @Test func saves() throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("flashvid-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        for name in ["screen", "ordinary"] {
            try Bench.parseArguments(["--hard", "--only", name, "--shape", "5x100x24", "--write", path]).measure()
            let read = try BenchClip(contentsOf: .path(FilePath(path)))
            let clip = try Self.clip(name)
            #expect(Self.bytes(read) == Self.bytes(clip))
            #expect(Self.values(read) == Self.values(clip))
        }
    }
}
