/* The invariants of graph.h, one by one. */
#include "navigate/graph/graph.h"

#include <string.h>

#include "navigate/graph/repair.h"
#include "navigate/graph/tower.h"

enum { POLL = 4096 }; /* rows between looks at the watch */

/* owns: reached, chained, stack. */
typedef struct checking {
    ki_env *env;
    const ki_view *v;
    const ki_graph *g;
    ki_progress *progress;
    uint64_t *reached, *chained; /* [ki_bit_words(n)]: by links; as a twin */
    uint32_t *stack;
} checking;

static kith_status poll(const checking *c, uint32_t pos)
{
    return pos % POLL ? KITH_OK : ki_progress_add(c->progress, 0);
}

/* ---- 1, 2: links and chains ------------------------------------------------------------------ */

static kith_status check_links(const checking *c, uint32_t pos)
{
    const ki_graph *g = c->g;
    const _Atomic uint32_t *row = ki_graph_links(g, pos);
    size_t used = 0;

    for (size_t i = 0; i < g->degree; i++) {
        const uint32_t to = ki_link_get(row + i), next = to & ~KI_TWIN;
        const bool twin = i + 1 == g->degree && (to & KI_TWIN);

        used += !twin && to != pos;
        if (twin ? next <= pos || next >= g->n : to >= g->n)
            return ki_fail(KITH_CORRUPT, "row %u of the graph: link %zu leads to row %u of %u", pos,
                           i, next, g->n);
    }
    if (used > g->most)
        return ki_fail(KITH_CORRUPT, "row %u of the graph has %zu links, %u at most", pos, used,
                       g->most);
    return KITH_OK;
}

/* The row that hangs on this one, if any: on no other, and with the same walk code. */
static kith_status check_twin(const checking *c, uint32_t pos)
{
    const ki_graph *g = c->g;
    const uint32_t next = ki_graph_twin(g, pos);

    if (next == pos) return KITH_OK;
    if (ki_bit_get(c->chained, next))
        return ki_fail(KITH_CORRUPT, "row %u of the graph: row %u, its twin, hangs on another one",
                       pos, next);
    ki_bit_set(c->chained, next);
    if (!ki_graph_same(g, next, pos))
        return ki_fail(KITH_CORRUPT, "row %u of the graph hangs on row %u, which differs", next,
                       pos);
    return KITH_OK;
}

/* Rows of levels are nodes, and none is twice on one. What a level's links and ranks are was
 * checked when it was read. */
static kith_status check_tower(const checking *c)
{
    const ki_tower *t = c->g->tower;
    const size_t words = ki_bit_words(c->g->n);
    kith_status st = KITH_OK;
    uint64_t *there = NULL;

    if (!t) return KITH_OK;
    there = ki_array(c->env, words, sizeof *there);
    KI_NEED(there);
    for (uint32_t l = 1; l <= t->levels; l++) {
        const ki_level *level = &t->level[l - 1];

        memset(there, 0, words * sizeof *there);
        for (size_t i = 0; i < level->n; i++) {
            const uint32_t pos = level->pos[i];

            if (ki_bit_get(there, pos))
                KI_FAIL(KITH_CORRUPT, "row %u of the graph is twice on level %u", pos, l);
            if (ki_bit_get(c->chained, pos))
                KI_FAIL(KITH_CORRUPT, "row %u of the graph is on level %u, but hangs on another",
                        pos, l);
            ki_bit_set(there, pos);
        }
    }
out:
    ki_release(c->env, there, words, sizeof *there);
    return st;
}

/* The rows that hang on a node have no links, but that the first leads to the last. */
static kith_status check_chain(const checking *c, uint32_t node)
{
    const ki_graph *g = c->g;
    const uint32_t first = ki_graph_twin(g, node), says = ki_graph_last_twin(g, node);
    uint32_t last = first;

    for (uint32_t next; (next = ki_graph_twin(g, last)) != last;) last = next;
    if (says != last)
        return ki_fail(KITH_CORRUPT,
                       "row %u of the graph: its chain of twins ends at row %u, says row %u, the "
                       "first; it ends at row %u",
                       node, says, first, last);
    for (uint32_t at = first;; at = ki_graph_twin(g, at)) {
        const _Atomic uint32_t *row = ki_graph_links(g, at);

        for (size_t i = at == first; i + (at != last) < g->degree; i++)
            if (ki_link_get(row + i) != at)
                return ki_fail(KITH_CORRUPT,
                               "row %u of the graph is a twin of row %u, and leads to row %u", at,
                               node, ki_link_get(row + i));
        if (at == last) return KITH_OK;
    }
}

static kith_status check_node(const checking *c, uint32_t pos)
{
    const ki_graph *g = c->g;
    const _Atomic uint32_t *row = ki_graph_links(g, pos);
    const bool hung = ki_graph_twin(g, pos) != pos;

    for (size_t i = 0; i + hung < g->degree; i++)
        if (ki_bit_get(c->chained, ki_link_get(row + i)))
            return ki_fail(KITH_CORRUPT, "row %u of the graph: link %zu leads to row %u, a twin",
                           pos, i, ki_link_get(row + i));
    return hung ? check_chain(c, pos) : KITH_OK;
}

static kith_status check_rows(const checking *c)
{
    const ki_graph *g = c->g;
    kith_status st = KITH_OK;

    for (uint32_t pos = 0; pos < g->n; pos++) {
        KI_TRY(poll(c, pos));
        KI_TRY(check_links(c, pos));
    }
    for (uint32_t pos = 0; pos < g->n; pos++) KI_TRY(check_twin(c, pos)); // chains ascend
    for (uint32_t pos = 0; pos < g->n; pos++) {
        KI_TRY(poll(c, pos));
        if (!ki_bit_get(c->chained, pos)) KI_TRY(check_node(c, pos));
    }
out:
    return st;
}

