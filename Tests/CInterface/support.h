/* What the test programs share: expectations, memory. C99 and C++. */
#ifndef SUPPORT_H
#define SUPPORT_H

#include <flashvid.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if FLASHVID_VERSION < 2000
/* With the headers of 0.1: what was renamed since, and what was not there. */
#define DECODER_KEY_TOKEN_STRIDE key_stride
#define flashvid_context_budget flashvid_context
#ifdef __cplusplus
extern "C"
#endif
FLASHVID_API flashvid_status flashvid_struct_field(
    const char *structure, int64_t index, const char **field, size_t *offset, size_t *size);
#else
#define DECODER_KEY_TOKEN_STRIDE key_token_stride
#endif

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
