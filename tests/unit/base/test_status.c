/* Statuses, their names, and the sentence: what is cut and where, prefixes, errno, threads. */
#include "base/status.h"

#include <errno.h>
#include <locale.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void names_are_pinned(void **state)
{
    (void)state;
#define CHECK(name, value, phrase)        \
    assert_int_equal(KITH_##name, value); \
    assert_string_equal(kith_status_name((kith_status)(value)), #name);
    KITH_STATUS_LIST(CHECK)
#undef CHECK
    assert_int_equal(KITH_CANCELLED, 13); // codes are only ever added
    assert_string_equal(kith_status_name((kith_status)14), "?");
    assert_string_equal(kith_status_name((kith_status)-1), "?");
    assert_string_equal(kith_status_name(KITH_STATUS_MAX_), "?");
    assert_int_equal(kith_version(), KITH_HEADER_VERSION);
}

static void failing_writes_the_sentence(void **state)
{
    (void)state;
    assert_int_equal(ki_fail(KITH_CORRUPT, "row %d, column %u is %s", 3, 5u, "NaN"), KITH_CORRUPT);
    assert_string_equal(kith_last_error(), "row 3, column 5 is NaN");
    assert_int_equal(kith_fail(KITH_IO, "100 %s of it"), KITH_IO); // not a format
    assert_string_equal(kith_last_error(), "100 %s of it");
    assert_int_equal(kith_fail(KITH_LIMIT, NULL), KITH_LIMIT);
    assert_string_equal(kith_last_error(), "");
}

static void arguments_may_be_the_sentence(void **state)
{
    (void)state;
    (void)ki_fail(KITH_IO, "inner");
    (void)ki_fail(KITH_IO, "outer, %s, outer", kith_last_error());
    assert_string_equal(kith_last_error(), "outer, inner, outer");
    (void)kith_fail(KITH_IO, kith_last_error() + 7);
    assert_string_equal(kith_last_error(), "inner, outer");
}

static void long_sentences_are_cut_between_characters(void **state)
{
    char text[400];

    (void)state;
    memset(text, 'a', sizeof text);
    text[255] = '\0';
    (void)kith_fail(KITH_IO, text); // fits
    assert_string_equal(kith_last_error(), text);
    text[255] = 'a';
    text[sizeof text - 1] = '\0';
    (void)kith_fail(KITH_IO, text);
    assert_int_equal(strlen(kith_last_error()), 255);
    (void)ki_fail(KITH_IO, "%s", text);
    assert_int_equal(strlen(kith_last_error()), 255);

    // One to four bytes of a character before the end of the room, for each length it may have.
    static const char *const characters[] = {"\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
    for (size_t c = 0; c < 3; c++) {
        const size_t len = strlen(characters[c]);

        for (size_t before = 255 - len; before <= 255; before++) {
            memset(text, 'a', sizeof text);
            memcpy(text + before, characters[c], len);
            text[300] = '\0';
            (void)kith_fail(KITH_IO, text);
            const size_t whole = before + len <= 255 ? 255 : before;
            assert_int_equal(strlen(kith_last_error()), whole);
            assert_memory_equal(kith_last_error(), text, whole);
            (void)ki_fail(KITH_IO, "%s", text);
            assert_int_equal(strlen(kith_last_error()), whole);
        }
    }
    memset(text, 0x80, sizeof text); // no UTF-8 at all
    text[300] = '\0';
    (void)kith_fail(KITH_IO, text);
    assert_int_equal(strlen(kith_last_error()), 255);
}

static void prefixes_go_before(void **state)
{
    char longer[600], path[600];

    (void)state;
    (void)ki_fail(KITH_CORRUPT, "section ROWS is damaged");
    assert_int_equal(ki_fail_prefix(KITH_CORRUPT, "%s", "a.kith"), KITH_CORRUPT);
    assert_string_equal(kith_last_error(), "a.kith: section ROWS is damaged");

    memset(path, 'p', sizeof path);
    path[sizeof path - 1] = '\0';
    memcpy(path + sizeof path - 8, "/b.kith", 7);
    (void)ki_fail(KITH_CORRUPT, "section ROWS is damaged");
    (void)ki_fail_prefix(KITH_CORRUPT, "%s", path);
    assert_memory_equal(kith_last_error(), "...ppp", 6);
    assert_non_null(strstr(kith_last_error(), "p/b.kith: section ROWS is damaged"));

    memset(longer, 'r', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    (void)kith_fail(KITH_CORRUPT, longer);
    (void)ki_fail_prefix(KITH_CORRUPT, "x");
    assert_int_equal(strlen(kith_last_error()), 255);
    assert_memory_equal(kith_last_error(), "x: rrr", 6);

    // A front is not cut inside a character either: 126 bytes of two-byte characters remain.
    for (size_t i = 0; i < 300; i++) memcpy(path + 2 * i, "\xc3\xa9", 2);
    path[598] = '\0';
    (void)ki_fail(KITH_CORRUPT, "bad");
    (void)ki_fail_prefix(KITH_CORRUPT, "%s", path);
    assert_memory_equal(kith_last_error(), "...\xc3\xa9", 5);
    assert_string_equal(kith_last_error() + 3 + 126, ": bad");
}

static void errno_has_its_words(void **state)
{
    char path[3000];

    (void)state;
    assert_int_equal(ki_fail_errno(ENOSPC, "write", "/x/y.kith"), KITH_IO);
    assert_string_equal(kith_last_error(), "cannot write /x/y.kith: No space left on device");
    (void)ki_fail_errno(123456, "open", "f");
    assert_string_equal(kith_last_error(), "cannot open f: Unknown error 123456");
    memset(path, 'd', sizeof path);
    path[sizeof path - 1] = '\0';
    memcpy(path + sizeof path - 8, "/z.kith", 7);
    (void)ki_fail_errno(ENOENT, "open", path);
    assert_memory_equal(kith_last_error(), "cannot open ...dd", 17);
    assert_non_null(strstr(kith_last_error(), "d/z.kith: No such file or directory"));
}

static void errno_speaks_english_in_any_locale(void **state)
{
    static const char *const locales[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "C.UTF-8", "C"};

    (void)state;
    for (size_t i = 0; i < sizeof locales / sizeof *locales; i++) {
        if (setlocale(LC_ALL, locales[i]) == NULL) continue;
        (void)ki_fail_errno(EACCES, "open", "f");
        assert_string_equal(kith_last_error(), "cannot open f: Permission denied");
    }
    (void)setlocale(LC_ALL, "C");
}

static void sentences_travel(void **state)
{
    char carried[KI_SENTENCE];

    (void)state;
    (void)ki_fail(KITH_IO, "first");
    ki_sentence_get(carried);
    (void)ki_fail(KITH_IO, "second");
    ki_sentence_set(carried);
    assert_string_equal(kith_last_error(), "first");
}

static void *fail_elsewhere(void *arg)
{
    char *before = arg;

    ki_sentence_get(before);
    (void)ki_fail(KITH_IO, "another thread's");
    return strcmp(kith_last_error(), "another thread's") == 0 ? arg : NULL;
}

static void each_thread_has_its_own(void **state)
{
    char before[KI_SENTENCE] = "unset";
    pthread_t thread;
    void *good = NULL;

    (void)state;
    (void)ki_fail(KITH_IO, "mine");
    assert_int_equal(pthread_create(&thread, NULL, fail_elsewhere, before), 0);
    assert_int_equal(pthread_join(thread, &good), 0);
    assert_non_null(good);
    assert_string_equal(before, ""); // before its first failure
    assert_string_equal(kith_last_error(), "mine");
}

static kith_status try_each(kith_status given, const void *pointer, int *stage)
{
    kith_status st = KITH_OK;

    *stage = 1;
    KI_TRY(given);
    *stage = 2;
    KI_NEED(pointer);
    *stage = 3;
    KI_FAIL(KITH_LIMIT, "%d of %d", 7, 6);
out:
    return st;
}

static void macros_jump(void **state)
{
    int stage = 0;

    (void)state;
    assert_int_equal(try_each(KITH_EXISTS, "", &stage), KITH_EXISTS);
    assert_int_equal(stage, 1);
    assert_int_equal(try_each(KITH_OK, NULL, &stage), KITH_NO_MEMORY);
    assert_int_equal(stage, 2);
    assert_int_equal(try_each(KITH_OK, "", &stage), KITH_LIMIT);
    assert_int_equal(stage, 3);
    assert_string_equal(kith_last_error(), "7 of 6");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_pinned),
        cmocka_unit_test(failing_writes_the_sentence),
        cmocka_unit_test(arguments_may_be_the_sentence),
        cmocka_unit_test(long_sentences_are_cut_between_characters),
        cmocka_unit_test(prefixes_go_before),
        cmocka_unit_test(errno_has_its_words),
        cmocka_unit_test(errno_speaks_english_in_any_locale),
        cmocka_unit_test(sentences_travel),
        cmocka_unit_test(each_thread_has_its_own),
        cmocka_unit_test(macros_jump),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
