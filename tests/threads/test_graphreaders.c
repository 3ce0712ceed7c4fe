/* A graph that changes while others read it: rows are added (one by one, in batches, copies among
 * them), replaced, removed, swept out and compacted beside searches and cursors, whose answers are
 * checked, and beside writes, each of which has to be a whole graph. Small, because it is run under
 * the thread sanitizer. */
#include "support/harness.h"
#include "support/twoindexes.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
    D = 12,
    N = FEWER(4000, 1500),
    MORE = FEWER(1500, 300),
    GOING = FEWER(600, 200), /* rows that are there at first and go for good */
    ALL = N + MORE + GOING,
    STEP = GOING / 20, /* of them that go at a time */
    PAGE = 300,
    K = 8,
    READERS = 2
};

static kith_index *ix;
static float *rows; /* row i of ALL has the id i, whenever it is stored */
static atomic_bool over;
static atomic_size_t answers, pages, writes;
static _Atomic int64_t left; /* ids from here on were gone before */
static _Atomic(const char *) wrong;

static void check(bool is, const char *what)
{
    if (!is) atomic_store(&wrong, what);
}

static double distance(const float *a, const float *b)
{
    double s = 0.0;

    for (size_t i = 0; i < D; i++)
        s += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    return s;
}

/* Hits in order at their distances, none that was gone before `end` was read. */
static void check_hits(const float *q, const int64_t *ids, const float *dist, size_t n, int64_t end)
{
    double last = 0;

    for (size_t i = 0; i < n; i++) {
        double d;

        check(ids[i] >= 0 && ids[i] < end, "a hit that is not stored");
        if (ids[i] < 0 || ids[i] >= ALL) return;
        d = distance(q, rows + (size_t)ids[i] * D);
        check((float)d == dist[i], "the distance");
        check(i == 0 || last < d || (last == d && ids[i - 1] < ids[i]), "the order");
        last = d;
    }
}

static void *search(void *arg)
{
    uint64_t at = 77 + *(const size_t *)arg;
    kith_query how = KITH_QUERY_K(K);
    float q[D], dist[K];
    int64_t ids[K];

    how.threads = 1;
    while (!atomic_load(&over)) {
        const int64_t end = atomic_load(&left);

        for (size_t i = 0; i < D; i++) q[i] = 3.0f * draw_normal(&at);
        check(kith_search(ix, KITH_ROWS(q, 1, KITH_F32), &how, ids, dist) == KITH_OK, "a search");
        check_hits(q, ids, dist, K, end);
        atomic_fetch_add(&answers, 1);
    }
    return NULL;
}

/* A cursor over many changes: each row once, all in order, N rows at least. */
static void *page(void *arg)
{
    uint64_t at = 7;
    float q[D], dist[PAGE];
    int64_t ids[PAGE];

    (void)arg;
    while (!atomic_load(&over)) {
        const int64_t end = atomic_load(&left);
        kith_query how = KITH_QUERY_INIT;
        kith_cursor *c = NULL;
        size_t got = 1, n = 0;
        float last = 0;

        how.threads = 1;
        for (size_t i = 0; i < D; i++) q[i] = 3.0f * draw_normal(&at);
        check(kith_cursor_open(ix, KITH_ROWS(q, 1, KITH_F32), &how, &c) == KITH_OK, "a cursor");
        while (c && got && !atomic_load(&over)) {
            check(kith_cursor_next(c, PAGE, ids, dist, &got) == KITH_OK, "a page");
            check_hits(q, ids, dist, got, end);
            check(got == 0 || dist[0] >= last, "the order of pages");
            if (got) last = dist[got - 1];
            n += got;
            atomic_fetch_add(&pages, 1);
        }
        check(atomic_load(&over) || n + 1 >= N, "a cursor shows all rows");
        kith_cursor_free(c);
    }
    return NULL;
}

static void *write(void *arg)
{
    (void)arg;
    while (!atomic_load(&over)) {
        size_t len;
        uint8_t *bytes = bytes_of(ix, &len);
        kith_index *copy = NULL;

        check(kith_open_view(bytes, len, KITH_OPEN_VERIFY, NULL, &copy) == KITH_OK, "a copy opens");
        check(copy && kith_verify(copy, NULL) == KITH_OK, "a copy is whole");
        kith_free(copy);
        free(bytes);
        atomic_fetch_add(&writes, 1);
    }
    return NULL;
}

