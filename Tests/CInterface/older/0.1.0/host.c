/*
 * What stands around the compression, from C: attention of a real encoder, poolings, patch grids, prompts of the four models
 * written out by hand, pruning, and the planner's figures. Argument: the folder of the encoder's fixtures.
 */
#include <flashvid_host.h>
#include "golden.h"

static char message[256];

#define SUCCEEDS(call) EXPECT((call) == FLASHVID_OK, "%s", message)

static flashvid_scorer *scorer;

static tensor load(const char *folder, const char *name, const char *key) {
    char path[512];
    tensor_file file;
    tensor result;
    snprintf(path, sizeof path, "%s/%s.safetensors", folder, name);
    file = read_file(path);
    if (!get_tensor(&file, key, &result)) {
        fprintf(stderr, "no %s in %s\n", key, path);
        exit(2);
    }
    free(file.bytes);
    return result;
}

/* Largest difference over the largest wanted. */
static double distance(const float *found, const float *wanted, int64_t count) {
    double difference = 0, largest = 0;
    int64_t index;
    for (index = 0; index < count; index += 1) {
        difference = fmax(difference, fabs((double)found[index] - (double)wanted[index]));
        largest = fmax(largest, fabs((double)wanted[index]));
    }
    return difference / largest;
}

static int same(const int64_t *found, const int64_t *wanted, int64_t count) {
    return memcmp(found, wanted, (size_t)count * sizeof *found) == 0;
}

/* ---------------------------------------------------------------------------------------------------- Attention */

/* The definition of one query's softmax in double, added to sums. */
static void add_softmax(const float *query, const float *keys, int64_t count, int64_t width, double *sums) {
    double *logits = (double *)allocate((size_t)count * sizeof *logits), largest = -INFINITY, total = 0;
    int64_t key, element;
    for (key = 0; key < count; key += 1) {
        logits[key] = 0;
        for (element = 0; element < width; element += 1) {
            logits[key] += (double)query[element] * (double)keys[key * width + element];
        }
        logits[key] /= sqrt((double)width);
        largest = fmax(largest, logits[key]);
    }
    for (key = 0; key < count; key += 1) total += exp(logits[key] - largest);
    for (key = 0; key < count; key += 1) sums[key] += exp(logits[key] - largest) / total;
    free(logits);
}

