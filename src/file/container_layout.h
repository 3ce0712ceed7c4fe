/* The fixed parts of our file, for the reader and the writer of this folder: docs/FORMAT.md in C.
 *
 *     head (64) | sections, each after zeros up to its alignment | sums | table | tail (16)
 *
 * The head says how long everything is, so that it can be written first; checksums stand at the
 * end, where a writer that streams knows them. */
#ifndef KI_CONTAINER_LAYOUT_H
#define KI_CONTAINER_LAYOUT_H

#include <stdatomic.h>

#include "base/env.h"

#define KI_FILE_MAGIC "kith\r\n\x1a\n"    /* a text-mode transfer spoils it */
#define KI_FILE_END   0x646e65206874696bu /* "kith end" */

enum {
    KI_FILE_VERSION = 1,
    KI_FILE_HEAD = 64,
    KI_FILE_ENTRY = 64,
    KI_FILE_TAIL = 16,
    KI_FILE_BLOCK = 65536,    /* of a row section under one sum */
    KI_FILE_SECTIONS = 4096,  /* at most */
    KI_FILE_ALIGN = 64,       /* of every section, of sums and table */
    KI_FILE_ALIGN_MAX = 65536 /* no gap is longer */
};

/* An entry of the table, in memory. */
typedef struct ki_section {
    uint32_t type, part;
    uint64_t at, len;
    uint64_t sums_at; /* rows: one XXH3 a block of the section, 8 bytes each */
    uint64_t sum;     /* XXH3 of the section; rows: of its sums */
    bool rows;
    atomic_bool damaged; /* in a file opened for repair: nobody gets its bytes */
} ki_section;

/* One past the last address a file may have: sums of lengths below it cannot overflow. */
#define KI_FILE_MAX ((uint64_t)1 << 62)

static inline uint64_t ki_round_up(uint64_t n, uint64_t align) /* align: a power of two */
{
    return (n + align - 1) & ~(align - 1);
}

/* Where sections of this length start: what is read through a map lies on pages of its own, what is
 * small wastes little. */
static inline uint64_t ki_section_align(uint64_t len)
{
    if (len >= (uint64_t)1 << 20) return KI_FILE_ALIGN_MAX;
    return len >= KI_FILE_BLOCK ? 4096 : KI_FILE_ALIGN;
}

static inline uint64_t ki_section_blocks(const ki_section *s)
{
    return s->rows ? s->len / KI_FILE_BLOCK + (s->len % KI_FILE_BLOCK != 0) : 0;
}

#endif
