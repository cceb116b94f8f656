/*
 * Bad calls of what stands around the compression (flashvid_host.h): each must return its status, say why, and leave every
 * byte of the caller's memory as it was.
 */
#define _POSIX_C_SOURCE 200809L
#include "random.h"
#include <flashvid_host.h>
#include <pthread.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { FRAMES = 3, HEADS = 2, TOKENS = 5, WIDTH = 4, CLS = 1, SCORES = FRAMES * (TOKENS - CLS) };
enum { QUERY_HEADS = 4, KEYS = 6, KEY_WIDTH = 3, PLACES = 4 };
enum { CLIP_FRAMES = 2, SIDE = 3, CHANNELS = 4, POOLED = 2 * 2 };
enum { GRID_ROWS = 6, GRID_COLUMNS = 8, GRID_TOKENS = 12, PATCHES = 12, GROUP = 4, GROUPS = 3, GRID_FRAMES = 2 };
enum { PLANES = 2, LENGTH = 5, ROW = 12, GATHERED = 4, ELEMENT = 2, PAIRS = 3 };
enum { PROMPT = 40, VIDEO_FRAMES = 3, VIDEO_TOKENS = 8, ROWS = 6, KEPT = PROMPT - VIDEO_FRAMES * VIDEO_TOKENS + ROWS };
enum { SEQUENCE = ROWS + VIDEO_FRAMES, TEXT = 12, EMBEDDING = 8 };

/* Numbers to read or room to write, aligned, with something between it and the next. */
#define MEMORY(name, size)                                 \
    union {                                                \
        double alignment;                                  \
        unsigned char bytes[((size) + 7) / 8 * 8];         \
        float floats[((size) + 7) / 8 * 2];                \
        uint16_t halves[((size) + 7) / 8 * 4];             \
        int32_t int32s[((size) + 7) / 8 * 2];              \
        int64_t int64s[((size) + 7) / 8];                  \
        double doubles[((size) + 7) / 8];                  \
    } name;                                                \
    double behind_##name[8]

/* All memory of the caller's that a call could write, and the arguments of every function. */
static struct {
    flashvid_encoder_attention encoder;
    flashvid_decoder_attention decoder;
    flashvid_clip clip;
    flashvid_patch_grid grid;
    flashvid_prompt prompt;
    flashvid_kept_prompt kept;
    flashvid_context_budget context;
    flashvid_configuration configuration;
    flashvid_host_model host;
    flashvid_plan_row row;
    struct { int32_t threads; flashvid_scorer **scorer; } create;
    struct { flashvid_scorer *scorer; const flashvid_encoder_attention *attention; float *scores; int64_t capacity; } scores;
    struct { flashvid_scorer *scorer; const flashvid_decoder_attention *attention; float *scores; int64_t capacity; } last;
    struct { flashvid_pooling pooling; int64_t tokens; int64_t *count; } pooled;
    struct { const flashvid_clip *clip; flashvid_pooling pooling; float *features, *attention; int64_t capacity; int32_t threads; } pool;
    struct { flashvid_patch_grid *grid; size_t size; flashvid_model model; int64_t rows, columns; } grid_preset;
    struct { const flashvid_patch_grid *grid; void *order; flashvid_index type; int64_t capacity; int64_t *count; } order;
    struct { const flashvid_patch_grid *grid; const void *attention; flashvid_scalar type; int64_t frames; float *scores; int64_t capacity; } patches;
    struct { const void *attention; flashvid_scalar type; int64_t frames, patches, group; const void *order; flashvid_index index_type; int64_t order_count; float *scores; int64_t capacity; } group;
    struct { const void *values; int64_t planes, length; size_t size; const void *indices; flashvid_index type; int64_t count; void *gathered; int64_t capacity; } gather, pairs;
    struct { const void *values; int64_t planes, length; size_t size; int64_t plane_stride, row_stride; const void *indices; flashvid_index type; int64_t count; void *gathered; size_t room; int64_t gathered_plane, gathered_row; } strided;
    struct { const flashvid_clip *clip; flashvid_pooling pooling; void *features; flashvid_scalar feature_type; void *attention; flashvid_scalar attention_type; int64_t capacity; int32_t threads; } typed;
    struct { const flashvid_scorer *scorer; const flashvid_encoder_attention *encoder; const flashvid_decoder_attention *decoder; int64_t *bytes; } space;
    struct { flashvid_prompt *prompt; size_t size; flashvid_model model; } prompt_preset;
    struct { const flashvid_prompt *prompt; int64_t rows; int64_t *count; } count;
    struct { const flashvid_prompt *prompt; const void *indices; flashvid_index type; int64_t rows; flashvid_kept_prompt *kept; } keep;
    struct { const void *rows; int64_t count; const void *kept; int64_t kept_count; flashvid_index type; void *places; int64_t capacity; int64_t *place_count; } prune;
    struct { const void *indices; flashvid_index type; int64_t row_count, frames, tokens; flashvid_newlines newlines; void *rows; int64_t capacity; int64_t *count; } video;
    struct { const void *rows, *positions; flashvid_index type; int64_t count; const void *text; int64_t text_count; const void *tokens; int64_t row_count; size_t size; void *embeddings; int64_t capacity; } embed;
    struct { int64_t layers, layer; double kept, given; double *result; } expansion;
    struct { const flashvid_context_budget *context; const flashvid_configuration *configuration; int64_t *frames; } frames;
    struct { const flashvid_context_budget *context; const flashvid_configuration *configuration; int64_t frames; double *ratio; } retention;
    struct { flashvid_host_model *host; size_t size; flashvid_model model; } host_preset;
    struct { const flashvid_host_model *host; int64_t visual, text; double *work; } prefill;
    struct { const flashvid_host_model *host; double ratio; int64_t text; flashvid_plan_row *row; } plan;
    struct { const flashvid_host_model *host; double ratio, seconds, work; int64_t text; int64_t *frames; } even;
    MEMORY(queries, FRAMES * HEADS * TOKENS * WIDTH * 4);
    MEMORY(keys, FRAMES * HEADS * TOKENS * WIDTH * 4);
    MEMORY(features, CLIP_FRAMES * SIDE * SIDE * CHANNELS * 4);
    MEMORY(attention, GRID_FRAMES * GRID_ROWS * GRID_COLUMNS * 4);
    MEMORY(values, PLANES * LENGTH * ROW);
    MEMORY(text, TEXT * EMBEDDING);
    MEMORY(tokens, ROWS * EMBEDDING);
    /* Lists that are read. */
    MEMORY(list, 64 * 8);
    MEMORY(other, 64 * 8);
    MEMORY(starts, VIDEO_FRAMES * 8);
    MEMORY(ids, PROMPT * 4);
    /* What is written. */
    MEMORY(first, 1024);
    MEMORY(second, 1024);
    MEMORY(third, 1024);
    MEMORY(fourth, 1024);
    MEMORY(number, 8);
    MEMORY(handle, sizeof(void *));
    MEMORY(spare, 512);
} state, before;

static flashvid_scorer *scorer;
/* As much as the library looks at, whatever capacity is named. */
static char message[1024];
static char *text = message;
static size_t room = sizeof message;

#include "abuse.h"

static const int64_t none[] = {0, -1, -4, INT64_MIN};
static const int64_t huge[] = {INT64_MAX, (int64_t)1 << 62, (int64_t)1 << 40, (int64_t)1 << 31};
static const int64_t immense[] = {INT64_MAX, INT64_MAX - 7, (int64_t)1 << 62, (int64_t)1 << 61};
static const int32_t unknown[] = {-1, 4, 99, INT32_MIN, INT32_MAX};
static const double not_finite[] = {NAN, INFINITY, -INFINITY};

static flashvid_status run_create(void) { return flashvid_scorer_create(state.create.threads, state.create.scorer, text, room); }
static flashvid_status run_scores(void) {
    return flashvid_scorer_scores(state.scores.scorer, state.scores.attention, state.scores.scores, state.scores.capacity);
}
static flashvid_status run_last(void) {
    return flashvid_scorer_last_query(state.last.scorer, state.last.attention, state.last.scores, state.last.capacity);
}
static flashvid_status run_pooled(void) {
    return flashvid_pooled_tokens(state.pooled.pooling, state.pooled.tokens, state.pooled.count, text, room);
}
static flashvid_status run_pool(void) {
    return flashvid_pool(state.pool.clip, state.pool.pooling, state.pool.features, state.pool.attention, state.pool.capacity,
                         state.pool.threads, text, room);
}
static flashvid_status run_grid_preset(void) {
    return flashvid_patch_grid_preset(state.grid_preset.grid, state.grid_preset.size, state.grid_preset.model,
                                      state.grid_preset.rows, state.grid_preset.columns);
}
static flashvid_status run_reading(void) {
    return flashvid_patch_grid_reading_order(state.order.grid, state.order.order, state.order.type, state.order.capacity,
                                             state.order.count, text, room);
}
static flashvid_status run_encoder(void) {
    return flashvid_patch_grid_encoder_order(state.order.grid, state.order.order, state.order.type, state.order.capacity,
                                             state.order.count, text, room);
}
static flashvid_status run_patches(void) {
    return flashvid_patch_grid_attention(state.patches.grid, state.patches.attention, state.patches.type,
                                         state.patches.frames, state.patches.scores, state.patches.capacity, text, room);
}
static flashvid_status run_group(void) {
    return flashvid_group_attention(state.group.attention, state.group.type, state.group.frames, state.group.patches,
                                    state.group.group, state.group.order, state.group.index_type, state.group.order_count,
                                    state.group.scores, state.group.capacity, text, room);
}
static flashvid_status run_gather(void) {
    return flashvid_gather(state.gather.values, state.gather.planes, state.gather.length, state.gather.size,
                           state.gather.indices, state.gather.type, state.gather.count, state.gather.gathered,
                           state.gather.capacity, text, room);
}
static flashvid_status run_strided(void) {
    return flashvid_gather_strided(state.strided.values, state.strided.planes, state.strided.length, state.strided.size,
                                   state.strided.plane_stride, state.strided.row_stride, state.strided.indices,
                                   state.strided.type, state.strided.count, state.strided.gathered, state.strided.room,
                                   state.strided.gathered_plane, state.strided.gathered_row, text, room);
}
static flashvid_status run_typed(void) {
    return flashvid_pool_typed(state.typed.clip, state.typed.pooling, state.typed.features, state.typed.feature_type,
                               state.typed.attention, state.typed.attention_type, state.typed.capacity, state.typed.threads,
                               text, room);
}
static flashvid_status run_space(void) {
    return flashvid_scorer_workspace_bytes(state.space.scorer, state.space.encoder, state.space.decoder, state.space.bytes, text, room);
}
static flashvid_status run_pairs(void) {
    return flashvid_gather_pairs(state.pairs.values, state.pairs.planes, state.pairs.length, state.pairs.size,
                                 state.pairs.indices, state.pairs.type, state.pairs.count, state.pairs.gathered,
                                 state.pairs.capacity, text, room);
}
static flashvid_status run_prompt_preset(void) {
    return flashvid_prompt_preset(state.prompt_preset.prompt, state.prompt_preset.size, state.prompt_preset.model);
}
static flashvid_status run_count(void) {
    return flashvid_prompt_count(state.count.prompt, state.count.rows, state.count.count, text, room);
}
static flashvid_status run_keep(void) {
    return flashvid_prompt_keep(state.keep.prompt, state.keep.indices, state.keep.type, state.keep.rows, state.keep.kept, text,
                                room);
}
static flashvid_status run_prune(void) {
    return flashvid_prompt_prune(state.prune.rows, state.prune.count, state.prune.kept, state.prune.kept_count,
                                 state.prune.type, state.prune.places, state.prune.capacity, state.prune.place_count, text,
                                 room);
}
static flashvid_status run_video(void) {
    return flashvid_video_rows(state.video.indices, state.video.type, state.video.row_count, state.video.frames,
                               state.video.tokens, state.video.newlines, state.video.rows, state.video.capacity,
                               state.video.count, text, room);
}
static flashvid_status run_embed(void) {
    return flashvid_prompt_embeddings(state.embed.rows, state.embed.positions, state.embed.type, state.embed.count,
                                      state.embed.text, state.embed.text_count, state.embed.tokens, state.embed.row_count,
                                      state.embed.size, state.embed.embeddings, state.embed.capacity, text, room);
}
static flashvid_status run_expansion(void) {
    return flashvid_plan_expansion(state.expansion.layers, state.expansion.layer, state.expansion.kept, state.expansion.given,
                                   state.expansion.result, text, room);
}
static flashvid_status run_average(void) {
    return flashvid_plan_average(state.expansion.layers, state.expansion.layer, state.expansion.kept, state.expansion.given,
                                 state.expansion.result, text, room);
}
static flashvid_status run_frames(void) {
    return flashvid_plan_frames(state.frames.context, state.frames.configuration, state.frames.frames, text, room);
}
static flashvid_status run_retention(void) {
    return flashvid_plan_retention(state.retention.context, state.retention.configuration, state.retention.frames,
                                   state.retention.ratio, text, room);
}
static flashvid_status run_host_preset(void) {
    return flashvid_host_model_preset(state.host_preset.host, state.host_preset.size, state.host_preset.model);
}
static flashvid_status run_prefill(void) {
    return flashvid_plan_prefill(state.prefill.host, state.prefill.visual, state.prefill.text, state.prefill.work, text, room);
}
static flashvid_status run_plan(void) {
    return flashvid_plan_video(state.plan.host, state.plan.ratio, state.plan.text, state.plan.row, text, room);
}
static flashvid_status run_even(void) {
    return flashvid_plan_break_even(state.even.host, state.even.ratio, state.even.seconds, state.even.work, state.even.text,
                                    state.even.frames, text, room);
}

/* What becomes of a failed call's text. */
typedef enum { WITH_MESSAGE, OF_SCORER, WITHOUT } manner;

typedef struct {
    const char *name;
    flashvid_status (*run)(void);
    manner manner;
} function;

static const function functions[] = {
    {"create", run_create, WITH_MESSAGE},       {"scores", run_scores, OF_SCORER},
    {"last", run_last, OF_SCORER},              {"pooled", run_pooled, WITH_MESSAGE},
    {"pool", run_pool, WITH_MESSAGE},           {"grid_preset", run_grid_preset, WITHOUT},
    {"reading", run_reading, WITH_MESSAGE},     {"encoder", run_encoder, WITH_MESSAGE},
    {"patches", run_patches, WITH_MESSAGE},     {"group", run_group, WITH_MESSAGE},
    {"gather", run_gather, WITH_MESSAGE},       {"pairs", run_pairs, WITH_MESSAGE},
    {"strided", run_strided, WITH_MESSAGE},     {"typed", run_typed, WITH_MESSAGE},
    {"space", run_space, WITH_MESSAGE},
    {"prompt_preset", run_prompt_preset, WITHOUT}, {"count", run_count, WITH_MESSAGE},
    {"keep", run_keep, WITH_MESSAGE},           {"prune", run_prune, WITH_MESSAGE},
    {"video", run_video, WITH_MESSAGE},         {"embed", run_embed, WITH_MESSAGE},
    {"expansion", run_expansion, WITH_MESSAGE}, {"average", run_average, WITH_MESSAGE},
    {"frames", run_frames, WITH_MESSAGE},       {"retention", run_retention, WITH_MESSAGE},
    {"host_preset", run_host_preset, WITHOUT},  {"prefill", run_prefill, WITH_MESSAGE},
    {"plan", run_plan, WITH_MESSAGE},           {"even", run_even, WITH_MESSAGE},
};

/* ------------------------------------------------------------------------------------------------ Calls that succeed */

static void *handle_memory(void) { return state.handle.bytes; }

static void prepare_attention(void) {
    int index;
    for (index = 0; index < FRAMES * HEADS * TOKENS * WIDTH; index += 1) {
        state.queries.floats[index] = random_number();
        state.keys.floats[index] = random_number();
    }
    state.encoder.struct_size = sizeof state.encoder;
    state.encoder.queries = state.queries.bytes;
    state.encoder.keys = state.keys.bytes;
    state.encoder.frames = FRAMES;
    state.encoder.heads = HEADS;
    state.encoder.tokens = TOKENS;
    state.encoder.width = WIDTH;
    state.encoder.skipped_tokens = CLS;
    state.decoder.struct_size = sizeof state.decoder;
    state.decoder.query = state.queries.bytes;
    state.decoder.keys = state.keys.bytes;
    state.decoder.heads = QUERY_HEADS;
    state.decoder.key_heads = QUERY_HEADS / 2;
    state.decoder.key_count = KEYS;
    state.decoder.width = KEY_WIDTH;
    state.decoder.places = state.list.bytes;
    state.decoder.place_count = PLACES;
    state.create.threads = 1;
    state.create.scorer = (flashvid_scorer **)handle_memory();
    state.scores.scorer = state.last.scorer = scorer;
    state.scores.attention = &state.encoder;
    state.last.attention = &state.decoder;
    state.scores.scores = state.last.scores = state.first.floats;
    state.scores.capacity = SCORES;
    state.space.scorer = scorer;
    state.space.encoder = &state.encoder;
    state.space.decoder = &state.decoder;
    state.space.bytes = state.number.int64s;
    state.last.capacity = PLACES;
}

static void prepare_clips(void) {
    int index;
    for (index = 0; index < CLIP_FRAMES * SIDE * SIDE * CHANNELS; index += 1) state.features.floats[index] = random_number();
    for (index = 0; index < GRID_FRAMES * GRID_ROWS * GRID_COLUMNS; index += 1)
        state.attention.floats[index] = fabsf(random_number());
    state.clip.struct_size = sizeof state.clip;
    state.clip.features = state.features.bytes;
    state.clip.attention = state.attention.bytes;
    state.clip.frames = CLIP_FRAMES;
    state.clip.tokens_per_frame = SIDE * SIDE;
    state.clip.channels = CHANNELS;
    state.pooled.tokens = 729;
    state.pooled.count = state.number.int64s;
    state.pool.clip = &state.clip;
    state.pool.features = state.first.floats;
    state.pool.attention = state.second.floats;
    state.pool.capacity = CLIP_FRAMES * POOLED;
    state.pool.threads = 1;
    state.typed.clip = &state.clip;
    state.typed.features = state.first.bytes;
    state.typed.feature_type = FLASHVID_BFLOAT16;
    state.typed.attention = state.second.bytes;
    state.typed.attention_type = FLASHVID_FLOAT16;
    state.typed.capacity = CLIP_FRAMES * POOLED;
    state.typed.threads = 1;
    state.grid.struct_size = sizeof state.grid;
    state.grid.rows = GRID_ROWS;
    state.grid.columns = GRID_COLUMNS;
    state.grid.merge_size = 2;
    state.grid.window_pixels = 56;
    state.grid.patch_pixels = 14;
    state.grid_preset.grid = (flashvid_patch_grid *)(void *)state.spare.bytes;
    state.grid_preset.size = sizeof state.grid;
    state.grid_preset.model = FLASHVID_QWEN25_VL;
    state.grid_preset.rows = GRID_ROWS;
    state.grid_preset.columns = GRID_COLUMNS;
    state.order.grid = state.patches.grid = &state.grid;
    state.order.order = state.first.bytes;
    state.order.capacity = GRID_TOKENS;
    state.order.count = state.number.int64s;
    state.patches.attention = state.group.attention = state.attention.bytes;
    state.patches.frames = state.group.frames = GRID_FRAMES;
    state.patches.scores = state.group.scores = state.first.floats;
    state.patches.capacity = GRID_FRAMES * GRID_TOKENS;
    state.group.patches = PATCHES;
    state.group.group = GROUP;
    state.group.order = state.other.bytes;
    state.group.order_count = GROUPS;
    state.group.capacity = GRID_FRAMES * GROUPS;
}

