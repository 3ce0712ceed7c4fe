/* Changing calls: whole or not at all, with sentences that name row and column. */
#include "support/harness.h"

#include <string.h>

enum { D = 3 };

static void bad_rows(void **state)
{
    float x[4][D] = {{1, 2, 3.5f}, {4, 5, 6}, {7, 8, 9}, {10, 11, 12}};
    double wide[2][D] = {{1, 2, 3}, {4, 1e300, 6}};
    int64_t ids[4] = {5, 6, 7, 5};
    kith_index *ix;

    (void)state;
    must(kith_create("Flat", D, KITH_L2, NULL, &ix));
    x[2][1] = NAN;
    refused(kith_add(ix, KITH_ROWS(x, 4, KITH_F32), NULL, NULL, NULL), KITH_BAD_ARG,
            "row 2, column 1");
    x[2][1] = -INFINITY;
    refused(kith_add(ix, KITH_ROWS(x, 4, KITH_F32), NULL, NULL, NULL), KITH_BAD_ARG,
            "row 2, column 1");
    x[2][1] = 8;
    refused(kith_add(ix, KITH_ROWS(wide, 2, KITH_F64), NULL, NULL, NULL), KITH_BAD_ARG,
            "row 1, column 1");
    refused(kith_add(ix, KITH_ROWS(x, 4, KITH_F32), ids, NULL, NULL), KITH_EXISTS, "5");
    ids[3] = KITH_NO_ID;
    refused(kith_add(ix, KITH_ROWS(x, 4, KITH_F32), ids, NULL, NULL), KITH_BAD_ARG, "-1");
    refused(kith_add(ix, KITH_ROWS(NULL, 4, KITH_F32), NULL, NULL, NULL), KITH_BAD_ARG, "NULL");
    refused(kith_add(ix, KITH_ROWS(x, 4, (kith_dtype)77), NULL, NULL, NULL), KITH_BAD_ARG, "77");
    refused(kith_add(ix, KITH_ROWS(x, SIZE_MAX / 4, KITH_F32), NULL, NULL, NULL), KITH_LIMIT, "");
    refused(kith_add(ix, KITH_ROWS(x, 4, KITH_BIT), NULL, NULL, NULL), KITH_UNSUPPORTED, "");
    assert_int_equal(kith_count(ix), 0);
    must(kith_add(ix, KITH_ROWS(x, 0, KITH_F32), NULL, NULL, NULL));
    must(kith_add(ix, KITH_ROWS(x, 4, KITH_F32), NULL, NULL, NULL));
    ids[0] = 2;
    refused(kith_add(ix, KITH_ROWS(x, 1, KITH_F32), ids, NULL, NULL), KITH_EXISTS, "id 2");
    refused(kith_update(ix, KITH_ROWS(x, 2, KITH_F32), (int64_t[]){1, 99}, NULL, NULL),
            KITH_NOT_FOUND, "99");
    refused(kith_update(ix, KITH_ROWS(x, 1, KITH_F32), NULL, NULL, NULL), KITH_BAD_ARG, "ids");
    assert_int_equal(kith_count(ix), 4);
    kith_free(ix);
}

static void what_codecs_refuse(void **state)
{
    const float x[2][D] = {{1, 2, 3}, {4, 300.5f, 6}}, big[1][D] = {{1, 2, 70000}};
    kith_index *ix;

    (void)state;
    must(kith_create("Flat,U8", D, KITH_L2, NULL, &ix));
    refused(kith_add(ix, KITH_ROWS(x, 2, KITH_F32), NULL, NULL, NULL), KITH_BAD_ARG,
            "row 1, column 1");
    kith_free(ix);
    must(kith_create("Flat,F16", D, KITH_L2, NULL, &ix));
    refused(kith_add(ix, KITH_ROWS(big, 1, KITH_F32), NULL, NULL, NULL), KITH_BAD_ARG,
            "row 0, column 2");
    kith_free(ix);
    must(kith_create("Flat", D, KITH_JENSEN_SHANNON, NULL, &ix));
    refused(kith_add(ix, KITH_ROWS(((float[]){1, -2, 3}), 1, KITH_F32), NULL, NULL, NULL),
            KITH_BAD_ARG, "row 0, column 1");
    kith_free(ix);
}

