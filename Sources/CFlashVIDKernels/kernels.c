#include "flashvid_kernels.h"

#include <stdatomic.h>
#include <string.h>

#pragma STDC FP_CONTRACT OFF
// Vectors are handed to functions that are inlined, within one level: no ABI is at stake.
#pragma clang diagnostic ignored "-Wpsabi"

typedef double v8d __attribute__((vector_size(64)));
typedef float v8f __attribute__((vector_size(32)));
typedef uint32_t v8u __attribute__((vector_size(32)));
typedef int32_t v8i __attribute__((vector_size(32)));
typedef float v16f __attribute__((vector_size(64)));
typedef double unaligned_v8d __attribute__((vector_size(64), aligned(8), may_alias));
typedef float unaligned_v8f __attribute__((vector_size(32), aligned(4), may_alias));
typedef float unaligned_v16f __attribute__((vector_size(64), aligned(4), may_alias));
typedef uint16_t v8h __attribute__((vector_size(16)));
typedef uint16_t unaligned_v8h __attribute__((vector_size(16), aligned(2), may_alias));
#if defined(__x86_64__)
typedef _Float16 v8half __attribute__((vector_size(16)));
#endif

struct kernels {
    double (*dot)(const float *, const float *, intptr_t);
    double (*dot_mixed)(const float *, const double *, intptr_t);
    double (*dot_double)(const double *, const double *, intptr_t);
    double (*squared_distance)(const double *, const double *, intptr_t);
    double (*squared_distance_mixed)(const float *, const double *, intptr_t);
    void (*dots)(
        const float *, intptr_t, intptr_t, const float *, intptr_t, intptr_t, intptr_t, double *, intptr_t, int);
    void (*squared_distances)(
        const double *, intptr_t, intptr_t, const double *, intptr_t, intptr_t, intptr_t, double *, intptr_t, int);
    void (*squared_distances_mixed)(
        const float *, intptr_t, const int32_t *, intptr_t, const double *, intptr_t, const int32_t *, intptr_t, intptr_t,
        double *, intptr_t);
    void (*sum_rows)(const float *const[4], int, double *, int, intptr_t);
    void (*sum_strided)(const float *, intptr_t, intptr_t, double *, intptr_t);
    void (*sum_double)(const double *, double *, intptr_t);
    void (*maximum)(const float *, double *, intptr_t);
    void (*divide)(double *, double, intptr_t);
    void (*round)(const double *, float *, intptr_t);
    void (*round_less)(const double *, const float *, double, float *, intptr_t);
    void (*scaled_less)(const float *, double, const float *, float *, intptr_t);
    void (*round_plus)(const double *, const float *, float *, intptr_t);
    void (*subtract)(const float *, const float *, float *, intptr_t);
    float (*squared_distance_single)(const float *, const float *, intptr_t);
    void (*nearest)(const float *, intptr_t, const float *, float *, float *);
    void (*smallest)(const float *, const float *, float, intptr_t, int, float *);
    intptr_t (*at_most)(const float *, intptr_t, float, intptr_t, int32_t *);
    intptr_t (*rivals)(
        const float *, const float *, const float *, intptr_t, const struct flashvid_error *, int32_t *, float *);
    void (*from_float16)(const uint16_t *, float *, intptr_t);
    void (*from_bfloat16)(const uint16_t *, float *, intptr_t);
};

#define INLINE static inline __attribute__((always_inline))

// Rows of so many bytes that fill half of a second cache of half a megabyte, in whole tiles.
static inline intptr_t rows_in_cache(intptr_t bytes, intptr_t tile) {
    intptr_t tiles = (512 << 10) / 2 / ((bytes > 0 ? bytes : 1) * tile);
    return (tiles > 1 ? tiles : 1) * tile;
}

static inline float least(float a, float b) { return b < a ? b : a; }

// MARK: Levels

#define LEVEL(name) name##_baseline
#define FUSED 0
#define HALF 0
#define TILE_A 1
#define TILE_B 2
#include "levels.h"
#undef LEVEL
#undef FUSED
#undef HALF
#undef TILE_A
#undef TILE_B

#if defined(__x86_64__)

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#define LEVEL(name) name##_avx2
#define FUSED 1
#define HALF 1
#define TILE_A 2
#define TILE_B 3
#include "levels.h"
#undef LEVEL
#undef FUSED
#undef HALF
#undef TILE_A
#undef TILE_B
#pragma clang attribute pop

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,avx512f,avx512vl,avx512dq,avx512bw"))), apply_to = function)
#define LEVEL(name) name##_avx512
#define FUSED 1
#define HALF 1
#define TILE_A 4
#define TILE_B 4
#include "levels.h"
#undef LEVEL
#undef FUSED
#undef HALF
#undef TILE_A
#undef TILE_B
#pragma clang attribute pop

static const struct kernels *const levels[] = {&kernels_baseline, &kernels_avx2, &kernels_avx512};

int flashvid_kernels_levels(void) {
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !__builtin_cpu_supports("f16c")) return 1;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512vl") || !__builtin_cpu_supports("avx512dq")
        || !__builtin_cpu_supports("avx512bw"))
        return 2;
    return 3;
}

