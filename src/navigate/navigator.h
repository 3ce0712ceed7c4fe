/* How a query finds promising rows: one folder a navigator, joined by table.def. A navigator works
 * on a view of the rows and hands its hits up with canonical keys; ids, labels, filters, snapshots,
 * files of the rows are not its affair.
 *
 * Flat needs no structure of its own, so the interface holds what a search needs; the hooks that
 * keep a structure in step with the rows (train, insert, remove, its sections, its check) come with
 * the first navigator that has one. */
#ifndef KI_NAVIGATOR_H
#define KI_NAVIGATOR_H

#include "base/param.h"
#include "rows/exact.h"

typedef struct ki_navigator {
    const char *name;    /* in specs: "Flat" */
    const char *aliases; /* comma-separated */
    const char *about;
    ki_param_table params; /* build parameters, set by the spec */
    uint32_t flags;        /* KITH_EXACT: every answer is proven */
    /* The hits of nq queries to receive (see ki_exact_search, whose contract this shares). */
    kith_status (*search)(const ki_view *v, ki_env *env, const void *q, size_t nq,
                          const ki_ask *ask, ki_scratch *scratch, ki_receive *receive, void *ctx);
} ki_navigator;

const ki_navigator *ki_navigator_at(size_t i); /* NULL after the last */
/* By name or alias, letter case as given (spec names are exact); NULL if none. */
const ki_navigator *ki_navigator_find(const char *name);

enum { KI_FLAT_SCAN, KI_FLAT_PARAMS }; /* Flat's parameters, in the order of its table */

#endif
