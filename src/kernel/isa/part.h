/* Tails of rows for ISAs without masked loads. */
#ifndef KI_PART_H
#define KI_PART_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/compiler.h"

/* n ones end a vector of 32 bytes that is read from part_mask + n, one of 16 from 16 + n. */
static const uint8_t part_mask[64] = {
    [32] = 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
    255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255};

typedef struct part16 {
    uint64_t lo, hi;
} part16;

/* The first n < 16 bytes at p as two little-endian words, zeros behind. Reads just those bytes, in
 * two overlapping pieces: what both hold is the same, so they are joined by `or`. */
KI_INLINE part16 part_of(const uint8_t *p, size_t n)
{
    uint64_t w, v;
    uint32_t a, b;

    if (n >= 8) {
        memcpy(&w, p, 8);
        memcpy(&v, p + n - 8, 8);
        return (part16){w, n > 8 ? v >> (128 - 8 * n) : 0};
    }
    if (n >= 4) {
        memcpy(&a, p, 4);
        memcpy(&b, p + n - 4, 4);
        return (part16){a | (uint64_t)b << (8 * n - 32), 0};
    }
    if (n == 0) return (part16){0, 0};
    w = (uint64_t)p[n / 2] << (n / 2 * 8) | (uint64_t)p[n - 1] << (n * 8 - 8);
    return (part16){p[0] | w, 0};
}

#endif
