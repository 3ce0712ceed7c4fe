/* The graph navigator: its table row, and structures as such: made, extended, kept in step with the
 * rows, given up. */
#include "navigate/graph/graph.h"
#include "navigate/graph/insert.h"
#include "navigate/graph/repair.h"
#include "navigate/graph/sweep.h"
#include "navigate/graph/tower.h"

#include <string.h>

#include "base/rng.h"

enum {
    ENTRIES_LEAST = 16,
    ENTRIES_MOST = 256,
    NODES_LEAST = 1000, /* live rows; fewer have no graph */
    REBUILD_SHARE = 3,  /* so large a share of new rows is cheaper linked all at once */
    REACH_SHARE = 128,  /* so large a share of new nodes, and reach is looked at */
    GONE_LEAST = 64,    /* so few removed rows are never swept out */
    SEARCH = 128        /* nearest among which a new row finds its links */
};

/* ---- structures ------------------------------------------------------------------------------ */

static size_t log_entry(const ki_graph *g)
{
    return 1 + (size_t)g->degree;
}

static void forget_log(ki_graph *g)
{
    ki_release(g->env, g->log, g->log_room, log_entry(g) * sizeof *g->log);
    ki_release(g->env, g->logged, ki_bit_words(g->n), sizeof *g->logged);
    g->log = NULL;
    g->logged = NULL;
    g->log_n = g->log_room = 0;
}

kith_status ki_graph_log(ki_graph *g, uint32_t pos)
{
    const size_t entry = log_entry(g), room = g->log_room ? 2 * g->log_room : 64;
    kith_status st = KITH_OK;
    uint32_t *log;

    if (!g->logged) {
        g->logged = ki_zeros(g->env, ki_bit_words(g->n), sizeof *g->logged);
        KI_NEED(g->logged);
    }
    if (ki_bit_get(g->logged, pos)) return KITH_OK;
    if (g->log_n == g->log_room) {
        log = ki_regrow(g->env, g->log, g->log_n, room, entry * sizeof *log);
        KI_NEED(log);
        ki_release(g->env, g->log, g->log_room, entry * sizeof *log);
        g->log = log;
        g->log_room = room;
    }
    log = g->log + g->log_n * entry;
    log[0] = pos;
    for (size_t i = 0; i < g->degree; i++) log[1 + i] = ki_link_get(ki_graph_links(g, pos) + i);
    g->log_n++;
    ki_bit_set(g->logged, pos);
out:
    return st;
}

void ki_graph_free(ki_graph *g)
{
    ki_env *env;

    if (!g) return;
    env = g->env;
    if (g->entry_code) ki_release(env, g->entry_code, g->entries, g->lens->bytes);
    ki_lens_release(g->lens);
    ki_tower_release(g->tower);
    ki_column_release(g->links);
    ki_column_release(g->codes);
    ki_column_release(g->rests);
    ki_release(env, g->entry, g->entries, sizeof *g->entry);
    ki_release(env, g->code_at, g->chunks, sizeof *g->code_at);
    ki_release(env, g->rest_at, g->chunks, sizeof *g->rest_at);
    ki_release(env, g->link_at, g->chunks, sizeof *g->link_at);
    forget_log(g);
    ki_release(env, g, 1, sizeof *g);
}

static void release(ki_structure *s)
{
    ki_graph_free((ki_graph *)(void *)s);
}

static void undo(ki_structure *s)
{
    ki_graph *g = (ki_graph *)(void *)s;

    for (; g->log_n > 0; g->log_n--) {
        const uint32_t *old = g->log + (g->log_n - 1) * log_entry(g);

        for (size_t i = 0; i < g->degree; i++)
            ki_link_set(ki_graph_links(g, old[0]) + i, old[1 + i]);
    }
}

static void settle(ki_structure *s)
{
    forget_log((ki_graph *)(void *)s);
}

static _Atomic uint32_t *chunk_of_links(const ki_column *links, size_t c)
{
    return ki_unconst(ki_column_chunk(links, c));
}

