/*
 * Bad calls: each must return its status, and leave every byte of the caller's memory as it was. With an argument, calls at
 * the limits of what is legal, which take much address space and are not for sanitizers.
 */
#define _DEFAULT_SOURCE
#include "random.h"
#include "support.h"
#include <stddef.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

enum { FRAMES = 6, TOKENS = 10, CHANNELS = 16, ROWS = 24, BLOCK = 1 << 16 };

/* All memory of the caller's that a call could write lies in here. */
static struct {
    flashvid_clip clip;
    flashvid_output output;
    union {
        double alignment;
        unsigned char bytes[BLOCK];
    } block;
    float features[FRAMES * TOKENS * CHANNELS];
    float attention[FRAMES * TOKENS];
} state, before;

static flashvid_configuration configuration;
static flashvid_compressor *compressor;
static flashvid_stream *stream;
static char message[512];

#include "abuse.h"

/* A call that would succeed. */
static void prepare(void) {
    int index;
    memset(&state, 0xA5, sizeof state);
    random_state = 7;
    random_frames(state.features, FRAMES, TOKENS * CHANNELS);
    for (index = 0; index < FRAMES * TOKENS; index += 1) state.attention[index] = fabsf(random_number());
    memset(&state.clip, 0, sizeof state.clip);
    state.clip.struct_size = sizeof state.clip;
    state.clip.features = state.features;
    state.clip.frames = FRAMES;
    state.clip.tokens_per_frame = TOKENS;
    state.clip.channels = CHANNELS;
    state.clip.attention = state.attention;
    memset(&state.output, 0, sizeof state.output);
    state.output.struct_size = sizeof state.output;
    state.output.row_capacity = ROWS;
    state.output.tokens = state.block.bytes;
    state.output.indices = state.block.bytes + 8192;
    state.output.assignment = state.block.bytes + 16384;
    state.output.counts = state.block.bytes + 24576;
    state.output.kinds = state.block.bytes + 32768;
    state.output.segment_lengths = state.block.bytes + 40960;
    state.output.parents = state.block.bytes + 49152;
    state.output.row_count = -77;
    state.output.segment_count = -78;
    state.output.first_frame = -79;
}

/* Compresses the state as it stands. */
#define COMPRESS(wanted, what)                                                                              \
    do {                                                                                                    \
        memcpy(&before, &state, sizeof state);                                                              \
        expect(flashvid_compressor_compress(compressor, &state.clip, &state.output), wanted, what, __LINE__); \
        if (flashvid_compressor_error(compressor, message, sizeof message) == 0) {                          \
            failures += 1;                                                                                  \
            fprintf(stderr, "line %d: %s: no text\n", __LINE__, what);                                      \
        }                                                                                                   \
    } while (0)

