import FlashVIDFile
import FlashVIDLibC

/// Ctrl-C and its like leave no temporary file.
package enum Signals {
    /// Set before the handlers are installed and only read afterwards.
    nonisolated(unsafe) private static var cleaning: (@convention(c) () -> Void)?

    /// `cleaning` runs in the handler, after the temporary files are gone: only what is async-signal-safe may stand there.
    package static func install(cleaning: (@convention(c) () -> Void)? = nil) {
        Self.cleaning = cleaning
        SafetensorsWriter.prepareForSignals()
        var handled = sigset_t()
        sigemptyset(&handled)
        for number in [SIGINT, SIGTERM, SIGHUP] {
            // Whoever started us with a signal ignored (nohup, a script's background) wants it ignored.
            let previous = signal(number, SIG_IGN)
            guard unsafeBitCast(previous, to: Int.self) != unsafeBitCast(SIG_IGN, to: Int.self) else { continue }
            signal(number) { number in
                SafetensorsWriter.removeTemporaries()
                Signals.cleaning?()
                // The death of the signal, so that the caller sees what happened. It comes when this returns.
                signal(number, SIG_DFL)
                raise(number)
            }
            sigaddset(&handled, number)
        }
        // A parent may have started us from a thread that blocks signals, as worker threads do; no Ctrl-C would come
        // through.
        pthread_sigmask(SIG_UNBLOCK, &handled, nil)
        // A write past the limit on file sizes, or to nobody, is to be an error like that of a full disk.
        signal(SIGXFSZ, SIG_IGN)
        signal(SIGPIPE, SIG_IGN)
    }
}
