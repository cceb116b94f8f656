/* A little of everything that the library computes, as one number: whatever the state of the host, it is the same. */
#ifndef WORKLOAD_H
#define WORKLOAD_H

#include "random.h"
#include "support.h"
#include <flashvid_host.h>

enum { WORK_FRAMES = 6, WORK_TOKENS = 25, WORK_CHANNELS = 48, WORK_HEADS = 2, WORK_WIDTH = 12 };
enum { WORK_SOURCES = WORK_FRAMES * WORK_TOKENS };

typedef struct workload {
    float features[WORK_SOURCES * WORK_CHANNELS];
    float attention[WORK_SOURCES];
    float queries[WORK_FRAMES * WORK_HEADS * WORK_TOKENS * WORK_WIDTH];
    /* Results. */
    float tokens[WORK_SOURCES * WORK_CHANNELS];
    int64_t indices[WORK_SOURCES];
    int64_t counts[WORK_SOURCES];
    uint64_t digest;
} workload;

static inline void workload_init(workload *work, float scale) {
    size_t index;
    random_state = 7;
    random_frames(work->features, WORK_FRAMES, WORK_TOKENS * WORK_CHANNELS);
    for (index = 0; index < sizeof work->features / 4; index += 1) work->features[index] *= scale;
    for (index = 0; index < WORK_SOURCES; index += 1) work->attention[index] = 0.5f + 0.5f * random_number();
    for (index = 0; index < sizeof work->queries / 4; index += 1) work->queries[index] = random_number();
    work->digest = 14695981039346656037u;
}

static inline void workload_add(workload *work, const void *bytes, size_t count) {
    size_t index;
    for (index = 0; index < count; index += 1)
        work->digest = (work->digest ^ ((const unsigned char *)bytes)[index]) * 1099511628211u;
}

static inline flashvid_clip workload_clip(workload *work) {
    flashvid_clip clip;
    memset(&clip, 0, sizeof clip);
    clip.struct_size = sizeof clip;
    clip.features = work->features;
    clip.frames = WORK_FRAMES;
    clip.tokens_per_frame = WORK_TOKENS;
    clip.channels = WORK_CHANNELS;
    clip.attention = work->attention;
    return clip;
}

static inline flashvid_output workload_output(workload *work) {
    flashvid_output output;
    memset(&output, 0, sizeof output);
    output.struct_size = sizeof output;
    output.tokens = work->tokens;
    output.indices = work->indices;
    output.counts = work->counts;
    output.row_capacity = WORK_SOURCES;
    return output;
}

static inline void workload_add_rows(workload *work, const flashvid_output *output) {
    workload_add(work, work->tokens, (size_t)output->row_count * WORK_CHANNELS * sizeof(float));
    workload_add(work, work->indices, (size_t)output->row_count * sizeof(int64_t));
    workload_add(work, work->counts, (size_t)output->row_count * sizeof(int64_t));
}

static inline void workload_configuration(flashvid_configuration *configuration, int is_refined) {
    flashvid_configuration_preset(configuration, sizeof *configuration, FLASHVID_LLAVA_ONEVISION, 0.3);
    configuration->minimum_segments = 2;
    configuration->maximum_segment_frames = 4;
    if (is_refined) flashvid_configuration_refine(configuration);
}

static inline int32_t workload_progress(double share, void *reports) {
    *(int *)reports += share >= 0;
    return 0;
}

/* A compressor's life: made, one clip, a batch, destroyed. */
static inline flashvid_status workload_compress(workload *work, int threads, int is_refined) {
    flashvid_configuration configuration;
    flashvid_compressor *compressor = NULL;
    flashvid_clip clip = workload_clip(work);
    flashvid_output output = workload_output(work);
    const flashvid_clip *clips[1];
    flashvid_output *outputs[1];
    int64_t rows = 0;
    int reports = 0;
    flashvid_status status;
    clips[0] = &clip;
    outputs[0] = &output;
    workload_configuration(&configuration, is_refined);
    status = flashvid_output_token_count(&configuration, WORK_FRAMES, WORK_TOKENS, &rows, NULL, 0);
    workload_add(work, &rows, sizeof rows);
    if (status == FLASHVID_OK) status = flashvid_compressor_create(&configuration, threads, &compressor, NULL, 0);
    if (status == FLASHVID_OK) status = flashvid_compressor_set_progress(compressor, workload_progress, &reports);
    if (status == FLASHVID_OK) status = flashvid_compressor_set_time_limit(compressor, 1e6);
    if (status == FLASHVID_OK) status = flashvid_compressor_compress(compressor, &clip, &output);
    if (status == FLASHVID_OK) workload_add_rows(work, &output);
    if (status == FLASHVID_OK && reports < 2) status = FLASHVID_CANCELLED;
    if (status == FLASHVID_OK) status = flashvid_compressor_compress_batch(compressor, clips, outputs, 1, NULL);
    if (status == FLASHVID_OK) workload_add_rows(work, &output);
    flashvid_compressor_close(compressor);
    return status;
}

static inline flashvid_status workload_stream(workload *work, int threads) {
    flashvid_configuration configuration;
    flashvid_stream *stream = NULL;
    flashvid_clip clip = workload_clip(work);
    flashvid_output output = workload_output(work);
    int64_t first = 0, taken = 0;
    flashvid_status status;
    workload_configuration(&configuration, 0);
    status = flashvid_stream_create(
        &configuration, WORK_TOKENS, WORK_CHANNELS, FLASHVID_FLOAT32, threads, &stream, NULL, 0);
    while (status == FLASHVID_OK && first < clip.frames) {
        status = flashvid_stream_push(stream, &clip, first, &taken);
        first += taken;
        if (status == FLASHVID_OK && first == clip.frames) status = flashvid_stream_finish(stream);
        while (status == FLASHVID_OK) {
            status = flashvid_stream_next(stream, &output);
            if (status == FLASHVID_OK) workload_add_rows(work, &output);
        }
        if (status == FLASHVID_NO_SEGMENT) status = FLASHVID_OK;
    }
    flashvid_stream_destroy(stream);
    return status;
}

