/* Indexes of hnswlib as ours, and ours as hnswlib's: rows, ids, links, levels and deleted rows are
 * the same on both sides, answers are exact, and what cannot be is said. The files that hnswlib
 * itself wrote are those of test_hnswbin.c. */
#include "foreign/hnswbin.h"
#include "support/folder.h"
#include "support/twoindexes.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char f32_path[] = "tests/golden/hnswlib-f32.bin";
static const char u8_path[] = "tests/golden/hnswlib-u8.bin";
static const char empty_path[] = "tests/golden/hnswlib-empty.bin";
static char out_path[512];

static void has_the_same_links(const ki_hnsw_file *a, const ki_hnsw_file *b)
{
    assert_int_equal(a->count, b->count);
    assert_int_equal(a->m, b->m);
    assert_int_equal(a->max_m0, b->max_m0);
    assert_int_equal(a->max_level, b->max_level);
    assert_int_equal(a->entry, b->entry);
    assert_int_equal(a->ef_construction, b->ef_construction);
    for (size_t i = 0; i < a->count; i++) {
        assert_int_equal(ki_hnsw_level(a, i), ki_hnsw_level(b, i));
        assert_int_equal(ki_hnsw_label(a, i), ki_hnsw_label(b, i));
        assert_int_equal(ki_hnsw_deleted(a, i), ki_hnsw_deleted(b, i));
        assert_memory_equal(ki_hnsw_row(a, i), ki_hnsw_row(b, i), a->d_bytes);
        for (int l = 0; l <= ki_hnsw_level(a, i); l++) {
            size_t n, m;
            const uint8_t *x = ki_hnsw_links(a, i, l, &n), *y = ki_hnsw_links(b, i, l, &m);

            /* What could not be reached got a link, and so somebody one more or another one. */
            if (n == m && memcmp(x, y, 4 * n) == 0) continue;
            assert_int_equal(l, 0);
            assert_true(m >= n);
        }
    }
}

static void from_hnswlib_and_back(void **state)
{
    ki_hnsw_file *f, *again;
    size_t other = 0;
    kith_index *ix;
    float row[8];

    (void)state;
    must(kith_import(f32_path, NULL, 0, KITH_L2, NULL, NULL, &ix));
    must(ki_hnsw_read(f32_path, NULL, &f));
    assert_string_equal(kith_spec(ix), "HNSW4(ef_construction=40)");
    assert_int_equal(kith_dim(ix), 8);
    assert_int_equal(kith_count(ix), 190);
    must(kith_verify(ix, NULL));
    for (size_t i = 0; i < f->count; i++) {
        assert_int_equal(kith_contains(ix, ki_hnsw_label(f, i)), !ki_hnsw_deleted(f, i));
        if (ki_hnsw_deleted(f, i)) continue;
        must(kith_get(ix, ki_hnsw_label(f, i), row));
        assert_memory_equal(row, ki_hnsw_row(f, i), sizeof row);
    }
    must(kith_export(ix, out_path, NULL, NULL));
    must(ki_hnsw_read(out_path, NULL, &again));
    has_the_same_links(f, again);
    for (size_t i = 0; i < f->count; i++) {
        size_t n, m;
        const uint8_t *x = ki_hnsw_links(f, i, 0, &n), *y = ki_hnsw_links(again, i, 0, &m);

        other += n != m || memcmp(x, y, 4 * n) != 0;
    }
    assert_true(other < 20);
    ki_hnsw_free(f);
    ki_hnsw_free(again);
    kith_free(ix);
}

/* Through our own file: the same, and it can be changed. */
static void through_our_file(void **state)
{
    static const float some[8] = {1, 2, 3};
    kith_index *ix, *again;
    uint8_t *bytes;
    size_t len;

    (void)state;
    must(kith_import(f32_path, "hnswlib", 8, KITH_COSINE, NULL, NULL, &ix));
    bytes = bytes_of(ix, &len);
    must(kith_open_view(bytes, len, KITH_OPEN_VERIFY, NULL, &again));
    same_bytes(ix, again, "imported");
    must(kith_verify(again, NULL));
    must(kith_add(again, KITH_ROWS(some, 1, KITH_F32), NULL, NULL, NULL));
    must(kith_verify(again, NULL));
    kith_free(ix);
    kith_free(again);
    free(bytes);
}

static void bytes_and_nothing(void **state)
{
    const uint8_t row3[] = {10, 190, 203, 209, 62, 252, 168, 25, 82, 91, 171, 2, 2, 14, 162, 21};
    float row[16];
    kith_index *ix;

    (void)state;
    must(kith_import(u8_path, NULL, 16, KITH_L2, NULL, NULL, &ix));
    assert_int_equal(kith_count(ix), 30);
    assert_int_equal(kith_dtype_of(ix), KITH_U8);
    must(kith_get(ix, 997, row));
    for (size_t i = 0; i < 16; i++) assert_int_equal(row[i], row3[i]);
    must(kith_verify(ix, NULL));
    kith_free(ix);
    must(kith_import(empty_path, NULL, 0, KITH_IP, NULL, NULL, &ix));
    assert_int_equal(kith_count(ix), 0);
    assert_int_equal(kith_dim(ix), 3);
    must(kith_export(ix, out_path, NULL, NULL));
    kith_free(ix);
    must(kith_import(out_path, NULL, 0, KITH_IP, NULL, NULL, &ix));
    kith_free(ix);
}

