/* Blocks in AVX2 + FMA: 6 rows x 16 queries are 12 registers of sums. */
#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "base/compiler.h"

enum { BV_LANES = 8, BLOCK_ROWS = 6, BLOCK_HALVES = 1 };

#define BV_KEEP(v) __asm__("" : "+x"(v))

typedef __m256 bv_f;
typedef __m256i bv_i;
typedef __m256 bv_m; // all ones or all zeros in a lane

KI_INLINE bv_f bv_f32(const void *p)
{
    return _mm256_load_ps(p);
}

KI_INLINE bv_i bv_i32(const void *p)
{
    return _mm256_load_si256(p);
}

KI_INLINE void bv_put_f32(void *p, bv_f v)
{
    _mm256_store_ps(p, v);
}

KI_INLINE void bv_put_i32(void *p, bv_i v)
{
    _mm256_store_si256(p, v);
}

KI_INLINE bv_f bv_set(float x)
{
    return _mm256_set1_ps(x);
}

KI_INLINE bv_f bv_mul(bv_f a, bv_f b)
{
    return _mm256_mul_ps(a, b);
}

KI_INLINE bv_f bv_sub(bv_f a, bv_f b)
{
    return _mm256_sub_ps(a, b);
}

KI_INLINE bv_f bv_float(bv_i v)
{
    return _mm256_cvtepi32_ps(v);
}

KI_INLINE bv_m bv_all(void)
{
    return _mm256_castsi256_ps(_mm256_set1_epi32(-1));
}

KI_INLINE bv_m bv_below(bv_m m, bv_f v, bv_f thr)
{
    return _mm256_and_ps(m, _mm256_cmp_ps(v, thr, _CMP_LT_OQ));
}

KI_INLINE uint32_t bv_rest(bv_m m)
{
    return (uint32_t)_mm256_movemask_ps(m) ^ 0xff;
}

KI_INLINE bv_i bv_word(const void *p)
{
    int32_t w;

    memcpy(&w, p, 4);
    return _mm256_set1_epi32(w);
}

KI_INLINE bv_f bv_word_f32(const void *p)
{
    float x;

    memcpy(&x, p, 4);
    return _mm256_set1_ps(x);
}

KI_INLINE bv_f bv_fma(bv_f a, bv_f b, bv_f sum)
{
    return _mm256_fmadd_ps(a, b, sum);
}

KI_INLINE bv_f bv_add(bv_f a, bv_f b)
{
    return _mm256_add_ps(a, b);
}

KI_INLINE bv_f bv_abs(bv_f v)
{
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), v);
}

KI_INLINE bv_i bv_even_u8(bv_i v)
{
    return _mm256_and_si256(v, _mm256_set1_epi16(0xff));
}

KI_INLINE bv_i bv_odd_u8(bv_i v)
{
    return _mm256_srli_epi16(v, 8);
}

KI_INLINE bv_i bv_even_s8(bv_i v)
{
    return _mm256_srai_epi16(_mm256_slli_epi16(v, 8), 8);
}

KI_INLINE bv_i bv_odd_s8(bv_i v)
{
    return _mm256_srai_epi16(v, 8);
}

KI_INLINE bv_i bv_dot16(bv_i sum, bv_i a, bv_i b)
{
    return _mm256_add_epi32(sum, _mm256_madd_epi16(a, b));
}

KI_INLINE bv_i bv_dot_short(bv_i sum, bv_i x, bv_i q)
{
    return bv_dot16(sum, _mm256_maddubs_epi16(x, q), _mm256_set1_epi16(1));
}

KI_INLINE bv_f bv_even_bf16(bv_i v)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(v, 16));
}

KI_INLINE bv_f bv_odd_bf16(bv_i v)
{
    return _mm256_castsi256_ps(_mm256_and_si256(v, _mm256_set1_epi32(-65536)));
}

KI_INLINE bv_i bv_add_i32(bv_i a, bv_i b)
{
    return _mm256_add_epi32(a, b);
}

KI_INLINE bv_i bv_xor(bv_i a, bv_i b)
{
    return _mm256_xor_si256(a, b);
}

KI_INLINE bv_i bv_and(bv_i a, bv_i b)
{
    return _mm256_and_si256(a, b);
}

/* Nibbles by a table (Mula), then bytes summed to 16 and to 32 bits. */
KI_INLINE bv_i bv_count(bv_i v)
{
    const bv_i nibble = _mm256_set1_epi8(15);
    const bv_i table = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
    const bv_i low = _mm256_shuffle_epi8(table, _mm256_and_si256(v, nibble));
    const bv_i high =
        _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(v, 4), nibble));
    const bv_i pairs = _mm256_maddubs_epi16(_mm256_add_epi8(low, high), _mm256_set1_epi8(1));

    return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}

#include "kernel/block_ops.kern.h"
#include "kernel/block_short.kern.h"

#define PRODUCTS_STEP(sum, x, q) _mm256_add_epi16(sum, _mm256_maddubs_epi16(x, q))
#define PRODUCTS_WIDE(sum) _mm256_madd_epi16(sum, _mm256_set1_epi16(1))
#include "kernel/products.kern.h"
#include "kernel/isa/isa.h"

void ki_fill_block_avx2(volatile ki_kernels *k)
{
    block_fill(k);
    short_fill(k);
    k->products6 = products6;
}
