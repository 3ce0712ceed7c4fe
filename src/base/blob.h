/* Sections of a file as an interface: codecs, rows and navigators write and read themselves with it
 * and know no files. file/ implements it. A section is named by (type, part); part is 0 today. */
#ifndef KI_BLOB_H
#define KI_BLOB_H

#include "base/env.h"

/* Section types: four letters, little-endian, so that a dump shows them. Each is written by one
 * module, named beside it. docs/FORMAT.md describes their bytes. */
#define KI_FOUR(a, b, c, d)                                                                        \
    ((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16 | (uint32_t)(d) << 24)

/* Where sections go, in one pass. Calls come as begin, put…, end, for each section in turn; the sum
 * of what is put must be len. */
typedef struct ki_blob_writer ki_blob_writer;
struct ki_blob_writer {
    /* rows: a large section of row data, checked block by block (one XXH3 per 64 KiB). */
    kith_status (*begin)(ki_blob_writer *w, uint32_t type, uint32_t part, uint64_t len, bool rows);
    kith_status (*put)(ki_blob_writer *w, const void *bytes, size_t len);
    kith_status (*end)(ki_blob_writer *w);
};

/* What a file holds. Spans stay valid as long as the reader's owner (the open file) does. */
typedef struct ki_blob_reader ki_blob_reader;
struct ki_blob_reader {
    /* *out: the section's bytes, checked already unless it is a row section and the file was opened
     * without KITH_OPEN_VERIFY. Absent: *out = {NULL, 0} and OK. Sections start 64-byte aligned,
     * from 64 KiB on 4 KiB aligned, from 1 MiB on 64 KiB aligned, when the underlying bytes do. */
    kith_status (*find)(const ki_blob_reader *r, uint32_t type, uint32_t part, ki_span *out);
};

/* find, but CORRUPT names the section when it is absent. */
kith_status ki_blob_need(const ki_blob_reader *r, uint32_t type, uint32_t part, ki_span *out);
/* begin, put, end of one span. */
kith_status ki_blob_put_whole(ki_blob_writer *w, uint32_t type, uint32_t part, const void *bytes,
                              size_t len, bool rows);
/* "CODE" of a type, for sentences: out has 5 bytes; bytes that do not print become '?'. */
const char *ki_blob_name(uint32_t type, char out[5]);

#endif
