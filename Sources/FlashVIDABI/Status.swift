import CFlashVID
internal import CFlashVIDProcess
import FlashVID

/// What a C function returns besides its results: a status, and the text that goes with it.
struct Failure: Error {
    let status: flashvid_status
    let text: String
    /// Where the caller's room for the text, or for the statuses of a batch, is other memory of the call as well, nothing is
    /// written there.
    var isMute = false

    init(_ status: Int, _ text: String) {
        self.status = flashvid_status(status)
        self.text = text
    }

    init(_ error: FlashVIDError) {
        let status =
            switch error {
            case .invalidConfiguration: FLASHVID_INVALID_CONFIGURATION
            case .invalidThreadCount, .frameOutOfRange, .notGiven: FLASHVID_INVALID_ARGUMENT
            case .outOfRange: FLASHVID_OUT_OF_RANGE
            case .notAscending, .notAPermutation: FLASHVID_INVALID_ORDER
            case .impossiblePlan: FLASHVID_IMPOSSIBLE
            case .empty, .otherFrames, .headsNotDivisible, .gridMismatch, .countMismatch, .promptMismatch:
                FLASHVID_INVALID_SHAPE
            case .sizeOverflow: FLASHVID_SIZE_OVERFLOW
            case .invalidStride, .invalidLayout: FLASHVID_INVALID_STRIDE
            case .misaligned: FLASHVID_MISALIGNED
            case .overlap: FLASHVID_OVERLAP
            case .bufferTooSmall, .elementCount: FLASHVID_BUFFER_TOO_SMALL
            case .notFinite: FLASHVID_NOT_FINITE
            case .negativeAttention: FLASHVID_NEGATIVE_ATTENTION
            case .notRepresentable: FLASHVID_NOT_REPRESENTABLE
            case .missingBuffer: FLASHVID_NULL_POINTER
            case .outOfMemory: FLASHVID_OUT_OF_MEMORY
            case .segmentPending: FLASHVID_SEGMENT_PENDING
            case .streamFinished: FLASHVID_FINISHED
            case .cancelled: FLASHVID_CANCELLED
            }
        self.init(status, error.description)
        if case .overlap(let first, let second) = error {
            let rooms = ["\(Message.name)", "\(Message.statuses)"]
            isMute = rooms.contains(first) || rooms.contains(second)
        }
    }

    /// A handle of the process that forked this one.
    static var inherited: Failure {
        Failure(FLASHVID_FORKED, "the handle belongs to the process that forked this one")
    }

    static func null(_ name: StaticString) -> Failure {
        Failure(FLASHVID_NULL_POINTER, "\(name) is NULL")
    }
}

extension flashvid_status {
    init(_ status: some BinaryInteger) {
        self.init(truncatingIfNeeded: status)
    }
}

/// Room of the caller's for an error text.
struct Message {
    static let name: StaticString = "message"
    /// The statuses of a batch.
    static let statuses: StaticString = "statuses"
    /// Bytes that are looked at and written at the most. A caller may name any capacity.
    private static let most = 1024

    let buffer: UnsafeMutablePointer<CChar>?
    let capacity: Int

    init(buffer: UnsafeMutablePointer<CChar>?, capacity: Int) {
        self.buffer = buffer
        // What C has above 2^63 is negative here.
        self.capacity = (0...Self.most).contains(capacity) ? capacity : Self.most
    }

    func extent() throws(FlashVIDError) -> Extent {
        // No further than the end of memory.
        let room = min(UInt(capacity), UInt.max - UInt(bitPattern: buffer))
        return try Extent(Self.name, buffer, bytes: Int(room), alignment: 1)
    }

    /// Writes as much of the text as fits, cut between characters, and a terminating zero. Returns the length of all of it.
    @discardableResult
    func write(_ text: String) -> Int {
        var text = text
        return text.withUTF8 { bytes in
            guard let buffer, capacity != 0 else { return bytes.count }
            var count = Swift.min(bytes.count, capacity - 1)
            // Not in the middle of a character: a continuation byte must not be the first that is cut.
            while count > 0, count < bytes.count, bytes[count] & 0xC0 == 0x80 { count -= 1 }
            for index in 0..<count { buffer[index] = CChar(bitPattern: bytes[index]) }
            buffer[count] = 0
            return bytes.count
        }
    }
}

/// Runs a call: whatever state the thread is in, the results are the same, and it is left in that state.
@inline(never)
func asGuest(_ call: () -> flashvid_status) -> flashvid_status {
    flashvid_process_prepare(rehearse)
    var guest = flashvid_guest()
    flashvid_guest_enter(&guest)
    defer { flashvid_guest_leave(&guest) }
    return call()
}

/// Runs a function without a handle: its failure becomes a status and a text. `lent` is what the caller lends to it, to begin
/// with the room for the text.
func report(
    _ message: UnsafeMutablePointer<CChar>?, _ capacity: Int,
    _ body: (_ lent: inout LentPieces) throws(Failure) -> Void
) -> flashvid_status {
    asGuest {
        let message = Message(buffer: message, capacity: capacity)
        do throws(Failure) {
            var lent = LentPieces()
            try lent.note(message.extent)
            try body(&lent)
            message.write("")
            return flashvid_status(FLASHVID_OK)
        } catch {
            if !error.isMute { message.write(error.text) }
            return error.status
        }
    }
}

/// The engine's error as a status.
@inline(__always)
func translating<Result: ~Copyable>(_ body: () throws(FlashVIDError) -> Result) throws(Failure) -> Result {
    do throws(FlashVIDError) { return try body() } catch { throw Failure(error) }
}

extension LentPieces {
    /// Adds a piece.
    mutating func note(_ piece: () throws(FlashVIDError) -> Extent) throws(Failure) {
        try translating { () throws(FlashVIDError) in try add(try piece()) }
    }
}
