/* Removed rows swept out of a graph, after FreshDiskANN (Singh et al. 2021): who was linked to a
 * removed row is offered what that was linked to, and chooses anew. Of what is behind a removed row
 * only the nearest are offered, and links that lead to live rows all stay: the rest costs most and
 * gives nothing (docs/GRAPH.md).
 *
 * Rows were compacted before, so this makes a new graph and leaves the old one alone: readers that
 * walk there lose no path, an aborted change has nothing to take back, and each row is mended by
 * itself, by whatever thread. Where a node is gone, its next live twin is the node: with the same
 * walk code, so that its links are right. Levels (HNSW) are drawn and linked anew: they are an M-th
 * of the rows, and their positions are others. */
#include "navigate/graph/sweep.h"

#include <string.h>

#include "navigate/graph/prune.h"
#include "navigate/graph/tower.h"

enum {
    PIECE = 1024,
    GONE_MOST = 256, /* removed rows that are looked behind, for one row */
    OFFER_LEAST = 16,
    OFFER_EACH = 2, /* rows offered for each link that is lost */
    SOUGHT = KI_PRUNE_MOST - KI_DEGREE_MOST
};

#define NOBODY UINT32_MAX /* of places: none */
#define FREE   (UINT32_MAX - 1)

/* owns: to, from. */
typedef struct sweeping {
    ki_env *env;
    const ki_view *v, *was;
    const ki_graph *old;
    const ki_graph_how *how;
    ki_graph *g;
    uint32_t *to;   /* [old->n] new place of a row; of a node that is gone, of its next live twin */
    uint32_t *from; /* [kept] the old node whose links a row gets; NOBODY: it is a twin */
    uint32_t kept;  /* rows of the old graph that are there still */
    ki_progress *progress;
} sweeping;

/* ---- places ---------------------------------------------------------------------------------- */

static void place_rows(sweeping *s)
{
    s->kept = 0;
    for (uint32_t pos = 0; pos < s->old->n; pos++)
        s->to[pos] = ki_view_live(s->was, pos) ? s->kept++ : NOBODY;
}

/* The rows of a chain that are left: the first is the node, the others hang on it. Links of a
 * damaged file may lead several chains to one row, which is in the first of them. */
static void place_chain(sweeping *s, uint32_t node)
{
    const ki_graph *old = s->old;
    uint32_t heir = NOBODY;

    for (uint32_t at = node, next;; at = next) {
        const uint32_t place = s->to[at];

        if (place != NOBODY && s->from[place] == FREE) {
            s->from[place] = heir == NOBODY ? node : NOBODY;
            if (heir != NOBODY) {
                ki_graph_hang(s->g, heir, place);
                s->g->twins++;
            } else {
                heir = place;
                s->g->nodes++;
            }
        }
        next = ki_graph_twin(old, at);
        if (next <= at || next >= old->n) break;
    }
    s->to[node] = heir;
}

static kith_status place_all(sweeping *s)
{
    const size_t words = ki_bit_words(s->old->n);
    kith_status st = KITH_OK;
    uint64_t *chained = ki_zeros(s->env, words, sizeof *chained);

    KI_NEED(chained);
    for (uint32_t pos = 0; pos < s->old->n; pos++) {
        const uint32_t next = ki_graph_twin(s->old, pos);

        if (next > pos && next < s->old->n) ki_bit_set(chained, next);
    }
    for (uint32_t i = 0; i < s->kept; i++) s->from[i] = FREE;
    for (uint32_t pos = 0; pos < s->old->n; pos++)
        if (!ki_bit_get(chained, pos)) place_chain(s, pos);
out:
    ki_release(s->env, chained, words, sizeof *chained);
    return st;
}

/* ---- one row --------------------------------------------------------------------------------- */

/* What one thread mends with. owns: prune, marks. */
typedef struct mender {
    ki_prune *prune;
    uint64_t *marks; /* [ki_bit_words(kept)] rows that are on a list here */
    uint32_t link[KI_DEGREE_MOST], sought[SOUGHT], gone[GONE_MOST];
    size_t links, sought_n, gone_n, lost;
} mender;

static bool mark(mender *m, uint32_t place)
{
    if (ki_bit_get(m->marks, place)) return false;
    ki_bit_set(m->marks, place);
    return true;
}

static void note_gone(mender *m, uint32_t pos)
{
    for (size_t i = 0; i < m->gone_n; i++)
        if (m->gone[i] == pos) return;
    if (m->gone_n < GONE_MOST) m->gone[m->gone_n++] = pos;
}