/* ---- 4: codes -------------------------------------------------------------------------------- */

/* Whether the code of pos is this one; behind it lies room for its halves. */
static bool is_code(const ki_graph *g, uint32_t pos, uint8_t *code)
{
    const size_t w = g->lens->bytes;
    uint8_t *high = code + g->lens->wide;

    if (!g->lens->halved) return memcmp(code, ki_graph_code(g, pos), w) == 0;
    ki_lens_split(g->lens, code, high, high + w);
    return memcmp(high, ki_graph_code(g, pos), w) == 0 &&
           memcmp(high + w, ki_graph_rest(g, pos), w) == 0;
}

/* The code beside a row is what the lens makes of it, and so are those of the entries. */
static kith_status check_codes(const checking *c)
{
    const ki_graph *g = c->g;
    const size_t room_len = ki_lens_room(g->lens);
    const size_t halves = g->lens->halved ? 2 * g->lens->bytes : 0;
    kith_status st = KITH_OK;
    float *room = ki_array(c->env, room_len, sizeof *room);
    uint8_t *code = NULL;

    KI_NEED(room);
    code = ki_array(c->env, g->lens->wide + halves, 1);
    KI_NEED(code);
    for (uint32_t pos = 0; g->codes && pos < g->n; pos++) {
        KI_TRY(poll(c, pos));
        if (!ki_view_live(c->v, pos)) continue;
        ki_lens_row(g->lens, c->v, pos, room, code);
        if (!is_code(g, pos, code))
            KI_FAIL(KITH_CORRUPT, "row %u of the graph: its walk code is not what the row says",
                    pos);
    }
    for (size_t i = 0; i < g->entries; i++) {
        if (ki_bit_get(c->chained, g->entry[i]))
            KI_FAIL(KITH_CORRUPT, "entry %zu of the graph, row %u, is a twin", i, g->entry[i]);
        if (memcmp(g->entry_code + i * g->lens->bytes, ki_graph_code(g, g->entry[i]),
                   g->lens->bytes) != 0)
            KI_FAIL(KITH_CORRUPT, "entry %zu of the graph is not row %u", i, g->entry[i]);
    }
out:
    ki_release(c->env, room, room_len, sizeof *room);
    ki_release(c->env, code, g->lens->wide + halves, 1);
    return st;
}

/* ---- 3, 5: reach and counts ------------------------------------------------------------------ */

static kith_status check_counts(const checking *c, size_t reached)
{
    const ki_graph *g = c->g;
    const size_t twins = ki_bit_count(c->chained, ki_bit_words(g->n));

    if (g->twins != twins)
        return ki_fail(KITH_CORRUPT, "the graph says %u twins, and %zu rows hang on others",
                       g->twins, twins);
    if (g->nodes < reached || g->nodes > g->n - g->twins)
        return ki_fail(KITH_CORRUPT,
                       "the graph says %u nodes; %zu are reached, %u rows are no twins", g->nodes,
                       reached, g->n - g->twins);
    return KITH_OK;
}

/* Where nodes were added since reach was looked at, what their links cut off waits for the next
 * look: it is no damage. */
static kith_status check_reach(const checking *c)
{
    const ki_graph *g = c->g;
    const size_t reached = ki_graph_reach(g, g->entry[0], g->n, c->reached, c->stack);
    const bool settled = g->since == 0;
    kith_status st = KITH_OK;
    uint32_t lost = 0, first = 0;

    for (size_t i = 0; i < g->entries; i++)
        if (!ki_bit_get(c->reached, g->entry[i]) && settled)
            KI_FAIL(KITH_CORRUPT, "entry %zu of the graph, row %u, cannot be reached", i,
                    g->entry[i]);
    for (uint32_t pos = 0; pos < g->n; pos++) {
        if (ki_bit_get(c->reached, pos)) {
            ki_bit_set(c->reached, ki_graph_twin(g, pos)); // chains ascend
        } else if (ki_view_live(c->v, pos)) {
            if (lost == 0) first = pos;
            lost++;
        }
    }
    if (lost && settled)
        KI_FAIL(KITH_CORRUPT, "%u rows of the graph cannot be reached, the first is row %u", lost,
                first);
    KI_TRY(check_counts(c, reached));
out:
    return st;
}

/* ---- all ------------------------------------------------------------------------------------- */

kith_status ki_graph_check_of(const ki_view *v, const ki_graph *g, ki_env *env, ki_progress *p)
{
    checking c = {.env = env, .v = v, .g = g, .progress = p};
    const size_t words = ki_bit_words(v->n);
    kith_status st = KITH_OK;

    if (g->n != v->n) KI_FAIL(KITH_CORRUPT, "the graph has %u rows, the index %u", g->n, v->n);
    c.reached = ki_zeros(env, words, sizeof *c.reached);
    KI_NEED(c.reached);
    c.chained = ki_zeros(env, words, sizeof *c.chained);
    KI_NEED(c.chained);
    c.stack = ki_array(env, v->n, sizeof *c.stack);
    KI_NEED(c.stack);
    KI_TRY(check_rows(&c));
    KI_TRY(check_codes(&c));
    KI_TRY(check_reach(&c));
    KI_TRY(check_tower(&c));
out:
    ki_release(env, c.reached, words, sizeof *c.reached);
    ki_release(env, c.chained, words, sizeof *c.chained);
    ki_release(env, c.stack, v->n, sizeof *c.stack);
    return st;
}

kith_status ki_graph_check(const ki_view *v, ki_env *env, ki_progress *p)
{
    return ki_graph_of(v) ? ki_graph_check_of(v, ki_graph_of(v), env, p) : KITH_OK;
}
