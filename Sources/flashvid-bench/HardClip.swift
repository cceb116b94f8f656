import FlashVID

/// A clip under a name, hard or, for comparison, ordinary.
struct HardClip: Equatable {
    let name: String
    /// Nil for the ordinary one, ``SyntheticClip``.
    let recipe: Recipe?

    static let ordinary = HardClip(name: "ordinary", recipe: nil)

    /// What `--hard` measures, the ordinary clip first: what people feed a video model besides films, and what makes numbers
    /// meet. Where something repeats, frames or patches of it are equal bit for bit.
    static let all: [HardClip] =
        named + found.map { name, text in HardClip(name: name, recipe: try? Recipe(text: text)) }

    /// What `--search-hard` found, as it printed the recipe. The tests see that each can be read.
    static let found: [(name: String, recipe: String)] = [
        (
            "found-default",
            "patches=23 shared=0.003 grain=0.0002 grain-by=position dark=1.0 period=2 odd=98 grid=0.0009765625 attention=zero"
        ),
        (
            "found-refined",
            "patches=49 shared=0.003 own=1.0 grain=0.0001 spread=1.0 period=2 scroll=7 odd=2 sinks=0.75 sink=10.0 grid=0.015625"
        ),
        (
            "found-ties",
            "patches=49 layout=columns shared=0.00375 own=1e-06 grain=0.001 spread=2.0 period=2 scroll=7 odd=2 "
                + "sinks=0.75 sink=10.0 outlier=30.0 grid=0.125 attention=zero"
        ),
        (
            "found-means",
            "patches=2 shared=0.00375 own=0.15 grain=2e-05 period=2 sinks=0.75 sink=10.0 outlier=1000.0 grid=0.125"
        ),
        (
            "found-fade",
            "patches=49 shared=0.003 own=1.25 grain=0.0001 spread=1.0 period=2 scroll=7 odd=98 scales=2 sinks=0.75 "
                + "sink=10.0 outlier=1000.0 grid=0.125 fade=1 attention=equal"
        ),
    ]

    private static let named: [HardClip] = {
        var (patches, screen) = (Recipe(), Recipe())
        patches.shared = 0
        patches.own = 1
        screen = patches
        screen.patches = 12
        func flat(_ grain: Double) -> (inout Recipe) -> Void { { $0.own = grain } }
        return [
            ordinary,
            // Half of every frame one black token.
            HardClip("letterbox") { $0.black = 0.5 },
            // Slides or a terminal: patches that come again and again, the same in all frames.
            HardClip("screen", screen),
            // The same with a little of the position on it.
            HardClip("screen-position", screen) {
                $0.grain = 1e-4
                $0.grainBy = .position
            },
            // The patches move along.
            HardClip("screen-scroll", screen) { $0.scroll = 1 },
            // One colour with grain.
            HardClip("flat-1e-2", change: flat(1e-2)),
            HardClip("flat-1e-3", change: flat(1e-3)),
            HardClip("flat-1e-6", change: flat(1e-6)),
            // All tokens of the clip one.
            HardClip("equal") { $0.patches = 1 },
            // One frame, repeated.
            HardClip("still") { $0.period = 1 },
            // The same, faded to black.
            HardClip("fade") {
                $0.period = 1
                $0.fade = true
            },
            // Test bars.
            HardClip("bars", patches) {
                $0.patches = 8
                $0.layout = .columns
            },
            // A channel of 1e3 in all tokens.
            HardClip("outlier") { $0.outlier = 1e3 },
            // A few tokens that are a thousand times as long.
            HardClip("sink") { $0.sinks = 0.03 },
            HardClip("noise", patches),
            // Two frames in turn.
            HardClip("alternating") { $0.period = 2 },
            // All tokens of a frame equal but one.
            HardClip("one-different") {
                $0.patches = 1
                $0.odd = 1
            },
            // Two colours that have nothing in common, each with grain.
            HardClip("two-colours", patches) {
                $0.patches = 2
                $0.grain = 1e-4
            },
            // Every number 1 or -1: products are whole numbers, and many of them meet though no two rows are equal.
            HardClip("signs", patches) { $0.signs = true },
            // Multiples of a few tokens.
            HardClip("scaled", patches) {
                $0.patches = 6
                $0.scales = 5
            },
            // One colour with grain, on a grid as coarse as the grain: numbers that every type holds.
            HardClip("half-grid") {
                $0.own = 1e-2
                $0.grid = 0x1p-6
            },
        ]
    }()

    init(name: String, recipe: Recipe?) {
        self.name = name
        self.recipe = recipe
    }

    private init(_ name: String, _ base: Recipe = Recipe(), change: (inout Recipe) -> Void = { _ in }) {
        var recipe = base
        change(&recipe)
        self.init(name: name, recipe: recipe)
    }

    /// How it is made, in one line. Empty where all is as usual.
    var text: String { recipe?.text ?? SyntheticClip.recipe }

    func generator(_ shape: ClipShape, seed: UInt64) -> any GeneratedClip {
        guard let recipe else { return SyntheticClip(shape: shape, seed: seed) }
        return RecipeClip(recipe: recipe, shape: shape, seed: seed)
    }
}
