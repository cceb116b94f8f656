/* The golden cases through the C interface: golden case-*.safetensors. Compiled as C99, and as C++17 by golden.cpp. */
#include "golden.h"

static void check(
    const char *path, const tensor_file *file, const flashvid_configuration *configuration, flashvid_index index_type,
    int threads) {
    tensor features, attention, tokens, indices, lengths, assignment, counts;
    flashvid_clip clip;
    flashvid_output output;
    flashvid_compressor *compressor = NULL;
    char message[256];
    int64_t capacity = 0, row, channel;
    const size_t size = index_type == FLASHVID_INT32 ? 4 : 8;
    float *wanted, largest = 0;
    int has_attention, has_assignment;

    memset(&clip, 0, sizeof clip);
    memset(&output, 0, sizeof output);
    if (!get_tensor(file, "features", &features) || !get_tensor(file, "expected_tokens", &tokens) ||
        !get_tensor(file, "expected_indices", &indices) || !get_tensor(file, "expected_segment_lengths", &lengths)) {
        EXPECT(0, "%s is no golden case", path);
        return;
    }
    has_attention = get_tensor(file, "attention", &attention);
    has_assignment = get_tensor(file, "expected_assignment", &assignment) && get_tensor(file, "expected_counts", &counts);

    clip.struct_size = sizeof clip;
    clip.features = floats(&features);
    clip.frames = features.shape[0];
    clip.tokens_per_frame = features.shape[1];
    clip.channels = features.shape[2];
    clip.attention = has_attention ? floats(&attention) : NULL;

    EXPECT(flashvid_output_token_count(
               configuration, clip.frames, clip.tokens_per_frame, &capacity, message, sizeof message) == FLASHVID_OK,
           "%s: %s", path, message);
    output.struct_size = sizeof output;
    output.row_capacity = capacity;
    output.index_type = index_type;
    output.tokens = allocate((size_t)(capacity * clip.channels) * sizeof(float));
    output.indices = allocate((size_t)capacity * size);
    output.segment_lengths = allocate((size_t)clip.frames * size);
    output.kinds = (uint8_t *)allocate((size_t)capacity);
    output.parents = allocate((size_t)(clip.frames * clip.tokens_per_frame) * size);
    if (configuration->semantics == FLASHVID_SEMANTICS_DEFINITION) {
        output.assignment = allocate((size_t)(clip.frames * clip.tokens_per_frame) * size);
        output.counts = allocate((size_t)capacity * size);
    }
    EXPECT(flashvid_compressor_create(configuration, threads, &compressor, message, sizeof message) == FLASHVID_OK,
           "%s: %s", path, message);
    {
        flashvid_status status = flashvid_compressor_compress(compressor, &clip, &output);
        flashvid_compressor_error(compressor, message, sizeof message);
        EXPECT(status == FLASHVID_OK, "%s: %s: %s", path, flashvid_status_name(status), message);
    }
    EXPECT(output.row_count == indices.count, "%s: %lld rows for %lld", path, (long long)output.row_count,
           (long long)indices.count);
    EXPECT(output.segment_count == lengths.count, "%s", path);
    if (output.row_count != indices.count || output.segment_count != lengths.count) return;
    for (row = 0; row < lengths.count; row += 1) {
        EXPECT(integer_at(output.segment_lengths, index_type, row) == ((const int64_t *)lengths.data)[row],
               "%s: segment %lld", path, (long long)row);
    }
    wanted = floats(&tokens);
    for (row = 0; row < tokens.count; row += 1) largest = fmaxf(largest, fabsf(wanted[row]));
    for (row = 0; row < output.row_count; row += 1) {
        EXPECT(integer_at(output.indices, index_type, row) == ((const int64_t *)indices.data)[row], "%s: row %lld", path,
               (long long)row);
        for (channel = 0; channel < clip.channels; channel += 1) {
            float found = ((const float *)output.tokens)[row * clip.channels + channel];
            EXPECT(fabsf(found - wanted[row * clip.channels + channel]) <= 1e-5f * largest, "%s: row %lld, channel %lld",
                   path, (long long)row, (long long)channel);
        }
        if (has_assignment) {
            EXPECT(integer_at(output.counts, index_type, row) == ((const int64_t *)counts.data)[row],
                   "%s: count of row %lld", path, (long long)row);
        }
    }
    if (has_assignment) {
        for (row = 0; row < assignment.count; row += 1) {
            EXPECT(integer_at(output.assignment, index_type, row) == ((const int64_t *)assignment.data)[row],
                   "%s: token %lld", path, (long long)row);
        }
        free((void *)assignment.data);
        free((void *)counts.data);
    }
    EXPECT(flashvid_compressor_destroy(compressor) == FLASHVID_OK, "%s", path);

    free(wanted);
    free((void *)clip.features);
    free((void *)clip.attention);
    free(output.tokens);
    free(output.indices);
    free(output.segment_lengths);
    free(output.kinds);
    free(output.parents);
    free(output.assignment);
    free(output.counts);
    free((void *)features.data);
    if (has_attention) free((void *)attention.data);
    free((void *)tokens.data);
    free((void *)indices.data);
    free((void *)lengths.data);
}

int main(int count, char **paths) {
    int index;
    for (index = 1; index < count; index += 1) {
        tensor_file file = read_file(paths[index]);
        flashvid_configuration configuration = golden_configuration(&file);
        check(paths[index], &file, &configuration, FLASHVID_INT64, 1);
        check(paths[index], &file, &configuration, FLASHVID_INT32, 2);
        free(file.bytes);
    }
    printf("golden: %d cases, %d failures\n", count - 1, failures);
    return failures != 0 || count < 2;
}
