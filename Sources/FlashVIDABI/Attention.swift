public import CFlashVID
import FlashVID
import FlashVIDHost

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

/// What a struct asks of the engine.
private struct EncoderCall {
    let queries: HeadView
    let keys: HeadView
    let shape: AttentionShape
    let reading: AttentionReading

    init(_ given: flashvid_encoder_attention) throws(Failure) {
        try checkReserved(given.reserved, of: flashvid_encoder_attention.name)
        guard given.single_query == 0 || given.single_query == 1 else {
            throw Failure(FLASHVID_INVALID_ARGUMENT, "single_query is \(given.single_query); expected 0 or 1")
        }
        queries = try HeadView(
            "queries", given.queries, given.query_type, frame: given.query_frame_stride,
            head: given.query_head_stride, token: given.query_token_stride)
        keys = try HeadView(
            "keys", given.keys, given.key_type, frame: given.key_frame_stride, head: given.key_head_stride,
            token: given.key_token_stride)
        shape = AttentionShape(
            frames: Int(given.frames), heads: Int(given.heads), tokens: Int(given.tokens), width: Int(given.width))
        reading = AttentionReading(
            scale: given.scale == 0 ? nil : given.scale, skippedTokens: Int(given.skipped_tokens),
            query: given.single_query == 1 ? Int(given.query) : nil)
    }
}

private struct DecoderCall {
    let query: HeadView
    let keys: HeadView
    let shape: GroupedAttentionShape
    let scale: Double?

    init(_ given: flashvid_decoder_attention) throws(Failure) {
        try checkReserved(given.reserved, of: flashvid_decoder_attention.name)
        // The heads of the one query stand where tokens do elsewhere.
        query = try HeadView(
            "queries", given.query, given.query_type, frame: 0, head: 0, token: given.query_head_stride)
        keys = try HeadView(
            "keys", given.keys, given.key_type, frame: 0, head: given.key_head_stride, token: given.key_token_stride)
        shape = GroupedAttentionShape(
            heads: Int(given.heads), keyHeads: Int(given.key_heads), keys: Int(given.key_count),
            width: Int(given.width))
        scale = given.scale == 0 ? nil : given.scale
    }
}

@c @implementation
public func flashvid_scorer_create(
    _ threads: Int32, _ scorer: UnsafeMutablePointer<OpaquePointer?>!, _ message: UnsafeMutablePointer<CChar>!,
    _ message_capacity: Int
) -> flashvid_status {
    report(message, message_capacity) { lent throws(Failure) in
        let scorer = try result(scorer, "scorer", noting: &lent)
        let threads = try threadCount(threads)
        let engine = try translating { () throws(FlashVIDError) in try AttentionScorer(threads: threads) }
        let (pool, watch) = (engine.pool, engine.watch)
        scorer.pointee = ScorerHandle.give(ScorerHandle(engine, pool: pool, watch: watch))
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
        let call = try EncoderCall(given)
        try translating { () throws(FlashVIDError) in
            try engine.scores(
                queries: call.queries, keys: call.keys, shape: call.shape, reading: call.reading, into: scores,
                capacity: Int(capacity), besides: lent)
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
        let call = try DecoderCall(given)
        _ = try IndexType(given.index_type)
        var places: IndexList?
        if given.places != nil || given.place_count != 0 {
            places = try IndexList(
                "places", given.places, count: given.place_count, as: given.index_type, noting: &lent)
        }
        try translating { () throws(FlashVIDError) in
            try engine.lastQueryScores(
                query: call.query, keys: call.keys, shape: call.shape, scale: call.scale, places: places,
                into: scores, capacity: Int(capacity), besides: lent)
        }
    }
}

// MARK: - Control

@c @implementation
public func flashvid_scorer_close(_ scorer: OpaquePointer!) -> flashvid_status {
    ScorerHandle.destroy(scorer, waiting: true)
}

@c @implementation
public func flashvid_scorer_cancel(_ scorer: OpaquePointer!) -> flashvid_status {
    ScorerHandle.cancel(scorer)
}

@c @implementation
public func flashvid_scorer_set_time_limit(_ scorer: OpaquePointer!, _ seconds: Double) -> flashvid_status {
    ScorerHandle.setTimeLimit(scorer, seconds)
}

@c @implementation
public func flashvid_scorer_set_progress(
    _ scorer: OpaquePointer!, _ progress: flashvid_progress!, _ context: UnsafeMutableRawPointer!
) -> flashvid_status {
    ScorerHandle.setProgress(scorer, progress, context)
}

@c @implementation
public func flashvid_scorer_workspace_bytes(
    _ scorer: OpaquePointer!, _ encoder: UnsafePointer<flashvid_encoder_attention>!,
    _ decoder: UnsafePointer<flashvid_decoder_attention>!, _ bytes: UnsafeMutablePointer<Int64>!,
    _ message: UnsafeMutablePointer<CChar>!, _ message_capacity: Int
) -> flashvid_status {
    give(bytes, "bytes", message, message_capacity) { lent throws(Failure) in
        let pool = try ScorerHandle.alive(scorer).pool
        guard encoder != nil || decoder != nil else { throw .null("encoder and decoder") }
        // Any address does, since nothing is read.
        let nowhere = UnsafeRawPointer(bitPattern: 64)
        var most = 0
        if encoder != nil {
            var given = try flashvid_encoder_attention(reading: encoder, noting: &lent)
            (given.queries, given.keys) = (nowhere, nowhere)
            let call = try EncoderCall(given)
            most = try translating { () throws(FlashVIDError) in
                try AttentionScorer.workspaceBytes(
                    queries: call.queries, keys: call.keys, shape: call.shape, reading: call.reading, pool)
            }
        }
        if decoder != nil {
            var given = try flashvid_decoder_attention(reading: decoder, noting: &lent)
            (given.query, given.keys) = (nowhere, nowhere)
            let call = try DecoderCall(given)
            most = try translating { () throws(FlashVIDError) in
                max(
                    most,
                    try AttentionScorer.workspaceBytes(query: call.query, keys: call.keys, shape: call.shape, pool))
            }
        }
        return Int64(most)
    }
}
