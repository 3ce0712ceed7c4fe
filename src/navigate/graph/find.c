/* Searches on a graph: which queries walk and which are cheaper exactly, what a walk looks for, and
 * how what it saw becomes an answer with canonical keys. */
#include "navigate/graph/walk.h"

#include <float.h>
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "rows/top.h"

enum {
    TAKE = 8,         /* queries that a thread takes at a time */
    VISITS_EACH = 12, /* distances that a walk costs for each row of its effort, about */
    FEWER_NEAR = 4,   /* so many times fewer pass near the query: a walk would miss what does */
    PATIENCE = 4,     /* so many times what a walk should cost is too much */
    LEAST_K = 10, /* the walk finds its way by so many nearest at least, as far as effort goes */
    WALK_LEAST = 1000 /* live rows; fewer are looked at one by one */
};

/* Walk codes are rounded: a row's distance is off by this much, in units of the code, at most once
 * in some thousand (three standard deviations of the error of a difference). */
static const float OFF = 1.75f;

/* Short codes: what was seen up to so many times the walk's last bound is measured by its bytes. */
static const float FARTHER = 1.25f;

static const float NO_SLACK = 1e9f; /* so much that it never ends a walk */

/* What one thread works with. owns: all. */
typedef struct finder {
    ki_env *env;
    ki_walk walk;
    ki_top top;
    ki_buffer code, room, work, space, found;
    /* The query in hand. */
    const ki_view *v;
    const ki_graph *g;
    const ki_ask *ask;
    const void *q;
    uint32_t exclude; /* position; UINT32_MAX: none */
    bool exact;       /* walk distances are the keys */
    float off;        /* roots of walk distances are off by this much … */
    float closer_off; /* … those of what is measured again by this */
} finder;

/* owns: finder [n]. */
typedef struct finders {
    ki_env *env;
    finder *finder;
    size_t n;
} finders;

static void free_finders(void *kept)
{
    finders *all = kept;
    ki_env *env = all->env;

    for (size_t i = 0; i < all->n; i++) {
        finder *f = &all->finder[i];

        ki_walk_free(&f->walk);
        ki_top_free(&f->top);
        ki_buffer_free(env, &f->code);
        ki_buffer_free(env, &f->room);
        ki_buffer_free(env, &f->work);
        ki_buffer_free(env, &f->space);
        ki_buffer_free(env, &f->found);
    }
    if (all->finder) ki_release(env, all->finder, all->n, sizeof *all->finder);
    ki_release(env, all, 1, sizeof *all);
}

/* The scratch's finders, at least n of them. */
static kith_status need_finders(ki_scratch *scratch, size_t n, finders **out)
{
    void **kept = ki_scratch_keep(scratch, free_finders);
    kith_status st = KITH_OK;
    finders *all;
    finder *more;

    if (!*kept) {
        *kept = all = ki_zeros(ki_scratch_env(scratch), 1, sizeof *all);
        KI_NEED(all);
        all->env = ki_scratch_env(scratch);
    }
    all = *kept;
    if (n > all->n) {
        more = ki_zeros(all->env, n, sizeof *more);
        KI_NEED(more);
        if (all->n) memcpy(more, all->finder, all->n * sizeof *more);
        for (size_t i = all->n; i < n; i++) more[i].env = more[i].walk.env = all->env;
        if (all->finder) ki_release(all->env, all->finder, all->n, sizeof *more);
        all->finder = more;
        all->n = n;
    }
    *out = all;
out:
    return st;
}

/* ---- which rows may answer ------------------------------------------------------------------- */

static bool eligible(const finder *f, uint32_t pos)
{
    const ki_mask *mask = f->ask->mask;

    if (mask && mask->words && (pos >= mask->n || !ki_bit_get(mask->words, pos))) return false;
    return pos != f->exclude && ki_view_live(f->v, pos);
}

