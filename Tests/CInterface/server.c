/*
 * A day in a server's life: server [SECONDS [SEED]]. Eight threads make handles, hand them on and destroy them, compress,
 * stream, batch, score, ask for what cannot be, and fork, under a storm of signals, all at random from the seed that is
 * printed. Every result is compared with that of the same call made before, alone.
 *
 * Something else that hosts do is a function more in `actions`. Under TSan there are no forks, since it has none.
 */
#define _GNU_SOURCE
#include "workload.h"
#include <errno.h>
#include <fenv.h>
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WITHOUT_FORKS
#endif
#endif

enum { THREADS = 8, CLIPS = 16, CONFIGURATIONS = 5, BATCH = 5, SHARED = 3, HANDED = 4 };
enum { MAXIMUM_FRAMES = 12, MAXIMUM_TOKENS = 32, MAXIMUM_CHANNELS = 64 };
enum { ROWS = MAXIMUM_FRAMES * MAXIMUM_TOKENS };
enum { PUBLISHED = CONFIGURATIONS - 1 };

/* ------------------------------------------------------------------------------ What is compressed, and what it gives */

static flashvid_configuration configurations[CONFIGURATIONS];
static flashvid_clip clips[CLIPS];
/* The same with a number that is none. */
static flashvid_clip spoilt[CLIPS];
/* Digests. */
static uint64_t whole[CONFIGURATIONS][CLIPS];
static uint64_t streamed[PUBLISHED][CLIPS];
static workload template;
static uint64_t workload_digest;

/* Room for one result. */
typedef struct room {
    float tokens[ROWS * MAXIMUM_CHANNELS];
    int64_t indices[ROWS], assignment[ROWS], counts[ROWS], parents[ROWS], lengths[MAXIMUM_FRAMES];
    uint8_t kinds[ROWS];
} room;

static flashvid_output output_in(room *room, int configuration) {
    flashvid_output output;
    memset(&output, 0, sizeof output);
    output.struct_size = sizeof output;
    output.tokens = room->tokens;
    output.indices = room->indices;
    output.kinds = room->kinds;
    output.parents = room->parents;
    output.segment_lengths = room->lengths;
    output.row_capacity = ROWS;
    if (configuration != PUBLISHED) {
        output.assignment = room->assignment;
        output.counts = room->counts;
    }
    return output;
}

static void add(uint64_t *digest, const void *bytes, size_t count) {
    size_t index;
    for (index = 0; index < count; index += 1) *digest = (*digest ^ ((const unsigned char *)bytes)[index]) * 1099511628211u;
}

/* Everything that a call wrote, for so many frames of the clip. */
static void add_result(uint64_t *digest, const flashvid_output *output, const flashvid_clip *clip, int64_t frames) {
    const size_t rows = (size_t)output->row_count, sources = (size_t)(frames * clip->tokens_per_frame);
    add(digest, &output->row_count, sizeof output->row_count);
    add(digest, &output->segment_count, sizeof output->segment_count);
    add(digest, &output->first_frame, sizeof output->first_frame);
    add(digest, output->tokens, rows * (size_t)clip->channels * sizeof(float));
    add(digest, output->indices, rows * sizeof(int64_t));
    add(digest, output->kinds, rows);
    add(digest, output->segment_lengths, (size_t)output->segment_count * sizeof(int64_t));
    add(digest, output->parents, sources * sizeof(int64_t));
    if (output->counts != NULL) add(digest, output->counts, rows * sizeof(int64_t));
    if (output->assignment != NULL) add(digest, output->assignment, sources * sizeof(int64_t));
}

static const uint64_t nothing = 14695981039346656037u;

static uint64_t digest_of(const flashvid_output *output, const flashvid_clip *clip) {
    uint64_t digest = nothing;
    add_result(&digest, output, clip, clip->frames);
    return digest;
}

static size_t size_of(flashvid_scalar type) { return type == FLASHVID_FLOAT32 ? 4 : 2; }

