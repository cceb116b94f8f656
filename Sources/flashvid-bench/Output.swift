import FlashVID
import ToolSupport

/// What `--json` writes.
struct Results<Row: Encodable>: Encodable {
    var machine: Machine
    var rows: [Row]
}

// MARK: - Table

/// Columns of a fixed width, the numbers right-aligned, so that a row can be shown as soon as it is measured.
struct Table<Row>: Sendable {
    struct Column: Sendable {
        let title: String
        let width: Int
        let value: @Sendable (Row) -> String
    }

    let columns: [Column]

    var header: String { line(columns.map(\.title)) }

    func text(of row: Row) -> String { line(columns.map { $0.value(row) }) }

    private func line(_ cells: [String]) -> String {
        zip(cells, columns).map { cell, column in
            String(repeating: " ", count: max(0, column.width - cell.count)) + cell
        }.joined(separator: "  ") + "\n"
    }
}

extension Table<Row> {
    static var rows: Self {
        Table(columns: [
            Column(title: "retention", width: 9) { "\($0.retention)" },
            Column(title: "tokens", width: 14) { "\($0.tokensIn) → \($0.tokensOut)" },
            Column(title: "ms", width: 6) { Format.number($0.medianMs) },
            Column(title: "min..max", width: 12) { "\(Format.number($0.minMs))..\(Format.number($0.maxMs))" },
            Column(title: "frames/s", width: 8) { Format.number($0.framesPerS) },
            Column(title: "tokens/s", width: 9) { Format.number($0.tokensPerS) },
            Column(title: "GFLOP/s", width: 7) { Format.number($0.gflops) },
            Column(title: "of peak", width: 7) { Format.percent($0.peakShare) },
            Column(title: "floor ms", width: 8) { Format.number($0.gemmFloorMs) },
            Column(title: "over floor", width: 10) { Format.number($0.overFloor) },
            Column(title: "memory MB", width: 9) { $0.extraBytes.map { Format.number(Double($0) * 1e-6) } ?? "?" },
        ])
    }

    /// Where the time goes: CPU time of each stage, all threads and clips together, and its share.
    static var stages: Self {
        Table(
            columns: [Column(title: "retention", width: 9) { "\($0.retention)" }]
                + CompressedVideo.Stage.allCases.map { stage in
                    Column(title: "\(stage.name) ms", width: 17) { row in
                        let sum = row.stagesMs.values.reduce(0, +)
                        let time = row.stagesMs[stage.name] ?? 0
                        return "\(Format.number(time)) (\(Format.percent(sum > 0 ? time / sum : 0)))"
                    }
                } + [Column(title: "close calls", width: 11) { "\($0.closeCalls)" }])
    }
}

extension Machine {
    /// The head of the report.
    var summary: String {
        let environment = openblasEnvironment.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        let peaks = peakGflops.sorted { (Int($0.key) ?? 0) < (Int($1.key) ?? 0) }.map { threads, peak in
            "\(Format.number(peak)) GFLOP/s on \(threads) \(threads == "1" ? "thread" : "threads")"
        }
        let lines = [
            ("CPU", "\(cpu), \(cores) \(cores == 1 ? "core" : "cores"), \(coresUsed) used"),
            ("BLAS", "\(blas) \(blasVersion), \(blasCore) kernels (\(blasConfig))"),
            ("OPENBLAS_*", environment.isEmpty ? "unset" : environment.joined(separator: " ")),
            ("Swift", "\(swift), commit \(commit)"),
            ("clip", seed.map { "generated from seed \($0): \(clip)" } ?? clip),
            ("SGEMM peak", peaks.joined(separator: ", ")),
        ]
        return lines.map { label, value in
            label + String(repeating: " ", count: 12 - label.count) + value + "\n"
        }.joined()
    }
}

// MARK: - Files

/// A row whose properties are numbers and words, in the order of their keys in `--json`.
protocol FlatRow: Encodable {
    static var keys: [String] { get }
}

enum CSV {
    private static let rowKeys = Row.CodingKeys.allCases.filter { $0 != .shape && $0 != .stagesMs }.map(\.stringValue)

    /// The rows under the keys of `--json`, the shape as frames, tokens_per_frame and channels, each stage as
    /// `stage_NAME_ms`.
    static func text(_ rows: [Row]) -> String {
        let titles =
            ["frames", "tokens_per_frame", "channels"] + rowKeys
            + CompressedVideo.Stage.allCases.map { "stage_\($0.name)_ms" }
        let lines = rows.map { row in
            row.shape.map(String.init)
                + Mirror(reflecting: row).children.compactMap { label, value in
                    label == "shape" || label == "stagesMs" ? nil : cell(value)
                } + CompressedVideo.Stage.allCases.map { "\(row.stagesMs[$0.name] ?? 0)" }
        }
        return text([titles] + lines)
    }

    /// Rows whose properties are in the order of their keys, under these.
    static func text<Line: FlatRow>(_ rows: [Line]) -> String {
        text([Line.keys] + rows.map { Mirror(reflecting: $0).children.map { cell($0.value) } })
    }

    private static func text(_ lines: [[String]]) -> String {
        lines.map { $0.joined(separator: ",") + "\n" }.joined()
    }

    /// Empty for nil.
    private static func cell(_ value: Any) -> String {
        let mirror = Mirror(reflecting: value)
        guard mirror.displayStyle == .optional else { return "\(value)" }
        return mirror.children.first.map { "\($0.value)" } ?? ""
    }
}
