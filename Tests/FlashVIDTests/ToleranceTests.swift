import TestSupport
import Testing

@testable import FlashVID

/// The bound on a float32 cosine, on which every decision rests, holds with room to spare: for each kernel that BLAS may
/// choose, and for rows whose sums a few large channels carry from the beginning.
@Suite("Tolerance")
struct ToleranceTests {
    enum Rows: String, CaseIterable {
        case normal, positive, largeFirst, largeLast, heavyTailed, nearlyEqual

        func value(_ channel: Int, of channels: Int, _ random: inout SplitMix64) -> Float {
            let normal = Float(random.normal())
            return switch self {
            case .normal: normal
            case .positive: abs(normal)
            case .largeFirst: channel < 3 ? 300 + normal : normal
            case .largeLast: channel >= channels - 3 ? 300 + normal : normal
            case .heavyTailed: normal * normal * normal * abs(normal)
            case .nearlyEqual: Float(channel % 7) + 1e-3 * normal
            }
        }
    }

    @Test("half the bound covers the cosines of a Gram matrix", arguments: Rows.allCases, [1, 17, 384, 3584, 8192])
    func gram(rows: Rows, channels: Int) {
        let seed = UInt64(channels)
        var random = SplitMix64(seed: seed)
        let count = 24
        let values = (0..<count * channels).map { rows.value($0 % channels, of: channels, &random) }
        let largest = values.withUnsafeBufferPointer { values -> Double in
            let base = values.baseAddress!
            let gram = UnsafeMutablePointer<Float>.allocate(capacity: count * count)
            defer { gram.deallocate() }
            BLAS.gram(MatrixView(base: base, rows: count, columns: channels, stride: channels), into: gram)
            let norms = (0..<count).map { 1 / gram[$0 * count + $0].squareRoot() }
            var largest = 0.0
            for a in 0..<count {
                for b in a..<count {
                    let (rowA, rowB) = (base + a * channels, base + b * channels)
                    let dot = DoublePrecision.dot(rowA, rowB, count: channels)
                    let squares =
                        DoublePrecision.dot(rowA, rowA, count: channels)
                        * DoublePrecision.dot(rowB, rowB, count: channels)
                    let cosine = gram[a * count + b] * (norms[a] * norms[b])
                    largest = max(largest, abs(Double(cosine) - dot / squares.squareRoot()))
                }
            }
            return largest
        }
        let tolerance = Input.cosineTolerance(channels: channels)
        #expect(largest <= tolerance / 2, "seed \(seed)")
        // Float32 does round: a bound that nothing comes near would say nothing.
        #expect(channels == 1 || largest > 0)
    }
}
