/*
 * Callers of other versions. Compiled three times: against the header as it is, against one whose structs lack their last
 * fields (OLDER), and against one whose structs have more of them (NEWER).
 */
#include "random.h"
#include "support.h"

enum { FRAMES = 6, TOKENS = 12, CHANNELS = 8 };

static uint64_t sum(const void *bytes, size_t count) {
    uint64_t result = 14695981039346656037u;
    size_t index;
    for (index = 0; index < count; index += 1) result = (result ^ ((const unsigned char *)bytes)[index]) * 1099511628211u;
    return result;
}

int main(void) {
    /* Behind each struct there are bytes that a library of another version must not take for part of it. */
    struct {
        flashvid_configuration value;
        unsigned char behind[64];
    } configuration;
    struct {
        flashvid_clip value;
        unsigned char behind[64];
    } clip;
    struct {
        flashvid_output value;
        unsigned char behind[64];
    } output;
    struct {
        flashvid_statistics value;
        unsigned char behind[64];
    } statistics;
    static float features[FRAMES * TOKENS * CHANNELS];
    static float tokens[FRAMES * TOKENS * CHANNELS];
    static int64_t indices[FRAMES * TOKENS];
    flashvid_compressor *compressor = NULL;
    char message[256] = "";
    int64_t rows = 0;
    size_t index;

    memset(&configuration, 0xEE, sizeof configuration);
    memset(&clip, 0xEE, sizeof clip);
    memset(&output, 0xEE, sizeof output);
    memset(&statistics, 0xEE, sizeof statistics);
    random_frames(features, FRAMES, TOKENS * CHANNELS);
    EXPECT(flashvid_configuration_preset(
               &configuration.value, sizeof configuration.value, FLASHVID_QWEN25_VL, 0.2) == FLASHVID_OK,
           "preset");
    EXPECT(configuration.value.struct_size == sizeof configuration.value, "size");
    EXPECT(configuration.value.retention_ratio == 0.2, "retention");
#ifdef NEWER
    EXPECT(configuration.value.added_later == 0, "a field that the library does not know is zero");
#endif
    memset(&clip.value, 0, sizeof clip.value);
    clip.value.struct_size = sizeof clip.value;
    clip.value.features = features;
    clip.value.frames = FRAMES;
    clip.value.tokens_per_frame = TOKENS;
    clip.value.channels = CHANNELS;
    memset(&output.value, 0, sizeof output.value);
    output.value.struct_size = sizeof output.value;
    output.value.tokens = tokens;
    output.value.row_capacity = FRAMES * TOKENS;
    output.value.indices = indices;
    EXPECT(flashvid_compressor_create(&configuration.value, 2, &compressor, message, sizeof message) == FLASHVID_OK, "%s",
           message);
    EXPECT(flashvid_compressor_compress(compressor, &clip.value, &output.value) == FLASHVID_OK, "compress");
    EXPECT(flashvid_output_token_count(&configuration.value, FRAMES, TOKENS, &rows, NULL, 0) == FLASHVID_OK, "count");
    EXPECT(output.value.row_count == rows, "%lld rows", (long long)output.value.row_count);
    memset(&statistics.value, 0, sizeof statistics.value);
    statistics.value.struct_size = sizeof statistics.value;
    EXPECT(flashvid_compressor_statistics(compressor, &statistics.value) == FLASHVID_OK, "statistics");
    EXPECT(statistics.value.seconds > 0, "seconds");
    EXPECT(statistics.value.struct_size == sizeof statistics.value, "size");
#ifdef OLDER
    EXPECT(flashvid_configuration_refine(&configuration.value) == FLASHVID_UNSUPPORTED, "refine");
#else
    EXPECT(flashvid_configuration_refine(&configuration.value) == FLASHVID_OK, "refine");
#endif
#ifdef NEWER
    clip.value.added_later = 1;
    EXPECT(flashvid_compressor_compress(compressor, &clip.value, &output.value) == FLASHVID_UNSUPPORTED, "newer clip");
    clip.value.added_later = 0;
    output.value.added_later = 1;
    EXPECT(flashvid_compressor_compress(compressor, &clip.value, &output.value) == FLASHVID_UNSUPPORTED, "newer output");
    configuration.value.added_later = 1;
    EXPECT(flashvid_configuration_validate(&configuration.value, NULL, 0) == FLASHVID_UNSUPPORTED, "newer configuration");
#endif
    flashvid_compressor_destroy(compressor);
    for (index = 0; index < 64; index += 1) {
        EXPECT(configuration.behind[index] == 0xEE && clip.behind[index] == 0xEE && output.behind[index] == 0xEE &&
                   statistics.behind[index] == 0xEE,
               "written behind a struct");
    }
    /* The same rows whichever header it was. */
    printf("layouts: sizes %d %d %d %d, result %016llx, %d failures\n", (int)sizeof configuration.value,
           (int)sizeof clip.value, (int)sizeof output.value, (int)sizeof statistics.value,
           (unsigned long long)(sum(tokens, sizeof tokens) ^ sum(indices, sizeof indices)), failures);
    return failures != 0;
}
