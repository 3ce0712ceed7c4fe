/* Blocks of bytes and bfloat16 in AMX, whose instructions multiply tiles of 16 rows x 64 bytes. A tiles
 * are rows as they lie in memory, B tiles lines of the panel, C tiles sums. A step has 4 C tiles: 32
 * rows x 32 queries, or 64 rows x 16 queries when the panel has no second half.
 *
 * For each 64 bytes of a row a step keeps the matrix unit busy for 64 cycles, and all else has to hide
 * behind that. So steps overlap. While step s multiplies, the sums of step s - 1 are stored, each tile
 * right before its register is used anew (registers are renamed; four stores in a row would fill the
 * store queue, and everything behind them would wait), and the sums of step s - 2 are tested, some
 * lines after each product. They are tested by the contract's own formula, row by row: hidden as it
 * is, that costs no more than a coarser test before it, and drops nothing.
 *
 * No byte behind the last row is read: a step that would read some, and one that is not full, has its
 * rows copied, as has the last piece of bfloat16 rows that are no multiple of 64 bytes: behind them may
 * lie a NaN, which the panel's zeros do not silence as they do integers.
 */
#include <immintrin.h>
#include <stdatomic.h>

#include "kernel/isa/block_zmm.h"

#include "kernel/block.kern.h"
#include "kernel/isa/isa.h"

enum {
    TILE_ROWS = 16,
    PIECE = 64,                           // bytes of a row that a tile takes
    TILE = TILE_ROWS * PIECE,             // bytes of a tile
    STEP_SUMS = 4 * TILE_ROWS * KI_LANES, // of a step
    TEST_LINES = 16                       // of 16 sums, tested at a time: a quarter of a step
};

typedef enum kind { DOT_U8, DOT_I8, DOT_BF16 } kind;

/* ---- the test ---------------------------------------------------------------------------------------- */

/* A test of a step's sums that is under way: the next line is c, of the row that a and b are of. */
typedef struct test {
    const unsigned char *c;
    const float *a, *b;
    size_t b_step;
    bv_f thr[2];
    bv_m below[4];
} test;

KI_INLINE test test_begin(const ki_block *job, const unsigned char *c, size_t row, size_t lanes)
{
    const block_b b = block_b_of(job);
    test t = {.c = c, .a = job->a ? job->a + row : NULL, .b = b.at + row * b.step, .b_step = b.step};

    t.thr[0] = bv_f32(job->thr);
    t.thr[1] = bv_f32(job->thr + lanes - KI_LANES);
    for (size_t j = 0; j < 4; j++) t.below[j] = bv_all();
    return t;
}

KI_INLINE void test_lines(test *t, size_t lanes, int integer, int scaled)
{
    const size_t across = lanes / KI_LANES, rows = TEST_LINES / across;

    for (size_t j = 0; j < TEST_LINES; j++) {
        const float *const a = scaled ? t->a + j / across : NULL;
        const bv_f score =
            block_score(a, t->b + j / across * t->b_step, t->c + j * PIECE, integer);
        t->below[j % 4] = bv_below(t->below[j % 4], score, t->thr[j % across]);
    }
    if (scaled) t->a += rows;
    t->b += rows * t->b_step;
    t->c += TEST_LINES * PIECE;
}

KI_INLINE void test_quarter(test *t, size_t lanes, kind k)
{
    if (t->a)
        test_lines(t, lanes, k != DOT_BF16, 1);
    else
        test_lines(t, lanes, k != DOT_BF16, 0);
}

KI_INLINE int test_passed(const test *t)
{
    return bv_rest(t->below[0] & t->below[1] & t->below[2] & t->below[3]) != 0;
}

/* ---- products ---------------------------------------------------------------------------------------- */

/* All 8 tiles are whole. Static, because compilers do not see how much of it ldtilecfg reads. */
static const struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} whole_tiles = {.palette = 1,
                 .row_bytes = {PIECE, PIECE, PIECE, PIECE, PIECE, PIECE, PIECE, PIECE},
                 .rows = {16, 16, 16, 16, 16, 16, 16, 16}};
_Static_assert(sizeof whole_tiles == 64, "the layout that ldtilecfg reads");

/* One piece of a step: 64 bytes of each row, and the lines of the panel that they meet. */
typedef struct piece {
    const unsigned char *rows;
    size_t stride;
    const unsigned char *half[2];
} piece;

