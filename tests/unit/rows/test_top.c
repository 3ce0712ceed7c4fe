/* The collector against a sort: whatever the intervals, the order of offers, ties and limits, the k
 * best by (key, id) come out, with their keys. */
#include "support/harness.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "rows/top.h"
#include "support/teststore.h"

enum { ROWS = 3000, MOST = 30000 }; // bets want rows from many places

typedef struct fixture {
    test_store store;
    float x[MOST];
    int64_t id[MOST];
    uint32_t rows;
    bool bets;
    uint64_t seed, drawn;
    void *work;
    ki_buffer space;
} fixture;

typedef enum values { DIFFERENT, FEW, EQUAL } values;

static uint32_t draw(fixture *f, uint32_t below)
{
    return ki_random_below(f->seed, KI_RNG_TEST, f->drawn++, below);
}

/* Rows of one component, L2 to 0: the key is x^2. */
static void set_up(fixture *f, uint32_t rows, values kind, bool shuffled, uint64_t seed)
{
    const ki_codec *c = ki_codec_find("F32");

    f->rows = rows;
    f->bets = false;
    f->seed = seed;
    f->drawn = 0;
    for (size_t i = 0; i < f->rows; i++) {
        f->x[i] = kind == EQUAL ? 3.5f : (float)draw(f, kind == FEW ? 20 : 1000000) * 0.25f;
        f->id[i] = (int64_t)i * 2 - 700;
    }
    for (size_t i = f->rows - 1; shuffled && i > 0; i--) {
        const size_t j = draw(f, (uint32_t)i + 1);
        const int64_t t = f->id[i];
        f->id[i] = f->id[j];
        f->id[j] = t;
    }
    store_open(&f->store, c, 1, KITH_L2, 0, false, NULL);
    store_add(&f->store, f->x, f->rows, f->id);
    f->work = malloc(ki_score_bytes(c, KITH_L2, 1));
    assert_non_null(f->work);
}

static void tear_down(fixture *f)
{
    free(f->work);
    ki_buffer_free(&f->store.env, &f->space);
    store_close(&f->store);
}

