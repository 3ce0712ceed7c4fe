/* The inside of the graph navigators: the structure that a view carries, shared by the files of
 * this folder. Nobody else includes this.
 *
 * Words: a node is a row that is linked; a link is the position of a neighbour; a twin is a row
 * with the same bytes as a node, which hangs on it by a chain and is no node itself (copies occlude
 * one another, and so would be out of reach).
 *
 * Invariants (ki_graph_check):
 *   1. Each of the n rows has `degree` links; unused ones are the row's own position.
 *   2. A link is below n, or it is the last of its row and has KI_TWIN set: then the rest is the
 *      position of the next twin, further behind. Nobody links to a twin, and its own row holds no
 *      links, but for the first of a chain, whose first link is the last of the chain.
 *   3. Where `since` is 0, every live row is reachable: as a node from entry[0] by links, or by the
 *      chain of one. Nodes that came since may have cut off others, which is rare (insert.c).
 *   4. Entries are nodes, and entry_code holds their walk codes.
 *   5. `twins` rows hang on others; `nodes` are at least those that links reach, at most the rest.
 *   6. No row has more than `most` links. HNSW: a tower's rows are nodes, each once on a level, and
 *      its entry is entry[0], the only one.
 *
 * Links are changed in place while readers walk. Each is one atomic word: a reader sees the old
 * neighbour or the new one, and passes over positions at or beyond the n of its own view. */
#ifndef KI_GRAPH_H
#define KI_GRAPH_H

#include "navigate/graph/lens.h"
#include "navigate/navigator.h"
#include "rows/column.h"

#define KI_TWIN UINT32_C(0x80000000)

enum { KI_LINK_STEP = 16, KI_DEGREE_MOST = 128 };

/* The parameters of Graph, in the order of their table. */
enum {
    KI_GRAPH_DEGREE,
    KI_GRAPH_EFFORT,
    KI_GRAPH_SLACK,
    KI_GRAPH_SEED,
    KI_GRAPH_SWEEP,
    KI_GRAPH_BITS,
    KI_GRAPH_DIMS,
    KI_GRAPH_PARAMS
};

/* Of Graph, HNSW and NSW. */
// clang-format off
#define KI_GRAPH_SWEEP_PARAM                                                                       \
    {"sweep", "", KI_PARAM_FLOAT, 0, 1, 0.2,                                                       \
     "when so large a share of the rows is removed, the change that removed them gives their "     \
     "space back and mends the links; 0: not before compact"}
#define KI_GRAPH_BITS_PARAM                                                                        \
    {"code_bits", "walk_bits", KI_PARAM_INT, 0, 8, 0,                                              \
     "of each component in the codes that walks read, where these are not the rows themselves: "   \
     "8, or 4 of them, which is half the memory to go through, unless 4 do not tell near rows "    \
     "apart (others are rounded up); 0: what is faster"}
#define KI_GRAPH_DIMS_PARAM                                                                        \
    {"code_dims", "walk_dims", KI_PARAM_INT, 0, KITH_MAX_DIM, 0,                                   \
     "components of the codes that walks read instead of rows of bytes (U8, I8, uniform SQ8 "      \
     "under L2; up to 4096 components): the principal ones, a multiple of 64 (others are rounded " \
     "up); as many as the rows have: walks read the rows; 0: a quarter of them where rows are "    \
     "long and it keeps near rows near"}
// clang-format on

/* How rows are linked: what a navigator makes of its parameters. */
typedef struct ki_graph_how {
    bool at_once;    /* all rows by partitions, where that can be; else one by one, shuffled */
    bool levels;     /* HNSW: rows rise to the levels of a tower */
    bool keeps;      /* NSW: a link gives way to a nearer one alone, no direction counts */
    bool turns;      /* NSW: a row that comes after a build takes a turn among those before it */
    bool patient;    /* searches that give no slack have none: the effort alone ends a walk */
    uint32_t degree; /* places for links of a row, a multiple of KI_LINK_STEP */
    uint32_t most;   /* links of a row */
    uint32_t own;    /* links that a new row chooses; HNSW: of a row on higher levels, too */
    uint32_t search; /* nearest rows among which it looks for them */
    float factor;    /* of pruning (prune.h); 0: the nearest ones */
    uint32_t effort; /* of searches that give none */
    float slack;     /* the same; 0: by the effort, or none */
    uint32_t bits;   /* of a component of walk codes: 4, 8; 0: what is best */
    uint32_t dims;   /* components of walk codes of bytes; 0: what is best */
    uint64_t seed;
} ki_graph_how;

