import FlashVIDFile
import FlashVIDLibC

/// Standard output and standard error, unbuffered: what is written is out, or the system says why not.
package enum StandardStream: Int32, Sendable {
    case output = 1
    case error = 2

    /// Opens what whoever started us has closed, in the direction that is never used: the next file to be opened would be
    /// taken for it, and the summary would be written into a clip.
    package static func prepare() {
        for (descriptor, flags) in [(STDIN_FILENO, O_WRONLY), (STDOUT_FILENO, O_RDONLY), (STDERR_FILENO, O_RDONLY)] {
            // The lowest number that is free is this one, since those below are open.
            if fcntl(descriptor, F_GETFD) < 0 { _ = open("/dev/null", flags) }
        }
    }

    /// The system's reason why it could not be written, or nil.
    @discardableResult
    package func write(_ text: String) -> String? {
        do throws(System.Failure) {
            try Array(text.utf8).withUnsafeBufferPointer { bytes throws(System.Failure) in
                try System.write(rawValue, UnsafeRawBufferPointer(bytes))
            }
            return nil
        } catch {
            return System.message(for: error.code)
        }
    }
}
