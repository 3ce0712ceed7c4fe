/* Partitions, leaves, and what they propose: see propose.h. */
#include "navigate/graph/propose.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "cluster/nearest.h"
#include "navigate/graph/six.h"

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
    WAYS = KI_PROPOSE_WAYS,
    PROJECTIONS = 12,
    STRIPES = 4096,
    AHEAD = 4, /* rows that are asked for before they are copied */
    OFFERS = 2 * KI_PANEL * KI_NEAREST_MOST,
    PIECE = 1024 /* rows of a job */
};

struct ki_proposed_set {
    uint32_t rank[WAYS];
    uint16_t dist[WAYS], tag[WAYS];
};
typedef ki_proposed_set set;
_Static_assert(sizeof(set) == 64, "a cache line");

static const uint8_t *code_of(const ki_proposals *c, uint32_t rank)
{
    return ki_graph_code(c->g, c->pos[rank]);
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

static offer make_offer(const ki_proposals *c, uint32_t to, uint32_t rank, uint16_t dist,
                        uint32_t signs)
{
    const uint32_t sets = 1u << c->set_bits;
    set *s = c->sets + (size_t)to * sets + (signs * 0x9e3779b1u >> 16) % sets;

    KI_PREFETCH(s);
    return (offer){s, to, rank, dist, (uint16_t)signs};
}

static void deliver(const ki_proposals *c, const offer *o, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        atomic_flag *lock = &c->lock[o[i].to % STRIPES];

        if (c->threads > 1)
            while (atomic_flag_test_and_set_explicit(lock, memory_order_acquire)) continue;
        offer_to(o[i].set, o[i].dist, o[i].tag, o[i].rank);
        if (c->threads > 1) atomic_flag_clear_explicit(lock, memory_order_release);
    }
}

