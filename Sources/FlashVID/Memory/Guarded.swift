import FlashVIDLibC

/// A value behind a lock. The system's own mutex, and not `Synchronization.Mutex`: thread sanitizers know the one and not
/// the other, and a library that is linked into other people's programs is looked at by theirs.
package final class Guarded<Value>: @unchecked Sendable {
    // Sound although unchecked: `value` is touched under the mutex only, which lives at a fixed address as long as this.
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private var value: Value

    package init(_ value: Value) {
        self.value = value
        pthread_mutex_init(mutex, nil)
    }

    deinit {
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
    }

    package func withLock<Result>(_ body: (inout Value) -> Result) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return body(&value)
    }
}
