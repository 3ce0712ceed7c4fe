/* Long rows of bytes that are walked by short codes: how short; whether a lens takes them; and the
 * indexes that have them, beside Flat: answers of every kind, changes, files, rows that short codes
 * do not suit. */
#include "navigate/graph/shorten.h"
#include "support/failing.h"
#include "support/folder.h"
#include "support/teststore.h"
#include "support/twoindexes.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/kernel.h"

enum {
    N = FEWER(5000, 1500),
    MORE = 400,
    NQ = FEWER(50, 20),
    ALL = N + MORE + NQ,
    D = 256,
    WIDE = 64,
    FACTORS = 16
};

static const char *const navigators[] = {"Graph48(code_dims=64)",
                                         "HNSW16(code_dims=64,ef_construction=60)",
                                         "NSW16(code_dims=64,ef_construction=60)"};
static const char *const codecs[] = {",U8", ",I8", ",SQ8(uniform=on)"};

/* ---- rows ------------------------------------------------------------------------------------ */

static float byte_of(const char *codec, float x)
{
    const float low = strcmp(codec, ",I8") == 0 ? -128.0f : 0.0f;
    const float at = roundf(low + 128.0f + x);

    return (at < low ? low : at > low + 255.0f ? low + 255.0f : at) + 0.0f; // no -0
}

/* Few numbers a row, seen through a matrix, and a little noise: x [n][d], of the values that the
 * codec takes. */
static void correlated_rows(const char *codec, uint64_t seed, size_t n, size_t d, float *x)
{
    float *hidden = need_floats(n * FACTORS), *matrix = need_floats(FACTORS * d);
    uint64_t at = 4321, noise = (seed + 1000) << 32;

    clustered_rows(seed, n, FACTORS, 40, 0.7f, false, hidden);
    for (size_t i = 0; i < FACTORS * d; i++) matrix[i] = draw_normal(&at);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < d; j++) {
            float s = 2.0f * draw_normal(&noise);

            for (size_t f = 0; f < FACTORS; f++)
                s += 9.0f * hidden[i * FACTORS + f] * matrix[f * d + j];
            x[i * d + j] = codec[1] == 'S' ? 40.0f + 0.02f * s : byte_of(codec, s);
        }
    free(hidden);
    free(matrix);
}

static void take_walk_bytes(void *ctx, const char *name, const char *unit, double value)
{
    (void)unit;
    if (strcmp(name, "walk_bytes") == 0) *(double *)ctx = value;
}

/* Bytes beside the rows that walks read; 0: they read the rows. */
static double walk_bytes(const kith_index *ix)
{
    double bytes = -1;

    kith_stats(ix, take_walk_bytes, &bytes);
    return bytes;
}

/* One of each kind of rows, on a navigator each: built once. */
static struct whole {
    two_indexes t;
    float *x; /* [ALL][D] */
    char what[64];
} whole[3];

static const float *queries(const struct whole *w)
{
    return w->x + (N + MORE) * D;
}

static void open_whole(struct whole *w, const char *navigator, const char *codec)
{
    w->x = need_floats(ALL * D);
    correlated_rows(codec, 3, ALL, D, w->x);
    two_open_as(&w->t, navigator, codec, D, KITH_L2, 2);
    (void)snprintf(w->what, sizeof w->what, "%s%s", navigator, codec);
    w->t.what = w->what;
    two_add(&w->t, KITH_ROWS(w->x, N, KITH_F32), NULL);
    assert_true(walk_bytes(w->t.graph) >= (double)N * WIDE);
    assert_true(walk_bytes(w->t.graph) < (double)(N + KI_CHUNK) * 2 * WIDE);
}

static void close_whole(struct whole *w)
{
    two_close(&w->t);
    free(w->x);
}

static int make(void **state)
{
    for (size_t i = 0; i < 3; i++) open_whole(&whole[i], navigators[i], codecs[i]);
    return folder_make(state);
}

static int forget(void **state)
{
    for (size_t i = 0; i < 3; i++) close_whole(&whole[i]);
    return folder_remove(state);
}

/* ---- how short ------------------------------------------------------------------------------- */

