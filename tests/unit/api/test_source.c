/* The public face of files: which format a path gets, indexes as sources, ids, labels, saving. */
#include "support/failing.h"
#include "support/folder.h"
#include "support/harness.h"
#include "support/memory_source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SAME KITH_AS_STORED

enum { N = 5, D = 3 };

static const float rows[N][D] = {{1, 2, 3}, {4, 5, 6}, {7, 8, 9}, {10, 11, 12}, {13, 14, 15}};
static const int64_t ids[N] = {3, 1, 4, 15, 9};
static const char *const labels[N] = {"three", NULL, "four", "", "nine"};

static kith_status save_rows(const char *path, kith_dtype dtype, const kith_host *host)
{
    memory_source m;

    memory_source_init(&m, KITH_ROWS(rows, N, KITH_F32), D, 1);
    return kith_source_save(&m.source, dtype, path, host, NULL);
}

static void save_index(const char *path)
{
    kith_index *ix;

    must(kith_create("Flat", D, KITH_L2, NULL, &ix));
    must(kith_add(ix, KITH_ROWS(rows, N, KITH_F32), ids, labels, NULL));
    must(kith_save(ix, path, NULL));
    kith_free(ix);
}

static void expect_rows(const char *path, const kith_host *host)
{
    kith_source src;
    kith_status st;
    float *got;
    uint8_t *all;
    size_t n;

    must(kith_source_open(path, host, &src));
    assert_int_equal(src.d, D);
    assert_int_equal(src.n, N);
    all = source_drain(&src, 2, &n, &st);
    must(st);
    assert_int_equal(n, N);
    got = malloc(sizeof rows);
    assert_non_null(got);
    must(kith_to_f32(KITH_ROWS(all, N, src.dtype), D, got));
    assert_memory_equal(got, rows, sizeof rows);
    free(got);
    free(all);
    src.close(src.ctx);
}

static void every_ending_both_ways(void **state)
{
    static const char *const names[] = {"x.npy",   "x.fvecs", "x.bvecs", "x.ivecs", "x.fbin",
                                        "x.u8bin", "x.i8bin", "x.ibin",  "X.NPY"};

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *path = in_folder(names[i]);

        must(save_rows(path, SAME, NULL));
        expect_rows(path, NULL);
        unlink(path);
    }
}

static void first_bytes_tell_what_names_do_not(void **state)
{
    const char *plain = in_folder("vectors"), *npy = in_folder("x.npy");
    kith_source src;

    (void)state;
    must(save_rows(npy, KITH_F16, NULL));
    assert_int_equal(rename(npy, plain), 0);
    expect_rows(plain, NULL);
    save_index(plain);
    expect_rows(plain, NULL);
    write_file(plain, "0.5 0.25\n", 9);
    refused(kith_source_open(plain, NULL, &src), KITH_UNSUPPORTED, "begins like text \"0.5 0.25");
    refused(kith_source_open(plain, NULL, &src), KITH_UNSUPPORTED, ".fvecs");
    refused(kith_source_open(plain, NULL, &src), KITH_UNSUPPORTED, "vectors: ");
    write_file(plain, "", 0);
    refused(kith_source_open(plain, NULL, &src), KITH_UNSUPPORTED, "begins like nothing");
    unlink(plain);
    refused(kith_source_open(plain, NULL, &src), KITH_IO, "No such file");
    refused(kith_source_open("", NULL, &src), KITH_BAD_ARG, "path is empty");
    refused(kith_source_open(NULL, NULL, &src), KITH_BAD_ARG, "path is NULL");
    refused(kith_source_open(plain, NULL, NULL), KITH_BAD_ARG, "out is NULL");
}

static void an_index_is_a_source_with_everything(void **state)
{
    const char *path = in_folder("x.kith");
    kith_source src;
    kith_index *ix;
    kith_batch b;
    char label[16];
    size_t len;

    (void)state;
    save_index(path);
    expect_rows(path, NULL);
    must(kith_source_open(path, NULL, &src));
    must(src.next(src.ctx, 100, &b));
    assert_int_equal(b.rows.n, N);
    assert_memory_equal(b.ids, ids, sizeof ids);
    assert_string_equal(b.labels[0], "three");
    src.close(src.ctx);
    must(kith_create("Flat", D, KITH_COSINE, NULL, &ix));
    must(kith_source_open(path, NULL, &src));
    must(kith_add_source(ix, &src, NULL));
    src.close(src.ctx);
    assert_int_equal(kith_count(ix), N);
    must(kith_get_label(ix, 9, label, sizeof label, &len));
    assert_string_equal(label, "nine");
    kith_free(ix);
    write_file(path, "no index", 8);
    refused(kith_source_open(path, NULL, &src), KITH_CORRUPT, "no kith index");
    unlink(path);
}

static void converting_an_index(void **state)
{
    const char *from = in_folder("x.kith"), *to = in_folder("x.npy");
    kith_source src;

    (void)state;
    save_index(from);
    must(kith_source_open(from, NULL, &src));
    must(kith_source_save(&src, KITH_U8, to, NULL, NULL));
    src.close(src.ctx);
    expect_rows(to, NULL);
    unlink(from);
    unlink(to);
}