static void make_clip(int number) {
    flashvid_clip *clip = &clips[number];
    size_t index, count;
    float *numbers;
    void *features, *bad;
    memset(clip, 0, sizeof *clip);
    clip->struct_size = sizeof *clip;
    clip->frames = 1 + (int64_t)(random_bits() % MAXIMUM_FRAMES);
    clip->tokens_per_frame = 1 + (int64_t)(random_bits() % MAXIMUM_TOKENS);
    clip->channels = 1 + (int64_t)(random_bits() % MAXIMUM_CHANNELS);
    clip->type = number % 3;
    count = (size_t)(clip->frames * clip->tokens_per_frame * clip->channels);
    numbers = (float *)allocate(count * sizeof(float));
    random_frames(numbers, clip->frames, clip->tokens_per_frame * clip->channels);
    features = allocate(count * 4);
    for (index = 0; index < count; index += 1) {
        uint32_t bits;
        memcpy(&bits, &numbers[index], 4);
        if (clip->type == FLASHVID_FLOAT32) ((uint32_t *)features)[index] = bits;
        /* The upper half of a float. */
        if (clip->type == FLASHVID_BFLOAT16) ((uint16_t *)features)[index] = (uint16_t)(bits >> 16);
        /* Its sign, and a number from 1 to 2. */
        if (clip->type == FLASHVID_FLOAT16)
            ((uint16_t *)features)[index] = (uint16_t)((bits >> 16 & 0x8000) | 15 << 10 | (bits >> 13 & 0x3FF));
    }
    free(numbers);
    clip->features = features;
    if (number % 2 == 0) {
        float *attention = (float *)allocate((size_t)(clip->frames * clip->tokens_per_frame) * sizeof(float));
        for (index = 0; index < (size_t)(clip->frames * clip->tokens_per_frame); index += 1)
            attention[index] = 1 + random_number();
        clip->attention = attention;
    }
    spoilt[number] = *clip;
    bad = allocate(count * 4);
    memcpy(bad, features, count * size_of(clip->type));
    memset((char *)bad + random_bits() % count * size_of(clip->type), 0xFF, size_of(clip->type));
    spoilt[number].features = bad;
}

static void make_configurations(void) {
    int number;
    for (number = 0; number < CONFIGURATIONS; number += 1) {
        flashvid_configuration *configuration = &configurations[number];
        flashvid_configuration_preset(configuration, sizeof *configuration, number % 4, 0.1 + 0.15 * number);
        configuration->minimum_segments = 1 + number;
        configuration->maximum_segment_frames = 2 + number;
        if (number % 2 == 1) flashvid_configuration_refine(configuration);
        if (number == PUBLISHED) flashvid_configuration_init(configuration, sizeof *configuration);
        if (number == PUBLISHED) configuration->semantics = FLASHVID_SEMANTICS_PUBLISHED;
    }
}

/* ------------------------------------------------------------------------------------------------------------ Threads */

typedef struct worker {
    pthread_t thread;
    uint64_t random;
    /* What it is at, for whoever asks why it hangs. */
    const char *doing;
    long counts[16];
    /* Handles of its own, NULL where it has none at the moment. */
    flashvid_compressor *compressor;
    int configuration;
    flashvid_stream *stream;
    int stream_configuration, stream_clip;
    room rooms[BATCH];
    workload work;
} worker;

static worker workers[THREADS];
static int is_over;

/* Handles that all threads use, and those that pass from one to another. */
static flashvid_compressor *shared[SHARED];
static pthread_mutex_t desk = PTHREAD_MUTEX_INITIALIZER;
static struct {
    flashvid_compressor *compressor;
    int configuration;
} handed[HANDED];

static int pick(worker *self, int count) { return (int)(random_bits_of(&self->random) % (uint64_t)count); }

/* Statuses that a call may have besides FLASHVID_OK. */
enum { NO_OTHER = 0, OR_BUSY = 1, OR_CANCELLED = 2 };

static int is_answered(flashvid_status status, int others, const char *call) {
    if (status == FLASHVID_OK) return 1;
    if ((others & OR_BUSY) && status == FLASHVID_BUSY) return 0;
#if FLASHVID_VERSION >= 2000
    if ((others & OR_CANCELLED) && status == FLASHVID_CANCELLED) return 0;
#endif
    EXPECT(0, "%s: %s", call, flashvid_status_name(status));
    return 0;
}

static void destroy_compressor(worker *self) {
    EXPECT(flashvid_compressor_destroy(self->compressor) == FLASHVID_OK, "destroy");
    self->compressor = NULL;
}

