/* The vocabulary of blocks in 512-bit vectors (block.kern.h), for every ISA above AVX-512 F + BW +
 * DQ + VL. 12 rows x 32 queries are 24 registers of sums; a line takes 2, a row's word 1.
 */
#ifndef KI_BLOCK_ZMM_H
#define KI_BLOCK_ZMM_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "base/compiler.h"

enum { BV_LANES = 16, BLOCK_ROWS = 12, BLOCK_HALVES = 2 };

/* Without it, gcc 12 moves and spills integer sums at each step. */
#define BV_KEEP(v) __asm__("" : "+v"(v))

typedef __m512 bv_f;
typedef __m512i bv_i;
typedef __mmask16 bv_m;

KI_INLINE bv_f bv_f32(const void *p)
{
    return _mm512_load_ps(p);
}

KI_INLINE bv_i bv_i32(const void *p)
{
    return _mm512_load_si512(p);
}

KI_INLINE void bv_put_f32(void *p, bv_f v)
{
    _mm512_store_ps(p, v);
}

KI_INLINE void bv_put_i32(void *p, bv_i v)
{
    _mm512_store_si512(p, v);
}

KI_INLINE bv_f bv_set(float x)
{
    return _mm512_set1_ps(x);
}

KI_INLINE bv_f bv_mul(bv_f a, bv_f b)
{
    return _mm512_mul_ps(a, b);
}

KI_INLINE bv_f bv_sub(bv_f a, bv_f b)
{
    return _mm512_sub_ps(a, b);
}

KI_INLINE bv_f bv_float(bv_i v)
{
    return _mm512_cvtepi32_ps(v);
}

KI_INLINE bv_m bv_all(void)
{
    return 0xffff;
}

KI_INLINE bv_m bv_below(bv_m m, bv_f v, bv_f thr)
{
    return _mm512_mask_cmp_ps_mask(m, v, thr, _CMP_LT_OQ);
}

KI_INLINE uint32_t bv_rest(bv_m m)
{
    return (uint32_t)m ^ 0xffff;
}

KI_INLINE bv_i bv_word(const void *p)
{
    int32_t w;

    memcpy(&w, p, 4);
    return _mm512_set1_epi32(w);
}

#endif
