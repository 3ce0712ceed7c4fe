/* .fvecs .bvecs .ivecs: rows come back whatever the batch; every row's dimension is looked at. */
#include "foreign/foreign.h"
#include "support/failing.h"
#include "support/folder.h"
#include "support/harness.h"
#include "support/memory_source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *name;
    kith_dtype dtype;
    size_t bytes;
} members[] = {{"x.fvecs", KITH_F32, 4}, {"x.bvecs", KITH_U8, 1}, {"x.IVECS", KITH_I32, 4}};

/* n rows of d components, any bytes; d as each row says it. To be freed. */
static uint8_t *rows_of(size_t n, uint32_t d, size_t bytes, size_t *len)
{
    const size_t row = 4 + d * bytes;
    uint8_t *p = malloc(n * row + 1);

    assert_non_null(p);
    for (size_t i = 0; i < n * row; i++) p[i] = (uint8_t)(i * 7 + i / 251);
    for (size_t i = 0; i < n; i++) memcpy(p + i * row, &d, 4);
    *len = n * row;
    return p;
}

static void rows_come_in_batches(void **state)
{
    static const size_t shapes[][2] = {{1, 1}, {3, 2}, {100, 17}, {9000, 150}, {2, 32768}, {0, 0}};
    static const size_t batches[] = {1, 7, SIZE_MAX};

    (void)state;
    for (size_t m = 0; m < 3; m++)
        for (size_t s = 0; shapes[s][0]; s++)
            for (size_t b = 0; b < 3; b++) {
                const size_t n = shapes[s][0], d = shapes[s][1], row = 4 + d * members[m].bytes;
                const char *path = in_folder(members[m].name);
                kith_source src;
                kith_status st;
                size_t len, got;
                uint8_t *file = rows_of(n, (uint32_t)d, members[m].bytes, &len), *all;

                if (b == 0) write_file(path, file, len);
                must(ki_format_vecs.open(path, NULL, &src));
                assert_int_equal(src.dtype, members[m].dtype);
                assert_int_equal(src.n, n);
                assert_int_equal(src.d, d);
                all = source_drain(&src, batches[b], &got, &st);
                must(st);
                assert_int_equal(got, n);
                for (size_t i = 0; i < n; i++)
                    assert_memory_equal(all + i * (row - 4), file + i * row + 4, row - 4);
                src.close(src.ctx);
                if (b == 2) unlink(path);
                free(all);
                free(file);
            }
}

static void an_empty_file_has_no_rows(void **state)
{
    const char *path = in_folder("x.fvecs");
    kith_source src;
    kith_batch b;

    (void)state;
    write_file(path, "", 0);
    must(ki_format_vecs.open(path, NULL, &src));
    assert_int_equal(src.n, 0);
    must(src.next(src.ctx, 5, &b));
    assert_int_equal(b.rows.n, 0);
    src.close(src.ctx);
    unlink(path);
}

static void every_cut_is_seen(void **state)
{
    const char *path = in_folder("x.fvecs");
    char says[80];
    kith_source src;
    size_t len;
    uint8_t *file = rows_of(5, 3, 4, &len);

    (void)state;
    for (size_t cut = 1; cut <= len; cut++) {
        write_file(path, file, cut);
        if (cut % 16 == 0) {
            must(ki_format_vecs.open(path, NULL, &src));
            assert_int_equal(src.n, cut / 16);
            src.close(src.ctx);
        } else {
            snprintf(says, sizeof says, "row %zu ", cut / 16);
            refused(ki_format_vecs.open(path, NULL, &src), KITH_CORRUPT, says);
            snprintf(says, sizeof says, "is cut off: the file ends at byte %zu", cut);
            refused(ki_format_vecs.open(path, NULL, &src), KITH_CORRUPT, says);
        }
    }
    free(file);
    unlink(path);
}

