import FlashVID
import FlashVIDLibC
import Synchronization
import TestSupport
import Testing

/// Calls that are ended early: everything is as it was, and the next call is not touched.
@Suite("Cancellation")
struct CancellationTests {
    private static let shape = ClipShape(frames: 7, tokensPerFrame: 25, channels: 16)

    private static func clip(_ seed: UInt64) -> Clip {
        var generator = ClipGenerator(seed: seed)
        var clip = generator.clip(shape: shape, traits: [.motion, .cuts])
        clip.attention = generator.attention(shape)
        return clip
    }

    private static var configurations: [Configuration] {
        var rounds = Configuration.refined
        rounds.refinementRounds = 4
        return [Configuration(retentionRatio: 0.2), rounds, .published]
    }

    @Test("a call ends wherever it is ended, and leaves no trace", arguments: [1, 2, 3], configurations)
    func everywhere(threads: Int, configuration: Configuration) throws {
        let (clip, other) = (Self.clip(1), Self.clip(2))
        var compressor = try Compressor(configuration, threads: threads)
        let canceller = compressor.canceller
        let (expected, before) = (try compressor.compress(clip), try compressor.compress(other))
        var (last, ended) = (0, 0)
        // In the first, second, ... report of progress, until a call comes to its end.
        while true {
            var (reports, shares) = (0, [Double]())
            var video = before
            do throws(FlashVIDError) {
                try compressor.compress(
                    clip.features.span, shape: clip.shape, attention: clip.attention!.span, into: &video
                ) { share in
                    shares.append(share)
                    if reports == last, share < 1 { canceller.cancel() }
                    reports += 1
                }
                expectEqual(video, Expectation(expected))
                #expect(shares.first == 0 && shares.last == 1)
                #expect(zip(shares, shares.dropFirst()).allSatisfy { $0 < $1 })
                break
            } catch {
                #expect(error == .cancelled(by: .request))
                expectIdentical(video, before)
            }
            (last, ended) = (last + 1, ended + 1)
            expectIdentical(try compressor.compress(other), before)
        }
        // With helpers, this thread may have had little to do.
        #expect(ended > (threads == 1 ? 20 : 0))
    }

    @Test("without a call under way nothing happens")
    func idle() throws {
        let clip = Self.clip(3)
        var compressor = try Compressor(threads: 2)
        let canceller = compressor.canceller
        canceller.cancel()
        let video = try compressor.compress(clip)
        for _ in 0..<100 {
            canceller.cancel()
            expectIdentical(try compressor.compress(clip), video)
        }
    }

    @Test("a time limit ends a call, and no limit does not")
    func timeLimit() throws {
        let clip = Self.clip(4)
        var compressor = try Compressor(threads: 2)
        let expected = try compressor.compress(clip)
        var video = expected
        compressor.timeLimit = .nanoseconds(1)
        #expect(throws: FlashVIDError.cancelled(by: .timeLimit)) { try compressor.compress(clip, into: &video) }
        expectIdentical(video, expected)
        compressor.timeLimit = .seconds(1000)
        expectIdentical(try compressor.compress(clip), expected)
        compressor.timeLimit = nil
        expectIdentical(try compressor.compress(clip), expected)
    }

