/* NEON without the dot-product instructions: products of bytes in 16 bits, added in pairs. */
#include "kernel/isa/ops_neon.h"

KI_INLINE int8x16_t sign(B x)
{
    return vreinterpretq_s8_u8(x);
}

KI_INLINE W w_sum_u(W a, B x)
{
    return vpadalq_u16(a, vpaddlq_u8(x));
}

KI_INLINE W w_sum_s(W a, B x)
{
    return vreinterpretq_u32_s32(vpadalq_s16(vreinterpretq_s32_u32(a), vpaddlq_s8(sign(x))));
}

KI_INLINE W w_dot_uu(W a, B q, B x)
{
    a = vpadalq_u16(a, vmull_u8(vget_low_u8(q), vget_low_u8(x)));
    return vpadalq_u16(a, vmull_high_u8(q, x));
}

KI_INLINE W w_square(W a, B t)
{
    return w_dot_uu(a, t, t);
}

KI_INLINE W w_distance(W a, B q, B x)
{
    return w_square(a, b_absdiff(q, x));
}

/* Four squares of 127 stay within 16 unsigned bits. */
KI_INLINE W w_squares7(W a, B t, B u)
{
    uint16x8_t s = vmull_u8(vget_low_u8(t), vget_low_u8(t));
    s = vmlal_high_u8(s, t, t);
    s = vmlal_u8(s, vget_low_u8(u), vget_low_u8(u));
    return vpadalq_u16(a, vmlal_high_u8(s, u, u));
}

KI_INLINE W w_dot_ss(W a, B q, B x)
{
    int32x4_t s = vreinterpretq_s32_u32(a);
    s = vpadalq_s16(s, vmull_s8(vget_low_s8(sign(q)), vget_low_s8(sign(x))));
    s = vpadalq_s16(s, vmull_high_s8(sign(q), sign(x)));
    return vreinterpretq_u32_s32(s);
}

/* Four products of 15 * 128 stay within 16 bits. */
KI_INLINE W w_dot_nibbles(W a, B x, B lo, B hi)
{
    const int8x16_t low = sign(b_and(x, b_set(15))), high = sign(b_shr4(x));
    int16x8_t s = vmull_s8(vget_low_s8(low), vget_low_s8(sign(lo)));
    s = vmlal_high_s8(s, low, sign(lo));
    s = vmlal_s8(s, vget_low_s8(high), vget_low_s8(sign(hi)));
    s = vmlal_high_s8(s, high, sign(hi));
    return vreinterpretq_u32_s32(vpadalq_s16(vreinterpretq_s32_u32(a), s));
}

enum { BIAS_UU = 0, BIAS_SS = 0 };

#include "kernel/scan_float.kern.h"
#include "kernel/scan_byte.kern.h"
#include "kernel/scan_bits.kern.h"
#include "kernel/convert.kern.h"
#include "kernel/beside.kern.h"

void ki_fill_scan_neon(volatile ki_kernels *k)
{
    fill_float(k);
    fill_bytes(k);
    fill_bits(k);
    fill_convert(k);
    fill_beside(k);
}
