internal import CFlashVIDProcess
import FlashVIDLibC
import Synchronization

/// Threads that share a loop: the caller and `threads - 1` parked ones. They live as long as the pool, so that a call
/// starts none and allocates nothing.
@usableFromInline
package final class WorkerPool: @unchecked Sendable {
    // Sound although unchecked: nothing changes after `init`.

    /// Work on one task, told what the loop is about by a pointer. Without captures, so that handing it over allocates
    /// nothing.
    @usableFromInline
    package typealias Job = (_ context: UnsafeRawPointer, _ worker: Int, _ task: Int) -> Void

    /// Threads that work, the calling one included: those that were asked for, or as many as the system gave.
    package private(set) var threads = 1
    private let desk: Desk
    /// [threads - 1]
    private let handles: UnsafeMutablePointer<pthread_t>
    /// Threads that OpenBLAS has buffers for.
    private let multipliers: Int
    /// The process that the threads live in: a forked child has none of them.
    private let generation = flashvid_process_generation()

    /// Starts the threads, fewer where the system refuses so many. They take none of the host's signals.
    ///
    /// Throws ``FlashVIDError/outOfMemory(bytes:)`` where there is no memory for the products of `multiplying` threads:
    /// OpenBLAS would wait for it for ever.
    package init(threads wanted: Int, multiplying: Bool) throws(FlashVIDError) {
        let multipliers = multiplying ? wanted : 0
        guard flashvid_buffers_reserve(CInt(multipliers)) else {
            throw .outOfMemory(bytes: multipliers * Int(FLASHVID_PRODUCT_BUFFER))
        }
        do throws(FlashVIDError) {
            handles = try Memory.allocate(pthread_t.self, max(0, wanted - 1))
        } catch {
            flashvid_buffers_release(CInt(multipliers))
            throw error
        }
        self.multipliers = multipliers
        desk = Desk()
        var none = sigset_t()
        var before = sigset_t()
        sigfillset(&none)
        pthread_sigmask(SIG_SETMASK, &none, &before)
        for worker in 1..<max(1, wanted) {
            guard let handle = start(worker) else { break }
            handles[threads - 1] = handle
            threads += 1
        }
        pthread_sigmask(SIG_SETMASK, &before, nil)
    }

    private func start(_ worker: Int) -> pthread_t? {
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        pthread_attr_setstacksize(&attributes, Self.stackSize)
        defer { pthread_attr_destroy(&attributes) }
        // The thread keeps the desk alive and not the pool, or the pool would never be closed.
        let seat = Unmanaged.passRetained(Seat(desk: desk, worker: worker))
        #if canImport(Darwin)
            var handle: pthread_t?
        #else
            var handle = pthread_t()
        #endif
        let status = pthread_create(
            &handle, &attributes,
            { argument in
                #if canImport(Darwin)
                    let seat = Unmanaged<Seat>.fromOpaque(argument).takeRetainedValue()
                #else
                    let seat = Unmanaged<Seat>.fromOpaque(argument!).takeRetainedValue()
                #endif
                // A thread begins with the floating-point environment of the one that starts it.
                var guest = flashvid_guest()
                flashvid_guest_enter(&guest)
                seat.desk.work(as: seat.worker)
                return nil
            }, seat.toOpaque())
        guard status == 0 else {
            seat.release()
            return nil
        }
        return handle
    }

    /// Several times what a call takes, with room for the thread-local data of the host's libraries.
    private static let stackSize = 1 << 20

    deinit {
        // In a forked child there is nobody to wait for, and the buffers were not counted there.
        guard generation == flashvid_process_generation() else { return }
        desk.close()
        for thread in 0..<(threads - 1) { pthread_join(handles[thread], nil) }
        free(handles)
        desk.free()
        flashvid_buffers_release(CInt(multipliers))
    }

    /// Calls `body(worker, task)` once for every task in 0..<tasks, in order of task where one thread runs. Returns when
    /// all are done.
    package func run(_ tasks: Int, _ body: (_ worker: Int, _ task: Int) -> Void) {
        withoutActuallyEscaping(body) { body in
            withUnsafePointer(to: body) { body in
                run(tasks, on: body) { body, worker, task in
                    body.assumingMemoryBound(to: ((Int, Int) -> Void).self).pointee(worker, task)
                }
            }
        }
    }

    /// The same for a job without captures; `context` must stay valid until the call returns. Allocates nothing.
    @usableFromInline
    package func run(_ tasks: Int, on context: UnsafeRawPointer, _ job: @escaping Job) {
        guard tasks > 1, threads > 1 else {
            for task in 0..<max(0, tasks) { job(context, 0, task) }
            return
        }
        desk.run(tasks, on: context, job, helpers: threads - 1)
    }

    /// The same with what it works on in Swift's own terms. A body without captures and a context without references are
    /// handed to the threads without an allocation, and without the metadata that Swift makes lazily.
    @inlinable @inline(__always)
    package func run<Context: BitwiseCopyable>(
        _ tasks: Int, with context: Context,
        _ body: @escaping (_ context: Context, _ worker: Int, _ task: Int) -> Void
    ) {
        withUnsafePointer(to: context) { context in
            withUnsafePointer(to: Body(call: body)) { body in
                run(tasks, on: Loop(context: context, body: body))
            }
        }
    }

    @inlinable @inline(__always)
    func run<Context: BitwiseCopyable>(_ tasks: Int, on loop: Loop<Context>) {
        withUnsafePointer(to: loop) { loop in
            run(tasks, on: loop) { loop, worker, task in
                let loop = loop.assumingMemoryBound(to: Loop<Context>.self).pointee
                loop.body.pointee.call(loop.context.pointee, worker, task)
            }
        }
    }

    @usableFromInline
    struct Loop<Context: BitwiseCopyable>: BitwiseCopyable {
        @usableFromInline let context: UnsafePointer<Context>
        @usableFromInline let body: UnsafePointer<Body<Context>>

        @inlinable
        init(context: UnsafePointer<Context>, body: UnsafePointer<Body<Context>>) {
            self.context = context
            self.body = body
        }
    }

    /// A pointer to a function alone would wrap it, on the heap.
    @usableFromInline
    struct Body<Context> {
        @usableFromInline let call: (Context, Int, Int) -> Void

        @inlinable
        init(call: @escaping (Context, Int, Int) -> Void) { self.call = call }
    }

    /// Cores of the machine that are on line.
    package static var availableCores: Int { max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))) }
}