static void encoder(const char *folder) {
    tensor query = load(folder, "attention", "query"), key = load(folder, "attention", "key");
    tensor wanted = load(folder, "attention", "attention");
    float *queries = floats(&query), *keys = floats(&key);
    float scores[4 * 256], other[4 * 256];
    flashvid_encoder_attention given;
    int64_t frame, head, token, element, frames = query.shape[0], heads = query.shape[1], tokens = query.shape[2],
            width = query.shape[3];
    float *moved = (float *)allocate((size_t)query.count * sizeof *moved);

    memset(&given, 0, sizeof given);
    given.struct_size = sizeof given;
    given.frames = frames;
    given.heads = heads;
    given.tokens = tokens;
    given.width = width;
    given.queries = query.data;
    given.keys = key.data;
    given.query_type = given.key_type = FLASHVID_FLOAT16;
    EXPECT(flashvid_scorer_scores(scorer, &given, scores, frames * tokens) == FLASHVID_OK, "scores");
    EXPECT(distance(scores, (const float *)wanted.data, wanted.count) < 1e-6, "%g from the file's",
           distance(scores, (const float *)wanted.data, wanted.count));

    /* Float32 keys [frames, tokens, heads, width] beside float16 queries [frames, heads, tokens, width]. */
    for (frame = 0; frame < frames; frame += 1)
        for (head = 0; head < heads; head += 1)
            for (token = 0; token < tokens; token += 1)
                for (element = 0; element < width; element += 1)
                    moved[((frame * tokens + token) * heads + head) * width + element] =
                        keys[((frame * heads + head) * tokens + token) * width + element];
    given.keys = moved;
    given.key_type = FLASHVID_FLOAT32;
    given.key_head_stride = width;
    given.key_token_stride = heads * width;
    EXPECT(flashvid_scorer_scores(scorer, &given, other, frames * tokens) == FLASHVID_OK, "scores");
    EXPECT(memcmp(scores, other, sizeof scores) == 0, "another layout, other scores");

    /* One query's row of the first frame, its first token left out. */
    {
        double sums[256] = {0};
        float row[256];
        for (head = 0; head < heads; head += 1) {
            add_softmax(queries + (head * tokens + 7) * width, keys + head * tokens * width, tokens, width, sums);
        }
        for (token = 0; token < tokens; token += 1) row[token] = (float)(sums[token] / (double)heads);
        given.frames = 1;
        given.single_query = 1;
        given.query = 7;
        given.skipped_tokens = 1;
        EXPECT(flashvid_scorer_scores(scorer, &given, other, tokens - 1) == FLASHVID_OK, "a single query");
        EXPECT(distance(other, row + 1, tokens - 1) < 1e-6, "%g from the definition", distance(other, row + 1, tokens - 1));

        /* The same query where it is the only one: [frames, heads, 1, width], at the end of its memory. */
        {
            float *alone = (float *)allocate((size_t)(heads * width) * sizeof *alone), again[256];
            for (head = 0; head < heads; head += 1) {
                memcpy(alone + head * width, queries + (head * tokens + 7) * width, (size_t)width * sizeof *alone);
            }
            given.queries = alone;
            given.query_type = FLASHVID_FLOAT32;
            given.query = 0;
            given.query_head_stride = width;
            EXPECT(flashvid_scorer_scores(scorer, &given, again, tokens - 1) == FLASHVID_OK, "a query alone");
            EXPECT(memcmp(again, other, (size_t)(tokens - 1) * sizeof *again) == 0, "a query alone scores otherwise");
            free(alone);
        }
    }

    /* The same numbers as a language model's layer: six heads of the last query on two of keys, [key_count, key_heads, width]. */
    {
        enum { KEYS = 128 };
        flashvid_decoder_attention last;
        double sums[KEYS] = {0};
        float all[KEYS], some[3], wanted_all[KEYS], ordered[2 * KEYS * 64];
        const int32_t places[3] = {127, 0, 64};
        for (head = 0; head < 2; head += 1)
            for (token = 0; token < KEYS; token += 1)
                memcpy(ordered + (token * 2 + head) * width, keys + (head * KEYS + token) * width,
                       (size_t)width * sizeof(float));
        for (head = 0; head < heads; head += 1) {
            add_softmax(queries + head * width, keys + head / 3 * KEYS * width, KEYS, width, sums);
        }
        for (token = 0; token < KEYS; token += 1) wanted_all[token] = (float)(sums[token] / (double)heads);
        memset(&last, 0, sizeof last);
        last.struct_size = sizeof last;
        last.query = queries;
        last.keys = ordered;
        last.heads = heads;
        last.key_heads = 2;
        last.key_count = KEYS;
        last.width = width;
        last.key_head_stride = width;
        last.key_stride = 2 * width;
        EXPECT(flashvid_scorer_last_query(scorer, &last, all, KEYS) == FLASHVID_OK, "last query");
        EXPECT(distance(all, wanted_all, KEYS) < 1e-6, "%g from the definition", distance(all, wanted_all, KEYS));
        last.places = places;
        last.place_count = 3;
        last.index_type = FLASHVID_INT32;
        EXPECT(flashvid_scorer_last_query(scorer, &last, some, 3) == FLASHVID_OK, "last query");
        EXPECT(some[0] == all[127] && some[1] == all[0] && some[2] == all[64], "scores of some places");
    }
    free(queries);
    free(keys);
    free(moved);
    free((void *)query.data);
    free((void *)key.data);
    free((void *)wanted.data);
}

/* --------------------------------------------------------------------------------------------- Pooling and groups */