kith_status ki_graph_show(ki_graph *g, const ki_view *v)
{
    const size_t chunks = ((size_t)v->n + KI_CHUNK - 1) / KI_CHUNK;
    const ki_column *codes = g->codes ? g->codes : v->codes;
    kith_status st = KITH_OK;

    ki_release(g->env, g->code_at, g->chunks, sizeof *g->code_at);
    ki_release(g->env, g->rest_at, g->chunks, sizeof *g->rest_at);
    ki_release(g->env, g->link_at, g->chunks, sizeof *g->link_at);
    g->code_at = g->rest_at = NULL;
    g->link_at = NULL;
    g->chunks = chunks;
    g->code_at = ki_array(g->env, chunks, sizeof *g->code_at);
    KI_NEED(g->code_at);
    if (g->rests) {
        g->rest_at = ki_array(g->env, chunks, sizeof *g->rest_at);
        KI_NEED(g->rest_at);
    }
    g->link_at = ki_array(g->env, chunks, sizeof *g->link_at);
    KI_NEED(g->link_at);
    for (size_t c = 0; c < chunks; c++) {
        g->code_at[c] = ki_column_chunk(codes, c);
        if (g->rests) g->rest_at[c] = ki_column_chunk(g->rests, c);
        g->link_at[c] = chunk_of_links(g->links, c);
    }
out:
    return st;
}

/* Links of positions first…n-1 become their own. */
static void unlink_rows(const ki_graph *g, uint32_t first)
{
    for (uint32_t pos = first; pos < g->n; pos++) {
        _Atomic uint32_t *row = ki_graph_links(g, pos);

        for (size_t i = 0; i < g->degree; i++) ki_link_set(row + i, pos);
    }
}

static kith_status columns(ki_graph *g, const ki_graph *from, uint32_t n)
{
    const uint32_t before = from ? from->n : 0;
    kith_status st = KITH_OK;

    if (from) {
        g->links = ki_column_share(from->links);
        g->codes = ki_column_share(from->codes);
        g->rests = ki_column_share(from->rests);
    } else {
        KI_TRY(ki_column_create(g->env, g->degree * sizeof(uint32_t), false, &g->links));
        if (ki_lens_codes(g->lens))
            KI_TRY(ki_column_create(g->env, g->lens->bytes, false, &g->codes));
        if (g->lens->halved) KI_TRY(ki_column_create(g->env, g->lens->bytes, false, &g->rests));
    }
    KI_TRY(ki_column_write(&g->links, before));
    KI_TRY(ki_column_extend(&g->links, before, n - before, 0));
    if (g->codes) KI_TRY(ki_column_extend(&g->codes, before, n - before, 0));
    if (g->rests) KI_TRY(ki_column_extend(&g->rests, before, n - before, 0));
out:
    return st;
}

kith_status ki_graph_adopt(ki_env *env, const ki_view *v, ki_lens *lens, ki_graph **out)
{
    ki_graph *g = ki_zeros(env, 1, sizeof *g);

    if (!g) return KITH_NO_MEMORY;
    atomic_init(&g->structure.refs, 1);
    g->structure.release = release;
    g->structure.undo = undo;
    g->structure.settle = settle;
    g->env = env;
    g->codec = v->codec;
    g->generation = v->generation;
    g->n = v->n;
    g->lens = ki_lens_share(lens);
    *out = g;
    return KITH_OK;
}

kith_status ki_graph_create(ki_env *env, const ki_view *v, uint32_t degree, ki_lens *lens,
                            const ki_graph *from, ki_graph **out)
{
    kith_status st = KITH_OK;
    ki_graph *g = NULL;

    KI_TRY(ki_graph_adopt(env, v, lens, &g));
    g->degree = g->most = degree;
    KI_TRY(columns(g, from, v->n));
    KI_TRY(ki_graph_show(g, v));
    unlink_rows(g, from ? from->n : 0);
    *out = g;
    g = NULL;
out:
    ki_graph_free(g);
    return st;
}

void ki_graph_inherit(ki_graph *g, const ki_graph *from)
{
    g->effort = from->effort;
    g->slack = from->slack;
    g->most = from->most;
    g->patient = from->patient;
}

void ki_graph_hang(const ki_graph *g, uint32_t node, uint32_t twin)
{
    const uint32_t last = ki_graph_last_twin(g, node);

    ki_link_set(ki_graph_links(g, last) + g->degree - 1, twin | KI_TWIN);
    ki_link_set(ki_graph_links(g, ki_graph_twin(g, node)), twin);
}

/* ---- entries --------------------------------------------------------------------------------- */

static size_t entries_for(size_t n)
{
    size_t e = ENTRIES_LEAST;

    while (e < ENTRIES_MOST && 16 * e * e < n) e *= 2; // about a quarter of the root
    return e < n ? e : n;
}

