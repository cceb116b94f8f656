import FlashVID
import Testing

/// Whatever a caller hands in, the answer is a result or one typed error that names what and where; never a trap.
@Suite("Bad input")
struct BadInputTests {
    private static let clip: Clip = {
        var generator = ClipGenerator(seed: 3)
        let shape = ClipShape(frames: 4, tokensPerFrame: 5, channels: 19)
        var clip = generator.clip(shape: shape, traits: [.motion, .halfPrecision])
        clip.attention = generator.attention(shape)
        return clip
    }()

    /// The error of a clip in each of the formats that it may come in.
    private static func errors(of clip: Clip) throws -> [FlashVIDError?] {
        var compressor = try Compressor(threads: 2)
        var video = CompressedVideo()
        var errors: [FlashVIDError?] = []
        func note(_ body: () throws(FlashVIDError) -> Void) {
            do throws(FlashVIDError) {
                try body()
                errors.append(nil)
            } catch {
                errors.append(error)
            }
        }
        note { () throws(FlashVIDError) in try compressor.compress(clip, into: &video) }
        let halves = clip.features.map { Float16($0) }
        note { () throws(FlashVIDError) in try compressor.compress(halves, clip, into: &video) }
        let brains = clip.features.map { BFloat16($0) }
        note { () throws(FlashVIDError) in try compressor.compress(brains, clip, into: &video) }
        return errors
    }

    // MARK: Numbers

    @Test("a feature that is not finite is named, wherever it is", arguments: [Float.nan, .infinity, -.infinity])
    func features(_ value: Float) throws {
        let shape = Self.clip.shape
        for frame in [0, 2, shape.frames - 1] {
            for token in [0, shape.tokensPerFrame - 1] {
                for channel in 0..<shape.channels {
                    var clip = Self.clip
                    clip.features[clip.offset(frame: frame, token: token, channel: channel)] = value
                    let expected = FlashVIDError.notFinite(
                        tensor: .features, frame: frame, token: token, channel: channel)
                    #expect(try Self.errors(of: clip) == [expected, expected, expected])
                }
            }
        }
    }

    @Test("any NaN is one, whatever its bits")
    func bitPatterns() throws {
        var compressor = try Compressor(threads: 2)
        var video = CompressedVideo()
        let clip = Self.clip
        let place = clip.offset(frame: 1, token: 2, channel: 3)
        let expected = FlashVIDError.notFinite(tensor: .features, frame: 1, token: 2, channel: 3)
        for bits in [0x7F80_0001, 0xFFFF_FFFF, 0x7FC0_0000, 0xFF80_0000] as [UInt32] {
            var features = clip.features
            features[place] = Float(bitPattern: bits)
            #expect(throws: expected) { try compressor.compress(features, clip, into: &video) }
        }
        for bits in [0x7C01, 0xFFFF, 0x7E00, 0xFC00] as [UInt16] {
            var features = clip.features.map { Float16($0) }
            features[place] = Float16(bitPattern: bits)
            #expect(throws: expected) { try compressor.compress(features, clip, into: &video) }
        }
        for bits in [0x7F81, 0xFFFF, 0x7FC0, 0xFF80] as [UInt16] {
            var features = clip.features.map { BFloat16($0) }
            features[place] = BFloat16(bitPattern: bits)
            #expect(throws: expected) { try compressor.compress(features, clip, into: &video) }
        }
    }

