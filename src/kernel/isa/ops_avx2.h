/* The vocabulary of the templates in AVX2 + FMA + F16C. */
#ifndef KI_OPS_AVX2_H
#define KI_OPS_AVX2_H

#include <immintrin.h>
#include <stdint.h>

#include "base/compiler.h"
#include "kernel/isa/part.h"
#include "kernel/isa/ops_x86.h"

KI_INLINE __m128i load128(const uint8_t *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

KI_INLINE __m128i part128(const uint8_t *p, size_t n)
{
    const part16 w = part_of(p, n);
    return _mm_set_epi64x((int64_t)w.hi, (int64_t)w.lo);
}

/* ---- floats ---------------------------------------------------------------------------------- */

typedef __m256 V;
enum { VLEN = 8 };

KI_INLINE V v_zero(void)
{
    return _mm256_setzero_ps();
}

KI_INLINE V v_set(float x)
{
    return _mm256_set1_ps(x);
}

KI_INLINE V v_load_f32(const uint8_t *p)
{
    return _mm256_loadu_ps((const float *)(const void *)p);
}

/* A masked load touches only the lanes of its mask. */
KI_INLINE V v_part_f32(const uint8_t *p, size_t n)
{
    const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_maskload_ps((const float *)(const void *)p,
                              _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), lanes));
}

KI_INLINE V v_load_f16(const uint8_t *p)
{
    return _mm256_cvtph_ps(load128(p));
}

KI_INLINE V v_part_f16(const uint8_t *p, size_t n)
{
    return _mm256_cvtph_ps(part128(p, 2 * n));
}

KI_INLINE V v_widen_bf16(__m128i h)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16));
}

KI_INLINE V v_load_bf16(const uint8_t *p)
{
    return v_widen_bf16(load128(p));
}

KI_INLINE V v_part_bf16(const uint8_t *p, size_t n)
{
    return v_widen_bf16(part128(p, 2 * n));
}

KI_INLINE __m128i load64(const uint8_t *p)
{
    return _mm_loadl_epi64((const __m128i *)(const void *)p);
}

KI_INLINE V v_load_u8(const uint8_t *p)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(load64(p)));
}

KI_INLINE V v_part_u8(const uint8_t *p, size_t n)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(part128(p, n)));
}

KI_INLINE V v_load_i8(const uint8_t *p)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(load64(p)));
}

KI_INLINE V v_part_i8(const uint8_t *p, size_t n)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(part128(p, n)));
}

KI_INLINE void v_store(float *p, V v)
{
    _mm256_storeu_ps(p, v);
}

KI_INLINE void v_store_f16(uint8_t *p, V v)
{
    _mm_storeu_si128((__m128i *)(void *)p,
                     _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

KI_INLINE void v_store_bf16(uint8_t *p, V v)
{
    const __m256i u = _mm256_castps_si256(v), top = _mm256_srli_epi32(u, 16);
    const __m256i odd = _mm256_and_si256(top, _mm256_set1_epi32(1));
    const __m256i half = _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff));
    const __m256i near = _mm256_srli_epi32(_mm256_add_epi32(u, half), 16);
    const __m256i quiet = _mm256_or_si256(top, _mm256_set1_epi32(0x40));
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q));
    const __m256i h = _mm256_blendv_epi8(near, quiet, nan);
    const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(h, h), 0xd8);
    _mm_storeu_si128((__m128i *)(void *)p, _mm256_castsi256_si128(packed));
}

KI_INLINE V v_add(V a, V b)
{
    return _mm256_add_ps(a, b);
}

KI_INLINE V v_sub(V a, V b)
{
    return _mm256_sub_ps(a, b);
}

KI_INLINE V v_mul(V a, V b)
{
    return _mm256_mul_ps(a, b);
}

KI_INLINE V v_fma(V a, V b, V c)
{
    return _mm256_fmadd_ps(a, b, c);
}