static void pooling(const char *folder) {
    static const char *names[] = {"bilinear", "average", "max"};
    static const int64_t counts[] = {196, 169, 169};
    enum { FRAMES = 2, TOKENS = 729, CHANNELS = 384, SKIPPED = 1 };
    tensor features = load(folder, "grid-27x27", "features"), attention = load(folder, "grid-27x27", "attention");
    float *pooled = (float *)allocate(FRAMES * 196 * CHANNELS * sizeof(float)), scores[FRAMES * 196];
    uint16_t *wide = (uint16_t *)allocate((size_t)FRAMES * (TOKENS + SKIPPED) * CHANNELS * sizeof *wide);
    flashvid_clip clip;
    int kind, frame;
    memset(&clip, 0, sizeof clip);
    clip.struct_size = sizeof clip;
    clip.frames = FRAMES;
    clip.tokens_per_frame = TOKENS;
    clip.channels = CHANNELS;
    clip.type = FLASHVID_FLOAT16;
    clip.attention = attention.data;
    /* An encoder's output with [CLS] in front of every frame. */
    memset(wide, 0xFF, (size_t)FRAMES * (TOKENS + SKIPPED) * CHANNELS * sizeof *wide);
    for (frame = 0; frame < FRAMES; frame += 1) {
        memcpy(wide + ((size_t)frame * (TOKENS + SKIPPED) + SKIPPED) * CHANNELS,
               (const uint16_t *)features.data + (size_t)frame * TOKENS * CHANNELS,
               (size_t)TOKENS * CHANNELS * sizeof *wide);
    }
    clip.features = wide + SKIPPED * CHANNELS;
    clip.frame_stride = (TOKENS + SKIPPED) * CHANNELS;
    for (kind = 0; kind < 3; kind += 1) {
        char key[64];
        int64_t tokens = 0;
        tensor wanted, wanted_scores;
        snprintf(key, sizeof key, "features-%s", names[kind]);
        wanted = load(folder, "pooled", key);
        snprintf(key, sizeof key, "attention-%s", names[kind]);
        wanted_scores = load(folder, "pooled", key);
        SUCCEEDS(flashvid_pooled_tokens(kind, TOKENS, &tokens, message, sizeof message));
        EXPECT(tokens == counts[kind], "%lld tokens", (long long)tokens);
        SUCCEEDS(flashvid_pool(&clip, kind, pooled, scores, FRAMES * tokens, 2, message, sizeof message));
        EXPECT(distance(pooled, (const float *)wanted.data, wanted.count) < 1e-6, "%s", names[kind]);
        EXPECT(distance(scores, (const float *)wanted_scores.data, wanted_scores.count) < 1e-6, "%s", names[kind]);
        free((void *)wanted.data);
        free((void *)wanted_scores.data);
    }
    free((void *)features.data);
    free((void *)attention.data);
    free(pooled);
    free(wide);
}

/* The window order as a sort: by window, then by row and column. */
static void check_windows(int64_t rows, int64_t columns) {
    flashvid_patch_grid grid;
    int64_t height = rows / 2, width = columns / 2, tokens = height * width, count = 0, token, place = 0;
    int64_t *order = (int64_t *)allocate((size_t)tokens * sizeof *order);
    int32_t *reading = (int32_t *)allocate((size_t)tokens * sizeof *reading);
    int64_t top, left;
    EXPECT(flashvid_patch_grid_preset(&grid, sizeof grid, FLASHVID_QWEN25_VL, rows, columns) == FLASHVID_OK, "preset");
    SUCCEEDS(flashvid_patch_grid_encoder_order(&grid, order, FLASHVID_INT64, tokens, &count, message, sizeof message));
    EXPECT(count == tokens, "%lld tokens", (long long)count);
    for (top = 0; top < height; top += 4)
        for (left = 0; left < width; left += 4)
            for (token = 0; token < tokens; token += 1) {
                int64_t row = token / width, column = token % width;
                if (row < top || row >= top + 4 || column < left || column >= left + 4) continue;
                EXPECT(order[place] == token, "%lld x %lld: place %lld", (long long)rows, (long long)columns, (long long)place);
                place += 1;
            }
    EXPECT(place == tokens, "%lld places", (long long)place);
    SUCCEEDS(flashvid_patch_grid_reading_order(&grid, reading, FLASHVID_INT32, tokens, &count, message, sizeof message));
    for (token = 0; token < tokens; token += 1) EXPECT(order[reading[token]] == token, "no inverse at %lld", (long long)token);
    free(order);
    free(reading);
}

