/*
 * Compresses a clip of 8 frames through libflashvid and prints what became of it.
 *
 *     cc -std=c99 host.c -o host $(pkg-config --cflags --libs flashvid) && ./host
 */
#include <flashvid.h>
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    enum { FRAMES = 8, TOKENS = 49, CHANNELS = 64 };
    flashvid_configuration configuration;
    flashvid_compressor *compressor = NULL;
    flashvid_clip clip = {0};
    flashvid_output output = {0};
    char message[256];
    int64_t rows = 0, row;
    flashvid_status status;

    /* What the vision encoder gives; here, a pattern that moves through the frame. */
    float *features = malloc(sizeof(float) * FRAMES * TOKENS * CHANNELS);
    for (int frame = 0; frame < FRAMES; frame += 1) {
        for (int token = 0; token < TOKENS; token += 1) {
            for (int channel = 0; channel < CHANNELS; channel += 1) {
                int place = (token + frame) % TOKENS;
                features[(frame * TOKENS + token) * CHANNELS + channel] = (float)((place * (channel + 3)) % 17) - 8;
            }
        }
    }

    status = flashvid_configuration_preset(&configuration, sizeof configuration, FLASHVID_LLAVA_ONEVISION, 0.10);
    if (status == FLASHVID_OK) {
        status = flashvid_output_token_count(&configuration, FRAMES, TOKENS, &rows, message, sizeof message);
    }
    if (status == FLASHVID_OK) {
        status = flashvid_compressor_create(&configuration, 0, &compressor, message, sizeof message);
    }
    if (status != FLASHVID_OK) {
        fprintf(stderr, "%s: %s\n", flashvid_status_name(status), message);
        return 1;
    }

    clip.struct_size = sizeof clip;
    clip.features = features;
    clip.frames = FRAMES;
    clip.tokens_per_frame = TOKENS;
    clip.channels = CHANNELS;

    output.struct_size = sizeof output;
    output.row_capacity = rows;
    output.tokens = malloc(sizeof(float) * (size_t)rows * CHANNELS);
    output.indices = malloc(sizeof(int64_t) * (size_t)rows);
    output.counts = malloc(sizeof(int64_t) * (size_t)rows);

    status = flashvid_compressor_compress(compressor, &clip, &output);
    if (status == FLASHVID_OK) {
        printf("libflashvid %s: %d tokens in, %lld out\n", flashvid_version_string(), FRAMES * TOKENS,
               (long long)output.row_count);
        for (row = 0; row < output.row_count && row < 5; row += 1) {
            long long index = (long long)((const int64_t *)output.indices)[row];
            printf("row %lld: frame %lld, token %lld, stands for %lld\n", (long long)row, index / TOKENS, index % TOKENS,
                   (long long)((const int64_t *)output.counts)[row]);
        }
    } else {
        flashvid_compressor_error(compressor, message, sizeof message);
        fprintf(stderr, "%s: %s\n", flashvid_status_name(status), message);
    }
    flashvid_compressor_destroy(compressor);
    free(output.tokens);
    free(output.indices);
    free(output.counts);
    free(features);
    return status != FLASHVID_OK;
}
