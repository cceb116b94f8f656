/*
 * Where memory is short, Swift's runtime ends the process at the first small block that it cannot have: an error text, an
 * array of a few numbers. Inside a host that is not its to decide. So in the installed library (scripts/install links with
 * --wrap for each function below, and defines FLASHVID_RESERVE) such blocks then come from memory that was set aside. It
 * is zero pages until then.
 */
#if defined(FLASHVID_RESERVE)
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { small = 512, small_count = 512, large = 32768, large_count = 64 };

static _Alignas(4096) unsigned char small_blocks[small_count][small];
static _Alignas(4096) unsigned char large_blocks[large_count][large];
/* A bit for each block that is given out. No lock: a fork may happen at any time. */
static _Atomic uint64_t small_taken[small_count / 64];
static _Atomic uint64_t large_taken[large_count / 64];

static void *take_from(unsigned char *blocks, size_t size, _Atomic uint64_t *taken, int words) {
    for (int word = 0; word < words; word += 1) {
        uint64_t bits = atomic_load(&taken[word]);
        while (~bits != 0) {
            int bit = __builtin_ctzll(~bits);
            if (atomic_compare_exchange_weak(&taken[word], &bits, bits | (uint64_t)1 << bit))
                return blocks + (size_t)(word * 64 + bit) * size;
        }
    }
    return NULL;
}

static void *take(size_t size, size_t alignment) {
    void *block = NULL;
    if (size <= small && alignment <= small)
        block = take_from(small_blocks[0], small, small_taken, small_count / 64);
    if (block == NULL && size <= large && alignment <= 4096)
        block = take_from(large_blocks[0], large, large_taken, large_count / 64);
    return block;
}

/* Bytes of a block of the reserve; 0 for one of the system's. */
static size_t size_of(const void *block) {
    uintptr_t address = (uintptr_t)block;
    if (address - (uintptr_t)small_blocks < sizeof small_blocks) return small;
    if (address - (uintptr_t)large_blocks < sizeof large_blocks) return large;
    return 0;
}

static void give_back(void *block, size_t size) {
    bool is_small = size == small;
    size_t index = (size_t)((unsigned char *)block - (is_small ? small_blocks[0] : large_blocks[0])) / size;
    _Atomic uint64_t *taken = is_small ? small_taken : large_taken;
    atomic_fetch_and(&taken[index / 64], ~((uint64_t)1 << index % 64));
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
int __real_posix_memalign(void **block, size_t alignment, size_t size);
size_t __real_malloc_usable_size(void *block);
void __real_free(void *block);

void *__wrap_malloc(size_t size) {
    void *block = __real_malloc(size);
    return block != NULL ? block : take(size, 16);
}

void *__wrap_calloc(size_t count, size_t size) {
    void *block = __real_calloc(count, size);
    size_t bytes;
    if (block != NULL || __builtin_mul_overflow(count, size, &bytes)) return block;
    block = take(bytes, 16);
    return block == NULL ? NULL : memset(block, 0, bytes);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size) {
    void *block = __real_aligned_alloc(alignment, size);
    return block != NULL ? block : take(size, alignment);
}

int __wrap_posix_memalign(void **block, size_t alignment, size_t size) {
    int error = __real_posix_memalign(block, alignment, size);
    if (error != ENOMEM) return error;
    void *own = take(size, alignment);
    if (own == NULL) return ENOMEM;
    *block = own;
    return 0;
}

size_t __wrap_malloc_usable_size(void *block) {
    size_t size = size_of(block);
    return size != 0 ? size : __real_malloc_usable_size(block);
}

void __wrap_free(void *block) {
    size_t size = size_of(block);
    if (size != 0) {
        give_back(block, size);
    } else {
        __real_free(block);
    }
}

void *__wrap_realloc(void *block, size_t size) {
    size_t room = size_of(block);
    if (room == 0) {
        void *moved = __real_realloc(block, size);
        if (moved != NULL || size == 0) return moved;
    }
    if (room >= size && room != 0) return block;
    void *moved = __wrap_malloc(size);
    if (moved != NULL && block != NULL) {
        size_t had = __wrap_malloc_usable_size(block);
        memcpy(moved, block, had < size ? had : size);
        __wrap_free(block);
    }
    return moved;
}

/* C++'s new and delete, of which the runtime makes its tables. The nothrow kind is the host's own where it has one. */
void *_ZnwmRKSt9nothrow_t(size_t size, const void *nothrow);
extern const char _ZSt7nothrow[];
void *__real__Znwm(size_t size);
void __real__ZdlPv(void *block);
void __real__ZdlPvm(void *block, size_t size);

void *__wrap__Znwm(size_t size) {
    void *block = _ZnwmRKSt9nothrow_t(size, _ZSt7nothrow);
    if (block == NULL) block = take(size, 16);
    return block != NULL ? block : __real__Znwm(size);
}

void __wrap__ZdlPv(void *block) {
    size_t room = size_of(block);
    if (room != 0) {
        give_back(block, room);
    } else {
        __real__ZdlPv(block);
    }
}

void __wrap__ZdlPvm(void *block, size_t size) {
    size_t room = size_of(block);
    if (room != 0) {
        give_back(block, room);
    } else {
        __real__ZdlPvm(block, size);
    }
}
#else
/* An empty file is not C. */
typedef int flashvid_no_reserve;
#endif
