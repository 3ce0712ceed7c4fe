/* All rows linked at once: overlapping partitions, all pairs within their leaves through block
 * kernels, the best candidates of each row kept and pruned, what is out of reach attached (after
 * PiPNN, arXiv 2602.21247; HCNNG, Munoz et al. 2019).
 *
 * A row's candidates are kept by direction: sets of eight, chosen by the signs of some random
 * projections of the difference, hold the nearest in each direction; more projections tell rows of
 * one direction apart, of which only the nearest stays. What a set holds in the end depends on what
 * was offered alone, not on the order, so that threads may offer as they come.
 *
 * Words: a rank numbers the nodes 0…m-1 in the order of their positions. */
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "base/rng.h"
#include "cluster/nearest.h"
#include "navigate/graph/insert.h"
#include "navigate/graph/prune.h"
#include "navigate/graph/repair.h"
#include "navigate/graph/six.h"
#include "navigate/graph/tower.h"

enum {
    LEAF = 512,      /* rows whose pairs are all looked at */
    LEAF_LEAST = 32, /* smaller groups are put together */
    WHOLE = 4096,    /* so many nodes are one leaf, too */
    WHOLE_K = 32,
    LEADERS_LEAST = 32,
    LEADERS_MOST = 1024,
    DEPTH_MOST = 5, /* of partitions; then groups are cut, whatever they hold */
    FANOUT = 10,
    FANOUT_INSIDE = 3, /* groups that a row joins */
    WAYS = 8,          /* candidates of a set */
    SET_BITS_MOST = 4,
    PROJECTIONS = 12,
    STRIPES = 4096,
    AHEAD = 4, /* rows that are asked for before they are copied */
    FAR = 16,  /* random rows that may be linked where all others are near */
    OFFERS = 2 * KI_PANEL * KI_NEAREST_MOST,
    PIECE = 1024 /* rows of a job */
};

static const float FAR_FROM = 3.0f; /* distances of the farthest candidate */

/* How a build goes about, by the bytes of a walk code: long codes lie in spaces of many dimensions,
 * where one partition proposes too few (docs/GRAPH.md). */
typedef struct recipe {
    size_t least_bytes;
    size_t partitions, leaf_k, set_bits;
    bool reverse; /* links are offered to their targets, and all pruned again */
    float factor;
} recipe;

static const recipe recipes[] = {
    {0, 1, 3, 3, false, 1.2f},
    {192, 2, 10, 4, true, 1.3f},
};

typedef struct set {
    uint32_t rank[WAYS];
    uint16_t dist[WAYS], tag[WAYS];
} set;
_Static_assert(sizeof(set) == 64, "a cache line");

/* owns: all arrays. */
typedef struct build {
    ki_env *env;
    const ki_view *v;
    ki_graph *g;
    const ki_graph_how *wanted;
    const recipe *how;
    uint64_t seed;
    size_t threads;
    ki_progress *progress;
    uint32_t *pos; /* [m] position of a rank */
    size_t pos_room, m;
    int16_t *sketch;   /* [m][PROJECTIONS] */
    set *sets;         /* [m][1 << set_bits] */
    atomic_flag *lock; /* [STRIPES] */
    uint32_t *group;   /* [m * FANOUT] ranks, group after group */
    size_t *begin;     /* [LEADERS_MOST + 1] */
    size_t round;      /* of partitions */
    bool small;        /* leaves see six bits a component */
    size_t bytes;      /* of a row in a leaf */
} build;

static const uint8_t *code_of(const build *b, uint32_t rank)
{
    return ki_graph_code(b->g, b->pos[rank]);
}

/* ---- candidates ------------------------------------------------------------------------------ */

/* Signs of the projections of the difference between two rows' sketches. */
static uint32_t direction(const int16_t *from, const int16_t *to)
{
    uint32_t signs = 0;

    for (size_t i = 0; i < PROJECTIONS; i++) signs |= (uint32_t)(from[i] < to[i]) << i;
    return signs;
}

static bool smaller(uint16_t dist, uint32_t rank, const set *s, size_t i)
{
    return dist < s->dist[i] || (dist == s->dist[i] && rank < s->rank[i]);
}

static void put(set *s, size_t i, uint16_t dist, uint16_t tag, uint32_t rank)
{
    s->rank[i] = rank;
    s->dist[i] = dist;
    s->tag[i] = tag;
}