static void groups(const char *folder) {
    tensor attention = load(folder, "groups", "attention"), order = load(folder, "groups", "order");
    tensor plain = load(folder, "groups", "expected"), ordered = load(folder, "groups", "expected_ordered");
    float scores[3 * 35];
    SUCCEEDS(flashvid_group_attention(attention.data, FLASHVID_FLOAT32, 3, 140, 4, NULL, FLASHVID_INT64, 0, scores, 105,
                                      message, sizeof message));
    EXPECT(distance(scores, (const float *)plain.data, 105) < 1e-6, "as they come");
    SUCCEEDS(flashvid_group_attention(attention.data, FLASHVID_FLOAT32, 3, 140, 4, order.data, FLASHVID_INT64, 105, scores,
                                      105, message, sizeof message));
    EXPECT(distance(scores, (const float *)ordered.data, 105) < 1e-6, "in an order");
    free((void *)attention.data);
    free((void *)order.data);
    free((void *)plain.data);
    free((void *)ordered.data);

    check_windows(16, 16);
    check_windows(10, 12);
    check_windows(46, 34);
    check_windows(2, 2);
    check_windows(6, 50);
    {
        /* Two windows of 4 x 4 and 4 x 1 tokens: patches carry the number of their token, in the encoder's order. */
        flashvid_patch_grid grid;
        float patches[80], tokens[20];
        int64_t order_of[20], count, index;
        flashvid_patch_grid_preset(&grid, sizeof grid, FLASHVID_QWEN25_VL, 8, 10);
        SUCCEEDS(flashvid_patch_grid_encoder_order(&grid, order_of, FLASHVID_INT64, 20, &count, message, sizeof message));
        EXPECT(order_of[3] == 3 && order_of[4] == 5 && order_of[16] == 4 && order_of[19] == 19, "windows");
        for (index = 0; index < 80; index += 1) patches[index] = (float)order_of[index / 4];
        SUCCEEDS(flashvid_patch_grid_attention(&grid, patches, FLASHVID_FLOAT32, 1, tokens, 20, message, sizeof message));
        for (index = 0; index < 20; index += 1) EXPECT(tokens[index] == (float)index, "token %lld", (long long)index);
    }
}

/* --------------------------------------------------------------------------------------------------------- Prompts */

typedef struct {
    int64_t positions[16], rows[16], renumbered[16], visual[16];
    flashvid_kept_prompt kept;
} room;

static void keep(room *room, const flashvid_prompt *prompt, const int64_t *indices, int64_t row_count) {
    int64_t count = 0;
    memset(room, 0, sizeof *room);
    room->kept.struct_size = sizeof room->kept;
    room->kept.positions = room->positions;
    room->kept.rows = room->rows;
    room->kept.renumbered = room->renumbered;
    room->kept.visual_places = room->visual;
    room->kept.capacity = 16;
    SUCCEEDS(flashvid_prompt_count(prompt, row_count, &count, message, sizeof message));
    SUCCEEDS(flashvid_prompt_keep(prompt, indices, FLASHVID_INT64, row_count, &room->kept, message, sizeof message));
    EXPECT(room->kept.count == count, "%lld places, %lld counted", (long long)room->kept.count, (long long)count);
}

static flashvid_prompt prompt_of(flashvid_model model, int64_t length, int64_t frames, int64_t tokens, int64_t start) {
    flashvid_prompt prompt;
    EXPECT(flashvid_prompt_preset(&prompt, sizeof prompt, model) == FLASHVID_OK, "preset");
    prompt.length = length;
    prompt.frames = frames;
    prompt.tokens_per_frame = tokens;
    prompt.video_start = start;
    return prompt;
}

