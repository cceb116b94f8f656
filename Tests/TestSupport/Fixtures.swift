package import FlashVIDFile
package import Foundation

/// The files of `Tests/Fixtures`; its README says what they are.
package enum Fixtures {
    package static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Fixtures")

    /// Paths of the golden cases in their folder, ascending.
    package static let goldenNames: [String] = {
        let files = try? FileManager.default.subpathsOfDirectory(atPath: folder.appending(path: "golden").path)
        return (files ?? []).filter { $0.hasSuffix(".safetensors") }.map { String($0.dropLast(12)) }.sorted()
    }()

    package static func open(_ path: String) throws -> SafetensorsFile {
        try SafetensorsFile(contentsOf: folder.appending(path: path + ".safetensors").path)
    }
}
