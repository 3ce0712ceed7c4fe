/* The block of signed bytes with short queries (KI_BLOCK_DOT_I7) for ISAs that multiply unsigned
 * by signed bytes into saturating 16-bit sums of two (vpmaddubsw): 2 * 255 * 64 does not saturate.
 * That is 3 instructions for 4 products a lane, where exact 16-bit products take 4 and some
 * unpacking. Vocabulary beyond that of block_ops.kern.h:
 *   bv_dot_short(sum, x, q)          int32 sum + 4 products of u8 by bytes of -64…64
 */
#include "kernel/block_signed.kern.h"

#define BLOCK_OP dot_i7
#define BLOCK_INT 1
#define BLOCK_BYTES(d) (d)
#define BLOCK_TERM bv_i
#define BLOCK_X_OF(p) bv_word(p)
#define BLOCK_Q_OF(p) bv_i32(p)
#define BLOCK_STEP(sum, x, q) bv_dot_short(sum, x, q)
#define BLOCK_START(job, lanes, out) minus_128_sums(job, lanes, out)
#define BLOCK_COPY(from, bytes, to) plus_128(from, bytes, to)
#include "kernel/block.kern.h"

static void short_fill(volatile ki_kernels *k)
{
    k->block[KI_BLOCK_DOT_I7] = block_dot_i7;
    k->code_op = KI_BLOCK_DOT_I7;
}