kith_status ki_graph_choose_entries(ki_graph *g, const uint32_t *pos, size_t n, uint64_t seed)
{
    const size_t e = entries_for(n), w = g->lens->bytes;
    kith_status st = KITH_OK;

    ki_assert(!g->entry && !g->entry_code);
    g->entry = ki_array(g->env, e, sizeof *g->entry);
    KI_NEED(g->entry);
    g->entries = (uint32_t)e;
    g->entry_code = ki_array(g->env, e, w);
    KI_NEED(g->entry_code);
    for (size_t i = 0; i < e; i++) { // one of each stretch
        const size_t from = i * n / e, to = (i + 1) * n / e;

        g->entry[i] = pos[from + ki_random_below(seed, KI_RNG_SAMPLE, i, (uint32_t)(to - from))];
        memcpy(g->entry_code + i * w, ki_graph_code(g, g->entry[i]), w);
    }
out:
    return st;
}

kith_status ki_graph_enter(ki_graph *g, uint32_t pos)
{
    const size_t w = g->lens->bytes;
    kith_status st = KITH_OK;

    ki_assert(g->entries <= 1);
    if (!g->entry) {
        g->entry = ki_array(g->env, 1, sizeof *g->entry);
        KI_NEED(g->entry);
        g->entries = 1;
        g->entry_code = ki_array(g->env, 1, w);
        KI_NEED(g->entry_code);
    }
    g->entry[0] = pos;
    memcpy(g->entry_code, ki_graph_code(g, pos), w);
out:
    return st;
}

/* ---- in step with the rows ------------------------------------------------------------------- */

bool ki_graph_fits(const ki_graph *g, const ki_view *v)
{
    return g && g->generation == v->generation && g->codec == v->codec;
}

/* The graph of more rows: it shares the memory of links with the one before. */
static kith_status extended(ki_env *env, const ki_view *v, const ki_graph *from, ki_graph **out)
{
    kith_status st = KITH_OK;
    ki_graph *g = NULL;

    KI_TRY(ki_graph_create(env, v, from->degree, from->lens, from, &g));
    g->nodes = from->nodes;
    g->twins = from->twins;
    g->tower = ki_tower_share(from->tower);
    g->since = from->since;
    ki_graph_inherit(g, from);
    g->entry = ki_regrow(env, from->entry, from->entries, from->entries, sizeof *g->entry);
    KI_NEED(g->entry);
    g->entries = from->entries;
    g->entry_code = ki_regrow(env, from->entry_code, from->entries, from->entries, g->lens->bytes);
    KI_NEED(g->entry_code);
    *out = g;
    g = NULL;
out:
    ki_graph_free(g);
    return st;
}

/* Link the live rows from `first` on; links of rows below `before` are logged first. */
static kith_status link_more(ki_env *env, const ki_view *v, ki_graph *g, uint32_t first,
                             uint32_t before, const ki_graph_how *how, uint32_t asked,
                             ki_progress *p)
{
    const size_t more = v->n - first, threads = ki_thread_count(env, asked, more);
    ki_graph_how later = *how;
    kith_status st = KITH_OK;
    uint32_t *pos = NULL;
    size_t n = 0;

    pos = ki_array(env, more, sizeof *pos);
    KI_NEED(pos);
    for (uint32_t at = first; at < v->n; at++)
        if (ki_view_live(v, at)) pos[n++] = at;
    if (p) ki_progress_init(p, p->watch, "link", n);
    KI_TRY(ki_graph_encode(g, v, first, threads, NULL));
    later.turns = how->keeps;
    KI_TRY(ki_graph_insert(env, v, g, &later, pos, n, before, threads, p));
    g->since += (uint32_t)n;
out:
    ki_release(env, pos, more, sizeof *pos);
    return st;
}

static kith_status extend(ki_env *env, const ki_view *v, const ki_graph *from,
                          const ki_graph_how *how, uint32_t threads, ki_progress *p, ki_graph **out)
{
    kith_status st = KITH_OK;
    ki_graph *g = NULL;

    KI_TRY(extended(env, v, from, &g));
    KI_TRY(link_more(env, v, g, from->n, from->n, how, threads, p));
    if (g->since >= g->nodes / REACH_SHARE) {
        KI_TRY(ki_graph_repair(env, v, g, from->n, p));
        g->since = 0;
    }
    *out = g;
    g = NULL;
out:
    if (g) undo(&g->structure);
    ki_graph_free(g);
    return st;
}

/* The graph of rows that were compacted: that of the rows before, without those that were
 * removed. */
static kith_status follow(ki_env *env, const ki_view *v, const ki_view *was,
                          const ki_graph_how *how, uint32_t threads, ki_progress *p, ki_graph **out)
{
    kith_status st = KITH_OK;
    ki_graph *g = NULL;
    uint32_t kept;

    KI_TRY(ki_graph_sweep(env, v, was, how, threads, p, &g, &kept));
    if (kept < v->n) KI_TRY(link_more(env, v, g, kept, 0, how, threads, p));
    KI_TRY(ki_graph_repair(env, v, g, 0, p));
    g->since = 0;
    *out = g;
    g = NULL;
out:
    ki_graph_free(g);
    return st;
}

