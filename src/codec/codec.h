/* How rows are stored: a codec turns a caller's row into the bytes that searches touch, and back.
 * Members are joined by table.def. Most keep values as they are or round each by itself. Others
 * learn from rows first (`learn`): the member in the table is then a pattern without rows, and what
 * it learned is an object of its own, a codec again, shared by the views whose rows it made.
 *
 * Scoring. ki_prepare makes a query ready for rows of one codec under one metric: it picks the
 * kernel slot once; ki_score gives for a run of rows proven intervals that hold each row's
 * canonical key (ki_canon_*), so that callers drop what cannot answer and recompute only what they
 * cannot decide. Integer codecs with an integer query give the key itself: lo == up. */
#ifndef KI_CODEC_H
#define KI_CODEC_H

#include "base/blob.h"
#include "base/env.h"
#include "base/param.h"
#include "base/threads.h"
#include "kernel/kernel.h"

enum {
    KI_CODEC_PARAMS = 4, /* of a codec, at most */
    KI_LEARN_ROWS = 1024 /* rows that a codec learns from by itself, at least */
};

typedef struct ki_codec ki_codec;

/* Rows to learn from. */
typedef struct ki_lesson {
    size_t n, d;
    kith_metric metric;
    /* Rows first…first+n-1 as f32, out [n][d]. */
    void (*take)(const void *ctx, size_t first, size_t n, float *out);
    const void *ctx;
    ki_progress *progress; /* only polled; may be NULL */
} ki_lesson;

/* What scalar quantisers learn: component j is low[j] + step[j] * code, each operation rounded to
 * f32, codes 0…most. Every code is what its value is coded to again. */
typedef struct ki_grid {
    const float *low, *step; /* [d]; step > 0 */
    uint32_t bits, most;     /* of a code; 2^bits - 1 */
    bool uniform;            /* all components have the same low and step */
} ki_grid;

struct ki_codec {
    const char *name;    /* in specs: "F32", "U8" … */
    const char *aliases; /* comma-separated: "Flat" for F32 */
    const char *about;
    kith_dtype dtype; /* of what is stored, or of what it is decoded to where only c reads it */
    ki_type type;     /* of the kernels' slots */
    uint32_t file_id; /* pinned number in files */
    size_t (*row_bytes)(size_t d);
    /* Encode rows first…first+n-1 of x to out [n][row_bytes]. The values are finite already. A
     * value the codec cannot hold is BAD_ARG with row (as in x), column and value. */
    kith_status (*encode)(const ki_codec *c, kith_rows x, size_t first, size_t n, size_t d,
                          void *out);
    /* Decode n rows, stride bytes apart, exactly: out [n][d]. */
    void (*decode)(const ki_codec *c, const void *rows, size_t stride, size_t n, size_t d,
                   float *out);
    /* Of codecs that learn; else NULL and no parameters. */
    ki_param_table params;
    /* A codec for rows like these. It depends on them and their order alone. */
    kith_status (*learn)(const ki_codec *c, ki_env *env, const ki_lesson *rows,
                         const double *params, const ki_codec **out);
    const ki_grid *grid; /* what was learned; NULL: nothing yet */
};

static inline kith_status ki_codec_encode(const ki_codec *c, kith_rows x, size_t first, size_t n,
                                          size_t d, void *out)
{
    return c->encode(c, x, first, n, d, out);
}

static inline void ki_codec_decode(const ki_codec *c, const void *rows, size_t stride, size_t n,
                                   size_t d, float *out)
{
    c->decode(c, rows, stride, n, d, out);
}

/* Take and give back a reference to what was learned; nothing happens to members of the table and
 * to NULL. */
const ki_codec *ki_codec_share(const ki_codec *c);
void ki_codec_release(const ki_codec *c);
/* Whether rows of c have to be learned for, and were not yet. */
static inline bool ki_codec_unlearned(const ki_codec *c)
{
    return c->learn && !c->grid;
}
/* What was learned as bytes of a section, and from them; CORRUPT says what is wrong. 0 bytes: c
 * learns nothing. */
