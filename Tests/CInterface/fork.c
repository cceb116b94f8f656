/*
 * Forked children: fork [CHILDREN]. Those of a parent that has used the library make handles of their own, on one and on
 * several threads, while other threads of the parent compress; those that inherit handles are told so. None hangs.
 */
#define _GNU_SOURCE
#include "workload.h"
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Of the library that multiplies; a host may use it too. */
static int (*openblas_get_num_threads)(void);
static void (*openblas_set_num_threads)(int);

static workload work;
static uint64_t expected;
static int hung;

/* A child's exit code; SIGALRM where it hangs. */
static int run(int (*child)(void)) {
    int status;
    pid_t id = fork();
    if (id == 0) {
        alarm(20);
        _exit(child());
    }
    if (id < 0 || waitpid(id, &status, 0) != id) return 255;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) hung += 1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 254;
}

static int works(int threads) {
    static workload own;
    workload_init(&own, 1);
    if (workload_run(&own, threads) != FLASHVID_OK) return 1;
    return own.digest == expected ? 0 : 2;
}

static int works_alone(void) { return works(1); }
static int works_with_threads(void) { return works(3); }

/* BLAS is as the host set it, before and after a call of the child's own. */
static int has_the_hosts_setting(void) {
    if (openblas_get_num_threads() != 2) return 1;
    if (works(2) != 0) return 2;
    return openblas_get_num_threads() == 2 ? 0 : 3;
}

/* A grandchild has its own. */
static int forks(void) { return works(2) != 0 || run(works_with_threads) != 0 || hung; }

static flashvid_compressor *compressor;
static flashvid_stream *stream;
static flashvid_scorer *scorer;

static int inherits(void) {
    flashvid_clip clip = workload_clip(&work);
    flashvid_output output = workload_output(&work), *outputs[1];
    const flashvid_clip *clips[1];
    flashvid_statistics statistics;
    flashvid_encoder_attention attention;
    flashvid_configuration configuration;
    char message[80];
    int64_t number = -1;
    statistics.struct_size = sizeof statistics;
    memset(&attention, 0, sizeof attention);
    attention.struct_size = sizeof attention;
    clips[0] = &clip;
    outputs[0] = &output;
    EXPECT(flashvid_compressor_compress(compressor, &clip, &output) == FLASHVID_FORKED, "compress");
    EXPECT(flashvid_compressor_compress_batch(compressor, clips, outputs, 1, NULL) == FLASHVID_FORKED, "batch");
    EXPECT(flashvid_compressor_statistics(compressor, &statistics) == FLASHVID_FORKED, "statistics");
    EXPECT(flashvid_compressor_error(compressor, message, sizeof message) > 0 && strstr(message, "fork"), "%s", message);
    EXPECT(flashvid_stream_push(stream, &clip, 0, &number) == FLASHVID_FORKED && number == -1, "push");
    EXPECT(flashvid_stream_next(stream, &output) == FLASHVID_FORKED, "next");
    EXPECT(flashvid_stream_finish(stream) == FLASHVID_FORKED, "finish");
    EXPECT(flashvid_stream_reset(stream) == FLASHVID_FORKED, "reset");
    EXPECT(flashvid_stream_segment_frames(stream, &number) == FLASHVID_FORKED && number == -1, "frames");
    EXPECT(flashvid_stream_statistics(stream, &statistics) == FLASHVID_FORKED, "statistics");
    EXPECT(flashvid_scorer_scores(scorer, &attention, work.tokens, 1) == FLASHVID_FORKED, "scores");
    EXPECT(flashvid_compressor_cancel(compressor) == FLASHVID_FORKED, "cancel");
    EXPECT(flashvid_stream_cancel(stream) == FLASHVID_FORKED, "cancel");
    EXPECT(flashvid_scorer_cancel(scorer) == FLASHVID_FORKED, "cancel");
    EXPECT(flashvid_compressor_set_time_limit(compressor, 1) == FLASHVID_FORKED, "time limit");
    EXPECT(flashvid_stream_set_progress(stream, NULL, NULL) == FLASHVID_FORKED, "progress");
    EXPECT(flashvid_compressor_configuration(compressor, &configuration, sizeof configuration) == FLASHVID_FORKED, "configuration");
    EXPECT(flashvid_stream_output_token_count(stream, 3, &number, NULL, 0) == FLASHVID_FORKED && number == -1, "count");
    EXPECT(flashvid_scorer_workspace_bytes(scorer, &attention, NULL, &number, NULL, 0) == FLASHVID_FORKED && number == -1, "bytes");
    EXPECT(flashvid_compressor_destroy(compressor) == FLASHVID_OK, "destroy");
    EXPECT(flashvid_stream_destroy(stream) == FLASHVID_OK, "destroy");
    EXPECT(flashvid_scorer_close(scorer) == FLASHVID_OK, "close");
    return failures != 0 || works(2) != 0;
}

/* A child of a call, which finds its handle taken by it. */
static int closes(void) { return flashvid_compressor_close(compressor) != FLASHVID_OK || works(2) != 0; }

static int32_t fork_in_callback(double share, void *context) {
    (void)share;
    *(int *)context += 1;
    if (*(int *)context % 4 == 0) EXPECT(run(closes) == 0, "a child of a progress callback");
    return 0;
}

static volatile int is_over;

/* SIGUSR1 forks, which glibc allows no handler that interrupts malloc: the thread takes it in the library's calls alone, which
   do not allocate. */
static void take_forks(int how) {
    sigset_t forks;
    sigemptyset(&forks);
    sigaddset(&forks, SIGUSR1);
    pthread_sigmask(how, &forks, NULL);
}

