/* Blocks in AVX-512 F + BW: the vocabulary that the operations of block_ops.kern.h need. */
#include "kernel/isa/block_zmm.h"

KI_INLINE bv_f bv_word_f32(const void *p)
{
    float x;

    memcpy(&x, p, 4);
    return _mm512_set1_ps(x);
}

KI_INLINE bv_f bv_fma(bv_f a, bv_f b, bv_f sum)
{
    return _mm512_fmadd_ps(a, b, sum);
}

KI_INLINE bv_f bv_add(bv_f a, bv_f b)
{
    return _mm512_add_ps(a, b);
}

KI_INLINE bv_f bv_abs(bv_f v)
{
    return _mm512_abs_ps(v);
}

KI_INLINE bv_i bv_even_u8(bv_i v)
{
    return _mm512_and_si512(v, _mm512_set1_epi16(0xff));
}

KI_INLINE bv_i bv_odd_u8(bv_i v)
{
    return _mm512_srli_epi16(v, 8);
}

KI_INLINE bv_i bv_even_s8(bv_i v)
{
    return _mm512_srai_epi16(_mm512_slli_epi16(v, 8), 8);
}

KI_INLINE bv_i bv_odd_s8(bv_i v)
{
    return _mm512_srai_epi16(v, 8);
}

KI_INLINE bv_i bv_dot16(bv_i sum, bv_i a, bv_i b)
{
    return _mm512_add_epi32(sum, _mm512_madd_epi16(a, b));
}

KI_INLINE bv_i bv_dot_short(bv_i sum, bv_i x, bv_i q)
{
    return bv_dot16(sum, _mm512_maddubs_epi16(x, q), _mm512_set1_epi16(1));
}

KI_INLINE bv_f bv_even_bf16(bv_i v)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(v, 16));
}

KI_INLINE bv_f bv_odd_bf16(bv_i v)
{
    return _mm512_castsi512_ps(_mm512_and_si512(v, _mm512_set1_epi32(-65536)));
}

KI_INLINE bv_i bv_add_i32(bv_i a, bv_i b)
{
    return _mm512_add_epi32(a, b);
}

KI_INLINE bv_i bv_xor(bv_i a, bv_i b)
{
    return _mm512_xor_si512(a, b);
}

KI_INLINE bv_i bv_and(bv_i a, bv_i b)
{
    return _mm512_and_si512(a, b);
}

/* Nibbles by a table (Mula), then bytes summed to 16 and to 32 bits. */
KI_INLINE bv_i bv_count(bv_i v)
{
    const bv_i nibble = _mm512_set1_epi8(15);
    const bv_i table = _mm512_broadcast_i32x4(
        _mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
    const bv_i low = _mm512_shuffle_epi8(table, _mm512_and_si512(v, nibble));
    const bv_i high =
        _mm512_shuffle_epi8(table, _mm512_and_si512(_mm512_srli_epi16(v, 4), nibble));
    const bv_i pairs = _mm512_maddubs_epi16(_mm512_add_epi8(low, high), _mm512_set1_epi8(1));

    return _mm512_madd_epi16(pairs, _mm512_set1_epi16(1));
}

#include "kernel/block_ops.kern.h"
#include "kernel/block_short.kern.h"

#define PRODUCTS_STEP(sum, x, q) _mm512_add_epi16(sum, _mm512_maddubs_epi16(x, q))
#define PRODUCTS_WIDE(sum) _mm512_madd_epi16(sum, _mm512_set1_epi16(1))
#include "kernel/products.kern.h"
#include "kernel/isa/isa.h"

void ki_fill_block_avx512(volatile ki_kernels *k)
{
    block_fill(k);
    short_fill(k);
    k->products6 = products6;
}
