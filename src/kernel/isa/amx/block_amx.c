/* Blocks of bytes and bfloat16 in AMX, whose instructions multiply tiles of 16 rows x 64 bytes. A
 * tiles are rows as they lie in memory, B tiles lines of the panel, C tiles sums. A step has 4 C
 * tiles: 32 rows x 32 queries, or 64 rows x 16 queries when the panel has no second half.
 *
 * For each 64 bytes of a row a step keeps the matrix unit busy for 64 cycles, and all else has to
 * hide behind that. So steps overlap. While step s multiplies, the sums of step s - 1 are stored,
 * each tile right before its register is used anew (registers are renamed; four stores in a row
 * would fill the store queue, and everything behind them would wait), and the sums of step s - 2
 * are tested, some lines after each product. They are tested by the contract's own formula, row by
 * row: hidden as it is, that costs no more than a coarser test before it, and drops nothing.
 *
 * No byte behind the last row is read: a step that would read some, and one that is not full, has
 * its rows copied, as has the last piece of bfloat16 rows that are no multiple of 64 bytes: behind
 * them may lie a NaN, which the panel's zeros do not silence as they do integers.
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
    TEST_LINES = 8                        // of 16 sums, tested together: an eighth of a step
};

/* What a call does, in constants: a copy of the code is made for each. scaled: the job has an a. */
typedef enum kind { DOT_U8, DOT_I8, DOT_BF16 } kind;
typedef struct how {
    kind kind;
    size_t lanes; // 16 or 32
    int scaled;
} how;

/* The sums of two steps, each as 4 tiles; a piece of a step's rows. */
typedef struct scratch {
    alignas(64) unsigned char sums[2][4 * TILE], copy[4 * TILE];
} scratch;

/* ---- the test -------------------------------------------------------------------------------- */

/* Tile i of a step: its first row, its first lane. */
KI_INLINE size_t tile_row(size_t i, size_t lanes)
{
    return (lanes == KI_PANEL ? i / 2 : i) * TILE_ROWS;
}

KI_INLINE size_t tile_lane(size_t i, size_t lanes)
{
    return lanes == KI_PANEL ? i % 2 * KI_LANES : 0;
}

/* Test the sums of a step of `rows` rows by themselves, emit what passes. */
static size_t test_alone(const ki_block *job, const unsigned char *sums, size_t row, size_t rows,
                         size_t lanes, int integer, size_t hits)
{
    for (size_t i = 0; i < 4; i++) {
        const size_t first = tile_row(i, lanes);

        if (first >= rows) break;
        hits = block_filter(job, sums + i * TILE, row + first,
                            rows - first < TILE_ROWS ? rows - first : TILE_ROWS,
                            tile_lane(i, lanes), KI_LANES, integer, hits);
    }
    return hits;
}

/* A test of a step's sums that is under way: a and b are of its first row, below is by tile. */
typedef struct test {
    const unsigned char *sums;
    const float *a, *b;
    bv_f thr[2];
    bv_m below[4];
} test;

/* n eighths of the step's lines, from the `from`-th on. */
KI_INLINE void test_some(how h, test *t, size_t from, size_t n)
{
    const size_t halves = h.lanes / KI_LANES;

    for (size_t j = from * TEST_LINES; j < (from + n) * TEST_LINES; j++) {
        const size_t row = j / halves, half = j % halves;
        const size_t tile = row / TILE_ROWS * halves + half;
        const unsigned char *const sum = t->sums + tile * TILE + row % TILE_ROWS * PIECE;
        const bv_f score =
            block_score(h.scaled ? t->a + row : NULL, t->b + row, sum, h.kind != DOT_BF16);

        t->below[tile] = bv_below(t->below[tile], score, t->thr[half]);
    }
}

KI_INLINE void test_begin(test *t, const ki_block *job, const unsigned char *sums, size_t row)
{
    t->sums = sums;
    t->a = job->a ? job->a + row : NULL;
    t->b = block_b(job, row);
    for (size_t j = 0; j < 4; j++) t->below[j] = bv_all();
}

