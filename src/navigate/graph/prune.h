/* Which of many candidates become a node's links: near ones, and of those that lie in one direction
 * the nearest (the relative neighbourhood rule: Toussaint 1980; with a factor: Subramanya et al.
 * 2019, "RobustPrune"). In two rounds: first with factor 1, which chooses links in all directions,
 * long ones too, then with a larger one, which fills the row; one round with the larger factor
 * would be full before the long ones came. */
#ifndef KI_PRUNE_H
#define KI_PRUNE_H

#include "navigate/graph/meter.h"

enum { KI_PRUNE_MOST = 512 }; /* candidates */
#define KI_PRUNE_FACTOR 1.2f  /* of the second round, where nothing else is measured to be better */

/* A candidate: its distance to the node, and its position. */
typedef struct ki_candidate {
    float dist;
    uint32_t pos;
} ki_candidate;

/* Scratch of one thread. owns: meter. */
typedef struct ki_prune {
    ki_meter meter;
    ki_candidate one[KI_PRUNE_MOST]; /* the candidates, to be filled */
    size_t n;
    const void *address[KI_PRUNE_MOST]; /* of candidates; of chosen ones, in their order */
    float dist[KI_PRUNE_MOST];
    uint64_t order[2][KI_PRUNE_MOST]; /* for sorting */
    float hidden[KI_PRUNE_MOST];      /* how far behind one of the chosen, at most … */
    uint16_t tried[KI_PRUNE_MOST];    /* … of so many that were chosen first */
} ki_prune;

/* Ask the memory for the codes of candidates that will be pruned soon. */
void ki_prune_expect(const ki_graph *g, const ki_candidate *one, size_t n);
/* x->one[0…n-1] have positions, x->n ones: fill in their distances to `pos`; sort by (dist, pos);
 * drop repeated ones and pos itself. */
void ki_prune_measure(ki_prune *x, uint32_t pos);
/* The same of candidates whose distances are known. */
void ki_prune_order(ki_prune *x, uint32_t pos);
/* Whether choosing `most` of the candidates (sorted) would leave pos out in all likelihood: as many
 * are nearer, and one of these hides it. */
bool ki_prune_refuses(ki_prune *x, uint32_t pos, size_t most);
/* Choose up to `most` of the candidates (sorted); factor >= 1 of the second round. Their positions,
 * in the order of the candidates, to out; returns how many. */
size_t ki_prune_choose(ki_prune *x, size_t most, float factor, uint32_t *out);
/* The same as a navigator's `how` wants it: a factor above 1; 1: one round, or all there are where
 * they are fewer than `most` (Malkov and Yashunin 2016, algorithm 4); 0: the nearest (3). */
size_t ki_prune_pick(ki_prune *x, size_t most, float factor, uint32_t *out);
/* One for the graph that is being linked over v; its end. */
kith_status ki_prune_create(ki_env *env, const ki_view *v, const ki_graph *g, ki_prune **out);
void ki_prune_free(ki_prune *x);
/* Links a row may have: where all places are links, one fewer if it has twins. */
size_t ki_prune_room(const ki_graph *g, uint32_t pos);
/* Make out[0…n-1] the links of pos; the rest becomes its own position. The twin stays. */
void ki_prune_store(const ki_graph *g, uint32_t pos, const uint32_t *out, size_t n);

#endif