typedef struct ki_tower ki_tower; /* tower.h */

/* owns: everything but what views own; a reference on lens, columns, tower. */
typedef struct ki_graph {
    ki_structure structure; /* first: views hold this */
    ki_env *env;
    const ki_codec *codec; /* of the rows it was made for */
    uint64_t generation;
    uint32_t n, nodes, twins;
    uint32_t degree; /* a multiple of KI_LINK_STEP */
    uint32_t most;   /* links of a row among them */
    uint32_t effort; /* of searches that give none */
    float slack;     /* the same; 0: by the effort, or, with patient, none */
    bool patient;
    ki_lens *lens;
    ki_tower *tower;  /* HNSW: the levels above; NULL: none */
    ki_column *links; /* uint32_t [degree] a row */
    ki_column *codes; /* CODE: walk codes; NULL: the rows' own */
    ki_column *rests; /* halved: the low halves of codes */
    uint32_t entries;
    uint32_t *entry;     /* [entries] positions */
    uint8_t *entry_code; /* [entries][lens->bytes], 64-byte aligned */
    /* Where chunks begin, for walks: [chunks] of walk codes, of low halves, of links. */
    size_t chunks;
    const uint8_t **code_at, **rest_at;
    _Atomic uint32_t **link_at;
    /* Of all walks so far, for statistics: rows whose distance was taken, rows gone on from. */
    _Atomic uint64_t walks, visits, hops;
    uint32_t since; /* nodes that came since reach was looked at last */
    /* Links of rows as they were before a change that is not committed: position, then links. */
    uint32_t *log;    /* [log_room][1 + degree], log_n of them */
    uint64_t *logged; /* [ki_bit_words(n)]: rows that are there; NULL: none */
    size_t log_n, log_room;
} ki_graph;

static inline const ki_graph *ki_graph_of(const ki_view *v)
{
    return (const ki_graph *)(const void *)v->structure;
}

static inline const uint8_t *ki_graph_code(const ki_graph *g, uint32_t pos)
{
    return g->code_at[pos >> KI_CHUNK_BITS] + (size_t)(pos % KI_CHUNK) * g->lens->bytes;
}

/* Halved: the low halves of a code. */
static inline const uint8_t *ki_graph_rest(const ki_graph *g, uint32_t pos)
{
    return g->rest_at[pos >> KI_CHUNK_BITS] + (size_t)(pos % KI_CHUNK) * g->lens->bytes;
}

static inline _Atomic uint32_t *ki_graph_links(const ki_graph *g, uint32_t pos)
{
    return g->link_at[pos >> KI_CHUNK_BITS] + (size_t)(pos % KI_CHUNK) * g->degree;
}

/* Ask the memory for the links of a row, which will be looked at soon. */
static inline void ki_graph_expect_links(const ki_graph *g, uint32_t pos)
{
    const _Atomic uint32_t *row = ki_graph_links(g, pos);

    for (size_t i = 0; i < g->degree; i += KI_LINK_STEP) KI_PREFETCH(row + i);
}

/* The same for a row or a code of so many bytes. Of a long one the first lines are enough: the
 * processor sees how it goes on. */
static inline void ki_graph_expect_row(const void *row, size_t bytes)
{
    enum { LINE = 64, MOST = 1024 };

    for (size_t at = 0; at < bytes && at < MOST; at += LINE)
        KI_PREFETCH_L2((const uint8_t *)row + at);
}

static inline uint32_t ki_link_get(const _Atomic uint32_t *link)
{
    return atomic_load_explicit(link, memory_order_relaxed);
}

static inline void ki_link_set(_Atomic uint32_t *link, uint32_t to)
{
    atomic_store_explicit(link, to, memory_order_relaxed);
}

/* The next of the rows with the same bytes, or pos itself at the end of the chain. */
static inline uint32_t ki_graph_twin(const ki_graph *g, uint32_t pos)
{
    const uint32_t last = ki_link_get(ki_graph_links(g, pos) + g->degree - 1);

    return last & KI_TWIN ? last & ~KI_TWIN : pos;
}

/* The last of the chain that begins at a node; the first twin's row, which leads nowhere else,
 * keeps it in its first link. */