/* Of one tag only the nearest stays, of all tags the nearest. All places are looked at, without a
 * branch: which of them it will be nobody can foresee. Empty ones are the last, and have no tag. */
static void offer_to(set *s, uint16_t dist, uint16_t tag, uint32_t rank)
{
    size_t n = 0, same = WAYS, last = 0;

    for (size_t i = 0; i < WAYS; i++) {
        n += s->rank[i] != UINT32_MAX;
        same = s->tag[i] == tag ? i : same;
    }
    if (same < WAYS) {
        if (smaller(dist, rank, s, same)) put(s, same, dist, tag, rank);
        return;
    }
    if (n < WAYS) {
        put(s, n, dist, tag, rank);
        return;
    }
    for (size_t i = 1; i < WAYS; i++) last = smaller(s->dist[last], s->rank[last], s, i) ? i : last;
    if (smaller(dist, rank, s, last)) put(s, last, dist, tag, rank);
}

/* A candidate on its way to its set, which the cache was asked for. */
typedef struct offer {
    set *set;
    uint32_t to, rank;
    uint16_t dist, tag;
} offer;

static offer make_offer(const build *b, uint32_t to, uint32_t rank, uint16_t dist, uint32_t signs)
{
    const uint32_t sets = 1u << b->how->set_bits;
    set *s = b->sets + (size_t)to * sets + (signs * 0x9e3779b1u >> 16) % sets;

    KI_PREFETCH(s);
    return (offer){s, to, rank, dist, (uint16_t)signs};
}

static void deliver(const build *b, const offer *o, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        atomic_flag *lock = &b->lock[o[i].to % STRIPES];

        if (b->threads > 1)
            while (atomic_flag_test_and_set_explicit(lock, memory_order_acquire)) continue;
        offer_to(o[i].set, o[i].dist, o[i].tag, o[i].rank);
        if (b->threads > 1) atomic_flag_clear_explicit(lock, memory_order_release);
    }
}

/* Random signs times the components: integers, the same on every machine; scaled to 16 bits. */
static kith_status sketch_piece(void *arg, size_t piece)
{
    const build *b = arg;
    const size_t w = b->g->lens->bytes, first = piece * PIECE;
    const size_t end = first + PIECE < b->m ? first + PIECE : b->m;
    unsigned shift = 0;

    while ((w * 255) >> shift > INT16_MAX) shift++;
    for (size_t r = first; r < end; r++) {
        const uint8_t *code = code_of(b, (uint32_t)r);
        int32_t sum[PROJECTIONS] = {0};

        for (size_t i = 0; i < w; i++) {
            const int32_t x = b->g->lens->type == KI_U8 ? (int32_t)code[i] : (int8_t)code[i];
            const uint32_t signs = (uint32_t)ki_random(b->seed, KI_RNG_SKETCH, i);

            for (size_t j = 0; j < PROJECTIONS; j++) sum[j] += signs >> j & 1 ? x : -x;
        }
        for (size_t j = 0; j < PROJECTIONS; j++)
            b->sketch[r * PROJECTIONS + j] = (int16_t)(sum[j] / (1 << shift));
    }
    return ki_progress_add(b->progress, end - first);
}

/* ---- leaves ---------------------------------------------------------------------------------- */

/* What one thread needs for a group and its parts. owns: all. */
typedef struct worker {
    ki_nearest block;
    size_t room;     /* rows of a leaf */
    int16_t *sketch; /* [room][PROJECTIONS] of the block's rows */
    ki_near *near;   /* [room][KI_NEAREST_MOST], room at least KI_PANEL */
    uint32_t *count; /* [room] of them */
    offer *offers;   /* [OFFERS] */
} worker;

static kith_status need_block(const build *b, worker *w, size_t n)
{
    if (n <= w->block.cap) return KITH_OK;
    return ki_nearest_init(&w->block, b->env, b->small ? KI_U8 : b->g->lens->type, b->small,
                           b->bytes, n);
}

/* A row as leaves see it. */
static void load_row(const build *b, uint32_t rank, uint8_t *out)
{
    if (b->small)
        ki_six_row(b->g->lens, code_of(b, rank), out);
    else
        memcpy(out, code_of(b, rank), b->bytes);
}

static void expect_row(const build *b, uint32_t rank)
{
    ki_graph_expect_row(code_of(b, rank), b->g->lens->bytes);
}

