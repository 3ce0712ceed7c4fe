/* Every slot for one query of every ISA this machine runs, against sums in double. Rows and queries
 * end at, or begin after, a page that must not be touched. Floats have the bound that kernel.h
 * promises, integers are equal. */
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

enum { ROOM = 1 << 20, PAGE = 1 << 16 }; // 64 KiB: the largest page size there is

/* ROOM bytes between two pages that may not be read. */
static uint8_t *guarded(void)
{
    uint8_t *p = mmap(NULL, ROOM + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(p, MAP_FAILED);
    assert_int_equal(mprotect(p + PAGE, ROOM, PROT_READ | PROT_WRITE), 0);
    return p + PAGE;
}

static uint8_t *query_room, *query2_room, *row_room;

static int make_rooms(void **state)
{
    (void)state;
    query_room = guarded();
    query2_room = guarded();
    row_room = guarded();
    return 0;
}

static int free_rooms(void **state)
{
    (void)state;
    munmap(query_room - PAGE, ROOM + 2 * PAGE);
    munmap(query2_room - PAGE, ROOM + 2 * PAGE);
    munmap(row_room - PAGE, ROOM + 2 * PAGE);
    return 0;
}

/* ---- components ------------------------------------------------------------------------------ */

static const char *const op_names[KI_OPS] = {"L2",       "IP",    "DOT2",    "L1",      "LINF",
                                             "CANBERRA", "BRAY2", "MINMAX2", "HAMMING", "ANDOR2",
                                             "DOT4",     "GRID4"};
static const char *const type_names[KI_TYPES] = {"f32", "f16", "bf16", "i8", "u8", "bits"};

static size_t bytes_of(ki_type type, size_t d)
{
    switch (type) {
    case KI_F32: return 4 * d;
    case KI_F16:
    case KI_BF16: return 2 * d;
    case KI_BITS: return (d + 7) / 8;
    case KI_I8:
    case KI_U8:
    case KI_TYPES: break;
    }
    return d;
}

static int is_float(ki_type type)
{
    return type == KI_F32 || type == KI_F16 || type == KI_BF16;
}

static size_t width_of(ki_op op)
{
    return op == KI_DOT2 || op == KI_BRAY2 || op == KI_MINMAX2 || op == KI_ANDOR2 ? 2 : 1;
}

/* IEEE binary16 by its definition. */
static double half_value(uint16_t h)
{
    const int e = h >> 10 & 31, m = h & 1023;
    double v;
    if (e == 31) return m ? (double)NAN : h >> 15 ? -(double)INFINITY : (double)INFINITY;
    v = e ? ldexp(1024 + m, e - 25) : ldexp(m, -24);
    return h >> 15 ? -v : v;
}

static double value(ki_type type, const uint8_t *p, size_t i)
{
    uint16_t h;
    uint32_t u;
    float f;

    if (type == KI_F32) {
        memcpy(&f, p + 4 * i, 4);
        return (double)f;
    }
    if (type == KI_I8) return (double)(int8_t)p[i];
    if (type == KI_U8) return (double)p[i];
    if (type == KI_BITS) return (double)(p[i / 8] >> (7 - i % 8) & 1);
    memcpy(&h, p + 2 * i, 2);
    if (type == KI_F16) return half_value(h);
    u = (uint32_t)h << 16;
    memcpy(&f, &u, 4);
    return (double)f;
}

/* What rows are made of. */
typedef enum pattern {
    PLAIN,    /* -1…1; all bytes */
    OFFSET,   /* 1e6 + noise (f16: 1000 + noise) */
    TINY,     /* denormals and the smallest normals */
    EXTREME,  /* the largest magnitudes, zeros */
    MIXED,    /* any finite bits */
    CONSTANT, /* all the same */
    PATTERNS
} pattern;

static float float_of(pattern pat)
{
    static const float ends[] = {FLT_MAX, -FLT_MAX, FLT_MAX / 3, 0.0f, -0.0f, FLT_MIN, 1.0f, 1e19f};
    uint32_t u = draw() << 1 ^ draw();
    float f;

    switch (pat) {
    case OFFSET: return 1e6f + uniform();
    case TINY: return uniform() * 0x1p-124f * (draw() & 1 ? 1.0f : 0x1p-16f);
    case EXTREME: return ends[draw() & 7];
    case CONSTANT: return 0.7f;
    case MIXED:
        if ((u & 0x7f800000) == 0x7f800000) u ^= 0x40000000;
        memcpy(&f, &u, 4);
        return f;
    case PLAIN:
    case PATTERNS: break;
    }
    return uniform();
}

static uint16_t half_of(ki_type type, pattern pat)
{
    const uint32_t top = type == KI_F16 ? 0x7c00 : 0x7f80, step = type == KI_F16 ? 0x400 : 0x80;
    const uint32_t one = type == KI_F16 ? 0x3c00 : 0x3f80, sign = draw() << 15 & 0x8000;

    switch (pat) {
    case OFFSET: return (uint16_t)((type == KI_F16 ? 0x63d0 : 0x4974) + draw() % 4);
    case TINY: return (uint16_t)(sign | draw() % (2 * step));
    case EXTREME: return (uint16_t)(draw() & 1 ? sign | (top - 1) : sign);
    case MIXED: return (uint16_t)(sign | draw() % top);
    case CONSTANT: return (uint16_t)(one + 3);
    case PLAIN:
    case PATTERNS: break;
    }
    return (uint16_t)(sign | (one - draw() % (4 * step)));
}

static void fill_row(ki_type type, pattern pat, uint8_t *p, size_t d)
{
    static const uint8_t ends[] = {0, 255, 128, 127};
    const size_t len = bytes_of(type, d);

    for (size_t i = 0; i < d && is_float(type); i++) {
        const float f = float_of(pat);
        const uint16_t h = half_of(type, pat);
        if (type == KI_F32)
            memcpy(p + 4 * i, &f, 4);
        else
            memcpy(p + 2 * i, &h, 2);
    }
    for (size_t i = 0; i < len && !is_float(type); i++)
        p[i] = (uint8_t)(pat == EXTREME ? ends[draw() & 3] : pat == CONSTANT ? 255 : draw());
    if (type == KI_BITS && d % 8) p[len - 1] &= (uint8_t)(0xff00 >> d % 8);
}

static ki_type query_type(ki_op op, ki_type type)
{
    return op == KI_DOT4 ? KI_I8 : is_float(type) ? KI_F32 : type;
}

static int in_planes(ki_op op)
{
    return op == KI_DOT4 || op == KI_GRID4;
}

/* ---- queries of planes ----------------------------------------------------------------------- */

static uint8_t level[16]; /* of GRID4 */

/* The query as the slot takes it, made of rows of its components. */
typedef union asked {
    ki_query4 halves;
    ki_grid4 grid;
} asked;

static const void *ask(asked *a, ki_op op, const uint8_t *q, const uint8_t *q2)
{
    if (!in_planes(op)) return q;
    if (op == KI_DOT4) {
        a->halves = (ki_query4){(const int8_t *)q, (const int8_t *)q2};
    } else {
        a->grid = (ki_grid4){.low = q, .high = q2};
        memcpy(a->grid.level, level, sizeof level);
    }
    return a;
}

/* Of GRID4, all is 0…127. */
static void make_grid(pattern pat, uint8_t *q, uint8_t *q2, size_t plane)
{
    fill_row(KI_U8, pat, level, sizeof level);
    for (size_t i = 0; i < sizeof level; i++) level[i] &= 127;
    for (size_t i = 0; i < plane; i++) {
        q[i] &= 127;
        q2[i] &= 127;
    }
}

/* ---- the definition -------------------------------------------------------------------------- */

/* Result and the sum of the magnitudes of what was added, once or twice. */
typedef struct truth {
    double sum[2], size[2];
} truth;

static void add(truth *t, int i, double term)
{
    t->sum[i] += term;
    t->size[i] += fabs(term);
}

static truth define(ki_op op, ki_type type, const uint8_t *q, const uint8_t *q2, const uint8_t *x,
                    size_t d)
{
    const ki_type qt = query_type(op, type);
    truth t = {{0, 0}, {0, 0}};
    for (size_t i = 0; i < (in_planes(op) ? ki_plane(d) : d); i++) {
        const double a = value(qt, q, i), b = value(type, x, i);
        switch (op) {
        case KI_L2: add(&t, 0, (a - b) * (a - b)); break;
        case KI_DOT2: add(&t, 1, b * b); add(&t, 0, a * b); break;
        case KI_IP: add(&t, 0, a * b); break;
        case KI_HAMMING:
        case KI_L1: add(&t, 0, fabs(a - b)); break;
        case KI_LINF: t.sum[0] = t.size[0] = fmax(t.sum[0], fabs(a - b)); break;
        case KI_CANBERRA:
            if (a != 0.0 || b != 0.0) add(&t, 0, fabs(a - b) / (fabs(a) + fabs(b)));
            break;
        case KI_BRAY2: add(&t, 0, fabs(a - b)); add(&t, 1, fabs(a + b)); break;
        case KI_ANDOR2:
        case KI_MINMAX2: add(&t, 0, fmin(a, b)); add(&t, 1, fmax(a, b)); break;
        case KI_DOT4:
            add(&t, 0, a * (double)(x[i] & 15));
            add(&t, 0, value(qt, q2, i) * (double)(x[i] >> 4));
            break;
        case KI_GRID4:
            add(&t, 0, pow(a - (double)level[x[i] & 15], 2));
            if (i + ki_plane(d) == d) break; // one too many
            add(&t, 0, pow(value(qt, q2, i) - (double)level[x[i] >> 4], 2));
            break;
        case KI_OPS: break;
        }
    }
    return t;
}

typedef struct slot {
    const ki_isa *isa;
    ki_op op;
    ki_type type;
} slot;

static void compare(slot s, const char *shape, size_t d, size_t n, size_t row, truth want,
                    const uint8_t *out)
{
    for (size_t w = 0; w < width_of(s.op); w++) {
        const uint8_t *at = out + 4 * (row * width_of(s.op) + w);
        double got, bound = 0.0;
        int32_t whole;
        float f;

        if (is_float(s.type)) {
            memcpy(&f, at, 4);
            got = (double)f;
            bound = (double)(d + 4) * 0x1p-24 * want.size[w] + (double)d * 0x1p-149;
            if (want.size[w] + bound > (double)FLT_MAX && !isfinite(f)) continue;
        } else {
            memcpy(&whole, at, 4);
            got = (double)whole;
        }
        if (!(fabs(got - want.sum[w]) <= bound))
            fail_msg("%s %s %s %s, n %zu, d %zu, row %zu, result %zu: %.9g, not %.9g (bound %.3g)",
                     s.isa->name, shape, op_names[s.op], type_names[s.type], n, d, row, w, got,
                     want.sum[w], bound);
    }
}

/* ---- one case -------------------------------------------------------------------------------- */

enum { ROWS_MAX = 70, CANARY = 0x5a };

static _Alignas(64) uint8_t out[ROWS_MAX * 8 + 64], gathered[sizeof out];

static void canary_alive(slot s, size_t used)
{
    for (size_t i = used; i < sizeof out; i++)
        if (out[i] != CANARY)
            fail_msg("%s %s %s: byte %zu behind %zu bytes of results was written", s.isa->name,
                     op_names[s.op], type_names[s.type], i, used);
}

/* n rows of d, pad bytes apart; at_end: the last byte of rows and queries is the room's last, else
 * their first is the room's first. */
static void run_case(const ki_kernels *k, slot s, pattern pat, size_t n, size_t d, size_t pad,
                     int at_end)
{
    const ki_type qt = query_type(s.op, s.type);
    const size_t row_d = in_planes(s.op) ? ki_plane(d) : d;
    const size_t len = bytes_of(s.type, row_d), qlen = bytes_of(qt, row_d), stride = len + pad;
    const size_t size = 4 * width_of(s.op);
    uint8_t *q = query_room + (at_end ? ROOM - qlen : 0);
    uint8_t *q2 = query2_room + (at_end ? ROOM - qlen : 0);
    uint8_t *rows = row_room + (at_end ? ROOM - ((n - 1) * stride + len) : 0);
    const void *query, *addresses[ROWS_MAX], *next[ROWS_MAX];
    uint32_t pos[ROWS_MAX];
    truth want[ROWS_MAX];
    asked a;

    fill_row(qt, pat, q, row_d);
    fill_row(qt, pat, q2, row_d);
    if (s.op == KI_GRID4) make_grid(pat, q, q2, row_d);
    if (s.op == KI_GRID4 && d % 2) q2[row_d - 1] = level[0];
    query = ask(&a, s.op, q, q2);
    for (size_t i = 0; i < n; i++) {
        fill_row(s.type, pat, rows + i * stride, row_d);
        if (s.op == KI_GRID4 && d % 2) rows[i * stride + row_d - 1] &= 15;
        want[i] = define(s.op, s.type, q, q2, rows + i * stride, d);
        pos[i] = draw() % (uint32_t)n;
        addresses[i] = rows + pos[i] * stride;
        next[i] = row_room + i * ROOM;
    }

    memset(out, CANARY, sizeof out);
    k->scan[s.op][s.type](query, rows, stride, n, d, out);
    for (size_t i = 0; i < n; i++) compare(s, "scan", d, n, i, want[i], out);
    canary_alive(s, n * size);

    memset(out, CANARY, sizeof out);
    k->gather[s.op][s.type](query, rows, stride, pos, n, d, out);
    for (size_t i = 0; i < n; i++) compare(s, "gather", d, n, i, want[pos[i]], out);
    canary_alive(s, n * size);

    memcpy(gathered, out, sizeof out);
    for (int asking = 0; asking <= 1; asking++) { // for what lies beyond the room as well
        memset(out, CANARY, sizeof out);
        k->visit[s.op][s.type](query, addresses, asking ? next : NULL, n, d, out);
        if (memcmp(out, gathered, sizeof out) != 0)
            fail_msg("%s %s %s, n %zu, d %zu: visit is not gather", s.isa->name, op_names[s.op],
                     type_names[s.type], n, d);
    }
}

/* ---- walking the tables ---------------------------------------------------------------------- */

typedef void slot_test(const ki_kernels *k, slot s);

static size_t each_isa(void (*test)(const ki_kernels *k, const ki_isa *isa))
{
    size_t n = 0;
    for (size_t i = 0; ki_isa_at(i); i++) {
        const ki_isa *isa = ki_isa_at(i);
        ki_kernels k = {0};
        if (isa->needs & ~ki_cpu_features()) continue;
        isa->fill(&k);
        test(&k, isa);
        n++;
    }
    return n;
}

static slot_test *slot_test_now;

static void slots_of(const ki_kernels *k, const ki_isa *isa)
{
    for (int op = 0; op < KI_OPS; op++)
        for (int type = 0; type < KI_TYPES; type++) {
            const slot s = {isa, (ki_op)op, (ki_type)type};
            assert_int_equal(k->scan[op][type] == NULL, k->gather[op][type] == NULL);
            assert_int_equal(k->scan[op][type] == NULL, k->visit[op][type] == NULL);
            if (k->scan[op][type]) slot_test_now(k, s);
        }
}

static void each_slot(slot_test *test)
{
    slot_test_now = test;
    assert_true(each_isa(slots_of) > 0);
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void dimensions(const ki_kernels *k, slot s)
{
    static const size_t pads[] = {0, 1, 4, 61, 64, 3};
    for (size_t d = 1; d <= 260; d++) {
        const size_t dim = d == 260 ? 960 : d;
        for (int pat = 0; pat < PATTERNS; pat++)
            run_case(k, s, (pattern)pat, 1 + draw() % 9, dim, pads[draw() % 6], (int)(draw() & 1));
        run_case(k, s, PLAIN, 5, dim, 0, 1);
    }
}

static void every_dimension_and_pattern(void **state)
{
    (void)state;
    each_slot(dimensions);
}

static void row_counts(const ki_kernels *k, slot s)
{
    static const size_t dims[] = {1, 7, 33, 64, 128};
    for (size_t n = 1; n <= ROWS_MAX; n++)
        for (size_t i = 0; i < sizeof dims / sizeof *dims; i++)
            run_case(k, s, PLAIN, n, dims[i], n % 5, (int)(n & 1));
}

static void every_number_of_rows(void **state)
{
    (void)state;
    each_slot(row_counts);
}

/* Of no rows, nothing is read or written. */
static void no_rows_of(const ki_kernels *k, slot s)
{
    asked a;
    const void *q = ask(&a, s.op, query_room, query2_room);

    memset(out, CANARY, sizeof out);
    k->scan[s.op][s.type](q, row_room + ROOM, 64, 0, 16, out);
    k->gather[s.op][s.type](q, row_room + ROOM, 64, NULL, 0, 16, out);
    k->visit[s.op][s.type](q, NULL, NULL, 0, 16, out);
    canary_alive(s, 0);
}

static void no_rows(void **state)
{
    (void)state;
    each_slot(no_rows_of);
}

/* The largest sums that int32 must hold: d = KITH_MAX_DIM of the largest terms. */
static void largest(const ki_kernels *k, slot s)
{
    static const uint8_t bytes[] = {0, 255, 128, 127, 129};
    const size_t d = KITH_MAX_DIM, len = bytes_of(s.type, d);
    asked any;

    if (is_float(s.type)) return;
    for (size_t a = 0; a < 5; a++)
        for (size_t b = 0; b < 5; b++) {
            memset(query_room, bytes[a], d);
            memset(query2_room, bytes[a] ^ 255, d);
            memset(row_room, bytes[b], len);
            if (s.op == KI_GRID4) make_grid(EXTREME, query_room, query2_room, ki_plane(d));
            if (s.op == KI_GRID4) level[bytes[b] & 15] = level[bytes[b] >> 4] = a % 2 ? 0 : 127;
            k->scan[s.op][s.type](ask(&any, s.op, query_room, query2_room), row_room, len, 1, d,
                                  out);
            compare(s, "scan", d, 1, 0, define(s.op, s.type, query_room, query2_room, row_room, d),
                    out);
        }
}

static void largest_integers(void **state)
{
    (void)state;
    each_slot(largest);
}

/* A row with NaN or infinity spoils its own result and no other's. */
static void spoiled(const ki_kernels *k, slot s)
{
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    const size_t n = 9, d = 37, stride = 4 * d;
    float *rows = (float *)(void *)row_room, *q = (float *)(void *)query_room;

    if (s.type != KI_F32) return;
    for (size_t b = 0; b < 3; b++) {
        fill_row(KI_F32, PLAIN, query_room, d);
        for (size_t i = 0; i < n; i++) fill_row(KI_F32, PLAIN, row_room + i * stride, d);
        rows[4 * d + b * 16] = bad[b];
        k->scan[s.op][s.type](q, rows, stride, n, d, out);
        for (size_t i = 0; i < n; i++) {
            float f;
            memcpy(&f, out + 4 * i * width_of(s.op), 4);
            if (i != 4)
                compare(s, "scan", d, n, i, define(s.op, s.type, query_room, NULL,
                                                   row_room + i * stride, d), out);
            else if (s.op == KI_L2 || s.op == KI_IP || s.op == KI_DOT2 || s.op == KI_L1)
                assert_true(!isfinite(f));
        }
    }
}

static void nonfinite_rows(void **state)
{
    (void)state;
    each_slot(spoiled);
}

static void sums(const ki_kernels *k, const ki_isa *isa)
{
    for (int type = KI_I8; type <= KI_U8; type++)
        for (size_t d = 1; d <= 259 && k->sums_u8; d++) {
            const size_t n = 1 + d % 7, stride = d + d % 3;
            uint8_t *rows = row_room + ROOM - ((n - 1) * stride + d);
            int32_t got[16];

            for (size_t i = 0; i < n; i++)
                fill_row((ki_type)type, d % 4 ? PLAIN : EXTREME, rows + i * stride, d);
            (type == KI_I8 ? k->sums_i8 : k->sums_u8)(rows, stride, n, d, got);
            for (size_t i = 0; i < n; i++) {
                double s = 0.0, t = 0.0;
                for (size_t j = 0; j < d; j++) {
                    const double v = value((ki_type)type, rows + i * stride, j);
                    s += v;
                    t += v * v;
                }
                if (got[2 * i] != (int32_t)s || got[2 * i + 1] != (int32_t)t)
                    fail_msg("%s sums %s d %zu row %zu: %d %d, not %.0f %.0f", isa->name,
                             type_names[type], d, i, got[2 * i], got[2 * i + 1], s, t);
            }
        }
}

static void sums_of_rows(void **state)
{
    (void)state;
    assert_true(each_isa(sums) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_dimension_and_pattern),
        cmocka_unit_test(every_number_of_rows),
        cmocka_unit_test(no_rows),
        cmocka_unit_test(largest_integers),
        cmocka_unit_test(nonfinite_rows),
        cmocka_unit_test(sums_of_rows),
    };
    return cmocka_run_group_tests(tests, make_rooms, free_rooms);
}
