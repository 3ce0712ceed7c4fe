/* The graph navigator as a whole: recall floors against Flat under every metric and type, answers
 * canonical to the bit, and few rows. */
#include "support/floors.h"
#include "support/twoindexes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NQ = FEWER(100, 25) };

static void every_type_of_the_fast_metrics(void **state)
{
    static const char *const codecs[] = {"", ",F16", ",BF16", ",I8", ",U8"};
    static const kith_metric metrics[] = {KITH_L2, KITH_IP, KITH_COSINE};
    static const size_t dims[] = {32, 48, 64, 100, 33};

    (void)state;
    for (size_t m = 0; m < 3; m++)
        for (size_t c = 0; c < 5; c++)
            prove_floor("Graph48", codecs[c], metrics[m], FEWER(4000, 1500), dims[(c + m) % 5],
                        metrics[m] == KITH_IP ? 0.90 : 0.95); // long rows crowd out others
}

/* Walks by the high halves of codes: what they found is looked at again by whole ones, so that
 * nothing is lost but a few rows that walks did not come to. */
static void halved_codes(void **state)
{
    static const char *const codecs[] = {"", ",F16", ",BF16", ",I8", ",U8"};
    static const kith_metric metrics[] = {KITH_L2, KITH_IP, KITH_COSINE};
    static const size_t dims[] = {200, 256, 272, 100, 224};

    (void)state;
    for (size_t c = 0; c < 5; c++)
        prove_floor(c % 2 ? "Graph48(code_bits=4)" : "HNSW16(code_bits=4)", codecs[c],
                    metrics[c % 3], 1500, dims[c], c % 3 == 1 ? 0.90 : 0.95);
}

static void take_walk_bytes(void *ctx, const char *name, const char *text, double value)
{
    (void)text;
    if (strcmp(name, "walk_bytes") == 0) *(double *)ctx = value;
}

/* Rows within the distance of the 30th, of each query. */
static void ranges_floor(const two_indexes *t, kith_rows q, double floor)
{
    kith_query how = KITH_QUERY_K(30);
    size_t found = 0, wanted = 0;
    int64_t ids[30];
    float dist[30];

    for (size_t i = 0; i < q.n; i++) {
        const kith_rows one = KITH_ROWS((const float *)q.data + i * t->d, 1, KITH_F32);
        kith_hits *walked;

        how.limit = NAN;
        must(kith_search(t->flat, one, &how, ids, dist));
        how.limit = dist[29];
        must(kith_range(t->graph, one, &how, &walked));
        found += kith_hits_row(walked, 0, NULL, NULL);
        wanted += 30;
        kith_hits_free(walked);
    }
    if ((double)found < floor * (double)wanted)
        fail_msg("%s: %zu of %zu rows within a limit", t->what, found, wanted);
}

/* Rows of uniform SQ8 that are not long are their own walk codes, and none lie beside them. Their
 * steps are not 1; of queries beyond all rows it is known how far their codes are from them. */
static void rows_of_one_scale(void **state)
{
    enum { N = 1500, MORE = 200, LONG = 192 };
    static const char *const navigators[] = {"Graph48", "HNSW16", "Graph48(code_bits=8)"};
    static const size_t dims[] = {33, 48, LONG};

    (void)state;
    for (size_t i = 0; i < sizeof dims / sizeof *dims; i++) {
        const size_t d = dims[i];
        float *x = need_floats((N + MORE + NQ) * d), *q = x + (N + MORE) * d;
        double walk_bytes = -1;
        two_indexes t;

        clustered_rows(77, N + MORE + NQ, d, 40, 0.7f, false, x);
        for (size_t j = 0; j < (N + MORE + NQ) * d; j++) x[j] = 40 + 0.02f * x[j];
        two_open_as(&t, navigators[i], ",SQ8(uniform=on)", d, KITH_L2, 2);
        two_add(&t, KITH_ROWS(x, N, KITH_F32), NULL);
        two_add(&t, KITH_ROWS(x + N * d, MORE, KITH_F32), NULL);
        kith_stats(t.graph, take_walk_bytes, &walk_bytes);
        if (d < LONG ? walk_bytes != 0 : !(walk_bytes > 0))
            fail_msg("%s, %zu components: %g bytes beside rows", navigators[i], d, walk_bytes);
        two_sound(&t, KITH_ROWS(q, NQ, KITH_F32), 0.95);
        ranges_floor(&t, KITH_ROWS(q, NQ, KITH_F32), 0.98);
        for (size_t j = 0; j < NQ * d; j++) q[j] = 40 + 3 * (q[j] - 40);
        if (d < LONG) two_sound(&t, KITH_ROWS(q, NQ, KITH_F32), 0.95);
        two_close(&t);
        free(x);
    }
}