static void llava(void) {
    /* user a0 a1 a2 b0 b1 b2 \n ?  of which a1, b0, b2 stay */
    static const int64_t indices[] = {1, 3, 5};
    static const int64_t positions[] = {0, 2, 4, 6, 7, 8}, rows[] = {-1, 0, 1, 2, -1, -1}, numbers[] = {0, 1, 2, 3, 4, 5};
    static const int64_t in_place[] = {0, 1, 2, -1};
    static const float tokens[] = {10, 11, 20, 21, 30, 31}, newline[] = {-1, -2};
    static const float read[] = {10, 11, 20, 21, 30, 31, -1, -2};
    flashvid_prompt prompt = prompt_of(FLASHVID_LLAVA_ONEVISION, 9, 2, 3, 1);
    int64_t sequence[8], count = 0;
    float embeddings[8];
    room room;
    keep(&room, &prompt, indices, 3);
    EXPECT(room.kept.count == 6 && same(room.positions, positions, 6) && same(room.rows, rows, 6), "LLaVA-OneVision");
    EXPECT(same(room.renumbered, numbers, 6), "without gaps");
    SUCCEEDS(flashvid_video_rows(indices, FLASHVID_INT64, 3, 2, 3, prompt.newlines, sequence, 8, &count, message,
                                 sizeof message));
    EXPECT(count == 4 && same(sequence, in_place, 4), "in place of the video token");
    SUCCEEDS(flashvid_prompt_embeddings(sequence, NULL, FLASHVID_INT64, 4, newline, 1, tokens, 3, 2 * sizeof(float),
                                        embeddings, 4, message, sizeof message));
    EXPECT(memcmp(embeddings, read, sizeof read) == 0, "embeddings");
    {
        /* user a0 a1 a2 \n b0 b1 b2 \n ? */
        static const int64_t by_frame[] = {0, 2, 4, 5, 7, 8, 9}, frame_rows[] = {-1, 0, -1, 1, 2, -1, -1};
        static const int64_t frame_sequence[] = {0, -1, 1, 2, -1};
        prompt = prompt_of(FLASHVID_LLAVA_VIDEO, 10, 2, 3, 1);
        keep(&room, &prompt, indices, 3);
        EXPECT(room.kept.count == 7 && same(room.positions, by_frame, 7) && same(room.rows, frame_rows, 7), "LLaVA-Video");
        SUCCEEDS(flashvid_video_rows(indices, FLASHVID_INT64, 3, 2, 3, prompt.newlines, sequence, 8, &count, message,
                                     sizeof message));
        EXPECT(count == 5 && same(sequence, frame_sequence, 5), "a newline behind each frame");
    }
    {
        /* user a0 a1 \n a2 a3 \n b0 b1 \n b2 b3 \n ? */
        static const int64_t some[] = {0, 3, 5}, left[] = {0, 1, 5, 6, 8, 12, 13};
        prompt = prompt_of(FLASHVID_LLAVA_VIDEO, 14, 2, 4, 1);
        prompt.newlines = FLASHVID_NEWLINES_AFTER_GRID_ROW;
        prompt.newline_columns = 2;
        keep(&room, &prompt, some, 3);
        EXPECT(room.kept.count == 7 && same(room.positions, left, 7), "newlines by row of the grid");
    }
}

