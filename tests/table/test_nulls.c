/* Every public function with NULL for each thing that it needs: BAD_ARG and a sentence, or 0 where
 * there is no status to return; never a crash, nothing written. */
#include "support/harness.h"

#include <string.h>

enum { D = 3, N = 4 };

static const float base[N][D] = {{1, 2, 3}, {4, 5, 6}, {7, 8, 9}, {1, 1, 1}};
static const int64_t some[N] = {0, 1, 2, 3};
static kith_index *ix;
static kith_filter *filter;
static kith_cursor *cursor;

static int sink(void *ctx, const void *bytes, size_t len)
{
    (void)ctx;
    (void)bytes;
    (void)len;
    return 0;
}

static kith_status no_rows(void *ctx, size_t max, kith_batch *out)
{
    (void)ctx;
    (void)max;
    *out = (kith_batch){.rows = KITH_ROWS(NULL, 0, KITH_F32)};
    return KITH_OK;
}

static void never(void *ctx, const char *name, const char *text, double value)
{
    (void)ctx;
    (void)text;
    (void)value;
    fail_msg("%s was told", name);
}

/* One call after the other; the line of the one that did otherwise is shown. */
#define bad(call) refused(call, KITH_BAD_ARG, "")

static void indexes(void **state)
{
    kith_index *none = (kith_index *)1;

    (void)state;
    bad(kith_create(NULL, D, KITH_L2, NULL, &none));
    bad(kith_create("Flat", D, KITH_L2, NULL, NULL));
    bad(kith_open(NULL, 0, NULL, &none));
    bad(kith_open("x", 0, NULL, NULL));
    bad(kith_open_view(NULL, 100, 0, NULL, &none));
    bad(kith_open_view(base, sizeof base, 0, NULL, NULL));
    bad(kith_save(NULL, "x", NULL));
    bad(kith_save(ix, NULL, NULL));
    bad(kith_write(NULL, sink, NULL));
    bad(kith_write(ix, NULL, NULL));
    bad(kith_verify(NULL, NULL));
    bad(kith_repair(NULL, never, NULL, NULL));
    bad(kith_import(NULL, NULL, 0, KITH_L2, NULL, NULL, &none));
    bad(kith_import("x.bin", NULL, 0, KITH_L2, NULL, NULL, NULL));
    bad(kith_export(NULL, "x.bin", NULL, NULL));
    bad(kith_export(ix, NULL, NULL, NULL));
    bad(kith_set_param(NULL, "scan", "off"));
    bad(kith_set_param(ix, NULL, "off"));
    bad(kith_set_param(ix, "scan", NULL));
    assert_ptr_equal(none, (kith_index *)1);
    kith_free(NULL);
    assert_int_equal(kith_dim(NULL), 0);
    assert_int_equal(kith_count(NULL), 0);
    assert_int_equal(kith_metric_of(NULL), 0);
    assert_int_equal(kith_dtype_of(NULL), 0);
    assert_string_equal(kith_spec(NULL), "");
    bad(kith_inspect(NULL, "graph", never, NULL, NULL));
    bad(kith_inspect(ix, NULL, never, NULL, NULL));
    bad(kith_inspect(ix, "graph", NULL, NULL, NULL));
    kith_stats(NULL, never, NULL);
    kith_stats(ix, NULL, NULL);
}

