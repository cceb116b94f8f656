import FlashVID

/// A colour for every token from the clip's first three principal components, where there are no pictures: what is alike looks
/// alike.
enum PrincipalColours {
    /// More channels than this are not taken as a whole: the components come from as many tokens, evenly spread.
    private static let largest = 1024

    /// [F·N, 3] red, green and blue. Of each component the middle 96 % of the tokens take the whole range.
    static func of(_ footage: Footage) -> [UInt8] {
        let mean = Evaluation.mean(of: footage)
        let components = components(of: footage, mean)
        let tokens = footage.tokens
        var scores = [[Double]](repeating: [Double](repeating: 0, count: tokens), count: 3)
        let step = min(tokens, 1024)
        let (rows, products) = (Matrix(step, footage.shape.channels), Matrix(step, 3))
        for first in stride(from: 0, to: tokens, by: step) {
            let count = min(step, tokens - first)
            footage.readCentred((first..<(first + count)).map { $0 }, mean, into: rows)
            LAPACK.products(rows, 0..<count, components, 0..<3, into: products)
            for row in 0..<count {
                for component in 0..<3 { scores[component][first + row] = products.row(row)[component] }
            }
        }
        var colours = [UInt8](repeating: 128, count: 3 * tokens)
        for component in 0..<3 {
            let sorted = scores[component].sorted()
            let (low, high) = (sorted[tokens / 50], sorted[tokens - 1 - tokens / 50])
            guard high > low else { continue }
            for token in 0..<tokens {
                let share = min(1, max(0, (scores[component][token] - low) / (high - low)))
                colours[3 * token + component] = UInt8(30 + share * 210)
            }
        }
        return colours
    }

    /// [3, D] of length 1, the strongest first, or 0 where a clip has fewer.
    private static func components(of footage: Footage, _ mean: [Double]) -> Matrix {
        let channels = footage.shape.channels
        let components = Matrix(3, channels)
        if channels <= largest {
            let covariance = Evaluation.covariance(of: footage, mean)
            guard LAPACK.eigenvalues(of: covariance, withVectors: true) != nil else { return components }
            for number in 0..<min(3, channels) {
                components.row(number).update(from: covariance.row(channels - 1 - number), count: channels)
            }
        } else {
            // The directions of X·Xᵀ's eigenvectors, each a mixture of tokens, are those of Xᵀ·X.
            let count = min(footage.tokens, largest)
            let sample = Matrix(count, channels)
            footage.readCentred((0..<count).map { $0 * footage.tokens / count }, mean, into: sample)
            let gram = Matrix(count, count)
            LAPACK.gram(ofRows: sample, into: gram)
            guard LAPACK.eigenvalues(of: gram, withVectors: true) != nil else { return components }
            for number in 0..<min(3, count) {
                let (mixture, component) = (gram.row(count - 1 - number), components.row(number))
                for token in 0..<count {
                    for channel in 0..<channels { component[channel] += mixture[token] * sample.row(token)[channel] }
                }
            }
        }
        for number in 0..<3 { settle(components.row(number), channels) }
        return components
    }

    /// Scales to length 1, and gives it the sign that makes its largest number positive: LAPACK may give either.
    private static func settle(_ component: UnsafeMutablePointer<Double>, _ channels: Int) {
        var (squared, largest) = (0.0, 0.0)
        for channel in 0..<channels {
            squared += component[channel] * component[channel]
            if component[channel].magnitude > largest.magnitude { largest = component[channel] }
        }
        guard squared > 0 else { return }
        let scale = (largest < 0 ? -1 : 1) / squared.squareRoot()
        for channel in 0..<channels { component[channel] *= scale }
    }
}
