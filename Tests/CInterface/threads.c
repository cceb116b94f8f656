/*
 * Handles and threads: threads [SECONDS]. Eight threads with a compressor each, whose results must be equal; then eight
 * threads on one handle, each of which gets its answer or a busy status.
 */
#define _POSIX_C_SOURCE 200809L
#include "random.h"
#include "support.h"
#include <pthread.h>
#include <time.h>

enum { THREADS = 8, FRAMES = 8, TOKENS = 24, CHANNELS = 32, ROWS = FRAMES * TOKENS };

static float features[FRAMES * TOKENS * CHANNELS];
static float expected[ROWS * CHANNELS];
static int64_t expected_rows;
static flashvid_compressor *shared;
static double seconds = 1;

typedef struct {
    pthread_t thread;
    long answers, busy, wrong;
} worker;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void work(worker *self, flashvid_compressor *compressor) {
    float *tokens = (float *)allocate(sizeof expected);
    int64_t *indices = (int64_t *)allocate(ROWS * sizeof(int64_t));
    const double end = now() + seconds;
    flashvid_clip clip;
    flashvid_output output;
    memset(&clip, 0, sizeof clip);
    clip.struct_size = sizeof clip;
    clip.features = features;
    clip.frames = FRAMES;
    clip.tokens_per_frame = TOKENS;
    clip.channels = CHANNELS;
    memset(&output, 0, sizeof output);
    output.struct_size = sizeof output;
    output.tokens = tokens;
    output.indices = indices;
    output.row_capacity = ROWS;
    while (now() < end) {
        char message[64];
        flashvid_statistics statistics;
        flashvid_status status;
        statistics.struct_size = sizeof statistics;
        memset(tokens, 0, sizeof expected);
        status = flashvid_compressor_compress(compressor, &clip, &output);
        if (status == FLASHVID_OK) {
            self->answers += 1;
            if (output.row_count != expected_rows ||
                memcmp(tokens, expected, (size_t)(expected_rows * CHANNELS) * sizeof(float)) != 0) {
                self->wrong += 1;
            }
        } else if (status == FLASHVID_BUSY) {
            self->busy += 1;
        } else {
            self->wrong += 1;
        }
        flashvid_compressor_error(compressor, message, sizeof message);
        if (flashvid_compressor_statistics(compressor, &statistics) != FLASHVID_OK) self->wrong += 1;
    }
    free(tokens);
    free(indices);
}

static void *alone(void *argument) {
    flashvid_configuration configuration;
    flashvid_compressor *compressor = NULL;
    flashvid_configuration_init(&configuration, sizeof configuration);
    if (flashvid_compressor_create(&configuration, 2, &compressor, NULL, 0) != FLASHVID_OK) return NULL;
    work((worker *)argument, compressor);
    flashvid_compressor_destroy(compressor);
    return NULL;
}

static void *together(void *argument) {
    work((worker *)argument, shared);
    return NULL;
}

static void run(const char *name, void *(*body)(void *)) {
    worker workers[THREADS];
    worker sum;
    int index;
    memset(workers, 0, sizeof workers);
    memset(&sum, 0, sizeof sum);
    for (index = 0; index < THREADS; index += 1) pthread_create(&workers[index].thread, NULL, body, &workers[index]);
    for (index = 0; index < THREADS; index += 1) {
        pthread_join(workers[index].thread, NULL);
        sum.answers += workers[index].answers;
        sum.busy += workers[index].busy;
        sum.wrong += workers[index].wrong;
    }
    printf("threads: %s: %ld answers, %ld busy, %ld wrong\n", name, sum.answers, sum.busy, sum.wrong);
    EXPECT(sum.wrong == 0 && sum.answers > 0, "%s", name);
}

int main(int count, char **arguments) {
    flashvid_configuration configuration;
    flashvid_clip clip;
    flashvid_output output;
    int64_t indices[ROWS];
    if (count > 1) seconds = atof(arguments[1]);
    random_frames(features, FRAMES, TOKENS * CHANNELS);
    flashvid_configuration_init(&configuration, sizeof configuration);
    EXPECT(flashvid_compressor_create(&configuration, 2, &shared, NULL, 0) == FLASHVID_OK, "create");
    memset(&clip, 0, sizeof clip);
    clip.struct_size = sizeof clip;
    clip.features = features;
    clip.frames = FRAMES;
    clip.tokens_per_frame = TOKENS;
    clip.channels = CHANNELS;
    memset(&output, 0, sizeof output);
    output.struct_size = sizeof output;
    output.tokens = expected;
    output.indices = indices;
    output.row_capacity = ROWS;
    EXPECT(flashvid_compressor_compress(shared, &clip, &output) == FLASHVID_OK, "compress");
    expected_rows = output.row_count;
    run("a handle each", alone);
    run("one handle", together);
    EXPECT(flashvid_compressor_destroy(shared) == FLASHVID_OK, "destroy");
    return failures != 0;
}