/* Strided rows at an odd address, of every type, are read as they are. */
static void any_rows(void **state)
{
    uint8_t odd[1 + 3 * 40] = {0};
    float out[D];
    kith_index *ix;

    (void)state;
    must(kith_create("Flat,F32", D, KITH_L2, NULL, &ix));
    for (size_t i = 0; i < 3; i++) {
        const double row[D] = {(double)i, 0.5, -3};
        memcpy(odd + 1 + 40 * i, row, sizeof row);
    }
    must(kith_add(ix, (kith_rows){odd + 1, 3, 40, KITH_F64}, NULL, NULL, NULL));
    must(kith_get(ix, 2, out));
    assert_memory_equal(out, ((float[]){2, 0.5f, -3}), sizeof out);
    must(kith_add(ix, KITH_ROWS(((int64_t[]){7, -8, 9}), 1, KITH_I64), NULL, NULL, NULL));
    must(kith_get(ix, 3, out));
    assert_memory_equal(out, ((float[]){7, -8, 9}), sizeof out);
    kith_free(ix);
}

/* Integers 0…255 are kept as bytes until a row needs more, losslessly, all or nothing. */
static void lossless_bytes(void **state)
{
    const float small[2][D] = {{1, 2, 3}, {255, 0, 7}}, half[1][D] = {{0.5f, 1, 2}};
    const float bad[2][D] = {{0.25f, 1, 2}, {NAN, 1, 2}};
    float out[D];
    kith_index *ix;

    (void)state;
    must(kith_create("Flat", D, KITH_L2, NULL, &ix));
    must(kith_add(ix, KITH_ROWS(small, 2, KITH_F32), NULL, NULL, NULL));
    assert_int_equal(kith_dtype_of(ix), KITH_U8);
    refused(kith_add(ix, KITH_ROWS(bad, 2, KITH_F32), NULL, NULL, NULL), KITH_BAD_ARG, "NaN");
    assert_int_equal(kith_dtype_of(ix), KITH_U8);
    must(kith_add(ix, KITH_ROWS(half, 1, KITH_F32), NULL, NULL, NULL));
    assert_int_equal(kith_dtype_of(ix), KITH_F32);
    must(kith_get(ix, 1, out));
    assert_memory_equal(out, small[1], sizeof out);
    must(kith_remove(ix, (int64_t[]){2}, 1, NULL));
    must(kith_compact(ix, NULL));
    assert_int_equal(kith_dtype_of(ix), KITH_U8);
    must(kith_get(ix, 1, out));
    assert_memory_equal(out, small[1], sizeof out);
    kith_free(ix);
}

static int stop(void *ctx, const char *phase, uint64_t done, uint64_t total)
{
    (void)phase;
    (void)done;
    (void)total;
    ++*(int *)ctx;
    return 1;
}

static void cancel(void **state)
{
    static float x[20000][D];
    int polls = 0;
    const kith_watch watch = {stop, &polls};
    kith_index *ix;

    (void)state;
    x[0][0] = 0.5f;
    must(kith_create("Flat", D, KITH_L2, NULL, &ix));
    must(kith_add(ix, KITH_ROWS(x, 10, KITH_F32), NULL, NULL, NULL));
    refused(kith_add(ix, KITH_ROWS(x, 20000, KITH_F32), NULL, NULL, &watch), KITH_CANCELLED, "");
    refused(kith_compact(ix, &watch), KITH_CANCELLED, "");
    assert_true(polls >= 2);
    assert_int_equal(kith_count(ix), 10);
    must(kith_verify(ix, NULL));
    kith_free(ix);
}

