/* Rows of any type: rounding to f32, the checks that rows pass before they are stored, and whether
 * bytes can keep them. Every sentence names row and column as the caller counts them. */
#include "support/harness.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "codec/codec.h"

enum { D = 700 }; // more than a piece, so that columns are counted across pieces

static float f32[4][D];
static double f64[4][D];

static void fill(float v)
{
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < D; j++) {
            f32[i][j] = v;
            f64[i][j] = (double)v;
        }
}

static void doubles_and_integers_are_rounded(void **state)
{
    const double d[] = {1.0 / 3, 1e-50, -16777217.0, 0.1};
    const int32_t i[] = {16777217, -2147483647 - 1, 2147483647, 3};
    const int64_t l[] = {INT64_MAX, INT64_MIN, 9007199254740993, -7};
    float out[4];

    (void)state;
    ki_rows_to_f32(KITH_ROWS(d, 1, KITH_F64), 0, 1, 4, out);
    for (size_t j = 0; j < 4; j++) assert_true(out[j] == (float)d[j]);
    ki_rows_to_f32(KITH_ROWS(i, 1, KITH_I32), 0, 1, 4, out);
    for (size_t j = 0; j < 4; j++) assert_true(out[j] == (float)i[j]);
    ki_rows_to_f32(KITH_ROWS(l, 1, KITH_I64), 0, 1, 4, out);
    for (size_t j = 0; j < 4; j++) assert_true(out[j] == (float)l[j]);
}

static void what_is_not_finite_is_named(void **state)
{
    const uint16_t half[] = {0, 0x3c00, 0x7c00, 0x7e00}, bf[] = {0, 0x3f80, 0xff80, 0x7fc0};

    (void)state;
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < D; j += 33) {
            char where[64];

            fill(1);
            snprintf(where, sizeof where, "row %zu, column %zu is NaN", i, j);
            f32[i][j] = (float)NAN;
            f64[i][j] = (double)NAN;
            refused(ki_rows_check(KITH_ROWS(f32, 4, KITH_F32), D, KITH_L2, "row"), KITH_BAD_ARG,
                    where);
            refused(ki_rows_check(KITH_ROWS(f64, 4, KITH_F64), D, KITH_L2, "row"), KITH_BAD_ARG,
                    where);
            refused(ki_rows_check_part(KITH_ROWS(f32, 4, KITH_F32), i, 4 - i, D, KITH_JACCARD,
                                       "row"),
                    KITH_BAD_ARG, where);
            must(ki_rows_check_part(KITH_ROWS(f32, 4, KITH_F32), 0, i, D, KITH_L2, "row"));
            must(ki_rows_check_part(KITH_ROWS(f32, 4, KITH_F32), i + 1, 3 - i, D, KITH_L2, "row"));
        }
    fill(1);
    f32[2][1] = -INFINITY;
    refused(ki_rows_check(KITH_ROWS(f32, 4, KITH_F32), D, KITH_L2, "query"), KITH_BAD_ARG,
            "query 2, column 1 is infinite");
    f64[3][699] = 1e300;
    refused(ki_rows_check(KITH_ROWS(f64, 4, KITH_F64), D, KITH_L2, "row"), KITH_BAD_ARG,
            "row 3, column 699: 1e+300 is beyond f32");
    refused(ki_rows_check(KITH_ROWS(half, 2, KITH_F16), 2, KITH_L2, "row"), KITH_BAD_ARG,
            "row 1, column 0 is infinite");
    refused(ki_rows_check((kith_rows){half + 3, 1, 0, KITH_F16}, 1, KITH_L2, "row"), KITH_BAD_ARG,
            "row 0, column 0 is NaN");
    refused(ki_rows_check(KITH_ROWS(bf, 2, KITH_BF16), 2, KITH_L2, "row"), KITH_BAD_ARG,
            "row 1, column 0 is infinite");
}

static void strides_are_skipped(void **state)
{
    (void)state;
    fill(1);
    f32[1][5] = (float)NAN; // behind the five components of its row
    must(ki_rows_check((kith_rows){f32, 4, sizeof f32[0], KITH_F32}, 5, KITH_L2, "row"));
    refused(ki_rows_check((kith_rows){f32, 4, sizeof f32[0], KITH_F32}, 6, KITH_L2, "row"),
            KITH_BAD_ARG, "row 1, column 5 is NaN");
}