/* Whether a row lies behind the place where a cursor stands. */
static bool behind(finder *f, uint32_t pos, float key)
{
    const ki_ask *ask = f->ask;
    double k = (double)key;

    if (!f->exact)
        k = ki_codec_key(f->v->codec, f->v->metric, f->v->arg, f->v->d, f->q,
                         ki_view_code(f->v, pos), f->work.ptr);
    return k > ask->after_key || (k == ask->after_key && ki_view_id(f->v, pos) > ask->after_id);
}

/* A node answers when it may, or one of its twins. */
static bool admit(void *ctx, uint32_t pos, float key)
{
    finder *f = ctx;
    const uint32_t n = f->v->n;

    for (uint32_t at = pos, next;; at = next) {
        if (eligible(f, at) && (!f->ask->has_after || behind(f, at, key))) return true;
        next = ki_graph_twin(f->g, at);
        if (next <= at || next >= n) return false;
    }
}

/* ---- one query ------------------------------------------------------------------------------- */

/* A node that was seen, and its twins, to the collector. In a damaged file chains lead to rows that
 * are no twins: they get no key that is not theirs. */
static kith_status offer(finder *f, uint32_t pos, float key)
{
    kith_status st = KITH_OK;

    for (uint32_t at = pos, next;; at = next) {
        const ki_scored known = {(double)key, 0.0f, at}, unknown = {-DBL_MAX, INFINITY, at};
        const bool same = at == pos || ki_graph_same(f->g, at, pos);

        KI_TRY(ki_top_offer(&f->top, f->exact && same ? known : unknown));
        next = ki_graph_twin(f->g, at);
        if (next <= at || next >= f->v->n) break;
    }
out:
    return st;
}

/* Squared distances up to this one may be the k-th, where that seems to be kth. */
static float edge_of(float kth, float off)
{
    const float root = sqrtf(kth) + off;

    return root * root * (1.0f + 0x1p-20f);
}

/* The largest walk distance that has to be ranked by the rows themselves. How far off short codes
 * are is not known: all that the walk would have gone on from are ranked, and some more. */
static float rank_edge(const finder *f, size_t k)
{
    const ki_walk *w = &f->walk;
    float edge;

    if (w->found < k) return INFINITY;
    if (f->exact) return w->kth;
    edge = edge_of(w->kth, f->off);
    if (f->g->lens->kind != KI_LENS_SHORT) return edge;
    return w->bound * FARTHER > edge ? w->bound * FARTHER : edge;
}

/* Rows of one short code may differ: of a node and its twins the nearest that may answer counts. */
static float nearest_twin(const finder *f, uint32_t pos, float dist)
{
    float least = eligible(f, pos) ? dist : FLT_MAX;

    for (uint32_t at = pos, next; (next = ki_graph_twin(f->g, at)) > at && next < f->v->n;
         at = next)
        if (eligible(f, next)) {
            ki_meter_closer(&f->walk.meter, &next, 1, &dist);
            if (dist < least) least = dist;
        }
    return least;
}

/* Halves, short codes: what is kept up to the edge is measured by whole codes, by the rows' bytes;
 * the rest goes. */
static kith_status look_closer(finder *f, size_t k, float *edge)
{
    ki_walk *w = &f->walk;
    kith_status st = KITH_OK;
    size_t n = 0, found = 0;
    uint32_t *pos;
    float *dist, *heap;

    for (size_t i = 0; i < w->kept_n; i++) {
        w->kept[n] = w->kept[i];
        n += w->kept[i].key <= *edge;
    }
    w->kept_n = n;
    if (n <= k) return KITH_OK;
    pos = ki_buffer_need(f->env, &f->found, n * sizeof *pos + (n + k) * sizeof *dist);
    KI_NEED(pos);
    dist = (float *)(void *)(pos + n);
    heap = dist + n;
    for (size_t i = 0; i < n; i++) pos[i] = w->kept[i].pos;
    ki_meter_closer(&w->meter, pos, n, dist);
    for (size_t i = 0; i < n; i++) {
        if (f->g->lens->kind == KI_LENS_SHORT && ki_graph_twin(f->g, pos[i]) != pos[i])
            dist[i] = nearest_twin(f, pos[i], dist[i]);
        w->kept[i].key = dist[i];
        ki_heap_keep(heap, &found, k, dist[i]);
    }
    *edge = edge_of(heap[0], f->closer_off);
out:
    return st;
}

