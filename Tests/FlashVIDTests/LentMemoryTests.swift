import FlashVID
import TestSupport
import Testing

/// Clips in memory as the caller lays it out, and results in memory that the caller lends.
@Suite("Lent memory")
struct LentMemoryTests {
    /// A block of the caller's in which what must not be written is known.
    final class Block {
        let bytes: UnsafeMutableRawBufferPointer
        static let filler: UInt8 = 0xA5

        init(_ count: Int) {
            bytes = .allocate(byteCount: max(count, 1), alignment: 64)
            bytes.initializeMemory(as: UInt8.self, repeating: Self.filler)
        }

        deinit { bytes.deallocate() }

        var base: UnsafeMutableRawPointer { bytes.baseAddress! }
        var isUntouched: Bool { bytes.allSatisfy { $0 == Self.filler } }

        func store<Value: BitwiseCopyable>(_ value: Value, at index: Int) {
            base.storeBytes(of: value, toByteOffset: index * MemoryLayout<Value>.stride, as: Value.self)
        }

        func load<Value: BitwiseCopyable>(_ type: Value.Type, _ index: Int) -> Value {
            base.load(fromByteOffset: index * MemoryLayout<Value>.stride, as: type)
        }

        func integer(_ index: Int, _ type: IndexType) -> Int {
            type == .int32 ? Int(load(Int32.self, index)) : Int(load(Int64.self, index))
        }

        func number(_ index: Int, _ type: ScalarType) -> Float {
            switch type {
            case .float32: load(Float.self, index)
            case .float16: Float(load(Float16.self, index))
            case .bfloat16: Float(load(BFloat16.self, index))
            }
        }
    }

    static func rounded(_ value: Float, to type: ScalarType) -> Float {
        switch type {
        case .float32: value
        case .float16: Float(Float16(value))
        case .bfloat16: Float(BFloat16(value))
        }
    }

    /// Lays a clip out with strides, what lies between them being NaN.
    static func layOut(
        _ clip: Clip, as type: ScalarType, frameStride: Int, tokenStride: Int
    ) -> Block {
        let shape = clip.shape
        let extent =
            (shape.frames - 1) * frameStride + (shape.tokensPerFrame - 1) * tokenStride + shape.channels
        let block = Block(extent * type.size)
        for index in 0..<block.bytes.count { block.bytes[index] = 0xFF }
        for frame in 0..<shape.frames {
            for token in 0..<shape.tokensPerFrame {
                for channel in 0..<shape.channels {
                    let value = clip.features[clip.offset(frame: frame, token: token, channel: channel)]
                    let place = frame * frameStride + token * tokenStride + channel
                    switch type {
                    case .float32: block.store(value, at: place)
                    case .float16: block.store(Float16(value), at: place)
                    case .bfloat16: block.store(BFloat16(value), at: place)
                    }
                }
            }
        }
        return block
    }

    /// Buffers for a clip, all of them, and the result read back.
    struct Room {
        let tokens, indices, kinds, counts, assignment, parents, lengths: Block
        var buffers = OutputBuffers()
        let shape: ClipShape

        init(
            _ clip: Clip, _ configuration: Configuration, tokens type: ScalarType, indices indexType: IndexType,
            rowStride: Int? = nil
        ) throws {
            shape = clip.shape
            let rows = try configuration.outputTokenCount(
                frames: shape.frames, tokensPerFrame: shape.tokensPerFrame)
            tokens = Block(rows * (rowStride ?? shape.channels) * type.size)
            indices = Block(rows * indexType.size)
            kinds = Block(rows)
            counts = Block(rows * indexType.size)
            assignment = Block(clip.tokenCount * indexType.size)
            parents = Block(clip.tokenCount * indexType.size)
            lengths = Block(shape.frames * indexType.size)
            buffers.tokens = tokens.base
            buffers.tokenType = type
            buffers.rowStride = rowStride
            buffers.rowCapacity = rows
            buffers.indexType = indexType
            buffers.indices = indices.base
            buffers.kinds = kinds.base.assumingMemoryBound(to: UInt8.self)
            buffers.parents = parents.base
            buffers.segmentLengths = lengths.base
            if configuration.semantics == .definition {
                buffers.counts = counts.base
                buffers.assignment = assignment.base
            }
        }

