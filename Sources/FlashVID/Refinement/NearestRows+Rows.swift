// Rows as tokens are compared with them: equal tokens and rows, origins, squares, and distances between rows.

extension NearestRows {
    // MARK: Equal tokens

    /// Finds the tokens of a segment that are equal to an earlier one. They have the same nearest row, so that a still
    /// picture is searched once. O(tokens), and a comparison for each that is equal to another; one that is missed costs time
    /// and changes nothing.
    struct EqualTokens: Stage {
        static let charge = Refinement.charge
        let current: Slot<NearestRows>

        func run(_ segment: Int, _ worker: Worker) { current.value.findEqualTokens(segment: segment, worker) }
    }

    func findEqualTokens(segment: Int, _ worker: Worker) {
        let tokens = refinement.tokens(ofSegment: segment)
        let (clip, room) = (clip, scratch(worker).centred.base)
        let repeats = Repeats.find(
            tokens, where: { !selection.isSelected($0) },
            in: space.buckets.part((2 * tokens.lowerBound)..<(2 * tokens.upperBound)),
            hash: { token, hash in
                hash(channels: clip.channels) { clip.part(of: token, from: $0, count: $1, convertedInto: room) }
            }, areEqual: clip.areEqual,
            note: { space.first[$0] = Int32($1) })
        worker.countSettled(byClass: repeats)
    }

    // MARK: Origins
    //
    // Where rows of a segment are much alike, their origins are taken out of them and of the tokens (``Origins``):
    //
    //     |a - b|² = |y|² + |z|² - 2 y·z + |o - p|² + 2 (o - p)·(y - z)    for a = o + y, b = p + z.

    /// Looks for origins among a segment's rows.
    struct Grouping: Stage {
        static let charge = Refinement.charge
        let current: Slot<NearestRows>

        func run(_ segment: Int, _ worker: Worker) { current.value.group(segment: segment) }
    }

    func group(segment: Int) {
        let rows = refinement.rows(ofSegment: segment)
        let leaders = space.leaders.row(segment, of: Origins.most)
        var count = 0
        func distance(_ a: Int, _ b: Int) -> Float {
            SinglePrecision.squaredDistance(
                refinement.rows[a].base, refinement.rows[b].base, count: clip.channels)
        }
        // Rows from all over the segment are compared with some of them. Few segments need more than the first four.
        let samples = min(rows.count, 24)
        func place(_ number: Int) -> Int { rows.lowerBound + number * rows.count / samples }
        let grid = self.grid(ofSegment: segment)
        space.grids[segment] = grid
        // What lies on a grid does so less an origin of the same.
        func sample(_ number: Int) -> Int {
            guard grid.exists else { return place(number) }
            for row in place(number)..<place(number + 1) where isSelected(row) { return row }
            return place(number)
        }
        for number in 0..<min(samples, Origins.most) {
            if number == 4, count == 0 { break }
            let row = sample(number * samples / min(samples, Origins.most))
            let value = refinement.rows[row].base
            let reach = BLAS.dot(value, value, count: clip.channels) * Origins.radius / 2
            var (nearest, second) = (Float.infinity, Float.infinity)
            for other in 0..<samples where sample(other) != row && !space.isRepeat[sample(other)] {
                let distance = distance(row, sample(other))
                (nearest, second) = (min(nearest, distance), min(second, max(nearest, distance)))
            }
            // As in `Origins.choose`: much farther from an origin than from those that are like it, it needs one of its own.
            guard second < reach,
                !(0..<count).contains(where: { distance(Int(leaders[$0]), row) < min(reach, 64 * second) })
            else { continue }
            leaders[count] = Int32(row)
            count += 1
        }
        space.leaderCounts[segment] = Int32(count)
        guard count > 0 else {
            for row in rows {
                space.places[row] = Int32(row)
                space.rowAtPlace[row] = Int32(row)
            }
            return
        }
        for row in rows {
            let value = refinement.rows[row].base
            var (least, group) = (BLAS.dot(value, value, count: clip.channels) * Origins.radius, 0)
            for leader in 0..<count {
                let other = refinement.rows[Int(leaders[leader])].base
                let distance = SinglePrecision.squaredDistance(value, other, count: clip.channels)
                if distance < least { (least, group) = (distance, leader + 1) }
            }
            space.groups[row] = Int32(group)
        }
        var place = rows.lowerBound
        for group in 0...count {
            for row in rows where space.groups[row] == Int32(group) {
                space.places[row] = Int32(place)
                space.rowAtPlace[place] = Int32(row)
                place += 1
            }
        }
    }

    private func isSelected(_ row: Int) -> Bool { refinement.rows.kinds[row] == .selected }

    /// The grid of some of a segment's selected tokens.
    private func grid(ofSegment segment: Int) -> Grid {
        Grid(ofSome: refinement.rows(ofSegment: segment), channels: clip.channels) { row in
            isSelected(row) ? UnsafePointer(refinement.rows[row].base) : nil
        }
    }

    /// The origins of a segment that has some.
    func origins(ofSegment segment: Int, _ worker: Worker) -> Origins {
        let scratch = scratch(worker)
        var origins = Origins(channels: clip.channels, in: scratch.origins)
        let leaders = space.leaders.row(segment, of: Origins.most)
        let count = Int(space.leaderCounts[segment])
        scratch.originsMade(key(segment)) {
            let grid = space.grids[segment]
            scratch.originsOnGrid[0] = true
            for leader in 0..<count {
                let number = origins.add { target in
                    DoublePrecision.round(
                        refinement.value(ofRow: Int(leaders[leader]), refinement.scratch(worker)), into: target,
                        count: clip.channels)
                }
                scratch.originsOnGrid[number] = grid.exists && grid.holds(origins.row(number), count: clip.channels)
            }
            origins.multiply()
        }
        return Origins(count: count + 1, channels: clip.channels, in: scratch.origins)
    }