/* At least `want` of what was seen are ranked: raise the edge to the want-th key. */
static kith_status widen_edge(finder *f, size_t want, float *edge)
{
    const ki_walk *w = &f->walk;
    float *heap;
    size_t n = 0;

    if (want >= w->kept_n) {
        *edge = INFINITY;
        return KITH_OK;
    }
    heap = ki_buffer_need(f->env, &f->found, want * sizeof *heap);
    if (!heap) return KITH_NO_MEMORY;
    for (size_t i = 0; i < w->kept_n; i++) ki_heap_keep(heap, &n, want, w->kept[i].key);
    if (heap[0] > *edge) *edge = heap[0];
    return KITH_OK;
}

/* Whether a row is among the sorted hits twice: then the chains of a damaged file lead to it as
 * well as its links, and there may be fewer rows than hits. */
static bool repeated(const ki_top *t)
{
    for (size_t i = 1; i < t->n; i++)
        if (t->item[i].pos == t->item[i - 1].pos) return true;
    return false;
}

static kith_status answer(finder *f, size_t i, bool *enough, ki_receive *receive, void *ctx)
{
    const ki_walk *w = &f->walk;
    const bool all = f->ask->k == SIZE_MAX;
    kith_status st = KITH_OK;
    float edge = all ? INFINITY : rank_edge(f, f->ask->k);
    ki_found *found;

    if (!all && !f->exact && f->ask->rerank > f->ask->k)
        KI_TRY(widen_edge(f, f->ask->rerank, &edge));
    else if (!all && f->g->lens->halved)
        KI_TRY(look_closer(f, f->ask->k, &edge));
    if (!all && f->g->lens->kind == KI_LENS_SHORT) KI_TRY(look_closer(f, f->ask->k, &edge));
    ki_top_begin(&f->top, f->env, f->v, f->ask, f->q,
                 f->exclude == UINT32_MAX ? KITH_NO_ID : f->ask->exclude[i], f->work.ptr,
                 &f->space);
    for (size_t j = 0; j < w->kept_n; j++)
        if (w->kept[j].key <= edge) KI_TRY(offer(f, w->kept[j].pos, w->kept[j].key));
    ki_top_finish(&f->top);
    *enough = all || f->top.n == f->ask->k || w->truncated || f->ask->limit < (double)INFINITY;
    *enough = *enough && !repeated(&f->top);
    if (!*enough) goto out;
    found = ki_buffer_need(f->env, &f->found, f->top.n * sizeof *found);
    KI_NEED(found);
    for (size_t j = 0; j < f->top.n; j++) {
        const ki_scored *s = &f->top.item[j];
        found[j] = (ki_found){s->lo, ki_view_id(f->v, s->pos), s->pos};
    }
    KI_TRY(receive(ctx, i, found, f->top.n, w->truncated ? KITH_TRUNCATED : 0));
out:
    return st;
}

/* ---- a call ---------------------------------------------------------------------------------- */

typedef struct call {
    const ki_view *v;
    const ki_graph *g;
    ki_env *env;
    const uint8_t *q; /* [nq] of q_bytes */
    size_t nq, q_bytes;
    const ki_ask *ask;
    ki_walk_ask walk;
    finders *all;
    ki_scratch *scratch;
    ki_receive *receive;
    void *ctx;
    bool checked; /* rows have to be asked whether they may answer */
    atomic_size_t next;
} call;

