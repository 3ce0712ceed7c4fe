/* id → position for rows with ids of their own. Private to rows/.
 *
 * Two parts: positions sorted by id as a file has them (mapped, searched by halving), and a hash
 * table of the positions that came later. The table holds positions only and compares the ids
 * column, so one table serves all views that share it: a reader passes over positions at or beyond
 * its n and over rows that its view calls removed. Slots are never emptied but by the abort of the
 * change that filled them; a table that gets full is replaced by a new one, without the removed
 * rows. */
#ifndef KI_IDMAP_H
#define KI_IDMAP_H

#include "rows/column.h"

typedef struct ki_idtable ki_idtable;

/* owns: a reference on each part. Zeroed is a valid empty one. */
typedef struct ki_idmap {
    ki_idtable *table;     /* NULL: no row came later */
    const uint8_t *sorted; /* u32 [sorted_n], rows live when saved, by id; any alignment */
    uint32_t sorted_n, base; /* base: positions the file had */
    ki_mapping *map; /* of sorted */
    uint64_t passed; /* removed rows that the writer's searches met; the writer's alone */
} ki_idmap;

void ki_idmap_share(const ki_idmap *m, ki_idmap *out);
void ki_idmap_release(ki_idmap *m);

/* The live row with this id among positions below n. passed counts, may be NULL. */
bool ki_idmap_find(const ki_idmap *m, const ki_column *ids, const ki_column *removed, uint32_t n,
                   int64_t id, uint32_t *pos, uint64_t *passed);
/* Room for `more` insertions beyond the n positions there are, so that they cannot fail. */
kith_status ki_idmap_reserve(ki_idmap *m, ki_env *env, const ki_column *ids,
                             const ki_column *removed, uint32_t n, uint32_t more);
/* This id will be asked for soon. */
void ki_idmap_prefetch(const ki_idmap *m, int64_t id);
/* ids holds id at pos already, and no live row has it. */
void ki_idmap_insert(ki_idmap *m, int64_t id, uint32_t pos);
/* Take back the insertions of positions from…to-1, the latest there are. */
void ki_idmap_undo(ki_idmap *m, const ki_column *ids, uint32_t from, uint32_t to);
size_t ki_idmap_bytes(const ki_idmap *m);

#endif
