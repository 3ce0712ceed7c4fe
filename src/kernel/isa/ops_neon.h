/* The vocabulary of the templates in NEON, as every aarch64 has it. Products of bytes are in
 * scan_neon.c and, with the dot-product instructions, in scan_neondot.c. */
#ifndef KI_OPS_NEON_H
#define KI_OPS_NEON_H

#include <arm_neon.h>
#include <stdint.h>

#include "base/compiler.h"
#include "kernel/isa/part.h"

KI_INLINE uint8x16_t part128(const uint8_t *p, size_t n)
{
    const part16 w = part_of(p, n);
    return vreinterpretq_u8_u64(vcombine_u64(vcreate_u64(w.lo), vcreate_u64(w.hi)));
}

KI_INLINE uint16x4_t part64(const uint8_t *p, size_t n)
{
    return vreinterpret_u16_u64(vcreate_u64(part_of(p, n).lo));
}

KI_INLINE uint16x4_t load64(const uint8_t *p)
{
    return vreinterpret_u16_u8(vld1_u8(p));
}

/* ---- floats ---------------------------------------------------------------------------------- */

typedef float32x4_t V, F;
enum { VLEN = 4 };

KI_INLINE V v_zero(void)
{
    return vdupq_n_f32(0.0f);
}

KI_INLINE V v_set(float x)
{
    return vdupq_n_f32(x);
}

KI_INLINE V v_load_f32(const uint8_t *p)
{
    return vreinterpretq_f32_u8(vld1q_u8(p));
}

KI_INLINE V v_part_f32(const uint8_t *p, size_t n)
{
    return vreinterpretq_f32_u8(part128(p, 4 * n));
}

KI_INLINE V v_widen_f16(uint16x4_t h)
{
    return vcvt_f32_f16(vreinterpret_f16_u16(h));
}

KI_INLINE V v_load_f16(const uint8_t *p)
{
    return v_widen_f16(load64(p));
}

KI_INLINE V v_part_f16(const uint8_t *p, size_t n)
{
    return v_widen_f16(part64(p, 2 * n));
}

KI_INLINE V v_widen_bf16(uint16x4_t h)
{
    return vreinterpretq_f32_u32(vshll_n_u16(h, 16));
}

KI_INLINE V v_load_bf16(const uint8_t *p)
{
    return v_widen_bf16(load64(p));
}

KI_INLINE V v_part_bf16(const uint8_t *p, size_t n)
{
    return v_widen_bf16(part64(p, 2 * n));
}

KI_INLINE V v_part_u8(const uint8_t *p, size_t n)
{
    const uint16x8_t h = vmovl_u8(vreinterpret_u8_u16(part64(p, n)));
    return vcvtq_f32_u32(vmovl_u16(vget_low_u16(h)));
}

KI_INLINE V v_load_u8(const uint8_t *p)
{
    return v_part_u8(p, 4);
}

KI_INLINE V v_part_i8(const uint8_t *p, size_t n)
{
    const int16x8_t h = vmovl_s8(vreinterpret_s8_u16(part64(p, n)));
    return vcvtq_f32_s32(vmovl_s16(vget_low_s16(h)));
}

KI_INLINE V v_load_i8(const uint8_t *p)
{
    return v_part_i8(p, 4);
}

KI_INLINE void v_store(float *p, V v)
{
    vst1q_f32(p, v);
}

KI_INLINE void v_store_f16(uint8_t *p, V v)
{
    vst1_u8(p, vreinterpret_u8_f16(vcvt_f16_f32(v)));
}

KI_INLINE void v_store_bf16(uint8_t *p, V v)
{
    const uint32x4_t u = vreinterpretq_u32_f32(v), top = vshrq_n_u32(u, 16);
    const uint32x4_t half = vaddq_u32(vandq_u32(top, vdupq_n_u32(1)), vdupq_n_u32(0x7fff));
    const uint32x4_t near = vshrq_n_u32(vaddq_u32(u, half), 16);
    const uint32x4_t quiet = vorrq_u32(top, vdupq_n_u32(0x40));
    vst1_u8(p, vreinterpret_u8_u16(vmovn_u32(vbslq_u32(vceqq_f32(v, v), near, quiet))));
}

KI_INLINE V v_add(V a, V b)
{
    return vaddq_f32(a, b);
}

KI_INLINE V v_sub(V a, V b)
{
    return vsubq_f32(a, b);
}

KI_INLINE V v_mul(V a, V b)
{
    return vmulq_f32(a, b);
}

KI_INLINE V v_fma(V a, V b, V c)
{
    return vfmaq_f32(c, a, b);
}

KI_INLINE V v_abs(V a)
{
    return vabsq_f32(a);
}

KI_INLINE V v_min(V a, V b)
{
    return vminq_f32(a, b);
}

KI_INLINE V v_max(V a, V b)
{
    return vmaxq_f32(a, b);
}

KI_INLINE V v_tame(V q, V x)
{
    const V one = vdupq_n_f32(1.0f);
    return vbslq_f32(vcgtq_f32(v_max(v_abs(q), v_abs(x)), one), vdupq_n_f32(0.25f), one);
}

KI_INLINE V v_quotient(V a, V b)
{
    const uint32x4_t none = vceqq_f32(b, vdupq_n_f32(0.0f));
    return vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(vdivq_f32(a, b)), none));
}

KI_INLINE V v_of_halves(const int32_t *high, const int32_t *low, int32_t bias)
{
    int32x4_t s = vshlq_n_s32(vld1q_s32(high), 5);
    if (low) s = vaddq_s32(s, vshlq_n_s32(vld1q_s32(low), 1));
    return vcvtq_f32_s32(vsubq_s32(s, vdupq_n_s32(bias)));
}

