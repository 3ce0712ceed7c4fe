/* A graph that changes while others read it: rows are added (one by one, in batches, copies among
 * them), replaced, removed and compacted beside searches, whose answers are checked, and beside
 * writes, each of which has to be a whole graph. Small, because it is run under the thread
 * sanitizer. */
#include "support/harness.h"
#include "support/twoindexes.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { D = 12, N = FEWER(4000, 1500), MORE = FEWER(1500, 300), K = 8, READERS = 2 };

static kith_index *ix;
static float *rows; /* row i of (N + MORE) has the id i, whenever it is stored */
static atomic_bool over;
static atomic_size_t answers, writes;
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

static void *search(void *arg)
{
    uint64_t at = 77 + *(const size_t *)arg;
    kith_query how = KITH_QUERY_K(K);
    float q[D], dist[K];
    int64_t ids[K];

    how.threads = 1;
    while (!atomic_load(&over)) {
        for (size_t i = 0; i < D; i++) q[i] = 3.0f * draw_normal(&at);
        check(kith_search(ix, KITH_ROWS(q, 1, KITH_F32), &how, ids, dist) == KITH_OK, "a search");
        for (size_t i = 0; i < K; i++) {
            check(ids[i] >= 0 && ids[i] < N + MORE, "K rows are always there");
            if (ids[i] < 0 || ids[i] >= N + MORE) break;
            check((float)distance(q, rows + (size_t)ids[i] * D) == dist[i], "the distance");
            check(i == 0 || dist[i - 1] < dist[i] ||
                      (dist[i - 1] == dist[i] && ids[i - 1] < ids[i]),
                  "the order");
        }
        atomic_fetch_add(&answers, 1);
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
    }
}

static void test_readers_beside_a_writer(void **state)
{
    pthread_t reader[READERS], writer;
    size_t number[READERS];
    kith_host host = KITH_HOST_INIT;

    (void)state;
    host.threads = 2;
    rows = need_floats((N + MORE) * D);
    clustered_rows(3, N + MORE, D, 20, 0.6f, false, rows);
    for (size_t i = 10; i < N + MORE; i += 10) memcpy(rows + i * D, rows, D * sizeof *rows);
    must(kith_create("Graph16", D, KITH_L2, &host, &ix));
    must(kith_add(ix, KITH_ROWS(rows, N, KITH_F32), NULL, NULL, NULL));
    for (size_t i = 0; i < READERS; i++) {
        number[i] = i;
        assert_int_equal(pthread_create(&reader[i], NULL, search, &number[i]), 0);
    }
    assert_int_equal(pthread_create(&writer, NULL, write, NULL), 0);
    change();
    atomic_store(&over, true);
    for (size_t i = 0; i < READERS; i++) pthread_join(reader[i], NULL);
    pthread_join(writer, NULL);
    if (atomic_load(&wrong)) fail_msg("%s is wrong", atomic_load(&wrong));
    assert_true(atomic_load(&answers) > 10 && atomic_load(&writes) > 0);
    must(kith_verify(ix, NULL));
    assert_int_equal(kith_count(ix), N + MORE);
    kith_free(ix);
    free(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_readers_beside_a_writer)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
