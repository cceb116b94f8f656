import FlashVIDLibC

/// A path as the system has it: bytes, which need not be UTF-8.
package struct FilePath: Sendable, Hashable {
    package let bytes: [UInt8]

    package init(_ text: String) { bytes = Array(text.utf8) }

    package init(bytes: [UInt8]) { self.bytes = bytes }

    package var isEmpty: Bool { bytes.isEmpty }

    /// With the last slash; empty where there is none.
    var directory: FilePath {
        FilePath(bytes: bytes.lastIndex(of: UInt8(ascii: "/")).map { Array(bytes[...$0]) } ?? [])
    }

    /// What stands after the last slash.
    var name: [UInt8] { Array(bytes[directory.bytes.count...]) }

    /// The path as a C string.
    func withCString<Result>(_ body: (UnsafePointer<CChar>) -> Result) throws(System.Failure) -> Result {
        // A C string ends at its first zero, and would name another file.
        guard !bytes.contains(0) else { throw System.Failure(code: EINVAL) }
        return (bytes + [0]).withUnsafeBufferPointer { buffer in
            buffer.withMemoryRebound(to: CChar.self) { characters in
                // Never empty, since the final zero is there.
                body(characters.baseAddress.unsafelyUnwrapped)
            }
        }
    }
}

extension FilePath: CustomStringConvertible {
    /// For messages: what is not UTF-8 shows as U+FFFD.
    package var description: String { String(decoding: bytes, as: UTF8.self) }
}

extension FilePath {
    /// The path of the file that this one leads to through symbolic links, which need not exist; its last component is no
    /// link.
    func followingLinks() throws(System.Failure) -> FilePath {
        var path = self
        // As many as Linux follows.
        for _ in 0..<40 {
            guard let target = try System.link(at: path) else { return path }
            path =
                target.bytes.first == UInt8(ascii: "/")
                ? target : FilePath(bytes: path.directory.bytes + target.bytes)
        }
        throw System.Failure(code: ELOOP)
    }
}

/// Which file this is, whatever path led to it.
package struct FileIdentity: Equatable, Sendable {
    private let device: dev_t
    private let inode: ino_t
    /// Of a file that does not exist yet; `device` and `inode` are its directory's then.
    private let name: [UInt8]?
    private let kind: mode_t

    private init(_ status: stat, name: [UInt8]? = nil) {
        device = status.st_dev
        inode = status.st_ino
        self.name = name
        kind = name == nil ? status.st_mode & mode_t(S_IFMT) : mode_t(S_IFREG)
    }

    /// Nil for a descriptor that is not open.
    package init?(descriptor: Int32) {
        guard let status = try? System.status(of: descriptor) else { return nil }
        self.init(status)
    }

    /// Nil for a path that leads nowhere: no directory, no permission to look.
    package init?(path: FilePath) {
        do {
            if let status = try System.status(ofPath: path) {
                self.init(status)
                return
            }
            let target = try path.followingLinks()
            let directory = target.directory.isEmpty ? FilePath(".") : target.directory
            guard let status = try System.status(ofPath: directory) else { return nil }
            self.init(status, name: target.name)
        } catch {
            return nil
        }
    }

    /// Whether what is written there can be read back or mixes with what others write: all but character devices, such as
    /// terminals and /dev/null.
    package var keepsWhatIsWritten: Bool { kind != mode_t(S_IFCHR) }

    /// Whether both ends may be of one conversation, as those of a terminal and of a socket are.
    package var isTwoWay: Bool { kind == mode_t(S_IFCHR) || kind == mode_t(S_IFSOCK) }
}
