/*
 * libFuzzer on the C functions: bytes become a configuration, a clip, buffers of exactly the size that the header asks for,
 * and a few of these are then spoilt. Whatever comes, a call returns a status; what it writes stays in its buffers
 * (AddressSanitizer).
 */
#include <flashvid.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const uint8_t *bytes;
    size_t left;
} input;

static uint64_t take(input *source, size_t count) {
    uint64_t value = 0;
    while (count > 0 && source->left > 0) {
        value = value << 8 | *source->bytes;
        source->bytes += 1;
        source->left -= 1;
        count -= 1;
    }
    return value;
}

static int64_t below(input *source, int64_t limit) { return (int64_t)(take(source, 1) % (uint64_t)limit); }

/* A number of an odd kind now and then. */
static double odd(input *source, double usual) {
    uint64_t bits;
    double value;
    switch (below(source, 16)) {
    case 0: bits = take(source, 8); memcpy(&value, &bits, 8); return value;
    case 1: return 0;
    case 2: return 1;
    case 3: return -1;
    case 4: return (double)take(source, 1) / 255;
    default: return usual;
    }
}

static int64_t odd_integer(input *source, int64_t usual) {
    switch (below(source, 24)) {
    case 0: return (int64_t)take(source, 8);
    case 1: return -1;
    case 2: return INT64_MAX;
    case 3: return INT64_MIN;
    case 4: return (int64_t)take(source, 1);
    default: return usual;
    }
}

static void fill(input *source, void *memory, size_t bytes, flashvid_scalar type, int attention) {
    size_t index;
    const int whole = below(source, 8) == 0;
    for (index = 0; index < bytes / (type == FLASHVID_FLOAT32 ? 4 : 2); index += 1) {
        const int value = (int)take(source, 1) % 9 - (attention ? 0 : 4);
        if (type == FLASHVID_FLOAT32) {
            float number = (float)value * 0.5f;
            if (whole) { const uint32_t bits = (uint32_t)take(source, 4); memcpy(&number, &bits, 4); }
            ((float *)memory)[index] = number;
        } else {
            static const uint16_t small[] = {0xC000, 0xBE00, 0xBC00, 0xB800, 0, 0x3800, 0x3C00, 0x3E00, 0x4000};
            ((uint16_t *)memory)[index] = whole ? (uint16_t)take(source, 2) : small[(value + 4) % 9] & (attention ? 0x7FFF : 0xFFFF);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    input source = {bytes, size};
    flashvid_configuration configuration;
    flashvid_compressor *compressor = NULL;
    flashvid_clip clip;
    flashvid_output output;
    char message[40];
    void *buffers[9] = {0};
    int64_t rows = 0, tokens, gap, row_stride;
    size_t features, integers, index;

    flashvid_configuration_preset(&configuration, sizeof configuration, (flashvid_model)below(&source, 4), 0.25);
    configuration.retention_ratio = odd(&source, 0.25);
    configuration.expansion = odd(&source, 1.25);
    configuration.alpha = odd(&source, 0.7);
    configuration.selection = (flashvid_selection)below(&source, 4);
    configuration.segmentation = (int32_t)below(&source, 2);
    configuration.segment_threshold = odd(&source, 0.9);
    configuration.minimum_segments = odd_integer(&source, 4);
    configuration.maximum_segment_frames = odd_integer(&source, 2);
    configuration.temporal_threshold = odd(&source, 0.8);
    configuration.complementary_segments = (int32_t)below(&source, 2);
    configuration.aggregation = (flashvid_aggregation)below(&source, 2);
    configuration.semantics = (flashvid_semantics)(below(&source, 4) == 0);
    configuration.carry = below(&source, 3) == 0;
    configuration.refinement_rounds = below(&source, 3);
    configuration.placement = (flashvid_placement)(below(&source, 3) == 0);

    memset(&clip, 0, sizeof clip);
    clip.struct_size = sizeof clip;
    clip.type = (flashvid_scalar)below(&source, 3);
    clip.frames = 1 + below(&source, 7);
    clip.tokens_per_frame = 1 + below(&source, 9);
    clip.channels = 1 + below(&source, 11);
    gap = below(&source, 3);
    clip.token_stride = gap ? clip.channels + gap : 0;
    tokens = clip.frames * clip.tokens_per_frame;
    features = (size_t)((tokens - 1) * (clip.channels + gap) + clip.channels) * (clip.type == FLASHVID_FLOAT32 ? 4 : 2);
    clip.features = buffers[0] = malloc(features);
    fill(&source, buffers[0], features, clip.type, 0);
    if (below(&source, 2)) {
        clip.attention_type = (flashvid_scalar)below(&source, 3);
        integers = (size_t)tokens * (clip.attention_type == FLASHVID_FLOAT32 ? 4 : 2);
        clip.attention = buffers[1] = malloc(integers);
        fill(&source, buffers[1], integers, clip.attention_type, 1);
    }

    if (flashvid_output_token_count(
            &configuration, clip.frames, clip.tokens_per_frame, &rows, message, sizeof message) == FLASHVID_OK &&
        configuration.refinement_rounds < 5) {
        memset(&output, 0, sizeof output);
        output.struct_size = sizeof output;
        output.token_type = (flashvid_scalar)below(&source, 3);
        output.index_type = (flashvid_index)below(&source, 2);
        row_stride = clip.channels + below(&source, 3);
        output.row_stride = row_stride;
        output.row_capacity = rows;
        integers = output.index_type == FLASHVID_INT32 ? 4 : 8;
        output.tokens = buffers[2] =
            malloc((size_t)(rows > 0 ? (rows - 1) * row_stride + clip.channels : 0) * (output.token_type == FLASHVID_FLOAT32 ? 4 : 2));
        output.indices = buffers[3] = malloc((size_t)rows * integers);
        output.kinds = (uint8_t *)(buffers[4] = malloc((size_t)rows));
        output.segment_lengths = buffers[5] = malloc((size_t)clip.frames * integers);
        output.parents = buffers[6] = malloc((size_t)tokens * integers);
        if (configuration.semantics == FLASHVID_SEMANTICS_DEFINITION) {
            output.assignment = buffers[7] = malloc((size_t)tokens * integers);
            output.counts = buffers[8] = malloc((size_t)rows * integers);
        }
        if (flashvid_compressor_create(&configuration, 1 + (int32_t)below(&source, 2), &compressor, message, sizeof message) ==
            FLASHVID_OK) {
            const flashvid_status status = flashvid_compressor_compress(compressor, &clip, &output);
            if (status == FLASHVID_OK && (output.row_count < 0 || output.row_count > rows)) abort();
            if (status == FLASHVID_BUSY || status < 0) abort();
            /* The same again, with something spoilt; strides and sizes only in ways that are refused. */
            switch (below(&source, 8)) {
            case 0: output.row_capacity = odd_integer(&source, rows - 1); if (output.row_capacity > rows) output.row_capacity = rows; break;
            case 1: clip.features = NULL; break;
            case 2: output.tokens = buffers[0]; break;
            case 3: output.indices = output.parents; break;
            case 4: clip.struct_size = (size_t)below(&source, 80); break;
            case 5: output.row_stride = -below(&source, 200) - 1; break;
            case 6: clip.frames = -below(&source, 3); break;
            default: break;
            }
            flashvid_compressor_compress(compressor, &clip, &output);
            flashvid_compressor_error(compressor, message, (size_t)below(&source, 40));
            flashvid_compressor_destroy(compressor);
        }
    }
    for (index = 0; index < 9; index += 1) free(buffers[index]);
    return 0;
}