static void how_short(void **state)
{
    static const struct {
        size_t d, n;
        uint32_t asked;
        size_t want;
    } table[] = {
        {256, 10, 1, 64},          {256, 10, 64, 64},         {256, 10, 65, 128},
        {256, 10, 192, 192},       {256, 10, 193, 256},       {256, 10, 1000, 256},
        {64, 10, 64, 64},          {65, 10, 64, 64},          {63, 10, 1, 63},
        {300, 10, 256, 256},       {300, 10, 257, 300},       {4096, 10, 64, 64},
        {4097, 10, 64, 4097},      {32768, 10, 20000, 32768}, {256, 10000000, 0, 256},
        {511, 10000000, 0, 511},   {512, 65535, 0, 512},      {512, 65536, 0, 128},
        {1024, 32767, 0, 1024},    {1024, 32768, 0, 256},     {2048, 16384, 0, 512},
        {2049, 10000000, 0, 2049}, {1024, 10, 256, 256},      {1024, 10000000, 64, 64},
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        assert_int_equal(ki_shorten_to(table[i].d, table[i].n, table[i].asked), table[i].want);
}

/* ---- lenses ---------------------------------------------------------------------------------- */

enum { LENS_N = 1000, LENS_D = 512, MANY = 70000 }; /* MANY: short codes are worth it */

/* A lens for many rows, of which there are a few: kind and components of codes. */
static void learn(const test_store *s, uint32_t dims, ki_lens_kind kind, size_t wide)
{
    uint32_t *pos = malloc(MANY * sizeof *pos);
    ki_lens *l;

    assert_non_null(pos);
    for (uint32_t i = 0; i < MANY; i++) pos[i] = i % LENS_N;
    must(ki_lens_learn(&((test_store *)(uintptr_t)s)->env, s->v, pos, MANY,
                       &(ki_lens_how){3, dims, 2, NULL}, &l));
    assert_int_equal(l->kind, kind);
    assert_int_equal(l->wide, wide);
    ki_lens_release(l);
    free(pos);
}

/* Where near rows are not near by their first components, short codes are for those who ask. */
static void whether_they_do(void **state)
{
    float *x = need_floats(LENS_N * LENS_D);
    uint64_t at = 5;
    test_store s;

    (void)state;
    for (size_t c = 0; c < 4; c += FEWER(1, 3)) {
        const char *codec = c % 2 ? ",U8" : ",I8";

        correlated_rows(codec, 9, LENS_N, LENS_D, x);
        for (size_t i = 0; c > 1 && i < LENS_N * LENS_D; i++)
            x[i] = byte_of(codec, 30.0f * draw_normal(&at));
        store_open(&s, ki_codec_find(codec + 1), LENS_D, KITH_L2, 0.0, false, NULL);
        store_add(&s, x, LENS_N, NULL);
        if (c > 1)
            learn(&s, 0, KI_LENS_OWN, LENS_D);
        else
            learn(&s, 0, KI_LENS_SHORT, 128);
        learn(&s, 50, KI_LENS_SHORT, 64);
        learn(&s, LENS_D, KI_LENS_OWN, LENS_D);
        store_close(&s);
    }
    for (size_t i = 0; i < LENS_N * LENS_D; i++) x[i] = 9.0f; // no direction is any use
    store_open(&s, ki_codec_find("U8"), LENS_D, KITH_L2, 0.0, false, NULL);
    store_add(&s, x, LENS_N, NULL);
    learn(&s, 0, KI_LENS_OWN, LENS_D);
    learn(&s, 64, KI_LENS_OWN, LENS_D);
    store_close(&s);
    free(x);
}

/* Sums along the basis are as far apart as `longest` says, at most: of rows that the lens knows and
 * of others. */
static void how_far_sums_are(void **state)
{
    enum { FEW = 500, TRIES = 4000 };
    float *x = need_floats(2 * FEW * D), *room;
    uint64_t at = 17;
    uint32_t pos[FEW];
    double most = 0.0;
    test_store s;
    ki_lens *l;

    (void)state;
    correlated_rows(",U8", 8, FEW, D, x);
    for (size_t i = FEW * D; i < 2 * FEW * D; i++) x[i] = (float)draw_below(&at, 256);
    for (uint32_t i = 0; i < FEW; i++) pos[i] = i;
    store_open(&s, ki_codec_find("U8"), D, KITH_L2, 0.0, false, NULL);
    store_add(&s, x, 2 * FEW, NULL);
    must(ki_lens_learn(&s.env, s.v, pos, FEW, &(ki_lens_how){3, WIDE, 2, NULL}, &l));
    assert_int_equal(l->kind, KI_LENS_SHORT);
    room = need_floats(2 * ki_lens_room(l));
    for (size_t i = 0; i < TRIES; i++) {
        const uint8_t *a = ki_view_code(s.v, draw_below(&at, 2 * FEW));
        const uint8_t *b = ki_view_code(s.v, draw_below(&at, 2 * FEW));
        float *y = room + ki_lens_room(l);
        double bytes = 0.0, sums = 0.0;

        ki_shorten_row(l, a, room);
        ki_shorten_row(l, b, y);
        for (size_t j = 0; j < D; j++) bytes += (double)((a[j] - b[j]) * (a[j] - b[j]));
        for (size_t j = 0; j < WIDE; j++) {
            const double t = (double)room[j] - (double)y[j];
            sums += t * t;
        }
        if (sqrt(sums) > (double)l->longest * sqrt(bytes) * (1 + 1e-6))
            fail_msg("sums are %g apart, bytes %g, at most %g times as far", sqrt(sums),
                     sqrt(bytes), (double)l->longest);
        if (bytes > 0.0 && sqrt(sums / bytes) > most) most = sqrt(sums / bytes);
    }
    assert_true(most > 0.9 * (double)l->longest); // and not much less
    free(room);
    ki_lens_release(l);
    store_close(&s);
    free(x);
}

/* ---- answers --------------------------------------------------------------------------------- */

static void recall_floors(void **state)
{
    static const double floors[] = {0.97, 0.97, 0.95};

    (void)state;
    for (size_t i = 0; i < 9; i++) {
        struct whole w;

        if (SANITIZED && i % 3 != i / 3) continue;
        if (i % 3 == i / 3) {
            two_sound(&whole[i / 3].t, KITH_ROWS(queries(&whole[i / 3]), NQ, KITH_F32),
                      floors[i / 3]);
            continue;
        }
        open_whole(&w, navigators[i / 3], codecs[i % 3]);
        two_sound(&w.t, KITH_ROWS(queries(&w), NQ, KITH_F32), floors[i / 3]);
        close_whole(&w);
    }
}

static void many_and_few(void **state)
{
    static const uint32_t ks[] = {1, 2, 300, N / 4 + 1, N};

    (void)state;
    for (size_t i = 0; i < 3; i++)
        for (size_t j = 0; j < sizeof ks / sizeof *ks; j++) {
            const kith_query how = KITH_QUERY_K(ks[j]);

            two_floor(&whole[i].t, KITH_ROWS(queries(&whole[i]), j < 3 ? NQ : 3, KITH_F32), &how,
                      0.95);
        }
}

/* Fractions, and what lies outside the range of bytes: a little, far, as far as floats go. */
static void queries_of_another_kind(void **state)
{
    static const float far[] = {0.0f, 100.0f, 1e6f, 1e18f};
    static const double floors[] = {0.95, 0.9, 0.0, 0.0};
    float *q = need_floats(NQ * D);

    (void)state;
    for (size_t i = 0; i < 3; i++)
        for (size_t j = 0; j < 4; j++) {
            const float unit = i == 2 ? 0.02f : 1.0f;
            const kith_query ten = KITH_QUERY_K(10);

            for (size_t c = 0; c < NQ * D; c++)
                q[c] = queries(&whole[i])[c] + unit * (c % 3 ? 0.375f : far[j]);
            two_floor(&whole[i].t, KITH_ROWS(q, NQ, KITH_F32), &ten, floors[j]);
        }
    free(q);
}

/* All within the distance of the k-th, of queries moved by so much. */
static void range_of(const two_indexes *t, const float *from, float by, uint32_t k, double floor)
{
    kith_query how = KITH_QUERY_K(k);
    size_t found = 0, wanted = 0;
    int64_t *ids = malloc(k * sizeof *ids);
    float q[D], *dist = need_floats(k);

    assert_non_null(ids);
    for (size_t i = 0; i < NQ; i++) {
        const kith_rows one = KITH_ROWS(q, 1, KITH_F32);
        kith_hits *walked, *exact;
        const float *a, *b;
        const int64_t *x, *y;
        size_t n, m, at = 0;

        for (size_t j = 0; j < D; j++) q[j] = from[i * D + j] + by;
        how.limit = NAN;
        must(kith_search(t->flat, one, &how, ids, dist));
        how.limit = dist[k - 1];
        must(kith_range(t->graph, one, &how, &walked));
        must(kith_range(t->flat, one, &how, &exact));
        n = kith_hits_row(walked, 0, &x, &a);
        m = kith_hits_row(exact, 0, &y, &b);
        for (size_t j = 0; j < n; j++, at++) { // each is one of Flat's, at its distance
            while (at < m && y[at] != x[j]) at++;
            assert_true(at < m && a[j] == b[at]);
        }
        found += n;
        wanted += m;
        kith_hits_free(walked);
        kith_hits_free(exact);
    }
    if (getenv("KITH_SHOW")) print_message("%s, ranges: %zu of %zu\n", t->what, found, wanted);
    if ((double)found < floor * (double)wanted)
        fail_msg("%s: %zu of %zu rows within a limit, moved by %g", t->what, found, wanted,
                 (double)by);
    free(ids);
    free(dist);
}

static void ranges(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        range_of(&whole[i].t, queries(&whole[i]), 0.0f, 30, 0.98);
        range_of(&whole[i].t, queries(&whole[i]), i == 2 ? 0.009f : 0.46f, N / 16, 0.98);
    }
}