/* Whether it is better to link all rows of v anew than to bring g, of the rows of `was`, up to
 * them: because it is cheaper, or because the lens cannot show the new ones. Where all are linked
 * one by one anyway a new start is rarely cheaper. */
static kith_status better_anew(const ki_view *v, const ki_view *was, const ki_graph *g,
                               const ki_graph_how *how, bool *out)
{
    uint32_t kept = 0;

    *out = true;
    if (!ki_graph_fits(g, was) || v->codec != was->codec) return KITH_OK;
    if (was == v)
        kept = g->n;
    else
        for (uint32_t pos = 0; pos < g->n; pos++) kept += ki_view_live(was, pos);
    if (!how->at_once && (v->n - kept) / REBUILD_SHARE >= kept) return KITH_OK;
    if (how->at_once && v->n - kept >= v->n / REBUILD_SHARE) return KITH_OK;
    if (was != v && kept < g->n / 2) return KITH_OK;
    return ki_lens_outgrown(g->lens, v, kept, out);
}

kith_status ki_graph_update(ki_change *c, ki_env *env, const ki_graph_how *how, uint32_t threads,
                            ki_progress *p)
{
    const ki_view *v = ki_change_view(c), *compacted = ki_change_before(c);
    const ki_view *was = compacted ? compacted : v;
    const ki_graph *g = ki_graph_of(was);
    kith_status st = KITH_OK;
    ki_graph *next = NULL;
    bool anew;

    if (was == v && ki_graph_fits(g, v) && g->n == v->n) return KITH_OK;
    if (v->live < NODES_LEAST) {
        ki_change_attach(c, NULL);
        return KITH_OK;
    }
    KI_TRY(better_anew(v, was, g, how, &anew));
    if (anew)
        KI_TRY(ki_graph_build(env, v, how, threads, p, &next));
    else if (was == v)
        KI_TRY(extend(env, v, g, how, threads, p, &next));
    else
        KI_TRY(follow(env, v, was, how, threads, p, &next));
    ki_change_attach(c, &next->structure);
out:
    return st;
}

bool ki_graph_crowded(const ki_view *v, double share)
{
    const double gone = (double)v->n - v->live;

    return share > 0 && gone >= GONE_LEAST && gone >= share * v->n;
}

static bool crowded(const ki_view *v, const double *values)
{
    return ki_graph_crowded(v, values[KI_GRAPH_SWEEP]);
}

/* The graph of the change's snapshot mended in a copy that shares its links; *mended: the snapshot
 * has it. What was mended in vain is taken back. */
static kith_status mend(ki_change *c, ki_env *env, const ki_graph_how *how, ki_findings *out,
                        ki_progress *p, bool *mended)
{
    const ki_view *v = ki_change_view(c);
    kith_status st = KITH_OK;
    ki_graph *g = NULL;

    KI_TRY(extended(env, v, ki_graph_of(v), &g));
    KI_TRY(ki_graph_mend(env, v, g, how, out, p, mended));
    if (!*mended) goto out;
    ki_change_attach(c, &g->structure);
    g = NULL;
out:
    if (g) undo(&g->structure);
    ki_graph_free(g);
    return st;
}

kith_status ki_graph_restore(ki_change *c, ki_env *env, const ki_graph_how *how, uint32_t threads,
                             ki_findings *out, ki_progress *p)
{
    const ki_view *v = ki_change_view(c);
    const ki_graph *g = ki_graph_of(v);
    kith_status st = ki_graph_check(v, env, p);
    ki_graph *anew = NULL;
    bool mended = false;

    if (st == KITH_OK && (g ? g->since == 0 : v->live < NODES_LEAST)) goto out;
    if (st == KITH_CORRUPT) {
        if (!out->damage[0]) ki_sentence_get(out->damage);
        st = KITH_OK;
    }
    KI_TRY(st);
    if (ki_graph_fits(g, v) && g->n == v->n) KI_TRY(mend(c, env, how, out, p, &mended));
    if (mended) goto out;
    if (v->live >= NODES_LEAST) {
        KI_TRY(ki_graph_build(env, v, how, threads, p, &anew));
        out->mended[out->n].name = "rebuilt";
        out->mended[out->n].unit = "rows linked anew";
        out->mended[out->n++].count = v->live;
    }
    ki_change_attach(c, anew ? &anew->structure : NULL);
out:
    return st;
}

