import FlashVIDReport
import ToolSupport

/// What `--evaluate` found, for a person or for a program.
struct Measures: Encodable {
    struct Scores: Encodable {
        let kept: Double
        let uniform: Double
        let attention: Double

        init(_ scores: Evaluation.Scores) {
            (kept, uniform, attention) = (scores.kept, scores.uniform, scores.attention)
        }

        fileprivate var columns: String {
            [kept, uniform, attention].map { column(fixed($0, places: 3), width: 10) }.joined()
        }
    }

    struct Point: Encodable {
        /// Not there where the number of rows was named.
        let retention: Double?
        let rows: Int
        let coverage: Scores
        let energy: Scores
    }

    struct Merging: Encodable {
        let tokens: Int
        let similarity: Double

        init(_ merging: Evaluation.Merging) { (tokens, similarity) = (merging.tokens, merging.similarity) }

        fileprivate var text: String { "\(tokens) tokens, mean cosine \(fixed(similarity, places: 4))" }
    }

    /// Not there where LAPACK found no spectrum.
    let effectiveRank: Double?
    let mergedAnywhere: Merging
    let mergedAtSamePlace: Merging
    let points: [Point]

    private enum CodingKeys: String, CodingKey {
        case points
        case effectiveRank = "effective_rank"
        case mergedAnywhere = "merged_anywhere"
        case mergedAtSamePlace = "merged_at_same_place"
    }

    init(_ evaluation: Evaluation) {
        effectiveRank = evaluation.effectiveRank.isFinite ? evaluation.effectiveRank : nil
        mergedAnywhere = Merging(evaluation.anywhere)
        mergedAtSamePlace = Merging(evaluation.samePlace)
        points = evaluation.points.map { point in
            Point(
                retention: point.retention, rows: point.rows, coverage: Scores(point.coverage),
                energy: Scores(point.energy))
        }
    }
}

extension Measures {
    var summary: String {
        var text = "retention    rows  coverage   uniform attention    energy   uniform attention\n"
        for point in points {
            let retention =
                point.retention.map { fixed($0, places: $0 * 100 == ($0 * 100).rounded() ? 2 : 4) } ?? "rows"
            text += column(retention, width: 9) + column("\(point.rows)", width: 8)
            text += point.coverage.columns + point.energy.columns + "\n"
        }
        if let effectiveRank { text += "effective rank of the clip         \(fixed(effectiveRank, places: 1))\n" }
        text += "merged by the best match           \(mergedAnywhere.text)\n"
        text += "merged at the same place           \(mergedAtSamePlace.text)\n"
        return text
    }
}

private func column(_ text: String, width: Int) -> String {
    String(repeating: " ", count: max(1, width - text.count)) + text
}

/// A number with so many places after its point.
private func fixed(_ value: Double, places: Int) -> String {
    var scale = 1.0
    for _ in 0..<places { scale *= 10 }
    let scaled = (value.magnitude * scale).rounded()
    guard scaled < 1e15 else { return "\(value)" }
    let (whole, fraction) = Int(scaled).quotientAndRemainder(dividingBy: Int(scale))
    let digits = String(fraction)
    return (value < 0 && scaled > 0 ? "-" : "") + "\(whole)"
        + (places > 0 ? "." + String(repeating: "0", count: places - digits.count) + digits : "")
}
