/* The row store against an oracle: random changes, committed or undone, on a store and on a plain
 * array; after each the store must check and answer as the array does, and so must the views that
 * were kept from before. Prints the seed of what failed. */
#include "support/harness.h"

#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "rows/rows.h"
#include "support/failing.h"
#include "support/memory_blob.h"

enum { D = 6, LABELS = 9, KEPT = 3, BATCH = 40 };

typedef struct row {
    int64_t id;
    float x[D];
    int label; // of texts, 0 = none
} row;

static const char *const texts[LABELS] = {"",
                                          "a",
                                          "b",
                                          "ab",
                                          "a much longer label, longer than eight bytes",
                                          "a much longer label, longer than nine bytes",
                                          "\xc3\xa9t\xc3\xa9",
                                          "zz",
                                          "B"};

/* owns: row */
typedef struct oracle {
    row *row;
    size_t n, room;
    int64_t next_id;
} oracle;

typedef struct world {
    uint64_t seed, drawn;
    failing_host host;
    ki_env env;
    ki_rows *rows;
    oracle now;
    const ki_view *kept[KEPT];
    oracle then[KEPT];
    memory_blob blob; // behind a store that was opened
    bool opened, u8;
    kith_metric metric;
} world;

static uint32_t draw(world *w, uint32_t below)
{
    return ki_random_below(w->seed, KI_RNG_TEST, w->drawn++, below);
}

/* ---- the oracle ------------------------------------------------------------------------------ */

static void oracle_copy(const oracle *from, oracle *to)
{
    *to = *from;
    to->row = malloc((from->room + 1) * sizeof *to->row);
    assert_non_null(to->row);
    if (from->n) memcpy(to->row, from->row, from->n * sizeof *to->row);
}

static size_t oracle_find(const oracle *o, int64_t id)
{
    size_t i = 0;

    while (i < o->n && o->row[i].id != id) i++;
    return i;
}

static void oracle_drop(oracle *o, size_t i)
{
    memmove(o->row + i, o->row + i + 1, (o->n - i - 1) * sizeof *o->row);
    o->n--;
}

static void oracle_append(oracle *o, const row *r)
{
    if (o->n == o->room) {
        o->room = 2 * o->room + 16;
        o->row = realloc(o->row, o->room * sizeof *o->row);
        assert_non_null(o->row);
    }
    o->row[o->n++] = *r;
    if (o->next_id != KITH_NO_ID && r->id >= o->next_id)
        o->next_id = r->id == INT64_MAX ? KITH_NO_ID : r->id + 1;
}

/* What a put should answer; the oracle follows when it is OK. */
static kith_status oracle_put(oracle *o, ki_put how, const row *r, size_t n, bool ids)
{
    kith_status st = KITH_OK;
    oracle was;

    oracle_copy(o, &was);
    for (size_t i = 0; i < n && st == KITH_OK; i++) {
        row new = r[i];
        size_t at;

        if (!ids) new.id = o->next_id;
        at = oracle_find(o, new.id);
        for (size_t j = 0; j < i && ids; j++)
            if (r[j].id == new.id) st = KITH_EXISTS;
        if (new.id == KITH_NO_ID) st = ids ? KITH_BAD_ARG : KITH_LIMIT;
        if (st != KITH_OK) break;
        if (at < o->n && how == KI_PUT_ADD) st = KITH_EXISTS;
        if (at == o->n && how == KI_PUT_UPDATE) st = KITH_NOT_FOUND;
        if (st != KITH_OK) break;
        if (at < o->n) {
            if (new.label < 0) new.label = o->row[at].label;
            oracle_drop(o, at);
        }
        if (new.label < 0) new.label = 0;
        oracle_append(o, &new);
    }
    if (st != KITH_OK) {
        free(o->row);
        *o = was;
    } else {
        free(was.row);
    }
    return st;
}

/* ---- comparison ------------------------------------------------------------------------------ */