typedef struct passing {
    ki_receive *receive;
    void *ctx;
    size_t i;
} passing;

static kith_status pass_on(void *ctx, size_t i, const ki_found *hit, size_t n, uint32_t flags)
{
    const passing *p = ctx;

    (void)i;
    return p->receive(p->ctx, p->i, hit, n, flags);
}

/* Query i by looking at every row: its walk could not reach enough of them. */
static kith_status exactly(const call *c, size_t i)
{
    kith_status st = KITH_OK;
    passing p = {c->receive, c->ctx, i};
    ki_ask ask = *c->ask;
    ki_scratch *own = NULL;

    ask.threads = 1;
    ask.progress = NULL;
    if (ask.exclude) ask.exclude += i;
    KI_TRY(ki_scratch_create(c->env, &own));
    KI_TRY(ki_exact_search(c->v, c->env, c->q + i * c->q_bytes, 1, &ask, own, pass_on, &p));
out:
    ki_scratch_free(own);
    return st;
}

static void count_walk(const ki_graph *g, const ki_walk *w, _Atomic uint64_t *visits)
{
    ki_graph *shared = ki_unconst(g); // counters, which decide nothing

    atomic_fetch_add_explicit(&shared->walks, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&shared->visits, w->visits, memory_order_relaxed);
    atomic_fetch_add_explicit(&shared->hops, w->hops, memory_order_relaxed);
    if (visits) atomic_fetch_add_explicit(visits, w->visits, memory_order_relaxed);
}

/* How much nearer or farther than it is a row may seem from the bytes next to a query, as
 * against another row: twice as much as the query lies from it. */
static float rounding(const ki_lens *l, const float *q, const void *code)
{
    double s = 0.0;

    for (size_t i = 0; i < l->d; i++) {
        const int x = l->rows == KI_U8 ? ((const uint8_t *)code)[i] : ((const int8_t *)code)[i];
        const double off = ((double)q[i] - (double)l->low) / (double)l->unit - x;
        s += off * off;
    }
    return (float)(2.0 * sqrt(s));
}

/* How much roots of walk distances are off. A query that is beyond the ends of the code is farther
 * from a row than its code is, or nearer, by as much as it lies from its code. */
static void set_off(finder *f, const ki_lens *l)
{
    const float beyond = ki_lens_codes(l) ? 2.0f * ki_lens_beyond(l, f->room.ptr) : 0.0f;

    f->off = l->halved ? KI_WALK_OFF + beyond / 2.0f : OFF + beyond; // of 7 bits
    f->closer_off = OFF + beyond;
    if (l->kind == KI_LENS_OWN) f->off = f->exact ? 0.0f : rounding(l, f->q, f->code.ptr);
    if (l->kind == KI_LENS_ROWS) f->off = 0.0f;
    if (l->kind == KI_LENS_SHORT) {
        f->closer_off = rounding(l, f->q, f->walk.meter.code);
        f->off += f->closer_off * l->longest * l->scale; // of its bytes, seen along the basis
    }
}

static void set_query(const call *c, finder *f)
{
    const ki_lens *l = c->g->lens;

    f->exact = false;
    if (l->kind != KI_LENS_ROWS) f->exact = ki_lens_query(l, f->q, f->room.ptr, f->code.ptr);
    ki_meter_query(&f->walk.meter, l->kind == KI_LENS_ROWS ? f->q : f->code.ptr);
    set_off(f, l);
}

/* Copies of a row hang on it: they are found through it, also where it is held out. */
static bool leads_to_twins(const finder *f)
{
    return ki_graph_twin(f->g, f->exclude) != f->exclude;
}

