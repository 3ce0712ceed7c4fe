/* Rows of packed bits. Beyond what scan_int.kern.h names, an ISA's ops.h says:
 *   b_xor b_and b_or(q, x)
 *   w_bits(a, t)       a + the number of bits set in t
 */
#include "kernel/scan_int.kern.h"

KI_INLINE W step_hamming(W a, B q, B x)
{
    return w_bits(a, b_xor(q, x));
}

KI_INLINE W step_both(W a, B q, B x)
{
    return w_bits(a, b_and(q, x));
}

KI_INLINE W step_either(W a, B q, B x)
{
    return w_bits(a, b_or(q, x));
}

KI_INLINE size_t bytes_of_bits(size_t d)
{
    return (d + 7) / 8;
}

TILE_INT1(hamming, bits, step_hamming)
SLOTS_INT(hamming, bits, 1, plain_query, bytes_of_bits)
TILE_INT2(andor2, bits, step_both, step_either)
SLOTS_INT(andor2, bits, 2, plain_query, bytes_of_bits)

static void fill_bits(volatile ki_kernels *k)
{
    k->scan[KI_HAMMING][KI_BITS] = scan_hamming_bits;
    k->gather[KI_HAMMING][KI_BITS] = gather_hamming_bits;
    k->visit[KI_HAMMING][KI_BITS] = visit_hamming_bits;
    k->scan[KI_ANDOR2][KI_BITS] = scan_andor2_bits;
    k->gather[KI_ANDOR2][KI_BITS] = gather_andor2_bits;
    k->visit[KI_ANDOR2][KI_BITS] = visit_andor2_bits;
}
