/* The vocabulary of the templates in AVX-512 F + BW + DQ + VL. Masked loads make tails as cheap as
 * whole vectors and never touch what lies behind them. VNNI and VPOPCNTDQ share this file and give
 * their own integer products and bit counts. */
#ifndef KI_OPS_AVX512_H
#define KI_OPS_AVX512_H

#include <immintrin.h>
#include <stdint.h>

#include "base/compiler.h"
#include "kernel/isa/ops_x86.h"

/* ---- floats ---------------------------------------------------------------------------------- */

typedef __m512 V;
enum { VLEN = 16 };

KI_INLINE __mmask16 v_first(size_t n)
{
    return (__mmask16)((1u << n) - 1);
}

KI_INLINE V v_zero(void)
{
    return _mm512_setzero_ps();
}

KI_INLINE V v_set(float x)
{
    return _mm512_set1_ps(x);
}

KI_INLINE V v_load_f32(const uint8_t *p)
{
    return _mm512_loadu_ps(p);
}

KI_INLINE V v_part_f32(const uint8_t *p, size_t n)
{
    return _mm512_maskz_loadu_ps(v_first(n), p);
}

KI_INLINE V v_load_f16(const uint8_t *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
}

KI_INLINE V v_part_f16(const uint8_t *p, size_t n)
{
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(v_first(n), p));
}

KI_INLINE V v_widen_bf16(__m256i h)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
}

KI_INLINE V v_load_bf16(const uint8_t *p)
{
    return v_widen_bf16(_mm256_loadu_si256((const __m256i *)(const void *)p));
}

KI_INLINE V v_part_bf16(const uint8_t *p, size_t n)
{
    return v_widen_bf16(_mm256_maskz_loadu_epi16(v_first(n), p));
}

KI_INLINE V v_load_u8(const uint8_t *p)
{
    const __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(x));
}

KI_INLINE V v_part_u8(const uint8_t *p, size_t n)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(v_first(n), p)));
}

KI_INLINE V v_load_i8(const uint8_t *p)
{
    const __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(x));
}

KI_INLINE V v_part_i8(const uint8_t *p, size_t n)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(v_first(n), p)));
}

KI_INLINE void v_store(float *p, V v)
{
    _mm512_storeu_ps(p, v);
}

KI_INLINE void v_store_f16(uint8_t *p, V v)
{
    _mm256_storeu_si256((__m256i *)(void *)p,
                        _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

KI_INLINE void v_store_bf16(uint8_t *p, V v)
{
    const __m512i u = _mm512_castps_si512(v), top = _mm512_srli_epi32(u, 16);
    const __m512i odd = _mm512_and_si512(top, _mm512_set1_epi32(1));
    const __m512i half = _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff));
    const __m512i near = _mm512_srli_epi32(_mm512_add_epi32(u, half), 16);
    const __m512i quiet = _mm512_or_si512(top, _mm512_set1_epi32(0x40));
    const __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
    _mm256_storeu_si256((__m256i *)(void *)p,
                        _mm512_cvtepi32_epi16(_mm512_mask_mov_epi32(near, nan, quiet)));
}

KI_INLINE V v_add(V a, V b)
{
    return _mm512_add_ps(a, b);
}

KI_INLINE V v_sub(V a, V b)
{
    return _mm512_sub_ps(a, b);
}

KI_INLINE V v_mul(V a, V b)
{
    return _mm512_mul_ps(a, b);
}

KI_INLINE V v_fma(V a, V b, V c)
{
    return _mm512_fmadd_ps(a, b, c);
}

KI_INLINE V v_abs(V a)
{
    return _mm512_abs_ps(a);
}

KI_INLINE V v_min(V a, V b)
{
    return _mm512_min_ps(a, b);
}

KI_INLINE V v_max(V a, V b)
{
    return _mm512_max_ps(a, b);
}