static void need_compressor(worker *self) {
    flashvid_status status;
    if (self->compressor != NULL) return;
    self->configuration = pick(self, CONFIGURATIONS);
    status = flashvid_compressor_create(
        &configurations[self->configuration], pick(self, 5), &self->compressor, NULL, 0);
    EXPECT(status == FLASHVID_OK, "create: %s", flashvid_status_name(status));
}

/* ------------------------------------------------------------------------------------------------------------ Actions */

/* A call that is allowed to end early leaves what was there. */
static void compress_with(worker *self, flashvid_compressor *compressor, int configuration, int others) {
    const int number = pick(self, CLIPS);
    room *room = &self->rooms[0];
    flashvid_output output = output_in(room, configuration);
    flashvid_status status;
    memset(room->tokens, 0x5A, 64);
    output.row_count = -7;
    status = flashvid_compressor_compress(compressor, &clips[number], &output);
    if (is_answered(status, others, "compress")) {
        EXPECT(digest_of(&output, &clips[number]) == whole[configuration][number], "another result, clip %d", number);
    } else {
        int index;
        for (index = 0; index < 64; index += 1)
            EXPECT(((unsigned char *)room->tokens)[index] == 0x5A && output.row_count == -7, "written");
    }
}

static void compress_own(worker *self) {
    need_compressor(self);
    compress_with(self, self->compressor, self->configuration, NO_OTHER);
}

static void compress_shared(worker *self) {
    const int number = pick(self, SHARED);
    compress_with(self, shared[number], number, OR_BUSY | OR_CANCELLED);
}

static void change_handle(worker *self) {
    need_compressor(self);
    destroy_compressor(self);
    if (pick(self, 2)) need_compressor(self);
}

static void hand_on(worker *self) {
    const int place = pick(self, HANDED);
    flashvid_compressor *compressor = self->compressor;
    const int configuration = self->configuration;
    pthread_mutex_lock(&desk);
    self->compressor = handed[place].compressor;
    self->configuration = handed[place].configuration;
    handed[place].compressor = compressor;
    handed[place].configuration = configuration;
    pthread_mutex_unlock(&desk);
}

static void compress_batch(worker *self) {
    const flashvid_clip *inputs[BATCH];
    flashvid_output outputs[BATCH], *lists[BATCH];
    flashvid_status statuses[BATCH], status, first = FLASHVID_OK;
    int numbers[BATCH], are_spoilt[BATCH], index;
    const int count = pick(self, BATCH + 1);
    need_compressor(self);
    for (index = 0; index < count; index += 1) {
        numbers[index] = pick(self, CLIPS);
        are_spoilt[index] = pick(self, 6) == 0;
        inputs[index] = are_spoilt[index] ? &spoilt[numbers[index]] : &clips[numbers[index]];
        outputs[index] = output_in(&self->rooms[index], self->configuration);
        lists[index] = &outputs[index];
        if (are_spoilt[index]) first = FLASHVID_NOT_FINITE;
    }
    status = flashvid_compressor_compress_batch(self->compressor, inputs, lists, count, statuses);
    EXPECT(status == first, "batch: %s", flashvid_status_name(status));
    for (index = 0; index < count; index += 1) {
        EXPECT(statuses[index] == (are_spoilt[index] ? FLASHVID_NOT_FINITE : FLASHVID_OK), "batch, clip %d: %s", index,
               flashvid_status_name(statuses[index]));
        if (!are_spoilt[index])
            EXPECT(digest_of(&outputs[index], inputs[index]) == whole[self->configuration][numbers[index]],
                   "another result in a batch, clip %d", numbers[index]);
    }
}

/* Fetches the segments that are closed. Returns 0 on an error. */
static int drain(worker *self, const flashvid_clip *clip, uint64_t *digest) {
    flashvid_status status;
    for (;;) {
        flashvid_output output = output_in(&self->rooms[0], self->stream_configuration);
        status = flashvid_stream_next(self->stream, &output);
        if (status != FLASHVID_OK) break;
        add_result(digest, &output, clip, self->rooms[0].lengths[0]);
    }
    EXPECT(status == FLASHVID_NO_SEGMENT, "next: %s", flashvid_status_name(status));
    return status == FLASHVID_NO_SEGMENT;
}

