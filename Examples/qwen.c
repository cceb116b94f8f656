/*
 * The way of a video through a host like Qwen2.5-VL's: queries and keys of the vision encoder, attention, compression, the
 * prompt that is left, its M-RoPE positions, and pruning in a middle layer. The numbers stand in for an encoder and a model.
 *
 *     cc -std=c99 qwen.c -o qwen $(pkg-config --cflags --libs flashvid) && ./qwen
 */
#include <flashvid_host.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    FRAMES = 4, ROWS = 12, COLUMNS = 20, /* patches */
    PATCHES = ROWS * COLUMNS, TOKENS = PATCHES / 4, CHANNELS = 128,
    HEADS = 4, WIDTH = 40,               /* of the encoder */
    BEFORE = 9, AFTER = 14,              /* text */
    LENGTH = BEFORE + FRAMES * TOKENS + AFTER
};

/* Numbers that change from frame to frame a little. */
static void fill(float *numbers, int64_t frames, int64_t count) {
    unsigned state = 1;
    int64_t frame, index;
    for (index = 0; index < count; index += 1) {
        state = state * 1664525u + 1013904223u;
        numbers[index] = (float)(state >> 8) / (float)(1 << 23) - 1;
    }
    for (frame = 1; frame < frames; frame += 1) {
        for (index = 0; index < count; index += 1) {
            state = state * 1664525u + 1013904223u;
            numbers[frame * count + index] =
                numbers[(frame - 1) * count + index] + 0.2f * ((float)(state >> 8) / (float)(1 << 23) - 1);
        }
    }
}

static void stop_unless(flashvid_status status, const char *message) {
    if (status == FLASHVID_OK) return;
    fprintf(stderr, "%s: %s\n", flashvid_status_name(status), message);
    exit(1);
}

