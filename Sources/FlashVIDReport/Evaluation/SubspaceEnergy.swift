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
        let walks = min(frames, pool.threads)
        pool.run(walks) { worker, walk in
            let range = (walk * frames / walks)..<((walk + 1) * frames / walks)
            let window = Window(footage, mean, made, sets)
            for frame in range {
                if worker == 0 { progress(Double(frame - range.lowerBound) / Double(range.count)) }
                window.move(to: frame)
                for (number, share) in window.shares().enumerated() { shares[number * frames + frame] = share }
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
            let (all, made) = (0..<count, 0..<number)
            LAPACK.products(tokens[slot], all, tokens[other], all, into: tokenProducts[slot][other])
            LAPACK.products(rows[slot], made, tokens[other], all, into: rowTokenProducts[slot][other])
            // Rows of one step never meet those of another.
            for (own, others) in zip(rowsOfStep[slot], rowsOfStep[other]) {
                LAPACK.products(rows[slot], own, rows[other], others, into: rowProducts[slot][other])
            }
            guard other != slot else { continue }
            transpose(tokenProducts[slot][other], all, all, into: tokenProducts[other][slot])
            LAPACK.products(
                rows[other], 0..<rowCount[other], tokens[slot], all, into: rowTokenProducts[other][slot])
            for (own, others) in zip(rowsOfStep[slot], rowsOfStep[other]) {
                transpose(rowProducts[slot][other], own, others, into: rowProducts[other][slot])
            }
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

    private func transpose(_ matrix: Matrix, _ rows: Range<Int>, _ columns: Range<Int>, into target: Matrix) {
        for row in rows {
            let source = matrix.row(row)
            for column in columns { target.row(column)[row] = source[column] }
        }
    }

    // MARK: A set

    /// What a set keeps of a frame of the window.
    private struct Group {
        let slot: Int
        let places: [Int]
        let rows: Range<Int>
    }

    /// The share of the frame's energy in the span of the rows that each set keeps of the window.
    func shares() -> [Double] {
        let own = frame % 3
        let energies = (0..<count).map { tokenProducts[own][own].row($0)[$0] }
        let total = energies.reduce(0, +)
        // There is nothing to tell of a frame that is the clip's mean.
        guard total > 0 else { return sets.map { _ in 1 } }
        var shares = [Double?](repeating: nil, count: sets.count)
        // What attention alone keeps at one step it keeps at the next.
        let chain = growing(stride(from: 2, to: sets.count, by: 3).map { $0 })
        for (number, energy) in zip(chain, chainEnergies(chain, energies) ?? []) {
            shares[number] = min(1, energy / total)
        }
        return shares.enumerated().map { number, share in share ?? min(1, energy(of: number, energies) / total) }
    }

    /// The energy that a set keeps of the frame.
    private func energy(of number: Int, _ energies: [Double]) -> Double {
        let groups = groups(of: number)
        let rest = rest(besides: sets[number].places[frame])
        let members = gather(groups, rest)
        let projected = LAPACK.energy(
            in: gram, products, rows: members, columns: rest.count, dimension: footage.shape.channels,
            tolerance: Evaluation.spanTolerance, ordered: ordered
        ) { fillGram(groups) }
        return kept(energies, rest) + projected
    }

    /// The energies that sets keep of which each has all that the one before has, and nothing but source tokens; nil where
    /// these are not independent.
    private func chainEnergies(_ chain: [Int], _ energies: [Double]) -> [Double]? {
        guard let first = chain.first else { return nil }
        var groups: [Group] = []
        var ends: [Int] = []
        for (index, number) in chain.enumerated() {
            for other in frames {
                let before = index > 0 ? sets[chain[index - 1]].places[other].count : 0
                let places = Array(sets[number].places[other][before...])
                groups.append(Group(slot: other % 3, places: places, rows: 0..<0))
            }
            ends.append(groups.reduce(0) { $0 + $1.places.count })
        }
        let rest = rest(besides: sets[first].places[frame])
        _ = gather(groups, rest)
        return LAPACK.energies(
            ofFirst: ends, in: gram, products, columns: rest.count, tolerance: Evaluation.spanTolerance
        ) { fillGram(groups) }?.map { kept(energies, rest) + $0 }
    }

    /// The sets, from the first on, of which each begins with what the one before has, as far as their members can be
    /// independent.
    private func growing(_ numbers: [Int]) -> [Int] {
        let most = footage.shape.channels * 9 / 10
        var chain: [Int] = []
        for number in numbers {
            guard frames.reduce(0, { $0 + sets[number].places[$1].count }) <= most else { break }
            if let last = chain.last,
                !frames.allSatisfy({ sets[number].places[$0].starts(with: sets[last].places[$0]) })
            {
                break
            }
            chain.append(number)
        }
        return chain
    }

    /// The frame's tokens but for those that are kept: what a kept token tells of itself is all of it, so that only the others
    /// are projected.
    private func rest(besides places: [Int]) -> [Int] {
        var isKept = [Bool](repeating: false, count: count)
        for place in places { isKept[place] = true }
        return (0..<count).filter { !isKept[$0] }
    }

    /// The energy of the tokens that are not among `rest`.
    private func kept(_ energies: [Double], _ rest: [Int]) -> Double {
        energies.reduce(0, +) - rest.reduce(0) { $0 + energies[$1] }
    }

    /// Writes the products of the groups' members with some of the frame's tokens into `products`. Returns the number of
    /// members.
    private func gather(_ groups: [Group], _ places: [Int]) -> Int {
        let own = frame % 3
        var members = 0
        for group in groups {
            for place in group.places { gather(tokenProducts[group.slot][own].row(place), places, &members) }
            for row in group.rows { gather(rowTokenProducts[group.slot][own].row(row), places, &members) }
        }
        return members
    }

    /// A row of `products`: the numbers of `source` at some places.
    private func gather(_ source: UnsafePointer<Double>, _ places: [Int], _ row: inout Int) {
        let target = products.row(row)
        for (column, place) in places.enumerated() { target[column] = source[place] }
        row += 1
    }

    private func groups(of number: Int) -> [Group] {
        frames.map { frame in
            let slot = frame % 3
            // The first of a step's three sets is the one that has rows of its own.
            return Group(
                slot: slot, places: sets[number].places[frame],
                rows: number % 3 == 0 ? rowsOfStep[slot][number / 3] : 0..<0)
        }
    }

    /// The products of the groups' members with each other: more than the lower triangle, but in runs.
    private func fillGram(_ groups: [Group]) {
        var row = 0
        for (number, group) in groups.enumerated() {
            for place in group.places {
                var target = gram.row(row)
                for other in groups[...number] {
                    let source = tokenProducts[group.slot][other.slot].row(place)
                    for place in other.places {
                        target.pointee = source[place]
                        target += 1
                    }
                    // A column of what the other's rows have with this token.
                    let column = rowTokenProducts[other.slot][group.slot]
                    for row in other.rows {
                        target.pointee = column.row(row)[place]
                        target += 1
                    }
                }
                row += 1
            }
            for made in group.rows {
                var target = gram.row(row)
                for other in groups[...number] {
                    let source = rowTokenProducts[group.slot][other.slot].row(made)
                    for place in other.places {
                        target.pointee = source[place]
                        target += 1
                    }
                    let others = rowProducts[group.slot][other.slot].row(made)
                    for row in other.rows {
                        target.pointee = others[row]
                        target += 1
                    }
                }
                row += 1
            }
        }
    }
}