static int by_id(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static void compare_labels(world *w, const ki_view *v, const oracle *o)
{
    int64_t *want = malloc((o->n + 1) * sizeof *want), *got = malloc((o->n + 1) * sizeof *got);

    for (int label = 0; label < LABELS; label++) {
        size_t n = 0, found;

        for (size_t i = 0; i < o->n; i++)
            if (label && o->row[i].label == label) want[n++] = o->row[i].id;
        qsort(want, n, sizeof *want, by_id);
        must(ki_view_find_label(v, &w->env, texts[label], got, o->n, &found));
        assert_int_equal(found, n);
        assert_memory_equal(got, want, n * sizeof *want);
    }
    free(want);
    free(got);
}

static void compare(world *w, const ki_view *v, const oracle *o)
{
    size_t at = 0;

    must(ki_view_check(v, &w->env, NULL));
    assert_int_equal(v->live, o->n);
    assert_true(v->next_id == o->next_id);
    for (uint32_t pos = 0; pos < v->n; pos++) {
        const row *r = &o->row[at];
        float x[D];
        size_t len;

        if (!ki_view_live(v, pos)) continue;
        assert_true(at++ < o->n);
        assert_true(ki_view_id(v, pos) == r->id);
        ki_codec_decode(v->codec, ki_view_code(v, pos), v->row_bytes, 1, D, x);
        assert_memory_equal(x, r->x, sizeof x);
        assert_string_equal(ki_view_label(v, pos, &len), texts[r->label]);
        assert_int_equal(len, strlen(texts[r->label]));
    }
    assert_int_equal(at, o->n);
    compare_labels(w, v, o);
}

static void compare_now(world *w)
{
    const ki_view *v = ki_view_acquire(w->rows);

    compare(w, v, &w->now);
    ki_view_release(w->rows, v);
}

/* ---- random rows ----------------------------------------------------------------------------- */

static int64_t draw_id(world *w)
{
    const uint32_t kind = draw(w, 20);

    if (kind == 0) return -(int64_t)draw(w, 20);
    if (kind == 1) return (int64_t)(ki_random(w->seed, KI_RNG_TEST, w->drawn++) >> 2);
    if (kind < 8 && w->now.n) return w->now.row[draw(w, (uint32_t)w->now.n)].id;
    return draw(w, 3000);
}

static void draw_row(world *w, row *r)
{
    const bool fraction = !w->u8 && draw(w, 4) > 0;

    *r = (row){.id = draw_id(w), .label = (int)draw(w, LABELS + 4) - 4};
    for (size_t j = 0; j < D; j++) r->x[j] = (float)draw(w, 256) + (fraction ? 0.25f : 0.0f);
    if (r->label < 0) r->label = -1;
}

/* A batch in one of the types that hold its values; freed by the caller. */
static kith_rows rows_of(world *w, const row *r, size_t n)
{
    const size_t gap = draw(w, 3) ? 0 : 4 + draw(w, 3), stride = D * 8 + gap;
    const bool f64 = draw(w, 3) == 0;
    uint8_t *data = malloc(n * stride + 8);

    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < D; j++) {
            const double x = (double)r[i].x[j];

            if (f64)
                memcpy(data + i * stride + 8 * j, &x, 8);
            else
                memcpy(data + i * stride + 4 * j, &r[i].x[j], 4);
        }
    return (kith_rows){data, n, stride, f64 ? KITH_F64 : KITH_F32};
}

/* ---- steps of a change ----------------------------------------------------------------------- */

static kith_status do_put(world *w, ki_change *c)
{
    const ki_put how = (ki_put)draw(w, 3);
    const bool ids = draw(w, 3) > 0, labels = draw(w, 2), follow = draw(w, 4) == 0;
    const size_t n = draw(w, 8) == 0 ? draw(w, BATCH) : draw(w, 3) + 1;
    row r[BATCH];
    int64_t id[BATCH];
    const char *label[BATCH];
    kith_status st, want;
    kith_rows x;

    for (size_t i = 0; i < n; i++) {
        draw_row(w, &r[i]);
        if (follow && w->now.next_id != KITH_NO_ID) r[i].id = w->now.next_id + (int64_t)i;
        if (!labels) r[i].label = -1;
        id[i] = r[i].id;
        label[i] = r[i].label < 0 ? NULL : texts[r[i].label];
    }
    x = rows_of(w, r, n);
    want = oracle_put(&w->now, how, r, n, ids);
    st = ki_change_put(c, how, x, ids ? id : NULL, labels ? label : NULL, draw(w, 3), NULL);
    if (st != want)
        fail_msg("put of %zu: %s, not %s: %s", n, kith_status_name(st), kith_status_name(want),
                 kith_last_error());
    free((void *)(uintptr_t)x.data);
    return st;
}

