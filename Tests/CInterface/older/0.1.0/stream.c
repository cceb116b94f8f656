/*
 * The stream equals the whole clip with complementary cuts off: stream [FRAMES]. With a number of frames it pushes that many
 * frames of 196 x 896 instead and prints the resident memory on the way.
 */
#define _POSIX_C_SOURCE 200809L
#include "random.h"
#include "support.h"
#include <unistd.h>

static long resident_kilobytes(void) {
    long total = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL) return -1;
    if (fscanf(file, "%ld %ld", &total, &resident) != 2) resident = -1;
    fclose(file);
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static void prepare(flashvid_output *output, const flashvid_clip *clip, int64_t frames) {
    memset(output, 0, sizeof *output);
    output->struct_size = sizeof *output;
    output->row_capacity = frames * clip->tokens_per_frame;
    output->tokens = allocate((size_t)(output->row_capacity * clip->channels) * sizeof(float));
    output->indices = allocate((size_t)output->row_capacity * 8);
    output->counts = allocate((size_t)output->row_capacity * 8);
    output->assignment = allocate((size_t)output->row_capacity * 8);
    output->parents = allocate((size_t)output->row_capacity * 8);
    output->segment_lengths = allocate((size_t)frames * 8);
}

static void release(flashvid_output *output) {
    free(output->tokens);
    free(output->indices);
    free(output->counts);
    free(output->assignment);
    free(output->parents);
    free(output->segment_lengths);
}

/* Compares the segment with its part of the whole, and returns the frames of it. */
static void compare(
    const flashvid_output *segment, const flashvid_output *whole, const flashvid_clip *clip, int64_t *frame, int64_t *row,
    int64_t *number) {
    const int64_t frames = ((const int64_t *)segment->segment_lengths)[0];
    const int64_t first = *frame * clip->tokens_per_frame;
    int64_t index;
    EXPECT(segment->first_frame == *frame, "first frame %lld for %lld", (long long)segment->first_frame, (long long)*frame);
    EXPECT(segment->segment_count == 1 && frames == ((const int64_t *)whole->segment_lengths)[*number], "length");
    EXPECT(memcmp(segment->tokens, (const float *)whole->tokens + *row * clip->channels,
                  (size_t)(segment->row_count * clip->channels) * sizeof(float)) == 0,
           "tokens of segment %lld", (long long)*number);
    EXPECT(memcmp(segment->indices, (const int64_t *)whole->indices + *row, (size_t)segment->row_count * 8) == 0, "indices");
    EXPECT(memcmp(segment->counts, (const int64_t *)whole->counts + *row, (size_t)segment->row_count * 8) == 0, "counts");
    EXPECT(memcmp(segment->parents, (const int64_t *)whole->parents + first,
                  (size_t)(frames * clip->tokens_per_frame) * 8) == 0,
           "parents");
    for (index = 0; index < frames * clip->tokens_per_frame; index += 1) {
        const int64_t place = ((const int64_t *)segment->assignment)[index];
        EXPECT((place < 0 ? place : place + *row) == ((const int64_t *)whole->assignment)[first + index], "assignment of token %lld",
               (long long)(first + index));
    }
    *frame += frames;
    *row += segment->row_count;
    *number += 1;
}

