/* Blocks of bytes with AVX512_VNNI: vpdpbusd adds four products of an unsigned by a signed byte to
 * each lane, exactly. Rows of u8 and queries of s8 are what it wants. Rows of i8 are copied with
 * 128 added to each component, a tile's worth at a time, while the sums of each query begin at
 * -128 * (sum of its components); the padding of the panel is zero, so padding counts nothing.
 */
#include "kernel/isa/block_zmm.h"

#include "kernel/block.kern.h"
#include "kernel/isa/isa.h"

/* -128 times the sum of each query's components. */
KI_INLINE void minus_128_sums(const ki_block *job, size_t lanes, int32_t *out)
{
    const unsigned char *half = job->panel;

    for (size_t lane = 0; lane < lanes; lane += KI_LANES, half += block_half(job->d)) {
        bv_i sum = _mm512_setzero_si512();
        for (size_t at = 0; at < job->d; at += 4)
            sum = _mm512_dpbusd_epi32(sum, _mm512_set1_epi8(-128), bv_i32(half + at * KI_LANES));
        bv_put_i32(out + lane, _mm512_sub_epi32(_mm512_setzero_si512(), sum));
    }
}

KI_INLINE void plus_128(const unsigned char *from, size_t bytes, unsigned char *to)
{
    const bv_i flip = _mm512_set1_epi8(-128);
    const size_t whole = bytes / 64 * 64;

    for (size_t at = 0; at < whole; at += 64)
        _mm512_store_si512(to + at, _mm512_xor_si512(_mm512_loadu_si512(from + at), flip));
    if (bytes > whole) {
        const __mmask64 some = (UINT64_C(1) << (bytes - whole)) - 1;
        const bv_i v = _mm512_maskz_loadu_epi8(some, from + whole);

        _mm512_store_si512(to + whole, _mm512_xor_si512(v, flip));
    }
}

#define BLOCK_OP dot_u8
#define BLOCK_INT 1
#define BLOCK_BYTES(d) (d)
#define BLOCK_TERM bv_i
#define BLOCK_X_OF(p) bv_word(p)
#define BLOCK_Q_OF(p) bv_i32(p)
#define BLOCK_STEP(sum, x, q) _mm512_dpbusd_epi32(sum, x, q)
#include "kernel/block.kern.h"

#define BLOCK_OP dot_i8
#define BLOCK_INT 1
#define BLOCK_BYTES(d) (d)
#define BLOCK_TERM bv_i
#define BLOCK_X_OF(p) bv_word(p)
#define BLOCK_Q_OF(p) bv_i32(p)
#define BLOCK_STEP(sum, x, q) _mm512_dpbusd_epi32(sum, x, q)
#define BLOCK_START(job, lanes, out) minus_128_sums(job, lanes, out)
#define BLOCK_COPY(from, bytes, to) plus_128(from, bytes, to)
#include "kernel/block.kern.h"

void ki_fill_block_vnni(ki_kernels *k)
{
    k->block[KI_BLOCK_DOT_U8] = block_dot_u8;
    k->block[KI_BLOCK_DOT_I8] = block_dot_i8;
    k->block[KI_BLOCK_DOT_I7] = block_dot_i8;
    k->code_op = KI_BLOCK_DOT_I8;
}