/* A third, in no order; and few, which are looked at one by one. */
static void filters(void **state)
{
    static const size_t every[] = {3, 40};
    int64_t ids[N];

    (void)state;
    for (size_t i = 0; i < 3; i++)
        for (size_t j = 0; j < 2; j++) {
            kith_query how = KITH_QUERY_K(10);
            kith_filter *f;
            size_t n = 0;

            for (size_t row = 0; row < N; row += every[j]) ids[n++] = (int64_t)(row * 7 % N);
            must(kith_filter_ids(ids, n, NULL, &f));
            how.filter = f;
            two_floor(&whole[i].t, KITH_ROWS(queries(&whole[i]), NQ, KITH_F32), &how, 0.9);
            kith_filter_free(f);
        }
}

static void cursors(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        const kith_query how = KITH_QUERY_INIT;
        uint8_t *seen = calloc(N, 1);
        int64_t ids[600];
        float dist[600];
        size_t n = 0, got = 1;
        kith_cursor *c;

        assert_non_null(seen);
        must(kith_cursor_open(whole[i].t.graph, KITH_ROWS(queries(&whole[i]), 1, KITH_F32), &how,
                              &c));
        for (size_t page = 10; got; page = page * 3 % 599) {
            must(kith_cursor_next(c, page, ids, dist, &got));
            for (size_t j = 0; j < got; j++) {
                assert_true(ids[j] >= 0 && ids[j] < N && !seen[ids[j]]++);
                assert_true(j == 0 || dist[j - 1] <= dist[j]);
            }
            n += got;
        }
        if (n < N - N / 100) fail_msg("%s: %zu rows of %d", whole[i].what, n, N);
        kith_cursor_free(c);
        free(seen);
    }
}

