/* Parameter tables: names and aliases, values of each type, ranges in errors, canonical text. */
#define _POSIX_C_SOURCE 200809L /* mkdtemp */

#include "base/param.h"

#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { EFFORT, FACTOR, SCAN, KEEP, DELTA };
static const ki_param rows[] = {
    {"effort", "ef,efSearch,nprobe", KI_PARAM_INT, 1, 4294967295.0, 64, "How far to look."},
    {"factor", "", KI_PARAM_FLOAT, 0.25, 1e6, 0.1, "A factor."},
    {"scan", "scan_code", KI_PARAM_FLAG, 0, 2, 2, "Whether to keep the scan code."},
    {"keep", "", KI_PARAM_FLAG, 0, 1, 1, "Whether to keep."},
    {"delta", "d", KI_PARAM_INT, -5, 5, 0, "A difference."},
};
static const ki_param_table table = {"Flat", rows, sizeof rows / sizeof *rows};

static void names_and_aliases_are_found(void **state)
{
    (void)state;
    assert_int_equal(ki_param_find(&table, "effort"), EFFORT);
    assert_int_equal(ki_param_find(&table, "EFFORT"), EFFORT);
    assert_int_equal(ki_param_find(&table, "ef"), EFFORT);
    assert_int_equal(ki_param_find(&table, "efsearch"), EFFORT);
    assert_int_equal(ki_param_find(&table, "nProbe"), EFFORT);
    assert_int_equal(ki_param_find(&table, "scan_code"), SCAN);
    assert_int_equal(ki_param_find(&table, "d"), DELTA);
    assert_int_equal(ki_param_find(&table, ""), -1);
    assert_int_equal(ki_param_find(&table, "e"), -1);
    assert_int_equal(ki_param_find(&table, "efs"), -1);
    assert_int_equal(ki_param_find(&table, "ef,efSearch"), -1);
    assert_int_equal(ki_param_find(&table, "effort "), -1);
    assert_int_equal(ki_param_find(&table, "scan-code"), -1);
}

static void presets_come_in_order(void **state)
{
    double v[5] = {0};

    (void)state;
    ki_param_presets(&table, v);
    for (size_t i = 0; i < 5; i++) assert_true(v[i] == rows[i].preset);
}