/* An index of ours with copies, removed and replaced rows: written and read, it finds as much. */
static void from_ours_and_back(void **state)
{
    enum { N = 1500, D = 12, NQ = 40 };
    float *x = need_floats((N + NQ) * D);
    const kith_metric metrics[] = {KITH_L2, KITH_COSINE, KITH_IP};
    int64_t ids[100];

    (void)state;
    clustered_rows(90, N + NQ, D, 20, 0.7f, false, x);
    memcpy(x + 1400 * D, x, 60 * D * sizeof *x); // copies
    for (size_t i = 0; i < 20; i++) memcpy(x + (1470 + i) * D, x + 3 * D, D * sizeof *x);
    for (size_t i = 0; i < 100; i++) ids[i] = (int64_t)(11 * i);
    for (size_t m = 0; m < 3; m++) {
        two_indexes t;
        kith_index *back;

        two_open_as(&t, "HNSW8(seed=4)", "", D, metrics[m], 2);
        two_add(&t, KITH_ROWS(x, N, KITH_F32), NULL);
        two_remove(&t, ids, 50);
        two_upsert(&t, KITH_ROWS(x + 700 * D, 50, KITH_F32), ids + 50);
        must(kith_export(t.graph, out_path, "hnswlib", NULL));
        must(kith_import(out_path, NULL, D, metrics[m], NULL, NULL, &back));
        kith_free(t.graph);
        t.graph = back;
        t.what = "from ours and back";
        if (metrics[m] == KITH_COSINE) { // rows were divided by their length
            must(kith_verify(back, NULL));
            assert_int_equal(kith_count(back), kith_count(t.flat));
        } else {
            two_sound(&t, KITH_ROWS(x + N * D, NQ, KITH_F32), 0.9);
        }
        two_close(&t);
    }
    free(x);
}

/* Fewer rows than have a graph: one is made for the file. All removed: a file without links. */
static void few_rows(void **state)
{
    float x[5][3] = {{1, 2, 3}, {4, 5, 6}, {7, 8, 9}, {1, 1, 1}, {1, 1, 1}};
    const int64_t ids[] = {0, 1, 2, 3, 4};
    ki_hnsw_file *f;
    kith_index *ix;

    (void)state;
    must(kith_create("HNSW5", 3, KITH_L2, NULL, &ix));
    must(kith_add(ix, KITH_ROWS(x, 5, KITH_F32), NULL, NULL, NULL));
    must(kith_export(ix, out_path, NULL, NULL));
    must(ki_hnsw_read(out_path, NULL, &f));
    assert_int_equal(f->count, 5);
    assert_int_equal(f->max_m0, 10);
    for (size_t i = 0; i < 5; i++) {
        size_t n;

        (void)ki_hnsw_links(f, i, 0, &n);
        assert_true(n > 0);
    }
    ki_hnsw_free(f);
    must(kith_remove(ix, ids, 5, NULL));
    must(kith_export(ix, out_path, NULL, NULL));
    must(ki_hnsw_read(out_path, NULL, &f));
    assert_int_equal(f->removed, 5);
    ki_hnsw_free(f);
    kith_free(ix);
}

static void what_cannot_be(void **state)
{
    static const float x[2][2] = {{1, 2}, {3, 4}};
    static const int64_t below[] = {-7, 4};
    kith_index *ix = NULL;

    (void)state;
    refused(kith_import("tests/golden/v1.kith", "hnswlib", 0, KITH_L2, NULL, NULL, &ix),
            KITH_CORRUPT, "no hnswlib index");
    refused(kith_import("x.kith", NULL, 0, KITH_L2, NULL, NULL, &ix), KITH_BAD_ARG, ".bin");
    refused(kith_import(f32_path, "faiss", 0, KITH_L2, NULL, NULL, &ix), KITH_NOT_FOUND, "known");
    refused(kith_import(f32_path, NULL, 0, KITH_L1, NULL, NULL, &ix), KITH_BAD_ARG, "l1");
    refused(kith_import(f32_path, NULL, 9, KITH_L2, NULL, NULL, &ix), KITH_BAD_ARG,
            "neither 9 f32 nor 9 u8");
    must(kith_create("Flat", 2, KITH_L2, NULL, &ix));
    refused(kith_export(ix, out_path, NULL, NULL), KITH_UNSUPPORTED, "Flat has no levels");
    kith_free(ix);
    must(kith_create("HNSW16", 2, KITH_L1, NULL, &ix));
    refused(kith_export(ix, out_path, NULL, NULL), KITH_UNSUPPORTED, "not l1");
    kith_free(ix);
    must(kith_create("HNSW16", 2, KITH_L2, NULL, &ix));
    must(kith_add(ix, KITH_ROWS(x, 2, KITH_F32), below, NULL, NULL));
    refused(kith_export(ix, out_path, NULL, NULL), KITH_LIMIT, "id -7");
    kith_free(ix);
}

static int begin(void **state)
{
    const int st = folder_make(state);

    snprintf(out_path, sizeof out_path, "%s", in_folder("x.bin"));
    return st;
}

static int end(void **state)
{
    (void)remove(out_path);
    return folder_remove(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(from_hnswlib_and_back),
        cmocka_unit_test(through_our_file),
        cmocka_unit_test(bytes_and_nothing),
        cmocka_unit_test(from_ours_and_back),
        cmocka_unit_test(few_rows),
        cmocka_unit_test(what_cannot_be),
    };

    return cmocka_run_group_tests_name("exchange", tests, begin, end);
}
