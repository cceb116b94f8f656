import FlashVID
import Testing

@testable import FlashVIDReport

/// A clip of random numbers, and what the engine makes of it.
struct RandomFootage {
    let shape: ClipShape
    let features: [Float]
    let attention: [Float]

    init(frames: Int = 6, tokens: Int = 12, channels: Int = 8, repeating: Bool = false) {
        shape = ClipShape(frames: frames, tokensPerFrame: tokens, channels: channels)
        var state: UInt64 = 0x9E37_79B9_7F4A_7C15
        func next() -> Float {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Float(Int(state >> 40)) / Float(1 << 24)
        }
        let frame = (0..<tokens * channels).map { _ in next() - 0.5 }
        // Frames that change slowly, so that there are trees.
        features = (0..<frames).flatMap { _ in frame.map { repeating ? $0 : $0 + 0.2 * (next() - 0.5) } }
        attention = (0..<frames * tokens).map { _ in next() }
    }

    func compressed(_ configuration: Configuration) throws -> CompressedVideo {
        var compressor = try Compressor(configuration, threads: 2)
        return try compressor.compress(features.span, shape: shape, attention: attention.span)
    }

    func withFootage<Result>(_ body: (Footage) throws -> Result) rethrows -> Result {
        try features.withUnsafeBytes { features in
            try body(
                Footage(
                    features, of: .float32, shape: shape, attention: attention,
                    grid: TokenGrid(nearlySquare: shape.tokensPerFrame)))
        }
    }
}

@Suite("Page")
struct PageTests {
    private let clip = RandomFootage()

    private func page(name: String = "clip", metadata: [String: String] = [:], pictures: [Picture] = []) throws
        -> String
    {
        let configuration = Configuration(retentionRatio: 0.25)
        let video = try clip.compressed(configuration)
        let page = Page(
            name: name, tool: "tool", metadata: metadata, configuration: configuration, configurationText: "{}",
            transitions: video.transitions, segmentLengths: video.segmentLengths,
            steps: [Step(video, retention: 0.25)], ownStep: 0, pictures: pictures, evaluation: nil)
        return String(decoding: clip.withFootage { page.html(of: $0) }, as: UTF8.self)
    }

    @Test("has nothing of a hostile name or metadata but text, and no place of the template left")
    func hostile() throws {
        let texts = [
            "</script><script>alert(1)</script>", "<!--<script>", "{{data}}", "\"],\"x\":[\"", "a\u{0}b\u{1F}\u{7F}",
            "\u{202E}txt.exe", "\u{2028}\u{2029}", "\\\"", "&lt;", "'", "]]>",
        ]
        let plain = try page()
        for text in texts {
            let html = try page(name: text, metadata: [text: text])
            // The same elements, comments and places as the page of a harmless clip.
            for mark in ["<", ">", "&", "<!--", "</script"] {
                #expect(html.split(separator: mark).count == plain.split(separator: mark).count, "\(mark) of \(text)")
            }
            for scalar in html.unicodeScalars where scalar != "\n" {
                #expect(scalar.properties.generalCategory != .control && scalar.properties.generalCategory != .format)
            }
        }
        #expect(!plain.contains("{{"))
    }

    @Test("asks nothing of any network")
    func network() throws {
        let html = try page(pictures: [])
        for text in ["http:", "https:", "src=", "@import", "url("] {
            let found = html.ranges(of: text).filter { !html[..<$0.lowerBound].hasSuffix("createElementNS(\"") }
            #expect(found.isEmpty, "\(text)")
        }
        #expect(html.contains("default-src 'none'"))
    }

