/* What a graph looks like as a whole: degrees, reach, twins, and the figures of small worlds, which
 * are short paths in spite of neighbours that know one another (Watts and Strogatz 1998). Both are
 * set beside those of a random graph with as many nodes and links, in which no search finds its
 * way: ln n / ln k links, and k / n of the pairs (the same paper).
 *
 * Links have a direction here: a path follows them, and of the k (k - 1) ordered pairs of a node's
 * neighbours those count whose first links to the second (Fagiolo 2007). Paths and pairs are taken
 * from nodes that are drawn, always the same ones, so many that the cost stays that of some passes
 * over all links. */
#include "navigate/graph/graph.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "navigate/graph/tower.h"

enum {
    PAIRS_FROM = 1000, /* nodes whose neighbours are compared */
    PATHS_LEAST = 4,   /* nodes from which all paths are followed */
    PATHS_MOST = 64,
    PATHS_LINKS = 1 << 28, /* links to follow, about, where that allows more */
    POLL = 4096            /* rows between looks at the watch */
};

/* owns: all arrays, [n] or [ki_bit_words(n)]. */
typedef struct looking {
    ki_env *env;
    const ki_view *v;
    const ki_graph *g;
    ki_progress *progress;
    uint64_t *chained, *seen; /* twins; of the walk under way */
    uint32_t *in, *out;       /* links that lead to a row, and away from it */
    uint32_t *node;           /* [nodes] positions */
    uint32_t *queue;
    uint32_t nodes;
} looking;

static kith_status poll(const looking *k, uint32_t pos)
{
    return pos % POLL ? KITH_OK : ki_progress_add(k->progress, 0);
}

/* ---- counting -------------------------------------------------------------------------------- */

typedef struct twins_found {
    uint32_t chains, longest, removed;
} twins_found;

static void count_twins(const looking *k, twins_found *t)
{
    const ki_graph *g = k->g;

    for (uint32_t pos = 0; pos < g->n; pos++) {
        const uint32_t next = ki_graph_twin(g, pos);

        if (next <= pos || next >= g->n || ki_bit_get(k->chained, next)) continue;
        ki_bit_set(k->chained, next);
        if (!ki_view_live(k->v, next)) t->removed++;
        if (!ki_bit_get(k->chained, pos)) t->chains++;
    }
    for (uint32_t pos = 0; pos < g->n; pos++) {
        uint32_t len = 1;

        if (ki_bit_get(k->chained, pos) || ki_graph_twin(g, pos) == pos) continue;
        for (uint32_t at = pos, next; (next = ki_graph_twin(g, at)) > at && next < g->n; at = next)
            len++;
        if (len > t->longest) t->longest = len;
    }
}

static kith_status count_links(const looking *k)
{
    const ki_graph *g = k->g;
    kith_status st = KITH_OK;

    for (uint32_t pos = 0; pos < g->n; pos++) {
        const _Atomic uint32_t *row = ki_graph_links(g, pos);

        KI_TRY(poll(k, pos));
        if (ki_bit_get(k->chained, pos)) continue;
        for (size_t i = 0; i < g->degree; i++) {
            const uint32_t to = ki_link_get(row + i);

            if (to >= g->n || to == pos) continue;
            k->in[to]++;
            k->out[pos]++;
        }
    }
out:
    return st;
}

/* Nodes: what is linked and no twin, and live rows that ought to be. */
static void find_nodes(looking *k)
{
    for (uint32_t pos = 0; pos < k->g->n; pos++) {
        const bool linked = k->in[pos] || k->out[pos] || ki_graph_twin(k->g, pos) != pos;

        if (!ki_bit_get(k->chained, pos) && (linked || ki_view_live(k->v, pos)))
            k->node[k->nodes++] = pos;
    }
}

static void look_end(looking *k)
{
    const size_t n = k->g->n, words = ki_bit_words(n);

    ki_release(k->env, k->chained, words, sizeof *k->chained);
    ki_release(k->env, k->seen, words, sizeof *k->seen);
    ki_release(k->env, k->in, n, sizeof *k->in);
    ki_release(k->env, k->out, n, sizeof *k->out);
    ki_release(k->env, k->node, n, sizeof *k->node);
    ki_release(k->env, k->queue, n, sizeof *k->queue);
}

