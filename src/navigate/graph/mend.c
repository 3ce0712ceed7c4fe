/* A graph that fails its check, mended: links that lead outside or to twins, chains of twins,
 * entries, counts, rows out of reach. What the links were is lost where they are wrong, so a row
 * that lost some is linked as a new one would be; levels that are wrong are drawn and linked anew.
 * Where too much is wrong, or where it is still wrong afterwards (walk codes that are not the
 * rows', say), the graph is made anew: the check has the last word.
 *
 * Links are changed in place, as by any change, and logged before (graph.h). */
#include <string.h>

#include "navigate/graph/graph.h"
#include "navigate/graph/prune.h"
#include "navigate/graph/repair.h"
#include "navigate/graph/tower.h"
#include "navigate/graph/walk.h"

enum {
    SHARE = 16,   /* a graph of which so large a part is wrong is made anew */
    EFFORT = 128, /* of the walk that looks for neighbours */
    POLL = 4096   /* rows between looks at the watch */
};

/* owns: all arrays, walk, prune. */
typedef struct mending {
    ki_env *env;
    const ki_view *v;
    ki_graph *g;
    const ki_graph_how *how;
    ki_progress *progress;
    uint64_t *chained, *lean, *bits; /* [ki_bit_words(n)]: twins; rows that lost links; scratch */
    uint32_t *head;                  /* [n] the node a row hangs on; its own position: none */
    uint32_t *stack;                 /* [n] */
    ki_walk *walk;
    ki_prune *prune;
    uint32_t links, twins, entries, levels, counts, unreached;
    bool hopeless;
} mending;

static kith_status poll(const mending *m, uint32_t pos)
{
    return pos % POLL ? KITH_OK : ki_progress_add(m->progress, 0);
}

/* A link as it should be; *count counts those that were not. */
static kith_status set(const mending *m, uint32_t pos, size_t i, uint32_t to, uint32_t *count)
{
    _Atomic uint32_t *link = ki_graph_links(m->g, pos) + i;
    kith_status st = KITH_OK;

    if (ki_link_get(link) == to) goto out;
    KI_TRY(ki_graph_log(m->g, pos));
    ki_link_set(link, to);
    ++*count;
out:
    return st;
}

/* ---- links and chains ------------------------------------------------------------------------ */

static bool may_hang(const mending *m, uint32_t pos, uint32_t next)
{
    const ki_graph *g = m->g;

    return next > pos && next < g->n && !ki_bit_get(m->chained, next) &&
           ki_graph_same(g, pos, next);
}

/* What cannot be a link or the place in a chain goes. Chains ascend, so the head of a row is known
 * when it comes. */
static kith_status drop_strays(mending *m)
{
    const ki_graph *g = m->g;
    const size_t last = g->degree - 1;
    kith_status st = KITH_OK;

    for (uint32_t pos = 0; pos < g->n; pos++) {
        const _Atomic uint32_t *row = ki_graph_links(g, pos);
        const uint32_t end = ki_link_get(row + last), next = end & ~KI_TWIN;

        KI_TRY(poll(m, pos));
        if (end & KI_TWIN && may_hang(m, pos, next)) {
            ki_bit_set(m->chained, next);
            m->head[next] = m->head[pos];
        } else if (end & KI_TWIN) {
            KI_TRY(set(m, pos, last, pos, &m->twins));
        }
        for (size_t i = 0; i < g->degree; i++) {
            const uint32_t to = ki_link_get(row + i);

            if (to < g->n || (i == last && to & KI_TWIN)) continue;
            KI_TRY(set(m, pos, i, pos, &m->links));
            ki_bit_set(m->lean, pos);
        }
    }
out:
    return st;
}

/* The rows of a chain behind its node: no links, but for the way to its last row. */
static kith_status set_chain(mending *m, uint32_t node)
{
    const ki_graph *g = m->g;
    const uint32_t first = ki_graph_twin(g, node);
    uint32_t last = first;
    kith_status st = KITH_OK;

    for (uint32_t next; (next = ki_graph_twin(g, last)) != last;) last = next;
    for (uint32_t at = first;; at = ki_graph_twin(g, at)) {
        KI_TRY(set(m, at, 0, at == first ? last : at, &m->twins));
        for (size_t i = 1; i + 1 < g->degree; i++) KI_TRY(set(m, at, i, at, &m->twins));
        if (at != last) continue;
        KI_TRY(set(m, at, g->degree - 1, at, &m->twins));
        break;
    }
out:
    return st;
}

