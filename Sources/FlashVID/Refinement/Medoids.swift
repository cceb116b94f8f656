/// Contextual rows at the place of their medoid, the member nearest to the row's final value (spec 12.3).
struct Medoids: BitwiseCopyable {
    struct Space: BitwiseCopyable {
        /// [F·N] by row: its medoid.
        fileprivate let medoid: Table<Int32>
        /// [F·N] squared distances of tokens from the rows that stand for them.
        fileprivate let distances: Table<Float>
        /// [F·N] by token: the row that takes its place, or -1; by row: where it goes.
        fileprivate let rowAtToken: Table<Int32>
        fileprivate let target: Table<Int32>

        init(_ input: Input, plan: inout Arena.Plan) {
            let isWanted = input.configuration.placement == .medoid
            let tokens = isWanted ? input.clip.frames * input.clip.tokensPerFrame : 0
            medoid = plan.table(Int32.self, tokens)
            rowAtToken = plan.table(Int32.self, tokens)
            // Nobody asks for distances once the medoids are known.
            (distances, target) = plan.overlay(
                { plan in plan.table(Float.self, tokens) }, { plan in plan.table(Int32.self, tokens) })
        }
    }

    private let refinement: Refinement
    private let space: Space
    private var rows: Rows { refinement.rows }
    private var clip: Clip { refinement.clip }

    init(_ refinement: Refinement, in space: Space) {
        self.refinement = refinement
        self.space = space
    }

    func run(on team: Team) throws(FlashVIDError) {
        try team.run(Search(medoids: self), over: refinement.rowTasks)
        try team.run(Placement(medoids: self), over: refinement.forest.selection.segments.count)
    }

    private struct Search: Stage {
        static let charge = Refinement.charge
        let medoids: Medoids

        func run(_ task: Int, _ worker: Worker) {
            for row in medoids.refinement.rows(ofTask: task) {
                medoids.space.medoid[row] = Int32(
                    medoids.rows.kinds[row] == .selected
                        ? medoids.rows.indices[row] : medoids.nearestMember(of: row, worker))
            }
        }
    }

    private struct Placement: Stage {
        static let charge = Refinement.charge
        let medoids: Medoids

        func run(_ segment: Int, _ worker: Worker) { medoids.moveRows(ofSegment: segment) }
    }

    /// The member nearest to a contextual row's final value; of equally near ones the first.
    private func nearestMember(of row: Int, _ worker: Worker) -> Int {
        let scratch = refinement.scratch(worker)
        let value = rows[row].base
        var nearest = Float.infinity
        let members = refinement.members(of: row)
        for member in members {
            let token = scratch.token.token(member, of: clip)
            space.distances[member] = SinglePrecision.squaredDistance(token, value, count: clip.channels)
            nearest = min(nearest, space.distances[member])
        }
        // The value was rounded too, and so were the rows that it is the mean of, by up to half a unit in the last place
        // of lengths of five times its own (`Clusters.meanOfCluster`). That moves every distance by as much. And float32's
        // sum of squares errs by far less than the other part.
        let moved = 5e-7 * Double(BLAS.dot(value, value, count: clip.channels)).squareRoot()
        let farthest = Double(nearest).squareRoot() * (1 + 5e-6) + moved
        var exactValue: UnsafePointer<Double>?
        let medoid = Decision.largest(
            of: members, lower: { _ in -farthest * farthest },
            upper: { member in
                let least = max(0, Double(space.distances[member]).squareRoot() * (1 - 5e-6) - moved)
                return -least * least
            }, comparesSettled: true,
            settle: { member in
                let value = exactValue ?? refinement.value(ofRow: row, scratch)
                exactValue = value
                return -DoublePrecision.squaredDistance(
                    scratch.token.token(member, of: clip), value, count: clip.channels)
            })
        if medoid.value != nil { worker.countCloseCall() }
        return medoid.index
    }

    /// Gives rows their medoids' places and brings the segment's rows back into ascending order.
    private func moveRows(ofSegment segment: Int) {
        let rowRange = refinement.rows(ofSegment: segment)
        let tokens = refinement.tokens(ofSegment: segment)
        space.rowAtToken.fill(tokens, with: -1)
        for row in rowRange {
            rows.indices[row] = Int(space.medoid[row])
            space.rowAtToken[rows.indices[row]] = Int32(row)
        }
        var next = rowRange.lowerBound
        for token in tokens where space.rowAtToken[token] >= 0 {
            space.target[Int(space.rowAtToken[token])] = Int32(next)
            next += 1
        }
        let rowOfToken = refinement.rowOfToken
        for token in tokens { rowOfToken[token] = space.target[Int(rowOfToken[token])] }
        for row in rowRange {
            while Int(space.target[row]) != row {
                let other = Int(space.target[row])
                rows.swap(row, other)
                space.target[row] = space.target[other]
                space.target[other] = Int32(other)
            }
        }
    }
}
