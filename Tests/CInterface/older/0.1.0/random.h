/* Clips of random numbers, the same on every machine. */
#ifndef RANDOM_H
#define RANDOM_H

#include <stdint.h>

static uint64_t random_state = 1;

/* Steele, Lea and Flood's SplitMix64. */
static inline uint64_t random_bits(void) {
    uint64_t z = (random_state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static inline float random_number(void) { return (float)(random_bits() >> 40) / 8388608.0f - 1.0f; }

/* Frames that resemble the one before, now and then another scene. */
static inline void random_frames(float *features, int64_t frames, int64_t numbers) {
    int64_t frame, index;
    for (frame = 0; frame < frames; frame += 1) {
        int is_new = frame == 0 || random_bits() % 5 == 0;
        for (index = 0; index < numbers; index += 1) {
            float *place = features + frame * numbers + index;
            *place = is_new ? 1.5f * random_number() : place[-numbers] + 0.1f * random_number();
        }
    }
}

#endif
