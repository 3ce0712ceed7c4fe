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
    ki_found *found;                /* [cap], n of them there, at the next to hand out */
    size_t cap, n, at, fetch, came; /* came: behind n, from a search that may yet fail */
    bool ended;
};

static kith_status receive_page(void *ctx, size_t i, const ki_found *hit, size_t n, uint32_t flags)
{
    kith_cursor *c = ctx;

    (void)i; // there is one query
    (void)flags;
    ki_assert(n <= c->cap - c->n);
    if (n) memcpy(c->found + c->n, hit, n * sizeof *hit);
    c->came = n;
    return KITH_OK;
}

/* Room for `fetch` hits behind those that are not handed out yet, which move to the front. */
static kith_status make_room(kith_cursor *c, size_t fetch)
{
    const size_t left = c->n - c->at;
    ki_found *to = c->found;
    kith_status st = KITH_OK;

    if (left + fetch > c->cap) {
        to = ki_array(&c->ix->env, left + fetch, sizeof *to);
        KI_NEED(to);
    }
    if (left) memmove(to, c->found + c->at, left * sizeof *to);
    if (to != c->found) {
        ki_release(&c->ix->env, c->found, c->cap, sizeof *c->found);
        c->found = to;
        c->cap = left + fetch;
    }
    c->n = left;
    c->at = 0;
out:
    return st;
}

/* At least `wanted` further hits, or all that are left. A failure changes nothing that is seen: the
 * next call asks for the same again. */
static kith_status refill(kith_cursor *c, size_t wanted)
{
    kith_status st = KITH_OK;
    const size_t most = c->view->live ? c->view->live : 1;
    size_t fetch = c->fetch > wanted ? c->fetch : wanted;

    if (fetch > most) fetch = most;
    KI_TRY(make_room(c, fetch));
    c->came = 0;
    c->ask.k = fetch;
    KI_TRY(ki_query_reach(c->ix, c->view, c->how.recall, fetch, &c->ask));
    KI_TRY(ki_query_run(c->ix, c->view, c->query, 1, &c->ask, c->context, receive_page, c));
    c->n += c->came;
    c->ended = c->came < fetch;
    if (c->came) {
        c->ask.has_after = true;
        c->ask.after_key = c->found[c->n - 1].key;
        c->ask.after_id = c->found[c->n - 1].id;
    }
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

    if (!ix || !out) KI_FAIL(KITH_BAD_ARG, "index and out may not be NULL");
    if (one.n != 1) KI_FAIL(KITH_BAD_ARG, "a cursor takes one query, not %zu", one.n);
    c = ki_zeros(&shared->env, 1, sizeof *c);
    KI_NEED(c);
    c->ix = shared;
    ki_index_share(ix);
    c->view = ki_view_acquire(ix->rows);
    KI_TRY(ki_query_check(ix, how, &c->how));
    if (c->how.deadline_us || c->how.max_visits)
        KI_FAIL(KITH_UNSUPPORTED, "a cursor leaves no row out: no deadline, no visit cap");
    c->how.context = NULL; // the caller's may be in use elsewhere when a page is asked for
    KI_TRY(ki_context_take(ix, &c->how, &c->context));
    KI_TRY(ki_queries(ix, c->view, one, c->context, &query));
    c->query_len = c->view->codec->type == KI_BITS ? c->view->row_bytes : ix->d * sizeof(float);
    c->query = ki_array(&shared->env, 1, c->query_len);
    KI_NEED(c->query);
    memcpy(c->query, query, c->query_len);
    KI_TRY(ki_query_ask(ix, c->view, &c->how, &c->mask, &c->ask));
    c->fetch = c->ask.k = FIRST_FETCH; // later pages are larger, so that what holds for it stays
    KI_TRY(ki_query_reach(ix, c->view, c->how.recall, c->fetch, &c->ask));
    *out = c;
    c = NULL;
out:
    kith_cursor_free(c);
    return st;
}

kith_status kith_cursor_next(kith_cursor *c, size_t cap, int64_t *ids, float *dist, size_t *got)
{
    kith_status st = KITH_OK;
    size_t n;

    if (!c || !got || (cap && !ids)) KI_FAIL(KITH_BAD_ARG, "cursor, ids and got may not be NULL");
    while (c->n - c->at < cap && !c->ended) KI_TRY(refill(c, cap - (c->n - c->at)));
    n = c->n - c->at < cap ? c->n - c->at : cap;
    for (size_t i = 0; i < n; i++) {
        const ki_found *hit = &c->found[c->at + i];

        ids[i] = hit->id;
        if (dist) dist[i] = (float)ki_report(c->ix->metric, hit->key);
    }
    c->at += n;
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
