/* Exact search: how a call is divided among threads, and how what they collect becomes the answer.
 *
 * Few queries: the rows are divided. Each part runs all queries over the units of rows it takes,
 * with collectors of its own, which are merged at the end. Many queries: the queries are divided.
 * Each part takes a group, runs it over all rows and delivers it. A collector's answer does not
 * depend on the order or number of its offers (top.h), so neither does the result on any of this.
 *
 * Numbers of row x query pairs are what progress counts.
 */
#include "rows/exact_inside.h"

#include <stdatomic.h>
#include <string.h>

enum {
    GROUP = 1024,                /* queries a pass over the rows serves at most */
    GROUP_BYTES = 64 << 20,      /* what the collectors of a group may take */
    BATCH_LEAST = 2,             /* queries that make a panel */
    UNIT_BYTES = 4 << 20,        /* rows are handed out in pieces of about this size */
    UNIT_LEAST = 256,            /* rows */
    THREAD_BYTES = 1 << 20,      /* a thread is worth starting for this much */
    PANEL = KI_PANEL
};

/* owns: part and all of theirs. */
struct ki_scratch {
    ki_env *env;
    ki_part *part; /* [parts] */
    size_t parts;
};

void *ki_buffer_need(ki_env *env, ki_buffer *b, size_t len)
{
    if (len <= b->len && b->ptr) return b->ptr;
    if (b->ptr) ki_release(env, b->ptr, b->len, 1);
    b->len = 0;
    b->ptr = ki_array(env, len, 1);
    if (b->ptr) b->len = len;
    return b->ptr;
}

static void free_part(ki_part *p)
{
    for (size_t i = 0; i < p->tops; i++) ki_top_free(&p->top[i]);
    if (p->top) ki_release(p->env, p->top, p->tops, sizeof *p->top);
    for (size_t u = 0; u < KI_USES; u++)
        if (p->use[u].ptr) ki_release(p->env, p->use[u].ptr, p->use[u].len, 1);
}

kith_status ki_scratch_create(ki_env *env, ki_scratch **out)
{
    ki_scratch *s = ki_zeros(env, 1, sizeof *s);

    if (!s) return KITH_NO_MEMORY;
    s->env = env;
    *out = s;
    return KITH_OK;
}

static void free_parts(ki_scratch *s)
{
    for (size_t i = 0; i < s->parts; i++) free_part(&s->part[i]);
    if (s->part) ki_release(s->env, s->part, s->parts, sizeof *s->part);
    s->part = NULL;
    s->parts = 0;
}

void ki_scratch_free(ki_scratch *s)
{
    ki_env *env;

    if (!s) return;
    env = s->env;
    free_parts(s);
    ki_release(env, s, 1, sizeof *s);
}

static kith_status need_parts(ki_scratch *s, size_t n)
{
    ki_part *part;

    if (n <= s->parts) return KITH_OK;
    part = ki_zeros(s->env, n, sizeof *part);
    if (!part) return KITH_NO_MEMORY;
    if (s->parts) memcpy(part, s->part, s->parts * sizeof *part);
    for (size_t i = s->parts; i < n; i++) part[i].env = s->env;
    if (s->part) ki_release(s->env, s->part, s->parts, sizeof *s->part);
    s->part = part;
    s->parts = n;
    return KITH_OK;
}

static kith_status need_tops(ki_part *p, size_t n)
{
    ki_top *top;

    if (n <= p->tops) return KITH_OK;
    top = ki_zeros(p->env, n, sizeof *top);
    if (!top) return KITH_NO_MEMORY;
    if (p->tops) memcpy(top, p->top, p->tops * sizeof *top);
    if (p->top) ki_release(p->env, p->top, p->tops, sizeof *p->top);
    p->top = top;
    p->tops = n;
    return KITH_OK;
}

/* ---- groups ---------------------------------------------------------------------------------- */

static const void *query_at(const ki_search *s, size_t i)
{
    return s->q + i * s->q_bytes;
}

