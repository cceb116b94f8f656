import FlashVIDLibC

/// A folder of files that are read whole.
package struct Folder {
    package let path: FilePath
    /// What stands in it but for hidden names, in the order of the names' bytes.
    package let names: [FilePath]

    package init(_ path: FilePath) throws(SafetensorsError) {
        self.path = path
        do throws(System.Failure) {
            let names = try System.names(in: path).filter { $0.first != UInt8(ascii: ".") }
            self.names = names.sorted { $0.lexicographicallyPrecedes($1) }.map { FilePath(bytes: $0) }
        } catch {
            throw .cannotOpen(file: path.description, code: error.code)
        }
    }

    /// The bytes of a file of it; nil for what is no regular file, such as another folder.
    package func bytes(of name: FilePath) throws(SafetensorsError) -> [UInt8]? {
        let file = FilePath(bytes: path.bytes + Array("/".utf8) + name.bytes)
        do throws(System.Failure) {
            guard let status = try System.status(ofPath: file), System.isRegular(status) else { return nil }
            let descriptor = try System.open(file, O_RDONLY)
            defer { try? System.close(descriptor) }
            guard let storage = AlignedStorage(byteCount: max(0, Int(status.st_size))) else {
                throw System.Failure(code: ENOMEM)
            }
            var done = 0
            while done < storage.bytes.count {
                let rest = UnsafeMutableRawBufferPointer(rebasing: storage.bytes[done...])
                let count = try System.read(descriptor, into: rest)
                guard count > 0 else { break }
                done += count
            }
            return Array(storage.bytes[..<done])
        } catch {
            throw .cannotRead(file: file.description, code: error.code)
        }
    }
}
