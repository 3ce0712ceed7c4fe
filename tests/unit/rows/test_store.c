/* The store itself: created for every codec and metric, no larger than its rows, its snapshots'
 * slots used again. */
#include "support/harness.h"

#include <stdlib.h>
#include <string.h>

#include "rows/rows.h"
#include "support/failing.h"

static failing_host host;
static ki_env env;

static void begin(void)
{
    failing_init(&host);
    must(ki_env_init(&env, &host.host));
}

static void every_codec_and_metric(void **state)
{
    const ki_metric *m;
    const ki_codec *c;
    const ki_view *v;
    ki_rows *r;

    (void)state;
    begin();
    for (size_t i = 0; (c = ki_codec_at(i)) != NULL; i++)
        for (size_t j = 0; (m = ki_metric_at(j)) != NULL; j++) {
            const kith_status st = ki_rows_create(&env, c, 9, m->id, 2.5, true, &r);

            assert_int_equal(st, ki_codec_suits(c, m->id));
            if (st != KITH_OK) continue;
            v = ki_view_acquire(r);
            if (c->learn)
                assert_int_equal(v->codec->type, KI_F32); // until there are rows to learn from
            else
                assert_ptr_equal(v->codec, c);
            assert_int_equal(v->row_bytes, v->codec->row_bytes(9));
            assert_true(v->n == 0 && v->next_id == 0 && v->arg == 2.5 && v->metric == m->id);
            must(ki_view_check(v, &env, NULL));
            ki_view_release(r, v);
            ki_rows_free(r);
        }
    for (size_t j = 0; (m = ki_metric_at(j)) != NULL; j++) {
        must(ki_rows_create(&env, NULL, 9, m->id, 0, true, &r));
        v = ki_view_acquire(r);
        assert_int_equal(v->codec->type, m->id == KITH_HAMMING ? KI_BITS : KI_F32);
        ki_view_release(r, v);
        ki_rows_free(r);
    }
    assert_null(failing_complaint(&host));
}

static void every_allocation_of_create_fails(void **state)
{
    ki_rows *r;

    (void)state;
    begin();
    for (size_t n = 1;; n++) {
        kith_status st;

        failing_alloc_at(&host, n, false);
        st = ki_rows_create(&env, NULL, 9, KITH_L2, 0, true, &r);
        if (st == KITH_OK) break;
        assert_int_equal(st, KITH_NO_MEMORY);
        assert_null(failing_complaint(&host));
    }
    ki_rows_free(r);
    ki_rows_free(NULL);
    assert_null(failing_complaint(&host));
}

static size_t put(ki_rows *r, const uint8_t *x, size_t n, size_t d)
{
    ki_change *c;

    must(ki_change_begin(r, &c));
    must(ki_change_put(c, KI_PUT_ADD, KITH_ROWS(x, n, KITH_U8), NULL, NULL, 2, NULL));
    assert_int_equal(ki_change_view(c)->d, d);
    ki_change_commit(c);
    return atomic_load(&env.bytes);
}

/* A batch takes what its rows take; rows one by one at most twice that, and of many an eighth
 * more. */
static void memory_is_what_rows_need(void **state)
{
    enum { D = 16, N = 100000 };
    uint8_t *x = calloc(N, D);
    size_t empty, bytes;
    ki_rows *r;

    (void)state;
    begin();
    must(ki_rows_create(&env, NULL, D, KITH_L2, 0, true, &r));
    empty = atomic_load(&env.bytes);
    bytes = put(r, x, N, D) - empty;
    assert_true(bytes >= N * D && bytes < N * D + 4096);
    bytes = put(r, x, 1, D) - empty;
    assert_true(bytes < (size_t)N * D * 2);
    for (size_t i = 0; i < 20000; i++) bytes = put(r, x, 1, D) - empty;
    assert_true(bytes < (size_t)(N + 20000) * D * 5 / 4);
    ki_rows_free(r);

    must(ki_rows_create(&env, NULL, D, KITH_L2, 0, true, &r));
    empty = atomic_load(&env.bytes);
    for (size_t i = 0; i < 3000; i++) bytes = put(r, x, 1, D) - empty;
    assert_true(bytes < 3000 * D * 2 + 4096);
    ki_rows_free(r);
    free(x);
    assert_null(failing_complaint(&host));
}

static void expected_rows_are_allocated_once(void **state)
{
    enum { D = 16, N = 10000 };
    uint8_t *x = calloc(N, D);
    size_t first = 0, last = 0;
    ki_change *c;
    ki_rows *r;

    (void)state;
    begin();
    must(ki_rows_create(&env, NULL, D, KITH_L2, 0, true, &r));
    must(ki_change_begin(r, &c));
    ki_change_expect(c, N);
    ki_change_commit(c);
    for (size_t i = 0; i < N; i += 100) {
        last = put(r, x, 100, D);
        if (i == 0) first = last;
    }
    assert_int_equal(first, last);
    ki_rows_free(r);
    free(x);
    assert_null(failing_complaint(&host));
}

/* More changes than there are slots; versions count them; an undone one counts for nothing. */
static void slots_are_used_again(void **state)
{
    const ki_view *v;
    ki_change *c;
    ki_rows *r;

    (void)state;
    begin();
    must(ki_rows_create(&env, NULL, 4, KITH_L2, 0, true, &r));
    for (uint64_t i = 0; i < 5000; i++) {
        v = ki_view_acquire(r);
        assert_true(v->version == i);
        must(ki_change_begin(r, &c));
        ki_change_abort(c);
        must(ki_change_begin(r, &c));
        ki_change_commit(c);
        ki_view_release(r, v);
    }
    ki_change_abort(NULL);
    ki_rows_free(r);
    assert_null(failing_complaint(&host));
}

static void add_up(void *ctx, const char *name, const char *text, double bytes)
{
    assert_non_null(strstr(name, "_bytes"));
    assert_string_equal(text, "bytes");
    *(double *)ctx += bytes;
}

static void parts_are_counted(void **state)
{
    const int64_t id = 77;
    const char *label = "a label";
    const float x[8] = {1, 2, 3, 4, 5, 6, 7, 8.5f};
    double sum = 0;
    const ki_view *v;
    ki_change *c;
    ki_rows *r;

    (void)state;
    begin();
    must(ki_rows_create(&env, NULL, 4, KITH_L2, 0, true, &r));
    must(ki_change_begin(r, &c));
    must(ki_change_put(c, KI_PUT_ADD, KITH_ROWS(x, 1, KITH_F32), NULL, NULL, 1, NULL));
    must(ki_change_put(c, KI_PUT_ADD, KITH_ROWS(x + 4, 1, KITH_F32), &id, &label, 1, NULL));
    ki_change_commit(c);
    v = ki_view_acquire(r);
    ki_view_stats(v, add_up, &sum);
    assert_true(sum > 2 * 4 * 4 + 2 * 8 && sum < (double)atomic_load(&env.bytes));
    ki_view_release(r, v);
    ki_rows_free(r);
    assert_null(failing_complaint(&host));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_codec_and_metric),
        cmocka_unit_test(every_allocation_of_create_fails),
        cmocka_unit_test(memory_is_what_rows_need),
        cmocka_unit_test(expected_rows_are_allocated_once),
        cmocka_unit_test(slots_are_used_again),
        cmocka_unit_test(parts_are_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
