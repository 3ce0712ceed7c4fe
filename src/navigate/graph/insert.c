/* Rows linked into a graph that is there (Malkov and Yashunin 2016, algorithm 1; for Graph and NSW
 * on one level). Rows come in batches: all of a batch walk through the graph as it was (by all
 * threads) and look at those before them in the batch, then they are linked one after the other; so
 * the links depend on the rows and their order alone (Dobson et al. 2023, ParlayANN). Without the
 * look at one another, rows that come sorted would miss their nearest.
 *
 * Links of rows that readers may be looking at are changed in place, each by one atomic store; what
 * they were is logged first, so that an aborted change can be taken back (graph.h). */
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "navigate/graph/insert.h"
#include "navigate/graph/prune.h"
#include "navigate/graph/tower.h"
#include "navigate/graph/walk.h"

enum {
    BATCH_MOST = 1024,
    BATCH_SHARE = 64, /* of the nodes */
    SPARE = 6,        /* a full row of Graph is pruned to leave one of so many places free */
    ANCHOR = 4,       /* rows that lead to one, it among them: it is not on an island, then */
    AHEAD = 2,        /* lost ones around which is asked before one is looked at */
    NEXT = 5          /* rows whose first links are asked for before they are looked at */
};

/* A new row, and what its walk found. */
typedef struct newcomer {
    uint32_t pos, twin;            /* twin: a node with the same walk code; UINT32_MAX: none */
    bool copy;                     /* one before it in the batch may have the same walk code */
    uint32_t n, own;               /* own: links it chose; the others would have chosen it (NSW) */
    uint32_t link[KI_DEGREE_MOST]; /* [n], both by distance */
} newcomer;

/* What one thread walks with. owns: all. */
typedef struct seeker {
    ki_walk *walk;
    ki_prune *prune;
    float *heap;    /* [KI_PRUNE_MOST] */
    ki_seen *mates; /* [BATCH_MOST]: earlier rows of the batch that are near */
    size_t mates_n;
} seeker;

/* owns: seeker, batch, prune, climber. */
typedef struct inserting {
    ki_env *env;
    const ki_view *v;
    ki_graph *g;
    const ki_graph_how *how;
    uint32_t before; /* rows that readers may know */
    size_t threads;
    seeker *seeker; /* [threads] */
    newcomer *batch;
    size_t n;    /* of the batch */
    size_t hung; /* of them, so far */
    atomic_size_t next;
    ki_prune *prune;
    ki_climber climber; /* HNSW */
    ki_progress *progress;
} inserting;

/* ---- looking for neighbours ------------------------------------------------------------------ */

/* Those before the i-th of the batch that are as near as what its walk found. One with the same
 * walk code is as far as the row from itself, which by halves is not 0. */
static void look_at_mates(const inserting *in, seeker *s, size_t i)
{
    newcomer *one = &in->batch[i];
    const void *row[KI_METER_BATCH] = {ki_graph_code(in->g, one->pos)};
    float dist[KI_METER_BATCH], self;

    s->mates_n = 0;
    one->copy = false;
    ki_meter_take(&s->walk->meter, row, NULL, 1, &self);
    for (size_t at = 0; at < i; at += KI_METER_BATCH) {
        const size_t some = i - at < KI_METER_BATCH ? i - at : KI_METER_BATCH;

        for (size_t j = 0; j < some; j++) row[j] = ki_graph_code(in->g, in->batch[at + j].pos);
        ki_meter_take(&s->walk->meter, row, NULL, some, dist);
        for (size_t j = 0; j < some; j++) one->copy |= dist[j] <= self;
        for (size_t j = 0; j < some; j++)
            if (dist[j] <= s->walk->kth)
                s->mates[s->mates_n++] = (ki_seen){dist[j], in->batch[at + j].pos};
    }
}

