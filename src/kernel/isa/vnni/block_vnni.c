/* Blocks of bytes with AVX512_VNNI: vpdpbusd adds four products of an unsigned by a signed byte to
 * each lane, exactly. Rows of u8 and queries of s8 are what it wants.
 */
#include "kernel/isa/block_zmm.h"

#include "kernel/block_signed.kern.h"
#include "kernel/isa/isa.h"

#define BLOCK_OP dot_u8
#define BLOCK_INT 1
#define BLOCK_BYTES(d) (d)
#define BLOCK_TERM bv_i
#define BLOCK_X_OF(p) bv_word(p)
#define BLOCK_Q_OF(p) bv_i32(p)
#define BLOCK_STEP(sum, x, q) _mm512_dpbusd_epi32(sum, x, q)
#include "kernel/block.kern.h"

#define BLOCK_OP dot_i8
#define BLOCK_INT 1
#define BLOCK_BYTES(d) (d)
#define BLOCK_TERM bv_i
#define BLOCK_X_OF(p) bv_word(p)
#define BLOCK_Q_OF(p) bv_i32(p)
#define BLOCK_STEP(sum, x, q) _mm512_dpbusd_epi32(sum, x, q)
#define BLOCK_START(job, lanes, out) minus_128_sums(job, lanes, out)
#define BLOCK_COPY(from, bytes, to) plus_128(from, bytes, to)
#include "kernel/block.kern.h"

KI_INLINE bv_i bv_add_i32(bv_i a, bv_i b)
{
    return _mm512_add_epi32(a, b);
}

#define PRODUCTS_STEP(sum, x, q) _mm512_dpbusd_epi32(sum, x, q)
#define PRODUCTS_WIDE(sum) (sum)
#include "kernel/products.kern.h"

void ki_fill_block_vnni(volatile ki_kernels *k)
{
    k->block[KI_BLOCK_DOT_U8] = block_dot_u8;
    k->block[KI_BLOCK_DOT_I8] = block_dot_i8;
    k->block[KI_BLOCK_DOT_I7] = block_dot_i8;
    k->code_op = KI_BLOCK_DOT_I8;
    k->products6 = products6;
}
