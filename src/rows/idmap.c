/* id → position: the sorted part of a file and the hash table of what came later. Linear probing,
 * two thirds full at most (a miss costs about 5 probes). An id that is replaced again and again
 * leaves its old positions in the way of its own searches; when these have passed over as many as
 * there are positions, the table is rebuilt without them, so that a change costs
 * O(sqrt(positions)) at worst. */
#include "rows/idmap.h"

#include "base/rng.h"

#include <string.h>

/* A slot holds position + 1, 0 = empty. Readers meet slots that the writer fills: relaxed is
 * enough, because a position that counts in a view was inserted before the view was published. */
struct ki_idtable {
    atomic_size_t refs;
    ki_env *env;
    uint32_t cap, used; // used: the writer's
    _Atomic uint32_t slot[];
};

enum { LEAST = 32 };

static size_t table_bytes(uint64_t cap)
{
    return sizeof(ki_idtable) + (size_t)cap * sizeof(uint32_t);
}

static kith_status table_create(ki_env *env, uint64_t cap, ki_idtable **out)
{
    ki_idtable *t;

    ki_assert(cap <= UINT32_MAX);
    t = ki_zeros(env, 1, table_bytes(cap));
    if (!t) return KITH_NO_MEMORY;
    atomic_init(&t->refs, 1);
    t->env = env;
    t->cap = (uint32_t)cap;
    *out = t;
    return KITH_OK;
}

static void table_release(ki_idtable *t)
{
    // Release our reads to whoever frees, who acquires them.
    if (!t || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) > 1) return;
    ki_release(t->env, t, 1, table_bytes(t->cap));
}

void ki_idmap_share(const ki_idmap *m, ki_idmap *out)
{
    *out = *m;
    if (m->table) atomic_fetch_add_explicit(&m->table->refs, 1, memory_order_relaxed);
    (void)ki_mapping_share(m->map);
}

void ki_idmap_release(ki_idmap *m)
{
    table_release(m->table);
    ki_mapping_release(m->map);
    *m = (ki_idmap){0};
}

/* ---- find ------------------------------------------------------------------------------------ */

/* The high half of a mixed id times the capacity: any capacity will do, not only powers of two. */
static uint32_t home(const ki_idtable *t, int64_t id)
{
    return (uint32_t)(((ki_mix64((uint64_t)id) >> 32) * t->cap) >> 32);
}

static uint32_t after(const ki_idtable *t, uint32_t at)
{
    return at + 1 < t->cap ? at + 1 : 0;
}

static uint32_t slot_at(const ki_idtable *t, uint32_t at)
{
    return atomic_load_explicit(&t->slot[at], memory_order_relaxed);
}

static void slot_set(ki_idtable *t, uint32_t at, uint32_t value)
{
    atomic_store_explicit(&t->slot[at], value, memory_order_relaxed);
}

static bool table_find(const ki_idtable *t, const ki_column *ids, const ki_column *removed,
                       uint32_t n, int64_t id, uint32_t *pos, uint64_t *passed)
{
    uint32_t slot;

    for (uint32_t at = home(t, id); (slot = slot_at(t, at)) != 0; at = after(t, at)) {
        const uint32_t p = slot - 1;

        if (p >= n || ki_column_id(ids, p) != id) continue;
        if (!ki_column_removed(removed, p)) {
            *pos = p;
            return true;
        }
        if (passed) ++*passed;
    }
    return false;
}

/* Positions come from a file that may be damaged: one that is not below base ends the search. */
static bool sorted_find(const ki_idmap *m, const ki_column *ids, int64_t id, uint32_t *pos)
{
    uint32_t lo = 0, hi = m->sorted_n;

    while (lo < hi) {
        const uint32_t mid = lo + (hi - lo) / 2, p = ki_le32(m->sorted + 4 * (size_t)mid);
        int64_t there;

        if (p >= m->base) return false;
        there = ki_column_id(ids, p);
        if (there == id) {
            *pos = p;
            return true;
        }
        if (there < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return false;
}

bool ki_idmap_find(const ki_idmap *m, const ki_column *ids, const ki_column *removed, uint32_t n,
                   int64_t id, uint32_t *pos, uint64_t *passed)
{
    if (m->table && table_find(m->table, ids, removed, n, id, pos, passed)) return true;
    return sorted_find(m, ids, id, pos) && *pos < n && !ki_column_removed(removed, *pos);
}

void ki_idmap_prefetch(const ki_idmap *m, int64_t id)
{
    if (m->table) KI_PREFETCH(&m->table->slot[home(m->table, id)]);
}

/* ---- change ---------------------------------------------------------------------------------- */

static void table_insert(ki_idtable *t, int64_t id, uint32_t pos)
{
    uint32_t at = home(t, id);

    while (slot_at(t, at) != 0) at = after(t, at);
    slot_set(t, at, pos + 1);
    t->used++;
}

void ki_idmap_insert(ki_idmap *m, int64_t id, uint32_t pos)
{
    ki_assert(m->table && (uint64_t)m->table->used * 3 < (uint64_t)m->table->cap * 2);
    table_insert(m->table, id, pos);
}

kith_status ki_idmap_reserve(ki_idmap *m, ki_env *env, const ki_column *ids,
                             const ki_column *removed, uint32_t n, uint32_t more)
{
    const uint64_t behind = (uint64_t)n - m->base;
    ki_idtable *t = m->table;
    uint64_t cap = t ? t->cap : 0, later = more + behind / 8;
    kith_status st;

    if (t && ((uint64_t)t->used + more) * 3 <= cap * 2 && m->passed <= cap + behind) return KITH_OK;
    for (uint32_t pos = m->base; pos < n; pos++) later += !ki_column_removed(removed, pos);
    // Half full at most unless all comes at once, and room for an eighth of the positions that a
    // rebuild passes over: the next one is far.
    if (later * 2 > cap) cap = later + later / 2 > 2 * cap ? later + later / 2 : 2 * cap;
    if (cap < LEAST) cap = LEAST;
    if (cap > UINT32_MAX) cap = UINT32_MAX;
    st = table_create(env, cap, &t);
    if (st != KITH_OK) return st;
    for (uint32_t pos = m->base; pos < n; pos++)
        if (!ki_column_removed(removed, pos)) table_insert(t, ki_column_id(ids, pos), pos);
    table_release(m->table);
    m->table = t;
    m->passed = 0;
    return KITH_OK;
}

/* Latest first: whatever lies on the way to a slot was there before it. */
void ki_idmap_undo(ki_idmap *m, const ki_column *ids, uint32_t from, uint32_t to)
{
    ki_idtable *t = m->table;

    if (!t) return;
    for (uint32_t pos = to; pos-- > from;) {
        uint32_t at = home(t, ki_column_id(ids, pos)), slot;

        while ((slot = slot_at(t, at)) != 0 && slot != pos + 1) at = after(t, at);
        if (slot == 0) continue; // it went into a table that replaced this one
        slot_set(t, at, 0);
        t->used--;
    }
}

size_t ki_idmap_bytes(const ki_idmap *m)
{
    return (m->table ? table_bytes(m->table->cap) : 0) + 4 * (size_t)m->sorted_n;
}
