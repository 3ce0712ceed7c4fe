/* Links in levels for other programs' files: taken over as they are, and shown. What is taken over
 * keeps its links, levels and entry; copies are ordinary nodes there. What no link leads to gets
 * one, as after any change (repair.h). What is shown has no twins: each leads on to the next and to
 * the neighbours of their node. */
#include "navigate/graph/layers.h"

#include <string.h>

#include "navigate/graph/repair.h"
#include "navigate/graph/tower.h"

/* ---- taken over ------------------------------------------------------------------------------ */

/* owns: rank, g. */
typedef struct taking {
    ki_env *env;
    const ki_view *v;
    const ki_layers *from;
    uint32_t *rank; /* [n] of each row on the level above */
    ki_graph *g;
} taking;

static kith_status check_shape(const ki_layers *from)
{
    if (from->width > KI_TOWER_WIDTH || from->most > KI_DEGREE_MOST)
        return ki_fail(KITH_LIMIT, "%u links a row, %u on higher levels; %d and %d are possible",
                       from->most, from->width, KI_DEGREE_MOST, KI_TOWER_WIDTH);
    if (from->levels > KI_TOWER_LEVELS)
        return ki_fail(KITH_LIMIT, "%u levels; %d are possible", from->levels, KI_TOWER_LEVELS);
    return KITH_OK;
}

static void take_links(const taking *t)
{
    uint32_t links[KI_DEGREE_MOST];

    for (uint32_t pos = 0; pos < t->v->n; pos++) {
        const size_t n = t->from->links(t->from, pos, 0, links);

        ki_prune_store(t->g, pos, links, n);
    }
}

/* Level l: its rows in the order of their positions, then their links. rank becomes theirs on it;
 * on the way in it is that on the level below. */
static kith_status take_level(taking *t, uint32_t l)
{
    ki_tower *tower = t->g->tower;
    ki_level *level = &tower->level[l - 1];
    uint32_t links[KI_TOWER_WIDTH];
    kith_status st = KITH_OK;

    for (uint32_t pos = 0; pos < t->v->n; pos++) {
        if (t->from->level(t->from, pos) < l) continue;
        KI_TRY(ki_tower_append(tower, l, pos, l > 1 ? t->rank[pos] : pos));
        t->rank[pos] = (uint32_t)level->n - 1;
    }
    for (uint32_t i = 0; i < level->n; i++) {
        const size_t n = t->from->links(t->from, level->pos[i], l, links);

        for (size_t j = 0; j < n; j++)
            level->links[(size_t)i * tower->width + j] = t->rank[links[j]];
    }
out:
    return st;
}

static kith_status take_tower(taking *t)
{
    const ki_layers *from = t->from;
    kith_status st = KITH_OK;

    KI_TRY(ki_tower_create(t->env, from->width, &t->g->tower));
    t->rank = ki_array(t->env, t->v->n, sizeof *t->rank);
    KI_NEED(t->rank);
    for (uint32_t l = 1; l <= from->levels; l++) KI_TRY(take_level(t, l));
    t->g->tower->levels = from->levels;
    if (from->levels) t->g->tower->entry = t->rank[from->entry];
    KI_TRY(ki_graph_enter(t->g, from->entry));
out:
    return st;
}

/* The lens is learned from rows that answer, or of those that do not where there is no other. */
static kith_status learn(const taking *t, const ki_graph_how *how, ki_lens **out)
{
    const ki_view *v = t->v;
    kith_status st = KITH_OK;
    uint32_t *pos;
    size_t n = 0;

    pos = ki_array(t->env, v->n, sizeof *pos);
    KI_NEED(pos);
    for (uint32_t at = 0; at < v->n; at++)
        if (v->live == 0 || ki_view_live(v, at)) pos[n++] = at;
    KI_TRY(ki_lens_learn(t->env, v, pos, n, &(ki_lens_how){how->seed, how->dims, 1, NULL}, out));
out:
    ki_release(t->env, pos, v->n, sizeof *pos);
    return st;
}

kith_status ki_graph_take(ki_change *c, ki_env *env, const ki_graph_how *how, const ki_layers *from,
                          uint32_t threads, ki_progress *p)
{
    const ki_view *v = ki_change_view(c);
    const size_t many = ki_thread_count(env, threads, v->n);
    const uint32_t degree = (from->most + KI_LINK_STEP - 1) / KI_LINK_STEP * KI_LINK_STEP;
    taking t = {.env = env, .v = v, .from = from};
    kith_status st = KITH_OK;
    ki_lens *lens = NULL;

    if (v->n == 0) return KITH_OK;
    KI_TRY(check_shape(from));
    KI_TRY(learn(&t, how, &lens));
    KI_TRY(ki_graph_create(env, v, degree, lens, NULL, &t.g));
    t.g->most = from->most;
    t.g->nodes = v->n;
    t.g->effort = how->effort;
    t.g->slack = how->slack;
    t.g->patient = how->patient;
    KI_TRY(ki_graph_encode(t.g, v, 0, many, p));
    take_links(&t);
    KI_TRY(take_tower(&t));
    KI_TRY(ki_graph_repair(env, v, t.g, 0, p));
    KI_TRY(ki_graph_halve(t.g, v, how->bits));
    ki_change_attach(c, &t.g->structure);
    t.g = NULL;
out:
    ki_lens_release(lens);
    ki_graph_free(t.g);
    ki_release(env, t.rank, v->n, sizeof *t.rank);
    return st;
}

