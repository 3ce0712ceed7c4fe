/* Blocks of bytes with NEON's dot products: sdot adds four products of signed bytes to each lane.
 * Rows of u8 have 128 taken off each component, while the sums of each query begin at 128 * (sum of
 * its components); the padding of the panel is zero, so padding counts nothing.
 */
#include "kernel/isa/block_quad.h"

#include "kernel/block.kern.h"
#include "kernel/isa/isa.h"

KI_INLINE bv_i step_sdot(bv_i sum, bv_i x, bv_i q)
{
    return vdotq_s32(sum, vreinterpretq_s8_s32(x), vreinterpretq_s8_s32(q));
}

KI_INLINE bv_i minus_128(bv_i x)
{
    return veorq_s32(x, vdupq_n_s32((int32_t)0x80808080));
}

/* 128 times the sum of each query's components: products with 2, times 64. */
KI_INLINE void plus_128_sums(const ki_block *job, size_t lanes, int32_t *out)
{
    const bv_i twos = vdupq_n_s32(0x02020202);
    const size_t half = block_half(job->d);

    for (size_t lane = 0; lane < lanes; lane += BV_LANES) {
        const unsigned char *const q =
            (const unsigned char *)job->panel + lane / KI_LANES * half + lane % KI_LANES * 4;
        bv_i sum = vdupq_n_s32(0);

        for (size_t at = 0; at < job->d; at += 4)
            sum = step_sdot(sum, bv_i32(q + at * KI_LANES), twos);
        bv_put_i32(out + lane, vshlq_n_s32(sum, 6));
    }
}

#define BLOCK_OP dot_i8
#define BLOCK_INT 1
#define BLOCK_BYTES(d) (d)
#define BLOCK_TERM bv_i
#define BLOCK_X_OF(p) bv_word(p)
#define BLOCK_Q_OF(p) bv_i32(p)
#define BLOCK_STEP(sum, x, q) step_sdot(sum, x, q)
#include "kernel/block.kern.h"

#define BLOCK_OP dot_u8
#define BLOCK_INT 1
#define BLOCK_BYTES(d) (d)
#define BLOCK_TERM bv_i
#define BLOCK_X_OF(p) minus_128(bv_word(p))
#define BLOCK_Q_OF(p) bv_i32(p)
#define BLOCK_STEP(sum, x, q) step_sdot(sum, x, q)
#define BLOCK_START(job, lanes, out) plus_128_sums(job, lanes, out)
#include "kernel/block.kern.h"

KI_INLINE bv_i bv_add_i32(bv_i a, bv_i b)
{
    return vaddq_s32(a, b);
}

#define PRODUCTS_STEP(sum, x, q) step_sdot(sum, x, q)
#define PRODUCTS_WIDE(sum) (sum)
#include "kernel/products.kern.h"

void ki_fill_block_neondot(volatile ki_kernels *k)
{
    k->block[KI_BLOCK_DOT_U8] = block_dot_u8;
    k->block[KI_BLOCK_DOT_I8] = block_dot_i8;
    k->block[KI_BLOCK_DOT_I7] = block_dot_i8;
    k->code_op = KI_BLOCK_DOT_I8;
    k->products6 = products6;
}
