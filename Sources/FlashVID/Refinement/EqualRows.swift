/// Which rows of a segment are equal to an earlier one: no token ever joins them, since of equally near rows the first is
/// taken. A task is a segment.
struct EqualRows: Stage {
    static let charge = Refinement.charge

    struct Scratch: BitwiseCopyable {
        /// Rows by the hash of a sample of their channels, or -1; more than twice as many places as rows.
        fileprivate let places: Table<Int32>

        init(rows: Int, plan: inout Arena.Plan) {
            places = plan.table(Int32.self, rows > 0 ? Self.size(rows) : 0)
        }

        fileprivate static func size(_ rows: Int) -> Int {
            var size = 1
            while size <= 2 * rows, size < 1 << 40 { size *= 2 }
            return size
        }
    }

    let current: Slot<NearestRows>
    private var refinement: Refinement { current.value.refinement }

    func run(_ segment: Int, _ worker: Worker) {
        let (refinement, isRepeat) = (current.value.refinement, current.value.space.isRepeat)
        let scratch = refinement.scratch(worker)
        let (rows, channels) = (refinement.rows, refinement.clip.channels)
        let range = refinement.rows(ofSegment: segment)
        let places = scratch.nearestRows.equalRows.places.part(0..<Scratch.size(range.count))
        places.fill(-1)
        for row in range {
            isRepeat[row] = false
            let values = rows[row].base
            var place = Int(truncatingIfNeeded: TokenClasses.hash(values, channels: channels)) & (places.count &- 1)
            // Rows that agree in the sample and differ elsewhere stay apart after a few.
            var patience = 8
            while places[place] >= 0, patience > 0 {
                let other = Int(places[place])
                if DoublePrecision.areEqual(values, rows[other].base, count: channels), areEqual(row, other, scratch) {
                    isRepeat[row] = true
                    break
                }
                place = (place &+ 1) & (places.count &- 1)
                patience &-= 1
            }
            if !isRepeat[row], places[place] < 0 { places[place] = Int32(row) }
        }
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