static kith_status find(const call *c, finder *f, size_t i)
{
    kith_status st = KITH_OK;
    ki_walk_ask walk = c->walk;
    bool enough = true;
    uint32_t pos;

    f->q = c->q + i * c->q_bytes;
    f->exclude = UINT32_MAX;
    if (c->ask->exclude && c->ask->exclude[i] != KITH_NO_ID &&
        ki_view_find(c->v, c->ask->exclude[i], &pos))
        f->exclude = pos;
    set_query(c, f);
    if (c->ask->held_out && f->exclude != UINT32_MAX && !leads_to_twins(f))
        walk.hidden = &f->exclude;
    if (c->checked || f->exclude != UINT32_MAX) walk.admit = admit;
    walk.ctx = f;
    if (c->ask->deadline_us) walk.until_us = ki_now_us() + c->ask->deadline_us;
    if (c->ask->k == SIZE_MAX) walk.reach = ki_lens_reach(c->g->lens, f->q, c->ask->limit, f->off);
    KI_TRY(ki_walk_run(&f->walk, &walk));
    count_walk(c->g, &f->walk, c->ask->visits);
    enough = !f->walk.hopeless;
    if (enough) KI_TRY(answer(f, i, &enough, c->receive, c->ctx));
    if (!enough) KI_TRY(exactly(c, i));
    KI_TRY(ki_progress_add(c->ask->progress, c->v->n));
out:
    return st;
}

static kith_status prepare(const call *c, finder *f)
{
    const ki_view *v = c->v;
    kith_status st = KITH_OK;

    f->v = v;
    f->g = c->g;
    f->ask = c->ask;
    KI_TRY(ki_meter_init(&f->walk.meter, f->env, v, c->g));
    KI_NEED(ki_buffer_need(f->env, &f->code, ki_lens_query_bytes(c->g->lens)));
    KI_NEED(ki_buffer_need(f->env, &f->room, ki_lens_room(c->g->lens) * sizeof(float)));
    KI_NEED(ki_buffer_need(f->env, &f->work, ki_score_bytes(v->codec, v->metric, v->d)));
out:
    return st;
}

static kith_status run_part(void *arg, size_t part)
{
    call *c = arg;
    finder *f = &c->all->finder[part];
    kith_status st = KITH_OK;

    KI_TRY(prepare(c, f));
    for (size_t first; (first = atomic_fetch_add(&c->next, TAKE)) < c->nq;)
        for (size_t i = first; i < c->nq && i < first + TAKE; i++) KI_TRY(find(c, f, i));
out:
    return st;
}

/* Rows that may answer. */
static uint64_t may_answer(const ki_view *v, const ki_ask *ask)
{
    const bool masked = ask->mask && ask->mask->words;

    return masked && ask->mask->count < v->live ? ask->mask->count : v->live;
}

/* A walk goes through rows that do not pass, so that among those that do it is more thorough than
 * one without a filter: less effort comes to the same recall. */
static size_t filtered_effort(const ki_view *v, uint64_t may, size_t k, size_t effort)
{
    const size_t less = (size_t)((double)effort * sqrt((double)may / (double)v->n));

    return less < k ? k : less;
}

/* About so many distances a walk takes until it has seen enough of the rows that may answer. */
static uint64_t walk_cost(const ki_view *v, uint64_t may, size_t effort)
{
    // as integers these could overflow 64 bits
    return (uint64_t)((double)VISITS_EACH * (double)effort * (double)v->n / (double)may);
}

/* Whether looking at all rows that may answer costs less than a walk among all. */
static bool better_exact(const ki_view *v, const ki_graph *g, const ki_ask *ask, size_t effort)
{
    const uint64_t may = may_answer(v, ask);

    if (!g || g->n != v->n || g->generation != v->generation || g->codec != v->codec) return true;
    if (may < WALK_LEAST) return true;
    if (ask->k != SIZE_MAX && ask->k > may / 4) return true;
    if (ask->k == SIZE_MAX && !(ask->limit < (double)INFINITY)) return true;
    return may <= walk_cost(v, may, effort);
}

