import FlashVID
import FlashVIDFile
import Foundation
import TestSupport
import Testing

@Suite("Configuration")
struct ConfigurationTests {
    @Test("defaults are the paper's")
    func defaults() {
        let configuration = Configuration()
        #expect(configuration.retentionRatio == 0.25)
        #expect(configuration.expansion == 1.25)
        #expect(configuration.alpha == 0.7)
        #expect(configuration.selection == .attentionDiversityEvent)
        #expect(configuration.segmentation)
        #expect(configuration.segmentThreshold == 0.9)
        #expect(configuration.minimumSegments == 8)
        #expect(configuration.complementarySegments)
        #expect(configuration.maximumSegmentFrames == 0)
        #expect(configuration.temporalThreshold == 0.8)
        #expect(configuration.aggregation == .mean)
        #expect(configuration.semantics == .definition)
        #expect(!configuration.carry)
        #expect(configuration.refinementRounds == 0)
        #expect(configuration.placement == .centre)
        #expect(configuration.targetRows == 0)
    }

    @Test(
        "presets differ in the form of selection and the segments",
        arguments: [
            (Configuration.Model.llavaOneVision, "llava-onevision", Configuration.Selection.attentionDiversityEvent, 8),
            (.llavaVideo, "llava-video", .attentionDiversityEvent, 8),
            (.qwen25VL, "qwen2.5-vl", .attentionDiversity, 4),
            (.qwen3VL, "qwen3-vl", .attentionDiversity, 4),
        ])
    func presets(
        _ model: Configuration.Model, _ name: String, _ selection: Configuration.Selection, _ minimumSegments: Int
    ) throws {
        var expected = Configuration(retentionRatio: 0.1)
        expected.selection = selection
        expected.minimumSegments = minimumSegments
        #expect(Configuration.preset(model, retentionRatio: 0.1) == expected)
        #expect(Configuration.preset(model).retentionRatio == 0.25)
        #expect(Configuration.Model(rawValue: name) == model)
        try expected.validate()
    }

    @Test("refined and published change what they say and nothing else")
    func variants() throws {
        var refined = Configuration()
        refined.alpha = 0.5
        refined.carry = true
        refined.refinementRounds = 1
        refined.placement = .medoid
        refined.minimumSegments = 0
        #expect(Configuration.refined == refined)
        var published = Configuration()
        published.semantics = .published
        #expect(Configuration.published == published)
        var preset = Configuration.preset(.qwen3VL, retentionRatio: 0.15)
        preset.refine()
        #expect(preset.selection == .attentionDiversity)
        #expect(preset.minimumSegments == 0)
        #expect(preset.retentionRatio == 0.15)
        try refined.validate()
        try published.validate()
    }

    // MARK: Coding

    private static let keys: Set = [
        "retention_ratio", "expansion", "alpha", "selection", "segmentation", "segment_threshold", "minimum_segments",
        "complementary_segments", "maximum_segment_frames", "temporal_threshold", "aggregation", "exact_budget",
        "published_quirks", "carry", "refinement_rounds", "placement", "target_rows",
    ]

    private static func dictionary(_ json: Data) throws -> NSDictionary {
        try #require(JSONSerialization.jsonObject(with: json) as? NSDictionary)
    }

    @Test("the golden cases' configurations come back as they are", arguments: Fixtures.goldenNames)
    func golden(_ name: String) throws {
        let json = try #require(try Fixtures.open("golden/" + name).metadata["configuration"])
        let encoded = try JSONEncoder().encode(try Fixtures.configuration(json))
        let dictionary = try Self.dictionary(encoded)
        #expect(Set(dictionary.allKeys.compactMap { $0 as? String }) == Self.keys)
        // The oldest of them are from before there were target rows.
        let given = try #require(try Self.dictionary(Data(json.utf8)).mutableCopy() as? NSMutableDictionary)
        if given["target_rows"] == nil { given["target_rows"] = 0 }
        #expect(dictionary == given)
    }

    @Test("any configuration survives coding", arguments: Seeds.first(50))
    func roundTrip(_ seed: UInt64) throws {
        var generator = ClipGenerator(seed: seed)
        var configuration = generator.configuration()
        configuration.retentionRatio = max(generator.random.uniform(), 1e-9)
        configuration.temporalThreshold = generator.random.uniform() * 2 - 1
        configuration.targetRows = generator.random.pick([0, 1, 800, .max])
        let encoded = try JSONEncoder().encode(configuration)
        #expect(try JSONDecoder().decode(Configuration.self, from: encoded) == configuration)
    }

