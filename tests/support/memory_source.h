/* Rows in memory as a kith_source, for what reads sources. */
#ifndef MEMORY_SOURCE_H
#define MEMORY_SOURCE_H

#include "kith.h"

typedef struct memory_source {
    kith_source source; /* to be given away; close does nothing */
    kith_rows rows;
    size_t d, at, batch; /* rows a batch at most, 0 = all that is asked for */
    size_t fail_at;      /* the row before which next fails with CANCELLED, 0 = never */
    const int64_t *ids;
    const char *const *labels;
} memory_source;

/* m must not move afterwards. known: source.n is told. */
void memory_source_init(memory_source *m, kith_rows rows, size_t d, int known);

/* All rows of a source as packed rows of its dtype in one block to be freed; *n their number. Asks
 * for `max` at a time. A failing source gives NULL and *st. */
void *source_drain(kith_source *src, size_t max, size_t *n, kith_status *st);

#endif