/* Links of the old node: to rows that are left, and to rows that are gone. */
static void look_at(const sweeping *s, mender *m, uint32_t pos, uint32_t *list, size_t *n,
                    size_t most)
{
    const _Atomic uint32_t *row = ki_graph_links(s->old, pos);

    for (size_t i = 0; i < s->old->degree; i++) {
        const uint32_t link = ki_link_get(row + i);

        if (link >= s->old->n || link == pos) continue;
        if (s->to[link] == NOBODY)
            note_gone(m, link);
        else if (s->from[s->to[link]] != NOBODY && *n < most && mark(m, s->to[link]))
            list[(*n)++] = s->to[link];
    }
}

/* Behind each neighbour that is gone; farther only where that gives too little. */
static void look_behind(const sweeping *s, mender *m)
{
    for (size_t i = 0; i < m->gone_n; i++)
        KI_PREFETCH(ki_graph_links(s->old, m->gone[i]));
    for (size_t i = 0; i < m->gone_n && (i < m->lost || m->sought_n < m->lost); i++)
        look_at(s, m, m->gone[i], m->sought, &m->sought_n, SOUGHT);
}

/* The nearest of what was sought, and the links, by distance. */
static void load(const sweeping *s, mender *m, uint32_t place)
{
    const size_t each = OFFER_EACH * m->lost;
    const size_t offer = each > OFFER_LEAST ? each : OFFER_LEAST;
    ki_prune *x = m->prune;

    x->n = m->sought_n;
    for (size_t i = 0; i < x->n; i++) x->one[i].pos = m->sought[i];
    ki_prune_expect(s->g, x->one, x->n);
    ki_prune_measure(x, place);
    if (x->n > offer) x->n = offer;
    for (size_t i = 0; i < m->links; i++) x->one[x->n++].pos = m->link[i];
    ki_prune_measure(x, place);
}

/* All links stay; of the others as many as there is room for, among those that pruning chooses. */
static size_t choose(const sweeping *s, mender *m, size_t room, uint32_t *out)
{
    uint32_t chosen[KI_DEGREE_MOST];
    ki_prune *x = m->prune;
    const size_t n = ki_prune_pick(x, room, s->how->factor, chosen);
    size_t left = room - m->links, at = 0, written = 0;

    for (size_t i = 0; i < m->sought_n; i++) ki_bit_clear(m->marks, m->sought[i]);
    for (size_t i = 0; i < x->n; i++) {
        const uint32_t place = x->one[i].pos;
        const bool is_chosen = at < n && chosen[at] == place;
        const bool stays = ki_bit_get(m->marks, place);

        at += is_chosen;
        if (!stays && (!is_chosen || left == 0)) continue;
        left -= !stays;
        out[written++] = place;
    }
    return written;
}

/* The new place of a node that is left and on no list yet; NOBODY: it is none. */
static uint32_t take(const sweeping *s, mender *m, uint32_t pos)
{
    const uint32_t place = pos < s->old->n ? s->to[pos] : NOBODY;

    return place != NOBODY && s->from[place] != NOBODY && mark(m, place) ? place : NOBODY;
}

/* NSW, whose far links are those that came by and stayed: what was linked to, in its order; in the
 * place of a neighbour that is gone the nearest of its own that is left and not linked to yet. */
static void lead_on(const sweeping *s, mender *m, uint32_t place)
{
    const uint32_t pos = s->from[place];
    const _Atomic uint32_t *row = ki_graph_links(s->old, pos);
    const size_t degree = s->old->degree, room = ki_prune_room(s->g, place);
    uint32_t to[KI_DEGREE_MOST];
    size_t n = 0;

    (void)mark(m, place);
    for (size_t i = 0; i < degree; i++) to[i] = take(s, m, ki_link_get(row + i));
    for (size_t i = 0; i < degree && n < room; i++) {
        const uint32_t link = ki_link_get(row + i);
        const bool gone = link < s->old->n && s->to[link] == NOBODY;

        for (size_t j = 0; gone && j < degree && to[i] == NOBODY; j++)
            to[i] = take(s, m, ki_link_get(ki_graph_links(s->old, link) + j));
        if (to[i] != NOBODY) m->link[n++] = to[i];
    }
    for (size_t i = 0; i < degree; i++)
        if (to[i] != NOBODY) ki_bit_clear(m->marks, to[i]);
    ki_bit_clear(m->marks, place);
    ki_prune_store(s->g, place, m->link, n);
}

