import CFlashVID
internal import CFlashVIDProcess
import FlashVID

/// What an engine was made with, to be asked while it works.
struct Facts: Sendable {
    var configuration = Configuration()
    /// Of a stream's frames.
    var tokensPerFrame = 0
    var channels = 0
    var type = ScalarType.float32
}

/// What a C handle points to: an engine that works for one thread at a time, and what is known of its last call.
final class Handle<Engine: ~Copyable>: @unchecked Sendable {
    // Sound although unchecked: `engine`, `limit` and `progress` are touched by the thread alone that the gate let in, and the
    // rest under its lock.

    private struct Notes: Sendable {
        var error = ""
        var statistics = flashvid_statistics()
    }

    let pool: WorkerPool
    let facts: Facts
    let watch: Watch
    /// Seconds that a call may take, and who is told of its progress.
    var limit: Double?
    var progress: ((Double) -> Bool)?
    /// The process that the engine's threads live in.
    private let generation = flashvid_process_generation()
    private var engine: Engine
    /// Of the call under way.
    private var statistics = CompressedVideo.Statistics()
    private let gate = Gate()
    private let notes = Guarded(Notes())

    init(_ engine: consuming Engine, pool: WorkerPool, watch: Watch, facts: Facts = Facts()) {
        self.engine = engine
        self.pool = pool
        self.watch = watch
        self.facts = facts
    }

    var threads: Int { pool.threads }

    /// Whether this is a child's copy: its threads, and whoever was using it, are in the process that forked.
    var isInherited: Bool { generation != flashvid_process_generation() }

    /// Runs a call with the engine. A failure's text is kept.
    func call(
        _ body: (inout Engine, inout CompressedVideo.Statistics) throws(Failure) -> Void
    ) -> flashvid_status {
        guard !isInherited else { return Failure.inherited.status }
        guard gate.enter() else { return flashvid_status(FLASHVID_BUSY) }
        watch.begin(limit: limit, report: progress)
        // Whoever closes the handle may have been too early to end this call.
        if gate.isClosed { watch.cancel() }
        defer {
            watch.end()
            gate.leave()
        }
        do throws(Failure) {
            try body(&engine, &statistics)
            let result = flashvid_statistics(statistics)
            notes.withLock { $0.statistics = result }
            return flashvid_status(FLASHVID_OK)
        } catch {
            if error.status != flashvid_status(FLASHVID_NO_SEGMENT) {
                notes.withLock { $0.error = error.text }
            }
            return error.status
        }
    }

    /// Takes the handle for good. Where a call has it, that call is ended and awaited, or else the answer is false.
    func retire(waiting: Bool) -> Bool {
        // What was in use when the process forked is left as it is: half changed, perhaps.
        waiting && !isInherited ? gate.close(cancelling: watch.cancel) : gate.enter()
    }

    /// The lock of a child's copy may be held for ever by a thread that is not there.
    func lastError() -> String { isInherited ? Failure.inherited.text : notes.withLock { $0.error } }

    func lastStatistics() throws(Failure) -> flashvid_statistics {
        guard !isInherited else { throw .inherited }
        return notes.withLock { $0.statistics }
    }
}

extension Handle where Engine: ~Copyable {
    /// The handle behind a pointer of the caller's, which this module gave out.
    static func at(_ pointer: OpaquePointer?) throws(Failure) -> Handle {
        guard let pointer else { throw .null("the handle") }
        return Unmanaged<Handle>.fromOpaque(UnsafeRawPointer(pointer)).takeUnretainedValue()
    }

    /// Gives a handle to the caller, who has to destroy it.
    static func give(_ handle: Handle) -> OpaquePointer {
        OpaquePointer(Unmanaged.passRetained(handle).toOpaque())
    }

    /// Takes it back. A call that is under way is ended and awaited, or is the reason to leave the handle.
    static func destroy(_ pointer: OpaquePointer?, waiting: Bool = false) -> flashvid_status {
        guard let pointer else { return flashvid_status(FLASHVID_OK) }
        return asGuest {
            let reference = Unmanaged<Handle>.fromOpaque(UnsafeRawPointer(pointer))
            let (isInherited, isMine) = reference._withUnsafeGuaranteedRef {
                ($0.isInherited, $0.retire(waiting: waiting))
            }
            if isMine { reference.release() }
            return flashvid_status(isMine || isInherited ? FLASHVID_OK : FLASHVID_BUSY)
        }
    }

