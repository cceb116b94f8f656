/// ADTS: which tokens of a frame tell the most (spec 4; paper, section 3.2).
extension Compression {
    /// Picks a frame's tokens into the table of picks and marks them. `view` are the frame's tokens in float32; `gram` is
    /// room for N² products, which the result's cosines keep. O(N²·D) in one Gram matrix.
    func select(
        frame: Int, _ view: MatrixView, gram: UnsafeMutablePointer<Float>, _ worker: Worker
    ) -> SelectedFrame {
        let first = frame &* tokensPerFrame
        var picks = picks(ofFrame: frame)
        (tables.marks + first).update(repeating: [], count: tokensPerFrame)
        // Max-min diversity reads the Gram matrix; plain attention needs the norms alone.
        let needsGram = configuration.selection != .attention && !picks.isEmpty
        if needsGram {
            BLAS.gram(view, into: gram)
        }
        measureNorms(frame, view, needsGram ? gram : nil)
        defer {
            for pick in picks { tables.marks[first &+ Int(pick)].insert(.selected) }
        }
        guard !picks.isEmpty else { return SelectedFrame(frame: frame, tokens: view, cosines: nil) }

        let source = SelectionFrame(self, frame, worker)
        source.weigh(view)
        guard configuration.selection != .attention else {
            selectLargest(source, picks)
            return SelectedFrame(frame: frame, tokens: view, cosines: nil)
        }
        let cosines = CosineMatrix(
            gram: gram, count: tokensPerFrame, inverseNorms: tables.inverseNorms + first)
        source.mend(cosines)
        MaxMinDiversity(source, cosines, view).select(into: picks)
        picks.sort()
        return SelectedFrame(frame: frame, tokens: view, cosines: cosines)
    }

    /// Inverse norms of a frame's tokens, and marks of those that float32 cannot handle. `gram` are the products of the
    /// tokens with each other, if there are any.
    private func measureNorms(_ frame: Int, _ view: MatrixView, _ gram: UnsafePointer<Float>?) {
        for token in 0..<tokensPerFrame {
            let row = view.row(token)
            let square = gram?[token &* tokensPerFrame &+ token] ?? BLAS.dot(row, row, count: channels)
            let place = frame &* tokensPerFrame &+ token
            if square >= 1e-24, square <= 1e36 {
                tables.inverseNorms[place] = 1 / square.squareRoot()
            } else {
                tables.inverseNorms[place] = 0
                tables.marks[place].insert(Exact.isZero(row, count: channels) ? .zero : .extreme)
            }
        }
    }

    /// The tokens of largest weight, ascending (spec 4.1, `attention`).
    private func selectLargest(_ source: SelectionFrame, _ picks: UnsafeMutableBufferPointer<Int32>) {
        let weights = source.worker.weights
        let ranking = UnsafeMutableBufferPointer(start: source.worker.doubles.0, count: tokensPerFrame)
        func limit(_ bound: (Interval) -> Double) -> Double {
            for token in 0..<tokensPerFrame { ranking[token] = bound(weights[token]) }
            return OrderStatistic.smallest(tokensPerFrame - picks.count, of: ranking)
        }
        // The last place lies between the limits of the lower and the upper bounds; whoever reaches into that is settled.
        let lower = limit { $0.lower }
        let upper = limit { $0.upper }
        for token in 0..<tokensPerFrame
        where !weights[token].isExact && weights[token].upper >= lower && weights[token].lower <= upper {
            source.settleWeight(token)
        }
        let last = limit { $0.upper }
        var ties = picks.count
        for token in 0..<tokensPerFrame where weights[token].upper > last { ties -= 1 }
        var count = 0
        for token in 0..<tokensPerFrame where count < picks.count {
            if weights[token].upper == last, ties > 0 {
                ties -= 1
            } else if weights[token].upper <= last {
                continue
            }
            picks[count] = Int32(token)
            count += 1
        }
    }
}

/// A frame as selection sees it: its columns' weights, and the means to settle what float32 leaves open.
struct SelectionFrame {
    let compression: Compression
    let frame: Int
    let worker: Worker

    init(_ compression: Compression, _ frame: Int, _ worker: Worker) {
        self.compression = compression
        self.frame = frame
        self.worker = worker
    }

    private var configuration: Configuration { compression.configuration }
    private var channels: Int { compression.channels }
    private var count: Int { compression.tokensPerFrame }
    func place(_ token: Int) -> Int { frame &* count &+ token }

    // MARK: Weights