/* Compresses on a handle of its own; with `argument` on the one that children inherit. */
static void *compress_on(void *argument) {
    flashvid_configuration configuration;
    flashvid_compressor *own = (flashvid_compressor *)argument;
    workload *mine = (workload *)allocate(sizeof *mine);
    flashvid_clip clip = workload_clip(mine);
    flashvid_output output = workload_output(mine);
    workload_init(mine, 1);
    workload_configuration(&configuration, 0);
    if (own == NULL) EXPECT(flashvid_compressor_create(&configuration, 2, &own, NULL, 0) == FLASHVID_OK, "create");
    EXPECT(flashvid_compressor_compress(own, &clip, &output) == FLASHVID_OK, "compress");
    take_forks(SIG_UNBLOCK);
    while (!is_over) EXPECT(flashvid_compressor_compress(own, &clip, &output) == FLASHVID_OK, "compress");
    take_forks(SIG_BLOCK);
    if (own != argument) EXPECT(flashvid_compressor_destroy(own) == FLASHVID_OK, "destroy");
    free(mine);
    return NULL;
}

/* A host's handler that starts a program, which interrupts calls of the library. */
static volatile int handled;

static void fork_in_handler(int number) {
    pid_t id = fork();
    (void)number;
    if (id == 0) _exit(0);
    waitpid(id, NULL, 0);
    handled += 1;
}

static void check(int (*child)(void), const char *name, int count) {
    int index, code, before = hung;
    for (index = 0; index < count && hung - before < 3; index += 1) {
        code = run(child);
        EXPECT(code == 0, "%s, child %d: code %d", name, index, code);
        if (code != 0 && failures > 10) return;
    }
    printf("fork: %s: %d children, %d hung\n", name, index, hung - before);
    fflush(stdout);
}

int main(int count, char **arguments) {
    const int children = count > 1 ? atoi(arguments[1]) : 500;
    flashvid_configuration configuration;
    flashvid_clip clip;
    flashvid_output output;
    pthread_t threads[2];
    struct sigaction action;
    int index;
    *(void **)&openblas_get_num_threads = dlsym(RTLD_DEFAULT, "openblas_get_num_threads");
    *(void **)&openblas_set_num_threads = dlsym(RTLD_DEFAULT, "openblas_set_num_threads");
    if (openblas_get_num_threads == NULL || openblas_set_num_threads == NULL) return 3;
    workload_init(&work, 1);
    openblas_set_num_threads(2);

    /* Before the parent has called anything: the child is the first. What it computes is not known yet. */
    expected = 0;
    EXPECT(run(works_with_threads) == 2, "a child before the parent");
    EXPECT(workload_run(&work, 2) == FLASHVID_OK, "parent");
    expected = work.digest;
    check(works_alone, "new handles, one thread", children / 4);
    check(works_with_threads, "new handles, three threads", children / 4);
    check(forks, "grandchildren", children / 50);

    workload_configuration(&configuration, 0);
    EXPECT(flashvid_compressor_create(&configuration, 2, &compressor, NULL, 0) == FLASHVID_OK, "create");
    EXPECT(flashvid_stream_create(&configuration, WORK_TOKENS, WORK_CHANNELS, 0, 2, &stream, NULL, 0) == FLASHVID_OK, "create");
    EXPECT(flashvid_scorer_create(2, &scorer, NULL, 0) == FLASHVID_OK, "create");
    clip = workload_clip(&work);
    output = workload_output(&work);
    EXPECT(flashvid_compressor_compress(compressor, &clip, &output) == FLASHVID_OK, "parent");
    check(inherits, "inherited handles", children / 10);
    index = 0;
    EXPECT(flashvid_compressor_set_progress(compressor, fork_in_callback, &index) == FLASHVID_OK, "set");
    while (index < children / 10) EXPECT(flashvid_compressor_compress(compressor, &clip, &output) == FLASHVID_OK, "compress");
    EXPECT(flashvid_compressor_set_progress(compressor, NULL, NULL) == FLASHVID_OK, "set");
    printf("fork: in a progress callback: %d children\n", index / 4);

    pthread_create(&threads[0], NULL, compress_on, NULL);
    pthread_create(&threads[1], NULL, compress_on, compressor);
    check(has_the_hosts_setting, "new handles while threads compress", children / 4);
    check(inherits, "inherited handles while threads compress", children / 4);
    is_over = 1;
    for (index = 0; index < 2; index += 1) pthread_join(threads[index], NULL);
    EXPECT(openblas_get_num_threads() == 2, "the parent's setting");

    memset(&action, 0, sizeof action);
    action.sa_handler = fork_in_handler;
    action.sa_flags = SA_RESTART;
    sigaction(SIGUSR1, &action, NULL);
    is_over = 0;
    take_forks(SIG_BLOCK);
    pthread_create(&threads[0], NULL, compress_on, NULL);
    alarm(240);
    while (handled < children / 50) {
        struct timespec pause = {0, 300000};
        pthread_kill(threads[0], SIGUSR1);
        nanosleep(&pause, NULL);
    }
    alarm(0);
    is_over = 1;
    pthread_join(threads[0], NULL);
    printf("fork: in a signal handler: %d children\n", handled);

    /* The parent's handles are as they were. */
    EXPECT(flashvid_compressor_compress(compressor, &clip, &output) == FLASHVID_OK, "parent");
    flashvid_compressor_destroy(compressor);
    flashvid_stream_destroy(stream);
    flashvid_scorer_destroy(scorer);
    printf("fork: %d hung, %d failures\n", hung, failures);
    return failures != 0 || hung != 0;
}
