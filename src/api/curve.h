/* The tuned curve: which settings of a search reach which recall, as kith_tune measured it. A view
 * carries it (ki_view.curve), so that searches see one whole curve while another is being
 * published. tune.c makes curves; here they are asked, written and read. */
#ifndef KI_CURVE_H
#define KI_CURVE_H

#include "navigate/navigator.h"

enum { KI_CURVE_POINTS = 64 };

#define KI_SECTION_CURVE KI_FOUR('T', 'U', 'N', 'E')

/* Points ascend in recall, strictly. None, which a file may say: every row has to be looked at. */
typedef struct ki_curve {
    ki_structure structure; /* first: views hold this */
    ki_env *env;
    uint32_t k;       /* neighbours of each query that it was measured with */
    uint32_t rows;    /* that were live then */
    uint32_t queries; /* that it was measured with … */
    bool drawn;       /* … and that were rows of the index */
    uint32_t n;
    kith_point point[KI_CURVE_POINTS];
} ki_curve;

/* An empty one. */
kith_status ki_curve_create(ki_env *env, ki_curve **out);
static inline const ki_curve *ki_curve_of(const ki_view *v)
{
    return (const ki_curve *)(const void *)v->curve;
}
/* Let ask search as hard as `recall` takes among k neighbours; 0 and exact indexes leave it as it
 * is. UNTRAINED: there is no curve. */
kith_status ki_curve_ask(const ki_view *v, float recall, size_t k, ki_ask *ask);
/* How many neighbours to look for where k are wanted: what the curve says holds for its own number
 * and more. */
static inline size_t ki_curve_k(const ki_view *v, size_t k)
{
    const ki_curve *c = ki_curve_of(v);

    return c && c->k > k ? c->k : k;
}
/* Its section, if there is a curve. */
kith_status ki_curve_write(const ki_view *v, ki_blob_writer *w, bool planning);
/* That of a file to rows, before anybody looks at them. CORRUPT, VERSION. */
kith_status ki_curve_open(ki_rows *rows, ki_env *env, const ki_blob_reader *r);
void ki_curve_stats(const ki_view *v, kith_each *each, void *ctx);

#endif