static void budgets(void **state)
{
    uint32_t flags[NQ];
    int64_t ids[NQ * 10];

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        const kith_rows q = KITH_ROWS(queries(&whole[i]), NQ, KITH_F32);
        kith_query how = KITH_QUERY_K(10);

        how.max_visits = 60;
        (void)two_recall(&whole[i].t, q, &how); // what it has is right
        how.flags = flags;
        must(kith_search(whole[i].t.graph, q, &how, ids, NULL));
        for (size_t j = 0; j < NQ; j++) assert_true(flags[j] & KITH_TRUNCATED);
        how.max_visits = 0;
        how.deadline_us = 1;
        how.effort = FEWER(200, 100); // so that it walks
        must(kith_search(whole[i].t.graph, q, &how, ids, NULL));
        for (size_t j = 0; j < NQ; j++) assert_true(flags[j] & KITH_TRUNCATED);
        how.deadline_us = 3600000000;
        must(kith_search(whole[i].t.graph, q, &how, ids, NULL));
        for (size_t j = 0; j < NQ; j++) assert_int_equal(flags[j], 0);
    }
}

/* More ranked finds no less; what is asked by id is found first. */
static void ranked_and_by_id(void **state)
{
    int64_t of[NQ], ids[NQ];
    float dist[NQ];

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        const kith_rows q = KITH_ROWS(queries(&whole[i]), NQ, KITH_F32);
        kith_query how = KITH_QUERY_K(10);
        const double plain = two_recall(&whole[i].t, q, &how);

        how.rerank = 200;
        if (two_recall(&whole[i].t, q, &how) < plain) fail_msg("%s: rerank", whole[i].what);
        how = (kith_query)KITH_QUERY_K(1);
        for (size_t j = 0; j < NQ; j++) of[j] = (int64_t)(j * (N / NQ));
        must(kith_search_ids(whole[i].t.graph, of, NQ, &how, ids, dist));
        for (size_t j = 0; j < NQ; j++) assert_true(ids[j] == of[j] && dist[j] == 0.0f);
    }
}

