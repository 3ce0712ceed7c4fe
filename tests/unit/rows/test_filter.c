/* Filters: every kind and join against the definition, on consecutive and on own ids; masks that
 * bound filters lend or make anew. */
#include "support/harness.h"

#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "rows/filter.h"
#include "support/failing.h"

enum { N = 700, WORDS = 20, LIST = 150 };

static uint64_t words[WORDS];
static int64_t list[LIST];

static int keep_thirds(void *ctx, int64_t id)
{
    ++*(int *)ctx;
    return id % 3 == 0;
}

/* What each filter of the test means, in the order of make_filters. */
static bool passes(size_t kind, int64_t id)
{
    switch (kind) {
    case 0: return id >= 0 && id < WORDS * 64 - 5 && ki_bit_get(words, (size_t)id);
    case 1:
        for (size_t i = 0; i < LIST; i++)
            if (list[i] == id) return true;
        return false;
    case 2: return id >= -5 && id <= 333;
    case 3: return id % 3 == 0;
    case 4: return passes(0, id) && passes(2, id);
    case 5: return passes(1, id) || passes(3, id);
    case 6: return !passes(2, id);
    case 7: return !passes(4, id) && passes(5, id);
    case 8: return false;
    case 9: return true;
    case 10: return id == 7;
    default: return id >= 64 && id <= 127;
    }
}
enum { KINDS = 12 };

static void make_filters(kith_filter *f[KINDS], int *calls)
{
    kith_filter *not4;

    for (size_t i = 0; i < WORDS; i++) words[i] = ki_random(5, KI_RNG_TEST, i);
    for (size_t i = 0; i < LIST; i++) list[i] = ki_random_below(6, KI_RNG_TEST, i, 900) - 20;
    must(kith_filter_bits(words, WORDS * 64 - 5, NULL, &f[0]));
    must(kith_filter_ids(list, LIST, NULL, &f[1]));
    must(kith_filter_range(-5, 333, NULL, &f[2]));
    must(kith_filter_call(keep_thirds, calls, NULL, &f[3]));
    must(kith_filter_join(KITH_AND, f[0], f[2], &f[4]));
    must(kith_filter_join(KITH_OR, f[1], f[3], &f[5]));
    must(kith_filter_join(KITH_NOT, f[2], NULL, &f[6]));
    must(kith_filter_join(KITH_NOT, f[4], NULL, &not4));
    must(kith_filter_join(KITH_AND, not4, f[5], &f[7]));
    kith_filter_free(not4); // f[7] keeps it
    must(kith_filter_range(10, 9, NULL, &f[8]));
    must(kith_filter_range(INT64_MIN, INT64_MAX, NULL, &f[9]));
    must(kith_filter_ids((const int64_t[]){7, 7, 7}, 3, NULL, &f[10]));
    must(kith_filter_range(64, 127, NULL, &f[11]));
}

typedef struct stage {
    failing_host host;
    ki_env env;
    ki_rows *rows;
    kith_filter *filter[KINDS];
    int calls;
} stage;

static void add(stage *s, size_t n, const int64_t *ids)
{
    static const uint8_t zero[N];
    ki_change *c;

    must(ki_change_begin(s->rows, &c));
    must(ki_change_put(c, KI_PUT_ADD, KITH_ROWS(zero, n, KITH_U8), ids, NULL, 1, NULL));
    ki_change_commit(c);
}

static void remove_one(stage *s, int64_t id)
{
    ki_change *c;
    bool removed;

    must(ki_change_begin(s->rows, &c));
    must(ki_change_remove(c, id, &removed));
    assert_true(removed);
    ki_change_commit(c);
}

static void start(stage *s, bool own_ids, int64_t first)
{
    int64_t ids[N];

    failing_init(&s->host);
    s->calls = 0;
    must(ki_env_init(&s->env, &s->host.host));
    must(ki_rows_create(&s->env, NULL, 1, KITH_L2, 0, true, &s->rows));
    make_filters(s->filter, &s->calls);
    for (size_t i = 0; i < N; i++)
        ids[i] = own_ids ? (int64_t)(i * 31 % N) : first + (int64_t)i;
    add(s, N, ids);
    remove_one(s, ids[40]);
    remove_one(s, ids[400]);
}

