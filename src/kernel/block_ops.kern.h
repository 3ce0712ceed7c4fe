/* The eight operations of a block over one vocabulary, for the ISAs that have no instruction of
 * their own for them: AVX2, AVX-512, NEON. Floats multiply and add in one step. Bytes and bfloat16
 * are split into components of even and of odd place, as 16-bit integers or floats, whose products
 * lose nothing (vpmaddubsw would saturate).
 *
 * Vocabulary beyond that of block.kern.h:
 *   bv_word_f32(p) bv_word(p)        any 4 bytes in all lanes, as float or as bits
 *   bv_fma(a, b, sum) bv_add(a, b) bv_abs(v)
 *   bv_even_u8 bv_odd_u8 bv_even_s8 bv_odd_s8    of 4 bytes in 32 bits: components 0 and 2, 1 and 3
 *                                    as 2 x 16 bits
 *   bv_dot16(sum, a, b)              int32 sum + products of 2 x 16 bits
 *   bv_even_bf16 bv_odd_bf16         of 2 bfloat16: one of them as float
 *   bv_add_i32(a, b) bv_xor(a, b) bv_and(a, b) bv_count(v): bits set in each 32
 */
#include "kernel/block.kern.h"

/* ---- f32 ------------------------------------------------------------------------------------- */

KI_INLINE bv_f step_l2(bv_f sum, bv_f x, bv_f q)
{
    const bv_f t = bv_sub(x, q);

    return bv_fma(t, t, sum);
}

KI_INLINE bv_f step_l1(bv_f sum, bv_f x, bv_f q)
{
    return bv_add(sum, bv_abs(bv_sub(x, q)));
}

#define BLOCK_OP dot_f32
#define BLOCK_INT 0
#define BLOCK_BYTES(d) (4 * (d))
#define BLOCK_TERM bv_f
#define BLOCK_X_OF(p) bv_word_f32(p)
#define BLOCK_Q_OF(p) bv_f32(p)
#define BLOCK_STEP(sum, x, q) bv_fma(x, q, sum)
#include "kernel/block.kern.h"

#define BLOCK_OP l2_f32
#define BLOCK_INT 0
#define BLOCK_BYTES(d) (4 * (d))
#define BLOCK_TERM bv_f
#define BLOCK_X_OF(p) bv_word_f32(p)
#define BLOCK_Q_OF(p) bv_f32(p)
#define BLOCK_STEP(sum, x, q) step_l2(sum, x, q)
#include "kernel/block.kern.h"

#define BLOCK_OP l1_f32
#define BLOCK_INT 0
#define BLOCK_BYTES(d) (4 * (d))
#define BLOCK_TERM bv_f
#define BLOCK_X_OF(p) bv_word_f32(p)
#define BLOCK_Q_OF(p) bv_f32(p)
#define BLOCK_STEP(sum, x, q) step_l1(sum, x, q)
#include "kernel/block.kern.h"

/* ---- bf16 ------------------------------------------------------------------------------------ */

typedef struct floats2 {
    bv_f even, odd;
} floats2;

KI_INLINE floats2 split_bf16(bv_i v)
{
    return (floats2){bv_even_bf16(v), bv_odd_bf16(v)};
}

KI_INLINE bv_f step_bf16(bv_f sum, floats2 x, floats2 q)
{
    return bv_fma(x.odd, q.odd, bv_fma(x.even, q.even, sum));
}

#define BLOCK_OP dot_bf16
#define BLOCK_INT 0
#define BLOCK_BYTES(d) (2 * (d))
#define BLOCK_TERM floats2
#define BLOCK_X_OF(p) split_bf16(bv_word(p))
#define BLOCK_Q_OF(p) split_bf16(bv_i32(p))
#define BLOCK_STEP(sum, x, q) step_bf16(sum, x, q)
#include "kernel/block.kern.h"

/* ---- bytes ----------------------------------------------------------------------------------- */

typedef struct ints2 {
    bv_i even, odd;
} ints2;

KI_INLINE ints2 split_u8(bv_i v)
{
    return (ints2){bv_even_u8(v), bv_odd_u8(v)};
}

KI_INLINE ints2 split_s8(bv_i v)
{
    return (ints2){bv_even_s8(v), bv_odd_s8(v)};
}

KI_INLINE bv_i step_bytes(bv_i sum, ints2 x, ints2 q)
{
    return bv_dot16(bv_dot16(sum, x.even, q.even), x.odd, q.odd);
}

#define BLOCK_OP dot_u8
#define BLOCK_INT 1
#define BLOCK_BYTES(d) (d)
#define BLOCK_TERM ints2
#define BLOCK_X_OF(p) split_u8(bv_word(p))
#define BLOCK_Q_OF(p) split_s8(bv_i32(p))
#define BLOCK_STEP(sum, x, q) step_bytes(sum, x, q)
#include "kernel/block.kern.h"

#define BLOCK_OP dot_i8
#define BLOCK_INT 1
#define BLOCK_BYTES(d) (d)
#define BLOCK_TERM ints2
#define BLOCK_X_OF(p) split_s8(bv_word(p))
#define BLOCK_Q_OF(p) split_s8(bv_i32(p))
#define BLOCK_STEP(sum, x, q) step_bytes(sum, x, q)
#include "kernel/block.kern.h"

/* ---- bits ------------------------------------------------------------------------------------ */

#define BLOCK_OP hamming
#define BLOCK_INT 1
#define BLOCK_BYTES(d) (((d) + 7) / 8)
#define BLOCK_TERM bv_i
#define BLOCK_X_OF(p) bv_word(p)
#define BLOCK_Q_OF(p) bv_i32(p)
#define BLOCK_STEP(sum, x, q) bv_add_i32(sum, bv_count(bv_xor(x, q)))
#include "kernel/block.kern.h"

#define BLOCK_OP ands
#define BLOCK_INT 1
#define BLOCK_BYTES(d) (((d) + 7) / 8)
#define BLOCK_TERM bv_i
#define BLOCK_X_OF(p) bv_word(p)
#define BLOCK_Q_OF(p) bv_i32(p)
#define BLOCK_STEP(sum, x, q) bv_add_i32(sum, bv_count(bv_and(x, q)))
#include "kernel/block.kern.h"

KI_INLINE void block_fill(volatile ki_kernels *k)
{
    k->block[KI_BLOCK_DOT_U8] = block_dot_u8;
    k->block[KI_BLOCK_DOT_I8] = block_dot_i8;
    k->block[KI_BLOCK_DOT_I7] = block_dot_i8;
    k->code_op = KI_BLOCK_DOT_I8;
    k->block[KI_BLOCK_DOT_F32] = block_dot_f32;
    k->float_op = KI_BLOCK_DOT_F32;
    k->block[KI_BLOCK_L2_F32] = block_l2_f32;
    k->block[KI_BLOCK_L1_F32] = block_l1_f32;
    k->block[KI_BLOCK_DOT_BF16] = block_dot_bf16;
    k->block[KI_BLOCK_HAMMING] = block_hamming;
    k->block[KI_BLOCK_ANDS] = block_ands;
}
