/* The vocabulary of blocks in 128-bit vectors of NEON (block.kern.h): 6 rows x 16 queries are 24 of
 * 32 registers.
 */
#ifndef KI_BLOCK_QUAD_H
#define KI_BLOCK_QUAD_H

#include <arm_neon.h>
#include <stdint.h>
#include <string.h>

#include "base/compiler.h"

enum { BV_LANES = 4, BLOCK_ROWS = 6, BLOCK_HALVES = 1 };

#define BV_KEEP(v) ((void)0)

typedef float32x4_t bv_f;
typedef int32x4_t bv_i;
typedef uint32x4_t bv_m; // all ones or all zeros in a lane

KI_INLINE bv_f bv_f32(const void *p)
{
    return vld1q_f32(p);
}

KI_INLINE bv_i bv_i32(const void *p)
{
    return vld1q_s32(p);
}

KI_INLINE void bv_put_f32(void *p, bv_f v)
{
    vst1q_f32(p, v);
}

KI_INLINE void bv_put_i32(void *p, bv_i v)
{
    vst1q_s32(p, v);
}

KI_INLINE bv_f bv_set(float x)
{
    return vdupq_n_f32(x);
}

KI_INLINE bv_f bv_mul(bv_f a, bv_f b)
{
    return vmulq_f32(a, b);
}

KI_INLINE bv_f bv_sub(bv_f a, bv_f b)
{
    return vsubq_f32(a, b);
}

KI_INLINE bv_f bv_float(bv_i v)
{
    return vcvtq_f32_s32(v);
}

KI_INLINE bv_m bv_all(void)
{
    return vdupq_n_u32(UINT32_MAX);
}

KI_INLINE bv_m bv_below(bv_m m, bv_f v, bv_f thr)
{
    return vandq_u32(m, vcltq_f32(v, thr));
}

KI_INLINE uint32_t bv_rest(bv_m m)
{
    const uint32x4_t place = {1, 2, 4, 8};

    return vaddvq_u32(vbicq_u32(place, m));
}

KI_INLINE bv_i bv_word(const void *p)
{
    int32_t w;

    memcpy(&w, p, 4);
    return vdupq_n_s32(w);
}

#endif