static void prepare_prompts(void) {
    int index;
    memset(state.values.bytes, 0x11, sizeof state.values);
    memset(state.text.bytes, 0x22, sizeof state.text);
    memset(state.tokens.bytes, 0x33, sizeof state.tokens);
    state.gather.values = state.pairs.values = state.values.bytes;
    state.gather.planes = state.pairs.planes = PLANES;
    state.gather.length = state.pairs.length = LENGTH;
    state.gather.size = ROW;
    state.pairs.size = ELEMENT;
    state.gather.indices = state.pairs.indices = state.list.bytes;
    state.gather.count = GATHERED;
    state.pairs.count = PAIRS;
    state.gather.gathered = state.pairs.gathered = state.first.bytes;
    state.gather.capacity = PLANES * GATHERED;
    state.pairs.capacity = PLANES * PAIRS * PAIRS;
    /* Planes side by side in every row, as hidden states of heads are, to planes with room for more rows. */
    state.strided.values = state.values.bytes;
    state.strided.planes = PLANES;
    state.strided.length = LENGTH;
    state.strided.size = ROW;
    state.strided.plane_stride = ROW;
    state.strided.row_stride = PLANES * ROW;
    state.strided.indices = state.list.bytes;
    state.strided.count = GATHERED;
    state.strided.gathered = state.first.bytes;
    state.strided.gathered_row = ROW + 4;
    state.strided.gathered_plane = 7 * (ROW + 4);
    state.strided.room = 7 * (ROW + 4) + 3 * (ROW + 4) + ROW;

    state.prompt.struct_size = sizeof state.prompt;
    state.prompt.length = PROMPT;
    state.prompt.frames = VIDEO_FRAMES;
    state.prompt.tokens_per_frame = VIDEO_TOKENS;
    state.prompt.video_start = 5;
    state.prompt.video_token = 99;
    for (index = 0; index < VIDEO_FRAMES; index += 1) state.starts.int64s[index] = 3 + 10 * index;
    for (index = 0; index < PROMPT; index += 1) state.ids.int32s[index] = index >= 7 && index < 7 + 24 ? 99 : index;
    state.prompt_preset.prompt = (flashvid_prompt *)(void *)state.spare.bytes;
    state.prompt_preset.size = sizeof state.prompt;
    state.count.prompt = state.keep.prompt = &state.prompt;
    state.count.rows = state.keep.rows = ROWS;
    state.count.count = state.number.int64s;
    state.keep.indices = state.list.bytes;
    state.keep.kept = &state.kept;
    state.kept.struct_size = sizeof state.kept;
    state.kept.positions = state.first.bytes;
    state.kept.rows = state.second.bytes;
    state.kept.renumbered = state.third.bytes;
    state.kept.visual_places = state.fourth.bytes;
    state.kept.capacity = KEPT;
    state.kept.count = -77;
    /* Rows at the places 5, 6, ... of a prompt; of these the second and third stay. */
    state.prune.rows = state.list.bytes;
    state.prune.count = ROWS;
    state.prune.kept = state.other.bytes;
    state.prune.kept_count = 2;
    state.prune.places = state.first.bytes;
    state.prune.capacity = ROWS;
    state.prune.place_count = state.number.int64s;
    state.video.indices = state.list.bytes;
    state.video.row_count = ROWS;
    state.video.frames = VIDEO_FRAMES;
    state.video.tokens = VIDEO_TOKENS;
    state.video.newlines = FLASHVID_NEWLINES_AFTER_FRAME;
    state.video.rows = state.first.bytes;
    state.video.capacity = SEQUENCE;
    state.video.count = state.number.int64s;
    state.embed.rows = state.other.bytes;
    state.embed.positions = state.list.bytes;
    state.embed.count = ROWS;
    state.embed.text = state.text.bytes;
    state.embed.text_count = TEXT;
    state.embed.tokens = state.tokens.bytes;
    state.embed.row_count = ROWS;
    state.embed.size = EMBEDDING;
    state.embed.embeddings = state.first.bytes;
    state.embed.capacity = ROWS;
    /* Ascending, below every length; then an order of groups, rows and text, kept tokens, in one. */
    {
        static const int64_t rising[] = {0, 1, 3, 4, 4, 5}, orders[] = {1, 2, 0, -1, 5, 3};
        for (index = 0; index < 6; index += 1) {
            state.list.int64s[index] = rising[index];
            state.other.int64s[index] = orders[index];
        }
    }
}

static void prepare_plans(void) {
    state.expansion.layers = 28;
    state.expansion.layer = 20;
    state.expansion.kept = 0.3;
    state.expansion.given = 1;
    state.expansion.result = state.number.doubles;
    state.context.struct_size = sizeof state.context;
    state.context.positions = 1000;
    state.context.tokens_per_frame = 100;
    state.context.overhead_per_frame = 1;
    state.context.other_positions = 20;
    flashvid_configuration_init(&state.configuration, sizeof state.configuration);
    state.frames.context = state.retention.context = &state.context;
    state.frames.configuration = state.retention.configuration = &state.configuration;
    state.frames.frames = state.number.int64s;
    state.retention.frames = 40;
    state.retention.ratio = state.number.doubles;
    flashvid_host_model_preset(&state.host, sizeof state.host, FLASHVID_LLAVA_VIDEO);
    state.host_preset.host = (flashvid_host_model *)(void *)state.spare.bytes;
    state.host_preset.size = sizeof state.host;
    state.prefill.host = state.plan.host = state.even.host = &state.host;
    state.prefill.visual = 100;
    state.prefill.text = 20;
    state.prefill.work = state.number.doubles;
    state.plan.ratio = state.even.ratio = 0.1;
    state.plan.text = state.even.text = 64;
    state.plan.row = &state.row;
    state.row.struct_size = sizeof state.row;
    state.even.seconds = 0.01;
    state.even.work = 1e13;
    state.even.frames = state.number.int64s;
}

/* Calls that would succeed. */
static void prepare(void) {
    memset(&state, 0, sizeof state);
    memset(&state.first, 0xA5, (size_t)((unsigned char *)(&state + 1) - (unsigned char *)&state.first));
    random_state = 7;
    prepare_attention();
    prepare_clips();
    prepare_prompts();
    prepare_plans();
}

/* What the scorer gives for good calls, before any bad one. */
static float expected_scores[SCORES], expected_last[PLACES];

static void works(const char *after, int line) {
    float scores[SCORES], last[PLACES];
    memcpy(&before, &state, sizeof state);
    prepare();
    EXPECT(flashvid_scorer_scores(scorer, &state.encoder, scores, SCORES) == FLASHVID_OK, "after line %d: %s", line, after);
    EXPECT(memcmp(scores, expected_scores, sizeof scores) == 0, "other scores after line %d: %s", line, after);
    EXPECT(flashvid_scorer_last_query(scorer, &state.decoder, last, PLACES) == FLASHVID_OK, "after line %d: %s", line, after);
    EXPECT(memcmp(last, expected_last, sizeof last) == 0, "other scores after line %d: %s", line, after);
    memcpy(&state, &before, sizeof state);
}

static void good(void) {
    size_t index;
    for (index = 0; index < COUNT(functions); index += 1) {
        flashvid_status status;
        prepare();
        status = functions[index].run();
        EXPECT(status == FLASHVID_OK, "%s: %s: %s", functions[index].name, flashvid_status_name(status), message);
        if (functions[index].run == run_create) {
            flashvid_scorer *made;
            memcpy(&made, state.handle.bytes, sizeof made);
            EXPECT(flashvid_scorer_destroy(made) == FLASHVID_OK, "destroy");
        }
        if (functions[index].run == run_scores) memcpy(expected_scores, state.first.floats, sizeof expected_scores);
        if (functions[index].run == run_last) memcpy(expected_last, state.first.floats, sizeof expected_last);
    }
}

/* ------------------------------------------------------------------------------------------------------- Bad calls */

static void bad(flashvid_status (*run)(void), flashvid_status wanted, const char *what, int line) {
    flashvid_status found;
    memcpy(&before, &state, sizeof state);
    memset(message, 0x55, sizeof message);
    found = run();
    expect(found, wanted, what, line);
    if (run == run_scores || run == run_last) {
        const int has_scorer = run == run_scores ? state.scores.scorer != NULL : state.last.scorer != NULL;
        message[0] = 0;
        flashvid_scorer_error(scorer, message, sizeof message);
        if (!has_scorer) return;
        EXPECT(message[0] != 0 && strchr(message, '\n') == NULL, "text after line %d: %s", line, what);
        works(what, line);
    } else if (run != run_grid_preset && run != run_prompt_preset && run != run_host_preset) {
        EXPECT(memchr(message, 0, sizeof message) != NULL && message[0] != 0 && strchr(message, '\n') == NULL,
               "text after line %d: %s", line, what);
    }
    if (getenv("ABUSE_TEXTS") != NULL) printf("%d: %s: %s: %.200s\n", line, what, flashvid_status_name(found), message);
}

