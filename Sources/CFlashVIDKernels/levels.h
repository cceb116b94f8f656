// What kernels.c includes once for each level, which has defined
//
//   LEVEL(name)   the name of a function at this level
//   FUSED         whether the level multiplies and adds in one instruction
//   HALF          whether it converts float16 in one instruction
//   TILE_A, TILE_B  rows of a tile of products, as many as the registers hold

INLINE v8d LEVEL(load)(const float *p) { return __builtin_convertvector(*(const unaligned_v8f *)p, v8d); }
INLINE v8d LEVEL(load_double)(const double *p) { return *(const unaligned_v8d *)p; }
INLINE void LEVEL(store)(double *p, v8d value) { *(unaligned_v8d *)p = value; }

// Of products that are exact in double.
INLINE v8d LEVEL(add_product)(v8d a, v8d b, v8d sum) {
#if FUSED
    return __builtin_elementwise_fma(a, b, sum);
#else
    return sum + a * b;
#endif
}

INLINE double LEVEL(total)(v8d lanes) {
    double s0 = lanes[0] + lanes[4], s1 = lanes[1] + lanes[5], s2 = lanes[2] + lanes[6], s3 = lanes[3] + lanes[7];
    return (s0 + s2) + (s1 + s3);
}

// MARK: Products and distances

static double LEVEL(dot)(const float *a, const float *b, intptr_t count) {
    v8d lanes = {0};
    intptr_t i = 0;
    for (; i + 8 <= count; i += 8) lanes = LEVEL(add_product)(LEVEL(load)(a + i), LEVEL(load)(b + i), lanes);
    double total = LEVEL(total)(lanes);
    for (; i < count; i++) total += (double)a[i] * (double)b[i];
    return total;
}

static double LEVEL(dot_mixed)(const float *a, const double *b, intptr_t count) {
    v8d lanes = {0};
    intptr_t i = 0;
    for (; i + 8 <= count; i += 8) lanes += LEVEL(load)(a + i) * LEVEL(load_double)(b + i);
    double total = LEVEL(total)(lanes);
    for (; i < count; i++) total += (double)a[i] * b[i];
    return total;
}

static double LEVEL(dot_double)(const double *a, const double *b, intptr_t count) {
    v8d lanes = {0};
    intptr_t i = 0;
    for (; i + 8 <= count; i += 8) lanes += LEVEL(load_double)(a + i) * LEVEL(load_double)(b + i);
    double total = LEVEL(total)(lanes);
    for (; i < count; i++) total += a[i] * b[i];
    return total;
}

static double LEVEL(squared_distance)(const double *a, const double *b, intptr_t count) {
    v8d lanes = {0};
    intptr_t i = 0;
    for (; i + 8 <= count; i += 8) {
        v8d difference = LEVEL(load_double)(a + i) - LEVEL(load_double)(b + i);
        lanes += difference * difference;
    }
    double total = LEVEL(total)(lanes);
    for (; i < count; i++) total += (a[i] - b[i]) * (a[i] - b[i]);
    return total;
}

static double LEVEL(squared_distance_mixed)(const float *a, const double *b, intptr_t count) {
    v8d lanes = {0};
    intptr_t i = 0;
    for (; i + 8 <= count; i += 8) {
        v8d difference = LEVEL(load)(a + i) - LEVEL(load_double)(b + i);
        lanes += difference * difference;
    }
    double total = LEVEL(total)(lanes);
    for (; i < count; i++) total += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
    return total;
}