/* The nearest of what was seen become candidates: as many as were looked for and can be pruned. */
static void load_seen(const seeker *s, ki_prune *x)
{
    const ki_walk *w = s->walk;
    const ki_seen *of[] = {w->kept, s->mates};
    const size_t n[] = {w->kept_n, s->mates_n};
    float edge = w->kth;
    size_t kept = 0;

    x->n = 0;
    if (n[0] + n[1] > KI_PRUNE_MOST) {
        for (size_t l = 0; l < 2; l++)
            for (size_t i = 0; i < n[l]; i++)
                ki_heap_keep(s->heap, &kept, KI_PRUNE_MOST, of[l][i].key);
        if (s->heap[0] < edge) edge = s->heap[0];
    }
    for (size_t l = 0; l < 2; l++)
        for (size_t i = 0; i < n[l] && x->n < KI_PRUNE_MOST; i++)
            if (of[l][i].key <= edge) x->one[x->n++] = (ki_candidate){of[l][i].key, of[l][i].pos};
}

/* What the walk found that has the same code: nothing is nearer. */
static uint32_t find_twin(const ki_graph *g, const ki_walk *w, uint32_t pos)
{
    float least = INFINITY;

    for (size_t i = 0; i < w->kept_n; i++)
        if (w->kept[i].key < least) least = w->kept[i].key;
    for (size_t i = 0; i < w->kept_n; i++)
        if (w->kept[i].key <= least && ki_graph_same(g, w->kept[i].pos, pos)) return w->kept[i].pos;
    return UINT32_MAX;
}

/* NSW owes its far links to its first rows, which chose among few. Were all that come after a build
 * the last, those links would go with their rows, and nothing would bring others. So such a row
 * takes a turn at random: a share of the rows, drawn for it, is as if they had come before. Among
 * these it chooses; of the others that lie as near, the nearest would have chosen it. */
static void take_turn(const inserting *in, const ki_prune *x, newcomer *one)
{
    const uint64_t seed = in->how->seed, pos = (uint64_t)one->pos << 32;
    const float share = ki_random_f32(seed, KI_RNG_TURN, pos | one->pos);
    const size_t most = in->how->own;
    uint32_t after[KI_DEGREE_MOST];
    size_t own = 0, others = 0;

    for (size_t i = 0; i < x->n && own < most; i++) {
        const uint32_t to = x->one[i].pos;

        if (ki_random_f32(seed, KI_RNG_TURN, pos | to) < share)
            one->link[own++] = to;
        else if (others < most)
            after[others++] = to;
    }
    memcpy(one->link + own, after, others * sizeof *after);
    one->own = (uint32_t)own;
    one->n = (uint32_t)(own + others);
}

static kith_status seek(const inserting *in, seeker *s, size_t i)
{
    newcomer *one = &in->batch[i];
    const size_t search = in->how->search;
    const ki_walk_ask ask = {
        .n = in->g->n, .k = search, .effort = search, .slack = 0.0f, .start = UINT32_MAX};
    kith_status st = KITH_OK;

    ki_meter_row(&s->walk->meter, one->pos);
    KI_TRY(ki_walk_run(s->walk, &ask));
    one->twin = find_twin(in->g, s->walk, one->pos);
    look_at_mates(in, s, i);
    load_seen(s, s->prune);
    ki_prune_expect(in->g, s->prune->one, s->prune->n);
    ki_prune_order(s->prune, one->pos);
    if (in->how->turns)
        take_turn(in, s->prune, one);
    else
        one->n = one->own =
            (uint32_t)ki_prune_pick(s->prune, in->how->own, in->how->factor, one->link);
out:
    return st;
}

static kith_status seek_part(void *arg, size_t part)
{
    inserting *in = arg;
    kith_status st = KITH_OK;

    for (size_t i; (i = atomic_fetch_add(&in->next, 1)) < in->n;) {
        KI_TRY(seek(in, &in->seeker[part], i));
        KI_TRY(ki_progress_add(in->progress, 1));
    }
out:
    return st;
}

/* ---- linking --------------------------------------------------------------------------------- */

static kith_status change_row(const inserting *in, uint32_t pos)
{
    return pos < in->before ? ki_graph_log(in->g, pos) : KITH_OK;
}

static kith_status offer(inserting *in, uint32_t from, uint32_t pos, bool wanted, bool *linked);
static kith_status force(inserting *in, uint32_t from, uint32_t pos);

/* Links of a file may lead anywhere: those that lead outside lead to the row itself. */
static uint32_t inside(const ki_graph *g, uint32_t to, uint32_t from)
{
    return to < g->n ? to : from;
}