int main(void) {
    char message[256] = "";
    flashvid_scorer *scorer = NULL;
    flashvid_compressor *compressor = NULL;
    flashvid_configuration configuration;
    int64_t rows = 0, places = 0, kept_rows = 0, left = 0, index;

    /* The encoder: queries and keys [F, patches, heads, width], and one row a token in its own order, by windows. */
    size_t head_numbers = (size_t)FRAMES * PATCHES * HEADS * WIDTH;
    float *queries = malloc(sizeof(float) * head_numbers), *keys = malloc(sizeof(float) * head_numbers);
    float *by_window = malloc(sizeof(float) * FRAMES * TOKENS * CHANNELS);
    fill(queries, FRAMES, PATCHES * HEADS * WIDTH);
    fill(keys, FRAMES, PATCHES * HEADS * WIDTH);
    fill(by_window, FRAMES, TOKENS * CHANNELS);

    /* What each patch receives, and from that each token, in reading order. */
    float *patch_scores = malloc(sizeof(float) * FRAMES * PATCHES), *scores = malloc(sizeof(float) * FRAMES * TOKENS);
    flashvid_encoder_attention attention = {.struct_size = sizeof attention, .queries = queries, .keys = keys,
        .frames = FRAMES, .heads = HEADS, .tokens = PATCHES, .width = WIDTH,
        .query_head_stride = WIDTH, .query_token_stride = HEADS * WIDTH,
        .key_head_stride = WIDTH, .key_token_stride = HEADS * WIDTH};
    stop_unless(flashvid_scorer_create(0, &scorer, message, sizeof message), message);
    flashvid_status status = flashvid_scorer_scores(scorer, &attention, patch_scores, FRAMES * PATCHES);
    flashvid_scorer_error(scorer, message, sizeof message);
    stop_unless(status, message);

    flashvid_patch_grid grid;
    int64_t order[TOKENS];
    stop_unless(flashvid_patch_grid_preset(&grid, sizeof grid, FLASHVID_QWEN25_VL, ROWS, COLUMNS), "the grid");
    stop_unless(flashvid_patch_grid_attention(&grid, patch_scores, FLASHVID_FLOAT32, FRAMES, scores, FRAMES * TOKENS,
        message, sizeof message), message);
    stop_unless(flashvid_patch_grid_reading_order(&grid, order, FLASHVID_INT64, TOKENS, &left, message, sizeof message),
        message);
    float *features = malloc(sizeof(float) * FRAMES * TOKENS * CHANNELS);
    stop_unless(flashvid_gather(by_window, FRAMES, TOKENS, sizeof(float) * CHANNELS, order, FLASHVID_INT64, TOKENS,
        features, FRAMES * TOKENS, message, sizeof message), message);

    /* The compression. */
    stop_unless(flashvid_configuration_preset(&configuration, sizeof configuration, FLASHVID_QWEN25_VL, 0.10),
        "the preset");
    stop_unless(flashvid_output_token_count(&configuration, FRAMES, TOKENS, &rows, message, sizeof message), message);
    stop_unless(flashvid_compressor_create(&configuration, 0, &compressor, message, sizeof message), message);
    int64_t *indices = malloc(sizeof(int64_t) * (size_t)rows);
    float *tokens = malloc(sizeof(float) * (size_t)rows * CHANNELS);
    flashvid_clip clip = {.struct_size = sizeof clip, .features = features, .frames = FRAMES,
        .tokens_per_frame = TOKENS, .channels = CHANNELS, .attention = scores};
    flashvid_output output = {.struct_size = sizeof output, .tokens = tokens, .row_capacity = rows, .indices = indices};
    status = flashvid_compressor_compress(compressor, &clip, &output);
    flashvid_compressor_error(compressor, message, sizeof message);
    stop_unless(status, message);

    /* The prompt that is left, and its M-RoPE positions [3, LENGTH], here time, height and width of reading order. */
    flashvid_prompt prompt;
    stop_unless(flashvid_prompt_preset(&prompt, sizeof prompt, FLASHVID_QWEN25_VL), "the prompt");
    prompt.length = LENGTH;
    prompt.frames = FRAMES;
    prompt.tokens_per_frame = TOKENS;
    prompt.video_start = BEFORE;
    stop_unless(flashvid_prompt_count(&prompt, rows, &places, message, sizeof message), message);
    int64_t *positions = malloc(sizeof(int64_t) * (size_t)places), *place_rows = malloc(sizeof(int64_t) * (size_t)places);
    int64_t *visual = malloc(sizeof(int64_t) * (size_t)rows);
    flashvid_kept_prompt kept = {.struct_size = sizeof kept, .positions = positions, .rows = place_rows,
        .visual_places = visual, .capacity = places};
    stop_unless(flashvid_prompt_keep(&prompt, indices, FLASHVID_INT64, rows, &kept, message, sizeof message), message);
    int32_t mrope[3][LENGTH], *mrope_left = malloc(sizeof(int32_t) * 3 * (size_t)places);
    for (index = 0; index < LENGTH; index += 1) {
        int64_t token = index - BEFORE, is_video = token >= 0 && token < FRAMES * TOKENS;
        mrope[0][index] = (int32_t)(is_video ? BEFORE + token / TOKENS : index);
        mrope[1][index] = (int32_t)(is_video ? BEFORE + token % TOKENS / (COLUMNS / 2) : index);
        mrope[2][index] = (int32_t)(is_video ? BEFORE + token % (COLUMNS / 2) : index);
    }
    stop_unless(flashvid_gather(mrope, 3, LENGTH, sizeof(int32_t), positions, FLASHVID_INT64, places, mrope_left,
        3 * places, message, sizeof message), message);
    printf("prompt: %d positions, %lld left, %lld of them video\n", LENGTH, (long long)places, (long long)rows);

    /* Layer 20: what the last query gives to the visual tokens, and who stays. Eight heads share two of keys. */
    enum { QUERY_HEADS = 8, KEY_HEADS = 2, HEAD_WIDTH = 16 };
    float query[QUERY_HEADS * HEAD_WIDTH], *cache = malloc(sizeof(float) * KEY_HEADS * (size_t)places * HEAD_WIDTH);
    float *received = malloc(sizeof(float) * (size_t)rows);
    fill(query, 1, QUERY_HEADS * HEAD_WIDTH);
    fill(cache, 1, KEY_HEADS * places * HEAD_WIDTH);
    flashvid_decoder_attention last = {.struct_size = sizeof last, .query = query, .keys = cache, .heads = QUERY_HEADS,
        .key_heads = KEY_HEADS, .key_count = places, .width = HEAD_WIDTH, .places = visual, .place_count = rows};
    status = flashvid_scorer_last_query(scorer, &last, received, rows);
    flashvid_scorer_error(scorer, message, sizeof message);
    stop_unless(status, message);
    int64_t *staying = malloc(sizeof(int64_t) * (size_t)rows), *left_places = malloc(sizeof(int64_t) * (size_t)places);
    stop_unless(flashvid_prune(received, FLASHVID_FLOAT32, rows, 0, 0.3, staying, FLASHVID_INT64, rows, &kept_rows,
        message, sizeof message), message);
    stop_unless(flashvid_prompt_prune(place_rows, places, staying, kept_rows, FLASHVID_INT64, left_places, places, &left,
        message, sizeof message), message);
    /* Keys of the cache, and so values, hidden states, masks. */
    float *cache_left = malloc(sizeof(float) * KEY_HEADS * (size_t)left * HEAD_WIDTH);
    stop_unless(flashvid_gather(cache, KEY_HEADS, places, sizeof(float) * HEAD_WIDTH, left_places, FLASHVID_INT64, left,
        cache_left, KEY_HEADS * left, message, sizeof message), message);
    printf("layer 20: %lld left, %lld of them video\n", (long long)left, (long long)kept_rows);

    flashvid_compressor_destroy(compressor);
    flashvid_scorer_destroy(scorer);
    free(queries), free(keys), free(by_window), free(patch_scores), free(scores), free(features), free(indices);
    free(tokens), free(positions), free(place_rows), free(visual), free(mrope_left), free(cache), free(received);
    free(staying), free(left_places), free(cache_left);
    return 0;
}
