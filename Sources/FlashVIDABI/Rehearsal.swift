import CFlashVID

// What the Swift runtime makes when it first meets it (types of generic classes and arrays, conformances, globals) it makes
// under locks of its own. A child that was forked meanwhile waits for them for ever, and so may any child, since its thread
// has another number than the one that the runtime remembers. So the first call makes all of it, alone, by calling what
// needs it with next to nothing to do and nothing to multiply. `scripts/test-c` watches that no later call makes more.

/// Runs before the first call of the process.
let rehearse: @convention(c) () -> Void = {
    _ = versionString
    rehearseHandles()
    rehearsePatches()
    rehearsePrompt()
    rehearsePlans()
}

private func zeroed<Struct: Versioned>(_ type: Struct.Type) -> Struct {
    var value = Struct.defaults
    value.struct_size = MemoryLayout<Struct>.size
    return value
}

private func rehearseHandles() {
    var configuration = zeroed(flashvid_configuration.self)
    configuration.maximum_segment_frames = 1
    var clip = zeroed(flashvid_clip.self)
    var output = zeroed(flashvid_output.self)
    var statistics = zeroed(flashvid_statistics.self)

    var compressor: OpaquePointer?
    _ = flashvid_compressor_create(&configuration, 1, &compressor, nil, 0)
    // Refused, as nothing is there to compress; the texts are what counts.
    _ = flashvid_compressor_compress(compressor, &clip, &output)
    withUnsafePointer(to: &clip) { clip in
        withUnsafeMutablePointer(to: &output) { output in
            let clips: InlineArray<2, UnsafePointer<flashvid_clip>?> = [clip, clip]
            let outputs: InlineArray<2, UnsafeMutablePointer<flashvid_output>?> = [output, nil]
            clips.span.withUnsafeBufferPointer { clips in
                outputs.span.withUnsafeBufferPointer { outputs in
                    _ = flashvid_compressor_compress_batch(
                        compressor, clips.baseAddress, outputs.baseAddress, 2, nil)
                }
            }
        }
    }
    _ = flashvid_compressor_statistics(compressor, &statistics)
    var number: Int64 = 0
    _ = flashvid_compressor_configuration(compressor, &configuration, MemoryLayout<flashvid_configuration>.size)
    _ = flashvid_compressor_output_token_count(compressor, 1, 1, &number, nil, 0)
    _ = flashvid_compressor_workspace_bytes(compressor, 1, 1, 1, 0, &number, nil, 0)
    _ = flashvid_compressor_set_time_limit(compressor, -1)
    _ = flashvid_compressor_set_progress(compressor, { _, _ in 0 }, nil)
    _ = flashvid_compressor_cancel(compressor)
    _ = flashvid_compressor_close(compressor)

    var stream: OpaquePointer?
    _ = flashvid_stream_create(&configuration, 1, 1, 0, 1, &stream, nil, 0)
    _ = flashvid_stream_next(stream, &output)
    _ = flashvid_stream_statistics(stream, &statistics)
    _ = flashvid_stream_configuration(stream, &configuration, MemoryLayout<flashvid_configuration>.size)
    _ = flashvid_stream_output_token_count(stream, 1, &number, nil, 0)
    _ = flashvid_stream_workspace_bytes(stream, &number, nil, 0)
    _ = flashvid_stream_set_time_limit(stream, 0)
    _ = flashvid_stream_set_progress(stream, nil, nil)
    _ = flashvid_stream_cancel(stream)
    _ = flashvid_stream_close(stream)

    var scorer: OpaquePointer?
    var attention = zeroed(flashvid_encoder_attention.self)
    _ = flashvid_scorer_create(1, &scorer, nil, 0)
    _ = flashvid_scorer_scores(scorer, &attention, nil, 0)
    _ = flashvid_scorer_workspace_bytes(scorer, &attention, nil, &number, nil, 0)
    _ = flashvid_scorer_set_time_limit(scorer, 0)
    _ = flashvid_scorer_set_progress(scorer, nil, nil)
    _ = flashvid_scorer_cancel(scorer)
    _ = flashvid_scorer_close(scorer)

    configuration.retention_ratio = -1
    _ = flashvid_configuration_validate(&configuration, nil, 0)
    // Long texts are of another kind than short ones.
    _ = Message(buffer: nil, capacity: 0).write(String(repeating: "text ", count: 100))
}

/// Four tokens are more than any list here holds.
private typealias Integers = InlineArray<4, Int64>
private typealias Numbers = InlineArray<4, Float>

