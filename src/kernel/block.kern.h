/* Many x many: the template of the blocks. What lives here: the threshold filter that every vector
 * ISA uses, and a tile of BLOCK_ROWS rows x (16 or 32) queries with its loop over a job. What does
 * not: arithmetic; an ISA's unit gives that as a vocabulary and includes this file once per
 * operation. AMX has its own loop and takes the filter alone.
 *
 * A tile keeps its sums in registers: per line of the panel each row's 4 bytes are broadcast and
 * meet 16 or 32 queries. Nothing is summed across lanes, and the tail of a row is built from what
 * the row has, so no byte behind it is read. The sums go to a small buffer, all of which is then
 * tested by the contract's own formula, row by row; what passes (little, once thresholds have
 * settled) is looked at again, lane by lane.
 *
 * Vocabulary, defined before the first include (p: aligned to a vector):
 *   BV_LANES                         lanes of a vector: 4, 8 or 16
 *   BLOCK_ROWS, BLOCK_HALVES         rows of a tile; halves of the panel that it does at once
 *   bv_f, bv_i, bv_m                 floats; int32; the lanes that are still below
 *   bv_f32(p) bv_i32(p)              load; bv_put_f32(p, v) bv_put_i32(p, v) store
 *   bv_set(x) bv_mul(a, b) bv_sub(a, b) bv_float(i)
 *   bv_all() bv_below(m, v, thr)     all lanes; those of m with v < thr
 *   bv_rest(m)                       bit i is set if lane i is not in m
 *   BV_KEEP(v)                       leaves v as it is, in a register (nothing, where the compiler
 *                                    keeps sums in registers of its own accord)
 * and before each include that makes a function, undefined again by it:
 *   BLOCK_OP, BLOCK_INT              it is block_<BLOCK_OP>; its sums are int32 (1) or float (0)
 *   BLOCK_BYTES(d)                   bytes of a row
 *   BLOCK_TERM                       type of 4 bytes of a row in all lanes, of a line's lanes
 *   BLOCK_X_OF(p), BLOCK_Q_OF(p)     load them: from any 4 bytes; from the panel
 *   BLOCK_STEP(sum, x, q)            the sum with one more line
 *   BLOCK_START(job, lanes, int32_t *)   optional: what the sums of each query begin with
 *   BLOCK_COPY(from, bytes, to)      optional: all rows are copied first, and changed, by up to
 *                                    BLOCK_PIECE bytes, made whole words
 */
#ifndef KI_BLOCK_KERN_H
#define KI_BLOCK_KERN_H

#include <stdalign.h>
#include <string.h>

#include "base/compiler.h"
#include "kernel/kernel.h"

/* ---- the filter ------------------------------------------------------------------------------ */

/* a * C - b for the sums at c; a may be NULL. Each operation is rounded once, as in plain C, so
 * that integer sums give the same hits on every ISA. */
KI_INLINE bv_f block_score(const float *a, const float *b, const void *c, int integer)
{
    const bv_f sum = integer ? bv_float(bv_i32(c)) : bv_f32(c);

    return bv_sub(a ? bv_mul(bv_set(*a), sum) : sum, bv_set(*b));
}

enum { BLOCK_STEP_ROWS = 64 }; // at most, whose sums are tested together

/* b of some rows from `row` on: zeros where a job has none. */
KI_INLINE const float *block_b(const ki_block *job, size_t row)
{
    static const float zeros[BLOCK_STEP_ROWS] = {0};

    return job->b ? job->b + row : zeros;
}

/* Append what passes of the sums c [rows][lanes]: rows from `row` on, lanes of the panel from
 * `first` on. Lanes without a query are left out here: an infinite or NaN sum passes any threshold.
 */