static void rows(void **state)
{
    const kith_rows x = KITH_ROWS(base, N, KITH_F32), none = KITH_ROWS(NULL, N, KITH_F32);
    float row[D];
    char text[4];
    int64_t ids[N];
    size_t n;

    (void)state;
    bad(kith_add(NULL, x, NULL, NULL, NULL));
    bad(kith_add(ix, none, NULL, NULL, NULL));
    bad(kith_upsert(NULL, x, some, NULL, NULL));
    bad(kith_upsert(ix, none, some, NULL, NULL));
    bad(kith_update(NULL, x, some, NULL, NULL));
    bad(kith_update(ix, none, some, NULL, NULL));
    bad(kith_update(ix, x, NULL, NULL, NULL));
    bad(kith_remove(NULL, some, 1, NULL));
    bad(kith_remove(ix, NULL, 1, NULL));
    bad(kith_compact(NULL, NULL));
    bad(kith_merge(NULL, ix, NULL));
    bad(kith_merge(ix, NULL, NULL));
    bad(kith_train(NULL, x, NULL));
    bad(kith_train(ix, none, NULL));
    bad(kith_get(NULL, 0, row));
    bad(kith_get(ix, 0, NULL));
    assert_int_equal(kith_contains(NULL, 0), 0);
    bad(kith_ids(NULL, 0, N, ids, &n));
    bad(kith_ids(ix, 0, N, NULL, &n));
    bad(kith_ids(ix, 0, N, ids, NULL));
    bad(kith_set_label(NULL, 0, "x"));
    bad(kith_get_label(NULL, 0, text, sizeof text, &n));
    bad(kith_get_label(ix, 0, NULL, sizeof text, &n));
    bad(kith_find_label(NULL, "x", ids, N, &n));
    bad(kith_find_label(ix, NULL, ids, N, &n));
    bad(kith_find_label(ix, "x", NULL, N, &n));
    bad(kith_find_label(ix, "x", ids, N, NULL));
    assert_int_equal(kith_count(ix), N);
}

static void searches(void **state)
{
    const kith_rows q = KITH_ROWS(base, 1, KITH_F32), none = KITH_ROWS(NULL, 1, KITH_F32);
    kith_query how = KITH_QUERY_K(2);
    int64_t ids[10];
    const int64_t *lent = some;
    kith_cursor *c = NULL;
    kith_hits *hits = NULL;
    size_t n;

    (void)state;
    how.limit = 5;
    bad(kith_search(NULL, q, &how, ids, NULL));
    bad(kith_search(ix, none, &how, ids, NULL));
    bad(kith_search(ix, q, &how, NULL, NULL));
    bad(kith_search_ids(NULL, some, 1, &how, ids, NULL));
    bad(kith_search_ids(ix, NULL, 1, &how, ids, NULL));
    bad(kith_search_ids(ix, some, 1, &how, NULL, NULL));
    bad(kith_range(NULL, q, &how, &hits));
    bad(kith_range(ix, none, &how, &hits));
    bad(kith_range(ix, q, NULL, &hits)); // no limit
    bad(kith_range(ix, q, &how, NULL));
    assert_int_equal(kith_hits_count(NULL), 0);
    assert_int_equal(kith_hits_row(NULL, 0, &lent, NULL), 0);
    assert_null(lent);
    kith_hits_free(hits);
    bad(kith_cursor_open(NULL, q, &how, &c));
    bad(kith_cursor_open(ix, none, &how, &c));
    bad(kith_cursor_open(ix, q, &how, NULL));
    bad(kith_cursor_next(NULL, 1, ids, NULL, &n));
    bad(kith_cursor_next(cursor, 1, NULL, NULL, &n));
    bad(kith_cursor_next(cursor, 1, ids, NULL, NULL));
    kith_cursor_free(c);
    bad(kith_context_create(NULL, NULL));
    kith_context_free(NULL);
}

static void filters(void **state)
{
    kith_filter *f = NULL;

    (void)state;
    bad(kith_filter_bits(NULL, 1, NULL, &f));
    bad(kith_filter_bits(NULL, 0, NULL, NULL));
    bad(kith_filter_ids(NULL, 1, NULL, &f));
    bad(kith_filter_ids(some, 1, NULL, NULL));
    bad(kith_filter_range(0, 1, NULL, NULL));
    bad(kith_filter_call(NULL, NULL, NULL, &f));
    bad(kith_filter_join(KITH_AND, NULL, filter, &f));
    bad(kith_filter_join(KITH_AND, filter, NULL, &f));
    bad(kith_filter_join(KITH_OR, filter, filter, NULL));
    bad(kith_filter_join(KITH_NOT, NULL, NULL, &f));
    bad(kith_filter_bind(NULL, filter, &f));
    bad(kith_filter_bind(ix, NULL, &f));
    bad(kith_filter_bind(ix, filter, NULL));
    assert_null(f);
    kith_filter_free(NULL);
}

