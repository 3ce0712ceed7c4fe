/* Walk codes in six bits a component, which is all that partitions and leaves of a build look at:
 * their products can be added before they are widened (kernel.h, products6). */
#ifndef KI_SIX_H
#define KI_SIX_H

#include "cluster/nearest.h"
#include "navigate/graph/graph.h"

/* Bytes of a row: a multiple of KI_PANEL, with zeros behind the components. */
size_t ki_six_bytes(const ki_lens *l);
void ki_six_row(const ki_lens *l, const uint8_t *code, uint8_t *out);
/* Whether six bits tell the n nodes at pos apart: by a sample. NO_MEMORY. */
kith_status ki_six_fits(ki_env *env, const ki_graph *g, const uint32_t *pos, size_t n,
                        uint64_t seed, bool *out);

#endif
