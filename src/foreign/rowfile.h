/* What most vector files are: a head, then rows of equal length, row after row or column after
 * column. A format parses its head into a ki_layout; reading in batches is done here, once. */
#ifndef KI_ROWFILE_H
#define KI_ROWFILE_H

#include "foreign/foreign.h"

/* Component types of files. Those kith has no type for are widened without loss. */
typedef enum ki_element {
    KI_EL_F16,
    KI_EL_F32,
    KI_EL_F64,
    KI_EL_I8,
    KI_EL_U8,
    KI_EL_I16, /* to i32 */
    KI_EL_U16, /* to i32 */
    KI_EL_I32,
    KI_EL_U32, /* to i64 */
    KI_EL_I64,
    KI_EL_U64,  /* to i64; what does not fit is an error */
    KI_EL_BOOL, /* to u8: 0 and 1 */
    KI_ELEMENTS
} ki_element;

size_t ki_element_bytes(ki_element e);     /* in the file */
kith_dtype ki_element_dtype(ki_element e); /* what batches have */

typedef struct ki_layout {
    uint64_t at, n; /* first byte, rows */
    size_t d;
    size_t lead; /* bytes before each row: 4 = a 32-bit d, compared with d; else 0 */
    ki_element element;
    bool swap;    /* the bytes of each component are in the other order */
    bool columns; /* column after column (then lead is 0) */
} ki_layout;

/* An open file and its layout. owns: the file, its env, the batch buffers. */
typedef struct ki_rowfile {
    ki_env env;
    ki_file file;
    ki_layout layout;
    uint64_t row;  /* the next to read */
    size_t cap;    /* rows of a batch at most */
    uint8_t *raw;  /* [cap] rows as in the file; for columns one of them */
    uint8_t *rows; /* [cap] rows as handed out; NULL when raw serves */
    size_t raw_len, rows_len;
} ki_rowfile;

/* Open the file; a Git LFS pointer is refused by name. The layout is still empty. */
kith_status ki_rowfile_create(const char *path, const kith_host *host, ki_rowfile **out);
void ki_rowfile_free(ki_rowfile *r); /* NULL is fine */
/* Whether the layout lies inside the file: CORRUPT "row 812 of 1000 is cut off…". *end: the byte
 * after the last row. */
kith_status ki_rowfile_check(const ki_rowfile *r, uint64_t *end);
/* Hand r, its layout checked, over to *out. r stays the caller's on failure. */
kith_status ki_rowfile_start(ki_rowfile *r, kith_source *out);

/* Writing: rows of a source behind a head that is known when all is written. */
typedef struct ki_row_format {
    kith_dtype dtype;  /* of what is written */
    const char *holds; /* its name for sentences: "u8" */
    size_t head_len;
    /* Fill head [head_len] for n rows of d; LIMIT when the format cannot say that many. */
    kith_status (*head)(const struct ki_row_format *f, uint64_t n, size_t d, uint8_t *head);
    const char *descr; /* of .npy */
    bool lead;         /* an i32 d before each row */
} ki_row_format;
kith_status ki_rowfile_save(kith_source *src, const ki_row_format *f, const char *path,
                            const kith_host *host, const kith_watch *w);

/* Ends name in ending, letter case apart? */
bool ki_ends_in(const char *name, const char *ending);

#endif
