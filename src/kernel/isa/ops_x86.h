/* What the vocabularies of the x86 ISAs share: four results in 128 bits, stored. */
#ifndef KI_OPS_X86_H
#define KI_OPS_X86_H

#include <immintrin.h>
#include <stdint.h>

#include "base/compiler.h"

typedef __m128 F;
typedef __m128i I;

KI_INLINE void f_put1(uint8_t *out, F a)
{
    _mm_storeu_ps((float *)(void *)out, a);
}

KI_INLINE void f_put2(uint8_t *out, F a, F b)
{
    _mm_storeu_ps((float *)(void *)out, _mm_unpacklo_ps(a, b));
    _mm_storeu_ps((float *)(void *)(out + 16), _mm_unpackhi_ps(a, b));
}

KI_INLINE I i_add(I a, int32_t bias)
{
    return _mm_add_epi32(a, _mm_set1_epi32(bias));
}

KI_INLINE void i_put1(uint8_t *out, I a)
{
    _mm_storeu_si128((__m128i *)(void *)out, a);
}

KI_INLINE void i_put2(uint8_t *out, I a, I b)
{
    _mm_storeu_si128((__m128i *)(void *)out, _mm_unpacklo_epi32(a, b));
    _mm_storeu_si128((__m128i *)(void *)(out + 16), _mm_unpackhi_epi32(a, b));
}

#endif