/* The video so far, up to `end`, from frame to frame or in longer pieces. */
static uint64_t push_all(worker *self, const flashvid_clip *clip, int64_t end) {
    uint64_t digest = nothing;
    int64_t first = 0, taken = 0;
    flashvid_clip piece = *clip;
    piece.frames = end;
    while (first < end) {
        const flashvid_status status = flashvid_stream_push(self->stream, &piece, first, &taken);
        first += taken;
        EXPECT(status == FLASHVID_OK && taken > 0, "push: %s", flashvid_status_name(status));
        if (status != FLASHVID_OK || !drain(self, clip, &digest)) return 0;
    }
    return digest;
}

static void need_stream(worker *self, int configuration, int clip) {
    flashvid_status status;
    if (self->stream != NULL && self->stream_configuration == configuration && self->stream_clip == clip) {
        EXPECT(flashvid_stream_reset(self->stream) == FLASHVID_OK, "reset");
        return;
    }
    EXPECT(flashvid_stream_destroy(self->stream) == FLASHVID_OK, "destroy");
    self->stream = NULL;
    self->stream_configuration = configuration;
    self->stream_clip = clip;
    status = flashvid_stream_create(
        &configurations[configuration], clips[clip].tokens_per_frame, clips[clip].channels, clips[clip].type, pick(self, 4),
        &self->stream, NULL, 0);
    EXPECT(status == FLASHVID_OK, "create: %s", flashvid_status_name(status));
}

static void stream_all(worker *self, int configuration, int number, uint64_t *digest) {
    const flashvid_clip *clip = &clips[number];
    need_stream(self, configuration, number);
    *digest = push_all(self, clip, clip->frames);
    EXPECT(flashvid_stream_finish(self->stream) == FLASHVID_OK, "finish");
    drain(self, clip, digest);
}

static void stream(worker *self) {
    const int again = self->stream != NULL && pick(self, 2);
    const int configuration = again ? self->stream_configuration : pick(self, PUBLISHED);
    const int number = again ? self->stream_clip : pick(self, CLIPS);
    uint64_t digest;
    if (pick(self, 4) == 0) {
        /* A video that breaks off: frames stay behind, until the stream is used again or destroyed. */
        need_stream(self, configuration, number);
        push_all(self, &clips[number], 1 + pick(self, (int)clips[number].frames));
        return;
    }
    stream_all(self, configuration, number, &digest);
    EXPECT(digest == streamed[configuration][number], "another result of a stream, clip %d", number);
}

static void everything(worker *self) {
    flashvid_status status;
    memcpy(&self->work, &template, sizeof template);
    status = workload_run(&self->work, 1 + pick(self, 3));
    EXPECT(status == FLASHVID_OK, "workload: %s", flashvid_status_name(status));
    EXPECT(self->work.digest == workload_digest, "another result of the workload");
}

static void ask(worker *self) {
    flashvid_statistics statistics;
    char message[40];
    flashvid_compressor *compressor = shared[pick(self, SHARED)];
    memset(&statistics, 0, sizeof statistics);
    statistics.struct_size = sizeof statistics;
    EXPECT(flashvid_compressor_statistics(compressor, &statistics) == FLASHVID_OK && statistics.threads >= 0, "statistics");
    EXPECT(flashvid_compressor_threads(compressor) == 2, "threads");
    flashvid_compressor_error(compressor, message, sizeof message);
    EXPECT(memchr(message, 0, sizeof message) != NULL, "error");
}

/* The host computes with another rounding meanwhile. */
static void round_otherwise(worker *self) {
    static const int modes[] = {FE_DOWNWARD, FE_UPWARD, FE_TOWARDZERO};
    const int mode = modes[pick(self, 3)];
    fesetround(mode);
    compress_own(self);
    EXPECT(fegetround() == mode, "another rounding mode");
    fesetround(FE_TONEAREST);
}

