/// A frame's picture, as the bytes of a file that browsers show.
package struct Picture {
    package let bytes: [UInt8]
    /// Of the formats that cannot hold a program.
    package let mediaType: String

    /// Nil for what is no picture, by its first bytes.
    package init?(_ bytes: [UInt8]) {
        func begins(with prefix: [UInt8], at offset: Int = 0) -> Bool {
            bytes.dropFirst(offset).starts(with: prefix)
        }
        if begins(with: [0xFF, 0xD8, 0xFF]) {
            mediaType = "image/jpeg"
        } else if begins(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) {
            mediaType = "image/png"
        } else if begins(with: Array("RIFF".utf8)), begins(with: Array("WEBP".utf8), at: 8) {
            mediaType = "image/webp"
        } else if begins(with: Array("ftypavif".utf8), at: 4) {
            mediaType = "image/avif"
        } else if begins(with: Array("GIF8".utf8)) {
            mediaType = "image/gif"
        } else {
            return nil
        }
        self.bytes = bytes
    }
}
