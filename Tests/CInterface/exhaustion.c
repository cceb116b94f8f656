/*
 * Every allocation of a call fails in turn, once or from then on: the call answers FLASHVID_OUT_OF_MEMORY, or does without
 * and gives the right result; nothing ends the process, and the same call works when there is memory again. Then the same
 * for a process that may take little address space.
 */
#define _GNU_SOURCE
#include "workload.h"
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* -------------------------------------------------------------------------------------------- Memory that runs out */

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);

static int is_armed, is_lasting;
static long allocations, failing;

/* Whether the allocation at hand fails. OpenBLAS's own do not: it asks again for ever, and what the library can do is to ask
   first. */
static int fails(const void *caller) {
    long number;
    Dl_info from;
    if (!__atomic_load_n(&is_armed, __ATOMIC_RELAXED)) return 0;
    if (dladdr(caller, &from) != 0 && strstr(from.dli_fname, "blas") != NULL) return 0;
    number = __atomic_add_fetch(&allocations, 1, __ATOMIC_RELAXED);
    if (number != failing && !(is_lasting && failing > 0 && number > failing)) return 0;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size) { return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(size); }
void *calloc(size_t count, size_t size) { return fails(__builtin_return_address(0)) ? NULL : __libc_calloc(count, size); }
void *realloc(void *block, size_t size) { return fails(__builtin_return_address(0)) ? NULL : __libc_realloc(block, size); }
void *aligned_alloc(size_t alignment, size_t size) { return fails(__builtin_return_address(0)) ? NULL : __libc_memalign(alignment, size); }

int posix_memalign(void **block, size_t alignment, size_t size) {
    void *found = fails(__builtin_return_address(0)) ? NULL : __libc_memalign(alignment, size);
    if (found == NULL) return ENOMEM;
    *block = found;
    return 0;
}

void *mmap(void *address, size_t length, int protection, int flags, int file, off_t offset) {
    if (fails(__builtin_return_address(0))) return MAP_FAILED;
    return (void *)syscall(SYS_mmap, address, length, protection, flags, file, offset);
}

/* ------------------------------------------------------------------------------------------------------- Scenarios */

static workload work;
static flashvid_compressor *compressor;
static flashvid_stream *stream;
static flashvid_scorer *scorer;

static flashvid_status create_compressor(void) {
    flashvid_configuration configuration;
    workload_configuration(&configuration, 1);
    return flashvid_compressor_create(&configuration, 2, &compressor, NULL, 0);
}

static flashvid_status create_stream(void) {
    flashvid_configuration configuration;
    workload_configuration(&configuration, 0);
    return flashvid_stream_create(&configuration, WORK_TOKENS, WORK_CHANNELS, 0, 2, &stream, NULL, 0);
}

static flashvid_status create_scorer(void) { return flashvid_scorer_create(2, &scorer, NULL, 0); }

static flashvid_status compress(void) {
    flashvid_clip clip = workload_clip(&work);
    flashvid_output output = workload_output(&work);
    flashvid_status status = flashvid_compressor_compress(compressor, &clip, &output);
    if (status == FLASHVID_OK) workload_add_rows(&work, &output);
    return status;
}

/* A call that fails for another reason: its text needs memory. The status is what it is all the same. */
static flashvid_status refuse(void) {
    flashvid_clip clip = workload_clip(&work);
    flashvid_output output = workload_output(&work);
    char message[200];
    flashvid_status status;
    work.features[77] = NAN;
    status = flashvid_compressor_compress(compressor, &clip, &output);
    work.features[77] = 0;
    if (status == FLASHVID_OUT_OF_MEMORY) return status;
    flashvid_compressor_error(compressor, message, sizeof message);
    return status == FLASHVID_NOT_FINITE && strstr(message, "not finite") ? FLASHVID_OK : 100;
}

static flashvid_status compress_batch(void) {
    flashvid_clip clip = workload_clip(&work), empty = clip;
    flashvid_output output = workload_output(&work), other;
    const flashvid_clip *clips[3];
    flashvid_output *outputs[3];
    flashvid_status status, statuses[3] = {-1, -1, -1};
    memset(&other, 0, sizeof other);
    empty.frames = 0;
    clips[0] = &empty;
    clips[1] = &clip;
    clips[2] = NULL;
    outputs[0] = &other;
    outputs[1] = &output;
    outputs[2] = NULL;
    status = flashvid_compressor_compress_batch(compressor, clips, outputs, 3, statuses);
    if (status == FLASHVID_OUT_OF_MEMORY || statuses[1] == FLASHVID_OUT_OF_MEMORY) return FLASHVID_OUT_OF_MEMORY;
    if (statuses[1] == FLASHVID_OK) workload_add_rows(&work, &output);
    return statuses[1];
}