/* Make queries first…first+n-1 the part's group: prepared, with empty collectors. */
static kith_status begin_group(ki_part *p, const ki_search *s, size_t first, size_t n)
{
    kith_status st = KITH_OK;
    const ki_view *v = s->v;
    const size_t each = ki_prepare_bytes(v->codec, v->metric, v->d);
    unsigned char *scratch = ki_buffer_need(p->env, &p->use[KI_USE_SCRATCH], n * each);

    KI_NEED(scratch);
    p->s = s;
    p->first = first;
    p->n = n;
    p->prepared = ki_buffer_need(p->env, &p->use[KI_USE_PREPARED], n * sizeof *p->prepared);
    KI_NEED(p->prepared);
    p->work = ki_buffer_need(p->env, &p->use[KI_USE_WORK],
                             ki_score_bytes(v->codec, v->metric, v->d));
    KI_NEED(p->work);
    p->list = ki_buffer_need(p->env, &p->use[KI_USE_BLOCK], sizeof *p->list);
    KI_NEED(p->list);
    p->coded_chunk = SIZE_MAX;
    p->seen = 0;
    KI_TRY(need_tops(p, n));
    for (size_t i = 0; i < n; i++) {
        const void *q = query_at(s, first + i);
        ki_prepare(v->codec, v->metric, v->arg, v->d, q, scratch + i * each, &p->prepared[i]);
        ki_top_begin(&p->top[i], p->env, v, s->ask, q,
                     s->ask->exclude ? s->ask->exclude[first + i] : KITH_NO_ID, p->work);
    }
    p->batch = NULL;
    if (n >= BATCH_LEAST && ki_batch_serves(v)) KI_TRY(ki_batch_begin(p));
out:
    return st;
}

static kith_status run_unit(ki_part *p, size_t u)
{
    kith_status st = KITH_OK;
    const ki_search *s = p->s;
    const ki_view *v = s->v;
    const size_t first = u * s->unit_rows, left = v->n - first;
    const unsigned char *chunk = ki_column_chunk(v->codes, first / KI_CHUNK);
    const ki_run run = {chunk + first % KI_CHUNK * v->row_bytes, (uint32_t)first,
                        (uint32_t)(left < s->unit_rows ? left : s->unit_rows)};

    KI_TRY(p->batch ? ki_batch_run(p, &run) : ki_scan_run(p, &run));
    KI_TRY(ki_progress_add(s->ask->progress, (uint64_t)run.n * p->n));
out:
    return st;
}

/* The answer of the part's i-th query. */
static kith_status deliver(ki_part *p, size_t i, ki_receive *receive, void *ctx)
{
    kith_status st = KITH_OK;
    ki_top *t = &p->top[i];
    ki_found *found;

    ki_top_finish(t);
    found = ki_buffer_need(p->env, &p->use[KI_USE_FOUND], t->n * sizeof *found);
    KI_NEED(found);
    for (size_t j = 0; j < t->n; j++)
        found[j] = (ki_found){t->item[j].lo, ki_view_id(p->s->v, t->item[j].pos), t->item[j].pos};
    KI_TRY(receive(ctx, p->first + i, found, t->n));
out:
    return st;
}

/* ---- parts ----------------------------------------------------------------------------------- */

typedef struct division {
    const ki_search *s;
    ki_scratch *scratch;
    ki_receive *receive;
    void *ctx;
    size_t first, n;     /* rows divided: the group in hand */
    atomic_size_t next;  /* unit or group not yet taken */
} division;

/* Part i of a division of the rows: all queries of the group over the units it gets. */
static kith_status run_rows(void *arg, size_t i)
{
    kith_status st = KITH_OK;
    division *v = arg;
    ki_part *p = &v->scratch->part[i];

    KI_TRY(begin_group(p, v->s, v->first, v->n));
    for (size_t u; (u = atomic_fetch_add(&v->next, 1)) < v->s->units;) KI_TRY(run_unit(p, u));
out:
    return st;
}