KI_INLINE int test_passed(const test *t)
{
    return bv_rest(t->below[0] & t->below[1] & t->below[2] & t->below[3]) != 0;
}

/* Emit what passes of a tile among the queries whose bits are set: mostly one. Its 16 sums are a
 * column, so one vector tests them. */
KI_INLINE size_t emit_columns(how h, const ki_block *job, const unsigned char *sums, size_t row,
                              size_t first, uint32_t queries, size_t hits)
{
    const bv_i line = _mm512_slli_epi32(
        _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0), 4);
    const bv_f b = _mm512_loadu_ps(block_b(job, row));

    if (job->nq < first + KI_LANES)
        queries &= job->nq > first ? (UINT32_C(1) << (job->nq - first)) - 1 : 0;
    for (; queries; queries &= queries - 1) {
        const size_t lane = KI_CTZ64(queries);
        const bv_i c = _mm512_i32gather_epi32(line, sums + 4 * lane, 4);
        const bv_f sum = h.kind == DOT_BF16 ? _mm512_castsi512_ps(c) : bv_float(c);
        const bv_f scaled = h.scaled ? bv_mul(_mm512_loadu_ps(job->a + row), sum) : sum;
        const bv_f thr = bv_set(job->thr[first + lane]);
        uint32_t pass = bv_rest(bv_below(bv_all(), bv_sub(scaled, b), thr));

        for (; pass; pass &= pass - 1) {
            const size_t at = KI_CTZ64(pass);
            ki_hit *const hit = &job->hits[hits++];

            hit->row = (uint32_t)(row + at);
            hit->query = (uint32_t)(first + lane);
            memcpy(&hit->c, sums + at * PIECE + 4 * lane, sizeof hit->c);
        }
    }
    return hits;
}

/* Emit what passed of a step whose first row is `row`: few tiles hold any of it. */
KI_INLINE size_t test_emit(how h, const test *t, const ki_block *job, size_t row, size_t hits)
{
    for (size_t i = 0; i < 4; i++)
        if (bv_rest(t->below[i]))
            hits = emit_columns(h, job, t->sums + i * TILE, row + tile_row(i, h.lanes),
                                tile_lane(i, h.lanes), bv_rest(t->below[i]), hits);
    return hits;
}

/* ---- products -------------------------------------------------------------------------------- */

/* All 8 tiles are whole. Static, because compilers do not see how much of it ldtilecfg reads. */
static const struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} whole_tiles = {.palette = 1,
                 .row_bytes = {PIECE, PIECE, PIECE, PIECE, PIECE, PIECE, PIECE, PIECE},
                 .rows = {16, 16, 16, 16, 16, 16, 16, 16}};
_Static_assert(sizeof whole_tiles == 64, "the layout that ldtilecfg reads");

/* sums (a register's number) += rows * queries. The fence keeps compilers from loading all that
 * will be tested later in one go, before the products; the processor may do what it likes. */
#define MULTIPLY(sums, rows, queries)              \
    do {                                           \
        if (h.kind == DOT_U8)                      \
            _tile_dpbusd(sums, rows, queries);     \
        else if (h.kind == DOT_I8)                 \
            _tile_dpbssd(sums, rows, queries);     \
        else                                       \
            _tile_dpbf16ps(sums, rows, queries);   \
        atomic_signal_fence(memory_order_seq_cst); \
    } while (0)

/* Begin a sum anew; what the step before has left in its register goes to `done`. */
#define RENEW(sum)                                                                                 \
    do {                                                                                           \
        if (done) {                                                                                \
            _tile_stored(sum, done + (sum) * TILE, PIECE);                                         \
            _tile_zero(sum);                                                                       \
        }                                                                                          \
    } while (0)

/* Where a step's rows and queries are: rows from x on, `stride` apart, up to byte `direct`; what is
 * behind it in copy, PIECE apart; the lines of the panel's halves from q and from r on. */
typedef struct source {
    const unsigned char *x, *copy, *q, *r;
    size_t stride, direct;
} source;