/* A link in a free place, if there is one, or there is the same already. */
static bool fill(const ki_graph *g, uint32_t from, uint32_t to)
{
    const size_t room = ki_prune_room(g, from);
    _Atomic uint32_t *row = ki_graph_links(g, from);

    for (size_t i = 0; i < room; i++) {
        const uint32_t now = inside(g, ki_link_get(row + i), from);

        if (now != from && now != to) continue;
        ki_link_set(row + i, to);
        return true;
    }
    return false;
}

/* Behind the last of the node's twins. Where it is the first, it takes the place of the node's last
 * link, which moves to a free one; else what that led to is linked from the nearest neighbour. */
static kith_status hang(inserting *in, uint32_t node, uint32_t pos)
{
    ki_graph *g = in->g;
    const uint32_t first = inside(g, ki_graph_twin(g, node), node);
    const uint32_t last = first == node ? node : inside(g, ki_graph_last_twin(g, node), first);
    const uint32_t near = inside(g, ki_link_get(ki_graph_links(g, node)), node);
    kith_status st = KITH_OK;
    uint32_t lost = node;
    bool linked = true;

    KI_TRY(change_row(in, last));
    KI_TRY(change_row(in, first));
    if (first == node) lost = inside(g, ki_link_get(ki_graph_links(g, node) + g->degree - 1), node);
    if (first != node) ki_link_set(ki_graph_links(g, first), pos);
    ki_link_set(ki_graph_links(g, last) + g->degree - 1, pos | KI_TWIN);
    g->twins++;
    if (lost == node || fill(g, node, lost)) goto out;
    KI_TRY(offer(in, near, lost, false, &linked));
    if (!linked) KI_TRY(force(in, near, lost));
out:
    return st;
}

/* Whether a row of the batch that is linked already has the same walk code. */
static uint32_t twin_in_batch(const inserting *in, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (in->batch[j].twin == UINT32_MAX &&
            ki_graph_same(in->g, in->batch[j].pos, in->batch[i].pos))
            return in->batch[j].pos;
    return UINT32_MAX;
}

/* Whether an offer finds no place free: free ones are the last, as a rule. */
static bool is_full(const ki_graph *g, uint32_t pos)
{
    const size_t room = ki_prune_room(g, pos);

    return room == 0 || ki_link_get(ki_graph_links(g, pos) + room - 1) != pos;
}

/* The next full row behind the j-th will be pruned: the codes of its links are asked for. */
static void expect_pruning(const ki_graph *g, const newcomer *one, size_t j)
{
    ki_candidate next[KI_DEGREE_MOST + 1];
    const _Atomic uint32_t *row;

    for (j++; j < one->n && !is_full(g, one->link[j]); j++) continue;
    if (j >= one->n) return;
    row = ki_graph_links(g, one->link[j]);
    for (size_t i = 0; i < g->degree; i++)
        next[i].pos = inside(g, ki_link_get(row + i), one->link[j]);
    next[g->degree].pos = one->link[j];
    ki_prune_expect(g, next, g->degree + 1);
}

/* Links lie about in the order of distance, and it is near rows that lead to one another. */
static bool leads(const ki_graph *g, uint32_t from, uint32_t to)
{
    const _Atomic uint32_t *row = ki_graph_links(g, from);
    bool any = false;

    for (size_t i = 0; i < g->degree && !any; i += KI_LINK_STEP)
        for (size_t j = i; j < i + KI_LINK_STEP; j++) any |= ki_link_get(row + j) == to;
    return any;
}

/* The nearest of a row's neighbours. */
static void expect_around(const ki_graph *g, uint32_t pos)
{
    const _Atomic uint32_t *row = ki_graph_links(g, pos);

    for (size_t j = 0; j < NEXT; j++)
        KI_PREFETCH(ki_graph_links(g, inside(g, ki_link_get(row + j), pos)));
}

/* Whether pos, which lost its link from `from`, is within reach all the same: by rows that it leads
 * to and that lead back, or by rows that lead to those. Most do, so that few are looked at. */
