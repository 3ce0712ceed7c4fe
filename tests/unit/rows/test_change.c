/* Changes: what each refuses, and that a change that fails at any point (an allocation, a watcher
 * who cancels) leaves the store as it was, so that the same change works afterwards. */
#include "support/harness.h"

#include <stdlib.h>
#include <string.h>

#include "rows/rows.h"
#include "support/failing.h"
#include "support/memory_blob.h"

enum { D = 4, N = 40 };

typedef struct stage {
    failing_host host;
    ki_env env;
    ki_rows *rows;
} stage;

static float x[2000][D];
static int64_t ids[2000];
static const char *labels[2000];

static void start(stage *s, const char *codec, kith_metric m)
{
    for (size_t i = 0; i < 2000; i++) {
        for (size_t j = 0; j < D; j++) x[i][j] = (float)((i * 7 + j) % 251);
        ids[i] = (int64_t)i * 3 % 2000;
        labels[i] = i % 4 == 0 ? "four" : i % 7 == 0 ? "seven" : NULL;
    }
    failing_init(&s->host);
    must(ki_env_init(&s->env, &s->host.host));
    must(ki_rows_create(&s->env, codec ? ki_codec_find(codec) : NULL, D, m, 0, true, &s->rows));
}

static void stop(stage *s)
{
    ki_rows_free(s->rows);
    assert_null(failing_complaint(&s->host));
}

static kith_rows floats(size_t from, size_t n)
{
    return KITH_ROWS(x[from], n, KITH_F32);
}

static kith_status put(stage *s, ki_put how, kith_rows rows, const int64_t *id,
                       const char *const *label)
{
    ki_change *c;
    kith_status st = ki_change_begin(s->rows, &c);

    if (st != KITH_OK) return st;
    st = ki_change_put(c, how, rows, id, label, 2, NULL);
    if (st == KITH_OK)
        ki_change_commit(c);
    else
        ki_change_abort(c);
    return st;
}

static void save(stage *s, memory_blob *b)
{
    const ki_view *v = ki_view_acquire(s->rows);

    must(ki_view_check(v, &s->env, NULL));
    memory_blob_init(b);
    must(ki_view_write(v, &b->writer, false));
    ki_view_release(s->rows, v);
}

static void assert_same(const memory_blob *a, const memory_blob *b)
{
    assert_int_equal(a->count, b->count);
    for (size_t i = 0; i < a->count; i++) {
        assert_int_equal(a->section[i].len, b->section[i].len);
        assert_memory_equal(a->section[i].bytes, b->section[i].bytes, a->section[i].len);
    }
}

static uint32_t live(stage *s)
{
    const ki_view *v = ki_view_acquire(s->rows);
    const uint32_t n = v->live;

    ki_view_release(s->rows, v);
    return n;
}

/* ---- ids ------------------------------------------------------------------------------------- */

static void ids_are_numbered_or_given(void **state)
{
    int64_t id[3] = {7, 8, 9};
    stage s;

    (void)state;
    start(&s, "F32", KITH_L2);
    must(put(&s, KI_PUT_ADD, floats(0, 3), NULL, NULL)); // 0 1 2
    id[0] = 3;
    id[1] = 4;
    id[2] = 5;
    must(put(&s, KI_PUT_ADD, floats(3, 3), id, NULL));
    const ki_view *v = ki_view_acquire(s.rows);
    assert_null(v->ids); // given, but they continue the row
    ki_view_release(s.rows, v);
    id[0] = 100;
    id[1] = 50;
    id[2] = 101;
    must(put(&s, KI_PUT_ADD, floats(6, 3), id, NULL));
    must(put(&s, KI_PUT_ADD, floats(9, 1), NULL, NULL));
    v = ki_view_acquire(s.rows);
    assert_non_null(v->ids);
    assert_true(ki_view_id(v, 4) == 4 && ki_view_id(v, 7) == 50 && ki_view_id(v, 9) == 102);
    assert_true(v->next_id == 103);
    must(ki_view_check(v, &s.env, NULL));
    ki_view_release(s.rows, v);
    stop(&s);
}

