/* One query against rows: the walk over rows, shared by all slots of scan and gather. What is done
 * with a row lies in scan_float.kern.h and scan_byte.kern.h, in vectors in isa/ops_<name>.h.
 *
 * Rows are taken four at a time, a "tile": four chains of additions hide each other's latency, a
 * vector of the query is loaded once for four rows, and four horizontal sums become one transposed
 * one. A tile takes its rows from anywhere, so the same code serves
 *   scan    eight read streams, an eighth of the rows each, half of them a tile: one core gets
 *           half as much again out of memory as from one stream;
 *   gather  four positions, with later rows prefetched;
 *   visit   four addresses, whose rows are in the caches already.
 * What is missing to four rows is filled up with repeated ones: their result is written twice.
 */
#ifndef KI_SCAN_KERN_H
#define KI_SCAN_KERN_H

#include <string.h>

#include "base/compiler.h"
#include "kernel/isa/isa.h"

enum { TILE = 4, LINE = 64 };

/* The query as a tile sees it: its components, a second row of components (DOT4, GRID4), what is
 * added to each first result because it depends on the query alone, and the levels of GRID4. */
typedef struct query {
    const uint8_t *q, *q2;
    int32_t bias;
    const uint8_t *level;
    const void *const *next; /* rows to be asked for meanwhile, four for a tile; NULL: none */
} query;

/* Writes one or two 4-byte results of each of four rows of len components (or bytes). */
typedef void tile_fn(const query *k, const void *const *p, size_t len, uint8_t *out);

KI_INLINE const uint8_t *row_at(const void *row, size_t i)
{
    return (const uint8_t *)row + i;
}

/* The lines of the next rows that begin in bytes at … at + step. */
KI_INLINE void ask_next(const query *k, size_t at, size_t step)
{
    if (!k->next) return;
    for (size_t i = (at + LINE - 1) / LINE * LINE; i < at + step; i += LINE)
        for (int r = 0; r < TILE; r++) KI_PREFETCH_L2(row_at(k->next[r], i));
}

/* The last line of the next rows, where it is not sure to begin in a whole vector. */
KI_INLINE void ask_last(const query *k, size_t row_bytes)
{
    if (!k->next || row_bytes % LINE == 0) return;
    for (int r = 0; r < TILE; r++) KI_PREFETCH_L2(row_at(k->next[r], row_bytes - 1));
}

/* width: results of a row. Streams are `part` rows each; the last begin so early that they end with
 * row n, overlapping those before them, and no remainder is left over. The lines that a stream will
 * need 1 KiB later are asked for, across the ends of pages, where the processor stops doing so by
 * itself. */
enum { STREAMS = 8, STREAMS_ROWS = 32, STREAM_AHEAD = 1024 };

KI_INLINE void scan_tiles(tile_fn *tile, size_t width, const query *k, const void *rows,
                          size_t stride, size_t n, size_t row_bytes, size_t len, void *out)
{
    const size_t size = 4 * width, streams = n < STREAMS_ROWS ? TILE : STREAMS;
    const size_t part = n < STREAMS_ROWS ? (n + TILE - 1) / TILE : (n + STREAMS - 1) / STREAMS;
    size_t ahead = 0, lines = 0; // how far ahead, and how many bytes of a row
    uint8_t sums[TILE * 8];
    const void *p[STREAMS];
    uint8_t *to[STREAMS];

    for (size_t s = 0; s < streams; s++) {
        const size_t begin = s * part < n - part ? s * part : n - part;
        p[s] = row_at(rows, begin * stride);
        to[s] = (uint8_t *)out + begin * size;
    }
    if (n >= STREAMS_ROWS) {
        ahead = (STREAM_AHEAD + stride - 1) / stride * stride;
        if (part * stride > 2 * ahead) lines = row_bytes;
    }
    for (size_t i = 0; i < part; i++)
        for (size_t g = 0; g < streams; g += TILE) {
            for (size_t s = g; s < g + TILE; s++)
                for (size_t at = 0; at < lines; at += LINE)
                    KI_PREFETCH(row_at(p[s], ahead + at));
            tile(k, p + g, len, sums);
            for (size_t s = g; s < g + TILE; s++) {
                memcpy(to[s], sums + (s - g) * size, size);
                to[s] += size;
                p[s] = row_at(p[s], stride);
            }
        }
}

/* Rows in flight: about 4 KiB, 4 to 32 rows ahead of use; of a long row the head, whose use sets
 * off the processor's own prefetching. */
enum { AHEAD_BYTES = 4096, AHEAD_MIN = 4, AHEAD_MAX = 32, LINES_MAX = 8 };

KI_INLINE void prefetch_row(const uint8_t *row, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += LINE) KI_PREFETCH_L2(row + at);
    KI_PREFETCH_L2(row + bytes);
}

KI_INLINE void gather_tiles(tile_fn *tile, size_t width, const query *k, const void *rows,
                            size_t stride, const uint32_t *pos, size_t n, size_t row_bytes,
                            size_t len, void *out)
{
    const size_t size = 4 * width;
    const size_t bytes = row_bytes <= LINE * LINES_MAX ? row_bytes - 1 : LINE * LINES_MAX - 1;
    size_t ahead = AHEAD_BYTES / (bytes + 1), next = 0;
    uint8_t sums[TILE * 8];
    const void *p[TILE];

    ahead = ahead < AHEAD_MIN ? AHEAD_MIN : ahead > AHEAD_MAX ? AHEAD_MAX : ahead;
    for (size_t i = 0; i < n; i += TILE) {
        for (; next < n && next < i + TILE + ahead; next++)
            prefetch_row(row_at(rows, pos[next] * stride), bytes);
        for (size_t s = 0; s < TILE; s++)
            p[s] = row_at(rows, pos[i + s < n ? i + s : n - 1] * stride);
        tile(k, p, len, sums);
        for (size_t s = 0; s < TILE; s++)
            memcpy((uint8_t *)out + (i + s < n ? i + s : n - 1) * size, sums + s * size, size);
    }
}

KI_INLINE void visit_tiles(tile_fn *tile, size_t width, const query *k, const void *const *rows,
                           const void *const *next, size_t n, size_t row_bytes, size_t len,
                           void *out)
{
    const size_t size = 4 * width;
    uint8_t sums[TILE * 8], *to = out;
    const void *p[TILE], *rest[TILE];
    query asking = *k;

    for (asking.next = next; n >= TILE; n -= TILE) {
        ask_last(&asking, row_bytes);
        tile(&asking, rows, len, to);
        rows += TILE;
        to += TILE * size;
        if (asking.next) asking.next += TILE;
    }
    if (n == 0) return;
    for (size_t s = 0; s < TILE; s++) {
        p[s] = rows[s < n ? s : n - 1];
        if (asking.next) rest[s] = asking.next[s < n ? s : n - 1];
    }
    if (asking.next) asking.next = rest;
    ask_last(&asking, row_bytes);
    tile(&asking, p, len, sums);
    memcpy(to, sums, n * size);
}

#endif