        var isUntouched: Bool {
            [tokens, indices, kinds, counts, assignment, parents, lengths].allSatisfy(\.isUntouched)
        }

        /// Where what was written differs from a result of the other face, or nil.
        func difference(from video: CompressedVideo, _ outcome: Outcome) -> String? {
            let type = buffers.indexType
            func integers(_ block: Block, _ count: Int) -> [Int] { (0..<count).map { block.integer($0, type) } }
            guard outcome.rows == video.count, outcome.segments == video.segmentLengths.count else { return "counts" }
            guard integers(indices, outcome.rows) == video.indices else { return "indices" }
            guard (0..<outcome.rows).map({ kinds.load(UInt8.self, $0) }) == video.kinds.map(\.rawValue) else {
                return "kinds"
            }
            guard integers(lengths, outcome.segments) == video.segmentLengths else { return "segment lengths" }
            guard integers(parents, video.parents.count) == video.parents else { return "parents" }
            if buffers.assignment != nil {
                guard integers(assignment, video.assignment.count) == video.assignment else { return "assignment" }
                guard integers(counts, outcome.rows) == video.counts else { return "counts of tokens" }
            }
            let stride = buffers.rowStride ?? shape.channels
            for row in 0..<outcome.rows {
                for channel in 0..<stride {
                    if channel < shape.channels {
                        let wanted = rounded(video.tokens[row * shape.channels + channel], to: buffers.tokenType)
                        let found = tokens.number(row * stride + channel, buffers.tokenType)
                        guard found.bitPattern == wanted.bitPattern || found == wanted else {
                            return "row \(row), channel \(channel): \(found) for \(wanted)"
                        }
                    } else if row + 1 < outcome.rows {
                        let bytes = buffers.tokenType.size
                        for byte in 0..<bytes
                        where tokens.load(UInt8.self, (row * stride + channel) * bytes + byte) != Block.filler {
                            return "written between rows \(row) and \(row + 1)"
                        }
                    }
                }
            }
            return nil
        }
    }

    @Test("any strides, types and buffers give what the plain call gives", arguments: Seeds.first(60))
    func layouts(_ seed: UInt64) throws {
        var generator = ClipGenerator(seed: seed)
        var clip = generator.clip(traits: [.motion, .cuts, .repeatedFrames])
        let configuration = generator.configuration()
        let story = generator.story(clip, configuration)
        let type = generator.random.pick(ScalarType.allCases)
        clip.features = clip.features.map { Self.rounded($0, to: type) }
        let attentionType = generator.random.pick(ScalarType.allCases)
        clip.attention = clip.attention?.map { Self.rounded($0, to: attentionType) }
        let (frames, tokens, channels) = (clip.shape.frames, clip.shape.tokensPerFrame, clip.shape.channels)

        // Gaps between tokens and frames, or frames inside tokens.
        let gap = generator.random.integer(0...5)
        let isInterleaved = generator.random.chance(0.3)
        let tokenStride = isInterleaved ? frames * (channels + gap) : channels + gap
        let frameStride = isInterleaved ? channels + gap : tokens * (channels + gap) + generator.random.integer(0...7)
        let features = Self.layOut(clip, as: type, frameStride: frameStride, tokenStride: tokenStride)
        var view = ClipView(features: features.base, of: type, shape: clip.shape)
        (view.frameStride, view.tokenStride) = (frameStride, tokenStride)

        let attentionTokenStride = generator.random.integer(1...3)
        let attentionFrameStride = tokens * attentionTokenStride + generator.random.integer(0...2)
        var attention: Block?
        if let values = clip.attention {
            attention = Self.layOut(
                Clip(shape: ClipShape(frames: frames, tokensPerFrame: tokens, channels: 1), features: values),
                as: attentionType, frameStride: attentionFrameStride, tokenStride: attentionTokenStride)
            view.attention = attention.map { UnsafeRawPointer($0.base) }
            view.attentionType = attentionType
            (view.attentionFrameStride, view.attentionTokenStride) = (attentionFrameStride, attentionTokenStride)
        }

        let expected = try clip.compressed(configuration)
        var compressor = try Compressor(configuration, threads: 2)
        var statistics = CompressedVideo.Statistics()
        for outputType in ScalarType.allCases {
            for indexType in IndexType.allCases {
                for rowStride in [nil, channels, channels + 3] {
                    let room = try Room(
                        clip, configuration, tokens: outputType, indices: indexType, rowStride: rowStride)
                    let outcome = try compressor.compress(view, into: room.buffers, statistics: &statistics)
                    let difference = room.difference(from: expected, outcome)
                    #expect(difference == nil, "\(outputType), \(indexType), \(rowStride as Any)\n\(story)")
                }
            }
        }
        withExtendedLifetime((features, attention)) {}
    }