// A tile is TILE_A x TILE_B sums in registers; rows beyond the last stand in for by the last, and their results are left out.
// Tiles are taken from blocks of rows that the second cache holds.
#define BLOCKED(A, LOAD_A, B, LOAD_B, STEP, TAIL)                                                                                    \
    for (intptr_t j0 = 0; j0 < n; j0 += block_rows) {                                                                         \
        intptr_t j1 = j0 + block_rows < n ? j0 + block_rows : n;                                                              \
        for (intptr_t i = 0; i < m; i += TILE_A) {                                                                            \
            if (triangle && i >= j1) break;                                                                                   \
            const A *rows_a[TILE_A];                                                                                          \
            for (int r = 0; r < TILE_A; r++) rows_a[r] = a + row_a(i + r < m ? i + r : m - 1) * a_stride;                     \
            for (intptr_t j = j0; j < j1; j += TILE_B) {                                                                      \
                if (triangle && j + TILE_B <= i) continue;                                                                    \
                const B *rows_b[TILE_B];                                                                                      \
                for (int c = 0; c < TILE_B; c++) rows_b[c] = b + row_b(j + c < j1 ? j + c : j1 - 1) * b_stride;               \
                v8d lanes[TILE_A][TILE_B] = {{{0}}};                                                                          \
                intptr_t k = 0;                                                                                               \
                for (; k + 8 <= count; k += 8) {                                                                              \
                    v8d x[TILE_A];                                                                                            \
                    _Pragma("clang loop unroll(full)")                                                                        \
                    for (int r = 0; r < TILE_A; r++) x[r] = LOAD_A(rows_a[r] + k);                                            \
                    _Pragma("clang loop unroll(full)")                                                                        \
                    for (int c = 0; c < TILE_B; c++) {                                                                        \
                        v8d y = LOAD_B(rows_b[c] + k);                                                                        \
                        _Pragma("clang loop unroll(full)")                                                                    \
                        for (int r = 0; r < TILE_A; r++) { STEP(lanes[r][c], x[r], y) }                                       \
                    }                                                                                                         \
                }                                                                                                             \
                for (int r = 0; r < TILE_A && i + r < m; r++) {                                                               \
                    for (int c = 0; c < TILE_B && j + c < j1; c++) {                                                          \
                        if (triangle && j + c < i + r) continue;                                                              \
                        double total = LEVEL(total)(lanes[r][c]);                                                             \
                        for (intptr_t t = k; t < count; t++) {                                                                \
                            double p = rows_a[r][t], q = rows_b[c][t];                                                        \
                            total += TAIL;                                                                                    \
                        }                                                                                                     \
                        result[(i + r) * stride + j + c] = total;                                                             \
                    }                                                                                                         \
                }                                                                                                             \
            }                                                                                                                 \
        }                                                                                                                     \
    }

#define ADD_PRODUCT(sum, x, y) sum = LEVEL(add_product)(x, y, sum);
#define ADD_SQUARE(sum, x, y) { v8d difference = (x) - (y); sum += difference * difference; }

static void LEVEL(dots)(
    const float *a, intptr_t a_stride, intptr_t m, const float *b, intptr_t b_stride, intptr_t n, intptr_t count,
    double *result, intptr_t stride, int triangle) {
    const intptr_t block_rows = rows_in_cache(count * (intptr_t)sizeof *a, TILE_B);
#define row_a(i) (i)
#define row_b(i) (i)
    BLOCKED(float, LEVEL(load), float, LEVEL(load), ADD_PRODUCT, p * q)
}

static void LEVEL(squared_distances)(
    const double *a, intptr_t a_stride, intptr_t m, const double *b, intptr_t b_stride, intptr_t n, intptr_t count,
    double *result, intptr_t stride, int triangle) {
    const intptr_t block_rows = rows_in_cache(count * (intptr_t)sizeof *a, TILE_B);
    BLOCKED(double, LEVEL(load_double), double, LEVEL(load_double), ADD_SQUARE, (p - q) * (p - q))
}

static void LEVEL(squared_distances_mixed)(
    const float *a, intptr_t a_stride, const int32_t *a_rows, intptr_t m, const double *b, intptr_t b_stride,
    const int32_t *b_rows, intptr_t n, intptr_t count, double *result, intptr_t stride) {
    const intptr_t block_rows = rows_in_cache(count * (intptr_t)sizeof *b, TILE_B);
    const int triangle = 0;
#undef row_a
#undef row_b
#define row_a(i) (a_rows[i])
#define row_b(i) (b_rows[i])
    BLOCKED(float, LEVEL(load), double, LEVEL(load_double), ADD_SQUARE, (p - q) * (p - q))
#undef row_a
#undef row_b
}

#undef BLOCKED
#undef ADD_PRODUCT
#undef ADD_SQUARE

// MARK: Rows to double, and back

#define EIGHT_BY_EIGHT(STEP, REST)                \
    intptr_t i = 0;                               \
    for (; i + 8 <= count; i += 8) { STEP; }      \
    for (; i < count; i++) { REST; }

