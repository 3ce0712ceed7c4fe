/* Bits in 64-bit words. Sizes are the caller's affair. */
#ifndef KI_BITSET_H
#define KI_BITSET_H

#include "base/compiler.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline size_t ki_bit_words(size_t n)
{
    return n / 64 + (n % 64 != 0);
}

static inline bool ki_bit_get(const uint64_t *w, size_t i)
{
    return (w[i / 64] >> (i % 64)) & 1;
}

static inline void ki_bit_set(uint64_t *w, size_t i)
{
    w[i / 64] |= (uint64_t)1 << (i % 64);
}

static inline void ki_bit_clear(uint64_t *w, size_t i)
{
    w[i / 64] &= ~((uint64_t)1 << (i % 64));
}

static inline size_t ki_bit_count(const uint64_t *w, size_t words)
{
    size_t n = 0;

    for (size_t i = 0; i < words; i++) n += KI_POPCOUNT64(w[i]);
    return n;
}

#endif