/* Random signs times the components: integers, the same on every machine; scaled to 16 bits. */
static kith_status sketch_piece(void *arg, size_t piece)
{
    const ki_proposals *c = arg;
    const size_t w = c->g->lens->bytes, first = piece * PIECE;
    const size_t end = first + PIECE < c->m ? first + PIECE : c->m;
    unsigned shift = 0;

    while ((w * 255) >> shift > INT16_MAX) shift++;
    for (size_t r = first; r < end; r++) {
        const uint8_t *code = code_of(c, (uint32_t)r);
        int32_t sum[PROJECTIONS] = {0};

        for (size_t i = 0; i < w; i++) {
            const int32_t x = c->g->lens->type == KI_U8 ? (int32_t)code[i] : (int8_t)code[i];
            const uint32_t signs = (uint32_t)ki_random(c->seed, KI_RNG_SKETCH, i);

            for (size_t j = 0; j < PROJECTIONS; j++) sum[j] += signs >> j & 1 ? x : -x;
        }
        for (size_t j = 0; j < PROJECTIONS; j++)
            c->sketch[r * PROJECTIONS + j] = (int16_t)(sum[j] / (1 << shift));
    }
    return ki_progress_add(c->progress, end - first);
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

static kith_status need_block(const ki_proposals *c, worker *w, size_t n)
{
    if (n <= w->block.cap) return KITH_OK;
    return ki_nearest_init(&w->block, c->env, c->small ? KI_U8 : c->g->lens->type, c->small,
                           c->bytes, n);
}

/* A row as leaves see it. */
static void load_row(const ki_proposals *c, uint32_t rank, uint8_t *out)
{
    if (c->small)
        ki_six_row(c->g->lens, code_of(c, rank), out);
    else
        memcpy(out, code_of(c, rank), c->bytes);
}

static void expect_row(const ki_proposals *c, uint32_t rank)
{
    ki_graph_expect_row(code_of(c, rank), c->g->lens->bytes);
}

static void free_room(const ki_proposals *c, worker *w)
{
    ki_release(c->env, w->sketch, w->room, PROJECTIONS * sizeof *w->sketch);
    ki_release(c->env, w->near, w->room, KI_NEAREST_MOST * sizeof *w->near);
    ki_release(c->env, w->count, w->room, sizeof *w->count);
    w->sketch = NULL;
    w->near = NULL;
    w->count = NULL;
}

static kith_status need_room(const ki_proposals *c, worker *w, size_t n)
{
    kith_status st = KITH_OK;

    free_room(c, w);
    w->room = n;
    w->sketch = ki_array(c->env, n, PROJECTIONS * sizeof *w->sketch);
    KI_NEED(w->sketch);
    w->near = ki_array(c->env, n, KI_NEAREST_MOST * sizeof *w->near);
    KI_NEED(w->near);
    w->count = ki_array(c->env, n, sizeof *w->count);
    KI_NEED(w->count);
out:
    return st;
}

static kith_status load_leaf(const ki_proposals *c, worker *w, const uint32_t *rank, size_t n)
{
    kith_status st = KITH_OK;

    KI_TRY(need_block(c, w, n));
    if (n > w->room) KI_TRY(need_room(c, w, n));
    for (size_t i = 0; i < n; i++) {
        if (i + AHEAD < n) expect_row(c, rank[i + AHEAD]);
        load_row(c, rank[i], w->block.rows + i * c->bytes);
        memcpy(w->sketch + i * PROJECTIONS, c->sketch + (size_t)rank[i] * PROJECTIONS,
               PROJECTIONS * sizeof *w->sketch);
    }
    ki_nearest_block(&w->block, n);
out:
    return st;
}

/* Row i of a leaf to the j-th that is near it, and that to it; but not where it is offered from
 * there as well, being among the nearest of that. */
static offer *offer_both(const ki_proposals *c, const worker *w, const uint32_t *rank, size_t i,
                         size_t j, size_t k, offer *to)
{
    const ki_near one = w->near[i * k + j];
    const size_t others = w->count[one.row];
    const ki_near last = w->near[one.row * k + others - 1];
    const int16_t *x = w->sketch + i * PROJECTIONS, *y = w->sketch + one.row * PROJECTIONS;
    const uint16_t dist = (uint16_t)one.dist;

    *to++ = make_offer(c, rank[i], rank[one.row], dist, direction(x, y));
    if (others < k || one.dist < last.dist || (one.dist == last.dist && i <= last.row)) return to;
    *to++ = make_offer(c, rank[one.row], rank[i], dist, direction(y, x));
    return to;
}

/* Each row of a leaf to the k nearest of it, and those to it. */
static kith_status leaf(const ki_proposals *c, worker *w, const uint32_t *rank, size_t n, size_t k)
{
    kith_status st = KITH_OK;

    if (n < 2) return KITH_OK;
    KI_TRY(load_leaf(c, w, rank, n));
    ki_nearest_each(&w->block, k, w->near, w->count);
    for (size_t q = 0; q < n; q += KI_PANEL) {
        offer *o = w->offers;

        for (size_t i = q; i < n && i < q + KI_PANEL; i++)
            for (size_t j = 0; j < w->count[i]; j++) o = offer_both(c, w, rank, i, j, k, o);
        deliver(c, w->offers, (size_t)(o - w->offers));
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
static kith_status draw_leaders(const ki_proposals *c, worker *w, const uint32_t *rank, size_t n,
                                size_t leaders, uint64_t draw)
{
    const uint64_t seed = c->seed ^ ki_mix64(draw);
    kith_status st = KITH_OK;

    KI_TRY(need_block(c, w, leaders));
    for (size_t i = 0; i < leaders; i++)
        load_row(c, rank[ki_random_below(seed, KI_RNG_SAMPLE, i, (uint32_t)n)],
                 w->block.rows + i * c->bytes);
    ki_nearest_block(&w->block, leaders);
out:
    return st;
}

/* The `fanout` nearest leaders of members first…end-1, to leader [n][fanout]. */
static void join(const ki_proposals *c, worker *w, const uint32_t *rank, size_t first, size_t end,
                 size_t fanout, uint16_t *leader, uint8_t *query)
{
    const size_t bytes = c->bytes;
    uint32_t count[KI_PANEL];

    for (size_t i = first; i < end; i += KI_PANEL) {
        const size_t nq = end - i < KI_PANEL ? end - i : KI_PANEL;

        for (size_t q = 0; q < nq; q++) load_row(c, rank[i + q], query + q * bytes);
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

static kith_status split(const ki_proposals *c, worker *w, const uint32_t *rank, size_t n,
                         size_t fanout, size_t depth, uint64_t draw);

/* Groups too small for a leaf of their own, together. */
static kith_status put_together(const ki_proposals *c, worker *w, const uint32_t *group,
                                const size_t *begin, size_t leaders, size_t n)
{
    kith_status st = KITH_OK;
    uint32_t *few = ki_array(c->env, n, sizeof *few);
    size_t m = 0;

    KI_NEED(few);
    for (size_t l = 0; l < leaders; l++)
        if (begin[l + 1] - begin[l] < LEAF_LEAST)
            for (size_t i = begin[l]; i < begin[l + 1]; i++) few[m++] = group[i];
    for (size_t i = 0; i < m; i += LEAF / 2)
        KI_TRY(leaf(c, w, few + i, m - i < LEAF / 2 ? m - i : LEAF / 2, c->leaf_k));
out:
    ki_release(c->env, few, n, sizeof *few);
    return st;
}

static kith_status part(const ki_proposals *c, worker *w, const uint32_t *rank, size_t n,
                        size_t fanout, size_t depth, uint64_t draw)
{
    const size_t leaders = leaders_for(n * fanout / 200 + 1), bytes = c->bytes;
    kith_status st = KITH_OK;
    uint16_t *leader = NULL;
    uint32_t *group = NULL;
    size_t *begin = NULL;
    uint8_t *query = NULL;

    leader = ki_array(c->env, n * fanout, sizeof *leader);
    KI_NEED(leader);
    group = ki_array(c->env, n * fanout, sizeof *group);
    KI_NEED(group);
    begin = ki_array(c->env, leaders + 1, sizeof *begin);
    KI_NEED(begin);
    query = ki_array(c->env, KI_PANEL, bytes);
    KI_NEED(query);
    KI_TRY(draw_leaders(c, w, rank, n, leaders, draw));
    join(c, w, rank, 0, n, fanout, leader, query);
    sort_out(rank, n, fanout, leader, leaders, group, begin);
    ki_release(c->env, leader, n * fanout, sizeof *leader);
    leader = NULL;
    for (size_t l = 0; l < leaders; l++)
        if (begin[l + 1] - begin[l] >= LEAF_LEAST)
            KI_TRY(split(c, w, group + begin[l], begin[l + 1] - begin[l], 1, depth + 1,
                         ki_mix64(draw + l + 1)));
    KI_TRY(put_together(c, w, group, begin, leaders, n * fanout));
out:
    ki_release(c->env, leader, n * fanout, sizeof *leader);
    ki_release(c->env, group, n * fanout, sizeof *group);
    ki_release(c->env, begin, leaders + 1, sizeof *begin);
    ki_release(c->env, query, KI_PANEL, bytes);
    return st;
}

/* A group into leaves. */
static kith_status split(const ki_proposals *c, worker *w, const uint32_t *rank, size_t n,
                         size_t fanout, size_t depth, uint64_t draw)
{
    kith_status st = KITH_OK;

    if (n <= LEAF) return leaf(c, w, rank, n, c->leaf_k);
    if (depth <= DEPTH_MOST) return part(c, w, rank, n, fanout, depth, draw);
    for (size_t i = 0; i < n; i += LEAF)
        KI_TRY(leaf(c, w, rank + i, n - i < LEAF ? n - i : LEAF, c->leaf_k));
out:
    return st;
}

static kith_status open_worker(const ki_proposals *c, worker *w)
{
    kith_status st = KITH_OK;

    *w = (worker){0};
    KI_TRY(need_room(c, w, KI_PANEL));
    w->offers = ki_array(c->env, OFFERS, sizeof *w->offers);
    KI_NEED(w->offers);
out:
    return st;
}

static void close_worker(const ki_proposals *c, worker *w)
{
    ki_nearest_deinit(&w->block);
    free_room(c, w);
    ki_release(c->env, w->offers, OFFERS, sizeof *w->offers);
}

/* ---- the first partition, whose groups are split by all threads ------------------------------ */

typedef struct joining {
    const ki_proposals *c;
    const uint32_t *all;
    size_t leaders;
    uint64_t draw;
    uint16_t *leader;
    atomic_size_t next;
} joining;

static kith_status join_part(void *arg, size_t i)
{
    joining *j = arg;
    const ki_proposals *c = j->c;
    const size_t bytes = c->bytes;
    kith_status st = KITH_OK;
    uint8_t *query = NULL;
    worker w;

    (void)i;
    KI_TRY(open_worker(c, &w));
    query = ki_array(c->env, KI_PANEL, bytes);
    KI_NEED(query);
    KI_TRY(draw_leaders(c, &w, j->all, c->m, j->leaders, j->draw));
    for (size_t first; (first = atomic_fetch_add(&j->next, PIECE)) < c->m;) {
        const size_t end = first + PIECE < c->m ? first + PIECE : c->m;

        join(c, &w, j->all, first, end, FANOUT, j->leader, query);
        KI_TRY(ki_progress_add(c->progress, end - first));
    }
out:
    ki_release(c->env, query, KI_PANEL, bytes);
    close_worker(c, &w);
    return st;
}

static size_t first_leaders(size_t m)
{
    return m >= 500000 ? LEADERS_MOST : m >= 100000 ? LEADERS_MOST / 4 : LEADERS_MOST / 16;
}

typedef struct splitting {
    const ki_proposals *c;
    size_t leaders;
    uint64_t draw;
    atomic_size_t next;
} splitting;

static kith_status split_part(void *arg, size_t i)
{
    splitting *s = arg;
    const ki_proposals *c = s->c;
    kith_status st = KITH_OK;
    worker w;

    (void)i;
    KI_TRY(open_worker(c, &w));
    for (size_t l; (l = atomic_fetch_add(&s->next, 1)) < s->leaders;) {
        const size_t n = c->begin[l + 1] - c->begin[l];

        if (n == 0) continue;
        KI_TRY(
            split(c, &w, c->group + c->begin[l], n, FANOUT_INSIDE, 1, ki_mix64(s->draw + l + 1)));
        KI_TRY(ki_progress_add(c->progress, n));
    }
out:
    close_worker(c, &w);
    return st;
}

static kith_status partition(ki_proposals *c, const uint32_t *all)
{
    const size_t leaders = first_leaders(c->m);
    const uint64_t draw = ki_mix64(c->round + 1);
    joining j = {.c = c, .all = all, .leaders = leaders, .draw = draw};
    splitting s = {.c = c, .leaders = leaders, .draw = draw};
    kith_status st = KITH_OK;

    j.leader = ki_array(c->env, c->m * FANOUT, sizeof *j.leader);
    KI_NEED(j.leader);
    KI_TRY(ki_parallel(c->env, c->threads, c->threads, join_part, &j));
    sort_out(all, c->m, FANOUT, j.leader, leaders, c->group, c->begin);
    ki_release(c->env, j.leader, c->m * FANOUT, sizeof *j.leader);
    j.leader = NULL;
    KI_TRY(ki_parallel(c->env, c->threads, c->threads, split_part, &s));
out:
    ki_release(c->env, j.leader, c->m * FANOUT, sizeof *j.leader);
    return st;
}

static kith_status one_leaf(ki_proposals *c, const uint32_t *all)
{
    kith_status st = KITH_OK;
    worker w;

    KI_TRY(open_worker(c, &w));
    KI_TRY(leaf(c, &w, all, c->m, WHOLE_K));
out:
    close_worker(c, &w);
    return st;
}

static kith_status fill_sets(ki_proposals *c)
{
    kith_status st = KITH_OK;
    uint32_t *all = ki_array(c->env, c->m, sizeof *all);

    KI_NEED(all);
    for (size_t i = 0; i < c->m; i++) all[i] = (uint32_t)i;
    if (c->m <= WHOLE) KI_TRY(one_leaf(c, all));
    if (c->m <= LEAF) goto out; // more may lie in clusters, which only partitions bring together
    c->group = ki_array(c->env, c->m * FANOUT, sizeof *c->group);
    KI_NEED(c->group);
    c->begin = ki_array(c->env, LEADERS_MOST + 1, sizeof *c->begin);
    KI_NEED(c->begin);
    for (c->round = 0; c->round < c->partitions; c->round++) KI_TRY(partition(c, all));
out:
    ki_release(c->env, all, c->m, sizeof *all);
    ki_release(c->env, c->group, c->m * FANOUT, sizeof *c->group);
    ki_release(c->env, c->begin, LEADERS_MOST + 1, sizeof *c->begin);
    c->group = NULL;
    c->begin = NULL;
    return st;
}

/* ---- all ------------------------------------------------------------------------------------- */

static kith_status open_sets(ki_proposals *c)
{
    const size_t sets = (size_t)1 << c->set_bits;
    kith_status st = KITH_OK;

    c->sketch = ki_array(c->env, c->m, PROJECTIONS * sizeof *c->sketch);
    KI_NEED(c->sketch);
    c->sets = ki_array(c->env, c->m, sets * sizeof *c->sets);
    KI_NEED(c->sets);
    c->lock = ki_array(c->env, STRIPES, sizeof *c->lock);
    KI_NEED(c->lock);
    memset(c->sets, 0xff, c->m * sets * sizeof *c->sets);
    for (size_t i = 0; i < STRIPES; i++) atomic_flag_clear(&c->lock[i]);
    ki_progress_next(c->progress, "sketch", c->m);
    KI_TRY(ki_parallel(c->env, c->threads, (c->m + PIECE - 1) / PIECE, sketch_piece, c));
out:
    return st;
}

void ki_proposals_free(ki_proposals *c)
{
    const size_t sets = (size_t)1 << c->set_bits;

    if (!c->env) return;
    ki_release(c->env, c->sketch, c->m, PROJECTIONS * sizeof *c->sketch);
    ki_release(c->env, c->sets, c->m, sets * sizeof *c->sets);
    ki_release(c->env, c->lock, STRIPES, sizeof *c->lock);
    c->sketch = NULL;
    c->sets = NULL;
    c->lock = NULL;
}

kith_status ki_propose(ki_proposals *c)
{
    kith_status st = KITH_OK;

    c->bytes = c->small ? ki_six_bytes(c->g->lens) : c->g->lens->bytes;
    KI_TRY(open_sets(c));
    ki_progress_next(c->progress, "partition",
                     c->m * FANOUT * c->partitions + c->m * c->partitions);
    KI_TRY(fill_sets(c));
out:
    return st;
}

size_t ki_proposed(const ki_proposals *c, uint32_t rank, ki_candidate *out)
{
    const size_t sets = (size_t)1 << c->set_bits;
    const set *s = c->sets + rank * sets;
    size_t n = 0;

    for (size_t i = 0; i < sets; i++)
        for (size_t j = 0; j < WAYS && s[i].rank[j] != UINT32_MAX; j++) {
            expect_row(c, s[i].rank[j]);
            out[n++].pos = c->pos[s[i].rank[j]];
        }
    return n;
}