/* sums (a register's number) += rows * queries */
#define MULTIPLY(sums, rows, queries)                                                              \
    do {                                                                                           \
        if (k == DOT_U8)                                                                           \
            _tile_dpbusd(sums, rows, queries);                                                     \
        else if (k == DOT_I8)                                                                      \
            _tile_dpbssd(sums, rows, queries);                                                     \
        else                                                                                       \
            _tile_dpbf16ps(sums, rows, queries);                                                   \
    } while (0)

/* Begin sums anew; what the step before has left in their register goes to done + place. */
#define RENEW(sums, place)                                                                         \
    do {                                                                                           \
        if (done) {                                                                                \
            _tile_stored(sums, done + (place), lanes * 4);                                         \
            _tile_zero(sums);                                                                      \
        }                                                                                          \
    } while (0)

/* Add one piece's products to the sums in registers 0…3. done: not NULL in the first piece of a step,
 * where the sums of the step before are stored. t: not NULL in the piece that tests those of the step
 * before that. */
KI_INLINE void add_piece(kind k, size_t lanes, piece p, unsigned char *done, test *t)
{
    const size_t tile = TILE_ROWS * p.stride;

    _tile_loadd(6, p.half[0], PIECE);
    _tile_loadd(4, p.rows, p.stride);
    RENEW(0, 0);
    MULTIPLY(0, 4, 6);
    if (t) test_quarter(t, lanes, k);
    if (lanes == KI_PANEL) {
        _tile_loadd(7, p.half[1], PIECE);
        RENEW(1, PIECE);
        MULTIPLY(1, 4, 7);
    } else {
        _tile_loadd(5, p.rows + tile, p.stride);
        RENEW(1, TILE);
        MULTIPLY(1, 5, 6);
    }
    if (t) test_quarter(t, lanes, k);
    if (lanes == KI_PANEL) {
        _tile_loadd(5, p.rows + tile, p.stride);
        RENEW(2, 2 * TILE);
        MULTIPLY(2, 5, 6);
    } else {
        _tile_loadd(4, p.rows + 2 * tile, p.stride);
        RENEW(2, 2 * TILE);
        MULTIPLY(2, 4, 6);
    }
    if (t) test_quarter(t, lanes, k);
    if (lanes == KI_PANEL) {
        RENEW(3, 2 * TILE + PIECE);
        MULTIPLY(3, 5, 7);
    } else {
        _tile_loadd(7, p.rows + 3 * tile, p.stride);
        RENEW(3, 3 * TILE);
        MULTIPLY(3, 7, 6);
    }
    if (t) test_quarter(t, lanes, k);
}

/* Sums of steps, even and odd ones, and pieces of a step's rows. */
typedef struct scratch {
    alignas(64) unsigned char sums[2][4 * STEP_SUMS], copy[4 * TILE];
} scratch;

/* Store the sums of a step behind which no other follows at once. */
KI_INLINE void store_sums(unsigned char *c, size_t lanes)
{
    const size_t side = lanes == KI_PANEL;

    _tile_stored(0, c, lanes * 4);
    _tile_stored(1, c + (side ? PIECE : TILE), lanes * 4);
    _tile_stored(2, c + 2 * TILE, lanes * 4);
    _tile_stored(3, c + (side ? 2 * TILE + PIECE : 3 * TILE), lanes * 4);
}

/* ---- steps -------------------------------------------------------------------------------------------- */

/* Up to 64 bytes of each row from x on, zeros behind them. */
KI_INLINE void copy_piece(const unsigned char *x, size_t stride, size_t rows, size_t bytes,
                          unsigned char *to)
{
    const __mmask64 some = bytes < PIECE ? (UINT64_C(1) << bytes) - 1 : UINT64_MAX;

    for (size_t r = 0; r < rows; r++)
        _mm512_store_si512(to + r * PIECE, _mm512_maskz_loadu_epi8(some, x + r * stride));
    atomic_signal_fence(memory_order_seq_cst); // gcc does not see that tiles are loaded from there
}

