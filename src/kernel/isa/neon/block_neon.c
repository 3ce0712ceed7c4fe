/* Blocks in NEON: the vocabulary that the operations of block_ops.kern.h need. */
#include "kernel/isa/block_quad.h"

KI_INLINE bv_f bv_word_f32(const void *p)
{
    float x;

    memcpy(&x, p, 4);
    return vdupq_n_f32(x);
}

KI_INLINE bv_f bv_fma(bv_f a, bv_f b, bv_f sum)
{
    return vfmaq_f32(sum, a, b);
}

KI_INLINE bv_f bv_add(bv_f a, bv_f b)
{
    return vaddq_f32(a, b);
}

KI_INLINE bv_f bv_abs(bv_f v)
{
    return vabsq_f32(v);
}

KI_INLINE bv_i bv_even_u8(bv_i v)
{
    return vandq_s32(v, vdupq_n_s32(0x00ff00ff));
}

KI_INLINE bv_i bv_odd_u8(bv_i v)
{
    return vreinterpretq_s32_u16(vshrq_n_u16(vreinterpretq_u16_s32(v), 8));
}

KI_INLINE bv_i bv_even_s8(bv_i v)
{
    const int16x8_t up = vshlq_n_s16(vreinterpretq_s16_s32(v), 8);

    return vreinterpretq_s32_s16(vshrq_n_s16(up, 8));
}

KI_INLINE bv_i bv_odd_s8(bv_i v)
{
    return vreinterpretq_s32_s16(vshrq_n_s16(vreinterpretq_s16_s32(v), 8));
}

KI_INLINE bv_i bv_dot16(bv_i sum, bv_i a, bv_i b)
{
    const int16x8_t p = vreinterpretq_s16_s32(a), q = vreinterpretq_s16_s32(b);
    const int32x4_t low = vmull_s16(vget_low_s16(p), vget_low_s16(q));

    return vaddq_s32(sum, vpaddq_s32(low, vmull_high_s16(p, q)));
}

KI_INLINE bv_f bv_even_bf16(bv_i v)
{
    return vreinterpretq_f32_s32(vshlq_n_s32(v, 16));
}

KI_INLINE bv_f bv_odd_bf16(bv_i v)
{
    return vreinterpretq_f32_s32(vandq_s32(v, vdupq_n_s32(-65536)));
}

KI_INLINE bv_i bv_add_i32(bv_i a, bv_i b)
{
    return vaddq_s32(a, b);
}

KI_INLINE bv_i bv_xor(bv_i a, bv_i b)
{
    return veorq_s32(a, b);
}

KI_INLINE bv_i bv_and(bv_i a, bv_i b)
{
    return vandq_s32(a, b);
}

KI_INLINE bv_i bv_count(bv_i v)
{
    const uint8x16_t bytes = vcntq_u8(vreinterpretq_u8_s32(v));

    return vreinterpretq_s32_u32(vpaddlq_u16(vpaddlq_u8(bytes)));
}

#include "kernel/block_ops.kern.h"

/* Two int16 of pairs of products a lane. */
KI_INLINE bv_i step_pairs(bv_i sum, bv_i x, bv_i q)
{
    const int8x16_t a = vreinterpretq_s8_s32(x), b = vreinterpretq_s8_s32(q);
    const int16x8_t low = vmull_s8(vget_low_s8(a), vget_low_s8(b));
    const int16x8_t pairs = vpaddq_s16(low, vmull_high_s8(a, b));

    return vreinterpretq_s32_s16(vaddq_s16(vreinterpretq_s16_s32(sum), pairs));
}

#define PRODUCTS_STEP(sum, x, q) step_pairs(sum, x, q)
#define PRODUCTS_WIDE(sum)       vpaddlq_s16(vreinterpretq_s16_s32(sum))
#include "kernel/isa/isa.h"
#include "kernel/products.kern.h"

void ki_fill_block_neon(volatile ki_kernels *k)
{
    block_fill(k);
    k->products6 = products6;
}