static void ids_that_cannot_be(void **state)
{
    int64_t id[3] = {10, -1, 12};
    stage s;

    (void)state;
    start(&s, "F32", KITH_L2);
    refused(put(&s, KI_PUT_ADD, floats(0, 3), id, NULL), KITH_BAD_ARG, "row 1: id -1");
    id[0] = -2;
    id[2] = 0;
    refused(put(&s, KI_PUT_ADD, floats(0, 3), id, NULL), KITH_BAD_ARG, "row 1: id -1");
    id[1] = 42;
    id[2] = 42;
    refused(put(&s, KI_PUT_ADD, floats(0, 3), id, NULL), KITH_EXISTS,
            "id 42 is in row 1 and in row 2");
    refused(put(&s, KI_PUT_UPSERT, floats(0, 3), id, NULL), KITH_EXISTS, "in row 1 and in row 2");
    id[2] = 43;
    must(put(&s, KI_PUT_ADD, floats(0, 3), id, NULL));
    refused(put(&s, KI_PUT_ADD, floats(0, 3), id, NULL), KITH_EXISTS,
            "id -2 (row 0) is stored already");
    id[1] = 44;
    refused(put(&s, KI_PUT_UPDATE, floats(0, 3), id, NULL), KITH_NOT_FOUND,
            "id 44 (row 1) is not stored");
    assert_int_equal(live(&s), 3);
    stop(&s);
}

static void numbers_end(void **state)
{
    int64_t id[2] = {INT64_MAX - 1, INT64_MAX};
    stage s;

    (void)state;
    start(&s, "F32", KITH_L2);
    must(put(&s, KI_PUT_ADD, floats(0, 1), id, NULL));
    refused(put(&s, KI_PUT_ADD, floats(0, 2), NULL, NULL), KITH_LIMIT, "2 rows without ids");
    must(put(&s, KI_PUT_ADD, floats(1, 1), NULL, NULL)); // the last number
    refused(put(&s, KI_PUT_ADD, floats(0, 1), NULL, NULL), KITH_LIMIT, "without ids");
    id[0] = INT64_MIN; // does not continue INT64_MAX
    must(put(&s, KI_PUT_ADD, floats(2, 1), id, NULL));
    refused(put(&s, KI_PUT_ADD, floats(0, 1), id + 1, NULL), KITH_EXISTS, "9223372036854775807");
    const ki_view *v = ki_view_acquire(s.rows);
    uint32_t pos;
    must(ki_view_check(v, &s.env, NULL));
    assert_true(ki_view_find(v, INT64_MIN, &pos) && pos == 2);
    assert_true(ki_view_find(v, INT64_MAX, &pos) && pos == 1);
    assert_false(ki_view_find(v, -1, &pos));
    ki_view_release(s.rows, v);
    stop(&s);
}

/* The same id replaced again and again: neither slow nor forgotten. */
static void one_id_replaced_often(void **state)
{
    const int64_t id = 5;
    stage s;

    (void)state;
    start(&s, "F32", KITH_L2);
    must(put(&s, KI_PUT_ADD, floats(0, N), ids, labels));
    for (size_t i = 0; i < 20000; i++)
        must(put(&s, KI_PUT_UPSERT, floats(i % 2000, 1), &id, NULL));
    assert_int_equal(live(&s), N + 1);
    const ki_view *v = ki_view_acquire(s.rows);
    must(ki_view_check(v, &s.env, NULL));
    ki_view_release(s.rows, v);
    stop(&s);
}

/* ---- rows, labels ---------------------------------------------------------------------------- */

