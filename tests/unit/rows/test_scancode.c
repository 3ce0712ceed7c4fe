/* The scan code on rows that are hard on bounds: the errors that it claims hold, and no row whose
 * key is within tau is ever ruled out, by one query or by panels; nearly all others are. */
#include "support/harness.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "rows/scancode.h"
#include "support/everycpu.h"
#include "support/hardrows.h"

enum { ROWS = KI_SCAN_SEED + 40, QUERIES = 4 };

static const kith_metric metrics[] = {KITH_L2, KITH_IP, KITH_COSINE};

typedef struct bench {
    kith_metric metric;
    size_t d;
    hard_kind kind;
    float *x, *q; // [ROWS][d], [QUERIES][d]
    float *centre, *scale, *error, *half_norm;
    uint8_t *high, *low, *codes; // planes; [ROWS][d]
    ki_scan_chunk chunk;
    double key[ROWS];
} bench;

static void *need(size_t len)
{
    void *p = aligned_alloc(64, (len + 63) / 64 * 64);
    assert_non_null(p);
    return p;
}

static ki_scan_arrays arrays_of(const bench *b)
{
    return (ki_scan_arrays){b->centre, b->scale, b->error, b->half_norm, b->high, b->low};
}

static void encode(bench *b)
{
    const ki_scan_arrays to = arrays_of(b);
    uint32_t rest;

    ki_scancode_centre(b->metric, b->x, b->d, b->centre);
    rest = ki_scancode_encode(b->metric, b->x, ROWS, b->d, &to, 0);
    ki_kernels_get()->join_planes(b->high, b->low, ROWS, b->d, 0, b->codes);
    b->chunk = (ki_scan_chunk){.centre = b->centre,
                               .high = b->high,
                               .low = b->low,
                               .scale = b->scale,
                               .error = b->error,
                               .half_norm = b->half_norm,
                               .n = ROWS,
                               .rest_max = rest};
    for (size_t i = 0; i < ROWS; i++)
        if (!(b->error[i] <= b->chunk.error_max)) b->chunk.error_max = b->error[i];
}

static void set_up(bench *b, kith_metric m, size_t d, hard_kind kind)
{
    const ki_codec *c = ki_codec_find("F32");
    const uint64_t seed = 1000 * d + 10 * (uint64_t)kind + (uint64_t)m;

    *b = (bench){.metric = m, .d = d, .kind = kind};
    b->x = need(ROWS * d * sizeof(float));
    b->q = need(QUERIES * d * sizeof(float));
    b->centre = need(d * sizeof(float));
    b->scale = need(ROWS * sizeof(float));
    b->error = need(ROWS * sizeof(float));
    b->half_norm = need(ROWS * sizeof(float));
    b->high = need(ROWS * ki_plane(d));
    b->low = need(ROWS * ki_plane(d));
    b->codes = need(ROWS * d);
    hard_rows(kind, c, m, seed, ROWS, d, b->x);
    hard_queries(kind, c, m, seed + 1, b->x, ROWS, QUERIES, d, true, b->q);
    hard_rows((kind + 1) % HARD_KINDS, c, m, seed + 2, 1, d, b->q + 2 * d); // an alien
    encode(b);
}

static void tear_down(bench *b)
{
    free(b->x);
    free(b->q);
    free(b->centre);
    free(b->scale);
    free(b->error);
    free(b->half_norm);
    free(b->high);
    free(b->low);
    free(b->codes);
}

static bool holds(const bench *b, size_t i)
{
    uint32_t rest;

    return ki_scancode_holds(b->metric, b->x + i * b->d, b->d, &b->chunk, i, &rest) &&
           rest <= b->chunk.rest_max;
}

static void complain(const bench *b, const char *what, size_t query, size_t row)
{
    fail_msg("%s d %zu %s: %s, query %zu, row %zu", kith_metric_name(b->metric), b->d,
             hard_name(b->kind), what, query, row);
}