static inline uint32_t ki_graph_last_twin(const ki_graph *g, uint32_t node)
{
    const uint32_t first = ki_graph_twin(g, node);

    return first == node ? node : ki_link_get(ki_graph_links(g, first));
}

/* graph.c: a structure without links for the rows of v: with room for all its positions, each
 * linked to itself. lens is shared. from (or NULL): its links are kept. */
kith_status ki_graph_create(ki_env *env, const ki_view *v, uint32_t degree, ki_lens *lens,
                            const ki_graph *from, ki_graph **out);
/* The same for a file that has the columns: none are made. */
kith_status ki_graph_adopt(ki_env *env, const ki_view *v, ki_lens *lens, ki_graph **out);
void ki_graph_free(ki_graph *g);
/* What is set for searches, as `from` has it. */
void ki_graph_inherit(ki_graph *g, const ki_graph *from);
/* Hang a row without links behind the last of the twins of a node. */
void ki_graph_hang(const ki_graph *g, uint32_t node, uint32_t twin);
/* Keep the links that pos has, unless that was done in this change. NO_MEMORY. */
kith_status ki_graph_log(ki_graph *g, uint32_t pos);
/* Let code_at and link_at show the chunks of the columns. */
kith_status ki_graph_show(ki_graph *g, const ki_view *v);
/* Choose entries among nodes: pos [n]. */
kith_status ki_graph_choose_entries(ki_graph *g, const uint32_t *pos, size_t n, uint64_t seed);

/* A node that is the first, or came to stand above all others, becomes the only entry. */
kith_status ki_graph_enter(ki_graph *g, uint32_t pos);
/* Whether it was made for rows of these positions and this codec; g may be NULL. */
bool ki_graph_fits(const ki_graph *g, const ki_view *v);
/* Hooks of the navigators, each with its own way to link. */
kith_status ki_graph_update(ki_change *c, ki_env *env, const ki_graph_how *how, uint32_t threads,
                            ki_progress *p);
/* Whether this share of the rows, above 0, and some, are removed. */
bool ki_graph_crowded(const ki_view *v, double share);
/* kith_repair: mended, or linked anew. */
kith_status ki_graph_restore(ki_change *c, ki_env *env, const ki_graph_how *how, uint32_t threads,
                             ki_findings *out, ki_progress *p);
void ki_graph_stats(const ki_view *v, kith_each *each, void *ctx);

/* codes.c: whether two rows have the same code: twins. */
bool ki_graph_same(const ki_graph *g, uint32_t a, uint32_t b);
/* A graph that was built by whole codes gets halved ones, if `bits` say so (ki_lens_halve). */
kith_status ki_graph_halve(ki_graph *g, const ki_view *v, uint32_t bits);
/* The codes of rows from `first` on (CODE). */
kith_status ki_graph_encode(ki_graph *g, const ki_view *v, uint32_t first, size_t threads,
                            ki_progress *p);

/* bulk.c: link all live rows of v. */
kith_status ki_graph_build(ki_env *env, const ki_view *v, const ki_graph_how *how, uint32_t threads,
                           ki_progress *p, ki_graph **out);
/* find.c */
kith_status ki_graph_search(const ki_view *v, ki_env *env, const void *q, size_t nq,
                            const ki_ask *ask, ki_scratch *scratch, ki_receive *receive, void *ctx);
bool ki_graph_sees_all(const ki_view *v, const ki_ask *ask);
/* graphfile.c, graphcheck.c */
kith_status ki_graph_write(const ki_view *v, ki_blob_writer *w, bool planning);
kith_status ki_graph_open(ki_rows *rows, ki_env *env, const ki_opening *from,
                          const ki_graph_how *how);
kith_status ki_graph_check(const ki_view *v, ki_env *env, ki_progress *p);
/* The same of a graph that v does not carry yet. */
kith_status ki_graph_check_of(const ki_view *v, const ki_graph *g, ki_env *env, ki_progress *p);
/* mend.c: mend in place what the check of v's rows finds wrong in g; what links were is logged.
 * *sound: it passes the check now, and out tells what was mended; else it is to be made anew. */
kith_status ki_graph_mend(ki_env *env, const ki_view *v, ki_graph *g, const ki_graph_how *how,
                          ki_findings *out, ki_progress *p, bool *sound);
/* graphlook.c */
kith_status ki_graph_inspect(const ki_view *v, ki_env *env, const char *part, kith_each *each,
                             void *ctx, ki_progress *p);

#endif