static void qwen25(void) {
    /* user <start> a0 a1 a2 a3 b0 b1 b2 b3 <end> what ?  of which a1, a2, b3 stay */
    static const int32_t ids[] = {7, 50, 99, 99, 99, 99, 99, 99, 99, 99, 51, 8, 9};
    static const int64_t indices[] = {1, 2, 7};
    static const int64_t positions[] = {0, 1, 3, 4, 9, 10, 11, 12}, rows[] = {-1, -1, 0, 1, 2, -1, -1, -1};
    static const int64_t visual[] = {2, 3, 4}, renumbered[] = {40, 41, 42, 43, 44, 45, 46, 47};
    /* Time, height and width: frames of 2 x 2, two units of time apart. */
    static const int32_t mrope[] = {0, 1, 2, 2, 2, 2, 4, 4, 4, 4, 5, 6, 7, 0, 1, 2, 2, 3, 3, 2, 2, 3, 3, 5, 6, 7,
                                    0, 1, 2, 3, 2, 3, 2, 3, 2, 3, 5, 6, 7};
    static const int32_t mrope_left[] = {0, 1, 2, 2, 4, 5, 6, 7, 0, 1, 2, 3, 3, 5, 6, 7, 0, 1, 3, 2, 3, 5, 6, 7};
    static const uint8_t causal_left[] = {1, 0, 0, 1, 1, 0, 1, 1, 1};
    static const int64_t some[] = {0, 2, 9};
    flashvid_prompt prompt = prompt_of(FLASHVID_QWEN25_VL, 13, 2, 4, 2);
    int32_t gathered[24];
    uint8_t causal[13 * 13], pairs[9];
    int64_t query, key;
    room room;
    keep(&room, &prompt, indices, 3);
    EXPECT(room.kept.count == 8 && same(room.positions, positions, 8) && same(room.rows, rows, 8), "Qwen2.5-VL");
    EXPECT(same(room.visual, visual, 3), "places of rows");
    SUCCEEDS(flashvid_gather(mrope, 3, 13, sizeof *mrope, room.positions, FLASHVID_INT64, 8, gathered, 24, message,
                             sizeof message));
    EXPECT(memcmp(gathered, mrope_left, sizeof mrope_left) == 0, "M-RoPE positions");
    for (query = 0; query < 13; query += 1)
        for (key = 0; key < 13; key += 1) causal[query * 13 + key] = key <= query;
    SUCCEEDS(flashvid_gather_pairs(causal, 1, 13, 1, some, FLASHVID_INT64, 3, pairs, 9, message, sizeof message));
    EXPECT(memcmp(pairs, causal_left, sizeof pairs) == 0, "a mask");

    /* The same by the ids of the prompt's tokens, and positions from 40 on. */
    prompt.tokens = ids;
    prompt.video_token = 99;
    room.kept.first_position = 40;
    SUCCEEDS(flashvid_prompt_keep(&prompt, indices, FLASHVID_INT64, 3, &room.kept, message, sizeof message));
    EXPECT(same(room.positions, positions, 8) && same(room.renumbered, renumbered, 8), "by ids");
    {
        /* Pruning: of the three rows the second goes, and then the first. */
        static const int64_t first[] = {0, 2}, second[] = {1};
        static const int64_t once[] = {0, 1, 2, 4, 5, 6, 7}, twice[] = {0, 1, 3, 4, 5, 6};
        static const int64_t left[] = {0, 1, 9, 10, 11, 12};
        int64_t places[8], rows_left[8], positions_left[8], again[8], count = 0;
        SUCCEEDS(flashvid_prompt_prune(room.rows, 8, first, 2, FLASHVID_INT64, places, 8, &count, message, sizeof message));
        EXPECT(count == 7 && same(places, once, 7), "pruned once");
        SUCCEEDS(flashvid_gather(room.rows, 1, 8, 8, places, FLASHVID_INT64, 7, rows_left, 8, message, sizeof message));
        SUCCEEDS(flashvid_gather(room.positions, 1, 8, 8, places, FLASHVID_INT64, 7, positions_left, 8, message,
                                 sizeof message));
        SUCCEEDS(flashvid_prompt_prune(rows_left, 7, second, 1, FLASHVID_INT64, places, 8, &count, message, sizeof message));
        EXPECT(count == 6 && same(places, twice, 6), "pruned twice");
        SUCCEEDS(flashvid_gather(positions_left, 1, 7, 8, places, FLASHVID_INT64, 6, again, 8, message, sizeof message));
        EXPECT(same(again, left, 6), "positions after both");
        SUCCEEDS(flashvid_prompt_prune(room.rows, 8, NULL, 0, FLASHVID_INT64, places, 8, &count, message, sizeof message));
        EXPECT(count == 5, "nothing kept: %lld places", (long long)count);
    }
}

