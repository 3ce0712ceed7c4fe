/* Links in levels, taken over from other programs' files and shown for them; see layers.c. */
#ifndef KI_LAYERS_H
#define KI_LAYERS_H

#include "navigate/graph/graph.h"

/* The hooks `take` and `show` of HNSW (navigator.h). */
kith_status ki_graph_take(ki_change *c, ki_env *env, const ki_graph_how *how, const ki_layers *from,
                          uint32_t threads, ki_progress *p);
kith_status ki_graph_show_layers(const ki_view *v, ki_env *env, const ki_graph_how *how,
                                 uint32_t threads, ki_progress *p, ki_layers **out);

#endif
