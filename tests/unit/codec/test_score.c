/* Scoring against the definition: every interval holds the row's canonical key, every row that is
 * left out has a key above tau, integer slots give keys, several keys at once are those one by one.
 * All codecs, metrics and instruction sets, on rows that are hard on bounds. */
#include "support/harness.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "codec/codec.h"
#include "support/everycpu.h"
#include "support/hardrows.h"
#include "support/learned.h"

enum { ROWS = 100, QUERIES = 3 };

typedef struct bench {
    const ki_codec *codec;
    kith_metric metric;
    double arg;
    size_t d, row_bytes;
    hard_kind kind;
    float *x, *q;               // [ROWS][d], [QUERIES][d]
    unsigned char *rows, *bits; // encoded rows, encoded queries
    double key[ROWS];
    void *work;
} bench;

static void *need(size_t len)
{
    void *p = aligned_alloc(64, (len + 63) / 64 * 64);
    assert_non_null(p);
    return p;
}

static const void *query(const bench *b, size_t i)
{
    if (b->codec->type == KI_BITS) return b->bits + i * b->row_bytes;
    return b->q + i * b->d;
}

static void complain(const bench *b, size_t row, double lo, double up)
{
    fail_msg("%s %s d %zu %s: row %zu has key %.17g, not within %.17g … %.17g", b->codec->name,
             kith_metric_name(b->metric), b->d, hard_name(b->kind), row, b->key[row], lo, up);
}

/* All rows scored with tau, contiguous or by position. */
static void check_scores(const bench *b, const ki_prepared *p, double tau, bool gather)
{
    ki_scored out[ROWS];
    uint32_t pos[ROWS];
    bool there[ROWS] = {false};
    size_t n;

    for (uint32_t i = 0; i < ROWS; i++) pos[i] = (i * 77 + 5) % ROWS;
    n = ki_score(p, b->work, b->rows, b->row_bytes, gather ? pos : NULL, 1000, ROWS, tau, out);
    assert_true(n <= ROWS);
    for (size_t j = 0; j < n; j++) {
        const size_t row = out[j].pos - 1000;
        assert_true(row < ROWS && !there[row]);
        there[row] = true;
        assert_false(isnan(out[j].lo) || isnan(out[j].wide));
        if (ki_prepared_integer(p)) assert_true(out[j].wide == 0);
        if (!(out[j].lo <= b->key[row] && b->key[row] <= ki_scored_up(&out[j])))
            complain(b, row, out[j].lo, ki_scored_up(&out[j]));
        if (out[j].wide == 0 && out[j].lo != b->key[row]) complain(b, row, out[j].lo, out[j].lo);
    }
    for (size_t row = 0; row < ROWS; row++)
        if (!there[row] && b->key[row] <= tau) complain(b, row, tau, (double)INFINITY);
}

static void check_query(bench *b, size_t i)
{
    const void *rows[ROWS];
    double keys[ROWS];
    void *scratch = need(ki_prepare_bytes(b->codec, b->metric, b->d));
    ki_prepared p;

    ki_prepare(b->codec, b->metric, b->arg, b->d, query(b, i), scratch, &p);
    for (size_t r = 0; r < ROWS; r++) {
        rows[r] = b->rows + r * b->row_bytes;
        b->key[r] = ki_codec_key(b->codec, b->metric, b->arg, b->d, query(b, i), rows[r], b->work);
        assert_true(b->key[r] == b->key[r]);
    }
    ki_codec_keys(b->codec, b->metric, b->arg, b->d, query(b, i), rows, ROWS, b->work, keys);
    assert_memory_equal(keys, b->key, sizeof keys);
    for (int gather = 0; gather < 2; gather++) {
        check_scores(b, &p, (double)INFINITY, gather);
        check_scores(b, &p, b->key[7], gather);
        check_scores(b, &p, b->key[20], gather);
        check_scores(b, &p, nextafter(b->key[33], -(double)INFINITY), gather);
        check_scores(b, &p, 0, gather);
        check_scores(b, &p, -DBL_MAX, gather);
    }
    free(scratch);
}

