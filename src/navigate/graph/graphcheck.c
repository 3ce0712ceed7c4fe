/* The invariants of graph.h, one by one. */
#include "navigate/graph/graph.h"

#include <string.h>

#include "navigate/graph/repair.h"

/* owns: reached, chained, stack. */
typedef struct checking {
    const ki_view *v;
    const ki_graph *g;
    uint64_t *reached, *chained; /* [ki_bit_words(n)]: by links; as a twin */
    uint32_t *stack;
} checking;

static kith_status check_links(const checking *c, uint32_t pos)
{
    const ki_graph *g = c->g;
    const _Atomic uint32_t *row = ki_graph_links(g, pos);

    for (size_t i = 0; i < g->degree; i++) {
        const uint32_t to = ki_link_get(row + i);
        const bool twin = i + 1 == g->degree && (to & KI_TWIN);

        if (twin ? (to & ~KI_TWIN) <= pos || (to & ~KI_TWIN) >= g->n : to >= g->n)
            return ki_fail(KITH_CORRUPT, "row %u of the graph: link %zu leads to row %u of %u", pos,
                           i, to & ~KI_TWIN, g->n);
    }
    return KITH_OK;
}

/* The chain that begins at a node: each row once, each with the node's walk code. */
static kith_status check_chain(const checking *c, uint32_t node)
{
    const ki_graph *g = c->g;

    for (uint32_t at = node, next; (next = ki_graph_twin(g, at)) != at; at = next) {
        if (next >= g->n || next <= at || ki_bit_get(c->chained, next) ||
            ki_bit_get(c->reached, next))
            return ki_fail(KITH_CORRUPT,
                           "row %u of the graph: its chain of twins comes to row %u "
                           "again",
                           node, next);
        ki_bit_set(c->chained, next);
        if (memcmp(ki_graph_code(g, next), ki_graph_code(g, node), g->lens->bytes) != 0)
            return ki_fail(KITH_CORRUPT, "row %u of the graph hangs on row %u, which differs", next,
                           node);
    }
    return KITH_OK;
}

/* The code beside a row is what the lens makes of it, and so are those of the entries. */
static kith_status check_codes(const checking *c, ki_env *env)
{
    const ki_graph *g = c->g;
    const size_t room_len = ki_lens_room(g->lens);
    kith_status st = KITH_OK;
    float *room = ki_array(env, room_len, sizeof *room);
    uint8_t *code = NULL;

    KI_NEED(room);
    code = ki_array(env, g->lens->bytes, 1);
    KI_NEED(code);
    for (uint32_t pos = 0; g->codes && pos < g->n; pos++) {
        if (!ki_view_live(c->v, pos)) continue;
        ki_lens_row(g->lens, c->v, pos, room, code);
        if (memcmp(code, ki_graph_code(g, pos), g->lens->bytes) != 0)
            KI_FAIL(KITH_CORRUPT, "row %u of the graph: its walk code is not what the row says",
                    pos);
    }
    for (size_t i = 0; i < g->entries; i++)
        if (memcmp(g->entry_code + i * g->lens->bytes, ki_graph_code(g, g->entry[i]),
                   g->lens->bytes) != 0)
            KI_FAIL(KITH_CORRUPT, "entry %zu of the graph is not row %u", i, g->entry[i]);
out:
    ki_release(env, room, room_len, sizeof *room);
    ki_release(env, code, g->lens->bytes, 1);
    return st;
}

static kith_status check_reach(const checking *c)
{
    const ki_graph *g = c->g;
    kith_status st = KITH_OK;
    uint32_t lost = 0, first = 0;

    (void)ki_graph_reach(g, g->entry[0], g->n, c->reached, c->stack);
    for (size_t i = 0; i < g->entries; i++)
        if (!ki_bit_get(c->reached, g->entry[i]))
            KI_FAIL(KITH_CORRUPT, "entry %zu of the graph, row %u, cannot be reached", i,
                    g->entry[i]);
    for (uint32_t pos = 0; pos < g->n; pos++)
        if (ki_bit_get(c->reached, pos)) KI_TRY(check_chain(c, pos));
    for (uint32_t pos = g->n; pos-- > 0;) {
        if (ki_bit_get(c->reached, pos) || ki_bit_get(c->chained, pos)) continue;
        if (!ki_view_live(c->v, pos)) continue;
        lost++;
        first = pos;
    }
    if (lost)
        KI_FAIL(KITH_CORRUPT, "%u rows of the graph cannot be reached, the first is row %u", lost,
                first);
out:
    return st;
}

kith_status ki_graph_check(const ki_view *v, ki_env *env, ki_progress *p)
{
    checking c = {.v = v, .g = ki_graph_of(v)};
    const size_t words = ki_bit_words(v->n);
    kith_status st = KITH_OK;

    if (!c.g) return KITH_OK;
    if (c.g->n != v->n) KI_FAIL(KITH_CORRUPT, "the graph has %u rows, the index %u", c.g->n, v->n);
    c.reached = ki_zeros(env, words, sizeof *c.reached);
    KI_NEED(c.reached);
    c.chained = ki_zeros(env, words, sizeof *c.chained);
    KI_NEED(c.chained);
    c.stack = ki_array(env, v->n, sizeof *c.stack);
    KI_NEED(c.stack);
    for (uint32_t pos = 0; pos < v->n; pos++) KI_TRY(check_links(&c, pos));
    KI_TRY(ki_progress_add(p, 0));
    KI_TRY(check_codes(&c, env));
    KI_TRY(ki_progress_add(p, 0));
    KI_TRY(check_reach(&c));
out:
    ki_release(env, c.reached, words, sizeof *c.reached);
    ki_release(env, c.chained, words, sizeof *c.chained);
    ki_release(env, c.stack, v->n, sizeof *c.stack);
    return st;
}