private func rehearsePatches() {
    var grid = flashvid_patch_grid()
    var order = Integers(repeating: 0)
    var places = Integers(repeating: 0)
    let attention = Numbers(repeating: 0)
    var scores = Numbers(repeating: 0)
    var count: Int64 = 0
    _ = flashvid_patch_grid_preset(
        &grid, MemoryLayout<flashvid_patch_grid>.size, flashvid_model(FLASHVID_QWEN25_VL), 2, 2)
    _ = flashvid_patch_grid_reading_order(&grid, &order, 0, 4, &count, nil, 0)
    _ = flashvid_patch_grid_encoder_order(&grid, &order, 0, 4, &count, nil, 0)
    withUnsafePointer(to: attention) { attention in
        withUnsafeMutablePointer(to: &scores) { room in
            let base = UnsafeRawPointer(attention)
            let scores = UnsafeMutableRawPointer(room).assumingMemoryBound(to: Float.self)
            _ = flashvid_patch_grid_attention(&grid, base, 0, 1, scores, 4, nil, 0)
            _ = flashvid_group_attention(base, 0, 1, 4, 4, &places, 0, 1, scores, 4, nil, 0)
            _ = flashvid_group_attention(base, 0, 1, 4, 4, nil, 0, 0, scores, 4, nil, 0)
        }
    }
    _ = flashvid_prune(nil, 0, 1, 0, 0.5, nil, 0, 0, nil, nil, 0)
}

private func rehearsePrompt() {
    var prompt = zeroed(flashvid_prompt.self)
    (prompt.length, prompt.frames, prompt.tokens_per_frame) = (2, 1, 1)
    var kept = zeroed(flashvid_kept_prompt.self)
    kept.capacity = 2
    var index: Int64 = 0
    var count: Int64 = 0
    var rows = Integers(repeating: 0)
    var positions = Integers(repeating: 0)
    var renumbered = Integers(repeating: 0)
    var visual = Integers(repeating: 0)
    var starts = Integers(repeating: 0)
    var tokens: InlineArray<2, Int32> = [0, 1]
    func keep() {
        _ = withUnsafeMutablePointer(to: &rows) { rows in
            withUnsafeMutablePointer(to: &positions) { positions in
                withUnsafeMutablePointer(to: &renumbered) { renumbered in
                    withUnsafeMutablePointer(to: &visual) { visual in
                        kept.rows = UnsafeMutableRawPointer(rows)
                        kept.positions = UnsafeMutableRawPointer(positions)
                        kept.renumbered = UnsafeMutableRawPointer(renumbered)
                        kept.visual_places = UnsafeMutableRawPointer(visual)
                        return flashvid_prompt_keep(&prompt, &index, 0, 1, &kept, nil, 0)
                    }
                }
            }
        }
    }
    keep()
    _ = flashvid_prompt_prune(&rows, 2, &index, 1, 0, &positions, 4, &count, nil, 0)
    withUnsafePointer(to: &starts) { starts in
        prompt.frame_starts = UnsafeRawPointer(starts).assumingMemoryBound(to: Int64.self)
        keep()
        prompt.frame_starts = nil
    }
    withUnsafePointer(to: &tokens) { tokens in
        prompt.tokens = UnsafeRawPointer(tokens).assumingMemoryBound(to: Int32.self)
        keep()
    }
    for newlines in FLASHVID_NEWLINES_NONE...FLASHVID_NEWLINES_AFTER_FRAME {
        _ = flashvid_video_rows(&index, 0, 1, 1, 1, flashvid_newlines(newlines), &rows, 4, &count, nil, 0)
    }
    let text: Int64 = 0
    _ = withUnsafeBytes(of: text) { text in
        flashvid_prompt_embeddings(
            &index, nil, 0, 1, text.baseAddress, 1, text.baseAddress, 1, 8, &rows, 4, nil, 0)
    }
    _ = flashvid_gather(&rows, 1, 1, 8, &index, 0, 1, &positions, 4, nil, 0)
    _ = flashvid_gather_strided(&rows, 1, 1, 8, 0, 0, &index, 0, 1, &positions, 32, 0, 0, nil, 0)
    _ = flashvid_gather_pairs(&rows, 1, 1, 8, &index, 0, 1, &positions, 4, nil, 0)
}

private func rehearsePlans() {
    var host = flashvid_host_model()
    var row = zeroed(flashvid_plan_row.self)
    var number = 0.0
    var count: Int64 = 0
    var context = zeroed(flashvid_context_budget.self)
    (context.positions, context.tokens_per_frame) = (1000, 4)
    var configuration = zeroed(flashvid_configuration.self)
    _ = flashvid_host_model_preset(
        &host, MemoryLayout<flashvid_host_model>.size, flashvid_model(FLASHVID_LLAVA_ONEVISION))
    _ = flashvid_plan_video(&host, 0.5, 1, &row, nil, 0)
    _ = flashvid_plan_prefill(&host, 1, 1, &number, nil, 0)
    _ = flashvid_plan_break_even(&host, 0.5, 1, 1, 1, &count, nil, 0)
    _ = flashvid_plan_expansion(4, 2, 0.5, 1, &number, nil, 0)
    _ = flashvid_plan_average(4, 2, 0.5, 1, &number, nil, 0)
    _ = flashvid_plan_frames(&context, &configuration, &count, nil, 0)
    _ = flashvid_plan_retention(&context, &configuration, 4, &number, nil, 0)
}
