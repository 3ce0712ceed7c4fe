/* .fbin .u8bin .i8bin .ibin: n, d, rows, and not a byte more or less. */
#include "foreign/foreign.h"
#include "support/folder.h"
#include "support/harness.h"
#include "support/memory_source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *name;
    kith_dtype dtype;
    size_t bytes;
} members[] = {{"x.fbin", KITH_F32, 4},
               {"x.u8bin", KITH_U8, 1},
               {"x.I8bin", KITH_I8, 1},
               {"x.ibin", KITH_I32, 4}};

static size_t head_of(uint8_t *file, uint32_t n, uint32_t d)
{
    memcpy(file, &n, 4);
    memcpy(file + 4, &d, 4);
    return 8;
}

static void rows_come_back(void **state)
{
    uint8_t file[8 + 7 * 5 * 4];

    (void)state;
    for (size_t m = 0; m < 4; m++)
        for (uint32_t n = 0; n < 8; n += 7) {
            const char *path = in_folder(members[m].name);
            const size_t len = 5 * n * members[m].bytes;
            kith_source src;
            kith_status st;
            size_t got;
            void *all;

            for (size_t i = 0; i < sizeof file; i++) file[i] = (uint8_t)(i * 3);
            head_of(file, n, 5);
            write_file(path, file, 8 + len);
            must(ki_format_bin.open(path, NULL, &src));
            assert_int_equal(src.dtype, members[m].dtype);
            assert_int_equal(src.n, n);
            assert_int_equal(src.d, 5);
            all = source_drain(&src, 3, &got, &st);
            must(st);
            assert_int_equal(got, n);
            if (n) assert_memory_equal(all, file + 8, len);
            free(all);
            src.close(src.ctx);
            unlink(path);
        }
}

static void lengths_must_be_right(void **state)
{
    const char *path = in_folder("x.u8bin");
    uint8_t file[64] = {0};
    char says[80];
    kith_source src;

    (void)state;
    head_of(file, 4, 10);
    for (size_t len = 0; len < 48; len++) {
        write_file(path, file, len);
        if (len < 8)
            snprintf(says, sizeof says, "%zu bytes are no head", len);
        else
            snprintf(says, sizeof says, "row %zu of 4 is cut off: the file ends at byte %zu",
                     (len - 8) / 10, len);
        refused(ki_format_bin.open(path, NULL, &src), KITH_CORRUPT, says);
    }
    write_file(path, file, 49);
    refused(ki_format_bin.open(path, NULL, &src), KITH_CORRUPT,
            "49 bytes long; 4 rows of 10 u8 end at 48");
    unlink(path);
}

static void heads_that_are_refused(void **state)
{
    static const struct {
        uint32_t n, d;
        kith_status st;
        const char *says;
    } bad[] = {{UINT32_MAX, UINT32_MAX, KITH_LIMIT, "rows of 4294967295 components"},
               {UINT32_MAX, 32768, KITH_CORRUPT, "row 0 of 4294967295 is cut off"},
               {0, 0, KITH_LIMIT, "rows of 0 components"},
               {1, 32769, KITH_LIMIT, "rows of 32769 components; 1…32768"}};
    static const char lfs[] = "version https://git-lfs.github.com/spec/v1\noid sha256:00\n";
    const char *path = in_folder("x.fbin");
    uint8_t file[8];
    kith_source src;

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        write_file(path, file, head_of(file, bad[i].n, bad[i].d));
        refused(ki_format_bin.open(path, NULL, &src), bad[i].st, bad[i].says);
    }
    write_file(path, lfs, sizeof lfs - 1);
    refused(ki_format_bin.open(path, NULL, &src), KITH_CORRUPT, "is a Git LFS pointer");
    unlink(path);
}

static void what_is_saved_comes_back(void **state)
{
    static const float x[] = {1, 2, 3, 4, 5, 127};

    (void)state;
    for (size_t m = 0; m < 4; m++)
        for (int known = 0; known < 2; known++) {
            const char *path = in_folder(members[m].name);
            uint8_t expected[8 + 6 * 4] = {0};
            memory_source source;
            uint8_t *file;
            size_t len;

            head_of(expected, 2, 3);
            for (size_t i = 0; i < 6; i++)
                if (members[m].dtype == KITH_F32)
                    memcpy(expected + 8 + 4 * i, &x[i], 4);
                else
                    expected[8 + i * members[m].bytes] = (uint8_t)x[i];
            memory_source_init(&source, KITH_ROWS(x, 2, KITH_F32), 3, known);
            must(ki_format_bin.save(&source.source, members[m].dtype, path, NULL, NULL));
            file = read_file(path, &len);
            assert_int_equal(len, 8 + 6 * members[m].bytes);
            assert_memory_equal(file, expected, len);
            free(file);
            refused(ki_format_bin.save(&source.source, KITH_F64, path, NULL, NULL), KITH_BAD_ARG,
                    "such a file holds");
            unlink(path);
        }
}

static void formats_are_found_by_their_ending(void **state)
{
    static const struct {
        const char *path;
        const ki_format *format;
    } names[] = {{"a/b.npy", &ki_format_npy},
                 {"B.NPY", &ki_format_npy},
                 {"b.npy#1", &ki_format_npy},
                 {"b.npy#12", &ki_format_npy},
                 {"x.fvecs", &ki_format_vecs},
                 {"x.bvecs", &ki_format_vecs},
                 {"x.Ivecs", &ki_format_vecs},
                 {"x.fbin", &ki_format_bin},
                 {"x.u8bin", &ki_format_bin},
                 {"x.i8bin", &ki_format_bin},
                 {"x.ibin", &ki_format_bin},
                 {"", NULL},
                 {"npy", NULL},
                 {".npy", NULL},
                 {"x.npy#", NULL},
                 {"x.npy#a", NULL},
                 {"#1", NULL},
                 {"x.bin", NULL},
                 {"x.npz", NULL},
                 {"x.csv", NULL}};
    size_t n = 0;

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (ki_format_find(names[i].path) != names[i].format) fail_msg("%s", names[i].path);
    for (const ki_format *f; (f = ki_format_at(n)) != NULL; n++) {
        assert_non_null(f->open);
        assert_non_null(f->save);
        assert_true(strlen(f->about) > 0 && f->endings[0] == '.');
    }
    assert_int_equal(n, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_come_back),
        cmocka_unit_test(lengths_must_be_right),
        cmocka_unit_test(heads_that_are_refused),
        cmocka_unit_test(what_is_saved_comes_back),
        cmocka_unit_test(formats_are_found_by_their_ending),
    };

    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