/* |row - decoded| in long double, by the definition. */
static void check_errors(const bench *b)
{
    for (size_t i = 0; i < ROWS; i++) {
        const float *x = b->x + i * b->d;
        long double length = 0, sum = 0;

        for (size_t j = 0; j < b->d; j++) length += (long double)x[j] * (long double)x[j];
        length = b->metric == KITH_COSINE ? sqrtl(length) : 1;
        for (size_t j = 0; j < b->d; j++) {
            const long double y = length > 0 ? (long double)x[j] / length : 0;
            const long double yh = (long double)b->centre[j] +
                                   (long double)b->scale[i] * ((int)b->codes[i * b->d + j] - 128);
            sum += (y - yh) * (y - yh);
        }
        if (!(sqrtl(sum) <= (long double)b->error[i]))
            complain(b, "an error is larger than claimed", 0, i);
        if (!holds(b, i)) complain(b, "the check denies a code", 0, i);
    }
}

/* Returns how many pass. */
static size_t check_filter(const bench *b, size_t i, double tau)
{
    size_t passed = 0;
    void *scratch = need(ki_scan_query_bytes(b->d));
    int32_t *dots = need(2 * KI_SCORE_ROWS * sizeof *dots);
    uint32_t pos[KI_SCORE_ROWS];
    ki_scan_query s;

    ki_scan_query_begin(b->metric, b->q + i * b->d, b->d, &b->chunk, scratch, &s);
    for (size_t at = 0, n; at < ROWS; at += n) {
        size_t kept, k = 0;
        n = ROWS - at < 333 ? ROWS - at : 333;
        kept = ki_scan_query_filter(&s, &b->chunk, at, n, b->d, tau, dots, pos);
        passed += kept;
        for (size_t r = 0; r < n; r++) {
            while (k < kept && pos[k] < r) k++;
            if (!(k < kept && pos[k] == r) && b->key[at + r] <= tau)
                complain(b, "one query ruled out a row", i, at + r);
        }
    }
    free(scratch);
    free(dots);
    return passed;
}

/* What panels do: 8 bits, a unit that may be larger than needed. */
static void check_panel_query(const bench *b, size_t i, double tau, double wider)
{
    const float *q = b->q + i * b->d;
    const double most = ki_scan_most(b->metric, q, b->d, b->centre);
    const float unit = ki_scan_unit(most * wider, 127);
    int16_t *w = need(b->d * sizeof *w);
    ki_scan_terms t;

    ki_scan_quantise(b->metric, q, b->d, b->centre, most, unit, w, &t);
    for (size_t r = 0; r < ROWS; r++) {
        const float k = b->metric == KITH_L2 ? 1.0f - 0x1p-20f : 0.0f;
        const double span = sqrt(2.0 * (double)b->half_norm[r]) * (1 + 0x1p-22);
        const ki_scan_edges edges = ki_scan_edges_of(&t, tau, span);
        const double edge = ki_scan_edge(&edges, (double)b->error[r]);
        int32_t dot = 0;
        float score;

        for (size_t j = 0; j < b->d; j++) dot += w[j] * ((int)b->codes[r * b->d + j] - 128);
        score = k * b->half_norm[r] - unit * b->scale[r] * (float)dot;
        if ((double)score > edge && b->key[r] <= tau) complain(b, "a panel ruled out a row", i, r);
    }
    free(w);
}

static void check_queries(bench *b)
{
    static const size_t some[] = {0, 5, 97, 500, ROWS - 1};

    for (size_t i = 0; i < QUERIES; i++) {
        for (size_t r = 0; r < ROWS; r++)
            b->key[r] = ki_canon_f32(b->metric, 0, b->q + i * b->d, b->x + r * b->d, b->d);
        for (size_t k = 0; k < sizeof some / sizeof *some; k++) {
            const double tau = b->key[some[k]];
            check_filter(b, i, tau);
            check_filter(b, i, nextafter(tau, -DBL_MAX));
            check_panel_query(b, i, tau, 1);
            check_panel_query(b, i, tau, 1.7);
        }
        check_filter(b, i, (double)INFINITY);
        check_filter(b, i, -DBL_MAX);
        check_panel_query(b, i, (double)INFINITY, 1);
    }
}

static void test_bounds(void **state)
{
    static const size_t dims[] = {1, 2, 17, 64, 200};

    (void)state;
    for (size_t m = 0; m < 3; m++)
        for (size_t k = 0; k < sizeof dims / sizeof *dims; k++)
            for (hard_kind kind = HARD_RANDOM; kind < HARD_KINDS; kind++) {
                static bench b;
                set_up(&b, metrics[m], dims[k], kind);
                check_errors(&b);
                check_queries(&b);
                tear_down(&b);
            }
}