KI_INLINE uint32_t v_not_above(V a, V b)
{
    const uint32x4_t bits = {1, 2, 4, 8};
    return vaddvq_u32(vbicq_u32(bits, vcgtq_f32(a, b)));
}

KI_INLINE int v_nonfinite(V v)
{
    const uint32x4_t top = vdupq_n_u32(0x7f800000);
    return vmaxvq_u32(vceqq_u32(vandq_u32(vreinterpretq_u32_f32(v), top), top)) != 0;
}

KI_INLINE int v_noninteger(V v, V lo, V hi)
{
    const uint32x4_t within = vandq_u32(vcgeq_f32(v, lo), vcleq_f32(v, hi));
    const uint32x4_t good = vandq_u32(within, vceqq_f32(v, vrndq_f32(v)));
    const uint32x4_t minus_zero = vceqq_u32(vreinterpretq_u32_f32(v), vdupq_n_u32(0x80000000));
    return vminvq_u32(vbicq_u32(good, minus_zero)) == 0;
}

KI_INLINE F v_sum4(const V *a)
{
    return vpaddq_f32(vpaddq_f32(a[0], a[1]), vpaddq_f32(a[2], a[3]));
}

KI_INLINE F v_max4(const V *a)
{
    return vpmaxq_f32(vpmaxq_f32(a[0], a[1]), vpmaxq_f32(a[2], a[3]));
}

KI_INLINE void f_put1(uint8_t *out, F a)
{
    vst1q_u8(out, vreinterpretq_u8_f32(a));
}

KI_INLINE void f_put2(uint8_t *out, F a, F b)
{
    f_put1(out, vzip1q_f32(a, b));
    f_put1(out + 16, vzip2q_f32(a, b));
}

/* What lies below least takes its place; i: where it lies. */
KI_INLINE void v_keep_less(V *least, V *at, V x, V i)
{
    const uint32x4_t less = vcltq_f32(x, *least);
    *least = v_min(x, *least);
    *at = vbslq_f32(less, i, *at);
}

KI_INLINE V v_where_equal(V a, V b, V x, V y)
{
    return vbslq_f32(vceqq_f32(a, b), x, y);
}

KI_INLINE V v_spread_min(V a)
{
    return vdupq_n_f32(vminvq_f32(a));
}

KI_INLINE float v_first_lane(V a)
{
    return vgetq_lane_f32(a, 0);
}

KI_INLINE V v_hadamard(V x)
{
    const V h1 = {1, -1, 1, -1}, h2 = {1, 1, -1, -1};
    x = v_fma(x, h1, vrev64q_f32(x));
    return v_fma(x, h2, vextq_f32(x, x, 2));
}

/* ---- bytes ----------------------------------------------------------------------------------- */

typedef uint8x16_t B;
typedef uint32x4_t W, I; /* signed sums by their bits */
enum { BLEN = 16 };

KI_INLINE B b_load(const uint8_t *p)
{
    return vld1q_u8(p);
}

KI_INLINE B b_part(const uint8_t *p, size_t n)
{
    return part128(p, n);
}

KI_INLINE B b_last(const uint8_t *p, size_t n)
{
    return vandq_u8(vld1q_u8(p), vld1q_u8(part_mask + 16 + n));
}

KI_INLINE B b_flip(B x)
{
    return veorq_u8(x, vdupq_n_u8(128));
}

KI_INLINE B b_absdiff(B q, B x)
{
    return vabdq_u8(q, x);
}

KI_INLINE B b_abs(B x)
{
    return vreinterpretq_u8_s8(vabsq_s8(vreinterpretq_s8_u8(x)));
}

KI_INLINE B b_absdiff7(B q, B x)
{
    return vabdq_u8(q, x);
}

KI_INLINE B b_table(const uint8_t *p)
{
    return vld1q_u8(p);
}

KI_INLINE B b_lookup(B t, B i)
{
    return vqtbl1q_u8(t, i);
}

KI_INLINE B b_xor(B q, B x)
{
    return veorq_u8(q, x);
}

KI_INLINE B b_and(B q, B x)
{
    return vandq_u8(q, x);
}

KI_INLINE B b_or(B q, B x)
{
    return vorrq_u8(q, x);
}

KI_INLINE B b_set(uint8_t x)
{
    return vdupq_n_u8(x);
}

KI_INLINE B b_shl4(B x)
{
    return vshlq_n_u8(x, 4);
}

KI_INLINE B b_shr4(B x)
{
    return vshrq_n_u8(x, 4);
}

KI_INLINE void b_put(uint8_t *p, B x)
{
    vst1q_u8(p, x);
}

KI_INLINE void b_put_part(uint8_t *p, B x, size_t n)
{
    uint8_t all[BLEN];

    b_put(all, x);
    memcpy(p, all, n);
}

KI_INLINE W w_zero(void)
{
    return vdupq_n_u32(0);
}

KI_INLINE W w_bits(W a, B t)
{
    return vpadalq_u16(a, vpaddlq_u8(vcntq_u8(t)));
}

KI_INLINE I w_sum4(const W *a)
{
    return vpaddq_u32(vpaddq_u32(a[0], a[1]), vpaddq_u32(a[2], a[3]));
}

KI_INLINE I i_add(I a, int32_t bias)
{
    return vaddq_u32(a, vdupq_n_u32((uint32_t)bias));
}

KI_INLINE void i_put1(uint8_t *out, I a)
{
    vst1q_u8(out, vreinterpretq_u8_u32(a));
}

KI_INLINE void i_put2(uint8_t *out, I a, I b)
{
    i_put1(out, vzip1q_u32(a, b));
    i_put1(out + 16, vzip2q_u32(a, b));
}

#endif