    @Test("rounding to half precision is that of the standard library")
    func rounding() throws {
        // Every float16, the values between neighbours, and what lies just beside those.
        var values: [Float] = []
        for bits in UInt16(0)..<0x7C00 {
            let (low, high) = (Float(Float16(bitPattern: bits)), Float(Float16(bitPattern: bits + 1)))
            let middle = high.isFinite ? (low + high) / 2 : 65520
            values += [low, middle, middle.nextDown]
            if middle.nextUp < 65520 { values.append(middle.nextUp) }
        }
        values.removeAll { $0 >= 65520 }
        values += [Float(bitPattern: 70000), .leastNonzeroMagnitude, .leastNormalMagnitude, 0.1, 3.14159]
        values += values.map { -$0 }
        // Each as the one row of a clip of one token, which is handed out as it is.
        let clip = Clip(shape: ClipShape(frames: 1, tokensPerFrame: 1, channels: values.count), features: values)
        for type in [ScalarType.float16, .bfloat16] {
            let room = try Room(clip, Configuration(retentionRatio: 1), tokens: type, indices: .int32)
            var compressor = try Compressor(Configuration(retentionRatio: 1), threads: 1)
            var statistics = CompressedVideo.Statistics()
            try values.withUnsafeBytes { bytes in
                _ = try compressor.compress(
                    ClipView(features: bytes.baseAddress, of: .float32, shape: clip.shape), into: room.buffers,
                    statistics: &statistics)
            }
            for (index, value) in values.enumerated() {
                let found = room.tokens.load(UInt16.self, index)
                let wanted = type == .float16 ? Float16(value).bitPattern : BFloat16(value).bitPattern
                guard found == wanted else {
                    Issue.record("\(value) to \(type): \(found) for \(wanted)")
                    break
                }
            }
        }
    }