/* Add to the sums in registers 0…3 the products of the piece that begins at byte `at`. done: not
 * NULL in the first piece of a step, where the sums of the step before are stored. After each
 * product n eighths of the test t go on, from the `from`-th on. */
KI_INLINE void add_piece(how h, const source *s, size_t at, unsigned char *done, test *t,
                         size_t from, size_t n)
{
    const unsigned char *const x = at < s->direct ? s->x + at : s->copy;
    const size_t stride = at < s->direct ? s->stride : PIECE, line = at * KI_LANES;
    const size_t tile = TILE_ROWS * stride;

    _tile_loadd(6, s->q + line, PIECE);
    _tile_loadd(4, x, stride);
    RENEW(0);
    MULTIPLY(0, 4, 6);
    test_some(h, t, from + 0 * n, n);
    if (h.lanes == KI_PANEL) {
        _tile_loadd(7, s->r + line, PIECE);
        RENEW(1);
        MULTIPLY(1, 4, 7);
    } else {
        _tile_loadd(5, x + tile, stride);
        RENEW(1);
        MULTIPLY(1, 5, 6);
    }
    test_some(h, t, from + 1 * n, n);
    if (h.lanes == KI_PANEL) {
        _tile_loadd(5, x + tile, stride);
        RENEW(2);
        MULTIPLY(2, 5, 6);
    } else {
        _tile_loadd(4, x + 2 * tile, stride);
        RENEW(2);
        MULTIPLY(2, 4, 6);
    }
    test_some(h, t, from + 2 * n, n);
    if (h.lanes == KI_PANEL) {
        RENEW(3);
        MULTIPLY(3, 5, 7);
    } else {
        _tile_loadd(7, x + 3 * tile, stride);
        RENEW(3);
        MULTIPLY(3, 7, 6);
    }
    test_some(h, t, from + 3 * n, n);
}

/* Store the sums of a step behind which no other follows at once. */
KI_INLINE void store_sums(unsigned char *sums)
{
    _tile_stored(0, sums, PIECE);
    _tile_stored(1, sums + TILE, PIECE);
    _tile_stored(2, sums + 2 * TILE, PIECE);
    _tile_stored(3, sums + 3 * TILE, PIECE);
}

/* ---- steps ----------------------------------------------------------------------------------- */

/* Up to 64 bytes of each row from x on, zeros behind them. */
KI_INLINE void copy_piece(const unsigned char *x, size_t stride, size_t rows, size_t bytes,
                          unsigned char *to)
{
    const __mmask64 some = bytes < PIECE ? (UINT64_C(1) << bytes) - 1 : UINT64_MAX;

    for (size_t r = 0; r < rows; r++)
        _mm512_store_si512(to + r * PIECE, _mm512_maskz_loadu_epi8(some, x + r * stride));
    atomic_signal_fence(memory_order_seq_cst); // gcc does not see that tiles are loaded from there
}

/* One step by itself, of up to STEP_SUMS / h.lanes rows, all of them through copies. */
KI_INLINE size_t step_alone(how h, ki_block *job, size_t bytes, scratch *w,
                            size_t rows, size_t hits)
{
    const unsigned char *x = (const unsigned char *)job->rows + job->row * job->stride;
    source s = {.copy = w->copy, .q = job->panel};

    s.r = s.q + block_half(bytes);
    for (size_t at = 0; at < bytes; at += PIECE) {
        copy_piece(x + at, job->stride, rows, bytes - at, w->copy);
        add_piece(h, &s, at, at ? NULL : w->sums[0], NULL, 0, 0);
    }
    store_sums(w->sums[0]);
    hits = test_alone(job, w->sums[0], job->row, rows, h.lanes, h.kind != DOT_BF16, hits);
    job->row += rows;
    return hits;
}