static void some_metrics_take_no_negative_values(void **state)
{
    const int8_t i8[] = {0, 5, -3, 1};
    const float zero[] = {0.0f, -0.0f};

    (void)state;
    must(ki_rows_check(KITH_ROWS(i8, 2, KITH_I8), 2, KITH_L2, "row"));
    refused(ki_rows_check(KITH_ROWS(i8, 2, KITH_I8), 2, KITH_JACCARD, "row"), KITH_BAD_ARG,
            "row 1, column 0: -3 is negative; jaccard takes none");
    refused(ki_rows_check(KITH_ROWS(i8, 2, KITH_I8), 2, KITH_JENSEN_SHANNON, "row"), KITH_BAD_ARG,
            "jensen_shannon");
    must(ki_rows_check(KITH_ROWS(zero, 1, KITH_F32), 2, KITH_JACCARD, "row"));
}

static void shapes_that_cannot_be(void **state)
{
    const uint8_t bits[2] = {0xff, 0xff};

    (void)state;
    refused(ki_rows_check(KITH_ROWS(bits, 1, (kith_dtype)77), 8, KITH_L2, "row"), KITH_BAD_ARG,
            "77 is no type");
    refused(ki_rows_check(KITH_ROWS(bits, 1, KITH_U8), 2, (kith_metric)12, "row"), KITH_BAD_ARG,
            "12 is no metric");
    refused(ki_rows_check(KITH_ROWS(NULL, 1, KITH_U8), 2, KITH_L2, "row"), KITH_BAD_ARG, "NULL");
    refused(ki_rows_check((kith_rows){bits, 1, 7, KITH_F32}, 2, KITH_L2, "row"), KITH_BAD_ARG,
            "stride 7 is less than the 8 bytes of a row");
    refused(ki_rows_check(KITH_ROWS(bits, SIZE_MAX / 2, KITH_F32), 2, KITH_L2, "row"), KITH_LIMIT,
            "do not fit into memory");
    refused(ki_rows_check(KITH_ROWS(bits, 1, KITH_BIT), 16, KITH_L2, "query"), KITH_UNSUPPORTED,
            "l2 has no meaning on bits");
    must(ki_rows_check(KITH_ROWS(bits, 1, KITH_BIT), 16, KITH_JACCARD, "query"));
    must(ki_rows_check(KITH_ROWS(NULL, 0, KITH_F32), 16, KITH_L2, "row"));
}

static void bytes_hold_what_is_whole_and_small(void **state)
{
    const int64_t large[] = {1, 2, 256};
    const double d[] = {0, 255, 254.0000000000001};

    (void)state;
    fill(255);
    assert_true(ki_rows_fit_u8(KITH_ROWS(f32, 4, KITH_F32), D));
    f32[3][650] = -0.0f;
    assert_false(ki_rows_fit_u8(KITH_ROWS(f32, 4, KITH_F32), D));
    assert_true(ki_rows_fit_u8((kith_rows){f32, 4, sizeof f32[0], KITH_F32}, 650));
    f32[3][650] = 0.5f;
    assert_false(ki_rows_fit_u8(KITH_ROWS(f32, 4, KITH_F32), D));
    assert_true(ki_rows_fit_u8(KITH_ROWS(large, 1, KITH_I64), 2));
    assert_false(ki_rows_fit_u8(KITH_ROWS(large, 1, KITH_I64), 3));
    assert_true(ki_rows_fit_u8(KITH_ROWS(d, 1, KITH_F64), 3)); // rounded to f32 first
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doubles_and_integers_are_rounded),
        cmocka_unit_test(what_is_not_finite_is_named),
        cmocka_unit_test(strides_are_skipped),
        cmocka_unit_test(some_metrics_take_no_negative_values),
        cmocka_unit_test(shapes_that_cannot_be),
        cmocka_unit_test(bytes_hold_what_is_whole_and_small),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
