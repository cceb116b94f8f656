/// Hands out what the method made, once all of it is there: nothing fails on the way.
struct Delivery {
    /// Where it goes: memory that holds as much, aligned. What is nil is not wanted.
    struct Target: BitwiseCopyable {
        let tokens: UnsafeMutableRawPointer?
        let tokenType: ScalarType
        /// Numbers from a row to the next.
        let rowStride: Int
        /// Type of the integers below.
        let indexType: IndexType
        let indices: UnsafeMutableRawPointer?
        let kinds: UnsafeMutablePointer<UInt8>?
        let counts: UnsafeMutableRawPointer?
        let assignment: UnsafeMutableRawPointer?
        let parents: UnsafeMutableRawPointer?
        let segmentLengths: UnsafeMutableRawPointer?
    }

    private let input: Input
    private let method: Method
    private let space: Workspace
    private var clip: Clip { input.clip }
    private var rows: Rows { method.rows }

    init(_ method: Method, of input: Input, in space: Workspace) {
        self.input = input
        self.method = method
        self.space = space
    }

    /// Throws for the first number that would become infinite in a type. A mean or a maximum of numbers of a type lies within
    /// the type.
    func check(in type: ScalarType) throws(FlashVIDError) {
        guard !input.configuration.staysInRange || (type != .float32 && clip.type != type) else { return }
        for row in 0..<rows.count {
            let values = values(ofRow: row, space.delivering[0])
            guard !Rounding.fits(values, in: type, count: clip.channels) else { continue }
            for channel in 0..<clip.channels where !Rounding.fits(values + channel, in: type, count: 1) {
                throw .notRepresentable(row: row, channel: channel, type: type)
            }
        }
    }

    /// `firstToken` is added to every source token that is named.
    func write(to target: Target, firstToken: Int) {
        space.team.runToTheEnd(RowWriting(delivery: self, target: target), over: clip.frames)
        for row in 0..<rows.count { target.kinds?[row] = rows.kinds[row].rawValue }
        switch target.indexType {
        case .int32: writeIntegers(to: target, firstToken, as: Int32.self)
        case .int64: writeIntegers(to: target, firstToken, as: Int64.self)
        }
    }

    /// Sums up what the threads noted. The wall time is the caller's to add.
    func sumUp(into statistics: inout CompressedVideo.Statistics) { space.team.sumUp(into: &statistics) }

    /// A row in float32, in place or converted.
    private func values(ofRow row: Int, _ token: TokenPair) -> UnsafePointer<Float> {
        rows.kinds[row] == .contextual || rows.holdsSelected
            ? UnsafePointer(rows[row].base) : token.token(rows.indices[row], of: clip)
    }

    /// Rows of a frame a task.
    private struct RowWriting: Stage {
        // As writing the rows is the end of making them.
        static let charge = CompressedVideo.Stage.contextual
        let delivery: Delivery
        let target: Target

        func run(_ frame: Int, _ worker: Worker) {
            guard let tokens = target.tokens else { return }
            let (clip, rows, type) = (delivery.clip, delivery.rows, target.tokenType)
            for row in rows.ofFrame(frame) {
                let place = tokens + row &* target.rowStride &* type.size
                if clip.type == type, rows.kinds[row] == .selected {
                    clip.copyToken(rows.indices[row], bytesTo: place)
                } else {
                    Rounding.fromFloat32(
                        delivery.values(ofRow: row, delivery.space.delivering[worker.number]), to: type,
                        count: clip.channels, into: place)
                }
            }
        }
    }

    private func writeIntegers<Integer: FixedWidthInteger & BitwiseCopyable>(
        to target: Target, _ firstToken: Int, as type: Integer.Type
    ) {
        // Sound: the memory is aligned and holds as many integers of this type.
        func integers(_ memory: UnsafeMutableRawPointer?) -> UnsafeMutablePointer<Integer>? {
            memory?.assumingMemoryBound(to: type)
        }
        let tokens = clip.frames * clip.tokensPerFrame
        if let indices = integers(target.indices) {
            for row in 0..<rows.count { indices[row] = Integer(truncatingIfNeeded: rows.indices[row] &+ firstToken) }
        }
        if let lengths = integers(target.segmentLengths) {
            for segment in 0..<method.segments.count {
                lengths[segment] = Integer(truncatingIfNeeded: method.segments.frames(of: segment).count)
            }
        }
        if let parents = integers(target.parents) {
            for token in 0..<tokens {
                let parent = Int(method.forest.parents[token])
                parents[token] = Integer(truncatingIfNeeded: parent < 0 ? parent : parent &+ firstToken)
            }
        }
        let rowOfToken = method.assignment.rowOfToken
        if let assignment = integers(target.assignment) {
            for token in 0..<tokens { assignment[token] = Integer(truncatingIfNeeded: rowOfToken[token]) }
        }
        if let counts = integers(target.counts) {
            for row in 0..<rows.count { counts[row] = 0 }
            for token in 0..<tokens where rowOfToken[token] >= 0 { counts[Int(rowOfToken[token])] += 1 }
        }
    }
}

// MARK: - Into a result

extension Delivery {
    /// Writes a result, in its storage where it fits.
    func write(to video: inout CompressedVideo, firstFrame: Int) {
        let tokens = clip.frames * clip.tokensPerFrame
        let isComplete = input.configuration.assignsTokens
        video.shape = clip.shape
        video.firstFrame = firstFrame
        resize(&video.tokens, to: rows.count * clip.channels, filling: 0)
        resize(&video.indices, to: rows.count, filling: 0)
        resize(&video.kinds, to: rows.count, filling: .selected)
        resize(&video.segmentLengths, to: method.segments.count, filling: 0)
        resize(&video.transitions, to: clip.frames - 1, filling: 0)
        resize(&video.parents, to: tokens, filling: -1)
        resize(&video.assignment, to: isComplete ? tokens : 0, filling: -1)
        resize(&video.counts, to: isComplete ? rows.count : 0, filling: 0)
        for row in 0..<rows.count { video.kinds[row] = rows.kinds[row] }
        for frame in 0..<(clip.frames - 1) { video.transitions[frame] = method.transitions[frame] }
        // Sound: the arrays hold as many elements as were just asked for, and are not touched otherwise meanwhile.
        withMemory(&video.tokens) { tokens in
            withMemory(&video.indices) { indices in
                withMemory(&video.segmentLengths) { lengths in
                    withMemory(&video.parents) { parents in
                        withMemory(&video.assignment) { assignment in
                            withMemory(&video.counts) { counts in
                                let target = Target(
                                    tokens: tokens, tokenType: .float32, rowStride: clip.channels, indexType: .int64,
                                    indices: indices, kinds: nil, counts: counts, assignment: assignment,
                                    parents: parents, segmentLengths: lengths)
                                write(to: target, firstToken: firstFrame * clip.tokensPerFrame)
                            }
                        }
                    }
                }
            }
        }
    }

    /// Calls `body` with an array's memory; nil where it is empty.
    private func withMemory<Element>(_ array: inout [Element], _ body: (UnsafeMutableRawPointer?) -> Void) {
        array.withUnsafeMutableBytes { bytes in body(bytes.isEmpty ? nil : bytes.baseAddress) }
    }

    private func resize<Element>(_ array: inout [Element], to count: Int, filling value: Element) {
        guard array.count != count else { return }
        array.removeAll(keepingCapacity: array.capacity >= count)
        array.reserveCapacity(count)
        array.append(contentsOf: repeatElement(value, count: count))
    }
}
