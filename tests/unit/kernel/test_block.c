/* Every block slot of every ISA that this machine runs, against sums in double or int64. Integer
 * operations keep exactly the hits of the contract's formula, floats those that pass beyond the
 * bound of kernel.h and none that fail beyond it. Rows end at, or begin after, a page that must not
 * be touched. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "base/cpu.h"
#include "kernel/kernel.h"

/* ---- randomness, guarded memory -------------------------------------------------------------- */

static uint64_t seed = 20240607;

static uint32_t draw(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33);
}

static float uniform(void)
{
    return (float)draw() * 0x1p-30f - 1.0f; // -1…1
}

enum { ROOM = 2 << 20, PAGE = 1 << 16 }; // 64 KiB: the largest page size there is

enum { ROWS, PANEL, SCALE, LESS, ROOMS };
static uint8_t *rooms[ROOMS]; // ROOM bytes each, between two pages that may not be read

static int make_rooms(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROOMS; i++) {
        uint8_t *p = mmap(NULL, ROOM + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        assert_ptr_not_equal(p, MAP_FAILED);
        assert_int_equal(mprotect(p + PAGE, ROOM, PROT_READ | PROT_WRITE), 0);
        rooms[i] = p + PAGE;
    }
    return 0;
}

static int free_rooms(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROOMS; i++) munmap(rooms[i] - PAGE, ROOM + 2 * PAGE);
    return 0;
}

/* `len` bytes at the end of a room, or as near as 64-byte alignment allows. */
static void *at_end(int room, size_t len)
{
    return rooms[room] + ROOM - (len + 63) / 64 * 64;
}

/* ---- operations ------------------------------------------------------------------------------ */

static const char *const op_names[KI_BLOCK_OPS] = {
    "DOT_U8", "DOT_I8", "DOT_I7", "DOT_F32", "L2_F32", "L1_F32", "DOT_BF16", "HAMMING", "ANDS"};

static int is_float(ki_block_op op)
{
    return op == KI_BLOCK_DOT_F32 || op == KI_BLOCK_L2_F32 || op == KI_BLOCK_L1_F32 ||
           op == KI_BLOCK_DOT_BF16;
}

static size_t bytes_of(ki_block_op op, size_t d)
{
    switch (op) {
    case KI_BLOCK_DOT_F32:
    case KI_BLOCK_L2_F32:
    case KI_BLOCK_L1_F32: return 4 * d;
    case KI_BLOCK_DOT_BF16: return 2 * d;
    case KI_BLOCK_HAMMING:
    case KI_BLOCK_ANDS: return (d + 7) / 8;
    case KI_BLOCK_DOT_U8:
    case KI_BLOCK_DOT_I8:
    case KI_BLOCK_DOT_I7:
    case KI_BLOCK_OPS: break;
    }
    return d;
}

static float f32_at(const uint8_t *p, size_t i)
{
    float v;
    memcpy(&v, p + 4 * i, 4);
    return v;
}

static float bf16_at(const uint8_t *p, size_t i)
{
    uint16_t h;
    uint32_t u;
    float v;
    memcpy(&h, p + 2 * i, 2);
    u = (uint32_t)h << 16;
    memcpy(&v, &u, 4);
    return v;
}

static int64_t int_sum(ki_block_op op, const uint8_t *x, const uint8_t *q, size_t d)
{
    int64_t sum = 0;

    if (op == KI_BLOCK_DOT_U8)
        for (size_t i = 0; i < d; i++) sum += x[i] * (int8_t)q[i];
    else if (op == KI_BLOCK_DOT_I8 || op == KI_BLOCK_DOT_I7)
        for (size_t i = 0; i < d; i++) sum += (int8_t)x[i] * (int8_t)q[i];
    else
        for (size_t i = 0; i < d; i++) {
            const int a = x[i / 8] >> i % 8 & 1, b = q[i / 8] >> i % 8 & 1;
            sum += op == KI_BLOCK_HAMMING ? a ^ b : a & b;
        }
    return sum;
}

