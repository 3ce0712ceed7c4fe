/* Through kith.h as programs use it: searches, cursors, filters, saves and another changing call
 * beside add, upsert, remove, merge and compact of one index. Every answer is checked against what
 * a snapshot may show. Small, because it is run under the thread sanitizer. */
#define _DEFAULT_SOURCE 1 /* usleep */
#include "support/harness.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { D = 4, KEPT = 20, EXTRA = 200, ROUNDS = 150, READERS = 2, PAGE = 7 };

/* Rows 0…KEPT-1 are always there. Each upsert replaces all of them in one call: row i becomes (100
 * i, version, 0, 0). All others have 30000 in the third component, far from every query. */
static kith_index *ix;
static atomic_uint begun, done; /* versions whose upsert was called, and had returned */
static atomic_bool over;
static atomic_size_t rounds; /* of readers */
static _Atomic(const char *) wrong;
static char path[64];

#define check(what)                                                                                \
    do {                                                                                           \
        if (!(what)) atomic_store(&wrong, #what);                                                  \
    } while (0)

static void near_rows(unsigned version, float x[KEPT][D], int64_t ids[KEPT])
{
    for (size_t i = 0; i < KEPT; i++) {
        ids[i] = (int64_t)i;
        memcpy(x[i], (float[D]){100 * (float)i, (float)version, 0, 0}, sizeof x[i]);
    }
}

static void far_rows(int64_t first, size_t n, float x[][D], int64_t *ids)
{
    for (size_t i = 0; i < n; i++) {
        ids[i] = first + (int64_t)i;
        memcpy(x[i], (float[D]){(float)i, 0, 30000, (float)(first % 97)}, sizeof x[i]);
    }
}

/* The version that dist says, when the row has a whole one. */
static unsigned version_of(float dist)
{
    unsigned v = 0;

    while ((float)(v * v) < dist) v++;
    return (float)(v * v) == dist ? v : UINT32_MAX;
}

/* All kept rows in one call: the right ids, one version, one that was there during the call. */
static void ask_all(const kith_index *of, const kith_filter *f, unsigned from)
{
    float q[KEPT][D], dist[KEPT][2];
    int64_t want[KEPT], ids[KEPT][2];
    kith_query how = KITH_QUERY_K(2);
    unsigned v;

    near_rows(0, q, want);
    how.filter = f;
    how.threads = 2;
    check(kith_search(of, KITH_ROWS(q, KEPT, KITH_F32), &how, &ids[0][0], &dist[0][0]) == KITH_OK);
    v = version_of(dist[0][0]);
    check(v >= from && v <= atomic_load(&begun));
    for (size_t i = 0; i < KEPT; i++) {
        check(ids[i][0] == want[i]);
        check(version_of(dist[i][0]) == v);
        check(ids[i][1] != ids[i][0] && dist[i][1] >= dist[i][0]);
    }
}

static void walk(void)
{
    const float q[D] = {0, 0, 30000, 0};
    bool seen[KEPT] = {false};
    int64_t ids[PAGE];
    float dist[PAGE], last = 0;
    size_t got, kept = 0;
    kith_cursor *c;
    const kith_status st = kith_cursor_open(ix, KITH_ROWS(q, 1, KITH_F32), NULL, &c);

    check(st == KITH_OK);
    if (st != KITH_OK) return;
    while (kith_cursor_next(c, PAGE, ids, dist, &got) == KITH_OK && got)
        for (size_t i = 0; i < got; i++) {
            check(dist[i] >= last);
            last = dist[i];
            if (ids[i] >= KEPT) continue;
            check(!seen[ids[i]]);
            seen[ids[i]] = true;
            kept++;
        }
    check(kept == KEPT);
    kith_cursor_free(c);
}

static void *read_on(void *arg)
{
    const kith_filter *f = arg;
    float row[D];

    for (size_t i = 0; !atomic_load(&over); i++) {
        const unsigned before = atomic_load(&done);

        ask_all(ix, i % 2 ? f : NULL, before);
        check(kith_get(ix, (int64_t)(i % KEPT), row) == KITH_OK && row[1] >= (float)before);
        check(kith_contains(ix, 3) && kith_count(ix) >= KEPT);
        if (i % 4 == 0) walk();
        atomic_fetch_add(&rounds, 1);
    }
    return NULL;
}

static void *save_on(void *arg)
{
    kith_index *saved;
    kith_status st;

    (void)arg;
    while (!atomic_load(&over)) {
        const unsigned before = atomic_load(&done);

        check(kith_save(ix, path, NULL) == KITH_OK);
        st = kith_open(path, KITH_OPEN_VERIFY, NULL, &saved);
        check(st == KITH_OK);
        if (st != KITH_OK) break;
        check(kith_verify(saved, NULL) == KITH_OK);
        ask_all(saved, NULL, before);
        kith_free(saved);
    }
    return NULL;
}

/* A second one who changes: rows of its own come and go. */
static void *change_on(void *arg)
{
    float x[30][D];
    int64_t ids[30];
    size_t removed;

    (void)arg;
    far_rows(50000, 30, x, ids);
    while (!atomic_load(&over)) {
        check(kith_add(ix, KITH_ROWS(x, 30, KITH_F32), ids, NULL, NULL) == KITH_OK);
        check(kith_set_label(ix, ids[7], "seven") == KITH_OK);
        check(kith_remove(ix, ids, 30, &removed) == KITH_OK && removed == 30);
    }
    return NULL;
}

static void change(unsigned version)
{
    static float x[EXTRA][D];
    static int64_t ids[EXTRA];
    kith_index *more;

    near_rows(version, x, ids);
    atomic_store(&begun, version);
    must(kith_upsert(ix, KITH_ROWS(x, KEPT, KITH_F32), ids, NULL, NULL));
    atomic_store(&done, version);
    far_rows(1000, EXTRA, x, ids);
    if (version % 2) {
        must(kith_add(ix, KITH_ROWS(x, EXTRA, KITH_F32), ids, NULL, NULL));
    } else {
        must(kith_remove(ix, ids, EXTRA, NULL));
        must(kith_compact(ix, NULL));
    }
    if (version % 5) return;
    far_rows(100000 + version * 100, 50, x, ids);
    must(kith_create("Flat", D, KITH_L2, NULL, &more));
    must(kith_add(more, KITH_ROWS(x, 50, KITH_F32), ids, NULL, NULL));
    must(kith_merge(ix, more, NULL));
    kith_free(more);
}

static void readers_beside_changes(void **state)
{
    pthread_t reader[READERS], saver, changer;
    kith_filter *range, *bound;
    float x[KEPT][D];
    int64_t ids[KEPT];

    (void)state;
    snprintf(path, sizeof path, "/tmp/kith-readers.%ld.kith", (long)getpid());
    must(kith_create("Flat", D, KITH_L2, NULL, &ix));
    near_rows(0, x, ids);
    must(kith_add(ix, KITH_ROWS(x, KEPT, KITH_F32), ids, NULL, NULL));
    must(kith_filter_range(0, KEPT - 1, NULL, &range));
    must(kith_filter_bind(ix, range, &bound));
    kith_filter_free(range);
    for (size_t i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&reader[i], NULL, read_on, bound), 0);
    assert_int_equal(pthread_create(&saver, NULL, save_on, NULL), 0);
    assert_int_equal(pthread_create(&changer, NULL, change_on, NULL), 0);
    for (unsigned v = 1; v <= ROUNDS; v++) change(v);
    while (atomic_load(&rounds) < 40 && !atomic_load(&wrong)) usleep(1000);
    atomic_store(&over, true);
    for (size_t i = 0; i < READERS; i++) assert_int_equal(pthread_join(reader[i], NULL), 0);
    assert_int_equal(pthread_join(saver, NULL), 0);
    assert_int_equal(pthread_join(changer, NULL), 0);
    if (atomic_load(&wrong)) fail_msg("not so: %s", atomic_load(&wrong));
    ask_all(ix, bound, ROUNDS);
    must(kith_verify(ix, NULL));
    kith_filter_free(bound);
    kith_free(ix);
    unlink(path);
    assert_null(atomic_load(&wrong));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(readers_beside_changes)};

    return cmocka_run_group_tests_name("readers", tests, NULL, NULL);
}