    @Test("a stream keeps what it has")
    func stream() throws {
        let clip = Self.clip(5)
        var configuration = Configuration()
        configuration.maximumSegmentFrames = 3
        let frame = clip.shape.tokensPerFrame * clip.shape.channels
        func run(interrupted: Bool) throws -> [CompressedVideo] {
            var stream = try VideoStream(
                configuration, tokensPerFrame: clip.shape.tokensPerFrame, channels: clip.shape.channels, threads: 2)
            var segments: [CompressedVideo] = []
            func drain() throws {
                while stream.closedFrames > 0 {
                    if interrupted {
                        stream.timeLimit = .nanoseconds(1)
                        #expect(throws: FlashVIDError.cancelled(by: .timeLimit)) { try stream.nextSegment() }
                        stream.timeLimit = nil
                    }
                    segments.append(try #require(try stream.nextSegment()))
                }
            }
            for start in stride(from: 0, to: clip.features.count, by: frame) {
                stream.canceller.cancel()
                try stream.push(Array(clip.features[start..<start + frame]).span)
                try drain()
            }
            stream.finish()
            try drain()
            #expect(stream.firstRow == segments.reduce(0) { $0 + $1.count })
            return segments
        }
        let (expected, found) = (try run(interrupted: false), try run(interrupted: true))
        #expect(expected.count == found.count)
        for (expected, found) in zip(expected, found) { expectIdentical(found, expected) }
    }

    @Test("other threads may cancel at any time, and every call either ends or gives all", arguments: [1, 3])
    func fromOtherThreads(threads: Int) throws {
        let clip = Self.clip(6)
        var compressor = try Compressor(.refined, threads: threads)
        let (canceller, isDone) = (compressor.canceller, Flag())
        let expected = try compressor.compress(clip)
        let hand = Unmanaged.passRetained(Hand(canceller: canceller, isDone: isDone))
        #if canImport(Darwin)
            var thread: pthread_t?
        #else
            var thread = pthread_t()
        #endif
        let status = pthread_create(
            &thread, nil,
            { argument in
                #if canImport(Darwin)
                    let hand = Unmanaged<Hand>.fromOpaque(argument).takeRetainedValue()
                #else
                    let hand = Unmanaged<Hand>.fromOpaque(argument!).takeRetainedValue()
                #endif
                var random = SplitMix64(seed: 7)
                while !hand.isDone.value.load(ordering: .acquiring) {
                    hand.canceller.cancel()
                    usleep(UInt32(random.integer(1...4000)))
                }
                return nil
            }, hand.toOpaque())
        try #require(status == 0)
        var (ended, whole) = (0, 0)
        while min(ended, whole) < 50, ended + whole < 100_000 {
            var video = expected
            do throws(FlashVIDError) {
                try compressor.compress(clip, into: &video)
                whole += 1
            } catch {
                #expect(error == .cancelled(by: .request))
                ended += 1
            }
            expectIdentical(video, expected)
        }
        isDone.value.store(true, ordering: .releasing)
        #if canImport(Darwin)
            pthread_join(thread!, nil)
        #else
            pthread_join(thread, nil)
        #endif
        #expect(min(ended, whole) >= 50, "\(ended) ended, \(whole) whole")
    }

    private final class Flag: Sendable {
        let value = Atomic<Bool>(false)
    }

    private final class Hand: Sendable {
        let canceller: Canceller
        let isDone: Flag

        init(canceller: Canceller, isDone: Flag) {
            self.canceller = canceller
            self.isDone = isDone
        }
    }
}

/// What a compressor says that it will take is what it takes.
@Suite("Workspace")
struct WorkspaceTests {
    @Test("bytes foretold are those held", arguments: [1, 3], [Configuration(), .refined, .published])
    func compressor(threads: Int, configuration: Configuration) throws {
        try check([Float](repeating: 0, count: 3150), threads, configuration)
        try check([BFloat16](repeating: BFloat16(0), count: 3150), threads, configuration)
    }

    private func check<Scalar: FeatureScalar>(
        _ features: [Scalar], _ threads: Int, _ configuration: Configuration
    ) throws {
        let shape = ClipShape(frames: 70, tokensPerFrame: 9, channels: 5)
        var compressor = try Compressor(configuration, threads: threads)
        let foretold = try compressor.workspaceBytes(for: shape, of: Scalar.scalarType)
        #expect(compressor.heldBytes == 0)
        _ = try compressor.compress(features.span, shape: shape)
        // Attention that has to be copied is not there.
        let copy = 70 * 9 * 4 + 64
        #expect((foretold - copy...foretold).contains(compressor.heldBytes))
    }

    @Test("sizes that are none have no workspace")
    func refused() throws {
        let compressor = try Compressor(threads: 1)
        let immense = ClipShape(frames: 1, tokensPerFrame: .max, channels: 1)
        #expect(throws: FlashVIDError.self) { try compressor.workspaceBytes(for: immense) }
    }
}
