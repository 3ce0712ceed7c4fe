/* Filters: which ids may answer (bitset, id list, range, callback, and/or/not), evaluated to a
 * bitmap of positions of a view, once for many searches when bound. The type is public
 * (kith_filter). */
#ifndef KI_FILTER_H
#define KI_FILTER_H

#include "rows/rows.h"

/* A filter as positions of one view: bit set = may answer (removed rows never). Owned by whoever
 * made it, or borrowed from a bound filter. */
typedef struct ki_mask {
    const uint64_t *words; /* [ki_bit_words(n)]; NULL = every live row may answer */
    uint32_t n, count;     /* positions covered (later ones do not pass), bits set */
    uint64_t *owned;       /* what ki_mask_free gives back */
    size_t owned_words;
} ki_mask;

/* f NULL: no mask (words NULL). A filter bound to r's generation lends its words while nothing was
 * removed since; any other is evaluated here. r tells whether a bound one is r's. */
kith_status ki_filter_mask(const kith_filter *f, const ki_rows *r, const ki_view *v, ki_env *env,
                           ki_mask *out);
void ki_mask_free(ki_env *env, ki_mask *m);
/* kith_filter_bind without the index: nothing of f is kept. */
kith_status ki_filter_bind(const ki_rows *r, const ki_view *v, const kith_filter *f,
                           kith_filter **out);

#endif