#define SUM_OF(LANES, SCALARS)                                                                                                \
    if (adds) {                                                                                                               \
        EIGHT_BY_EIGHT(LEVEL(store)(total + i, LEVEL(load_double)(total + i) + (LANES)), total[i] += (SCALARS))               \
    } else {                                                                                                                  \
        EIGHT_BY_EIGHT(LEVEL(store)(total + i, LANES), total[i] = (SCALARS))                                                  \
    }

static void LEVEL(sum_rows)(const float *const rows[4], int number, double *total, int adds, intptr_t count) {
    const float *r0 = rows[0], *r1 = rows[1], *r2 = rows[2], *r3 = rows[3];
    switch (number) {
    case 1:
        SUM_OF(LEVEL(load)(r0 + i), (double)r0[i])
        break;
    case 2:
        SUM_OF(LEVEL(load)(r0 + i) + LEVEL(load)(r1 + i), (double)r0[i] + (double)r1[i])
        break;
    case 3:
        SUM_OF(
            LEVEL(load)(r0 + i) + LEVEL(load)(r1 + i) + LEVEL(load)(r2 + i), (double)r0[i] + (double)r1[i] + (double)r2[i])
        break;
    default:
        SUM_OF(
            (LEVEL(load)(r0 + i) + LEVEL(load)(r1 + i)) + (LEVEL(load)(r2 + i) + LEVEL(load)(r3 + i)),
            ((double)r0[i] + (double)r1[i]) + ((double)r2[i] + (double)r3[i]))
    }
}

#undef SUM_OF

static void LEVEL(sum_strided)(const float *base, intptr_t rows, intptr_t stride, double *total, intptr_t count) {
    intptr_t row = 0;
    // Eight at a time: the total is then loaded and stored an eighth as often, and the loop runs at the speed of memory.
    for (; row + 8 <= rows; row += 8) {
        const float *r = base + row * stride;
        EIGHT_BY_EIGHT(
            v8d sum = LEVEL(load)(r + i) + LEVEL(load)(r + i + stride);
            for (int k = 2; k < 8; k++) sum += LEVEL(load)(r + i + k * stride);
            LEVEL(store)(total + i, LEVEL(load_double)(total + i) + sum),
            double sum = (double)r[i] + (double)r[i + stride];
            for (int k = 2; k < 8; k++) sum += (double)r[i + k * stride];
            total[i] += sum)
    }
    for (; row < rows; row++) {
        const float *r = base + row * stride;
        EIGHT_BY_EIGHT(
            LEVEL(store)(total + i, LEVEL(load_double)(total + i) + LEVEL(load)(r + i)), total[i] += (double)r[i])
    }
}

static void LEVEL(sum_double)(const double *row, double *total, intptr_t count) {
    EIGHT_BY_EIGHT(
        LEVEL(store)(total + i, LEVEL(load_double)(total + i) + LEVEL(load_double)(row + i)), total[i] += row[i])
}

static void LEVEL(maximum)(const float *row, double *total, intptr_t count) {
    for (intptr_t i = 0; i < count; i++) total[i] = (double)row[i] > total[i] ? (double)row[i] : total[i];
}

static void LEVEL(divide)(double *total, double divisor, intptr_t count) {
    for (intptr_t i = 0; i < count; i++) total[i] /= divisor;
}

static void LEVEL(round)(const double *row, float *target, intptr_t count) {
    for (intptr_t i = 0; i < count; i++) target[i] = (float)row[i];
}

static void LEVEL(round_less)(const double *row, const float *origin, double scale, float *target, intptr_t count) {
    for (intptr_t i = 0; i < count; i++) target[i] = (float)((row[i] - (double)origin[i]) * scale);
}

static void LEVEL(scaled_less)(const float *row, double scale, const float *origin, float *target, intptr_t count) {
    for (intptr_t i = 0; i < count; i++) target[i] = (float)((double)row[i] * scale - (double)origin[i]);
}

static void LEVEL(round_plus)(const double *row, const float *origin, float *target, intptr_t count) {
    for (intptr_t i = 0; i < count; i++) target[i] = (float)(row[i] + (double)origin[i]);
}

#undef EIGHT_BY_EIGHT

// MARK: float32