    @Test(
        "writes base64 as others read it",
        arguments: [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")])
    func base64(plain: String, encoded: String) {
        var text = PageText()
        text.append(base64: Array(plain.utf8), prefix: "data:")
        #expect(String(decoding: text.bytes, as: UTF8.self) == "\"data:\(encoded)\"")
    }

    @Test("packs numbers as narrow as they allow, and none as the largest")
    func packed() {
        func packed(_ numbers: [Int]) -> String {
            var text = PageText()
            text.append(packed: numbers)
            return String(decoding: text.bytes, as: UTF8.self)
        }
        #expect(packed([0, 254, -1]) == "{\"width\":1,\"data\":\"AP7/\"}")
        #expect(packed([255, -1]) == "{\"width\":2,\"data\":\"/wD//w==\"}")
        #expect(packed([65535]) == "{\"width\":4,\"data\":\"//8AAA==\"}")
    }

    @Test(
        "writes numbers that JSON has",
        arguments: [
            (0.9, "0.9"), (-0.00001, "0"), (0.12345, "0.123"), (.nan, "null"), (.infinity, "null"), (1e300, "null"),
        ])
    func numbers(number: Double, expected: String) {
        var text = PageText()
        text.append(json: number, places: 3)
        #expect(String(decoding: text.bytes, as: UTF8.self) == expected)
    }

    @Test("knows pictures by their first bytes, and takes none that can hold a program")
    func pictures() {
        #expect(Picture([0xFF, 0xD8, 0xFF, 0xE0])?.mediaType == "image/jpeg")
        #expect(Picture([0x89] + Array("PNG\r\n".utf8) + [0x1A, 0x0A])?.mediaType == "image/png")
        #expect(Picture(Array("RIFF....WEBP".utf8))?.mediaType == "image/webp")
        #expect(Picture(Array("....ftypavif".utf8))?.mediaType == "image/avif")
        #expect(Picture(Array("GIF89a".utf8))?.mediaType == "image/gif")
        for text in ["", "<svg xmlns='http://www.w3.org/2000/svg'/>", "%PDF-1.7", "RIFF....AVI "] {
            #expect(Picture(Array(text.utf8)) == nil, "\(text)")
        }
    }

    @Test(
        "reads grids",
        arguments: [
            ("14", 196, TokenGrid(columns: 14, rows: 14)), ("20x15", 300, TokenGrid(columns: 20, rows: 15)),
            ("15", 196, nil),
            ("14x", 196, nil), ("x", 1, nil), ("-14x-14", 196, nil), ("0x0", 0, nil), ("9223372036854775807x3", 3, nil),
            ("2x2x2", 8, nil),
        ])
    func grids(text: String, count: Int, expected: TokenGrid?) {
        #expect(TokenGrid(text, count: count) == expected)
    }

    @Test(
        "takes the most nearly square grid",
        arguments: [(1, 1, 1), (12, 4, 3), (13, 13, 1), (169, 13, 13), (300, 20, 15)])
    func nearlySquare(count: Int, columns: Int, rows: Int) {
        #expect(TokenGrid(nearlySquare: count) == TokenGrid(columns: columns, rows: rows))
    }
}

@Suite("Step")
struct StepTests {
    @Test("gives back the engine's rows, trees and assignment", arguments: [false, true])
    func roundTrip(refined: Bool) throws {
        var configuration = Configuration(retentionRatio: 0.3)
        configuration.minimumSegments = 2
        if refined { configuration.refine() }
        let clip = RandomFootage(frames: 9, tokens: 20)
        let video = try clip.compressed(configuration)
        let step = Step(video, retention: 0.3)
        #expect(video.parents.contains { $0 >= 0 })

        let count = clip.shape.tokensPerFrame
        var segment = 0
        var (starts, rowStarts) = ([0], [0])
        for length in video.segmentLengths {
            starts.append((starts.last ?? 0) + length * count)
            rowStarts.append(video.indices.count { $0 < (starts.last ?? 0) })
        }
        for token in 0..<(clip.shape.frames * count) {
            while token >= starts[segment + 1] { segment += 1 }
            let kind = step.kinds[token / 4] >> UInt8(2 * (token % 4)) & 3
            let row = video.indices.firstIndex(of: token)
            #expect(kind == (row.map { video.kinds[$0] == .selected ? 1 : 2 } ?? 0))
            let parent = video.parents[token]
            #expect(step.parents[token] == (parent < 0 ? -1 : parent - (token / count - 1) * count))
            #expect(step.members[token] == (kind == 1 ? -1 : video.assignment[token] - rowStarts[segment]))
        }
        #expect(step.rows == video.count && step.selected + step.contextual == video.count)
        #expect(step.forest == video.forest)
    }

    @Test("averages trees by hand")
    func averages() throws {
        var configuration = Configuration(retentionRatio: 0.2)
        configuration.minimumSegments = 1
        let video = try RandomFootage(frames: 5, tokens: 20, repeating: true).compressed(configuration)
        let step = Step(video, retention: nil)
        var depths: [Int: Int] = [:]
        for token in video.parents.indices where video.parents[token] >= 0 {
            var root = token
            while video.parents[root] >= 0 { root = video.parents[root] }
            depths[root] = max(depths[root] ?? 0, token / 20 - root / 20 + 1)
        }
        try #require(!depths.isEmpty)
        #expect(abs(step.meanDepth - Double(depths.values.reduce(0, +)) / Double(depths.count)) < 1e-12)
        #expect(abs(step.meanSize - Double(video.forest.mergedTokens + depths.count) / Double(depths.count)) < 1e-12)
    }
}
