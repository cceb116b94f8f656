#if defined(__linux__)
#define _GNU_SOURCE
#endif
#include "include/flashvid_process.h"

#include "../../CBLASShim/shim.h"

#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

/* ---------------------------------------------------------------------------------------- The thread that calls */

void flashvid_guest_enter(flashvid_guest *guest) {
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &guest->cancellation);
    fegetenv(&guest->environment);
    fesetenv(FE_DFL_ENV);
}

void flashvid_guest_leave(const flashvid_guest *guest) {
    fesetenv(&guest->environment);
    pthread_setcancelstate(guest->cancellation, NULL);
}

/* ---------------------------------------------------------------------------------------------------------- Locks */

/* Taken in this order. A fork takes all of them, so that no child inherits one in the middle of what it guards. */
static pthread_mutex_t preparing = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t settings = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t products;

/* OpenBLAS has a fixed number of buffers, some 128 to 256 by its build, and ends the process that asks for more. The host
   may want some for itself; who comes when all of ours are taken waits until a product is done. */
enum { maximum_products = 96 };
static sem_t product_places;

/* Of the thread's own, in memory that it has from its start: what is made at the first look may not be had then. */
#define THREAD_OWN static _Thread_local __attribute__((tls_model("initial-exec"))) volatile

/* Locks that the thread holds or waits for: a signal handler that forks must not wait for what it interrupts. */
THREAD_OWN int held;
/* Whether the thread is forking, with all locks taken. */
THREAD_OWN bool is_forking;
/* Whether the thread is preparing: nothing is multiplied then. */
THREAD_OWN bool is_preparing;

static void initialize_products(void) {
    pthread_rwlockattr_t attributes;
    pthread_rwlockattr_init(&attributes);
#if defined(__GLIBC__)
    /* Products follow one another without a gap; whoever forks gets its turn all the same. */
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
#endif
    pthread_rwlock_init(&products, &attributes);
    pthread_rwlockattr_destroy(&attributes);
    sem_init(&product_places, 0, maximum_products);
}

/* OpenBLAS has a lock of its own around its setting, which its fork handler takes as well: no signal handler of the host's
   may fork on this thread meanwhile. */
static sigset_t host_signals;

static void lock_settings(void) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_mutex_lock(&settings);
    host_signals = before;
}