static void stop(stage *s)
{
    for (size_t i = 0; i < KINDS; i++) kith_filter_free(s->filter[i]);
    ki_rows_free(s->rows);
    assert_null(failing_complaint(&s->host));
}

/* The mask of f is what `kind` says about the first n rows. */
static void compare(stage *s, const kith_filter *f, size_t kind, uint32_t n)
{
    const ki_view *v = ki_view_acquire(s->rows);
    uint32_t count = 0;
    ki_mask m;

    must(ki_filter_mask(f, s->rows, v, &s->env, &m));
    assert_int_equal(m.n, n);
    for (uint32_t pos = 0; pos < n; pos++) {
        const bool want = ki_view_live(v, pos) && passes(kind, ki_view_id(v, pos));

        if (ki_bit_get(m.words, pos) != want)
            fail_msg("filter %zu, row %u, id %lld", kind, pos, (long long)ki_view_id(v, pos));
        count += want;
    }
    for (size_t pos = n; pos < ki_bit_words(n) * 64; pos++)
        assert_false(ki_bit_get(m.words, pos));
    assert_int_equal(m.count, count);
    ki_mask_free(&s->env, &m);
    ki_view_release(s->rows, v);
}

static void every_kind_by_its_definition(void **state)
{
    static const int64_t first[] = {0, 1, 63, 64, 100, 1000, 1274};
    stage s;

    (void)state;
    for (size_t i = 0; i < 1 + sizeof first / sizeof *first; i++) {
        start(&s, i == 0, i ? first[i - 1] : 0);
        for (size_t k = 0; k < KINDS; k++) compare(&s, s.filter[k], k, N);
        assert_true(s.calls > 0);
        stop(&s);
    }
}

static void negative_ids(void **state)
{
    int64_t ids[20];
    stage s;

    (void)state;
    start(&s, true, 0);
    ki_rows_free(s.rows);
    must(ki_rows_create(&s.env, NULL, 1, KITH_L2, 0, true, &s.rows));
    for (size_t i = 0; i < 20; i++) ids[i] = -25 + (int64_t)i;
    add(&s, 20, ids); // consecutive, below -1
    for (size_t k = 0; k < KINDS; k++) compare(&s, s.filter[k], k, 20);
    stop(&s);
}

static void bind(stage *s, const kith_filter *f, kith_filter **out)
{
    const ki_view *v = ki_view_acquire(s->rows);

    must(ki_filter_bind(s->rows, v, f, out));
    ki_view_release(s->rows, v);
}

static void bound_filters_lend_and_follow(void **state)
{
    kith_filter *bound, *twice, *joined;
    const ki_view *old, *v;
    ki_change *c;
    ki_mask m;
    stage s;

    (void)state;
    start(&s, true, 0);
    bind(&s, s.filter[5], &bound);
    bind(&s, bound, &twice);
    old = ki_view_acquire(s.rows);
    must(ki_filter_mask(bound, s.rows, old, &s.env, &m));
    assert_null(m.owned); // lent
    ki_mask_free(&s.env, &m);
    compare(&s, bound, 5, N);
    compare(&s, twice, 5, N);

    add(&s, 50, NULL); // these do not pass
    compare(&s, bound, 5, N);
    remove_one(&s, 3);
    v = ki_view_acquire(s.rows);
    must(ki_filter_mask(bound, s.rows, v, &s.env, &m));
    assert_int_equal(m.n, N + 50);
    for (uint32_t pos = 0; pos < m.n; pos++)
        assert_int_equal(ki_bit_get(m.words, pos), pos < N && ki_view_live(v, pos) &&
                                                       passes(5, ki_view_id(v, pos)));
    ki_mask_free(&s.env, &m);
    ki_view_release(s.rows, v);

    must(kith_filter_join(KITH_AND, bound, s.filter[2], &joined));
    v = ki_view_acquire(s.rows);
    must(ki_filter_mask(joined, s.rows, v, &s.env, &m));
    for (uint32_t pos = 0; pos < m.n; pos++)
        assert_int_equal(ki_bit_get(m.words, pos),
                         pos < N && ki_view_live(v, pos) && passes(5, ki_view_id(v, pos)) &&
                             passes(2, ki_view_id(v, pos)));
    ki_mask_free(&s.env, &m);
    ki_view_release(s.rows, v);

    kith_filter_free(twice); // bound to what is now: an older view sees no more than it has
    bind(&s, s.filter[9], &twice);
    must(ki_filter_mask(twice, s.rows, old, &s.env, &m));
    assert_int_equal(m.n, N);
    assert_int_equal(m.count, N - 3);
    ki_mask_free(&s.env, &m);
    ki_view_release(s.rows, old);

    must(ki_change_begin(s.rows, &c)); // positions get another meaning; ids do not
    must(ki_change_compact(c, 1, NULL));
    ki_change_commit(c);
    v = ki_view_acquire(s.rows);
    must(ki_filter_mask(bound, s.rows, v, &s.env, &m));
    assert_int_equal(m.n, N + 50 - 3);
    for (uint32_t pos = 0; pos < m.n; pos++)
        assert_int_equal(ki_bit_get(m.words, pos), pos < N - 3 && passes(5, ki_view_id(v, pos)));
    ki_mask_free(&s.env, &m);
    ki_view_release(s.rows, v);
    kith_filter_free(bound);
    kith_filter_free(twice);
    kith_filter_free(joined);
    stop(&s);
}

