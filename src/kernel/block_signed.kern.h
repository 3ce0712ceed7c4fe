/* Blocks of signed bytes for ISAs whose products of bytes take one unsigned and one signed: rows
 * are copied with 128 added to each component, a tile's worth at a time, while the sums of each
 * query begin at -128 * (sum of its components); the padding of the panel is zero, so padding
 * counts nothing.
 */
#ifndef KI_BLOCK_SIGNED_KERN_H
#define KI_BLOCK_SIGNED_KERN_H

#include "kernel/block.kern.h"

KI_INLINE void minus_128_sums(const ki_block *job, size_t lanes, int32_t *out)
{
    const int8_t *half = job->panel;

    for (size_t lane = 0; lane < lanes; lane += KI_LANES, half += block_half(job->d)) {
        int32_t sum[KI_LANES] = {0};

        for (size_t at = 0; at < job->d; at += 4)
            for (size_t i = 0; i < 4 * KI_LANES; i++) sum[i / 4] += half[at * KI_LANES + i];
        for (size_t i = 0; i < KI_LANES; i++) out[lane + i] = -128 * sum[i];
    }
}

/* What fills the last word is whatever it is: the panel has zeros there. */
KI_INLINE void plus_128(const unsigned char *from, size_t bytes, unsigned char *to)
{
    for (size_t i = 0; i < bytes; i++) to[i] = from[i] ^ 0x80;
    memset(to + bytes, 0, -bytes % 4);
}

#endif
