import FlashVIDLibC

/// Where a file is written to.
///
/// A regular file is replaced as a whole: what is written stands beside it under another name until it is complete. Of a
/// symbolic link the target is replaced, or made where there is none. Whatever is already open, standard output and
/// `/dev/fd/N`, devices and pipes are written into as they stand.
package struct OutputFile: Sendable, Hashable {
    private enum Place: Hashable {
        case descriptor(Int32)
        case path(FilePath)
    }

    /// What messages call it.
    package let name: String
    /// As it stands on a command line.
    package let argument: String
    private let place: Place

    package static let standardOutput = OutputFile("standard output", "-", .descriptor(STDOUT_FILENO))

    private init(_ name: String, _ argument: String, _ place: Place) {
        self.name = name
        self.argument = argument
        self.place = place
    }

    package init(_ path: FilePath) {
        let place = Self.descriptor(called: path).map { Place.descriptor($0) } ?? .path(path)
        self.init(path.description, path.description, place)
    }

    /// The open descriptor that a path names. Opened as a path it would be replaced as if it were any file, and written
    /// from its beginning.
    private static func descriptor(called path: FilePath) -> Int32? {
        switch path.description {
        case "/dev/stdout": return STDOUT_FILENO
        case "/dev/stderr": return STDERR_FILENO
        case let text:
            for folder in ["/dev/fd/", "/proc/self/fd/"] where text.hasPrefix(folder) {
                let digits = text.dropFirst(folder.count)
                return digits.utf8.allSatisfy { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 } ? Int32(digits) : nil
            }
            return nil
        }
    }

    // MARK: Before writing

    /// The file that stands there, or would; nil where none can.
    package var identity: FileIdentity? {
        switch place {
        case .descriptor(let descriptor): FileIdentity(descriptor: descriptor)
        case .path(let path): FileIdentity(path: path)
        }
    }

    /// Whether `descriptor` leads to the same file. Two ways to one character device, such as /dev/null, count as two.
    package func isSame(as descriptor: Int32) -> Bool {
        if place == .descriptor(descriptor) { return true }
        guard let identity, identity.keepsWhatIsWritten else { return false }
        return identity == FileIdentity(descriptor: descriptor)
    }

    package var isTerminal: Bool {
        switch place {
        case .descriptor(let descriptor): return isatty(descriptor) == 1
        case .path(let path):
            // Only a device is opened: the reader of a pipe would see it close.
            guard let status = try? System.status(ofPath: path), status.st_mode & mode_t(S_IFMT) == mode_t(S_IFCHR),
                let descriptor = try? System.open(path, O_WRONLY | O_NOCTTY | O_NONBLOCK)
            else { return false }
            defer { try? System.close(descriptor) }
            return isatty(descriptor) == 1
        }
    }

    /// Whether it could be written, as far as that is known before: the directory exists and may be written to, and the
    /// path is not one.
    package func check() throws(SafetensorsError) {
        _ = try resolved()
    }

    // MARK: Writing

    /// Makes the file that ``PendingFile/commit()`` gives its name.
    package func create() throws(SafetensorsError) -> PendingFile {
        let destination = try resolved()
        do throws(PendingFile.Interruption) {
            switch destination {
            case .replaced(let path, let permissions):
                return PendingFile(name, try TemporaryFile(beside: path, permissions: permissions))
            case .opened(let path):
                do { return PendingFile(name, descriptor: try System.open(path, O_WRONLY | O_NOCTTY)) } catch {
                    throw .system(error.code)
                }
            case .open(let descriptor):
                do { return PendingFile(name, descriptor: try System.duplicate(descriptor)) } catch {
                    throw .system(error.code)
                }
            }
        } catch {
            throw error.named(name)
        }
    }

    private enum Destination {
        case replaced(FilePath, permissions: mode_t?)
        /// Devices and pipes, which must not be replaced by a file.
        case opened(FilePath)
        case open(Int32)
    }

    private func resolved() throws(SafetensorsError) -> Destination {
        do throws(System.Failure) {
            switch place {
            case .descriptor(let descriptor):
                guard try System.mayBeWritten(descriptor) else { throw System.Failure(code: EBADF) }
                return .open(descriptor)
            case .path(let path): return try Self.resolve(path)
            }
        } catch {
            throw .cannotWrite(file: name, code: error.code)
        }
    }

    private static func resolve(_ path: FilePath) throws(System.Failure) -> Destination {
        guard !path.isEmpty else { throw System.Failure(code: ENOENT) }
        let status = try System.status(ofPath: path)
        if let status {
            guard !System.isDirectory(status) else { throw System.Failure(code: EISDIR) }
            try System.checkAccess(path, W_OK)
            guard System.isRegular(status) else { return .opened(path) }
        }
        let target = try path.followingLinks()
        if status != nil, try System.status(ofPath: target) == nil {
            // A link of /proc says what its file was called before it was removed.
            throw System.Failure(code: ENOENT)
        }
        let directory = target.directory.isEmpty ? FilePath(".") : target.directory
        guard !target.name.isEmpty else { throw System.Failure(code: EISDIR) }
        guard let place = try System.status(ofPath: directory) else { throw System.Failure(code: ENOENT) }
        guard System.isDirectory(place) else { throw System.Failure(code: ENOTDIR) }
        try System.checkAccess(directory, W_OK | X_OK)
        return .replaced(target, permissions: status.map { $0.st_mode & 0o777 })
    }
}

/// A file on its way: complete and under its name after ``commit()``, and gone with this value otherwise. What is written
/// into a pipe, a device or an open descriptor is out at once.
package struct PendingFile: ~Copyable {
    enum Interruption: Error {
        case system(Int32)
        case ending

        func named(_ name: String) -> SafetensorsError {
            switch self {
            case .system(let code): .cannotWrite(file: name, code: code)
            case .ending: .interrupted(file: name)
            }
        }
    }

    private let name: String
    private let descriptor: Int32
    private var temporary: TemporaryFile?
    private var isOpen = true

    fileprivate init(_ name: String, descriptor: Int32) {
        self.name = name
        self.descriptor = descriptor
    }

    fileprivate init(_ name: String, _ temporary: consuming TemporaryFile) {
        self.name = name
        descriptor = temporary.descriptor
        self.temporary = consume temporary
    }

    package func write(_ bytes: UnsafeRawBufferPointer) throws(SafetensorsError) {
        do { try System.write(descriptor, bytes) } catch { throw .cannotWrite(file: name, code: error.code) }
    }

    /// Ends the writing. A regular file is on the disk then.
    package mutating func finish() throws(SafetensorsError) {
        guard isOpen else { return }
        do throws(System.Failure) {
            if temporary != nil { try System.synchronise(descriptor) }
            isOpen = false
            // Some file systems tell only now that there was no room.
            try System.close(descriptor)
        } catch {
            throw .cannotWrite(file: name, code: error.code)
        }
    }

    /// Gives a regular file its name.
    package consuming func commit() throws(SafetensorsError) {
        try finish()
        guard let temporary = temporary.take() else { return }
        do { try temporary.takeName() } catch { throw .cannotWrite(file: name, code: error.code) }
    }

    deinit {
        if isOpen { try? System.close(descriptor) }
    }
}