/* ---- changes and files ----------------------------------------------------------------------- */

/* A copy of what was built, so that the others find it as it was. bytes: what it lies in. */
static void copy_whole(const struct whole *w, const char *codec, two_indexes *t, uint8_t **bytes)
{
    char flat[32];
    size_t len;

    *t = w->t;
    *bytes = bytes_of(w->t.graph, &len);
    must(kith_open_view(*bytes, len, KITH_OPEN_COPY, NULL, &t->graph));
    (void)snprintf(flat, sizeof flat, "Flat%s", codec);
    must(kith_create(flat, D, KITH_L2, NULL, &t->flat));
    must(kith_add(t->flat, KITH_ROWS(w->x, N, KITH_F32), NULL, NULL, NULL));
}

static void rows_come_and_go(void **state)
{
    enum { GONE = N / 3 };
    int64_t ids[GONE];

    (void)state;
    for (size_t i = 0; i < GONE; i++) ids[i] = (int64_t)(3 * i + 1);
    for (size_t i = 0; i < 3; i++) {
        const kith_rows q = KITH_ROWS(queries(&whole[i]), NQ, KITH_F32);
        const float *more = whole[i].x + N * D;
        two_indexes t;
        uint8_t *bytes;

        copy_whole(&whole[i], codecs[i], &t, &bytes);
        for (size_t j = 0; j < MORE; j += MORE / 8)
            two_add(&t, KITH_ROWS(more + j * D, MORE / 8, KITH_F32), NULL);
        two_sound(&t, q, 0.93);
        two_upsert(&t, KITH_ROWS(more + D, 50, KITH_F32), ids);
        two_sound(&t, q, 0.93);
        two_remove(&t, ids, 50);
        two_sound(&t, q, 0.93);
        two_remove(&t, ids + 50, GONE - 50); // so many that they are swept out
        two_sound(&t, q, 0.93);
        must(kith_compact(t.graph, NULL));
        two_sound(&t, q, 0.93);
        assert_true(walk_bytes(t.graph) > 0);
        two_close(&t);
        free(bytes);
    }
}

static void same_answers(const kith_index *a, const kith_index *b, const float *q)
{
    const kith_query how = KITH_QUERY_K(10);
    int64_t x[NQ * 10], y[NQ * 10];
    float s[NQ * 10], t[NQ * 10];

    must(kith_search(a, KITH_ROWS(q, NQ, KITH_F32), &how, x, s));
    must(kith_search(b, KITH_ROWS(q, NQ, KITH_F32), &how, y, t));
    assert_memory_equal(x, y, sizeof x);
    assert_memory_equal(s, t, sizeof s);
}