static kith_status look_begin(looking *k, twins_found *t)
{
    const size_t n = k->g->n, words = ki_bit_words(n);
    kith_status st = KITH_OK;

    k->chained = ki_zeros(k->env, words, sizeof *k->chained);
    KI_NEED(k->chained);
    k->seen = ki_zeros(k->env, words, sizeof *k->seen);
    KI_NEED(k->seen);
    k->in = ki_zeros(k->env, n, sizeof *k->in);
    KI_NEED(k->in);
    k->out = ki_zeros(k->env, n, sizeof *k->out);
    KI_NEED(k->out);
    k->node = ki_array(k->env, n, sizeof *k->node);
    KI_NEED(k->node);
    k->queue = ki_array(k->env, n, sizeof *k->queue);
    KI_NEED(k->queue);
    count_twins(k, t);
    KI_TRY(count_links(k));
    find_nodes(k);
out:
    return st;
}

/* ---- degrees --------------------------------------------------------------------------------- */

typedef struct degrees {
    uint32_t least, most;
    double mean;
} degrees;

static degrees degrees_of(const looking *k, const uint32_t *degree)
{
    degrees d = {UINT32_MAX, 0, 0.0};
    double sum = 0.0;

    for (uint32_t i = 0; i < k->nodes; i++) {
        const uint32_t x = degree[k->node[i]];

        sum += x;
        if (x < d.least) d.least = x;
        if (x > d.most) d.most = x;
    }
    if (k->nodes == 0) d.least = 0;
    d.mean = k->nodes ? sum / k->nodes : 0.0;
    return d;
}

/* How many nodes have each degree that one has. */
static kith_status tell_degrees(const looking *k, const uint32_t *degree, kith_each *each,
                                void *ctx)
{
    const size_t room = (size_t)degrees_of(k, degree).most + 1;
    uint32_t *count = ki_zeros(k->env, room, sizeof *count);
    char name[24];

    if (!count) return KITH_NO_MEMORY;
    for (uint32_t i = 0; i < k->nodes; i++) count[degree[k->node[i]]]++;
    for (size_t x = 0; x < room; x++) {
        if (!count[x]) continue;
        snprintf(name, sizeof name, "%zu", x);
        each(ctx, name, "nodes", count[x]);
    }
    ki_release(k->env, count, room, sizeof *count);
    return KITH_OK;
}

/* ---- paths ----------------------------------------------------------------------------------- */

typedef struct paths {
    uint32_t from;           /* nodes they were followed from */
    uint32_t longest;        /* links */
    uint64_t reached, links; /* nodes at their ends, links of all of them */
} paths;

/* The shortest paths from one node to all it can reach, breadth first. */
static kith_status follow(const looking *k, uint32_t from, paths *p)
{
    const ki_graph *g = k->g;
    size_t head = 0, tail = 1, level_end = 1;
    kith_status st = KITH_OK;
    uint32_t hops = 1;

    memset(k->seen, 0, ki_bit_words(g->n) * sizeof *k->seen);
    ki_bit_set(k->seen, from);
    k->queue[0] = from;
    for (; head < tail; head++) {
        const _Atomic uint32_t *row = ki_graph_links(g, k->queue[head]);
        const size_t before = tail;

        KI_TRY(poll(k, (uint32_t)head));
        if (head == level_end) {
            level_end = tail;
            hops++;
        }
        for (size_t i = 0; i < g->degree; i++) {
            const uint32_t to = ki_link_get(row + i);

            if (to >= g->n || ki_bit_get(k->seen, to)) continue;
            ki_bit_set(k->seen, to);
            k->queue[tail++] = to;
        }
        p->links += (uint64_t)hops * (tail - before);
        if (tail > before && hops > p->longest) p->longest = hops;
    }
    p->from++;
    p->reached += tail - 1;
out:
    return st;
}

static double mean_path(const paths *p)
{
    return p->reached ? (double)p->links / (double)p->reached : 0.0;
}

static kith_status draw_paths(const looking *k, paths *p)
{
    const size_t all = (size_t)k->g->n * k->g->degree, fit = all ? PATHS_LINKS / all : 0;
    const size_t most = fit < PATHS_LEAST ? PATHS_LEAST : fit > PATHS_MOST ? PATHS_MOST : fit;
    kith_status st = KITH_OK;

    for (size_t i = 0; i < most && i < k->nodes; i++) {
        const uint32_t one = ki_random_below(0, KI_RNG_SAMPLE, i, k->nodes);

        KI_TRY(follow(k, k->node[one], p));
    }
out:
    return st;
}

