/* Short walk codes of long rows of bytes: a quarter as many components. A walk that looks at a
 * thousand rows of 1,024 bytes waits for a megabyte; what tells near rows apart lies mostly in few
 * directions, where rows are of pictures and the like, whose components go together. So a lens
 * SHORT looks along the first principal components, turned at random so that one scale fits all
 * (after LeanVec, Tepper et al. 2024). Answers are ranked by the rows. */
#ifndef KI_SHORTEN_H
#define KI_SHORTEN_H

#include "navigate/graph/lens.h"

/* Components of short codes of d bytes, for as many as `asked`; d: they are not shortened. 0: by
 * measurement, for n rows (docs/GRAPH.md). */
size_t ki_shorten_to(size_t d, size_t n, uint32_t asked);
/* l, a new SHORT lens, gets its basis from m of the rows it is for. NO_MEMORY, CANCELLED. */
kith_status ki_shorten_learn(ki_lens *l, const void *const *rows, size_t m, const ki_lens_how *how);
/* Whether rows that came, from `first` on, lie apart from the basis, as far as the last of them and
 * those that l was learned from tell: looked at now and then, where there are enough new ones that
 * to learn anew pays. NO_MEMORY. */
kith_status ki_shorten_outgrown(const ki_lens *l, const ki_view *v, uint32_t first, bool *out);
/* Whether what is near among these rows is near among their codes [m][wide]. NO_MEMORY. */
kith_status ki_shorten_keeps(const ki_lens *l, const void *const *rows, const uint8_t *codes,
                             size_t m, bool *keeps);
/* A row or query of d bytes to its sums along the basis, room [wide]; behind them is scratch for d
 * bytes. */
void ki_shorten_row(const ki_lens *l, const uint8_t *row, float *room);

#endif