/* The last rows that are to go for good. */
static void let_go(void)
{
    const int64_t end = atomic_load(&left);
    int64_t ids[STEP];
    size_t removed;

    if (end == N + MORE) return;
    for (size_t i = 0; i < STEP; i++) ids[i] = end - STEP + (int64_t)i;
    must(kith_remove(ix, ids, STEP, &removed));
    assert_int_equal(removed, STEP);
    atomic_store(&left, end - STEP);
}

/* Rows come one by one and in batches, go, come back, are replaced by what they were. */
static void change(void)
{
    uint64_t at = 5;
    size_t n = N;

    while (n < N + MORE) {
        const size_t batch = draw_below(&at, 3) ? 1 : 1 + draw_below(&at, 30);
        const size_t more = n + batch < N + MORE ? batch : N + MORE - n;
        int64_t ids[31], back = (int64_t)draw_below(&at, N);

        for (size_t i = 0; i < more; i++) ids[i] = (int64_t)(n + i);
        must(kith_add(ix, KITH_ROWS(rows + n * D, more, KITH_F32), ids, NULL, NULL));
        n += more;
        must(kith_remove(ix, &back, 1, NULL));
        must(kith_add(ix, KITH_ROWS(rows + back * D, 1, KITH_F32), &back, NULL, NULL));
        back = (int64_t)draw_below(&at, (uint32_t)n);
        must(kith_upsert(ix, KITH_ROWS(rows + back * D, 1, KITH_F32), &back, NULL, NULL));
        if (draw_below(&at, 200) == 0) must(kith_compact(ix, NULL));
        if (draw_below(&at, 3) == 0) let_go();
    }
    while (atomic_load(&left) > N + MORE) let_go();
}

static void readers_beside_a_writer(const char *spec)
{
    int64_t going[GOING];
    pthread_t reader[READERS], pager, writer;
    size_t number[READERS];
    kith_host host = KITH_HOST_INIT;

    host.threads = 2;
    rows = need_floats(ALL * D);
    clustered_rows(3, ALL, D, 20, 0.6f, false, rows);
    for (size_t i = 10; i < ALL; i += 10) memcpy(rows + i * D, rows, D * sizeof *rows);
    must(kith_create(spec, D, KITH_L2, &host, &ix));
    must(kith_add(ix, KITH_ROWS(rows, N, KITH_F32), NULL, NULL, NULL));
    for (size_t i = 0; i < GOING; i++) going[i] = (int64_t)(N + MORE + i);
    must(kith_add(ix, KITH_ROWS(rows + (N + MORE) * D, GOING, KITH_F32), going, NULL, NULL));
    atomic_store(&over, false);
    atomic_store(&answers, 0);
    atomic_store(&pages, 0);
    atomic_store(&writes, 0);
    atomic_store(&left, ALL);
    for (size_t i = 0; i < READERS; i++) {
        number[i] = i;
        assert_int_equal(pthread_create(&reader[i], NULL, search, &number[i]), 0);
    }
    assert_int_equal(pthread_create(&pager, NULL, page, NULL), 0);
    assert_int_equal(pthread_create(&writer, NULL, write, NULL), 0);
    change();
    atomic_store(&over, true);
    for (size_t i = 0; i < READERS; i++) pthread_join(reader[i], NULL);
    pthread_join(pager, NULL);
    pthread_join(writer, NULL);
    if (atomic_load(&wrong)) fail_msg("%s: %s is wrong", spec, atomic_load(&wrong));
    assert_true(atomic_load(&answers) > 10 && atomic_load(&pages) > 0 && atomic_load(&writes) > 0);
    must(kith_verify(ix, NULL));
    assert_int_equal(kith_count(ix), N + MORE);
    kith_free(ix);
    free(rows);
}

static void graph(void **state)
{
    (void)state;
    readers_beside_a_writer("Graph16(sweep=0.08)");
}

static void hnsw(void **state)
{
    (void)state;
    readers_beside_a_writer("HNSW8(ef_construction=40)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(graph), cmocka_unit_test(hnsw)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