void ki_graph_stats(const ki_view *v, kith_each *each, void *ctx)
{
    const ki_graph *g = ki_graph_of(v);

    if (!g) return;
    each(ctx, "nodes", "rows", g->nodes);
    each(ctx, "twins", "rows", g->twins);
    each(ctx, "degree", "links a row", g->degree);
    each(ctx, "link_bytes", "bytes", (double)ki_column_bytes(g->links));
    if (g->tower) {
        each(ctx, "levels", "above the one of all rows", g->tower->levels);
        each(ctx, "level_bytes", "bytes", (double)ki_tower_put_bytes(g->tower));
    }
    each(ctx, "walks", "queries", (double)atomic_load(&g->walks));
    each(ctx, "visits", "rows", (double)atomic_load(&g->visits));
    each(ctx, "hops", "rows", (double)atomic_load(&g->hops));
    each(ctx, "walk_dims", "components",
         (double)(g->lens->kind == KI_LENS_SHORT ? g->lens->wide : g->lens->d));
    each(ctx, "walk_bytes", "bytes", (double)ki_column_bytes(g->codes));
    each(ctx, "rest_bytes", "bytes", (double)ki_column_bytes(g->rests));
}

static const ki_param params[KI_GRAPH_PARAMS] = {
    [KI_GRAPH_DEGREE] =
        {"degree", "R,M,max_degree", KI_PARAM_INT, 16, KI_DEGREE_MOST, 48,
         "links of a row, a multiple of 16 (others are rounded up): more find more for each row "
         "looked at; 4 bytes each"},
    [KI_GRAPH_EFFORT] = {"effort", "ef,efSearch,ef_search", KI_PARAM_INT, 1, 1048576, 96,
                         "of searches that give none: a walk goes on among so many nearest"},
    [KI_GRAPH_SLACK] =
        {"slack", "gamma", KI_PARAM_FLOAT, 0, 100, 0,
         "of searches that give none: a walk goes on within (1 + slack) times the k-th distance; "
         "0: by the effort"},
    [KI_GRAPH_SEED] = {"seed", "random_seed", KI_PARAM_INT, 0, 4294967295.0, 0,
                       "of all that is drawn while building"},
    [KI_GRAPH_SWEEP] = KI_GRAPH_SWEEP_PARAM,
    [KI_GRAPH_BITS] = KI_GRAPH_BITS_PARAM,
    [KI_GRAPH_DIMS] = KI_GRAPH_DIMS_PARAM,
};

static ki_graph_how how_of(const double *values)
{
    const uint32_t asked = (uint32_t)values[KI_GRAPH_DEGREE];
    const uint32_t degree = (asked + KI_LINK_STEP - 1) / KI_LINK_STEP * KI_LINK_STEP;

    return (ki_graph_how){.at_once = true,
                          .degree = degree,
                          .most = degree,
                          .own = degree,
                          .search = SEARCH,
                          .factor = KI_PRUNE_FACTOR,
                          .effort = (uint32_t)values[KI_GRAPH_EFFORT],
                          .slack = (float)values[KI_GRAPH_SLACK],
                          .bits = (uint32_t)values[KI_GRAPH_BITS],
                          .dims = (uint32_t)values[KI_GRAPH_DIMS],
                          .seed = (uint64_t)values[KI_GRAPH_SEED]};
}

static kith_status update(ki_change *c, ki_env *env, const double *values, uint32_t threads,
                          ki_progress *p)
{
    const ki_graph_how how = how_of(values);

    return ki_graph_update(c, env, &how, threads, p);
}

static kith_status repair(ki_change *c, ki_env *env, const double *values, uint32_t threads,
                          ki_findings *out, ki_progress *p)
{
    const ki_graph_how how = how_of(values);

    return ki_graph_restore(c, env, &how, threads, out, p);
}

static kith_status open_graph(ki_rows *rows, ki_env *env, const ki_opening *from,
                              const double *values)
{
    const ki_graph_how how = how_of(values);

    return ki_graph_open(rows, env, from, &how);
}

extern const ki_navigator ki_navigator_graph;
const ki_navigator ki_navigator_graph = {
    .name = "Graph",
    .aliases = "",
    .about = "walks from neighbour to neighbour: some thousand rows of a million are looked at; "
             "changes at any time, no training",
    .params = {"Graph", params, KI_GRAPH_PARAMS},
    .number = KI_GRAPH_DEGREE,
    .scan = -1,
    .search = ki_graph_search,
    .sees_all = ki_graph_sees_all,
    .crowded = crowded,
    .update = update,
    .write = ki_graph_write,
    .open = open_graph,
    .check = ki_graph_check,
    .stats = ki_graph_stats,
    .repair = repair,
    .inspect = ki_graph_inspect,
};
