/* Sections of rows: written, opened in place at any alignment, changed after they were opened;
 * sizes and counts that do not agree are refused by section; wrong numbers within row sections are
 * found by the check and harm nothing before it. */
#include "support/harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "rows/rows.h"
#include "rows/rowsfile.h"
#include "support/failing.h"
#include "support/memory_blob.h"

enum { D = 5, N = 1300 };

typedef struct stage {
    failing_host host;
    ki_env env;
    memory_blob blob;
} stage;

static float x[N][D];
static int64_t ids[N];
static const char *labels[N];

static void start(stage *s)
{
    static char text[N][16];

    for (size_t i = 0; i < N; i++) {
        for (size_t j = 0; j < D; j++) x[i][j] = ki_random_f32(1, KI_RNG_TEST, i * D + j);
        ids[i] = (int64_t)(i * 7 % N) - 20;
        if (ids[i] == -1) ids[i] = 5000;
        snprintf(text[i], sizeof text[i], "label %zu", i % 50);
        labels[i] = i % 3 ? text[i] : NULL;
    }
    failing_init(&s->host);
    must(ki_env_init(&s->env, &s->host.host));
}

static kith_status open_blob(stage *s, memory_blob *b, ki_rows **out)
{
    return ki_rows_open(&s->env, &b->reader, b, memory_blob_share, memory_blob_release, out);
}

static void write_view(const ki_view *v, memory_blob *b, size_t shift)
{
    memory_blob plan;

    memory_blob_init(b);
    b->shift = shift;
    must(ki_view_write(v, &b->writer, false));
    memory_blob_init(&plan);
    plan.planning = true;
    must(ki_view_write(v, &plan.writer, true));
    assert_int_equal(plan.count, b->count);
    for (size_t i = 0; i < plan.count; i++) {
        assert_int_equal(plan.section[i].type, b->section[i].type);
        assert_int_equal(plan.section[i].len, b->section[i].len);
        assert_int_equal(plan.section[i].rows, b->section[i].rows);
    }
    memory_blob_deinit(&plan);
}

/* A store with everything a file can hold: own ids, labels, removed rows, scan code. */
static void make_blob(stage *s, size_t n, bool all, size_t shift)
{
    const ki_view *v;
    ki_change *c;
    ki_rows *r;
    bool removed;

    must(ki_rows_create(&s->env, ki_codec_find("F32"), D, KITH_L2, 0, all, &r));
    must(ki_change_begin(r, &c));
    must(ki_change_put(c, KI_PUT_ADD, KITH_ROWS(x, n, KITH_F32), all ? ids : NULL,
                       all ? labels : NULL, 1, NULL));
    for (size_t i = 3; all && i < n; i += 100) must(ki_change_remove(c, ids[i], &removed));
    ki_change_commit(c);
    v = ki_view_acquire(r);
    write_view(v, &s->blob, shift);
    ki_view_release(r, v);
    ki_rows_free(r);
}

static void stop(stage *s)
{
    assert_int_equal(atomic_load(&s->blob.shares), 0);
    memory_blob_deinit(&s->blob);
    assert_null(failing_complaint(&s->host));
}

static void check_rows(stage *s, const ki_view *v, size_t n, bool all)
{
    uint32_t pos;
    size_t len;

    must(ki_view_check(v, &s->env, NULL));
    assert_int_equal(v->n, n);
    for (size_t i = 0; i < n; i++) {
        const bool gone = all && i % 100 == 3;

        assert_true(ki_view_id(v, (uint32_t)i) == (all ? ids[i] : (int64_t)i));
        assert_int_equal(ki_view_find(v, all ? ids[i] : (int64_t)i, &pos), !gone);
        assert_memory_equal(ki_view_code(v, (uint32_t)i), x[i], sizeof x[i]);
        assert_string_equal(ki_view_label(v, (uint32_t)i, &len),
                            all && labels[i] && !gone ? labels[i] : "");
    }
}

static void what_was_written_is_opened(void **state)
{
    (void)state;
    for (size_t shift = 0; shift < 10; shift++)
        for (int all = 0; all < 2; all++) {
            const size_t n = shift % 3 == 0 ? N : shift % 3 == 1 ? 1 : 64;
            const ki_view *v;
            ki_rows *r;
            stage s;

            start(&s);
            make_blob(&s, n, all, shift);
            must(open_blob(&s, &s.blob, &r));
            v = ki_view_acquire(r);
            check_rows(&s, v, n, all);
            if (shift == 0)
                assert_ptr_equal(ki_view_code(v, 0),
                                 memory_blob_find(&s.blob, KI_SECTION_CODES)->bytes);
            assert_int_equal(v->scan_chunks, all && n == N);
            ki_view_release(r, v);
            ki_rows_free(r);
            stop(&s);
        }
}

