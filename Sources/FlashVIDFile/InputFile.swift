import FlashVIDLibC

/// Where a file is read from.
package enum InputFile: Sendable, Hashable {
    case standardInput
    case path(FilePath)

    /// What messages call it.
    package var name: String {
        switch self {
        case .standardInput: "standard input"
        case .path(let path): path.description
        }
    }

    /// As it stands on a command line.
    package var argument: String {
        switch self {
        case .standardInput: "-"
        case .path(let path): path.description
        }
    }

    /// Nil where there is nothing.
    package var identity: FileIdentity? {
        switch self {
        case .standardInput: FileIdentity(descriptor: STDIN_FILENO)
        case .path(let path): FileIdentity(path: path)
        }
    }

    /// Gives `body` a descriptor to read from, and the bytes that it has, nil for a pipe or a device.
    func read<Result>(
        _ body: (_ descriptor: Int32, _ size: Int?) throws(SafetensorsError) -> Result
    ) throws(SafetensorsError) -> Result {
        let descriptor: Int32
        switch self {
        case .standardInput: descriptor = STDIN_FILENO
        case .path(let path):
            do { descriptor = try System.open(path, O_RDONLY) } catch {
                throw .cannotOpen(file: name, code: error.code)
            }
        }
        defer {
            // Nothing was written, so nothing can be lost in a close that fails.
            if descriptor != STDIN_FILENO { try? System.close(descriptor) }
        }
        let status: stat
        let position: Int
        do {
            status = try System.status(of: descriptor)
            // Others may have read a part of standard input before.
            position = System.isRegular(status) ? try System.position(of: descriptor) : 0
        } catch {
            throw .cannotRead(file: name, code: error.code)
        }
        guard !System.isDirectory(status) else { throw .directory(file: name) }
        return try body(descriptor, System.isRegular(status) ? max(0, Int(status.st_size) - position) : nil)
    }
}
