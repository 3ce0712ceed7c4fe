/* What a filter is made of. Private to rows/. */
#ifndef KI_FILTER_NODE_H
#define KI_FILTER_NODE_H

#include "rows/filter.h"
#include "rows/store.h"

typedef enum ki_node_kind {
    KI_NODE_BITS,
    KI_NODE_IDS,
    KI_NODE_RANGE,
    KI_NODE_CALL,
    KI_NODE_AND,
    KI_NODE_OR,
    KI_NODE_NOT,
    KI_NODE_BOUND
} ki_node_kind;

/* owns: ids, positions, a reference on a and b. Borrowed: words, ctx. The env is its own, because a
 * filter may outlive every index; its host is the maker's, of a bound one the index's. Positions
 * mean something in one generation of one store only, so a bound filter knows what passed a second
 * time, by ids: in a, which borrows nothing from outside. */
struct kith_filter {
    ki_env env;
    atomic_size_t refs;
    ki_node_kind kind;
    uint32_t depth;        /* joins below */
    size_t n;              /* BITS: bits; IDS: ids; BOUND: positions */
    const uint64_t *words; /* BITS */
    int64_t *ids;          /* IDS: ascending, each once */
    int64_t lo, hi;        /* RANGE; BITS: lo is the id of the first bit */
    int (*keep)(void *ctx, int64_t id); /* CALL */
    void *ctx;
    kith_filter *a, *b; /* joins; BOUND: a, IDS or BITS, has the ids that passed */
    uint64_t *positions; /* BOUND: bitmap of a view's live rows */
    size_t words_n;
    uint32_t count, removed;    /* BOUND: bits set; rows that the view had removed */
    uint64_t store, generation; /* BOUND: of which rows */
};

kith_filter *ki_filter_share(const kith_filter *f); /* NULL is fine */
/* f over all live rows of v, into new words. */
kith_status ki_filter_eval(const kith_filter *f, const ki_rows *r, const ki_view *v, ki_env *env,
                           ki_mask *out);

#endif