/* Just these two of the rows pass. */
static void only(stage *s, const kith_filter *f, int64_t a, int64_t b)
{
    const ki_view *v = ki_view_acquire(s->rows);
    ki_mask m;

    must(ki_filter_mask(f, s->rows, v, &s->env, &m));
    for (uint32_t pos = 0; pos < m.n; pos++) {
        const int64_t id = ki_view_id(v, pos);

        assert_int_equal(ki_bit_get(m.words, pos), ki_view_live(v, pos) && (id == a || id == b));
    }
    assert_int_equal(m.count, 2);
    ki_mask_free(&s->env, &m);
    ki_view_release(s->rows, v);
}

static void replace(stage *s, const int64_t ids[2])
{
    const uint8_t one[2] = {1, 1};
    ki_change *c;

    must(ki_change_begin(s->rows, &c));
    must(ki_change_put(c, KI_PUT_UPSERT, KITH_ROWS(one, 2, KITH_U8), ids, NULL, 1, NULL));
    ki_change_commit(c);
}

/* What passed at the binding passes as long as it is stored, wherever it lies; what the filter was
 * made of is not asked again: here it is gone. */
static void bound_filters_know_ids(void **state)
{
    static const struct {
        bool own;
        int64_t first, keep[2], others[2];
    } of[] = {{true, 0, {31, 65}, {34, 5000}},
              {false, 0, {31, 65}, {34, 5000}},
              {false, 40, {70, 640}, {99, 5000}},
              {false, -800, {-790, -700}, {-200, 1}}};

    (void)state;
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        const int64_t *keep = of[i].keep;
        kith_filter *source, *bound;
        ki_change *c;
        stage s;

        start(&s, of[i].own, of[i].first);
        must(kith_filter_ids(keep, 2, NULL, &source));
        bind(&s, source, &bound);
        kith_filter_free(source);
        only(&s, bound, keep[0], keep[1]);
        replace(&s, of[i].others);
        only(&s, bound, keep[0], keep[1]);
        replace(&s, (const int64_t[]){keep[1], of[i].others[0]});
        only(&s, bound, keep[0], keep[1]);
        must(ki_change_begin(s.rows, &c));
        must(ki_change_compact(c, 1, NULL));
        ki_change_commit(c);
        only(&s, bound, keep[0], keep[1]);
        replace(&s, keep);
        only(&s, bound, keep[0], keep[1]);
        kith_filter_free(bound);
        stop(&s);
    }
}

/* A bitset's words and a callback's context may go once the filter is bound. */
static void bound_filters_borrow_nothing(void **state)
{
    kith_filter *bits, *call, *both, *bound;
    uint64_t *lent = malloc(8);
    ki_change *c;
    stage s;
    int calls;

    (void)state;
    assert_non_null(lent);
    *lent = 0x248; // 3, 6, 9
    start(&s, false, 1);
    must(kith_filter_bits(lent, 64, NULL, &bits));
    must(kith_filter_call(keep_thirds, &s.calls, NULL, &call));
    must(kith_filter_join(KITH_AND, bits, call, &both));
    bind(&s, both, &bound);
    kith_filter_free(bits);
    kith_filter_free(call);
    kith_filter_free(both);
    free(lent);
    calls = s.calls;
    remove_one(&s, 6);
    must(ki_change_begin(s.rows, &c));
    must(ki_change_compact(c, 1, NULL));
    ki_change_commit(c);
    only(&s, bound, 3, 9);
    assert_int_equal(s.calls, calls);
    kith_filter_free(bound);
    stop(&s);
}