static void check_all(const ki_codec *pattern, kith_metric m, double arg, size_t d, hard_kind kind,
                      bool whole)
{
    const ki_codec *c = pattern;
    bench b = {.metric = m, .arg = arg, .d = d, .kind = kind};
    const uint64_t seed = d * 100 + (uint64_t)kind;

    b.row_bytes = c->row_bytes(d);
    b.x = need(ROWS * d * sizeof(float));
    b.q = need(QUERIES * d * sizeof(float));
    b.rows = need(ROWS * b.row_bytes);
    b.bits = need(QUERIES * b.row_bytes);
    b.work = need(ki_score_bytes(c, m, d));
    hard_rows(kind, c, m, seed, ROWS, d, b.x);
    hard_queries(kind, c, m, seed + 1, b.x, ROWS, QUERIES, d, whole, b.q);
    b.codec = c = learned(pattern, m, b.x, ROWS, d, NULL);
    must(ki_codec_encode(c, KITH_ROWS(b.x, ROWS, KITH_F32), 0, ROWS, d, b.rows));
    if (c->type == KI_BITS)
        must(ki_codec_encode(c, KITH_ROWS(b.q, QUERIES, KITH_F32), 0, QUERIES, d, b.bits));
    for (size_t i = 0; i < QUERIES; i++) check_query(&b, i);
    free(b.x);
    free(b.q);
    free(b.rows);
    free(b.bits);
    free(b.work);
    ki_codec_release(c);
}

static void test_intervals_hold_keys(void **state)
{
    static const size_t dims[] = {1, 17, 64, 130};
    const ki_metric *m;
    const ki_codec *c;

    (void)state;
    for (size_t i = 0; (c = ki_codec_at(i)) != NULL; i++)
        for (size_t j = 0; (m = ki_metric_at(j)) != NULL; j++) {
            if (ki_codec_suits(c, m->id) != KITH_OK) continue;
            for (size_t k = 0; k < sizeof dims / sizeof *dims; k++) {
                if (c->learn && strcmp(c->name, "SQ8") != 0 && k != 1) continue; // scored as SQ8
                for (hard_kind kind = HARD_RANDOM; kind < HARD_KINDS; kind++)
                    if (m->id != KITH_LP || k < 2) // pow takes its time
                        check_all(c, m->id, 3, dims[k], kind, (k + (size_t)kind) % 3 != 0);
            }
        }
}

static void test_powers_that_have_slots(void **state)
{
    const ki_codec *c = ki_codec_find("F32");

    (void)state;
    for (hard_kind kind = HARD_RANDOM; kind < HARD_KINDS; kind++) {
        check_all(c, KITH_LP, 1, 50, kind, true);
        check_all(c, KITH_LP, 2, 50, kind, true);
        check_all(c, KITH_LP, 0.5, 50, kind, true);
    }
}

static void test_long_rows(void **state)
{
    (void)state;
    check_all(ki_codec_find("U8"), KITH_L2, 0, KITH_MAX_DIM, HARD_OUTLIERS, true);
    check_all(ki_codec_find("U8"), KITH_COSINE, 0, 960, HARD_RANDOM, true);
    check_all(ki_codec_find("F32"), KITH_IP, 0, 960, HARD_RANDOM, true);
    check_all(ki_codec_find("F32"), KITH_L2, 0, KITH_MAX_DIM, HARD_OFFSET, true);
    check_all(ki_codec_find("F16"), KITH_L1, 0, 5000, HARD_RANDOM, true);
}

/* Interval or key: what is asked of ki_score must not depend on how many rows come together. */
static void test_any_number_of_rows(void **state)
{
    enum { D = 20, MOST = 70 };
    const ki_codec *c = ki_codec_find("U8");
    float q[D];
    unsigned char rows[MOST * D];
    void *scratch = need(ki_prepare_bytes(c, KITH_L2, D)),
         *work = need(ki_score_bytes(c, KITH_L2, D));
    ki_scored out[MOST];
    ki_prepared p;

    (void)state;
    for (size_t i = 0; i < MOST * D; i++) rows[i] = (unsigned char)ki_random(1, KI_RNG_TEST, i);
    for (size_t i = 0; i < D; i++) q[i] = (float)(i * 3);
    ki_prepare(c, KITH_L2, 0, D, q, scratch, &p);
    assert_true(ki_prepared_integer(&p));
    for (size_t n = 0; n <= MOST; n++) {
        assert_int_equal(ki_score(&p, work, rows, D, NULL, 0, n, (double)INFINITY, out), n);
        for (size_t i = 0; i < n; i++)
            assert_true(out[i].lo == ki_codec_key(c, KITH_L2, 0, D, q, rows + i * D, work));
    }
    q[3] += 0.5f;
    ki_prepare(c, KITH_L2, 0, D, q, scratch, &p);
    assert_false(ki_prepared_integer(&p));
    free(scratch);
    free(work);
}

static int all_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_intervals_hold_keys),
        cmocka_unit_test(test_powers_that_have_slots),
        cmocka_unit_test(test_long_rows),
        cmocka_unit_test(test_any_number_of_rows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
    (void)argc;
    return every_cpu(argv, all_tests);
}