    static func call(
        _ pointer: OpaquePointer?,
        _ body: (inout Engine, inout CompressedVideo.Statistics) throws(Failure) -> Void
    ) -> flashvid_status {
        asGuest {
            do throws(Failure) { return try at(pointer).call(body) } catch { return error.status }
        }
    }

    static func configuration(
        _ pointer: OpaquePointer?, to configuration: UnsafeMutablePointer<flashvid_configuration>?, size: Int
    ) -> flashvid_status {
        do throws(Failure) {
            return write(try alive(pointer).facts.configuration, to: configuration, size: size)
        } catch {
            return error.status
        }
    }

    /// A handle that is no child's copy.
    static func alive(_ pointer: OpaquePointer?) throws(Failure) -> Handle {
        let handle = try at(pointer)
        guard !handle.isInherited else { throw .inherited }
        return handle
    }

    // MARK: Control

    /// From anywhere, a signal handler included: this neither waits nor allocates, nor is it a call.
    static func cancel(_ pointer: OpaquePointer?) -> flashvid_status {
        guard let pointer else { return flashvid_status(FLASHVID_NULL_POINTER) }
        return Unmanaged<Handle>.fromOpaque(UnsafeRawPointer(pointer))._withUnsafeGuaranteedRef { handle in
            guard !handle.isInherited else { return flashvid_status(FLASHVID_FORKED) }
            handle.watch.cancel()
            return flashvid_status(FLASHVID_OK)
        }
    }

    static func setTimeLimit(_ pointer: OpaquePointer?, _ seconds: Double) -> flashvid_status {
        set(pointer) { handle throws(Failure) in
            guard seconds >= 0 else {
                throw Failure(FLASHVID_INVALID_ARGUMENT, "a time limit of \(seconds) seconds; expected at least 0")
            }
            handle.limit = seconds > 0 ? seconds : nil
        }
    }

    static func setProgress(
        _ pointer: OpaquePointer?, _ progress: flashvid_progress?, _ context: UnsafeMutableRawPointer?
    ) -> flashvid_status {
        set(pointer) { handle throws(Failure) in
            handle.progress = progress.map { progress in { share in progress(share, context) == 0 } }
        }
    }

    private static func set(
        _ pointer: OpaquePointer?, _ body: (Handle) throws(Failure) -> Void
    ) -> flashvid_status {
        asGuest {
            do throws(Failure) {
                let handle = try at(pointer)
                return handle.call { _, _ throws(Failure) in try body(handle) }
            } catch {
                return error.status
            }
        }
    }

    static func error(
        _ pointer: OpaquePointer?, _ message: UnsafeMutablePointer<CChar>?, _ capacity: Int
    ) -> Int {
        let text = (try? at(pointer))?.lastError() ?? ""
        return Message(buffer: message, capacity: capacity).write(text)
    }

    static func statistics(
        _ pointer: OpaquePointer?, _ statistics: UnsafeMutablePointer<flashvid_statistics>?
    ) -> flashvid_status {
        report(nil, 0) { _ throws(Failure) in
            let last = try at(pointer).lastStatistics()
            let size = try flashvid_statistics.size(of: statistics)
            last.write(to: statistics!, size: size)
        }
    }
}

extension flashvid_statistics {
    init(_ statistics: CompressedVideo.Statistics) {
        self.init()
        func seconds(_ stage: CompressedVideo.Stage) -> Double { statistics.stageSeconds[stage.rawValue] }
        self.seconds = statistics.seconds
        segmentation_seconds = seconds(.segmentation)
        selection_seconds = seconds(.selection)
        trees_seconds = seconds(.trees)
        contextual_seconds = seconds(.contextual)
        refinement_seconds = seconds(.refinement)
        close_calls = Int64(statistics.closeCalls)
        threads = Int64(statistics.threads)
    }
}