    @Test("of several features that are not finite the first is named, on any number of threads", arguments: 1...4)
    func firstFeature(_ threads: Int) throws {
        var clip = Self.clip
        for frame in 1..<4 {
            clip.features[clip.offset(frame: frame, token: 3, channel: 4 - frame)] = .nan
            clip.features[clip.offset(frame: frame, token: 4, channel: 0)] = .infinity
        }
        #expect(throws: FlashVIDError.notFinite(tensor: .features, frame: 1, token: 3, channel: 3)) {
            try clip.compressed(Configuration(), threads: threads)
        }
    }

    @Test("attention that is not finite is named", arguments: [Float.nan, .infinity])
    func attention(_ value: Float) throws {
        for selection in Configuration.Selection.allCases {
            for index in [0, 7, 19] {
                var clip = Self.clip
                clip.attention![index] = value
                var configuration = Configuration()
                configuration.selection = selection
                let expected = FlashVIDError.notFinite(
                    tensor: .attention, frame: index / 5, token: index % 5, channel: 0)
                #expect(throws: expected) { try clip.compressed(configuration) }
            }
        }
    }

    @Test(
        "negative attention is named", arguments: [-1, -.leastNonzeroMagnitude, -.greatestFiniteMagnitude] as [Float])
    func negativeAttention(_ value: Float) throws {
        for selection in Configuration.Selection.allCases {
            for index in [0, 7, 19] {
                var clip = Self.clip
                clip.attention![index] = value
                var configuration = Configuration()
                configuration.selection = selection
                #expect(throws: FlashVIDError.negativeAttention(frame: index / 5, token: index % 5)) {
                    try clip.compressed(configuration)
                }
            }
        }
    }

    @Test("attention of minus infinity is refused")
    func minusInfinity() throws {
        var clip = Self.clip
        clip.attention![6] = -.infinity
        #expect {
            try clip.compressed(Configuration())
        } throws: { error in
            switch error as? FlashVIDError {
            case .notFinite(.attention, 1, 1, _), .negativeAttention(1, 1): true
            default: false
            }
        }
    }

    // MARK: Sizes

    @Test("element counts must be the shape's", arguments: [-380, -19, -1, 1, 19, 380])
    func featureCount(_ surplus: Int) throws {
        var clip = Self.clip
        clip.features =
            surplus < 0 ? clip.features.dropLast(-surplus) : clip.features + [Float](repeating: 0, count: surplus)
        let expected = FlashVIDError.elementCount(tensor: .features, expected: 380, found: 380 + surplus)
        #expect(try Self.errors(of: clip) == [expected, expected, expected])
    }

    @Test("attention counts must be the shape's", arguments: [-20, -1, 1, 20])
    func attentionCount(_ surplus: Int) throws {
        var clip = Self.clip
        clip.attention =
            surplus < 0 ? clip.attention!.dropLast(-surplus) : clip.attention! + [Float](repeating: 0, count: surplus)
        let expected = FlashVIDError.elementCount(tensor: .attention, expected: 20, found: 20 + surplus)
        #expect(try Self.errors(of: clip) == [expected, expected, expected])
    }

    @Test("untyped memory must hold the shape's elements", arguments: ScalarType.allCases)
    func byteCount(_ type: ScalarType) throws {
        var compressor = try Compressor(threads: 2)
        var video = CompressedVideo()
        let shape = Self.clip.shape
        func check(_ bytes: UnsafeRawBufferPointer, found: Int?) {
            #expect {
                try compressor.compress(bytes, of: type, shape: shape, into: &video)
            } throws: { error in
                guard case .elementCount(.features, 380, let count) = error as? FlashVIDError else { return false }
                return found == nil || count == found
            }
        }
        let bytes = [UInt8](repeating: 0, count: 381 * type.size)
        bytes.withUnsafeBytes { bytes in
            check(UnsafeRawBufferPointer(rebasing: bytes.dropLast(2 * type.size)), found: 379)
            check(bytes, found: 381)
            // What a part of an element counts as is not said, only that it is refused.
            check(UnsafeRawBufferPointer(rebasing: bytes.dropLast(type.size + 1)), found: nil)
            check(UnsafeRawBufferPointer(rebasing: bytes.dropLast(type.size - 1)), found: nil)
        }
        check(UnsafeRawBufferPointer(start: nil, count: 0), found: 0)

        let attention = [Float](repeating: 1, count: 19)
        attention.withUnsafeBufferPointer { attention in
            bytes.withUnsafeBytes { bytes in
                let features = UnsafeRawBufferPointer(rebasing: bytes.dropLast(type.size))
                #expect(throws: FlashVIDError.elementCount(tensor: .attention, expected: 20, found: 19)) {
                    try compressor.compress(features, of: type, shape: shape, attention: attention, into: &video)
                }
            }
        }
    }

    @Test("sizes that are not positive are named", arguments: [0, -1, .min])
    func empty(_ size: Int) throws {
        let shapes: [(ClipShape, String)] = [
            (ClipShape(frames: size, tokensPerFrame: 5, channels: 19), "frames"),
            (ClipShape(frames: 4, tokensPerFrame: size, channels: 19), "tokens per frame"),
            (ClipShape(frames: 4, tokensPerFrame: 5, channels: size), "channels"),
        ]
        for (shape, dimension) in shapes {
            for features in [Self.clip.features, []] {
                let expected = FlashVIDError.empty(dimension: dimension, value: size)
                let clip = Clip(shape: shape, features: features)
                #expect(try Self.errors(of: clip) == [expected, expected, expected])
            }
        }
        // Two negatives make a positive product.
        let shape = ClipShape(frames: -4, tokensPerFrame: -5, channels: 19)
        #expect(try Self.errors(of: Clip(shape: shape, features: Self.clip.features)).allSatisfy { $0 != nil })
    }

    @Test(
        "sizes whose product overflows are refused",
        arguments: [
            ClipShape(frames: .max, tokensPerFrame: .max, channels: .max),
            ClipShape(frames: .max, tokensPerFrame: 2, channels: 1),
            ClipShape(frames: 1, tokensPerFrame: .max, channels: 2),
            ClipShape(frames: 2, tokensPerFrame: 1, channels: .max),
            ClipShape(frames: 1 << 32, tokensPerFrame: 1 << 31, channels: 1),
            // Products that wrap around to 0 and to 380.
            ClipShape(frames: 1 << 32, tokensPerFrame: 1 << 16, channels: 1 << 16),
            ClipShape(frames: 4, tokensPerFrame: (1 << 62) + 5, channels: 19),
        ])
    func overflow(_ shape: ClipShape) throws {
        for features in [Self.clip.features, []] {
            for error in try Self.errors(of: Clip(shape: shape, features: features)) {
                guard case .sizeOverflow = error else {
                    Issue.record("\(error as Any)")
                    continue
                }
            }
        }
    }

    @Test(
        "sizes beyond any memory are refused",
        arguments: [
            ClipShape(frames: .max, tokensPerFrame: 1, channels: 1),
            ClipShape(frames: 1, tokensPerFrame: .max, channels: 1),
            ClipShape(frames: 1, tokensPerFrame: 1, channels: .max),
            ClipShape(frames: 1, tokensPerFrame: 1 << 31, channels: 1 << 20),
            ClipShape(frames: 1 << 20, tokensPerFrame: 1 << 20, channels: 1 << 20),
        ])
    func huge(_ shape: ClipShape) throws {
        for error in try Self.errors(of: Clip(shape: shape, features: Self.clip.features)) {
            switch error {
            case .sizeOverflow, .elementCount(.features, _, 380): break
            default: Issue.record("\(error as Any)")
            }
        }
    }

    // MARK: Configuration and threads

    @Test("thread counts out of range are refused", arguments: [0, -1, 65, .max, .min])
    func threads(_ count: Int) {
        #expect(throws: FlashVIDError.invalidThreadCount(count)) { _ = try Compressor(threads: count) }
    }

    @Test("thread counts at the ends of the range are not", arguments: [1, Compressor.maximumThreads])
    func allowedThreads(_ count: Int) throws {
        let compressor = try Compressor(threads: count)
        #expect(compressor.threads == count)
        #expect(try Self.clip.compressed(Configuration(), threads: count).count == 8)
    }

    struct BadField: Sendable, CustomTestStringConvertible {
        let field: String
        let configuration: Configuration
        var testDescription: String { "\(field) of \(configuration)" }

        init<Value>(
            _ field: String, _ path: WritableKeyPath<Configuration, Value>, _ value: Value,
            _ base: Configuration = Configuration()
        ) {
            var configuration = base
            configuration[keyPath: path] = value
            self.field = field
            self.configuration = configuration
        }
    }

    static let badFields: [BadField] =
        [0, -0.0, -0.1, (1.0).nextUp, .infinity, -.infinity, .nan].map { BadField("retention", \.retentionRatio, $0) }
        + [0, -1, .infinity, -.infinity, .nan].map { BadField("expansion", \.expansion, $0) }
        + [-.leastNonzeroMagnitude, (1.0).nextUp, .infinity, -.infinity, .nan].map { BadField("alpha", \.alpha, $0) }
        + [(-1.0).nextDown, -.infinity, .nan].map { BadField("segment threshold", \.segmentThreshold, $0) }
        + [(-1.0).nextDown, -.infinity, .nan].map { BadField("temporal threshold", \.temporalThreshold, $0) }
        + [-1, .min].map { BadField("minimum segments", \.minimumSegments, $0) }
        + [-1, .min].map { BadField("target rows", \.targetRows, $0) }
        + [-1, .min].map { BadField("maximum segment frames", \.maximumSegmentFrames, $0) }
        + [-1, .min, 1001, .max].map { BadField("refinement rounds", \.refinementRounds, $0) }
        + [
            BadField("carry", \.carry, true, .published),
            BadField("refinement rounds", \.refinementRounds, 1, .published),
            BadField("placement", \.placement, .medoid, .published),
            BadField("target rows", \.targetRows, 4, .published),
        ]

    @Test("every field of the configuration has its range", arguments: badFields)
    func configuration(_ bad: BadField) {
        func isRefusal(_ error: any Error) -> Bool {
            guard case .invalidConfiguration(bad.field, let value, let expected) = error as? FlashVIDError else {
                return false
            }
            return !value.isEmpty && !expected.isEmpty
        }
        #expect { try bad.configuration.validate() } throws: { isRefusal($0) }
        #expect { _ = try Compressor(bad.configuration) } throws: { isRefusal($0) }
        #expect {
            try bad.configuration.outputTokenCount(frames: 4, tokensPerFrame: 5)
        } throws: { isRefusal($0) }
    }

    @Test("more target rows than a clip has tokens are refused, and the compressor then works on")
    func targetRows() throws {
        let clip = Self.clip
        let small = Clip(
            shape: ClipShape(frames: 3, tokensPerFrame: 5, channels: 19), features: Array(clip.features.prefix(285)))
        var configuration = Configuration()
        configuration.targetRows = 16
        var compressor = try Compressor(configuration, threads: 2)
        var video = try compressor.compress(clip)
        let before = video
        #expect(
            throws: FlashVIDError.invalidConfiguration(
                field: "target rows", value: "16",
                expected: "1 to 15, the tokens of the clip, or 0 for a number by the ratio")
        ) { try compressor.compress(small, into: &video) }
        expectIdentical(video, before, "after an error")
        #expect(try compressor.compress(clip).count == 16)
    }

    @Test("the published semantics refuse the refined configuration")
    func publishedRefined() {
        var configuration = Configuration.published
        configuration.refine()
        #expect(throws: FlashVIDError.self) { _ = try Compressor(configuration) }
    }

    // MARK: After an error

    @Test("an error leaves the result as it was, and the compressor fit for use")
    func unchanged() throws {
        let good = Self.clip
        var bad: [Clip] = []
        bad.append(good)
        bad[0].features[bad[0].features.count - 1] = .nan
        bad.append(good)
        bad[1].attention![19] = -1
        bad.append(good)
        bad[2].features.removeLast()
        bad.append(good)
        bad[3].shape.frames = 0
        bad.append(good)
        bad[4].shape.frames = .max
        for configuration in [Configuration(), .refined, .published] {
            var compressor = try Compressor(configuration, threads: 2)
            let expected = try compressor.compress(good)
            var video = expected
            for clip in bad {
                #expect(throws: FlashVIDError.self) { try compressor.compress(clip, into: &video) }
                expectIdentical(video, expected)
                expectIdentical(try compressor.compress(good), expected)
            }
        }
    }

    @Test("every error is one line that names its numbers")
    func descriptions() {
        let errors: [(FlashVIDError, [String])] = [
            (.invalidConfiguration(field: "alpha", value: "1.5", expected: "a number"), ["alpha", "1.5", "a number"]),
            (.invalidThreadCount(65), ["65", "64"]),
            (.empty(dimension: "channels", value: -7), ["channels", "-7"]),
            (.sizeOverflow("the clip"), ["the clip"]),
            (.elementCount(tensor: .features, expected: 380, found: 379), ["features", "380", "379"]),
            (.notFinite(tensor: .features, frame: 11, token: 22, channel: 33), ["features", "11", "22", "33"]),
            (.notFinite(tensor: .attention, frame: 11, token: 22, channel: 0), ["attention", "11", "22"]),
            (.negativeAttention(frame: 11, token: 22), ["attention", "11", "22"]),
            (.outOfMemory(bytes: 1234), ["1234"]),
            (.outOfRange(of: "row", at: 7, value: -3, range: 0..<9), ["row 7 is -3; expected 0 to 8"]),
            (.outOfRange(of: "row", at: 7, value: 0, range: 0..<0), ["row 7 is 0; there is none"]),
            (.outOfRange(of: "count", at: 2, value: 0, range: 1..<Int.max), ["count 2 is 0; expected at least 1"]),
            // A single number has no place in a list.
            (
                .outOfRange(of: "pruning layer", at: nil, value: 28, range: 0..<28),
                ["pruning layer is 28; expected 0 to 27"]
            ),
        ]
        for (error, words) in errors {
            #expect(!error.description.contains("\n"))
            for word in words { #expect(error.description.contains(word)) }
        }
    }
}
