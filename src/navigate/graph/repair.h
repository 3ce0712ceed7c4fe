/* Links made better after they were chosen: offered to their targets, and what is out of reach
 * attached. */
#ifndef KI_REPAIR_H
#define KI_REPAIR_H

#include "navigate/graph/graph.h"

/* Each of the nodes pos [m] gets the links of those that link to it as candidates, too, and is
 * pruned again with the factor. */
kith_status ki_graph_relink(ki_env *env, const ki_view *v, ki_graph *g, const uint32_t *pos,
                            size_t m, float factor, size_t threads, ki_progress *p);
/* Attach every node that is needed (it is live, an entry, or has twins) and cannot be reached from
 * entry[0]. Links of rows below `before` are logged before they change. */
kith_status ki_graph_repair(ki_env *env, const ki_view *v, ki_graph *g, uint32_t before,
                            ki_progress *p);
/* Positions that can be reached from entry[0] by links, as bits of reached [ki_bit_words(n)],
 * cleared before; returns their number. stack: [n]. Links at or beyond n are passed over. */
size_t ki_graph_reach(const ki_graph *g, uint32_t from, uint32_t n, uint64_t *reached,
                      uint32_t *stack);

#endif
