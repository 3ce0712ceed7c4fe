/* The nearest of a block beside a loop over all of it: any length, any number of rows, ties, ends
 * of the range, under each instruction set. */
#include "cluster/nearest.h"
#include "support/everycpu.h"
#include "support/harness.h"

#include <stdlib.h>
#include <string.h>

#include "base/rng.h"

enum { MOST = 300, BYTES_MOST = 300 };

/* few: of so many values, so that many rows are equally near; 0: only the ends of the range. */
static void draw(uint64_t *at, unsigned few, uint8_t *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const uint32_t one = ki_random_below(1, KI_RNG_TEST, (*at)++, few ? few : 2);

        x[i] = (uint8_t)(few ? one * (256 / few) : one * 255);
    }
}

static int64_t value(ki_type type, uint8_t x)
{
    return type == KI_U8 ? x : (int8_t)x;
}

static uint32_t far(ki_type type, const uint8_t *a, const uint8_t *b, size_t bytes)
{
    int64_t sum = 0;

    for (size_t i = 0; i < bytes; i++) {
        const int64_t t = value(type, a[i]) - value(type, b[i]);
        sum += t * t;
    }
    return (uint32_t)sum;
}

static int by_distance(const void *a, const void *b)
{
    const ki_near *x = a, *y = b;

    if (x->dist != y->dist) return x->dist < y->dist ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

static void beside_a_loop(ki_nearest *x, const uint8_t *q, size_t nq, size_t k, uint32_t self)
{
    ki_near near[KI_PANEL * KI_NEAREST_MOST], all[MOST];
    uint32_t count[KI_PANEL];

    ki_nearest_find(x, q, nq, k, self, near, count);
    for (size_t i = 0; i < nq; i++) {
        size_t n = 0;

        for (size_t row = 0; row < x->n; row++)
            if (self == KI_NEAREST_NONE || row != self + i)
                all[n++] =
                    (ki_near){far(x->type, x->rows + row * x->bytes, q + i * x->bytes, x->bytes),
                              (uint32_t)row};
        if (n) qsort(all, n, sizeof *all, by_distance);
        if (n > k) n = k;
        assert_int_equal(count[i], n);
        for (size_t j = 0; j < n; j++)
            if (memcmp(&near[i * k + j], &all[j], sizeof *all) != 0)
                fail_msg(
                    "%zu bytes, %zu rows, query %zu, place %zu: row %u at %u, not row %u at %u",
                    x->bytes, x->n, i, j, near[i * k + j].row, near[i * k + j].dist, all[j].row,
                    all[j].dist);
    }
}

static void brute_force(void **state)
{
    static const size_t lengths[] = {1, 15, 16, 17, 63, 64, 128, 200, BYTES_MOST};
    static const size_t sizes[] = {0, 1, 15, 16, 17, 33, 100, MOST};
    static const unsigned values[] = {256, 3, 0};
    static uint8_t q[KI_PANEL * BYTES_MOST];
    ki_nearest x = {0};
    uint64_t at = 0;
    ki_env env;

    (void)state;
    must(ki_env_init(&env, NULL));
    for (size_t c = 0; c < 2 * sizeof lengths / sizeof *lengths; c++) {
        const size_t bytes = lengths[c / 2];

        must(ki_nearest_init(&x, &env, c % 2 ? KI_U8 : KI_I8, false, bytes,
                             MOST)); // gives back the last
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            const size_t n = sizes[s], nq = 1 + (c * 7 + s * 13) % KI_PANEL;
            const size_t k = 1 + (c * 5 + s * 11) % KI_NEAREST_MOST;

            draw(&at, values[(c + s) % 3], x.rows, n * bytes);
            draw(&at, values[(c + s) % 3], q, nq * bytes);
            ki_nearest_block(&x, n);
            beside_a_loop(&x, q, nq, k, KI_NEAREST_NONE);
            if (n < nq) continue;
            memcpy(q, x.rows + (n - nq) * bytes, nq * bytes); // its own last rows
            beside_a_loop(&x, q, nq, k, (uint32_t)(n - nq));
        }
    }
    ki_nearest_deinit(&x);
    ki_nearest_deinit(&x);
    assert_int_equal(atomic_load(&env.bytes), 0);
}

