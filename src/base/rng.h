/* Counter-based random numbers: a pure function of (seed, purpose, index), so that work split over
 * any number of threads draws the same. splitmix64's finaliser (Steele, Lea & Flood 2014). */
#ifndef KI_RNG_H
#define KI_RNG_H

#include <stddef.h>
#include <stdint.h>

/* Purposes keep streams of one seed apart. */
typedef enum ki_purpose {
    KI_RNG_TEST = 1,
    KI_RNG_SAMPLE = 2,
    KI_RNG_ROTATION = 3,
    KI_RNG_SKETCH = 4,
    KI_RNG_LEVEL = 5,
    KI_RNG_ORDER = 6,
    KI_RNG_TURN = 7,
    KI_RNG_PRINCIPAL = 8,
    KI_RNG_FAR = 9
} ki_purpose;

static inline uint64_t ki_mix64(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* 64 random bits. */
static inline uint64_t ki_random(uint64_t seed, ki_purpose purpose, uint64_t index)
{
    const uint64_t stream = ki_mix64(seed + 0x9e3779b97f4a7c15u * (uint64_t)purpose);

    return ki_mix64(stream + 0x9e3779b97f4a7c15u * (index + 1));
}

/* Uniform in [0, 1), 24 bits. */
static inline float ki_random_f32(uint64_t seed, ki_purpose purpose, uint64_t index)
{
    return (float)(ki_random(seed, purpose, index) >> 40) * 0x1p-24f;
}

/* Uniform in [0, n), n > 0 (multiply-shift: bias below n * 2^-64). */
static inline uint32_t ki_random_below(uint64_t seed, ki_purpose purpose, uint64_t index,
                                       uint32_t n)
{
    return (uint32_t)(((ki_random(seed, purpose, index) >> 32) * n) >> 32);
}

/* x [n] in another order (Fisher and Yates). */
static inline void ki_random_shuffle(uint64_t seed, ki_purpose purpose, uint32_t *x, size_t n)
{
    for (size_t i = n; i-- > 1;) {
        const uint32_t j = ki_random_below(seed, purpose, i, (uint32_t)i + 1), one = x[i];

        x[i] = x[j];
        x[j] = one;
    }
}

#endif
