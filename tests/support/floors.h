/* Recall floors of navigators by codec and metric. */
#ifndef FLOORS_H
#define FLOORS_H

#include "kith.h"

/* Components as a codec and a metric want them: codes of 8 bits get rows that spread over their
 * range. x: n of them. */
void shape_rows(const char *codec, kith_metric m, float *x, size_t n);
/* An index of n rows is built, verifies, and answers new queries with this recall@10. codec: "",
 * ",F16" and so on. */
void prove_floor(const char *navigator, const char *codec, kith_metric m, size_t n, size_t d,
                 double floor);

#endif
