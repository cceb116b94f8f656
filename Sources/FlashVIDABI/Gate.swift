import FlashVIDLibC
import Synchronization

/// Lets one call at a time into a handle, and none any more once it is closed.
///
/// A call takes no lock, which a forked child might find locked; who closes the handle waits under one.
final class Gate: @unchecked Sendable {
    // Sound although unchecked: the mutex and the condition live at fixed addresses as long as this, and the rest is atomic.
    private let isTaken = Atomic<Bool>(false)
    private let hasClosed = Atomic<Bool>(false)
    /// The thread that has the handle, or 0.
    private let owner = Atomic<UInt>(0)
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let left = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    init() {
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(left, nil)
    }

    deinit {
        pthread_cond_destroy(left)
        pthread_mutex_destroy(mutex)
        left.deallocate()
        mutex.deallocate()
    }

    private static var thisThread: UInt {
        #if canImport(Darwin)
            UInt(bitPattern: pthread_self())
        #else
            UInt(pthread_self())
        #endif
    }

    /// Takes the handle for this thread. False if a call has it, or if it is closed.
    func enter() -> Bool {
        guard !isClosed, !isTaken.exchange(true, ordering: .sequentiallyConsistent) else { return false }
        owner.store(Self.thisThread, ordering: .relaxed)
        return true
    }

    /// Whether somebody waits for the call to end.
    var isClosed: Bool { hasClosed.load(ordering: .sequentiallyConsistent) }

    func leave() {
        owner.store(0, ordering: .relaxed)
        isTaken.store(false, ordering: .sequentiallyConsistent)
        guard isClosed else { return }
        pthread_mutex_lock(mutex)
        pthread_cond_signal(left)
        pthread_mutex_unlock(mutex)
    }

    /// Lets nobody in any more, ends the call that is under way by `cancel`, waits until it has left, and takes the handle. False
    /// where it would wait for this thread itself, or where another thread does the same already.
    func close(cancelling cancel: () -> Void) -> Bool {
        guard owner.load(ordering: .relaxed) != Self.thisThread,
            !hasClosed.exchange(true, ordering: .sequentiallyConsistent)
        else { return false }
        cancel()
        pthread_mutex_lock(mutex)
        while isTaken.exchange(true, ordering: .sequentiallyConsistent) { pthread_cond_wait(left, mutex) }
        pthread_mutex_unlock(mutex)
        return true
    }
}