/* Rows so short that their half_norms are denormal, or nothing. */
static void test_tiny_rows(void **state)
{
    static const double sizes[] = {0x1p-66, 0x1p-70, 0x1p-73, 0x1p-75, 0x1p-100, 0x1p-122};
    static const size_t dims[] = {1, 2, 17};

    (void)state;
    for (size_t m = 0; m < 2; m++) // COSINE knows no length
        for (size_t k = 0; k < 3; k++)
            for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
                static bench b;
                set_up(&b, metrics[m], dims[k], HARD_RANDOM);
                for (size_t j = 0; j < ROWS * b.d; j++) b.x[j] *= (float)sizes[i];
                encode(&b);
                check_errors(&b);
                check_queries(&b);
                tear_down(&b);
            }
}

/* One row that is no measure for the others costs nothing. */
static void test_odd_row_out(void **state)
{
    static const float sizes[] = {1e4f, 0.0f};
    enum { D = 64 };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        static bench b;
        double tau = (double)INFINITY;
        set_up(&b, KITH_IP, D, HARD_RANDOM);
        for (size_t j = 0; j < D; j++) b.x[j] = b.centre[j] + (b.x[j] - b.centre[j]) * sizes[i];
        encode(&b);
        for (size_t r = 1; r < ROWS; r++) {
            const double key = ki_canon_f32(KITH_IP, 0, b.q, b.x + r * D, D);
            if (key < tau) tau = key;
        }
        b.error[0] = i ? b.error[0] : 0.0f; // its own error is another matter
        b.chunk.error_max = 0.0f;
        for (size_t r = 1; r < ROWS; r++) b.chunk.error_max = fmaxf(b.chunk.error_max, b.error[r]);
        assert_in_range(check_filter(&b, 0, tau), 1, 100);
        tear_down(&b);
    }
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* What the filter is for: of random rows, few more than the nearest pass, whether their low halves
 * are fetched alone (few within reach of the rough test) or together (all of them are). */
static void test_few_pass(void **state)
{
    static const size_t dims[] = {64, 200};

    (void)state;
    for (size_t m = 0; m < 3; m++)
        for (size_t k = 0; k < 2; k++) {
            static bench b;
            double sorted[ROWS];
            set_up(&b, metrics[m], dims[k], HARD_RANDOM);
            for (size_t r = 0; r < ROWS; r++)
                sorted[r] = b.key[r] = ki_canon_f32(b.metric, 0, b.q, b.x + r * b.d, b.d);
            qsort(sorted, ROWS, sizeof *sorted, by_value);
            assert_in_range(check_filter(&b, 0, sorted[0]), 1, 40);
            assert_in_range(check_filter(&b, 0, sorted[ROWS / 2]), ROWS / 2, ROWS * 3 / 4);
            tear_down(&b);
        }
}

static void test_same_bytes_row_by_row(void **state)
{
    enum { D = 33, PLANE = (D + 1) / 2 };
    static bench b;
    uint8_t high[PLANE], low[PLANE];
    float scale, error, half_norm;

    (void)state;
    for (size_t m = 0; m < 3; m++) {
        uint32_t rest = 0;
        set_up(&b, metrics[m], D, HARD_RANDOM);
        for (size_t i = 0; i < ROWS; i++) {
            const ki_scan_arrays to = {b.centre, &scale, &error, &half_norm, high, low};
            const uint32_t own = ki_scancode_encode(metrics[m], b.x + i * D, 1, D, &to, 0);
            if (own > rest) rest = own;
            assert_memory_equal(high, b.high + i * PLANE, PLANE);
            assert_memory_equal(low, b.low + i * PLANE, PLANE);
            assert_true(scale == b.scale[i] && error == b.error[i] && half_norm == b.half_norm[i]);
        }
        assert_int_equal(rest, b.chunk.rest_max);
        tear_down(&b);
    }
}

