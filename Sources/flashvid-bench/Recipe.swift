/// What a hard clip is made of: a few numbers, each a property of what people feed a video model besides films. As text it is
/// the numbers that are not as usual, `patches=12 shared=0 own=1`.
///
/// A token of a frame is a vector that all tokens share, plus a part of its own, plus grain. The part is drawn anew for every
/// token or is that of one of a few patches.
struct Recipe: Equatable {
    /// Where the patches lie.
    enum Layout: String, CaseIterable {
        /// Anywhere, the same in every frame.
        case random
        /// Anywhere, drawn anew for every frame.
        case frames
        /// In columns of the token grid, as test bars do.
        case columns
    }

    /// What a token's grain follows from.
    enum Grain: String, CaseIterable {
        case token
        /// Its position: all frames have the same.
        case position
    }

    enum Attention: String, CaseIterable {
        /// Random in 0..<1.
        case uniform
        /// The same, and the same in every frame.
        case still
        /// Few tokens have most of it.
        case peaked
        /// One of four values.
        case steps
        case equal
        case zero
    }

    /// Vectors that tokens have as their own part; 0: a new one for every token.
    var patches = 0
    var layout = Layout.random
    /// Weight of the vector that all tokens share.
    var shared = 1.0
    /// Weight of a token's own part.
    var own = 0.5
    var grain = 0.0
    var grainBy = Grain.token
    /// Powers of ten by which the last patch has less grain than the first.
    var spread = 0.0
    /// Share of every frame, from its first token on, that is one token.
    var black = 0.0
    /// What that token has of the shared vector.
    var dark = 0.1
    /// Frame t has the content of frame t mod `period`; 0: none repeats.
    var period = 0
    /// Frames that are shown as often in a row.
    var hold = 1
    /// Tokens by which everything but the black moves along from frame to frame.
    var scroll = 0
    /// Tokens of a frame that have nothing to do with the others.
    var odd = 0
    /// Factors of which a token has one: 1 for none.
    var scales = 1
    /// Share of the tokens that are `sink` times as long, the same in every frame.
    var sinks = 0.0
    var sink = 1000.0
    /// What one channel of all tokens is; 0: what it would be.
    var outlier = 0.0
    /// Whether of every number only the sign is left.
    var signs = false
    /// Numbers are multiples of it; 0: of nothing.
    var grid = 0.0
    /// Whether the frames fade to black.
    var fade = false
    var attention = Attention.uniform
}

// MARK: - As text

extension Recipe {
    /// A field under its name.
    private struct Field: Sendable {
        let name: String
        let text: @Sendable (Recipe) -> String
        /// False where the text is no value of it.
        let set: @Sendable (inout Recipe, Substring) -> Bool
    }

    private static func field<Value>(
        _ name: String, _ path: any WritableKeyPath<Recipe, Value> & Sendable,
        text: @escaping @Sendable (Value) -> String, value: @escaping @Sendable (Substring) -> Value?
    ) -> Field {
        Field(
            name: name, text: { text($0[keyPath: path]) },
            set: { recipe, text in
                guard let value = value(text) else { return false }
                recipe[keyPath: path] = value
                return true
            })
    }

    private static func count(
        _ name: String, _ path: any WritableKeyPath<Recipe, Int> & Sendable, _ range: ClosedRange<Int>
    ) -> Field {
        field(name, path, text: { "\($0)" }, value: { Int($0).flatMap { range.contains($0) ? $0 : nil } })
    }

    private static func number(
        _ name: String, _ path: any WritableKeyPath<Recipe, Double> & Sendable, _ range: ClosedRange<Double>
    ) -> Field {
        field(name, path, text: { "\($0)" }, value: { Double($0).flatMap { range.contains($0) ? $0 : nil } })
    }

    private static func choice<Value: RawRepresentable<String> & SendableMetatype>(
        _ name: String, _ path: any WritableKeyPath<Recipe, Value> & Sendable
    ) -> Field {
        field(name, path, text: { $0.rawValue }, value: { Value(rawValue: String($0)) })
    }

    private static func flag(_ name: String, _ path: any WritableKeyPath<Recipe, Bool> & Sendable) -> Field {
        field(name, path, text: { $0 ? "1" : "0" }, value: { ["0": false, "1": true][$0] })
    }

    private static let fields: [Field] = [
        count("patches", \.patches, 0...65536), choice("layout", \.layout), number("shared", \.shared, 0...1e6),
        number("own", \.own, 0...1e6), number("grain", \.grain, 0...1e6), choice("grain-by", \.grainBy),
        number("spread", \.spread, 0...10), number("black", \.black, 0...1), number("dark", \.dark, 0...1e6),
        count("period", \.period, 0...65536), count("hold", \.hold, 1...65536), count("scroll", \.scroll, 0...65536),
        count("odd", \.odd, 0...65536), count("scales", \.scales, 1...factors.count),
        number("sinks", \.sinks, 0...1), number("sink", \.sink, 0...1e6), number("outlier", \.outlier, 0...1e6),
        flag("signs", \.signs), number("grid", \.grid, 0...1e6), flag("fade", \.fade),
        choice("attention", \.attention),
    ]

    /// Factors that ``scales`` takes the first ones of.
    static let factors: [Float] = [1, 0.7, 1.3, 0.1, 3, 0.01, 10, 1e-3]

    static var names: [String] { fields.map(\.name) }

    /// Of `NAME=VALUE` with spaces or commas between them; throws a sentence that says what is wrong.
    init(text: String) throws(RecipeError) {
        self.init()
        for part in text.split(whereSeparator: { $0 == " " || $0 == "," }) {
            let sides = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard sides.count == 2 else { throw RecipeError("\(part) is not NAME=VALUE") }
            guard let field = Self.fields.first(where: { $0.name == sides[0] }) else {
                throw RecipeError("there is no \(sides[0]); expected \(Self.names.joined(separator: ", "))")
            }
            guard field.set(&self, sides[1]) else { throw RecipeError("\(part): not a value of it") }
        }
    }

    /// The fields that are not as usual.
    var text: String {
        let usual = Recipe()
        return Self.fields.compactMap { field in
            let text = field.text(self)
            return text == field.text(usual) ? nil : "\(field.name)=\(text)"
        }.joined(separator: " ")
    }
}

struct RecipeError: Error {
    let message: String

    init(_ message: String) { self.message = message }
}