KI_INLINE V v_tame(V q, V x)
{
    const __mmask16 big =
        _mm512_cmp_ps_mask(v_max(v_abs(q), v_abs(x)), _mm512_set1_ps(1.0f), _CMP_GT_OQ);
    return _mm512_mask_mov_ps(_mm512_set1_ps(1.0f), big, _mm512_set1_ps(0.25f));
}

KI_INLINE V v_quotient(V a, V b)
{
    const __mmask16 some = _mm512_cmp_ps_mask(b, _mm512_setzero_ps(), _CMP_NEQ_UQ);
    return _mm512_maskz_div_ps(some, a, b);
}

KI_INLINE V v_of_halves(const int32_t *high, const int32_t *low, int32_t bias)
{
    __m512i s = _mm512_slli_epi32(_mm512_loadu_si512(high), 5);
    if (low) s = _mm512_add_epi32(s, _mm512_slli_epi32(_mm512_loadu_si512(low), 1));
    return _mm512_cvtepi32_ps(_mm512_sub_epi32(s, _mm512_set1_epi32(bias)));
}

KI_INLINE uint32_t v_not_above(V a, V b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_NGT_UQ);
}

KI_INLINE int v_nonfinite(V v)
{
    return _mm512_fpclass_ps_mask(v, 0x99) != 0; // quiet and signalling NaN, both infinities
}

KI_INLINE int v_noninteger(V v, V lo, V hi)
{
    const V whole = _mm512_roundscale_ps(v, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC);
    const __mmask16 good = _mm512_cmp_ps_mask(v, lo, _CMP_GE_OQ) &
                           _mm512_cmp_ps_mask(v, hi, _CMP_LE_OQ) &
                           _mm512_cmp_ps_mask(v, whole, _CMP_EQ_OQ);
    return good != 0xffff || _mm512_fpclass_ps_mask(v, 0x04); // -0.0
}

/* Rows a…d of 16 to one vector of four times a, b, c, d; then the four of each are brought
 * together. */
#define TRANSPOSED(op, a)                                                                          \
    const V lo = op(_mm512_unpacklo_ps(a[0], a[1]), _mm512_unpackhi_ps(a[0], a[1]));               \
    const V hi = op(_mm512_unpacklo_ps(a[2], a[3]), _mm512_unpackhi_ps(a[2], a[3]));               \
    const V all = op(_mm512_shuffle_ps(lo, hi, 0x44), _mm512_shuffle_ps(lo, hi, 0xee))

KI_INLINE F v_sum4(const V *a)
{
    TRANSPOSED(_mm512_add_ps, a);
    const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(all), _mm512_extractf32x8_ps(all, 1));
    return _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
}

KI_INLINE F v_max4(const V *a)
{
    TRANSPOSED(_mm512_max_ps, a);
    const __m256 half = _mm256_max_ps(_mm512_castps512_ps256(all), _mm512_extractf32x8_ps(all, 1));
    return _mm_max_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
}

#undef TRANSPOSED

/* What lies below least takes its place; i: where it lies. */
KI_INLINE void v_keep_less(V *least, V *at, V x, V i)
{
    *at = _mm512_mask_mov_ps(*at, _mm512_cmp_ps_mask(x, *least, _CMP_LT_OQ), i);
    *least = v_min(x, *least);
}

KI_INLINE V v_where_equal(V a, V b, V x, V y)
{
    return _mm512_mask_mov_ps(y, _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ), x);
}

KI_INLINE V v_spread_min(V a)
{
    a = v_min(a, _mm512_shuffle_f32x4(a, a, 0x4e));
    a = v_min(a, _mm512_shuffle_f32x4(a, a, 0xb1));
    a = v_min(a, _mm512_permute_ps(a, 0x4e));
    return v_min(a, _mm512_permute_ps(a, 0xb1));
}

KI_INLINE float v_first_lane(V a)
{
    return _mm512_cvtss_f32(a);
}