#else

static const struct kernels *const levels[] = {&kernels_baseline};

int flashvid_kernels_levels(void) { return 1; }

#endif

// Every thread that finds none takes the same.
static _Atomic(const struct kernels *) chosen;

void flashvid_kernels_use(int level) {
    int count = flashvid_kernels_levels();
    atomic_store_explicit(&chosen, levels[level >= 0 && level < count ? level : count - 1], memory_order_relaxed);
}

static inline const struct kernels *kernels(void) {
    const struct kernels *found = atomic_load_explicit(&chosen, memory_order_relaxed);
    if (__builtin_expect(found != 0, 1)) return found;
    flashvid_kernels_use(-1);
    return atomic_load_explicit(&chosen, memory_order_relaxed);
}

// MARK: Entries

double flashvid_dot(const float *a, const float *b, intptr_t count) { return kernels()->dot(a, b, count); }

double flashvid_dot_mixed(const float *a, const double *b, intptr_t count) { return kernels()->dot_mixed(a, b, count); }

double flashvid_dot_double(const double *a, const double *b, intptr_t count) { return kernels()->dot_double(a, b, count); }

double flashvid_squared_distance(const double *a, const double *b, intptr_t count) {
    return kernels()->squared_distance(a, b, count);
}

double flashvid_squared_distance_mixed(const float *a, const double *b, intptr_t count) {
    return kernels()->squared_distance_mixed(a, b, count);
}

void flashvid_dots(
    const float *a, intptr_t a_stride, intptr_t m, const float *b, intptr_t b_stride, intptr_t n, intptr_t count,
    double *products, intptr_t stride, int triangle) {
    kernels()->dots(a, a_stride, m, b, b_stride, n, count, products, stride, triangle);
}

void flashvid_squared_distances(
    const double *a, intptr_t a_stride, intptr_t m, const double *b, intptr_t b_stride, intptr_t n, intptr_t count,
    double *distances, intptr_t stride, int triangle) {
    kernels()->squared_distances(a, a_stride, m, b, b_stride, n, count, distances, stride, triangle);
}

void flashvid_squared_distances_mixed(
    const float *a, intptr_t a_stride, const int32_t *a_rows, intptr_t m, const double *b, intptr_t b_stride,
    const int32_t *b_rows, intptr_t n, intptr_t count, double *distances, intptr_t stride) {
    kernels()->squared_distances_mixed(a, a_stride, a_rows, m, b, b_stride, b_rows, n, count, distances, stride);
}

void flashvid_sum_rows(const float *const rows[4], int number, double *total, int adds, intptr_t count) {
    kernels()->sum_rows(rows, number, total, adds, count);
}

void flashvid_sum_strided(const float *base, intptr_t rows, intptr_t stride, double *total, intptr_t count) {
    kernels()->sum_strided(base, rows, stride, total, count);
}

void flashvid_sum_double(const double *row, double *total, intptr_t count) { kernels()->sum_double(row, total, count); }

void flashvid_maximum(const float *row, double *total, intptr_t count) { kernels()->maximum(row, total, count); }

void flashvid_divide(double *total, double divisor, intptr_t count) { kernels()->divide(total, divisor, count); }

void flashvid_round(const double *row, float *target, intptr_t count) { kernels()->round(row, target, count); }

void flashvid_round_less(const double *row, const float *origin, double scale, float *target, intptr_t count) {
    kernels()->round_less(row, origin, scale, target, count);
}

void flashvid_scaled_less(const float *row, double scale, const float *origin, float *target, intptr_t count) {
    kernels()->scaled_less(row, scale, origin, target, count);
}

void flashvid_round_plus(const double *row, const float *origin, float *target, intptr_t count) {
    kernels()->round_plus(row, origin, target, count);
}

void flashvid_subtract(const float *row, const float *origin, float *target, intptr_t count) {
    kernels()->subtract(row, origin, target, count);
}

float flashvid_squared_distance_single(const float *a, const float *b, intptr_t count) {
    return kernels()->squared_distance_single(a, b, count);
}

void flashvid_nearest(const float *distances, intptr_t n, const float *errors, float *lower, float *upper) {
    kernels()->nearest(distances, n, errors, lower, upper);
}

void flashvid_smallest(
    const float *values, const float *offsets, float sign, intptr_t count, int wanted, float *smallest) {
    kernels()->smallest(values, offsets, sign, count, wanted, smallest);
}

intptr_t flashvid_at_most(const float *values, intptr_t count, float limit, intptr_t most, int32_t *indices) {
    return kernels()->at_most(values, count, limit, most, indices);
}

intptr_t flashvid_rivals(
    const float *values, const float *squares, const float *lengths, intptr_t count, const struct flashvid_error *error,
    int32_t *indices, float *bound) {
    return kernels()->rivals(values, squares, lengths, count, error, indices, bound);
}

void flashvid_from_float16(const uint16_t *source, float *target, intptr_t count) {
    kernels()->from_float16(source, target, count);
}

void flashvid_from_bfloat16(const uint16_t *source, float *target, intptr_t count) {
    kernels()->from_bfloat16(source, target, count);
}
