/* What an index and the tables say of themselves. */
#include "support/harness.h"

#include <string.h>

static void names(void **state)
{
    kith_metric m;
    kith_dtype t;

    (void)state;
    for (int i = 1; i <= 11; i++) {
        must(kith_metric_find(kith_metric_name((kith_metric)i), &m));
        assert_int_equal(m, i);
    }
    must(kith_metric_find("Euclidean", &m));
    assert_int_equal(m, KITH_L2);
    must(kith_metric_find("angular", &m));
    assert_int_equal(m, KITH_COSINE);
    must(kith_metric_find("manhattan", &m));
    assert_int_equal(m, KITH_L1);
    refused(kith_metric_find("nearly", &m), KITH_NOT_FOUND, "l2");
    refused(kith_metric_find(NULL, &m), KITH_BAD_ARG, "name");
    assert_string_equal(kith_metric_name((kith_metric)0), "?");
    assert_true(kith_metric_is_similarity(KITH_IP) && !kith_metric_is_similarity(KITH_L2));
    for (int i = 1; i <= 9; i++) {
        must(kith_dtype_find(kith_dtype_name((kith_dtype)i), &t));
        assert_int_equal(t, i);
    }
    must(kith_dtype_find("FLOAT32", &t));
    assert_int_equal(t, KITH_F32);
    refused(kith_dtype_find("complex", &t), KITH_NOT_FOUND, "complex");
    assert_int_equal(kith_row_bytes(KITH_BIT, 9), 2);
    assert_int_equal(kith_row_bytes(KITH_F64, 3), 24);
    assert_string_equal(kith_status_name(KITH_CORRUPT), "CORRUPT");
    assert_int_equal(kith_version(), KITH_HEADER_VERSION);
}

static void count_row(void *ctx, const char *name, const char *text, double value)
{
    (void)value;
    assert_true(strlen(name) > 0);
    assert_non_null(text);
    ++*(size_t *)ctx;
}

static void tables(void **state)
{
    static const struct {
        const char *table;
        size_t least;
    } t[] = {{"metrics", 11}, {"dtypes", 9},        {"navigators", 1}, {"codecs", 9},
             {"formats", 3},  {"index_formats", 1}, {"isas", 2},       {"kernels", 30}};

    (void)state;
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        size_t n = 0;

        must(kith_list(t[i].table, count_row, &n));
        assert_true(n >= t[i].least);
    }
    refused(kith_list("colours", count_row, NULL), KITH_NOT_FOUND, "metrics");
}

static void conversions(void **state)
{
    const uint8_t bits[2] = {0x80 | 0x01, 0x40};
    const double f64[3] = {0.1, -2, 1e10};
    float out[10];

    (void)state;
    must(kith_to_f32(KITH_ROWS(bits, 1, KITH_BIT), 10, out));
    assert_memory_equal(out, ((float[]){1, 0, 0, 0, 0, 0, 0, 1, 0, 1}), sizeof out);
    must(kith_to_f32(KITH_ROWS(f64, 1, KITH_F64), 3, out));
    assert_true(out[0] == 0.1f && out[1] == -2 && out[2] == 1e10f);
    refused(kith_to_f32(KITH_ROWS(f64, 1, (kith_dtype)50), 3, out), KITH_BAD_ARG, "50");
}

typedef struct wanted {
    const char *name;
    double value;
} wanted;

static void pick(void *ctx, const char *name, const char *text, double value)
{
    wanted *w = ctx;

    (void)text;
    if (strcmp(name, w->name) == 0) w->value = value;
}

static double stat_of(const kith_index *ix, const char *name)
{
    wanted w = {name, -1};

    kith_stats(ix, pick, &w);
    return w.value;
}

static void rows_and_labels(void **state)
{
    const float x[4][2] = {{1, 2.5f}, {3, 4}, {5, 6}, {7, 8}};
    const char *labels[4] = {"anna", NULL, "anna", "a rather long label"};
    const int64_t own[4] = {40, -9, 7, 1000};
    kith_index *ix;
    int64_t ids[4];
    char label[8];
    size_t n;

    (void)state;
    must(kith_create("Flat", 2, KITH_L2, NULL, &ix));
    must(kith_add(ix, KITH_ROWS(x, 4, KITH_F32), own, labels, NULL));
    must(kith_ids(ix, 1, 4, ids, &n));
    assert_int_equal(n, 3);
    assert_memory_equal(ids, own + 1, 3 * sizeof *ids);
    must(kith_find_label(ix, "anna", ids, 1, &n));
    assert_int_equal(n, 2);
    assert_int_equal(ids[0], 7);
    must(kith_find_label(ix, "nobody", ids, 4, &n));
    assert_int_equal(n, 0);
    must(kith_get_label(ix, 1000, label, sizeof label, &n));
    assert_string_equal(label, "a rathe");
    assert_int_equal(n, 19);
    must(kith_get_label(ix, -9, label, sizeof label, &n));
    assert_string_equal(label, "");
    refused(kith_get_label(ix, 5, label, sizeof label, &n), KITH_NOT_FOUND, "5");
    refused(kith_get(ix, 5, NULL), KITH_BAD_ARG, "NULL");
    refused(kith_set_label(ix, 40, "\xff\xfe"), KITH_BAD_ARG, "UTF-8");
    must(kith_remove(ix, own + 2, 1, &n));
    assert_int_equal(n, 1);
    must(kith_find_label(ix, "anna", ids, 4, &n));
    assert_int_equal(n, 1);
    must(kith_ids(ix, 2, 4, ids, &n));
    assert_int_equal(n, 1);
    assert_int_equal(ids[0], 1000);
    assert_true(stat_of(ix, "count") == 3 && stat_of(ix, "removed") == 1);
    assert_true(stat_of(ix, "memory_bytes") > 0 && stat_of(ix, "row_bytes") == 8);
    kith_free(ix);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(names), cmocka_unit_test(tables),
                                       cmocka_unit_test(conversions),
                                       cmocka_unit_test(rows_and_labels)};

    return cmocka_run_group_tests_name("inspect", tests, NULL, NULL);
}