static bool anchored(const ki_graph *g, uint32_t pos, uint32_t from)
{
    uint32_t behind[ANCHOR] = {pos};
    size_t n = 1;

    for (size_t i = 0; i < n; i++) {
        const _Atomic uint32_t *row = ki_graph_links(g, behind[i]);

        if (i) expect_around(g, behind[i]);
        for (size_t j = 0; j < g->degree; j++) {
            const uint32_t to = inside(g, ki_link_get(row + j), pos);
            bool known = false;

            for (size_t k = 0; k < n; k++) known |= behind[k] == to;
            if (known || !leads(g, to, behind[i])) continue;
            behind[n++] = to;
            if (n == ANCHOR || to == from) return true;
        }
    }
    return false;
}

/* A link in place of another; not if what that led to would be out of reach. */
static bool replace(const ki_graph *g, uint32_t from, size_t slot, uint32_t pos)
{
    _Atomic uint32_t *link = ki_graph_links(g, from) + slot;
    const uint32_t before = inside(g, ki_link_get(link), from);

    ki_link_set(link, pos);
    if (before == from || anchored(g, before, from)) return true;
    ki_link_set(link, before);
    return false;
}

/* What pruning took out of from's row stays within reach: if it must, by a link all the same, in
 * place of one that nothing depends on. */
static void keep_reach(inserting *in, uint32_t from, uint32_t lost, uint32_t pos, size_t room)
{
    ki_graph *g = in->g;

    if (anchored(g, lost, from)) return;
    for (size_t i = room; i-- > 0;)
        if (ki_link_get(ki_graph_links(g, from) + i) != pos && replace(g, from, i, lost)) return;
    g->since = g->nodes; // it is looked at soon
}

/* The same of all that was taken out; what a look needs is asked for two looks before. */
static void keep_all(inserting *in, uint32_t from, const uint32_t *lost, size_t n, uint32_t pos,
                     size_t room)
{
    for (size_t i = 0; i < n && i < AHEAD; i++) expect_around(in->g, lost[i]);
    for (size_t i = 0; i < n; i++) {
        if (i + AHEAD < n) expect_around(in->g, lost[i + AHEAD]);
        keep_reach(in, from, lost[i], pos, room);
    }
}

/* NSW: pos in place of the farthest link among those that a row chose itself, or of those behind
 * them, if it is nearer. */
static void take_place(inserting *in, uint32_t from, uint32_t pos, size_t room, bool wanted,
                       bool *linked)
{
    const size_t own = in->how->own < room ? in->how->own : room;
    const size_t first = wanted ? 0 : own, end = wanted ? own : room;
    _Atomic uint32_t *row = ki_graph_links(in->g, from);
    ki_prune *x = in->prune;

    x->n = 0;
    for (size_t i = first; i < end; i++)
        x->address[x->n++] = ki_graph_code(in->g, inside(in->g, ki_link_get(row + i), from));
    x->address[x->n++] = ki_graph_code(in->g, pos);
    ki_meter_row(&x->meter, from);
    ki_meter_take(&x->meter, x->address, NULL, x->n, x->dist);
    while (!*linked) {
        size_t far = x->n - 1;

        for (size_t i = 0; i + 1 < x->n; i++)
            if (x->dist[i] > x->dist[far]) far = i;
        if (far == x->n - 1) break;
        *linked = replace(in->g, from, first + far, pos);
        x->dist[far] = 0.0f; // it has to stay
    }
}

/* A link from `from` to pos: in a free slot, or in place of what pruning leaves out; that may be
 * pos itself. *linked tells. wanted: `from` would have chosen it (NSW). Pruning is dear, so that
 * Graph does without where pos would be left out, and leaves some places free for the next links;
 * rows of HNSW have as many links as its users know. */
