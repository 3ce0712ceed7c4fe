/* Searches: k-NN by vector or by stored id, and range. Arguments are checked here, hits become the
 * caller's arrays here; everything between is the navigator's. */
#include "api/curve.h"
#include "api/index.h"

kith_status ki_query_check(const kith_index *ix, const kith_query *how, kith_query *out)
{
    static const ki_sized sized = {"kith_query", "KITH_QUERY_INIT",
                                   KI_SIZE_UP_TO(kith_query, flags), sizeof(kith_query)};
    static const kith_query preset = KITH_QUERY_INIT;
    kith_status st;

    *out = preset;
    st = how ? ki_sized_copy(&sized, how, out) : KITH_OK;
    if (st != KITH_OK) return st;
    if (out->options & ~(uint32_t)KITH_EXCLUDE_SELF)
        return ki_fail(KITH_BAD_ARG, "options 0x%x: unknown bits", out->options);
    if (!(out->recall >= 0 && out->recall <= 1))
        return ki_fail(KITH_BAD_ARG, "recall %g: 0…1 is possible", (double)out->recall);
    if (!(out->slack >= 0 && out->slack <= 100))
        return ki_fail(KITH_BAD_ARG, "slack %g: 0…100 is possible", (double)out->slack);
    if (out->recall > 0 && (out->effort || out->rerank || out->slack > 0))
        return ki_fail(KITH_BAD_ARG,
                       "recall %g says how hard to search: no effort, slack or rerank beside it",
                       (double)out->recall);
    if ((out->deadline_us || out->max_visits) && (ix->plan.nav->flags & KITH_EXACT))
        return ki_fail(KITH_UNSUPPORTED,
                       "%s answers exactly and cannot stop early: no deadline, no "
                       "visit cap",
                       ix->plan.nav->name);
    return KITH_OK;
}

/* Infinity where rounding to float sees it: one step behind the largest float. */
static double step_of(float x)
{
    return isinf(x) ? copysign(0x1p128, (double)x) : (double)x;
}

/* The largest key that is reported (rounded to float) within the limit: callers compare with the
 * floats they were given. */
static double limit_key(kith_metric m, float limit)
{
    const float edge = kith_metric_is_similarity(m) ? -limit : limit;
    const double between = (step_of(edge) + step_of(nextafterf(edge, INFINITY))) / 2;

    if (edge == INFINITY) return (double)INFINITY;
    return (float)between > edge ? nextafter(between, (double)-INFINITY) : between;
}

kith_status ki_query_ask(const kith_index *ix, const ki_view *v, const kith_query *how,
                         ki_mask *mask, ki_ask *out)
{
    kith_status st = KITH_OK;

    KI_TRY(ki_filter_mask(how->filter, ix->rows, v, ki_unconst(&ix->env), mask));
    *out =
        (ki_ask){.k = how->k,
                 .limit = isnan(how->limit) ? (double)INFINITY : limit_key(ix->metric, how->limit),
                 .mask = mask->words ? mask : NULL,
                 .threads = how->threads,
                 .effort = how->effort,
                 .rerank = how->rerank,
                 .slack = how->slack,
                 .deadline_us = how->deadline_us,
                 .max_visits = how->max_visits};
out:
    return st;
}

kith_status ki_query_reach(const kith_index *ix, const ki_view *v, float recall, size_t k,
                           ki_ask *ask)
{
    const ki_navigator *nav = ix->plan.nav;

    ask->exhaustive = recall > 0.0f && nav->sees_all && nav->sees_all(v, ask);
    return ask->exhaustive ? KITH_OK : ki_curve_ask(v, recall, k, ask);
}

kith_status ki_query_run(const kith_index *ix, const ki_view *v, const void *q, size_t nq,
                         const ki_ask *ask, kith_context *c, ki_receive *receive, void *ctx)
{
    ki_env *env = ki_unconst(&ix->env); // lent functions and an atomic count

    if (ask->exhaustive) return ki_exact_search(v, env, q, nq, ask, c->scratch, receive, ctx);
    return ix->plan.nav->search(v, env, q, nq, ask, c->scratch, receive, ctx);
}

/* ---- k-NN ------------------------------------------------------------------------------------ */

typedef struct answer {
    const kith_index *ix;
    size_t k;
    int64_t *ids;    /* [nq][k] */
    float *dist;     /* [nq][k] or NULL */
    uint32_t *flags; /* [nq] or NULL */
} answer;

