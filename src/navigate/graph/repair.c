/* Repair of links: see repair.h. */
#include "navigate/graph/repair.h"

#include <math.h>
#include <string.h>

#include "navigate/graph/prune.h"
#include "navigate/graph/walk.h"

enum {
    PIECE = 1024,
    REVERSE_MOST = 96, /* links towards a node that are offered to it */
    NEAR = 16,         /* reached nodes around one that is not, of which one takes it */
    EFFORT = 64,
    PASSES = 8
};

static const float SLACK = 0.2f;

/* ---- links offered to their targets ---------------------------------------------------------- */

/* owns: begin, from, before. */
typedef struct relinking {
    ki_env *env;
    const ki_view *v;
    ki_graph *g;
    const uint32_t *pos;
    size_t m;
    float factor;
    ki_progress *progress;
    uint32_t *from;   /* sources of links, target after target */
    size_t *begin;    /* [n + 1] by position of the target */
    uint32_t *before; /* [m][degree] links as they were */
} relinking;

/* The links of the i-th node and of those that link to it; returns how many. */
static size_t gather(const relinking *r, size_t i, ki_candidate *out)
{
    const uint32_t pos = r->pos[i];
    const size_t room = ki_prune_room(r->g, pos), to = r->begin[pos + 1];
    size_t n = 0;

    for (size_t j = 0; j < room; j++)
        if (r->before[i * r->g->degree + j] != pos) out[n++].pos = r->before[i * r->g->degree + j];
    for (size_t e = r->begin[pos]; e < to && e - r->begin[pos] < REVERSE_MOST; e++)
        out[n++].pos = r->from[e];
    return n;
}

static kith_status relink_piece(void *arg, size_t piece)
{
    const relinking *r = arg;
    const size_t first = piece * PIECE, end = first + PIECE < r->m ? first + PIECE : r->m;
    ki_candidate next[KI_DEGREE_MOST + REVERSE_MOST];
    kith_status st = KITH_OK;
    ki_prune *x = NULL;
    uint32_t out[KI_DEGREE_MOST];

    KI_TRY(ki_prune_create(r->env, r->v, r->g, &x));
    for (size_t i = first; i < end; i++) {
        const uint32_t pos = r->pos[i];
        size_t n;

        if (i + 1 < end) ki_prune_expect(r->g, next, gather(r, i + 1, next));
        x->n = gather(r, i, x->one);
        ki_prune_measure(x, pos);
        n = ki_prune_choose(x, ki_prune_room(r->g, pos), r->factor, out);
        ki_prune_store(r->g, pos, out, n);
    }
    KI_TRY(ki_progress_add(r->progress, end - first));
out:
    ki_prune_free(x);
    return st;
}

/* Links by target, sources ascending, counted and placed. */
static void turn_around(relinking *r)
{
    const ki_graph *g = r->g;
    const size_t degree = g->degree;

    memset(r->begin, 0, ((size_t)g->n + 1) * sizeof *r->begin);
    for (size_t i = 0; i < r->m * degree; i++)
        if (r->before[i] < g->n && r->before[i] != r->pos[i / degree]) r->begin[r->before[i] + 1]++;
    for (size_t p = 0; p < g->n; p++) r->begin[p + 1] += r->begin[p];
    for (size_t i = 0; i < r->m * degree; i++)
        if (r->before[i] < g->n && r->before[i] != r->pos[i / degree])
            r->from[r->begin[r->before[i]]++] = r->pos[i / degree];
    for (size_t p = g->n; p > 0; p--) r->begin[p] = r->begin[p - 1];
    r->begin[0] = 0;
}

kith_status ki_graph_relink(ki_env *env, const ki_view *v, ki_graph *g, const uint32_t *pos,
                            size_t m, float factor, size_t threads, ki_progress *p)
{
    relinking r = {.env = env, .v = v, .g = g, .pos = pos, .m = m, .factor = factor, .progress = p};
    kith_status st = KITH_OK;

    r.before = ki_array(env, m * g->degree, sizeof *r.before);
    KI_NEED(r.before);
    r.from = ki_array(env, m * g->degree, sizeof *r.from);
    KI_NEED(r.from);
    r.begin = ki_array(env, (size_t)g->n + 1, sizeof *r.begin);
    KI_NEED(r.begin);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < g->degree; j++)
            r.before[i * g->degree + j] = ki_link_get(ki_graph_links(g, pos[i]) + j);
    turn_around(&r);
    KI_TRY(ki_parallel(env, threads, (m + PIECE - 1) / PIECE, relink_piece, &r));