static kith_status do_bad_put(world *w, ki_change *c)
{
    float x[2 * D] = {0};

    x[draw(w, 2 * D)] = draw(w, 2) ? (float)NAN : (float)INFINITY;
    refused(ki_change_put(c, KI_PUT_ADD, KITH_ROWS(x, 2, KITH_F32), NULL, NULL, 1, NULL),
            KITH_BAD_ARG, "row ");
    return KITH_BAD_ARG;
}

static void do_remove(world *w, ki_change *c)
{
    const int64_t id = draw_id(w);
    const size_t at = oracle_find(&w->now, id);
    bool removed;

    must(ki_change_remove(c, id, &removed));
    assert_int_equal(removed, at < w->now.n);
    if (removed) oracle_drop(&w->now, at);
}

static void do_label(world *w, ki_change *c)
{
    const int64_t id = draw_id(w);
    const size_t at = oracle_find(&w->now, id);
    const int label = (int)draw(w, LABELS);

    if (at == w->now.n) {
        refused(ki_change_label(c, id, texts[label]), KITH_NOT_FOUND, "is not stored");
        return;
    }
    must(ki_change_label(c, id, label ? texts[label] : NULL));
    w->now.row[at].label = label;
}

static kith_status do_merge(world *w, ki_change *c)
{
    const size_t n = draw(w, BATCH);
    const ki_codec *codec = draw(w, 2) ? ki_codec_find("F32") : NULL;
    kith_status st, want;
    const ki_view *v;
    ki_change *other;
    ki_rows *from;
    row r[BATCH];
    oracle one = {0};

    must(ki_rows_create(&w->env, codec, D, w->metric, 0, true, &from));
    must(ki_change_begin(from, &other));
    for (size_t i = 0; i < n; i++) {
        const char *label;

        draw_row(w, &r[i]);
        if (draw(w, 8)) r[i].id = w->now.next_id + 2 * (int64_t)i;
        label = r[i].label < 0 ? NULL : texts[r[i].label];
        if (r[i].id == KITH_NO_ID || oracle_put(&one, KI_PUT_ADD, &r[i], 1, true) != KITH_OK)
            continue;
        must(ki_change_put(other, KI_PUT_ADD, KITH_ROWS(r[i].x, 1, KITH_F32), &r[i].id, &label, 1,
                           NULL));
        if (draw(w, 4) == 0) {
            bool removed;

            must(ki_change_remove(other, r[i].id, &removed));
            oracle_drop(&one, oracle_find(&one, r[i].id));
        }
    }
    ki_change_commit(other);
    v = ki_view_acquire(from);
    want = oracle_put(&w->now, KI_PUT_ADD, one.row, one.n, true);
    st = ki_change_merge(c, v, 2, NULL);
    if (st != want)
        fail_msg("merge: %s, not %s: %s", kith_status_name(st), kith_status_name(want),
                 kith_last_error());
    ki_view_release(from, v);
    ki_rows_free(from);
    free(one.row);
    return st;
}

/* One to four steps, then commit or abort. */
static void change(world *w)
{
    kith_status st = KITH_OK;
    ki_change *c;
    oracle was;

    oracle_copy(&w->now, &was);
    must(ki_change_begin(w->rows, &c));
    for (uint32_t i = 0, n = 1 + draw(w, 4); i < n && st == KITH_OK; i++) {
        const uint32_t kind = draw(w, 40);

        if (kind < 18)
            st = do_put(w, c);
        else if (kind < 19)
            st = do_bad_put(w, c);
        else if (kind < 30)
            do_remove(w, c);
        else if (kind < 37)
            do_label(w, c);
        else if (kind < 38)
            must(ki_change_compact(c, 2, NULL));
        else if (kind < 39)
            ki_change_expect(c, draw(w, 4000));
        else
            st = do_merge(w, c);
    }
    if (st != KITH_OK || draw(w, 5) == 0) {
        ki_change_abort(c);
        free(w->now.row);
        w->now = was;
        return;
    }
    compare(w, ki_change_view(c), &w->now);
    ki_change_commit(c);
    free(was.row);
}

/* ---- views, files ---------------------------------------------------------------------------- */

static void let_go(world *w, size_t i)
{
    if (!w->kept[i]) return;
    compare(w, w->kept[i], &w->then[i]);
    ki_view_release(w->rows, w->kept[i]);
    free(w->then[i].row);
    w->kept[i] = NULL;
}

static void keep(world *w)
{
    const size_t i = draw(w, KEPT);

    let_go(w, i);
    w->kept[i] = ki_view_acquire(w->rows);
    oracle_copy(&w->now, &w->then[i]);
}