static void ask_for_nonsense(worker *self) {
    static const flashvid_status answers[] = {
        FLASHVID_NULL_POINTER, FLASHVID_NULL_POINTER, FLASHVID_NULL_POINTER, FLASHVID_INVALID_STRUCT, FLASHVID_INVALID_SHAPE,
        FLASHVID_SIZE_OVERFLOW, FLASHVID_NULL_POINTER, FLASHVID_MISALIGNED, FLASHVID_INVALID_ARGUMENT,
        FLASHVID_INVALID_STRIDE, FLASHVID_BUFFER_TOO_SMALL, FLASHVID_OVERLAP, FLASHVID_NOT_FINITE,
        FLASHVID_INVALID_CONFIGURATION, FLASHVID_INVALID_ARGUMENT, FLASHVID_INVALID_ARGUMENT, FLASHVID_INVALID_SHAPE};
    const int number = pick(self, (int)(sizeof answers / sizeof *answers)), clip_number = pick(self, CLIPS);
    room *room = &self->rooms[0];
    flashvid_configuration configuration = configurations[0];
    flashvid_compressor *compressor, *made = NULL;
    flashvid_stream *stream = NULL;
    flashvid_clip clip = clips[clip_number], *input = &clip;
    flashvid_output output, *result = &output;
    flashvid_status status;
    char message[200];
    int index;
    need_compressor(self);
    compressor = self->compressor;
    output = output_in(room, self->configuration);
    memset(room->tokens, 0x5A, 64);
    switch (number) {
    case 0: compressor = NULL; break;
    case 1: input = NULL; break;
    case 2: result = NULL; break;
    case 3: clip.struct_size = 3; break;
    case 4: clip.frames = 0; break;
    case 5: clip.frames = INT64_MAX; break;
    case 6: clip.features = NULL; break;
    case 7: output.indices = (char *)room->indices + 1; break;
    case 8: clip.type = 7; break;
    case 9: output.row_stride = clip.channels == 1 ? -1 : clip.channels - 1; break;
    case 10: output.row_capacity = 0; break;
    case 11: output.indices = room->tokens; break;
    case 12: input = &spoilt[clip_number]; break;
    }
    if (number <= 12) {
        status = flashvid_compressor_compress(compressor, input, result);
    } else if (number == 13) {
        configuration.retention_ratio = 2;
        status = flashvid_compressor_create(&configuration, 2, &made, message, sizeof message);
    } else if (number == 14) {
        status = flashvid_compressor_create(&configuration, 65, &made, message, sizeof message);
    } else if (number == 15) {
        status = flashvid_compressor_compress_batch(compressor, NULL, NULL, -1, NULL);
    } else {
        status = flashvid_stream_create(&configuration, 0, 1, FLASHVID_FLOAT32, 2, &stream, message, sizeof message);
    }
    EXPECT(status == answers[number], "bad call %d: %s", number, flashvid_status_name(status));
    EXPECT(made == NULL && stream == NULL, "bad call %d made a handle", number);
    if (number == 11) return;
    for (index = 0; index < 64; index += 1)
        EXPECT(((unsigned char *)room->tokens)[index] == 0x5A, "bad call %d wrote", number);
}

#ifndef WITHOUT_FORKS
/* What a child does: it makes handles of its own, and finds that those of the parent are not. Returns its exit code. */
static int live_as_child(worker *self) {
    const int before = failures, number = pick(self, SHARED);
    flashvid_output output = output_in(&self->rooms[0], 0);
    everything(self);
    EXPECT(flashvid_compressor_compress(shared[number], &clips[0], &output) == FLASHVID_FORKED, "a shared handle");
    EXPECT(flashvid_compressor_destroy(shared[number]) == FLASHVID_OK, "destroy a shared handle");
    if (self->compressor != NULL) {
        EXPECT(flashvid_compressor_compress(self->compressor, &clips[0], &output) == FLASHVID_FORKED, "an own handle");
        destroy_compressor(self);
    }
    if (self->stream != NULL)
        EXPECT(flashvid_stream_finish(self->stream) == FLASHVID_FORKED, "a stream");
    EXPECT(flashvid_stream_destroy(self->stream) == FLASHVID_OK, "destroy");
    self->stream = NULL;
    compress_own(self);
    stream(self);
    return failures != before;
}

static void fork_child(worker *self) {
    int status = 0;
    const pid_t id = fork();
    if (id == 0) {
        signal(SIGUSR1, SIG_IGN);
        signal(SIGALRM, SIG_DFL);
        alarm(100);
        _exit(live_as_child(self));
    }
    EXPECT(id > 0, "fork: %s", strerror(errno));
    if (id < 0) return;
    while (waitpid(id, &status, 0) != id && errno == EINTR) continue;
    EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0, "a child's status is %x%s", status,
           WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM ? ": it hung" : "");
}
#endif

