/* AVX-512 without VNNI: integer products by way of 16-bit lanes, bit counts by table. */
#include "kernel/isa/ops_avx512.h"

/* Unpacking mixes the order of bytes, the same way in both operands. */
#define LO_U(x) _mm512_unpacklo_epi8(x, _mm512_setzero_si512())
#define HI_U(x) _mm512_unpackhi_epi8(x, _mm512_setzero_si512())
#define LO_S(x) _mm512_srai_epi16(_mm512_unpacklo_epi8(x, x), 8)
#define HI_S(x) _mm512_srai_epi16(_mm512_unpackhi_epi8(x, x), 8)

KI_INLINE W madd2(W a, __m512i q, __m512i x, __m512i q2, __m512i x2)
{
    const __m512i two = _mm512_add_epi32(_mm512_madd_epi16(q, x), _mm512_madd_epi16(q2, x2));
    return _mm512_add_epi32(a, two);
}

KI_INLINE W w_square(W a, B t)
{
    return madd2(a, LO_U(t), LO_U(t), HI_U(t), HI_U(t));
}

/* Bytes at even and at odd places, each in 16 bits. What becomes of the query serves all rows of a
 * tile, so this takes one operation less than the square of a difference of bytes. */
KI_INLINE W w_distance(W a, B q, B x)
{
    const __m512i even = _mm512_set1_epi16(255);
    const __m512i s = _mm512_sub_epi16(b_and(q, even), b_and(x, even));
    const __m512i odd_q = _mm512_srli_epi16(q, 8), odd_x = _mm512_srli_epi16(x, 8);
    const __m512i t = _mm512_sub_epi16(odd_q, odd_x);
    return madd2(a, s, s, t, t);
}

/* Two squares of 127 stay within 16 bits, four do not. */
KI_INLINE W w_squares7(W a, B t, B u)
{
    const __m512i one = _mm512_set1_epi16(1);
    return madd2(a, _mm512_maddubs_epi16(t, t), one, _mm512_maddubs_epi16(u, u), one);
}

KI_INLINE W w_dot_uu(W a, B q, B x)
{
    return madd2(a, LO_U(q), LO_U(x), HI_U(q), HI_U(x));
}

KI_INLINE W w_dot_ss(W a, B q, B x)
{
    return madd2(a, LO_S(q), LO_S(x), HI_S(q), HI_S(x));
}

/* Ones times pairs of signed bytes stay within 16 bits. */
KI_INLINE W w_sum_s(W a, B x)
{
    const __m512i pairs = _mm512_maddubs_epi16(_mm512_set1_epi8(1), x);
    return _mm512_add_epi32(a, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
}

/* Four products of 15 * 128 stay within 16 bits. */
KI_INLINE W w_dot_nibbles(W a, B x, B lo, B hi)
{
    const B low = b_and(x, b_set(15)), high = b_and(b_shr4(x), b_set(15));
    const __m512i pairs =
        _mm512_add_epi16(_mm512_maddubs_epi16(low, lo), _mm512_maddubs_epi16(high, hi));
    return _mm512_add_epi32(a, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
}

enum { BIAS_UU = 0, BIAS_SS = 0 };

/* Mula, Kurz, Lemire: Faster population counts using AVX2 instructions (2016), section 3.1. */
KI_INLINE W w_bits(W a, B t)
{
    const __m512i of = _mm512_broadcast_i32x4(
        _mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
    const __m512i low = _mm512_set1_epi8(15);
    const __m512i lo = _mm512_shuffle_epi8(of, _mm512_and_si512(t, low));
    const __m512i hi = _mm512_shuffle_epi8(of, _mm512_and_si512(_mm512_srli_epi16(t, 4), low));
    return w_sum_u(a, _mm512_add_epi8(lo, hi));
}

#include "kernel/scan_float.kern.h"
#include "kernel/scan_byte.kern.h"
#include "kernel/scan_bits.kern.h"
#include "kernel/convert.kern.h"
#include "kernel/beside.kern.h"

void ki_fill_scan_avx512(volatile ki_kernels *k)
{
    fill_float(k);
    fill_bytes(k);
    fill_bits(k);
    fill_convert(k);
    fill_beside(k);
}