static inline flashvid_status workload_score(workload *work, int threads) {
    flashvid_scorer *scorer = NULL;
    flashvid_encoder_attention attention;
    float scores[WORK_SOURCES];
    int64_t kept[WORK_SOURCES], count = 0;
    flashvid_status status;
    memset(&attention, 0, sizeof attention);
    attention.struct_size = sizeof attention;
    attention.queries = attention.keys = work->queries;
    attention.frames = WORK_FRAMES;
    attention.heads = WORK_HEADS;
    attention.tokens = WORK_TOKENS;
    attention.width = WORK_WIDTH;
    status = flashvid_scorer_create(threads, &scorer, NULL, 0);
    if (status == FLASHVID_OK) status = flashvid_scorer_scores(scorer, &attention, scores, WORK_SOURCES);
    if (status == FLASHVID_OK) workload_add(work, scores, sizeof scores);
    if (status == FLASHVID_OK)
        status = flashvid_prune(
            scores, FLASHVID_FLOAT32, WORK_SOURCES, 0, 0.3, kept, FLASHVID_INT64, WORK_SOURCES, &count, NULL, 0);
    if (status == FLASHVID_OK) workload_add(work, kept, (size_t)count * sizeof *kept);
    flashvid_scorer_destroy(scorer);
    return status;
}

/* What needs no handle. */
static inline flashvid_status workload_plan(workload *work) {
    flashvid_host_model host;
    flashvid_plan_row row;
    flashvid_prompt prompt;
    flashvid_patch_grid grid;
    flashvid_clip clip = workload_clip(work);
    double expansion = 0;
    int64_t count = 0, order[64], frames = 0;
    flashvid_status status;
    memset(&row, 0, sizeof row);
    row.struct_size = sizeof row;
    status = flashvid_host_model_preset(&host, sizeof host, FLASHVID_QWEN25_VL);
    if (status == FLASHVID_OK) status = flashvid_plan_video(&host, 0.13, 100, &row, NULL, 0);
    if (status == FLASHVID_OK) workload_add(work, &row, sizeof row);
    if (status == FLASHVID_OK)
        status = flashvid_plan_break_even(&host, 0.1, 0.002, 1e11, 100, &frames, NULL, 0);
    if (status == FLASHVID_OK) workload_add(work, &frames, sizeof frames);
    if (status == FLASHVID_OK) status = flashvid_plan_expansion(28, 20, 0.3, 1, &expansion, NULL, 0);
    if (status == FLASHVID_OK) workload_add(work, &expansion, sizeof expansion);
    if (status == FLASHVID_OK) status = flashvid_pruned_count(70, 0.1, &count, NULL, 0);
    if (status == FLASHVID_OK) workload_add(work, &count, sizeof count);
    if (status == FLASHVID_OK) status = flashvid_patch_grid_preset(&grid, sizeof grid, FLASHVID_QWEN25_VL, 12, 10);
    if (status == FLASHVID_OK)
        status = flashvid_patch_grid_reading_order(&grid, order, FLASHVID_INT64, 64, &count, NULL, 0);
    if (status == FLASHVID_OK) workload_add(work, order, (size_t)count * sizeof *order);
    if (status == FLASHVID_OK)
        status = flashvid_pool(&clip, FLASHVID_POOLING_BILINEAR, work->tokens, NULL, WORK_SOURCES, 1, NULL, 0);
    if (status == FLASHVID_OK) workload_add(work, work->tokens, WORK_FRAMES * 9 * WORK_CHANNELS * sizeof(float));
    if (status == FLASHVID_OK)
        status = flashvid_pool_typed(&clip, FLASHVID_POOLING_AVERAGE, work->tokens, FLASHVID_FLOAT16, NULL, FLASHVID_FLOAT32,
                                     WORK_SOURCES, 1, NULL, 0);
    if (status == FLASHVID_OK) workload_add(work, work->tokens, WORK_FRAMES * 4 * WORK_CHANNELS * 2);
    if (status == FLASHVID_OK)
        status = flashvid_gather_strided(work->features, 2, 30, 40, 48, 96, order, FLASHVID_INT64, count, work->tokens,
                                         sizeof work->tokens, 0, 44, NULL, 0);
    if (status == FLASHVID_OK) workload_add(work, work->tokens, 2 * 30 * 40);
    if (status == FLASHVID_OK) status = flashvid_prompt_preset(&prompt, sizeof prompt, FLASHVID_LLAVA_ONEVISION);
    prompt.length = 100 + WORK_SOURCES;
    prompt.frames = WORK_FRAMES;
    prompt.tokens_per_frame = WORK_TOKENS;
    prompt.video_start = 10;
    if (status == FLASHVID_OK) status = flashvid_prompt_count(&prompt, 20, &count, NULL, 0);
    if (status == FLASHVID_OK) workload_add(work, &count, sizeof count);
    return status;
}

/* All of it. The digest is that of the results so far where the status is not FLASHVID_OK. */
static inline flashvid_status workload_run(workload *work, int threads) {
    flashvid_status status = workload_compress(work, threads, 0);
    if (status == FLASHVID_OK) status = workload_compress(work, threads, 1);
    if (status == FLASHVID_OK) status = workload_stream(work, threads);
    if (status == FLASHVID_OK) status = workload_score(work, threads);
    if (status == FLASHVID_OK) status = workload_plan(work);
    return status;
}

#endif
