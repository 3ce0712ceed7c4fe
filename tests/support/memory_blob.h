/* Sections in memory: a blob writer and reader without a file, for tests of what writes sections. A
 * test may look at the bytes and damage them. */
#ifndef MEMORY_BLOB_H
#define MEMORY_BLOB_H

#include "base/blob.h"

enum { MEMORY_SECTIONS = 32 };

typedef struct memory_section {
    uint32_t type, part;
    bool rows;
    uint8_t *bytes; /* [len], at an address that is `shift` behind a multiple of 64 */
    uint8_t *block;
    uint64_t len, put;
} memory_section;

typedef struct memory_blob {
    ki_blob_writer writer;
    ki_blob_reader reader;
    memory_section section[MEMORY_SECTIONS];
    size_t count, shift;
    size_t fail_put; /* the call of put that fails with IO, 1 = the first; 0 = none */
    size_t puts;
    bool open, planning;
    atomic_size_t shares;
} memory_blob;

void memory_blob_init(memory_blob *b);
void memory_blob_deinit(memory_blob *b);
/* The section of this type, NULL if there is none. */
memory_section *memory_blob_find(memory_blob *b, uint32_t type);
/* For ki_rows_open: counts who keeps the bytes. */
void memory_blob_share(void *blob);
void memory_blob_release(void *blob);

#endif
