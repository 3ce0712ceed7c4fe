/* What the verbs read: vectors from any file (CSV, TSV and HDF5 here, everything else by the
 * library), their ids and labels from the file itself, from files beside it, or joined by id. */
#ifndef CLI_INPUT_H
#define CLI_INPUT_H

#include "options.h"
#include "progress.h"

extern const option column_options[]; /* how a CSV file is read */
extern const option bit_options[];    /* --packed-bits */
extern const option join_options[];   /* ids and labels from other files */
extern const option label_options[];  /* the columns of labels from CSV */
extern const option query_options[];  /* --query-id */

typedef enum input_role {
    INPUT_FRESH = 1,  /* rows of a new index: without ids they are 0, 1, 2… */
    INPUT_MORE = 2,   /* rows for an index that has some */
    INPUT_QUERIES = 3, /* no joined files; ids by --query-id */
    INPUT_TRUTH = 4    /* neighbours of queries: no joined files */
} input_role;

/* path "-" is CSV on stdin. Close out->close(out->ctx). */
kith_status input_open(const char *path, input_role role, const arguments *a, const kith_host *host,
                       kith_source *out);

/* As fail_in, of rows that came from there: where ids clash, how to do without those of a column
 * that nobody named. */
kith_status input_failed(kith_status st, const char *path, const arguments *a);

/* The metric that vectors of this file are compared by: l2, unless the file says (HDF5 does). */
kith_status input_metric(const char *path, const char **out);

/* A whole source in memory. */
typedef struct matrix {
    void *data;   /* owned, packed */
    int64_t *ids; /* owned [n]; NULL: the rows have only numbers */
    size_t n, d;
    kith_dtype dtype;
} matrix;
kith_status matrix_read(kith_source *src, progress *p, matrix *out);
/* An array of one dimension that is as long as a query should be is one query. */
void matrix_fit(matrix *m, size_t d);
/* n rows of m from the i-th on. */
kith_rows matrix_rows(const matrix *m, size_t i, size_t n);
void matrix_free(matrix *m);
/* Write n rows of memory to a vector file. */
kith_status matrix_save(const void *data, size_t n, size_t d, kith_dtype dtype, const char *path);
/* "gt.npy" → "gt_dist.npy", "gt.ivecs" → "gt_dist.fvecs": where distances lie beside ids. To be
 * freed. */
char *distances_path(const char *path);

#endif