static void free_room(const build *b, worker *w)
{
    ki_release(b->env, w->sketch, w->room, PROJECTIONS * sizeof *w->sketch);
    ki_release(b->env, w->near, w->room, KI_NEAREST_MOST * sizeof *w->near);
    ki_release(b->env, w->count, w->room, sizeof *w->count);
    w->sketch = NULL;
    w->near = NULL;
    w->count = NULL;
}

static kith_status need_room(const build *b, worker *w, size_t n)
{
    kith_status st = KITH_OK;

    free_room(b, w);
    w->room = n;
    w->sketch = ki_array(b->env, n, PROJECTIONS * sizeof *w->sketch);
    KI_NEED(w->sketch);
    w->near = ki_array(b->env, n, KI_NEAREST_MOST * sizeof *w->near);
    KI_NEED(w->near);
    w->count = ki_array(b->env, n, sizeof *w->count);
    KI_NEED(w->count);
out:
    return st;
}

static kith_status load_leaf(const build *b, worker *w, const uint32_t *rank, size_t n)
{
    kith_status st = KITH_OK;

    KI_TRY(need_block(b, w, n));
    if (n > w->room) KI_TRY(need_room(b, w, n));
    for (size_t i = 0; i < n; i++) {
        if (i + AHEAD < n) expect_row(b, rank[i + AHEAD]);
        load_row(b, rank[i], w->block.rows + i * b->bytes);
        memcpy(w->sketch + i * PROJECTIONS, b->sketch + (size_t)rank[i] * PROJECTIONS,
               PROJECTIONS * sizeof *w->sketch);
    }
    ki_nearest_block(&w->block, n);
out:
    return st;
}

/* Row i of a leaf to the j-th that is near it, and that to it; but not where it is offered from
 * there as well, being among the nearest of that. */
static offer *offer_both(const build *b, const worker *w, const uint32_t *rank, size_t i, size_t j,
                         size_t k, offer *to)
{
    const ki_near one = w->near[i * k + j];
    const size_t others = w->count[one.row];
    const ki_near last = w->near[one.row * k + others - 1];
    const int16_t *x = w->sketch + i * PROJECTIONS, *y = w->sketch + one.row * PROJECTIONS;
    const uint16_t dist = (uint16_t)one.dist;

    *to++ = make_offer(b, rank[i], rank[one.row], dist, direction(x, y));
    if (others < k || one.dist < last.dist || (one.dist == last.dist && i <= last.row)) return to;
    *to++ = make_offer(b, rank[one.row], rank[i], dist, direction(y, x));
    return to;
}

/* Each row of a leaf to the k nearest of it, and those to it. */
static kith_status leaf(const build *b, worker *w, const uint32_t *rank, size_t n, size_t k)
{
    kith_status st = KITH_OK;

    if (n < 2) return KITH_OK;
    KI_TRY(load_leaf(b, w, rank, n));
    ki_nearest_each(&w->block, k, w->near, w->count);
    for (size_t q = 0; q < n; q += KI_PANEL) {
        offer *o = w->offers;

        for (size_t i = q; i < n && i < q + KI_PANEL; i++)
            for (size_t j = 0; j < w->count[i]; j++) o = offer_both(b, w, rank, i, j, k, o);
        deliver(b, w->offers, (size_t)(o - w->offers));
    }
out:
    return st;
}

/* ---- partitions ------------------------------------------------------------------------------ */

static size_t leaders_for(size_t n)
{
    const size_t l = (n + 31) / 32 * 32;

    return l < LEADERS_LEAST ? LEADERS_LEAST : l > LEADERS_MOST ? LEADERS_MOST : l;
}

/* Random members become the block. */
static kith_status draw_leaders(const build *b, worker *w, const uint32_t *rank, size_t n,
                                size_t leaders, uint64_t draw)
{
    const uint64_t seed = b->seed ^ ki_mix64(draw);
    kith_status st = KITH_OK;

    KI_TRY(need_block(b, w, leaders));
    for (size_t i = 0; i < leaders; i++)
        load_row(b, rank[ki_random_below(seed, KI_RNG_SAMPLE, i, (uint32_t)n)],
                 w->block.rows + i * b->bytes);
    ki_nearest_block(&w->block, leaders);
out:
    return st;
}

