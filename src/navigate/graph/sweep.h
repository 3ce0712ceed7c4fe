/* Removed rows swept out of a graph; see sweep.c. */
#ifndef KI_SWEEP_H
#define KI_SWEEP_H

#include "navigate/graph/graph.h"

/* The graph of `was`, whose live rows, in order, are the first rows of v: without the removed ones,
 * their neighbours linked to one another. Rows of v that the old graph did not link, from *kept on,
 * are not linked yet; what is out of reach is not looked at. */
kith_status ki_graph_sweep(ki_env *env, const ki_view *v, const ki_view *was,
                           const ki_graph_how *how, uint32_t threads, ki_progress *p,
                           ki_graph **out, uint32_t *kept);

#endif
