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
 * and before each include that makes a function, undefined again by it:
 *   BLOCK_OP, BLOCK_INT              it is block_<BLOCK_OP>; its sums are int32 (1) or float (0)
 *   BLOCK_BYTES(d)                   bytes of a row
 *   BLOCK_TERM                       type of 4 bytes of a row in all lanes, of a line's lanes
 *   BLOCK_X_OF(p), BLOCK_Q_OF(p)     load them: from any 4 bytes; from the panel
 *   BLOCK_STEP(sum, x, q)            the sum with one more line
 *   BLOCK_START(job, lanes, int32_t *)   optional: what the sums of each query begin with
 *   BLOCK_COPY(from, bytes, to)      optional: rows are copied (and changed) first, in pieces of up
 *                                    to BLOCK_PIECE bytes; writes them and zeros up to a whole word
 */
#ifndef KI_BLOCK_KERN_H
#define KI_BLOCK_KERN_H

#include <stdalign.h>
#include <string.h>

#include "base/compiler.h"
#include "kernel/kernel.h"

/* ---- the filter --------------------------------------------------------------------------------- */

/* a * C - b for the sums at c; a may be NULL. Each operation is rounded once, as in plain C, so
 * that integer sums give the same hits on every ISA. */
KI_INLINE bv_f block_score(const float *a, const float *b, const void *c, int integer)
{
    const bv_f sum = integer ? bv_float(bv_i32(c)) : bv_f32(c);

    return bv_sub(a ? bv_mul(bv_set(*a), sum) : sum, bv_set(*b));
}

/* b by row; a job that has none reads one zero again and again. */
typedef struct block_b {
    const float *at;
    size_t step;
} block_b;

KI_INLINE block_b block_b_of(const ki_block *job)
{
    static const float zero = 0;

    return job->b ? (block_b){job->b, 1} : (block_b){&zero, 0};
}

/* Append what passes of the sums c [rows][lanes], of rows from `row` on. Lanes without a query are
 * left out here: an infinite or NaN sum passes any threshold. */
static size_t block_emit(const ki_block *job, const unsigned char *c, size_t row, size_t rows,
                         size_t lanes, int integer, size_t hits)
{
    const block_b b = block_b_of(job);

    for (size_t i = row; i < row + rows; i++)
        for (size_t v = 0; v < lanes; v += BV_LANES, c += 4 * BV_LANES) {
            const float *const a = job->a ? job->a + i : NULL;
            const bv_f score = block_score(a, b.at + i * b.step, c, integer);
            uint32_t pass = bv_rest(bv_below(bv_all(), score, bv_f32(job->thr + v)));

            if (job->nq < v + BV_LANES)
                pass &= job->nq > v ? (UINT32_C(1) << (job->nq - v)) - 1 : 0;
            for (; pass; pass &= pass - 1) {
                const size_t lane = KI_CTZ64(pass);
                ki_hit *const hit = &job->hits[hits++];
                hit->row = (uint32_t)i;
                hit->query = (uint32_t)(v + lane);
                memcpy(&hit->c, c + 4 * lane, sizeof hit->c);
            }
        }
    return hits;
}

/* Test all sums c [rows][lanes] at once, emit if one passes. `lanes` is a constant 16 or 32. */
KI_INLINE size_t block_filter(const ki_block *job, const unsigned char *c, size_t row, size_t rows,
                              size_t lanes, int integer, size_t hits)
{
    const block_b b = block_b_of(job);
    bv_m below[KI_PANEL / BV_LANES];
    bv_f thr[KI_PANEL / BV_LANES];
    uint32_t pass = 0;

    for (size_t v = 0; v < lanes / BV_LANES; v++) {
        below[v] = bv_all();
        thr[v] = bv_f32(job->thr + v * BV_LANES);
    }
    for (size_t r = 0; r < rows; r++)
        for (size_t v = 0; v < lanes / BV_LANES; v++) {
            const float *const a = job->a ? job->a + row + r : NULL;
            const bv_f score = block_score(a, b.at + (row + r) * b.step,
                                           c + (r * lanes + v * BV_LANES) * 4, integer);
            below[v] = bv_below(below[v], score, thr[v]);
        }
    for (size_t v = 0; v < lanes / BV_LANES; v++) pass |= bv_rest(below[v]);
    if (KI_UNLIKELY(pass)) hits = block_emit(job, c, row, rows, lanes, integer, hits);
    return hits;
}

/* ---- rows and panels ------------------------------------------------------------------------------ */

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

#endif

/* ---- a tile ----------------------------------------------------------------------------------------- */

#ifdef BLOCK_OP

#    define BLOCK_JOIN_(a, b, c) a##b##c
#    define BLOCK_JOIN(a, b, c) BLOCK_JOIN_(a, b, c)
#    define BLOCK_NAME(part) BLOCK_JOIN(block_, BLOCK_OP, part)
#    define BLOCK_VECTORS (BLOCK_HALVES * KI_LANES / BV_LANES)
#    if BLOCK_INT
#        define BLOCK_SUM bv_i
#        define BLOCK_LOAD bv_i32
#        define BLOCK_STORE bv_put_i32
#    else
#        define BLOCK_SUM bv_f
#        define BLOCK_LOAD bv_f32
#        define BLOCK_STORE bv_put_f32
#    endif