/* The `fanout` nearest leaders of members first…end-1, to leader [n][fanout]. */
static void join(const build *b, worker *w, const uint32_t *rank, size_t first, size_t end,
                 size_t fanout, uint16_t *leader, uint8_t *query)
{
    const size_t bytes = b->bytes;
    uint32_t count[KI_PANEL];

    for (size_t i = first; i < end; i += KI_PANEL) {
        const size_t nq = end - i < KI_PANEL ? end - i : KI_PANEL;

        for (size_t q = 0; q < nq; q++) load_row(b, rank[i + q], query + q * bytes);
        ki_nearest_find(&w->block, query, nq, fanout, KI_NEAREST_NONE, w->near, count);
        for (size_t q = 0; q < nq; q++)
            for (size_t j = 0; j < fanout; j++)
                leader[(i + q) * fanout + j] =
                    (uint16_t)w->near[q * fanout + (j < count[q] ? j : 0)].row;
    }
}

/* Members group after group: group [n * fanout], begin [leaders + 1]. Groups keep the order. */
static void sort_out(const uint32_t *rank, size_t n, size_t fanout, const uint16_t *leader,
                     size_t leaders, uint32_t *group, size_t *begin)
{
    memset(begin, 0, (leaders + 1) * sizeof *begin);
    for (size_t i = 0; i < n * fanout; i++) begin[leader[i] + 1]++;
    for (size_t l = 0; l < leaders; l++) begin[l + 1] += begin[l];
    for (size_t i = 0; i < n * fanout; i++) group[begin[leader[i]]++] = rank[i / fanout];
    for (size_t l = leaders; l > 0; l--) begin[l] = begin[l - 1];
    begin[0] = 0;
}

static kith_status split(const build *b, worker *w, const uint32_t *rank, size_t n, size_t fanout,
                         size_t depth, uint64_t draw);

/* Groups too small for a leaf of their own, together. */
static kith_status put_together(const build *b, worker *w, const uint32_t *group,
                                const size_t *begin, size_t leaders, size_t n)
{
    kith_status st = KITH_OK;
    uint32_t *few = ki_array(b->env, n, sizeof *few);
    size_t m = 0;

    KI_NEED(few);
    for (size_t l = 0; l < leaders; l++)
        if (begin[l + 1] - begin[l] < LEAF_LEAST)
            for (size_t i = begin[l]; i < begin[l + 1]; i++) few[m++] = group[i];
    for (size_t i = 0; i < m; i += LEAF / 2)
        KI_TRY(leaf(b, w, few + i, m - i < LEAF / 2 ? m - i : LEAF / 2, b->how->leaf_k));
out:
    ki_release(b->env, few, n, sizeof *few);
    return st;
}

static kith_status part(const build *b, worker *w, const uint32_t *rank, size_t n, size_t fanout,
                        size_t depth, uint64_t draw)
{
    const size_t leaders = leaders_for(n * fanout / 200 + 1), bytes = b->bytes;
    kith_status st = KITH_OK;
    uint16_t *leader = NULL;
    uint32_t *group = NULL;
    size_t *begin = NULL;
    uint8_t *query = NULL;

    leader = ki_array(b->env, n * fanout, sizeof *leader);
    KI_NEED(leader);
    group = ki_array(b->env, n * fanout, sizeof *group);
    KI_NEED(group);
    begin = ki_array(b->env, leaders + 1, sizeof *begin);
    KI_NEED(begin);
    query = ki_array(b->env, KI_PANEL, bytes);
    KI_NEED(query);
    KI_TRY(draw_leaders(b, w, rank, n, leaders, draw));
    join(b, w, rank, 0, n, fanout, leader, query);
    sort_out(rank, n, fanout, leader, leaders, group, begin);
    ki_release(b->env, leader, n * fanout, sizeof *leader);
    leader = NULL;
    for (size_t l = 0; l < leaders; l++)
        if (begin[l + 1] - begin[l] >= LEAF_LEAST)
            KI_TRY(split(b, w, group + begin[l], begin[l + 1] - begin[l], 1, depth + 1,
                         ki_mix64(draw + l + 1)));
    KI_TRY(put_together(b, w, group, begin, leaders, n * fanout));
out:
    ki_release(b->env, leader, n * fanout, sizeof *leader);
    ki_release(b->env, group, n * fanout, sizeof *group);
    ki_release(b->env, begin, leaders + 1, sizeof *begin);
    ki_release(b->env, query, KI_PANEL, bytes);
    return st;
}

