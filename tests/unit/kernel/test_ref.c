/* The metrics' definitions, on numbers worked out by hand, and the edges that they fix. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/kernel.h"

static double key(kith_metric m, double arg, const float *q, const float *x, size_t d)
{
    uint8_t moved[2][64]; // unaligned, both
    memcpy(moved[0] + 1, q, d * 4);
    memcpy(moved[1] + 3, x, d * 4);
    return ki_canon_f32(m, arg, moved[0] + 1, moved[1] + 3, d);
}

static void expect(double got, double want)
{
    if (!(fabs(got - want) <= 1e-15 * fabs(want)) || signbit(got) != signbit(want))
        fail_msg("%.17g, not %.17g", got, want);
}

static void by_hand(void **state)
{
    static const float q[] = {1, 2, 0, 4}, x[] = {3, 2, 0, 1};
    (void)state;
    expect(key(KITH_L2, 0, q, x, 4), 13);
    expect(key(KITH_IP, 0, q, x, 4), -11);
    expect(key(KITH_COSINE, 0, q, x, 4), -11 / sqrt(21.0 * 14.0));
    expect(key(KITH_L1, 0, q, x, 4), 5);
    expect(key(KITH_LINF, 0, q, x, 4), 3);
    expect(key(KITH_LP, 3, q, x, 4), 35);
    expect(key(KITH_CANBERRA, 0, q, x, 4), 2.0 / 4 + 0 + 0 + 3.0 / 5);
    expect(key(KITH_BRAY_CURTIS, 0, q, x, 4), 5.0 / 13);
    expect(key(KITH_JACCARD, 0, q, x, 4), -4.0 / 9);
    expect(key(KITH_JENSEN_SHANNON, 0, q, x, 4),
           0.5 * (log(0.5) + 3 * log(1.5) + 4 * log(8.0 / 5) + log(2.0 / 5)));
}

/* A key is never -0, a ratio of nothing has its value, and zero rows are in order. */
static void zeros(void **state)
{
    static const float zero[] = {0, 0}, minus[] = {-0.0f, -0.0f}, x[] = {1, -2}, y[] = {2, 1};
    (void)state;
    for (size_t i = 0; ki_metric_at(i); i++) {
        const ki_metric *m = ki_metric_at(i);
        if (m->bits == 2) continue;
        expect(key(m->id, 2, zero, minus, 2), m->id == KITH_JACCARD ? -1 : 0);
        expect(key(m->id, 2, minus, zero, 2), m->id == KITH_JACCARD ? -1 : 0);
        expect(ki_report(m->id, 0.0), 0);
    }
    expect(key(KITH_IP, 0, x, y, 2), 0);
    expect(key(KITH_COSINE, 0, zero, x, 2), 0);
    expect(key(KITH_COSINE, 0, x, zero, 2), 0);
    expect(key(KITH_JENSEN_SHANNON, 0, y, y, 2), 0);
    expect(key(KITH_JACCARD, 0, zero, y, 2), 0);
    assert_true(isinf(key(KITH_BRAY_CURTIS, 0, x, (const float[]){-1, 2}, 2)));
}

/* 2^53 + 1 is lost in double when 2^53 comes first, and kept when it comes last. */
static void sums_run_in_index_order(void **state)
{
    static const float one[] = {1, 1, 1};
    static const float large_first[] = {0x1p53f, 1, 1}, large_last[] = {1, 1, 0x1p53f};
    (void)state;
    expect(key(KITH_IP, 0, one, large_first, 3), -0x1p53);
    expect(key(KITH_IP, 0, one, large_last, 3), -(0x1p53 + 2));
}

/* A product of two floats is exact in double, a squared difference is not: there a fused operation
 * would show. */
static void nothing_is_fused(void **state)
{
    int shown = 0;
    (void)state;
    for (int i = 1; i < 200; i++) {
        float q[8], x[8];
        double s = 0.0, fused = 0.0;
        for (size_t j = 0; j < 8; j++) {
            volatile double square;
            double t;
            q[j] = 1e3f / (float)(i + (int)j);
            x[j] = 1e-3f / (float)(i + 2 * (int)j);
            t = (double)q[j] - (double)x[j];
            square = t * t;
            s += square;
            fused = fma(t, t, fused);
        }
        assert_true(key(KITH_L2, 0, q, x, 8) == s);
        shown += fused != s;
    }
    assert_true(shown > 0);
}

static void extremes_stay_finite(void **state)
{
    static const float large[] = {FLT_MAX, -FLT_MAX, FLT_MAX}, tiny[] = {1e-45f, 1e-45f, 0};
    (void)state;
    assert_true(isfinite(key(KITH_L2, 0, large, tiny, 3)));
    expect(key(KITH_COSINE, 0, large, large, 3), -1);
    expect(key(KITH_COSINE, 0, tiny, tiny, 3), -1);
    expect(key(KITH_CANBERRA, 0, large, tiny, 3), 3);
    assert_true(key(KITH_L2, 0, tiny, (const float[]){0, 0, 0}, 3) > 0);
}

static void bits(void **state)
{
    uint8_t a[21], b[21];
    size_t differ = 0, both = 0, either = 0;
    (void)state;
    for (size_t i = 0; i < 21; i++) {
        a[i] = (uint8_t)(i * 77);
        b[i] = (uint8_t)(i * 91 + 5);
    }
    for (size_t d = 0; d < 8 * 21; d++) {
        const int x = a[d / 8] >> (7 - d % 8) & 1, y = b[d / 8] >> (7 - d % 8) & 1;
        differ += (size_t)(x ^ y);
        both += (size_t)(x & y);
        either += (size_t)(x | y);
        if (d % 8 < 7) continue;
        expect(ki_canon_bits(KITH_HAMMING, a, b, d + 1), (double)differ);
        expect(ki_canon_bits(KITH_JACCARD, a, b, d + 1),
               both ? -(double)both / (double)either : either ? 0 : -1);
    }
    memset(a, 0, sizeof a);
    expect(ki_canon_bits(KITH_JACCARD, a, a, 160), -1);
    assert_true(isnan(ki_canon_bits(KITH_L2, a, b, 160)));
    assert_true(isnan(ki_canon_f32(KITH_HAMMING, 0, a, b, 4)));
}

static void reported(void **state)
{
    (void)state;
    expect(ki_report(KITH_L2, 3), 3);
    expect(ki_report(KITH_IP, -3), 3);
    expect(ki_report(KITH_IP, ki_report(KITH_IP, 2.5)), 2.5);
    expect(ki_report(KITH_HAMMING, 7), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_hand),
        cmocka_unit_test(zeros),
        cmocka_unit_test(sums_run_in_index_order),
        cmocka_unit_test(nothing_is_fused),
        cmocka_unit_test(extremes_stay_finite),
        cmocka_unit_test(bits),
        cmocka_unit_test(reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
