/* All rows linked at once: candidates by partitions (propose.h), pruned; what is out of reach is
 * attached. Rows under metrics that have no block kernel, and those of HNSW and NSW, are linked one
 * by one. */
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "navigate/graph/insert.h"
#include "navigate/graph/propose.h"
#include "navigate/graph/repair.h"
#include "navigate/graph/six.h"
#include "navigate/graph/tower.h"

enum {
    FAR = 16,    /* random rows that may be linked where all others are near */
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

/* owns: pos, g until it is done, proposals. */
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
    ki_proposals proposals;
} build;

/* ---- links ----------------------------------------------------------------------------------- */

static void draw_far(const build *b, uint32_t rank, uint32_t *out)
{
    for (uint32_t i = 0; i < FAR; i++) {
        const uint32_t far =
            ki_random_below(b->seed, KI_RNG_FAR, (uint64_t)rank * FAR + i, (uint32_t)b->m);

        out[i] = b->pos[far];
        ki_graph_expect_row(ki_graph_code(b->g, out[i]), b->g->lens->bytes);
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
    ki_candidate next[KI_PROPOSED_MOST];
    kith_status st = KITH_OK;
    ki_prune *x = NULL;
    uint32_t out[KI_DEGREE_MOST], far[FAR], next_far[FAR];
    size_t next_n;

    KI_TRY(ki_prune_create(b->env, b->v, b->g, &x));
    next_n = ki_proposed(&b->proposals, (uint32_t)first, next);
    draw_far(b, (uint32_t)first, next_far);
    for (size_t r = first; r < end; r++) {
        const uint32_t pos = b->pos[r];
        size_t n;

        memcpy(x->one, next, next_n * sizeof *next);
        memcpy(far, next_far, sizeof far);
        x->n = next_n;
        if (r + 1 < end) {
            next_n = ki_proposed(&b->proposals, (uint32_t)r + 1, next);
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
    ki_progress_next(b->progress, phase, total);
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

    KI_TRY(ki_propose(&b->proposals));
    begin(b, "link", b->m);
    KI_TRY(run_pieces(b, link_piece));
    ki_proposals_free(&b->proposals);
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
    b.proposals = (ki_proposals){.env = env,
                                 .g = b.g,
                                 .pos = b.pos,
                                 .m = b.m,
                                 .seed = b.seed,
                                 .threads = b.threads,
                                 .progress = p,
                                 .partitions = b.how->partitions,
                                 .leaf_k = b.how->leaf_k,
                                 .set_bits = b.how->set_bits};
    if (b.g->lens->kind != KI_LENS_ROWS && how->at_once)
        KI_TRY(ki_six_fits(env, b.g, b.pos, b.m, b.seed, &b.proposals.small));
    b.g->most = how->most;
    b.g->effort = how->effort;
    b.g->slack = how->slack;
    b.g->patient = how->patient;
    KI_TRY(link_all(&b));
    KI_TRY(ki_graph_halve(b.g, v, how->bits));
    *out = b.g;
    b.g = NULL;
out:
    ki_proposals_free(&b.proposals);
    ki_release(env, b.pos, b.pos_room, sizeof *b.pos);
    ki_graph_free(b.g);
    return st;
}