/* A stream is left where it was, so a second try has to go on from there. */
static int64_t pushed;

static flashvid_status push_and_fetch(void) {
    flashvid_clip clip = workload_clip(&work);
    flashvid_output output = workload_output(&work);
    flashvid_status status = FLASHVID_OK;
    int64_t taken = 0;
    while (status == FLASHVID_OK) {
        status = flashvid_stream_next(stream, &output);
        if (status == FLASHVID_OK) workload_add_rows(&work, &output);
        if (status != FLASHVID_NO_SEGMENT) continue;
        if (pushed > clip.frames) return FLASHVID_OK;
        if (pushed == clip.frames) {
            status = flashvid_stream_finish(stream);
            if (status == FLASHVID_OK) pushed += 1;
        } else {
            status = flashvid_stream_push(stream, &clip, pushed, &taken);
            pushed += taken;
        }
    }
    return status;
}

static flashvid_status score(void) {
    flashvid_encoder_attention attention;
    float scores[WORK_SOURCES];
    flashvid_status status;
    memset(&attention, 0, sizeof attention);
    attention.struct_size = sizeof attention;
    attention.queries = attention.keys = work.queries;
    attention.frames = WORK_FRAMES;
    attention.heads = WORK_HEADS;
    attention.tokens = WORK_TOKENS;
    attention.width = WORK_WIDTH;
    status = flashvid_scorer_scores(scorer, &attention, scores, WORK_SOURCES);
    if (status == FLASHVID_OK) workload_add(&work, scores, sizeof scores);
    return status;
}

static flashvid_status plan(void) { return workload_plan(&work); }

static flashvid_status prompt(void) {
    flashvid_prompt given;
    flashvid_kept_prompt kept;
    int64_t indices[3] = {1, 30, 61}, positions[200], rows[200], renumbered[200], visual[3], count = 0;
    flashvid_status status = flashvid_prompt_preset(&given, sizeof given, FLASHVID_LLAVA_VIDEO);
    given.length = 90;
    given.frames = 3;
    given.tokens_per_frame = 25;
    given.video_start = 4;
    memset(&kept, 0, sizeof kept);
    kept.struct_size = sizeof kept;
    kept.positions = positions;
    kept.rows = rows;
    kept.renumbered = renumbered;
    kept.visual_places = visual;
    kept.capacity = 200;
    if (status == FLASHVID_OK)
        status = flashvid_prompt_keep(&given, indices, FLASHVID_INT64, 3, &kept, NULL, 0);
    if (status == FLASHVID_OK) workload_add(&work, positions, (size_t)kept.count * 8);
    if (status == FLASHVID_OK)
        status = flashvid_video_rows(
            indices, FLASHVID_INT64, 3, 3, 25, FLASHVID_NEWLINES_AFTER_FRAME, rows, 200, &count, NULL, 0);
    if (status == FLASHVID_OK) workload_add(&work, rows, (size_t)count * 8);
    return status;
}

static const struct scenario {
    const char *name;
    flashvid_status (*prepare[2])(void);
    flashvid_status (*run)(void);
} scenarios[] = {
    {"first call of a process: create", {NULL, NULL}, create_compressor},
    {"create", {plan, NULL}, create_compressor},
    {"create a stream", {plan, NULL}, create_stream},
    {"create a scorer", {plan, NULL}, create_scorer},
    {"compress, first call", {create_compressor, NULL}, compress},
    {"compress, second call", {create_compressor, compress}, compress},
    {"an error text", {create_compressor, NULL}, refuse},
    {"batch", {create_compressor, NULL}, compress_batch},
    {"stream", {create_stream, NULL}, push_and_fetch},
    {"scores", {create_scorer, NULL}, score},
    {"plans, pooling, pruning", {plan, NULL}, plan},
    {"prompts", {plan, NULL}, prompt},
};

/* ---------------------------------------------------------------------------------------------------------- Trials */

typedef struct {
    long allocations;
    flashvid_status status;
    uint64_t digest;
    /* The same call once there is memory again. */
    flashvid_status again;
    uint64_t digest_again;
} trial;

