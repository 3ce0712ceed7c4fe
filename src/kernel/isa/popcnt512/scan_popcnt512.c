/* AVX512_VPOPCNTDQ: bits counted in the lanes they are summed in. */
#include "kernel/isa/ops_avx512.h"

KI_INLINE W w_bits(W a, B t)
{
    return _mm512_add_epi32(a, _mm512_popcnt_epi32(t));
}

#include "kernel/scan_bits.kern.h"

void ki_fill_scan_popcnt512(volatile ki_kernels *k)
{
    fill_bits(k);
}
