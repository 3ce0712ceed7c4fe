/* Principal components beside what is known of them: covariances beside a plain loop, directions
 * that a matrix was made of, matrices of few directions and of none, the same bits under each
 * instruction set. */
#include "cluster/principal.h"
#include "support/everycpu.h"
#include "support/failing.h"
#include "support/harness.h"
#include "support/twoindexes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- covariances ----------------------------------------------------------------------------- */

/* m rows of d bytes, which go together: x [m][d], rows [m]. */
static void draw_rows(uint64_t seed, size_t m, size_t d, uint8_t *x, const void **rows)
{
    uint64_t at = seed << 32;

    for (size_t i = 0; i < m; i++) {
        const uint32_t shared = draw_below(&at, 200);

        for (size_t j = 0; j < d; j++)
            x[i * d + j] = (uint8_t)(j % 3 ? shared + draw_below(&at, 56) : draw_below(&at, 256));
        rows[i] = x + i * d;
    }
}

static double value(ki_type type, uint8_t x)
{
    return type == KI_U8 ? x : (int8_t)x;
}

static double covariance(ki_type type, const uint8_t *x, size_t m, size_t d, size_t a, size_t b)
{
    double mean_a = 0.0, mean_b = 0.0, sum = 0.0;

    for (size_t i = 0; i < m; i++) {
        mean_a += value(type, x[i * d + a]) / (double)m;
        mean_b += value(type, x[i * d + b]) / (double)m;
    }
    for (size_t i = 0; i < m; i++)
        sum += (value(type, x[i * d + a]) - mean_a) * (value(type, x[i * d + b]) - mean_b);
    return sum / (double)m;
}

static void beside_a_loop(void **state)
{
    enum { M = 300, D = 131 };
    static const size_t ms[] = {1, 2, 7, 64, M}, ds[] = {1, 2, 15, 33, D};
    static const void *rows[M];
    static uint8_t x[M * D];
    static float cov[D * D];
    ki_env env;

    (void)state;
    must(ki_env_init(&env, NULL));
    for (size_t c = 0; c < 50; c++) {
        const size_t m = ms[c / 2 % 5], d = ds[c / 10];
        const ki_type type = c % 2 ? KI_U8 : KI_I8;

        draw_rows(c, m, d, x, rows);
        must(ki_covariance(&env, type, rows, m, d, 1, NULL, cov));
        for (size_t i = 0; i < d; i++)
            for (size_t j = 0; j < d; j++) {
                const double want = covariance(type, x, m, d, i, j);

                if (fabs((double)cov[i * d + j] - want) > 1e-6 * (fabs(want) + 1.0))
                    fail_msg("%zu rows of %zu, %zu and %zu: %.9g, not %.9g", m, d, i, j,
                             (double)cov[i * d + j], want);
            }
        assert_int_equal(atomic_load(&env.bytes), 0);
    }
}

/* ---- directions ------------------------------------------------------------------------------ */

static double dot(const float *a, const float *b, size_t d)
{
    double s = 0.0;

    for (size_t i = 0; i < d; i++) s += (double)a[i] * (double)b[i];
    return s;
}

/* n directions at right angles, in no relation to the axes: v [n][d]. */
static void draw_directions(uint64_t seed, size_t n, size_t d, float *v)
{
    uint64_t at = seed << 32;

    for (size_t i = 0; i < n; i++) {
        float *x = v + i * d;
        double length;

        for (size_t j = 0; j < d; j++) x[j] = draw_normal(&at);
        for (size_t twice = 0; twice < 2; twice++)
            for (size_t k = 0; k < i; k++) {
                const double by = dot(x, v + k * d, d);

                for (size_t j = 0; j < d; j++)
                    x[j] = (float)((double)x[j] - by * (double)v[k * d + j]);
            }
        length = sqrt(dot(x, x, d));
        for (size_t j = 0; j < d; j++) x[j] = (float)((double)x[j] / length);
    }
}

/* The matrix that varies by `by` [n] along those of v, by `rest` along all others: cov [d][d]. */
static void compose(const float *v, const double *by, size_t n, double rest, size_t d, float *cov)
{
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j < d; j++) {
            double s = i == j ? rest : 0.0;

            for (size_t k = 0; k < n; k++)
                s += (by[k] - rest) * (double)v[k * d + i] * (double)v[k * d + j];
            cov[i * d + j] = (float)s;
        }
}

/* At right angles, of length 1 or, from `rank` on, 0. */
static void check_straight(const float *q, size_t r, size_t rank, size_t d)
{
    for (size_t i = 0; i < r; i++)
        for (size_t j = 0; j <= i; j++) {
            const double want = i == j && i < rank ? 1.0 : 0.0, got = dot(q + i * d, q + j * d, d);

            if (fabs(got - want) > (i < rank ? 1e-4 : 0.0))
                fail_msg("d %zu, r %zu, directions %zu and %zu: %.9g", d, r, i, j, got);
        }
}

/* What of a direction of length 1 is seen along q [r][d]. */
static double seen(const float *q, size_t r, const float *x, size_t d)
{
    double s = 0.0;

    for (size_t i = 0; i < r; i++) s += dot(q + i * d, x, d) * dot(q + i * d, x, d);
    return sqrt(s);
}

typedef struct space {
    float *v, *q; /* [n][d] */
    float *cov;   /* [d][d] */
    double *by;   /* [n] */
} space;

