/* The tuned curve of an index as the command shows it: kith tune and kith info. */
#ifndef CLI_POINTS_H
#define CLI_POINTS_H

#include "output.h"

typedef struct curve {
    kith_point *point; /* owned [n], ascending in recall; n 0: the index was not tuned */
    size_t n;
    uint32_t k;           /* of the queries that it was measured with */
    double queries, rows; /* their number, and that of the rows, then */
} curve;

kith_status curve_read(const kith_index *ix, curve *out);
void curve_free(curve *c);
/* A table, or one JSON object a line. */
void curve_put(const curve *c, int as_json);
/* An array of objects, inside another object. */
void curve_put_json(const curve *c, json *j);
/* Recall against queries per second, as an SVG with this title. */
kith_status curve_plot(const curve *c, const char *path, const char *title);

#endif