#if FLASHVID_VERSION >= 2000
static int32_t stop_at_random(double share, void *context) {
    EXPECT(share >= 0 && share <= 1, "a share of %g", share);
    return pick((worker *)context, 20) == 0;
}

/* From outside, by a limit, by the callback; what is left alone goes on. */
static void end_early(worker *self) {
    flashvid_compressor *compressor;
    EXPECT(flashvid_compressor_cancel(shared[pick(self, SHARED)]) == FLASHVID_OK, "cancel");
    need_compressor(self);
    compressor = self->compressor;
    if (pick(self, 2))
        EXPECT(flashvid_compressor_set_time_limit(compressor, 1e-6 * pick(self, 500)) == FLASHVID_OK, "time limit");
    if (pick(self, 2))
        EXPECT(flashvid_compressor_set_progress(compressor, stop_at_random, self) == FLASHVID_OK, "progress");
    compress_with(self, compressor, self->configuration, OR_CANCELLED);
    EXPECT(flashvid_compressor_set_time_limit(compressor, 0) == FLASHVID_OK, "time limit");
    EXPECT(flashvid_compressor_set_progress(compressor, NULL, NULL) == FLASHVID_OK, "progress");
}
#endif

static const struct action {
    const char *name;
    int weight;
    void (*act)(worker *self);
} actions[] = {
    {"compress", 30, compress_own},
    {"compress on shared handles", 20, compress_shared},
    {"change handles", 10, change_handle},
    {"hand handles on", 8, hand_on},
    {"batches", 8, compress_batch},
    {"streams", 12, stream},
    {"everything", 4, everything},
    {"questions", 10, ask},
    {"other rounding", 4, round_otherwise},
    {"bad calls", 20, ask_for_nonsense},
#ifndef WITHOUT_FORKS
    {"forks", 1, fork_child},
#endif
#if FLASHVID_VERSION >= 2000
    {"early ends", 15, end_early},
#endif
};
enum { ACTIONS = sizeof actions / sizeof *actions };

static void *work(void *argument) {
    worker *self = (worker *)argument;
    int total = 0, index, choice;
    for (index = 0; index < ACTIONS; index += 1) total += actions[index].weight;
    while (!__atomic_load_n(&is_over, __ATOMIC_RELAXED) && failures < 20) {
        choice = pick(self, total);
        for (index = 0; choice >= actions[index].weight; index += 1) choice -= actions[index].weight;
        __atomic_store_n(&self->doing, actions[index].name, __ATOMIC_RELAXED);
        actions[index].act(self);
        self->counts[index] += 1;
    }
    if (self->compressor != NULL) destroy_compressor(self);
    EXPECT(flashvid_stream_destroy(self->stream) == FLASHVID_OK, "destroy");
    return NULL;
}

/* ------------------------------------------------------------------------------------------------------------ Signals */

static long handled;

static void handle(int number) {
    const int error = errno;
    const long count = __atomic_add_fetch(&handled, 1, __ATOMIC_RELAXED);
    volatile double third = 1.0 / 3;
    (void)number;
    (void)third;
#if FLASHVID_VERSION >= 2000
    if (count % 8 == 0) flashvid_compressor_cancel(shared[count / 8 % SHARED]);
#else
    (void)count;
#endif
    errno = error;
}

/* SIGUSR1 to one thread after another, restarting what it interrupts; SIGALRM to any, and it does not. */
static void *storm(void *argument) {
    uint64_t random = *(uint64_t *)argument;
    while (!__atomic_load_n(&is_over, __ATOMIC_RELAXED)) {
        struct timespec pause = {0, 20000 + (long)(random_bits_of(&random) % 400000)};
        pthread_kill(workers[random_bits_of(&random) % THREADS].thread, SIGUSR1);
        nanosleep(&pause, NULL);
    }
    return NULL;
}