/* The sum in double and how far a slot's may be from it. */
static double float_sum(ki_block_op op, const uint8_t *x, const uint8_t *q, size_t d, double *bound)
{
    double sum = 0, terms = 0, largest_x = 0, largest_q = 0;

    for (size_t i = 0; i < d; i++) {
        const int half = op == KI_BLOCK_DOT_BF16;
        const double u = (double)(half ? bf16_at(x, i) : f32_at(x, i));
        const double v = (double)(half ? bf16_at(q, i) : f32_at(q, i));
        const double term = op == KI_BLOCK_L2_F32   ? (v - u) * (v - u)
                            : op == KI_BLOCK_L1_F32 ? fabs(v - u)
                                                    : u * v;
        sum += term;
        terms += fabs(term);
        largest_x = fmax(largest_x, fabs(u));
        largest_q = fmax(largest_q, fabs(v));
    }
    *bound = ((double)d + 4) * 0x1p-24 * terms + (double)d * 0x1p-149;
    if (op == KI_BLOCK_DOT_BF16)
        *bound += 2 * (double)d * 0x1p-126 * (1 + largest_q + largest_x);
    return sum;
}

/* ---- a case ---------------------------------------------------------------------------------- */

enum { MAX_N = 1200, MAX_ROW = 4096 };

typedef enum data { PLAIN, LARGEST, SPECIAL } data; // SPECIAL: NaN and infinities among floats

typedef struct shape {
    ki_block_op op;
    size_t n, d, nq, pad; // pad: bytes between rows
    data data;
    int at_end;           // rows end at the guard page; else they begin behind one
    int with_a, with_b;
    float share;          // of rows that pass, roughly; 0: thr = +inf, 1: thr = -inf
    int lonely;           // all but one query have thr = +inf
    size_t cap;
} shape;

static uint8_t queries[KI_PANEL * MAX_ROW], *panel;
static float *a, *b; // [n]
static _Alignas(64) float thr[KI_PANEL];
static int64_t want_i[MAX_N][KI_PANEL];
static double want_f[MAX_N][KI_PANEL], bound[MAX_N][KI_PANEL];
static ki_hit hits[MAX_N * KI_PANEL + KI_HITS_MIN];
static uint8_t seen[MAX_N][KI_PANEL];

static void put_float(uint8_t *p, ki_block_op op, float v)
{
    uint32_t u;

    memcpy(&u, &v, 4);
    if (op == KI_BLOCK_DOT_BF16) {
        const uint16_t h = (uint16_t)(u >> 16);
        memcpy(p, &h, 2);
    } else {
        memcpy(p, &u, 4);
    }
}

static void fill_row(const shape *s, uint8_t *p)
{
    static const uint8_t ends[] = {0, 255, 128, 127};
    const float most[] = {FLT_MAX, -FLT_MAX, FLT_MIN, 0x1p-149f};
    const float special[] = {NAN, INFINITY, -INFINITY, -NAN};
    const size_t bytes = bytes_of(s->op, s->d), size = is_float(s->op) ? bytes / s->d : 1;

    for (size_t i = 0; i < bytes; i += size)
        if (is_float(s->op)) {
            float v = uniform() * (draw() % 8 ? 1.0f : 100.0f);
            if (s->data == LARGEST) v = most[draw() % 4];
            if (s->data == SPECIAL && draw() % (8 * s->d) == 0) v = special[draw() % 4];
            put_float(p + i, s->op, v);
        } else {
            p[i] = s->data == LARGEST ? ends[draw() % 4] : (uint8_t)draw();
        }
    if (bytes * 8 > s->d && (s->op == KI_BLOCK_HAMMING || s->op == KI_BLOCK_ANDS))
        p[bytes - 1] &= (uint8_t)(0xff >> (bytes * 8 - s->d)); // padding bits are zero
}

static float score_of(const shape *s, float sum, size_t row)
{
    float v = sum;

    if (s->with_a) v = a[row] * v;
    if (s->with_b) v = v - b[row];
    return v;
}

static uint8_t shortened(uint8_t q)
{
    const int v = (int8_t)q;

    return (uint8_t)(v > KI_SHORT ? KI_SHORT : v < -KI_SHORT ? -KI_SHORT : v);
}

