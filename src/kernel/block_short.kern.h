/* The block of signed bytes with short queries (KI_BLOCK_DOT_I7) for ISAs that multiply unsigned
 * by signed bytes into saturating 16-bit sums of two (vpmaddubsw): 2 * 255 * 64 does not saturate.
 * That is 3 instructions for 4 products a lane, where exact 16-bit products take 4 and some
 * unpacking.
 *
 * Rows are copied with 128 added to each component, a tile's worth at a time, while the sums of
 * each query begin at -128 * (sum of its components); the padding of the panel is zero, so padding
 * counts nothing. Vocabulary beyond that of block_ops.kern.h:
 *   bv_dot_short(sum, x, q)          int32 sum + 4 products of u8 by bytes of -64…64
 */
#include "kernel/block.kern.h"

KI_INLINE void short_start(const ki_block *job, size_t lanes, int32_t *out)
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
KI_INLINE void short_copy(const unsigned char *from, size_t bytes, unsigned char *to)
{
    for (size_t i = 0; i < bytes; i++) to[i] = from[i] ^ 0x80;
    memset(to + bytes, 0, -bytes % 4);
}

#define BLOCK_OP dot_i7
#define BLOCK_INT 1
#define BLOCK_BYTES(d) (d)
#define BLOCK_TERM bv_i
#define BLOCK_X_OF(p) bv_word(p)
#define BLOCK_Q_OF(p) bv_i32(p)
#define BLOCK_STEP(sum, x, q) bv_dot_short(sum, x, q)
#define BLOCK_START(job, lanes, out) short_start(job, lanes, out)
#define BLOCK_COPY(from, bytes, to) short_copy(from, bytes, to)
#include "kernel/block.kern.h"

static void short_fill(ki_kernels *k)
{
    k->block[KI_BLOCK_DOT_I7] = block_dot_i7;
    k->code_op = KI_BLOCK_DOT_I7;
}