/* A link to a twin is one to the node it hangs on, unless that is there already. */
static kith_status redirect(mending *m, uint32_t pos, size_t i)
{
    const _Atomic uint32_t *row = ki_graph_links(m->g, pos);
    const size_t room = ki_prune_room(m->g, pos);
    uint32_t to = m->head[ki_link_get(row + i)];
    kith_status st = KITH_OK;

    for (size_t j = 0; j < room; j++)
        if (ki_link_get(row + j) == to) to = pos;
    if (to == pos) ki_bit_set(m->lean, pos);
    KI_TRY(set(m, pos, i, to, &m->links));
out:
    return st;
}

/* Chains as they should be, and nodes that lead to nodes. Afterwards a live node without links is
 * lean, too. */
static kith_status mend_rows(mending *m)
{
    const ki_graph *g = m->g;
    kith_status st = KITH_OK;

    for (uint32_t pos = 0; pos < g->n; pos++) m->head[pos] = pos;
    KI_TRY(drop_strays(m));
    for (uint32_t pos = 0; pos < g->n; pos++) {
        const size_t room = ki_prune_room(g, pos);
        bool any = false;

        KI_TRY(poll(m, pos));
        if (ki_bit_get(m->chained, pos)) {
            ki_bit_clear(m->lean, pos);
            continue;
        }
        if (ki_graph_twin(g, pos) != pos) KI_TRY(set_chain(m, pos));
        for (size_t i = 0; i < room; i++) {
            const uint32_t to = ki_link_get(ki_graph_links(g, pos) + i);

            any |= to != pos;
            if (ki_bit_get(m->chained, to)) KI_TRY(redirect(m, pos, i));
        }
        for (size_t i = room; i + (ki_graph_twin(g, pos) != pos) < g->degree; i++)
            KI_TRY(set(m, pos, i, pos, &m->links)); // behind as many as it may have
        if (!any && ki_view_live(m->v, pos)) ki_bit_set(m->lean, pos);
    }
out:
    return st;
}

/* ---- entries --------------------------------------------------------------------------------- */

static kith_status mend_entries(mending *m)
{
    ki_graph *g = m->g;
    const size_t w = g->lens->bytes;
    kith_status st = KITH_OK;

    for (size_t i = 0; i < g->entries; i++) {
        uint8_t *code = g->entry_code + i * w;
        const uint32_t node = m->head[g->entry[i]];
        const bool wrong = node != g->entry[i] || memcmp(code, ki_graph_code(g, node), w) != 0;

        if (!wrong) continue;
        g->entry[i] = node;
        memcpy(code, ki_graph_code(g, node), w);
        m->entries++;
    }
    KI_TRY(ki_progress_add(m->progress, 0));
out:
    return st;
}

/* Whether the levels say what their check will not have: the rows on them that hang on others now,
 * rows that are twice there, another entry than theirs. */
static kith_status look_at_levels(mending *m, bool *wrong)
{
    const ki_tower *t = m->g->tower;
    const size_t words = ki_bit_words(m->g->n);

    *wrong = t->levels && t->level[t->levels - 1].pos[t->entry] != m->g->entry[0];
    for (size_t l = 0; l < t->levels && !*wrong; l++) {
        memset(m->bits, 0, words * sizeof *m->bits);
        for (size_t i = 0; i < t->level[l].n; i++) {
            const uint32_t pos = t->level[l].pos[i];

            *wrong |= ki_bit_get(m->bits, pos) || ki_bit_get(m->chained, pos);
            ki_bit_set(m->bits, pos);
        }
    }
    return ki_progress_add(m->progress, 0);
}