static kith_status receive_row(void *ctx, size_t i, const ki_found *hit, size_t n, uint32_t flags)
{
    const answer *a = ctx;
    int64_t *ids = a->ids + i * a->k;
    float *dist = a->dist ? a->dist + i * a->k : NULL;

    for (size_t j = 0; j < a->k; j++) {
        ids[j] = j < n ? hit[j].id : KITH_NO_ID;
        if (dist) dist[j] = j < n ? (float)ki_report(a->ix->metric, hit[j].key) : NAN;
    }
    if (a->flags) a->flags[i] = flags | (n < a->k ? KITH_SHORT : 0u);
    return KITH_OK;
}

/* What k-NN by vector and by id share once queries are at hand. exclude: [nq] or NULL. */
static kith_status search_rows(const kith_index *ix, const ki_view *v, const void *q, size_t nq,
                               const int64_t *exclude, const kith_query *how, kith_context *c,
                               int64_t *ids, float *dist)
{
    kith_status st = KITH_OK;
    answer a = {ix, how->k, ids, dist, how->flags};
    ki_mask mask = {0};
    ki_progress p;
    ki_ask ask;

    KI_TRY(ki_query_ask(ix, v, how, &mask, &ask));
    KI_TRY(ki_query_reach(ix, v, how->recall, how->k, &ask));
    ki_progress_init(&p, how->watch, "search", (uint64_t)nq * v->n);
    ask.progress = how->watch ? &p : NULL;
    ask.exclude = exclude;
    if (how->recall > 0) ask.k = ki_curve_k(v, ask.k);
    KI_TRY(ki_query_run(ix, v, q, nq, &ask, c, receive_row, &a));
    if (how->watch) KI_TRY(ki_progress_end(&p));
out:
    ki_mask_free(ki_unconst(&ix->env), &mask);
    return st;
}

static kith_status check_k(const kith_query *how, size_t nq, const int64_t *ids)
{
    size_t cells;

    if (how->k == 0 || how->k > KITH_MAX_ROWS)
        return ki_fail(KITH_BAD_ARG, "k = %u: 1…%u is possible", how->k, KITH_MAX_ROWS);
    if (!ki_mul3(nq, how->k, sizeof(int64_t), &cells))
        return ki_fail(KITH_LIMIT, "%zu queries × k = %u do not fit into memory", nq, how->k);
    if (nq && !ids) return ki_fail(KITH_BAD_ARG, "ids may not be NULL");
    return KITH_OK;
}

kith_status kith_search(const kith_index *ix, kith_rows q, const kith_query *how, int64_t *ids,
                        float *dist)
{
    kith_status st = KITH_OK;
    const ki_view *v = NULL;
    kith_context *c = NULL;
    kith_query h;
    const void *queries;

    KI_TRY(ki_index_look(ix, &v));
    KI_TRY(ki_query_check(ix, how, &h));
    KI_TRY(check_k(&h, q.n, ids));
    KI_TRY(ki_context_take(ix, &h, &c));
    KI_TRY(ki_queries(ix, v, q, c, &queries));
    KI_TRY(search_rows(ix, v, queries, q.n, NULL, &h, c, ids, dist));
out:
    if (c) ki_context_give(ix, &h, c);
    ki_index_leave(ix, v);
    return st;
}

kith_status kith_search_ids(const kith_index *ix, const int64_t *of, size_t n,
                            const kith_query *how, int64_t *ids, float *dist)
{
    kith_status st = KITH_OK;
    kith_context *c = NULL;
    const ki_view *v = NULL;
    const void *queries;
    kith_query h;

    KI_TRY(ki_index_look(ix, &v));
    KI_TRY(ki_query_check(ix, how, &h));
    KI_TRY(check_k(&h, n, ids));
    if (n && !of) KI_FAIL(KITH_BAD_ARG, "of may not be NULL");
    KI_TRY(ki_context_take(ix, &h, &c));
    KI_TRY(ki_queries_stored(ix, v, of, n, c, &queries));
    KI_TRY(search_rows(ix, v, queries, n, h.options & KITH_EXCLUDE_SELF ? of : NULL, &h, c, ids,
                       dist));
out:
    if (c) ki_context_give(ix, &h, c);
    ki_index_leave(ix, v);
    return st;
}