/* Their canonical keys take time, and pruning many of them: few links, then. */
static void every_other_metric(void **state)
{
    enum { N = 1100 };
    static const char few[] = "Graph16";
    static const kith_metric metrics[] = {KITH_L1,          KITH_LINF,           KITH_CANBERRA,
                                          KITH_BRAY_CURTIS, KITH_JENSEN_SHANNON, KITH_JACCARD,
                                          KITH_LP};

    (void)state;
    for (size_t m = 0; m < 7; m++)
        prove_floor(few,
                    m == 0   ? ",F16"
                    : m == 1 ? ",I8"
                             : "",
                    metrics[m], N, 24, metrics[m] == KITH_CANBERRA ? 0.90 : 0.95);
    prove_floor(few, ",U8", KITH_L1, N, 17, 0.95);
    prove_floor(few, ",Bits", KITH_HAMMING, N, 128, 0.95);
    prove_floor(few, ",Bits", KITH_JACCARD, N, 100, 0.95);
}

/* Each codec and each metric, on the graphs that are linked row by row; all pairs of them are in
 * tests/long/test_floors.c. */
static void row_by_row(void **state)
{
    static const char *const codecs[] = {"", ",F16", ",BF16", ",I8", ",U8"};
    static const kith_metric fast[] = {KITH_L2, KITH_COSINE, KITH_IP};
    static const kith_metric others[] = {KITH_L1,          KITH_LINF,           KITH_CANBERRA,
                                         KITH_BRAY_CURTIS, KITH_JENSEN_SHANNON, KITH_JACCARD,
                                         KITH_LP};

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        prove_floor("HNSW12(ef_construction=40)", codecs[i], fast[i % 3], 1050, 33,
                    fast[i % 3] == KITH_IP ? 0.8 : 0.9);
        prove_floor("NSW12(ef_construction=40)", codecs[i], fast[(i + 1) % 3], 1050, 33,
                    fast[(i + 1) % 3] == KITH_IP ? 0.8 : 0.9);
    }
    for (size_t i = 0; i < 7; i++)
        prove_floor(i % 2 ? "NSW12(ef_construction=40)" : "HNSW12(ef_construction=40)", "",
                    others[i], 1050, 12, 0.85);
    prove_floor("HNSW12(ef_construction=40)", ",Bits", KITH_HAMMING, 1050, 64, 0.85);
}

/* Queries that the rows' type cannot hold: fractions, and what lies outside its range. */
static void queries_of_another_kind(void **state)
{
    enum { N = FEWER(4000, 1500), D = 48 };
    float *x = need_floats((N + NQ) * D), *q = x + N * D;
    two_indexes t;

    (void)state;
    for (size_t c = 0; c < 2; c++) {
        const char *codec = c ? ",I8" : ",U8";

        clustered_rows(3, N + NQ, D, 40, 0.7f, false, x);
        shape_rows(codec, KITH_L2, x, N * D);
        for (size_t i = 0; i < NQ * D; i++) q[i] = (c ? 0.0f : 128.0f) + 25 * q[i];
        two_open(&t, codec, D, KITH_L2, 2);
        two_add(&t, KITH_ROWS(x, N, KITH_F32), NULL);
        t.what = "fractions";
        two_sound(&t, KITH_ROWS(q, NQ, KITH_F32), 0.95);
        t.what = "small integers as fractions";
        for (size_t i = 0; i < NQ * D; i++) q[i] += 0.5f;
        two_sound(&t, KITH_ROWS(q, NQ, KITH_F32), 0.95);
        t.what = "outside";
        for (size_t i = 0; i < NQ * D; i++) q[i] += i % 3 ? 0.0f : 100.0f;
        two_sound(&t, KITH_ROWS(q, NQ, KITH_F32), 0.90);
        two_close(&t);
    }
    free(x);
}

