/// Which tokens of a frame are equal, number by number, and which of them the frame before has too.
///
/// Slides, letterboxes and still pictures repeat tokens. Equal ones are found once, by a hash and a comparison, and never measured against each other again. A class that is missed costs time and changes
/// nothing.
struct TokenClasses: BitwiseCopyable {
    /// What is kept of a frame; [N] but for the buckets.
    struct Scratch: BitwiseCopyable {
        /// First token of a token's class.
        fileprivate let first: Table<Int32>
        /// By first token: tokens of the class.
        fileprivate let sizes: Table<Int32>
        /// By first token: that of the equal class of the frame before, or -1.
        fileprivate let twins: Table<Int32>
        /// By first token: the number of the equal pick among those that are carried along the segment, or -1.
        fileprivate let picks: Table<Int32>
        fileprivate let hashes: Table<UInt64>
        /// First tokens of a bucket's classes, and the next of the same bucket; -1 behind the last.
        fileprivate let buckets: Table<Int32>
        fileprivate let following: Table<Int32>

        init(_ clip: Clip, plan: inout Arena.Plan) {
            let count = clip.tokensPerFrame
            first = plan.table(Int32.self, count)
            sizes = plan.table(Int32.self, count)
            twins = plan.table(Int32.self, count)
            picks = plan.table(Int32.self, count)
            hashes = plan.table(UInt64.self, count)
            var buckets = 1
            while buckets < count { buckets *= 2 }
            self.buckets = plan.table(Int32.self, buckets)
            following = plan.table(Int32.self, count)
        }
    }

    private let scratch: Scratch
    let tokens: MatrixView
    /// Whether no two tokens are equal.
    private(set) var areDistinct = true

    private var hash = RowHash.ofSample

    /// Finds the classes of a frame. O(N), and a comparison for each token that is equal to another; O(N·D) where many differ in
    /// few channels.
    init(_ tokens: MatrixView, in scratch: Scratch) {
        self.tokens = tokens
        self.scratch = scratch
        guard !findClasses(mayMiss: tokens.rows / 8) else { return }
        hash = .ofAll
        _ = findClasses(mayMiss: tokens.rows)
    }

    /// False once that more tokens may have missed an equal one.
    private mutating func findClasses(mayMiss most: Int) -> Bool {
        scratch.buckets.fill(-1)
        scratch.twins.fill(-1)
        scratch.picks.fill(-1)
        areDistinct = true
        var missed = 0
        for index in 0..<tokens.rows {
            scratch.hashes[index] = hash(tokens.row(index), channels: tokens.columns)
            let known = find(tokens.row(index), hash: scratch.hashes[index])
            if let known, known >= 0 {
                areDistinct = false
                scratch.first[index] = Int32(known)
                scratch.sizes[known] += 1
                continue
            }
            if known == nil { missed += 1 }
            guard missed <= most else { return false }
            let bucket = bucket(scratch.hashes[index])
            scratch.first[index] = Int32(index)
            scratch.sizes[index] = 1
            scratch.following[index] = scratch.buckets[bucket]
            scratch.buckets[bucket] = Int32(index)
        }
        return true
    }

    private func bucket(_ hash: UInt64) -> Int { Int(truncatingIfNeeded: hash) & (scratch.buckets.count &- 1) }

    /// First token of the class that is equal to a row, or -1; nil where some that agree in their hash differ, and it gave up.
    private func find(_ row: UnsafePointer<Float>, hash: UInt64) -> Int? {
        var patience = 4
        var candidate = Int(scratch.buckets[bucket(hash)])
        while candidate >= 0 {
            guard patience > 0 else { return nil }
            if scratch.hashes[candidate] == hash {
                if DoublePrecision.areEqual(row, tokens.row(candidate), count: tokens.columns) { return candidate }
                patience &-= 1
            }
            candidate = Int(scratch.following[candidate])
        }
        return -1
    }

    /// First token of a token's class.
    @inline(__always)
    func first(_ index: Int) -> Int { Int(scratch.first[index]) }

    /// Tokens that are equal to one, itself included.
    @inline(__always)
    func size(_ index: Int) -> Int { Int(scratch.sizes[first(index)]) }

    // MARK: The frame before

    /// Finds the classes that the frame before has too.
    func match(_ earlier: TokenClasses) {
        for index in 0..<tokens.rows where first(index) == index {
            let token = tokens.row(index)
            let hash = earlier.hash == hash ? scratch.hashes[index] : earlier.hash(token, channels: tokens.columns)
            scratch.twins[index] = Int32(earlier.find(token, hash: hash) ?? -1)
        }
    }

    /// First token of the equal class of the frame before, or -1.
    @inline(__always)
    func twin(_ index: Int) -> Int { Int(scratch.twins[first(index)]) }

    // MARK: Carried picks

    /// Notes the picks of the segment that the frame before, with which this one was matched, has equal tokens to: to be called
    /// when its own are noted.
    func takePicks(from earlier: TokenClasses) {
        for index in 0..<tokens.rows where first(index) == index && scratch.twins[index] >= 0 {
            scratch.picks[index] = earlier.scratch.picks[Int(scratch.twins[index])]
        }
    }

    /// The number of an equal pick of the segment so far, or -1.
    func pick(_ index: Int) -> Int { Int(scratch.picks[first(index)]) }

    func note(pick number: Int, of index: Int) { scratch.picks[first(index)] = Int32(number) }
}
