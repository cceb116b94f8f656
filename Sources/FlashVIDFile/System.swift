#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// The calls to the C library, in one place: each retries what a signal interrupted and gives `errno` as a value.
enum System {
    struct Failure: Error {
        let code: Int32
    }

    /// More in one call is an error on some systems, and cut short on others.
    private static let largestTransfer = 1 << 30

    static func message(for code: Int32) -> String {
        guard let text = strerror(code) else { return "error \(code)" }
        return String(cString: text)
    }

    static func open(_ path: String, _ flags: Int32, mode: mode_t = 0) throws(Failure) -> Int32 {
        // A C string ends at its first zero, and would name another file.
        guard !path.utf8.contains(0) else { throw Failure(code: EINVAL) }
        while true {
            #if canImport(Glibc)
                let descriptor = Glibc.open(path, flags | O_CLOEXEC, mode)
            #elseif canImport(Musl)
                let descriptor = Musl.open(path, flags | O_CLOEXEC, mode)
            #else
                let descriptor = Darwin.open(path, flags | O_CLOEXEC, mode)
            #endif
            if descriptor >= 0 { return descriptor }
            guard errno == EINTR else { throw Failure(code: errno) }
        }
    }

    /// Nil where there is no such file.
    static func status(ofPath path: String) throws(Failure) -> stat? {
        guard !path.utf8.contains(0) else { throw Failure(code: EINVAL) }
        var status = stat()
        if stat(path, &status) == 0 { return status }
        guard errno == ENOENT else { throw Failure(code: errno) }
        return nil
    }

    static func status(of descriptor: Int32) throws(Failure) -> stat {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw Failure(code: errno) }
        return status
    }

    static func isDirectory(_ status: stat) -> Bool { status.st_mode & mode_t(S_IFMT) == mode_t(S_IFDIR) }

    static func isRegular(_ status: stat) -> Bool { status.st_mode & mode_t(S_IFMT) == mode_t(S_IFREG) }

    /// Reads until `buffer` is full or the file ends; gives the bytes read.
    static func read(_ descriptor: Int32, into buffer: UnsafeMutableRawBufferPointer) throws(Failure) -> Int {
        guard let base = buffer.baseAddress else { return 0 }
        var done = 0
        while done < buffer.count {
            #if canImport(Glibc)
                let count = Glibc.read(descriptor, base + done, min(buffer.count - done, largestTransfer))
            #elseif canImport(Musl)
                let count = Musl.read(descriptor, base + done, min(buffer.count - done, largestTransfer))
            #else
                let count = Darwin.read(descriptor, base + done, min(buffer.count - done, largestTransfer))
            #endif
            if count == 0 { break }
            if count > 0 {
                done += count
            } else if errno != EINTR {
                throw Failure(code: errno)
            }
        }
        return done
    }

    static func write(_ descriptor: Int32, _ buffer: UnsafeRawBufferPointer) throws(Failure) {
        guard let base = buffer.baseAddress else { return }
        var done = 0
        while done < buffer.count {
            #if canImport(Glibc)
                let count = Glibc.write(descriptor, base + done, min(buffer.count - done, largestTransfer))
            #elseif canImport(Musl)
                let count = Musl.write(descriptor, base + done, min(buffer.count - done, largestTransfer))
            #else
                let count = Darwin.write(descriptor, base + done, min(buffer.count - done, largestTransfer))
            #endif
            if count > 0 {
                done += count
            } else if count == 0 {
                throw Failure(code: EIO)
            } else if errno != EINTR {
                throw Failure(code: errno)
            }
        }
    }

    /// Not retried: after EINTR the state of the descriptor is unspecified, and on Linux it is closed.
    static func close(_ descriptor: Int32) throws(Failure) {
        #if canImport(Glibc)
            let result = Glibc.close(descriptor)
        #elseif canImport(Musl)
            let result = Musl.close(descriptor)
        #else
            let result = Darwin.close(descriptor)
        #endif
        guard result == 0 || errno == EINTR else { throw Failure(code: errno) }
    }

    static func synchronise(_ descriptor: Int32) throws(Failure) {
        while fsync(descriptor) != 0 {
            // Some file systems know no fsync; what they have is as safe as it gets there.
            if errno == EINVAL || errno == ENOTSUP { return }
            guard errno == EINTR else { throw Failure(code: errno) }
        }
    }
}

/// Memory aligned for every element type. It is written while a file is read and never again, hence `Sendable`.
final class AlignedStorage: @unchecked Sendable {
    static let alignment = 64

    let bytes: UnsafeMutableRawBufferPointer

    /// Nil if the system has no such amount; Swift's own allocation would trap.
    init?(byteCount: Int) {
        var pointer: UnsafeMutableRawPointer?
        guard posix_memalign(&pointer, Self.alignment, max(byteCount, 1)) == 0, let pointer else { return nil }
        bytes = UnsafeMutableRawBufferPointer(start: pointer, count: byteCount)
    }

    deinit {
        free(bytes.baseAddress)
    }
}
