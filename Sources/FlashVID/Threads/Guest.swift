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

    /// The same with single-threaded products. Not generic: of a generic function another module would make the metadata of
    /// its result, lazily.
    package static func multiply(_ body: () throws(FlashVIDError) -> Void) throws(FlashVIDError) {
        try run { () throws(FlashVIDError) in try BLAS.withSingleThreadedProducts(body) }
    }
}