static void rows_that_cannot_be(void **state)
{
    float bad[3][D] = {{1, 2, 3, 4}, {1, 2, 3, 4}, {1, 2, 3, 4}};
    const char *label[3] = {"a", "b\xff", NULL};
    char *large = malloc(KITH_MAX_LABEL + 2);
    stage s;

    (void)state;
    start(&s, "U8", KITH_L2);
    bad[1][2] = (float)NAN;
    refused(put(&s, KI_PUT_ADD, KITH_ROWS(bad, 3, KITH_F32), NULL, NULL), KITH_BAD_ARG,
            "row 1, column 2 is NaN");
    bad[1][2] = 0.37f;
    refused(put(&s, KI_PUT_ADD, KITH_ROWS(bad, 3, KITH_F32), NULL, NULL), KITH_BAD_ARG,
            "row 1, column 2: 0.37");
    bad[1][2] = 0;
    refused(put(&s, KI_PUT_ADD, KITH_ROWS(bad, 3, KITH_F32), NULL, label), KITH_BAD_ARG,
            "row 1: byte 1 of its label, 0xff, is not UTF-8");
    memset(large, 'x', KITH_MAX_LABEL + 1);
    large[KITH_MAX_LABEL + 1] = 0;
    label[1] = large;
    refused(put(&s, KI_PUT_ADD, KITH_ROWS(bad, 3, KITH_F32), NULL, label), KITH_BAD_ARG,
            "row 1: its label is longer than 65535 bytes");
    large[KITH_MAX_LABEL] = 0;
    must(put(&s, KI_PUT_ADD, KITH_ROWS(bad, 3, KITH_F32), NULL, label));
    refused(put(&s, KI_PUT_ADD, (kith_rows){bad, 3, 2, KITH_F32}, NULL, NULL), KITH_BAD_ARG,
            "stride 2");
    refused(put(&s, KI_PUT_ADD, (kith_rows){NULL, 3, 0, KITH_F32}, NULL, NULL), KITH_BAD_ARG,
            "data is NULL");
    refused(put(&s, KI_PUT_ADD, (kith_rows){bad, SIZE_MAX / 4, 0, KITH_F32}, NULL, NULL),
            KITH_LIMIT, "rows of 4 components");
    refused(put(&s, KI_PUT_ADD, (kith_rows){bad, KITH_MAX_ROWS, 0, KITH_F32}, NULL, NULL),
            KITH_LIMIT, "more than 2147483646");
    assert_int_equal(live(&s), 3);
    stop(&s);
    free(large);
}

static void an_adaptive_store_widens(void **state)
{
    const float half[D] = {0.5f, 1, 2, 3};
    stage s;

    (void)state;
    start(&s, NULL, KITH_L2);
    must(put(&s, KI_PUT_ADD, floats(0, 2000), ids, labels));
    const ki_view *before = ki_view_acquire(s.rows);
    assert_int_equal(before->codec->type, KI_U8);
    must(put(&s, KI_PUT_ADD, KITH_ROWS(half, 1, KITH_F32), NULL, NULL));
    const ki_view *after = ki_view_acquire(s.rows);
    assert_int_equal(after->codec->type, KI_F32);
    assert_int_equal(after->scan_chunks, 1);
    assert_int_equal(after->scan[0].n, 2001);
    assert_int_equal(before->codec->type, KI_U8);
    assert_memory_equal(ki_view_code(after, 1999), x[1999], sizeof x[0]);
    must(ki_view_check(before, &s.env, NULL));
    must(ki_view_check(after, &s.env, NULL));
    ki_view_release(s.rows, before);
    ki_view_release(s.rows, after);

    ki_change *c; // without the fraction, compact finds bytes again
    bool removed;
    must(ki_change_begin(s.rows, &c));
    must(ki_change_remove(c, 2000, &removed));
    assert_true(removed);
    assert_null(ki_change_before(c));
    must(ki_change_compact(c, 2, NULL));
    assert_int_equal(ki_change_before(c)->n, 2001); // as they were, the removed one too
    assert_int_equal(ki_change_before(c)->live, 2000);
    assert_int_equal(ki_change_view(c)->n, 2000);
    assert_int_equal(ki_change_view(c)->codec->type, KI_U8);
    assert_int_equal(ki_change_view(c)->next_id, 2001);
    must(ki_view_check(ki_change_view(c), &s.env, NULL));
    ki_change_commit(c);
    assert_int_equal(live(&s), 2000);
    stop(&s);
}

