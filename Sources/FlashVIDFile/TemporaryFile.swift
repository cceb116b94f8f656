import FlashVIDLibC
import Synchronization

/// A file that takes its name only when it is complete. Until then it stands beside it under another, and goes
/// when this value does.
struct TemporaryFile: ~Copyable {
    private static let number = Atomic<Int>(0)

    let descriptor: Int32
    private let destination: FilePath
    private let entry: UnsafeMutablePointer<Registry.Entry>
    private var isNamed = false

    /// `destination` is the path of a file or of nothing; `permissions` are those of the file that it replaces. The
    /// descriptor is the caller's to close.
    init(beside destination: FilePath, permissions: mode_t?) throws(PendingFile.Interruption) {
        let base = destination.directory.bytes + Self.prefix(of: destination.name)
        var attempts = 0
        while true {
            // Never the same twice in a process: a name is free again once its file was renamed.
            let number = Self.number.wrappingAdd(1, ordering: .relaxed).newValue
            switch Registry.create(FilePath(bytes: base + Array(".partial-\(getpid())-\(number)".utf8))) {
            case .created(let descriptor, let entry):
                self.descriptor = descriptor
                self.destination = destination
                self.entry = entry
            case .failed(EEXIST) where attempts < 1000:
                // What a killed process of the same number left behind.
                attempts += 1
                continue
            case .failed(let code):
                throw .system(code)
            case .ending:
                throw .ending
            }
            break
        }
        if let permissions { fchmod(descriptor, permissions) }
    }

    /// So much of a name that another 55 bytes have room in the 255 of a file's name, and that no character is cut.
    private static func prefix(of name: [UInt8]) -> [UInt8] {
        guard name.count > 200 else { return name }
        var end = 200
        while end > 0, name[end] & 0xC0 == 0x80 { end -= 1 }
        return Array(name[..<end])
    }

    /// Gives the file its name.
    consuming func takeName() throws(System.Failure) {
        let entry = entry
        let result = try destination.withCString { rename(entry.pointee.path, $0) == 0 ? 0 : errno }
        guard result == 0 else { throw System.Failure(code: result) }
        isNamed = true
    }

    deinit {
        if !isNamed { unlink(entry.pointee.path) }
        Registry.remove(entry)
    }
}

/// The temporary files of the process, for a signal handler that has to remove them.
///
/// A handler may interrupt any thread anywhere, so there is no lock that it could wait for if the thread that it
/// interrupted held it. Here that thread blocks all signals while it does.
enum Registry {
    struct Entry {
        let path: UnsafeMutablePointer<CChar>
        var next: UnsafeMutablePointer<Entry>?
    }

    enum Creation {
        case created(Int32, UnsafeMutablePointer<Entry>)
        case failed(Int32)
        case ending
    }

    private static let lock = Atomic<Bool>(false)
    private static let isEnding = Atomic<Bool>(false)
    nonisolated(unsafe) private static var first: UnsafeMutablePointer<Entry>?

    /// Initialises what a handler touches, which Swift otherwise does at first use.
    static func prepare() {
        _ = isEnding.load(ordering: .sequentiallyConsistent)
        _ = lock.load(ordering: .sequentiallyConsistent)
        _ = withLock { first == nil }
    }

    /// Creates a file and enters it in one step, so that a handler finds either both or neither.
    static func create(_ path: FilePath) -> Creation {
        guard let copy = try? path.withCString({ strdup($0) }) else {
            return .failed(path.bytes.contains(0) ? EINVAL : ENOMEM)
        }
        let creation: Creation = withLock {
            guard !isEnding.load(ordering: .sequentiallyConsistent) else { return .ending }
            do throws(System.Failure) {
                let descriptor = try System.open(path, O_WRONLY | O_CREAT | O_EXCL, mode: 0o666)
                let entry = UnsafeMutablePointer<Entry>.allocate(capacity: 1)
                entry.initialize(to: Entry(path: copy, next: first))
                first = entry
                return .created(descriptor, entry)
            } catch {
                return .failed(error.code)
            }
        }
        if case .created = creation { return creation }
        free(copy)
        return creation
    }

    static func remove(_ entry: UnsafeMutablePointer<Entry>) {
        withLock {
            if first == entry {
                first = entry.pointee.next
            } else {
                var previous = first
                while let current = previous, current.pointee.next != entry { previous = current.pointee.next }
                previous?.pointee.next = entry.pointee.next
            }
            free(entry.pointee.path)
            entry.deallocate()
        }
    }

    /// Removes every file and permits no other. Calls only what a signal handler may.
    static func removeAll() {
        isEnding.store(true, ordering: .sequentiallyConsistent)
        withLock {
            var entry = first
            while let current = entry {
                unlink(current.pointee.path)
                entry = current.pointee.next
            }
        }
    }

    private static func withLock<Result>(_ body: () -> Result) -> Result {
        var all = sigset_t()
        var before = sigset_t()
        sigfillset(&all)
        pthread_sigmask(SIG_SETMASK, &all, &before)
        while lock.exchange(true, ordering: .acquiring) {
            var pause = timespec(tv_sec: 0, tv_nsec: 50_000)
            nanosleep(&pause, nil)
        }
        let result = body()
        lock.store(false, ordering: .releasing)
        pthread_sigmask(SIG_SETMASK, &before, nil)
        return result
    }
}