static int by_key(const void *a, const void *b)
{
    const ki_found *x = a, *y = b;

    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* What the k best are, into want; returns how many. */
static size_t sorted(const fixture *f, const ki_ask *ask, int64_t exclude, ki_found *want)
{
    double worst = (double)INFINITY; // of the k best so far
    size_t n = 0;

    for (size_t i = 0; i < f->rows; i++) {
        const double key = (double)f->x[i] * (double)f->x[i];
        if (key > ask->limit || key > worst || f->id[i] == exclude) continue;
        if (!ki_view_live(f->store.v, (uint32_t)i)) continue;
        if (ask->mask && (i >= ask->mask->n || !ki_bit_get(ask->mask->words, i))) continue;
        if (ask->has_after && (key < ask->after_key ||
                               (key == ask->after_key && f->id[i] <= ask->after_id)))
            continue;
        want[n++] = (ki_found){key, f->id[i], (uint32_t)i};
        if (n / 2 < ask->k || n < 200) continue;
        qsort(want, n, sizeof *want, by_key);
        n = ask->k;
        worst = want[n - 1].key;
    }
    qsort(want, n, sizeof *want, by_key);
    return n < ask->k ? n : ask->k;
}

/* An interval around the key: a point, a narrow or a wide one, or nothing at all. */
static ki_scored interval(fixture *f, uint32_t pos)
{
    const double key = (double)f->x[pos] * (double)f->x[pos];
    ki_scored s = {key, 0, pos};

    switch (draw(f, 4)) {
    case 0: return s;
    case 1: s.wide = 1e-3f; break;
    case 2: s.wide = (float)draw(f, 100000); break;
    default: return (ki_scored){-1e300, INFINITY, pos};
    }
    s.lo = key - (double)s.wide * 0.5;
    return s;
}

static void offer_some(fixture *f, ki_top *t, uint32_t from, uint32_t to, bool points,
                       bool backwards)
{
    for (uint32_t i = from; i < to; i++) {
        const uint32_t pos = backwards ? from + to - 1 - i : i;
        const double key = (double)f->x[pos] * (double)f->x[pos];
        const ki_scored s = points ? (ki_scored){key, 0, pos} : interval(f, pos);
        const uint32_t seen = i - from + 1;
        if (!f->bets || s.lo <= ki_top_edge(t)) must(ki_top_offer(t, s));
        if (ki_top_ripe(t) && draw(f, 3)) ki_top_settle(t);
        if (f->bets && seen >= 256 && (seen & (seen - 1)) == 0)
            ki_top_bet(t, (double)seen / (double)f->rows);
    }
}

/* False: bets were lost, there is no answer. */
static bool check(fixture *f, const ki_ask *ask, int64_t exclude, size_t parts)
{
    static const float zero = 0;
    static ki_found want[MOST];
    const size_t n = sorted(f, ask, exclude, want);
    ki_top top[3] = {{0}};
    bool won;

    for (size_t p = 0; p < parts; p++) {
        ki_top_begin(&top[p], &f->store.env, f->store.v, ask, &zero, exclude, f->work,
                     &f->space);
        offer_some(f, &top[p], (uint32_t)(f->rows * p / parts),
                   (uint32_t)(f->rows * (p + 1) / parts), draw(f, 2), draw(f, 2));
        if (p) must(ki_top_merge(&top[0], &top[p]));
    }
    ki_top_finish(&top[0]);
    won = ki_top_won(&top[0]);
    assert_true(won || f->bets);
    if (won && top[0].n != n)
        fail_msg("seed %llu: %zu hits, not %zu", (unsigned long long)f->seed, top[0].n, n);
    for (size_t i = 0; won && i < n; i++) {
        assert_true(top[0].item[i].lo == want[i].key && top[0].item[i].wide == 0);
        assert_int_equal(top[0].item[i].pos, want[i].pos);
    }
    for (size_t p = 0; p < parts; p++) ki_top_free(&top[p]);
    return won;
}

static void test_best_of_all(void **state)
{
    static const size_t ks[] = {1, 2, 10, 63, 64, 65, 100, 700, ROWS - 1, ROWS, ROWS + 1, SIZE_MAX};
    static fixture f;

    (void)state;
    for (values kind = DIFFERENT; kind <= EQUAL; kind++)
        for (uint64_t shuffled = 0; shuffled < 2; shuffled++) {
            set_up(&f, ROWS, kind, shuffled, 10 + (uint64_t)kind * 2 + shuffled);
            for (size_t i = 0; i < sizeof ks / sizeof *ks; i++)
                for (size_t parts = 1; parts <= 3; parts++)
                    check(&f, &(ki_ask){.k = ks[i], .limit = (double)INFINITY}, KITH_NO_ID, parts);
            tear_down(&f);
        }
}

static void test_limits_exclusions_and_cursors(void **state)
{
    static fixture f;

    (void)state;
    for (values kind = DIFFERENT; kind <= EQUAL; kind++) {
        set_up(&f, ROWS, kind, true, 40 + (uint64_t)kind);
        for (size_t round = 0; round < 40; round++) {
            const size_t row = draw(&f, ROWS), other = draw(&f, ROWS);
            ki_ask ask = {.k = round % 4 ? draw(&f, 300) + 1 : SIZE_MAX, .limit = (double)INFINITY};
            if (round % 2) ask.limit = (double)f.x[row] * (double)f.x[row];
            if (round % 3 == 0) {
                ask.has_after = true;
                ask.after_key = (double)f.x[other] * (double)f.x[other];
                ask.after_id = f.id[other];
            }
            check(&f, &ask, round % 5 ? f.id[row] : KITH_NO_ID, 1 + round % 3);
        }
        tear_down(&f);
    }
}

static void test_masked_and_removed(void **state)
{
    static uint64_t words[ROWS / 64 + 1];
    static fixture f;

    (void)state;
    set_up(&f, ROWS, FEW, true, 50);
    for (size_t i = 0; i < ROWS; i += 3) ki_bit_set(words, i);
    for (size_t round = 0; round < 10; round++) {
        const ki_mask mask = {.words = words, .n = round % 2 ? ROWS : 1500, .count = 1};
        const ki_ask ask = {.k = 30 * round + 1, .limit = (double)INFINITY,
                            .mask = round % 3 ? &mask : NULL};
        check(&f, &ask, KITH_NO_ID, 2);
        store_remove(&f.store, f.id + round * 20, 15);
    }
    tear_down(&f);
}

/* A full collector may not lose time either: equal keys are cut down by id. */
/* Bets in mid-stream: what is won is right, among equals too; and most are won. */
static void test_bets(void **state)
{
    static const size_t ks[] = {16, 100, 468};
    static fixture f;

    (void)state;
    for (values kind = DIFFERENT; kind <= EQUAL; kind++) {
        size_t won = 0, made = 0;

        set_up(&f, MOST, kind, true, 70 + (uint64_t)kind);
        f.bets = true;
        for (size_t i = 0; i < sizeof ks / sizeof *ks; i++)
            for (size_t parts = 1; parts <= 3; parts++, made++)
                won += check(&f, &(ki_ask){.k = ks[i], .limit = (double)INFINITY}, KITH_NO_ID,
                             parts);
        assert_true(won * 10 >= made * 9);
        tear_down(&f);
    }
}

static void test_room_is_bounded(void **state)
{
    static const float zero = 0;
    const ki_ask ask = {.k = 10, .limit = (double)INFINITY};
    ki_top t = {0};
    static fixture f;

    (void)state;
    set_up(&f, ROWS, EQUAL, false, 60);
    ki_top_begin(&t, &f.store.env, f.store.v, &ask, &zero, KITH_NO_ID, f.work, &f.space);
    for (uint32_t i = 0; i < ROWS; i++)
        must(ki_top_offer(&t, (ki_scored){12.0, 1.0f, i}));
    assert_true(t.room <= 256);
    ki_top_finish(&t);
    for (uint32_t i = 0; i < 10; i++) assert_int_equal(t.item[i].pos, i);
    ki_top_free(&t);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_best_of_all),
        cmocka_unit_test(test_limits_exclusions_and_cursors),
        cmocka_unit_test(test_masked_and_removed),
        cmocka_unit_test(test_bets),
        cmocka_unit_test(test_room_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