/* The bytes by the definition, one component after the other; the error is the least that holds. */
static void check_bytes(const bench *b, size_t i)
{
    const float *x = b->x + i * b->d;
    double length2 = 0, factor = 1, most = 0, norm2 = 0, s, v[130];

    for (size_t j = 0; j < b->d; j++) length2 += (double)x[j] * (double)x[j];
    if (b->metric == KITH_COSINE) factor = length2 > 0 ? 1 / sqrt(length2) : 0;
    for (size_t j = 0; j < b->d; j++)
        most = fmax(most, fabs((double)x[j] * factor - (double)b->centre[j]));
    s = (double)(float)(most / 127);
    for (size_t j = 0; j < b->d; j++) {
        const double y = (double)x[j] * factor - (double)b->centre[j];
        v[j] = nearbyint(y * (1 / s));
        norm2 += v[j] * v[j];
    }
    if (s < (double)FLT_MIN || 0.5 * s * s * norm2 > 0x1p100) s = norm2 = 0; // no code
    norm2 *= 0.5 * s * s;
    if ((double)b->scale[i] != s) complain(b, "another scale", 0, i);
    for (size_t j = 0; j < b->d; j++)
        if (b->codes[i * b->d + j] != (s > 0 ? (int)v[j] + 128 : 136))
            complain(b, "another code", 0, i);
    if (b->half_norm[i] != (float)norm2) complain(b, "another half_norm", 0, i);
    if (!holds(b, i)) complain(b, "too small an error", 0, i);
    b->error[i] = nextafterf(b->error[i], -1);
    if (holds(b, i)) complain(b, "too large an error", 0, i);
}

static void test_bytes_by_definition(void **state)
{
    static const size_t dims[] = {1, 15, 16, 17, 31, 32, 33, 130};

    (void)state;
    for (size_t m = 0; m < 3; m++)
        for (size_t k = 0; k < sizeof dims / sizeof *dims; k++)
            for (hard_kind kind = HARD_RANDOM; kind < HARD_KINDS; kind++) {
                static bench b;
                set_up(&b, metrics[m], dims[k], kind);
                for (size_t i = 0; i < ROWS; i++) check_bytes(&b, i);
                tear_down(&b);
            }
}

static void test_lies_are_seen(void **state)
{
    enum { D = 24 };
    static bench b;

    (void)state;
    for (size_t m = 0; m < 3; m++) {
        set_up(&b, metrics[m], D, HARD_RANDOM);
        b.high[3] ^= 0x40;
        assert_false(holds(&b, 0));
        b.high[3] ^= 0x40;
        assert_true(holds(&b, 0));
        b.low[3] ^= 0x04;
        assert_false(holds(&b, 0));
        b.error[1] = nextafterf(b.error[1], 0) * 0.999f;
        assert_false(holds(&b, 1));
        b.half_norm[2] = nextafterf(b.half_norm[2], 0);
        assert_false(holds(&b, 2));
        b.scale[3] = -b.scale[3];
        assert_false(holds(&b, 3));
        b.error[4] = NAN;
        assert_false(holds(&b, 4));
        b.scale[5] = INFINITY;
        assert_false(holds(&b, 5));
        assert_true(holds(&b, 6));
        b.chunk.rest_max = 225 * D;
        assert_true(holds(&b, 6));
        b.chunk.rest_max = 0;
        assert_false(holds(&b, 6));
        tear_down(&b);
    }
}

static void test_padding_is_seen(void **state)
{
    enum { D = 33, PLANE = (D + 1) / 2 };
    static bench b;

    (void)state;
    set_up(&b, KITH_L2, D, HARD_RANDOM);
    assert_true(holds(&b, 0));
    b.high[PLANE - 1] |= 0x10;
    assert_false(holds(&b, 0));
    b.high[PLANE - 1] &= 0x0f;
    b.low[PLANE - 1] |= 0x80;
    assert_false(holds(&b, 0));
    tear_down(&b);
}

static void test_where_it_applies(void **state)
{
    (void)state;
    assert_true(ki_scancode_applies(ki_codec_find("F32"), KITH_COSINE));
    assert_false(ki_scancode_applies(ki_codec_find("F32"), KITH_L1));
    assert_false(ki_scancode_applies(ki_codec_find("F16"), KITH_L2));
    assert_false(ki_scancode_applies(ki_codec_find("U8"), KITH_L2));
}

static int all_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_few_pass),
        cmocka_unit_test(test_tiny_rows),
        cmocka_unit_test(test_odd_row_out),
        cmocka_unit_test(test_same_bytes_row_by_row),
        cmocka_unit_test(test_bytes_by_definition),
        cmocka_unit_test(test_lies_are_seen),
        cmocka_unit_test(test_padding_is_seen),
        cmocka_unit_test(test_where_it_applies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
    (void)argc;
    return every_cpu(argv, all_tests);
}