static const uint8_t *make_case(const shape *s)
{
    const size_t bytes = bytes_of(s->op, s->d), stride = bytes + s->pad;
    uint8_t *const rows = rooms[ROWS] + (s->at_end ? ROOM - ((s->n - 1) * stride + bytes) : 0);

    panel = at_end(PANEL, ki_panel_bytes(bytes));
    a = at_end(SCALE, s->n * sizeof *a);
    b = at_end(LESS, s->n * sizeof *b);
    assert_true(s->n <= MAX_N && bytes <= MAX_ROW && s->n * stride <= ROOM);
    for (size_t i = 0; i < s->n; i++) {
        fill_row(s, rows + i * stride);
        // What lies between rows is not theirs: NaN as a float, ones as bits.
        if (i + 1 < s->n) memset(rows + i * stride + bytes, 0xff, s->pad);
        a[i] = s->data == LARGEST ? 1.0f : 0.5f + (float)(draw() % 64) / 32;
        if (draw() % 4 == 0) a[i] = -a[i];
        b[i] = uniform() * (is_float(s->op) ? 4.0f : 100.0f * (float)s->d);
    }
    for (size_t j = 0; j < s->nq; j++) fill_row(s, queries + j * bytes);
    if (s->op == KI_BLOCK_DOT_I7)
        for (size_t i = 0; i < s->nq * bytes; i++) queries[i] = shortened(queries[i]);
    memset(panel, 0xff, ki_panel_bytes(bytes));
    ki_pack_panel(queries, bytes, s->nq, bytes, panel);
    for (size_t j = 0; j < KI_PANEL; j++) thr[j] = INFINITY;
    for (size_t j = 0; j < s->nq; j++) {
        const size_t like = draw() % s->n; // its score is a threshold: it passes, by equality
        float best = -INFINITY;
        for (size_t i = 0; i < s->n; i++) {
            const uint8_t *x = rows + i * stride, *q = queries + j * bytes;
            float score;
            if (is_float(s->op)) {
                want_f[i][j] = float_sum(s->op, x, q, s->d, &bound[i][j]);
                score = score_of(s, (float)want_f[i][j], i);
            } else {
                want_i[i][j] = int_sum(s->op, x, q, s->d);
                score = score_of(s, (float)want_i[i][j], i);
            }
            if (i == like || (s->share < 0.5f && score > best)) best = score;
        }
        if (s->share >= 1) thr[j] = -INFINITY;
        else if (s->share > 0) thr[j] = best;
        if (s->lonely && j != s->n % s->nq) thr[j] = INFINITY;
    }
    return rows;
}

#define SHAPE_FORMAT "%s %s: n %zu d %zu nq %zu pad %zu data %d end %d a %d b %d share %g cap %zu"
#define SHAPE(isa, s)                                                                              \
    isa, op_names[(s)->op], (s)->n, (s)->d, (s)->nq, (s)->pad, (int)(s)->data, (s)->at_end,        \
        (s)->with_a, (s)->with_b, (double)(s)->share, (s)->cap

/* Whether a float sum that was not kept should have been. */
static int clearly_passes(const shape *s, size_t row, size_t query)
{
    const double scale = s->with_a ? (double)a[row] : 1, less = s->with_b ? (double)b[row] : 0;
    const double sum = want_f[row][query], score = scale * sum - less;
    const double loss = fabs(scale) * bound[row][query] +
                        0x1p-22 * (fabs(scale * sum) + fabs(less)) + 0x1p-148;

    if (isnan(score)) return 1;
    if (fabs(scale * sum) + loss > (double)FLT_MAX / 4) return 0; // may have become anything
    return score - loss >= (double)thr[query];
}

