import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Threads that share a loop: the caller and `threads - 1` parked ones. They live as long as the pool, so that a call
/// starts none and allocates nothing.
package final class WorkerPool: @unchecked Sendable {
    // Sound although unchecked: nothing changes after `init`.

    /// Work on one task, told what the loop is about by a pointer. Without captures, so that handing it over allocates
    /// nothing.
    typealias Job = (_ context: UnsafeRawPointer, _ worker: Int, _ task: Int) -> Void

    package let threads: Int
    private let desk = Desk()
    private var handles: [pthread_t] = []

    /// A pool of fewer threads where the system refuses to start so many.
    package init(threads wanted: Int) {
        threads = wanted
        handles.reserveCapacity(wanted - 1)
        for worker in 1..<max(1, wanted) {
            // The thread keeps the desk alive and not the pool, or the pool would never be closed.
            let seat = Unmanaged.passRetained(Seat(desk: desk, worker: worker))
            #if canImport(Darwin)
                var handle: pthread_t?
            #else
                var handle = pthread_t()
            #endif
            let status = pthread_create(
                &handle, nil,
                { argument in
                    #if canImport(Darwin)
                        let seat = Unmanaged<Seat>.fromOpaque(argument).takeRetainedValue()
                    #else
                        let seat = Unmanaged<Seat>.fromOpaque(argument!).takeRetainedValue()
                    #endif
                    seat.desk.work(as: seat.worker)
                    return nil
                }, seat.toOpaque())
            guard status == 0 else {
                seat.release()
                break
            }
            #if canImport(Darwin)
                if let handle { handles.append(handle) }
            #else
                handles.append(handle)
            #endif
        }
    }

    deinit {
        desk.close()
        for handle in handles {
            pthread_join(handle, nil)
        }
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
    func run(_ tasks: Int, on context: UnsafeRawPointer, _ job: @escaping Job) {
        guard tasks > 1, !handles.isEmpty else {
            for task in 0..<max(0, tasks) { job(context, 0, task) }
            return
        }
        desk.run(tasks, on: context, job, helpers: handles.count)
    }

    /// The same with what it works on in Swift's own terms. A body without captures is handed to the threads without an
    /// allocation.
    func run<Context>(
        _ tasks: Int, with context: Context,
        _ body: @escaping (_ context: Context, _ worker: Int, _ task: Int) -> Void
    ) {
        withUnsafePointer(to: Loop(context: context, body: body)) { loop in
            run(tasks, on: loop) { loop, worker, task in
                let loop = loop.assumingMemoryBound(to: Loop<Context>.self)
                loop.pointee.body(loop.pointee.context, worker, task)
            }
        }
    }

    private struct Loop<Context> {
        let context: Context
        let body: (Context, Int, Int) -> Void
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

    deinit {
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
