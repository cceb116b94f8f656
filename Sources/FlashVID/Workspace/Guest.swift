internal import CFlashVIDProcess

/// A call as a guest on its caller's thread.
package enum Guest {
    /// Runs `body` in the default floating-point environment, whatever the caller's is, and not to be cancelled half way. The
    /// caller's is put back, exception flags included.
    @inline(never)
    package static func run<Result, Failure>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
        var guest = flashvid_guest()
        flashvid_guest_enter(&guest)
        defer { flashvid_guest_leave(&guest) }
        return try body()
    }
}