/* --------------------------------------------------------------------------------------------------------------- Main */

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* All results, one call at a time, on one thread. */
static void compute_alone(worker *self) {
    int configuration, number;
    for (configuration = 0; configuration < CONFIGURATIONS; configuration += 1) {
        flashvid_compressor *compressor = NULL;
        EXPECT(flashvid_compressor_create(&configurations[configuration], 1, &compressor, NULL, 0) == FLASHVID_OK, "create");
        for (number = 0; number < CLIPS; number += 1) {
            flashvid_output output = output_in(&self->rooms[0], configuration);
            EXPECT(flashvid_compressor_compress(compressor, &clips[number], &output) == FLASHVID_OK, "compress");
            whole[configuration][number] = digest_of(&output, &clips[number]);
            if (configuration != PUBLISHED) stream_all(self, configuration, number, &streamed[configuration][number]);
        }
        EXPECT(flashvid_compressor_destroy(compressor) == FLASHVID_OK, "destroy");
    }
    workload_init(&template, 1);
    memcpy(&self->work, &template, sizeof template);
    EXPECT(workload_run(&self->work, 1) == FLASHVID_OK, "workload");
    workload_digest = self->work.digest;
    EXPECT(flashvid_stream_destroy(self->stream) == FLASHVID_OK, "destroy");
    self->stream = NULL;
}

static void handle_signal(int number, int flags) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handle;
    action.sa_flags = flags;
    sigaction(number, &action, NULL);
}

int main(int count, char **arguments) {
    const double seconds = count > 1 ? atof(arguments[1]) : 10;
    uint64_t seed = count > 2 ? strtoull(arguments[2], NULL, 0) : (uint64_t)time(NULL) * 1000003u ^ (uint64_t)getpid();
    const struct itimerval often = {{0, 1700}, {0, 1700}}, never = {{0, 0}, {0, 0}};
    const double end = now() + seconds;
    pthread_t storming;
    int index, action;

    printf("server: %g seconds, seed %llu\n", seconds, (unsigned long long)seed);
    fflush(stdout);
    random_state = seed;
    make_configurations();
    for (index = 0; index < CLIPS; index += 1) make_clip(index);
    compute_alone(&workers[0]);
    for (index = 0; index < SHARED; index += 1)
        EXPECT(flashvid_compressor_create(&configurations[index], 2, &shared[index], NULL, 0) == FLASHVID_OK, "create");
    if (failures) return 1;

    handle_signal(SIGUSR1, SA_RESTART);
    handle_signal(SIGALRM, 0);
    random_state = seed;
    for (index = 0; index < THREADS; index += 1) {
        workers[index].random = random_bits();
        pthread_create(&workers[index].thread, NULL, work, &workers[index]);
    }
    pthread_create(&storming, NULL, storm, &seed);
    setitimer(ITIMER_REAL, &often, NULL);
    while (now() < end && failures < 20) {
        const struct timespec pause = {0, 50000000};
        nanosleep(&pause, NULL);
    }
    setitimer(ITIMER_REAL, &never, NULL);
    __atomic_store_n(&is_over, 1, __ATOMIC_RELAXED);
    pthread_join(storming, NULL);
    for (index = 0; index < THREADS; index += 1) {
        struct timespec limit = {time(NULL) + 120, 0};
        if (pthread_timedjoin_np(workers[index].thread, NULL, &limit) == 0) continue;
        fprintf(stderr, "server: seed %llu: a thread hangs in: %s\n", (unsigned long long)seed,
                __atomic_load_n(&workers[index].doing, __ATOMIC_RELAXED));
        abort();
    }
    for (index = 0; index < SHARED; index += 1)
        EXPECT(flashvid_compressor_destroy(shared[index]) == FLASHVID_OK, "destroy");
    for (index = 0; index < HANDED; index += 1)
        EXPECT(flashvid_compressor_destroy(handed[index].compressor) == FLASHVID_OK, "destroy");
    for (index = 0; index < CLIPS; index += 1) {
        free((void *)clips[index].features);
        free((void *)clips[index].attention);
        free((void *)spoilt[index].features);
    }
    for (action = 0; action < ACTIONS; action += 1) {
        long total = 0;
        for (index = 0; index < THREADS; index += 1) total += workers[index].counts[action];
        printf("server: %8ld %s\n", total, actions[action].name);
        EXPECT(total > 0 || seconds < 5, "no %s", actions[action].name);
    }
    printf("server: %8ld signals, %d failures, seed %llu\n", handled, failures, (unsigned long long)seed);
    return failures != 0;
}
