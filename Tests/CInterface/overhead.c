/* What the C call costs beside the engine's own time: wall time of the call less the time that the engine measured. */
#define _POSIX_C_SOURCE 200809L
#include "random.h"
#include "support.h"
#include <time.h>

enum { CALLS = 201 };

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(int64_t frames, int64_t tokens, int64_t channels, int calls) {
    flashvid_configuration configuration;
    flashvid_compressor *compressor = NULL;
    flashvid_clip clip;
    flashvid_output output;
    flashvid_statistics statistics;
    double walls[CALLS], overheads[CALLS];
    int call;
    float *features = (float *)allocate((size_t)(frames * tokens * channels) * sizeof(float));
    random_frames(features, frames, tokens * channels);
    flashvid_configuration_preset(&configuration, sizeof configuration, FLASHVID_LLAVA_ONEVISION, 0.10);
    EXPECT(flashvid_compressor_create(&configuration, 0, &compressor, NULL, 0) == FLASHVID_OK, "create");
    memset(&clip, 0, sizeof clip);
    clip.struct_size = sizeof clip;
    clip.features = features;
    clip.frames = frames;
    clip.tokens_per_frame = tokens;
    clip.channels = channels;
    memset(&output, 0, sizeof output);
    output.struct_size = sizeof output;
    output.row_capacity = frames * tokens;
    output.tokens = allocate((size_t)(frames * tokens * channels) * sizeof(float));
    output.indices = allocate((size_t)(frames * tokens) * 8);
    memset(&statistics, 0, sizeof statistics);
    statistics.struct_size = sizeof statistics;
    for (call = -3; call < calls; call += 1) {
        const double start = now();
        const flashvid_status status = flashvid_compressor_compress(compressor, &clip, &output);
        const double wall = now() - start;
        EXPECT(status == FLASHVID_OK, "%s", flashvid_status_name(status));
        flashvid_compressor_statistics(compressor, &statistics);
        if (call < 0) continue;
        walls[call] = wall;
        overheads[call] = wall - statistics.seconds;
    }
    qsort(walls, (size_t)calls, sizeof *walls, compare);
    qsort(overheads, (size_t)calls, sizeof *overheads, compare);
    printf("overhead: %3lld x %3lld x %4lld: call %9.1f us, of which the C interface %.2f us (medians of %d)\n",
           (long long)frames, (long long)tokens, (long long)channels, 1e6 * walls[calls / 2], 1e6 * overheads[calls / 2],
           calls);
    flashvid_compressor_destroy(compressor);
    free(features);
    free(output.tokens);
    free(output.indices);
}

int main(void) {
    measure(1, 1, 1, CALLS);
    measure(4, 16, 32, CALLS);
    measure(32, 196, 896, 21);
    return failures != 0;
}