/* `n` whole steps, or as many as there is room for hits; at least one of each. */
KI_INLINE size_t steps(how h, ki_block *job, size_t bytes, scratch *w, size_t n, size_t hits)
{
    const int integer = h.kind != DOT_BF16;
    const size_t rows = STEP_SUMS / h.lanes, first = job->row, tail = integer ? 0 : bytes % PIECE;
    const size_t room = (job->cap - hits) / STEP_SUMS;
    source s = {.x = (const unsigned char *)job->rows + first * job->stride, .copy = w->copy,
                .q = job->panel, .stride = job->stride, .direct = bytes - tail};
    test t = {.thr = {bv_f32(job->thr), bv_f32(job->thr + h.lanes - KI_LANES)}};
    size_t end = room < 3 && room < n ? room : n; // three steps are under way: each may fill a room

    s.r = s.q + block_half(bytes);
    for (size_t i = 0; i < end; i++, s.x += rows * s.stride) {
        unsigned char *const tested = w->sums[i % 2], *const done = w->sums[(i + 1) % 2];

        // Steps 0 and 1 find nothing to test yet: they test what is there, and nobody asks.
        test_begin(&t, job, tested, i < 2 ? first : first + (i - 2) * rows);
        if (tail) copy_piece(s.x + s.direct, s.stride, rows, tail, w->copy);
        if (bytes <= PIECE) {
            add_piece(h, &s, 0, done, &t, 0, 2);
        } else {
            add_piece(h, &s, 0, done, &t, 0, 1);
            add_piece(h, &s, PIECE, NULL, &t, 4, 1);
            for (size_t at = 2 * PIECE; at < bytes; at += PIECE)
                add_piece(h, &s, at, NULL, &t, 0, 0);
        }
        if (KI_UNLIKELY(test_passed(&t)) && i >= 2) {
            hits = test_emit(h, &t, job, first + (i - 2) * rows, hits);
            if (job->cap - hits < 3 * STEP_SUMS) end = i + 1;
        }
    }
    store_sums(w->sums[(end + 1) % 2]);
    job->row = first + end * rows;
    if (end > 1)
        hits = test_alone(job, w->sums[end % 2], job->row - 2 * rows, rows, h.lanes, integer, hits);
    return test_alone(job, w->sums[(end + 1) % 2], job->row - rows, rows, h.lanes, integer, hits);
}

/* Steps from job->row on that are whole and read nothing behind the last row. */
KI_INLINE size_t whole_steps(how h, const ki_block *job, size_t bytes)
{
    const size_t over = h.kind == DOT_BF16 ? 0 : (PIECE - bytes % PIECE) % PIECE;
    const size_t left = job->n - job->row, reach = (over + job->stride - 1) / job->stride; // rows

    return left > reach ? (left - reach) / (STEP_SUMS / h.lanes) : 0;
}

KI_INLINE size_t run(how h, ki_block *job, scratch *w)
{
    const size_t bytes = h.kind == DOT_BF16 ? 2 * job->d : job->d, rows = STEP_SUMS / h.lanes;
    size_t hits = 0;

    _tile_loadconfig(&whole_tiles);
    while (job->row < job->n && job->cap - hits >= STEP_SUMS) {
        const size_t n = whole_steps(h, job, bytes), left = job->n - job->row;

        if (n)
            hits = steps(h, job, bytes, w, n, hits);
        else
            hits = step_alone(h, job, bytes, w, left < rows ? left : rows, hits);
    }
    _tile_release();
    return hits;
}

KI_INLINE size_t run_any(kind k, ki_block *job)
{
    scratch w;

    if (job->nq > KI_LANES)
        return job->a ? run((how){k, KI_PANEL, 1}, job, &w) : run((how){k, KI_PANEL, 0}, job, &w);
    return job->a ? run((how){k, KI_LANES, 1}, job, &w) : run((how){k, KI_LANES, 0}, job, &w);
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

void ki_fill_block_amx(volatile ki_kernels *k)
{
    k->block[KI_BLOCK_DOT_U8] = block_dot_u8;
    k->block[KI_BLOCK_DOT_I8] = block_dot_i8;
    k->block[KI_BLOCK_DOT_I7] = block_dot_i8;
    k->code_op = KI_BLOCK_DOT_I8;
    k->code_least = 4;
    k->block[KI_BLOCK_DOT_BF16] = block_dot_bf16;
    k->float_op = KI_BLOCK_DOT_BF16;
}