    private var usesAttention: Bool { configuration.selection != .diversity }
    private var usesEvent: Bool { configuration.selection == .attentionDiversityEvent }

    /// The factor by which each column's distances are calibrated (spec 4 and 4.2), in the worker's `weights`.
    func weigh(_ view: MatrixView) {
        let weights = worker.weights
        if !usesAttention {
            for token in 0..<count { weights[token] = Interval(exactly: 1) }
            return
        }
        if let attention = compression.clip.attention {
            for token in 0..<count { weights[token] = Interval(exactly: Double(attention[place(token)])) }
        } else {
            weighByDistinctiveness(view)
        }
        guard usesEvent else { return settleUnsignedWeights() }

        compression.prepareEvent(ofSegment: compression.segment(ofFrame: frame), worker)
        let products = worker.scalars.0
        BLAS.products(view, worker.roundedEvent, into: products)
        let length = Exact.dot(UnsafePointer(worker.event), UnsafePointer(worker.event), count: channels).squareRoot()
        for token in 0..<count {
            let inverse = Double(compression.tables.inverseNorms[place(token)])
            let relevance =
                inverse > 0 && length < 1e18 && length > 1e-12
                ? Interval(Double(products[token]), within: compression.tolerance * length / inverse)
                : Interval(exactly: exactEvent(token))
            // Attention is not negative.
            weights[token] = relevance.times(nonNegative: weights[token])
        }
        settleUnsignedWeights()
    }

    /// Spec 4.2: 1 - the cosine with the frame's mean stands in for attention.
    private func weighByDistinctiveness(_ view: MatrixView) {
        let mean = compression.mean(ofFrame: frame, worker)
        let length = Exact.dot(mean, mean, count: channels).squareRoot()
        guard length > 1e-12, length < 1e18 else {
            for token in 0..<count { worker.weights[token] = Interval(exactly: exactAttention(token)) }
            return
        }
        Exact.round(mean, into: worker.rowA, count: channels)
        let products = worker.scalars.0
        BLAS.products(view, worker.rowA, into: products)
        for token in 0..<count {
            let inverse = Double(compression.tables.inverseNorms[place(token)])
            let weight = 1 - Double(products[token]) * inverse / length
            worker.weights[token] =
                inverse > 0
                ? Interval(max(0, weight - compression.tolerance), weight + compression.tolerance)
                : Interval(exactly: exactAttention(token))
        }
    }

    /// The sign of a weight decides whether a column's least distance is its nearest or its farthest.
    private func settleUnsignedWeights() {
        for token in 0..<count where worker.weights[token].lower < 0 && worker.weights[token].upper > 0 {
            settleWeight(token)
        }
    }

    func settleWeight(_ token: Int) {
        worker.closeCalls.pointee += 1
        let attention = compression.clip.attention.map { Double($0[place(token)]) } ?? exactAttention(token)
        worker.weights[token] = Interval(exactly: usesEvent ? attention * exactEvent(token) : attention)
    }

    private func exactAttention(_ token: Int) -> Double {
        let row = compression.clip.token(place(token), convertedInto: worker.rowB)
        let mean = compression.mean(ofFrame: frame, worker)
        return max(0, 1 - Exact.plainCosine(row, mean, count: channels))
    }

    private func exactEvent(_ token: Int) -> Double {
        let row = compression.clip.token(place(token), convertedInto: worker.rowB)
        return Exact.dot(row, UnsafePointer(worker.event), count: channels)
    }

    // MARK: Distances

    /// Distance of two tokens of the clip, named by their place in it.
    func exactDistance(places a: Int, _ b: Int) -> Double {
        let rowA = compression.clip.token(a, convertedInto: worker.rowA)
        let rowB = compression.clip.token(b, convertedInto: worker.rowB)
        return 1 - Exact.cosine(rowA, rowB, count: channels)
    }

    func exactDistance(_ a: Int, _ b: Int) -> Double { exactDistance(places: place(a), place(b)) }

    /// Replaces the cosines of extreme tokens, and sets the diagonal.
    func mend(_ cosines: CosineMatrix) {
        for token in 0..<count {
            let mark = compression.tables.marks[place(token)]
            if mark.contains(.extreme) {
                for other in 0..<count { cosines[token, other] = Float(1 - exactDistance(token, other)) }
            }
            cosines[token, token] = mark.contains(.zero) ? 0 : 1
        }
    }

    func isZero(_ token: Int) -> Bool { compression.tables.marks[place(token)].contains(.zero) }
}