static void dimensions_that_are_refused(void **state)
{
    static const struct {
        uint32_t d;
        const char *says;
    } bad[] = {{0, "row 0 says it has 0 components; 1…32768"},
               {UINT32_MAX, "row 0 says it has -1 components"},
               {32769, "row 0 says it has 32769 components"},
               {0x80000000u, "row 0 says it has -2147483648 components"}};
    const char *path = in_folder("x.fvecs");
    static const char lfs[] = "version https://git-lfs.github.com/spec/v1\noid sha256:00\n";
    kith_source src;
    size_t len;
    uint8_t *file = rows_of(1, 3, 4, &len);

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        memcpy(file, &bad[i].d, 4);
        write_file(path, file, len);
        refused(ki_format_vecs.open(path, NULL, &src), KITH_CORRUPT, bad[i].says);
    }
    write_file(path, lfs, sizeof lfs - 1);
    refused(ki_format_vecs.open(path, NULL, &src), KITH_CORRUPT, "is a Git LFS pointer");
    free(file);
    unlink(path);
}

/* A row in the middle that says otherwise, when its batch comes. */
static void every_row_says_its_dimension(void **state)
{
    const char *path = in_folder("x.bvecs");
    kith_source src;
    kith_batch b;
    size_t len;
    uint8_t *file = rows_of(5, 6, 1, &len);

    (void)state;
    file[3 * 10]++;
    write_file(path, file, len);
    must(ki_format_vecs.open(path, NULL, &src));
    must(src.next(src.ctx, 3, &b));
    refused(src.next(src.ctx, 3, &b), KITH_CORRUPT, "row 3 says it has 7 components, row 0 has 6");
    src.close(src.ctx);
    free(file);
    unlink(path);
}

static void what_is_saved_comes_back(void **state)
{
    static const float x[] = {1, 2, 3, 4, 5, 255};

    (void)state;
    for (size_t m = 0; m < 3; m++)
        for (int known = 0; known < 2; known++) {
            const char *path = in_folder(members[m].name);
            memory_source source;
            uint8_t *file, expected[3 * (4 + 2 * 4)];
            const size_t row = 4 + 2 * members[m].bytes;
            size_t len;

            memset(expected, 0, sizeof expected);
            for (size_t i = 0; i < 6; i++) {
                uint8_t *to = expected + i / 2 * row + 4 + i % 2 * members[m].bytes;

                expected[i / 2 * row] = 2;
                if (members[m].dtype == KITH_F32)
                    memcpy(to, &x[i], 4);
                else
                    *to = (uint8_t)x[i];
            }
            memory_source_init(&source, KITH_ROWS(x, 3, KITH_F32), 2, known);
            must(ki_format_vecs.save(&source.source, KITH_AS_STORED, path, NULL, NULL));
            file = read_file(path, &len);
            assert_int_equal(len, 3 * row);
            assert_memory_equal(file, expected, len);
            free(file);
            memory_source_init(&source, KITH_ROWS(x, 3, KITH_F32), 2, known);
            refused(ki_format_vecs.save(&source.source, KITH_F16, path, NULL, NULL), KITH_BAD_ARG,
                    "such a file holds");
            unlink(path);
        }
}

static void no_failure_leaks(void **state)
{
    const char *path = in_folder("x.fvecs");
    failing_host f;
    size_t len;
    uint8_t *file = rows_of(50, 3, 4, &len);

    (void)state;
    write_file(path, file, len);
    free(file);
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
            st = ki_format_vecs.open(path, &f.host, &src);
            if (st == KITH_OK) {
                all = source_drain(&src, 20, &got, &st);
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
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_come_in_batches),
        cmocka_unit_test(an_empty_file_has_no_rows),
        cmocka_unit_test(every_cut_is_seen),
        cmocka_unit_test(dimensions_that_are_refused),
        cmocka_unit_test(every_row_says_its_dimension),
        cmocka_unit_test(what_is_saved_comes_back),
        cmocka_unit_test(no_failure_leaks),
    };

    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