/* n: directions that are known, and as many as are looked for at most. */
static void open_space(space *s, size_t n, size_t d)
{
    s->v = need_floats(n * d);
    s->cov = need_floats(d * d);
    s->q = need_floats(n * d);
    s->by = calloc(n, sizeof *s->by);
    assert_non_null(s->by);
    draw_directions(d, n, d, s->v);
}

static void close_space(space *s)
{
    free(s->v);
    free(s->cov);
    free(s->q);
    free(s->by);
}

static void find(space *s, size_t known, double rest, size_t d, size_t r)
{
    ki_env env;

    must(ki_env_init(&env, NULL));
    compose(s->v, s->by, known, rest, d, s->cov);
    must(ki_principal(&env, s->cov, d, r, 5, 1, NULL, s->q));
    assert_int_equal(atomic_load(&env.bytes), 0);
}

/* Those that vary most are found, however many are looked for, and of matrices longer than what is
 * multiplied at a time. */
static void the_first_are_found(void **state)
{
    static const size_t ds[] = {9, 64, 100, 530}, rs[] = {1, 5, 8, 17};

    (void)state;
    for (size_t c = 0; c < 16; c++) {
        const size_t d = ds[c / 4], r = rs[c % 4] < d ? rs[c % 4] : d;
        space s;

        open_space(&s, r, d);
        for (size_t k = 0; k < r; k++) s.by[k] = 1000.0 / (double)(k + 1);
        find(&s, r, 1.0, d, r);
        check_straight(s.q, r, r, d);
        for (size_t k = 0; k < r; k++)
            if (seen(s.q, r, s.v + k * d, d) < 0.9999)
                fail_msg("d %zu, r %zu: %.6f of direction %zu is seen", d, r,
                         seen(s.q, r, s.v + k * d, d), k);
        close_space(&s);
    }
}

/* As many as there are: any direction is seen whole. */
static void all_of_them(void **state)
{
    enum { D = 48 };
    space s;

    (void)state;
    open_space(&s, D, D);
    for (size_t k = 0; k < D; k++) s.by[k] = exp(-0.1 * (double)k);
    find(&s, D, 0.0, D, D);
    check_straight(s.q, D, D, D);
    for (size_t k = 0; k < D; k++) assert_true(fabs(seen(s.q, D, s.v + k * D, D) - 1.0) < 1e-4);
    close_space(&s);
}

/* Fewer directions than are looked for: the rest is 0, not what rounding left. */
static void few_and_none(void **state)
{
    enum { D = 70, R = 20 };
    space s;

    (void)state;
    for (size_t rank = 0; rank <= 7; rank += rank ? 3 : 1) {
        open_space(&s, R, D);
        for (size_t k = 0; k < rank; k++) s.by[k] = 3000.0 - 300.0 * (double)k;
        find(&s, rank, 0.0, D, R);
        check_straight(s.q, R, rank, D);
        for (size_t k = 0; k < rank; k++) assert_true(seen(s.q, R, s.v + k * D, D) > 0.9999);
        close_space(&s);
    }
}

/* ---- everywhere the same --------------------------------------------------------------------- */

/* The numbers of a matrix of bytes and its directions, by their bits. */
static void the_same_bits(void **state)
{
    enum { M = 200, D = 150, R = 37 };
    static const void *rows[M];
    static uint8_t x[M * D];
    static float cov[D * D], q[R * D];
    ki_env env;

    (void)state;
    must(ki_env_init(&env, NULL));
    draw_rows(77, M, D, x, rows);
    must(ki_covariance(&env, KI_U8, rows, M, D, 1, NULL, cov));
    assert_int_equal(ki_hash(cov, sizeof cov), UINT64_C(0xc18af3840bd68dec));
    must(ki_principal(&env, cov, D, R, 9, 1, NULL, q));
    assert_int_equal(ki_hash(q, sizeof q), UINT64_C(0xf9e4f8dce4bea05d));
    check_straight(q, R, R, D);
}

static void no_memory(void **state)
{
    enum { M = 20, D = 33, R = 5 };
    static const void *rows[M];
    static uint8_t x[M * D];
    static float cov[D * D], q[R * D];
    failing_host host;
    kith_status st;
    ki_env env;
    size_t n = 1;

    (void)state;
    draw_rows(3, M, D, x, rows);
    for (;; n++) {
        failing_init(&host);
        failing_alloc_at(&host, n, false);
        must(ki_env_init(&env, &host.host));
        st = ki_covariance(&env, KI_I8, rows, M, D, 1, NULL, cov);
        if (st == KITH_OK) st = ki_principal(&env, cov, D, R, 1, 1, NULL, q);
        assert_int_equal(atomic_load(&env.bytes), 0);
        assert_null(failing_complaint(&host));
        if (!failing_happened(&host)) break;
        assert_int_equal(st, KITH_NO_MEMORY);
    }
    assert_int_equal(st, KITH_OK);
    assert_true(n > 4);
}

static int all_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(beside_a_loop), cmocka_unit_test(the_first_are_found),
        cmocka_unit_test(all_of_them),   cmocka_unit_test(few_and_none),
        cmocka_unit_test(the_same_bits), cmocka_unit_test(no_memory),
    };

    return cmocka_run_group_tests_name("principal", tests, NULL, NULL);
}

int main(int argc, char **argv)
{
    (void)argc;
    return every_cpu(argv, all_tests);
}