    /// Squares of the rows, less their origins where their segment has some.
    struct Measures: Stage {
        static let charge = Refinement.charge
        let current: Slot<NearestRows>

        func run(_ task: Int, _ worker: Worker) {
            let rows = current.value
            for row in rows.refinement.rows(ofTask: task) { rows.measure(row: row, worker) }
        }
    }

    func measure(row: Int, _ worker: Worker) {
        let (segment, channels) = (refinement.segment(ofRow: row), clip.channels)
        let place = Int(space.places[row])
        let value = refinement.rows[place].base
        let grid = space.grids[segment]
        var isOnGrid = grid.exists
        if isCentred(segment) {
            let origins = origins(ofSegment: segment, worker)
            let (exact, group) = (refinement.value(ofRow: row, refinement.scratch(worker)), Int(space.groups[row]))
            isOnGrid = isOnGrid && scratch(worker).originsOnGrid[group] && grid.holds(exact, count: channels)
            DoublePrecision.round(exact, less: origins.row(group), into: value, count: channels)
            let centred = refinement.rows.matrix(place..<(place + 1))
            DoublePrecision.products(
                centred, origins.matrix, into: space.projections.row(row, of: Origins.most + 1).base)
        } else {
            // A mean was rounded.
            isOnGrid = isOnGrid && isSelected(row) && grid.holds(value, count: channels)
        }
        let square = BLAS.dot(value, value, count: channels)
        space.squares[row] = square
        space.lengths[row] = square.squareRoot()
        space.reachable[place] = space.isRepeat[row] ? .greatestFiniteMagnitude : square
        space.isOnGrid[row] = isOnGrid && space.lengths[row] <= grid.reach
    }

    @inline(__always)
    func projection(_ origin: Int, _ row: Int) -> Double {
        space.projections[row &* (Origins.most + 1) &+ origin]
    }

    // MARK: Distances between rows

    /// Gives each segment its room, as far as there is some.
    func placeRowDistances() {
        var start = 0
        for segment in 0..<refinement.segments.count {
            let count = refinement.rows(ofSegment: segment).count
            let square = count.multipliedReportingOverflow(by: count)
            let fits = !square.overflow && square.partialValue <= space.rowDistances.count - start
            space.rowDistancesStart[segment] = fits ? start : -1
            if fits { start += square.partialValue }
        }
    }

    /// Lower bounds of the squared distances of some rows from those of their segment; infinity from one that repeats
    /// another.
    struct RowDistances: Stage {
        static let charge = Refinement.charge
        // Each multiplies the rows behind it, which BLAS arranges anew for each: not too few.
        static let rowsOfTask = 128
        let current: Slot<NearestRows>

        static func tasks(_ rows: Int) -> Int { (rows + rowsOfTask - 1) / rowsOfTask }

        func run(_ task: Int, _ worker: Worker) {
            let rows = current.value
            let end = min(rows.refinement.rows.count, (task + 1) * Self.rowsOfTask)
            var row = task * Self.rowsOfTask
            while row < end {
                let segment = rows.refinement.segment(ofRow: row)
                let some = row..<min(end, rows.refinement.rows(ofSegment: segment).upperBound)
                rows.measureDistances(some, segment, worker)
                row = some.upperBound
            }
        }
    }

    func measureDistances(_ some: Range<Int>, _ segment: Int, _ worker: Worker) {
        let start = space.rowDistancesStart[segment]
        guard start >= 0 else { return }
        let range = refinement.rows(ofSegment: segment)
        let (first, count) = (range.lowerBound, range.count)
        let distances = space.rowDistances.base + start
        let origins = isCentred(segment) ? origins(ofSegment: segment, worker) : nil
        // With those behind them; the others are the same, made by other tasks.
        BLAS.products(
            refinement.rows.matrix(some), refinement.rows.matrix(some.lowerBound..<range.upperBound), scale: 1,
            into: distances + (some.lowerBound - first) &* (count &+ 1), stride: count)
        for place in some {
            let row = row(at: place)
            let square = space.squares[row]
            let line = distances + (place - first) &* count
            for otherPlace in place..<range.upperBound {
                let other = self.row(at: otherPlace)
                let sum = square + space.squares[other]
                var distance = sum - 2 * line[otherPlace - first]
                if let origins {
                    distance += shift(row, other, origins) - Float(origins.slack(Int(space.groups[row])))
                }
                distance -= 2 * tolerance * sum + abs(distance) * 0x1p-22
                // Near the end of float32's range it tells nothing.
                if !(sum <= 1e37) { distance = -.infinity }
                line[otherPlace - first] = space.isRepeat[other] ? .infinity : distance
                distances[(otherPlace - first) &* count &+ (place - first)] = space.isRepeat[row] ? .infinity : distance
            }
        }
    }

    /// What the squared distance of two rows has beside that of the two less their origins.
    func shift(_ a: Int, _ b: Int, _ origins: Origins) -> Float {
        let (group, other) = (Int(space.groups[a]), Int(space.groups[b]))
        guard group != other else { return 0 }
        let across = projection(group, a) - projection(other, a) - projection(group, b) + projection(other, b)
        return Float(origins.squaredDistance(group, other) + 2 * across)
    }
}
