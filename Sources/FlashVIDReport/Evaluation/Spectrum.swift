import FlashVID
import FlashVIDLibC

extension Evaluation {
    /// exp of the entropy of the spectrum of the tokens' Gram matrix around their mean; 0 where they are all the same.
    static func effectiveRank(of footage: Footage, _ mean: [Double]) -> Double {
        let covariance = covariance(of: footage, mean)
        guard let values = LAPACK.eigenvalues(of: covariance, withVectors: false) else { return .nan }
        let total = values.reduce(0) { $0 + max(0, $1) }
        guard total > 0 else { return 0 }
        let entropy = values.reduce(0.0) { sum, value in
            let share = max(0, value) / total
            return share > 0 ? sum - share * log(share) : sum
        }
        return exp(entropy)
    }

    /// [D, D] upper triangle of Xᵀ·X, where the rows of X are the tokens around their mean. But for zeros it has the spectrum of
    /// the Gram matrix X·Xᵀ, which is as large as the clip.
    static func covariance(of footage: Footage, _ mean: [Double]) -> Matrix {
        let channels = footage.shape.channels
        let sum = Matrix(channels, channels)
        // As many at a time as make a product worth while.
        let step = min(footage.tokens, 1024)
        let rows = Matrix(step, channels)
        for first in stride(from: 0, to: footage.tokens, by: step) {
            let count = min(step, footage.tokens - first)
            footage.readCentred((first..<(first + count)).map { $0 }, mean, into: rows)
            LAPACK.addGram(ofColumns: rows, count: count, to: sum)
        }
        return sum
    }
}

extension Footage {
    /// Some tokens in double around `mean`, into the rows of `target`.
    func readCentred(_ tokens: [Int], _ mean: [Double], into target: Matrix) {
        let channels = shape.channels
        var row = [Float](repeating: 0, count: channels)
        for (number, token) in tokens.enumerated() {
            row.withUnsafeMutableBufferPointer { row in
                guard let base = row.baseAddress else { return }
                read(token, count: 1, into: base)
                let place = target.row(number)
                for channel in 0..<channels { place[channel] = Double(base[channel]) - mean[channel] }
            }
        }
    }
}
