import FlashVIDLibC

/// The frames of a stream that are not handed out yet, side by side, with their attention.
///
/// It grows by doubling up to `limit` frames, so that short segments with a high maximum take little.
struct FrameStore: ~Copyable {
    // The pointers are owned by this value alone and freed with it.
    private var features: UnsafeMutableRawPointer?
    private var attention: UnsafeMutableRawPointer?
    private var capacity = 0
    private(set) var count = 0

    private let type: ScalarType
    private let tokensPerFrame: Int
    private let channels: Int
    private let limit: Int

    init(type: ScalarType, tokensPerFrame: Int, channels: Int, limit: Int) {
        self.type = type
        self.tokensPerFrame = tokensPerFrame
        self.channels = channels
        self.limit = limit
    }

    deinit {
        free(features)
        free(attention)
    }

    private var rowBytes: Int { channels * type.size }
    private var frameBytes: Int { tokensPerFrame * rowBytes }
    private var attentionBytes: Int { tokensPerFrame * MemoryLayout<Float>.size }

    /// Bytes of all frames that it may hold.
    func largestBytes() throws(FlashVIDError) -> Int {
        let (bytes, overflow) = limit.multipliedReportingOverflow(by: frameBytes + attentionBytes)
        guard !overflow else { throw .sizeOverflow("\(limit) frames of a stream") }
        return bytes
    }

    /// Makes room for one frame more. On an error nothing has changed.
    mutating func reserve() throws(FlashVIDError) {
        guard count == capacity else { return }
        let wanted = min(limit, max(4, capacity * 2))
        let bytes = wanted.multipliedReportingOverflow(by: frameBytes)
        guard !bytes.overflow else { throw .sizeOverflow("\(wanted) frames of a stream") }
        guard let larger = malloc(bytes.partialValue) else { throw .outOfMemory(bytes: bytes.partialValue) }
        guard let largerAttention = malloc(wanted * attentionBytes) else {
            free(larger)
            throw .outOfMemory(bytes: wanted * attentionBytes)
        }
        if let features, let attention {
            larger.copyMemory(from: features, byteCount: count * frameBytes)
            largerAttention.copyMemory(from: attention, byteCount: count * attentionBytes)
        }
        free(features)
        free(attention)
        (features, attention, capacity) = (larger, largerAttention, wanted)
    }

    /// Appends a frame of the clip. There is room: see ``reserve()``.
    mutating func append(_ clip: Clip, frame: Int) {
        guard let features, let attention, count < capacity else { return }
        let target = features + count * frameBytes
        for token in 0..<tokensPerFrame {
            (target + token * rowBytes).copyMemory(
                from: clip.features.address(frame: frame, token: token), byteCount: rowBytes)
        }
        if let lent = clip.lentAttention {
            let target = (attention + count * attentionBytes).assumingMemoryBound(to: Float.self)
            for token in 0..<tokensPerFrame { target[token] = lent.value(frame: frame, token: token) }
        }
        count += 1
    }

    /// Removes the first frames; the rest, one at the most in a stream, move to the front.
    mutating func removeFirst(_ frames: Int) {
        if let features, let attention, frames < count {
            memmove(features, features + frames * frameBytes, (count - frames) * frameBytes)
            memmove(attention, attention + frames * attentionBytes, (count - frames) * attentionBytes)
        }
        count -= frames
    }

    /// The first frames as a clip. Valid until the store changes.
    func view(frames: Int, hasAttention: Bool) -> ClipView {
        var view = ClipView(
            features: features, of: type,
            shape: ClipShape(frames: frames, tokensPerFrame: tokensPerFrame, channels: channels))
        if hasAttention { view.attention = UnsafeRawPointer(attention) }
        return view
    }
}