    @Test("a number beyond the wanted type is named, and nothing written")
    func range() throws {
        let configuration = Configuration(retentionRatio: 1)
        for (value, type) in [(65520, ScalarType.float16), (-1e30, .float16), (.greatestFiniteMagnitude, .bfloat16)]
            as [(Float, ScalarType)]
        {
            var values = [Float](repeating: 1, count: 2 * 3 * 5)
            values[17] = value
            let clip = Clip(shape: ClipShape(frames: 2, tokensPerFrame: 3, channels: 5), features: values)
            let room = try Room(clip, configuration, tokens: type, indices: .int64)
            var compressor = try Compressor(configuration, threads: 2)
            var statistics = CompressedVideo.Statistics()
            _ = values.withUnsafeBytes { bytes in
                #expect(throws: FlashVIDError.notRepresentable(row: 3, channel: 2, type: type)) {
                    _ = try compressor.compress(
                        ClipView(features: bytes.baseAddress, of: .float32, shape: clip.shape), into: room.buffers,
                        statistics: &statistics)
                }
            }
            #expect(room.isUntouched)
        }
    }

    @Test(
        "strides that are too small, or too large for memory, are refused", arguments: [0, -1, 4, .min, .max, .max / 2])
    func badStrides(_ stride: Int) throws {
        let clip = Clip(3, 4, 5) { Float($0 + $1 * $2) }
        var compressor = try Compressor(threads: 1)
        let room = try Room(clip, Configuration(), tokens: .float32, indices: .int64)
        var statistics = CompressedVideo.Statistics()
        let attention = [Float](repeating: 1, count: 12)
        clip.features.withUnsafeBytes { bytes in
            attention.withUnsafeBytes { attention in
                for change in [\ClipView.frameStride, \.tokenStride, \.attentionFrameStride, \.attentionTokenStride] {
                    let isAttention = change == \.attentionFrameStride || change == \.attentionTokenStride
                    if isAttention, stride == 4 { continue }
                    var view = ClipView(features: bytes.baseAddress, of: .float32, shape: clip.shape)
                    view.attention = attention.baseAddress
                    view[keyPath: change] = stride
                    #expect {
                        try compressor.compress(view, into: room.buffers, statistics: &statistics)
                    } throws: { error in
                        switch error as? FlashVIDError {
                        case .invalidStride(_, _, let value, _): stride <= 4 && value == stride
                        case .sizeOverflow: stride > 4
                        default: false
                        }
                    }
                    #expect(room.isUntouched)
                }
            }
        }
    }

    @Test("several clips at once give what each gives alone", arguments: 0..<8)
    func batch(_ seed: UInt64) throws {
        var generator = ClipGenerator(seed: seed)
        let configuration = generator.configuration()
        for count in [0, 1, 2, 3, 7] {
            let clips = (0..<count).map { _ in generator.clip() }
            let rooms = try clips.map { try Room($0, configuration, tokens: .float32, indices: .int64) }
            for threads in [1, 2, 3] {
                var compressor = try Compressor(configuration, threads: threads)
                // Sound: each index is reported once, by one thread.
                let results = UnsafeMutableBufferPointer<Attempt>.allocate(capacity: count)
                defer { results.deallocate() }
                var views: [ClipView] = []
                for clip in clips {
                    // Kept alive by `clips`, whose arrays do not change.
                    var view = ClipView(
                        features: clip.features.withUnsafeBytes(\.baseAddress), of: .float32, shape: clip.shape)
                    view.attention = clip.attention?.withUnsafeBytes(\.baseAddress)
                    views.append(view)
                }
                var statistics = CompressedVideo.Statistics()
                let item = { (index: Int) in (views[index], rooms[index].buffers) }
                #expect(try compressor.firstOverlap(count: count, clip: item) == nil)
                try compressor.compressBatch(
                    count, clip: item, report: { (results.baseAddress! + $0).initialize(to: $1) },
                    statistics: &statistics)
                for index in 0..<count {
                    guard case .succeeded(let outcome) = results[index] else {
                        Issue.record("clip \(index) was not compressed")
                        continue
                    }
                    let difference = rooms[index].difference(
                        from: try clips[index].compressed(configuration), outcome)
                    #expect(difference == nil)
                }
                withExtendedLifetime(clips) {}
            }
        }
    }

    @Test("clips of a batch that share what one of them writes are found")
    func overlaps() throws {
        let clip = Clip(2, 3, 4) { Float($0 + $1 + $2) }
        let compressor = try Compressor(Configuration(retentionRatio: 1), threads: 1)
        let rooms = try (0..<3).map { _ in
            try Room(clip, Configuration(retentionRatio: 1), tokens: .float32, indices: .int64)
        }
        clip.features.withUnsafeBytes { bytes in
            let view = ClipView(features: bytes.baseAddress, of: .float32, shape: clip.shape)
            var items = rooms.map { (view, $0.buffers) }
            func overlap() -> (Int, Int)? {
                (try? compressor.firstOverlap(count: items.count) { items[$0] }) ?? nil
            }
            // Reading the same is no overlap.
            #expect(overlap() == nil)
            items[2].1.assignment = items[0].1.assignment
            #expect(overlap().map { [$0.0, $0.1].sorted() } == [0, 2])
            items[2].1.assignment = rooms[2].buffers.assignment
            #expect(overlap() == nil)
            items[1].0.features = UnsafeRawPointer(rooms[2].tokens.base)
            #expect(overlap().map { [$0.0, $0.1].sorted() } == [1, 2])
        }
    }
}