/* A group into leaves. */
static kith_status split(const build *b, worker *w, const uint32_t *rank, size_t n, size_t fanout,
                         size_t depth, uint64_t draw)
{
    kith_status st = KITH_OK;

    if (n <= LEAF) return leaf(b, w, rank, n, b->how->leaf_k);
    if (depth <= DEPTH_MOST) return part(b, w, rank, n, fanout, depth, draw);
    for (size_t i = 0; i < n; i += LEAF)
        KI_TRY(leaf(b, w, rank + i, n - i < LEAF ? n - i : LEAF, b->how->leaf_k));
out:
    return st;
}

static kith_status open_worker(const build *b, worker *w)
{
    kith_status st = KITH_OK;

    *w = (worker){0};
    KI_TRY(need_room(b, w, KI_PANEL));
    w->offers = ki_array(b->env, OFFERS, sizeof *w->offers);
    KI_NEED(w->offers);
out:
    return st;
}

static void close_worker(const build *b, worker *w)
{
    ki_nearest_deinit(&w->block);
    free_room(b, w);
    ki_release(b->env, w->offers, OFFERS, sizeof *w->offers);
}

/* ---- the first partition, whose groups are split by all threads ------------------------------ */

typedef struct joining {
    const build *b;
    const uint32_t *all;
    size_t leaders;
    uint64_t draw;
    uint16_t *leader;
    atomic_size_t next;
} joining;

static kith_status join_part(void *arg, size_t i)
{
    joining *j = arg;
    const build *b = j->b;
    const size_t bytes = b->bytes;
    kith_status st = KITH_OK;
    uint8_t *query = NULL;
    worker w;

    (void)i;
    KI_TRY(open_worker(b, &w));
    query = ki_array(b->env, KI_PANEL, bytes);
    KI_NEED(query);
    KI_TRY(draw_leaders(b, &w, j->all, b->m, j->leaders, j->draw));
    for (size_t first; (first = atomic_fetch_add(&j->next, PIECE)) < b->m;) {
        const size_t end = first + PIECE < b->m ? first + PIECE : b->m;

        join(b, &w, j->all, first, end, FANOUT, j->leader, query);
        KI_TRY(ki_progress_add(b->progress, end - first));
    }
out:
    ki_release(b->env, query, KI_PANEL, bytes);
    close_worker(b, &w);
    return st;
}

static size_t first_leaders(size_t m)
{
    return m >= 500000 ? LEADERS_MOST : m >= 100000 ? LEADERS_MOST / 4 : LEADERS_MOST / 16;
}

typedef struct splitting {
    const build *b;
    size_t leaders;
    uint64_t draw;
    atomic_size_t next;
} splitting;

static kith_status split_part(void *arg, size_t i)
{
    splitting *s = arg;
    const build *b = s->b;
    kith_status st = KITH_OK;
    worker w;

    (void)i;
    KI_TRY(open_worker(b, &w));
    for (size_t l; (l = atomic_fetch_add(&s->next, 1)) < s->leaders;) {
        const size_t n = b->begin[l + 1] - b->begin[l];

        if (n == 0) continue;
        KI_TRY(
            split(b, &w, b->group + b->begin[l], n, FANOUT_INSIDE, 1, ki_mix64(s->draw + l + 1)));
        KI_TRY(ki_progress_add(b->progress, n));
    }
out:
    close_worker(b, &w);
    return st;
}

static kith_status partition(build *b, const uint32_t *all)
{
    const size_t leaders = first_leaders(b->m);
    const uint64_t draw = ki_mix64(b->round + 1);
    joining j = {.b = b, .all = all, .leaders = leaders, .draw = draw};
    splitting s = {.b = b, .leaders = leaders, .draw = draw};
    kith_status st = KITH_OK;

    j.leader = ki_array(b->env, b->m * FANOUT, sizeof *j.leader);
    KI_NEED(j.leader);
    KI_TRY(ki_parallel(b->env, b->threads, b->threads, join_part, &j));
    sort_out(all, b->m, FANOUT, j.leader, leaders, b->group, b->begin);
    ki_release(b->env, j.leader, b->m * FANOUT, sizeof *j.leader);
    j.leader = NULL;
    KI_TRY(ki_parallel(b->env, b->threads, b->threads, split_part, &s));
out:
    ki_release(b->env, j.leader, b->m * FANOUT, sizeof *j.leader);
    return st;
}

static kith_status one_leaf(build *b, const uint32_t *all)
{
    kith_status st = KITH_OK;
    worker w;

    KI_TRY(open_worker(b, &w));
    KI_TRY(leaf(b, &w, all, b->m, WHOLE_K));
out:
    close_worker(b, &w);
    return st;
}