/* How many nodes there are, live ones and those that lead on; their positions to stack. */
static uint32_t find_nodes(const mending *m)
{
    const ki_graph *g = m->g;
    uint32_t n = 0;

    for (uint32_t pos = 0; pos < g->n; pos++) {
        const size_t room = ki_prune_room(g, pos);
        bool linked = ki_graph_twin(g, pos) != pos || ki_view_live(m->v, pos);

        if (ki_bit_get(m->chained, pos)) continue;
        for (size_t i = 0; !linked && i < room; i++)
            linked = ki_link_get(ki_graph_links(g, pos) + i) != pos;
        if (linked) m->stack[n++] = pos;
    }
    return n;
}

static size_t reach(const mending *m)
{
    memset(m->bits, 0, ki_bit_words(m->g->n) * sizeof *m->bits);
    return ki_graph_reach(m->g, m->g->entry[0], m->g->n, m->bits, m->stack);
}

static kith_status mend_levels(mending *m)
{
    const ki_graph *g = m->g;
    kith_status st = KITH_OK;
    bool wrong;

    KI_TRY(look_at_levels(m, &wrong));
    if (!wrong) goto out;
    KI_TRY(ki_tower_redraw(m->g, m->env, m->v, m->how, m->stack, find_nodes(m), m->progress));
    for (size_t l = 0; l < g->tower->levels; l++) m->levels += (uint32_t)g->tower->level[l].n;
out:
    return st;
}

/* Entries from which next to nothing is reached are drawn again; walks that come down through
 * levels need none. */
static kith_status choose_entries(mending *m)
{
    ki_graph *g = m->g;
    const uint32_t nodes = find_nodes(m);
    kith_status st = KITH_OK;

    if (g->tower || reach(m) + nodes / SHARE >= nodes) goto out;
    ki_release(m->env, g->entry_code, g->entries, g->lens->bytes);
    ki_release(m->env, g->entry, g->entries, sizeof *g->entry);
    g->entry_code = NULL;
    g->entry = NULL;
    (void)find_nodes(m); // reach used the stack
    KI_TRY(ki_graph_choose_entries(g, m->stack, nodes, m->how->seed));
    m->entries = g->entries;
out:
    return st;
}

/* ---- rows that lost links -------------------------------------------------------------------- */

static kith_status link_again(mending *m, uint32_t pos)
{
    const ki_walk_ask ask = {
        .n = m->g->n, .k = EFFORT, .effort = EFFORT, .slack = 0.0f, .start = UINT32_MAX};
    const size_t room = ki_prune_room(m->g, pos);
    ki_prune *x = m->prune;
    uint32_t out[KI_DEGREE_MOST];
    kith_status st = KITH_OK;
    size_t n;

    ki_meter_row(&m->walk->meter, pos);
    KI_TRY(ki_walk_run(m->walk, &ask));
    x->n = 0;
    for (size_t i = 0; i < room; i++)
        x->one[x->n++].pos = ki_link_get(ki_graph_links(m->g, pos) + i);
    for (size_t i = 0; i < m->walk->kept_n && x->n < KI_PRUNE_MOST; i++)
        if (m->walk->kept[i].key <= m->walk->kth) x->one[x->n++].pos = m->walk->kept[i].pos;
    ki_prune_measure(x, pos);
    n = ki_prune_pick(x, room, m->how->factor, out);
    KI_TRY(ki_graph_log(m->g, pos));
    ki_prune_store(m->g, pos, out, n);
    KI_TRY(ki_progress_add(m->progress, 0));
out:
    return st;
}

static kith_status link_lean(mending *m)
{
    kith_status st = KITH_OK;

    m->walk = ki_zeros(m->env, 1, sizeof *m->walk);
    KI_NEED(m->walk);
    m->walk->env = m->env;
    KI_TRY(ki_meter_init(&m->walk->meter, m->env, m->v, m->g));
    KI_TRY(ki_prune_create(m->env, m->v, m->g, &m->prune));
    for (uint32_t pos = 0; pos < m->g->n; pos++)
        if (ki_bit_get(m->lean, pos)) KI_TRY(link_again(m, pos));
out:
    return st;
}

/* ---- counts and reach ------------------------------------------------------------------------ */

static void mend_counts(mending *m)
{
    const uint32_t twins = (uint32_t)ki_bit_count(m->chained, ki_bit_words(m->g->n));
    const uint32_t nodes = find_nodes(m), reached = (uint32_t)reach(m);
    ki_graph *g = m->g;

    if (g->twins == twins && g->nodes >= reached && g->nodes <= g->n - twins) return;
    g->twins = twins;
    g->nodes = nodes < reached ? reached : nodes;
    m->counts = 1;
}