static size_t block_emit(const ki_block *job, const unsigned char *c, size_t row, size_t rows,
                         size_t first, size_t lanes, int integer, size_t hits)
{
    const float *const b = block_b(job, row);

    for (size_t r = 0; r < rows; r++)
        for (size_t v = first; v < first + lanes; v += BV_LANES, c += 4 * BV_LANES) {
            const float *const a = job->a ? job->a + row + r : NULL;
            const bv_f score = block_score(a, b + r, c, integer);
            uint32_t pass = bv_rest(bv_below(bv_all(), score, bv_f32(job->thr + v)));

            if (job->nq < v + BV_LANES)
                pass &= job->nq > v ? (UINT32_C(1) << (job->nq - v)) - 1 : 0;
            for (; pass; pass &= pass - 1) {
                const size_t lane = KI_CTZ64(pass);
                ki_hit *const hit = &job->hits[hits++];

                hit->row = (uint32_t)(row + r);
                hit->query = (uint32_t)(v + lane);
                memcpy(&hit->c, c + 4 * lane, sizeof hit->c);
            }
        }
    return hits;
}

/* Test all sums c [rows][lanes] at once, emit if one passes. */
KI_INLINE size_t block_filter_of(const ki_block *job, const unsigned char *c, size_t row,
                                 size_t rows, size_t first, size_t lanes, int integer, size_t hits)
{
    const float *const b = block_b(job, row);
    const unsigned char *at = c;
    bv_m below[KI_PANEL / BV_LANES];
    bv_f thr[KI_PANEL / BV_LANES];
    uint32_t pass = 0;

    for (size_t v = 0; v < lanes / BV_LANES; v++) {
        below[v] = bv_all();
        thr[v] = bv_f32(job->thr + first + v * BV_LANES);
    }
    for (size_t r = 0; r < rows; r++)
        for (size_t v = 0; v < lanes / BV_LANES; v++, at += 4 * BV_LANES) {
            const float *const a = job->a ? job->a + row + r : NULL;

            below[v] = bv_below(below[v], block_score(a, b + r, at, integer), thr[v]);
        }
    for (size_t v = 0; v < lanes / BV_LANES; v++) pass |= bv_rest(below[v]);
    if (KI_UNLIKELY(pass)) return block_emit(job, c, row, rows, first, lanes, integer, hits);
    return hits;
}

static size_t block_filter(const ki_block *job, const unsigned char *c, size_t row, size_t rows,
                           size_t first, size_t lanes, int integer, size_t hits)
{
    if (lanes == KI_PANEL && integer)
        return block_filter_of(job, c, row, rows, first, KI_PANEL, 1, hits);
    if (lanes == KI_PANEL) return block_filter_of(job, c, row, rows, first, KI_PANEL, 0, hits);
    if (integer) return block_filter_of(job, c, row, rows, first, KI_LANES, 1, hits);
    return block_filter_of(job, c, row, rows, first, KI_LANES, 0, hits);
}

/* ---- rows and panels ------------------------------------------------------------------------- */

enum { BLOCK_PIECE = 512 }; // bytes of a row that are copied at a time, where they are

/* Distance of a panel's halves. */
KI_INLINE size_t block_half(size_t row_bytes)
{
    return (row_bytes + 63) / 64 * 64 * KI_LANES;
}

KI_INLINE uint32_t block_word(const unsigned char *p)
{
    uint32_t w;

    memcpy(&w, p, 4);
    return w;
}

/* The last bytes % 4 bytes of a row, then zeros. The word that ends with the row has them. */
KI_INLINE uint32_t block_tail(const unsigned char *row, size_t bytes)
{
    uint32_t w = 0;

    if (bytes >= 4) return block_word(row + bytes - 4) >> 8 * (4 - bytes % 4);
    memcpy(&w, row, bytes);
    return w;
}

/* Bytes of a row, then zeros up to a whole word. */
KI_INLINE void block_copy(const unsigned char *from, size_t bytes, unsigned char *to)
{
    const size_t whole = bytes / 4 * 4;

    memcpy(to, from, whole);
    if (bytes % 4) {
        const uint32_t tail = block_tail(from, bytes);
        memcpy(to + whole, &tail, 4);
    }
}

