/* Several clips from one call give what each gives alone, and pruning keeps the largest. */
#include "random.h"
#include "support.h"

enum { CLIPS = 5, FRAMES = 7, TOKENS = 20, CHANNELS = 24, ROWS = FRAMES * TOKENS };

typedef struct {
    float tokens[ROWS * CHANNELS];
    int64_t indices[ROWS];
    int64_t assignment[ROWS];
} room;

static float features[CLIPS][FRAMES * TOKENS * CHANNELS];
static room alone[CLIPS], together[CLIPS];

static flashvid_output output_in(room *memory) {
    flashvid_output output;
    memset(memory, 0, sizeof *memory);
    memset(&output, 0, sizeof output);
    output.struct_size = sizeof output;
    output.tokens = memory->tokens;
    output.indices = memory->indices;
    output.assignment = memory->assignment;
    output.row_capacity = ROWS;
    return output;
}

static void batches(int threads, int spoilt) {
    flashvid_configuration configuration;
    flashvid_compressor *compressor = NULL;
    flashvid_clip clips[CLIPS];
    flashvid_output outputs[CLIPS];
    const flashvid_clip *clip_list[CLIPS];
    flashvid_output *output_list[CLIPS];
    flashvid_status statuses[CLIPS];
    int index;
    flashvid_configuration_init(&configuration, sizeof configuration);
    EXPECT(flashvid_compressor_create(&configuration, threads, &compressor, NULL, 0) == FLASHVID_OK, "create");
    for (index = 0; index < CLIPS; index += 1) {
        flashvid_output output = output_in(&alone[index]);
        random_state = 100 + (uint64_t)index;
        random_frames(features[index], FRAMES, TOKENS * CHANNELS);
        memset(&clips[index], 0, sizeof clips[index]);
        clips[index].struct_size = sizeof clips[index];
        clips[index].features = features[index];
        clips[index].frames = FRAMES - index;
        clips[index].tokens_per_frame = TOKENS;
        clips[index].channels = CHANNELS;
        clip_list[index] = &clips[index];
        outputs[index] = output_in(&together[index]);
        output_list[index] = &outputs[index];
        if (index == spoilt) features[index][17] = NAN;
        EXPECT(flashvid_compressor_compress(compressor, &clips[index], &output) ==
                   (index == spoilt ? FLASHVID_NOT_FINITE : FLASHVID_OK),
               "clip %d", index);
    }
    EXPECT(flashvid_compressor_compress_batch(compressor, clip_list, output_list, CLIPS, statuses) ==
               (spoilt >= 0 ? FLASHVID_NOT_FINITE : FLASHVID_OK),
           "batch");
    for (index = 0; index < CLIPS; index += 1) {
        EXPECT(statuses[index] == (index == spoilt ? FLASHVID_NOT_FINITE : FLASHVID_OK), "status of clip %d", index);
        EXPECT(memcmp(&alone[index], &together[index], sizeof alone[index]) == 0, "clip %d", index);
    }
    if (spoilt >= 0) {
        char message[128], wanted[16];
        flashvid_compressor_error(compressor, message, sizeof message);
        snprintf(wanted, sizeof wanted, "clip %d", spoilt);
        EXPECT(strstr(message, wanted) != NULL, "%s", message);
    }
    flashvid_compressor_destroy(compressor);
}

static void pruning(uint64_t seed) {
    float attention[2 * 300];
    int32_t kept[300];
    int64_t tokens, stride, count = -1, wanted = -1, index, next = 0;
    double ratio;
    random_state = seed;
    tokens = 1 + (int64_t)(random_bits() % 300);
    stride = 1 + (int64_t)(random_bits() % 2);
    ratio = (double)(1 + random_bits() % 100) / 100;
    for (index = 0; index < 600; index += 1) attention[index] = (float)(random_bits() % 20);
    EXPECT(flashvid_pruned_count(tokens, ratio, &wanted, NULL, 0) == FLASHVID_OK, "count");
    EXPECT(wanted == (int64_t)ceil((double)tokens * ratio), "count");
    EXPECT(flashvid_prune(
               attention, FLASHVID_FLOAT32, tokens, stride, ratio, kept, FLASHVID_INT32, wanted, &count, NULL, 0) ==
               FLASHVID_OK,
           "prune");
    EXPECT(count == wanted, "%lld kept", (long long)count);
    for (index = 0; index < tokens; index += 1) {
        /* Kept if fewer than `wanted` go before it: larger ones, and equal ones further ahead. */
        int64_t other, before = 0;
        for (other = 0; other < tokens; other += 1) {
            const float a = attention[other * stride], b = attention[index * stride];
            before += a > b || (a == b && other < index);
        }
        if (before < wanted) {
            EXPECT(next < count && kept[next] == index, "token %lld", (long long)index);
            next += 1;
        }
    }
}

int main(void) {
    uint64_t seed;
    int threads;
    for (threads = 1; threads <= 6; threads += 1) {
        batches(threads, -1);
        batches(threads, threads % CLIPS);
    }
    for (seed = 0; seed < 100; seed += 1) pruning(seed);
    printf("batch: %d failures\n", failures);
    return failures != 0;
}