out:
    ki_release(env, r.before, m * g->degree, sizeof *r.before);
    ki_release(env, r.from, m * g->degree, sizeof *r.from);
    ki_release(env, r.begin, (size_t)g->n + 1, sizeof *r.begin);
    return st;
}

/* ---- reach ----------------------------------------------------------------------------------- */

size_t ki_graph_reach(const ki_graph *g, uint32_t from, uint32_t n, uint64_t *reached,
                      uint32_t *stack)
{
    size_t count = 0, top = 0;

    if (from >= n || ki_bit_get(reached, from)) return 0;
    ki_bit_set(reached, from);
    stack[top++] = from;
    while (top > 0) {
        const _Atomic uint32_t *row = ki_graph_links(g, stack[--top]);

        count++;
        for (size_t i = 0; i < g->degree; i++) {
            const uint32_t to = ki_link_get(row + i);

            if (to >= n || ki_bit_get(reached, to)) continue;
            ki_bit_set(reached, to);
            stack[top++] = to;
        }
    }
    return count;
}

/* ---- repair ---------------------------------------------------------------------------------- */

/* owns: reached, chained, stack, degree_in, walk. */
typedef struct repairing {
    ki_env *env;
    const ki_view *v;
    ki_graph *g;
    uint32_t before;             /* rows whose links are logged first */
    uint64_t *reached, *chained; /* [ki_bit_words(n)]: by links; hangs on another row */
    uint32_t *stack, *degree_in; /* [n] */
    ki_walk *walk;
} repairing;

static void find_chained(const repairing *r)
{
    const ki_graph *g = r->g;

    for (uint32_t pos = 0; pos < g->n; pos++) {
        const uint32_t next = ki_graph_twin(g, pos);

        if (next > pos && next < g->n) ki_bit_set(r->chained, next);
    }
}

static void count_links(const repairing *r)
{
    const ki_graph *g = r->g;

    memset(r->degree_in, 0, (size_t)g->n * sizeof *r->degree_in);
    for (uint32_t pos = 0; pos < g->n; pos++) {
        if (ki_bit_get(r->chained, pos)) continue;
        for (size_t j = 0; j < g->degree; j++) {
            const uint32_t to = ki_link_get(ki_graph_links(g, pos) + j);

            if (to < g->n && to != pos) r->degree_in[to]++;
        }
    }
}

/* A slot of host for a new link: a free one, else that of the target most linked to among the
 * farther half (links lie about in the order of distance). */
static size_t slot_of(const repairing *r, uint32_t host, bool *is_free)
{
    const size_t room = ki_prune_room(r->g, host);
    const _Atomic uint32_t *row = ki_graph_links(r->g, host);
    size_t best = room - 1;

    *is_free = true;
    for (size_t i = 0; i < room; i++)
        if (ki_link_get(row + i) == host) return i;
    *is_free = false;
    for (size_t i = room / 2; i < room; i++) {
        const uint32_t to = ki_link_get(row + i), most = ki_link_get(row + best);

        if (to < r->g->n && (most >= r->g->n || r->degree_in[to] > r->degree_in[most])) best = i;
    }
    return best;
}

/* The nearest reached node, or one that is hardly farther and has a free slot. */
static uint32_t host_of(const repairing *r, uint32_t pos)
{
    const ki_walk *w = r->walk;
    float nearest = INFINITY, nearest_open = INFINITY;
    uint32_t host = UINT32_MAX, open = UINT32_MAX;

    for (size_t i = 0; i < w->kept_n; i++) {
        const ki_seen *s = &w->kept[i];
        bool is_free = false;

        if (s->pos == pos) continue;
        if (s->key < nearest) {
            nearest = s->key;
            host = s->pos;
        }
        if (s->key < nearest_open) (void)slot_of(r, s->pos, &is_free);
        if (!is_free) continue;
        nearest_open = s->key;
        open = s->pos;
    }
    return open != UINT32_MAX && nearest_open <= 2.0f * nearest ? open : host;
}

/* What the host's link led to, pos leads to: so nothing that was reached is lost. What pos led to
 * instead was not reached by it. */
