/* Candidates for the links of all rows at once: overlapping partitions, all pairs within their
 * leaves through block kernels, the best of each row kept (after PiPNN, arXiv 2602.21247;
 * HCNNG, Munoz et al. 2019).
 *
 * They are kept by direction: sets of eight, chosen by the signs of some random projections of the
 * difference, hold the nearest in each direction; more projections tell rows of one direction
 * apart, of which only the nearest stays. What a set holds in the end depends on what was offered
 * alone, not on the order, so that threads may offer as they come.
 *
 * Words: a rank numbers the nodes 0…m-1 in the order of their positions. */
#ifndef KI_PROPOSE_H
#define KI_PROPOSE_H

#include <stdatomic.h>

#include "navigate/graph/prune.h"

enum { KI_PROPOSE_WAYS = 8, KI_PROPOSE_BITS = 4 };
/* Of a row at most. */
enum { KI_PROPOSED_MOST = KI_PROPOSE_WAYS << KI_PROPOSE_BITS };

typedef struct ki_proposed_set ki_proposed_set;

/* The first part is the caller's. owns: what has a star behind it, but env, g, progress and pos. */
typedef struct ki_proposals {
    ki_env *env;
    const ki_graph *g;   /* with walk codes */
    const uint32_t *pos; /* [m] position of a rank */
    size_t m;
    uint64_t seed;
    size_t threads;
    ki_progress *progress;
    size_t partitions, leaf_k, set_bits; /* set_bits <= KI_PROPOSE_BITS */
    bool small;                          /* leaves see six bits a component */

    size_t bytes; /* of a row in a leaf */
    int16_t *sketch;
    ki_proposed_set *sets; /* [m][1 << set_bits] */
    atomic_flag *lock;
    uint32_t *group; /* ranks, group after group */
    size_t *begin;
    size_t round; /* of partitions */
} ki_proposals;

/* Candidates of all nodes. NO_MEMORY, CANCELLED. */
kith_status ki_propose(ki_proposals *c);
void ki_proposals_free(ki_proposals *c); /* a zeroed one, too; more than once */
/* Those of a rank, by position, to out [KI_PROPOSED_MOST]: how many. Their codes are asked for. */
size_t ki_proposed(const ki_proposals *c, uint32_t rank, ki_candidate *out);

#endif