/// What a thread is told at its start.
private final class Seat: @unchecked Sendable {
    // Sound: nothing changes after `init`.
    let desk: Desk
    let worker: Int

    init(desk: Desk, worker: Int) {
        self.desk = desk
        self.worker = worker
    }
}

/// Where a pool and its threads meet.
private final class Desk: @unchecked Sendable {
    // Sound although unchecked: `job`, `context`, `tasks`, `round`, `busy` and `isClosing` are touched under `mutex` only,
    // `next` is atomic, and the condition variables and the mutex live at fixed addresses as long as any thread uses them.

    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let started = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private let finished = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private let next = Atomic<Int>(0)
    private var job: WorkerPool.Job?
    private var context: UnsafeRawPointer?
    private var tasks = 0
    private var round = 0
    private var busy = 0
    private var isClosing = false

    init() {
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(started, nil)
        pthread_cond_init(finished, nil)
    }

    /// Gives back what the threads met at, once they have ended. A forked child never does: its copy is in whatever state
    /// the threads, which it has not, left it in.
    func free() {
        pthread_cond_destroy(finished)
        pthread_cond_destroy(started)
        pthread_mutex_destroy(mutex)
        finished.deallocate()
        started.deallocate()
        mutex.deallocate()
    }

    func close() {
        pthread_mutex_lock(mutex)
        isClosing = true
        pthread_cond_broadcast(started)
        pthread_mutex_unlock(mutex)
    }

    func run(_ tasks: Int, on context: UnsafeRawPointer, _ job: @escaping WorkerPool.Job, helpers: Int) {
        pthread_mutex_lock(mutex)
        self.job = job
        self.context = context
        self.tasks = tasks
        next.store(0, ordering: .relaxed)
        round += 1
        busy = helpers
        pthread_cond_broadcast(started)
        pthread_mutex_unlock(mutex)

        drain(job, context, tasks, worker: 0)

        pthread_mutex_lock(mutex)
        while busy > 0 { pthread_cond_wait(finished, mutex) }
        self.job = nil
        self.context = nil
        pthread_mutex_unlock(mutex)
    }

    private func drain(_ job: WorkerPool.Job, _ context: UnsafeRawPointer, _ tasks: Int, worker: Int) {
        while true {
            let task = next.wrappingAdd(1, ordering: .relaxed).oldValue
            guard task < tasks else { return }
            job(context, worker, task)
        }
    }

    func work(as worker: Int) {
        var seen = 0
        pthread_mutex_lock(mutex)
        while true {
            while round == seen && !isClosing { pthread_cond_wait(started, mutex) }
            if isClosing { break }
            seen = round
            let tasks = self.tasks
            if let job, let context {
                pthread_mutex_unlock(mutex)
                drain(job, context, tasks, worker: worker)
                pthread_mutex_lock(mutex)
            }
            busy -= 1
            if busy == 0 { pthread_cond_signal(finished) }
        }
        pthread_mutex_unlock(mutex)
    }
}
