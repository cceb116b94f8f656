/// Which rows of a segment are equal to an earlier one: no token ever joins them, since of equally near rows the first is
/// taken. A task is a segment.
struct EqualRows: Stage {
    static let charge = Refinement.charge

    struct Scratch: BitwiseCopyable {
        /// [2, K] room to find them.
        fileprivate let buckets: Table<Int32>

        init(rows: Int, plan: inout Arena.Plan) { buckets = plan.table(Int32.self, 2, rows) }
    }

    let current: Slot<NearestRows>
    private var refinement: Refinement { current.value.refinement }

    func run(_ segment: Int, _ worker: Worker) {
        let (refinement, isRepeat) = (current.value.refinement, current.value.space.isRepeat)
        let scratch = refinement.scratch(worker)
        let (rows, channels) = (refinement.rows, refinement.clip.channels)
        let range = refinement.rows(ofSegment: segment)
        _ = Repeats.find(
            range, where: { _ in true }, in: scratch.nearestRows.equalRows.buckets.part(0..<(2 * range.count)),
            hash: { row, hash in hash(UnsafePointer(rows[row].base), channels: channels) },
            areEqual: { row, other in
                DoublePrecision.areEqual(rows[row].base, rows[other].base, count: channels)
                    && areEqual(row, other, scratch)
            },
            note: { row, first in isRepeat[row] = first < row })
    }

    /// Whether rows are equal that are so in float32.
    private func areEqual(_ a: Int, _ b: Int, _ scratch: Refinement.Scratch) -> Bool {
        let rows = refinement.rows
        if rows.kinds[a] == .selected, rows.kinds[b] == .selected { return true }
        guard refinement.place(ofRow: a) != refinement.place(ofRow: b) else { return false }
        let (first, second) = (refinement.value(ofRow: a, scratch), refinement.value(ofRow: b, scratch))
        return (0..<refinement.clip.channels).allSatisfy { first[$0] == second[$0] }
    }
}
