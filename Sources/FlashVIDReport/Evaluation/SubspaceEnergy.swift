import FlashVID

/// How much of a frame the kept rows around it span: the share of its tokens' energy around the clip's mean that lies in the span
/// of the rows of the frame, the one before and the one after, around the same mean.
///
/// Projections follow from products alone. Those of three neighbouring frames' tokens with each other are made once for all sets
/// of kept tokens; a thread walks along the clip, so that they are made once a frame too.
struct SubspaceEnergy {
    /// A set each.
    let means: [Double]

    init(
        _ footage: Footage, _ mean: [Double], _ made: [KeptTokens], _ sets: [KeptTokens], _ pool: WorkerPool,
        progress: (Double) -> Void
    ) {
        let frames = footage.shape.frames
        let shares = UnsafeMutableBufferPointer<Double>.allocate(capacity: sets.count * frames)
        defer { shares.deallocate() }
        // Two walks a thread, so that one that is held up does not hold up all; each has a frame or two more to read.
        let walks = min(frames, pool.threads > 1 ? 2 * pool.threads : 1)
        pool.run(walks) { worker, walk in
            let range = (walk * frames / walks)..<((walk + 1) * frames / walks)
            let window = Window(footage, mean, made, sets)
            for frame in range {
                if worker == 0 { progress(Double(walk) / Double(walks)) }
                window.move(to: frame)
                for number in sets.indices { shares[number * frames + frame] = window.share(of: number) }
            }
        }
        means = sets.indices.map { number in
            (0..<frames).reduce(0) { $0 + shares[number * frames + $1] } / Double(frames)
        }
    }
}

/// The products of three neighbouring frames: of their tokens, and of the rows that were made there.
private final class Window {
    private let footage: Footage
    private let mean: [Double]
    private let made: [KeptTokens]
    private let sets: [KeptTokens]
    private var frame = 0
    private let count: Int
    /// The frames whose products are at hand; a frame lies in the slot of its number modulo 3.
    private var held: [Int?] = [nil, nil, nil]
    /// [3] tokens, and the rows of all steps, around the clip's mean.
    private let tokens: [Matrix]
    private let rows: [Matrix]
    /// [3] how many rows there are, and [3][steps] which are whose.
    private var rowCount = [0, 0, 0]
    private var rowsOfStep: [[Range<Int>]]
    /// [3][3] products of the tokens of two slots, of rows with tokens, and of rows with rows.
    private let tokenProducts: [[Matrix]]
    private let rowTokenProducts: [[Matrix]]
    private let rowProducts: [[Matrix]]
    private let buffer: UnsafeMutablePointer<Float>
    /// Room for one set.
    private let gram: Matrix
    private let copy: Matrix
    private let products: Matrix
    private let ordered: Matrix

    init(_ footage: Footage, _ mean: [Double], _ made: [KeptTokens], _ sets: [KeptTokens]) {
        (self.footage, self.mean, self.made, self.sets) = (footage, mean, made, sets)
        count = footage.shape.tokensPerFrame
        let (frames, channels, count) = (footage.shape.frames, footage.shape.channels, self.count)
        func madeRows(_ kept: KeptTokens, _ frame: Int) -> Int { kept.firstRow[frame + 1] - kept.firstRow[frame] }
        var (mostRows, mostKept) = (0, 0)
        for frame in 0..<frames {
            mostRows = max(mostRows, made.reduce(0) { $0 + madeRows($1, frame) })
            for set in sets { mostKept = max(mostKept, set.places[frame].count + madeRows(set, frame)) }
        }
        func three(_ rows: Int, _ columns: Int) -> [Matrix] { (0..<3).map { _ in Matrix(rows, columns) } }
        func square(_ rows: Int, _ columns: Int) -> [[Matrix]] { (0..<3).map { _ in three(rows, columns) } }
        tokens = three(count, channels)
        rows = three(mostRows, channels)
        rowsOfStep = [[Range<Int>]](repeating: [Range<Int>](repeating: 0..<0, count: made.count), count: 3)
        tokenProducts = square(count, count)
        rowTokenProducts = square(mostRows, count)
        rowProducts = square(mostRows, mostRows)
        buffer = .allocate(capacity: count * channels)
        gram = Matrix(3 * mostKept, 3 * mostKept)
        copy = Matrix(3 * mostKept, 3 * mostKept)
        products = Matrix(3 * mostKept, count)
        ordered = Matrix(3 * mostKept, count)
    }

    deinit { buffer.deallocate() }