/* What is stored depends on the rows and their order, not on batches, threads, or expectations. */
static void batches_do_not_matter(void **state)
{
    static const size_t batch[] = {2000, 1, 7, 1023, 1024, 333};
    memory_blob first, other;

    (void)state;
    for (size_t k = 0; k < sizeof batch / sizeof *batch; k++) {
        ki_change *c;
        stage s;

        start(&s, "F32", KITH_COSINE);
        must(ki_change_begin(s.rows, &c));
        if (k == 2) ki_change_expect(c, 5000);
        for (size_t at = 0; at < 2000; at += batch[k]) {
            const size_t n = at + batch[k] < 2000 ? batch[k] : 2000 - at;

            must(ki_change_put(c, KI_PUT_ADD, floats(at, n), ids + at, labels + at,
                               (uint32_t)(k % 3), NULL));
        }
        ki_change_commit(c);
        save(&s, k ? &other : &first);
        if (k) {
            assert_same(&first, &other);
            memory_blob_deinit(&other);
        }
        stop(&s);
    }
    memory_blob_deinit(&first);
}

/* Whether compact moves rows; if not, all must stay as it was. */
static bool is_poured(stage *s)
{
    memory_blob before, after;
    uint64_t generation;
    ki_change *c;
    bool poured;

    save(s, &before);
    must(ki_change_begin(s->rows, &c));
    generation = ki_change_view(c)->generation;
    must(ki_change_compact(c, 2, NULL));
    poured = ki_change_view(c)->generation != generation;
    ki_change_commit(c);
    save(s, &after);
    if (!poured) assert_same(&before, &after);
    memory_blob_deinit(&before);
    memory_blob_deinit(&after);
    return poured;
}

static void compact_moves_nothing_in_vain(void **state)
{
    static const char *const codecs[] = {NULL, "F32", "U8"};
    ki_change *c;
    bool removed;

    (void)state;
    for (size_t k = 0; k < 3; k++) {
        stage s;
        start(&s, codecs[k], KITH_L2);
        assert_false(is_poured(&s)); // no rows
        must(put(&s, KI_PUT_ADD, floats(0, 1500), ids, labels));
        assert_false(is_poured(&s));
        must(ki_change_begin(s.rows, &c));
        must(ki_change_remove(c, 30, &removed));
        ki_change_commit(c);
        assert_true(is_poured(&s));
        assert_false(is_poured(&s));
        must(ki_change_begin(s.rows, &c)); // replaced labels take room, too
        for (size_t i = 0; i < 1500; i++) must(ki_change_label(c, 3, i % 2 ? "odd" : "even"));
        ki_change_commit(c);
        assert_true(is_poured(&s));
        assert_false(is_poured(&s));
        stop(&s);
    }
}

static void snapshots_can_run_out(void **state)
{
    static const ki_view *view[1100];
    size_t n = 0;
    ki_change *c;
    stage s;

    (void)state;
    start(&s, "F32", KITH_L2);
    for (;; n++) {
        const kith_status st = ki_change_begin(s.rows, &c);

        if (st != KITH_OK) break;
        view[n] = ki_view_acquire(s.rows);
        ki_change_commit(c);
    }
    assert_int_equal(n, 1023);
    refused(ki_change_begin(s.rows, &c), KITH_LIMIT, "1024 snapshots are in use");
    ki_view_release(s.rows, view[17]);
    must(ki_change_begin(s.rows, &c));
    ki_change_commit(c);
    for (size_t i = 0; i < n; i++)
        if (i != 17) ki_view_release(s.rows, view[i]);
    stop(&s);
}

/* ---- failures at every point ----------------------------------------------------------------- */