KI_INLINE V v_abs(V a)
{
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a);
}

KI_INLINE V v_min(V a, V b)
{
    return _mm256_min_ps(a, b);
}

KI_INLINE V v_max(V a, V b)
{
    return _mm256_max_ps(a, b);
}

KI_INLINE V v_tame(V q, V x)
{
    const V one = _mm256_set1_ps(1.0f);
    const V big = _mm256_cmp_ps(v_max(v_abs(q), v_abs(x)), one, _CMP_GT_OQ);
    return _mm256_blendv_ps(one, _mm256_set1_ps(0.25f), big);
}

KI_INLINE V v_quotient(V a, V b)
{
    const V some = _mm256_cmp_ps(b, _mm256_setzero_ps(), _CMP_NEQ_UQ);
    return _mm256_and_ps(_mm256_div_ps(a, b), some);
}

KI_INLINE V v_of_halves(const int32_t *high, const int32_t *low, int32_t bias)
{
    __m256i s = _mm256_slli_epi32(_mm256_loadu_si256((const __m256i *)(const void *)high), 5);
    if (low) {
        const __m256i l = _mm256_loadu_si256((const __m256i *)(const void *)low);
        s = _mm256_add_epi32(s, _mm256_slli_epi32(l, 1));
    }
    return _mm256_cvtepi32_ps(_mm256_sub_epi32(s, _mm256_set1_epi32(bias)));
}

KI_INLINE uint32_t v_not_above(V a, V b)
{
    return (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_NGT_UQ));
}

KI_INLINE int v_nonfinite(V v)
{
    const __m256i top = _mm256_set1_epi32(0x7f800000);
    const __m256i bad = _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_castps_si256(v), top), top);
    return _mm256_movemask_epi8(bad) != 0;
}

KI_INLINE int v_noninteger(V v, V lo, V hi)
{
    const V whole = _mm256_round_ps(v, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC);
    const V within =
        _mm256_and_ps(_mm256_cmp_ps(v, lo, _CMP_GE_OQ), _mm256_cmp_ps(v, hi, _CMP_LE_OQ));
    const V good = _mm256_and_ps(within, _mm256_cmp_ps(v, whole, _CMP_EQ_OQ));
    const __m256i minus_zero =
        _mm256_cmpeq_epi32(_mm256_castps_si256(v), _mm256_set1_epi32(INT32_MIN));
    return _mm256_movemask_ps(_mm256_andnot_ps(_mm256_castsi256_ps(minus_zero), good)) != 0xff;
}

KI_INLINE F v_sum4(const V *a)
{
    const V all = _mm256_hadd_ps(_mm256_hadd_ps(a[0], a[1]), _mm256_hadd_ps(a[2], a[3]));
    return _mm_add_ps(_mm256_castps256_ps128(all), _mm256_extractf128_ps(all, 1));
}

KI_INLINE F v_max4(const V *a)
{
    const V lo = v_max(_mm256_unpacklo_ps(a[0], a[1]), _mm256_unpackhi_ps(a[0], a[1]));
    const V hi = v_max(_mm256_unpacklo_ps(a[2], a[3]), _mm256_unpackhi_ps(a[2], a[3]));
    const V all = v_max(_mm256_shuffle_ps(lo, hi, 0x44), _mm256_shuffle_ps(lo, hi, 0xee));
    return _mm_max_ps(_mm256_castps256_ps128(all), _mm256_extractf128_ps(all, 1));
}

/* What lies below least takes its place; i: where it lies. */
KI_INLINE void v_keep_less(V *least, V *at, V x, V i)
{
    const V less = _mm256_cmp_ps(x, *least, _CMP_LT_OQ);
    *least = v_min(x, *least);
    *at = _mm256_blendv_ps(*at, i, less);
}

KI_INLINE V v_where_equal(V a, V b, V x, V y)
{
    return _mm256_blendv_ps(y, x, _mm256_cmp_ps(a, b, _CMP_EQ_OQ));
}