size_t ki_codec_learned_bytes(const ki_codec *c, size_t d);
void ki_codec_put_learned(const ki_codec *c, size_t d, uint8_t *out);
kith_status ki_codec_read_learned(const ki_codec *c, ki_env *env, size_t d, kith_metric m,
                                  ki_span bytes, const ki_codec **out);

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

enum { KI_SCORE_ROWS = 4096 }; /* rows a call at most */

/* A row whose canonical key lies in lo … lo + wide; wide = 0: the key is lo. Nothing known is
 * -DBL_MAX … +inf. Neither member is ever NaN. */
typedef struct ki_scored {
    double lo;
    float wide;
    uint32_t pos;
} ki_scored;

static inline double ki_scored_up(const ki_scored *s)
{
    return s->lo + (double)s->wide;
}

/* How the numbers of a slot bound the key; score.c proves each. */
typedef enum ki_rule {
    KI_RULE_SUM,         /* float sum of terms >= 0: L2, L1, LINF, CANBERRA */
    KI_RULE_DOT,         /* floats of DOT2, for IP */
    KI_RULE_COSINE,      /* floats of DOT2 with the query at length 1 */
    KI_RULE_BRAY,        /* floats of BRAY2 */
    KI_RULE_JACCARD,     /* floats of MINMAX2 */
    KI_RULE_INT_SUM,     /* integers that are the key: L2, L1, HAMMING */
    KI_RULE_INT_DOT,     /* integers of IP */
    KI_RULE_INT_COSINE,  /* integers of DOT2 */
    KI_RULE_INT_JACCARD, /* integers of ANDOR2 */
    KI_RULE_CANON /* no slot bounds it: every row's key by the definition (LP, JENSEN_SHANNON,
                         queries so long that a slot could overflow) */
} ki_rule;

/* A query ready for one codec and metric: it is read-only and shared by threads. Borrows q and its
 * scratch. */
typedef struct ki_prepared {
    const ki_codec *codec;
    kith_metric metric;
    double arg; /* p of LP */
    size_t d;
    const void *q;      /* canonical: float[d], or packed bits */
    const void *native; /* what the slot takes */
    ki_scan *scan;
    ki_gather *gather; /* NULL: rows are widened to f32 first */
    ki_rule rule;
    double gamma; /* relative error of a slot's sum */
    double norm;  /* |q|, rounded up; integers: its square, exact */
} ki_prepared;

/* Bytes of scratch for ki_prepare (one a query) and for scoring (one a thread: the same for all
 * queries of a shape), 64-byte aligned. */
size_t ki_prepare_bytes(const ki_codec *c, kith_metric m, size_t d);
size_t ki_score_bytes(const ki_codec *c, kith_metric m, size_t d);
/* q: float[d], or packed bits for the Bits codec. */
void ki_prepare(const ki_codec *c, kith_metric m, double arg, size_t d, const void *q,
                void *scratch, ki_prepared *out);
/* The rows among n <= KI_SCORE_ROWS, contiguous (pos NULL) or at pos[i], whose key may be <= tau:
 * out [n] gets their intervals with .pos = first + i (or first + pos[i]); returns how many. Each
 * row left out has a key > tau. */
size_t ki_score(const ki_prepared *p, void *work, const void *rows, size_t stride,
                const uint32_t *pos, uint32_t first, size_t n, double tau, ki_scored *out);
/* True when integer slots take the query, and so ki_score gives keys, not intervals. */
bool ki_prepared_integer(const ki_prepared *p);
/* The canonical key of COSINE from sums that are exact: <q,x>, |q|^2, |x|^2. */
double ki_cosine_key(double dot, double q2, double x2);

/* The canonical key of one stored row. work: of ki_score_bytes. */
double ki_codec_key(const ki_codec *c, kith_metric m, double arg, size_t d, const void *q,
                    const void *row, void *work);
/* The canonical keys of n rows given by address: several sums run side by side, each in index
 * order, so the keys are those of ki_codec_key. */
void ki_codec_keys(const ki_codec *c, kith_metric m, double arg, size_t d, const void *q,
                   const void *const *rows, size_t n, void *work, double *key);

#endif