static void equality(uint64_t seed) {
    flashvid_configuration configuration;
    flashvid_compressor *compressor = NULL;
    flashvid_stream *stream = NULL;
    flashvid_clip clip;
    flashvid_output whole, segment;
    int64_t frame = 0, row = 0, number = 0, first = 0, taken = 0;
    flashvid_status status;
    float *features;

    random_state = seed;
    memset(&clip, 0, sizeof clip);
    clip.struct_size = sizeof clip;
    clip.frames = 1 + (int64_t)(random_bits() % 40);
    clip.tokens_per_frame = 1 + (int64_t)(random_bits() % 30);
    clip.channels = 1 + (int64_t)(random_bits() % 40);
    features = (float *)allocate((size_t)(clip.frames * clip.tokens_per_frame * clip.channels) * sizeof(float));
    random_frames(features, clip.frames, clip.tokens_per_frame * clip.channels);
    clip.features = features;
    flashvid_configuration_preset(&configuration, sizeof configuration, (flashvid_model)(seed % 4), 0.3);
    if (seed % 3 == 0) flashvid_configuration_refine(&configuration);
    configuration.maximum_segment_frames = 1 + (int64_t)(random_bits() % 9);
    prepare(&whole, &clip, clip.frames);
    prepare(&segment, &clip, configuration.maximum_segment_frames);

    EXPECT(flashvid_stream_create(
               &configuration, clip.tokens_per_frame, clip.channels, FLASHVID_FLOAT32, 2, &stream, NULL, 0) == FLASHVID_OK,
           "create");
    configuration.complementary_segments = 0;
    EXPECT(flashvid_compressor_create(&configuration, 2, &compressor, NULL, 0) == FLASHVID_OK, "create");
    EXPECT(flashvid_compressor_compress(compressor, &clip, &whole) == FLASHVID_OK, "compress");

    for (; first < clip.frames; first += taken) {
        status = flashvid_stream_push(stream, &clip, first, &taken);
        EXPECT(status == FLASHVID_OK && taken > 0, "%s", flashvid_status_name(status));
        if (status != FLASHVID_OK) break;
        while (flashvid_stream_next(stream, &segment) == FLASHVID_OK) compare(&segment, &whole, &clip, &frame, &row, &number);
    }
    EXPECT(flashvid_stream_finish(stream) == FLASHVID_OK, "finish");
    while ((status = flashvid_stream_next(stream, &segment)) == FLASHVID_OK) {
        compare(&segment, &whole, &clip, &frame, &row, &number);
    }
    EXPECT(status == FLASHVID_NO_SEGMENT, "%s", flashvid_status_name(status));
    EXPECT(frame == clip.frames && row == whole.row_count && number == whole.segment_count, "all of it, seed %llu",
           (unsigned long long)seed);
    flashvid_stream_destroy(stream);
    flashvid_compressor_destroy(compressor);
    release(&whole);
    release(&segment);
    free(features);
}

/* A host that stops in the middle: frames and a closed segment are still in there. */
static void interrupted(void) {
    flashvid_configuration configuration;
    flashvid_stream *stream = NULL;
    flashvid_clip clip;
    float features[5 * 12];
    memset(&clip, 0, sizeof clip);
    clip.struct_size = sizeof clip;
    clip.features = features;
    clip.frames = 5;
    clip.tokens_per_frame = 4;
    clip.channels = 3;
    random_frames(features, 5, 12);
    flashvid_configuration_init(&configuration, sizeof configuration);
    configuration.maximum_segment_frames = 3;
    EXPECT(flashvid_stream_create(&configuration, 4, 3, FLASHVID_FLOAT32, 2, &stream, NULL, 0) == FLASHVID_OK, "create");
    EXPECT(flashvid_stream_push(stream, &clip, 0, NULL) == FLASHVID_OK, "push");
    EXPECT(flashvid_stream_destroy(stream) == FLASHVID_OK, "destroy");
}

static void endless(long frames) {
    flashvid_configuration configuration;
    flashvid_stream *stream = NULL;
    flashvid_clip clip;
    flashvid_output output;
    const int64_t numbers = 196 * 896;
    float *features = (float *)allocate((size_t)(8 * numbers) * sizeof(float));
    long frame, early = 0, late;
    int64_t rows = 0, segments = 0;

    memset(&clip, 0, sizeof clip);
    clip.struct_size = sizeof clip;
    clip.frames = 1;
    clip.tokens_per_frame = 196;
    clip.channels = 896;
    random_frames(features, 8, numbers);
    flashvid_configuration_preset(&configuration, sizeof configuration, FLASHVID_LLAVA_ONEVISION, 0.10);
    configuration.maximum_segment_frames = 32;
    prepare(&output, &clip, 32);
    EXPECT(flashvid_stream_create(&configuration, 196, 896, FLASHVID_FLOAT32, 0, &stream, NULL, 0) == FLASHVID_OK, "create");
    for (frame = 0; frame < frames; frame += 1) {
        clip.features = features + (frame % 8) * numbers;
        EXPECT(flashvid_stream_push(stream, &clip, 0, NULL) == FLASHVID_OK, "push %ld", frame);
        while (flashvid_stream_next(stream, &output) == FLASHVID_OK) {
            rows += output.row_count;
            segments += 1;
        }
        if (frame + 1 == 1000 || frame + 1 == frames) {
            late = resident_kilobytes();
            printf("stream: %6ld frames, %lld segments, %lld rows, %ld KB resident\n", frame + 1, (long long)segments,
                   (long long)rows, late);
            if (frame + 1 == 1000) early = late;
            if (frame + 1 == frames && early > 0) EXPECT(late <= early + early / 50, "memory grew");
        }
    }
    flashvid_stream_destroy(stream);
    release(&output);
    free(features);
}

int main(int count, char **arguments) {
    uint64_t seed;
    if (count > 1) {
        endless(atol(arguments[1]));
        return failures != 0;
    }
    for (seed = 0; seed < 60; seed += 1) equality(seed);
    interrupted();
    printf("stream: 60 videos, %d failures\n", failures);
    return failures != 0;
}