static void LEVEL(subtract)(const float *row, const float *origin, float *target, intptr_t count) {
    for (intptr_t i = 0; i < count; i++) target[i] = row[i] - origin[i];
}

static float LEVEL(squared_distance_single)(const float *a, const float *b, intptr_t count) {
    v16f lanes = {0};
    intptr_t i = 0;
    for (; i + 16 <= count; i += 16) {
        v16f difference = *(const unaligned_v16f *)(a + i) - *(const unaligned_v16f *)(b + i);
        lanes += difference * difference;
    }
    float total = 0;
    for (int lane = 0; lane < 16; lane++) total += lanes[lane];
    for (; i < count; i++) total += (a[i] - b[i]) * (a[i] - b[i]);
    return total;
}

INLINE v8f LEVEL(load_single)(const float *p) { return *(const unaligned_v8f *)p; }

static void LEVEL(nearest)(const float *distances, intptr_t n, const float *errors, float *lower, float *upper) {
    for (intptr_t i = 0; i < n; i++) lower[i] = upper[i] = __builtin_inff();
    for (intptr_t i = 0; i < n; i++) {
        const float *line = distances + i * n;
        v8f error = {0};
        error += errors[i];
        v8f low = {0}, high;
        low += __builtin_inff();
        high = low;
        intptr_t j = i + 1;
        for (; j + 8 <= n; j += 8) {
            v8f distance = LEVEL(load_single)(line + j), other = LEVEL(load_single)(errors + j);
            low = __builtin_elementwise_min(low, distance - other);
            high = __builtin_elementwise_min(high, distance + other);
            *(unaligned_v8f *)(lower + j) = __builtin_elementwise_min(LEVEL(load_single)(lower + j), distance - error);
            *(unaligned_v8f *)(upper + j) = __builtin_elementwise_min(LEVEL(load_single)(upper + j), distance + error);
        }
        for (int lane = 0; lane < 8; lane++) {
            lower[i] = least(lower[i], low[lane]);
            upper[i] = least(upper[i], high[lane]);
        }
        for (; j < n; j++) {
            lower[i] = least(lower[i], line[j] - errors[j]);
            upper[i] = least(upper[i], line[j] + errors[j]);
            lower[j] = least(lower[j], line[j] - errors[i]);
            upper[j] = least(upper[j], line[j] + errors[i]);
        }
    }
    for (intptr_t i = 0; i < n; i++) {
        lower[i] -= errors[i];
        upper[i] += errors[i];
    }
}

static void LEVEL(smallest)(
    const float *values, const float *offsets, float sign, intptr_t count, int wanted, float *smallest) {
    for (int rank = 0; rank < wanted; rank++) smallest[rank] = __builtin_inff();
    if (wanted <= 0) return;
    v8f factor = {0};
    factor += sign;
    intptr_t i = 0;
    while (i < count) {
        // Few of eight are among the smallest so far.
        for (; i + 8 <= count; i += 8) {
            v8f value = LEVEL(load_single)(values + i) + factor * LEVEL(load_single)(offsets + i);
            v8f last = {0};
            last += smallest[wanted - 1];
            if (__builtin_reduce_or((v8i)(value < last))) break;
        }
        intptr_t end = i + 8 < count ? i + 8 : count;
        for (; i < end; i++) {
            float value = values[i] + sign * offsets[i];
            if (!(value < smallest[wanted - 1])) continue;
            int rank = wanted - 1;
            for (; rank > 0 && smallest[rank - 1] > value; rank--) smallest[rank] = smallest[rank - 1];
            smallest[rank] = value;
        }
    }
}

static intptr_t LEVEL(at_most)(const float *values, intptr_t count, float limit, intptr_t most, int32_t *indices) {
    intptr_t found = 0, i = 0;
    v8f limits = {0};
    limits += limit;
    while (i < count) {
        for (; i + 8 <= count; i += 8) {
            // What is no number may be anything.
            if (__builtin_reduce_or(~(v8i)(LEVEL(load_single)(values + i) > limits))) break;
        }
        intptr_t end = i + 8 < count ? i + 8 : count;
        for (; i < end; i++) {
            if (values[i] > limit) continue;
            if (found == most) return most + 1;
            indices[found++] = (int32_t)i;
        }
    }
    return found;
}

