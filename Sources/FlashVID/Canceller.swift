/// Ends a call from another thread: of a ``Compressor``, a ``VideoStream`` or an `AttentionScorer`, whose property it is.
///
/// ```swift
/// let canceller = compressor.canceller
/// signal.setEventHandler { canceller.cancel() }
/// try compressor.compress(features.span, shape: shape, into: &video)  // throws FlashVIDError.cancelled
/// ```
public struct Canceller: Sendable {
    let watch: Watch

    package init(watch: Watch) { self.watch = watch }

    /// Ends the call that is under way at its next frame, with ``FlashVIDError/cancelled(by:)`` and what it writes to as it
    /// was; a call that is past its last frame succeeds. Where no call is under way, nothing happens: calls that begin later are
    /// not ended.
    public func cancel() { watch.cancel() }
}