/* One change of every kind of step; a second store is there to be merged. */
static kith_status all_steps(stage *s, const ki_view *from, ki_progress *p)
{
    float half[D] = {0.5f, 1, 2, 3};
    int64_t some[3] = {6, 5000, 9};
    const char *text[3] = {"new", NULL, "four"};
    ki_change *c = NULL;
    kith_status st = KITH_OK;
    bool removed;

    KI_TRY(ki_change_begin(s->rows, &c));
    KI_TRY(ki_change_put(c, KI_PUT_ADD, floats(N, 1100), ids + N, labels + N, 2, p));
    KI_TRY(ki_change_put(c, KI_PUT_UPSERT, floats(7, 3), some, text, 2, p));
    KI_TRY(ki_change_remove(c, 3, &removed));
    KI_TRY(ki_change_label(c, 9, "a label"));
    KI_TRY(ki_change_put(c, KI_PUT_ADD, KITH_ROWS(half, 1, KITH_F32), NULL, NULL, 2, p));
    KI_TRY(ki_change_merge(c, from, 2, p));
    KI_TRY(ki_change_compact(c, 2, p));
    KI_TRY(ki_change_label(c, 6, "another"));
    ki_change_commit(c);
    c = NULL;
out:
    ki_change_abort(c);
    return st;
}

typedef struct failure {
    size_t at; // which allocation or poll
    size_t polls;
} failure;

static int cancel_at(void *ctx, const char *phase, uint64_t done, uint64_t total)
{
    failure *f = ctx;

    (void)phase;
    (void)done;
    (void)total;
    return ++f->polls == f->at;
}

static void prepare(stage *s, stage *other, memory_blob *before)
{
    const int64_t there = 7777;

    start(other, "F32", KITH_L2);
    must(put(other, KI_PUT_ADD, floats(3, 1), &there, labels));
    start(s, NULL, KITH_L2);
    must(put(s, KI_PUT_ADD, floats(0, N), ids, labels));
    save(s, before);
}

static void assert_unchanged(stage *s, const memory_blob *before)
{
    memory_blob now;

    save(s, &now);
    assert_same(before, &now);
    memory_blob_deinit(&now);
}

static void every_allocation_fails(void **state)
{
    stage s, other;
    memory_blob before;
    bool all_made = false;
    size_t failed = 0;

    (void)state;
    for (size_t n = 1; !all_made; n++) {
        prepare(&s, &other, &before);
        const ki_view *from = ki_view_acquire(other.rows);
        kith_status st;

        failing_alloc_at(&s.host, n, false);
        st = all_steps(&s, from, NULL);
        all_made = !failing_happened(&s.host);
        failing_alloc_at(&s.host, 0, false);
        if (st != KITH_OK) {
            assert_int_equal(st, KITH_NO_MEMORY);
            assert_unchanged(&s, &before);
            must(all_steps(&s, from, NULL));
            failed++;
        }
        assert_int_equal(live(&s), 1 + N - 1 + 1100 + 1 + 1);
        ki_view_release(other.rows, from);
        memory_blob_deinit(&before);
        stop(&s);
        stop(&other);
    }
    assert_true(failed > 50);
}

static void every_poll_cancels(void **state)
{
    stage s, other;
    memory_blob before;
    kith_status st = KITH_CANCELLED;

    (void)state;
    for (size_t n = 1; st != KITH_OK; n++) {
        failure f = {n, 0};
        const kith_watch watch = {cancel_at, &f};
        ki_progress p;

        prepare(&s, &other, &before);
        const ki_view *from = ki_view_acquire(other.rows);
        ki_progress_init(&p, &watch, "test", 0);
        st = all_steps(&s, from, &p);
        if (st != KITH_OK) {
            assert_int_equal(st, KITH_CANCELLED);
            assert_unchanged(&s, &before);
        }
        ki_view_release(other.rows, from);
        memory_blob_deinit(&before);
        stop(&s);
        stop(&other);
        if (f.polls < n) break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_numbered_or_given),
        cmocka_unit_test(ids_that_cannot_be),
        cmocka_unit_test(numbers_end),
        cmocka_unit_test(one_id_replaced_often),
        cmocka_unit_test(rows_that_cannot_be),
        cmocka_unit_test(an_adaptive_store_widens),
        cmocka_unit_test(batches_do_not_matter),
        cmocka_unit_test(compact_moves_nothing_in_vain),
        cmocka_unit_test(snapshots_can_run_out),
        cmocka_unit_test(every_allocation_fails),
        cmocka_unit_test(every_poll_cancels),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