static void check_hit(const char *isa, const shape *s, const ki_hit *h)
{
    float score;

    if (h->row >= s->n || h->query >= s->nq || seen[h->row][h->query]++)
        fail_msg(SHAPE_FORMAT ": row %u, query %u: none, or twice", SHAPE(isa, s), h->row,
                 h->query);
    if (is_float(s->op)) {
        const double want = want_f[h->row][h->query], got = (double)h->c.f;
        const int huge = !(fabs(want) + bound[h->row][h->query] < (double)FLT_MAX / 4);
        const double terms = bound[h->row][h->query] * 0x1p24 / ((double)s->d + 4);
        if (isnan(want) ? !isnan(got)
                        : !huge && terms < (double)FLT_MAX / 4 &&
                              !(fabs(got - want) <= bound[h->row][h->query]))
            fail_msg(SHAPE_FORMAT ": row %u, query %u: sum %.9g, not %.9g +- %g", SHAPE(isa, s),
                     h->row, h->query, got, want, bound[h->row][h->query]);
        score = score_of(s, h->c.f, h->row);
    } else {
        if (h->c.i != want_i[h->row][h->query])
            fail_msg(SHAPE_FORMAT ": row %u, query %u: sum %d, not %d", SHAPE(isa, s), h->row,
                     h->query, (int)h->c.i, (int)want_i[h->row][h->query]);
        score = score_of(s, (float)h->c.i, h->row);
    }
    if (score < thr[h->query])
        fail_msg(SHAPE_FORMAT ": row %u, query %u: %g is below %g", SHAPE(isa, s), h->row, h->query,
                 (double)score, (double)thr[h->query]);
}

static void check_slot(const char *isa, ki_block_fn *slot, const shape *s, const uint8_t *rows)
{
    ki_block job = {.rows = rows, .stride = bytes_of(s->op, s->d) + s->pad, .n = s->n, .d = s->d,
                    .panel = panel, .nq = s->nq, .a = s->with_a ? a : NULL,
                    .b = s->with_b ? b : NULL, .thr = thr, .hits = hits, .cap = s->cap};

    memset(seen, 0, sizeof seen);
    do {
        const size_t before = job.row, got = slot(&job);
        if (got > s->cap || job.row <= before || job.row > s->n)
            fail_msg(SHAPE_FORMAT ": %zu hits, from row %zu to %zu", SHAPE(isa, s), got, before,
                     job.row);
        for (size_t i = 0; i < got; i++) {
            check_hit(isa, s, &hits[i]);
            if (hits[i].row < before || hits[i].row >= job.row)
                fail_msg(SHAPE_FORMAT ": row %u in rows %zu to %zu", SHAPE(isa, s), hits[i].row,
                         before, job.row);
        }
    } while (job.row < s->n);
    for (size_t i = 0; i < s->n; i++)
        for (size_t j = 0; j < s->nq; j++) {
            if (seen[i][j]) continue;
            if (is_float(s->op) ? clearly_passes(s, i, j)
                                : !(score_of(s, (float)want_i[i][j], i) < thr[j]))
                fail_msg(SHAPE_FORMAT ": row %zu, query %zu is missing", SHAPE(isa, s), i, j);
        }
}

/* The case on every ISA. */
static void check(const shape *s)
{
    const uint8_t *const rows = make_case(s);
    const ki_isa *isa;

    for (size_t i = 0; (isa = ki_isa_at(i)); i++) {
        ki_kernels k = {0};
        if (isa->needs & ~ki_cpu_features()) continue;
        isa->fill(&k);
        if (i == 0) assert_non_null(k.block[s->op]);
        if (k.block[s->op]) check_slot(isa->name, k.block[s->op], s, rows);
    }
}

/* ---- tests ----------------------------------------------------------------------------------- */

static shape any_shape(ki_block_op op, size_t n, size_t d, size_t nq)
{
    const size_t pads[] = {0, 0, 1, 3, 4, 60, 64, 100};
    const float shares[] = {0.0f, 0.1f, 0.1f, 0.1f, 0.6f, 1.0f};
    shape s = {.op = op, .n = n, .d = d, .nq = nq, .cap = MAX_N * KI_PANEL + KI_HITS_MIN};

    s.pad = pads[draw() % 8];
    s.at_end = draw() % 4 != 0;
    s.with_a = draw() % 2;
    s.with_b = draw() % 4 != 0;
    s.share = shares[draw() % 6];
    if (draw() % 4 == 0) s.cap = KI_HITS_MIN + draw() % 3000;
    return s;
}

static void every_dimension(void **state)
{
    (void)state;
    for (int op = 0; op < KI_BLOCK_OPS; op++)
        for (size_t d = 1; d <= 960; d = d == 130 ? 255 : d == 259 ? 960 : d + 1)
            for (int i = 0; i < 3; i++) {
                const shape s =
                    any_shape((ki_block_op)op, 1 + draw() % 70, d, 1 + draw() % KI_PANEL);
                check(&s);
            }
}