static void merge_rules(void **state)
{
    const float x[2][D] = {{1, 2, 3}, {4, 5, 6}};
    kith_index *a, *b, *c, *e;

    (void)state;
    must(kith_create("Flat", D, KITH_L2, NULL, &a));
    must(kith_create("Flat,F16", D, KITH_L2, NULL, &b));
    must(kith_create("Flat", D, KITH_IP, NULL, &c));
    must(kith_create("Flat", D + 1, KITH_L2, NULL, &e));
    must(kith_add(a, KITH_ROWS(x, 2, KITH_F32), NULL, NULL, NULL));
    must(kith_add(b, KITH_ROWS(x, 2, KITH_F32), (int64_t[]){10, 11}, NULL, NULL));
    refused(kith_merge(a, a, NULL), KITH_BAD_ARG, "itself");
    refused(kith_merge(a, c, NULL), KITH_BAD_ARG, "ip");
    refused(kith_merge(a, e, NULL), KITH_BAD_ARG, "4 components");
    must(kith_merge(a, b, NULL));
    assert_int_equal(kith_count(a), 4);
    assert_true(kith_contains(a, 11));
    refused(kith_merge(a, b, NULL), KITH_EXISTS, "10");
    assert_int_equal(kith_count(a), 4);
    kith_free(a);
    kith_free(b);
    kith_free(c);
    kith_free(e);
    must(kith_create("Flat(p=3)", D, KITH_LP, NULL, &a));
    must(kith_create("Flat(p=1.5)", D, KITH_LP, NULL, &b));
    must(kith_create("Flat(p=3),F16", D, KITH_LP, NULL, &c));
    must(kith_add(b, KITH_ROWS(x, 2, KITH_F32), NULL, NULL, NULL));
    must(kith_add(c, KITH_ROWS(x, 2, KITH_F32), NULL, NULL, NULL));
    refused(kith_merge(a, b, NULL), KITH_BAD_ARG, "p = 1.5 cannot be merged into one for p = 3");
    must(kith_merge(a, c, NULL));
    assert_int_equal(kith_count(a), 2);
    kith_free(a);
    kith_free(b);
    kith_free(c);
}

/* Flat learns nothing, but what cannot be learned from is refused, and the index stays. */
static void train(void **state)
{
    const float x[2][D] = {{1, 2, 3}, {4, 5, 6}}, bad[2][D] = {{1, 2, 3}, {4, NAN, 6}};
    const float negative[1][D] = {{1, -2, 3}};
    kith_index *ix;

    (void)state;
    must(kith_create("Flat", D, KITH_L2, NULL, &ix));
    must(kith_train(ix, KITH_ROWS(x, 2, KITH_F32), NULL));
    must(kith_train(ix, KITH_ROWS(NULL, 0, KITH_F32), NULL));
    assert_int_equal(kith_count(ix), 0);
    refused(kith_train(ix, KITH_ROWS(bad, 2, KITH_F32), NULL), KITH_BAD_ARG, "row 1, column 1");
    refused(kith_train(ix, (kith_rows){x, 2, 5, KITH_F32}, NULL), KITH_BAD_ARG, "stride 5");
    refused(kith_train(ix, KITH_ROWS(x, 2, (kith_dtype)99), NULL), KITH_BAD_ARG, "99");
    refused(kith_train(ix, KITH_ROWS(NULL, 2, KITH_F32), NULL), KITH_BAD_ARG, "NULL");
    kith_free(ix);
    must(kith_create("Flat", D, KITH_JENSEN_SHANNON, NULL, &ix));
    refused(kith_train(ix, KITH_ROWS(negative, 1, KITH_F32), NULL), KITH_BAD_ARG, "negative");
    kith_free(ix);
}

static void last_ids(void **state)
{
    const float x[2][D] = {{1, 2, 3}, {4, 5, 6}};
    kith_index *ix;

    (void)state;
    must(kith_create("Flat", D, KITH_L2, NULL, &ix));
    must(kith_add(ix, KITH_ROWS(x, 1, KITH_F32), (int64_t[]){INT64_MIN}, NULL, NULL));
    must(kith_add(ix, KITH_ROWS(x, 1, KITH_F32), (int64_t[]){INT64_MAX}, NULL, NULL));
    refused(kith_add(ix, KITH_ROWS(x, 1, KITH_F32), NULL, NULL, NULL), KITH_LIMIT, "");
    assert_int_equal(kith_count(ix), 2);
    must(kith_add(ix, KITH_ROWS(x, 2, KITH_F32), (int64_t[]){-2, -7}, NULL, NULL));
    assert_true(kith_contains(ix, -7));
    kith_free(ix);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_rows),       cmocka_unit_test(what_codecs_refuse),
        cmocka_unit_test(any_rows),       cmocka_unit_test(lossless_bytes),
        cmocka_unit_test(cancel),         cmocka_unit_test(merge_rules),
        cmocka_unit_test(train),          cmocka_unit_test(last_ids),
    };

    return cmocka_run_group_tests_name("modify", tests, NULL, NULL);
}
