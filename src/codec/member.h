/* What the members of the codec table share: their declarations, and a caller's rows as runs of f32
 * pieces small enough for the stack. */
#ifndef KI_MEMBER_H
#define KI_MEMBER_H

#include "codec/codec.h"

#define KI_CODEC(member) extern const ki_codec ki_codec_##member;
#include "codec/table.def"
#undef KI_CODEC

/* Of a scalar quantiser that has learned (sq.c). */
void ki_sq_share(const ki_codec *c);
void ki_sq_release(const ki_codec *c);

/* n rows as runs of components without gaps: one run when the rows are packed, else one a row. */
typedef struct ki_runs {
    const uint8_t *at; /* the first run */
    size_t stride;     /* bytes from run to run */
    size_t count, len; /* runs, components of each */
} ki_runs;
ki_runs ki_rows_runs(kith_rows x, size_t first, size_t n, size_t d);

enum { KI_PIECE = 512 }; /* components that are converted at once; a multiple of 8 */

/* Components at…at+n-1 of a run as f32. Of BIT: at is a multiple of 8. */
void ki_run_f32(const void *run, kith_dtype t, size_t at, size_t n, float *out);

/* How a member narrows floats: what ki_encode_narrowed needs to know of it. */
typedef struct ki_narrowing {
    kith_dtype native; /* rows of this type are copied */
    size_t width;      /* bytes of a stored component */
    /* Index of the first value that cannot be held, n if none; NULL: any finite one can. */
    size_t (*find_bad)(const float *src, size_t n);
    void (*narrow)(const float *src, size_t n, void *out);
    const char *refusal; /* the end of the sentence "row 3, column 5: 0.37 …" */
} ki_narrowing;

/* The encode of members whose rows are d components of `width` bytes. */
kith_status ki_encode_narrowed(const ki_narrowing *how, kith_rows x, size_t first, size_t n,
                               size_t d, void *out);

#endif