static kith_status propose(build *b)
{
    kith_status st = KITH_OK;
    uint32_t *all = ki_array(b->env, b->m, sizeof *all);

    KI_NEED(all);
    for (size_t i = 0; i < b->m; i++) all[i] = (uint32_t)i;
    if (b->m <= WHOLE) KI_TRY(one_leaf(b, all));
    if (b->m <= LEAF) goto out; // more may lie in clusters, which only partitions bring together
    b->group = ki_array(b->env, b->m * FANOUT, sizeof *b->group);
    KI_NEED(b->group);
    b->begin = ki_array(b->env, LEADERS_MOST + 1, sizeof *b->begin);
    KI_NEED(b->begin);
    for (b->round = 0; b->round < b->how->partitions; b->round++) KI_TRY(partition(b, all));
out:
    ki_release(b->env, all, b->m, sizeof *all);
    ki_release(b->env, b->group, b->m * FANOUT, sizeof *b->group);
    ki_release(b->env, b->begin, LEADERS_MOST + 1, sizeof *b->begin);
    b->group = NULL;
    b->begin = NULL;
    return st;
}

/* ---- links ----------------------------------------------------------------------------------- */

/* A row's candidates. They are asked for as well: it is their turn after those of another row. */
static size_t gather(const build *b, uint32_t rank, ki_candidate *out)
{
    const size_t sets = (size_t)1 << b->how->set_bits;
    const set *s = b->sets + rank * sets;
    size_t n = 0;

    for (size_t i = 0; i < sets; i++)
        for (size_t j = 0; j < WAYS && s[i].rank[j] != UINT32_MAX; j++) {
            expect_row(b, s[i].rank[j]);
            out[n++].pos = b->pos[s[i].rank[j]];
        }
    return n;
}

static void draw_far(const build *b, uint32_t rank, uint32_t *out)
{
    for (uint32_t i = 0; i < FAR; i++) {
        const uint32_t far =
            ki_random_below(b->seed, KI_RNG_FAR, (uint64_t)rank * FAR + i, (uint32_t)b->m);

        expect_row(b, far);
        out[i] = b->pos[far];
    }
}

/* Leaves of rows in tight clusters hold no others: no walk would get from one cluster to the next.
 * So random rows take part that are FAR_FROM times as far as the farthest candidate. Pruning leaves
 * of them what no chosen one is nearer to: a cluster has ways out at all of its ends. Elsewhere no
 * row is so far from a node, and candidates are all that walks need. */
static void add_far(const build *b, ki_prune *x, uint32_t pos, const uint32_t *far)
{
    const float by = ki_meter_squares(b->g) ? FAR_FROM * FAR_FROM : FAR_FROM;
    const float edge = x->n ? by * x->one[x->n - 1].dist : 0.0f;
    const size_t n = x->n;
    const void *rows[FAR];
    float dist[FAR];

    for (size_t i = 0; i < FAR; i++) rows[i] = ki_graph_code(b->g, far[i]);
    ki_meter_take(&x->meter, rows, NULL, FAR, dist);
    for (size_t i = 0; i < FAR; i++)
        if (dist[i] > edge) x->one[x->n++] = (ki_candidate){.pos = far[i], .dist = dist[i]};
    if (x->n > n) ki_prune_order(x, pos);
}

static kith_status link_piece(void *arg, size_t piece)
{
    const build *b = arg;
    const size_t first = piece * PIECE, end = first + PIECE < b->m ? first + PIECE : b->m;
    ki_candidate next[WAYS << SET_BITS_MOST];
    kith_status st = KITH_OK;
    ki_prune *x = NULL;
    uint32_t out[KI_DEGREE_MOST], far[FAR], next_far[FAR];
    size_t next_n;

    KI_TRY(ki_prune_create(b->env, b->v, b->g, &x));
    next_n = gather(b, (uint32_t)first, next);
    draw_far(b, (uint32_t)first, next_far);
    for (size_t r = first; r < end; r++) {
        const uint32_t pos = b->pos[r];
        size_t n;

        memcpy(x->one, next, next_n * sizeof *next);
        memcpy(far, next_far, sizeof far);
        x->n = next_n;
        if (r + 1 < end) {
            next_n = gather(b, (uint32_t)r + 1, next);
            draw_far(b, (uint32_t)r + 1, next_far);
        }
        ki_prune_measure(x, pos);
        add_far(b, x, pos, far);
        n = ki_prune_choose(x, ki_prune_room(b->g, pos), KI_PRUNE_FACTOR, out);
        ki_prune_store(b->g, pos, out, n);
    }
    KI_TRY(ki_progress_add(b->progress, end - first));
out:
    ki_prune_free(x);
    return st;
}