/* One step by itself, of up to STEP_SUMS / lanes rows, all of them through copies. */
KI_INLINE size_t step_alone(kind k, size_t lanes, ki_block *job, size_t bytes, scratch *w,
                            size_t rows, size_t hits)
{
    const unsigned char *const x = (const unsigned char *)job->rows + job->row * job->stride;
    const unsigned char *const panel = job->panel;

    for (size_t at = 0; at < bytes; at += PIECE) {
        const unsigned char *const q = panel + at * KI_LANES;
        const piece p = {w->copy, PIECE, {q, q + block_half(bytes)}};
        copy_piece(x + at, job->stride, rows, bytes - at, w->copy);
        add_piece(k, lanes, p, at ? NULL : w->sums[0], NULL);
    }
    store_sums(w->sums[0], lanes);
    hits = block_filter(job, w->sums[0], job->row, rows, lanes, k != DOT_BF16, hits);
    job->row += rows;
    return hits;
}

/* As many whole steps as there are rows and room for their hits; at least one of each is there. */
KI_INLINE size_t steps(kind k, size_t lanes, ki_block *job, size_t bytes, scratch *w, size_t hits)
{
    const unsigned char *const rows = job->rows, *const panel = job->panel;
    const size_t step = STEP_SUMS / lanes, half = block_half(bytes);
    const size_t whole = bytes / PIECE * PIECE, end = (job->n - 1) * job->stride + bytes;
    const int integer = k != DOT_BF16;
    size_t row = job->row, s = 0;

    for (; job->n - row >= step && hits + (s < 2 ? s + 1 : 3) * STEP_SUMS <= job->cap; s++) {
        const unsigned char *const x = rows + row * job->stride;
        const int reach = (row + step - 1) * job->stride + whole + PIECE > end;
        const int tail = whole < bytes && (reach || k == DOT_BF16);
        // Steps 0 and 1 find nothing to test yet: they test what is there, and nobody asks.
        test t = test_begin(job, w->sums[s % 2], s < 2 ? row : row - 2 * step, lanes);

        if (tail) copy_piece(x + whole, job->stride, step, bytes - whole, w->copy);
        for (size_t at = 0; at < bytes; at += PIECE) {
            const int copied = tail && at == whole;
            const unsigned char *const q = panel + at * KI_LANES;
            const piece p = {copied ? w->copy : x + at, copied ? PIECE : job->stride, {q, q + half}};

            if (at == 0 && bytes > PIECE)
                add_piece(k, lanes, p, w->sums[(s + 1) % 2], NULL);
            else if (at == 0)
                add_piece(k, lanes, p, w->sums[(s + 1) % 2], &t);
            else if (at == PIECE)
                add_piece(k, lanes, p, NULL, &t);
            else
                add_piece(k, lanes, p, NULL, NULL);
        }
        if (KI_UNLIKELY(test_passed(&t)) && s >= 2)
            hits = block_emit(job, w->sums[s % 2], row - 2 * step, step, lanes, integer, hits);
        row += step;
    }
    store_sums(w->sums[(s + 1) % 2], lanes);
    if (s >= 2) hits = block_filter(job, w->sums[s % 2], row - 2 * step, step, lanes, integer, hits);
    hits = block_filter(job, w->sums[(s + 1) % 2], row - step, step, lanes, integer, hits);
    job->row = row;
    return hits;
}

KI_INLINE size_t run(kind k, size_t lanes, ki_block *job, scratch *w)
{
    const size_t bytes = k == DOT_BF16 ? 2 * job->d : job->d;
    size_t hits = 0;

    _tile_loadconfig(&whole_tiles);
    while (job->row < job->n && hits + STEP_SUMS <= job->cap) {
        const size_t left = job->n - job->row;
        hits = left < STEP_SUMS / lanes ? step_alone(k, lanes, job, bytes, w, left, hits)
                                        : steps(k, lanes, job, bytes, w, hits);
    }
    _tile_release();
    return hits;
}

KI_INLINE size_t run_any(kind k, ki_block *job)
{
    scratch w;

    return job->nq > KI_LANES ? run(k, KI_PANEL, job, &w) : run(k, KI_LANES, job, &w);
}

static size_t block_dot_u8(ki_block *job)
{
    return run_any(DOT_U8, job);
}

static size_t block_dot_i8(ki_block *job)
{
    return run_any(DOT_I8, job);
}

static size_t block_dot_bf16(ki_block *job)
{
    return run_any(DOT_BF16, job);
}

void ki_fill_block_amx(ki_kernels *k)
{
    k->block[KI_BLOCK_DOT_U8] = block_dot_u8;
    k->block[KI_BLOCK_DOT_I8] = block_dot_i8;
    k->block[KI_BLOCK_DOT_BF16] = block_dot_bf16;
}
