/* Rows linked into a graph that is there; see insert.c. */
#ifndef KI_INSERT_H
#define KI_INSERT_H

#include "navigate/graph/graph.h"

/* Link the n rows at pos (their walk codes there, not linked yet; ascending, unless none is a copy
 * of another or of a node) into g, which has room for all rows of v and one node at least. Links
 * of rows below `before` are logged before they change. */
kith_status ki_graph_insert(ki_env *env, const ki_view *v, ki_graph *g, const ki_graph_how *how,
                            const uint32_t *pos, size_t n, uint32_t before, size_t threads,
                            ki_progress *p);

#endif