static kith_status mend_reach(mending *m)
{
    const ki_graph *g = m->g;
    kith_status st = KITH_OK;

    (void)reach(m);
    for (uint32_t pos = 0; pos < g->n; pos++) { // chains ascend
        const uint32_t next = ki_graph_twin(g, pos);

        if (!ki_bit_get(m->bits, pos))
            m->unreached += ki_view_live(m->v, pos);
        else if (next != pos)
            ki_bit_set(m->bits, next);
    }
    KI_TRY(ki_graph_repair(m->env, m->v, m->g, g->n, m->progress));
    m->g->since = 0;
out:
    return st;
}

/* ---- all ------------------------------------------------------------------------------------- */

static kith_status mend_all(mending *m)
{
    const size_t words = ki_bit_words(m->g->n);
    kith_status st = KITH_OK;
    uint32_t nodes;

    m->chained = ki_zeros(m->env, words, sizeof *m->chained);
    KI_NEED(m->chained);
    m->lean = ki_zeros(m->env, words, sizeof *m->lean);
    KI_NEED(m->lean);
    m->bits = ki_array(m->env, words, sizeof *m->bits);
    KI_NEED(m->bits);
    m->head = ki_array(m->env, m->g->n, sizeof *m->head);
    KI_NEED(m->head);
    m->stack = ki_array(m->env, m->g->n, sizeof *m->stack);
    KI_NEED(m->stack);
    KI_TRY(mend_rows(m));
    m->hopeless = ki_bit_count(m->lean, words) > m->g->n / SHARE;
    if (m->hopeless) goto out;
    KI_TRY(mend_entries(m));
    if (m->g->tower) KI_TRY(mend_levels(m));
    KI_TRY(choose_entries(m));
    KI_TRY(link_lean(m));
    nodes = find_nodes(m);
    m->hopeless = reach(m) + nodes / SHARE < nodes;
    if (m->hopeless) goto out;
    KI_TRY(mend_reach(m));
    mend_counts(m);
out:
    return st;
}

static void free_all(mending *m)
{
    const size_t n = m->g->n, words = ki_bit_words(n);

    ki_release(m->env, m->chained, words, sizeof *m->chained);
    ki_release(m->env, m->lean, words, sizeof *m->lean);
    ki_release(m->env, m->bits, words, sizeof *m->bits);
    ki_release(m->env, m->head, n, sizeof *m->head);
    ki_release(m->env, m->stack, n, sizeof *m->stack);
    if (m->walk) ki_walk_free(m->walk);
    ki_release(m->env, m->walk, 1, sizeof *m->walk);
    ki_prune_free(m->prune);
}

static void report(ki_findings *out, const char *name, const char *unit, uint32_t count)
{
    if (count == 0) return;
    out->mended[out->n].name = name;
    out->mended[out->n].unit = unit;
    out->mended[out->n++].count = count;
}

kith_status ki_graph_mend(ki_env *env, const ki_view *v, ki_graph *g, const ki_graph_how *how,
                          ki_findings *out, ki_progress *p, bool *sound)
{
    mending m = {.env = env, .v = v, .g = g, .how = how, .progress = p};
    kith_status st = KITH_OK;

    *sound = false;
    ki_progress_init(p, p->watch, "repair", 0);
    KI_TRY(mend_all(&m));
    if (m.hopeless) goto out;
    st = ki_graph_check_of(v, g, env, p);
    *sound = st == KITH_OK;
    if (st == KITH_CORRUPT) st = KITH_OK;
    if (!*sound) goto out;
    report(out, "links", "links that led nowhere, or to twins", m.links);
    report(out, "twins", "places in chains of twins", m.twins);
    report(out, "entries", "entries", m.entries);
    report(out, "levels", "rows on levels, drawn anew", m.levels);
    report(out, "counts", "counts of nodes and twins", m.counts);
    report(out, "unreached", "rows that could not be reached", m.unreached);
out:
    free_all(&m);
    return st;
}