#define BAD(name, change, wanted)                              \
    do {                                                       \
        prepare();                                             \
        change;                                                \
        bad(run_##name, wanted, #name ": " #change, __LINE__); \
    } while (0)

/* With each of some values. */
#define EACH(name, values, change, wanted)                                               \
    do {                                                                                 \
        size_t each_;                                                                    \
        for (each_ = 0; each_ < COUNT(values); each_ += 1) {                             \
            prepare();                                                                   \
            change = (values)[each_];                                                    \
            bad(run_##name, wanted, #name ": " #change " of " #values, __LINE__);        \
        }                                                                                \
    } while (0)

/* At every address that is no multiple of the alignment. */
#define MISALIGNED(name, type, pointer, alignment)                                      \
    do {                                                                                \
        int offset_;                                                                    \
        for (offset_ = 1; offset_ < 8; offset_ += 1) {                                  \
            if (offset_ % (alignment) == 0) continue;                                   \
            prepare();                                                                  \
            pointer = (type)(void *)((char *)(uintptr_t)(pointer) + offset_);           \
            bad(run_##name, FLASHVID_MISALIGNED, #name ": misaligned " #pointer, __LINE__); \
        }                                                                               \
    } while (0)

/* A buffer of `own` bytes that meets another of `bytes` at its start, at its end, in its midst and from before it. */
#define MEETS(name, type, pointer, own, other, bytes)                                                        \
    do {                                                                                                     \
        char *const other_ = (char *)(uintptr_t)(other);                                                     \
        char *const at_[] = {other_, other_ + (bytes) - 8, other_ + (bytes) / 16 * 8, other_ - (own) + 8};   \
        size_t each_;                                                                                        \
        for (each_ = 0; each_ < COUNT(at_); each_ += 1) {                                                    \
            prepare();                                                                                       \
            pointer = (type)(void *)at_[each_];                                                              \
            bad(run_##name, FLASHVID_OVERLAP, #name ": " #pointer " and " #other " overlap", __LINE__);      \
        }                                                                                                    \
    } while (0)

/* A struct of a wrong size, or at a wrong place. */
#define STRUCT(name, type, pointer, value, least)                                                            \
    do {                                                                                                     \
        const size_t sizes_[] = {0, 1, 7, 8, (least)-8, (least)-1, (least) + 1, (least) + 4, sizeof(type) + 1,     \
                                 sizeof(type) + 4, 4104, 65536, (size_t)1 << 40, (size_t)-8, (size_t)-1};    \
        size_t each_;                                                                                        \
        BAD(name, pointer = NULL, FLASHVID_NULL_POINTER);                                                    \
        for (each_ = 0; each_ < COUNT(sizes_); each_ += 1)                                                   \
            BAD(name, value.struct_size = sizes_[each_], FLASHVID_INVALID_STRUCT);                           \
        for (each_ = 1; each_ < 8; each_ += 1) {                                                             \
            prepare();                                                                                       \
            memcpy(state.spare.bytes + each_, &value, sizeof(type));                                         \
            pointer = (type *)(void *)(state.spare.bytes + each_);                                           \
            bad(run_##name, FLASHVID_INVALID_STRUCT, #name ": misaligned " #type, __LINE__);                 \
        }                                                                                                    \
    } while (0)

/* A struct that a newer caller gives: larger, with something in it that this library does not know. */
#define NEWER(name, type, pointer, value)                                                   \
    do {                                                                                    \
        const size_t newer_ = sizeof(type) + 16;                                            \
        prepare();                                                                          \
        memset(state.spare.bytes, 0, newer_);                                               \
        memcpy(state.spare.bytes, &value, sizeof(type));                                    \
        memcpy(state.spare.bytes, &newer_, sizeof newer_);                                  \
        state.spare.bytes[newer_ - 1] = 1;                                                  \
        pointer = (type *)(void *)state.spare.bytes;                                        \
        bad(run_##name, FLASHVID_UNSUPPORTED, #name ": a newer " #type, __LINE__);          \
    } while (0)

/* A function that fills in a model's values. */
#define PRESET(name, type, pointer, size)                                                                 \
    do {                                                                                                  \
        const size_t sizes_[] = {0, 1, 7, 8, 12, sizeof(type) + 1, 4104, 65536, (size_t)1 << 40, (size_t)-8, (size_t)-1}; \
        size_t each_;                                                                                     \
        BAD(name, pointer = NULL, FLASHVID_NULL_POINTER);                                                 \
        EACH(name, unknown, state.name.model, FLASHVID_INVALID_ARGUMENT);                                 \
        for (each_ = 0; each_ < COUNT(sizes_); each_ += 1) BAD(name, size = sizes_[each_], FLASHVID_INVALID_STRUCT); \
        for (each_ = 1; each_ < 8; each_ += 1)                                                            \
            BAD(name, pointer = (type *)(void *)(state.spare.bytes + each_), FLASHVID_INVALID_STRUCT);    \
    } while (0)

/* A number that is not finite, in a tensor of some type whose other numbers are. */
static void spoil(void *memory, size_t bytes, flashvid_scalar type, int place, int kind) {
    static const uint32_t floats[] = {0x7FC00000, 0x7F800000, 0xFF800000};
    static const uint16_t halves[] = {0x7E00, 0x7C00, 0xFC00}, brains[] = {0x7FC0, 0x7F80, 0xFF80};
    if (type != FLASHVID_FLOAT32) memset(memory, 0x3C, bytes);
    switch (type) {
    case FLASHVID_FLOAT32: ((uint32_t *)memory)[place] = floats[kind]; break;
    case FLASHVID_FLOAT16: ((uint16_t *)memory)[place] = halves[kind]; break;
    default: ((uint16_t *)memory)[place] = brains[kind]; break;
    }
}

#define NOT_FINITE(name, memory, bytes, type, ...)                                                        \
    do {                                                                                                  \
        static const int spots_[] = {__VA_ARGS__};                                                        \
        size_t spot_;                                                                                     \
        int type_, kind_;                                                                                 \
        for (type_ = 0; type_ < 3; type_ += 1)                                                            \
            for (kind_ = 0; kind_ < 3; kind_ += 1)                                                        \
                for (spot_ = 0; spot_ < COUNT(spots_); spot_ += 1)                                        \
                    BAD(name, (type = type_, spoil(memory, bytes, type_, spots_[spot_], kind_)), FLASHVID_NOT_FINITE); \
    } while (0)

/* A list in 64 and in 32 bits with a bad item at some places. */
#define ITEM(name, memory, type, count, place, value, wanted)                                             \
    do {                                                                                                  \
        BAD(name, memory.int64s[place] = (value), wanted);                                                \
        BAD(name, (narrow(memory.bytes, count), type = FLASHVID_INT32, memory.int32s[place] = (int32_t)(value)), wanted); \
    } while (0)

/* A list of 64 bits becomes one of 32, in place. */
static void narrow(void *list, int count) {
    int index;
    for (index = 0; index < count; index += 1) ((int32_t *)list)[index] = (int32_t)((int64_t *)list)[index];
}

/* The last bytes of memory. */
#define END ((void *)(uintptr_t)-8)

/* -------------------------------------------------------------------------------------------------------- Attention */

static void scorers(void) {
    static const int32_t threads[] = {-1, 65, 1000, INT32_MIN, INT32_MAX};
    EACH(create, threads, state.create.threads, FLASHVID_INVALID_ARGUMENT);
    BAD(create, state.create.scorer = NULL, FLASHVID_NULL_POINTER);
    MISALIGNED(create, flashvid_scorer **, state.create.scorer, 8);
    CALL(flashvid_scorer_cancel(NULL), FLASHVID_NULL_POINTER);
    CALL(flashvid_scorer_set_time_limit(NULL, 1), FLASHVID_NULL_POINTER);
    CALL(flashvid_scorer_set_time_limit(scorer, -1), FLASHVID_INVALID_ARGUMENT);
    CALL(flashvid_scorer_set_time_limit(scorer, NAN), FLASHVID_INVALID_ARGUMENT);
    CALL(flashvid_scorer_set_progress(NULL, NULL, NULL), FLASHVID_NULL_POINTER);
    BAD(space, state.space.scorer = NULL, FLASHVID_NULL_POINTER);
    BAD(space, state.space.bytes = NULL, FLASHVID_NULL_POINTER);
    BAD(space, (state.space.encoder = NULL, state.space.decoder = NULL), FLASHVID_NULL_POINTER);
    MISALIGNED(space, int64_t *, state.space.bytes, 8);
    BAD(space, state.encoder.frames = 0, FLASHVID_INVALID_SHAPE);
    BAD(space, state.encoder.tokens = INT64_MAX, FLASHVID_SIZE_OVERFLOW);
    BAD(space, (state.encoder.tokens = INT32_MAX, state.encoder.frames = INT32_MAX), FLASHVID_SIZE_OVERFLOW);
    BAD(space, state.encoder.reserved = 1, FLASHVID_UNSUPPORTED);
    BAD(space, state.encoder.query_token_stride = 1, FLASHVID_INVALID_STRIDE);
    BAD(space, state.encoder.struct_size = 8, FLASHVID_INVALID_STRUCT);
    BAD(space, state.decoder.key_heads = 3, FLASHVID_INVALID_SHAPE);
    BAD(space, state.decoder.key_count = INT64_MAX, FLASHVID_SIZE_OVERFLOW);
    BAD(space, (state.space.encoder = NULL, state.decoder.struct_size = 8), FLASHVID_INVALID_STRUCT);
    {
        int64_t both = 0;
        prepare();
        state.encoder.queries = state.encoder.keys = state.decoder.query = state.decoder.keys = NULL;
        EXPECT(run_space() == FLASHVID_OK && (both = state.number.int64s[0]) > 0, "%s", message);
        state.space.encoder = NULL;
        EXPECT(run_space() == FLASHVID_OK && state.number.int64s[0] > 0 && state.number.int64s[0] <= both, "%s", message);
        state.space.encoder = &state.encoder;
        state.space.decoder = NULL;
        EXPECT(run_space() == FLASHVID_OK && state.number.int64s[0] > 0 && state.number.int64s[0] <= both, "%s", message);
    }
    EXPECT(flashvid_scorer_threads(NULL) == 0, "threads of NULL");
    EXPECT(flashvid_scorer_threads(scorer) == 2, "threads");
    EXPECT(flashvid_scorer_destroy(NULL) == FLASHVID_OK, "destroy NULL");
    message[0] = 'x';
    EXPECT(flashvid_scorer_error(NULL, NULL, 0) == 0, "text of NULL");
    EXPECT(flashvid_scorer_error(NULL, message, 1) == 0 && message[0] == 0, "text of NULL");
}

#define STRIDES(name, field, width)                                                                          \
    do {                                                                                                     \
        static const int64_t small_[] = {1, (width)-1, -1, -(width), INT64_MIN};                             \
        static const int64_t large_[] = {INT64_MAX, INT64_MAX / 2, INT64_MAX / 4};                           \
        EACH(name, small_, field, FLASHVID_INVALID_STRIDE);                                                  \
        EACH(name, large_, field, FLASHVID_SIZE_OVERFLOW);                                                   \
    } while (0)

static void encoder_attention(void) {
    static const int64_t skipped[] = {-1, INT64_MIN, TOKENS, TOKENS + 1, (int64_t)1 << 40, INT64_MAX};
    static const int64_t capacities[] = {SCORES - 1, 1, 0, -1, INT64_MIN};
    static const double scales[] = {1.1e30, -1e31, 1e300};
    static const size_t least = offsetof(flashvid_encoder_attention, query_frame_stride);
    const size_t numbers = FRAMES * HEADS * TOKENS * WIDTH * 4;
    STRUCT(scores, flashvid_encoder_attention, state.scores.attention, state.encoder, least);
    NEWER(scores, flashvid_encoder_attention, state.scores.attention, state.encoder);
    BAD(scores, state.scores.scorer = NULL, FLASHVID_NULL_POINTER);
    BAD(scores, state.scores.scores = NULL, FLASHVID_NULL_POINTER);
    BAD(scores, state.encoder.queries = NULL, FLASHVID_NULL_POINTER);
    BAD(scores, state.encoder.keys = NULL, FLASHVID_NULL_POINTER);
    BAD(scores, (state.encoder.queries = NULL, state.encoder.keys = NULL, state.scores.scores = NULL), FLASHVID_NULL_POINTER);
    EACH(scores, none, state.encoder.frames, FLASHVID_INVALID_SHAPE);
    EACH(scores, none, state.encoder.heads, FLASHVID_INVALID_SHAPE);
    EACH(scores, none, state.encoder.tokens, FLASHVID_INVALID_SHAPE);
    EACH(scores, none, state.encoder.width, FLASHVID_INVALID_SHAPE);
    EACH(scores, immense, state.encoder.frames, FLASHVID_SIZE_OVERFLOW);
    EACH(scores, immense, state.encoder.heads, FLASHVID_SIZE_OVERFLOW);
    EACH(scores, huge, state.encoder.tokens, FLASHVID_SIZE_OVERFLOW);
    EACH(scores, huge, state.encoder.width, FLASHVID_SIZE_OVERFLOW);
    BAD(scores, state.encoder.frames = (int64_t)1 << 40, FLASHVID_BUFFER_TOO_SMALL);
    BAD(scores, state.encoder.frames = (int64_t)1 << 31, FLASHVID_BUFFER_TOO_SMALL);
    BAD(scores, (state.encoder.frames = state.encoder.heads = (int64_t)1 << 31), FLASHVID_SIZE_OVERFLOW);
    BAD(scores, (state.encoder.frames = -1, state.encoder.heads = -1), FLASHVID_INVALID_SHAPE);
    EACH(scores, unknown, state.encoder.query_type, FLASHVID_INVALID_ARGUMENT);
    EACH(scores, unknown, state.encoder.key_type, FLASHVID_INVALID_ARGUMENT);
    EACH(scores, unknown, state.encoder.single_query, FLASHVID_INVALID_ARGUMENT);
    EACH(scores, unknown, state.encoder.reserved, FLASHVID_UNSUPPORTED);
    STRIDES(scores, state.encoder.query_frame_stride, WIDTH);
    STRIDES(scores, state.encoder.query_head_stride, WIDTH);
    STRIDES(scores, state.encoder.query_token_stride, WIDTH);
    STRIDES(scores, state.encoder.key_frame_stride, WIDTH);
    STRIDES(scores, state.encoder.key_head_stride, WIDTH);
    STRIDES(scores, state.encoder.key_token_stride, WIDTH);
    BAD(scores, state.encoder.query_token_stride = (int64_t)1 << 31, FLASHVID_SIZE_OVERFLOW);
    BAD(scores, state.encoder.key_token_stride = (int64_t)1 << 31, FLASHVID_SIZE_OVERFLOW);
    /* Tokens that would lie in one another. */
    BAD(scores, (state.encoder.key_frame_stride = state.encoder.key_head_stride = WIDTH), FLASHVID_INVALID_STRIDE);
    BAD(scores, state.encoder.query_frame_stride = WIDTH * TOKENS, FLASHVID_INVALID_STRIDE);
    EACH(scores, not_finite, state.encoder.scale, FLASHVID_INVALID_CONFIGURATION);
    EACH(scores, scales, state.encoder.scale, FLASHVID_INVALID_CONFIGURATION);
    EACH(scores, skipped, state.encoder.skipped_tokens, FLASHVID_OUT_OF_RANGE);
    {
        size_t index;
        for (index = 0; index < COUNT(skipped); index += 1)
            BAD(scores, (state.encoder.single_query = 1, state.encoder.query = skipped[index]), FLASHVID_OUT_OF_RANGE);
    }
    EACH(scores, capacities, state.scores.capacity, FLASHVID_BUFFER_TOO_SMALL);
    /* The largest that are below 2^31 are not too large; there is just no such room. */
    BAD(scores, state.encoder.tokens = INT32_MAX, FLASHVID_BUFFER_TOO_SMALL);
    BAD(scores, (state.encoder.width = INT32_MAX, state.scores.capacity = 0), FLASHVID_BUFFER_TOO_SMALL);
    BAD(scores, (state.encoder.key_token_stride = INT32_MAX, state.encoder.key_head_stride = 5 * INT64_C(0x80000000),
                 state.encoder.key_frame_stride = 10 * INT64_C(0x80000000), state.scores.capacity = 0),
        FLASHVID_BUFFER_TOO_SMALL);
    MISALIGNED(scores, const void *, state.encoder.queries, 4);
    MISALIGNED(scores, const void *, state.encoder.keys, 4);
    MISALIGNED(scores, float *, state.scores.scores, 4);
    BAD(scores, (state.encoder.query_type = FLASHVID_FLOAT16, state.encoder.queries = state.queries.bytes + 1), FLASHVID_MISALIGNED);
    BAD(scores, (state.encoder.key_type = FLASHVID_BFLOAT16, state.encoder.keys = state.keys.bytes + 3), FLASHVID_MISALIGNED);
    MEETS(scores, float *, state.scores.scores, SCORES * 4, state.queries.bytes, numbers);
    MEETS(scores, float *, state.scores.scores, SCORES * 4, state.keys.bytes, numbers);
    BAD(scores, state.encoder.queries = END, FLASHVID_SIZE_OVERFLOW);
    BAD(scores, state.encoder.keys = END, FLASHVID_SIZE_OVERFLOW);
    BAD(scores, state.scores.scores = (float *)END, FLASHVID_SIZE_OVERFLOW);
    NOT_FINITE(scores, state.queries.bytes, sizeof state.queries, state.encoder.query_type, 0, 3, TOKENS * WIDTH, 77,
               FRAMES * HEADS * TOKENS * WIDTH - 1);
    NOT_FINITE(scores, state.keys.bytes, sizeof state.keys, state.encoder.key_type, 0, 3, TOKENS * WIDTH, 77,
               FRAMES * HEADS * TOKENS * WIDTH - 1);
    BAD(scores, (state.encoder.single_query = 1, state.keys.floats[9] = NAN), FLASHVID_NOT_FINITE);
    BAD(scores, (state.encoder.scale = 1e30, state.queries.floats[9] = INFINITY), FLASHVID_NOT_FINITE);
    BAD(scores, (state.queries.floats[9] = 3e38f, state.keys.floats[9] = INFINITY), FLASHVID_NOT_FINITE);
}

static void decoder_attention(void) {
    static const int64_t capacities[] = {PLACES - 1, 1, 0, -1, INT64_MIN};
    static const int64_t items[] = {-1, KEYS, KEYS + 1, INT32_MIN, INT32_MAX};
    static const int64_t uneven[] = {1, 3, 5, 7};
    static const int64_t even[] = {INT64_MAX - 1, (int64_t)1 << 62, (int64_t)1 << 40, (int64_t)1 << 31};
    static const int64_t negative[] = {-1, INT64_MIN};
    static const size_t least = offsetof(flashvid_decoder_attention, query_head_stride);
    size_t index;
    STRUCT(last, flashvid_decoder_attention, state.last.attention, state.decoder, least);
    NEWER(last, flashvid_decoder_attention, state.last.attention, state.decoder);
    BAD(last, state.last.scorer = NULL, FLASHVID_NULL_POINTER);
    BAD(last, state.last.scores = NULL, FLASHVID_NULL_POINTER);
    BAD(last, state.decoder.query = NULL, FLASHVID_NULL_POINTER);
    BAD(last, state.decoder.keys = NULL, FLASHVID_NULL_POINTER);
    BAD(last, state.decoder.places = NULL, FLASHVID_NULL_POINTER);
    BAD(last, (state.decoder.places = NULL, state.decoder.place_count = 0, state.last.scores = NULL), FLASHVID_NULL_POINTER);
    EACH(last, none, state.decoder.heads, FLASHVID_INVALID_SHAPE);
    EACH(last, none, state.decoder.key_heads, FLASHVID_INVALID_SHAPE);
    EACH(last, none, state.decoder.key_count, FLASHVID_INVALID_SHAPE);
    EACH(last, none, state.decoder.width, FLASHVID_INVALID_SHAPE);
    EACH(last, uneven, state.decoder.heads, FLASHVID_INVALID_SHAPE);
    BAD(last, state.decoder.key_heads = 3, FLASHVID_INVALID_SHAPE);
    BAD(last, state.decoder.key_heads = 8, FLASHVID_INVALID_SHAPE);
    EACH(last, huge, state.decoder.key_heads, FLASHVID_INVALID_SHAPE);
    EACH(last, even, state.decoder.heads, FLASHVID_SIZE_OVERFLOW);
    for (index = 0; index < COUNT(huge); index += 1)
        BAD(last, (state.decoder.heads = state.decoder.key_heads = huge[index]), FLASHVID_SIZE_OVERFLOW);
    EACH(last, huge, state.decoder.key_count, FLASHVID_SIZE_OVERFLOW);
    EACH(last, huge, state.decoder.width, FLASHVID_SIZE_OVERFLOW);
    EACH(last, unknown, state.decoder.query_type, FLASHVID_INVALID_ARGUMENT);
    EACH(last, unknown, state.decoder.key_type, FLASHVID_INVALID_ARGUMENT);
    EACH(last, unknown, state.decoder.index_type, FLASHVID_INVALID_ARGUMENT);
    BAD(last, (state.decoder.places = NULL, state.decoder.place_count = 0, state.last.capacity = KEYS, state.decoder.index_type = 2),
        FLASHVID_INVALID_ARGUMENT);
    EACH(last, unknown, state.decoder.reserved, FLASHVID_UNSUPPORTED);
    STRIDES(last, state.decoder.query_head_stride, KEY_WIDTH);
    STRIDES(last, state.decoder.key_head_stride, KEY_WIDTH);
    STRIDES(last, state.decoder.key_token_stride, KEY_WIDTH);
    BAD(last, state.decoder.key_token_stride = (int64_t)1 << 31, FLASHVID_SIZE_OVERFLOW);
    BAD(last, (state.decoder.key_head_stride = KEY_WIDTH), FLASHVID_INVALID_STRIDE);
    EACH(last, not_finite, state.decoder.scale, FLASHVID_INVALID_CONFIGURATION);
    BAD(last, state.decoder.scale = -1.1e30, FLASHVID_INVALID_CONFIGURATION);
    EACH(last, capacities, state.last.capacity, FLASHVID_BUFFER_TOO_SMALL);
    EACH(last, negative, state.decoder.place_count, FLASHVID_INVALID_ARGUMENT);
    EACH(last, immense, state.decoder.place_count, FLASHVID_SIZE_OVERFLOW);
    BAD(last, state.decoder.place_count = PLACES + 1, FLASHVID_BUFFER_TOO_SMALL);
    BAD(last, state.decoder.place_count = (int64_t)1 << 40, FLASHVID_BUFFER_TOO_SMALL);
    BAD(last, (state.decoder.places = NULL, state.decoder.place_count = 0), FLASHVID_BUFFER_TOO_SMALL);
    for (index = 0; index < COUNT(items); index += 1) {
        ITEM(last, state.list, state.decoder.index_type, PLACES, 0, items[index], FLASHVID_OUT_OF_RANGE);
        ITEM(last, state.list, state.decoder.index_type, PLACES, PLACES - 1, items[index], FLASHVID_OUT_OF_RANGE);
    }
    BAD(last, state.list.int64s[1] = INT64_MAX, FLASHVID_OUT_OF_RANGE);
    BAD(last, state.list.int64s[1] = INT64_MIN, FLASHVID_OUT_OF_RANGE);
    BAD(last, state.list.int64s[1] = (int64_t)1 << 32, FLASHVID_OUT_OF_RANGE);
    MISALIGNED(last, const void *, state.decoder.query, 4);
    MISALIGNED(last, const void *, state.decoder.keys, 4);
    MISALIGNED(last, const void *, state.decoder.places, 8);
    MISALIGNED(last, float *, state.last.scores, 4);
    BAD(last, (state.decoder.index_type = FLASHVID_INT32, state.decoder.places = state.list.bytes + 2), FLASHVID_MISALIGNED);
    MEETS(last, float *, state.last.scores, PLACES * 4, state.queries.bytes, QUERY_HEADS * KEY_WIDTH * 4);
    MEETS(last, float *, state.last.scores, PLACES * 4, state.keys.bytes, QUERY_HEADS / 2 * KEYS * KEY_WIDTH * 4);
    MEETS(last, float *, state.last.scores, PLACES * 4, state.list.bytes, PLACES * 8);
    BAD(last, state.decoder.query = END, FLASHVID_SIZE_OVERFLOW);
    BAD(last, state.decoder.keys = END, FLASHVID_SIZE_OVERFLOW);
    BAD(last, state.decoder.places = END, FLASHVID_SIZE_OVERFLOW);
    BAD(last, state.last.scores = (float *)END, FLASHVID_SIZE_OVERFLOW);
    NOT_FINITE(last, state.queries.bytes, sizeof state.queries, state.decoder.query_type, 0, 4, QUERY_HEADS * KEY_WIDTH - 1);
    NOT_FINITE(last, state.keys.bytes, sizeof state.keys, state.decoder.key_type, 0, 4, KEYS * KEY_WIDTH,
               QUERY_HEADS / 2 * KEYS * KEY_WIDTH - 1);
    /* Nothing is wanted, and nowhere is room for it. */
    prepare();
    state.decoder.place_count = state.last.capacity = 0;
    state.last.scores = NULL;
    EXPECT(run_last() == FLASHVID_OK, "no places");
    /* An empty list shares no byte with the scores. */
    prepare();
    state.decoder.place_count = 0;
    state.decoder.places = state.last.scores + 2;
    EXPECT(run_last() == FLASHVID_OK, "no places amidst the scores");
}

/* ---------------------------------------------------------------------------------------------------------- Pooling */

/* A number of a tensor. */
static float number_of(const void *tensor, flashvid_scalar type, size_t place) {
    uint32_t bits;
    float value;
    if (type == FLASHVID_FLOAT32) return ((const float *)tensor)[place];
    bits = ((const uint16_t *)tensor)[place];
    if (type == FLASHVID_BFLOAT16) {
        bits <<= 16;
        memcpy(&value, &bits, sizeof value);
        return value;
    }
    value = (bits & 0x7C00) ? ldexpf((float)(0x400 | (bits & 0x3FF)), (int)(bits >> 10 & 0x1F) - 25) : ldexpf((float)(bits & 0x3FF), -24);
    return bits & 0x8000 ? -value : value;
}

/* The largest number whose square is an int64_t. */
#define ROOT INT64_C(3037000499)

static void pooling(void) {
    static const int32_t threads[] = {-1, 65, 1000, INT32_MIN, INT32_MAX};
    static const int64_t no_squares[] = {0, -1, -729, INT64_MIN, 2, 728, 730, INT64_MAX, ((int64_t)1 << 40) + 1, ((int64_t)1 << 62) - 1,
                                         ROOT * ROOT - 1, ROOT * ROOT + 1};
    static const int64_t capacities[] = {CLIP_FRAMES * POOLED - 1, 1, 0, -1, INT64_MIN};
    static const int64_t no_grids[] = {2, 8, 10};
    const size_t features = CLIP_FRAMES * SIDE * SIDE * CHANNELS * 4, attention = CLIP_FRAMES * SIDE * SIDE * 4;
    size_t index;
    BAD(pooled, state.pooled.count = NULL, FLASHVID_NULL_POINTER);
    MISALIGNED(pooled, int64_t *, state.pooled.count, 8);
    EACH(pooled, unknown, state.pooled.pooling, FLASHVID_INVALID_ARGUMENT);
    BAD(pooled, state.pooled.pooling = 3, FLASHVID_INVALID_ARGUMENT);
    EACH(pooled, no_squares, state.pooled.tokens, FLASHVID_INVALID_SHAPE);
    prepare();
    state.pooled.tokens = ROOT * ROOT;
    EXPECT(run_pooled() == FLASHVID_OK && state.number.int64s[0] == (ROOT + 1) / 2 * ((ROOT + 1) / 2), "%s", message);
    state.pooled.pooling = FLASHVID_POOLING_MAX;
    EXPECT(run_pooled() == FLASHVID_OK && state.number.int64s[0] == ROOT / 2 * (ROOT / 2), "%s", message);
    BAD(pooled, (state.pooled.tokens = 1, state.pooled.pooling = FLASHVID_POOLING_AVERAGE), FLASHVID_INVALID_SHAPE);
    BAD(pooled, (state.pooled.tokens = 1, state.pooled.pooling = FLASHVID_POOLING_MAX), FLASHVID_INVALID_SHAPE);

    STRUCT(pool, flashvid_clip, state.pool.clip, state.clip, 48);
    NEWER(pool, flashvid_clip, state.pool.clip, state.clip);
    BAD(pool, state.clip.features = NULL, FLASHVID_NULL_POINTER);
    BAD(pool, state.clip.attention = NULL, FLASHVID_NULL_POINTER);
    BAD(pool, (state.pool.features = NULL, state.pool.attention = NULL), FLASHVID_NULL_POINTER);
    EACH(pool, none, state.clip.frames, FLASHVID_INVALID_SHAPE);
    EACH(pool, none, state.clip.tokens_per_frame, FLASHVID_INVALID_SHAPE);
    EACH(pool, none, state.clip.channels, FLASHVID_INVALID_SHAPE);
    EACH(pool, no_grids, state.clip.tokens_per_frame, FLASHVID_INVALID_SHAPE);
    EACH(pool, huge, state.clip.frames, FLASHVID_SIZE_OVERFLOW);
    EACH(pool, huge, state.clip.tokens_per_frame, FLASHVID_SIZE_OVERFLOW);
    EACH(pool, huge, state.clip.channels, FLASHVID_SIZE_OVERFLOW);
    for (index = 0; index < COUNT(huge); index += 1) {
        /* A frame of one token, and a clip of which only the attention is pooled. */
        BAD(pool, (state.clip.tokens_per_frame = 1, state.clip.channels = huge[index]), FLASHVID_SIZE_OVERFLOW);
        BAD(pool, (state.pool.features = NULL, state.clip.channels = huge[index]), FLASHVID_SIZE_OVERFLOW);
    }
    BAD(pool, (state.clip.tokens_per_frame = 1, state.pool.pooling = FLASHVID_POOLING_AVERAGE), FLASHVID_INVALID_SHAPE);
    BAD(pool, (state.clip.tokens_per_frame = 1, state.pool.pooling = FLASHVID_POOLING_MAX), FLASHVID_INVALID_SHAPE);
    EACH(pool, unknown, state.clip.type, FLASHVID_INVALID_ARGUMENT);
    EACH(pool, unknown, state.clip.attention_type, FLASHVID_INVALID_ARGUMENT);
    EACH(pool, unknown, state.pool.pooling, FLASHVID_INVALID_ARGUMENT);
    BAD(pool, state.pool.pooling = 3, FLASHVID_INVALID_ARGUMENT);
    EACH(pool, threads, state.pool.threads, FLASHVID_INVALID_ARGUMENT);
    STRIDES(pool, state.clip.frame_stride, CHANNELS);
    STRIDES(pool, state.clip.token_stride, CHANNELS);
    BAD(pool, state.clip.token_stride = (int64_t)1 << 31, FLASHVID_SIZE_OVERFLOW);
    BAD(pool, state.clip.attention_frame_stride = -1, FLASHVID_INVALID_STRIDE);
    BAD(pool, state.clip.attention_token_stride = INT64_MIN, FLASHVID_INVALID_STRIDE);
    BAD(pool, state.clip.attention_frame_stride = INT64_MAX, FLASHVID_SIZE_OVERFLOW);
    BAD(pool, state.clip.attention_token_stride = INT64_MAX / 2, FLASHVID_SIZE_OVERFLOW);
    EACH(pool, capacities, state.pool.capacity, FLASHVID_BUFFER_TOO_SMALL);
    for (index = 0; index < COUNT(capacities); index += 1) {
        BAD(pool, (state.pool.features = NULL, state.pool.capacity = capacities[index]), FLASHVID_BUFFER_TOO_SMALL);
        BAD(pool, (state.pool.attention = NULL, state.pool.capacity = capacities[index]), FLASHVID_BUFFER_TOO_SMALL);
    }
    MISALIGNED(pool, const void *, state.clip.features, 4);
    MISALIGNED(pool, const void *, state.clip.attention, 4);
    MISALIGNED(pool, float *, state.pool.features, 4);
    MISALIGNED(pool, float *, state.pool.attention, 4);
    MEETS(pool, float *, state.pool.features, CLIP_FRAMES * POOLED * CHANNELS * 4, state.features.bytes, features);
    MEETS(pool, float *, state.pool.features, CLIP_FRAMES * POOLED * CHANNELS * 4, state.attention.bytes, attention);
    MEETS(pool, float *, state.pool.attention, CLIP_FRAMES * POOLED * 4, state.features.bytes, features);
    MEETS(pool, float *, state.pool.attention, CLIP_FRAMES * POOLED * 4, state.attention.bytes, attention);
    MEETS(pool, float *, state.pool.attention, CLIP_FRAMES * POOLED * 4, state.first.bytes, CLIP_FRAMES * POOLED * CHANNELS * 4);
    /* Also where one of the two is not pooled. */
    BAD(pool, (state.pool.features = NULL, state.pool.attention = state.features.floats), FLASHVID_OVERLAP);
    BAD(pool, (state.pool.attention = NULL, state.pool.features = state.attention.floats), FLASHVID_OVERLAP);
    BAD(pool, state.clip.features = END, FLASHVID_SIZE_OVERFLOW);
    BAD(pool, state.clip.attention = END, FLASHVID_SIZE_OVERFLOW);
    BAD(pool, state.pool.features = (float *)END, FLASHVID_SIZE_OVERFLOW);
    BAD(pool, state.pool.attention = (float *)END, FLASHVID_SIZE_OVERFLOW);
    NOT_FINITE(pool, state.features.bytes, sizeof state.features, state.clip.type, 0, 5, SIDE * SIDE * CHANNELS,
               CLIP_FRAMES * SIDE * SIDE * CHANNELS - 1);
    NOT_FINITE(pool, state.attention.bytes, sizeof state.attention, state.clip.attention_type, 0, 4, SIDE * SIDE,
               CLIP_FRAMES * SIDE * SIDE - 1);
    BAD(pool, (state.pool.threads = 2, state.pool.pooling = FLASHVID_POOLING_MAX, state.features.floats[0] = NAN), FLASHVID_NOT_FINITE);
    BAD(pool, (state.pool.pooling = FLASHVID_POOLING_AVERAGE, state.features.floats[36] = INFINITY), FLASHVID_NOT_FINITE);
    /* What is dropped may hold anything. */
    prepare();
    state.pool.pooling = FLASHVID_POOLING_AVERAGE;
    for (index = 0; index < CHANNELS; index += 1) state.features.floats[8 * CHANNELS + index] = NAN;
    EXPECT(run_pool() == FLASHVID_OK, "%s", message);
}

/* Pooling to other types than float32. */
static void typed_pooling(void) {
    const size_t features = CLIP_FRAMES * SIDE * SIDE * CHANNELS * 4, attention = CLIP_FRAMES * SIDE * SIDE * 4;
    const size_t pooled = CLIP_FRAMES * POOLED * CHANNELS;
    float wanted[CLIP_FRAMES * POOLED * CHANNELS];
    int type, source;
    size_t index;
    BAD(typed, state.typed.clip = NULL, FLASHVID_NULL_POINTER);
    BAD(typed, (state.typed.features = NULL, state.typed.attention = NULL), FLASHVID_NULL_POINTER);
    EACH(typed, unknown, state.typed.feature_type, FLASHVID_INVALID_ARGUMENT);
    EACH(typed, unknown, state.typed.attention_type, FLASHVID_INVALID_ARGUMENT);
    EACH(typed, unknown, state.typed.pooling, FLASHVID_INVALID_ARGUMENT);
    BAD(typed, state.typed.features = state.first.bytes + 1, FLASHVID_MISALIGNED);
    BAD(typed, state.typed.attention = state.second.bytes + 1, FLASHVID_MISALIGNED);
    BAD(typed, (state.typed.feature_type = FLASHVID_FLOAT32, state.typed.features = state.first.bytes + 2), FLASHVID_MISALIGNED);
    BAD(typed, state.typed.capacity = CLIP_FRAMES * POOLED - 1, FLASHVID_BUFFER_TOO_SMALL);
    BAD(typed, state.typed.threads = 65, FLASHVID_INVALID_ARGUMENT);
    MEETS(typed, void *, state.typed.features, pooled * 2, state.features.bytes, features);
    MEETS(typed, void *, state.typed.attention, CLIP_FRAMES * POOLED * 2, state.attention.bytes, attention);
    MEETS(typed, void *, state.typed.attention, CLIP_FRAMES * POOLED * 2, state.first.bytes, pooled * 2);
    BAD(typed, state.typed.features = &state.clip, FLASHVID_OVERLAP);
    NOT_FINITE(typed, state.features.bytes, sizeof state.features, state.clip.type, 0, 5, CLIP_FRAMES * SIDE * SIDE * CHANNELS - 1);
    /* Numbers that are in the one type and not in the other: nothing is written, not even the other tensor. */
    BAD(typed, (state.typed.feature_type = FLASHVID_FLOAT16, state.features.floats[0] = 1e6f), FLASHVID_NOT_REPRESENTABLE);
    BAD(typed, (state.typed.pooling = FLASHVID_POOLING_MAX, state.typed.feature_type = FLASHVID_FLOAT16, state.features.floats[40] = 65520),
        FLASHVID_NOT_REPRESENTABLE);
    BAD(typed, (state.typed.pooling = FLASHVID_POOLING_MAX, state.features.floats[0] = 3.4e38f), FLASHVID_NOT_REPRESENTABLE);
    BAD(typed, (state.attention.floats[0] = 1e6f), FLASHVID_NOT_REPRESENTABLE);
    for (source = 0; source < 3; source += 1) {
        for (type = 0; type < 3; type += 1) {
            /* Each number is that of the float32 function, rounded, which this reads back. */
            prepare();
            if (source != FLASHVID_FLOAT32)
                for (index = 0; index < features / 4; index += 1) state.features.halves[index] = (uint16_t)(0x3C00 + 37 * index % 512);
            state.clip.type = source;
            state.clip.attention = NULL;
            state.pool.attention = NULL;
            state.typed.attention = NULL;
            EXPECT(run_pool() == FLASHVID_OK, "%s", message);
            memcpy(wanted, state.first.bytes, sizeof wanted);
            state.typed.feature_type = type;
            EXPECT(run_typed() == FLASHVID_OK, "%s", message);
            for (index = 0; index < pooled; index += 1) {
                const float found = number_of(state.first.bytes, type, index);
                const float step = type == FLASHVID_FLOAT32 ? 0 : type == FLASHVID_FLOAT16 ? 0x1p-11f : 0x1p-8f;
                EXPECT(fabsf(found - wanted[index]) <= step * fabsf(wanted[index]) + 0x1p-25f, "%g for %g", found, wanted[index]);
            }
        }
    }
}

/* ---------------------------------------------------------------------------------------------- Patches and windows */

static void grids(void) {
    static const int64_t capacities[] = {GRID_TOKENS - 1, 1, 0, -1, INT64_MIN};
    static const int64_t few[] = {GRID_FRAMES * GRID_TOKENS - 1, 1, 0, -1, INT64_MIN};
    static const int64_t windows[] = {-1, 1, 27, INT64_MIN};
    static const int64_t odd[] = {1, 3, 7};
    int encoder;
    PRESET(grid_preset, flashvid_patch_grid, state.grid_preset.grid, state.grid_preset.size);
    BAD(grid_preset, state.grid_preset.model = FLASHVID_LLAVA_ONEVISION, FLASHVID_INVALID_ARGUMENT);
    BAD(grid_preset, state.grid_preset.model = FLASHVID_LLAVA_VIDEO, FLASHVID_INVALID_ARGUMENT);
#define GRID(name, pointer)                                                                \
    do {                                                                                   \
        STRUCT(name, flashvid_patch_grid, pointer, state.grid, 48);                        \
        NEWER(name, flashvid_patch_grid, pointer, state.grid);                             \
        EACH(name, none, state.grid.rows, FLASHVID_INVALID_SHAPE);                         \
        EACH(name, none, state.grid.columns, FLASHVID_INVALID_SHAPE);                      \
        EACH(name, none, state.grid.merge_size, FLASHVID_INVALID_SHAPE);                   \
        EACH(name, none, state.grid.patch_pixels, FLASHVID_INVALID_SHAPE);                 \
        EACH(name, huge, state.grid.rows, FLASHVID_SIZE_OVERFLOW);                         \
        EACH(name, huge, state.grid.columns, FLASHVID_SIZE_OVERFLOW);                      \
        EACH(name, huge, state.grid.merge_size, FLASHVID_INVALID_SHAPE);                   \
        EACH(name, huge, state.grid.patch_pixels, FLASHVID_INVALID_SHAPE);                 \
        EACH(name, windows, state.grid.window_pixels, FLASHVID_INVALID_SHAPE);             \
        EACH(name, odd, state.grid.rows, FLASHVID_INVALID_SHAPE);                          \
        EACH(name, odd, state.grid.columns, FLASHVID_INVALID_SHAPE);                       \
        BAD(name, state.grid.merge_size = 3, FLASHVID_INVALID_SHAPE);                      \
        BAD(name, (state.grid.rows = 4098, state.grid.columns = 4096), FLASHVID_SIZE_OVERFLOW); \
    } while (0)
#define ORDER(name)                                                                        \
    do {                                                                                   \
        GRID(name, state.order.grid);                                                      \
        BAD(name, state.order.order = NULL, FLASHVID_NULL_POINTER);                        \
        BAD(name, state.order.count = NULL, FLASHVID_NULL_POINTER);                        \
        EACH(name, unknown, state.order.type, FLASHVID_INVALID_ARGUMENT);                  \
        BAD(name, state.order.type = 2, FLASHVID_INVALID_ARGUMENT);                        \
        EACH(name, capacities, state.order.capacity, FLASHVID_BUFFER_TOO_SMALL);           \
        MISALIGNED(name, void *, state.order.order, 8);                                    \
        MISALIGNED(name, int64_t *, state.order.count, 8);                                 \
        BAD(name, (state.order.type = FLASHVID_INT32, state.order.order = state.first.bytes + 2), FLASHVID_MISALIGNED); \
        MEETS(name, int64_t *, state.order.count, 8, state.first.bytes, GRID_TOKENS * 8);  \
        BAD(name, state.order.order = END, FLASHVID_SIZE_OVERFLOW);                        \
    } while (0)
    ORDER(reading);
    ORDER(encoder);
    GRID(patches, state.patches.grid);
    BAD(patches, state.patches.attention = NULL, FLASHVID_NULL_POINTER);
    BAD(patches, state.patches.scores = NULL, FLASHVID_NULL_POINTER);
    EACH(patches, unknown, state.patches.type, FLASHVID_INVALID_ARGUMENT);
    EACH(patches, none, state.patches.frames, FLASHVID_INVALID_SHAPE);
    EACH(patches, immense, state.patches.frames, FLASHVID_SIZE_OVERFLOW);
    BAD(patches, state.patches.frames = (int64_t)1 << 40, FLASHVID_BUFFER_TOO_SMALL);
    BAD(patches, state.patches.frames = (int64_t)1 << 31, FLASHVID_BUFFER_TOO_SMALL);
    EACH(patches, few, state.patches.capacity, FLASHVID_BUFFER_TOO_SMALL);
    MISALIGNED(patches, const void *, state.patches.attention, 4);
    MISALIGNED(patches, float *, state.patches.scores, 4);
    BAD(patches, (state.patches.type = FLASHVID_BFLOAT16, state.patches.attention = state.attention.bytes + 1), FLASHVID_MISALIGNED);
    MEETS(patches, float *, state.patches.scores, GRID_FRAMES * GRID_TOKENS * 4, state.attention.bytes,
          GRID_FRAMES * GRID_ROWS * GRID_COLUMNS * 4);
    BAD(patches, state.patches.attention = END, FLASHVID_SIZE_OVERFLOW);
    BAD(patches, state.patches.scores = (float *)END, FLASHVID_SIZE_OVERFLOW);
    NOT_FINITE(patches, state.attention.bytes, sizeof state.attention, state.patches.type, 0, 50,
               GRID_FRAMES * GRID_ROWS * GRID_COLUMNS - 1);
    for (encoder = 0; encoder < 2; encoder += 1) {
        /* Windows of any size are windows. */
        prepare();
        state.grid.window_pixels = INT64_MAX;
        EXPECT((encoder ? run_encoder() : run_reading()) == FLASHVID_OK, "a window of INT64_MAX pixels: %s", message);
    }
}

static void groups(void) {
    static const int64_t few[] = {GRID_FRAMES * GROUPS - 1, 1, 0, -1, INT64_MIN};
    static const int64_t counts[] = {1, 2, 4, 5, 7, (int64_t)1 << 31, (int64_t)1 << 40};
    static const int64_t negative[] = {-1, INT64_MIN};
    static const int64_t odd[] = {5, 7, 11, 13, (int64_t)1 << 40, INT64_MAX};
    static const int64_t items[] = {-1, GROUPS, INT32_MIN, INT32_MAX};
    size_t index;
    BAD(group, state.group.attention = NULL, FLASHVID_NULL_POINTER);
    BAD(group, state.group.scores = NULL, FLASHVID_NULL_POINTER);
    BAD(group, state.group.order = NULL, FLASHVID_NULL_POINTER);
    EACH(group, none, state.group.frames, FLASHVID_INVALID_SHAPE);
    EACH(group, none, state.group.patches, FLASHVID_INVALID_SHAPE);
    EACH(group, none, state.group.group, FLASHVID_INVALID_SHAPE);
    EACH(group, odd, state.group.group, FLASHVID_INVALID_SHAPE);
    EACH(group, immense, state.group.frames, FLASHVID_SIZE_OVERFLOW);
    BAD(group, state.group.frames = (int64_t)1 << 40, FLASHVID_BUFFER_TOO_SMALL);
    BAD(group, state.group.frames = (int64_t)1 << 31, FLASHVID_BUFFER_TOO_SMALL);
    BAD(group, state.group.patches = INT64_MAX - 3, FLASHVID_SIZE_OVERFLOW);
    BAD(group, state.group.patches = (int64_t)1 << 62, FLASHVID_SIZE_OVERFLOW);
    BAD(group, state.group.patches = (int64_t)1 << 40, FLASHVID_INVALID_SHAPE);
    BAD(group, (state.group.patches = (int64_t)1 << 40, state.group.order = NULL, state.group.order_count = 0), FLASHVID_BUFFER_TOO_SMALL);
    BAD(group, state.group.patches = 14, FLASHVID_INVALID_SHAPE);
    EACH(group, unknown, state.group.type, FLASHVID_INVALID_ARGUMENT);
    EACH(group, unknown, state.group.index_type, FLASHVID_INVALID_ARGUMENT);
    BAD(group, (state.group.order = NULL, state.group.order_count = 0, state.group.index_type = 2), FLASHVID_INVALID_ARGUMENT);
    EACH(group, negative, state.group.order_count, FLASHVID_INVALID_ARGUMENT);
    EACH(group, counts, state.group.order_count, FLASHVID_INVALID_SHAPE);
    EACH(group, immense, state.group.order_count, FLASHVID_SIZE_OVERFLOW);
    BAD(group, state.group.order_count = 0, FLASHVID_INVALID_SHAPE);
    EACH(group, few, state.group.capacity, FLASHVID_BUFFER_TOO_SMALL);
    for (index = 0; index < COUNT(items); index += 1) {
        ITEM(group, state.other, state.group.index_type, GROUPS, 0, items[index], FLASHVID_OUT_OF_RANGE);
        ITEM(group, state.other, state.group.index_type, GROUPS, GROUPS - 1, items[index], FLASHVID_OUT_OF_RANGE);
    }
    BAD(group, state.other.int64s[1] = INT64_MAX, FLASHVID_OUT_OF_RANGE);
    BAD(group, state.other.int64s[1] = INT64_MIN, FLASHVID_OUT_OF_RANGE);
    ITEM(group, state.other, state.group.index_type, GROUPS, 2, 1, FLASHVID_INVALID_ORDER);
    ITEM(group, state.other, state.group.index_type, GROUPS, 0, 2, FLASHVID_INVALID_ORDER);
    /* Over the whole clip: one named twice. */
    BAD(group, (state.group.order_count = 6, state.other.int64s[3] = 4, state.other.int64s[4] = 5, state.other.int64s[5] = 5),
        FLASHVID_INVALID_ORDER);
    MISALIGNED(group, const void *, state.group.attention, 4);
    MISALIGNED(group, const void *, state.group.order, 8);
    MISALIGNED(group, float *, state.group.scores, 4);
    MEETS(group, float *, state.group.scores, GRID_FRAMES * GROUPS * 4, state.attention.bytes, GRID_FRAMES * PATCHES * 4);
    MEETS(group, float *, state.group.scores, GRID_FRAMES * GROUPS * 4, state.other.bytes, GROUPS * 8);
    BAD(group, state.group.attention = END, FLASHVID_SIZE_OVERFLOW);
    BAD(group, state.group.order = END, FLASHVID_SIZE_OVERFLOW);
    BAD(group, state.group.scores = (float *)END, FLASHVID_SIZE_OVERFLOW);
    NOT_FINITE(group, state.attention.bytes, sizeof state.attention, state.group.type, 0, 13, GRID_FRAMES * PATCHES - 1);
}

/* -------------------------------------------------------------------------------------------------------- Gathering */

#define GATHERS(name, own, read, items, most, entries)                                        \
    do {                                                                                      \
        static const int64_t few_[] = {(most)-1, 1, 0, -1, INT64_MIN};                        \
        static const int64_t wrong_[] = {-1, LENGTH, INT32_MIN, INT32_MAX};                   \
        static const int64_t negative_[] = {-1, INT64_MIN};                                   \
        static const size_t enormous_[] = {(size_t)-1, (size_t)1 << 63, (size_t)1 << 62, (size_t)1 << 61};  \
        size_t item_;                                                                         \
        BAD(name, state.name.values = NULL, FLASHVID_NULL_POINTER);                           \
        BAD(name, state.name.indices = NULL, FLASHVID_NULL_POINTER);                          \
        BAD(name, state.name.gathered = NULL, FLASHVID_NULL_POINTER);                         \
        EACH(name, none, state.name.planes, FLASHVID_INVALID_SHAPE);                          \
        EACH(name, immense, state.name.planes, FLASHVID_SIZE_OVERFLOW);                       \
        BAD(name, state.name.planes = (int64_t)1 << 40, FLASHVID_BUFFER_TOO_SMALL);           \
        BAD(name, state.name.planes = (int64_t)1 << 31, FLASHVID_BUFFER_TOO_SMALL);           \
        EACH(name, negative_, state.name.length, FLASHVID_INVALID_ARGUMENT);                  \
        BAD(name, state.name.length = 0, FLASHVID_OUT_OF_RANGE);                              \
        BAD(name, state.name.length = 3, FLASHVID_OUT_OF_RANGE);                              \
        EACH(name, immense, state.name.length, FLASHVID_SIZE_OVERFLOW);                       \
        BAD(name, state.name.size = 0, FLASHVID_INVALID_SHAPE);                               \
        EACH(name, enormous_, state.name.size, FLASHVID_SIZE_OVERFLOW);                       \
        EACH(name, unknown, state.name.type, FLASHVID_INVALID_ARGUMENT);                      \
        EACH(name, negative_, state.name.count, FLASHVID_INVALID_ARGUMENT);                   \
        EACH(name, immense, state.name.count, FLASHVID_SIZE_OVERFLOW);                        \
        BAD(name, state.name.count = (items) + 1, FLASHVID_BUFFER_TOO_SMALL);                 \
        BAD(name, state.name.count = (int64_t)1 << 29, FLASHVID_BUFFER_TOO_SMALL);            \
        EACH(name, few_, state.name.capacity, FLASHVID_BUFFER_TOO_SMALL);                     \
        for (item_ = 0; item_ < COUNT(wrong_); item_ += 1) {                                  \
            ITEM(name, state.list, state.name.type, items, 0, wrong_[item_], FLASHVID_OUT_OF_RANGE); \
            ITEM(name, state.list, state.name.type, items, (items)-1, wrong_[item_], FLASHVID_OUT_OF_RANGE); \
        }                                                                                     \
        BAD(name, state.list.int64s[1] = INT64_MAX, FLASHVID_OUT_OF_RANGE);                   \
        BAD(name, state.list.int64s[1] = INT64_MIN, FLASHVID_OUT_OF_RANGE);                   \
        MISALIGNED(name, const void *, state.name.indices, 8);                                \
        MEETS(name, void *, state.name.gathered, own, state.values.bytes, read);              \
        MEETS(name, void *, state.name.gathered, own, state.list.bytes, (items) * 8);         \
        /* Byte by byte. */                                                                   \
        BAD(name, state.name.gathered = (char *)(uintptr_t)state.values.bytes - (own) + 1, FLASHVID_OVERLAP);    \
        BAD(name, state.name.gathered = (char *)(uintptr_t)state.values.bytes + (read)-1, FLASHVID_OVERLAP);     \
        BAD(name, state.name.gathered = (char *)(uintptr_t)state.list.bytes + (items) * 8 - 1, FLASHVID_OVERLAP); \
        BAD(name, state.name.values = (void *)(uintptr_t)-2, FLASHVID_SIZE_OVERFLOW);         \
        BAD(name, state.name.indices = END, FLASHVID_SIZE_OVERFLOW);                          \
        BAD(name, state.name.gathered = (void *)(uintptr_t)-2, FLASHVID_SIZE_OVERFLOW);       \
        /* Planes of nothing. */                                                              \
        prepare();                                                                            \
        state.name.planes = INT64_MAX;                                                        \
        state.name.length = state.name.count = state.name.capacity = 0;                       \
        state.name.values = state.name.indices = state.name.gathered = NULL;                  \
        EXPECT(run_##name() == FLASHVID_OK, "%s", message);                                   \
    } while (0)

/* Strides of values or of what is gathered from them, and rows that would overlap. */
static void strided_gathering(void) {
    static const int64_t small[] = {1, ROW - 1, -1, -ROW, INT64_MIN};
    static const int64_t large[] = {INT64_MAX, INT64_MAX / 2};
    static const int64_t negative[] = {-1, INT64_MIN}, few[] = {0, -1, INT64_MIN};
    const size_t own = 7 * (ROW + 4) + 3 * (ROW + 4) + ROW, read = PLANES * LENGTH * ROW;
    int plane, row;
    BAD(strided, state.strided.values = NULL, FLASHVID_NULL_POINTER);
    BAD(strided, state.strided.indices = NULL, FLASHVID_NULL_POINTER);
    BAD(strided, state.strided.gathered = NULL, FLASHVID_NULL_POINTER);
    EACH(strided, few, state.strided.planes, FLASHVID_INVALID_SHAPE);
    BAD(strided, state.strided.size = 0, FLASHVID_INVALID_SHAPE);
    EACH(strided, negative, state.strided.length, FLASHVID_INVALID_ARGUMENT);
    EACH(strided, negative, state.strided.count, FLASHVID_INVALID_ARGUMENT);
    EACH(strided, unknown, state.strided.type, FLASHVID_INVALID_ARGUMENT);
    EACH(strided, small, state.strided.plane_stride, FLASHVID_INVALID_STRIDE);
    EACH(strided, small, state.strided.row_stride, FLASHVID_INVALID_STRIDE);
    EACH(strided, small, state.strided.gathered_plane, FLASHVID_INVALID_STRIDE);
    EACH(strided, small, state.strided.gathered_row, FLASHVID_INVALID_STRIDE);
    BAD(strided, state.strided.plane_stride = INT64_MAX, FLASHVID_SIZE_OVERFLOW);
    BAD(strided, state.strided.plane_stride = INT64_MAX / 2, FLASHVID_OVERLAP);
    EACH(strided, large, state.strided.row_stride, FLASHVID_SIZE_OVERFLOW);
    EACH(strided, large, state.strided.gathered_row, FLASHVID_SIZE_OVERFLOW);
    BAD(strided, state.strided.planes = INT64_MAX, FLASHVID_SIZE_OVERFLOW);
    BAD(strided, state.strided.length = INT64_MAX, FLASHVID_SIZE_OVERFLOW);
    BAD(strided, state.strided.size = (size_t)-1, FLASHVID_SIZE_OVERFLOW);
    BAD(strided, state.strided.size = (size_t)1 << 62, FLASHVID_INVALID_STRIDE);
    BAD(strided, state.strided.room = own - 1, FLASHVID_BUFFER_TOO_SMALL);
    BAD(strided, state.strided.room = 0, FLASHVID_BUFFER_TOO_SMALL);
    BAD(strided, state.strided.gathered_plane = 4096, FLASHVID_BUFFER_TOO_SMALL);
    BAD(strided, state.strided.length = 3, FLASHVID_OUT_OF_RANGE);
    BAD(strided, state.strided.length = 0, FLASHVID_OUT_OF_RANGE);
    ITEM(strided, state.list, state.strided.type, GATHERED, 0, -1, FLASHVID_OUT_OF_RANGE);
    ITEM(strided, state.list, state.strided.type, GATHERED, 3, LENGTH, FLASHVID_OUT_OF_RANGE);
    MISALIGNED(strided, const void *, state.strided.indices, 8);
    MEETS(strided, void *, state.strided.gathered, own, state.values.bytes, read);
    MEETS(strided, void *, state.strided.gathered, own, state.list.bytes, GATHERED * 8);
    /* Also in the gaps. */
    BAD(strided, state.strided.gathered = (void *)((uintptr_t)state.values.bytes - ROW - 2), FLASHVID_OVERLAP);
    BAD(strided, state.strided.values = (void *)(uintptr_t)-2, FLASHVID_SIZE_OVERFLOW);
    BAD(strided, state.strided.gathered = (void *)(uintptr_t)-2, FLASHVID_SIZE_OVERFLOW);
    /* Rows that overlap, of every distance of planes and rows. */
    for (plane = ROW; plane <= GATHERED * ROW + ROW; plane += 1) {
        for (row = ROW; row <= PLANES * ROW + ROW; row += 1) {
            const int apart = plane >= (GATHERED - 1) * row + ROW || row >= (PLANES - 1) * plane + ROW;
            flashvid_status status;
            prepare();
            state.strided.gathered_plane = plane;
            state.strided.gathered_row = row;
            state.strided.room = 512;
            status = run_strided();
            EXPECT(status == (apart ? FLASHVID_OK : FLASHVID_INVALID_STRIDE), "planes %d and rows %d apart: %s", plane, row, message);
        }
    }
    /* What is gathered is what the compact function gives of compact values, and nothing lies between. */
    {
        unsigned char compact[PLANES * LENGTH * ROW], wanted[PLANES * GATHERED * ROW];
        int place, byte;
        prepare();
        for (byte = 0; byte < (int)sizeof compact; byte += 1) state.values.bytes[byte] = (unsigned char)(byte * 7);
        for (plane = 0; plane < PLANES; plane += 1)
            for (row = 0; row < LENGTH; row += 1)
                memcpy(compact + (plane * LENGTH + row) * ROW, state.values.bytes + row * PLANES * ROW + plane * ROW, ROW);
        EXPECT(run_strided() == FLASHVID_OK, "%s", message);
        EXPECT(flashvid_gather(compact, PLANES, LENGTH, ROW, state.list.bytes, FLASHVID_INT64, GATHERED, wanted,
                               PLANES * GATHERED, message, sizeof message) == FLASHVID_OK,
               "%s", message);
        for (plane = 0; plane < PLANES; plane += 1) {
            for (place = 0; place < GATHERED; place += 1) {
                const unsigned char *const at = state.first.bytes + plane * 7 * (ROW + 4) + place * (ROW + 4);
                EXPECT(memcmp(at, wanted + (plane * GATHERED + place) * ROW, ROW) == 0, "plane %d, place %d", plane, place);
                for (byte = ROW; byte < ROW + 4; byte += 1) EXPECT(at[byte] == 0xA5, "written between rows");
            }
        }
        prepare();
        state.strided.plane_stride = state.strided.row_stride = state.strided.gathered_plane = state.strided.gathered_row = 0;
        state.strided.room = sizeof wanted;
        memcpy(state.values.bytes, compact, sizeof compact);
        EXPECT(run_strided() == FLASHVID_OK && memcmp(state.first.bytes, wanted, sizeof wanted) == 0, "compact: %s", message);
    }
    /* Planes of nothing, and room for anything. */
    prepare();
    state.strided.planes = INT64_MAX;
    state.strided.length = state.strided.count = 0;
    state.strided.values = state.strided.indices = state.strided.gathered = NULL;
    state.strided.room = 0;
    EXPECT(run_strided() == FLASHVID_OK, "%s", message);
    prepare();
    state.strided.room = (size_t)-1;
    EXPECT(run_strided() == FLASHVID_OK, "%s", message);
}

static void gathering(void) {
    GATHERS(gather, PLANES * GATHERED * ROW, PLANES * LENGTH * ROW, GATHERED, PLANES * GATHERED, LENGTH);
    GATHERS(pairs, PLANES * PAIRS * PAIRS * ELEMENT, PLANES * LENGTH * LENGTH * ELEMENT, PAIRS, PLANES * PAIRS * PAIRS,
            LENGTH *LENGTH);
}

/* ----------------------------------------------------------------------------------------------------------- Prompt */

#define PROMPTS(name, pointer)                                                                          \
    do {                                                                                                \
        static const int64_t starts_[] = {-1, INT64_MIN, PROMPT - 23, PROMPT, PROMPT + 1, (int64_t)1 << 40, INT64_MAX}; \
        static const int64_t outside_[] = {-1, INT64_MIN, INT64_MAX, PROMPT - VIDEO_TOKENS + 1, PROMPT};\
        static const int64_t negative_[] = {-1, INT64_MIN};                                             \
        size_t item_;                                                                                   \
        STRUCT(name, flashvid_prompt, pointer, state.prompt, 40);                                       \
        NEWER(name, flashvid_prompt, pointer, state.prompt);                                            \
        EACH(name, none, state.prompt.length, FLASHVID_INVALID_SHAPE);                                  \
        EACH(name, none, state.prompt.frames, FLASHVID_INVALID_SHAPE);                                  \
        EACH(name, none, state.prompt.tokens_per_frame, FLASHVID_INVALID_SHAPE);                        \
        EACH(name, huge, state.prompt.length, FLASHVID_SIZE_OVERFLOW);                                  \
        BAD(name, state.prompt.length = (1 << 24) + 1, FLASHVID_SIZE_OVERFLOW);                         \
        EACH(name, huge, state.prompt.frames, FLASHVID_INVALID_SHAPE);                                  \
        EACH(name, huge, state.prompt.tokens_per_frame, FLASHVID_INVALID_SHAPE);                        \
        BAD(name, state.prompt.length = 28, FLASHVID_INVALID_SHAPE);                                    \
        BAD(name, state.prompt.frames = 5, FLASHVID_INVALID_SHAPE);                                     \
        EACH(name, starts_, state.prompt.video_start, FLASHVID_INVALID_SHAPE);                          \
        EACH(name, unknown, state.prompt.newlines, FLASHVID_INVALID_ARGUMENT);                          \
        BAD(name, (state.prompt.newlines = FLASHVID_NEWLINES_AFTER_VIDEO, state.prompt.video_start = 16), FLASHVID_INVALID_SHAPE); \
        BAD(name, (state.prompt.newlines = FLASHVID_NEWLINES_AFTER_FRAME, state.prompt.video_start = 14), FLASHVID_INVALID_SHAPE); \
        for (item_ = 0; item_ < COUNT(huge); item_ += 1) {                                              \
            BAD(name, (state.prompt.newlines = FLASHVID_NEWLINES_AFTER_GRID_ROW, state.prompt.newline_columns = none[item_]), FLASHVID_INVALID_SHAPE); \
            BAD(name, (state.prompt.newlines = FLASHVID_NEWLINES_AFTER_GRID_ROW, state.prompt.newline_columns = huge[item_]), FLASHVID_INVALID_SHAPE); \
            BAD(name, (state.prompt.newlines = FLASHVID_NEWLINES_AFTER_GRID_ROW, state.prompt.newline_columns = 8, state.prompt.tokens_per_frame = huge[item_]), FLASHVID_INVALID_SHAPE); \
        }                                                                                               \
        BAD(name, (state.prompt.newlines = FLASHVID_NEWLINES_AFTER_GRID_ROW, state.prompt.newline_columns = 3), FLASHVID_INVALID_SHAPE); \
        BAD(name, (state.prompt.newlines = FLASHVID_NEWLINES_AFTER_GRID_ROW, state.prompt.newline_columns = 1), FLASHVID_INVALID_SHAPE); \
        /* Two ways to say where the video stands, and newlines that go with neither. */                \
        BAD(name, (state.prompt.tokens = state.ids.int32s, state.prompt.frame_starts = state.starts.int64s), FLASHVID_INVALID_ARGUMENT); \
        BAD(name, (state.prompt.tokens = state.ids.int32s, state.prompt.newlines = FLASHVID_NEWLINES_AFTER_VIDEO), FLASHVID_INVALID_ARGUMENT); \
        BAD(name, (state.prompt.frame_starts = state.starts.int64s, state.prompt.newlines = FLASHVID_NEWLINES_AFTER_FRAME), FLASHVID_INVALID_ARGUMENT); \
        /* Frames apart. */                                                                             \
        for (item_ = 0; item_ < COUNT(outside_); item_ += 1) {                                          \
            BAD(name, (state.prompt.frame_starts = state.starts.int64s, state.starts.int64s[0] = outside_[item_]), FLASHVID_OUT_OF_RANGE); \
            BAD(name, (state.prompt.frame_starts = state.starts.int64s, state.starts.int64s[2] = outside_[item_]), FLASHVID_OUT_OF_RANGE); \
        }                                                                                               \
        BAD(name, (state.prompt.frame_starts = state.starts.int64s, state.starts.int64s[1] = 10), FLASHVID_INVALID_ORDER); \
        BAD(name, (state.prompt.frame_starts = state.starts.int64s, state.starts.int64s[2] = 13), FLASHVID_INVALID_ORDER); \
        BAD(name, (state.prompt.frame_starts = state.starts.int64s, state.starts.int64s[1] = 0), FLASHVID_INVALID_ORDER); \
        BAD(name, (state.prompt.frame_starts = state.starts.int64s, state.prompt.length = INT64_MIN), FLASHVID_INVALID_SHAPE); \
        BAD(name, (state.prompt.frame_starts = state.starts.int64s, state.prompt.frames = INT64_MAX), FLASHVID_INVALID_SHAPE); \
        BAD(name, state.prompt.frame_starts = (const int64_t *)END, FLASHVID_SIZE_OVERFLOW);           \
        for (item_ = 1; item_ < 8; item_ += 1)                                                          \
            BAD(name, state.prompt.frame_starts = (const int64_t *)(const void *)(state.starts.bytes + item_), FLASHVID_MISALIGNED); \
        /* Tokens by their ids. */                                                                      \
        BAD(name, (state.prompt.tokens = state.ids.int32s, state.prompt.video_token = 98), FLASHVID_INVALID_SHAPE); \
        BAD(name, (state.prompt.tokens = state.ids.int32s, state.ids.int32s[8] = 8), FLASHVID_INVALID_SHAPE); \
        BAD(name, (state.prompt.tokens = state.ids.int32s, state.ids.int32s[0] = 99), FLASHVID_INVALID_SHAPE); \
        BAD(name, (state.prompt.tokens = state.ids.int32s, state.prompt.length = -1), FLASHVID_INVALID_SHAPE); \
        BAD(name, (state.prompt.tokens = state.ids.int32s, state.prompt.length = INT64_MAX), FLASHVID_SIZE_OVERFLOW); \
        BAD(name, state.prompt.tokens = (const int32_t *)END, FLASHVID_SIZE_OVERFLOW);                  \
        for (item_ = 1; item_ < 4; item_ += 1)                                                          \
            BAD(name, state.prompt.tokens = (const int32_t *)(const void *)(state.ids.bytes + item_), FLASHVID_MISALIGNED); \
        EACH(name, negative_, state.name.rows, FLASHVID_INVALID_ARGUMENT);                              \
        BAD(name, state.name.rows = VIDEO_FRAMES * (VIDEO_TOKENS + 1) + 1, FLASHVID_INVALID_SHAPE);     \
        BAD(name, state.name.rows = (int64_t)1 << 31, FLASHVID_INVALID_SHAPE);                          \
        BAD(name, state.name.rows = (int64_t)1 << 40, FLASHVID_INVALID_SHAPE);                          \
    } while (0)

static void prompts(void) {
    static const int64_t few[] = {KEPT - 1, 1, 0, -1, INT64_MIN};
    static const int64_t items[] = {-1, VIDEO_FRAMES * VIDEO_TOKENS, INT32_MIN, INT32_MAX};
    const size_t kept = KEPT * 8, visual = ROWS * 8;
    size_t index;
    PRESET(prompt_preset, flashvid_prompt, state.prompt_preset.prompt, state.prompt_preset.size);
    PROMPTS(count, state.count.prompt);
    EACH(count, immense, state.count.rows, FLASHVID_INVALID_SHAPE);
    BAD(count, state.count.count = NULL, FLASHVID_NULL_POINTER);
    MISALIGNED(count, int64_t *, state.count.count, 8);

    PROMPTS(keep, state.keep.prompt);
    STRUCT(keep, flashvid_kept_prompt, state.keep.kept, state.kept, 64);
    NEWER(keep, flashvid_kept_prompt, state.keep.kept, state.kept);
    EACH(keep, immense, state.keep.rows, FLASHVID_SIZE_OVERFLOW);
    BAD(keep, state.keep.indices = NULL, FLASHVID_NULL_POINTER);
    BAD(keep, state.kept.positions = NULL, FLASHVID_NULL_POINTER);
    BAD(keep, state.kept.rows = NULL, FLASHVID_NULL_POINTER);
    EACH(keep, unknown, state.keep.type, FLASHVID_INVALID_ARGUMENT);
    EACH(keep, few, state.kept.capacity, FLASHVID_BUFFER_TOO_SMALL);
    for (index = 0; index < COUNT(items); index += 1) {
        ITEM(keep, state.list, state.keep.type, ROWS, 0, items[index], FLASHVID_OUT_OF_RANGE);
        ITEM(keep, state.list, state.keep.type, ROWS, ROWS - 1, items[index], FLASHVID_OUT_OF_RANGE);
    }
    BAD(keep, state.list.int64s[3] = INT64_MAX, FLASHVID_OUT_OF_RANGE);
    BAD(keep, state.list.int64s[3] = INT64_MIN, FLASHVID_OUT_OF_RANGE);
    ITEM(keep, state.list, state.keep.type, ROWS, 0, 2, FLASHVID_INVALID_ORDER);
    ITEM(keep, state.list, state.keep.type, ROWS, ROWS - 1, 0, FLASHVID_INVALID_ORDER);
    BAD(keep, state.kept.first_position = INT64_MAX, FLASHVID_SIZE_OVERFLOW);
    BAD(keep, state.kept.first_position = INT64_MAX - KEPT + 1, FLASHVID_SIZE_OVERFLOW);
    BAD(keep, (narrow(state.list.bytes, ROWS), state.keep.type = FLASHVID_INT32, state.kept.first_position = INT32_MAX), FLASHVID_SIZE_OVERFLOW);
    BAD(keep, (narrow(state.list.bytes, ROWS), state.keep.type = FLASHVID_INT32, state.kept.first_position = INT32_MAX - KEPT + 2), FLASHVID_SIZE_OVERFLOW);
    BAD(keep, (narrow(state.list.bytes, ROWS), state.keep.type = FLASHVID_INT32, state.kept.first_position = (int64_t)INT32_MIN - 1), FLASHVID_SIZE_OVERFLOW);
    BAD(keep, (narrow(state.list.bytes, ROWS), state.keep.type = FLASHVID_INT32, state.kept.first_position = INT64_MIN), FLASHVID_SIZE_OVERFLOW);
    MISALIGNED(keep, const void *, state.keep.indices, 8);
    MISALIGNED(keep, void *, state.kept.positions, 8);
    MISALIGNED(keep, void *, state.kept.rows, 8);
    MISALIGNED(keep, void *, state.kept.renumbered, 8);
    MISALIGNED(keep, void *, state.kept.visual_places, 8);
    BAD(keep, (narrow(state.list.bytes, ROWS), state.keep.type = FLASHVID_INT32, state.kept.rows = state.second.bytes + 2), FLASHVID_MISALIGNED);
#define WRITTEN(field, own)                                                                        \
    do {                                                                                           \
        MEETS(keep, void *, state.kept.field, own, state.list.bytes, ROWS * 8);                    \
        MEETS(keep, void *, state.kept.field, own, &state.kept, sizeof state.kept);                \
        BAD(keep, state.kept.field = END, FLASHVID_SIZE_OVERFLOW);                                 \
        BAD(keep, (state.prompt.frame_starts = state.starts.int64s, state.kept.field = state.starts.bytes), FLASHVID_OVERLAP); \
        BAD(keep, (state.prompt.tokens = state.ids.int32s, state.kept.field = state.ids.bytes + 4 * PROMPT - 8), FLASHVID_OVERLAP); \
    } while (0)
    BAD(count, (state.prompt.frame_starts = state.starts.int64s, state.count.count = state.starts.int64s + 1), FLASHVID_OVERLAP);
    BAD(count, (state.prompt.tokens = state.ids.int32s, state.count.count = state.ids.int64s), FLASHVID_OVERLAP);
    WRITTEN(positions, kept);
    WRITTEN(rows, kept);
    WRITTEN(renumbered, kept);
    WRITTEN(visual_places, visual);
    MEETS(keep, void *, state.kept.rows, kept, state.first.bytes, kept);
    MEETS(keep, void *, state.kept.renumbered, kept, state.first.bytes, kept);
    MEETS(keep, void *, state.kept.renumbered, kept, state.second.bytes, kept);
    MEETS(keep, void *, state.kept.visual_places, visual, state.first.bytes, kept);
    MEETS(keep, void *, state.kept.visual_places, visual, state.second.bytes, kept);
    MEETS(keep, void *, state.kept.visual_places, visual, state.third.bytes, kept);
    BAD(keep, state.keep.indices = END, FLASHVID_SIZE_OVERFLOW);
    /* Nothing but video, and none of it stays: nothing is left, and nowhere is room for it. */
    prepare();
    state.prompt.length = 24;
    state.prompt.video_start = state.keep.rows = state.kept.capacity = 0;
    state.keep.indices = NULL;
    state.kept.positions = state.kept.rows = NULL;
    EXPECT(run_keep() == FLASHVID_OK && state.kept.count == 0, "nothing left: %s", message);
}

static void pruning(void) {
    static const int64_t few[] = {3, 1, 0, -1, INT64_MIN};
    static const int64_t negative[] = {-1, INT64_MIN};
    static const int64_t rows[] = {-2, -100, INT32_MIN};
    static const int64_t items[] = {-1, ROWS - 1, ROWS, INT32_MIN, INT32_MAX};
    size_t index;
    /* Of six places the first holds text; the second and third of the five rows stay. */
#define PRUNE(change, wanted) BAD(prune, (state.list.int64s[0] = -1, change), wanted)
    PRUNE(state.prune.rows = NULL, FLASHVID_NULL_POINTER);
    PRUNE(state.prune.kept = NULL, FLASHVID_NULL_POINTER);
    PRUNE(state.prune.places = NULL, FLASHVID_NULL_POINTER);
    PRUNE(state.prune.place_count = NULL, FLASHVID_NULL_POINTER);
    EACH(prune, negative, state.prune.count, FLASHVID_INVALID_ARGUMENT);
    EACH(prune, negative, state.prune.kept_count, FLASHVID_INVALID_ARGUMENT);
    EACH(prune, immense, state.prune.count, FLASHVID_SIZE_OVERFLOW);
    EACH(prune, immense, state.prune.kept_count, FLASHVID_SIZE_OVERFLOW);
    BAD(prune, state.prune.count = (int64_t)1 << 40, FLASHVID_SIZE_OVERFLOW);
    BAD(prune, state.prune.count = (int64_t)1 << 31, FLASHVID_SIZE_OVERFLOW);
    BAD(prune, state.prune.kept_count = (int64_t)1 << 40, FLASHVID_INVALID_SHAPE);
    BAD(prune, state.prune.kept_count = ROWS + 1, FLASHVID_INVALID_SHAPE);
    BAD(prune, state.prune.count = 0, FLASHVID_INVALID_SHAPE);
    EACH(prune, unknown, state.prune.type, FLASHVID_INVALID_ARGUMENT);
    for (index = 0; index < COUNT(few); index += 1)
        PRUNE((state.list.int64s[1] = -1, state.prune.capacity = few[index]), FLASHVID_BUFFER_TOO_SMALL);
    for (index = 0; index < COUNT(rows); index += 1) {
        ITEM(prune, state.list, state.prune.type, ROWS, 0, rows[index], FLASHVID_OUT_OF_RANGE);
        ITEM(prune, state.list, state.prune.type, ROWS, ROWS - 1, rows[index], FLASHVID_OUT_OF_RANGE);
    }
    PRUNE(state.list.int64s[2] = INT64_MIN, FLASHVID_OUT_OF_RANGE);
    for (index = 0; index < COUNT(items); index += 1) {
        PRUNE(state.other.int64s[1] = items[index], FLASHVID_OUT_OF_RANGE);
        PRUNE((narrow(state.list.bytes, ROWS), narrow(state.other.bytes, 2), state.prune.type = FLASHVID_INT32, state.other.int32s[1] = (int32_t)items[index]), FLASHVID_OUT_OF_RANGE);
    }
    PRUNE(state.other.int64s[0] = INT64_MAX, FLASHVID_OUT_OF_RANGE);
    PRUNE(state.other.int64s[0] = INT64_MIN, FLASHVID_OUT_OF_RANGE);
    ITEM(prune, state.other, state.prune.type, 2, 1, 1, FLASHVID_INVALID_ORDER);
    PRUNE(state.other.int64s[1] = 0, FLASHVID_INVALID_ORDER);
    MISALIGNED(prune, const void *, state.prune.rows, 8);
    MISALIGNED(prune, const void *, state.prune.kept, 8);
    MISALIGNED(prune, void *, state.prune.places, 8);
    MISALIGNED(prune, int64_t *, state.prune.place_count, 8);
    /* Two of six places stay. */
    MEETS(prune, void *, state.prune.places, 16, state.list.bytes, ROWS * 8);
    MEETS(prune, void *, state.prune.places, 16, state.other.bytes, 2 * 8);
    MEETS(prune, int64_t *, state.prune.place_count, 8, state.list.bytes, ROWS * 8);
    MEETS(prune, int64_t *, state.prune.place_count, 8, state.other.bytes, 2 * 8);
    MEETS(prune, int64_t *, state.prune.place_count, 8, state.first.bytes, 2 * 8);
    BAD(prune, state.prune.rows = END, FLASHVID_SIZE_OVERFLOW);
    BAD(prune, state.prune.kept = END, FLASHVID_SIZE_OVERFLOW);
    BAD(prune, state.prune.places = END, FLASHVID_SIZE_OVERFLOW);
    prepare();
    state.prune.count = state.prune.kept_count = state.prune.capacity = 0;
    state.prune.rows = state.prune.kept = state.prune.places = NULL;
    EXPECT(run_prune() == FLASHVID_OK && state.number.int64s[0] == 0, "nothing to prune: %s", message);
}

static void sequences(void) {
    static const int64_t few[] = {SEQUENCE - 1, 1, 0, -1, INT64_MIN};
    static const int64_t negative[] = {-1, INT64_MIN};
    static const int64_t items[] = {-1, VIDEO_FRAMES * VIDEO_TOKENS, INT32_MIN, INT32_MAX};
    size_t index;
    BAD(video, state.video.indices = NULL, FLASHVID_NULL_POINTER);
    BAD(video, state.video.rows = NULL, FLASHVID_NULL_POINTER);
    BAD(video, state.video.count = NULL, FLASHVID_NULL_POINTER);
    EACH(video, negative, state.video.row_count, FLASHVID_INVALID_ARGUMENT);
    EACH(video, immense, state.video.row_count, FLASHVID_SIZE_OVERFLOW);
    BAD(video, state.video.row_count = VIDEO_FRAMES * (VIDEO_TOKENS + 1) + 1, FLASHVID_INVALID_SHAPE);
    BAD(video, state.video.row_count = (int64_t)1 << 31, FLASHVID_INVALID_SHAPE);
    BAD(video, state.video.row_count = (int64_t)1 << 40, FLASHVID_INVALID_SHAPE);
    EACH(video, none, state.video.frames, FLASHVID_INVALID_SHAPE);
    EACH(video, none, state.video.tokens, FLASHVID_INVALID_SHAPE);
    EACH(video, huge, state.video.frames, FLASHVID_SIZE_OVERFLOW);
    EACH(video, huge, state.video.tokens, FLASHVID_SIZE_OVERFLOW);
    BAD(video, (state.video.frames = 1 << 12, state.video.tokens = (1 << 12) + 1), FLASHVID_SIZE_OVERFLOW);
    BAD(video, (state.video.frames = (int64_t)1 << 32, state.video.tokens = (int64_t)1 << 32), FLASHVID_SIZE_OVERFLOW);
    BAD(video, state.video.frames = 1 << 20, FLASHVID_BUFFER_TOO_SMALL);
    EACH(video, unknown, state.video.type, FLASHVID_INVALID_ARGUMENT);
    EACH(video, unknown, state.video.newlines, FLASHVID_INVALID_ARGUMENT);
    EACH(video, few, state.video.capacity, FLASHVID_BUFFER_TOO_SMALL);
    BAD(video, (state.video.newlines = FLASHVID_NEWLINES_AFTER_GRID_ROW, state.video.capacity = SEQUENCE - 1), FLASHVID_BUFFER_TOO_SMALL);
    BAD(video, (state.video.newlines = FLASHVID_NEWLINES_AFTER_VIDEO, state.video.capacity = ROWS), FLASHVID_BUFFER_TOO_SMALL);
    BAD(video, (state.video.newlines = FLASHVID_NEWLINES_NONE, state.video.capacity = ROWS - 1), FLASHVID_BUFFER_TOO_SMALL);
    for (index = 0; index < COUNT(items); index += 1) {
        ITEM(video, state.list, state.video.type, ROWS, 0, items[index], FLASHVID_OUT_OF_RANGE);
        ITEM(video, state.list, state.video.type, ROWS, ROWS - 1, items[index], FLASHVID_OUT_OF_RANGE);
    }
    BAD(video, state.list.int64s[3] = INT64_MAX, FLASHVID_OUT_OF_RANGE);
    BAD(video, state.list.int64s[3] = INT64_MIN, FLASHVID_OUT_OF_RANGE);
    ITEM(video, state.list, state.video.type, ROWS, 0, 2, FLASHVID_INVALID_ORDER);
    ITEM(video, state.list, state.video.type, ROWS, ROWS - 1, 0, FLASHVID_INVALID_ORDER);
    MISALIGNED(video, const void *, state.video.indices, 8);
    MISALIGNED(video, void *, state.video.rows, 8);
    MISALIGNED(video, int64_t *, state.video.count, 8);
    MEETS(video, void *, state.video.rows, SEQUENCE * 8, state.list.bytes, ROWS * 8);
    MEETS(video, int64_t *, state.video.count, 8, state.list.bytes, ROWS * 8);
    MEETS(video, int64_t *, state.video.count, 8, state.first.bytes, SEQUENCE * 8);
    BAD(video, state.video.indices = END, FLASHVID_SIZE_OVERFLOW);
    BAD(video, state.video.rows = END, FLASHVID_SIZE_OVERFLOW);
}

static void embeddings(void) {
    static const int64_t few[] = {ROWS - 1, 1, 0, -1, INT64_MIN};
    static const int64_t negative[] = {-1, INT64_MIN};
    static const int64_t rows[] = {-2, ROWS, INT32_MIN, INT32_MAX};
    static const int64_t positions[] = {-1, TEXT, INT32_MIN, INT32_MAX};
    static const size_t enormous[] = {(size_t)-1, (size_t)1 << 63, (size_t)1 << 62, (size_t)1 << 61};
    size_t index;
    BAD(embed, state.embed.rows = NULL, FLASHVID_NULL_POINTER);
    BAD(embed, state.embed.text = NULL, FLASHVID_NULL_POINTER);
    BAD(embed, state.embed.tokens = NULL, FLASHVID_NULL_POINTER);
    BAD(embed, state.embed.embeddings = NULL, FLASHVID_NULL_POINTER);
    EACH(embed, unknown, state.embed.type, FLASHVID_INVALID_ARGUMENT);
    EACH(embed, negative, state.embed.count, FLASHVID_INVALID_ARGUMENT);
    EACH(embed, negative, state.embed.text_count, FLASHVID_INVALID_ARGUMENT);
    EACH(embed, negative, state.embed.row_count, FLASHVID_INVALID_ARGUMENT);
    EACH(embed, immense, state.embed.count, FLASHVID_SIZE_OVERFLOW);
    EACH(embed, immense, state.embed.text_count, FLASHVID_SIZE_OVERFLOW);
    EACH(embed, immense, state.embed.row_count, FLASHVID_SIZE_OVERFLOW);
    BAD(embed, state.embed.count = ROWS + 1, FLASHVID_BUFFER_TOO_SMALL);
    BAD(embed, state.embed.count = (int64_t)1 << 40, FLASHVID_BUFFER_TOO_SMALL);
    BAD(embed, state.embed.text_count = 0, FLASHVID_OUT_OF_RANGE);
    BAD(embed, state.embed.row_count = 0, FLASHVID_OUT_OF_RANGE);
    BAD(embed, state.embed.size = 0, FLASHVID_INVALID_SHAPE);
    EACH(embed, enormous, state.embed.size, FLASHVID_SIZE_OVERFLOW);
    EACH(embed, few, state.embed.capacity, FLASHVID_BUFFER_TOO_SMALL);
    for (index = 0; index < COUNT(rows); index += 1) {
        BAD(embed, state.other.int64s[0] = rows[index], FLASHVID_OUT_OF_RANGE);
        BAD(embed, state.other.int64s[ROWS - 1] = rows[index], FLASHVID_OUT_OF_RANGE);
        BAD(embed, state.list.int64s[3] = positions[index], FLASHVID_OUT_OF_RANGE);
        BAD(embed, (narrow(state.list.bytes, ROWS), narrow(state.other.bytes, ROWS), state.embed.type = FLASHVID_INT32, state.other.int32s[5] = (int32_t)rows[index]), FLASHVID_OUT_OF_RANGE);
        BAD(embed, (narrow(state.list.bytes, ROWS), narrow(state.other.bytes, ROWS), state.embed.type = FLASHVID_INT32, state.list.int32s[3] = (int32_t)positions[index]), FLASHVID_OUT_OF_RANGE);
    }
    BAD(embed, state.other.int64s[2] = INT64_MIN, FLASHVID_OUT_OF_RANGE);
    BAD(embed, state.other.int64s[2] = INT64_MAX, FLASHVID_OUT_OF_RANGE);
    BAD(embed, state.list.int64s[3] = INT64_MAX, FLASHVID_OUT_OF_RANGE);
    BAD(embed, (state.embed.positions = NULL, state.embed.text_count = 0), FLASHVID_OUT_OF_RANGE);
    MISALIGNED(embed, const void *, state.embed.rows, 8);
    MISALIGNED(embed, const void *, state.embed.positions, 8);
    MEETS(embed, void *, state.embed.embeddings, ROWS * EMBEDDING, state.text.bytes, TEXT * EMBEDDING);
    MEETS(embed, void *, state.embed.embeddings, ROWS * EMBEDDING, state.tokens.bytes, ROWS * EMBEDDING);
    MEETS(embed, void *, state.embed.embeddings, ROWS * EMBEDDING, state.list.bytes, ROWS * 8);
    MEETS(embed, void *, state.embed.embeddings, ROWS * EMBEDDING, state.other.bytes, ROWS * 8);
    BAD(embed, state.embed.embeddings = state.text.bytes + TEXT * EMBEDDING - 1, FLASHVID_OVERLAP);
    BAD(embed, state.embed.rows = END, FLASHVID_SIZE_OVERFLOW);
    BAD(embed, state.embed.positions = END, FLASHVID_SIZE_OVERFLOW);
    BAD(embed, state.embed.text = END, FLASHVID_SIZE_OVERFLOW);
    BAD(embed, state.embed.tokens = END, FLASHVID_SIZE_OVERFLOW);
    BAD(embed, state.embed.embeddings = END, FLASHVID_SIZE_OVERFLOW);
}

/* ------------------------------------------------------------------------------------------------------------ Plans */

static void expansions(void) {
    static const int64_t outside[] = {-1, 28, 29, INT64_MIN, INT64_MAX};
    static const double ratios[] = {0, -0.0, -1, 1.0000001, NAN, INFINITY, -INFINITY};
    static const double given[] = {0, -1, NAN, INFINITY, -INFINITY};
#define EXPANSION(name)                                                                      \
    do {                                                                                     \
        BAD(name, state.expansion.result = NULL, FLASHVID_NULL_POINTER);                     \
        MISALIGNED(name, double *, state.expansion.result, 8);                               \
        EACH(name, none, state.expansion.layers, FLASHVID_INVALID_SHAPE);                    \
        EACH(name, outside, state.expansion.layer, FLASHVID_OUT_OF_RANGE);                   \
        EACH(name, ratios, state.expansion.kept, FLASHVID_INVALID_CONFIGURATION);            \
        EACH(name, given, state.expansion.given, FLASHVID_INVALID_CONFIGURATION);            \
    } while (0)
    EXPANSION(expansion);
    EXPANSION(average);
    BAD(expansion, (state.expansion.layer = 0, state.expansion.kept = 1e-300, state.expansion.given = 1e300), FLASHVID_IMPOSSIBLE);
    BAD(expansion, (state.expansion.layers = 1, state.expansion.layer = 0, state.expansion.kept = 5e-324), FLASHVID_IMPOSSIBLE);
}

#define CONTEXT(name)                                                                                   \
    do {                                                                                                \
        STRUCT(name, flashvid_context_budget, state.name.context, state.context, 40);                          \
        NEWER(name, flashvid_context_budget, state.name.context, state.context);                               \
        EACH(name, none, state.context.positions, FLASHVID_INVALID_SHAPE);                              \
        EACH(name, none, state.context.tokens_per_frame, FLASHVID_INVALID_SHAPE);                       \
        BAD(name, state.context.overhead_per_frame = -1, FLASHVID_OUT_OF_RANGE);                        \
        BAD(name, state.context.overhead_per_frame = INT64_MIN, FLASHVID_OUT_OF_RANGE);                 \
        BAD(name, state.context.other_positions = -1, FLASHVID_OUT_OF_RANGE);                           \
        BAD(name, state.context.other_positions = INT64_MIN, FLASHVID_OUT_OF_RANGE);                    \
        BAD(name, state.context.other_positions = 1000, FLASHVID_IMPOSSIBLE);                           \
        BAD(name, state.context.other_positions = INT64_MAX, FLASHVID_IMPOSSIBLE);                      \
        BAD(name, state.context.overhead_per_frame = 981, FLASHVID_IMPOSSIBLE);                         \
        BAD(name, (state.context.overhead_per_frame = (int64_t)1 << 62), FLASHVID_IMPOSSIBLE);          \
        BAD(name, state.context.positions = 1, FLASHVID_IMPOSSIBLE);                                    \
        BAD(name, state.context.tokens_per_frame = INT64_MAX, FLASHVID_SIZE_OVERFLOW);                  \
        BAD(name, state.context.tokens_per_frame = (int64_t)1 << 62, FLASHVID_SIZE_OVERFLOW);           \
        BAD(name, state.configuration.struct_size = 0, FLASHVID_INVALID_STRUCT);                        \
        BAD(name, state.configuration.struct_size = 17, FLASHVID_INVALID_STRUCT);                       \
        BAD(name, state.name.configuration = (flashvid_configuration *)(void *)(state.spare.bytes + 4), FLASHVID_INVALID_STRUCT); \
        BAD(name, state.configuration.reserved = 1, FLASHVID_UNSUPPORTED);                              \
        BAD(name, state.configuration.expansion = NAN, FLASHVID_INVALID_CONFIGURATION);                 \
        BAD(name, state.configuration.alpha = 2, FLASHVID_INVALID_CONFIGURATION);                       \
        EACH(name, unknown, state.configuration.selection, FLASHVID_INVALID_CONFIGURATION);             \
    } while (0)

static void budgets(void) {
    CONTEXT(frames);
    BAD(frames, state.configuration.retention_ratio = 0, FLASHVID_INVALID_CONFIGURATION);
    BAD(frames, state.frames.frames = NULL, FLASHVID_NULL_POINTER);
    /* A budget that underflows: frames that take nothing. */
    BAD(frames, (state.configuration.retention_ratio = state.configuration.expansion = 1e-200, state.context.overhead_per_frame = 0),
        FLASHVID_IMPOSSIBLE);
    MISALIGNED(frames, int64_t *, state.frames.frames, 8);
    BAD(frames, state.context.overhead_per_frame = INT64_MAX, FLASHVID_SIZE_OVERFLOW);
    BAD(frames, (state.frames.configuration = NULL, state.context.tokens_per_frame = 1000), FLASHVID_IMPOSSIBLE);
    BAD(frames, (state.frames.configuration = NULL, state.context.tokens_per_frame = 0), FLASHVID_INVALID_SHAPE);
    BAD(frames, (state.frames.configuration = NULL, state.context.tokens_per_frame = INT64_MAX), FLASHVID_SIZE_OVERFLOW);

    CONTEXT(retention);
    BAD(retention, state.retention.configuration = NULL, FLASHVID_NULL_POINTER);
    BAD(retention, state.retention.ratio = NULL, FLASHVID_NULL_POINTER);
    MISALIGNED(retention, double *, state.retention.ratio, 8);
    EACH(retention, none, state.retention.frames, FLASHVID_INVALID_SHAPE);
    EACH(retention, huge, state.retention.frames, FLASHVID_IMPOSSIBLE);
    BAD(retention, state.retention.frames = 491, FLASHVID_IMPOSSIBLE);
    BAD(retention, state.context.overhead_per_frame = INT64_MAX, FLASHVID_IMPOSSIBLE);
    BAD(retention, (state.context.overhead_per_frame = INT64_MAX, state.configuration.semantics = FLASHVID_SEMANTICS_PUBLISHED),
        FLASHVID_IMPOSSIBLE);
    BAD(retention, (state.context.overhead_per_frame = state.context.positions = INT64_MAX, state.context.other_positions = 0, state.retention.frames = 1),
        FLASHVID_IMPOSSIBLE);
}

#define HOST(name)                                                                                      \
    do {                                                                                                \
        STRUCT(name, flashvid_host_model, state.name.host, state.host, 120);                            \
        NEWER(name, flashvid_host_model, state.name.host, state.host);                                  \
        EACH(name, unknown, state.host.model, FLASHVID_INVALID_ARGUMENT);                               \
        EACH(name, unknown, state.host.reserved, FLASHVID_UNSUPPORTED);                                 \
        EACH(name, none, state.host.layers, FLASHVID_INVALID_SHAPE);                                    \
        EACH(name, none, state.host.width, FLASHVID_INVALID_SHAPE);                                     \
        EACH(name, none, state.host.feed_forward_width, FLASHVID_INVALID_SHAPE);                        \
        EACH(name, none, state.host.heads, FLASHVID_INVALID_SHAPE);                                     \
        EACH(name, none, state.host.key_value_heads, FLASHVID_INVALID_SHAPE);                           \
        EACH(name, none, state.host.head_width, FLASHVID_INVALID_SHAPE);                                \
        EACH(name, none, state.host.context_length, FLASHVID_INVALID_SHAPE);                            \
        BAD(name, state.host.key_value_heads = 3, FLASHVID_INVALID_SHAPE);                              \
        EACH(name, huge, state.host.key_value_heads, FLASHVID_INVALID_SHAPE);                           \
        BAD(name, state.host.pruning_layer = -1, FLASHVID_OUT_OF_RANGE);                                \
        BAD(name, state.host.pruning_layer = 28, FLASHVID_OUT_OF_RANGE);                                \
        EACH(name, huge, state.host.pruning_layer, FLASHVID_OUT_OF_RANGE);                              \
        EACH(name, not_finite, state.host.kept_ratio, FLASHVID_INVALID_CONFIGURATION);                  \
        BAD(name, state.host.kept_ratio = 0, FLASHVID_INVALID_CONFIGURATION);                           \
        BAD(name, state.host.kept_ratio = 1.01, FLASHVID_INVALID_CONFIGURATION);                        \
    } while (0)

static void hosts(void) {
    static const double ratios[] = {-0.1, 1.01, NAN, INFINITY, -INFINITY};
    static const double seconds[] = {-1, -1e-300, NAN, INFINITY, -INFINITY};
    static const double works[] = {0, -1, NAN, INFINITY, -INFINITY};
    static const int64_t negative[] = {-1, INT64_MIN};
    static const size_t sizes[] = {0, 1, 7, 8, 15, 17, sizeof(flashvid_plan_row) + 4, 4104, (size_t)1 << 40, (size_t)-8, (size_t)-1};
    size_t index;
    PRESET(host_preset, flashvid_host_model, state.host_preset.host, state.host_preset.size);

    HOST(prefill);
    EACH(prefill, negative, state.prefill.visual, FLASHVID_OUT_OF_RANGE);
    EACH(prefill, negative, state.prefill.text, FLASHVID_OUT_OF_RANGE);
    BAD(prefill, state.prefill.work = NULL, FLASHVID_NULL_POINTER);
    MISALIGNED(prefill, double *, state.prefill.work, 8);

    HOST(plan);
#define VIDEO(name)                                                                       \
    do {                                                                                  \
        EACH(name, ratios, state.name.ratio, FLASHVID_INVALID_CONFIGURATION);             \
        EACH(name, negative, state.name.text, FLASHVID_OUT_OF_RANGE);                     \
        EACH(name, negative, state.host.overhead_per_frame, FLASHVID_OUT_OF_RANGE);       \
        EACH(name, negative, state.host.overhead_per_video, FLASHVID_OUT_OF_RANGE);       \
        EACH(name, none, state.host.tokens_per_frame, FLASHVID_INVALID_SHAPE);            \
        BAD(name, state.host.tokens_per_frame = INT64_MAX, FLASHVID_SIZE_OVERFLOW);       \
        BAD(name, (state.host.overhead_per_video = INT64_MAX, state.name.text = 1), FLASHVID_SIZE_OVERFLOW); \
        BAD(name, state.host.overhead_per_frame = INT64_MAX, FLASHVID_SIZE_OVERFLOW);     \
    } while (0)
    VIDEO(plan);
    EACH(plan, none, state.host.frames, FLASHVID_INVALID_SHAPE);
    EACH(plan, immense, state.host.frames, FLASHVID_SIZE_OVERFLOW);
    BAD(plan, state.host.context_length = 1, FLASHVID_IMPOSSIBLE);
    BAD(plan, state.host.context_length = 64, FLASHVID_IMPOSSIBLE);
    BAD(plan, (state.plan.ratio = 0, state.host.context_length = 64 + 169), FLASHVID_IMPOSSIBLE);
    BAD(plan, state.plan.text = 1 << 20, FLASHVID_IMPOSSIBLE);
    BAD(plan, state.plan.row = NULL, FLASHVID_NULL_POINTER);
    for (index = 0; index < COUNT(sizes); index += 1) BAD(plan, state.row.struct_size = sizes[index], FLASHVID_INVALID_STRUCT);
    for (index = 1; index < 8; index += 1)
        BAD(plan, (memcpy(state.spare.bytes + index, &state.row, sizeof state.row),
                   state.plan.row = (flashvid_plan_row *)(void *)(state.spare.bytes + index)),
            FLASHVID_INVALID_STRUCT);

    HOST(even);
    VIDEO(even);
    BAD(even, state.even.ratio = 0, FLASHVID_INVALID_CONFIGURATION);
    EACH(even, seconds, state.even.seconds, FLASHVID_INVALID_CONFIGURATION);
    EACH(even, works, state.even.work, FLASHVID_INVALID_CONFIGURATION);
    BAD(even, state.even.seconds = 1e300, FLASHVID_IMPOSSIBLE);
    BAD(even, state.even.work = 1e300, FLASHVID_IMPOSSIBLE);
    BAD(even, state.even.frames = NULL, FLASHVID_NULL_POINTER);
    MISALIGNED(even, int64_t *, state.even.frames, 8);
}

/* ---------------------------------------------------------------------------------------------------------- Overlap */

/* The room for the text is memory that the call has to do with: nothing is written, not even a text. */
static void silent(flashvid_status (*run)(void), void *memory, const char *what, int line) {
    text = (char *)memory;
    room = 16;
    memcpy(&before, &state, sizeof state);
    expect(run(), FLASHVID_OVERLAP, what, line);
    text = message;
    room = sizeof message;
}

#define SILENT(name, memory)                                                          \
    do {                                                                              \
        prepare();                                                                    \
        silent(run_##name, memory, #name ": message and " #memory " overlap", __LINE__); \
    } while (0)

/* A struct that is read meets a buffer that is written. */
#define IN_STRUCT(name, type, pointer, value) \
    BAD(name, pointer = (type)(void *)&state.value, FLASHVID_OVERLAP)

static void overlaps(void) {
    SILENT(create, state.handle.bytes);
    SILENT(space, &state.encoder); SILENT(space, &state.decoder); SILENT(space, state.number.bytes);
    SILENT(strided, state.values.bytes); SILENT(strided, state.list.bytes); SILENT(strided, state.first.bytes + ROW);
    SILENT(typed, &state.clip); SILENT(typed, state.features.bytes); SILENT(typed, state.first.bytes);
    SILENT(typed, state.second.bytes);
    SILENT(pooled, state.number.bytes);
    SILENT(pool, &state.clip); SILENT(pool, state.features.bytes + 8); SILENT(pool, state.attention.bytes);
    SILENT(pool, state.first.bytes); SILENT(pool, state.second.bytes);
    SILENT(reading, &state.grid); SILENT(reading, state.first.bytes + 80); SILENT(reading, state.number.bytes);
    SILENT(encoder, &state.grid); SILENT(encoder, state.first.bytes); SILENT(encoder, state.number.bytes);
    SILENT(patches, &state.grid); SILENT(patches, state.attention.bytes); SILENT(patches, state.first.bytes);
    SILENT(group, state.attention.bytes); SILENT(group, state.other.bytes); SILENT(group, state.first.bytes);
    SILENT(gather, state.values.bytes); SILENT(gather, state.list.bytes); SILENT(gather, state.first.bytes);
    SILENT(pairs, state.values.bytes); SILENT(pairs, state.list.bytes); SILENT(pairs, state.first.bytes);
    SILENT(count, &state.prompt); SILENT(count, state.number.bytes);
    SILENT(keep, &state.prompt); SILENT(keep, &state.kept); SILENT(keep, state.list.bytes); SILENT(keep, state.first.bytes);
    SILENT(keep, state.second.bytes); SILENT(keep, state.third.bytes); SILENT(keep, state.fourth.bytes);
    SILENT(prune, state.list.bytes); SILENT(prune, state.other.bytes); SILENT(prune, state.first.bytes);
    SILENT(prune, state.number.bytes);
    SILENT(video, state.list.bytes); SILENT(video, state.first.bytes); SILENT(video, state.number.bytes);
    SILENT(embed, state.other.bytes); SILENT(embed, state.list.bytes); SILENT(embed, state.text.bytes);
    SILENT(embed, state.tokens.bytes); SILENT(embed, state.first.bytes);
    SILENT(expansion, state.number.bytes);
    SILENT(average, state.number.bytes);
    SILENT(frames, &state.context); SILENT(frames, &state.configuration); SILENT(frames, state.number.bytes);
    SILENT(retention, &state.context); SILENT(retention, &state.configuration); SILENT(retention, state.number.bytes);
    SILENT(prefill, &state.host); SILENT(prefill, state.number.bytes);
    SILENT(plan, &state.host); SILENT(plan, &state.row);
    SILENT(even, &state.host); SILENT(even, state.number.bytes);

    IN_STRUCT(scores, float *, state.scores.scores, encoder);
    IN_STRUCT(last, float *, state.last.scores, decoder);
    IN_STRUCT(pool, float *, state.pool.features, clip);
    IN_STRUCT(pool, float *, state.pool.attention, clip);
    IN_STRUCT(reading, void *, state.order.order, grid);
    IN_STRUCT(encoder, void *, state.order.order, grid);
    IN_STRUCT(patches, float *, state.patches.scores, grid);
    IN_STRUCT(keep, void *, state.kept.positions, prompt);
    IN_STRUCT(keep, void *, state.kept.visual_places, prompt);
    BAD(plan, (state.row.struct_size = sizeof state.row, memcpy(&state.spare, &state.host, sizeof state.host),
               state.plan.host = (const flashvid_host_model *)(const void *)&state.spare,
               state.plan.row = (flashvid_plan_row *)(void *)&state.spare),
        FLASHVID_OVERLAP);

    /* A single number may go into a struct that it came of. */
    prepare();
    state.retention.ratio = &state.configuration.retention_ratio;
    EXPECT(run_retention() == FLASHVID_OK && state.configuration.retention_ratio != 0.25, "%s", message);
    prepare();
    state.count.count = &state.prompt.length;
    EXPECT(run_count() == FLASHVID_OK && state.prompt.length == KEPT, "%s", message);
}

/* --------------------------------------------------------------------------------------------------- Texts, threads */

/* A text is cut to fit, with a terminating zero, and nothing is written where there is no room. */
static void texts(void) {
    static const size_t rooms[] = {0, 1, 2, 7, 40};
    size_t index, capacity;
    for (index = 0; index < COUNT(functions); index += 1) {
        const function *const called = functions + index;
        flashvid_status status;
        char whole[sizeof message], cut[64];
        if (called->manner == WITHOUT) continue;
        prepare();
        /* Spoils all of them. */
        state.create.threads = -1;
        state.scores.capacity = state.last.capacity = state.pool.capacity = state.order.capacity = state.patches.capacity = 0;
        state.strided.room = 0;
        state.typed.capacity = 0;
        state.encoder.frames = 0;
        state.group.capacity = state.gather.capacity = state.pairs.capacity = state.kept.capacity = 0;
        state.prune.capacity = state.video.capacity = state.embed.capacity = state.pooled.tokens = 0;
        state.count.rows = -1;
        state.expansion.layers = state.context.positions = state.host.layers = 0;
        status = called->run();
        if (called->manner == OF_SCORER) flashvid_scorer_error(scorer, message, sizeof message);
        EXPECT(status != FLASHVID_OK, "%s", called->name);
        strcpy(whole, message);
        for (capacity = 0; capacity < COUNT(rooms); capacity += 1) {
            const size_t fits = strlen(whole) + 1 < rooms[capacity] ? strlen(whole) + 1 : rooms[capacity];
            size_t byte;
            memset(cut, 'x', sizeof cut);
            memcpy(&before, &state, sizeof state);
            if (called->manner == OF_SCORER) {
                EXPECT(flashvid_scorer_error(scorer, cut, rooms[capacity]) == strlen(whole), "length of the text");
            } else {
                text = cut;
                room = rooms[capacity];
                expect(called->run(), status, called->name, __LINE__);
            }
            if (rooms[capacity] > 0) {
                EXPECT(memcmp(cut, whole, fits - 1) == 0 && cut[fits - 1] == 0, "%s cut to %d", whole, (int)rooms[capacity]);
            }
            for (byte = rooms[capacity]; byte < sizeof cut; byte += 1)
                EXPECT(cut[byte] == 'x', "%s: written behind %d bytes", called->name, (int)rooms[capacity]);
        }
        /* With a NULL message the capacity is not looked at; on success the text is empty. */
        if (called->manner == WITH_MESSAGE) {
            text = NULL;
            room = (size_t)-1;
            memcpy(&before, &state, sizeof state);
            expect(called->run(), status, called->name, __LINE__);
            text = message;
            message[0] = 0;
            expect(called->run(), status, called->name, __LINE__);
            EXPECT(strcmp(message, whole) == 0, "%s: the whole text in all the room there is", called->name);
            prepare();
            text = cut;
            room = 1;
            EXPECT(called->run() == FLASHVID_OK && cut[0] == 0, "%s: a text of a success", called->name);
            if (called->run == run_create) {
                flashvid_scorer *made;
                memcpy(&made, state.handle.bytes, sizeof made);
                flashvid_scorer_destroy(made);
            }
        }
        text = message;
        room = sizeof message;
    }
}

/* A scorer at work on something long. */
typedef struct {
    flashvid_encoder_attention attention;
    float *scores;
    int64_t capacity;
    flashvid_status status;
} work;

static void *long_work(void *argument) {
    work *const own = (work *)argument;
    own->status = flashvid_scorer_scores(scorer, &own->attention, own->scores, own->capacity);
    return NULL;
}

static void busy(void) {
    enum { LONG_TOKENS = 512, LONG_WIDTH = 32, ATTEMPTS = 40 };
    static float queries[4 * LONG_TOKENS * LONG_WIDTH], scores[4096 * 4];
    const struct timespec moment = {0, 200000};
    work given;
    int attempt, index, refused = 0, kept_alive = 0;
    for (index = 0; index < 4 * LONG_TOKENS * LONG_WIDTH; index += 1) queries[index] = random_number();
    for (attempt = 0; attempt < ATTEMPTS && (refused < 3 || !kept_alive); attempt += 1) {
        pthread_t thread;
        int tries;
        memset(&given, 0, sizeof given);
        given.attention.struct_size = sizeof given.attention;
        given.attention.queries = given.attention.keys = queries;
        given.attention.frames = 4;
        given.attention.heads = 1;
        given.attention.tokens = LONG_TOKENS;
        given.attention.width = LONG_WIDTH;
        given.scores = scores;
        given.capacity = 4096 * 4;
        /* Products so large that every logit takes double precision. */
        given.attention.scale = 1e20;
        if (pthread_create(&thread, NULL, long_work, &given) != 0) abort();
        for (tries = 0; tries < 100; tries += 1) {
            flashvid_status status;
            char known[8];
            nanosleep(&moment, NULL);
            prepare();
            memcpy(&before, &state, sizeof state);
            status = run_last();
            if (status == FLASHVID_OK) continue; /* Not yet at work, or done. */
            expect(status, FLASHVID_BUSY, "a call with a scorer at work", __LINE__);
            refused += 1;
            /* These may be called meanwhile. */
            flashvid_scorer_error(scorer, known, sizeof known);
            EXPECT(flashvid_scorer_threads(scorer) == 2, "threads of a scorer at work");
            memcpy(&before, &state, sizeof state);
            status = run_scores();
            if (status != FLASHVID_OK) expect(status, FLASHVID_BUSY, "a call with a scorer at work", __LINE__);
            break;
        }
        pthread_join(thread, NULL);
        if (given.status == FLASHVID_BUSY) continue; /* This thread was first. */
        EXPECT(given.status == FLASHVID_OK, "%s", flashvid_status_name(given.status));
        works("a call while it was busy", __LINE__);
        kept_alive = 1;
    }
    EXPECT(refused >= 3, "busy %d times only", refused);
    /* A scorer at work is not destroyed. */
    {
        flashvid_scorer *const ours = scorer;
        pthread_t thread;
        int tries, was_busy = 0;
        EXPECT(flashvid_scorer_create(2, &scorer, NULL, 0) == FLASHVID_OK, "create");
        if (pthread_create(&thread, NULL, long_work, &given) != 0) abort();
        for (tries = 0; tries < 1000 && !was_busy; tries += 1) {
            nanosleep(&moment, NULL);
            prepare();
            if (run_last() == FLASHVID_BUSY) {
                const flashvid_status status = flashvid_scorer_destroy(scorer);
                /* It may have got ready just now. */
                if (status == FLASHVID_OK) scorer = NULL;
                was_busy = 1;
                EXPECT(status == FLASHVID_BUSY || status == FLASHVID_OK, "%s", flashvid_status_name(status));
            }
        }
        pthread_join(thread, NULL);
        EXPECT(flashvid_scorer_destroy(scorer) == FLASHVID_OK, "destroy");
        scorer = ours;
    }
}

/* ------------------------------------------------------------------------------------------------------------ Memory */

/* Bytes that the process may have beyond those that it has; none: any number. */
static void limit(size_t more) {
    static const struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
    struct rlimit limited = unlimited;
    long pages = 0;
    if (more > 0) {
        FILE *const file = fopen("/proc/self/statm", "r");
        if (file == NULL || fscanf(file, "%ld", &pages) != 1) abort();
        fclose(file);
        limited.rlim_cur = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + more;
    }
    if (setrlimit(RLIMIT_AS, &limited) != 0) abort();
}

/* Large calls that are legal, where there is no memory for them: a status, nothing written, and with memory they succeed. */
static void memory(void) {
    enum { LENGTHY = 1 << 24, MANY = 64 };
    const size_t more = (size_t)16 << 20;
    int64_t *const list = (int64_t *)allocate((size_t)LENGTHY * 8);
    int64_t *const positions = (int64_t *)allocate((size_t)LENGTHY * 8);
    int64_t *const rows = (int64_t *)allocate((size_t)LENGTHY * 8);
    float *const numbers = (float *)allocate((size_t)LENGTHY * 4);
    uint16_t *const halves = (uint16_t *)allocate((size_t)LENGTHY * 2);
    int64_t index;
    for (index = 0; index < LENGTHY; index += 1) list[index] = index;
    memset(numbers, 0, (size_t)LENGTHY * 4);
    memset(halves, 0, (size_t)LENGTHY * 2);
#define SHORT(name, change)                                                                 \
    do {                                                                                    \
        prepare();                                                                          \
        change;                                                                             \
        limit(more);                                                                        \
        bad(run_##name, FLASHVID_OUT_OF_MEMORY, #name ": " #change, __LINE__);              \
        limit(0);                                                                           \
        EXPECT(run_##name() == FLASHVID_OK, #name " with memory: %s", message);             \
    } while (0)
    SHORT(count, (state.prompt.length = state.prompt.tokens_per_frame = LENGTHY, state.prompt.frames = 1, state.prompt.video_start = 0));
    SHORT(keep, (state.prompt.length = LENGTHY, state.kept.capacity = LENGTHY, state.kept.positions = positions,
                 state.kept.rows = rows, state.kept.renumbered = NULL));
    SHORT(prune, (state.prune.rows = list, state.prune.count = LENGTHY, state.prune.places = positions, state.prune.capacity = LENGTHY,
                  state.prune.kept_count = 1));
    SHORT(video, (state.video.indices = list, state.video.row_count = LENGTHY, state.video.frames = 1, state.video.tokens = LENGTHY,
                  state.video.newlines = FLASHVID_NEWLINES_NONE, state.video.rows = rows, state.video.capacity = LENGTHY));
    SHORT(video, (state.video.row_count = 0, state.video.frames = LENGTHY, state.video.tokens = 1, state.video.rows = rows,
                  state.video.capacity = LENGTHY));
#define SQUARE (state.grid.rows = 4096, state.grid.columns = 4096, state.grid.merge_size = 1, state.order.order = rows, \
                state.order.capacity = LENGTHY)
    SHORT(reading, SQUARE);
    SHORT(encoder, SQUARE);
    SHORT(patches, (SQUARE, state.patches.attention = numbers, state.patches.frames = 1, state.patches.scores = (float *)rows,
                    state.patches.capacity = LENGTHY));
    SHORT(patches, (state.grid.rows = 512, state.grid.columns = 512, state.patches.frames = MANY, state.patches.attention = halves,
                    state.patches.type = FLASHVID_FLOAT16, state.patches.scores = numbers, state.patches.capacity = LENGTHY));
    SHORT(group, (state.group.frames = 1, state.group.patches = LENGTHY, state.group.group = 1, state.group.attention = numbers,
                  state.group.order = list, state.group.order_count = LENGTHY, state.group.scores = (float *)rows,
                  state.group.capacity = LENGTHY));
    SHORT(group, (state.group.frames = 1, state.group.patches = LENGTHY, state.group.group = LENGTHY, state.group.attention = halves,
                  state.group.type = FLASHVID_BFLOAT16, state.group.order = NULL, state.group.order_count = 0));
    SHORT(pool, (state.clip.features = halves, state.clip.type = FLASHVID_FLOAT16, state.clip.attention = NULL, state.pool.attention = NULL,
                 state.clip.frames = 1, state.clip.tokens_per_frame = 4, state.clip.channels = LENGTHY / 4, state.pool.features = numbers));
    SHORT(last, (state.decoder.keys = halves, state.decoder.key_type = FLASHVID_FLOAT16, state.decoder.key_count = LENGTHY / 4,
                 state.decoder.width = 2));
    /* A scorer keeps its memory. */
    EXPECT(flashvid_scorer_destroy(scorer) == FLASHVID_OK, "destroy");
    EXPECT(flashvid_scorer_create(2, &scorer, NULL, 0) == FLASHVID_OK, "create");
    SHORT(scores, (state.encoder.queries = state.encoder.keys = numbers, state.encoder.heads = 1, state.encoder.frames = MANY,
                   state.encoder.tokens = LENGTHY / MANY, state.encoder.width = 1, state.encoder.single_query = 1,
                   state.encoder.skipped_tokens = 0, state.scores.scores = (float *)rows, state.scores.capacity = LENGTHY));
    free(list);
    free(positions);
    free(rows);
    free(numbers);
    free(halves);
}

/* With an argument: where there is little memory, which is not for sanitizers, since they take their own. */
int main(int argc, char **argv) {
    (void)argv;
    EXPECT(flashvid_scorer_create(2, &scorer, NULL, 0) == FLASHVID_OK, "create");
    good();
    works("good calls", __LINE__);
    if (argc > 1) {
        memory();
        EXPECT(flashvid_scorer_destroy(scorer) == FLASHVID_OK, "destroy");
        printf("abuse_host: %d calls without memory, %d failures\n", calls, failures);
        return failures != 0;
    }
    scorers();
    encoder_attention();
    decoder_attention();
    pooling();
    typed_pooling();
    grids();
    groups();
    gathering();
    strided_gathering();
    prompts();
    pruning();
    sequences();
    embeddings();
    expansions();
    budgets();
    hosts();
    overlaps();
    texts();
    busy();
    /* After all of it, everything works. */
    good();
    works("all of it", __LINE__);
    EXPECT(flashvid_scorer_destroy(scorer) == FLASHVID_OK, "destroy");
    printf("abuse_host: %d bad calls, %d failures\n", calls, failures);
    return failures != 0 || calls < 2500;
}