static kith_status run_pieces(build *b, ki_job *job)
{
    return ki_parallel(b->env, b->threads, (b->m + PIECE - 1) / PIECE, job, b);
}

/* ---- twins and nodes ------------------------------------------------------------------------- */

/* Rows whose walk code was there before become twins of the first; the others nodes. */
static kith_status collapse(build *b)
{
    const ki_graph *g = b->g;
    const ki_view *v = b->v;
    kith_status st = KITH_OK;
    size_t slots = 16;
    uint32_t *table = NULL;

    while (slots < 2 * (size_t)v->n) slots *= 2;
    table = ki_array(b->env, slots, sizeof *table);
    KI_NEED(table);
    memset(table, 0xff, slots * sizeof *table);
    for (uint32_t pos = 0; pos < v->n; pos++) {
        const uint8_t *code = ki_graph_code(g, pos);
        size_t at;

        if (!ki_view_live(v, pos)) continue;
        for (at = ki_hash(code, g->lens->bytes) % slots; table[at] != UINT32_MAX;
             at = (at + 1) % slots)
            if (memcmp(ki_graph_code(g, table[at]), code, g->lens->bytes) == 0) break;
        if (table[at] == UINT32_MAX) {
            table[at] = pos;
            b->pos[b->m++] = pos;
        } else {
            ki_graph_hang(g, table[at], pos);
            b->g->twins++;
        }
    }
    b->g->nodes = (uint32_t)b->m;
out:
    ki_release(b->env, table, slots, sizeof *table);
    return st;
}

/* ---- all ------------------------------------------------------------------------------------- */

static const recipe *recipe_for(size_t bytes)
{
    const recipe *r = recipes;

    for (size_t i = 0; i < sizeof recipes / sizeof *recipes; i++)
        if (bytes >= recipes[i].least_bytes) r = &recipes[i];
    return r;
}

static void begin(build *b, const char *phase, uint64_t total)
{
    if (b->progress) ki_progress_init(b->progress, b->progress->watch, phase, total);
}

/* Lens, codes and nodes. */
static kith_status begin_build(build *b, uint32_t degree)
{
    const ki_view *v = b->v;
    kith_status st = KITH_OK;
    ki_lens *lens = NULL;
    size_t n = 0;

    b->pos_room = v->n;
    b->pos = ki_array(b->env, b->pos_room, sizeof *b->pos);
    KI_NEED(b->pos);
    for (uint32_t pos = 0; pos < v->n; pos++)
        if (ki_view_live(v, pos)) b->pos[n++] = pos;
    begin(b, "learn", 0);
    KI_TRY(ki_lens_learn(b->env, v, b->pos, n,
                         &(ki_lens_how){b->seed, b->wanted->dims, b->threads, b->progress}, &lens));
    KI_TRY(ki_graph_create(b->env, v, degree, lens, NULL, &b->g));
    begin(b, "code", v->n);
    KI_TRY(ki_graph_encode(b->g, v, 0, b->threads, b->progress));
    KI_TRY(collapse(b));
out:
    ki_lens_release(lens);
    return st;
}

static kith_status begin_candidates(build *b)
{
    const size_t sets = (size_t)1 << b->how->set_bits;
    kith_status st = KITH_OK;

    b->sketch = ki_array(b->env, b->m, PROJECTIONS * sizeof *b->sketch);
    KI_NEED(b->sketch);
    b->sets = ki_array(b->env, b->m, sets * sizeof *b->sets);
    KI_NEED(b->sets);
    b->lock = ki_array(b->env, STRIPES, sizeof *b->lock);
    KI_NEED(b->lock);
    memset(b->sets, 0xff, b->m * sets * sizeof *b->sets);
    for (size_t i = 0; i < STRIPES; i++) atomic_flag_clear(&b->lock[i]);
    begin(b, "sketch", b->m);
    KI_TRY(run_pieces(b, sketch_piece));
out:
    return st;
}

static void end_candidates(build *b)
{
    const size_t sets = (size_t)1 << (b->how ? b->how->set_bits : 0);

    ki_release(b->env, b->sketch, b->m, PROJECTIONS * sizeof *b->sketch);
    ki_release(b->env, b->sets, b->m, sets * sizeof *b->sets);
    ki_release(b->env, b->lock, STRIPES, sizeof *b->lock);
    b->sketch = NULL;
    b->sets = NULL;
    b->lock = NULL;
}

