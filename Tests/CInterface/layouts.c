/*
 * Callers of other versions. Compiled against the header as it is, against one whose structs lack their last fields (OLDER),
 * against one whose structs have more of them (NEWER), and against those of the release before (PREVIOUS), in older/.
 */
#include "random.h"
#include "support.h"
#include <flashvid_host.h>

#ifdef PREVIOUS
/* What was renamed since, and what was not there. */
#define flashvid_context_budget flashvid_context
FLASHVID_API flashvid_status flashvid_struct_field(
    const char *structure, int64_t index, const char **field, size_t *offset, size_t *size);
#endif

enum { FRAMES = 6, TOKENS = 12, CHANNELS = 8 };
/* Behind each struct there are bytes that a library of another version must not take for part of it. */
enum { BEHIND = 64 };

#define GUARDED(type, name)           \
    struct {                          \
        type value;                   \
        unsigned char behind[BEHIND]; \
    } name;                           \
    memset(&name, 0xEE, sizeof name)

#define INTACT(name)                                                                                             \
    do {                                                                                                         \
        size_t byte_;                                                                                            \
        for (byte_ = 0; byte_ < BEHIND; byte_ += 1) EXPECT(name.behind[byte_] == 0xEE, "written behind " #name); \
    } while (0)

/* A struct that the caller fills in. */
#define FILL(name)                              \
    memset(&name.value, 0, sizeof name.value);  \
    name.value.struct_size = sizeof name.value

/* A newer caller asks for something that this library does not know. */
#ifdef NEWER
#define NEWER_IS_UNSUPPORTED(name, call)                      \
    do {                                                      \
        name.value.added_later = 1;                           \
        EXPECT((call) == FLASHVID_UNSUPPORTED, "newer " #name); \
        name.value.added_later = 0;                           \
    } while (0)
#define PRESET_IS_ZERO(name) EXPECT(name.value.added_later == 0, "a field that the library does not know is zero")
#else
#define NEWER_IS_UNSUPPORTED(name, call) (void)0
#define PRESET_IS_ZERO(name) (void)0
#endif

static uint64_t sum(const void *bytes, size_t count) {
    uint64_t result = 14695981039346656037u;
    size_t index;
    for (index = 0; index < count; index += 1) result = (result ^ ((const unsigned char *)bytes)[index]) * 1099511628211u;
    return result;
}

/* A caller that does not know of target rows asks for none, whatever lies behind its struct. */
static void target_rows(flashvid_configuration *configuration) {
    int64_t rows = 0;
#if !defined OLDER && !defined PREVIOUS
    EXPECT(configuration->target_rows == 0, "target rows");
    configuration->target_rows = FRAMES * TOKENS + 1;
    EXPECT(flashvid_output_token_count(configuration, FRAMES, TOKENS, &rows, NULL, 0) == FLASHVID_INVALID_CONFIGURATION,
           "more rows than tokens");
    configuration->target_rows = 7;
    EXPECT(flashvid_output_token_count(configuration, FRAMES, TOKENS, &rows, NULL, 0) == FLASHVID_OK && rows == 7,
           "%lld rows", (long long)rows);
    configuration->target_rows = 0;
#endif
    /* ceil(12 * 0.2 * 1.25) of each frame, which in double is 4. */
    EXPECT(flashvid_output_token_count(configuration, FRAMES, TOKENS, &rows, NULL, 0) == FLASHVID_OK && rows == 4 * FRAMES,
           "%lld rows", (long long)rows);
}

static uint64_t attention(void) {
    enum { HEADS = 2, WIDTH = 4, PLACES = 3 };
    static float queries[FRAMES * HEADS * TOKENS * WIDTH], keys[FRAMES * HEADS * TOKENS * WIDTH];
    float scores[FRAMES * TOKENS], last[PLACES];
    static const int64_t places[PLACES] = {0, 7, 3};
    const int64_t wanted = FRAMES * TOKENS;
    flashvid_scorer *scorer = NULL;
    size_t index;
    GUARDED(flashvid_encoder_attention, encoder);
    GUARDED(flashvid_decoder_attention, decoder);
    for (index = 0; index < sizeof queries / sizeof *queries; index += 1) {
        queries[index] = random_number();
        keys[index] = random_number();
    }
    EXPECT(flashvid_scorer_create(1, &scorer, NULL, 0) == FLASHVID_OK, "create");
    FILL(encoder);
    encoder.value.queries = queries;
    encoder.value.keys = keys;
    encoder.value.frames = FRAMES;
    encoder.value.heads = HEADS;
    encoder.value.tokens = TOKENS;
    encoder.value.width = WIDTH;
    EXPECT(flashvid_scorer_scores(scorer, &encoder.value, scores, wanted) == FLASHVID_OK, "scores");
    FILL(decoder);
    decoder.value.query = queries;
    decoder.value.keys = keys;
    decoder.value.heads = 4;
    decoder.value.key_heads = 2;
    decoder.value.key_count = TOKENS;
    decoder.value.width = WIDTH;
#ifndef OLDER
    decoder.value.places = places;
    decoder.value.place_count = PLACES;
    EXPECT(flashvid_scorer_last_query(scorer, &decoder.value, last, PLACES) == FLASHVID_OK, "last query");
#else
    /* Without places, all of them. */
    {
        float all[TOKENS];
        EXPECT(flashvid_scorer_last_query(scorer, &decoder.value, all, TOKENS) == FLASHVID_OK, "last query");
        for (index = 0; index < PLACES; index += 1) last[index] = all[places[index]];
    }
#endif
    NEWER_IS_UNSUPPORTED(encoder, flashvid_scorer_scores(scorer, &encoder.value, scores, wanted));
    NEWER_IS_UNSUPPORTED(decoder, flashvid_scorer_last_query(scorer, &decoder.value, last, PLACES));
    EXPECT(flashvid_scorer_destroy(scorer) == FLASHVID_OK, "destroy");
    INTACT(encoder);
    INTACT(decoder);
    return sum(scores, sizeof scores) ^ sum(last, sizeof last);
}

static uint64_t prompts(void) {
    static const int64_t indices[] = {0, 5, TOKENS, 2 * TOKENS + 3};
    int64_t order[FRAMES], positions[FRAMES * TOKENS], rows[FRAMES * TOKENS], count = 0;
    GUARDED(flashvid_patch_grid, grid);
    GUARDED(flashvid_prompt, prompt);
    GUARDED(flashvid_kept_prompt, kept);
    EXPECT(flashvid_patch_grid_preset(&grid.value, sizeof grid.value, FLASHVID_QWEN25_VL, 4, 6) == FLASHVID_OK, "preset");
    EXPECT(grid.value.struct_size == sizeof grid.value && grid.value.merge_size == 2, "grid");
    PRESET_IS_ZERO(grid);
    grid.value.window_pixels = 28;
    EXPECT(flashvid_patch_grid_reading_order(&grid.value, order, FLASHVID_INT64, 6, &count, NULL, 0) == FLASHVID_OK, "order");
    NEWER_IS_UNSUPPORTED(grid, flashvid_patch_grid_reading_order(&grid.value, order, FLASHVID_INT64, 6, &count, NULL, 0));
    EXPECT(flashvid_prompt_preset(&prompt.value, sizeof prompt.value, FLASHVID_QWEN25_VL) == FLASHVID_OK, "preset");
    EXPECT(prompt.value.struct_size == sizeof prompt.value && prompt.value.length == 0, "prompt");
    PRESET_IS_ZERO(prompt);
    prompt.value.length = FRAMES * TOKENS;
    prompt.value.frames = 3;
    prompt.value.tokens_per_frame = TOKENS;
    prompt.value.video_start = 4;
    EXPECT(flashvid_prompt_count(&prompt.value, 4, &count, NULL, 0) == FLASHVID_OK && count == 40, "%lld", (long long)count);
    NEWER_IS_UNSUPPORTED(prompt, flashvid_prompt_count(&prompt.value, 4, &count, NULL, 0));
    FILL(kept);
    kept.value.positions = positions;
    kept.value.rows = rows;
    kept.value.capacity = FRAMES * TOKENS;
    EXPECT(flashvid_prompt_keep(&prompt.value, indices, FLASHVID_INT64, 4, &kept.value, NULL, 0) == FLASHVID_OK, "keep");
    EXPECT(kept.value.count == 40 && kept.value.struct_size == sizeof kept.value, "%lld left", (long long)kept.value.count);
    NEWER_IS_UNSUPPORTED(
        kept, flashvid_prompt_keep(&prompt.value, indices, FLASHVID_INT64, 4, &kept.value, NULL, 0));
    INTACT(grid);
    INTACT(prompt);
    INTACT(kept);
    return sum(order, sizeof order) ^ sum(positions, 40 * sizeof *positions) ^ sum(rows, 40 * sizeof *rows);
}

static uint64_t plans(const flashvid_configuration *configuration) {
    int64_t frames = 0, text = 64;
    double work = 0;
    GUARDED(flashvid_context_budget, context);
    GUARDED(flashvid_host_model, host);
    GUARDED(flashvid_plan_row, row);
    FILL(context);
    context.value.positions = 4000;
    context.value.tokens_per_frame = 100;
    context.value.other_positions = 20;
    EXPECT(flashvid_plan_frames(&context.value, configuration, &frames, NULL, 0) == FLASHVID_OK && frames > 0, "frames");
    NEWER_IS_UNSUPPORTED(context, flashvid_plan_frames(&context.value, configuration, &frames, NULL, 0));
    EXPECT(flashvid_host_model_preset(&host.value, sizeof host.value, FLASHVID_QWEN3_VL) == FLASHVID_OK, "preset");
    EXPECT(host.value.struct_size == sizeof host.value && host.value.pruning_layer == 28, "host");
    PRESET_IS_ZERO(host);
    EXPECT(flashvid_plan_prefill(&host.value, 100, 10, &work, NULL, 0) == FLASHVID_OK, "prefill");
    NEWER_IS_UNSUPPORTED(host, flashvid_plan_prefill(&host.value, 100, 10, &work, NULL, 0));
    row.value.struct_size = sizeof row.value;
    EXPECT(flashvid_plan_video(&host.value, 0.1, text, &row.value, NULL, 0) == FLASHVID_OK, "video");
    EXPECT(row.value.struct_size == sizeof row.value && row.value.visual_tokens == 16 * row.value.tokens_per_frame, "row");
    PRESET_IS_ZERO(row);
#ifndef OLDER
    EXPECT(row.value.frames_at_same_work > 0, "the last field");
#endif
    INTACT(context);
    INTACT(host);
    INTACT(row);
    return (uint64_t)frames ^ sum(&work, sizeof work) ^ sum(&row.value.tokens_per_frame, 16);
}

/* The structs of the library that runs are those of the header, as far as the header knows them. */
static void structs(void) {
#ifdef PREVIOUS
    static const char *const renamed[][2] = {{"key_stride", "key_token_stride"}, {"flashvid_context", "flashvid_context_budget"}};
    size_t word;
#endif
    static const struct {
        const char *name;
        size_t offset, size;
    } known[] = {
#include "layouts.h"
    };
    const char *structure = NULL;
    int64_t index = -1;
    size_t entry;
    for (entry = 0; entry < sizeof known / sizeof *known; entry += 1) {
        const char *name = known[entry].name, *found = NULL;
        size_t offset = 0, size = 0;
        flashvid_status status;
#ifdef PREVIOUS
        for (word = 0; word < sizeof renamed / sizeof *renamed; word += 1)
            if (strcmp(name, renamed[word][0]) == 0) name = renamed[word][1];
#endif
        if (strncmp(name, "flashvid_", 9) == 0) {
            structure = name;
            index = -1;
        }
        status = flashvid_struct_field(structure, index, &found, &offset, &size);
#ifdef NEWER
        if (index >= 0 && strcmp(name, "added_later") == 0) {
            EXPECT(status == FLASHVID_OUT_OF_RANGE, "%s has %s", structure, name);
            continue;
        }
#endif
        EXPECT(status == FLASHVID_OK && strcmp(found, name) == 0, "%s: %s for %s", structure, found, name);
        if (index >= 0)
            EXPECT(offset == known[entry].offset && size == known[entry].size, "%s: %s at %d of %d", structure, name, (int)offset, (int)size);
#if defined OLDER || defined PREVIOUS
        else
            EXPECT(offset == 0 && size >= known[entry].size, "%s of %d", structure, (int)size);
#elif defined NEWER
        else
            EXPECT(offset == 0 && size + 8 == known[entry].size, "%s of %d", structure, (int)size);
#else
        else
            EXPECT(offset == 0 && size == known[entry].size, "%s of %d", structure, (int)size);
        /* Nothing behind the last field that the header knows. */
        if (entry + 1 == sizeof known / sizeof *known || strncmp(known[entry + 1].name, "flashvid_", 9) == 0)
            EXPECT(flashvid_struct_field(structure, index + 1, &found, NULL, NULL) == FLASHVID_OUT_OF_RANGE, "%s", structure);
#endif
        index += 1;
    }
    {
        const char *name = NULL;
        size_t both = 7;
        static const int64_t outside[] = {-2, 16, 99, INT64_MIN, INT64_MAX};
        EXPECT(flashvid_struct_field(NULL, 0, &name, NULL, NULL) == FLASHVID_NULL_POINTER, "NULL");
        EXPECT(flashvid_struct_field("", 0, &name, NULL, NULL) == FLASHVID_INVALID_ARGUMENT, "no name");
        EXPECT(flashvid_struct_field("flashvid_", 0, &name, NULL, NULL) == FLASHVID_INVALID_ARGUMENT, "no name");
        EXPECT(flashvid_struct_field("struct_size", 0, &name, NULL, NULL) == FLASHVID_INVALID_ARGUMENT, "a field");
        EXPECT(flashvid_struct_field("flashvid_clip", 0, &name, &both, &both) == FLASHVID_OVERLAP && both == 7, "one place for two");
        EXPECT(flashvid_struct_field("flashvid_clip", 0, &name, (size_t *)(void *)((char *)&both + 4), NULL) == FLASHVID_MISALIGNED, "odd");
        EXPECT(flashvid_struct_field("flashvid_clip", 0, NULL, NULL, NULL) == FLASHVID_OK, "nothing wanted");
        for (entry = 0; entry < sizeof outside / sizeof *outside; entry += 1)
            EXPECT(flashvid_struct_field("flashvid_clip", outside[entry], &name, &both, NULL) == FLASHVID_OUT_OF_RANGE, "outside");
        EXPECT(name == NULL && both == 7, "something was written");
    }
}

int main(void) {
    GUARDED(flashvid_configuration, configuration);
    GUARDED(flashvid_clip, clip);
    GUARDED(flashvid_output, output);
    GUARDED(flashvid_statistics, statistics);
    static float features[FRAMES * TOKENS * CHANNELS];
    static float tokens[FRAMES * TOKENS * CHANNELS];
    static int64_t indices[FRAMES * TOKENS];
    flashvid_compressor *compressor = NULL;
    char message[256] = "";
    int64_t rows = 0;
    uint64_t host;

    structs();
    random_frames(features, FRAMES, TOKENS * CHANNELS);
    EXPECT(flashvid_configuration_preset(
               &configuration.value, sizeof configuration.value, FLASHVID_QWEN25_VL, 0.2) == FLASHVID_OK,
           "preset");
    EXPECT(configuration.value.struct_size == sizeof configuration.value, "size");
    EXPECT(configuration.value.retention_ratio == 0.2, "retention");
    PRESET_IS_ZERO(configuration);
    target_rows(&configuration.value);
    FILL(clip);
    clip.value.features = features;
    clip.value.frames = FRAMES;
    clip.value.tokens_per_frame = TOKENS;
    clip.value.channels = CHANNELS;
    FILL(output);
    output.value.tokens = tokens;
    output.value.row_capacity = FRAMES * TOKENS;
    output.value.indices = indices;
    EXPECT(flashvid_compressor_create(&configuration.value, 2, &compressor, message, sizeof message) == FLASHVID_OK, "%s",
           message);
    EXPECT(flashvid_compressor_compress(compressor, &clip.value, &output.value) == FLASHVID_OK, "compress");
    EXPECT(flashvid_output_token_count(&configuration.value, FRAMES, TOKENS, &rows, NULL, 0) == FLASHVID_OK, "count");
    EXPECT(output.value.row_count == rows, "%lld rows", (long long)output.value.row_count);
    FILL(statistics);
    EXPECT(flashvid_compressor_statistics(compressor, &statistics.value) == FLASHVID_OK, "statistics");
    EXPECT(statistics.value.seconds > 0, "seconds");
    EXPECT(statistics.value.struct_size == sizeof statistics.value, "size");
#ifdef OLDER
    EXPECT(flashvid_configuration_refine(&configuration.value) == FLASHVID_UNSUPPORTED, "refine");
#else
    EXPECT(configuration.value.minimum_segments == 4, "minimum of segments");
    EXPECT(flashvid_configuration_refine(&configuration.value) == FLASHVID_OK, "refine");
    /* A value, not a layout: callers of the last version have it too. */
    EXPECT(configuration.value.minimum_segments == 0 && configuration.value.refinement_rounds == 1, "refined");
    EXPECT(flashvid_configuration_validate(&configuration.value, NULL, 0) == FLASHVID_OK, "refined");
#endif
    NEWER_IS_UNSUPPORTED(clip, flashvid_compressor_compress(compressor, &clip.value, &output.value));
    NEWER_IS_UNSUPPORTED(output, flashvid_compressor_compress(compressor, &clip.value, &output.value));
    NEWER_IS_UNSUPPORTED(configuration, flashvid_configuration_validate(&configuration.value, NULL, 0));
    flashvid_compressor_destroy(compressor);
    flashvid_configuration_preset(&configuration.value, sizeof configuration.value, FLASHVID_QWEN3_VL, 0.2);
    host = attention() ^ prompts() ^ plans(&configuration.value);
    INTACT(configuration);
    INTACT(clip);
    INTACT(output);
    INTACT(statistics);
    /* The same rows whichever header it was. */
    printf("layouts: sizes %d %d %d %d, result %016llx, %d failures\n", (int)sizeof configuration.value,
           (int)sizeof clip.value, (int)sizeof output.value, (int)sizeof statistics.value,
           (unsigned long long)(sum(tokens, sizeof tokens) ^ sum(indices, sizeof indices) ^ host), failures);
    return failures != 0;
}
