/* Hits on stdout, as text or JSON: what search prints for each query. */
#ifndef CLI_HITS_H
#define CLI_HITS_H

#include "say.h"

typedef struct hits_printer {
    const kith_index *index;
    int as_json;
    int alone;   /* one query in all: a table for people; else columns with tabs between */
    int labels;  /* rows have labels: show them */
    int headed;  /* the head of the columns is printed */
    char *label; /* owned: the last one read */
    size_t label_cap;
} hits_printer;

void hits_begin(hits_printer *p, const kith_index *ix, int as_json, int alone);
/* The head of the columns, once: with the first hits, since before them the search may fail; or
 * when there were no queries. */
void hits_head(hits_printer *p);
/* The hits of one query, best first; those after a KITH_NO_ID are none. */
kith_status hits_put(hits_printer *p, int64_t query, const int64_t *ids, const float *dist,
                     size_t n);
void hits_end(hits_printer *p);
/* The label of a stored row, "" when it has none; lent until the next call. NULL: out of memory. */
const char *hits_label(hits_printer *p, int64_t id);

#endif
