/* Labels: UTF-8 or refused, many rows of one label, labels set again and again, taken back. */
#include "support/harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rows/labels.h"
#include "support/failing.h"

typedef struct stage {
    failing_host host;
    ki_env env;
    ki_labels labels;
} stage;

static void start(stage *s)
{
    failing_init(&s->host);
    must(ki_env_init(&s->env, &s->host.host));
    s->labels = (ki_labels){0};
}

static void stop(stage *s)
{
    must(ki_labels_check(&s->labels, &s->env, UINT32_MAX));
    ki_labels_release(&s->labels);
    assert_null(failing_complaint(&s->host));
}

static void set(stage *s, uint32_t pos, const char *text)
{
    must(ki_labels_set(&s->labels, &s->env, pos, text, strlen(text)));
}

static void has(const ki_labels *l, uint32_t pos, const char *text)
{
    size_t len;

    assert_string_equal(ki_labels_get(l, pos, &len), text);
    assert_int_equal(len, strlen(text));
}

typedef struct found {
    size_t n;
    uint64_t sum;
} found;

static kith_status add_up(void *ctx, uint32_t pos)
{
    found *f = ctx;

    f->n++;
    f->sum += pos;
    return KITH_OK;
}

static found find(const ki_labels *l, const char *text)
{
    found f = {0, 0};

    must(ki_labels_find(l, text, add_up, &f));
    return f;
}

static void texts_are_utf8(void **state)
{
    static const char *const good[] = {"", "a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
                                       "\xf4\x8f\xbf\xbf", "\xed\x9f\xbf", "\xee\x80\x80"};
    static const char *const bad[] = {"\x80", "a\xff", "\xc3", "\xc3(", "\xc0\xaf", "\xc1\xbf",
                                      "\xe0\x80\xaf", "\xe0\x9f\xbf", "\xed\xa0\x80",
                                      "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
                                      "\xe2\x82", "\xf0\x9f\x98", "\xfe"};

    (void)state;
    must(ki_label_check(NULL, "row", 0));
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) must(ki_label_check(good[i], "row", 1));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        refused(ki_label_check(bad[i], "row", 7), KITH_BAD_ARG, "row 7: byte ");
    refused(ki_label_check("ok\xff", "id", -3), KITH_BAD_ARG, "id -3: byte 2 of its label, 0xff");
}

static void rows_have_the_latest_label(void **state)
{
    ki_labels before;
    stage s;

    (void)state;
    start(&s);
    has(&s.labels, 5, "");
    set(&s, 5, "");
    assert_null(s.labels.pool); // nothing was said
    set(&s, 5, "one");
    set(&s, 100000, "one");
    ki_labels_share(&s.labels, &before);
    set(&s, 5, "two");
    set(&s, 7, "two");
    set(&s, 100000, "");
    has(&before, 5, "one");
    has(&before, 7, "");
    has(&before, 100000, "one");
    assert_int_equal(find(&before, "one").n, 2);
    assert_int_equal(find(&before, "two").n, 0);
    has(&s.labels, 5, "two");
    has(&s.labels, 100000, "");
    assert_int_equal(find(&s.labels, "one").n, 0);
    assert_int_equal(find(&s.labels, "two").sum, 12);
    assert_int_equal(find(&s.labels, "").n, 0);
    assert_int_equal(find(&s.labels, "on").n, 0);
    ki_labels_release(&before);
    stop(&s);
}

static void changes_are_taken_back(void **state)
{
    ki_labels base;
    uint32_t mark;
    stage s;

    (void)state;
    start(&s);
    for (uint32_t i = 0; i < 300; i++) set(&s, i, i % 2 ? "odd" : "even");
    ki_labels_share(&s.labels, &base);
    for (int round = 0; round < 3; round++) {
        char text[16];

        mark = ki_labels_mark(&base);
        for (uint32_t i = 0; i < 900; i++) {
            snprintf(text, sizeof text, "new %u", i % 70);
            set(&s, i, i % 3 ? text : "odd");
        }
        ki_labels_undo(&base, mark);
        ki_labels_release(&s.labels);
        ki_labels_share(&base, &s.labels);
        must(ki_labels_check(&s.labels, &s.env, 300));
        assert_int_equal(find(&s.labels, "odd").n, 150);
        assert_int_equal(find(&s.labels, "even").sum, 150 * 149);
        assert_int_equal(find(&s.labels, "new 4").n, 0);
        for (uint32_t i = 0; i < 900; i++)
            has(&s.labels, i, i >= 300 ? "" : i % 2 ? "odd" : "even");
    }
    ki_labels_release(&base);
    stop(&s);
}

/* 60,000 rows of one label, each set and found in a time that does not depend on the others. */
static void many_rows_of_one_label(void **state)
{
    enum { N = 60000 };
    stage s;

    (void)state;
    start(&s);
    for (uint32_t i = 0; i < N; i++) set(&s, i, "same");
    assert_int_equal(find(&s.labels, "same").n, N);
    for (uint32_t i = 0; i < N; i += 2) set(&s, i, "other");
    assert_int_equal(find(&s.labels, "same").n, N / 2);
    assert_true(find(&s.labels, "other").sum == (uint64_t)(N / 2) * (N / 2 - 1));
    stop(&s);
}

static void every_allocation_fails(void **state)
{
    (void)state;
    for (size_t n = 1;; n++) {
        ki_labels base;
        uint32_t mark;
        stage s;
        kith_status st = KITH_OK;

        start(&s);
        set(&s, 1, "first");
        ki_labels_share(&s.labels, &base);
        mark = ki_labels_mark(&base);
        failing_alloc_at(&s.host, n, false);
        for (uint32_t i = 0; i < 200 && st == KITH_OK; i++) {
            char text[8];

            snprintf(text, sizeof text, "t%u", i);
            st = ki_labels_set(&s.labels, &s.env, i, text, strlen(text));
        }
        failing_alloc_at(&s.host, 0, false);
        ki_labels_undo(&base, mark);
        has(&base, 1, "first");
        assert_int_equal(find(&base, "first").n, 1);
        assert_int_equal(find(&base, "t0").n, 0);
        ki_labels_release(&s.labels);
        s.labels = base;
        stop(&s);
        if (st == KITH_OK) break;
        assert_int_equal(st, KITH_NO_MEMORY);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_utf8),
        cmocka_unit_test(rows_have_the_latest_label),
        cmocka_unit_test(changes_are_taken_back),
        cmocka_unit_test(many_rows_of_one_label),
        cmocka_unit_test(every_allocation_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
