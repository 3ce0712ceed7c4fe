/* Exact search: how a call is divided among threads, and how what they collect becomes the answer.
 *
 * Few queries: the rows are divided. Each part runs all queries over the units of rows it takes,
 * with collectors of its own, which are merged at the end. Many queries: the queries are divided.
 * Each part takes a group, runs it over all rows and delivers it. A collector's answer does not
 * depend on the order or number of its offers (top.h), nor a lost bet on it, since the query is
 * asked again; so neither does the result on any of this.
 *
 * Numbers of row x query pairs are what progress counts.
 */
#include "rows/exact_inside.h"

#include <stdatomic.h>
#include <string.h>

enum {
    GROUP = 1024,                /* queries a pass over the rows serves at most */
    GROUP_BYTES = 64 << 20,      /* what the collectors of a group may take */
    BATCH_LEAST = 2,             /* queries that make a panel; of scan codes: code_least */
    UNIT_BYTES = 4 << 20,        /* rows are handed out in pieces of about this size */
    UNIT_LEAST = 256,            /* rows */
    THREAD_BYTES = 1 << 20,      /* a thread is worth starting for this much */
    PANEL = KI_PANEL
};

static size_t batch_least(const ki_view *v)
{
    return v->scan_chunks ? ki_kernels_get()->code_least : BATCH_LEAST;
}

/* owns: part and all of theirs. */
struct ki_scratch {
    ki_env *env;
    ki_part *part; /* [parts] */
    size_t parts;
    void *kept; /* a navigator's, freed by release */
    void (*release)(void *kept);
};

static void free_part(ki_part *p)
{
    for (size_t i = 0; i < p->tops; i++) ki_top_free(&p->top[i]);
    if (p->top) ki_release(p->env, p->top, p->tops, sizeof *p->top);
    for (size_t u = 0; u < KI_USES; u++) ki_buffer_free(p->env, &p->use[u]);
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
    if (s->kept) s->release(s->kept);
    ki_release(env, s, 1, sizeof *s);
}

void **ki_scratch_keep(ki_scratch *s, void (*release)(void *kept))
{
    if (s->kept && s->release != release) {
        s->release(s->kept);
        s->kept = NULL;
    }
    s->release = release;
    return &s->kept;
}

