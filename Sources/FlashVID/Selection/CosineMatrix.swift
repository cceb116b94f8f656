/// Cosines of a frame's tokens with each other: the upper triangle of an N x N matrix, made from their Gram matrix.
struct CosineMatrix {
    private let values: UnsafeMutablePointer<Float>
    let count: Int

    /// Takes over `gram` (see ``BLAS/gram(_:into:)``) and scales it in place by the inverse norms.
    init(gram: UnsafeMutablePointer<Float>, count: Int, inverseNorms: UnsafePointer<Float>) {
        values = gram
        self.count = count
        for row in 0..<count {
            let line = gram + row &* count
            let scale = inverseNorms[row]
            for column in row..<count {
                line[column] *= scale * inverseNorms[column]
            }
        }
    }

    @inline(__always)
    subscript(_ a: Int, _ b: Int) -> Float {
        get { a <= b ? values[a &* count &+ b] : values[b &* count &+ a] }
        nonmutating set {
            if a <= b { values[a &* count &+ b] = newValue } else { values[b &* count &+ a] = newValue }
        }
    }

    /// All cosines of a token, in order.
    func copy(row: Int, into target: UnsafeMutablePointer<Float>) {
        for column in 0..<row { target[column] = values[column &* count &+ row] }
        (target + row).update(from: values + (row &* count &+ row), count: count &- row)
    }

    /// Largest cosine of every token with another. O(N²).
    func largest(into largest: UnsafeMutablePointer<Float>) {
        largest.update(repeating: -.infinity, count: count)
        for row in 0..<count {
            let line = values + row &* count
            var top = largest[row]
            for column in (row &+ 1)..<max(count, row &+ 1) {
                let cosine = line[column]
                top = max(top, cosine)
                largest[column] = max(largest[column], cosine)
            }
            largest[row] = top
        }
    }

    /// The smallest and the second smallest cosine of every token with another. O(N²).
    func smallest(into first: UnsafeMutablePointer<Float>, second: UnsafeMutablePointer<Float>) {
        first.update(repeating: .infinity, count: count)
        second.update(repeating: .infinity, count: count)
        for row in 0..<count {
            let line = values + row &* count
            for column in (row &+ 1)..<max(count, row &+ 1) {
                let cosine = line[column]
                second[row] = min(second[row], max(first[row], cosine))
                first[row] = min(first[row], cosine)
                second[column] = min(second[column], max(first[column], cosine))
                first[column] = min(first[column], cosine)
            }
        }
    }
}