/* Runs a scenario in a child of its own; 0, or the signal that ended it. */
static int run(const struct scenario *scenario, long number, int lasting, trial *result) {
    int status, ends[2], index;
    pid_t child;
    memset(result, 0, sizeof *result);
    if (pipe(ends) != 0) abort();
    child = fork();
    if (child == 0) {
        trial own;
        const int silent = 2;
        memset(&own, 0, sizeof own);
        close(silent);
        alarm(20);
        workload_init(&work, 1);
        for (index = 0; index < 2 && scenario->prepare[index] != NULL; index += 1)
            if (scenario->prepare[index]() != FLASHVID_OK) _exit(3);
        work.digest = 1;
        failing = number;
        is_lasting = lasting;
        is_armed = 1;
        own.status = scenario->run();
        is_armed = 0;
        own.allocations = allocations;
        own.digest = work.digest;
        if (own.status != FLASHVID_OK) {
            own.again = scenario->run();
            own.digest_again = work.digest;
        }
        if (write(ends[1], &own, sizeof own) != sizeof own) _exit(4);
        _exit(0);
    }
    close(ends[1]);
    index = read(ends[0], result, sizeof *result) == sizeof *result;
    close(ends[0]);
    if (waitpid(child, &status, 0) != child) abort();
    if (WIFSIGNALED(status)) return WTERMSIG(status);
    EXPECT(index && WEXITSTATUS(status) == 0, "%s: exit code %d", scenario->name, WEXITSTATUS(status));
    return 0;
}

static void exhaust(const struct scenario *scenario) {
    trial whole, part;
    long number, refused = 0, ended = 0;
    int lasting;
    EXPECT(run(scenario, 0, 0, &whole) == 0 && whole.status == FLASHVID_OK, "%s: status %d", scenario->name, whole.status);
    for (number = 1; number <= whole.allocations; number += 1) {
        for (lasting = 0; lasting < 2; lasting += 1) {
            if (run(scenario, number, lasting, &part) != 0) {
                ended += 1;
                fprintf(stderr, "%s: ended at allocation %ld%s\n", scenario->name, number, lasting ? " and later" : "");
                continue;
            }
            EXPECT(part.status == FLASHVID_OK || part.status == FLASHVID_OUT_OF_MEMORY, "%s, allocation %ld: status %d",
                   scenario->name, number, (int)part.status);
            if (part.status == FLASHVID_OK) {
                EXPECT(part.digest == whole.digest, "%s, allocation %ld: other results", scenario->name, number);
            } else {
                refused += 1;
                EXPECT(part.again == FLASHVID_OK && part.digest_again == whole.digest,
                       "%s, allocation %ld: status %d once there is memory again", scenario->name, number, (int)part.again);
            }
        }
    }
    EXPECT(ended == 0, "%s", scenario->name);
    printf("exhaustion: %s: %ld allocations, %ld trials refused, %ld ended the process\n", scenario->name,
           whole.allocations, refused, ended);
}

/* ---------------------------------------------------------------------------------------------------- Address space */

/* With some kilobytes of address space more than it has: a status, and no thread that spins. */
static void limit(long kilobytes, long *made, long *refused) {
    int status;
    pid_t child = fork();
    if (child == 0) {
        struct rlimit room;
        long pages = 0;
        FILE *file = fopen("/proc/self/statm", "r");
        if (file == NULL || fscanf(file, "%ld", &pages) != 1) _exit(3);
        fclose(file);
        alarm(20);
        workload_init(&work, 1);
        room.rlim_cur = room.rlim_max = (rlim_t)(pages * sysconf(_SC_PAGESIZE) + kilobytes * 1024);
        setrlimit(RLIMIT_AS, &room);
        status = (int)workload_run(&work, 2);
        _exit(status == FLASHVID_OK ? 0 : status == FLASHVID_OUT_OF_MEMORY ? 1 : 2);
    }
    if (waitpid(child, &status, 0) != child) abort();
    EXPECT(WIFEXITED(status) && WEXITSTATUS(status) < 2, "%ld KB: %s %d", kilobytes,
           WIFEXITED(status) ? "code" : "signal", WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) *made += 1;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 1) *refused += 1;
}

int main(void) {
    size_t index;
    long kilobytes, made = 0, refused = 0;
    for (index = 0; index < sizeof scenarios / sizeof *scenarios; index += 1) exhaust(&scenarios[index]);
    for (kilobytes = 256; kilobytes < 700000; kilobytes += kilobytes < 4096 ? 512 : 7000) limit(kilobytes, &made, &refused);
    EXPECT(made > 0 && refused > 0, "%ld made, %ld refused", made, refused);
    printf("exhaustion: address space: %ld limits refused, %ld enough\n", refused, made);
    printf("exhaustion: %d failures\n", failures);
    return failures != 0;
}
