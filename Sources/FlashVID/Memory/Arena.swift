import FlashVIDLibC

/// The workspace's memory: one block, grown only for a larger clip, handed out anew for every clip.
@usableFromInline
package struct Arena: ~Copyable {
    // The pointer is owned by this value alone and freed with it.
    @usableFromInline private(set) var base: UnsafeMutableRawPointer?
    private(set) var capacity = 0

    package init() {}

    deinit { free(base) }

    // Inlinable, so that what another module lays out makes no metadata when it runs.

    /// Bytes that `lay` lays out.
    @inlinable
    package static func bytes<Layout>(_ lay: (inout Plan) -> Layout) throws(FlashVIDError) -> Int {
        var plan = Plan(base: nil)
        _ = lay(&plan)
        guard !plan.overflows else { throw .sizeOverflow("the workspace of this clip") }
        return plan.offset
    }

    /// Memory laid out by `lay`, which is called twice: once to measure and once to hand out.
    @inlinable
    package mutating func layOut<Layout>(_ lay: (inout Plan) -> Layout) throws(FlashVIDError) -> Layout {
        try hold(try Self.bytes(lay))
        var handOut = Plan(base: base)
        return lay(&handOut)
    }

    /// Grows the block where it has fewer bytes.
    @usableFromInline
    mutating func hold(_ bytes: Int) throws(FlashVIDError) {
        guard bytes > capacity else { return }
        free(base)
        base = nil
        capacity = 0
        var block: UnsafeMutableRawPointer?
        guard posix_memalign(&block, Plan.alignment, bytes) == 0, let block else {
            throw .outOfMemory(bytes: bytes)
        }
        base = block
        capacity = bytes
    }

    /// Offsets into the block. Without a block it only measures, and its pointers must not be followed.
    @usableFromInline
    package struct Plan {
        static let alignment = 64

        fileprivate let base: UnsafeMutableRawPointer?
        @usableFromInline private(set) var offset = 0
        @usableFromInline private(set) var overflows = false

        @usableFromInline
        init(base: UnsafeMutableRawPointer?) {
            self.base = base
        }

        /// Whether the pointers may be followed.
        package var handsOut: Bool { base != nil }

        /// Room for `rows * columns` elements, aligned to a cache line, not initialised.
        package mutating func take<Element: BitwiseCopyable>(
            _ type: Element.Type, _ rows: Int, _ columns: Int = 1
        ) -> UnsafeMutablePointer<Element> {
            let count = rows.multipliedReportingOverflow(by: columns)
            let size = count.partialValue.multipliedReportingOverflow(by: MemoryLayout<Element>.stride)
            let bytes = size.partialValue
            overflows = overflows || count.overflow || size.overflow
            let start = offset
            let end = start.addingReportingOverflow(bytes)
            let padded = end.partialValue.addingReportingOverflow(Self.alignment - 1)
            overflows = overflows || end.overflow || padded.overflow || bytes < 0
            offset = overflows ? 0 : padded.partialValue & ~(Self.alignment - 1)
            let address = base.map { $0 + start } ?? UnsafeMutableRawPointer(bitPattern: Self.alignment)!
            return address.assumingMemoryBound(to: type)
        }

        /// The same as a table.
        mutating func table<Element: BitwiseCopyable>(
            _ type: Element.Type, _ rows: Int, _ columns: Int = 1
        ) -> Table<Element> {
            let base = take(type, rows, columns)
            return Table(base: base, count: overflows ? 0 : rows &* columns)
        }

        /// Lays out what each thread needs of its own.
        mutating func layOut<Value: BitwiseCopyable>(
            perThread values: Table<Value>, _ lay: (inout Plan) -> Value
        ) {
            for thread in 0..<values.count {
                let value = lay(&self)
                if handsOut { values[thread] = value }
            }
        }

        /// The same with a table of its own.
        mutating func perThread<Value: BitwiseCopyable>(
            _ threads: Int, _ lay: (inout Plan) -> Value
        ) -> Table<Value> {
            let values = table(Value.self, threads)
            layOut(perThread: values, lay)
            return values
        }

        /// Lays out two things that are not needed at the same time, in the same place. What the second lays
        /// out is worth nothing before the first's time is over, and the other way round: so each is initialised by its stage.
        mutating func overlay<First, Second>(
            _ first: (inout Plan) -> First, _ second: (inout Plan) -> Second
        ) -> (First, Second) {
            let start = offset
            let first = first(&self)
            let end = offset
            offset = overflows ? 0 : start
            let second = second(&self)
            offset = overflows ? 0 : max(end, offset)
            return (first, second)
        }
    }
}
