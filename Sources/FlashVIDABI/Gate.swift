#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Lets one call at a time into a handle, and none any more once it is closed.
final class Gate: @unchecked Sendable {
    // Sound although unchecked: all below is touched under the mutex only, which lives at a fixed address as long as this.
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let left = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var owner: pthread_t?
    private var isClosed = false

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

    /// Takes the handle for this thread, and begins the call. False if a call has it, or if it is closed.
    func enter(_ begin: () -> Void = {}) -> Bool {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        guard owner == nil, !isClosed else { return false }
        owner = pthread_self()
        begin()
        return true
    }

    func leave() {
        pthread_mutex_lock(mutex)
        owner = nil
        if isClosed { pthread_cond_signal(left) }
        pthread_mutex_unlock(mutex)
    }

    /// Lets nobody in any more, ends the call that is under way by `cancel`, and waits until it has left. False where it would
    /// wait for this thread itself, or where another thread does the same already.
    func close(cancelling cancel: () -> Void) -> Bool {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        if isClosed { return false }
        if let owner, pthread_equal(owner, pthread_self()) != 0 { return false }
        isClosed = true
        if owner != nil { cancel() }
        // A thread that is cancelled while it waits would leave the mutex locked.
        var state: Int32 = 0
        pthread_setcancelstate(Int32(PTHREAD_CANCEL_DISABLE), &state)
        while owner != nil { pthread_cond_wait(left, mutex) }
        pthread_setcancelstate(state, nil)
        return true
    }
}
