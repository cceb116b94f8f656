/*
 * The host's threads: one that is cancelled in a call finishes it first; signals come to the host's own threads; 128 KiB of
 * stack are enough; where no thread can be started, a handle works with fewer and says so.
 */
#define _GNU_SOURCE
#include "workload.h"
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

static workload work;
static uint64_t expected;

/* ------------------------------------------------------------------------------------------- No thread to be had */

static int is_refusing;

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *), void *argument) {
    int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    *(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
    return is_refusing ? EAGAIN : real(thread, attributes, body, argument);
}

static void without_threads(void) {
    flashvid_configuration configuration;
    flashvid_compressor *compressor;
    flashvid_statistics statistics;
    flashvid_clip clip = workload_clip(&work);
    flashvid_output output = workload_output(&work);
    workload_configuration(&configuration, 0);
    statistics.struct_size = sizeof statistics;
    is_refusing = 1;
    EXPECT(flashvid_compressor_create(&configuration, 4, &compressor, NULL, 0) == FLASHVID_OK, "create");
    is_refusing = 0;
    EXPECT(flashvid_compressor_threads(compressor) == 1, "%d threads", (int)flashvid_compressor_threads(compressor));
    EXPECT(flashvid_compressor_compress(compressor, &clip, &output) == FLASHVID_OK, "compress");
    EXPECT(flashvid_compressor_statistics(compressor, &statistics) == FLASHVID_OK && statistics.threads == 1, "statistics");
    EXPECT(flashvid_compressor_destroy(compressor) == FLASHVID_OK, "destroy");
}

/* ----------------------------------------------------------------------------------------------------- Cancellation */

static flashvid_compressor *shared;
static volatile int rounds, is_inside;

static void *cancelled(void *type) {
    flashvid_clip clip = workload_clip(&work);
    flashvid_output output = workload_output(&work);
    pthread_setcanceltype(*(int *)type, NULL);
    for (;;) {
        is_inside = 1;
        if (flashvid_compressor_compress(shared, &clip, &output) == FLASHVID_OK) rounds += 1;
        pthread_testcancel();
    }
    return NULL;
}

static void cancellation(void) {
    static int types[] = {PTHREAD_CANCEL_DEFERRED, PTHREAD_CANCEL_ASYNCHRONOUS};
    flashvid_configuration configuration;
    flashvid_clip clip = workload_clip(&work);
    flashvid_output output = workload_output(&work);
    int index;
    workload_configuration(&configuration, 1);
    EXPECT(flashvid_compressor_create(&configuration, 2, &shared, NULL, 0) == FLASHVID_OK, "create");
    for (index = 0; index < 200; index += 1) {
        struct timespec pause = {0, (long)(random_bits() % 700000)};
        pthread_t thread;
        void *result = NULL;
        flashvid_status status;
        is_inside = 0;
        pthread_create(&thread, NULL, cancelled, &types[index % 2]);
        while (!is_inside) sched_yield();
        nanosleep(&pause, NULL);
        pthread_cancel(thread);
        pthread_join(thread, &result);
        EXPECT(result == PTHREAD_CANCELED, "not cancelled");
        status = flashvid_compressor_compress(shared, &clip, &output);
        EXPECT(status == FLASHVID_OK, "status %d after a thread was cancelled", (int)status);
        if (status != FLASHVID_OK) return;
    }
    EXPECT(rounds > 0, "no call");
    EXPECT(flashvid_compressor_destroy(shared) == FLASHVID_OK, "destroy");
}

/* ---------------------------------------------------------------------------------------------------------- Signals */

static volatile int signals;
static pthread_t own;

static void count_signal(int number) {
    (void)number;
    signals += 1;
    if (!pthread_equal(pthread_self(), own)) failures += 1;
}

/* Whether each thread of the process but this one blocks all signals that can be blocked, OpenBLAS's own left out. */
static int threads_that_block(int *others) {
    DIR *tasks = opendir("/proc/self/task");
    struct dirent *entry;
    int blocking = 0;
    *others = 0;
    while (tasks != NULL && (entry = readdir(tasks)) != NULL) {
        char path[300], line[200];
        unsigned long long mask = 0;
        FILE *file;
        if (entry->d_name[0] == '.' || atol(entry->d_name) == (long)getpid()) continue;
        snprintf(path, sizeof path, "/proc/self/task/%s/status", entry->d_name);
        file = fopen(path, "r");
        while (file != NULL && fgets(line, sizeof line, file) != NULL) sscanf(line, "SigBlk: %llx", &mask);
        if (file != NULL) fclose(file);
        *others += 1;
        if ((mask & 1ull << (SIGUSR1 - 1)) != 0 && (mask & 1ull << (SIGALRM - 1)) != 0) blocking += 1;
    }
    if (tasks != NULL) closedir(tasks);
    return blocking;
}

static void signals_stay_away(void) {
    flashvid_configuration configuration;
    flashvid_compressor *compressor;
    flashvid_clip clip = workload_clip(&work);
    flashvid_output output = workload_output(&work);
    int before, after, blocking_before, blocking_after, index;
    sigset_t mask;
    own = pthread_self();
    signal(SIGUSR1, count_signal);
    workload_configuration(&configuration, 0);
    blocking_before = threads_that_block(&before);
    EXPECT(flashvid_compressor_create(&configuration, 4, &compressor, NULL, 0) == FLASHVID_OK, "create");
    blocking_after = threads_that_block(&after);
    EXPECT(after - before == 3, "%d threads more", after - before);
    EXPECT(blocking_after - blocking_before == 3, "%d of them block", blocking_after - blocking_before);
    for (index = 0; index < 2000; index += 1) {
        kill(getpid(), SIGUSR1);
        if (index % 4 == 0) EXPECT(flashvid_compressor_compress(compressor, &clip, &output) == FLASHVID_OK, "compress");
    }
    EXPECT(signals > 0, "no signal");
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    EXPECT(!sigismember(&mask, SIGUSR1), "the calling thread's mask changed");
    EXPECT(flashvid_compressor_destroy(compressor) == FLASHVID_OK, "destroy");
}

/* ------------------------------------------------------------------------------------------------------------ Stack */

static void *on_little_stack(void *argument) {
    workload *mine = (workload *)argument;
    EXPECT(workload_run(mine, 2) == FLASHVID_OK, "on 128 KiB");
    return NULL;
}

static void little_stack(void) {
    static workload mine;
    pthread_attr_t attributes;
    pthread_t thread;
    workload_init(&mine, 1);
    pthread_attr_init(&attributes);
    EXPECT(pthread_attr_setstacksize(&attributes, 128 * 1024) == 0, "stack size");
    EXPECT(pthread_create(&thread, &attributes, on_little_stack, &mine) == 0, "thread");
    pthread_join(thread, NULL);
    EXPECT(mine.digest == expected, "other results on 128 KiB");
}

int main(void) {
    workload_init(&work, 1);
    EXPECT(workload_run(&work, 2) == FLASHVID_OK, "workload");
    expected = work.digest;
    without_threads();
    little_stack();
    signals_stay_away();
    cancellation();
    printf("host threads: %d failures\n", failures);
    return failures != 0;
}