static void mapped_and_loaded(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        const struct whole *w = &whole[i];
        const kith_rows more = KITH_ROWS(w->x + N * D, 60, KITH_F32);
        const char *path = in_folder("a.kith");
        kith_index *mapped, *loaded;

        must(kith_save(w->t.graph, path, NULL));
        must(kith_open(path, KITH_OPEN_MAP | KITH_OPEN_VERIFY, NULL, &mapped));
        must(kith_open(path, 0, NULL, &loaded));
        same_bytes(w->t.graph, mapped, w->what);
        same_answers(w->t.graph, mapped, queries(w));
        same_answers(w->t.graph, loaded, queries(w));
        must(kith_add(mapped, more, NULL, NULL, NULL));
        must(kith_add(loaded, more, NULL, NULL, NULL));
        must(kith_verify(mapped, NULL));
        same_bytes(mapped, loaded, w->what);
        same_answers(mapped, loaded, queries(w));
        kith_free(mapped);
        kith_free(loaded);
        assert_int_equal(remove(path), 0);
    }
}

static kith_index *grown(const char *navigator, const char *codec, const float *x, uint32_t threads)
{
    kith_host host = KITH_HOST_INIT;
    kith_index *ix;
    char spec[64];

    host.threads = threads;
    (void)snprintf(spec, sizeof spec, "%s%s", navigator, codec);
    must(kith_create(spec, D, KITH_L2, &host, &ix));
    must(kith_add(ix, KITH_ROWS(x, 1300, KITH_F32), NULL, NULL, NULL));
    must(kith_add(ix, KITH_ROWS(x + 1300 * D, 150, KITH_F32), NULL, NULL, NULL));
    return ix;
}

static void the_same_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        kith_index *one = grown(navigators[i], codecs[i], whole[i].x, 1);

        for (uint32_t threads = 2; threads <= 5; threads += 3) {
            kith_index *other = grown(navigators[i], codecs[i], whole[i].x, threads);

            same_bytes(one, other, whole[i].what);
            kith_free(other);
        }
        kith_free(one);
    }
}

/* ---- rows that are hard ---------------------------------------------------------------------- */

enum { HARD = 1200, HARD_D = 100 };

/* x [HARD][HARD_D]; half of it is added at once, the rest in pieces. */
static void prove_hard(const float *x, const char *what, double floor)
{
    for (size_t i = 0; i < 3; i++) {
        const kith_rows q = KITH_ROWS(x, 20, KITH_F32);
        char text[96];
        two_indexes t;

        two_open_as(&t, navigators[i], ",U8", HARD_D, KITH_L2, 2);
        (void)snprintf(text, sizeof text, "%s, %s", navigators[i], what);
        t.what = text;
        two_add(&t, KITH_ROWS(x, HARD - 150, KITH_F32), NULL);
        two_sound(&t, q, floor);
        for (size_t j = HARD - 150; j < HARD; j += 50)
            two_add(&t, KITH_ROWS(x + j * HARD_D, 50, KITH_F32), NULL);
        two_sound(&t, q, floor);
        two_sound(&t, KITH_ROWS(x + (HARD - 20) * HARD_D, 20, KITH_F32), floor);
        two_remove(&t, (const int64_t[]){0, 1, 2, 3, 4}, 5);
        two_sound(&t, q, floor);
        two_close(&t);
    }
}

static void hard_rows(void **state)
{
    float *x = need_floats(HARD * HARD_D);
    uint64_t at = 31;

    (void)state;
    correlated_rows(",U8", 12, HARD, HARD_D, x);
    for (size_t i = 40; i < HARD; i++)
        if (draw_below(&at, 10) < 3)
            memcpy(x + i * HARD_D, x + draw_below(&at, 40) * HARD_D, HARD_D * sizeof *x);
    prove_hard(x, "copies", 0.95);
    for (size_t i = 0; i < HARD * HARD_D; i++)
        if (i / HARD_D % 3 == 1) x[i] = 0.0f;
    prove_hard(x, "zeros among them", 0.95);
    for (size_t i = 0; i < HARD * HARD_D; i++) x[i] = 77.0f;
    prove_hard(x, "all equal", 1.0);
    // all that was there when the lens learned was one row, and what comes is not
    correlated_rows(",U8", 13, 150, HARD_D, x + (HARD - 150) * HARD_D);
    prove_hard(x, "all equal at first", 0.9);
    for (size_t i = 0; i < HARD * HARD_D; i++) x[i] = (float)draw_below(&at, 2) * 255.0f;
    prove_hard(x, "independent bits", 0.3);
    free(x);
}

