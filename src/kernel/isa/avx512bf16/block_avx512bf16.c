/* Blocks of bfloat16 with AVX512_BF16: vdpbf16ps adds two products to each lane. It takes denormals
 * for zero and rounds to nearest whatever MXCSR says. */
#include "kernel/isa/block_zmm.h"

#include "kernel/block.kern.h"
#include "kernel/isa/isa.h"

#define BLOCK_OP dot_bf16
#define BLOCK_INT 0
#define BLOCK_BYTES(d) (2 * (d))
#define BLOCK_TERM bv_i
#define BLOCK_X_OF(p) bv_word(p)
#define BLOCK_Q_OF(p) bv_i32(p)
#define BLOCK_STEP(sum, x, q) _mm512_dpbf16_ps(sum, (__m512bh)(x), (__m512bh)(q))
#include "kernel/block.kern.h"

void ki_fill_block_avx512bf16(volatile ki_kernels *k)
{
    k->block[KI_BLOCK_DOT_BF16] = block_dot_bf16;
}