#define BAD(change, wanted) \
    do {                    \
        prepare();          \
        change;             \
        COMPRESS(wanted, #change); \
    } while (0)

static void structs(void) {
    static const size_t sizes[] = {0, 1, 7, 8, 40, 47, 49, 60, sizeof(flashvid_clip) + 1, sizeof(flashvid_clip) + 4,
                                   4104, 65536, (size_t)1 << 40, (size_t)-8, (size_t)-1};
    size_t index;
    for (index = 0; index < sizeof sizes / sizeof *sizes; index += 1) {
        BAD(state.clip.struct_size = sizes[index], FLASHVID_INVALID_STRUCT);
        BAD(state.output.struct_size = sizes[index] == 60 ? 56 : sizes[index], FLASHVID_INVALID_STRUCT);
    }
    prepare();
    CALL(flashvid_compressor_compress(NULL, &state.clip, &state.output), FLASHVID_NULL_POINTER);
    CALL(flashvid_compressor_compress(compressor, NULL, &state.output), FLASHVID_NULL_POINTER);
    CALL(flashvid_compressor_compress(compressor, &state.clip, NULL), FLASHVID_NULL_POINTER);
    CALL(flashvid_compressor_compress(compressor, NULL, NULL), FLASHVID_NULL_POINTER);
    CALL(flashvid_compressor_compress(NULL, NULL, NULL), FLASHVID_NULL_POINTER);
    for (index = 1; index < 8; index += 1) {
        memcpy(state.block.bytes + index, &state.clip, sizeof state.clip);
        CALL(flashvid_compressor_compress(compressor, (flashvid_clip *)(void *)(state.block.bytes + index), &state.output),
             FLASHVID_INVALID_STRUCT);
        memcpy(state.block.bytes + index, &state.output, sizeof state.output);
        CALL(flashvid_compressor_compress(compressor, &state.clip, (flashvid_output *)(void *)(state.block.bytes + index)),
             FLASHVID_INVALID_STRUCT);
    }
    BAD(state.clip.features = NULL, FLASHVID_NULL_POINTER);
    BAD(state.output.tokens = NULL, FLASHVID_NULL_POINTER);
    BAD(state.output.indices = NULL, FLASHVID_NULL_POINTER);
}

static void sizes(void) {
    static const int64_t none[] = {0, -1, -4, INT64_MIN};
    static const int64_t huge[] = {INT64_MAX, (int64_t)1 << 62, (int64_t)1 << 40, INT64_MAX / CHANNELS, (int64_t)1 << 31};
    size_t index;
    for (index = 0; index < sizeof none / sizeof *none; index += 1) {
        BAD(state.clip.frames = none[index], FLASHVID_INVALID_SHAPE);
        BAD(state.clip.tokens_per_frame = none[index], FLASHVID_INVALID_SHAPE);
        BAD(state.clip.channels = none[index], FLASHVID_INVALID_SHAPE);
    }
    for (index = 0; index < sizeof huge / sizeof *huge; index += 1) {
        BAD(state.clip.frames = huge[index], FLASHVID_SIZE_OVERFLOW);
        BAD(state.clip.tokens_per_frame = huge[index], FLASHVID_SIZE_OVERFLOW);
        BAD(state.clip.channels = huge[index], FLASHVID_SIZE_OVERFLOW);
    }
    BAD((state.clip.frames = -2, state.clip.tokens_per_frame = -3), FLASHVID_INVALID_SHAPE);
    BAD((state.clip.frames = (int64_t)1 << 32, state.clip.tokens_per_frame = (int64_t)1 << 32), FLASHVID_SIZE_OVERFLOW);
    BAD((state.clip.tokens_per_frame = (int64_t)1 << 30, state.output.row_capacity = INT64_MAX), FLASHVID_SIZE_OVERFLOW);
    /* Sizes below 2^31 are not too large; there is just no such room. */
    BAD((state.clip.frames = 1, state.clip.tokens_per_frame = INT32_MAX, state.clip.channels = 1, state.clip.attention = NULL),
        FLASHVID_BUFFER_TOO_SMALL);
    BAD((state.clip.channels = INT32_MAX, state.output.row_capacity = 0), FLASHVID_BUFFER_TOO_SMALL);
    BAD(state.output.row_capacity = 0, FLASHVID_BUFFER_TOO_SMALL);
    BAD(state.output.row_capacity = -1, FLASHVID_BUFFER_TOO_SMALL);
    BAD(state.output.row_capacity = ROWS - 1, FLASHVID_BUFFER_TOO_SMALL);
    BAD(state.output.row_capacity = INT64_MIN, FLASHVID_BUFFER_TOO_SMALL);
}

static void types(void) {
    static const int32_t unknown[] = {-1, 3, 4, 99, INT32_MIN, INT32_MAX};
    size_t index;
    for (index = 0; index < sizeof unknown / sizeof *unknown; index += 1) {
        BAD(state.clip.type = unknown[index], FLASHVID_INVALID_ARGUMENT);
        BAD(state.clip.attention_type = unknown[index], FLASHVID_INVALID_ARGUMENT);
        BAD(state.output.token_type = unknown[index], FLASHVID_INVALID_ARGUMENT);
        BAD(state.output.index_type = unknown[index], FLASHVID_INVALID_ARGUMENT);
    }
    BAD(state.output.index_type = 2, FLASHVID_INVALID_ARGUMENT);
}

static void strides(void) {
    static const int64_t small[] = {1, CHANNELS - 1, -1, -CHANNELS, INT64_MIN};
    static const int64_t large[] = {INT64_MAX, INT64_MAX / 2, INT64_MAX / 4};
    size_t index;
    for (index = 0; index < sizeof small / sizeof *small; index += 1) {
        BAD(state.clip.frame_stride = small[index], FLASHVID_INVALID_STRIDE);
        BAD(state.clip.token_stride = small[index], FLASHVID_INVALID_STRIDE);
        BAD(state.output.row_stride = small[index], FLASHVID_INVALID_STRIDE);
        if (small[index] > 0) continue;
        BAD(state.clip.attention_frame_stride = small[index], FLASHVID_INVALID_STRIDE);
        BAD(state.clip.attention_token_stride = small[index], FLASHVID_INVALID_STRIDE);
    }
    for (index = 0; index < sizeof large / sizeof *large; index += 1) {
        BAD(state.clip.frame_stride = large[index], FLASHVID_SIZE_OVERFLOW);
        BAD(state.clip.token_stride = large[index], FLASHVID_SIZE_OVERFLOW);
        BAD(state.output.row_stride = large[index], FLASHVID_SIZE_OVERFLOW);
        BAD(state.clip.attention_frame_stride = large[index], FLASHVID_SIZE_OVERFLOW);
        BAD(state.clip.attention_token_stride = large[index], FLASHVID_SIZE_OVERFLOW);
    }
    BAD(state.clip.token_stride = (int64_t)1 << 31, FLASHVID_SIZE_OVERFLOW);
    BAD((state.clip.token_stride = INT32_MAX, state.output.row_capacity = 0), FLASHVID_BUFFER_TOO_SMALL);
    BAD(state.output.row_stride = (int64_t)1 << 31, FLASHVID_SIZE_OVERFLOW);
}

/* Rows whose strides make them more bytes than there are. */
static void endless_rows(void) {
    flashvid_configuration all = configuration;
    flashvid_compressor *ours = compressor;
    all.retention_ratio = all.expansion = 1;
    EXPECT(flashvid_compressor_create(&all, 1, &compressor, NULL, 0) == FLASHVID_OK, "create");
    BAD((state.clip.frames = 1, state.clip.tokens_per_frame = INT32_MAX, state.clip.channels = 1, state.clip.attention = NULL,
         state.output.row_stride = INT32_MAX, state.output.row_capacity = INT64_MAX),
        FLASHVID_SIZE_OVERFLOW);
    flashvid_compressor_destroy(compressor);
    compressor = ours;
}

static void places(void) {
    void **written[7];
    const char *names[] = {"tokens", "indices", "assignment", "counts", "kinds", "segment lengths", "parents"};
    int first, second, offset;
    for (offset = 1; offset < 8; offset += 1) {
        if (offset % 4 != 0) {
            BAD(state.clip.features = (char *)state.features + offset, FLASHVID_MISALIGNED);
            BAD(state.clip.attention = (char *)state.attention + offset, FLASHVID_MISALIGNED);
            BAD(state.output.tokens = (char *)state.output.tokens + offset, FLASHVID_MISALIGNED);
        }
        BAD(state.output.indices = (char *)state.output.indices + offset, FLASHVID_MISALIGNED);
        BAD(state.output.assignment = (char *)state.output.assignment + offset, FLASHVID_MISALIGNED);
        BAD(state.output.counts = (char *)state.output.counts + offset, FLASHVID_MISALIGNED);
        BAD(state.output.segment_lengths = (char *)state.output.segment_lengths + offset, FLASHVID_MISALIGNED);
        BAD(state.output.parents = (char *)state.output.parents + offset, FLASHVID_MISALIGNED);
    }
    BAD((state.clip.type = FLASHVID_FLOAT16, state.clip.features = (char *)state.features + 1), FLASHVID_MISALIGNED);
    BAD((state.output.token_type = FLASHVID_BFLOAT16, state.output.tokens = state.block.bytes + 1), FLASHVID_MISALIGNED);
    BAD((state.output.index_type = FLASHVID_INT32, state.output.indices = state.block.bytes + 8194), FLASHVID_MISALIGNED);

    written[0] = &state.output.tokens;
    written[1] = &state.output.indices;
    written[2] = &state.output.assignment;
    written[3] = &state.output.counts;
    written[4] = (void **)&state.output.kinds;
    written[5] = &state.output.segment_lengths;
    written[6] = &state.output.parents;
    for (first = 0; first < 7; first += 1) {
        prepare();
        *written[first] = state.features;
        COMPRESS(FLASHVID_OVERLAP, names[first]);
        prepare();
        *written[first] = (char *)state.features + sizeof state.features - 8;
        COMPRESS(FLASHVID_OVERLAP, names[first]);
        prepare();
        *written[first] = state.attention;
        COMPRESS(FLASHVID_OVERLAP, names[first]);
        for (second = 0; second < first; second += 1) {
            prepare();
            *written[first] = *written[second];
            COMPRESS(FLASHVID_OVERLAP, names[first]);
            prepare();
            *written[first] = (char *)*written[second] + 8;
            COMPRESS(FLASHVID_OVERLAP, names[first]);
        }
    }
    /* The structs are memory of the call as well. */
    for (first = 0; first < 7; first += 1) {
        prepare();
        *written[first] = &state.clip;
        COMPRESS(FLASHVID_OVERLAP, names[first]);
        prepare();
        *written[first] = &state.output.first_frame;
        COMPRESS(FLASHVID_OVERLAP, names[first]);
    }
    /* The last bytes of memory. */
    BAD(state.clip.features = (void *)(uintptr_t)-64, FLASHVID_SIZE_OVERFLOW);
    BAD(state.clip.attention = (void *)(uintptr_t)-64, FLASHVID_SIZE_OVERFLOW);
    BAD(state.output.tokens = (void *)(uintptr_t)-64, FLASHVID_SIZE_OVERFLOW);
    BAD(state.output.indices = (void *)(uintptr_t)-64, FLASHVID_SIZE_OVERFLOW);
}

static void numbers(void) {
    const float bad[] = {NAN, INFINITY, -INFINITY};
    const int places[] = {0, 5, TOKENS * CHANNELS - 1, 3 * TOKENS * CHANNELS + 7, FRAMES * TOKENS * CHANNELS - 1};
    int value, place;
    for (value = 0; value < 3; value += 1) {
        for (place = 0; place < 5; place += 1) {
            BAD(state.features[places[place]] = bad[value], FLASHVID_NOT_FINITE);
        }
        for (place = 0; place < FRAMES * TOKENS; place += 29) {
            BAD(state.attention[place] = bad[value], FLASHVID_NOT_FINITE);
        }
    }
    for (place = 0; place < FRAMES * TOKENS; place += 29) {
        BAD(state.attention[place] = -1, FLASHVID_NEGATIVE_ATTENTION);
        BAD(state.attention[place] = -1e-45f, FLASHVID_NEGATIVE_ATTENTION);
    }
    prepare();
    state.output.token_type = FLASHVID_FLOAT16;
    for (place = 0; place < FRAMES * TOKENS * CHANNELS; place += 1) state.features[place] *= 1e6f;
    COMPRESS(FLASHVID_NOT_REPRESENTABLE, "features of 1e6 as float16");
    prepare();
    state.output.token_type = FLASHVID_BFLOAT16;
    for (place = 0; place < FRAMES * TOKENS * CHANNELS; place += 1) state.features[place] = 3.4028e38f;
    COMPRESS(FLASHVID_NOT_REPRESENTABLE, "features of 3.4028e38 as bfloat16");
    prepare();
    state.clip.type = FLASHVID_FLOAT16;
    memset(state.features, 0x7C, sizeof state.features);
    COMPRESS(FLASHVID_NOT_FINITE, "float16 NaN");
    prepare();
    state.clip.attention_type = FLASHVID_BFLOAT16;
    memset(state.attention, 0xFF, sizeof state.attention);
    COMPRESS(FLASHVID_NOT_FINITE, "bfloat16 NaN");
}

/* A configuration that is refused, by all that take one. */
static void refused(const flashvid_configuration *bad, flashvid_status wanted, const char *what, int line) {
    int64_t count = -5;
    flashvid_compressor *made = NULL;
    flashvid_stream *flowing = NULL;
    prepare();
    memcpy(&before, &state, sizeof state);
    message[0] = 0;
    expect(flashvid_configuration_validate(bad, message, sizeof message), wanted, what, line);
    EXPECT(message[0] != 0 && strchr(message, '\n') == NULL, "%s", what);
    expect(flashvid_output_token_count(bad, 4, 5, &count, NULL, 0), wanted, what, line);
    expect(flashvid_compressor_create(bad, 1, &made, NULL, 0), wanted, what, line);
    expect(flashvid_stream_create(bad, 4, 5, FLASHVID_FLOAT32, 1, &flowing, NULL, 0), wanted, what, line);
    EXPECT(count == -5 && made == NULL && flowing == NULL, "%s", what);
}

#define REFUSED(change, wanted)                       \
    do {                                              \
        flashvid_configuration bad = configuration;   \
        change;                                       \
        refused(&bad, wanted, #change, __LINE__);     \
    } while (0)

static void configurations(void) {
    const double outside[] = {NAN, INFINITY, -INFINITY, -2};
    const int32_t unknown[] = {-1, 4, 99, INT32_MIN, INT32_MAX};
    int index;
    for (index = 0; index < 4; index += 1) {
        REFUSED(bad.retention_ratio = outside[index], FLASHVID_INVALID_CONFIGURATION);
        REFUSED(bad.expansion = outside[index], FLASHVID_INVALID_CONFIGURATION);
        REFUSED(bad.alpha = outside[index], FLASHVID_INVALID_CONFIGURATION);
        if (outside[index] < 0 || isnan(outside[index])) {
            REFUSED(bad.segment_threshold = outside[index], FLASHVID_INVALID_CONFIGURATION);
            REFUSED(bad.temporal_threshold = outside[index], FLASHVID_INVALID_CONFIGURATION);
        }
    }
    for (index = 0; index < 5; index += 1) {
        REFUSED(bad.selection = unknown[index], FLASHVID_INVALID_CONFIGURATION);
        REFUSED(bad.segmentation = unknown[index], FLASHVID_INVALID_CONFIGURATION);
        REFUSED(bad.complementary_segments = unknown[index], FLASHVID_INVALID_CONFIGURATION);
        REFUSED(bad.aggregation = unknown[index], FLASHVID_INVALID_CONFIGURATION);
        REFUSED(bad.semantics = unknown[index], FLASHVID_INVALID_CONFIGURATION);
        REFUSED(bad.carry = unknown[index], FLASHVID_INVALID_CONFIGURATION);
        REFUSED(bad.placement = unknown[index], FLASHVID_INVALID_CONFIGURATION);
        REFUSED(bad.reserved = unknown[index], FLASHVID_UNSUPPORTED);
    }
    REFUSED(bad.retention_ratio = 0, FLASHVID_INVALID_CONFIGURATION);
    REFUSED(bad.retention_ratio = 1.0000001, FLASHVID_INVALID_CONFIGURATION);
    REFUSED(bad.expansion = 0, FLASHVID_INVALID_CONFIGURATION);
    REFUSED(bad.minimum_segments = -1, FLASHVID_INVALID_CONFIGURATION);
    REFUSED(bad.minimum_segments = INT64_MIN, FLASHVID_INVALID_CONFIGURATION);
    REFUSED(bad.maximum_segment_frames = -1, FLASHVID_INVALID_CONFIGURATION);
    REFUSED(bad.refinement_rounds = -1, FLASHVID_INVALID_CONFIGURATION);
    REFUSED(bad.refinement_rounds = 1001, FLASHVID_INVALID_CONFIGURATION);
    REFUSED(bad.refinement_rounds = INT64_MAX, FLASHVID_INVALID_CONFIGURATION);
    REFUSED(bad.target_rows = -1, FLASHVID_INVALID_CONFIGURATION);
    REFUSED(bad.target_rows = INT64_MIN, FLASHVID_INVALID_CONFIGURATION);
    REFUSED((bad.target_rows = 7, bad.alpha = 2), FLASHVID_INVALID_CONFIGURATION);
    REFUSED((bad.semantics = FLASHVID_SEMANTICS_PUBLISHED, bad.target_rows = 7), FLASHVID_INVALID_CONFIGURATION);
    REFUSED((bad.semantics = FLASHVID_SEMANTICS_PUBLISHED, bad.carry = 1), FLASHVID_INVALID_CONFIGURATION);
    REFUSED((bad.semantics = FLASHVID_SEMANTICS_PUBLISHED, bad.placement = 1), FLASHVID_INVALID_CONFIGURATION);
    REFUSED((bad.semantics = FLASHVID_SEMANTICS_PUBLISHED, bad.refinement_rounds = 1), FLASHVID_INVALID_CONFIGURATION);
    REFUSED(bad.struct_size = 0, FLASHVID_INVALID_STRUCT);
    REFUSED(bad.struct_size = 8, FLASHVID_INVALID_STRUCT);
    REFUSED(bad.struct_size = 17, FLASHVID_INVALID_STRUCT);
    REFUSED(bad.struct_size = (size_t)-1, FLASHVID_INVALID_STRUCT);

    prepare();
    memset(state.block.bytes, 0xA5, 256);
    CALL(flashvid_configuration_init(NULL, sizeof configuration), FLASHVID_NULL_POINTER);
    CALL(flashvid_configuration_init((flashvid_configuration *)(void *)state.block.bytes, 0), FLASHVID_INVALID_STRUCT);
    CALL(flashvid_configuration_init((flashvid_configuration *)(void *)state.block.bytes, 15), FLASHVID_INVALID_STRUCT);
    CALL(flashvid_configuration_init((flashvid_configuration *)(void *)state.block.bytes, 1 << 20), FLASHVID_INVALID_STRUCT);
    CALL(flashvid_configuration_init((flashvid_configuration *)(void *)(state.block.bytes + 4), 64), FLASHVID_INVALID_STRUCT);
    CALL(flashvid_configuration_preset(NULL, sizeof configuration, FLASHVID_QWEN3_VL, 0.1), FLASHVID_NULL_POINTER);
    CALL(flashvid_configuration_preset(
             (flashvid_configuration *)(void *)state.block.bytes, sizeof configuration, 4, 0.1),
         FLASHVID_INVALID_ARGUMENT);
    CALL(flashvid_configuration_preset(
             (flashvid_configuration *)(void *)state.block.bytes, sizeof configuration, -1, 0.1),
         FLASHVID_INVALID_ARGUMENT);
    CALL(flashvid_configuration_preset((flashvid_configuration *)(void *)state.block.bytes, 3, 0, 0.1),
         FLASHVID_INVALID_STRUCT);
    CALL(flashvid_configuration_refine(NULL), FLASHVID_NULL_POINTER);
    CALL(flashvid_configuration_refine((flashvid_configuration *)(void *)state.block.bytes), FLASHVID_INVALID_STRUCT);
    CALL(flashvid_configuration_validate(NULL, NULL, 0), FLASHVID_NULL_POINTER);
}

static void counts_and_handles(void) {
    static const int32_t threads[] = {-1, 65, 1000, INT32_MIN, INT32_MAX};
    int64_t count = -5;
    flashvid_compressor *made = NULL;
    size_t index;
    prepare();
    CALL(flashvid_output_token_count(NULL, 4, 5, &count, message, sizeof message), FLASHVID_NULL_POINTER);
    CALL(flashvid_output_token_count(&configuration, 4, 5, NULL, message, sizeof message), FLASHVID_NULL_POINTER);
    CALL(flashvid_output_token_count(&configuration, 0, 5, &count, NULL, 0), FLASHVID_INVALID_SHAPE);
    CALL(flashvid_output_token_count(&configuration, -1, 5, &count, NULL, 0), FLASHVID_INVALID_SHAPE);
    CALL(flashvid_output_token_count(&configuration, 4, 0, &count, NULL, 0), FLASHVID_INVALID_SHAPE);
    CALL(flashvid_output_token_count(&configuration, 4, INT64_MIN, &count, NULL, 0), FLASHVID_INVALID_SHAPE);
    CALL(flashvid_output_token_count(&configuration, INT64_MAX, 50, &count, NULL, 0), FLASHVID_SIZE_OVERFLOW);
    CALL(flashvid_output_token_count(&configuration, 4, INT64_MAX, &count, NULL, 0), FLASHVID_SIZE_OVERFLOW);
    EXPECT(count == -5, "count was written");
    for (index = 0; index < sizeof threads / sizeof *threads; index += 1) {
        CALL(flashvid_compressor_create(&configuration, threads[index], &made, message, sizeof message),
             FLASHVID_INVALID_ARGUMENT);
    }
    CALL(flashvid_compressor_create(NULL, 1, &made, NULL, 0), FLASHVID_NULL_POINTER);
    CALL(flashvid_compressor_create(&configuration, 1, NULL, NULL, 0), FLASHVID_NULL_POINTER);
    EXPECT(made == NULL, "a handle was made");
    CALL(flashvid_compressor_statistics(NULL, NULL), FLASHVID_NULL_POINTER);
    CALL(flashvid_compressor_statistics(compressor, NULL), FLASHVID_NULL_POINTER);
    CALL(flashvid_compressor_statistics(compressor, (flashvid_statistics *)(void *)state.block.bytes),
         FLASHVID_INVALID_STRUCT);
    CALL(flashvid_compressor_statistics(compressor, (flashvid_statistics *)(void *)(state.block.bytes + 2)),
         FLASHVID_INVALID_STRUCT);
    EXPECT(flashvid_compressor_error(NULL, NULL, 0) == 0, "text of NULL");
    EXPECT(flashvid_compressor_threads(NULL) == 0, "threads of NULL");
    EXPECT(flashvid_stream_threads(NULL) == 0, "threads of NULL");
    EXPECT(flashvid_compressor_destroy(NULL) == FLASHVID_OK, "destroy NULL");
    EXPECT(flashvid_stream_destroy(NULL) == FLASHVID_OK, "destroy NULL");
    EXPECT(strcmp(flashvid_status_name(-1), "FLASHVID_UNKNOWN") == 0, "name of -1");
    EXPECT(strcmp(flashvid_status_name(INT32_MAX), "FLASHVID_UNKNOWN") == 0, "name of INT32_MAX");
    for (index = 0; index <= FLASHVID_CANCELLED; index += 1) {
        if (index == 24) continue; /* Not in use. */
        EXPECT(strcmp(flashvid_status_name((flashvid_status)index), "FLASHVID_UNKNOWN") != 0, "name of %d", (int)index);
    }
    /* A text is cut to fit, with a terminating zero. */
    {
        char cut[8];
        memset(cut, 'x', sizeof cut);
        EXPECT(flashvid_compressor_create(&configuration, -1, &made, cut, 5) == FLASHVID_INVALID_ARGUMENT, "create");
        EXPECT(cut[4] == 0 && strlen(cut) == 4 && cut[5] == 'x', "cut text: %.8s", cut);
        memset(cut, 'x', sizeof cut);
        EXPECT(flashvid_compressor_create(&configuration, -1, &made, cut, 0) == FLASHVID_INVALID_ARGUMENT, "create");
        EXPECT(cut[0] == 'x', "no room, and written");
    }
}

static void published(void) {
    flashvid_configuration old = configuration;
    flashvid_compressor *ours = compressor;
    old.semantics = FLASHVID_SEMANTICS_PUBLISHED;
    EXPECT(flashvid_compressor_create(&old, 1, &compressor, NULL, 0) == FLASHVID_OK, "create");
    BAD((state.output.row_capacity = 1000, state.output.counts = NULL), FLASHVID_INVALID_ARGUMENT);
    BAD((state.output.row_capacity = 1000, state.output.assignment = NULL), FLASHVID_INVALID_ARGUMENT);
    BAD((state.output.counts = NULL, state.output.assignment = NULL), FLASHVID_BUFFER_TOO_SMALL);
    flashvid_compressor_destroy(compressor);
    compressor = ours;
}

/* A budget that underflows: no rows, and no room needed for any. */
static void nothing(void) {
    flashvid_configuration little = configuration;
    flashvid_compressor *ours = NULL;
    int64_t index, rows = -1;
    little.retention_ratio = little.expansion = 1e-200;
    prepare();
    EXPECT(flashvid_output_token_count(&little, FRAMES, TOKENS, &rows, NULL, 0) == FLASHVID_OK && rows == 0, "%lld rows",
           (long long)rows);
    EXPECT(flashvid_compressor_create(&little, 1, &ours, NULL, 0) == FLASHVID_OK, "create");
    state.output.row_capacity = 0;
    state.output.row_stride = CHANNELS + 5;
    EXPECT(flashvid_compressor_compress(ours, &state.clip, &state.output) == FLASHVID_OK, "compress");
    EXPECT(state.output.row_count == 0, "%lld rows", (long long)state.output.row_count);
    for (index = 0; index < FRAMES * TOKENS; index += 1) {
        EXPECT(((const int64_t *)state.output.assignment)[index] == -1, "token %lld", (long long)index);
    }
    flashvid_compressor_destroy(ours);
}

/* Exact numbers of rows: more than a clip has tokens, or in a stream. The ratio and the expansion are not looked at. */
static void exact_rows(void) {
    flashvid_configuration exact = configuration;
    flashvid_compressor *ours = compressor;
    flashvid_stream *flowing = NULL;
    int64_t count = -5;
    exact.target_rows = FRAMES * TOKENS;
    exact.retention_ratio = NAN;
    exact.expansion = -INFINITY;
    EXPECT(flashvid_configuration_validate(&exact, message, sizeof message) == FLASHVID_OK, "%s", message);
    CALL(flashvid_output_token_count(&exact, FRAMES, TOKENS - 1, &count, message, sizeof message), FLASHVID_INVALID_CONFIGURATION);
    EXPECT(strstr(message, "target rows") != NULL, "%s", message);
    CALL(flashvid_output_token_count(&exact, FRAMES, 0, &count, NULL, 0), FLASHVID_INVALID_SHAPE);
    CALL(flashvid_output_token_count(&exact, INT64_MAX, 2, &count, NULL, 0), FLASHVID_SIZE_OVERFLOW);
    CALL(flashvid_stream_create(&exact, TOKENS, CHANNELS, FLASHVID_FLOAT32, 1, &flowing, message, sizeof message),
         FLASHVID_INVALID_CONFIGURATION);
    EXPECT(strstr(message, "stream") != NULL, "%s", message);
    EXPECT(count == -5 && flowing == NULL, "something was made");

    EXPECT(flashvid_compressor_create(&exact, 1, &compressor, NULL, 0) == FLASHVID_OK, "create");
    BAD((state.output.row_capacity = 1000, state.clip.frames = FRAMES - 1), FLASHVID_INVALID_CONFIGURATION);
    BAD((state.output.row_capacity = FRAMES * TOKENS - 1), FLASHVID_BUFFER_TOO_SMALL);
    flashvid_compressor_destroy(compressor);
    exact.target_rows = 1;
    EXPECT(flashvid_compressor_create(&exact, 1, &compressor, NULL, 0) == FLASHVID_OK, "create");
    prepare();
    EXPECT(flashvid_compressor_compress(compressor, &state.clip, &state.output) == FLASHVID_OK, "one row");
    EXPECT(state.output.row_count == 1, "%lld rows", (long long)state.output.row_count);
    flashvid_compressor_destroy(compressor);
    compressor = ours;
}

/* A batch that is refused as a whole, and what became of the statuses. */
#define REFUSED_BATCH(clips, outputs, count, wanted, status)                                                     \
    do {                                                                                                         \
        statuses[0] = statuses[1] = -9;                                                                          \
        CALL(flashvid_compressor_compress_batch(compressor, clips, outputs, count, statuses), wanted);           \
        EXPECT(statuses[0] == (status) && statuses[1] == (status), "statuses are %d and %d", statuses[0], statuses[1]); \
    } while (0)

static void batches(void) {
    const flashvid_clip *clips[2];
    flashvid_output *outputs[2];
    flashvid_status statuses[2] = {-9, -9};
    flashvid_output second;
    prepare();
    second = state.output;
    clips[0] = clips[1] = &state.clip;
    outputs[0] = &state.output;
    outputs[1] = &second;
    CALL(flashvid_compressor_compress_batch(NULL, clips, outputs, 2, statuses), FLASHVID_NULL_POINTER);
    EXPECT(statuses[0] == -9 && statuses[1] == -9, "statuses");
    REFUSED_BATCH(NULL, outputs, 2, FLASHVID_NULL_POINTER, FLASHVID_NOT_TRIED);
    REFUSED_BATCH(clips, NULL, 2, FLASHVID_NULL_POINTER, FLASHVID_NOT_TRIED);
    REFUSED_BATCH(clips, outputs, -1, FLASHVID_INVALID_ARGUMENT, -9);
    REFUSED_BATCH(clips, outputs, INT64_MIN, FLASHVID_INVALID_ARGUMENT, -9);
    REFUSED_BATCH(clips, outputs, (1 << 20) + 1, FLASHVID_SIZE_OVERFLOW, -9);
    REFUSED_BATCH(clips, outputs, (int64_t)1 << 40, FLASHVID_SIZE_OVERFLOW, -9);
    REFUSED_BATCH(clips, outputs, INT64_MAX, FLASHVID_SIZE_OVERFLOW, -9);
    REFUSED_BATCH(clips, outputs, 2, FLASHVID_OVERLAP, FLASHVID_NOT_TRIED);
    outputs[1] = &state.output;
    REFUSED_BATCH(clips, outputs, 2, FLASHVID_OVERLAP, FLASHVID_NOT_TRIED);
    outputs[0] = outputs[1] = NULL;
    REFUSED_BATCH(clips, outputs, 2, FLASHVID_NULL_POINTER, FLASHVID_NULL_POINTER);
    outputs[0] = &state.output;
    state.features[100] = NAN;
    CALL(flashvid_compressor_compress_batch(compressor, clips, outputs, 1, statuses), FLASHVID_NOT_FINITE);
    clips[0] = NULL;
    CALL(flashvid_compressor_compress_batch(compressor, clips, outputs, 1, NULL), FLASHVID_NULL_POINTER);
    EXPECT(flashvid_compressor_compress_batch(compressor, clips, outputs, 0, NULL) == FLASHVID_OK, "empty batch");
}

/* Statuses, lists and structs of a batch that meet what it writes. */
static void batches_in_themselves(void) {
    struct {
        flashvid_clip clip;
        flashvid_output output;
        const flashvid_clip *clips[2];
        flashvid_output *outputs[2];
    } *const own = (void *)(state.block.bytes + 61440);
    flashvid_status statuses[2] = {-9, -9};
    size_t place;
    for (place = 0; place < 18; place += 1) {
        void *places[18];
        prepare();
        own->clips[0] = &state.clip;
        own->clips[1] = &own->clip;
        own->outputs[0] = &state.output;
        own->outputs[1] = &own->output;
        own->clip = state.clip;
        own->output = state.output;
        own->output.tokens = (char *)state.output.tokens + 4096;
        own->output.indices = (char *)state.output.indices + 4096;
        own->output.assignment = (char *)state.output.assignment + 4096;
        own->output.counts = (char *)state.output.counts + 4096;
        own->output.kinds = state.output.kinds + 4096;
        own->output.segment_lengths = (char *)state.output.segment_lengths + 4096;
        own->output.parents = (char *)state.output.parents + 4096;
        if (place == 0) {
            EXPECT(flashvid_compressor_compress_batch(compressor, own->clips, own->outputs, 2, statuses) == FLASHVID_OK, "apart");
            continue;
        }
        places[1] = own->clips, places[2] = own->outputs, places[3] = &state.clip.channels, places[4] = &own->clip;
        places[5] = &state.output, places[6] = &own->output.parents, places[7] = state.features;
        places[8] = (char *)state.attention + 4, places[9] = state.output.tokens, places[10] = own->output.tokens;
        places[11] = own->output.indices, places[12] = own->output.assignment, places[13] = own->output.counts;
        places[14] = own->output.kinds, places[15] = own->output.segment_lengths, places[16] = own->output.parents;
        places[17] = own->output.parents;
        if (place < 17) {
            /* Not even a status is written. */
            CALL(flashvid_compressor_compress_batch(compressor, own->clips, own->outputs, 2, (flashvid_status *)places[place]),
                 FLASHVID_OVERLAP);
        }
        if (place == 1 || place == 2 || place == 3 || place == 5) {
            own->output.tokens = places[place];
            REFUSED_BATCH(own->clips, own->outputs, 2, FLASHVID_OVERLAP, FLASHVID_NOT_TRIED);
        }
    }
}

#define PUSH(change, wanted)                                                                  \
    do {                                                                                      \
        int64_t taken = -3;                                                                   \
        prepare();                                                                            \
        state.clip.frames = 1;                                                                \
        change;                                                                               \
        CALL(flashvid_stream_push(stream, &state.clip, first, &taken), wanted);               \
        EXPECT(taken == ((wanted) == FLASHVID_NULL_POINTER ? -3 : 0), "taken is %lld", (long long)taken); \
        first = 0;                                                                            \
    } while (0)

static void streams(void) {
    int64_t first = 0, frames = -5;
    flashvid_stream *made = NULL;
    prepare();
    CALL(flashvid_stream_create(&configuration, 0, 5, 0, 1, &made, NULL, 0), FLASHVID_INVALID_SHAPE);
    CALL(flashvid_stream_create(&configuration, 5, -1, 0, 1, &made, NULL, 0), FLASHVID_INVALID_SHAPE);
    CALL(flashvid_stream_create(&configuration, INT64_MAX, 5, 0, 1, &made, NULL, 0), FLASHVID_SIZE_OVERFLOW);
    CALL(flashvid_stream_create(&configuration, 5, INT64_MAX, 0, 1, &made, NULL, 0), FLASHVID_SIZE_OVERFLOW);
    CALL(flashvid_stream_create(&configuration, 5, 5, 3, 1, &made, NULL, 0), FLASHVID_INVALID_ARGUMENT);
    CALL(flashvid_stream_create(&configuration, 5, 5, 0, 65, &made, NULL, 0), FLASHVID_INVALID_ARGUMENT);
    CALL(flashvid_stream_create(&configuration, 5, 5, 0, 1, NULL, NULL, 0), FLASHVID_NULL_POINTER);
    CALL(flashvid_stream_create(NULL, 5, 5, 0, 1, &made, NULL, 0), FLASHVID_NULL_POINTER);
    {
        flashvid_configuration endless = configuration;
        endless.maximum_segment_frames = 0;
        CALL(flashvid_stream_create(&endless, 5, 5, 0, 1, &made, NULL, 0), FLASHVID_INVALID_CONFIGURATION);
        endless.maximum_segment_frames = INT64_MAX;
        CALL(flashvid_stream_create(&endless, 5, 5, 0, 1, &made, NULL, 0), FLASHVID_SIZE_OVERFLOW);
    }
    EXPECT(made == NULL, "a stream was made");

    CALL(flashvid_stream_push(NULL, &state.clip, 0, NULL), FLASHVID_NULL_POINTER);
    {
        /* The number goes nowhere where frames are missing, nor into the frames. */
        int64_t taken = -3;
        CALL(flashvid_stream_push(NULL, &state.clip, 0, &taken), FLASHVID_NULL_POINTER);
        CALL(flashvid_stream_push(stream, NULL, 0, &taken), FLASHVID_NULL_POINTER);
        EXPECT(taken == -3, "taken is %lld", (long long)taken);
        CALL(flashvid_stream_push(stream, &state.clip, 0, (int64_t *)(void *)state.features), FLASHVID_OVERLAP);
        CALL(flashvid_stream_push(stream, &state.clip, 0, (int64_t *)(void *)(state.attention + 4)), FLASHVID_OVERLAP);
    }
    CALL(flashvid_stream_finish(NULL), FLASHVID_NULL_POINTER);
    CALL(flashvid_stream_reset(NULL), FLASHVID_NULL_POINTER);
    CALL(flashvid_stream_next(NULL, &state.output), FLASHVID_NULL_POINTER);
    CALL(flashvid_stream_segment_frames(NULL, &frames), FLASHVID_NULL_POINTER);
    CALL(flashvid_stream_segment_frames(stream, NULL), FLASHVID_NULL_POINTER);
    CALL(flashvid_stream_statistics(NULL, NULL), FLASHVID_NULL_POINTER);
    CALL(flashvid_stream_statistics(stream, NULL), FLASHVID_NULL_POINTER);
    CALL(flashvid_stream_next(stream, NULL), FLASHVID_NULL_POINTER);
    CALL(flashvid_stream_next(stream, &state.output), FLASHVID_NO_SEGMENT);
    PUSH(first = 1, FLASHVID_INVALID_ARGUMENT);
    PUSH(first = -1, FLASHVID_INVALID_ARGUMENT);
    PUSH(first = INT64_MIN, FLASHVID_INVALID_ARGUMENT);
    PUSH(state.clip.features = NULL, FLASHVID_NULL_POINTER);
    PUSH(state.clip.struct_size = 12, FLASHVID_INVALID_STRUCT);
    PUSH(state.clip.frames = 0, FLASHVID_INVALID_SHAPE);
    PUSH(state.clip.tokens_per_frame = TOKENS - 1, FLASHVID_INVALID_SHAPE);
    PUSH(state.clip.channels = CHANNELS - 1, FLASHVID_INVALID_SHAPE);
    PUSH(state.clip.type = FLASHVID_FLOAT16, FLASHVID_INVALID_SHAPE);
    PUSH(state.clip.type = 17, FLASHVID_INVALID_ARGUMENT);
    PUSH(state.clip.token_stride = 3, FLASHVID_INVALID_STRIDE);
    PUSH(state.clip.attention_token_stride = -3, FLASHVID_INVALID_STRIDE);
    PUSH(state.features[77] = INFINITY, FLASHVID_NOT_FINITE);
    PUSH(state.attention[3] = NAN, FLASHVID_NOT_FINITE);
    PUSH(state.attention[3] = -1, FLASHVID_NEGATIVE_ATTENTION);
    PUSH(state.clip.features = (char *)state.features + 2, FLASHVID_MISALIGNED);
    PUSH(state.clip.attention = (char *)state.attention + 1, FLASHVID_MISALIGNED);

    prepare();
    state.clip.frames = 1;
    EXPECT(flashvid_stream_push(stream, &state.clip, 0, NULL) == FLASHVID_OK, "push");
    PUSH(state.clip.attention = NULL, FLASHVID_INVALID_SHAPE);
    prepare();
    EXPECT(flashvid_stream_finish(stream) == FLASHVID_OK, "finish");
    /* Pending and finished: what waits is said first. */
    PUSH((void)0, FLASHVID_FINISHED);
    EXPECT(flashvid_stream_segment_frames(stream, &frames) == FLASHVID_OK && frames == 1, "%lld", (long long)frames);
    prepare();
    state.output.row_capacity = 1;
    CALL(flashvid_stream_next(stream, &state.output), FLASHVID_BUFFER_TOO_SMALL);
    prepare();
    state.output.counts = state.output.indices;
    CALL(flashvid_stream_next(stream, &state.output), FLASHVID_OVERLAP);
    prepare();
    state.output.index_type = 5;
    CALL(flashvid_stream_next(stream, &state.output), FLASHVID_INVALID_ARGUMENT);
    /* It is still there. */
    prepare();
    EXPECT(flashvid_stream_next(stream, &state.output) == FLASHVID_OK, "next");
    prepare();
    CALL(flashvid_stream_next(stream, &state.output), FLASHVID_NO_SEGMENT);
    EXPECT(flashvid_stream_reset(stream) == FLASHVID_OK, "reset");
    prepare();
    state.clip.frames = 4;
    {
        int64_t taken = -1;
        EXPECT(flashvid_stream_push(stream, &state.clip, 0, &taken) == FLASHVID_OK && taken > 0 && taken <= 4, "push");
        if (taken < 4) {
            taken = -1;
            CALL(flashvid_stream_push(stream, &state.clip, taken, &taken), FLASHVID_SEGMENT_PENDING);
        }
    }
}

static void pruning(void) {
    int64_t count = -5;
    const double ratios[] = {0, -1, 1.0000001, NAN, INFINITY};
    void *kept;
    int index;
    prepare();
    kept = state.output.indices;
    for (index = 0; index < 5; index += 1) {
        CALL(flashvid_pruned_count(10, ratios[index], &count, message, sizeof message), FLASHVID_INVALID_CONFIGURATION);
        CALL(flashvid_prune(state.attention, 0, 10, 0, ratios[index], kept, 0, 10, &count, message, sizeof message),
             FLASHVID_INVALID_CONFIGURATION);
    }
    CALL(flashvid_pruned_count(0, 0.5, &count, NULL, 0), FLASHVID_INVALID_SHAPE);
    CALL(flashvid_pruned_count(-1, 0.5, &count, NULL, 0), FLASHVID_INVALID_SHAPE);
    CALL(flashvid_pruned_count(INT64_MAX, 0.5, &count, NULL, 0), FLASHVID_SIZE_OVERFLOW);
    CALL(flashvid_pruned_count(10, 0.5, NULL, NULL, 0), FLASHVID_NULL_POINTER);
    CALL(flashvid_prune(NULL, 0, 10, 0, 0.5, kept, 0, 10, &count, NULL, 0), FLASHVID_NULL_POINTER);
    CALL(flashvid_prune(state.attention, 0, 10, 0, 0.5, NULL, 0, 10, &count, NULL, 0), FLASHVID_NULL_POINTER);
    CALL(flashvid_prune(state.attention, 0, 10, 0, 0.5, kept, 0, 10, NULL, NULL, 0), FLASHVID_NULL_POINTER);
    CALL(flashvid_prune(state.attention, 9, 10, 0, 0.5, kept, 0, 10, &count, NULL, 0), FLASHVID_INVALID_ARGUMENT);
    CALL(flashvid_prune(state.attention, 0, 10, 0, 0.5, kept, 2, 10, &count, NULL, 0), FLASHVID_INVALID_ARGUMENT);
    CALL(flashvid_prune(state.attention, 0, 0, 0, 0.5, kept, 0, 10, &count, NULL, 0), FLASHVID_INVALID_SHAPE);
    CALL(flashvid_prune(state.attention, 0, INT64_MIN, 0, 0.5, kept, 0, 10, &count, NULL, 0), FLASHVID_INVALID_SHAPE);
    CALL(flashvid_prune(state.attention, 0, INT64_MAX, 0, 0.5, kept, 0, 10, &count, NULL, 0), FLASHVID_SIZE_OVERFLOW);
    CALL(flashvid_prune(state.attention, 0, 10, -1, 0.5, kept, 0, 10, &count, NULL, 0), FLASHVID_INVALID_STRIDE);
    CALL(flashvid_prune(state.attention, 0, 10, INT64_MAX, 0.5, kept, 0, 10, &count, NULL, 0), FLASHVID_SIZE_OVERFLOW);
    CALL(flashvid_prune(state.attention, 0, 10, 0, 0.5, kept, 0, 4, &count, NULL, 0), FLASHVID_BUFFER_TOO_SMALL);
    CALL(flashvid_prune(state.attention, 0, 10, 0, 0.5, kept, 0, -4, &count, NULL, 0), FLASHVID_BUFFER_TOO_SMALL);
    CALL(flashvid_prune((char *)state.attention + 1, 0, 10, 0, 0.5, kept, 0, 10, &count, NULL, 0), FLASHVID_MISALIGNED);
    CALL(flashvid_prune(state.attention, 0, 10, 0, 0.5, (char *)kept + 4, 0, 10, &count, NULL, 0), FLASHVID_MISALIGNED);
    CALL(flashvid_prune(state.attention, 0, 10, 0, 0.5, state.attention, 1, 10, &count, NULL, 0), FLASHVID_OVERLAP);
    state.attention[4] = NAN;
    CALL(flashvid_prune(state.attention, 0, 10, 0, 0.5, kept, 0, 10, &count, NULL, 0), FLASHVID_NOT_FINITE);
    state.attention[4] = -INFINITY;
    CALL(flashvid_prune(state.attention, 0, 10, 0, 0.5, kept, 0, 10, &count, NULL, 0), FLASHVID_NOT_FINITE);
    EXPECT(count == -5, "count was written");
    /* The number of those that are kept lies apart from them and from what is read. */
    {
        int64_t *const inside = (int64_t *)kept + 4;
        int offset;
        prepare();
        CALL(flashvid_prune(state.attention, 0, 10, 0, 0.5, kept, 0, 10, inside, NULL, 0), FLASHVID_OVERLAP);
        CALL(flashvid_prune(state.attention, 0, 10, 0, 0.5, kept, 0, 10, (int64_t *)(void *)(state.block.bytes + 8192), NULL, 0),
             FLASHVID_OVERLAP);
        for (offset = 1; offset < 8; offset += 1) {
            int64_t *const odd = (int64_t *)(void *)(state.block.bytes + 16384 + offset);
            CALL(flashvid_prune(state.attention, 0, 10, 0, 0.5, kept, 0, 10, odd, NULL, 0), FLASHVID_MISALIGNED);
            CALL(flashvid_pruned_count(10, 0.5, odd, NULL, 0), FLASHVID_MISALIGNED);
            CALL(flashvid_output_token_count(&configuration, 4, 5, odd, NULL, 0), FLASHVID_MISALIGNED);
            CALL(flashvid_stream_segment_frames(stream, odd), FLASHVID_MISALIGNED);
            CALL(flashvid_stream_push(stream, &state.clip, 0, odd), FLASHVID_MISALIGNED);
            CALL(flashvid_compressor_create(&configuration, 1, (flashvid_compressor **)(void *)odd, NULL, 0), FLASHVID_MISALIGNED);
            CALL(flashvid_stream_create(&configuration, 4, 5, 0, 1, (flashvid_stream **)(void *)odd, NULL, 0), FLASHVID_MISALIGNED);
            CALL(flashvid_compressor_compress_batch(compressor, (const flashvid_clip **)(void *)odd,
                                                    (flashvid_output **)(void *)state.block.bytes, 1, NULL),
                 FLASHVID_MISALIGNED);
            CALL(flashvid_compressor_compress_batch(compressor, (const flashvid_clip **)(void *)state.block.bytes,
                                                    (flashvid_output **)(void *)odd, 1, NULL),
                 FLASHVID_MISALIGNED);
        }
        CALL(flashvid_compressor_compress_batch(compressor, (const flashvid_clip **)(void *)state.block.bytes,
                                                (flashvid_output **)(void *)state.block.bytes, 1,
                                                (flashvid_status *)(void *)(state.block.bytes + 1026)),
             FLASHVID_MISALIGNED);
    }
}

/* What ends calls, tells of them, and says what a handle is. */
static void control(void) {
    static const double limits_[] = {-1, -5e-324, NAN, -INFINITY};
    static const int64_t none[] = {0, -1, INT64_MIN};
    static const int64_t huge[] = {INT64_MAX, (int64_t)1 << 62, (int64_t)1 << 40};
    static const size_t sizes_[] = {0, 1, 8, 15, 17, 4104, (size_t)1 << 40, (size_t)-8};
    int64_t number = -5;
    size_t index;
    flashvid_configuration *const room = (flashvid_configuration *)(void *)state.block.bytes;
    prepare();
    CALL(flashvid_compressor_cancel(NULL), FLASHVID_NULL_POINTER);
    CALL(flashvid_stream_cancel(NULL), FLASHVID_NULL_POINTER);
    CALL(flashvid_compressor_set_time_limit(NULL, 1), FLASHVID_NULL_POINTER);
    CALL(flashvid_stream_set_time_limit(NULL, 1), FLASHVID_NULL_POINTER);
    CALL(flashvid_compressor_set_progress(NULL, NULL, NULL), FLASHVID_NULL_POINTER);
    CALL(flashvid_stream_set_progress(NULL, NULL, NULL), FLASHVID_NULL_POINTER);
    CALL(flashvid_compressor_configuration(NULL, room, sizeof *room), FLASHVID_NULL_POINTER);
    CALL(flashvid_stream_configuration(NULL, room, sizeof *room), FLASHVID_NULL_POINTER);
    CALL(flashvid_compressor_configuration(compressor, NULL, sizeof *room), FLASHVID_NULL_POINTER);
    CALL(flashvid_stream_configuration(stream, NULL, sizeof *room), FLASHVID_NULL_POINTER);
    CALL(flashvid_compressor_output_token_count(NULL, 4, 5, &number, NULL, 0), FLASHVID_NULL_POINTER);
    CALL(flashvid_stream_output_token_count(NULL, 4, &number, NULL, 0), FLASHVID_NULL_POINTER);
    CALL(flashvid_compressor_output_token_count(compressor, 4, 5, NULL, NULL, 0), FLASHVID_NULL_POINTER);
    CALL(flashvid_stream_output_token_count(stream, 4, NULL, NULL, 0), FLASHVID_NULL_POINTER);
    CALL(flashvid_compressor_workspace_bytes(NULL, 4, 5, 6, 0, &number, NULL, 0), FLASHVID_NULL_POINTER);
    CALL(flashvid_stream_workspace_bytes(NULL, &number, NULL, 0), FLASHVID_NULL_POINTER);
    CALL(flashvid_compressor_workspace_bytes(compressor, 4, 5, 6, 0, NULL, NULL, 0), FLASHVID_NULL_POINTER);
    CALL(flashvid_stream_workspace_bytes(stream, NULL, NULL, 0), FLASHVID_NULL_POINTER);
    for (index = 0; index < 4; index += 1) {
        CALL(flashvid_compressor_set_time_limit(compressor, limits_[index]), FLASHVID_INVALID_ARGUMENT);
        CALL(flashvid_stream_set_time_limit(stream, limits_[index]), FLASHVID_INVALID_ARGUMENT);
    }
    for (index = 0; index < COUNT(sizes_); index += 1) {
        CALL(flashvid_compressor_configuration(compressor, room, sizes_[index]), FLASHVID_INVALID_STRUCT);
        CALL(flashvid_stream_configuration(stream, room, sizes_[index]), FLASHVID_INVALID_STRUCT);
    }
    for (index = 1; index < 8; index += 1) {
        int64_t *const odd = (int64_t *)(void *)(state.block.bytes + 16384 + index);
        CALL(flashvid_compressor_configuration(compressor, (flashvid_configuration *)(void *)odd, sizeof *room), FLASHVID_INVALID_STRUCT);
        CALL(flashvid_stream_configuration(stream, (flashvid_configuration *)(void *)odd, sizeof *room), FLASHVID_INVALID_STRUCT);
        CALL(flashvid_compressor_output_token_count(compressor, 4, 5, odd, NULL, 0), FLASHVID_MISALIGNED);
        CALL(flashvid_stream_output_token_count(stream, 4, odd, NULL, 0), FLASHVID_MISALIGNED);
        CALL(flashvid_compressor_workspace_bytes(compressor, 4, 5, 6, 0, odd, NULL, 0), FLASHVID_MISALIGNED);
        CALL(flashvid_stream_workspace_bytes(stream, odd, NULL, 0), FLASHVID_MISALIGNED);
    }
    for (index = 0; index < COUNT(none); index += 1) {
        CALL(flashvid_compressor_output_token_count(compressor, none[index], 5, &number, message, sizeof message), FLASHVID_INVALID_SHAPE);
        CALL(flashvid_compressor_output_token_count(compressor, 4, none[index], &number, message, sizeof message), FLASHVID_INVALID_SHAPE);
        CALL(flashvid_stream_output_token_count(stream, none[index], &number, message, sizeof message), FLASHVID_INVALID_SHAPE);
        CALL(flashvid_compressor_workspace_bytes(compressor, none[index], 5, 6, 0, &number, NULL, 0), FLASHVID_INVALID_SHAPE);
        CALL(flashvid_compressor_workspace_bytes(compressor, 4, none[index], 6, 0, &number, NULL, 0), FLASHVID_INVALID_SHAPE);
        CALL(flashvid_compressor_workspace_bytes(compressor, 4, 5, none[index], 0, &number, NULL, 0), FLASHVID_INVALID_SHAPE);
        CALL(flashvid_compressor_workspace_bytes(compressor, huge[index], 5, 6, 0, &number, NULL, 0), FLASHVID_SIZE_OVERFLOW);
        CALL(flashvid_compressor_workspace_bytes(compressor, 4, huge[index], 6, 0, &number, NULL, 0), FLASHVID_SIZE_OVERFLOW);
        CALL(flashvid_compressor_workspace_bytes(compressor, 4, 5, huge[index], 0, &number, NULL, 0), FLASHVID_SIZE_OVERFLOW);
    }
    CALL(flashvid_compressor_output_token_count(compressor, INT64_MAX, 50, &number, NULL, 0), FLASHVID_SIZE_OVERFLOW);
    CALL(flashvid_stream_output_token_count(stream, INT64_MAX, &number, NULL, 0), FLASHVID_SIZE_OVERFLOW);
    CALL(flashvid_compressor_workspace_bytes(compressor, 1, INT32_MAX, INT32_MAX, 0, &number, NULL, 0), FLASHVID_SIZE_OVERFLOW);
    CALL(flashvid_compressor_workspace_bytes(compressor, 4, 5, 6, 3, &number, NULL, 0), FLASHVID_INVALID_ARGUMENT);
    CALL(flashvid_compressor_workspace_bytes(compressor, 4, 5, 6, -1, &number, NULL, 0), FLASHVID_INVALID_ARGUMENT);
    EXPECT(number == -5, "a number was written");
    {
        int64_t *const place = (int64_t *)(void *)state.block.bytes;
        CALL(flashvid_compressor_output_token_count(compressor, 4, 5, place, (char *)place, 40), FLASHVID_OVERLAP);
        CALL(flashvid_stream_output_token_count(stream, 4, place, (char *)place + 7, 40), FLASHVID_OVERLAP);
        CALL(flashvid_compressor_workspace_bytes(compressor, 4, 5, 6, 0, place, (char *)place, 40), FLASHVID_OVERLAP);
        CALL(flashvid_stream_workspace_bytes(stream, place, (char *)place, 40), FLASHVID_OVERLAP);
    }
    /* Stream create refuses what no segment could be of. */
    {
        flashvid_configuration long_segments = configuration;
        flashvid_stream *made = NULL;
        long_segments.maximum_segment_frames = INT32_MAX;
        CALL(flashvid_stream_create(&long_segments, 1, 1, 0, 1, &made, NULL, 0), FLASHVID_SIZE_OVERFLOW);
        long_segments.maximum_segment_frames = INT32_MAX - 1;
        EXPECT(flashvid_stream_create(&long_segments, 1, 1, 0, 1, &made, NULL, 0) == FLASHVID_OK, "below 2^31");
        EXPECT(flashvid_stream_workspace_bytes(made, &number, NULL, 0) == FLASHVID_OK && number > (int64_t)8 * INT32_MAX, "bytes");
        EXPECT(flashvid_stream_destroy(made) == FLASHVID_OK, "destroy");
    }
}

/* The room for the text is memory that the call has to do with: nothing is written, not even a text. */
static void silent(void) {
    char *const inside = (char *)(state.block.bytes + 16);
    flashvid_configuration *const given = (flashvid_configuration *)(void *)state.block.bytes;
    void *const place = state.block.bytes + 8192;
    prepare();
    *given = configuration;
    CALL(flashvid_configuration_validate(given, inside, 40), FLASHVID_OVERLAP);
    CALL(flashvid_output_token_count(given, 4, 5, (int64_t *)place, inside, 40), FLASHVID_OVERLAP);
    CALL(flashvid_output_token_count(&configuration, 4, 5, (int64_t *)place, (char *)place + 7, 40), FLASHVID_OVERLAP);
    CALL(flashvid_compressor_create(given, 1, (flashvid_compressor **)place, inside, 40), FLASHVID_OVERLAP);
    CALL(flashvid_compressor_create(given, 1, (flashvid_compressor **)place, (char *)place, 1), FLASHVID_OVERLAP);
    CALL(flashvid_stream_create(given, 4, 5, 0, 1, (flashvid_stream **)place, inside, 40), FLASHVID_OVERLAP);
    CALL(flashvid_stream_create(given, 4, 5, 0, 1, (flashvid_stream **)place, (char *)place, 1), FLASHVID_OVERLAP);
    CALL(flashvid_pruned_count(10, 0.5, (int64_t *)place, (char *)place, 40), FLASHVID_OVERLAP);
    CALL(flashvid_prune(state.attention, 0, 10, 0, 0.5, place, 0, 10, (int64_t *)(void *)inside, (char *)place + 39, 1), FLASHVID_OVERLAP);
    CALL(flashvid_prune(state.attention, 0, 10, 0, 0.5, place, 0, 10, (int64_t *)(void *)inside, inside, 40), FLASHVID_OVERLAP);
    CALL(flashvid_prune(state.attention, 0, 10, 0, 0.5, place, 0, 10, (int64_t *)(void *)inside, (char *)(state.attention + 9), 40),
         FLASHVID_OVERLAP);
    /* A refused configuration as well. */
    given->alpha = 2;
    CALL(flashvid_configuration_validate(given, inside, 40), FLASHVID_OVERLAP);
    given->alpha = 0.5;
    EXPECT(flashvid_configuration_validate(given, (char *)(given + 1), (size_t)-1) == FLASHVID_OK, "beside one another");
    EXPECT(flashvid_configuration_validate(given, inside, 0) == FLASHVID_OK, "no room");
}

/* Address space that nobody has to have memory for. */
static void *reserve(size_t bytes) {
    void *const space = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (space == MAP_FAILED) perror("abuse: no address space"), exit(1);
    return space;
}

/* Sizes and strides of 2^31 - 1. */
static void limits(void) {
    const int64_t most = INT32_MAX;
    const size_t tokens = (size_t)most * FRAMES * TOKENS * 4, rows = (size_t)most * ROWS * 4;
    float *const apart = (float *)reserve(tokens), *const strided = (float *)reserve(rows);
    float expected[ROWS * CHANNELS];
    struct rlimit unlimited, limited;
    FILE *statm;
    long pages = 0;
    int64_t index;
    prepare();
    EXPECT(flashvid_compressor_compress(compressor, &state.clip, &state.output) == FLASHVID_OK, "compress");
    memcpy(expected, state.output.tokens, sizeof expected);
    for (index = 0; index < FRAMES * TOKENS; index += 1)
        memcpy(apart + index * most, state.features + index * CHANNELS, CHANNELS * sizeof(float));
    prepare();
    state.clip.features = apart;
    state.clip.token_stride = most;
    state.output.tokens = strided;
    state.output.row_stride = most;
    EXPECT(flashvid_compressor_compress(compressor, &state.clip, &state.output) == FLASHVID_OK, "strides of 2^31 - 1");
    for (index = 0; index < ROWS; index += 1)
        EXPECT(memcmp(strided + index * most, expected + index * CHANNELS, CHANNELS * sizeof(float)) == 0, "row %d", (int)index);

    /* A token of 2^31 - 1 channels is one, but its workspace takes some 100 GB. */
    statm = fopen("/proc/self/statm", "r");
    if (statm == NULL || fscanf(statm, "%ld", &pages) != 1) abort();
    fclose(statm);
    getrlimit(RLIMIT_AS, &unlimited);
    limited = unlimited;
    limited.rlim_cur = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + ((rlim_t)64 << 20);
    prepare();
    state.clip.features = apart;
    state.clip.frames = state.clip.tokens_per_frame = 1;
    state.clip.channels = most;
    state.clip.attention = NULL;
    state.output.tokens = strided;
    if (setrlimit(RLIMIT_AS, &limited) != 0) abort();
    CALL(flashvid_compressor_compress(compressor, &state.clip, &state.output), FLASHVID_OUT_OF_MEMORY);
    setrlimit(RLIMIT_AS, &unlimited);
    munmap(apart, tokens);
    munmap(strided, rows);
}

int main(int argc, char **argv) {
    int64_t rows = 0;
    (void)argv;
    flashvid_configuration_init(&configuration, sizeof configuration);
    configuration.maximum_segment_frames = 3;
    EXPECT(flashvid_output_token_count(&configuration, FRAMES, TOKENS, &rows, NULL, 0) == FLASHVID_OK && rows == ROWS,
           "%lld rows", (long long)rows);
    EXPECT(flashvid_compressor_create(&configuration, 2, &compressor, NULL, 0) == FLASHVID_OK, "create");
    EXPECT(flashvid_stream_create(&configuration, TOKENS, CHANNELS, FLASHVID_FLOAT32, 2, &stream, NULL, 0) == FLASHVID_OK,
           "create");
    if (argc > 1) {
        limits();
        flashvid_compressor_destroy(compressor);
        flashvid_stream_destroy(stream);
        printf("abuse: limits, %d failures\n", failures);
        return failures != 0;
    }
    structs();
    sizes();
    types();
    strides();
    endless_rows();
    places();
    numbers();
    configurations();
    counts_and_handles();
    published();
    nothing();
    exact_rows();
    batches();
    batches_in_themselves();
    streams();
    pruning();
    control();
    silent();
    /* After all of it, the handle works. */
    prepare();
    EXPECT(flashvid_compressor_compress(compressor, &state.clip, &state.output) == FLASHVID_OK, "a good call");
    EXPECT(state.output.row_count == ROWS, "%lld rows", (long long)state.output.row_count);
    flashvid_compressor_destroy(compressor);
    flashvid_stream_destroy(stream);
    printf("abuse: %d bad calls, %d failures\n", calls, failures);
    return failures != 0 || calls < 200;
}