static kith_status offer(inserting *in, uint32_t from, uint32_t pos, bool wanted, bool *linked)
{
    ki_graph *g = in->g;
    const size_t room = ki_prune_room(g, from);
    const size_t most = room - (in->how->at_once ? room / SPARE : 0);
    _Atomic uint32_t *row = ki_graph_links(g, from);
    uint32_t out[KI_DEGREE_MOST], lost[KI_DEGREE_MOST + 1];
    kith_status st = KITH_OK;
    size_t n, losts = 0;

    KI_TRY(change_row(in, from));
    *linked = fill(g, from, pos);
    if (*linked) goto out;
    if (in->how->keeps) {
        take_place(in, from, pos, room, wanted, linked);
        goto out;
    }
    for (size_t i = 0; i < room; i++) in->prune->one[i].pos = ki_link_get(row + i);
    in->prune->one[room].pos = pos;
    in->prune->n = room + 1;
    ki_prune_measure(in->prune, from);
    if (in->how->at_once && !g->lens->halved && ki_prune_refuses(in->prune, pos, most)) goto out;
    for (size_t i = in->prune->n / 2; i < in->prune->n; i++) // of these some will be lost
        KI_PREFETCH(ki_graph_links(g, in->prune->one[i].pos));
    n = ki_prune_pick(in->prune, most, in->how->factor, out);
    ki_prune_store(g, from, out, n);
    for (size_t i = 0, j = 0; i < in->prune->n; i++) { // out is in the order of the candidates
        const uint32_t one = in->prune->one[i].pos;
        const bool chosen = j < n && out[j] == one;

        j += chosen;
        if (one == pos)
            *linked = chosen;
        else if (!chosen)
            lost[losts++] = one;
    }
    keep_all(in, from, lost, losts, pos, room);
out:
    return st;
}

/* The nearest neighbour links to pos whatever it costs; what its last link led to, pos leads to. */
static kith_status force(inserting *in, uint32_t from, uint32_t pos)
{
    ki_graph *g = in->g;
    const size_t room = ki_prune_room(g, from), own = ki_prune_room(g, pos);
    _Atomic uint32_t *link = ki_graph_links(g, from) + room - 1;
    _Atomic uint32_t *row = ki_graph_links(g, pos);
    const uint32_t lost = inside(g, ki_link_get(link), from);
    kith_status st = KITH_OK;
    uint32_t gone;
    size_t i = 0;

    KI_TRY(change_row(in, from));
    KI_TRY(change_row(in, pos));
    ki_link_set(link, pos);
    if (lost == from) goto out;
    while (i + 1 < own && ki_link_get(row + i) != pos && ki_link_get(row + i) != lost) i++;
    gone = ki_link_get(row + i);
    ki_link_set(row + i, lost);
    if (gone != pos && gone != lost && gone < g->n && !anchored(g, gone, pos))
        g->since = g->nodes; // it is looked at soon
out:
    return st;
}

/* HNSW: on the levels that are drawn for it; above all others, it becomes the entry. */
static kith_status rise(inserting *in, uint32_t pos)
{
    ki_graph *g = in->g;
    const uint32_t level = ki_tower_draw(in->how->seed, in->how->own, pos);
    const uint32_t before = g->tower->levels;
    kith_status st = KITH_OK;

    if (level == 0) return KITH_OK;
    KI_TRY(ki_tower_insert(g, &in->climber, pos, level, in->how->factor));
    if (level > before) KI_TRY(ki_graph_enter(g, pos));
out:
    return st;
}

/* Rows of the batch that became twins have no links: their nodes take their places. */
static void pass_over_twins(const inserting *in, newcomer *one, size_t i)
{
    for (size_t l = 0; l < one->n; l++)
        for (size_t j = 0; j < i; j++)
            if (in->batch[j].pos == one->link[l] && in->batch[j].twin != UINT32_MAX)
                one->link[l] = in->batch[j].twin;
    for (size_t l = 0; l < one->n; l++)
        for (size_t m = l + 1; m < one->n; m++)
            if (one->link[m] == one->link[l]) {
                memmove(one->link + m, one->link + m + 1, (--one->n - m) * sizeof *one->link);
                if (m < one->own) one->own--;
                m--;
            }
}

