/* Ids and labels: from lines of text, from arrays; what is no number, no text, too long. */
#include "foreign/lists.h"
#include "support/failing.h"
#include "support/folder.h"
#include "support/harness.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static ki_env *own_env(void)
{
    static ki_env env;

    must(ki_env_init(&env, NULL));
    return &env;
}

static const char *text_file(const char *text)
{
    const char *path = in_folder("list.txt");

    write_file(path, text, strlen(text));
    return path;
}

/* A .npy of version 1. */
static const char *array_file(const char *literal, const void *values, size_t len)
{
    const char *path = in_folder("list.npy");
    uint8_t file[1024] = "\x93NUMPY\x01";
    const size_t header = strlen(literal);

    assert_true(10 + header + len <= sizeof file);
    file[8] = (uint8_t)header;
    memcpy(file + 10, literal, header);
    memcpy(file + 10 + header, values, len);
    write_file(path, file, 10 + header + len);
    return path;
}

/* ---- ids ---------------------------------------------------------------------------------- */

static void expect_ids(const char *path, const int64_t *ids, size_t n)
{
    int64_t *got;
    size_t got_n;

    must(ki_ids_read(own_env(), path, &got, &got_n));
    assert_int_equal(got_n, n);
    for (size_t i = 0; i < n; i++) assert_true(got[i] == ids[i]);
    ki_release(own_env(), got, got_n, sizeof *got);
}

static void ids_one_a_line(void **state)
{
    static const int64_t ids[] = {0, 7, -3, INT64_MAX, INT64_MIN, 5};

    (void)state;
    expect_ids(text_file("0\n7\n-3\n9223372036854775807\n-9223372036854775808\n5\n"), ids, 6);
    expect_ids(text_file("0\r\n +7\t\r\n-3 \r\n9223372036854775807\r\n-9223372036854775808\r\n05"),
               ids, 6);
    expect_ids(text_file("\xef\xbb\xbf"
                         "0\n7"),
               ids, 2);
    expect_ids(text_file("\n0\n\n \t\r\n7\n\n-3\n \n"), ids, 3);
    expect_ids(text_file("0\n7\n-3\n \t"), ids, 3);
    expect_ids(text_file("\n \n"), ids, 0);
    expect_ids(text_file(""), ids, 0);
    expect_ids(text_file("\xef\xbb\xbf"), ids, 0);
    unlink(in_folder("list.txt"));
}

static void ids_that_are_none(void **state)
{
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"1\n\nx\n", "line 3, \"x\", is no 64-bit whole number"},
        {"1\n \v\n", "line 2"},
        {"1\nx\n", "line 2, \"x\""},
        {"1 2\n", "line 1, \"1 2\""},
        {"1.0\n", "line 1, \"1.0\""},
        {"- 1\n", "line 1, \"- 1\""},
        {"--1\n", "line 1"},
        {"9223372036854775808\n", "line 1"},
        {"-9223372036854775809\n", "line 1"},
        {"18446744073709551617\n", "line 1"},
        {"1\n0x10\n", "line 2"},
        {"a very long line that is no id at all and goes on\n",
         "\"a very long line that is no id at all an\","},
    };
    int64_t *got;
    size_t n;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        refused(ki_ids_read(own_env(), text_file(bad[i].text), &got, &n), KITH_BAD_ARG,
                bad[i].says);
    write_file(in_folder("list.txt"), "1\n2\0003\n", 6);
    refused(ki_ids_read(own_env(), in_folder("list.txt"), &got, &n), KITH_BAD_ARG, "line 2");
    unlink(in_folder("list.txt"));
    refused(ki_ids_read(own_env(), in_folder("list.txt"), &got, &n), KITH_IO, "No such file");
}

static void ids_of_arrays(void **state)
{
    static const int64_t wide[] = {1, -2, (int64_t)1 << 40}, narrow[] = {1, -2, 3};
    static const int64_t bytes[] = {1, 254, 3};
    static const int32_t i32[] = {1, -2, 3};
    static const uint8_t u8[] = {1, 254, 3};
    static const int8_t i8[] = {1, -2, 3};
    static const float f32[] = {1, 2, 3};
    int64_t *got;
    size_t n;

    (void)state;
    expect_ids(array_file("{'descr':'<i8','fortran_order':False,'shape':(3,)}", wide, 24), wide, 3);
    expect_ids(array_file("{'descr':'<i8','fortran_order':True,'shape':(3,1)}", wide, 24), wide, 3);
    expect_ids(array_file("{'descr':'<i8','fortran_order':True,'shape':(0,)}", wide, 0), wide, 0);
    expect_ids(array_file("{'descr':'<i4','fortran_order':False,'shape':(3,)}", i32, 12), narrow,
               3);
    expect_ids(array_file("{'descr':'|i1','fortran_order':False,'shape':(3,)}", i8, 3), narrow, 3);
    expect_ids(array_file("{'descr':'|u1','fortran_order':False,'shape':(3,)}", u8, 3), bytes, 3);
    refused(ki_ids_read(own_env(),
                        array_file("{'descr':'<f4','fortran_order':False,'shape':(3,)}", f32, 12),
                        &got, &n),
            KITH_BAD_ARG, "numbers that are no integers; ids are one integer a row");
    refused(ki_ids_read(own_env(),
                        array_file("{'descr':'<i4','fortran_order':False,'shape':(1,3)}", i32, 12),
                        &got, &n),
            KITH_BAD_ARG, "rows of 3 integers");
    unlink(in_folder("list.npy"));
}

