public import CFlashVID
import FlashVID

private typealias ScorerHandle = Handle<AttentionScorer>

extension flashvid_encoder_attention: Versioned {
    static let name: StaticString = "flashvid_encoder_attention"
    /// Through `width`.
    static let leastSize = 64
    static var defaults: Self { Self() }
}

extension flashvid_decoder_attention: Versioned {
    static let name: StaticString = "flashvid_decoder_attention"
    /// Through `width`.
    static let leastSize = 64
    static var defaults: Self { Self() }
}

extension HeadView {
    /// Strides of 0 are the compact layout's.
    fileprivate init(
        _ name: StaticString, _ base: UnsafeRawPointer?, _ type: flashvid_scalar, frame: Int64, head: Int64,
        token: Int64
    ) throws(Failure) {
        guard let base else { throw .null(name) }
        self.init(
            base, of: try ScalarType(type, of: name),
            .strided(frame: stride(frame), head: stride(head), token: stride(token)))
    }
}

private func checkReserved(_ value: Int32, of name: StaticString) throws(Failure) {
    guard value == 0 else { throw Failure(FLASHVID_UNSUPPORTED, "the reserved field of a \(name) is \(value)") }
}

@c @implementation
public func flashvid_scorer_create(
    _ threads: Int32, _ scorer: UnsafeMutablePointer<OpaquePointer?>!, _ message: UnsafeMutablePointer<CChar>!,
    _ message_capacity: Int
) -> flashvid_status {
    report(message, message_capacity) { lent throws(Failure) in
        let scorer = try place(scorer, "scorer", noting: &lent)
        let threads = try threadCount(threads)
        let engine: AttentionScorer
        do throws(FlashVIDError) {
            engine = try AttentionScorer(threads: threads)
        } catch {
            throw Failure(error)
        }
        let count = engine.threads
        scorer.pointee = ScorerHandle.give(ScorerHandle(engine, threads: count))
    }
}

@c @implementation
public func flashvid_scorer_destroy(_ scorer: OpaquePointer!) -> flashvid_status {
    ScorerHandle.destroy(scorer)
}

@c @implementation
public func flashvid_scorer_threads(_ scorer: OpaquePointer!) -> Int32 {
    Int32((try? ScorerHandle.at(scorer))?.threads ?? 0)
}

@c @implementation
public func flashvid_scorer_error(
    _ scorer: OpaquePointer!, _ message: UnsafeMutablePointer<CChar>!, _ message_capacity: Int
) -> Int {
    ScorerHandle.error(scorer, message, message_capacity)
}

@c @implementation
public func flashvid_scorer_scores(
    _ scorer: OpaquePointer!, _ attention: UnsafePointer<flashvid_encoder_attention>!,
    _ scores: UnsafeMutablePointer<Float>!, _ capacity: Int64
) -> flashvid_status {
    ScorerHandle.call(scorer) { engine, _ throws(Failure) in
        var lent = LentPieces()
        let given = try flashvid_encoder_attention(reading: attention, noting: &lent)
        guard let scores else { throw .null("scores") }
        try checkReserved(given.reserved, of: flashvid_encoder_attention.name)
        guard given.single_query == 0 || given.single_query == 1 else {
            throw Failure(FLASHVID_INVALID_ARGUMENT, "single_query is \(given.single_query); expected 0 or 1")
        }
        let queries = try HeadView(
            "queries", given.queries, given.query_type, frame: given.query_frame_stride,
            head: given.query_head_stride, token: given.query_token_stride)
        let keys = try HeadView(
            "keys", given.keys, given.key_type, frame: given.key_frame_stride, head: given.key_head_stride,
            token: given.key_token_stride)
        let shape = AttentionShape(
            frames: Int(given.frames), heads: Int(given.heads), tokens: Int(given.tokens), width: Int(given.width))
        let reading = AttentionReading(
            scale: given.scale == 0 ? nil : given.scale, skippedTokens: Int(given.skipped_tokens),
            query: given.single_query == 1 ? Int(given.query) : nil)
        do throws(FlashVIDError) {
            try engine.scores(
                queries: queries, keys: keys, shape: shape, reading: reading, into: scores, capacity: Int(capacity),
                besides: lent)
        } catch {
            throw Failure(error)
        }
    }
}

@c @implementation
public func flashvid_scorer_last_query(
    _ scorer: OpaquePointer!, _ attention: UnsafePointer<flashvid_decoder_attention>!,
    _ scores: UnsafeMutablePointer<Float>!, _ capacity: Int64
) -> flashvid_status {
    ScorerHandle.call(scorer) { engine, _ throws(Failure) in
        var lent = LentPieces()
        let given = try flashvid_decoder_attention(reading: attention, noting: &lent)
        try checkReserved(given.reserved, of: flashvid_decoder_attention.name)
        // The heads of the one query stand where tokens do elsewhere.
        let query = try HeadView(
            "queries", given.query, given.query_type, frame: 0, head: 0, token: given.query_head_stride)
        let keys = try HeadView(
            "keys", given.keys, given.key_type, frame: 0, head: given.key_head_stride, token: given.key_stride)
        _ = try IndexType(given.index_type)
        var places: IndexList?
        if given.places != nil || given.place_count != 0 {
            places = try IndexList(
                "places", given.places, count: given.place_count, as: given.index_type, noting: &lent)
        }
        let shape = GroupedAttentionShape(
            heads: Int(given.heads), keyHeads: Int(given.key_heads), keys: Int(given.key_count),
            width: Int(given.width))
        do throws(FlashVIDError) {
            try engine.lastQueryScores(
                query: query, keys: keys, shape: shape, scale: given.scale == 0 ? nil : given.scale, places: places,
                into: scores, capacity: Int(capacity), besides: lent)
        } catch {
            throw Failure(error)
        }
    }
}