static void an_empty_store_is_a_file(void **state)
{
    const ki_view *v;
    memory_blob b;
    ki_rows *r;
    stage s;

    (void)state;
    start(&s);
    must(ki_rows_create(&s.env, NULL, D, KITH_LP, 3, true, &r));
    v = ki_view_acquire(r);
    write_view(v, &b, 0);
    ki_view_release(r, v);
    ki_rows_free(r);
    assert_int_equal(b.count, 1);
    must(open_blob(&s, &b, &r));
    v = ki_view_acquire(r);
    assert_int_equal(v->n, 0);
    assert_true(v->arg == 3 && v->metric == KITH_LP && v->d == D);
    must(ki_view_check(v, &s.env, NULL));
    ki_view_release(r, v);
    ki_rows_free(r);
    memory_blob_deinit(&b);
    memory_blob_init(&s.blob);
    stop(&s);
}

/* A view of the file outlives the store's next versions, and the file outlives its last view. */
static void an_opened_store_changes(void **state)
{
    const int64_t back = ids[7];
    const ki_view *old, *now;
    ki_change *c;
    ki_rows *r;
    uint32_t pos;
    stage s;

    (void)state;
    start(&s);
    make_blob(&s, N, true, 0);
    must(open_blob(&s, &s.blob, &r));
    old = ki_view_acquire(r);
    must(ki_change_begin(r, &c));
    must(ki_change_put(c, KI_PUT_UPSERT, KITH_ROWS(x, 1, KITH_F32), &back, NULL, 1, NULL));
    must(ki_change_put(c, KI_PUT_ADD, KITH_ROWS(x, 300, KITH_F32), NULL, labels, 1, NULL));
    must(ki_change_label(c, ids[8], "changed"));
    ki_change_commit(c);
    now = ki_view_acquire(r);
    must(ki_view_check(now, &s.env, NULL));
    assert_int_equal(now->n, N + 301);
    assert_true(ki_view_find(now, back, &pos) && pos == N);
    assert_true(ki_view_find(now, 5001 + 299, &pos) && pos == N + 300);
    check_rows(&s, old, N, true);
    must(ki_change_begin(r, &c));
    must(ki_change_compact(c, 1, NULL));
    ki_change_commit(c);
    assert_true(atomic_load(&s.blob.shares) > 0);
    ki_view_release(r, now);
    check_rows(&s, old, N, true);
    ki_view_release(r, old);
    assert_int_equal(atomic_load(&s.blob.shares), 0); // nothing of the file is left
    ki_rows_free(r);
    stop(&s);
}

/* ---- damage ---------------------------------------------------------------------------------- */

/* Opens or is refused with words; what opened is asked for everything and given back. */
static kith_status try_open(stage *s)
{
    const char *const text = "label 7";
    int64_t found[64];
    const ki_view *v;
    kith_status st;
    ki_rows *r;
    uint32_t pos;
    size_t n;

    st = open_blob(s, &s->blob, &r);
    if (st != KITH_OK) return st;
    v = ki_view_acquire(r);
    st = ki_view_check(v, &s->env, NULL);
    assert_true(st == KITH_OK || st == KITH_CORRUPT);
    for (size_t i = 0; i < N; i++) (void)ki_view_find(v, ids[i], &pos);
    for (pos = 0; pos < v->n; pos++) (void)ki_view_label(v, pos, &n);
    must(ki_view_find_label(v, &s->env, text, found, 64, &n));
    ki_view_release(r, v);
    ki_rows_free(r);
    return st;
}

static void every_length_is_checked(void **state)
{
    stage s;

    (void)state;
    start(&s);
    make_blob(&s, N, true, 0);
    assert_int_equal(s.blob.count, 11);
    for (size_t i = 0; i < s.blob.count; i++) {
        memory_section *section = &s.blob.section[i];
        const uint32_t type = section->type;
        const uint64_t len = section->len;
        char name[5];

        ki_blob_name(type, name);
        for (int by = -1; by <= 1; by += 2) {
            section->len = len + (uint64_t)(int64_t)by;
            refused(try_open(&s), KITH_CORRUPT, name);
        }
        section->len = len;
        section->type = 0;
        refused(try_open(&s), KITH_CORRUPT, name);
        section->type = type;
    }
    must(try_open(&s));
    stop(&s);
}