static void qwen3(void) {
    /* user 0.3 sec <start> a0 a1 <end> 1.3 <start> b0 b1 <end> what ?  of which a1, b0 stay */
    static const int64_t starts[] = {4, 9};
    static const int32_t indices[] = {1, 2}, positions[] = {0, 1, 2, 3, 5, 6, 7, 8, 9, 11, 12, 13}, visual[] = {4, 8};
    static const float deep[] = {0, 1, 2, 10, 11, 12, 20, 21, 22, 30, 31, 32};
    static const float keys[12] = {9, 9, 9, 9, 1, 9, 9, 9, 3, 9, 9, 9}, query[] = {1};
    int32_t found[16], rows[16], places[16], tokens[2];
    float stacked[6], scores[2];
    int64_t count = 0;
    flashvid_prompt prompt = prompt_of(FLASHVID_QWEN3_VL, 14, 2, 2, 0);
    flashvid_decoder_attention last;
    flashvid_kept_prompt kept;
    prompt.frame_starts = starts;
    memset(&kept, 0, sizeof kept);
    kept.struct_size = sizeof kept;
    kept.positions = found;
    kept.rows = rows;
    kept.visual_places = places;
    kept.capacity = 16;
    SUCCEEDS(flashvid_prompt_keep(&prompt, indices, FLASHVID_INT32, 2, &kept, message, sizeof message));
    EXPECT(kept.count == 12 && memcmp(found, positions, sizeof positions) == 0, "Qwen3-VL");
    EXPECT(memcmp(places, visual, sizeof visual) == 0, "places of rows");
    SUCCEEDS(flashvid_gather(deep, 1, 4, 3 * sizeof(float), indices, FLASHVID_INT32, 2, stacked, 2, message, sizeof message));
    EXPECT(memcmp(stacked, deep + 3, sizeof stacked) == 0, "DeepStack rows");

    /* A middle layer of one head, keys of one number: the larger key is b0's. */
    memset(&last, 0, sizeof last);
    last.struct_size = sizeof last;
    last.query = query;
    last.keys = keys;
    last.heads = last.key_heads = last.width = 1;
    last.key_count = 12;
    last.places = places;
    last.place_count = 2;
    last.index_type = FLASHVID_INT32;
    EXPECT(flashvid_scorer_last_query(scorer, &last, scores, 2) == FLASHVID_OK, "last query");
    SUCCEEDS(flashvid_prune(scores, FLASHVID_FLOAT32, 2, 0, 0.5, tokens, FLASHVID_INT32, 2, &count, message, sizeof message));
    EXPECT(count == 1 && tokens[0] == 1, "the second token stays");
    SUCCEEDS(flashvid_prompt_prune(rows, 12, tokens, 1, FLASHVID_INT32, places, 16, &count, message, sizeof message));
    EXPECT(count == 11 && places[3] == 3 && places[4] == 5, "a1 is gone");
}

/* ----------------------------------------------------------------------------------------------------------- Plans */