/* ---- labels ------------------------------------------------------------------------------- */

static void expect_labels(const char *path, const char *const *labels, size_t n)
{
    char **got;
    size_t got_n;

    must(ki_labels_read(own_env(), path, &got, &got_n));
    assert_int_equal(got_n, n);
    for (size_t i = 0; i < n; i++) assert_string_equal(got[i], labels[i]);
    ki_labels_free(own_env(), got, got_n);
}

static void labels_one_a_line(void **state)
{
    static const char *const labels[] = {"one", "", "Jérôme 𝄞", " two words\t", "last"};

    (void)state;
    expect_labels(text_file("one\n\nJérôme 𝄞\n two words\t\nlast\n"), labels, 5);
    expect_labels(text_file("\xef\xbb\xbfone\r\n\r\nJérôme 𝄞\r\n two words\t\r\nlast"), labels, 5);
    expect_labels(text_file("one\n\n"), labels, 2);
    expect_labels(text_file("one"), labels, 1);
    expect_labels(text_file(""), labels, 0);
    ki_labels_free(own_env(), NULL, 0);
    unlink(in_folder("list.txt"));
}

static void utf8_is_checked(void **state)
{
    static const struct {
        const char *text;
        size_t len, bad;
    } texts[] = {{"", 0, 0},
                 {"abc", 3, 3},
                 {"\xc3\xa9", 2, 2},
                 {"\xe2\x82\xac", 3, 3},
                 {"\xf0\x9d\x84\x9e", 4, 4},
                 {"\xf4\x8f\xbf\xbf", 4, 4},
                 {"a\xc3", 2, 1},
                 {"a\xe2\x82", 3, 1},
                 {"ab\xf0\x9d\x84", 5, 2},
                 {"\x80", 1, 0},
                 {"\xc0\xaf", 2, 0},         // "/" in two bytes
                 {"\xe0\x80\xaf", 3, 0},     // and in three
                 {"\xf0\x80\x80\xaf", 4, 0}, // and in four
                 {"\xed\xa0\x80", 3, 0},     // half of a surrogate pair
                 {"\xf4\x90\x80\x80", 4, 0}, // after the last character
                 {"\xf5\x80\x80\x80", 4, 0},
                 {"\xff", 1, 0},
                 {"ab\0c", 4, 2},
                 {"J\xe9r", 3, 1}}; // latin-1

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_int_equal(ki_utf8_check(texts[i].text, texts[i].len), texts[i].bad);
}

static void labels_that_are_none(void **state)
{
    char *line = malloc(KITH_MAX_LABEL + 2);
    char **got;
    size_t n;

    (void)state;
    assert_non_null(line);
    refused(ki_labels_read(own_env(), text_file("one\nJ\xe9rome\n"), &got, &n), KITH_BAD_ARG,
            "line 2, byte 2 is e9: no UTF-8 text");
    write_file(in_folder("list.txt"), "a\0b\n", 4);
    refused(ki_labels_read(own_env(), in_folder("list.txt"), &got, &n), KITH_BAD_ARG,
            "line 1, byte 2 is 00");
    memset(line, 'x', KITH_MAX_LABEL + 1);
    line[KITH_MAX_LABEL + 1] = '\0';
    refused(ki_labels_read(own_env(), text_file(line), &got, &n), KITH_LIMIT,
            "line 1 has 65536 bytes; a label has up to 65535");
    must(ki_labels_read(own_env(), text_file(line + 1), &got, &n));
    assert_int_equal(strlen(got[0]), KITH_MAX_LABEL);
    ki_labels_free(own_env(), got, n);
    free(line);
    unlink(in_folder("list.txt"));
}