ki_env *ki_scratch_env(const ki_scratch *s)
{
    return s->env;
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

static size_t query_number(const ki_group *g, size_t i)
{
    return g->query ? g->query[i] : g->first + i;
}

/* Make queries the part's group: prepared, with empty collectors. */
static kith_status begin_group(ki_part *p, const ki_search *s, const ki_group *g)
{
    kith_status st = KITH_OK;
    const ki_view *v = s->v;
    const size_t each = ki_prepare_bytes(v->codec, v->metric, v->d);
    unsigned char *scratch = ki_buffer_need(p->env, &p->use[KI_USE_SCRATCH], g->n * each);

    KI_NEED(scratch);
    p->s = s;
    p->group = *g;
    p->n = g->n;
    p->prepared = ki_buffer_need(p->env, &p->use[KI_USE_PREPARED], p->n * sizeof *p->prepared);
    KI_NEED(p->prepared);
    p->work = ki_buffer_need(p->env, &p->use[KI_USE_WORK],
                             ki_score_bytes(v->codec, v->metric, v->d));
    KI_NEED(p->work);
    p->list = ki_buffer_need(p->env, &p->use[KI_USE_BLOCK], sizeof *p->list);
    KI_NEED(p->list);
    p->coded_chunk = SIZE_MAX;
    p->seen = 0;
    KI_TRY(need_tops(p, p->n));
    for (size_t i = 0; i < p->n; i++) {
        const size_t number = query_number(g, i);
        const void *q = query_at(s, number);
        ki_prepare(v->codec, v->metric, v->arg, v->d, q, scratch + i * each, &p->prepared[i]);
        ki_top_begin(&p->top[i], p->env, v, s->ask, q,
                     s->ask->exclude ? s->ask->exclude[number] : KITH_NO_ID, p->work,
                     &p->use[KI_USE_SPACE]);
        if (g->tau && g->tau[i] < p->top[i].tau) p->top[i].tau = g->tau[i];
    }
    p->batch = NULL;
    if (p->n >= batch_least(v) && ki_batch_serves(v)) KI_TRY(ki_batch_begin(p));
out:
    return st;
}

static kith_status run_unit(ki_part *p, size_t u, ki_phase phase)
{
    kith_status st = KITH_OK;
    const ki_search *s = p->s;
    const ki_view *v = s->v;
    const size_t first = u * s->unit_rows, left = v->n - first;
    const unsigned char *chunk = ki_column_chunk(v->codes, first / KI_CHUNK);
    const ki_run run = {chunk + first % KI_CHUNK * v->row_bytes, (uint32_t)first,
                        (uint32_t)(left < s->unit_rows ? left : s->unit_rows)};
    const bool counts = phase != KI_SAMPLE && !p->group.tau; // a second time is not counted

    KI_TRY(p->batch ? ki_batch_run(p, &run, phase) : ki_scan_run(p, &run));
    KI_TRY(ki_progress_add(s->ask->progress, counts ? (uint64_t)run.n * p->n : 0));
out:
    return st;
}

/* Queries to be asked again, with what is known of their k-th keys. */
typedef struct again {
    uint32_t *query;
    double *tau;
    size_t n;
} again;

static kith_status begin_again(ki_part *p, again *out)
{
    const size_t n = p->n;
    unsigned char *room = ki_buffer_need(p->env, &p->use[KI_USE_AGAIN],
                                         n * (sizeof *out->tau + sizeof *out->query));

    if (!room) return KITH_NO_MEMORY;
    *out = (again){.tau = (double *)(void *)room,
                   .query = (uint32_t *)(void *)(room + n * sizeof *out->tau)};
    return KITH_OK;
}

/* The answer of the part's i-th query, if its bets are won. lost NULL: none were made. */
static kith_status deliver(ki_part *p, size_t i, again *lost, ki_receive *receive, void *ctx)
{
    kith_status st = KITH_OK;
    const size_t number = query_number(&p->group, i);
    ki_top *t = &p->top[i];
    ki_found *found;

    ki_top_finish(t);
    if (lost && !ki_top_won(t)) {
        lost->query[lost->n] = (uint32_t)number;
        lost->tau[lost->n++] = t->n == t->k ? t->item[t->n - 1].lo : (double)INFINITY;
        return KITH_OK;
    }
    found = ki_buffer_need(p->env, &p->use[KI_USE_FOUND], t->n * sizeof *found);
    KI_NEED(found);
    for (size_t j = 0; j < t->n; j++)
        found[j] = (ki_found){t->item[j].lo, ki_view_id(p->s->v, t->item[j].pos), t->item[j].pos};
    KI_TRY(receive(ctx, number, found, t->n, KITH_EXACT));
out:
    return st;
}

/* ---- parts ----------------------------------------------------------------------------------- */

typedef struct division {
    const ki_search *s;
    ki_scratch *scratch;
    ki_receive *receive;
    void *ctx;
    size_t threads;
    ki_group group;         /* rows divided: in hand */
    atomic_size_t next;     /* unit or query not yet taken */
    atomic_bool bets_fail;  /* rows come in an order that bets are lost on: no more of them */
} division;

/* Units in an order that mixes what lies together, so that what was met is a sample of all. Where
 * queries are packed anew for each chunk's scan code, the samples of stretches have to do. */
static size_t mixed(const ki_search *s, size_t i)
{
    return s->v->scan_chunks ? i : i * s->unit_step % s->units;
}

static ki_group next_group(division *v, size_t first)
{
    const ki_search *s = v->s;
    const size_t left = s->nq - first;

    return (ki_group){.first = first, .n = left < s->group ? left : s->group,
                      .betting = !atomic_load(&v->bets_fail)};
}

static ki_group lost_group(division *v, const again *lost, size_t of)
{
    if (lost->n > of / 8) atomic_store(&v->bets_fail, true);
    return (ki_group){.query = lost->query, .tau = lost->tau, .n = lost->n};
}

/* Part i of a division of the rows: all queries of the group over the units it gets. */
static kith_status run_rows(void *arg, size_t i)
{
    kith_status st = KITH_OK;
    division *v = arg;
    const ki_search *s = v->s;
    ki_part *p = &v->scratch->part[i];
    ki_phase phase = KI_ALL_ROWS;

    KI_TRY(begin_group(p, s, &v->group));
    if (ki_batch_bets(p)) {
        phase = KI_REST;
        for (size_t u = i; u < s->units; u += v->threads)
            KI_TRY(run_unit(p, mixed(s, u), KI_SAMPLE));
    }
    for (size_t u; (u = atomic_fetch_add(&v->next, 1)) < s->units;)
        KI_TRY(run_unit(p, phase == KI_REST ? mixed(s, u) : u, phase));
out:
    return st;
}

/* The group in hand by all parts, merged and delivered. lost: as in deliver. */
static kith_status divide_group(division *v, again *lost)
{
    kith_status st = KITH_OK;
    ki_part *part = v->scratch->part;

    atomic_store(&v->next, 0);
    KI_TRY(ki_parallel(v->s->env, v->threads, v->threads, run_rows, v));
    if (lost) KI_TRY(begin_again(part, lost));
    for (size_t j = 0; j < part->n; j++) {
        for (size_t i = 1; i < v->threads; i++)
            KI_TRY(ki_top_merge(&part->top[j], &part[i].top[j]));
        KI_TRY(deliver(part, j, lost, v->receive, v->ctx));
    }
out:
    return st;
}

static kith_status divide_rows(division *v)
{
    kith_status st = KITH_OK;

    for (size_t first = 0, n; first < v->s->nq; first += n) {
        again lost = {0};
        v->group = next_group(v, first);
        n = v->group.n;
        KI_TRY(divide_group(v, &lost));
        if (lost.n == 0) continue;
        v->group = lost_group(v, &lost, n);
        KI_TRY(divide_group(v, NULL));
    }
out:
    return st;
}

/* A group over all rows. */
static kith_status run_group(ki_part *p, const ki_search *s, const ki_group *g)
{
    kith_status st = KITH_OK;
    bool bets;

    KI_TRY(begin_group(p, s, g));
    bets = ki_batch_bets(p);
    for (size_t u = 0; bets && u < s->units; u++) KI_TRY(run_unit(p, mixed(s, u), KI_SAMPLE));
    for (size_t u = 0; u < s->units; u++)
        KI_TRY(run_unit(p, bets ? mixed(s, u) : u, bets ? KI_REST : KI_ALL_ROWS));
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
        ki_group g = next_group(v, first);
        again lost = {0};
        KI_TRY(run_group(p, s, &g));
        KI_TRY(begin_again(p, &lost));
        for (size_t j = 0; j < p->n; j++) KI_TRY(deliver(p, j, &lost, v->receive, v->ctx));
        if (lost.n == 0) continue;
        g = lost_group(v, &lost, g.n);
        KI_TRY(run_group(p, s, &g));
        for (size_t j = 0; j < p->n; j++) KI_TRY(deliver(p, j, NULL, v->receive, v->ctx));
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

/* About 0.618 of the units, and none in common with their number. */
static size_t unit_step(size_t units)
{
    size_t step = units * 5 / 8 + 1;

    for (size_t a = units, b = step, t; ; step++, a = units, b = step) {
        for (; b; t = a % b, a = b, b = t) continue;
        if (a == 1) return step;
    }
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

    for (size_t i = 0; i < nq; i++) KI_TRY(receive(ctx, i, &none, 0, KITH_EXACT));
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

    if (v->n == 0 || ask->k == 0) return nothing_found(nq, receive, ctx);
    s.q_bytes = bits ? v->row_bytes : v->d * sizeof(float);
    s.filtered = masked || v->live < v->n;
    s.unit_rows = unit_rows(v);
    s.units = (v->n + s.unit_rows - 1) / s.unit_rows;
    s.unit_step = unit_step(s.units);
    s.group = group_limit(v, ask->k);
    d.threads = ki_thread_count(env, ask->threads, bytes / THREAD_BYTES * nq + 1);
    if (nq / PANEL / 2 >= d.threads && s.group >= PANEL) {
        const size_t share = round_up((nq + d.threads - 1) / d.threads, PANEL);
        if (share < s.group) s.group = share;
        KI_TRY(need_parts(scratch, d.threads));
        KI_TRY(ki_parallel(env, d.threads, d.threads, run_queries, &d));
    } else {
        if (d.threads > s.units) d.threads = s.units;
        KI_TRY(need_parts(scratch, d.threads));
        KI_TRY(divide_rows(&d));
    }
out:
    return st;
}