    @Test("names that do not exist are refused")
    func unknownNames() throws {
        let json = String(decoding: try JSONEncoder().encode(Configuration()), as: UTF8.self)
        let changes = [
            ("attentionDiversityEvent", "attentionDiversityevent"), ("mean", "median"), ("mean", "directChildren"),
            ("centre", "center"), ("\"alpha\"", "\"beta\""),
        ]
        for (name, wrong) in changes {
            #expect(json.contains(name))
            #expect(throws: DecodingError.self, "\(wrong)") {
                try Fixtures.configuration(json.replacing(name, with: wrong))
            }
        }
    }

    // MARK: The number of rows

    @Test(
        "the shapes of the models",
        arguments: [
            (Configuration.preset(.llavaOneVision, retentionRatio: 0.10), 32, 196, 32 * 25),
            (Configuration.preset(.llavaVideo, retentionRatio: 0.10), 64, 169, 64 * 22),
            (Configuration.preset(.qwen25VL, retentionRatio: 0.25), 16, 391, 16 * 123),
            (Configuration.preset(.qwen3VL, retentionRatio: 0.20), 16, 1024, 16 * 256),
            (Configuration.refined, 16, 1024, 16 * 320),
            (Configuration.published, 16, 1024, 16 * 321),
            (Configuration(retentionRatio: 1), 3, 7, 21),
            (Configuration(retentionRatio: 1e-9), 3, 7, 3),
        ])
    func rows(_ configuration: Configuration, _ frames: Int, _ tokensPerFrame: Int, _ rows: Int) throws {
        #expect(try configuration.outputTokenCount(frames: frames, tokensPerFrame: tokensPerFrame) == rows)
    }

    /// 0.2 · 0.5 is 0.1, and 40 · 0.2 · 1.25 a hair above or below 10: the order of the products decides.
    @Test("rounding up is the definition's, in double and in its order", arguments: 1...300)
    func rounding(_ tokensPerFrame: Int) throws {
        for retention in [0.05, 0.07, 0.1, 0.15, 0.2, 0.25, 0.28, 0.56] {
            for expansion in [0.8, 1, 1.1, 1.25] {
                var configuration = Configuration(retentionRatio: retention)
                configuration.expansion = expansion
                let shape = ClipShape(frames: 1, tokensPerFrame: tokensPerFrame, channels: 1)
                let budget = Reference.budget(shape, configuration)
                let rows = try configuration.outputTokenCount(frames: 1, tokensPerFrame: tokensPerFrame)
                guard rows == budget.selected[0] + budget.contextual else {
                    Issue.record("\(rows) rows, retention \(retention), expansion \(expansion)")
                    return
                }
            }
        }
    }

    @Test("target rows are the number of rows, and what is beyond a clip's tokens is refused by name")
    func targetRows() throws {
        // Neither the ratio nor the expansion is looked at.
        var configuration = Configuration(retentionRatio: .nan)
        configuration.expansion = -3
        for (frames, tokens) in [(1, 1), (32, 196), (64, 169), (7, 1 << 40), (Int.max, 1), (1, 1 << 52)] {
            for rows in [1, 2, 800, frames - 1, frames, frames &+ 1, frames * tokens] where rows > 0 {
                configuration.targetRows = rows
                guard rows <= frames * tokens else {
                    #expect(
                        throws: FlashVIDError.invalidConfiguration(
                            field: "target rows", value: "\(rows)",
                            expected: "1 to \(frames * tokens), the tokens of the clip, or 0 for a number by the ratio")
                    ) { try configuration.outputTokenCount(frames: frames, tokensPerFrame: tokens) }
                    continue
                }
                #expect(try configuration.outputTokenCount(frames: frames, tokensPerFrame: tokens) == rows)
            }
        }
        configuration.targetRows = 5
        #expect(throws: FlashVIDError.sizeOverflow("\(Int.max) frames of 2 tokens")) {
            try configuration.outputTokenCount(frames: .max, tokensPerFrame: 2)
        }
        configuration.targetRows = 0
        #expect(throws: FlashVIDError.self) { try configuration.validate() }
    }

    @Test("sizes that cannot be are refused")
    func badSizes() {
        let configuration = Configuration()
        for size in [0, -1, Int.min] {
            #expect(throws: FlashVIDError.empty(dimension: "frames", value: size)) {
                try configuration.outputTokenCount(frames: size, tokensPerFrame: 5)
            }
            #expect(throws: FlashVIDError.empty(dimension: "tokens per frame", value: size)) {
                try configuration.outputTokenCount(frames: 5, tokensPerFrame: size)
            }
        }
        for (frames, tokens) in [(Int.max, 100), (1, .max), (.max, .max), (1 << 40, 1 << 40)] {
            #expect {
                try configuration.outputTokenCount(frames: frames, tokensPerFrame: tokens)
            } throws: { error in
                guard case .sizeOverflow = error as? FlashVIDError else { return false }
                return true
            }
        }
    }
}

@Suite("Numbers")
struct NumberTests {
    @Test("bfloat16 rounds to the nearest, ties to even")
    func bfloat16() {
        #expect(Float(BFloat16(1)) == 1)
        #expect(BFloat16(-0.0).bitPattern == 0x8000)
        #expect(BFloat16(Float(bitPattern: 0x3F80_7FFF)).bitPattern == 0x3F80)
        #expect(BFloat16(Float(bitPattern: 0x3F80_8000)).bitPattern == 0x3F80)
        #expect(BFloat16(Float(bitPattern: 0x3F80_8001)).bitPattern == 0x3F81)
        #expect(BFloat16(Float(bitPattern: 0x3F81_8000)).bitPattern == 0x3F82)
        #expect(Float(BFloat16(Float.greatestFiniteMagnitude)) == .infinity)
        #expect(Float(BFloat16(-Float.infinity)) == -.infinity)
        #expect(Float(BFloat16(.nan)).isNaN)
        #expect(Float(BFloat16(Float(bitPattern: 0x7F80_0001))).isNaN)
    }

    @Test("every bfloat16 comes back from float32")
    func everyBFloat16() {
        for bits in UInt16.min...UInt16.max where !Float(BFloat16(bitPattern: bits)).isNaN {
            guard BFloat16(Float(BFloat16(bitPattern: bits))).bitPattern == bits else {
                Issue.record("\(bits)")
                return
            }
        }
    }

    @Test("scalar types have their sizes")
    func sizes() {
        #expect(ScalarType.float32.size == MemoryLayout<Float>.size && Float.scalarType == .float32)
        #expect(ScalarType.float16.size == MemoryLayout<Float16>.size && Float16.scalarType == .float16)
        #expect(ScalarType.bfloat16.size == MemoryLayout<BFloat16>.size && BFloat16.scalarType == .bfloat16)
    }
}
