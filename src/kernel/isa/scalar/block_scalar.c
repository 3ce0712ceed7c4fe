/* Blocks in plain C: their definition, which fills every slot and which the other ISAs are tested
 * against. One row at a time meets the queries of the panel, component by component; sums of floats
 * are floats here too, in order of the components.
 */
#include <math.h>
#include <string.h>

#include "base/compiler.h"
#include "kernel/isa/isa.h"

/* The sums of one row with all queries of one half of a panel, begun with zero. */
typedef union sums {
    int32_t i[KI_LANES];
    float f[KI_LANES];
} sums;
typedef void row_sums(const unsigned char *x, const unsigned char *half, size_t d, sums *out);

/* Component i, of `size` bytes, of query `lane`. */
static const unsigned char *component(const unsigned char *half, size_t size, size_t i, size_t lane)
{
    const size_t byte = i * size;

    return half + byte / 4 * (4 * KI_LANES) + lane * 4 + byte % 4;
}

static float f32_at(const unsigned char *p)
{
    float v;

    memcpy(&v, p, 4);
    return v;
}

static float bf16_at(const unsigned char *p)
{
    uint16_t half;
    uint32_t bits;
    float v;

    memcpy(&half, p, 2);
    bits = (uint32_t)half << 16;
    memcpy(&v, &bits, 4);
    return v;
}

static int32_t s8_at(const unsigned char *p)
{
    return *p < 128 ? *p : *p - 256;
}

static void dot_u8(const unsigned char *x, const unsigned char *half, size_t d, sums *out)
{
    for (size_t i = 0; i < d; i++)
        for (size_t l = 0; l < KI_LANES; l++)
            out->i[l] += x[i] * s8_at(component(half, 1, i, l));
}

static void dot_i8(const unsigned char *x, const unsigned char *half, size_t d, sums *out)
{
    for (size_t i = 0; i < d; i++)
        for (size_t l = 0; l < KI_LANES; l++)
            out->i[l] += s8_at(x + i) * s8_at(component(half, 1, i, l));
}

static void dot_f32(const unsigned char *x, const unsigned char *half, size_t d, sums *out)
{
    for (size_t i = 0; i < d; i++)
        for (size_t l = 0; l < KI_LANES; l++)
            out->f[l] += f32_at(x + 4 * i) * f32_at(component(half, 4, i, l));
}

static void l2_f32(const unsigned char *x, const unsigned char *half, size_t d, sums *out)
{
    for (size_t i = 0; i < d; i++)
        for (size_t l = 0; l < KI_LANES; l++) {
            const float t = f32_at(component(half, 4, i, l)) - f32_at(x + 4 * i);
            out->f[l] += t * t;
        }
}

static void l1_f32(const unsigned char *x, const unsigned char *half, size_t d, sums *out)
{
    for (size_t i = 0; i < d; i++)
        for (size_t l = 0; l < KI_LANES; l++)
            out->f[l] += fabsf(f32_at(component(half, 4, i, l)) - f32_at(x + 4 * i));
}

static void dot_bf16(const unsigned char *x, const unsigned char *half, size_t d, sums *out)
{
    for (size_t i = 0; i < d; i++)
        for (size_t l = 0; l < KI_LANES; l++)
            out->f[l] += bf16_at(x + 2 * i) * bf16_at(component(half, 2, i, l));
}

static int32_t ones(unsigned byte)
{
    return (int32_t)KI_POPCOUNT64(byte);
}

static void hamming(const unsigned char *x, const unsigned char *half, size_t d, sums *out)
{
    for (size_t i = 0; i < (d + 7) / 8; i++)
        for (size_t l = 0; l < KI_LANES; l++)
            out->i[l] += ones((unsigned)(x[i] ^ *component(half, 1, i, l)));
}

static void ands(const unsigned char *x, const unsigned char *half, size_t d, sums *out)
{
    for (size_t i = 0; i < (d + 7) / 8; i++)
        for (size_t l = 0; l < KI_LANES; l++)
            out->i[l] += ones((unsigned)(x[i] & *component(half, 1, i, l)));
}

