/* The dot-product instructions of ARMv8.2: four products of bytes, both unsigned or both
 * signed. */
#include "kernel/isa/ops_neon.h"

KI_INLINE W w_dot_uu(W a, B q, B x)
{
    return vdotq_u32(a, q, x);
}

KI_INLINE W w_dot_ss(W a, B q, B x)
{
    return vreinterpretq_u32_s32(vdotq_s32(vreinterpretq_s32_u32(a), vreinterpretq_s8_u8(q),
                                           vreinterpretq_s8_u8(x)));
}

KI_INLINE W w_dot_nibbles(W a, B x, B lo, B hi)
{
    return w_dot_ss(w_dot_ss(a, b_and(x, b_set(15)), lo), b_shr4(x), hi);
}

enum { BIAS_UU = 0, BIAS_SS = 0 };

KI_INLINE W w_sum_u(W a, B x)
{
    return w_dot_uu(a, x, vdupq_n_u8(1));
}

KI_INLINE W w_sum_s(W a, B x)
{
    return w_dot_ss(a, x, vdupq_n_u8(1));
}

KI_INLINE W w_square(W a, B t)
{
    return w_dot_uu(a, t, t);
}

KI_INLINE W w_distance(W a, B q, B x)
{
    return w_square(a, b_absdiff(q, x));
}

KI_INLINE W w_squares7(W a, B t, B u)
{
    return w_dot_uu(w_dot_uu(a, t, t), u, u);
}

#include "kernel/scan_byte.kern.h"

void ki_fill_scan_neondot(volatile ki_kernels *k)
{
    fill_bytes(k);
}
