/* Readers beside one writer: threads take views, read everything they show and give them back,
 * while changes of every kind are published and undone. Built with the thread sanitizer this finds
 * every access that is not ordered; here each view must also agree with itself. */
#include "support/harness.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "rows/filter.h"
#include "support/failing.h"

enum { D = 8, READERS = 3, CHANGES = 400 };

typedef struct stage {
    failing_host host;
    ki_env env;
    ki_rows *rows;
    const kith_filter *bound;
    atomic_bool over;
    atomic_size_t views, wrong;
} stage;

/* Component j of a row says which id it is. */
static float value(int64_t id, size_t j)
{
    return (float)(id % 1000) + (float)j / 16;
}

static bool row_is_right(const ki_view *v, uint32_t pos)
{
    float x[D];
    size_t len;
    const char *label = ki_view_label(v, pos, &len);
    const int64_t id = ki_view_id(v, pos);
    uint32_t found;

    ki_codec_decode(v->codec, ki_view_code(v, pos), v->row_bytes, 1, D, x);
    for (size_t j = 0; j < D; j++)
        if (x[j] != value(id, j)) return false;
    if (strlen(label) != len || (len && label[0] != 'l')) return false;
    return !ki_view_live(v, pos) || (ki_view_find(v, id, &found) && found == pos);
}

static bool view_is_right(stage *s, const ki_view *v)
{
    uint32_t live = 0;
    int64_t ids[16];
    size_t n;

    for (uint32_t pos = 0; pos < v->n; pos++) {
        if (!row_is_right(v, pos)) return false;
        live += ki_view_live(v, pos);
    }
    if (live != v->live || ki_view_find_label(v, &s->env, "l3", ids, 16, &n) != KITH_OK)
        return false;
    for (size_t i = 0; i < n && i < 16; i++) {
        uint32_t pos;

        if (!ki_view_find(v, ids[i], &pos) || strcmp(ki_view_label(v, pos, &n), "l3") != 0)
            return false;
    }
    return true;
}

static void count_bytes(void *ctx, const char *name, const char *text, double bytes)
{
    (void)name;
    (void)text;
    *(double *)ctx += bytes;
}

static void *read_views(void *arg)
{
    stage *s = arg;
    ki_mask mask;

    while (!atomic_load(&s->over)) {
        const ki_view *v = ki_view_acquire(s->rows);
        double bytes = 0;

        if (!view_is_right(s, v)) atomic_fetch_add(&s->wrong, 1);
        ki_view_stats(v, count_bytes, &bytes);
        if (ki_filter_mask(s->bound, s->rows, v, &s->env, &mask) != KITH_OK || mask.count > v->live)
            atomic_fetch_add(&s->wrong, 1);
        else
            ki_mask_free(&s->env, &mask);
        ki_view_release(s->rows, v);
        atomic_fetch_add(&s->views, 1);
    }
    return NULL;
}

static void put_some(ki_change *c, uint64_t i, int64_t from)
{
    const size_t n = 1 + ki_random_below(1, KI_RNG_TEST, i, 30);
    char text[30][8];
    const char *label[30];
    int64_t id[30];
    float x[30][D];

    for (size_t k = 0; k < n; k++) {
        id[k] = from + (int64_t)k;
        for (size_t j = 0; j < D; j++) x[k][j] = value(id[k], j);
        snprintf(text[k], sizeof text[k], "l%u", ki_random_below(2, KI_RNG_TEST, i + k, 7));
        label[k] = k % 3 ? text[k] : NULL;
    }
    must(ki_change_put(c, KI_PUT_UPSERT, KITH_ROWS(x, n, KITH_F32), id, label, 2, NULL));
}

static void step(stage *s, uint64_t i)
{
    const uint32_t kind = ki_random_below(3, KI_RNG_TEST, i, 20);
    const int64_t at = ki_random_below(4, KI_RNG_TEST, i, 900);
    ki_change *c;
    bool removed;

    must(ki_change_begin(s->rows, &c));
    if (kind < 8) put_some(c, i, at);
    if (kind >= 8 && kind < 14)
        for (int64_t k = 0; k < 5; k++) must(ki_change_remove(c, at + k, &removed));
    if (kind >= 14 && kind < 19) (void)ki_change_label(c, at, i % 2 ? "l3" : "l4");
    if (kind == 19) must(ki_change_compact(c, 2, NULL));
    if (i % 5 == 0) {
        put_some(c, i + 1, at + 40);
        ki_change_abort(c);
    } else {
        ki_change_commit(c);
    }
}

static void start(stage *s)
{
    ki_change *c;

    failing_init(&s->host);
    must(ki_env_init(&s->env, &s->host.host));
    must(ki_rows_create(&s->env, NULL, D, KITH_L2, 0, true, &s->rows));
    must(ki_change_begin(s->rows, &c));
    for (int64_t id = 0; id < 1000; id += 30) put_some(c, (uint64_t)id, id);
    ki_change_commit(c);
}

static void bind(stage *s, kith_filter **f, kith_filter **bound)
{
    const ki_view *v = ki_view_acquire(s->rows);

    must(kith_filter_range(100, 700, NULL, f));
    must(ki_filter_bind(s->rows, v, *f, bound));
    ki_view_release(s->rows, v);
    s->bound = *bound;
}

static void readers_see_whole_views(void **state)
{
    static stage s;
    pthread_t reader[READERS];
    kith_filter *f, *bound;

    (void)state;
    start(&s);
    bind(&s, &f, &bound);
    for (size_t i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&reader[i], NULL, read_views, &s), 0);
    for (uint64_t i = 0; i < CHANGES; i++) step(&s, i);
    while (atomic_load(&s.views) < 20) continue;
    atomic_store(&s.over, true);
    for (size_t i = 0; i < READERS; i++) assert_int_equal(pthread_join(reader[i], NULL), 0);
    assert_int_equal(atomic_load(&s.wrong), 0);
    kith_filter_free(f);
    kith_filter_free(bound);
    ki_rows_free(s.rows);
    assert_null(failing_complaint(&s.host));
}

/* Old views live until their readers give them back, in any order; then their memory is gone. */
static void last_reader_frees(void **state)
{
    static stage s;
    const ki_view *v[40];
    uint32_t n[40];
    size_t before;

    (void)state;
    memset(&s, 0, sizeof s);
    start(&s);
    for (size_t i = 0; i < 40; i++) {
        v[i] = ki_view_acquire(s.rows);
        n[i] = v[i]->n;
        step(&s, 1000 + i);
    }
    before = atomic_load(&s.env.bytes);
    for (size_t i = 0; i < 40; i++) {
        const size_t k = i * 7 % 40;

        assert_int_equal(v[k]->n, n[k]);
        assert_true(view_is_right(&s, v[k]));
        ki_view_release(s.rows, v[k]);
    }
    assert_true(atomic_load(&s.env.bytes) < before);
    ki_rows_free(s.rows);
    assert_null(failing_complaint(&s.host));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers_see_whole_views),
        cmocka_unit_test(last_reader_frees),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
