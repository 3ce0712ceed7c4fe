/* Blocks of bits with AVX512_VPOPCNTDQ: bits of each lane counted by one instruction. */
#include "kernel/isa/block_zmm.h"

#include "kernel/block.kern.h"
#include "kernel/isa/isa.h"

#define BLOCK_OP hamming
#define BLOCK_INT 1
#define BLOCK_BYTES(d) (((d) + 7) / 8)
#define BLOCK_TERM bv_i
#define BLOCK_X_OF(p) bv_word(p)
#define BLOCK_Q_OF(p) bv_i32(p)
#define BLOCK_STEP(sum, x, q)                                                                      \
    _mm512_add_epi32(sum, _mm512_popcnt_epi32(_mm512_xor_si512(x, q)))
#include "kernel/block.kern.h"

#define BLOCK_OP ands
#define BLOCK_INT 1
#define BLOCK_BYTES(d) (((d) + 7) / 8)
#define BLOCK_TERM bv_i
#define BLOCK_X_OF(p) bv_word(p)
#define BLOCK_Q_OF(p) bv_i32(p)
#define BLOCK_STEP(sum, x, q)                                                                      \
    _mm512_add_epi32(sum, _mm512_popcnt_epi32(_mm512_and_si512(x, q)))
#include "kernel/block.kern.h"

void ki_fill_block_popcnt512(volatile ki_kernels *k)
{
    k->block[KI_BLOCK_HAMMING] = block_hamming;
    k->block[KI_BLOCK_ANDS] = block_ands;
}
