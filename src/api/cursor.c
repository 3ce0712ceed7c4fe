/* A query answered page by page over one snapshot. Each refill is an exact search for what lies
 * behind the last hit in the order (key, id), twice as large as the one before: a walk over all n
 * rows costs a logarithmic number of scans. */
#include "api/index.h"

#include <string.h>

enum { FIRST_FETCH = 128 };

/* owns: everything; shares the index. */
struct kith_cursor {
    kith_index *ix;
    const ki_view *view;
    kith_query how;
    ki_mask mask;
    ki_ask ask;
    kith_context *context;
    void *query; /* a copy, [query_len] bytes */
    size_t query_len;
    ki_found *found; /* [cap], n of them there, at the next to hand out */
    size_t cap, n, at, fetch;
    bool ended;
};

static kith_status receive_page(void *ctx, size_t i, const ki_found *hit, size_t n)
{
    kith_cursor *c = ctx;

    (void)i; // there is one query
    ki_assert(n <= c->cap);
    if (n) memcpy(c->found, hit, n * sizeof *hit);
    c->n = n;
    return KITH_OK;
}

static kith_status refill(kith_cursor *c, size_t wanted)
{
    kith_status st = KITH_OK;
    const size_t most = c->view->live ? c->view->live : 1;
    size_t fetch = c->fetch > wanted ? c->fetch : wanted;
    const size_t n = c->n;

    if (fetch > most) fetch = most;
    if (n) {
        c->ask.has_after = true;
        c->ask.after_key = c->found[n - 1].key;
        c->ask.after_id = c->found[n - 1].id;
    }
    if (fetch > c->cap) {
        ki_found *more = ki_array(&c->ix->env, fetch, sizeof *more);

        KI_NEED(more);
        ki_release(&c->ix->env, c->found, c->cap, sizeof *c->found);
        c->found = more;
        c->cap = fetch;
        c->n = c->at = 0; // what was there is handed out; the place behind it is in ask
    }
    c->ask.k = fetch;
    KI_TRY(c->ix->plan.nav->search(c->view, c->context->env, c->query, 1, &c->ask,
                                   c->context->scratch, receive_page, c));
    c->at = 0;
    c->ended = c->n < fetch;
    c->fetch = fetch > most / 2 ? most : 2 * fetch;
out:
    return st;
}

kith_status kith_cursor_open(const kith_index *ix, kith_rows one, const kith_query *how,
                             kith_cursor **out)
{
    kith_status st = KITH_OK;
    kith_index *shared = ki_unconst(ix); // counted below, freed by whoever is last
    kith_cursor *c = NULL;
    const void *query;

    if (!out) KI_FAIL(KITH_BAD_ARG, "out may not be NULL");
    if (one.n != 1) KI_FAIL(KITH_BAD_ARG, "a cursor takes one query, not %zu", one.n);
    c = ki_zeros(&shared->env, 1, sizeof *c);
    KI_NEED(c);
    c->ix = shared;
    ki_index_share(ix);
    c->view = ki_view_acquire(ix->rows);
    KI_TRY(ki_query_check(ix, how, &c->how));
    c->how.context = NULL; // the caller's may be in use elsewhere when a page is asked for
    KI_TRY(ki_context_take(ix, &c->how, &c->context));
    KI_TRY(ki_queries(ix, c->view, one, c->context, &query));
    c->query_len = c->view->codec->type == KI_BITS ? c->view->row_bytes : ix->d * sizeof(float);
    c->query = ki_array(&shared->env, 1, c->query_len);
    KI_NEED(c->query);
    memcpy(c->query, query, c->query_len);
    KI_TRY(ki_query_ask(ix, c->view, &c->how, &c->mask, &c->ask));
    c->fetch = FIRST_FETCH;
    *out = c;
    c = NULL;
out:
    kith_cursor_free(c);
    return st;
}

kith_status kith_cursor_next(kith_cursor *c, size_t cap, int64_t *ids, float *dist, size_t *got)
{
    kith_status st = KITH_OK;
    size_t n = 0;

    if (!c || !got || (cap && !ids)) KI_FAIL(KITH_BAD_ARG, "cursor, ids and got may not be NULL");
    while (n < cap) {
        if (c->at == c->n) {
            if (c->ended) break;
            KI_TRY(refill(c, cap - n));
            if (c->n == 0) break;
        }
        ids[n] = c->found[c->at].id;
        if (dist) dist[n] = (float)ki_report(c->ix->metric, c->found[c->at].key);
        c->at++;
        n++;
    }
    *got = n;
out:
    return st;
}

void kith_cursor_free(kith_cursor *c)
{
    kith_index *ix;

    if (!c) return;
    ix = c->ix;
    ki_mask_free(&ix->env, &c->mask);
    if (c->context) ki_context_give(ix, &c->how, c->context);
    ki_release(&ix->env, c->query, 1, c->query_len);
    ki_release(&ix->env, c->found, c->cap, sizeof *c->found);
    ki_view_release(ix->rows, c->view);
    ki_release(&ix->env, c, 1, sizeof *c);
    kith_free(ix);
}
