// Links of frames of which many tokens are much alike, so that their origins were taken out of them.

extension Links {
    /// What a thread needs for that.
    struct OriginScratch: BitwiseCopyable {
        /// [origins, N] products of the earlier frame's origins with the later frame's tokens, as unit vectors.
        fileprivate let projections: Table<Double>
        /// [N] by later token: the earlier frame's origin that is nearest, and its length less that.
        fileprivate let groups: Table<Int32>
        fileprivate let lengths: Table<Float>
        /// [N] free earlier tokens of an origin.
        fileprivate let members: Table<Int32>
        /// [N] distances of the earlier tokens from an origin.
        fileprivate let apart: Table<Double>

        init(_ clip: Clip, plan: inout Arena.Plan) {
            let count = clip.tokensPerFrame
            projections = plan.table(Double.self, Origins.most + 1, count)
            groups = plan.table(Int32.self, count)
            lengths = plan.table(Float.self, count)
            members = plan.table(Int32.self, count)
            apart = plan.table(Double.self, count)
        }
    }

    /// Links the later tokens `Scratch.rowTokens` of two such frames, both less the earlier frame's origins
    /// (``CentredTokens``): first with the tokens of the same origin, which are most often the only ones near enough, and the
    /// others in one product with the whole frame.
    func link(
        _ later: Selection.Frame, _ laterCentred: CentredTokens, to earlier: CentredTokens, rows: Int,
        _ exact: ExactCosines, _ worker: Worker
    ) {
        let scratch = space.scratch[worker.number]
        let tokens = OriginRows(self, later, laterCentred, earlier, rows: rows, scratch, worker)
        var left = 0
        var start = 0
        while start < rows {
            let group = tokens.group(Int(scratch.rowTokens[start]))
            var end = start + 1
            while end < rows, tokens.group(Int(scratch.rowTokens[end])) == group { end += 1 }
            let some = start..<end
            start = end
            let members = group > 0 ? tokens.gatherMembers(of: group) : 0
            if members > 0 { tokens.multiply(some, members) }
            for row in some {
                let index = scratch.rowTokens[row]
                if members > 0, tokens.link(Int(index), row - some.lowerBound, members, exact) { continue }
                scratch.rowTokens[left] = index
                left += 1
            }
        }
        guard left > 0 else { return }
        tokens.multiply(0..<left)
        for row in 0..<left { tokens.link(Int(scratch.rowTokens[row]), row, exact) }
    }

    /// Later tokens as the earlier frame's are.
    private struct OriginRows {
        let links: Links
        let laterFirst: Int
        let later: CentredTokens
        let earlier: CentredTokens
        let scratch: Scratch
        let worker: Worker
        let room: FrameRoom
        var origins: OriginScratch { scratch.origins }
        var count: Int { links.clip.tokensPerFrame }
        var channels: Int { links.clip.channels }

        /// Sorts the rows by their origins.
        init(
            _ links: Links, _ frame: Selection.Frame, _ later: CentredTokens, _ earlier: CentredTokens, rows: Int,
            _ scratch: Scratch, _ worker: Worker
        ) {
            self.links = links
            laterFirst = frame.number &* links.clip.tokensPerFrame
            self.later = later
            self.earlier = earlier
            self.scratch = scratch
            self.worker = worker
            room = links.selection.room(worker)
            later.project(on: earlier, into: origins.projections)
            for row in 0..<rows {
                let index = scratch.rowTokens[row]
                let group = earlier.origins.nearest { projection($0, Int(index)) }
                origins.groups[Int(index)] = Int32(group)
                var place = row
                while place > 0, self.group(Int(scratch.rowTokens[place - 1])) > group {
                    scratch.rowTokens[place] = scratch.rowTokens[place - 1]
                    place -= 1
                }
                scratch.rowTokens[place] = index
            }
        }

        @inline(__always)
        func group(_ index: Int) -> Int { Int(origins.groups[index]) }