/* Sums of `bytes` bytes of the rows x with vectors q of the panel, into c. Row r of c begins `step`
 * bytes after row r - 1; it starts from what is at `start`, whose rows lie start_step apart. */
KI_INLINE void BLOCK_NAME(_tile)(const unsigned char *const *x, size_t bytes, size_t vectors,
                                 const unsigned char *const *q, const unsigned char *start,
                                 size_t start_step, unsigned char *c, size_t step)
{
    BLOCK_SUM sum[BLOCK_ROWS][BLOCK_VECTORS];
    BLOCK_TERM line[BLOCK_VECTORS];
    const size_t whole = bytes / 4 * 4;

    for (size_t r = 0; r < BLOCK_ROWS; r++)
        for (size_t v = 0; v < vectors; v++)
            sum[r][v] = BLOCK_LOAD(start + r * start_step + v * BV_LANES * 4);
    for (size_t at = 0; at < whole; at += 4) {
        for (size_t v = 0; v < vectors; v++) line[v] = BLOCK_Q_OF(q[v] + at * KI_LANES);
        for (size_t r = 0; r < BLOCK_ROWS; r++) {
            const BLOCK_TERM word = BLOCK_X_OF(x[r] + at);
            for (size_t v = 0; v < vectors; v++) sum[r][v] = BLOCK_STEP(sum[r][v], word, line[v]);
        }
    }
    if (bytes % 4) {
        for (size_t v = 0; v < vectors; v++) line[v] = BLOCK_Q_OF(q[v] + whole * KI_LANES);
        for (size_t r = 0; r < BLOCK_ROWS; r++) {
            const uint32_t tail = block_tail(x[r], bytes);
            const BLOCK_TERM word = BLOCK_X_OF(&tail);
            for (size_t v = 0; v < vectors; v++) sum[r][v] = BLOCK_STEP(sum[r][v], word, line[v]);
        }
    }
    for (size_t r = 0; r < BLOCK_ROWS; r++)
        for (size_t v = 0; v < vectors; v++)
            BLOCK_STORE(c + r * step + v * BV_LANES * 4, sum[r][v]);
}

/* A job with the first half of the panel or both. */
KI_INLINE size_t BLOCK_NAME(_job)(ki_block *job, size_t lanes)
{
    alignas(64) unsigned char c[BLOCK_ROWS * KI_PANEL * 4];
    alignas(64) int32_t start[KI_PANEL] = {0};
    const size_t bytes = BLOCK_BYTES(job->d), half = block_half(bytes);
    const size_t together = lanes < BLOCK_HALVES * KI_LANES ? lanes : BLOCK_HALVES * KI_LANES;
    size_t hits = 0, rows;

#    ifdef BLOCK_START
    BLOCK_START(job, lanes, start);
#    endif
    for (; job->row < job->n && hits + BLOCK_ROWS * lanes <= job->cap; job->row += rows) {
        const unsigned char *x[BLOCK_ROWS], *q[BLOCK_VECTORS];

        rows = job->n - job->row < BLOCK_ROWS ? job->n - job->row : BLOCK_ROWS;
        for (size_t r = 0; r < BLOCK_ROWS; r++) // rows that are missing repeat the last one
            x[r] = (const unsigned char *)job->rows +
                   (job->row + (r < rows ? r : rows - 1)) * job->stride;
        for (size_t lane = 0; lane < lanes; lane += together) {
            const unsigned char *from = (const unsigned char *)(start + lane);
            for (size_t v = 0; v < together / BV_LANES; v++)
                q[v] = (const unsigned char *)job->panel + (lane + v * BV_LANES) / KI_LANES * half +
                       (lane + v * BV_LANES) % KI_LANES * 4;
#    ifdef BLOCK_COPY
            alignas(64) unsigned char copy[BLOCK_ROWS][BLOCK_PIECE];
            for (size_t at = 0; at < bytes; at += BLOCK_PIECE) {
                const unsigned char *y[BLOCK_ROWS];
                const size_t some = bytes - at < BLOCK_PIECE ? bytes - at : BLOCK_PIECE;
                for (size_t r = 0; r < BLOCK_ROWS; r++) {
                    BLOCK_COPY(x[r] + at, some, copy[r]);
                    y[r] = copy[r];
                }
                BLOCK_NAME(_tile)(y, (some + 3) / 4 * 4, together / BV_LANES, q, from,
                                  at ? lanes * 4 : 0, c + lane * 4, lanes * 4);
                for (size_t v = 0; v < together / BV_LANES; v++) q[v] += BLOCK_PIECE * KI_LANES;
                from = c + lane * 4;
            }
#    else
            BLOCK_NAME(_tile)(x, bytes, together / BV_LANES, q, from, 0, c + lane * 4, lanes * 4);
#    endif
        }
        hits = block_filter(job, c, job->row, rows, lanes, BLOCK_INT, hits);
    }
    return hits;
}

static size_t BLOCK_NAME()(ki_block *job)
{
    return job->nq > KI_LANES ? BLOCK_NAME(_job)(job, KI_PANEL) : BLOCK_NAME(_job)(job, KI_LANES);
}

#    undef BLOCK_JOIN_
#    undef BLOCK_JOIN
#    undef BLOCK_NAME
#    undef BLOCK_VECTORS
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
#    undef BLOCK_START
#    undef BLOCK_COPY
#    undef BLOCK_PIECE
#endif