/* Every byte of the head, every value: refused, or a store that can be asked anything. */
static void every_byte_of_the_head(void **state)
{
    size_t refusals = 0;
    memory_section *head;
    stage s;

    (void)state;
    start(&s);
    make_blob(&s, N, true, 0);
    head = memory_blob_find(&s.blob, KI_SECTION_ROWS);
    for (size_t i = 0; i < head->len; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            kith_status st;

            head->bytes[i] ^= (uint8_t)(1u << bit);
            st = try_open(&s);
            assert_true(st == KITH_OK || st == KITH_CORRUPT || st == KITH_VERSION);
            refusals += st != KITH_OK;
            head->bytes[i] ^= (uint8_t)(1u << bit);
        }
    assert_true(refusals > head->len * 5);
    stop(&s);
}

/* What is said of a chunk's codes is what its codes are, neither less nor more. */
static void every_bit_of_a_scan_entry(void **state)
{
    memory_section *head;
    stage s;

    (void)state;
    start(&s);
    make_blob(&s, N, true, 0);
    head = memory_blob_find(&s.blob, KI_SECTION_ROWS);
    assert_int_equal(head->len, KI_ROWS_HEAD + KI_ROWS_SCAN_ENTRY);
    for (size_t i = KI_ROWS_HEAD; i < head->len; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            head->bytes[i] ^= (uint8_t)(1u << bit);
            assert_int_equal(try_open(&s), KITH_CORRUPT);
            head->bytes[i] ^= (uint8_t)(1u << bit);
        }
    must(try_open(&s));
    stop(&s);
}

static void damaged_rows_do_no_harm(void **state)
{
    stage s;

    (void)state;
    start(&s);
    make_blob(&s, N, true, 0);
    for (size_t i = 0; i < s.blob.count; i++) {
        memory_section *section = &s.blob.section[i];
        uint8_t *whole = malloc(section->len);
        size_t found = 0;

        if (!section->rows) {
            free(whole);
            continue;
        }
        memcpy(whole, section->bytes, section->len);
        for (uint64_t k = 0; k < 60; k++) {
            const uint32_t at = ki_random_below(i, KI_RNG_TEST, k, (uint32_t)section->len);

            if (k == 0) memset(section->bytes, 0xff, section->len);
            if (k == 1) memset(section->bytes, 0x7f, section->len);
            if (k > 1) section->bytes[at] ^= 0x81;
            found += try_open(&s) != KITH_OK;
            memcpy(section->bytes, whole, section->len);
        }
        if (section->type != KI_SECTION_CODES) assert_true(found > 30);
        free(whole);
    }
    must(try_open(&s));
    stop(&s);
}

static void every_put_fails(void **state)
{
    const ki_view *v;
    ki_rows *r;
    stage s;

    (void)state;
    start(&s);
    make_blob(&s, N, true, 0);
    must(open_blob(&s, &s.blob, &r));
    v = ki_view_acquire(r);
    for (size_t n = 1;; n++) {
        memory_blob b;
        kith_status st;

        memory_blob_init(&b);
        b.fail_put = n;
        st = ki_view_write(v, &b.writer, false);
        memory_blob_deinit(&b);
        if (st == KITH_OK) break;
        assert_int_equal(st, KITH_IO);
    }
    for (size_t n = 1;; n++) {
        memory_blob b;
        kith_status st;

        memory_blob_init(&b);
        failing_alloc_at(&s.host, n, false);
        st = ki_view_write(v, &b.writer, false);
        memory_blob_deinit(&b);
        if (!failing_happened(&s.host)) break;
        assert_int_equal(st, KITH_NO_MEMORY);
    }
    ki_view_release(r, v);
    ki_rows_free(r);
    stop(&s);
}

static void every_allocation_of_an_open_fails(void **state)
{
    ki_rows *r;
    stage s;

    (void)state;
    for (size_t shift = 0; shift < 2; shift++) {
        start(&s);
        make_blob(&s, N, true, shift);
        for (size_t n = 1;; n++) {
            kith_status st;

            failing_alloc_at(&s.host, n, false);
            st = open_blob(&s, &s.blob, &r);
            if (st == KITH_OK) break;
            assert_int_equal(st, KITH_NO_MEMORY);
            assert_int_equal(atomic_load(&s.blob.shares), 0);
        }
        ki_rows_free(r);
        stop(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_opened),
        cmocka_unit_test(an_empty_store_is_a_file),
        cmocka_unit_test(an_opened_store_changes),
        cmocka_unit_test(every_length_is_checked),
        cmocka_unit_test(every_byte_of_the_head),
        cmocka_unit_test(every_bit_of_a_scan_entry),
        cmocka_unit_test(damaged_rows_do_no_harm),
        cmocka_unit_test(every_put_fails),
        cmocka_unit_test(every_allocation_of_an_open_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