/* ---- range ----------------------------------------------------------------------------------- */

typedef struct hits_row {
    int64_t *ids;
    float *dist;
    size_t n;
} hits_row;

struct kith_hits {
    ki_env env; /* its own: hits may outlive their index */
    kith_metric metric;
    size_t nq;
    hits_row *row;   /* [nq] */
    uint32_t *flags; /* [nq], the caller's, while the search goes on; or NULL */
};

static kith_status receive_hits(void *ctx, size_t i, const ki_found *hit, size_t n, uint32_t flags)
{
    kith_status st = KITH_OK;
    kith_hits *h = ctx;
    hits_row *row = &h->row[i];

    if (h->flags) h->flags[i] = flags;

    row->n = n;
    row->ids = ki_array(&h->env, n, sizeof *row->ids);
    KI_NEED(row->ids);
    row->dist = ki_array(&h->env, n, sizeof *row->dist);
    KI_NEED(row->dist);
    for (size_t j = 0; j < n; j++) {
        row->ids[j] = hit[j].id;
        row->dist[j] = (float)ki_report(h->metric, hit[j].key);
    }
out:
    return st;
}

kith_status kith_range(const kith_index *ix, kith_rows q, const kith_query *how, kith_hits **out)
{
    kith_status st = KITH_OK;
    const ki_view *v = NULL;
    kith_context *c = NULL;
    kith_hits *hits = NULL;
    ki_mask mask = {0};
    ki_env env;
    ki_progress p;
    kith_query h;
    const void *queries;
    ki_ask ask;

    KI_TRY(ki_index_look(ix, &v));
    if (!out) KI_FAIL(KITH_BAD_ARG, "out may not be NULL");
    KI_TRY(ki_query_check(ix, how, &h));
    if (isnan(h.limit)) KI_FAIL(KITH_BAD_ARG, "a range search needs a limit");
    KI_TRY(ki_env_init(&env, &ix->env.host));
    hits = ki_zeros(&env, 1, sizeof *hits);
    KI_NEED(hits);
    KI_TRY(ki_env_init(&hits->env, &ix->env.host));
    hits->metric = ix->metric;
    hits->row = ki_zeros(&hits->env, q.n, sizeof *hits->row);
    KI_NEED(hits->row);
    hits->nq = q.n;
    hits->flags = h.flags;
    KI_TRY(ki_context_take(ix, &h, &c));
    KI_TRY(ki_queries(ix, v, q, c, &queries));
    KI_TRY(ki_query_ask(ix, v, &h, &mask, &ask));
    ask.k = SIZE_MAX;
    KI_TRY(ki_query_reach(ix, v, h.recall, h.k, &ask));
    ki_progress_init(&p, h.watch, "search", (uint64_t)q.n * v->n);
    ask.progress = h.watch ? &p : NULL;
    KI_TRY(ki_query_run(ix, v, queries, q.n, &ask, c, receive_hits, hits));
    hits->flags = NULL;
    *out = hits;
    hits = NULL;
out:
    if (ix) ki_mask_free(ki_unconst(&ix->env), &mask);
    if (c) ki_context_give(ix, &h, c);
    kith_hits_free(hits);
    ki_index_leave(ix, v);
    return st;
}

size_t kith_hits_count(const kith_hits *h)
{
    return h ? h->nq : 0;
}

size_t kith_hits_row(const kith_hits *h, size_t i, const int64_t **ids, const float **dist)
{
    const bool there = h && i < h->nq;

    if (ids) *ids = there ? h->row[i].ids : NULL;
    if (dist) *dist = there ? h->row[i].dist : NULL;
    return there ? h->row[i].n : 0;
}

void kith_hits_free(kith_hits *h)
{
    ki_env env;

    if (!h) return;
    for (size_t i = 0; i < h->nq; i++) {
        ki_release(&h->env, h->row[i].ids, h->row[i].n, sizeof *h->row[i].ids);
        ki_release(&h->env, h->row[i].dist, h->row[i].n, sizeof *h->row[i].dist);
    }
    ki_release(&h->env, h->row, h->nq, sizeof *h->row);
    env.host = h->env.host;
    atomic_init(&env.bytes, sizeof *h);
    ki_release(&env, h, 1, sizeof *h);
}
