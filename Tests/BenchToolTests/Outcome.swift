import Foundation
import Testing
import ToolSupport

@testable import flashvid_bench

/// What a run of the tool leaves in its two files.
struct Outcome {
    /// Keys of the JSON, `machine` and `rows`.
    let machine: [String: Any]
    let rows: [[String: Any]]
    /// The CSV's titles, and its lines by title.
    let titles: [String]
    let lines: [[String: String]]

    /// Measures with these arguments.
    init(_ arguments: String...) throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("flashvid-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let (json, csv) = (folder.appendingPathComponent("json"), folder.appendingPathComponent("csv"))
        try Bench.parseArguments(arguments + ["--json", json.path, "--csv", csv.path]).measure()
        let all = try #require(try JSONSerialization.jsonObject(with: Data(contentsOf: json)) as? [String: Any])
        machine = try #require(all["machine"] as? [String: Any])
        rows = try #require(all["rows"] as? [[String: Any]])
        let cells = try String(contentsOf: csv, encoding: .utf8).split(separator: "\n").map {
            $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        }
        let titles = try #require(cells.first)
        self.titles = titles
        lines = cells.dropFirst().map { Dictionary(uniqueKeysWithValues: zip(titles, $0)) }
    }

    /// Whether both files say the same: a cell is empty where the key is absent.
    var agrees: Bool {
        guard rows.count == lines.count else { return false }
        return zip(rows.map(Self.spread), lines).allSatisfy { row, line in
            Set(row.keys).isSubset(of: titles)
                && titles.allSatisfy { title in
                    switch (row[title], line[title]) {
                    case (nil, let cell): cell == ""
                    case (let text as String, let cell): cell == text
                    // Before the number, which a truth value is to Foundation as well.
                    case (let number as NSNumber, let cell?):
                        Double(cell).map { abs($0 - number.doubleValue) <= 1e-12 * abs($0) }
                            ?? (cell == "\(number.boolValue)")
                    default: false
                    }
                }
        }
    }

    /// A row with what the CSV has in columns of their own.
    private static func spread(_ row: [String: Any]) -> [String: Any] {
        var row = row
        if let shape = row.removeValue(forKey: "shape") as? [Int] {
            for (title, size) in zip(["frames", "tokens_per_frame", "channels"], shape) { row[title] = size }
        }
        if let stages = row.removeValue(forKey: "stages_ms") as? [String: Any] {
            for (stage, time) in stages { row["stage_\(stage)_ms"] = time }
        }
        return row
    }
}

/// Expects that the arguments are refused in one line with exit code 2 that contains `message`.
func expectRefusal(_ arguments: [String], _ message: String, sourceLocation: SourceLocation = #_sourceLocation) {
    let failure = #expect(throws: (any Error).self, sourceLocation: sourceLocation) {
        try Bench.parseArguments(arguments).check()
    }
    guard let failure else { return }
    let told = Failure(failure)
    #expect(told.exitCode == 2, sourceLocation: sourceLocation)
    #expect(told.message.contains(message), "\(told.message)", sourceLocation: sourceLocation)
    #expect(!told.message.contains("\n"), sourceLocation: sourceLocation)
}