static void mend(const sweeping *s, mender *m, uint32_t place)
{
    const size_t room = ki_prune_room(s->g, place);
    uint32_t out[KI_DEGREE_MOST];

    m->links = m->sought_n = m->gone_n = 0;
    (void)mark(m, place);
    look_at(s, m, s->from[place], m->link, &m->links, room);
    m->lost = m->gone_n;
    look_behind(s, m);
    if (m->sought_n > 0) {
        load(s, m, place);
        m->links = choose(s, m, room, out);
        for (size_t i = 0; i < m->links; i++) ki_bit_clear(m->marks, out[i]);
        ki_prune_store(s->g, place, out, m->links);
    } else {
        for (size_t i = 0; i < m->links; i++) ki_bit_clear(m->marks, m->link[i]);
        ki_prune_store(s->g, place, m->link, m->links);
    }
    ki_bit_clear(m->marks, place);
}

/* ---- all ------------------------------------------------------------------------------------- */

static kith_status mend_piece(void *arg, size_t piece)
{
    const sweeping *s = arg;
    const size_t words = ki_bit_words(s->kept), left = s->kept - piece * PIECE;
    const uint32_t first = (uint32_t)(piece * PIECE);
    const uint32_t end = first + (uint32_t)(left < PIECE ? left : PIECE);
    kith_status st = KITH_OK;
    mender *m = ki_zeros(s->env, 1, sizeof *m);

    KI_NEED(m);
    m->marks = ki_zeros(s->env, words, sizeof *m->marks);
    KI_NEED(m->marks);
    KI_TRY(ki_prune_create(s->env, s->v, s->g, &m->prune));
    for (uint32_t place = first; place < end; place++) {
        if (s->from[place] == NOBODY) continue;
        if (s->how->keeps)
            lead_on(s, m, place);
        else
            mend(s, m, place);
    }
    KI_TRY(ki_progress_add(s->progress, end - first));
out:
    if (m) ki_prune_free(m->prune);
    if (m) ki_release(s->env, m->marks, words, sizeof *m->marks);
    ki_release(s->env, m, 1, sizeof *m);
    return st;
}

/* Walk codes of rows are what they were. */
static void move_codes(const sweeping *s)
{
    const size_t w = s->g->lens->bytes;
    uint32_t place = 0;

    for (uint32_t pos = 0; s->g->codes && pos < s->old->n; pos++) {
        if (!ki_view_live(s->was, pos)) continue;
        memcpy(ki_unconst(ki_graph_code(s->g, place)), ki_graph_code(s->old, pos), w);
        if (s->g->rests)
            memcpy(ki_unconst(ki_graph_rest(s->g, place)), ki_graph_rest(s->old, pos), w);
        place++;
    }
}

/* Entries among the nodes, or levels above them. */
static kith_status choose_entries(const sweeping *s)
{
    kith_status st = KITH_OK;
    uint32_t *node = ki_array(s->env, s->kept, sizeof *node);
    size_t n = 0;

    KI_NEED(node);
    for (uint32_t i = 0; i < s->kept; i++)
        if (s->from[i] != NOBODY) node[n++] = i;
    if (s->g->tower)
        KI_TRY(ki_tower_redraw(s->g, s->env, s->v, s->how, node, n, s->progress));
    else
        KI_TRY(ki_graph_choose_entries(s->g, node, n, s->how->seed));
out:
    ki_release(s->env, node, s->kept, sizeof *node);
    return st;
}

kith_status ki_graph_sweep(ki_env *env, const ki_view *v, const ki_view *was,
                           const ki_graph_how *how, uint32_t threads, ki_progress *p,
                           ki_graph **out, uint32_t *kept)
{
    const ki_graph *old = ki_graph_of(was);
    sweeping s = {.env = env, .v = v, .was = was, .old = old, .how = how, .progress = p};
    kith_status st = KITH_OK;
    size_t pieces;

    s.to = ki_array(env, old->n, sizeof *s.to);
    KI_NEED(s.to);
    s.from = ki_array(env, old->n, sizeof *s.from);
    KI_NEED(s.from);
    place_rows(&s);
    KI_TRY(ki_graph_create(env, v, old->degree, old->lens, NULL, &s.g));
    ki_graph_inherit(s.g, old);
    s.g->tower = ki_tower_share(old->tower); // the next one is made in its likeness
    move_codes(&s);
    KI_TRY(place_all(&s));
    if (p) ki_progress_init(p, p->watch, "mend", s.kept);
    pieces = ((size_t)s.kept + PIECE - 1) / PIECE;
    KI_TRY(ki_parallel(env, ki_thread_count(env, threads, pieces), pieces, mend_piece, &s));
    KI_TRY(choose_entries(&s));
    *kept = s.kept;
    *out = s.g;
    s.g = NULL;
out:
    ki_graph_free(s.g);
    ki_release(env, s.to, old->n, sizeof *s.to);
    ki_release(env, s.from, old->n, sizeof *s.from);
    return st;
}