/* Sums of squares beyond 2^24, which a float no longer tells apart. */
static void long_rows_of_bytes(void **state)
{
    enum { N = 1200, D = 1100 };
    float *x = need_floats((N + 20) * D);
    uint64_t at = 99;
    two_indexes t;

    (void)state;
    for (size_t i = 0; i < (N + 20) * D; i++) x[i] = (float)draw_below(&at, 2) * 255.0f;
    for (size_t i = 0; i < N; i++) x[i * D + i % D] = (float)draw_below(&at, 3);
    two_open(&t, ",U8", D, KITH_L2, 2);
    t.what = "long rows of bytes";
    two_add(&t, KITH_ROWS(x, N, KITH_F32), NULL);
    two_sound(&t, KITH_ROWS(x + N * D, 20, KITH_F32), 0.7);
    two_close(&t);
    free(x);
}

static void few_rows(void **state)
{
    static const size_t counts[] = {0, 1, 2, 15, 16, 17, 999, 1000, 1001};
    enum { MOST = 1001, D = 12 };
    float *x = need_floats((MOST + NQ) * D), *q = x + MOST * D;

    (void)state;
    clustered_rows(5, MOST + NQ, D, 9, 0.5f, false, x);
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++)
        for (int one_by_one = 0; one_by_one < 2; one_by_one++) {
            two_indexes t;

            two_open(&t, "", D, KITH_L2, 1);
            for (size_t i = 0; one_by_one && i < counts[c]; i++)
                two_add(&t, KITH_ROWS(x + i * D, 1, KITH_F32), NULL);
            if (!one_by_one) two_add(&t, KITH_ROWS(x, counts[c], KITH_F32), NULL);
            two_sound(&t, KITH_ROWS(q, NQ, KITH_F32), 0.95);
            two_close(&t);
        }
    free(x);
}

/* Emptied, by removal and by compaction too, and filled again with other rows. */
static void emptied_and_filled_again(void **state)
{
    enum { N = 1500, D = 10 };
    float *x = need_floats((2 * N + NQ) * D);
    int64_t ids[N];
    two_indexes t;

    (void)state;
    clustered_rows(6, 2 * N + NQ, D, 9, 0.5f, false, x);
    for (size_t i = 0; i < N; i++) ids[i] = (int64_t)i;
    for (int compact = 0; compact < 2; compact++) {
        two_open(&t, "", D, KITH_COSINE, 2);
        two_add(&t, KITH_ROWS(x, N, KITH_F32), ids);
        two_remove(&t, ids, N);
        assert_int_equal(kith_count(t.graph), 0);
        two_sound(&t, KITH_ROWS(x, NQ, KITH_F32), 1.0);
        if (compact) must(kith_compact(t.graph, NULL));
        two_add(&t, KITH_ROWS(x + N * D, N, KITH_F32), ids);
        two_sound(&t, KITH_ROWS(x + 2 * N * D, NQ, KITH_F32), 0.95);
        two_remove(&t, ids, N - 5);
        two_sound(&t, KITH_ROWS(x + 2 * N * D, NQ, KITH_F32), 0.95);
        for (size_t i = 0; i < 20; i++) two_add(&t, KITH_ROWS(x + i * D, 1, KITH_F32), NULL);
        two_sound(&t, KITH_ROWS(x + 2 * N * D, NQ, KITH_F32), 0.95);
        two_close(&t);
    }
    free(x);
}

/* Rows of very different lengths: the nearest one says little of how far the rest lies, and whoever
 * asks for it alone finds it as well as who asks for ten. */
static void one_neighbour(void **state)
{
    enum { N = FEWER(8000, 3000), D = 16, MANY = 200 };
    float *x = need_floats((N + MANY) * D);
    kith_query how = KITH_QUERY_K(1);
    uint64_t at = 12;
    two_indexes t;

    (void)state;
    for (size_t i = 0; i < N + MANY; i++) {
        const float by = expf(2 * draw_normal(&at));

        for (size_t j = 0; j < D; j++) x[i * D + j] = by * draw_normal(&at);
    }
    two_open(&t, "", D, KITH_L2, 2);
    two_add(&t, KITH_ROWS(x, N, KITH_F32), NULL);
    two_floor(&t, KITH_ROWS(x + N * D, MANY, KITH_F32), &how, 0.95);
    two_close(&t);
    free(x);
}

