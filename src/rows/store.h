/* The inside of the row store: views, the slots that publish them, the change under way. Private to
 * rows/.
 *
 * Invariants of a view v (ki_view_check):
 *   1. codes has n elements of row_bytes; ids, when there is one, n ids; all chunks below n exist.
 *   2. live = n - the removed bits set; bits at or beyond n are clear.
 *   3. Ids of live rows are unique, none is KITH_NO_ID, each is found; next_id is larger than all
 *      that were ever used, or KITH_NO_ID when none is left.
 *   4. Labels found by position are found by text.
 *   5. scan[] has one entry a chunk or none at all; an entry's first n rows obey
 *      ki_scancode_holds. */
#ifndef KI_STORE_H
#define KI_STORE_H

#include <pthread.h>
#include <stdalign.h>

#include "rows/idmap.h"
#include "rows/labels.h"

enum { KI_VIEW_SLOTS = 1024 };

/* owns: all members, a reference each. The public columns of ki_view are the same pointers. */
struct ki_view_private {
    ki_env *env;
    ki_column *codes, *ids, *removed, *scans; /* scans: the memory behind scan[], or NULL */
    ki_scan_chunk *scan;                      /* [scan_room] */
    size_t scan_room;
    ki_idmap idmap;
    ki_labels labels;
    bool adaptive, scan_wanted;
    /* The codec of the table that learns, and how; NULL: rows are as they are. While it has not
     * learned there are fewer than KI_LEARN_ROWS rows, and they are F32. */
    const ki_codec *wanted;
    double params[KI_CODEC_PARAMS];
    uint32_t slot;
    /* Readers that gave the view back minus readers that took it: below zero only once it is no
     * longer the current one, and then who brings it to zero frees it. */
    _Atomic int64_t balance;
};

/* A view without rows, and one that shares all that another has. */
kith_status ki_view_create(ki_env *env, const ki_codec *codec, size_t d, kith_metric m, double arg,
                           ki_view **out);
kith_status ki_view_copy(const ki_view *from, ki_view **out);
void ki_view_free(ki_view *v); /* NULL is fine */
/* Rows of this codec from now on; a reference is taken. */
void ki_view_recode(ki_view *v, const ki_codec *codec);
/* Let the public columns show what the private ones are. */
void ki_view_show(ki_view *v);
size_t ki_view_chunks(const ki_view *v);

/* Where readers find the current view: the high bits of `current` are its slot, the low ones count
 * the readers that took it since it was published. */
typedef struct ki_slots {
    _Atomic uint64_t current;
    alignas(64) _Atomic(ki_view *) view[KI_VIEW_SLOTS]; /* NULL: free; read beside a busy word */
} ki_slots;

bool ki_slots_free(const ki_slots *slots, uint32_t *slot); /* false when all are taken */
const ki_view *ki_slots_current(const ki_slots *slots);    /* for the writer: it stays */
void ki_slots_publish(ki_slots *slots, ki_view *v, uint32_t slot);

struct ki_change {
    ki_rows *rows;
    const ki_view *base; /* what was published last; stays until commit */
    ki_view *next;       /* what commit publishes */
    ki_view *before;     /* owned: what compact poured from; NULL: nothing was compacted */
    uint32_t slot;       /* kept free for next */
    uint32_t inserted;   /* positions that may have gone into base's id table end here */
    uint32_t label_mark;
    bool failed;
};

struct ki_rows {
    ki_env *env;
    ki_slots *slots;
    uint64_t serial;        /* tells stores apart, also after they are gone */
    pthread_mutex_t writer; /* guards all below */
    uint64_t expect;        /* rows that will come: ki_change_expect */
    ki_change change;
};

/* A store that publishes v, which it takes over. */
kith_status ki_rows_adopt(ki_env *env, ki_view *v, ki_rows **out);

/* scanchunk.c: memory for the scan code of cap rows that begins with what `from` has. */
kith_status ki_scan_chunk_create(ki_env *env, uint32_t cap, size_t d, const ki_scan_chunk *from,
                                 ki_scan_chunk *out, ki_chunk **block);
/* The scan code of the rows from n0 on. */
kith_status ki_change_scan(ki_change *c, uint32_t n0, uint32_t threads, ki_progress *p);
/* change.c: mark a live row as removed; take back what base's shared tables got since begin. */
kith_status ki_change_bury(ki_change *c, uint32_t pos);
void ki_change_unlink(ki_change *c);

#endif