static void plans(void) {
    double expansion = 0, average = 0, ratio = 0, work = 0;
    int64_t frames = 0, rows = 0;
    flashvid_context context;
    flashvid_configuration configuration;
    flashvid_host_model host;
    flashvid_plan_row row, full;
    SUCCEEDS(flashvid_plan_expansion(28, 20, 0.3, 1, &expansion, message, sizeof message));
    EXPECT(fabs(expansion - 1.25) < 1e-12, "%.17g for 20 of 28 layers at 0.3", expansion);
    SUCCEEDS(flashvid_plan_expansion(36, 28, 0.1, 1, &expansion, message, sizeof message));
    EXPECT(fabs(expansion - 1.25) < 1e-12, "%.17g for 28 of 36 layers at 0.1", expansion);
    SUCCEEDS(flashvid_plan_average(28, 20, 0.3, 1.25, &average, message, sizeof message));
    EXPECT(fabs(average - 1) < 1e-12, "%.17g", average);

    /* 1,000 positions for frames of 100 tokens and a newline: 9 as they are; at 0.1 * 1.25 a frame takes 13 and 1. */
    memset(&context, 0, sizeof context);
    context.struct_size = sizeof context;
    context.positions = 1000;
    context.tokens_per_frame = 100;
    context.overhead_per_frame = 1;
    context.other_positions = 20;
    flashvid_configuration_preset(&configuration, sizeof configuration, FLASHVID_LLAVA_VIDEO, 0.1);
    SUCCEEDS(flashvid_plan_frames(&context, NULL, &frames, message, sizeof message));
    EXPECT(frames == 9, "%lld frames", (long long)frames);
    SUCCEEDS(flashvid_plan_frames(&context, &configuration, &frames, message, sizeof message));
    EXPECT(frames == 70, "%lld frames", (long long)frames);
    /* 40 frames have 24 positions each, 23 of them for tokens: 100 * 1.25 * r must not exceed 23. */
    SUCCEEDS(flashvid_plan_retention(&context, &configuration, 40, &ratio, message, sizeof message));
    EXPECT(fabs(ratio - 23 / 125.0) < 1e-9, "%.17g", ratio);
    configuration.retention_ratio = ratio;
    flashvid_output_token_count(&configuration, 40, 100, &rows, NULL, 0);
    EXPECT(rows == 40 * 23, "%lld rows", (long long)rows);

    /* Two layers of width 4, two heads of 2 on one of keys, a network of 8; 3 tokens: projections 2*4*(8+4), network 6*4*8,
       attention 2*4*(3+1). */
    memset(&host, 0, sizeof host);
    host.struct_size = sizeof host;
    host.layers = 2;
    host.width = 4;
    host.feed_forward_width = 8;
    host.heads = 2;
    host.key_value_heads = 1;
    host.head_width = 2;
    host.context_length = 100;
    host.pruning_layer = 1;
    host.kept_ratio = 1;
    host.frames = 1;
    host.tokens_per_frame = 4;
    SUCCEEDS(flashvid_plan_prefill(&host, 2, 1, &work, message, sizeof message));
    EXPECT(work == 2 * 3 * (96 + 192 + 32), "%g operations", work);
    host.kept_ratio = 0.5; /* The second layer has 2 tokens left. */
    SUCCEEDS(flashvid_plan_prefill(&host, 2, 1, &work, message, sizeof message));
    EXPECT(work == 3 * (96 + 192 + 32) + 2 * (96 + 192 + 24), "%g operations", work);

    EXPECT(flashvid_host_model_preset(&host, sizeof host, FLASHVID_LLAVA_ONEVISION) == FLASHVID_OK, "preset");
    EXPECT(host.frames == 32 && host.tokens_per_frame == 196 && host.pruning_layer == 20 && host.kept_ratio == 0.3, "preset");
    memset(&row, 0, sizeof row);
    row.struct_size = sizeof row;
    full = row;
    SUCCEEDS(flashvid_plan_video(&host, 0, 64, &full, message, sizeof message));
    SUCCEEDS(flashvid_plan_video(&host, 0.1, 64, &row, message, sizeof message));
    EXPECT(full.visual_tokens == 6272 && full.prompt_length == 6337 && full.work_share == 1, "without compression");
    EXPECT(full.frames_in_context == (host.context_length - 65) / 196 && full.frames_at_same_work == 32, "without compression");
    /* ceil(196 * 0.125) = 25 tokens a frame. */
    EXPECT(row.tokens_per_frame == 25 && row.visual_tokens == 800 && row.prompt_length == 865, "at 0.1");
    EXPECT(fabs(row.average_visual_tokens - 800 / 1.25) < 1e-9, "%.17g on average", row.average_visual_tokens);
    EXPECT(row.frames_in_context == (host.context_length - 65) / 25, "at 0.1");
    EXPECT(fabs(row.work_share - row.prefill_work / full.prefill_work) < 1e-12 && row.work_share < 0.2, "%g", row.work_share);
    EXPECT(row.frames_at_same_work > 200, "%lld frames", (long long)row.frames_at_same_work);

    SUCCEEDS(flashvid_plan_break_even(&host, 0.1, 0, 1e12, 64, &frames, message, sizeof message));
    EXPECT(frames == 1, "free compression pays from the first frame on, not from %lld", (long long)frames);
    EXPECT(flashvid_plan_break_even(&host, 0.1, 1e9, 1e12, 64, &frames, message, sizeof message) == FLASHVID_IMPOSSIBLE,
           "nothing pays that takes so long");
}

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    EXPECT(flashvid_scorer_create(2, &scorer, message, sizeof message) == FLASHVID_OK, "%s", message);
    EXPECT(flashvid_scorer_threads(scorer) == 2, "threads");
    encoder(argv[1]);
    pooling(argv[1]);
    groups(argv[1]);
    llava();
    qwen25();
    qwen3();
    plans();
    EXPECT(flashvid_scorer_destroy(scorer) == FLASHVID_OK, "destroy");
    printf("host: %d failures\n", failures);
    return failures != 0;
}
