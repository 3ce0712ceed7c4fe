/* AVX2 + FMA + F16C: the templates as they are. */
#include "kernel/isa/ops_avx2.h"

#include "kernel/scan_float.kern.h"
#include "kernel/scan_byte.kern.h"
#include "kernel/scan_bits.kern.h"
#include "kernel/convert.kern.h"
#include "kernel/beside.kern.h"

void ki_fill_scan_avx2(volatile ki_kernels *k)
{
    fill_float(k);
    fill_bytes(k);
    fill_bits(k);
    fill_convert(k);
    fill_beside(k);
}
