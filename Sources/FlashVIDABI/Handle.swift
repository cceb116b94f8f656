import CFlashVID
import FlashVID
import Synchronization

/// What a C handle points to: an engine that works for one thread at a time, and what is known of its last call.
final class Handle<Engine: ~Copyable>: @unchecked Sendable {
    // Sound although unchecked: `engine` is touched by the thread alone that set `isBusy`, and the rest under its lock.

    private struct Notes: Sendable {
        var error = ""
        var statistics = flashvid_statistics()
    }

    let threads: Int
    private var engine: Engine
    /// Of the call under way.
    private var statistics = CompressedVideo.Statistics()
    private let isBusy = Atomic<Bool>(false)
    private let notes = Guarded(Notes())

    init(_ engine: consuming Engine, threads: Int) {
        self.engine = engine
        self.threads = threads
    }

    /// Takes the handle for this thread. False if another has it.
    func enter() -> Bool {
        !isBusy.exchange(true, ordering: .acquiring)
    }

    func leave() {
        isBusy.store(false, ordering: .releasing)
    }

    /// Runs a call with the engine. A failure's text is kept.
    func call(
        _ body: (inout Engine, inout CompressedVideo.Statistics) throws(Failure) -> Void
    ) -> flashvid_status {
        guard enter() else { return flashvid_status(FLASHVID_BUSY) }
        defer { leave() }
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

    func lastError() -> String { notes.withLock { $0.error } }

    func lastStatistics() -> flashvid_statistics { notes.withLock { $0.statistics } }
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

    /// Takes it back.
    static func destroy(_ pointer: OpaquePointer?) -> flashvid_status {
        guard let pointer else { return flashvid_status(FLASHVID_OK) }
        let handle = Unmanaged<Handle>.fromOpaque(UnsafeRawPointer(pointer))
        guard handle.takeUnretainedValue().enter() else { return flashvid_status(FLASHVID_BUSY) }
        handle.release()
        return flashvid_status(FLASHVID_OK)
    }

    static func call(
        _ pointer: OpaquePointer?,
        _ body: (inout Engine, inout CompressedVideo.Statistics) throws(Failure) -> Void
    ) -> flashvid_status {
        do throws(Failure) { return try at(pointer).call(body) } catch { return error.status }
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
