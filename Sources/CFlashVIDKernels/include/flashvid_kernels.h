// Loops over rows of numbers, built for several levels of the machine's vectors; the best that is there is taken at run time.
//
// All levels give the same bits. A sum of n terms runs in eight lanes, of which lane l adds the terms l, l + 8, l + 16 and so
// on, and the lanes are added as a tree; what is left behind the last eight terms follows one by one. A product of two float32
// numbers is exact in double, so that a fused multiplication and addition rounds as two operations do; where a product is not
// exact nothing is fused. So a number is the same whether it was computed singly or in a block, and on whichever machine.
//
// Strides count elements. Nothing here allocates, and null pointers are allowed only where a count is zero.

#ifndef FLASHVID_KERNELS_H
#define FLASHVID_KERNELS_H

#include <stdint.h>

// MARK: Levels

// Levels that this machine has, at least 1: 0 is the compiler's baseline, 1 AVX2, FMA and F16C, 2 AVX-512.
int flashvid_kernels_levels(void);
// Takes a level, for tests; any other number takes the best one again.
void flashvid_kernels_use(int level);

// MARK: Products and distances, in double

double flashvid_dot(const float *a, const float *b, intptr_t count);
double flashvid_dot_mixed(const float *a, const double *b, intptr_t count);
double flashvid_dot_double(const double *a, const double *b, intptr_t count);
// 0 for equal rows, and the same whichever comes first.
double flashvid_squared_distance(const double *a, const double *b, intptr_t count);
double flashvid_squared_distance_mixed(const float *a, const double *b, intptr_t count);

// flashvid_dot of every one of m rows with every one of n, to products[i * stride + j]; of a row with itself and with those
// behind it alone, where `triangle` is not 0 (then n rows are the same as m).
void flashvid_dots(
    const float *a, intptr_t a_stride, intptr_t m, const float *b, intptr_t b_stride, intptr_t n, intptr_t count,
    double *products, intptr_t stride, int triangle);

// The same with flashvid_squared_distance.
void flashvid_squared_distances(
    const double *a, intptr_t a_stride, intptr_t m, const double *b, intptr_t b_stride, intptr_t n, intptr_t count,
    double *distances, intptr_t stride, int triangle);

// flashvid_squared_distance_mixed of m rows of a with n of b, which two lists name.
void flashvid_squared_distances_mixed(
    const float *a, intptr_t a_stride, const int32_t *a_rows, intptr_t m, const double *b, intptr_t b_stride,
    const int32_t *b_rows, intptr_t n, intptr_t count, double *distances, intptr_t stride);

// MARK: Rows to double, and back

// Adds 1 to 4 rows to total, or sets it to their sum where `adds` is 0.
void flashvid_sum_rows(const float *const rows[4], int number, double *total, int adds, intptr_t count);
// Adds rows that lie `stride` apart to total.
void flashvid_sum_strided(const float *base, intptr_t rows, intptr_t stride, double *total, intptr_t count);
void flashvid_sum_double(const double *row, double *total, intptr_t count);
void flashvid_maximum(const float *row, double *total, intptr_t count);
void flashvid_divide(double *total, double divisor, intptr_t count);
void flashvid_round(const double *row, float *target, intptr_t count);
// target = (row - origin) * scale, rounded once.
void flashvid_round_less(const double *row, const float *origin, double scale, float *target, intptr_t count);
// target = row * scale - origin, in double and then rounded.
void flashvid_scaled_less(const float *row, double scale, const float *origin, float *target, intptr_t count);
// target = row + origin, in double and then rounded.
void flashvid_round_plus(const double *row, const float *origin, float *target, intptr_t count);

// MARK: float32

void flashvid_subtract(const float *row, const float *origin, float *target, intptr_t count);
// Sixteen lanes; errs by a few units in the last place.
float flashvid_squared_distance_single(const float *a, const float *b, intptr_t count);
// Of the numbers above the diagonal of an n x n matrix, each of which is known within errors[i] + errors[j]: bounds of the
// least of every row and column i.
void flashvid_nearest(const float *distances, intptr_t n, const float *errors, float *lower, float *upper);
// The `wanted` smallest of values[i] + sign * offsets[i], ascending, infinity where there are fewer; sign is 1 or -1.
void flashvid_smallest(
    const float *values, const float *offsets, float sign, intptr_t count, int wanted, float *smallest);
// The first indices, at the most so many, of numbers that are not above `limit`; returns how many those are, or most + 1 where
// there are more.
intptr_t flashvid_at_most(const float *values, intptr_t count, float limit, intptr_t most, int32_t *indices);
// What a number may err by: the parts in turn, times 1, its square, its length and its own size.
struct flashvid_error {
    float constant, of_square, of_length, of_value;
};
// Indices of the numbers that may be the smallest, each of them known within its error; returns how many, and the smallest
// upper bound.
intptr_t flashvid_rivals(
    const float *values, const float *squares, const float *lengths, intptr_t count, const struct flashvid_error *error,
    int32_t *indices, float *bound);
// Exact, the bits of a number that is none included.
void flashvid_from_float16(const uint16_t *source, float *target, intptr_t count);
void flashvid_from_bfloat16(const uint16_t *source, float *target, intptr_t count);

#endif