        @inline(__always)
        private func projection(_ origin: Int, _ index: Int) -> Double {
            origins.projections[origin &* count &+ index]
        }

        /// Free earlier tokens of an origin, to `OriginScratch.members`, and the distances of all from it. Returns how many.
        func gatherMembers(of group: Int) -> Int {
            var members = 0
            let square = 1 + earlier.origins.product(group, group)
            for column in 0..<count {
                origins.apart[column] = max(0, square - 2 * earlier.projection(group, column)).squareRoot()
                guard earlier.group(column) == group, scratch.shifts[column] < Links.unreachable else { continue }
                origins.members[members] = Int32(column)
                members += 1
            }
            return members
        }

        /// Products of some rows with the members, or with all earlier tokens.
        func multiply(_ some: Range<Int>, _ members: Int? = nil) {
            for (position, row) in some.enumerated() {
                let index = Int(scratch.rowTokens[row])
                origins.lengths[index] = later.write(
                    index, less: earlier.origins.row(group(index)), into: room.rows.row(position, of: channels).base)
            }
            let rows = MatrixView(base: room.rows.base, rows: some.count, columns: channels, stride: channels)
            let columns = members ?? count
            for start in stride(from: 0, to: columns, by: room.mostOthers) {
                let block = start..<min(columns, start + room.mostOthers)
                for (position, column) in block.enumerated() {
                    earlier.write(
                        members == nil ? column : Int(origins.members[column]),
                        into: room.others.row(position, of: channels).base)
                }
                BLAS.products(
                    rows,
                    MatrixView(base: room.others.base, rows: block.count, columns: channels, stride: channels),
                    scale: 1, into: room.products.base + start, stride: columns)
            }
        }

        /// The distance of a later token from an earlier one, from their product.
        @inline(__always)
        private func distance(_ index: Int, _ column: Int, _ product: Float) -> Float {
            let (group, other) = (group(index), earlier.group(column))
            let shared =
                earlier.projection(group, column) + projection(other, index) - earlier.origins.product(group, other)
            return Float(1 - (Double(product) + shared))
        }

        /// Links a token to one of the members, if no other token can be nearer.
        func link(_ index: Int, _ row: Int, _ members: Int, _ exact: ExactCosines) -> Bool {
            let distances = room.products.row(row, of: members)
            let length = origins.lengths[index]
            let error = CentredTokens.error(of: length, tolerance: links.input.tolerance)
            var least = Float.infinity
            for member in 0..<members {
                let column = Int(origins.members[member])
                distances[member] = self.distance(index, column, distances[member])
                least = min(least, distances[member] + error.ofLength * earlier.length(column) + error.rest)
            }
            // Unit vectors at a distance of 1 - cosine d are √(2d) apart. One below 1e-6 counts as 0.
            let reach = (Double(length) + (2 * Double(max(least, 1.1e-6))).squareRoot()) * 1.0001
            let group = group(index)
            for column in 0..<count where origins.apart[column] <= reach {
                guard earlier.group(column) == group || scratch.shifts[column] == Links.unreachable else {
                    return false
                }
            }
            links.nameParent(
                laterFirst &+ index, distances, count: members, exact, scratch, worker,
                error: { error.ofLength * earlier.length(Int(origins.members[$0])) + error.rest },
                candidate: { Int(origins.members[$0]) })
            return true
        }

        /// Links a token to one of the earlier frame.
        func link(_ index: Int, _ row: Int, _ exact: ExactCosines) {
            let distances = room.products.row(row, of: count)
            for column in 0..<count {
                distances[column] =
                    scratch.shifts[column] < Links.unreachable
                    ? distance(index, column, distances[column]) : Links.unreachable
            }
            let error = CentredTokens.error(of: origins.lengths[index], tolerance: links.input.tolerance)
            links.nameParent(
                laterFirst &+ index, distances, count: count, exact, scratch, worker,
                error: { error.ofLength * earlier.length($0) + error.rest }, candidate: { $0 })
        }
    }
}