/* ---- neighbours that know one another -------------------------------------------------------- */

/* The share of pairs of a node's neighbours of which the first links to the second; `seen` is clear
 * before and after. */
static double clustering_of(const looking *k, uint32_t pos)
{
    const ki_graph *g = k->g;
    const _Atomic uint32_t *row = ki_graph_links(g, pos);
    uint32_t near[KI_DEGREE_MOST];
    size_t n = 0, pairs = 0;

    for (size_t i = 0; i < g->degree; i++) {
        const uint32_t to = ki_link_get(row + i);

        if (to >= g->n || to == pos || ki_bit_get(k->seen, to)) continue;
        ki_bit_set(k->seen, to);
        near[n++] = to;
    }
    for (size_t a = 0; a < n; a++)
        for (size_t i = 0; i < g->degree; i++) {
            const uint32_t to = ki_link_get(ki_graph_links(g, near[a]) + i);

            pairs += to < g->n && to != near[a] && ki_bit_get(k->seen, to);
        }
    for (size_t a = 0; a < n; a++) ki_bit_clear(k->seen, near[a]);
    return n < 2 ? 0.0 : (double)pairs / (double)(n * (n - 1));
}

static double clustering(const looking *k)
{
    const uint32_t all = k->nodes < PAIRS_FROM ? k->nodes : PAIRS_FROM;
    double sum = 0.0;

    memset(k->seen, 0, ki_bit_words(k->g->n) * sizeof *k->seen);
    for (uint32_t i = 0; i < all; i++) {
        const uint32_t one = all == k->nodes ? i : ki_random_below(1, KI_RNG_SAMPLE, i, k->nodes);

        sum += clustering_of(k, k->node[one]);
    }
    return all ? sum / all : 0.0;
}

/* ---- levels ---------------------------------------------------------------------------------- */

/* Rows of a level that links on it lead to from one of them, itself among them. */
static size_t reach_on(const looking *k, uint32_t l, uint32_t rank)
{
    const ki_tower *t = k->g->tower;
    const ki_level *level = &t->level[l - 1];
    size_t tail = 1;

    memset(k->seen, 0, ki_bit_words(level->n) * sizeof *k->seen);
    ki_bit_set(k->seen, rank);
    k->queue[0] = rank;
    for (size_t head = 0; head < tail; head++) {
        const uint32_t *links = level->links + (size_t)k->queue[head] * t->width;

        for (size_t i = 0; i < t->width; i++) {
            if (ki_bit_get(k->seen, links[i])) continue;
            ki_bit_set(k->seen, links[i]);
            k->queue[tail++] = links[i];
        }
    }
    return tail;
}

static double mean_degree_on(const ki_tower *t, uint32_t l)
{
    const ki_level *level = &t->level[l - 1];
    size_t links = 0;

    for (size_t i = 0; i < level->n * t->width; i++)
        links += level->links[i] != i / t->width; // its own rank: none
    return (double)links / (double)level->n;
}

/* HNSW: each level from the highest down, as a walk comes through them; the entry is on all. */
static kith_status tell_levels(const looking *k, kith_each *each, void *ctx)
{
    const ki_tower *t = k->g->tower;
    uint32_t rank = t->entry;
    kith_status st = KITH_OK;
    char name[32];

    each(ctx, "levels", "above the one of all rows", t->levels);
    for (uint32_t l = t->levels; l > 0; l--) {
        const ki_level *level = &t->level[l - 1];

        KI_TRY(ki_progress_add(k->progress, 0));
        snprintf(name, sizeof name, "level_%u_rows", l);
        each(ctx, name, "rows", (double)level->n);
        snprintf(name, sizeof name, "level_%u_links", l);
        each(ctx, name, "links, mean", mean_degree_on(t, l));
        snprintf(name, sizeof name, "level_%u_reached", l);
        each(ctx, name, "of its rows, from the entry",
             (double)reach_on(k, l, rank) / (double)level->n);
        rank = level->below[rank];
    }
out:
    return st;
}

/* ---- all ------------------------------------------------------------------------------------- */

/* Live rows that neither links lead to, which `seen` tells, nor the chain of a node that is. */
static uint32_t out_of_reach(const looking *k)
{
    const ki_graph *g = k->g;
    uint32_t lost = 0;

    for (uint32_t pos = 0; pos < g->n; pos++) { // chains ascend
        const uint32_t next = ki_graph_twin(g, pos);

        if (!ki_bit_get(k->seen, pos))
            lost += ki_view_live(k->v, pos);
        else if (next > pos && next < g->n)
            ki_bit_set(k->seen, next);
    }
    return lost;
}