/* HNSW, NSW: the first row, and what it stands on. */
static kith_status begin_insertion(build *b)
{
    const ki_graph_how *how = b->wanted;
    kith_status st = KITH_OK;
    ki_climber c = {0};
    uint32_t level;

    // rows in an order of their own (by cluster, by time) make a bad graph: the first of them are
    // to be from everywhere
    ki_random_shuffle(b->seed, KI_RNG_ORDER, b->pos, b->m);
    if (!how->levels) return KITH_OK;
    level = ki_tower_draw(b->seed, how->own, b->pos[0]);
    KI_TRY(ki_tower_create(b->env, how->own, &b->g->tower));
    KI_TRY(ki_climber_init(&c, b->env, b->v, b->g, how->search));
    KI_TRY(ki_tower_insert(b->g, &c, b->pos[0], level, how->factor));
out:
    ki_climber_deinit(&c);
    return st;
}

/* Rows under metrics that have no block kernel are linked one by one, from the first on, and so are
 * those of HNSW and NSW. */
static kith_status insert_all(build *b)
{
    ki_graph *g = b->g;
    kith_status st = KITH_OK;

    if (!b->wanted->at_once) KI_TRY(begin_insertion(b));
    KI_TRY(ki_graph_enter(g, b->pos[0]));
    g->nodes = 1;
    begin(b, "link", b->m - 1);
    KI_TRY(ki_graph_insert(b->env, b->v, g, b->wanted, b->pos + 1, b->m - 1, 0, b->threads,
                           b->progress));
    if (!g->tower) {
        ki_release(b->env, g->entry_code, g->entries, g->lens->bytes);
        ki_release(b->env, g->entry, g->entries, sizeof *g->entry);
        g->entry = NULL;
        g->entry_code = NULL;
        KI_TRY(ki_graph_choose_entries(g, b->pos, b->m, b->seed));
    }
    begin(b, "repair", 0);
    KI_TRY(ki_graph_repair(b->env, b->v, g, 0, b->progress));
out:
    return st;
}

static kith_status link_all(build *b)
{
    kith_status st = KITH_OK;

    if (b->g->lens->kind == KI_LENS_ROWS || !b->wanted->at_once) return insert_all(b);

    KI_TRY(begin_candidates(b));
    begin(b, "partition", b->m * FANOUT * b->how->partitions + b->m * b->how->partitions);
    KI_TRY(propose(b));
    begin(b, "link", b->m);
    KI_TRY(run_pieces(b, link_piece));
    end_candidates(b);
    if (b->how->reverse) {
        begin(b, "relink", b->m);
        KI_TRY(ki_graph_relink(b->env, b->v, b->g, b->pos, b->m, b->how->factor, b->threads,
                               b->progress));
    }
    KI_TRY(ki_graph_choose_entries(b->g, b->pos, b->m, b->seed));
    begin(b, "repair", 0);
    KI_TRY(ki_graph_repair(b->env, b->v, b->g, 0, b->progress));
out:
    return st;
}

kith_status ki_graph_build(ki_env *env, const ki_view *v, const ki_graph_how *how, uint32_t threads,
                           ki_progress *p, ki_graph **out)
{
    kith_status st = KITH_OK;
    build b = {.env = env, .v = v, .progress = p, .wanted = how, .seed = how->seed};

    b.threads = ki_thread_count(env, threads, (size_t)v->n / PIECE + 1);
    KI_TRY(begin_build(&b, how->degree));
    b.how = recipe_for(b.g->lens->bytes);
    if (b.g->lens->kind != KI_LENS_ROWS && how->at_once)
        KI_TRY(ki_six_fits(env, b.g, b.pos, b.m, b.seed, &b.small));
    b.bytes = b.small ? ki_six_bytes(b.g->lens) : b.g->lens->bytes;
    b.g->most = how->most;
    b.g->effort = how->effort;
    b.g->slack = how->slack;
    b.g->patient = how->patient;
    KI_TRY(link_all(&b));
    KI_TRY(ki_graph_halve(b.g, v, how->bits));
    *out = b.g;
    b.g = NULL;
out:
    end_candidates(&b);
    ki_release(env, b.pos, b.pos_room, sizeof *b.pos);
    ki_graph_free(b.g);
    return st;
}
