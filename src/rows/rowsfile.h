/* The sections that rows are written to and read from; docs/FORMAT.md, "Sections of rows",
 * describes their bytes. Private to rows/. */
#ifndef KI_ROWSFILE_H
#define KI_ROWSFILE_H

#include "base/blob.h"

/* Chunks are used as they lie in the file. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "little-endian machines only");

#define KI_SECTION_ROWS       KI_FOUR('R', 'O', 'W', 'S') /* what the rows are: ki_rows_head */
#define KI_SECTION_LEARNED    KI_FOUR('C', 'L', 'R', 'N') /* what the codec learned */
#define KI_SECTION_CODES      KI_FOUR('C', 'O', 'D', 'E')
#define KI_SECTION_IDS        KI_FOUR('I', 'D', 'S', ' ')
#define KI_SECTION_BY_ID      KI_FOUR('I', 'D', 'P', 'O')
#define KI_SECTION_REMOVED    KI_FOUR('G', 'O', 'N', 'E')
#define KI_SECTION_LABEL_AT   KI_FOUR('L', 'O', 'F', 'F')
#define KI_SECTION_LABELS     KI_FOUR('L', 'T', 'X', 'T')
#define KI_SECTION_BY_LABEL   KI_FOUR('L', 'P', 'O', 'S')
#define KI_SECTION_CENTRES    KI_FOUR('S', 'C', 'E', 'N')
#define KI_SECTION_TERMS      KI_FOUR('S', 'T', 'R', 'M')
#define KI_SECTION_SCAN_CODES KI_FOUR('S', 'C', 'O', 'D')

enum { KI_ROWS_VERSION = 1, KI_ROWS_HEAD = 80, KI_ROWS_SCAN_ENTRY = 12 };

/* Flags of the head. */
enum { KI_ROWS_ADAPTIVE = 1, KI_ROWS_SCAN = 2, KI_ROWS_OWN_IDS = 4, KI_ROWS_FLAGS = 7 };

/* The fixed part of ROWS; a scan entry (rows that have a code, largest error, largest rest) a
 * chunk follows. */
typedef struct ki_rows_head {
    uint32_t version, codec, metric, flags;
    uint64_t d;
    double arg;
    uint32_t n, live;
    int64_t first_id, next_id;
    uint32_t labelled, scan_chunks; /* live rows that have a label; chunks of the scan code */
    uint64_t text_len;              /* of LTXT */
    uint64_t later;                 /* 0; for what later versions say */
} ki_rows_head;

#endif
