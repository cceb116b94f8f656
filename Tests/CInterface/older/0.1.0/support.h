/* What the test programs share: expectations, memory. C99 and C++. */
#ifndef SUPPORT_H
#define SUPPORT_H

#include <flashvid.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures = 0;

#define EXPECT(condition, ...)                                    \
    do {                                                          \
        if (!(condition)) {                                       \
            failures += 1;                                        \
            fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition); \
            fprintf(stderr, __VA_ARGS__);                         \
            fputc('\n', stderr);                                  \
        }                                                         \
    } while (0)

static inline void *allocate(size_t bytes) {
    void *block = malloc(bytes ? bytes : 1);
    if (block == NULL) abort();
    return block;
}

#endif
