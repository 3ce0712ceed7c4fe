/* A row store for tests of what reads it: rows in, one view out. */
#ifndef TESTSTORE_H
#define TESTSTORE_H

#include "rows/rows.h"

typedef struct test_store {
    ki_env env;
    ki_rows *rows;
    const ki_view *v; /* of all that was changed through this file; NULL before the first change */
} test_store;

/* host NULL: libc. Fails the test when anything fails. */
void store_open(test_store *s, const ki_codec *c, size_t d, kith_metric m, double arg, bool scan,
                const kith_host *host);
void store_add(test_store *s, const float *x, size_t n, const int64_t *ids); /* ids NULL: 0, 1 … */
void store_remove(test_store *s, const int64_t *ids, size_t n);
void store_close(test_store *s);

#endif