/* What a tile does: BLOCK_ROWS rows of `bytes` bytes, from x on, `stride` apart, with lines from q
 * on, `half` bytes before those of the other half. The sums begin with what is at `start`, whose
 * rows lie start_step bytes apart, and go to c, whose rows lie c_step apart. */
typedef struct block_tile {
    const unsigned char *x, *q, *start;
    unsigned char *c;
    size_t stride, bytes, half, start_step, c_step;
} block_tile;

#endif

/* ---- a tile ---------------------------------------------------------------------------------- */

#ifdef BLOCK_OP

#    define BLOCK_JOIN_(a, b, c) a##b##c
#    define BLOCK_JOIN(a, b, c) BLOCK_JOIN_(a, b, c)
#    define BLOCK_NAME(part) BLOCK_JOIN(block_, BLOCK_OP, part)
#    define BLOCK_VECTORS (BLOCK_HALVES * KI_LANES / BV_LANES)
#define BLOCK_LANES_AT(v, half)  ((v)*BV_LANES / KI_LANES * (half) + (v)*BV_LANES % KI_LANES * 4)
#    ifdef BLOCK_COPY
#        define BLOCK_COPIES 1
#    else
#        define BLOCK_COPIES 0
#        define BLOCK_COPY(from, bytes, to) block_copy(from, bytes, to)
#    endif
#    ifndef BLOCK_START
#        define BLOCK_START(job, lanes, out) ((void)0)
#    endif
#    if BLOCK_INT
#        define BLOCK_SUM bv_i
#        define BLOCK_LOAD bv_i32
#        define BLOCK_STORE bv_put_i32
#        define BLOCK_KEEP(v) BV_KEEP(v)
#    else
#        define BLOCK_SUM bv_f
#        define BLOCK_LOAD bv_f32
#        define BLOCK_STORE bv_put_f32
#        define BLOCK_KEEP(v) ((void)0)
#    endif

/* Sums of BLOCK_ROWS rows with `vectors` vectors of queries. */
KI_INLINE void BLOCK_NAME(_sums)(const block_tile *t, size_t vectors)
{
    BLOCK_SUM sum[BLOCK_ROWS][BLOCK_VECTORS];
    BLOCK_TERM line[BLOCK_VECTORS];
    const unsigned char *fourth[(BLOCK_ROWS + 3) / 4]; // few registers address all rows
    const size_t stride = t->stride, half = t->half, whole = t->bytes / 4 * 4;

    for (size_t r = 0; r < BLOCK_ROWS; r += 4) fourth[r / 4] = t->x + r * stride;
    for (size_t r = 0; r < BLOCK_ROWS; r++)
        for (size_t v = 0; v < vectors; v++)
            sum[r][v] = BLOCK_LOAD(t->start + r * t->start_step + v * BV_LANES * 4);
    for (size_t at = 0; at < whole; at += 4) {
        const unsigned char *const q = t->q + at * KI_LANES;

        for (size_t v = 0; v < vectors; v++) line[v] = BLOCK_Q_OF(q + BLOCK_LANES_AT(v, half));
        for (size_t r = 0; r < BLOCK_ROWS; r++) {
            const BLOCK_TERM word = BLOCK_X_OF(fourth[r / 4] + r % 4 * stride + at);

            for (size_t v = 0; v < vectors; v++) {
                BLOCK_SUM next = BLOCK_STEP(sum[r][v], word, line[v]);

                BLOCK_KEEP(next);
                sum[r][v] = next;
            }
        }
    }
    if (t->bytes % 4) {
        const unsigned char *const q = t->q + whole * KI_LANES;

        for (size_t v = 0; v < vectors; v++) line[v] = BLOCK_Q_OF(q + BLOCK_LANES_AT(v, half));
        for (size_t r = 0; r < BLOCK_ROWS; r++) {
            const uint32_t tail = block_tail(t->x + r * stride, t->bytes);
            const BLOCK_TERM word = BLOCK_X_OF(&tail);

            for (size_t v = 0; v < vectors; v++) sum[r][v] = BLOCK_STEP(sum[r][v], word, line[v]);
        }
    }
    for (size_t r = 0; r < BLOCK_ROWS; r++)
        for (size_t v = 0; v < vectors; v++)
            BLOCK_STORE(t->c + r * t->c_step + v * BV_LANES * 4, sum[r][v]);
}