static void close_store(world *w)
{
    for (size_t i = 0; i < KEPT; i++) let_go(w, i);
    ki_rows_free(w->rows);
    w->rows = NULL;
    if (w->opened) {
        assert_int_equal(atomic_load(&w->blob.shares), 0);
        memory_blob_deinit(&w->blob);
    }
}

static void save(const ki_view *v, memory_blob *b, size_t shift)
{
    memory_blob_init(b);
    b->shift = shift;
    must(ki_view_write(v, &b->writer, false));
}

static void same_sections(const memory_blob *a, const memory_blob *b)
{
    assert_int_equal(a->count, b->count);
    for (size_t i = 0; i < a->count; i++) {
        assert_int_equal(a->section[i].type, b->section[i].type);
        assert_int_equal(a->section[i].len, b->section[i].len);
        assert_memory_equal(a->section[i].bytes, b->section[i].bytes, a->section[i].len);
    }
}

/* Save, open what was saved, and save it again: the same bytes. */
static void reopen(world *w)
{
    const ki_view *v = ki_view_acquire(w->rows);
    memory_blob first, second;

    save(v, &first, draw(w, 2) ? 0 : draw(w, 8));
    ki_view_release(w->rows, v);
    close_store(w);
    w->blob = first;
    w->opened = true;
    must(ki_rows_open(&w->env, &w->blob.reader, &w->blob, memory_blob_share, memory_blob_release,
                      &w->rows));
    v = ki_view_acquire(w->rows);
    save(v, &second, 0);
    ki_view_release(w->rows, v);
    same_sections(&w->blob, &second);
    memory_blob_deinit(&second);
}

/* ---- runs ------------------------------------------------------------------------------------ */

static void run(uint64_t seed, const char *codec, kith_metric m, bool u8, size_t start, int steps)
{
    world *w = calloc(1, sizeof *w);

    print_message("seed %llu\n", (unsigned long long)seed);
    w->seed = seed;
    w->metric = m;
    w->u8 = u8;
    failing_init(&w->host);
    must(ki_env_init(&w->env, &w->host.host));
    must(ki_rows_create(&w->env, codec ? ki_codec_find(codec) : NULL, D, m, 0, true, &w->rows));
    for (size_t at = 0; at < start;) {
        row *r = calloc(start, sizeof *r);
        const size_t n = 1 + draw(w, (uint32_t)(start - at));
        ki_change *c;
        kith_rows x;

        for (size_t i = 0; i < n; i++) {
            draw_row(w, &r[i]);
            r[i].label = 0;
            r[i].id = w->now.next_id;
            oracle_append(&w->now, &r[i]);
        }
        x = rows_of(w, r, n);
        must(ki_change_begin(w->rows, &c));
        must(ki_change_put(c, KI_PUT_ADD, x, NULL, NULL, 2, NULL));
        ki_change_commit(c);
        free((void *)(uintptr_t)x.data);
        free(r);
        at += n;
    }
    compare_now(w);
    for (int i = 0; i < steps; i++) {
        change(w);
        if (draw(w, 4) == 0) compare_now(w);
        if (draw(w, 6) == 0) keep(w);
        if (draw(w, 8) == 0) let_go(w, draw(w, KEPT));
        if (draw(w, 30) == 0) reopen(w);
    }
    compare_now(w);
    close_store(w);
    free(w->now.row);
    assert_null(failing_complaint(&w->host));
    free(w);
}

static void adaptive(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) run(seed, NULL, KITH_L2, seed % 2 == 0, 0, 500);
}

static void floats_with_scan_code(void **state)
{
    (void)state;
    for (uint64_t seed = 20; seed < 22; seed++) run(seed, "F32", KITH_COSINE, false, 1000, 150);
}

static void bytes(void **state)
{
    (void)state;
    run(30, "U8", KITH_L1, true, 100, 400);
}

static void around_the_end_of_a_chunk(void **state)
{
    (void)state;
    run(40, NULL, KITH_L2, false, KI_CHUNK - 30, 12);
}

static void several_chunks(void **state)
{
    (void)state;
    run(50, "U8", KITH_L1, true, 2 * KI_CHUNK + 100, 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adaptive),       cmocka_unit_test(floats_with_scan_code),
        cmocka_unit_test(bytes),          cmocka_unit_test(around_the_end_of_a_chunk),
        cmocka_unit_test(several_chunks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