KI_INLINE V v_hadamard(V x)
{
    const V h1 = _mm512_setr4_ps(1, -1, 1, -1), h2 = _mm512_setr4_ps(1, 1, -1, -1);
    const V h4 = _mm512_setr_ps(1, 1, 1, 1, -1, -1, -1, -1, 1, 1, 1, 1, -1, -1, -1, -1);
    const V h8 = _mm512_setr_ps(1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1, -1);
    x = v_fma(x, h1, _mm512_permute_ps(x, 0xb1));
    x = v_fma(x, h2, _mm512_permute_ps(x, 0x4e));
    x = v_fma(x, h4, _mm512_shuffle_f32x4(x, x, 0xb1));
    return v_fma(x, h8, _mm512_shuffle_f32x4(x, x, 0x4e));
}

/* ---- bytes ----------------------------------------------------------------------------------- */

typedef __m512i B, W;
enum { BLEN = 64 };

KI_INLINE B b_load(const uint8_t *p)
{
    return _mm512_loadu_si512(p);
}

KI_INLINE B b_part(const uint8_t *p, size_t n)
{
    return _mm512_maskz_loadu_epi8(_cvtu64_mask64((UINT64_C(1) << n) - 1), p);
}

KI_INLINE B b_last(const uint8_t *p, size_t n)
{
    return b_part(p + BLEN - n, n);
}

KI_INLINE B b_flip(B x)
{
    return _mm512_xor_si512(x, _mm512_set1_epi8(-128));
}

KI_INLINE B b_absdiff(B q, B x)
{
    return _mm512_or_si512(_mm512_subs_epu8(q, x), _mm512_subs_epu8(x, q));
}

KI_INLINE B b_abs(B x)
{
    return _mm512_abs_epi8(x);
}

/* Differences of such bytes fit signed ones. */
KI_INLINE B b_absdiff7(B q, B x)
{
    return _mm512_abs_epi8(_mm512_sub_epi8(q, x));
}

KI_INLINE B b_table(const uint8_t *p)
{
    return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(const void *)p));
}

KI_INLINE B b_lookup(B t, B i)
{
    return _mm512_shuffle_epi8(t, i);
}

KI_INLINE B b_xor(B q, B x)
{
    return _mm512_xor_si512(q, x);
}

KI_INLINE B b_and(B q, B x)
{
    return _mm512_and_si512(q, x);
}

KI_INLINE B b_or(B q, B x)
{
    return _mm512_or_si512(q, x);
}

KI_INLINE B b_set(uint8_t x)
{
    return _mm512_set1_epi8((char)x);
}

KI_INLINE B b_shl4(B x)
{
    return _mm512_slli_epi16(x, 4);
}

KI_INLINE B b_shr4(B x)
{
    return _mm512_srli_epi16(x, 4);
}

KI_INLINE void b_put(uint8_t *p, B x)
{
    _mm512_storeu_si512(p, x);
}

KI_INLINE void b_put_part(uint8_t *p, B x, size_t n)
{
    _mm512_mask_storeu_epi8(p, _cvtu64_mask64((UINT64_C(1) << n) - 1), x);
}

KI_INLINE W w_zero(void)
{
    return _mm512_setzero_si512();
}

/* Each sum of eight bytes fills a lane of 64 bits, of which the upper half stays zero. */
KI_INLINE W w_sum_u(W a, B x)
{
    return _mm512_add_epi32(a, _mm512_sad_epu8(x, _mm512_setzero_si512()));
}

KI_INLINE I w_sum4(const W *a)
{
    const __m512i lo =
        _mm512_add_epi32(_mm512_unpacklo_epi32(a[0], a[1]), _mm512_unpackhi_epi32(a[0], a[1]));
    const __m512i hi =
        _mm512_add_epi32(_mm512_unpacklo_epi32(a[2], a[3]), _mm512_unpackhi_epi32(a[2], a[3]));
    const __m512i all =
        _mm512_add_epi32(_mm512_unpacklo_epi64(lo, hi), _mm512_unpackhi_epi64(lo, hi));
    const __m256i half =
        _mm256_add_epi32(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64(all, 1));
    return _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

#endif