static void every_number_of_rows(void **state)
{
    static const size_t dims[] = {1, 3, 31, 64, 65, 128, 130};

    (void)state;
    for (int op = 0; op < KI_BLOCK_OPS; op++)
        for (size_t n = 1; n <= 150; n++)
            for (size_t i = 0; i < 2; i++) {
                const size_t d = dims[draw() % 7];
                const shape s =
                    any_shape((ki_block_op)op, n, d, i ? 17 + draw() % 16 : 1 + draw() % 16);
                check(&s);
            }
}

static void every_number_of_queries(void **state)
{
    (void)state;
    for (int op = 0; op < KI_BLOCK_OPS; op++)
        for (size_t nq = 1; nq <= KI_PANEL; nq++)
            for (int i = 0; i < 4; i++) {
                const shape s = any_shape((ki_block_op)op, 1 + draw() % 250, 1 + draw() % 100, nq);
                check(&s);
            }
}

static void extreme_components(void **state)
{
    (void)state;
    for (int op = 0; op < KI_BLOCK_OPS; op++)
        for (int i = 0; i < 150; i++) {
            shape s = any_shape((ki_block_op)op, 1 + draw() % 100, 1 + draw() % 200,
                                1 + draw() % KI_PANEL);
            s.data = i % 3 == 0 ? SPECIAL : LARGEST;
            check(&s);
        }
}

/* The longest rows whose sums kernel.h promises to hold. */
static void longest_rows(void **state)
{
    static const ki_block_op ops[] = {KI_BLOCK_DOT_U8, KI_BLOCK_DOT_I8, KI_BLOCK_DOT_I7};
    static const uint8_t rows[] = {255, 128, 127}, query[] = {128, 128, (uint8_t)-KI_SHORT};
    static const int32_t product[] = {-32640, 16384, -8128};
    uint8_t *const one = malloc(KITH_MAX_DIM);
    const ki_isa *isa;

    (void)state;
    assert_non_null(one);
    panel = at_end(PANEL, ki_panel_bytes(KITH_MAX_DIM));
    for (size_t o = 0; o < 3; o++) {
        memset(one, query[o], KITH_MAX_DIM);
        ki_pack_panel(one, 0, KI_PANEL, KITH_MAX_DIM, panel);
        memset(rooms[ROWS], rows[o], ROOM);
        for (size_t j = 0; j < KI_PANEL; j++) thr[j] = -INFINITY;
        for (size_t i = 0; (isa = ki_isa_at(i)); i++) {
            ki_kernels k = {0};
            ki_block job = {.rows = rooms[ROWS], .stride = 1, .n = 35, .d = KITH_MAX_DIM,
                            .panel = panel, .nq = KI_PANEL, .thr = thr, .hits = hits,
                            .cap = MAX_N * KI_PANEL};
            size_t got;
            if (isa->needs & ~ki_cpu_features()) continue;
            isa->fill(&k);
            if (!k.block[ops[o]]) continue;
            got = k.block[ops[o]](&job);
            assert_int_equal(got, 35 * KI_PANEL);
            for (size_t h = 0; h < got; h++)
                if (hits[h].c.i != product[o] * (int32_t)KITH_MAX_DIM)
                    fail_msg("%s %s: sum %d", isa->name, op_names[ops[o]], (int)hits[h].c.i);
        }
    }
    free(one);
}

/* One hit in a thousand rows: what tests many sums at once must find it, whatever the row. */
static void few_pass_among_many(void **state)
{
    (void)state;
    for (int op = 0; op < KI_BLOCK_OPS; op++)
        for (int i = 0; i < 24; i++) {
            const size_t bytes = 1 + draw() % 300, most = 8 * bytes;
            shape s = any_shape((ki_block_op)op, 600 + draw() % 600, bytes,
                                i % 2 ? 17 + draw() % 16 : 1 + draw() % 16);

            s.d = is_float((ki_block_op)op) ? 1 + bytes / 4 : op < KI_BLOCK_HAMMING ? bytes : most;
            s.share = 0.1f;
            s.lonely = 1;
            check(&s);
        }
}

/* With the least room for hits and everything passing, a job is done in pieces that never overflow,
 * each of which gets on. */