    /// The frames of the window that the clip has.
    private var frames: ClosedRange<Int> { max(0, frame - 1)...min(footage.shape.frames - 1, frame + 1) }

    func move(to frame: Int) {
        self.frame = frame
        for other in frames where held[other % 3] != other { load(other) }
    }

    private func load(_ frame: Int) {
        let slot = frame % 3
        let channels = footage.shape.channels
        footage.read(frame * count, count: count, into: buffer)
        centre(UnsafePointer(buffer), count, into: tokens[slot])
        var number = 0
        for (step, kept) in made.enumerated() {
            let range = kept.firstRow[frame]..<kept.firstRow[frame + 1]
            kept.rows.withUnsafeBufferPointer { values in
                guard let base = values.baseAddress else { return }
                centre(base + range.lowerBound * channels, range.count, into: rows[slot], from: number)
            }
            rowsOfStep[slot][step] = number..<(number + range.count)
            number += range.count
        }
        rowCount[slot] = number
        held[slot] = frame

        for other in 0..<3 {
            guard let held = held[other], abs(held - frame) < 3 else { continue }
            LAPACK.products(tokens[slot], count, tokens[other], count, into: tokenProducts[slot][other])
            LAPACK.products(rows[slot], number, tokens[other], count, into: rowTokenProducts[slot][other])
            LAPACK.products(rows[slot], number, rows[other], rowCount[other], into: rowProducts[slot][other])
            guard other != slot else { continue }
            transpose(tokenProducts[slot][other], count, count, into: tokenProducts[other][slot])
            LAPACK.products(rows[other], rowCount[other], tokens[slot], count, into: rowTokenProducts[other][slot])
            transpose(rowProducts[slot][other], number, rowCount[other], into: rowProducts[other][slot])
        }
    }

    private func centre(
        _ source: UnsafePointer<Float>, _ count: Int, into target: Matrix, from first: Int = 0
    ) {
        let channels = target.columns
        for row in 0..<count {
            let (numbers, place) = (source + row * channels, target.row(first + row))
            mean.withUnsafeBufferPointer { mean in
                for channel in 0..<channels { place[channel] = Double(numbers[channel]) - mean[channel] }
            }
        }
    }

    private func transpose(_ matrix: Matrix, _ rows: Int, _ columns: Int, into target: Matrix) {
        for row in 0..<rows {
            for column in 0..<columns { target.row(column)[row] = matrix.row(row)[column] }
        }
    }

    // MARK: A set

    /// A kept row: a slot, and a token there (`isMade` false) or a row that was made.
    private struct Member {
        let slot: Int
        let isMade: Bool
        let index: Int
    }

    /// The share of the frame's energy in the span of the rows that a set keeps of the window.
    func share(of number: Int) -> Double {
        let own = frame % 3
        let total = (0..<count).reduce(0.0) { $0 + tokenProducts[own][own].row($1)[$1] }
        // There is nothing to tell of a frame that is the clip's mean.
        guard total > 0 else { return 1 }
        let members = members(of: number)
        for (row, member) in members.enumerated() {
            products.row(row).update(
                from: member.isMade
                    ? rowTokenProducts[member.slot][own].row(member.index)
                    : tokenProducts[member.slot][own].row(member.index),
                count: count)
            fill(gram.row(row), with: member, members[...row])
        }
        let energy = LAPACK.energy(
            in: gram, products, rows: members.count, columns: count, tolerance: Evaluation.spanTolerance, copy: copy,
            ordered: ordered)
        return min(1, energy / total)
    }

    private func members(of number: Int) -> [Member] {
        frames.flatMap { frame in
            let slot = frame % 3
            let places = sets[number].places[frame].map { Member(slot: slot, isMade: false, index: $0) }
            // The first of a step's three sets is the one that has rows of its own.
            guard number % 3 == 0 else { return places }
            return places + rowsOfStep[slot][number / 3].map { Member(slot: slot, isMade: true, index: $0) }
        }
    }

    /// A row of the Gram matrix, up to its diagonal.
    private func fill(
        _ target: UnsafeMutablePointer<Double>, with member: Member, _ others: ArraySlice<Member>
    ) {
        for (column, other) in others.enumerated() {
            target[column] =
                switch (member.isMade, other.isMade) {
                case (false, false): tokenProducts[member.slot][other.slot].row(member.index)[other.index]
                case (true, false): rowTokenProducts[member.slot][other.slot].row(member.index)[other.index]
                case (false, true): rowTokenProducts[other.slot][member.slot].row(other.index)[member.index]
                case (true, true): rowProducts[member.slot][other.slot].row(member.index)[other.index]
                }
        }
    }
}