static void lead_on(const repairing *r, uint32_t pos, uint32_t lost)
{
    const size_t room = ki_prune_room(r->g, pos);
    _Atomic uint32_t *row = ki_graph_links(r->g, pos);
    size_t i = 0;
    uint32_t to;

    while (i + 1 < room && ki_link_get(row + i) != pos && ki_link_get(row + i) != lost) i++;
    to = ki_link_get(row + i);
    if (to < r->g->n && to != pos) r->degree_in[to]--;
    ki_link_set(row + i, lost);
    r->degree_in[lost]++;
}

static kith_status attach(repairing *r, uint32_t pos)
{
    const uint32_t host = host_of(r, pos);
    kith_status st = KITH_OK;
    _Atomic uint32_t *link;
    uint32_t lost;
    bool is_free;

    if (host == UINT32_MAX) return KITH_OK;
    if (host < r->before) KI_TRY(ki_graph_log(r->g, host));
    if (pos < r->before) KI_TRY(ki_graph_log(r->g, pos));
    link = ki_graph_links(r->g, host) + slot_of(r, host, &is_free);
    lost = ki_link_get(link);
    if (!is_free && lost < r->g->n) {
        r->degree_in[lost]--;
        lead_on(r, pos, lost);
    }
    ki_link_set(link, pos);
    r->degree_in[pos]++;
out:
    return st;
}

static bool needed(const repairing *r, uint32_t pos)
{
    if (ki_bit_get(r->chained, pos)) return false;
    for (size_t i = 0; i < r->g->entries; i++)
        if (r->g->entry[i] == pos) return true; // even of a row that was removed
    return ki_view_live(r->v, pos) || ki_graph_twin(r->g, pos) != pos;
}

/* One pass: everything that is out of reach gets a link from what is not. */
static kith_status attach_all(repairing *r, ki_progress *p, size_t *attached)
{
    const ki_graph *g = r->g;
    const ki_walk_ask ask = {
        .n = g->n, .k = NEAR, .effort = EFFORT, .slack = SLACK, .start = g->entry[0]};
    kith_status st = KITH_OK;

    *attached = 0;
    memset(r->reached, 0, ki_bit_words(g->n) * sizeof *r->reached);
    (void)ki_graph_reach(g, g->entry[0], g->n, r->reached, r->stack);
    for (uint32_t pos = 0; pos < g->n; pos++) {
        if (ki_bit_get(r->reached, pos) || !needed(r, pos)) continue;
        if (*attached == 0) count_links(r);
        ki_meter_row(&r->walk->meter, pos);
        KI_TRY(ki_walk_run(r->walk, &ask));
        KI_TRY(attach(r, pos));
        (void)ki_graph_reach(g, pos, g->n, r->reached, r->stack);
        ++*attached;
        KI_TRY(ki_progress_add(p, 1));
    }
out:
    return st;
}

kith_status ki_graph_repair(ki_env *env, const ki_view *v, ki_graph *g, uint32_t before,
                            ki_progress *p)
{
    repairing r = {.env = env, .v = v, .g = g, .before = before};
    const size_t words = ki_bit_words(g->n);
    kith_status st = KITH_OK;
    size_t attached = 1;

    r.walk = ki_zeros(env, 1, sizeof *r.walk);
    KI_NEED(r.walk);
    r.walk->env = env;
    KI_TRY(ki_meter_init(&r.walk->meter, env, v, g));
    r.reached = ki_array(env, words, sizeof *r.reached);
    KI_NEED(r.reached);
    r.chained = ki_zeros(env, words, sizeof *r.chained);
    KI_NEED(r.chained);
    r.stack = ki_array(env, g->n, sizeof *r.stack);
    KI_NEED(r.stack);
    r.degree_in = ki_array(env, g->n, sizeof *r.degree_in);
    KI_NEED(r.degree_in);
    find_chained(&r);
    /* A link that was replaced may have been the only one to its target: once more, then. */
    for (size_t pass = 0; pass < PASSES && attached > 0; pass++)
        KI_TRY(attach_all(&r, p, &attached));
out:
    if (r.walk) ki_walk_free(r.walk);
    ki_release(env, r.walk, 1, sizeof *r.walk);
    ki_release(env, r.reached, words, sizeof *r.reached);
    ki_release(env, r.chained, words, sizeof *r.chained);
    ki_release(env, r.stack, g->n, sizeof *r.stack);
    ki_release(env, r.degree_in, g->n, sizeof *r.degree_in);
    return st;
}