static void good_values_are_read(void **state)
{
    static const struct {
        size_t row;
        const char *text;
        double value;
        const char *canonical;
    } good[] = {
        {EFFORT, "1", 1, "1"},
        {EFFORT, "+064", 64, "64"},
        {EFFORT, "4294967295", 4294967295.0, "4294967295"},
        {DELTA, "-5", -5, "-5"},
        {DELTA, "-0", 0, "0"},
        {FACTOR, "0.25", 0.25, "0.25"},
        {FACTOR, "1e3", 1000, "1e+03"},
        {FACTOR, ".5", 0.5, "0.5"},
        {FACTOR, "3.", 3, "3"},
        {FACTOR, "0.3333333333333333", 0.3333333333333333, "0.3333333333333333"},
        {SCAN, "on", 1, "on"},
        {SCAN, "OFF", 0, "off"},
        {SCAN, "Auto", 2, "auto"},
        {SCAN, "True", 1, "on"},
        {SCAN, "no", 0, "off"},
        {KEEP, "1", 1, "on"},
        {KEEP, "0", 0, "off"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        double v = -77, again = -77;
        char text[32];

        assert_int_equal(ki_param_parse(&table, good[i].row, good[i].text, &v), KITH_OK);
        assert_true(v == good[i].value && !signbit(v) == (v >= 0));
        ki_param_text(&table, good[i].row, v, text, sizeof text);
        assert_string_equal(text, good[i].canonical);
        assert_int_equal(ki_param_parse(&table, good[i].row, text, &again), KITH_OK);
        assert_true(again == v);
    }
}

static void bad_values_tell_the_range(void **state)
{
    static const char integer[] = "an integer from 1 to 4294967295 was expected";
    static const char number[] = "a number from 0.25 to 1e+06 was expected";
    static const struct {
        size_t row;
        const char *text, *expected;
    } bad[] = {
        {EFFORT, "0", integer},
        {EFFORT, "4294967296", integer},
        {EFFORT, "", integer},
        {EFFORT, "3.0", integer},
        {EFFORT, "1e3", integer},
        {EFFORT, "0x10", integer},
        {EFFORT, " 3", integer},
        {EFFORT, "3 ", integer},
        {EFFORT, "--3", integer},
        {EFFORT, "+", integer},
        {EFFORT, "three", integer},
        {EFFORT, "auto", integer},
        {EFFORT, "-1", integer},
        {FACTOR, "0.2", number},
        {FACTOR, "inf", number},
        {FACTOR, "nan", number},
        {FACTOR, "1e999", number},
        {FACTOR, "-1e999", number},
        {FACTOR, "0,5", number},
        {FACTOR, "0x1p2", number},
        {FACTOR, ".", number},
        {FACTOR, "1e", number},
        {FACTOR, "1.2.3", number},
        {FACTOR, "", number},
        {FACTOR, "\xff", number},
        {SCAN, "maybe", "on, off or auto was expected"},
        {SCAN, "", "on, off or auto was expected"},
        {SCAN, "2", "on, off or auto was expected"},
        {SCAN, "on,yes", "on, off or auto was expected"},
        {KEEP, "auto", "keep = \"auto\": on or off was expected"},
        {DELTA, "6", "an integer from -5 to 5 was expected"},
        {DELTA, "-6", "an integer from -5 to 5 was expected"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        double v = 77;

        assert_int_equal(ki_param_parse(&table, bad[i].row, bad[i].text, &v), KITH_BAD_ARG);
        assert_true(v == 77); // nothing is written
        assert_non_null(strstr(kith_last_error(), bad[i].expected));
    }
    assert_int_equal(ki_param_parse(&table, EFFORT, "0", &(double){0}), KITH_BAD_ARG);
    assert_string_equal(kith_last_error(),
                        "Flat: effort = \"0\": an integer from 1 to 4294967295 was expected");
}

static void long_garbage_is_cut(void **state)
{
    char text[1000];
    double v;

    (void)state;
    memset(text, '9', sizeof text);
    text[sizeof text - 1] = '\0';
    assert_int_equal(ki_param_parse(&table, FACTOR, text, &v), KITH_BAD_ARG);
    assert_non_null(strstr(kith_last_error(), "99\": a number from 0.25 to 1e+06 was expected"));
}

/* Every double comes back from its text, and no shorter text would do. */
static void text_is_exact_and_short(void **state)
{
    static const double values[] = {0.1, 0.7, 1.0 / 3, 2.0 / 3, 1e-300, 123456.789, 1e6, 0x1p-40};
    static const ki_param any = {"any", "", KI_PARAM_FLOAT, -HUGE_VAL, HUGE_VAL, 0, ""};
    static const ki_param_table one = {"T", &any, 1};
    char text[40], tiny[4];
    double v;

    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        ki_param_text(&one, 0, values[i], text, sizeof text);
        assert_int_equal(ki_param_parse(&one, 0, text, &v), KITH_OK);
        assert_true(v == values[i]);
    }
    ki_param_text(&one, 0, 0.1, text, sizeof text);
    assert_string_equal(text, "0.1");
    ki_param_text(&one, 0, 123456.789, tiny, sizeof tiny); // cut, and closed
    assert_string_equal(tiny, "123");
}

/* A locale with a decimal comma, as localedef of glibc makes it: few machines have any. */
static bool speak_with_a_comma(char *folder)
{
    static const uint8_t numeric[50] = {
        0x14, 0x11, 0x03, 0x20, 6, 0, 0, 0,    0x20, 0, 0,   0,    0x22, 0,   0,   0,   0x23,
        0,    0,    0,    0x24, 0, 0, 0, 0x28, 0,    0, 0,   0x2c, 0,    0,   0,   ',', 0,
        0,    0,    ',',  0,    0, 0, 0, 0,    0,    0, 'U', 'T',  'F',  '-', '8', 0};
    char path[100];
    bool good;
    FILE *file;

    (void)snprintf(path, sizeof path, "%s/comma", folder);
    if (mkdir(path, 0777) != 0) return false;
    (void)snprintf(path, sizeof path, "%s/comma/LC_NUMERIC", folder);
    file = fopen(path, "wb");
    if (file == NULL) return false;
    good = fwrite(numeric, sizeof numeric, 1, file) == 1;
    good = fclose(file) == 0 && setenv("LOCPATH", folder, 1) == 0 && good;
    good = good && setlocale(LC_NUMERIC, "comma") != NULL;
    (void)unlink(path);
    *strrchr(path, '/') = '\0';
    (void)rmdir(path);
    return good;
}

/* A program that writes 0,5 still gives and gets 0.5. */
static void no_locale_changes_a_number(void **state)
{
    char folder[] = "/tmp/kith-locale-XXXXXX", text[32];
    bool comma;
    double v = 0;

    (void)state;
    assert_non_null(mkdtemp(folder));
    comma = speak_with_a_comma(folder);
    (void)rmdir(folder);
    if (!comma) skip(); // another libc
    assert_int_equal(ki_param_parse(&table, FACTOR, "0.5", &v), KITH_OK);
    assert_true(v == 0.5);
    ki_param_text(&table, FACTOR, v, text, sizeof text);
    assert_string_equal(text, "0.5");
    (void)snprintf(text, sizeof text, "%g", 0.5);
    assert_string_equal(text, "0,5"); // the program's own locale is as it was
    (void)setlocale(LC_ALL, "C");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_aliases_are_found), cmocka_unit_test(presets_come_in_order),
        cmocka_unit_test(good_values_are_read),        cmocka_unit_test(bad_values_tell_the_range),
        cmocka_unit_test(long_garbage_is_cut),         cmocka_unit_test(text_is_exact_and_short),
        cmocka_unit_test(no_locale_changes_a_number),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