KI_INLINE V v_spread_min(V a)
{
    a = v_min(a, _mm256_permute2f128_ps(a, a, 0x01));
    a = v_min(a, _mm256_permute_ps(a, 0x4e));
    return v_min(a, _mm256_permute_ps(a, 0xb1));
}

KI_INLINE float v_first_lane(V a)
{
    return _mm256_cvtss_f32(a);
}

KI_INLINE V v_hadamard(V x)
{
    const V h1 = _mm256_setr_ps(1, -1, 1, -1, 1, -1, 1, -1);
    const V h2 = _mm256_setr_ps(1, 1, -1, -1, 1, 1, -1, -1);
    const V h4 = _mm256_setr_ps(1, 1, 1, 1, -1, -1, -1, -1);
    x = v_fma(x, h1, _mm256_permute_ps(x, 0xb1));
    x = v_fma(x, h2, _mm256_permute_ps(x, 0x4e));
    return v_fma(x, h4, _mm256_permute2f128_ps(x, x, 0x01));
}

/* ---- bytes ----------------------------------------------------------------------------------- */

typedef __m256i B, W;
enum { BLEN = 32 };

KI_INLINE B b_load(const uint8_t *p)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

KI_INLINE B b_part(const uint8_t *p, size_t n)
{
    if (n < 16) return _mm256_zextsi128_si256(part128(p, n));
    return _mm256_inserti128_si256(_mm256_castsi128_si256(load128(p)), part128(p + 16, n - 16), 1);
}

/* Zeros before ones, to be read from where the ones are as many as wanted. */
KI_INLINE B b_last(const uint8_t *p, size_t n)
{
    return _mm256_and_si256(b_load(p), b_load(part_mask + n));
}

KI_INLINE B b_flip(B x)
{
    return _mm256_xor_si256(x, _mm256_set1_epi8(-128));
}

KI_INLINE B b_absdiff(B q, B x)
{
    return _mm256_or_si256(_mm256_subs_epu8(q, x), _mm256_subs_epu8(x, q));
}

KI_INLINE B b_abs(B x)
{
    return _mm256_abs_epi8(x);
}

/* Differences of such bytes fit signed ones. */
KI_INLINE B b_absdiff7(B q, B x)
{
    return _mm256_abs_epi8(_mm256_sub_epi8(q, x));
}

KI_INLINE B b_table(const uint8_t *p)
{
    return _mm256_broadcastsi128_si256(load128(p));
}

KI_INLINE B b_lookup(B t, B i)
{
    return _mm256_shuffle_epi8(t, i);
}

KI_INLINE B b_xor(B q, B x)
{
    return _mm256_xor_si256(q, x);
}

KI_INLINE B b_and(B q, B x)
{
    return _mm256_and_si256(q, x);
}

KI_INLINE B b_or(B q, B x)
{
    return _mm256_or_si256(q, x);
}

KI_INLINE B b_set(uint8_t x)
{
    return _mm256_set1_epi8((char)x);
}

KI_INLINE B b_shl4(B x)
{
    return _mm256_slli_epi16(x, 4);
}

KI_INLINE B b_shr4(B x)
{
    return _mm256_srli_epi16(x, 4);
}

KI_INLINE void b_put(uint8_t *p, B x)
{
    _mm256_storeu_si256((__m256i *)(void *)p, x);
}

KI_INLINE void b_put_part(uint8_t *p, B x, size_t n)
{
    uint8_t all[BLEN];

    b_put(all, x);
    memcpy(p, all, n);
}

KI_INLINE W w_zero(void)
{
    return _mm256_setzero_si256();
}

/* Each sum of eight bytes fills a lane of 64 bits, of which the upper half stays zero. */
KI_INLINE W w_sum_u(W a, B x)
{
    return _mm256_add_epi32(a, _mm256_sad_epu8(x, _mm256_setzero_si256()));
}

