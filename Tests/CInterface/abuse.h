/*
 * What the programs of bad calls share. They include it behind `state`, all memory of theirs that a call could write, and
 * `before`, another of its type.
 */
#ifndef ABUSE_H
#define ABUSE_H

#include "support.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static int calls = 0;

/* A bad call: its status, and that nothing was written. */
static void expect(flashvid_status found, flashvid_status wanted, const char *what, int line) {
    calls += 1;
    if (found != wanted) {
        failures += 1;
        fprintf(stderr, "line %d: %s: %s for %s\n", line, what, flashvid_status_name(found), flashvid_status_name(wanted));
    }
    if (memcmp(&state, &before, sizeof state) != 0) {
        failures += 1;
        fprintf(stderr, "line %d: %s: something was written\n", line, what);
    }
}

#define CALL(call, wanted)                      \
    do {                                        \
        memcpy(&before, &state, sizeof state);  \
        expect(call, wanted, #call, __LINE__);  \
    } while (0)

#endif