/* Under cosine zeros are at a right angle to all, and no row's way to others. */
static void a_row_of_zeros(void **state)
{
    static const char *const kinds[] = {"Graph48", "HNSW16", "NSW16"};
    enum { N = FEWER(3000, 1200), D = 64, MANY = 100 };
    float *x = need_floats((N + MANY) * D);
    int64_t of[MANY], ids[MANY];
    uint64_t at = 77;

    (void)state;
    for (size_t i = 0; i < (N + MANY) * D; i++) x[i] = draw_normal(&at);
    memset(x + 5 * D, 0, D * sizeof *x);
    for (size_t i = 0; i < MANY; i++) of[i] = (int64_t)(10 + i * (N / MANY - 1));
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        kith_query how = KITH_QUERY_K(10);
        two_indexes t;

        two_open_as(&t, kinds[k], "", D, KITH_COSINE, 2);
        two_add(&t, KITH_ROWS(x, N, KITH_F32), NULL);
        two_floor(&t, KITH_ROWS(x + N * D, MANY, KITH_F32), &how, 0.8);
        how.k = 1;
        must(kith_search_ids(t.graph, of, MANY, &how, ids, NULL));
        for (size_t i = 0; i < MANY; i++)
            if (ids[i] != of[i]) fail_msg("%s: row %d is not found", kinds[k], (int)of[i]);
        two_close(&t);
    }
    free(x);
}

static void out_of_reach(void *rows, const char *name, const char *unit, double value)
{
    (void)unit;
    if (strcmp(name, "out_of_reach") == 0) *(double *)rows = value;
}

/* Few links and many components: some rows have one link to them, and rows that come do not take
 * it away. */
static void what_comes_cuts_nothing_off(void **state)
{
    static const char *const kinds[] = {"Graph16", "HNSW8", "NSW8"};
    enum { N = FEWER(2000, 1200), MORE = 12, STEP = 10, D = 256 };
    float *x = need_floats((N + MORE * STEP) * D);
    uint64_t at = 7;

    (void)state;
    for (size_t i = 0; i < (N + MORE * STEP) * D; i++) x[i] = draw_normal(&at);
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        two_indexes t;

        two_open_as(&t, kinds[k], "", D, KITH_L2, 2);
        two_add(&t, KITH_ROWS(x, N, KITH_F32), NULL);
        for (size_t i = 0; i < MORE; i++) {
            double lost = -1;

            two_add(&t, KITH_ROWS(x + (N + i * STEP) * D, STEP, KITH_F32), NULL);
            must(kith_inspect(t.graph, "graph", out_of_reach, &lost, NULL));
            if (lost != 0) fail_msg("%s: %g rows are out of reach after %zu", t.what, lost, i);
        }
        two_close(&t);
    }
    free(x);
}

/* Clusters a tenth as wide as they lie apart, each smaller than a leaf of a build: walks come from
 * one to another all the same. */
static void tight_clusters(void **state)
{
    enum { ROWS = FEWER(12000, 4000), LONG = 64, ASKED = 100 };
    const kith_query how = KITH_QUERY_K(10);
    float *y = need_floats((ROWS + ASKED) * LONG);
    two_indexes t;

    (void)state;
    clustered_rows(77, ROWS + ASKED, LONG, ROWS / 100, 0.1f, false, y);
    two_open(&t, "", LONG, KITH_L2, 2);
    two_add(&t, KITH_ROWS(y, ROWS, KITH_F32), NULL);
    two_floor(&t, KITH_ROWS(y + ROWS * LONG, ASKED, KITH_F32), &how, 0.95);
    two_close(&t);
    free(y);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tight_clusters),
        cmocka_unit_test(every_type_of_the_fast_metrics),
        cmocka_unit_test(halved_codes),
        cmocka_unit_test(rows_of_one_scale),
        cmocka_unit_test(every_other_metric),
        cmocka_unit_test(row_by_row),
        cmocka_unit_test(queries_of_another_kind),
        cmocka_unit_test(long_rows_of_bytes),
        cmocka_unit_test(few_rows),
        cmocka_unit_test(one_neighbour),
        cmocka_unit_test(a_row_of_zeros),
        cmocka_unit_test(what_comes_cuts_nothing_off),
        cmocka_unit_test(emptied_and_filled_again),
    };

    return cmocka_run_group_tests_name("graph", tests, NULL, NULL);
}