/* Rows of the greatest length there is, as far apart as can be. */
static void ends_of_the_range(void **state)
{
    ki_nearest x = {0};
    uint8_t *q;
    ki_env env;

    (void)state;
    must(ki_env_init(&env, NULL));
    for (int u8 = 0; u8 < 2; u8++) {
        must(ki_nearest_init(&x, &env, u8 ? KI_U8 : KI_I8, false, KITH_MAX_DIM, 40));
        q = calloc(2, KITH_MAX_DIM);
        assert_non_null(q);
        memset(q + KITH_MAX_DIM, 0xff, KITH_MAX_DIM);
        for (size_t i = 0; i < 40; i++)
            for (size_t j = 0; j < KITH_MAX_DIM; j++)
                x.rows[i * KITH_MAX_DIM + j] = (uint8_t)(i % 3 == 0   ? 0x7f
                                                         : i % 3 == 1 ? 0x80
                                                                      : j * i);
        ki_nearest_block(&x, 40);
        beside_a_loop(&x, q, 2, 32, KI_NEAREST_NONE);
        free(q);
    }
    ki_nearest_deinit(&x);
}

/* The float of a distance whose bits are cut to 11 behind the point, plus 1. */
static float rounded(uint32_t dist)
{
    const float f = (float)dist + 1.0f;
    uint32_t bits;
    float out;

    memcpy(&bits, &f, sizeof bits);
    bits &= ~UINT32_C(0xfff);
    memcpy(&out, &bits, sizeof out);
    return out;
}

/* Each row's nearest: as many as there are, no row twice, not itself, and none that was left out is
 * nearer than the farthest of them but for rounding. */
static void check_each(ki_nearest *x, size_t k)
{
    static ki_near near[MOST * KI_NEAREST_MOST];
    uint32_t count[MOST];

    ki_nearest_each(x, k, near, count);
    for (size_t i = 0; i < x->n; i++) {
        const size_t want = x->n - 1 < k ? x->n - 1 : k;
        bool in[MOST] = {false};
        float most = 0.0f;

        assert_int_equal(count[i], want);
        for (size_t j = 0; j < want; j++) {
            const ki_near one = near[i * k + j];
            const float f = rounded(
                far(x->type, x->rows + i * x->bytes, x->rows + one.row * x->bytes, x->bytes));

            assert_true(one.row != i && one.row < x->n && !in[one.row]);
            assert_true(j == 0 || near[i * k + j - 1].dist <= one.dist);
            in[one.row] = true;
            most = f > most ? f : most;
        }
        for (size_t j = 0; j < x->n; j++)
            if (j != i && !in[j])
                assert_true(rounded(far(x->type, x->rows + i * x->bytes, x->rows + j * x->bytes,
                                        x->bytes)) >= most);
    }
}

static void small_rows(void **state)
{
    static const size_t sizes[] = {0, 1, 2, 15, 16, 17, 32, 33, 45, 64, 65, 100, MOST};
    static const unsigned values[] = {64, 3, 0};
    static uint8_t q[KI_PANEL * 256];
    ki_nearest x = {0};
    uint64_t at = 0;
    ki_env env;

    (void)state;
    must(ki_env_init(&env, NULL));
    for (size_t bytes = KI_PANEL; bytes <= 256; bytes *= 2) {
        // room for more rows than keep all their pairs is room for the pairs of fewer, too
        must(ki_nearest_init(&x, &env, KI_U8, true, bytes,
                             bytes > KI_PANEL ? 3 * KI_PAIRS_MOST : MOST));
        for (size_t s = 0; s < 3 * sizeof sizes / sizeof *sizes; s++) {
            const size_t n = sizes[s / 3], nq = 1 + s * 13 % KI_PANEL;
            const size_t k = 1 + s * 11 % KI_NEAREST_MOST;

            draw(&at, values[s % 3], x.rows, n * bytes);
            draw(&at, values[s % 3], q, nq * bytes);
            for (size_t i = 0; i < n * bytes; i++) x.rows[i] &= 63;
            for (size_t i = 0; i < nq * bytes; i++) q[i] &= 63;
            ki_nearest_block(&x, n);
            beside_a_loop(&x, q, nq, k, KI_NEAREST_NONE);
            check_each(&x, k);
            if (n < nq) continue;
            memcpy(q, x.rows + (n - nq) * bytes, nq * bytes);
            beside_a_loop(&x, q, nq, k, (uint32_t)(n - nq));
        }
    }
    must(ki_nearest_init(&x, &env, KI_I8, false, 40, MOST));
    draw(&at, 256, x.rows, (size_t)MOST * 40);
    ki_nearest_block(&x, MOST);
    check_each(&x, 7);
    ki_nearest_deinit(&x);
    assert_int_equal(atomic_load(&env.bytes), 0);
}

static int all_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(brute_force),
        cmocka_unit_test(ends_of_the_range),
        cmocka_unit_test(small_rows),
    };

    return cmocka_run_group_tests_name("nearest", tests, NULL, NULL);
}

int main(int argc, char **argv)
{
    (void)argc;
    return every_cpu(argv, all_tests);
}
