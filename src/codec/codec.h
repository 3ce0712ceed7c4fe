/* How rows are stored: a codec turns a caller's row into the bytes that searches touch, and back.
 * One member a file (codec/<name>.c), joined by table.def. The members here keep values as they are
 * and need no training; those that learn (SQ, PQ…) will bring their state through `state`.
 *
 * Scoring. ki_prepare makes a query ready for rows of one codec under one metric: it picks the
 * kernel slot once; ki_score gives for a run of rows proven intervals that hold each row's
 * canonical key (ki_canon_*), so that callers drop what cannot answer and recompute only what they
 * cannot decide. Integer codecs with an integer query give the key itself: lo == up. */
#ifndef KI_CODEC_H
#define KI_CODEC_H

#include "base/env.h"
#include "base/param.h"
#include "kernel/kernel.h"

typedef struct ki_codec {
    const char *name;    /* in specs: "F32", "U8" … */
    const char *aliases; /* comma-separated: "Flat" for F32 */
    const char *about;
    kith_dtype dtype; /* of what is stored */
    ki_type type;     /* of the kernels' slots */
    uint32_t file_id; /* pinned number in files */
    size_t (*row_bytes)(size_t d);
    /* Encode rows first…first+n-1 of x to out [n][row_bytes]. The values are finite already. A
     * value the codec cannot hold is BAD_ARG with row (as in x), column and value. */
    kith_status (*encode)(kith_rows x, size_t first, size_t n, size_t d, void *out);
    /* Decode n rows, stride bytes apart, exactly: out [n][d]. */
    void (*decode)(const void *rows, size_t stride, size_t n, size_t d, float *out);
} ki_codec;

const ki_codec *ki_codec_at(size_t i);              /* NULL after the last */
const ki_codec *ki_codec_find(const char *name);    /* name or alias, any case; NULL if none */
const ki_codec *ki_codec_of_file(uint32_t file_id); /* NULL if none */

/* ---- rows of any type ------------------------------------------------------------------------ */

/* Bytes of a packed row of d components; 0 for a number that is no type. */
size_t ki_dtype_bytes(kith_dtype t, size_t d);
/* Bytes from row to row: x.stride, or that of packed rows. */
size_t ki_rows_stride(kith_rows x, size_t d);

/* Rows first…first+n-1 of x as f32, out [n][d]; f64 and integers rounded to nearest. */
void ki_rows_to_f32(kith_rows x, size_t first, size_t n, size_t d, float *out);
/* Check rows before anything is stored: every value finite after rounding to f32 (a double above
 * FLT_MAX is refused too) and, for metrics that need it, not negative. what: "row" or "query".
 * BAD_ARG: "row 3, column 5 is NaN". UNSUPPORTED when BIT rows meet a metric that has no bits. */
kith_status ki_rows_check(kith_rows x, size_t d, kith_metric m, const char *what);
/* Its two halves, for work that is split: everything but the values; the values of rows first…. */
kith_status ki_rows_check_shape(kith_rows x, size_t d, kith_metric m, const char *what);
kith_status ki_rows_check_part(kith_rows x, size_t first, size_t n, size_t d, kith_metric m,
                               const char *what);
/* UNSUPPORTED by name when the pair makes no sense: "HAMMING on F32 rows…". */
kith_status ki_codec_suits(const ki_codec *c, kith_metric m);
/* True when every value of x is an integer 0…255, so that U8 keeps it losslessly. */
bool ki_rows_fit_u8(kith_rows x, size_t d);
bool ki_rows_fit_u8_part(kith_rows x, size_t first, size_t n, size_t d);

/* ---- scoring --------------------------------------------------------------------------------- */

enum { KI_SCORE_ROWS = 256 }; /* rows a call at most */

/* A query ready for one codec and metric. Borrowed by its user; its buffers are the caller's. */
typedef struct ki_prepared {
    const ki_codec *codec;
    kith_metric metric;
    double arg; /* p of LP */
    size_t d, row_bytes;
    const float *q;     /* [d], canonical query; NULL for bits */
    const void *native; /* what the slot takes: q, or the integers or bits in `space` */
    ki_op op;
    ki_scan *scan; /* NULL: rows are widened to f32 block by block, then wide_scan */
    ki_gather *gather;
    ki_scan *wide_scan;
    bool integer;  /* the slot gives int32: intervals are points */
    double norm2;  /* sum q^2 in double, rounded up a little (float rows), exact for integers */
    float *wide;   /* [KI_SCORE_ROWS][d] when scan is NULL */
    const ki_kernels *kernels;
} ki_prepared;

/* Bytes of scratch that ki_prepare wants for any query of this shape, 64-byte aligned. */
size_t ki_prepare_bytes(const ki_codec *c, kith_metric m, size_t d);
/* q: float[d], or packed bits for the Bits codec; stays borrowed while *out is used. */
void ki_prepare(const ki_codec *c, kith_metric m, double arg, size_t d, const void *q,
                void *scratch, ki_prepared *out);

/* Intervals of n <= KI_SCORE_ROWS rows, contiguous (pos NULL) or at positions of one base. lo and
 * up as float, rounded outwards: lo[i] <= key <= up[i]; NaN never comes out (-inf / +inf
 * instead). */
void ki_score(const ki_prepared *p, const void *rows, size_t stride, const uint32_t *pos, size_t n,
              float *lo, float *up);
/* True when intervals of p are points in double, given by ki_score_exact for one row instead. */
double ki_score_exact(const ki_prepared *p, const void *row);

/* The canonical key of one stored row. scratch: float[d] when the codec is not f32, else unused. */
double ki_codec_key(const ki_codec *c, kith_metric m, double arg, size_t d, const void *q,
                    const void *row, float *scratch);

#endif