/* ---- shown ----------------------------------------------------------------------------------- */

/* owns: built, node, rank. */
typedef struct showing {
    ki_layers layers; /* first */
    ki_env *env;
    const ki_graph *g;
    ki_graph *built; /* g, where the view had none */
    uint32_t *node;  /* [n] of a twin; UINT32_MAX: it is none. NULL: there are no twins */
    uint32_t *above[KI_TOWER_LEVELS]; /* by rank on a level: that on the next; UINT32_MAX: none */
} showing;

static size_t rows_of(const showing *s, uint32_t l)
{
    return l ? s->g->tower->level[l - 1].n : s->g->n;
}

static const showing *of_layers(const ki_layers *layers)
{
    return (const showing *)(const void *)layers;
}

static uint32_t level_of(const ki_layers *layers, uint32_t pos)
{
    const showing *s = of_layers(layers);
    uint32_t l = 0;

    for (uint32_t at = pos; l < s->layers.levels && s->above[l][at] != UINT32_MAX; l++)
        at = s->above[l][at];
    return l;
}

/* Those of a row on the one level that all are on, without its twin. */
static size_t own_links(const showing *s, uint32_t pos, uint32_t *out, size_t room)
{
    const _Atomic uint32_t *row = ki_graph_links(s->g, pos);
    size_t n = 0;

    for (size_t i = 0; i < s->g->degree && n < room; i++) {
        const uint32_t to = ki_link_get(row + i);

        if (to != pos && to < s->g->n) out[n++] = to;
    }
    return n;
}

static size_t links_below(const showing *s, uint32_t pos, uint32_t *out)
{
    const uint32_t next = ki_graph_twin(s->g, pos);
    const uint32_t node = s->node ? s->node[pos] : UINT32_MAX;
    size_t n = 0;

    if (next > pos && next < s->g->n) out[n++] = next;
    if (node == UINT32_MAX) return n + own_links(s, pos, out + n, s->g->most - n);
    if (n < s->g->most) out[n++] = node;
    return n + own_links(s, node, out + n, s->g->most - n);
}

static size_t links_of(const ki_layers *layers, uint32_t pos, uint32_t level, uint32_t *out)
{
    const showing *s = of_layers(layers);
    const ki_tower *t = s->g->tower;
    uint32_t rank = pos;
    size_t n = 0;

    if (level == 0) return links_below(s, pos, out);
    for (uint32_t l = 0; l < level; l++) rank = s->above[l][rank];
    for (size_t i = 0; i < t->width; i++) {
        const uint32_t to = t->level[level - 1].links[(size_t)rank * t->width + i];

        if (to != rank) out[n++] = t->level[level - 1].pos[to];
    }
    return n;
}

static void end(ki_layers *layers)
{
    showing *s = (showing *)(void *)layers;
    ki_env *env = s->env;

    for (uint32_t l = 0; l < KI_TOWER_LEVELS; l++)
        if (s->above[l]) ki_release(env, s->above[l], rows_of(s, l), sizeof **s->above);
    if (s->node) ki_release(env, s->node, s->g->n, sizeof *s->node);
    ki_graph_free(s->built);
    ki_release(env, s, 1, sizeof *s);
}

static kith_status find_nodes(showing *s)
{
    const ki_graph *g = s->g;
    kith_status st = KITH_OK;

    if (g->twins == 0) return KITH_OK;
    s->node = ki_array(s->env, g->n, sizeof *s->node);
    KI_NEED(s->node);
    memset(s->node, 0xff, g->n * sizeof *s->node);
    for (uint32_t pos = 0; pos < g->n; pos++) { // a chain goes on behind the row
        const uint32_t next = ki_graph_twin(g, pos);

        if (next > pos && next < g->n)
            s->node[next] = s->node[pos] == UINT32_MAX ? pos : s->node[pos];
    }
out:
    return st;
}

static kith_status find_levels(showing *s)
{
    kith_status st = KITH_OK;

    for (uint32_t l = 0; l < s->layers.levels; l++) {
        const ki_level *up = &s->g->tower->level[l];

        s->above[l] = ki_array(s->env, rows_of(s, l), sizeof **s->above);
        KI_NEED(s->above[l]);
        memset(s->above[l], 0xff, rows_of(s, l) * sizeof **s->above);
        for (uint32_t i = 0; i < up->n; i++) s->above[l][up->below[i]] = i;
    }
out:
    return st;
}

kith_status ki_graph_show_layers(const ki_view *v, ki_env *env, const ki_graph_how *how,
                                 uint32_t threads, ki_progress *p, ki_layers **out)
{
    kith_status st = KITH_OK;
    showing *s = ki_zeros(env, 1, sizeof *s);

    KI_NEED(s);
    s->env = env;
    s->g = ki_graph_of(v);
    if (!ki_graph_fits(s->g, v) || s->g->n != v->n) {
        KI_TRY(ki_graph_build(env, v, how, threads, p, &s->built));
        s->g = s->built;
    }
    s->layers = (ki_layers){.entry = s->g->entry[0],
                            .width = s->g->tower->width,
                            .most = s->g->most,
                            .levels = s->g->tower->levels,
                            .level = level_of,
                            .links = links_of,
                            .end = end};
    KI_TRY(find_nodes(s));
    KI_TRY(find_levels(s));
    *out = &s->layers;
    s = NULL;
out:
    if (s) end(&s->layers);
    return st;
}