/* Products go by way of 16-bit lanes: the one instruction for bytes (vpmaddubsw) saturates.
 * Unpacking mixes the order of bytes, the same way in both operands. */
#define LO_U(x) _mm256_unpacklo_epi8(x, _mm256_setzero_si256())
#define HI_U(x) _mm256_unpackhi_epi8(x, _mm256_setzero_si256())
#define LO_S(x) _mm256_srai_epi16(_mm256_unpacklo_epi8(x, x), 8)
#define HI_S(x) _mm256_srai_epi16(_mm256_unpackhi_epi8(x, x), 8)

KI_INLINE W w_madd2(W a, __m256i q, __m256i x, __m256i q2, __m256i x2)
{
    const __m256i two = _mm256_add_epi32(_mm256_madd_epi16(q, x), _mm256_madd_epi16(q2, x2));
    return _mm256_add_epi32(a, two);
}

KI_INLINE W w_square(W a, B t)
{
    return w_madd2(a, LO_U(t), LO_U(t), HI_U(t), HI_U(t));
}

/* Bytes at even and at odd places, each in 16 bits. What becomes of the query serves all rows of a
 * tile, so this takes one operation less than the square of a difference of bytes. */
KI_INLINE W w_distance(W a, B q, B x)
{
    const __m256i even = _mm256_set1_epi16(255);
    const __m256i s = _mm256_sub_epi16(b_and(q, even), b_and(x, even));
    const __m256i odd_q = _mm256_srli_epi16(q, 8), odd_x = _mm256_srli_epi16(x, 8);
    const __m256i t = _mm256_sub_epi16(odd_q, odd_x);
    return w_madd2(a, s, s, t, t);
}

/* Two squares of 127 stay within 16 bits, four do not. */
KI_INLINE W w_squares7(W a, B t, B u)
{
    const __m256i one = _mm256_set1_epi16(1);
    return w_madd2(a, _mm256_maddubs_epi16(t, t), one, _mm256_maddubs_epi16(u, u), one);
}

KI_INLINE W w_dot_uu(W a, B q, B x)
{
    return w_madd2(a, LO_U(q), LO_U(x), HI_U(q), HI_U(x));
}

KI_INLINE W w_dot_ss(W a, B q, B x)
{
    return w_madd2(a, LO_S(q), LO_S(x), HI_S(q), HI_S(x));
}

/* Four products of 15 * 128 stay within 16 bits. */
KI_INLINE W w_dot_nibbles(W a, B x, B lo, B hi)
{
    const B low = b_and(x, b_set(15)), high = b_and(b_shr4(x), b_set(15));
    const __m256i pairs =
        _mm256_add_epi16(_mm256_maddubs_epi16(low, lo), _mm256_maddubs_epi16(high, hi));
    return _mm256_add_epi32(a, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

enum { BIAS_UU = 0, BIAS_SS = 0 };

/* Ones times pairs of signed bytes stay within 16 bits. */
KI_INLINE W w_sum_s(W a, B x)
{
    const __m256i pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), x);
    return _mm256_add_epi32(a, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

/* Mula, Kurz, Lemire: Faster population counts using AVX2 instructions (2016), section 3.1. */
KI_INLINE W w_bits(W a, B t)
{
    const __m256i of = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
    const __m256i low = _mm256_set1_epi8(15);
    const __m256i lo = _mm256_shuffle_epi8(of, _mm256_and_si256(t, low));
    const __m256i hi = _mm256_shuffle_epi8(of, _mm256_and_si256(_mm256_srli_epi16(t, 4), low));
    return w_sum_u(a, _mm256_add_epi8(lo, hi));
}

KI_INLINE I w_sum4(const W *a)
{
    const __m256i all =
        _mm256_hadd_epi32(_mm256_hadd_epi32(a[0], a[1]), _mm256_hadd_epi32(a[2], a[3]));
    return _mm_add_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
}

#endif