/* ---- a job ----------------------------------------------------------------------------------- */

static size_t filter(const ki_block *job, const sums *c, size_t first, int integer, size_t hits)
{
    const float a = job->a ? job->a[job->row] : 1, b = job->b ? job->b[job->row] : 0;

    for (size_t l = 0; l < KI_LANES && first + l < job->nq; l++) {
        const float sum = integer ? (float)c->i[l] : c->f[l], scaled = a * sum;
        if (scaled - b < job->thr[first + l]) continue;
        ki_hit *const hit = &job->hits[hits++];
        hit->row = (uint32_t)job->row;
        hit->query = (uint32_t)(first + l);
        memcpy(&hit->c, integer ? (const void *)&c->i[l] : (const void *)&c->f[l], sizeof hit->c);
    }
    return hits;
}

static size_t run(ki_block *job, row_sums *sum, size_t row_bytes, int integer)
{
    const size_t lanes = job->nq > KI_LANES ? KI_PANEL : KI_LANES;
    const size_t half = (row_bytes + 63) / 64 * 64 * KI_LANES; // bytes of one
    size_t hits = 0;

    for (; job->row < job->n && hits + lanes <= job->cap; job->row++)
        for (size_t first = 0; first < lanes; first += KI_LANES) {
            const unsigned char *x = (const unsigned char *)job->rows + job->row * job->stride;
            sums c = {{0}}; // all bits zero: 0.0 as well
            sum(x, (const unsigned char *)job->panel + first / KI_LANES * half, job->d, &c);
            hits = filter(job, &c, first, integer, hits);
        }
    return hits;
}

static size_t block_dot_u8(ki_block *job)
{
    return run(job, dot_u8, job->d, 1);
}

static size_t block_dot_i8(ki_block *job)
{
    return run(job, dot_i8, job->d, 1);
}

static size_t block_dot_f32(ki_block *job)
{
    return run(job, dot_f32, 4 * job->d, 0);
}

static size_t block_l2_f32(ki_block *job)
{
    return run(job, l2_f32, 4 * job->d, 0);
}

static size_t block_l1_f32(ki_block *job)
{
    return run(job, l1_f32, 4 * job->d, 0);
}

static size_t block_dot_bf16(ki_block *job)
{
    return run(job, dot_bf16, 2 * job->d, 0);
}

static size_t block_hamming(ki_block *job)
{
    return run(job, hamming, (job->d + 7) / 8, 1);
}

static size_t block_ands(ki_block *job)
{
    return run(job, ands, (job->d + 7) / 8, 1);
}

static void products6(const void *rows, size_t stride, size_t n, size_t d, const void *panel,
                      size_t nq, int32_t *out)
{
    const size_t half = (d + 63) / 64 * 64 * KI_LANES;

    for (size_t row = 0; row < n; row++)
        for (size_t first = 0; first < nq; first += KI_LANES) {
            sums c = {{0}};
            dot_u8((const unsigned char *)rows + row * stride,
                   (const unsigned char *)panel + first / KI_LANES * half, d, &c);
            memcpy(out + row * KI_PANEL + first, c.i, sizeof c.i);
        }
}

void ki_fill_block_scalar(volatile ki_kernels *k)
{
    k->block[KI_BLOCK_DOT_U8] = block_dot_u8;
    k->block[KI_BLOCK_DOT_I8] = block_dot_i8;
    k->block[KI_BLOCK_DOT_I7] = block_dot_i8;
    k->code_op = KI_BLOCK_DOT_I8;
    k->code_least = 8;
    k->products6 = products6;
    k->block[KI_BLOCK_DOT_F32] = block_dot_f32;
    k->float_op = KI_BLOCK_DOT_F32;
    k->block[KI_BLOCK_L2_F32] = block_l2_f32;
    k->block[KI_BLOCK_L1_F32] = block_l1_f32;
    k->block[KI_BLOCK_DOT_BF16] = block_dot_bf16;
    k->block[KI_BLOCK_HAMMING] = block_hamming;
    k->block[KI_BLOCK_ANDS] = block_ands;
}