static void unlock_settings(void) {
    sigset_t before = host_signals;
    pthread_mutex_unlock(&settings);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void flashvid_product_enter(void) {
    held += 1;
    while (sem_wait(&product_places) != 0) continue;
    pthread_rwlock_rdlock(&products);
}

void flashvid_product_leave(void) {
    pthread_rwlock_unlock(&products);
    sem_post(&product_places);
    held -= 1;
}

/* -------------------------------------------------------------------------------------------------------- Setting */

static int callers;
static int host_threads;

void flashvid_products_begin(void) {
    lock_settings();
    if (callers == 0) {
        host_threads = openblas_get_num_threads();
        openblas_set_num_threads(1);
    }
    callers += 1;
    unlock_settings();
}

void flashvid_products_end(void) {
    lock_settings();
    callers -= 1;
    if (callers == 0) openblas_set_num_threads(host_threads);
    unlock_settings();
}

/* -------------------------------------------------------------------------------------------------------- Buffers */

static _Atomic uint64_t generation;

uint64_t flashvid_process_generation(void) { return atomic_load_explicit(&generation, memory_order_relaxed); }

/* OpenBLAS's own functions, which its header does not declare; missing where a build hides them. */
extern void *blas_memory_alloc(int) __attribute__((weak));
extern void blas_memory_free(void *) __attribute__((weak));

/* Threads of all pools that multiply, and how many OpenBLAS has buffers for. */
static int threads_in_use;
static int buffers;

enum { maximum_buffers = 2 * maximum_products };

/* Whether so many buffers can be mapped at once; they are given back. */
static bool can_map(int wanted) {
    static void *rooms[maximum_buffers];
    int count = 0;
    bool is_enough = true;
    while (count < wanted && is_enough) {
        void *room = mmap(NULL, FLASHVID_PRODUCT_BUFFER, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
        is_enough = room != MAP_FAILED;
        if (is_enough) rooms[count++] = room;
    }
    while (count > 0) munmap(rooms[--count], FLASHVID_PRODUCT_BUFFER);
    return is_enough;
}

/*
 * OpenBLAS starts threads of its own when it is loaded, and each takes a buffer when it comes to run: perhaps between our
 * look and our product. So there must be room for theirs as well, or time for them to have taken it. One that found no
 * room takes any that it sees at once; what is still there after a while is ours.
 */
static void await_other_threads(int wanted) {
    static int others;
    static bool has_waited;
    int count = (callers > 0 ? host_threads : openblas_get_num_threads()) - 1;
    if (count > others) others = count;
    if (has_waited || can_map(wanted + others < maximum_buffers ? wanted + others : maximum_buffers)) return;
    const struct timespec while_they_start = {.tv_nsec = 200 * 1000 * 1000};
    nanosleep(&while_they_start, NULL);
    has_waited = true;
}

/* Lets OpenBLAS make buffers until it has as many as wanted, while no product of ours holds one. */
static bool make_buffers(int wanted) {
    static void *made[maximum_buffers];
    int count = 0;
    bool is_enough = true;
    await_other_threads(wanted - buffers);
    pthread_rwlock_wrlock(&products);
    if (blas_memory_alloc != NULL && blas_memory_free != NULL) {
        while (count < wanted && is_enough) {
            is_enough = count < buffers || can_map(1);
            if (is_enough) made[count++] = blas_memory_alloc(0);
        }
        if (count > buffers) buffers = count;
        while (count > 0) blas_memory_free(made[--count]);
    } else if (can_map(wanted - buffers)) {
        buffers = wanted;
    } else {
        is_enough = false;
    }
    pthread_rwlock_unlock(&products);
    return is_enough;
}

bool flashvid_buffers_reserve(int threads) {
    bool is_enough = true;
    if (is_preparing) return true;
    lock_settings();
    /* A forked child's OpenBLAS starts its own threads again when it is next asked for anything; they take theirs first. */
    int others = flashvid_process_generation() > 0 ? openblas_get_num_threads() - 1 : 0;
    int wanted = threads_in_use + threads;
    if (wanted > maximum_products) wanted = maximum_products;
    if (threads > 0 && others < maximum_products) wanted += others;
    if (wanted > buffers) is_enough = make_buffers(wanted);
    if (is_enough) threads_in_use += threads;
    unlock_settings();
    return is_enough;
}

void flashvid_buffers_release(int threads) {
    if (is_preparing) return;
    lock_settings();
    threads_in_use -= threads;
    unlock_settings();
}

/* ----------------------------------------------------------------------------------------------------------- Fork */

static _Atomic bool is_prepared;

void flashvid_process_prepare(void (*prepare)(void)) {
    if (atomic_load_explicit(&is_prepared, memory_order_acquire) || is_preparing) return;
    held += 1;
    pthread_mutex_lock(&preparing);
    if (!atomic_load_explicit(&is_prepared, memory_order_relaxed)) {
        is_preparing = true;
        prepare();
        is_preparing = false;
        atomic_store_explicit(&is_prepared, true, memory_order_release);
    }
    pthread_mutex_unlock(&preparing);
    held -= 1;
}

static void before_fork(void) {
    if (held > 0) return;
    pthread_mutex_lock(&preparing);
    pthread_mutex_lock(&settings);
    pthread_rwlock_wrlock(&products);
    is_forking = true;
    /* The child has no calls under way, and so the host's setting. */
    if (callers > 0) openblas_set_num_threads(host_threads);
}

static void after_fork_in_parent(void) {
    if (!is_forking) return;
    if (callers > 0) openblas_set_num_threads(1);
    is_forking = false;
    pthread_rwlock_unlock(&products);
    pthread_mutex_unlock(&settings);
    pthread_mutex_unlock(&preparing);
}

static void after_fork_in_child(void) {
    /* Locks are made anew: an unlock may look at the thread that took them, which has another number here. */
    pthread_mutex_init(&preparing, NULL);
    pthread_mutex_init(&settings, NULL);
    initialize_products();
    held = 0;
    is_forking = false;
    callers = 0;
    threads_in_use = 0;
    atomic_fetch_add_explicit(&generation, 1, memory_order_relaxed);
}

__attribute__((constructor)) static void start(void) {
    initialize_products();
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}
