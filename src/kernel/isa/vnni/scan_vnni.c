/* AVX512_VNNI: products of bytes summed four at a time in one instruction, which takes one operand
 * unsigned and one signed. Rows or queries of the other kind are shifted by 128, which adds 128
 * times the sum of the query to each product, taken off again once a row. */
#include "kernel/isa/ops_avx512.h"

KI_INLINE W w_dot_uu(W a, B q, B x)
{
    return _mm512_dpbusd_epi32(a, q, b_flip(x)); // q * (x - 128)
}

KI_INLINE W w_dot_ss(W a, B q, B x)
{
    return _mm512_dpbusd_epi32(a, b_flip(x), q); // (x + 128) * q
}

KI_INLINE W w_dot_nibbles(W a, B x, B lo, B hi)
{
    const B low = b_and(x, b_set(15)), high = b_and(b_shr4(x), b_set(15));
    return _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(a, low, lo), high, hi);
}

enum { BIAS_UU = 128, BIAS_SS = -128 };

KI_INLINE W w_sum_s(W a, B x)
{
    return _mm512_dpbusd_epi32(a, _mm512_set1_epi8(1), x);
}

/* A square of 0…255 has no signed factor: 16-bit lanes, two products at a time. */
KI_INLINE W w_square(W a, B t)
{
    const __m512i lo = _mm512_unpacklo_epi8(t, _mm512_setzero_si512());
    const __m512i hi = _mm512_unpackhi_epi8(t, _mm512_setzero_si512());
    return _mm512_dpwssd_epi32(_mm512_dpwssd_epi32(a, lo, lo), hi, hi);
}

/* Bytes at even and at odd places, each in 16 bits. What becomes of the query serves all rows of a
 * tile, so this takes one operation less than the square of a difference of bytes. */
KI_INLINE W w_distance(W a, B q, B x)
{
    const __m512i even = _mm512_set1_epi16(255);
    const __m512i s = _mm512_sub_epi16(b_and(q, even), b_and(x, even));
    const __m512i odd_q = _mm512_srli_epi16(q, 8), odd_x = _mm512_srli_epi16(x, 8);
    const __m512i t = _mm512_sub_epi16(odd_q, odd_x);
    return _mm512_dpwssd_epi32(_mm512_dpwssd_epi32(a, s, s), t, t);
}

/* Up to 127, bytes are signed and unsigned at once. */
KI_INLINE W w_squares7(W a, B t, B u)
{
    return _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(a, t, t), u, u);
}

#include "kernel/scan_byte.kern.h"

void ki_fill_scan_vnni(volatile ki_kernels *k)
{
    fill_bytes(k);
}