static void what_cannot_be_saved(void **state)
{
    memory_source m;
    const char *path = in_folder("x.npy");

    (void)state;
    refused(save_rows(in_folder("x.csv"), SAME, NULL), KITH_BAD_ARG, "names no vector file");
    refused(save_rows(in_folder("x.kith"), SAME, NULL), KITH_BAD_ARG, "names no vector file");
    refused(save_rows(in_folder("no/x.npy"), SAME, NULL), KITH_IO, "No such file");
    refused(save_rows(in_folder("x.fvecs"), KITH_U8, NULL), KITH_BAD_ARG, "such a file holds f32");
    refused(kith_source_save(NULL, SAME, path, NULL, NULL), KITH_BAD_ARG, "NULL");
    memory_source_init(&m, KITH_ROWS(rows, N, KITH_F32), D, 1);
    refused(kith_source_save(&m.source, SAME, NULL, NULL, NULL), KITH_BAD_ARG, "path is NULL");
    m.source.size = 3;
    refused(kith_source_save(&m.source, SAME, path, NULL, NULL), KITH_BAD_ARG,
            "kith_source.size is 3");
    assert_int_equal(files_in_folder(), 0);
}

static int always_cancel(void *ctx, const char *phase, uint64_t done, uint64_t total)
{
    (void)done;
    assert_string_equal(phase, "write");
    assert_int_equal(total, *(uint64_t *)ctx);
    return 1;
}

static void saving_can_be_cancelled(void **state)
{
    const char *path = in_folder("x.npy");
    uint64_t total = N;
    const kith_watch watch = {always_cancel, &total};
    memory_source m;

    (void)state;
    for (int known = 0; known < 2; known++) {
        total = known ? N : 0;
        memory_source_init(&m, KITH_ROWS(rows, N, KITH_F32), D, known);
        refused(kith_source_save(&m.source, SAME, path, NULL, &watch), KITH_CANCELLED, "");
        assert_int_equal(files_in_folder(), 0);
    }
}

static void lists(void **state)
{
    const char *path = in_folder("list");
    int64_t *got;
    char **texts;
    size_t n;

    (void)state;
    write_file(path, "5\n-7\n", 5);
    must(kith_ids_read(path, NULL, &got, &n));
    assert_int_equal(n, 2);
    assert_true(got[0] == 5 && got[1] == -7);
    kith_ids_free(got, n, NULL);
    must(kith_labels_read(path, NULL, &texts, &n));
    assert_int_equal(n, 2);
    assert_string_equal(texts[1], "-7");
    kith_labels_free(texts, n, NULL);
    kith_ids_free(NULL, 0, NULL);
    kith_labels_free(NULL, 0, NULL);
    refused(kith_ids_read(NULL, NULL, &got, &n), KITH_BAD_ARG, "path is NULL");
    refused(kith_ids_read(path, NULL, NULL, &n), KITH_BAD_ARG, "out is NULL");
    refused(kith_labels_read(path, NULL, &texts, NULL), KITH_BAD_ARG, "out is NULL");
    refused(kith_labels_read("", NULL, &texts, &n), KITH_BAD_ARG, "path is empty");
    unlink(path);
}

/* Memory and files come from the host, and go back to it. */
static void a_lent_host_is_used(void **state)
{
    const char *npy = in_folder("x.npy"), *index = in_folder("x.kith"), *list = in_folder("list");
    failing_host f;
    int64_t *got;
    char **texts;
    size_t n;

    (void)state;
    failing_init(&f);
    must(save_rows(npy, SAME, &f.host));
    expect_rows(npy, &f.host);
    save_index(index);
    expect_rows(index, &f.host);
    write_file(list, "1\n2\n", 4);
    must(kith_ids_read(list, &f.host, &got, &n));
    kith_ids_free(got, n, &f.host);
    must(kith_labels_read(list, &f.host, &texts, &n));
    kith_labels_free(texts, n, &f.host);
    assert_null(failing_complaint(&f));
    assert_true(f.allocs > 5 && f.ops[FAILING_OPEN] == 6);
    unlink(npy);
    unlink(index);
    unlink(list);
}

static void no_failure_leaks(void **state)
{
    const char *paths[] = {in_folder("x.kith"), in_folder("vectors")};
    failing_host f;

    (void)state;
    save_index(paths[0]);
    must(save_rows(in_folder("x.npy"), SAME, NULL));
    assert_int_equal(rename(in_folder("x.npy"), paths[1]), 0);
    for (size_t i = 0; i < 2; i++)
        for (int files = 0; files < 2; files++)
            for (size_t n = 1;; n++) {
                kith_source src;
                kith_status st;
                void *all = NULL;
                size_t got;

                failing_init(&f);
                if (files)
                    failing_files_at(&f, FAILING_ANY, n, false, EIO);
                else
                    failing_alloc_at(&f, n, false);
                st = kith_source_open(paths[i], &f.host, &src);
                if (st == KITH_OK) {
                    all = source_drain(&src, 2, &got, &st);
                    src.close(src.ctx);
                }
                free(all);
                assert_null(failing_complaint(&f));
                if (!failing_happened(&f)) {
                    must(st);
                    break;
                }
                if (st != KITH_OK) assert_int_equal(st, files ? KITH_IO : KITH_NO_MEMORY);
            }
    unlink(paths[0]);
    unlink(paths[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_ending_both_ways),
        cmocka_unit_test(first_bytes_tell_what_names_do_not),
        cmocka_unit_test(an_index_is_a_source_with_everything),
        cmocka_unit_test(converting_an_index),
        cmocka_unit_test(what_cannot_be_saved),
        cmocka_unit_test(saving_can_be_cancelled),
        cmocka_unit_test(lists),
        cmocka_unit_test(a_lent_host_is_used),
        cmocka_unit_test(no_failure_leaks),
    };

    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
