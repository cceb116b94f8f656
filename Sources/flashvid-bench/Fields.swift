/// A row of a report, or a part of one. The names of its stored properties, in snake case, are the keys of `--json` and, in
/// their order, the titles of `--csv`. A property that is `Fields` itself stands for all of its own. What is nil is absent from
/// the JSON and an empty cell.
protocol Fields: Encodable, Sendable {
    /// Titles and cells of the CSV.
    var cells: [(title: String, text: String)] { get }
}

extension Fields {
    var fields: [(key: String, value: (any Encodable)?)] {
        Mirror(reflecting: self).children.flatMap { label, value in
            if let part = value as? any Fields { return part.fields }
            let mirror = Mirror(reflecting: value)
            let content: Any? = mirror.displayStyle == .optional ? mirror.children.first?.value : value
            return [(snakeCase(label ?? ""), content as? any Encodable)]
        }
    }

    var cells: [(title: String, text: String)] {
        fields.map { ($0.key, $0.value.map { "\($0)" } ?? "") }
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: FieldKey.self)
        for case (let key, let value?) in fields { try container.encode(value, forKey: FieldKey(stringValue: key)) }
    }

    private func snakeCase(_ name: String) -> String {
        name.reduce(into: "") { $0 += $1.isUppercase ? "_" + $1.lowercased() : String($1) }
    }
}

private struct FieldKey: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }

    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
}

/// Times of the engine and of its floor, as a row has them.
struct Times: Fields, Equatable {
    var medianMs: Double
    var minMs: Double
    var maxMs: Double
    var gemmFloorMs: Double
    var gemmFloorMinMs: Double
    var gemmFloorMaxMs: Double
    /// Median over median.
    var overFloor: Double
}

extension Times {
    init(_ measurement: Measurement) {
        let (times, floors) = (measurement.times, measurement.floors)
        self.init(
            medianMs: times.median.milliseconds, minMs: (times.min() ?? .nan).milliseconds,
            maxMs: (times.max() ?? .nan).milliseconds, gemmFloorMs: floors.median.milliseconds,
            gemmFloorMinMs: (floors.min() ?? .nan).milliseconds, gemmFloorMaxMs: (floors.max() ?? .nan).milliseconds,
            overFloor: (times.median / floors.median).rounded(places: 4))
    }
}

/// The floor's operations in the engine's time.
struct Rate: Fields, Equatable {
    /// Of the floor's products, per clip.
    var gflop: Double
    /// The floor's flops over the engine's time.
    var gflops: Double
    /// `gflops` over the measured SGEMM peak on as many threads.
    var peakShare: Double
}

extension Rate {
    /// `flops` are one clip's, `total` those of all clips in flight.
    init(flops: Double, total: Double, in measurement: Measurement, peak: Double) {
        let rate = total / measurement.times.median
        self.init(
            gflop: (flops * 1e-9).rounded(places: 3), gflops: (rate * 1e-9).rounded(places: 2),
            peakShare: (rate / peak).rounded(places: 4))
    }
}

/// A row that measured the engine beside its floor, and what it did in the time.
protocol MeasuredRow: TimedRow {
    var rate: Rate { get }
}

/// A row that measured the engine beside a floor.
protocol TimedRow: Fields {
    var times: Times { get }
    /// Peak of the first pass beyond what was resident before it; nil where the system does not tell.
    var extraBytes: Int? { get }
}

extension Double {
    /// In milliseconds, to the microsecond.
    var milliseconds: Double { (self * 1e3).rounded(places: 3) }

    func rounded(places: Int) -> Double {
        let scale = [1, 1e1, 1e2, 1e3, 1e4][places]
        return (self * scale).rounded() / scale
    }
}
