/* A row store for tests (teststore.h). */
#include "support/teststore.h"

#include "support/harness.h"

void store_open(test_store *s, const ki_codec *c, size_t d, kith_metric m, double arg, bool scan,
                const kith_host *host)
{
    must(ki_env_init(&s->env, host));
    must(ki_rows_create(&s->env, c, d, m, arg, scan, &s->rows));
    s->v = NULL;
}

static ki_change *begin(test_store *s)
{
    ki_change *c;

    if (s->v) ki_view_release(s->rows, s->v);
    s->v = NULL;
    must(ki_change_begin(s->rows, &c));
    return c;
}

static void commit(test_store *s, ki_change *c)
{
    ki_change_commit(c);
    s->v = ki_view_acquire(s->rows);
}

void store_add(test_store *s, const float *x, size_t n, const int64_t *ids)
{
    ki_change *c = begin(s);

    must(ki_change_put(c, KI_PUT_ADD, KITH_ROWS(x, n, KITH_F32), ids, NULL, 1, NULL));
    commit(s, c);
}

void store_remove(test_store *s, const int64_t *ids, size_t n)
{
    ki_change *c = begin(s);
    bool removed;

    for (size_t i = 0; i < n; i++) must(ki_change_remove(c, ids[i], &removed));
    commit(s, c);
}

void store_close(test_store *s)
{
    if (s->v) ki_view_release(s->rows, s->v);
    ki_rows_free(s->rows);
}
