// The C contract is two headers; this file makes them a module that SwiftPM builds, and says how their structs are laid out,
// which C knows best.
#include "flashvid_host.h"

#include <string.h>

typedef struct {
    const char *name;
    size_t offset, size;
} field;

#define STRUCT(structure) {#structure, 0, sizeof(structure)}
#define FIELD(structure, name) {#name, offsetof(structure, name), sizeof(((structure *)0)->name)}

// Each struct, and then its fields in order. (`Tests/CInterface/layouts.c` compares them with the headers.)
static const field fields[] = {
    STRUCT(flashvid_configuration),
#define F(name) FIELD(flashvid_configuration, name)
    F(struct_size), F(retention_ratio), F(expansion), F(alpha), F(selection), F(segmentation), F(segment_threshold),
    F(minimum_segments), F(maximum_segment_frames), F(temporal_threshold), F(complementary_segments), F(aggregation),
    F(semantics), F(carry), F(refinement_rounds), F(placement), F(reserved),
    F(target_rows),
#undef F
    STRUCT(flashvid_clip),
#define F(name) FIELD(flashvid_clip, name)
    F(struct_size), F(features), F(frames), F(tokens_per_frame), F(channels), F(type), F(attention_type), F(frame_stride),
    F(token_stride), F(attention), F(attention_frame_stride), F(attention_token_stride),
#undef F
    STRUCT(flashvid_output),
#define F(name) FIELD(flashvid_output, name)
    F(struct_size), F(tokens), F(token_type), F(index_type), F(row_stride), F(row_capacity), F(indices), F(row_count),
    F(segment_count), F(assignment), F(counts), F(kinds), F(segment_lengths), F(parents), F(first_frame), F(first_row),
#undef F
    STRUCT(flashvid_statistics),
#define F(name) FIELD(flashvid_statistics, name)
    F(struct_size), F(seconds), F(segmentation_seconds), F(selection_seconds), F(trees_seconds), F(contextual_seconds),
    F(refinement_seconds), F(close_calls), F(threads),
#undef F
    STRUCT(flashvid_encoder_attention),
#define F(name) FIELD(flashvid_encoder_attention, name)
    F(struct_size), F(queries), F(keys), F(query_type), F(key_type), F(frames), F(heads), F(tokens), F(width),
    F(query_frame_stride), F(query_head_stride), F(query_token_stride), F(key_frame_stride), F(key_head_stride),
    F(key_token_stride), F(scale), F(skipped_tokens), F(single_query), F(reserved), F(query),
#undef F
    STRUCT(flashvid_decoder_attention),
#define F(name) FIELD(flashvid_decoder_attention, name)
    F(struct_size), F(query), F(keys), F(query_type), F(key_type), F(heads), F(key_heads), F(key_count), F(width),
    F(query_head_stride), F(key_head_stride), F(key_token_stride), F(scale), F(places), F(place_count), F(index_type),
    F(reserved),
#undef F
    STRUCT(flashvid_patch_grid),
#define F(name) FIELD(flashvid_patch_grid, name)
    F(struct_size), F(rows), F(columns), F(merge_size), F(window_pixels), F(patch_pixels),
#undef F
    STRUCT(flashvid_prompt),
#define F(name) FIELD(flashvid_prompt, name)
    F(struct_size), F(length), F(frames), F(tokens_per_frame), F(video_start), F(newlines), F(video_token),
    F(newline_columns), F(frame_starts), F(tokens),
#undef F
    STRUCT(flashvid_kept_prompt),
#define F(name) FIELD(flashvid_kept_prompt, name)
    F(struct_size), F(positions), F(rows), F(renumbered), F(visual_places), F(capacity), F(first_position), F(count),
#undef F
    STRUCT(flashvid_context_budget),
#define F(name) FIELD(flashvid_context_budget, name)
    F(struct_size), F(positions), F(tokens_per_frame), F(overhead_per_frame), F(other_positions),
#undef F
    STRUCT(flashvid_host_model),
#define F(name) FIELD(flashvid_host_model, name)
    F(struct_size), F(model), F(reserved), F(layers), F(width), F(feed_forward_width), F(heads), F(key_value_heads),
    F(head_width), F(context_length), F(pruning_layer), F(kept_ratio), F(frames), F(tokens_per_frame),
    F(overhead_per_frame), F(overhead_per_video),
#undef F
    STRUCT(flashvid_plan_row),
#define F(name) FIELD(flashvid_plan_row, name)
    F(struct_size), F(tokens_per_frame), F(visual_tokens), F(average_visual_tokens), F(prompt_length), F(prefill_work),
    F(work_share), F(frames_in_context), F(frames_at_same_work),
#undef F
};

static int is_struct(const field *entry) { return strncmp(entry->name, "flashvid_", 9) == 0; }

// Whether a result would go to an odd address, or into one of the others.
static flashvid_status fault(const void *const *results, size_t count) {
    for (size_t later = 0; later < count; later += 1) {
        const uintptr_t at = (uintptr_t)results[later];
        if (at % sizeof(void *) != 0) return FLASHVID_MISALIGNED;
        for (size_t earlier = 0; earlier < later; earlier += 1)
            if (at != 0 && at == (uintptr_t)results[earlier]) return FLASHVID_OVERLAP;
    }
    return FLASHVID_OK;
}

flashvid_status flashvid_struct_field(
    const char *structure, int64_t index, const char **name, size_t *offset, size_t *size) {
    const void *const results[] = {name, offset, size};
    const flashvid_status status = fault(results, 3);
    const field *entry = fields, *const end = fields + sizeof fields / sizeof *fields;
    if (structure == NULL) return FLASHVID_NULL_POINTER;
    if (status != FLASHVID_OK) return status;
    while (entry < end && !(is_struct(entry) && strcmp(entry->name, structure) == 0)) entry += 1;
    if (entry == end) return FLASHVID_INVALID_ARGUMENT;
    if (index < -1 || index >= end - entry - 1) return FLASHVID_OUT_OF_RANGE;
    for (int64_t step = 0; step <= index; step += 1) {
        entry += 1;
        if (is_struct(entry)) return FLASHVID_OUT_OF_RANGE;
    }
    if (name != NULL) *name = entry->name;
    if (offset != NULL) *offset = entry->offset;
    if (size != NULL) *size = entry->size;
    return FLASHVID_OK;
}