/* ---- failures -------------------------------------------------------------------------------- */

/* Rows that vary where those that the basis was learned from do not have one code, all of them, and
 * are told apart by their bytes; when there are many the lens is learned anew. */
static void rows_beside_the_basis(void **state)
{
    enum { FIRST = FEWER(3000, 2000), NEXT = FIRST / 4, ROUNDS = 3, HALF = D / 2, ASKED = 50 };
    const size_t all = FIRST + ROUNDS * NEXT;
    float *y = need_floats((all + ASKED) * D), *q = y + all * D;
    kith_query one = KITH_QUERY_K(1), ten = KITH_QUERY_K(10), deep = KITH_QUERY_K(10);
    two_indexes t;

    (void)state;
    deep.rerank = 500;
    correlated_rows(",U8", 5, all + ASKED, D, y);
    for (size_t i = 0; i < all + ASKED; i++)
        for (size_t j = 0; j < HALF; j++) y[i * D + j + (i < FIRST ? HALF : 0)] = 128.0f;
    two_open_as(&t, navigators[0], ",U8", D, KITH_L2, 2);
    two_add(&t, KITH_ROWS(y, FIRST, KITH_F32), NULL);
    for (size_t r = 0; r < ROUNDS; r++) {
        const float *come = y + (FIRST + r * NEXT) * D;

        two_add(&t, KITH_ROWS(come, NEXT, KITH_F32), NULL);
        two_floor(&t, KITH_ROWS(come, ASKED, KITH_F32), &one, 1.0);
        two_floor(&t, KITH_ROWS(q, ASKED, KITH_F32), &ten, 0.95);
        two_floor(&t, KITH_ROWS(q, ASKED, KITH_F32), &deep, 0.95);
        two_floor(&t, KITH_ROWS(y, ASKED, KITH_F32), &ten, 0.95);
    }
    two_sound(&t, KITH_ROWS(q, ASKED, KITH_F32), 0.95);
    two_close(&t);
    free(y);
}

static void no_memory(void **state)
{
    enum { FEW = 1010 };
    const float *x = whole[0].x;
    failing_host host;
    size_t n = 1, failed = 0;

    (void)state;
    for (;; n += 1 + n / FEWER(8, 2)) {
        kith_index *ix = NULL;
        kith_status st;

        failing_init(&host);
        host.host.threads = 1;
        failing_alloc_at(&host, n, false);
        st = kith_create("Graph16(code_dims=64),U8", D, KITH_L2, &host.host, &ix);
        if (st == KITH_OK) st = kith_add(ix, KITH_ROWS(x, FEW, KITH_F32), NULL, NULL, NULL);
        if (!failing_happened(&host)) {
            assert_int_equal(st, KITH_OK);
            assert_true(walk_bytes(ix) > 0);
            kith_free(ix);
            break;
        }
        assert_int_equal(st, KITH_NO_MEMORY);
        failed++;
        if (ix) must(kith_verify(ix, NULL));
        assert_int_equal(ix ? kith_count(ix) : 0, 0);
        kith_free(ix);
        assert_null(failing_complaint(&host));
    }
    assert_null(failing_complaint(&host));
    assert_true(failed > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(how_short),
        cmocka_unit_test(whether_they_do),
        cmocka_unit_test(how_far_sums_are),
        cmocka_unit_test(recall_floors),
        cmocka_unit_test(many_and_few),
        cmocka_unit_test(queries_of_another_kind),
        cmocka_unit_test(ranges),
        cmocka_unit_test(filters),
        cmocka_unit_test(cursors),
        cmocka_unit_test(budgets),
        cmocka_unit_test(ranked_and_by_id),
        cmocka_unit_test(rows_come_and_go),
        cmocka_unit_test(mapped_and_loaded),
        cmocka_unit_test(the_same_bytes),
        cmocka_unit_test(hard_rows),
        cmocka_unit_test(rows_beside_the_basis),
        cmocka_unit_test(no_memory),
    };

    return cmocka_run_group_tests_name("shorten", tests, make, forget);
}
