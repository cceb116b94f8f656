/// Numbers of one type in the workspace: a pointer that knows how many they are. Subscripts are checked in debug builds, and
/// in release builds cost what a pointer's do.
struct Table<Element: BitwiseCopyable>: @unchecked Sendable, BitwiseCopyable {
    // Sound: the workspace's arena outlives the call, and tasks that run at the same time write to different elements.

    /// For BLAS, and for loops over whole rows.
    let base: UnsafeMutablePointer<Element>
    let count: Int

    @inline(__always)
    init(base: UnsafeMutablePointer<Element>, count: Int) {
        self.base = base
        self.count = count
    }

    @inline(__always)
    subscript(_ index: Int) -> Element {
        get {
            assert(index >= 0 && index < count)
            return base[index]
        }
        nonmutating set {
            assert(index >= 0 && index < count)
            base[index] = newValue
        }
    }

    /// Some elements as a table of their own.
    @inline(__always)
    func part(_ range: Range<Int>) -> Table {
        assert(range.lowerBound >= 0 && range.upperBound <= count)
        return Table(base: base + range.lowerBound, count: range.count)
    }

    /// One row of a matrix of rows of `columns` elements.
    @inline(__always)
    func row(_ row: Int, of columns: Int) -> Table { part((row &* columns)..<((row &+ 1) &* columns)) }

    func fill(_ value: Element) { base.update(repeating: value, count: count) }

    func fill(_ range: Range<Int>, with value: Element) { part(range).fill(value) }

    @inline(__always)
    func copy(_ source: UnsafePointer<Element>) { base.update(from: source, count: count) }

    @inline(__always)
    func copy(_ source: Table) {
        assert(source.count == count)
        copy(UnsafePointer(source.base))
    }

    var buffer: UnsafeMutableBufferPointer<Element> { UnsafeMutableBufferPointer(start: base, count: count) }

    func swapAt(_ a: Int, _ b: Int) { buffer.swapAt(a, b) }

    /// Sorts in place, as the standard library's sort does not: that takes memory for more than some dozens.
    func sort() where Element: Comparable {
        // Heapsort.
        func sift(_ start: Int, _ end: Int) {
            var parent = start
            while 2 &* parent &+ 1 < end {
                var child = 2 &* parent &+ 1
                if child &+ 1 < end, self[child] < self[child &+ 1] { child &+= 1 }
                guard self[parent] < self[child] else { return }
                swapAt(parent, child)
                parent = child
            }
        }
        for start in stride(from: count / 2 - 1, through: 0, by: -1) { sift(start, count) }
        for end in stride(from: count - 1, to: 0, by: -1) {
            swapAt(0, end)
            sift(0, end)
        }
    }
}

/// Room for one value in the workspace. A stage knows the large ones of those before it by such: values within values would
/// grow with each stage, and a call has no more stack than the host's thread.
struct Slot<Value: BitwiseCopyable>: BitwiseCopyable {
    private let table: Table<Value>

    init(plan: inout Arena.Plan) { table = plan.table(Value.self, 1) }

    func keep(_ value: Value) { table.base.initialize(to: value) }

    /// The value that is kept.
    @inline(__always)
    var value: Value { table.base.pointee }
}

/// What a thread made last, by what it was made for: neighbouring tasks often want the same.
struct Memo: BitwiseCopyable {
    private let key: Table<Int>

    init(plan: inout Arena.Plan) { key = plan.table(Int.self, 1) }

    /// To be called before the first use: the memory may have been used for something else.
    func forget() { key[0] = -1 }

    /// Calls `make` unless the last call was for the same, with a number from 0 on.
    @inline(__always)
    func callAsFunction(_ wanted: Int, _ make: () -> Void) {
        guard key[0] != wanted else { return }
        make()
        key[0] = wanted
    }
}