static void labels_of_arrays(void **state)
{
    static const char *const labels[] = {"ab", "", "é𝄞"};
    static const uint32_t ucs4[3][2] = {{'a', 'b'}, {0, 0}, {0xe9, 0x1d11e}};
    static const uint8_t bytes[3][6] = {"ab", "", {0xc3, 0xa9, 0xf0, 0x9d, 0x84, 0x9e}};
    uint8_t big[24];

    (void)state;
    for (size_t i = 0; i < 24; i++) big[i] = ((const uint8_t *)ucs4)[i / 4 * 4 + 3 - i % 4];
    expect_labels(array_file("{'descr':'<U2','fortran_order':False,'shape':(3,)}", ucs4, 24),
                  labels, 3);
    expect_labels(array_file("{'descr':'>U2','fortran_order':False,'shape':(3,1)}", big, 24),
                  labels, 3);
    expect_labels(array_file("{'descr':'|S6','fortran_order':False,'shape':(3,)}", bytes, 18),
                  labels, 3);
    expect_labels(array_file("{'descr':'<U7','fortran_order':False,'shape':(0,)}", ucs4, 0), labels,
                  0);
    unlink(in_folder("list.npy"));
}

static void arrays_that_are_no_labels(void **state)
{
    static const uint32_t holes[2] = {0, 'b'}, beyond[2] = {'a', 0x110000}, half[2] = {0xd800, 'a'};
    static const struct {
        const char *literal;
        const void *values;
        size_t len;
        kith_status st;
        const char *says;
    } bad[] = {
        {"{'descr':'<U2','fortran_order':False,'shape':(1,)}", holes, 8, KITH_BAD_ARG, "string 0"},
        {"{'descr':'<U1','fortran_order':False,'shape':(2,)}", beyond, 8, KITH_BAD_ARG, "string 1"},
        {"{'descr':'<U2','fortran_order':False,'shape':(1,)}", half, 8, KITH_BAD_ARG, "string 0"},
        {"{'descr':'|S2','fortran_order':False,'shape':(1,)}", "\xe9q", 2, KITH_BAD_ARG,
         "string 0"},
        {"{'descr':'<i8','fortran_order':False,'shape':(1,)}", holes, 8, KITH_BAD_ARG,
         "numbers; labels are strings"},
        {"{'descr':'<U1','fortran_order':False,'shape':(1,2)}", holes, 8, KITH_BAD_ARG,
         "labels are a column"},
        {"{'descr':'<U0','fortran_order':False,'shape':(99999999999,)}", holes, 0, KITH_BAD_ARG,
         "strings of 0 bytes"},
        {"{'descr':'<U99999999','fortran_order':False,'shape':(0,)}", holes, 0, KITH_BAD_ARG,
         "strings of 399999996 bytes"},
        {"{'descr':'<U1','fortran_order':False,'shape':(3,)}", holes, 8, KITH_CORRUPT,
         "row 2 of 3 is cut off"},
    };
    char **got;
    size_t n;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        refused(ki_labels_read(own_env(), array_file(bad[i].literal, bad[i].values, bad[i].len),
                               &got, &n),
                bad[i].st, bad[i].says);
    unlink(in_folder("list.npy"));
}

static void no_failure_leaks(void **state)
{
    static const uint32_t ucs4[] = {'a', 'b'};
    failing_host f;
    ki_env env;

    (void)state;
    text_file("1\n22\n");
    array_file("{'descr':'<U1','fortran_order':False,'shape':(2,)}", ucs4, 8);
    for (int what = 0; what < 3; what++)
        for (int files = 0; files < 2; files++)
            for (size_t n = 1;; n++) {
                kith_status st;
                int64_t *ids;
                char **labels;
                size_t got;

                failing_init(&f);
                must(ki_env_init(&env, &f.host));
                if (files)
                    failing_files_at(&f, FAILING_ANY, n, false, EIO);
                else
                    failing_alloc_at(&f, n, false);
                if (what == 0) {
                    st = ki_ids_read(&env, in_folder("list.txt"), &ids, &got);
                    if (st == KITH_OK) ki_release(&env, ids, got, sizeof *ids);
                } else {
                    st = ki_labels_read(&env, in_folder(what == 1 ? "list.txt" : "list.npy"),
                                        &labels, &got);
                    if (st == KITH_OK) ki_labels_free(&env, labels, got);
                }
                assert_null(failing_complaint(&f));
                if (!failing_happened(&f)) {
                    must(st);
                    break;
                }
                if (st != KITH_OK) assert_int_equal(st, files ? KITH_IO : KITH_NO_MEMORY);
            }
    unlink(in_folder("list.txt"));
    unlink(in_folder("list.npy"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_one_a_line),   cmocka_unit_test(ids_that_are_none),
        cmocka_unit_test(ids_of_arrays),    cmocka_unit_test(labels_one_a_line),
        cmocka_unit_test(utf8_is_checked),  cmocka_unit_test(labels_that_are_none),
        cmocka_unit_test(labels_of_arrays), cmocka_unit_test(arrays_that_are_no_labels),
        cmocka_unit_test(no_failure_leaks),
    };

    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
