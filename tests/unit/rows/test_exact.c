/* Exact search against a brute force in double: random scenes (codec, metric, kind of rows, shape,
 * ids, removed rows, masks, limits, cursors, threads, batch sizes), each seed printed when it
 * fails, on every instruction set; and scenes that a draw rarely makes. */
#include "support/harness.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "rows/exact.h"
#include "support/everycpu.h"
#include "support/failing.h"
#include "support/hardrows.h"
#include "support/teststore.h"

/* ---- the oracle ------------------------------------------------------------------------------ */

/* What a search has to give and what it gave; the lock is receive's. */
typedef struct answer {
    ki_found *want; // [nq][k]
    size_t *n;      // [nq]
    size_t nq, k;
    unsigned char *called; // [nq]
    size_t wrong;
    char first[200];
    pthread_mutex_t lock;
} answer;

static int by_key(const void *a, const void *b)
{
    const ki_found *x = a, *y = b;

    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static bool may_answer(const ki_view *v, const ki_ask *ask, size_t i, const ki_found *f)
{
    if (!ki_view_live(v, f->pos) || !(f->key <= ask->limit)) return false;
    if (ask->mask && (f->pos >= ask->mask->n || !ki_bit_get(ask->mask->words, f->pos)))
        return false;
    if (ask->exclude && ask->exclude[i] == f->id) return false;
    return !ask->has_after || f->key > ask->after_key ||
           (f->key == ask->after_key && f->id > ask->after_id);
}

static const void *query_at(const ki_view *v, const void *q, size_t i)
{
    const size_t len = v->codec->type == KI_BITS ? v->row_bytes : v->d * sizeof(float);
    return (const unsigned char *)q + i * len;
}

static double key_of(const ki_view *v, const void *q, uint32_t pos)
{
    void *work = malloc(ki_score_bytes(v->codec, v->metric, v->d));
    double key;

    assert_non_null(work);
    key = ki_codec_key(v->codec, v->metric, v->arg, v->d, q, ki_view_code(v, pos), work);
    free(work);
    return key;
}

/* The k best of n in order; returns how many. */
static size_t cut(ki_found *all, size_t n, size_t k)
{
    qsort(all, n, sizeof *all, by_key);
    return n < k ? n : k;
}

static void brute_force(const ki_view *v, const void *q, size_t nq, const ki_ask *ask, answer *out)
{
    ki_found *all = malloc((v->n + 1) * sizeof *all);
    void *work = malloc(ki_score_bytes(v->codec, v->metric, v->d));

    assert_true(all && work);
    *out =
        (answer){.nq = nq, .k = ask->k < v->n ? ask->k : v->n, .lock = PTHREAD_MUTEX_INITIALIZER};
    out->want = malloc((nq * out->k + 1) * sizeof *out->want);
    out->n = malloc((nq + 1) * sizeof *out->n);
    out->called = calloc(nq + 1, 1);
    assert_true(out->want && out->n && out->called);
    for (size_t i = 0; i < nq; i++) {
        size_t n = 0;
        double worst = (double)INFINITY; // of the k best so far
        for (uint32_t pos = 0; pos < v->n; pos++) {
            all[n] = (ki_found){ki_codec_key(v->codec, v->metric, v->arg, v->d, query_at(v, q, i),
                                             ki_view_code(v, pos), work),
                                ki_view_id(v, pos), pos};
            n += all[n].key <= worst && may_answer(v, ask, i, &all[n]);
            if (n < 2 * out->k + 100) continue;
            n = cut(all, n, out->k);
            worst = all[n - 1].key;
        }
        n = cut(all, n, out->k);
        out->n[i] = n;
        memcpy(out->want + i * out->k, all, out->n[i] * sizeof *all);
    }
    free(all);
    free(work);
}

static void forget(answer *a)
{
    free(a->want);
    free(a->n);
    free(a->called);
}

static kith_status receive(void *ctx, size_t i, const ki_found *hit, size_t n, uint32_t flags)
{
    answer *a = ctx;
    const ki_found *want = a->want + i * a->k;
    size_t bad = 0;

    if (flags != KITH_EXACT) return ki_fail(KITH_CORRUPT, "flags %u", flags);
    while (bad < n && bad < a->n[i] && hit[bad].key == want[bad].key &&
           hit[bad].id == want[bad].id && hit[bad].pos == want[bad].pos)
        bad++;
    pthread_mutex_lock(&a->lock);
    if ((n != a->n[i] || bad < n || a->called[i]) && a->wrong++ == 0)
        snprintf(a->first, sizeof a->first,
                 "query %zu: %zu hits, not %zu; from %zu on they differ: %.17g, not %.17g", i, n,
                 a->n[i], bad, bad < n ? hit[bad].key : 0, bad < a->n[i] ? want[bad].key : 0);
    a->called[i] = 1;
    pthread_mutex_unlock(&a->lock);
    return KITH_OK;
}

/* Search and compare; `what` is told when they differ. */
static void check(test_store *s, ki_scratch *scratch, const void *q, size_t nq, const ki_ask *ask,
                  const char *what)
{
    const ki_view *v = s->v;
    answer a;

    brute_force(v, q, nq, ask, &a);
    must(ki_exact_search(v, &s->env, q, nq, ask, scratch, receive, &a));
    for (size_t i = 0; i < nq; i++)
        if (!a.called[i]) fail_msg("%s: query %zu got no answer", what, i);
    if (a.wrong)
        fail_msg("%s: %s %s n %u d %zu nq %zu k %zu threads %u: %zu wrong; %s", what,
                 v->codec->name, kith_metric_name(v->metric), v->n, v->d, nq, ask->k, ask->threads,
                 a.wrong, a.first);
    forget(&a);
}

/* ---- random scenes --------------------------------------------------------------------------- */

typedef struct scene {
    uint64_t seed, drawn;
    const ki_codec *codec;
    kith_metric metric;
    double arg;
    hard_kind kind;
    size_t n, d, nq;
    float *x, *q;
    unsigned char *bits; // queries of Bits
    const void *queries;
    int64_t *id, *exclude;
    uint64_t *mask_words;
    ki_mask mask;
    test_store store;
} scene;

static uint32_t draw(scene *s, uint32_t below)
{
    return ki_random_below(s->seed, KI_RNG_TEST, s->drawn++, below);
}

static void *need(size_t len)
{
    void *p = calloc(1, len + 64);
    assert_non_null(p);
    return p;
}

static void draw_shape(scene *s)
{
    static const size_t dims[] = {1,  2,  3,  4,  5,  7,  8,   9,   15,  16,  17,  31,  32,
                                  33, 48, 63, 64, 65, 96, 100, 127, 128, 129, 130, 257, 960};
    static const size_t rows[] = {1,    2,    3,    15,   16,   17,   31,   32,   33,   63,
                                  64,   65,   100,  255,  256,  257,  511,  513,  1000, 1023,
                                  1024, 1025, 1500, 2047, 2048, 2049, 3000, 4096, 4500, 8200};

    do {
        s->codec = ki_codec_at(draw(s, 12));
    } while (!s->codec);
    do {
        s->metric = ki_metric_at(draw(s, draw(s, 2) ? 4 : 11))->id;
        if (s->codec->type == KI_BITS) s->metric = draw(s, 2) ? KITH_HAMMING : KITH_JACCARD;
    } while (ki_codec_suits(s->codec, s->metric) != KITH_OK);
    s->arg = (double)draw(s, 6) * 0.5 + 0.5;
    s->kind = draw(s, HARD_KINDS);
    s->d = dims[draw(s, sizeof dims / sizeof *dims)];
    s->n = rows[draw(s, sizeof rows / sizeof *rows)];
    if (s->d > 200 && s->n > 1200) s->n = 1200;
    s->nq = draw(s, 3) ? 1 + draw(s, 100) : 1;
    if (s->metric == KITH_LP || s->metric == KITH_JENSEN_SHANNON) s->nq = 1 + s->nq % 3;
    while (s->nq > 1 && s->n * s->d * s->nq > 4000000) s->nq /= 2;
}

static void draw_rows(scene *s)
{
    s->x = need(s->n * s->d * sizeof *s->x);
    s->q = need(s->nq * s->d * sizeof *s->q);
    hard_rows(s->kind, s->codec, s->metric, s->seed, s->n, s->d, s->x);
    hard_queries(draw(s, 3) ? s->kind : draw(s, HARD_KINDS), s->codec, s->metric, s->seed + 1, s->x,
                 s->n, s->nq, s->d, draw(s, 3), s->q);
    s->queries = s->q;
    if (s->codec->type == KI_BITS) {
        s->bits = need(s->nq * s->codec->row_bytes(s->d));
        must(ki_codec_encode(s->codec, KITH_ROWS(s->q, s->nq, KITH_F32), 0, s->nq, s->d, s->bits));
        s->queries = s->bits;
    }
    if (draw(s, 2)) {
        s->id = need(s->n * sizeof *s->id);
        for (size_t i = 0; i < s->n; i++) s->id[i] = (int64_t)i * 3 - 500;
        for (size_t i = s->n - 1; i > 0; i--) {
            const size_t j = draw(s, (uint32_t)i + 1);
            const int64_t t = s->id[i];
            s->id[i] = s->id[j];
            s->id[j] = t;
        }
    }
    store_open(&s->store, s->codec, s->d, s->metric, s->arg, draw(s, 4), NULL);
    store_add(&s->store, s->x, s->n, s->id);
}

static void draw_removed(scene *s)
{
    const uint32_t share = 1 + draw(s, 100);
    int64_t *gone = need(s->n * sizeof *gone);
    size_t n = 0;

    for (uint32_t i = 0; i < s->n; i++)
        if (draw(s, 100) < share) gone[n++] = ki_view_id(s->store.v, i);
    store_remove(&s->store, gone, n);
    free(gone);
}

static void draw_mask(scene *s)
{
    static const uint32_t shares[] = {1, 5, 20, 60, 100};
    const uint32_t share = shares[draw(s, 5)],
                   n = draw(s, 2) ? (uint32_t)s->n : draw(s, (uint32_t)s->n);
    const uint32_t from = draw(s, 4) ? 0 : draw(s, n + 1);

    s->mask_words = need(ki_bit_words(s->n + 1) * sizeof *s->mask_words);
    s->mask = (ki_mask){.words = s->mask_words, .n = n};
    for (uint32_t i = from; i < n; i++)
        if (draw(s, 100) < share && ki_view_live(s->store.v, i)) {
            ki_bit_set(s->mask_words, i);
            s->mask.count++;
        }
}

static ki_ask draw_ask(scene *s)
{
    static const uint32_t threads[] = {1, 1, 2, 5};
    const size_t ks[] = {1, 2, 10, 10, 100, 1000, s->n, s->n + 5, SIZE_MAX};
    ki_ask ask = {.k = ks[draw(s, 9)], .limit = (double)INFINITY, .threads = threads[draw(s, 4)]};

    if (draw(s, 3) == 0) {
        draw_mask(s);
        ask.mask = &s->mask;
    }
    if (draw(s, 4) == 0) {
        s->exclude = need(s->nq * sizeof *s->exclude);
        for (size_t i = 0; i < s->nq; i++)
            s->exclude[i] =
                draw(s, 2) ? KITH_NO_ID : ki_view_id(s->store.v, draw(s, (uint32_t)s->n));
        ask.exclude = s->exclude;
    }
    if (ask.k == SIZE_MAX || draw(s, 4) == 0)
        ask.limit =
            key_of(s->store.v, s->queries, draw(s, (uint32_t)s->n)) * (draw(s, 3) ? 1 : 0.9);
    if (draw(s, 5) == 0) {
        const uint32_t pos = draw(s, (uint32_t)s->n);
        ask.has_after = true;
        ask.after_key = key_of(s->store.v, s->queries, pos);
        ask.after_id = ki_view_id(s->store.v, draw(s, 2) ? pos : draw(s, (uint32_t)s->n));
    }
    return ask;
}

static void play(uint64_t seed, ki_scratch *scratch)
{
    scene s = {.seed = seed};
    char what[80];
    ki_ask ask;

    draw_shape(&s);
    draw_rows(&s);
    if (draw(&s, 3) == 0) draw_removed(&s);
    ask = draw_ask(&s);
    if (ask.k > 100 && s.nq > 1 + 20000 / s.n) s.nq = 1 + 20000 / s.n; // sorting takes its time
    snprintf(what, sizeof what, "seed %llu (%s)", (unsigned long long)seed, hard_name(s.kind));
    check(&s.store, scratch, s.queries, s.nq, &ask, what);
    if (s.nq > 1 && draw(&s, 2)) check(&s.store, scratch, s.queries, 1, &ask, what);
    store_close(&s.store);
    free(s.x);
    free(s.q);
    free(s.bits);
    free(s.id);
    free(s.exclude);
    free(s.mask_words);
}

static void test_random_scenes(void **state)
{
    enum { SCENES = 150 };
    ki_scratch *scratch;
    ki_env env;

    (void)state;
    must(ki_env_init(&env, NULL));
    must(ki_scratch_create(&env, &scratch));
    for (uint64_t seed = 1; seed <= SCENES; seed++) play(seed, scratch);
    ki_scratch_free(scratch);
}

/* ---- scenes of their own --------------------------------------------------------------------- */

typedef struct stage {
    test_store store;
    ki_scratch *scratch;
    float *x, *q;
    size_t n, nq, d;
} stage;

static void stage_open(stage *s, const char *codec, kith_metric m, hard_kind kind, size_t n,
                       size_t d, size_t nq, const kith_host *host)
{
    const ki_codec *c = ki_codec_find(codec);

    *s = (stage){.n = n, .nq = nq, .d = d};
    s->x = need(n * d * sizeof *s->x);
    s->q = need(nq * d * sizeof *s->q);
    hard_rows(kind, c, m, 5, n, d, s->x);
    hard_queries(kind, c, m, 6, s->x, n, nq, d, true, s->q);
    store_open(&s->store, c, d, m, 0, true, host);
    store_add(&s->store, s->x, n, NULL);
    must(ki_scratch_create(&s->store.env, &s->scratch));
}

static void stage_close(stage *s)
{
    ki_scratch_free(s->scratch);
    store_close(&s->store);
    free(s->x);
    free(s->q);
}

/* Several chunks, the last without a scan code. */
static void test_many_chunks(void **state)
{
    static const char *const codecs[] = {"F32", "U8", "BF16"};

    (void)state;
    for (size_t c = 0; c < 3; c++)
        for (uint32_t threads = 1; threads <= 5; threads += 4) {
            ki_ask ask = {.k = 12, .limit = (double)INFINITY, .threads = threads};
            int64_t gone[300];
            stage s;
            stage_open(&s, codecs[c], KITH_L2, HARD_RANDOM, 2 * KI_CHUNK + 700, 3, 40, NULL);
            check(&s.store, s.scratch, s.q, 3, &ask, "chunks");
            check(&s.store, s.scratch, s.q, 1, &ask, "chunks");
            for (int64_t i = 0; i < 300; i++) gone[i] = KI_CHUNK - 100 + i;
            store_remove(&s.store, gone, 300);
            check(&s.store, s.scratch, s.q, 2, &ask, "chunks, some removed");
            stage_close(&s);
        }
}

static void test_batch_sizes_and_threads(void **state)
{
    static const size_t sizes[] = {1, 2, 15, 16, 17, 31, 32, 33, 64, 65, 100};
    static const uint32_t threads[] = {1, 2, 5};
    stage s;

    (void)state;
    stage_open(&s, "F32", KITH_L2, HARD_RANDOM, 5000, 20, 330, NULL);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (size_t t = 0; t < 3; t++)
            check(&s.store, s.scratch, s.q, sizes[i],
                  &(ki_ask){.k = 10, .limit = (double)INFINITY, .threads = threads[t]}, "sizes");
    check(&s.store, s.scratch, s.q, 330,
          &(ki_ask){.k = 10, .limit = (double)INFINITY, .threads = 5}, "sizes");
    stage_close(&s);
}

/* Panels of queries whose products, of f32 or rounded to bf16, decide little (1e6 + noise) or all:
 * rows of each type, with and without a scan code, and queries that are no integers. */
static void test_panels_of_floats(void **state)
{
    static const char *const codecs[] = {"F32", "F16", "BF16", "U8", "I8"};
    static const kith_metric metrics[] = {KITH_L2, KITH_IP, KITH_COSINE, KITH_L1};
    const ki_ask ask = {.k = 10, .limit = (double)INFINITY, .threads = 1};

    (void)state;
    for (size_t c = 0; c < 5; c++)
        for (size_t m = 0; m < 4; m++)
            for (hard_kind kind = HARD_RANDOM; kind < HARD_KINDS; kind++)
                for (size_t d = 7; d <= 107; d += 50) {
                    const size_t n = c > 0 ? 500 : d == 57 ? 1200 : 900;
                    stage s;
                    stage_open(&s, codecs[c], metrics[m], kind, n, d, 20, NULL);
                    hard_queries(kind, s.store.v->codec, metrics[m], 6, s.x, n, 20, d, false, s.q);
                    check(&s.store, s.scratch, s.q, 20, &ask, hard_name(kind));
                    if (kind == HARD_RANDOM) {
                        int64_t gone[300];
                        for (int64_t i = 0; i < 300; i++) gone[i] = i + i / 3;
                        store_remove(&s.store, gone, 300);
                        check(&s.store, s.scratch, s.q, 20, &ask, "most are removed");
                    }
                    stage_close(&s);
                }
}

/* Queries and rows whose components all lie beside the middle between two bf16, on the side that
 * moves them apart when they are rounded: the nearest rows, met when a tau
 * is known already, lose as much as rounding can take. */
static void test_roundings_that_agree(void **state)
{
    enum { N = 600, D = 64, NQ = 3 }; // 1/sqrt(D) is a bf16
    static const kith_metric metrics[] = {KITH_L2, KITH_IP, KITH_COSINE};
    static const char *const codecs[] = {"F32", "F16"};
    const float middle = 1.0f + 0x1p-8f;
    const ki_ask ask = {.k = 2, .limit = (double)INFINITY, .threads = 1};

    (void)state;
    for (size_t c = 0; c < 2; c++)
        for (size_t m = 0; m < 3; m++) {
            const float little = c == 0 ? 0x1p-16f : 0x1p-10f;
            stage s = {.n = N, .nq = NQ, .d = D};
            s.x = need(N * D * sizeof *s.x);
            s.q = need(NQ * D * sizeof *s.q);
            for (size_t i = 0; i < N * D; i++) {
                const bool near = i / D > 400 && i / D < 410;
                const float sign = m == 0 || i % 2 ? 1.0f : -1.0f;
                s.x[i] = middle + sign * (near ? 1.0f : 3.0f) * little;
            }
            for (size_t i = 0; i < NQ * D; i++) {
                const float sign = m == 0 || i % 2 ? -1.0f : 1.0f;
                s.q[i] = sign * middle - little;
            }
            store_open(&s.store, ki_codec_find(codecs[c]), D, metrics[m], 0, true, NULL);
            store_add(&s.store, s.x, N, NULL);
            must(ki_scratch_create(&s.store.env, &s.scratch));
            check(&s.store, s.scratch, s.q, NQ, &ask, "roundings that agree");
            stage_close(&s);
        }
}

/* The nearest rows lie where samples are taken, and there are fewer of them than are wanted: all
 * bets on the k-th distance are lost. Or half of them do, and some are. */
static void test_bets_that_are_lost(void **state)
{
    enum { N = 40 * 4096, D = 2, NQ = 33, K = 30 };
    static const char *const codecs[] = {"U8", "F32"};

    (void)state;
    for (size_t c = 0; c < 2; c++)
        for (size_t near = 20; near <= 40; near += 20)
            for (uint32_t threads = 1; threads <= 2; threads++) {
                const ki_ask ask = {.k = K, .limit = (double)INFINITY, .threads = threads};
                stage s = {.n = N, .nq = NQ, .d = D};
                s.x = need(N * D * sizeof *s.x);
                s.q = need(NQ * D * sizeof *s.q);
                for (size_t i = 0; i < N * D; i++)
                    s.x[i] = (float)(150 + ki_random_below(7, KI_RNG_TEST, i, 100));
                for (size_t i = 0; i < near; i++) s.x[i % 40 * 4096 * D] = (float)(i % 20);
                for (size_t i = 0; i < NQ * D; i++) s.q[i] = (float)(i % 2 ? 200 : i);
                store_open(&s.store, ki_codec_find(codecs[c]), D, KITH_L2, 0, true, NULL);
                store_add(&s.store, s.x, N, NULL);
                must(ki_scratch_create(&s.store.env, &s.scratch));
                check(&s.store, s.scratch, s.q, NQ, &ask, "bets");
                stage_close(&s);
            }
}

/* Few different keys: a bet has equals, and the answer is chosen among them by id. */
static void test_bets_among_equals(void **state)
{
    enum { N = 160000, D = 4, NQ = 40, K = 150 };
    static const char *const codecs[] = {"U8", "F32"};
    static const kith_metric metrics[] = {KITH_L2, KITH_IP, KITH_L1};

    (void)state;
    for (size_t c = 0; c < 2; c++)
        for (size_t m = 0; m < 3; m++) {
            const ki_ask ask = {.k = K, .limit = (double)INFINITY, .threads = 1 + (uint32_t)m % 2};
            stage s = {.n = N, .nq = NQ, .d = D};
            int64_t *id = need(N * sizeof *id);
            s.x = need(N * D * sizeof *s.x);
            s.q = need(NQ * D * sizeof *s.q);
            for (size_t i = 0; i < N * D; i++)
                s.x[i] = (float)ki_random_below(8, KI_RNG_TEST, i, 5) * (c ? 1.25f : 1.0f);
            for (size_t i = 0; i < NQ * D; i++)
                s.q[i] = (float)ki_random_below(9, KI_RNG_TEST, i, 5);
            for (size_t i = 0; i < N; i++) id[i] = (int64_t)(i * 7919 % N); // a permutation
            store_open(&s.store, ki_codec_find(codecs[c]), D, metrics[m], 0, true, NULL);
            store_add(&s.store, s.x, N, id);
            must(ki_scratch_create(&s.store.env, &s.scratch));
            check(&s.store, s.scratch, s.q, NQ, &ask, "bets among equals");
            stage_close(&s);
            free(id);
        }
}

/* Pages of a cursor are the whole order, cut into pieces. */
static void test_pages(void **state)
{
    enum { N = 700, PAGE = 37 };
    stage s;

    (void)state;
    stage_open(&s, "U8", KITH_L2, HARD_REPEATED, N, 4, 1, NULL);
    ki_ask ask = {.k = PAGE, .limit = (double)INFINITY, .threads = 1};
    for (size_t page = 0; page * PAGE < N + PAGE; page++) {
        answer a;
        brute_force(s.store.v, s.q, 1, &ask, &a);
        check(&s.store, s.scratch, s.q, 1, &ask, "pages");
        assert_int_equal(a.n[0], page * PAGE >= N         ? 0
                                 : N - page * PAGE < PAGE ? N - page * PAGE
                                                          : PAGE);
        if (a.n[0]) {
            ask.has_after = true;
            ask.after_key = a.want[a.n[0] - 1].key;
            ask.after_id = a.want[a.n[0] - 1].id;
        }
        forget(&a);
    }
    stage_close(&s);
}

/* Rows that all fit, however many: neither time nor memory may run away. */
static void test_equal_rows(void **state)
{
    static const hard_kind kinds[] = {HARD_CONSTANT, HARD_ZERO, HARD_REPEATED};
    static const kith_metric metrics[] = {KITH_L2, KITH_IP, KITH_COSINE};

    (void)state;
    for (size_t k = 0; k < 3; k++)
        for (size_t m = 0; m < 3; m++) {
            stage s;
            stage_open(&s, k == 1 ? "U8" : "F32", metrics[m], kinds[k], 20000, 8, 3, NULL);
            check(&s.store, s.scratch, s.q, 3,
                  &(ki_ask){.k = 10, .limit = (double)INFINITY, .threads = 2}, "equal rows");
            check(&s.store, s.scratch, s.q, 1,
                  &(ki_ask){.k = 10, .limit = (double)INFINITY, .threads = 1}, "equal rows");
            stage_close(&s);
        }
}

static void test_nothing_to_find(void **state)
{
    stage s;

    (void)state;
    stage_open(&s, "F32", KITH_L2, HARD_RANDOM, 50, 6, 4, NULL);
    check(&s.store, s.scratch, s.q, 4, &(ki_ask){.k = 5, .limit = -1, .threads = 1},
          "no row within");
    check(&s.store, s.scratch, s.q, 0, &(ki_ask){.k = 5, .limit = (double)INFINITY}, "no query");
    stage_close(&s);
}

/* ---- memory, errors, cancelling -------------------------------------------------------------- */

static void test_no_allocation_after_the_first(void **state)
{
    static const char *const codecs[] = {"F32", "U8", "F16"};

    (void)state;
    for (size_t c = 0; c < 3; c++)
        for (size_t nq = 1; nq <= 70; nq += 69) {
            failing_host host;
            stage s;
            size_t before;
            ki_ask ask = {.k = 10, .limit = (double)INFINITY, .threads = 2};
            failing_init(&host);
            stage_open(&s, codecs[c], KITH_L2, HARD_RANDOM, 6000, 40, 70, &host.host);
            check(&s.store, s.scratch, s.q, nq, &ask, "first");
            check(&s.store, s.scratch, s.q, nq, &ask, "second");
            before = host.allocs;
            check(&s.store, s.scratch, s.q, nq, &ask, "third");
            assert_int_equal(host.allocs, before);
            stage_close(&s);
            assert_null(failing_complaint(&host));
        }
}

static void test_no_memory(void **state)
{
    ki_ask ask = {.k = 300, .limit = (double)INFINITY, .threads = 1};
    failing_host host;
    bool happened = true;

    (void)state;
    for (size_t n = 1; happened; n++) {
        stage s;
        answer a;
        kith_status st;
        failing_init(&host);
        stage_open(&s, "F32", KITH_L2, HARD_RANDOM, 1200, 10, 40, &host.host);
        brute_force(s.store.v, s.q, 40, &ask, &a);
        failing_alloc_at(&host, n, false);
        st = ki_exact_search(s.store.v, &s.store.env, s.q, 40, &ask, s.scratch, receive, &a);
        happened = failing_happened(&host);
        assert_int_equal(st, happened ? KITH_NO_MEMORY : KITH_OK);
        assert_int_equal(a.wrong, 0);
        forget(&a);
        check(&s.store, s.scratch, s.q, 40, &ask, "after a failure");
        stage_close(&s);
        assert_null(failing_complaint(&host));
    }
}

static kith_status refuse_the_third(void *ctx, size_t i, const ki_found *hit, size_t n,
                                    uint32_t flags)
{
    (void)ctx;
    (void)hit;
    (void)n;
    (void)flags;
    return i == 2 ? ki_fail(KITH_IO, "the third is refused") : KITH_OK;
}

static void test_receiver_can_end_it(void **state)
{
    stage s;

    (void)state;
    stage_open(&s, "F32", KITH_IP, HARD_RANDOM, 100, 6, 300, NULL);
    for (uint32_t threads = 1; threads <= 2; threads++)
        for (size_t nq = 3; nq <= 300; nq += 297)
            refused(
                ki_exact_search(s.store.v, &s.store.env, s.q, nq,
                                &(ki_ask){.k = 2, .limit = (double)INFINITY, .threads = threads},
                                s.scratch, refuse_the_third, NULL),
                KITH_IO, "the third is refused");
    stage_close(&s);
}

static int stop_at_once(void *ctx, const char *phase, uint64_t done, uint64_t total)
{
    (void)ctx;
    (void)phase;
    assert_true(done <= total);
    return 1;
}

static void test_cancel(void **state)
{
    const kith_watch watch = {stop_at_once, NULL};
    stage s;

    (void)state;
    stage_open(&s, "F32", KITH_L2, HARD_RANDOM, 3000, 6, 40, NULL);
    for (size_t nq = 1; nq <= 40; nq += 39) {
        answer a;
        ki_progress p;
        ki_ask ask = {.k = 2, .limit = (double)INFINITY, .threads = 1, .progress = &p};
        brute_force(s.store.v, s.q, nq, &ask, &a);
        ki_progress_init(&p, &watch, "search", nq * s.n);
        assert_int_equal(
            ki_exact_search(s.store.v, &s.store.env, s.q, nq, &ask, s.scratch, receive, &a),
            KITH_CANCELLED);
        forget(&a);
    }
    stage_close(&s);
}

static int all_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_scenes),
        cmocka_unit_test(test_many_chunks),
        cmocka_unit_test(test_batch_sizes_and_threads),
        cmocka_unit_test(test_panels_of_floats),
        cmocka_unit_test(test_roundings_that_agree),
        cmocka_unit_test(test_bets_that_are_lost),
        cmocka_unit_test(test_bets_among_equals),
        cmocka_unit_test(test_pages),
        cmocka_unit_test(test_equal_rows),
        cmocka_unit_test(test_nothing_to_find),
        cmocka_unit_test(test_no_allocation_after_the_first),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_receiver_can_end_it),
        cmocka_unit_test(test_cancel),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
    (void)argc;
    return every_cpu(argv, all_tests);
}
