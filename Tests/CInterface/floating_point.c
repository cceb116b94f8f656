/*
 * Whatever the host's floating-point state, results are bit for bit those of the default one, and the state is left as it
 * was: rounding modes, subnormals flushed to zero, unmasked exceptions, flags.
 */
#if defined(__linux__)
#define _GNU_SOURCE
#endif
#include "workload.h"
#include <fenv.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

static uint64_t expected;
/* Made in the default state, and the one that is worked on. */
static workload made, work;

static void check(const char *state, int threads) {
    fenv_t before, after;
    int round = fegetround(), flags;
    flashvid_status status;
    uint64_t digest;
    work = made;
    feraiseexcept(FE_INEXACT);
    flags = fetestexcept(FE_ALL_EXCEPT);
    fegetenv(&before);
    status = workload_run(&work, threads);
    fegetenv(&after);
    digest = work.digest;
    EXPECT(status == FLASHVID_OK, "%s, %d threads: status %d", state, threads, (int)status);
    EXPECT(digest == expected, "%s, %d threads: other results", state, threads);
    EXPECT(fegetround() == round, "%s: the rounding mode changed", state);
    EXPECT(fetestexcept(FE_ALL_EXCEPT) == flags, "%s: flags %x became %x", state, flags, fetestexcept(FE_ALL_EXCEPT));
#if defined(__x86_64__)
    EXPECT(before.__mxcsr == after.__mxcsr && before.__control_word == after.__control_word, "%s: the state changed", state);
#endif
}

int main(void) {
    static const int modes[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
    static const char *const names[] = {"to nearest", "upward", "downward", "toward zero"};
    /* Ordinary numbers, and subnormal ones. */
    static const float scales[] = {1, 1e-40f};
    int scale, mode, threads, repeat;
    for (scale = 0; scale < 2; scale += 1) {
        workload_init(&made, scales[scale]);
        work = made;
        EXPECT(workload_run(&work, 1) == FLASHVID_OK, "default state");
        expected = work.digest;
        for (threads = 1; threads <= 2; threads += 1) {
            for (mode = 0; mode < 4; mode += 1) {
                fesetround(modes[mode]);
                for (repeat = 0; repeat < 3; repeat += 1) check(names[mode], threads);
                fesetround(FE_TONEAREST);
            }
            feclearexcept(FE_ALL_EXCEPT);
#if defined(__x86_64__)
            _mm_setcsr(_mm_getcsr() | 0x8040);
            check("subnormals flushed", threads);
            _mm_setcsr(_mm_getcsr() & ~0x8040u);
#elif defined(__aarch64__)
            {
                uint64_t control;
                __asm__ volatile("mrs %0, fpcr" : "=r"(control));
                __asm__ volatile("msr fpcr, %0" : : "r"(control | (uint64_t)1 << 24));
                check("subnormals flushed", threads);
                __asm__ volatile("msr fpcr, %0" : : "r"(control));
            }
#endif
#if defined(__GLIBC__)
            if (feenableexcept(FE_OVERFLOW | FE_DIVBYZERO | FE_INVALID | FE_UNDERFLOW) != -1) {
                check("exceptions unmasked", threads);
                EXPECT(fegetexcept() == (FE_OVERFLOW | FE_DIVBYZERO | FE_INVALID | FE_UNDERFLOW), "masked");
                fedisableexcept(FE_ALL_EXCEPT);
            }
#endif
        }
    }
    printf("floating point: %d failures\n", failures);
    return failures != 0;
}