static void tell_rows(const looking *k, const twins_found *t, kith_each *each, void *ctx)
{
    uint32_t removed = 0, twins = 0;

    for (uint32_t i = 0; i < k->nodes; i++) removed += !ki_view_live(k->v, k->node[i]);
    twins = (uint32_t)ki_bit_count(k->chained, ki_bit_words(k->g->n));
    each(ctx, "nodes", "rows", k->nodes);
    each(ctx, "nodes_removed", "rows", removed);
    each(ctx, "twins", "rows", twins);
    each(ctx, "twins_removed", "rows", t->removed);
    each(ctx, "twin_chains", "nodes", t->chains);
    each(ctx, "longest_chain", "rows", t->longest);
    each(ctx, "unlinked", "rows", k->g->n - k->nodes - twins);
    each(ctx, "entries", "nodes", k->g->entries);
    each(ctx, "degree", "links a row at most", k->g->degree);
}

static void tell_degree(const char *const name[3], degrees d, kith_each *each, void *ctx)
{
    each(ctx, name[0], "links", d.least);
    each(ctx, name[1], "links", d.mean);
    each(ctx, name[2], "links", d.most);
}

static kith_status tell_paths(const looking *k, double degree, kith_each *each, void *ctx)
{
    paths entry = {0}, some = {0};
    kith_status st = KITH_OK;
    double c, by_chance, random_path;

    KI_TRY(follow(k, k->g->entry[0], &entry));
    each(ctx, "reached", "of the nodes, from the first entry",
         k->nodes ? (double)(entry.reached + 1) / k->nodes : 0.0);
    each(ctx, "out_of_reach", "live rows", out_of_reach(k));
    each(ctx, "entry_path", "links, mean, from the first entry", mean_path(&entry));
    KI_TRY(draw_paths(k, &some));
    random_path = degree > 1.0 ? log(k->nodes) / log(degree) : 0.0;
    each(ctx, "path_sample", "nodes", some.from);
    each(ctx, "path", "links, mean", mean_path(&some));
    each(ctx, "path_longest", "links", some.longest);
    each(ctx, "random_path", "links", random_path);
    c = clustering(k);
    by_chance = k->nodes ? degree / k->nodes : 0.0;
    each(ctx, "clustering", "of 1", c);
    each(ctx, "random_clustering", "of 1", by_chance);
    if (some.links && random_path > 0.0) // Humphries and Gurney 2008: above 1 is a small world
        each(ctx, "small_world", "times a random graph",
             c / by_chance / (mean_path(&some) / random_path));
out:
    return st;
}

kith_status ki_graph_inspect(const ki_view *v, ki_env *env, const char *part, kith_each *each,
                             void *ctx, ki_progress *p)
{
    static const char *const out_names[] = {"out_least", "out_mean", "out_most"};
    static const char *const in_names[] = {"in_least", "in_mean", "in_most"};
    looking k = {.env = env, .v = v, .g = ki_graph_of(v), .progress = p};
    const bool out_only = strcmp(part, "out_degrees") == 0;
    const bool in_only = strcmp(part, "in_degrees") == 0;
    kith_status st = KITH_OK;
    twins_found t = {0};

    if (!out_only && !in_only && strcmp(part, "graph") != 0)
        return ki_fail(KITH_NOT_FOUND,
                       "a graph has no part \"%.40s\"; known: graph out_degrees in_degrees", part);
    if (!k.g) {
        if (!out_only && !in_only)
            each(ctx, "graph", "none; every search looks at all rows", (double)NAN);
        return KITH_OK;
    }
    KI_TRY(look_begin(&k, &t));
    if (out_only || in_only) {
        KI_TRY(tell_degrees(&k, out_only ? k.out : k.in, each, ctx));
        goto out;
    }
    tell_rows(&k, &t, each, ctx);
    tell_degree(out_names, degrees_of(&k, k.out), each, ctx);
    tell_degree(in_names, degrees_of(&k, k.in), each, ctx);
    if (k.g->tower) KI_TRY(tell_levels(&k, each, ctx));
    KI_TRY(tell_paths(&k, degrees_of(&k, k.out).mean, each, ctx));
out:
    look_end(&k);
    return st;
}