static kith_status link_one(inserting *in, newcomer *one, size_t i)
{
    kith_status st = KITH_OK;
    bool any = false, linked;

    if (one->twin == UINT32_MAX && one->copy) one->twin = twin_in_batch(in, i);
    if (one->twin != UINT32_MAX) {
        in->hung++;
        return hang(in, one->twin, one->pos);
    }
    if (in->hung > 0) pass_over_twins(in, one, i);
    ki_prune_store(in->g, one->pos, one->link, one->n);
    for (size_t j = 0; j < one->n; j++) {
        if (i + 1 < in->n && j < one[1].n) ki_graph_expect_links(in->g, one[1].link[j]);
        if (is_full(in->g, one->link[j])) expect_pruning(in->g, one, j);
        KI_TRY(offer(in, one->link[j], one->pos, j >= one->own, &linked));
        any |= linked;
    }
    if (!any && one->n) KI_TRY(force(in, one->link[0], one->pos));
    if (in->g->tower) KI_TRY(rise(in, one->pos));
    in->g->nodes++;
out:
    return st;
}

/* ---- batches --------------------------------------------------------------------------------- */

static kith_status open_seekers(inserting *in)
{
    kith_status st = KITH_OK;

    in->seeker = ki_zeros(in->env, in->threads, sizeof *in->seeker);
    KI_NEED(in->seeker);
    for (size_t i = 0; i < in->threads; i++) {
        seeker *s = &in->seeker[i];

        s->walk = ki_zeros(in->env, 1, sizeof *s->walk);
        KI_NEED(s->walk);
        s->walk->env = in->env;
        KI_TRY(ki_meter_init(&s->walk->meter, in->env, in->v, in->g));
        KI_TRY(ki_prune_create(in->env, in->v, in->g, &s->prune));
        s->heap = ki_array(in->env, KI_PRUNE_MOST, sizeof *s->heap);
        KI_NEED(s->heap);
        s->mates = ki_array(in->env, BATCH_MOST, sizeof *s->mates);
        KI_NEED(s->mates);
    }
    if (in->g->tower) KI_TRY(ki_climber_init(&in->climber, in->env, in->v, in->g, in->how->search));
    KI_TRY(ki_prune_create(in->env, in->v, in->g, &in->prune));
    in->batch = ki_array(in->env, BATCH_MOST, sizeof *in->batch);
    KI_NEED(in->batch);
out:
    return st;
}

static void close_seekers(inserting *in)
{
    for (size_t i = 0; in->seeker && i < in->threads; i++) {
        seeker *s = &in->seeker[i];

        if (s->walk) ki_walk_free(s->walk);
        ki_release(in->env, s->walk, 1, sizeof *s->walk);
        ki_prune_free(s->prune);
        ki_release(in->env, s->heap, KI_PRUNE_MOST, sizeof *s->heap);
        ki_release(in->env, s->mates, BATCH_MOST, sizeof *s->mates);
    }
    ki_climber_deinit(&in->climber);
    ki_release(in->env, in->seeker, in->threads, sizeof *in->seeker);
    ki_release(in->env, in->batch, BATCH_MOST, sizeof *in->batch);
    ki_prune_free(in->prune);
}

static size_t batch_room(const ki_graph *g)
{
    const size_t n = g->nodes / BATCH_SHARE;

    return n < 1 ? 1 : n > BATCH_MOST ? BATCH_MOST : n;
}

static kith_status run_batch(inserting *in)
{
    const size_t threads = in->n < in->threads ? in->n : in->threads;
    kith_status st = KITH_OK;

    in->hung = 0;
    atomic_store(&in->next, 0);
    KI_TRY(ki_parallel(in->env, threads, threads, seek_part, in));
    for (size_t i = 0; i < in->n; i++) KI_TRY(link_one(in, &in->batch[i], i));
out:
    return st;
}

kith_status ki_graph_insert(ki_env *env, const ki_view *v, ki_graph *g, const ki_graph_how *how,
                            const uint32_t *pos, size_t n, uint32_t before, size_t threads,
                            ki_progress *p)
{
    inserting in = {.env = env, .v = v, .g = g, .how = how, .before = before, .progress = p};
    kith_status st = KITH_OK;

    in.threads = threads < BATCH_MOST ? threads : BATCH_MOST;
    KI_TRY(open_seekers(&in));
    for (size_t at = 0; at < n; at += in.n) {
        const size_t room = batch_room(g), left = n - at;

        in.n = left < room ? left : room;
        for (size_t i = 0; i < in.n; i++) in.batch[i].pos = pos[at + i];
        KI_TRY(run_batch(&in));
    }
out:
    close_seekers(&in);
    return st;
}