static void resumes_after_an_early_end(void **state)
{
    (void)state;
    for (int op = 0; op < KI_BLOCK_OPS; op++)
        for (int i = 0; i < 20; i++) {
            shape s = any_shape((ki_block_op)op, 200 + draw() % 100, 1 + draw() % 200,
                                1 + draw() % KI_PANEL);
            s.share = 1;
            s.cap = KI_HITS_MIN;
            check(&s);
        }
}

/* A job may begin at any row. */
static void begins_at_a_row(void **state)
{
    const ki_isa *isa;

    (void)state;
    for (int op = 0; op < KI_BLOCK_OPS; op++)
        for (size_t first = 0; first < 70; first += 1 + draw() % 5) {
            shape s = any_shape((ki_block_op)op, 70, 40, KI_PANEL);
            const uint8_t *rows;
            s.share = 1;
            rows = make_case(&s);
            for (size_t i = 0; (isa = ki_isa_at(i)); i++) {
                ki_kernels k = {0};
                ki_block job = {.rows = rows, .stride = bytes_of(s.op, s.d) + s.pad, .n = s.n,
                                .d = s.d, .panel = panel, .nq = s.nq, .thr = thr, .hits = hits,
                                .cap = MAX_N * KI_PANEL, .row = first};
                if (isa->needs & ~ki_cpu_features()) continue;
                isa->fill(&k);
                if (!k.block[op]) continue;
                assert_int_equal(k.block[op](&job), (70 - first) * KI_PANEL);
                assert_int_equal(job.row, 70);
                for (size_t h = 0; h < (70 - first) * KI_PANEL; h++)
                    assert_in_range(hits[h].row, first, 69);
            }
        }
}

/* Every sum of short bytes, the largest there are among them. */
static void products_of_short_bytes(void **state)
{
    enum { ROWS_MOST = 60, D_MOST = 512 };
    static int32_t want[ROWS_MOST][KI_PANEL];
    int32_t *const out = (int32_t *)(void *)at_end(SCALE, sizeof want);
    const ki_isa *isa;

    (void)state;
    for (size_t c = 0; c < 120; c++) {
        const size_t n = KI_LANES + draw() % (ROWS_MOST - KI_LANES), nq = 1 + draw() % KI_PANEL;
        const size_t d = KI_PANEL * (1 + draw() % (D_MOST / KI_PANEL));
        uint8_t *const rows = rooms[ROWS] + ROOM - n * d;
        static uint8_t asked[KI_PANEL * D_MOST];

        for (size_t i = 0; i < n * d; i++) rows[i] = c % 3 ? draw() % 64 : 63;
        for (size_t i = 0; i < nq * d; i++)
            asked[i] = (uint8_t)(c % 3 ? (int)(draw() % 64) - 32 : c % 2 ? 31 : -32);
        panel = at_end(PANEL, ki_panel_bytes(d));
        ki_pack_panel(asked, d, nq, d, panel);
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < nq; j++)
                want[i][j] = (int32_t)int_sum(KI_BLOCK_DOT_U8, rows + i * d, asked + j * d, d);
        for (size_t i = 0; (isa = ki_isa_at(i)); i++) {
            ki_kernels k = {0};

            if (isa->needs & ~ki_cpu_features()) continue;
            isa->fill(&k);
            if (!k.products6) continue;
            k.products6(rows, d, n, d, panel, nq, out);
            for (size_t r = 0; r < n; r++)
                if (memcmp(out + r * KI_PANEL, want[r], nq * sizeof **want) != 0)
                    fail_msg("%s: %zu rows, %zu queries, d %zu: row %zu", isa->name, n, nq, d, r);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_dimension),
        cmocka_unit_test(every_number_of_rows),
        cmocka_unit_test(every_number_of_queries),
        cmocka_unit_test(extreme_components),
        cmocka_unit_test(longest_rows),
        cmocka_unit_test(few_pass_among_many),
        cmocka_unit_test(resumes_after_an_early_end),
        cmocka_unit_test(begins_at_a_row),
        cmocka_unit_test(products_of_short_bytes),
    };

    return cmocka_run_group_tests(tests, make_rooms, free_rooms);
}
