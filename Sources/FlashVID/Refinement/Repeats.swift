/// Which of some items are equal to an earlier one. One that is missed costs time and changes nothing.
enum Repeats {
    /// Notes of each item of a range that counts the first one that is equal to it: itself, where none is. `buckets` is room for
    /// twice as many numbers as items. Returns how many are equal to an earlier one. O(items), and a comparison for each of
    /// these.
    static func find(
        _ items: Range<Int>, where counts: (Int) -> Bool, in buckets: Table<Int32>, hash: (Int, RowHash) -> UInt64,
        areEqual: (Int, Int) -> Bool, note: (_ item: Int, _ first: Int) -> Void
    ) -> Int {
        /// Nil where too many items did not find a place.
        func find(_ kind: RowHash, mayFail: Int) -> Int? {
            buckets.fill(-1)
            var (repeats, failures) = (0, 0)
            for item in items where counts(item) {
                var place = Int(hash(item, kind).multipliedFullWidth(by: UInt64(buckets.count)).high)
                var first = item
                // Items that agree in the sample and differ elsewhere stay apart after a few.
                var patience = 8
                while buckets[place] >= 0, first == item, patience > 0 {
                    if areEqual(item, Int(buckets[place])) { first = Int(buckets[place]) }
                    place = place &+ 1 < buckets.count ? place &+ 1 : 0
                    patience &-= 1
                }
                note(item, first)
                if first < item {
                    repeats += 1
                } else if buckets[place] < 0 {
                    buckets[place] = Int32(item)
                } else {
                    failures += 1
                    if failures > mayFail { return nil }
                }
            }
            return repeats
        }
        return find(.ofSample, mayFail: items.count / 8) ?? find(.ofAll, mayFail: items.count) ?? 0
    }
}
