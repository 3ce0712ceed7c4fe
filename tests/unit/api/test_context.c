/* Contexts: the caller's or the index's; a thread's second query of a shape allocates nothing. */
#include "support/failing.h"
#include "support/harness.h"

#include <string.h>

enum { D = 16, N = 5000 };

static float rows[N][D];

static kith_index *filled(const kith_host *host)
{
    kith_index *ix;

    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < D; j++) rows[i][j] = (float)((i * 97 + j * 13) % 1013) / 3;
    must(kith_create("Flat", D, KITH_L2, host, &ix));
    must(kith_add(ix, KITH_ROWS(rows, N, KITH_F32), NULL, NULL, NULL));
    return ix;
}

static void second_query_allocates_nothing(void **state)
{
    static const size_t batch[] = {1, 2, 50};
    int64_t ids[50 * 10], of[90];
    kith_query how = KITH_QUERY_INIT;
    failing_host f;
    kith_index *ix;

    (void)state;
    failing_init(&f);
    f.host.threads = 1;
    ix = filled(&f.host);
    for (int64_t i = 0; i < 90; i++) of[i] = i * 50 + 7;
    for (size_t i = 0; i < sizeof batch / sizeof *batch; i++) {
        size_t before;

        must(kith_search(ix, KITH_ROWS(rows, batch[i], KITH_F32), &how, ids, NULL));
        before = atomic_load(&f.allocs);
        must(kith_search(ix, KITH_ROWS(rows[60], batch[i], KITH_F32), &how, ids, NULL));
        assert_int_equal(atomic_load(&f.allocs), before);
        must(kith_search_ids(ix, of, batch[i], &how, ids, NULL));
        before = atomic_load(&f.allocs);
        must(kith_search_ids(ix, of + 40, batch[i], &how, ids, NULL));
        assert_int_equal(atomic_load(&f.allocs), before);
    }
    kith_free(ix);
    assert_null(failing_complaint(&f));
}

static void shared_by_indexes(void **state)
{
    kith_query how = KITH_QUERY_K(3);
    kith_index *a = filled(NULL), *b;
    int64_t ids[3];

    (void)state;
    must(kith_create("Flat,Bits", 70, KITH_HAMMING, NULL, &b));
    must(kith_add(b, KITH_ROWS(rows, 20, KITH_BIT), NULL, NULL, NULL));
    must(kith_context_create(NULL, &how.context));
    for (int i = 0; i < 3; i++) {
        must(kith_search(a, KITH_ROWS(rows[9], 1, KITH_F32), &how, ids, NULL));
        assert_int_equal(ids[0], 9);
        must(kith_search(b, KITH_ROWS(rows, 1, KITH_BIT), &how, ids, NULL));
        assert_int_equal(ids[0], 0);
    }
    kith_free(a);
    kith_free(b);
    kith_context_free(how.context);
    kith_context_free(NULL);
}

typedef struct executor {
    failing_host lent;
    size_t calls;
} executor;

static void run_here(void *ctx, size_t n, void (*job)(void *arg, size_t i), void *arg)
{
    executor *e = ctx;

    e->calls++;
    for (size_t i = 0; i < n; i++) job(arg, i);
}

static void *alloc_there(void *ctx, size_t len, size_t align)
{
    executor *e = ctx;

    return e->lent.host.alloc(e->lent.host.ctx, len, align);
}

static void release_there(void *ctx, void *p, size_t len, size_t align)
{
    executor *e = ctx;

    e->lent.host.release(e->lent.host.ctx, p, len, align);
}

static kith_host lend(executor *e, uint32_t threads)
{
    kith_host host = KITH_HOST_INIT;

    failing_init(&e->lent);
    e->calls = 0;
    host.threads = threads;
    host.ctx = e;
    host.alloc = alloc_there;
    host.release = release_there;
    host.parallel = run_here;
    return host;
}

/* A context is memory; who works is the index's affair. */
static void the_index_says_who_works(void **state)
{
    static executor of_index, of_context;
    kith_query how = KITH_QUERY_INIT;
    static int64_t ids[500 * 10];
    kith_host here = lend(&of_index, 3), there = lend(&of_context, 0);
    kith_index *ix = filled(&here), *alone;
    size_t blocks;

    (void)state;
    here.threads = 1;
    alone = filled(&here);
    must(kith_context_create(&there, &how.context));
    for (int i = 0; i < 4; i++) { // so much that threads are worth it
        must(kith_add(ix, KITH_ROWS(rows, N, KITH_F32), NULL, NULL, NULL));
        must(kith_add(alone, KITH_ROWS(rows, N, KITH_F32), NULL, NULL, NULL));
    }
    of_index.calls = 0;
    blocks = atomic_load(&of_index.lent.blocks);
    must(kith_search(ix, KITH_ROWS(rows, 500, KITH_F32), &how, ids, NULL));
    assert_true(of_index.calls > 0);
    of_index.calls = 0;
    must(kith_search(alone, KITH_ROWS(rows, 500, KITH_F32), &how, ids, NULL));
    assert_int_equal(of_index.calls, 0);
    assert_int_equal(of_context.calls, 0);
    assert_int_equal(atomic_load(&of_index.lent.blocks), blocks);
    kith_context_free(how.context);
    kith_free(ix);
    kith_free(alone);
    assert_null(failing_complaint(&of_index.lent));
    assert_null(failing_complaint(&of_context.lent));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(second_query_allocates_nothing),
                                       cmocka_unit_test(shared_by_indexes),
                                       cmocka_unit_test(the_index_says_who_works)};

    return cmocka_run_group_tests_name("context", tests, NULL, NULL);
}