/* A filter is known by its bits, so that a walk can give up for an exact search: when it took as
 * many distances as that does, or far more than it should. One with a budget does not. */
static void set_filter(const ki_view *v, const ki_ask *ask, ki_walk_ask *walk)
{
    const uint64_t may = may_answer(v, ask), most = PATIENCE * walk_cost(v, may, walk->effort);

    if (!ask->mask || !ask->mask->words || ask->deadline_us || ask->max_visits) return;
    walk->pass = ask->mask->words;
    walk->pass_n = ask->mask->n;
    walk->least_share = (float)may / (float)v->n / FEWER_NEAR;
    walk->patience = ask->k == SIZE_MAX || may < most ? may : most;
}

/* The slack of a search: the asked one, the index's, or where a navigator has none by itself so
 * much that the effort alone ends a walk; else the one that goes with an effort: pairs that were
 * near the best in the measurements (docs/GRAPH.md). */
static float slack_of(const ki_graph *g, const ki_ask *ask, size_t effort)
{
    const float slack = 0.028f * log2f((float)effort) - 0.095f;

    if (ask->slack > 0.0f) return ask->slack;
    if (g->slack > 0.0f && !ask->effort) return g->slack;
    if (g->patient) return NO_SLACK;
    return slack < 0.01f ? 0.01f : slack;
}

/* By whose distance a walk finds its way: the k-th, but where nobody said what slack to give, not
 * one of the very nearest, which says little of how far the rest lies: a walk for one row would
 * stop at the first that seems near. */
static size_t way_k(const ki_graph *g, const ki_ask *ask, size_t k, size_t effort)
{
    const bool given = ask->slack > 0.0f || (g->slack > 0.0f && !ask->effort);
    const size_t least = effort < LEAST_K ? effort : LEAST_K;

    return given || k > least ? k : least;
}

/* So many nearest are looked for; of a range, to begin with. */
static size_t wanted(const ki_ask *ask)
{
    return ask->k == SIZE_MAX ? LEAST_K : ask->k;
}

/* No effort is less than k. */
bool ki_graph_sees_all(const ki_view *v, const ki_ask *ask)
{
    return better_exact(v, ki_graph_of(v), ask, wanted(ask));
}

kith_status ki_graph_search(const ki_view *v, ki_env *env, const void *q, size_t nq,
                            const ki_ask *ask, ki_scratch *scratch, ki_receive *receive, void *ctx)
{
    const ki_graph *g = ki_graph_of(v);
    kith_status st = KITH_OK;
    call c = {.v = v,
              .g = g,
              .env = env,
              .q = q,
              .nq = nq,
              .ask = ask,
              .scratch = scratch,
              .receive = receive,
              .ctx = ctx};
    const size_t k = wanted(ask);
    size_t effort = ask->effort ? ask->effort : g ? g->effort : 1, threads;

    if (effort < k) effort = k;
    if (ask->mask && ask->mask->words && v->n)
        effort = filtered_effort(v, may_answer(v, ask), k, effort);
    if (better_exact(v, g, ask, effort))
        return ki_exact_search(v, env, q, nq, ask, scratch, receive, ctx);
    c.walk = (ki_walk_ask){.n = v->n,
                           .k = way_k(g, ask, k, effort),
                           .effort = effort,
                           .slack = slack_of(g, ask, effort),
                           .max_visits = ask->max_visits,
                           .start = UINT32_MAX};
    set_filter(v, ask, &c.walk);
    c.checked = (ask->mask && ask->mask->words) || v->live < v->n || ask->has_after;
    c.q_bytes = v->codec->type == KI_BITS ? v->row_bytes : v->d * sizeof(float);
    threads = ki_thread_count(env, ask->threads, (nq + TAKE - 1) / TAKE);
    KI_TRY(need_finders(scratch, threads, &c.all));
    KI_TRY(ki_parallel(env, threads, threads, run_part, &c));
out:
    return st;
}
