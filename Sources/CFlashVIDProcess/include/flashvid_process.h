/*
 * What belongs to the process and not to a handle, in C since Swift makes its globals lazily, under a lock that a forked
 * child cannot take: the lock of the runtime remembers the thread that had it in the parent.
 *
 * Inside the library only; not installed.
 */
#ifndef FLASHVID_PROCESS_H
#define FLASHVID_PROCESS_H

#include <fenv.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* ---------------------------------------------------------------------------------------- The thread that calls */

/* What a call changes of its thread, and how the thread had it. */
typedef struct flashvid_guest {
    fenv_t environment;
    int cancellation;
} flashvid_guest;

/*
 * Sets the default floating-point environment (to nearest, subnormals kept, no traps), which results depend on, and puts
 * off cancellation, which would leave the engine half way. May be nested.
 */
void flashvid_guest_enter(flashvid_guest *guest);

/* Puts back what enter found, exception flags included. */
void flashvid_guest_leave(const flashvid_guest *guest);

/* ----------------------------------------------------------------------------------------------------------- Fork */

/* Grows by one in every forked child: what was made in another generation has lost its threads. */
uint64_t flashvid_process_generation(void);

/*
 * Runs `prepare` once in the life of the process and of the children that were forked before. What the Swift runtime makes
 * lazily it makes under locks that do not survive a fork; `prepare` makes it, and no fork happens meanwhile.
 */
void flashvid_process_prepare(void (*prepare)(void));

/* ------------------------------------------------------------------------------------------------------- OpenBLAS */

/*
 * Between the two OpenBLAS runs each product on the thread that asks for it. The setting is the process's: the first in
 * sets it, the last out puts back what the host had. A child that is forked meanwhile has the host's.
 */
void flashvid_products_begin(void);
void flashvid_products_end(void);

/* Around each product: a fork waits until none runs, since a child could not free the buffer of one that does; and no more
   run at a time than OpenBLAS has buffers for. */
void flashvid_product_enter(void);
void flashvid_product_leave(void);

/* What OpenBLAS maps for each thread that multiplies. */
#define FLASHVID_PRODUCT_BUFFER ((size_t)128 << 20)

/*
 * Makes sure that `threads` more threads can multiply at the same time: OpenBLAS asks for its buffers again and again, for
 * ever, where the system has no memory. False if it has none. Each true is given back by flashvid_buffers_release.
 */
bool flashvid_buffers_reserve(int threads);
void flashvid_buffers_release(int threads);

#endif