static void tables(void **state)
{
    float out[D];
    kith_metric m;
    kith_dtype t;

    (void)state;
    bad(kith_list(NULL, never, NULL));
    bad(kith_list("metrics", NULL, NULL));
    bad(kith_param_at(0, NULL));
    bad(kith_metric_find(NULL, &m));
    bad(kith_metric_find("l2", NULL));
    bad(kith_dtype_find(NULL, &t));
    bad(kith_dtype_find("f32", NULL));
    assert_string_equal(kith_metric_name((kith_metric)0), "?");
    assert_string_equal(kith_dtype_name((kith_dtype)0), "?");
    bad(kith_to_f32(KITH_ROWS(NULL, 1, KITH_F32), D, out));
    bad(kith_to_f32(KITH_ROWS(base, 1, KITH_F32), D, NULL));
    bad(kith_to_f32((kith_rows){base, 2, 8, KITH_F32}, D, out)); // rows of 12 bytes
    bad(kith_to_f32(KITH_ROWS(base, 1, (kith_dtype)77), D, out));
    assert_int_equal(kith_fail(KITH_IO, NULL), KITH_IO);
    assert_string_equal(kith_last_error(), "");
}

static void sources(void **state)
{
    kith_source src, good = {sizeof good, NULL, KITH_F32, D, 0, no_rows, NULL}, bare = good;
    char **labels;
    int64_t *ids;
    size_t n;

    (void)state;
    bare.next = NULL;
    bad(kith_source_open(NULL, NULL, &src));
    bad(kith_source_open("x.npy", NULL, NULL));
    bad(kith_source_index(NULL, &src));
    bad(kith_source_index(ix, NULL));
    bad(kith_add_source(NULL, &good, NULL));
    bad(kith_add_source(ix, NULL, NULL));
    bad(kith_add_source(ix, &bare, NULL));
    bad(kith_source_save(NULL, KITH_F32, "x.npy", NULL, NULL));
    bad(kith_source_save(&good, KITH_F32, NULL, NULL, NULL));
    bad(kith_source_save(&bare, KITH_F32, "x.npy", NULL, NULL));
    bad(kith_ids_read(NULL, NULL, &ids, &n));
    bad(kith_ids_read("x", NULL, NULL, &n));
    bad(kith_ids_read("x", NULL, &ids, NULL));
    bad(kith_labels_read(NULL, NULL, &labels, &n));
    bad(kith_labels_read("x", NULL, NULL, &n));
    bad(kith_labels_read("x", NULL, &labels, NULL));
    kith_ids_free(NULL, 0, NULL);
    kith_labels_free(NULL, 0, NULL);
}

static int setup(void **state)
{
    (void)state;
    must(kith_create("Flat", D, KITH_L2, NULL, &ix));
    must(kith_add(ix, KITH_ROWS(base, N, KITH_F32), NULL, NULL, NULL));
    must(kith_filter_range(0, 9, NULL, &filter));
    must(kith_cursor_open(ix, KITH_ROWS(base, 1, KITH_F32), NULL, &cursor));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    kith_cursor_free(cursor);
    kith_filter_free(filter);
    kith_free(ix);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(indexes), cmocka_unit_test(rows),   cmocka_unit_test(searches),
        cmocka_unit_test(filters), cmocka_unit_test(tables), cmocka_unit_test(sources),
    };

    return cmocka_run_group_tests_name("nulls", tests, setup, teardown);
}
