import FlashVIDLibC

/// The calls to the C library, in one place: each retries what a signal interrupted and gives `errno` as a value.
package enum System {
    package struct Failure: Error {
        package let code: Int32
    }

    /// More in one call is an error on some systems, and cut short on others.
    private static let largestTransfer = 1 << 30

    package static func message(for code: Int32) -> String {
        guard let text = strerror(code) else { return "error \(code)" }
        return String(cString: text)
    }

    static func open(_ path: FilePath, _ flags: Int32, mode: mode_t = 0) throws(Failure) -> Int32 {
        while true {
            let (descriptor, code) = try path.withCString { path in
                (FlashVIDLibC.open(path, flags | O_CLOEXEC, mode), errno)
            }
            if descriptor >= 0 { return descriptor }
            guard code == EINTR else { throw Failure(code: code) }
        }
    }

    /// Nil where there is no such file, or a link that leads to none.
    static func status(ofPath path: FilePath) throws(Failure) -> stat? {
        var status = stat()
        let code = try path.withCString { stat($0, &status) == 0 ? 0 : errno }
        if code == 0 { return status }
        guard code == ENOENT else { throw Failure(code: code) }
        return nil
    }

    /// What the symbolic link of this path says; nil for another file, or none.
    static func link(at path: FilePath) throws(Failure) -> FilePath? {
        var target = [CChar](repeating: 0, count: Int(PATH_MAX))
        let (count, code) = try path.withCString { (readlink($0, &target, target.count), errno) }
        if count >= 0 {
            // As long as the buffer it may have been cut.
            guard count < target.count else { throw Failure(code: ENAMETOOLONG) }
            return FilePath(bytes: target[..<count].map { UInt8(bitPattern: $0) })
        }
        guard code == EINVAL || code == ENOENT else { throw Failure(code: code) }
        return nil
    }

    /// Names of what stands in a directory.
    static func names(in path: FilePath) throws(Failure) -> [[UInt8]] {
        let (directory, code) = try path.withCString { (opendir($0), errno) }
        guard let directory else { throw Failure(code: code) }
        defer { closedir(directory) }
        var names: [[UInt8]] = []
        while true {
            errno = 0
            guard let entry = readdir(directory) else { break }
            // Where it lies: an entry may end behind its name, and a copy of it would not.
            guard let offset = MemoryLayout<dirent>.offset(of: \.d_name) else { throw Failure(code: EINVAL) }
            let name = (UnsafeRawPointer(entry) + offset).assumingMemoryBound(to: UInt8.self)
            names.append(
                Array(
                    UnsafeBufferPointer(
                        start: name, count: strlen(UnsafeRawPointer(name).assumingMemoryBound(to: CChar.self)))))
        }
        guard errno == 0 else { throw Failure(code: errno) }
        return names
    }

    static func checkAccess(_ path: FilePath, _ mode: Int32) throws(Failure) {
        let code = try path.withCString { access($0, mode) == 0 ? 0 : errno }
        guard code == 0 else { throw Failure(code: code) }
    }

    /// Throws for a descriptor that is not open.
    static func mayBeWritten(_ descriptor: Int32) throws(Failure) -> Bool {
        let flags = fcntl(descriptor, F_GETFL)
        guard flags >= 0 else { throw Failure(code: errno) }
        return flags & O_ACCMODE != O_RDONLY
    }

    static func duplicate(_ descriptor: Int32) throws(Failure) -> Int32 {
        let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 3)
        guard copy >= 0 else { throw Failure(code: errno) }
        return copy
    }

    static func position(of descriptor: Int32) throws(Failure) -> Int {
        let position = lseek(descriptor, 0, SEEK_CUR)
        guard position >= 0 else { throw Failure(code: errno) }
        return Int(position)
    }

    static func status(of descriptor: Int32) throws(Failure) -> stat {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw Failure(code: errno) }
        return status
    }

    static func isDirectory(_ status: stat) -> Bool { status.st_mode & mode_t(S_IFMT) == mode_t(S_IFDIR) }

    static func isRegular(_ status: stat) -> Bool { status.st_mode & mode_t(S_IFMT) == mode_t(S_IFREG) }

    /// Reads what there is, at least a byte; 0 at the end of the file.
    static func read(_ descriptor: Int32, into buffer: UnsafeMutableRawBufferPointer) throws(Failure) -> Int {
        guard let base = buffer.baseAddress else { return 0 }
        while true {
            let count = FlashVIDLibC.read(descriptor, base, min(buffer.count, largestTransfer))
            if count >= 0 { return count }
            try recover(descriptor, POLLIN)
        }
    }

    package static func write(_ descriptor: Int32, _ buffer: UnsafeRawBufferPointer) throws(Failure) {
        guard let base = buffer.baseAddress else { return }
        var done = 0
        while done < buffer.count {
            let count = FlashVIDLibC.write(descriptor, base + done, min(buffer.count - done, largestTransfer))
            if count > 0 {
                done += count
            } else if count == 0 {
                throw Failure(code: EIO)
            } else {
                try recover(descriptor, POLLOUT)
            }
        }
    }

    /// After a failure that is none: a signal, or a pipe that whoever shares it set not to wait.
    private static func recover(_ descriptor: Int32, _ events: Int32) throws(Failure) {
        let code = errno
        if code == EINTR { return }
        guard code == EAGAIN || code == EWOULDBLOCK else { throw Failure(code: code) }
        var request = pollfd(fd: descriptor, events: Int16(events), revents: 0)
        _ = poll(&request, 1, -1)
    }

    /// Not retried: after EINTR the state of the descriptor is unspecified, and on Linux it is closed.
    static func close(_ descriptor: Int32) throws(Failure) {
        let result = FlashVIDLibC.close(descriptor)
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