/* The queries that a tile takes at once, or those of one half of the panel. */
static void BLOCK_NAME(_tile)(const block_tile *t, size_t lanes)
{
    if (BLOCK_HALVES == 1 || lanes == KI_PANEL)
        BLOCK_NAME(_sums)(t, BLOCK_VECTORS);
    else
        BLOCK_NAME(_sums)(t, KI_LANES / BV_LANES);
}

static size_t BLOCK_NAME()(ki_block *job)
{
    alignas(64) unsigned char c[BLOCK_ROWS * KI_PANEL * 4], copy[BLOCK_ROWS][BLOCK_PIECE];
    alignas(64) int32_t start[KI_PANEL] = {0};
    const size_t bytes = BLOCK_BYTES(job->d), lanes = job->nq > KI_LANES ? KI_PANEL : KI_LANES;
    const size_t together = BLOCK_HALVES == 1 ? KI_LANES : lanes;
    block_tile t = {.half = block_half(bytes), .c_step = lanes * 4};
    size_t hits = 0, rows;

    BLOCK_START(job, lanes, start);
    for (; job->row < job->n && hits + BLOCK_ROWS * lanes <= job->cap; job->row += rows) {
        const unsigned char *const x = (const unsigned char *)job->rows + job->row * job->stride;
        const size_t left = job->n - job->row;
        const size_t piece = left < BLOCK_ROWS || BLOCK_COPIES ? BLOCK_PIECE : bytes;

        rows = left < BLOCK_ROWS ? left : BLOCK_ROWS;
        for (size_t at = 0; at < bytes; at += piece) {
            t.x = x + at;
            t.stride = job->stride;
            t.bytes = bytes - at < piece ? bytes - at : piece;
            if (left < BLOCK_ROWS || BLOCK_COPIES) {
                for (size_t r = 0; r < BLOCK_ROWS; r++) // the last row stands in for missing ones
                    BLOCK_COPY(t.x + (r < rows ? r : rows - 1) * t.stride, t.bytes, copy[r]);
                t.x = copy[0];
                t.stride = BLOCK_PIECE;
                t.bytes = (t.bytes + 3) / 4 * 4;
            }
            for (size_t lane = 0; lane < lanes; lane += together) {
                t.q = (const unsigned char *)job->panel + lane / KI_LANES * t.half + at * KI_LANES;
                t.c = c + lane * 4;
                t.start = at ? t.c : (const unsigned char *)(start + lane);
                t.start_step = at ? t.c_step : 0;
                BLOCK_NAME(_tile)(&t, together);
            }
        }
        hits = block_filter(job, c, job->row, rows, 0, lanes, BLOCK_INT, hits);
    }
    return hits;
}

#    undef BLOCK_JOIN_
#    undef BLOCK_JOIN
#    undef BLOCK_NAME
#    undef BLOCK_VECTORS
#    undef BLOCK_LANES_AT
#    undef BLOCK_OP
#    undef BLOCK_INT
#    undef BLOCK_BYTES
#    undef BLOCK_SUM
#    undef BLOCK_TERM
#    undef BLOCK_X_OF
#    undef BLOCK_Q_OF
#    undef BLOCK_STEP
#    undef BLOCK_LOAD
#    undef BLOCK_STORE
#    undef BLOCK_KEEP
#    undef BLOCK_START
#    undef BLOCK_COPY
#    undef BLOCK_COPIES
#endif