static void bound_to_another_index(void **state)
{
    kith_filter *bound, *joined;
    const ki_view *v;
    stage s, other;
    ki_mask m;

    (void)state;
    start(&s, true, 0);
    start(&other, true, 0);
    bind(&s, s.filter[5], &bound);
    v = ki_view_acquire(other.rows);
    refused(ki_filter_mask(bound, other.rows, v, &other.env, &m), KITH_BAD_ARG,
            "bound to another index");
    must(kith_filter_join(KITH_NOT, bound, NULL, &joined));
    refused(ki_filter_mask(joined, other.rows, v, &other.env, &m), KITH_BAD_ARG,
            "bound to another index");
    ki_view_release(other.rows, v);
    ki_rows_free(s.rows);
    s.rows = NULL;
    kith_filter_free(bound); // after its index
    kith_filter_free(joined);
    stop(&s);
    stop(&other);
}

static void no_filter_is_no_mask(void **state)
{
    const ki_view *v;
    ki_mask m;
    stage s;

    (void)state;
    start(&s, false, 0);
    v = ki_view_acquire(s.rows);
    must(ki_filter_mask(NULL, s.rows, v, &s.env, &m));
    assert_null(m.words);
    assert_int_equal(m.count, N - 2);
    ki_mask_free(&s.env, &m);
    for (size_t n = 1;; n++) { // evaluation fails where memory does
        kith_status st;

        failing_alloc_at(&s.host, n, false);
        st = ki_filter_mask(s.filter[7], s.rows, v, &s.env, &m);
        if (st == KITH_OK) break;
        assert_int_equal(st, KITH_NO_MEMORY);
    }
    ki_mask_free(&s.env, &m);
    ki_view_release(s.rows, v);
    stop(&s);
}

static void what_cannot_be_a_filter(void **state)
{
    kith_filter *f, *chain, *next;
    kith_status st = KITH_OK;
    size_t depth = 0;

    (void)state;
    refused(kith_filter_bits(NULL, 1, NULL, &f), KITH_BAD_ARG, "words is NULL");
    refused(kith_filter_ids(NULL, 1, NULL, &f), KITH_BAD_ARG, "ids is NULL");
    refused(kith_filter_call(NULL, NULL, NULL, &f), KITH_BAD_ARG, "keep");
    refused(kith_filter_ids(list, 1, NULL, NULL), KITH_BAD_ARG, "out");
    refused(kith_filter_range(1, 2, NULL, NULL), KITH_BAD_ARG, "out");
    must(kith_filter_bits(NULL, 0, NULL, &f));
    refused(kith_filter_join(KITH_AND, f, NULL, &next), KITH_BAD_ARG, "both");
    refused(kith_filter_join(KITH_NOT, f, f, &next), KITH_BAD_ARG, "alone");
    refused(kith_filter_join(KITH_OR, NULL, f, &next), KITH_BAD_ARG, "both");
    refused(kith_filter_join((kith_join)4, f, f, &next), KITH_BAD_ARG, "4 is no kith_join");
    chain = f;
    for (; st == KITH_OK; depth++) {
        st = kith_filter_join(KITH_NOT, chain, NULL, &next);
        if (st != KITH_OK) break;
        kith_filter_free(chain);
        chain = next;
    }
    assert_int_equal(st, KITH_LIMIT);
    assert_int_equal(depth, 500);
    kith_filter_free(chain);
    kith_filter_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_by_its_definition),
        cmocka_unit_test(negative_ids),
        cmocka_unit_test(bound_filters_lend_and_follow),
        cmocka_unit_test(bound_filters_know_ids),
        cmocka_unit_test(bound_filters_borrow_nothing),
        cmocka_unit_test(bound_to_another_index),
        cmocka_unit_test(no_filter_is_no_mask),
        cmocka_unit_test(what_cannot_be_a_filter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
