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

extension Table.Column where Row: TimedRow {
    static var milliseconds: Self { Self(title: "ms", width: 6) { Format.number($0.times.medianMs) } }

    static var range: Self {
        Self(title: "min..max", width: 12) { "\(Format.number($0.times.minMs))..\(Format.number($0.times.maxMs))" }
    }

    static var floor: Self { Self(title: "floor ms", width: 8) { Format.number($0.times.gemmFloorMs) } }

    static var overFloor: Self { Self(title: "over floor", width: 10) { Format.number($0.times.overFloor) } }

    static var memory: Self {
        Self(title: "memory MB", width: 9) { $0.extraBytes.map { Format.number(Double($0) * 1e-6) } ?? "?" }
    }
}

extension Table.Column where Row: MeasuredRow {
    static var rate: Self { Self(title: "GFLOP/s", width: 7) { Format.number($0.rate.gflops) } }

    static var peakShare: Self { Self(title: "of peak", width: 7) { Format.percent($0.rate.peakShare) } }
}

extension Table.Column where Row: StagedRow {
    /// CPU time of each stage, all threads and clips together, and its share.
    static var stages: [Self] {
        CompressedVideo.Stage.allCases.map { stage in
            Self(title: "\(stage.name) ms", width: 17) { row in
                let sum = row.stagesMs.values.reduce(0, +)
                let time = row.stagesMs[stage.name] ?? 0
                return "\(Format.number(time)) (\(Format.percent(sum > 0 ? time / sum : 0)))"
            }
        }
    }

    static var closeCalls: Self { Self(title: "close calls", width: 11) { "\($0.closeCalls)" } }
}

extension Table<Row> {
    static var rows: Self {
        Table(columns: [
            Column(title: "retention", width: 9) { "\($0.retention)" },
            Column(title: "tokens", width: 14) { "\($0.tokensIn) → \($0.tokensOut)" },
            .milliseconds, .range,
            Column(title: "frames/s", width: 8) { Format.number($0.framesPerS) },
            Column(title: "tokens/s", width: 9) { Format.number($0.tokensPerS) },
            .rate, .peakShare, .floor, .overFloor, .memory,
        ])
    }

    /// Where the time goes.
    static var stages: Self {
        Table(columns: [Column(title: "retention", width: 9) { "\($0.retention)" }] + Column.stages + [.closeCalls])
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

enum CSV {
    /// The titles, and a line a row.
    static func text(_ rows: [some Fields]) -> String {
        let lines = [rows.first.map { $0.cells.map(\.title) } ?? []] + rows.map { $0.cells.map(\.text) }
        return lines.map { $0.joined(separator: ",") + "\n" }.joined()
    }
}