/* Part i of a division of the queries: the groups it gets over all rows. */
static kith_status run_queries(void *arg, size_t i)
{
    kith_status st = KITH_OK;
    division *v = arg;
    const ki_search *s = v->s;
    ki_part *p = &v->scratch->part[i];

    for (size_t first; (first = atomic_fetch_add(&v->next, s->group)) < s->nq;) {
        KI_TRY(begin_group(p, s, first, s->nq - first < s->group ? s->nq - first : s->group));
        for (size_t u = 0; u < s->units; u++) KI_TRY(run_unit(p, u));
        for (size_t j = 0; j < p->n; j++) KI_TRY(deliver(p, j, v->receive, v->ctx));
    }
out:
    return st;
}

static kith_status divide_rows(division *v, size_t threads)
{
    kith_status st = KITH_OK;
    const ki_search *s = v->s;
    ki_part *part = v->scratch->part;

    for (v->first = 0; v->first < s->nq; v->first += v->n) {
        v->n = s->nq - v->first < s->group ? s->nq - v->first : s->group;
        atomic_store(&v->next, 0);
        KI_TRY(ki_parallel(s->env, threads, threads, run_rows, v));
        for (size_t j = 0; j < v->n; j++) {
            for (size_t i = 1; i < threads; i++)
                KI_TRY(ki_top_merge(&part[0].top[j], &part[i].top[j]));
            KI_TRY(deliver(&part[0], j, v->receive, v->ctx));
        }
    }
out:
    return st;
}

/* ---- the plan -------------------------------------------------------------------------------- */

static size_t round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

/* Rows of about UNIT_BYTES, so that units stay within chunks. */
static size_t unit_rows(const ki_view *v)
{
    size_t rows = UNIT_LEAST;

    while (rows < KI_CHUNK && rows * 2 * v->row_bytes <= UNIT_BYTES) rows *= 2;
    return rows;
}

/* Queries a group may have for the memory its collectors take. */
static size_t group_limit(const ki_view *v, size_t k)
{
    const size_t rows = k < v->n / 4 ? 4 * k : v->n;
    const size_t n = GROUP_BYTES / ((rows + 1) * sizeof(ki_scored));

    return n > GROUP ? GROUP : n >= PANEL ? n / PANEL * PANEL : n ? n : 1;
}

static kith_status nothing_found(size_t nq, ki_receive *receive, void *ctx)
{
    kith_status st = KITH_OK;
    const ki_found none = {0, KITH_NO_ID, 0};

    for (size_t i = 0; i < nq; i++) KI_TRY(receive(ctx, i, &none, 0));
out:
    return st;
}

kith_status ki_exact_search(const ki_view *v, ki_env *env, const void *q, size_t nq,
                            const ki_ask *ask, ki_scratch *scratch, ki_receive *receive, void *ctx)
{
    kith_status st = KITH_OK;
    const bool bits = v->codec->type == KI_BITS, masked = ask->mask && ask->mask->words;
    ki_search s = {.v = v, .env = env, .ask = ask, .q = q, .nq = nq};
    division d = {.s = &s, .scratch = scratch, .receive = receive, .ctx = ctx};
    const size_t bytes = (masked ? ask->mask->count : v->n) * v->row_bytes;
    size_t threads;

    if (v->n == 0 || ask->k == 0) return nothing_found(nq, receive, ctx);
    s.q_bytes = bits ? v->row_bytes : v->d * sizeof(float);
    s.filtered = masked || v->live < v->n;
    s.unit_rows = unit_rows(v);
    s.units = (v->n + s.unit_rows - 1) / s.unit_rows;
    s.group = group_limit(v, ask->k);
    threads = ki_thread_count(env, ask->threads, bytes / THREAD_BYTES * nq + 1);
    if (nq >= 2 * PANEL * threads && s.group >= PANEL) {
        const size_t share = round_up((nq + threads - 1) / threads, PANEL);
        if (share < s.group) s.group = share;
        KI_TRY(need_parts(scratch, threads));
        KI_TRY(ki_parallel(env, threads, threads, run_queries, &d));
    } else {
        if (threads > s.units) threads = s.units;
        KI_TRY(need_parts(scratch, threads));
        KI_TRY(divide_rows(&d, threads));
    }
out:
    return st;
}