static intptr_t LEVEL(rivals)(
    const float *values, const float *squares, const float *lengths, intptr_t count, const struct flashvid_error *error,
    int32_t *indices, float *bound) {
#define ERROR_OF(v, s, l) (error->constant + error->of_square * (s) + error->of_length * (l) + error->of_value * (v))
    v8f low = {0};
    low += __builtin_inff();
    intptr_t i = 0;
    for (; i + 8 <= count; i += 8) {
        v8f value = LEVEL(load_single)(values + i);
        v8f size = __builtin_elementwise_max(value, -value);
        low = __builtin_elementwise_min(
            low, value + ERROR_OF(size, LEVEL(load_single)(squares + i), LEVEL(load_single)(lengths + i)));
    }
    float lowest = __builtin_inff();
    for (int lane = 0; lane < 8; lane++) lowest = least(lowest, low[lane]);
    for (; i < count; i++) {
        float size = values[i] < 0 ? -values[i] : values[i];
        lowest = least(lowest, values[i] + ERROR_OF(size, squares[i], lengths[i]));
    }
    *bound = lowest;
    v8f bounds = {0};
    bounds += lowest;
    intptr_t found = 0;
    i = 0;
    while (i < count) {
        for (; i + 8 <= count; i += 8) {
            v8f value = LEVEL(load_single)(values + i);
            v8f size = __builtin_elementwise_max(value, -value);
            v8f other = value - ERROR_OF(size, LEVEL(load_single)(squares + i), LEVEL(load_single)(lengths + i));
            // What is no number may be anything.
            if (__builtin_reduce_or(~(v8i)(other > bounds))) break;
        }
        intptr_t end = i + 8 < count ? i + 8 : count;
        for (; i < end; i++) {
            float size = values[i] < 0 ? -values[i] : values[i];
            if (values[i] - ERROR_OF(size, squares[i], lengths[i]) > lowest) continue;
            indices[found++] = (int32_t)i;
        }
    }
#undef ERROR_OF
    return found;
}

// Float16 to float32.
#if HALF
INLINE v8f LEVEL(widen)(v8h half) { return __builtin_convertvector((v8half)half, v8f); }
#else
// Moving exponent and mantissa into place and multiplying by 2^112 mends the exponent's bias and normalises subnormals in one
// exact step; infinities and NaN would come out finite (65536 and above) and get the full exponent instead.
INLINE v8f LEVEL(widen)(v8h half) {
    v8u bits = __builtin_convertvector(half, v8u);
    v8f scaled = (v8f)((bits & 0x7FFF) << 13) * 0x1p112f;
    v8u beyond = (v8u)((v8i)scaled >= 0x47800000);
    return (v8f)((v8u)scaled | (beyond & 0x7F800000) | (bits & 0x8000) << 16);
}
#endif

static void LEVEL(from_float16)(const uint16_t *source, float *target, intptr_t count) {
    intptr_t i = 0;
    for (; i + 8 <= count; i += 8) *(unaligned_v8f *)(target + i) = LEVEL(widen)(*(const unaligned_v8h *)(source + i));
    for (; i < count; i++) target[i] = LEVEL(widen)((v8h){source[i]})[0];
}

static void LEVEL(from_bfloat16)(const uint16_t *source, float *target, intptr_t count) {
    for (intptr_t i = 0; i < count; i++) {
        uint32_t bits = (uint32_t)source[i] << 16;
        memcpy(target + i, &bits, sizeof bits);
    }
}

static const struct kernels LEVEL(kernels) = {
    LEVEL(dot), LEVEL(dot_mixed), LEVEL(dot_double), LEVEL(squared_distance), LEVEL(squared_distance_mixed), LEVEL(dots),
    LEVEL(squared_distances), LEVEL(squared_distances_mixed), LEVEL(sum_rows), LEVEL(sum_strided), LEVEL(sum_double),
    LEVEL(maximum), LEVEL(divide), LEVEL(round), LEVEL(round_less), LEVEL(scaled_less), LEVEL(round_plus),
    LEVEL(subtract), LEVEL(squared_distance_single), LEVEL(nearest), LEVEL(smallest), LEVEL(at_most), LEVEL(rivals), LEVEL(from_float16), LEVEL(from_bfloat16),
};
