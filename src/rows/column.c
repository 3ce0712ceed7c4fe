/* Chunks, columns and the file they may borrow: reference counts and copy on write. */
#include "rows/column.h"

#include <string.h>

/* Taking a reference orders nothing: who takes one holds one. Giving one back releases our reads
 * and writes to whoever frees, who acquires them. */
static void take(atomic_size_t *refs)
{
    atomic_fetch_add_explicit(refs, 1, memory_order_relaxed);
}

static bool give(atomic_size_t *refs)
{
    return atomic_fetch_sub_explicit(refs, 1, memory_order_acq_rel) == 1;
}

/* Acquire: what the others who held it read is read before we write. */
static bool alone(const atomic_size_t *refs)
{
    return atomic_load_explicit(refs, memory_order_acquire) == 1;
}

/* ---- mapping --------------------------------------------------------------------------------- */

kith_status ki_mapping_create(ki_env *env, void *keep, void (*share)(void *keep),
                              void (*release)(void *keep), ki_mapping **out)
{
    ki_mapping *m = ki_array(env, 1, sizeof *m);

    if (!m) return KITH_NO_MEMORY;
    atomic_init(&m->refs, 1);
    m->env = env;
    m->keep = keep;
    m->release = release;
    if (share) share(keep);
    *out = m;
    return KITH_OK;
}

ki_mapping *ki_mapping_share(ki_mapping *m)
{
    if (m) take(&m->refs);
    return m;
}

void ki_mapping_release(ki_mapping *m)
{
    if (!m || !give(&m->refs)) return;
    if (m->release) m->release(m->keep);
    ki_release(m->env, m, 1, sizeof *m);
}

/* ---- chunks ---------------------------------------------------------------------------------- */

kith_status ki_chunk_borrow(ki_env *env, const void *bytes, uint32_t cap, size_t len,
                            ki_mapping *map, ki_chunk **out)
{
    ki_chunk *k = ki_array(env, 1, sizeof *k);

    if (!k) return KITH_NO_MEMORY;
    atomic_init(&k->refs, 1);
    k->env = env;
    k->bytes = bytes;
    k->own = NULL;
    k->len = len;
    k->cap = cap;
    k->map = ki_mapping_share(map);
    *out = k;
    return KITH_OK;
}

kith_status ki_chunk_create(ki_env *env, uint32_t cap, size_t len, ki_chunk **out)
{
    uint8_t *bytes = ki_array(env, len, 1);
    kith_status st = KITH_OK;

    KI_NEED(bytes);
    KI_TRY(ki_chunk_borrow(env, bytes, cap, len, NULL, out));
    (*out)->own = bytes;
    bytes = NULL;
out:
    ki_release(env, bytes, len, 1);
    return st;
}

ki_chunk *ki_chunk_share(ki_chunk *k)
{
    if (k) take(&k->refs);
    return k;
}

void ki_chunk_release(ki_chunk *k)
{
    if (!k || !give(&k->refs)) return;
    ki_release(k->env, k->own, k->len, 1);
    ki_mapping_release(k->map);
    ki_release(k->env, k, 1, sizeof *k);
}

/* ---- columns --------------------------------------------------------------------------------- */

static size_t column_bytes(size_t room)
{
    return sizeof(ki_column) + room * sizeof(ki_chunk *);
}

static kith_status create(ki_env *env, size_t width, bool zeroed, size_t room, ki_column **out)
{
    ki_column *col = ki_array(env, 1, column_bytes(room));

    if (!col) return KITH_NO_MEMORY;
    atomic_init(&col->refs, 1);
    col->env = env;
    col->width = width;
    col->zeroed = zeroed;
    col->count = 0;
    col->room = room;
    *out = col;
    return KITH_OK;
}

kith_status ki_column_create(ki_env *env, size_t width, bool zeroed, ki_column **out)
{
    return create(env, width, zeroed, 0, out);
}

ki_column *ki_column_share(ki_column *col)
{
    if (col) take(&col->refs);
    return col;
}

void ki_column_release(ki_column *col)
{
    if (!col || !give(&col->refs)) return;
    for (size_t c = 0; c < col->count; c++) ki_chunk_release(col->chunk[c]);
    ki_release(col->env, col, 1, column_bytes(col->room));
}

kith_status ki_column_own(ki_column **col, size_t chunks)
{
    const ki_column *old = *col;
    size_t room = old->room;
    ki_column *new;
    kith_status st;

    if (!alone(&old->refs) || room < chunks) {
        if (room < chunks) room = chunks > room + room / 4 ? chunks : room + room / 4;
        st = create(old->env, old->width, old->zeroed, room, &new);
        if (st != KITH_OK) return st;
        for (size_t c = 0; c < old->count; c++) new->chunk[c] = ki_chunk_share(old->chunk[c]);
        new->count = old->count;
        ki_column_release(*col);
        *col = new;
    }
    while ((*col)->count < chunks) (*col)->chunk[(*col)->count++] = NULL;
    return KITH_OK;
}

void ki_column_place(ki_column *col, size_t c, ki_chunk *k)
{
    ki_chunk_release(col->chunk[c]);
    col->chunk[c] = k;
}

/* A new chunk of `cap` elements at c that begins with the first `kept` of the old one. */
static kith_status renew(ki_column *col, size_t c, uint32_t cap, size_t kept)
{
    const ki_chunk *old = col->chunk[c];
    ki_chunk *k;
    const kith_status st = ki_chunk_create(col->env, cap, cap * col->width, &k);

    if (st != KITH_OK) return st;
    if (old) memcpy(k->own, old->bytes, kept * col->width);
    if (col->zeroed) memset(k->own + kept * col->width, 0, (cap - kept) * col->width);
    ki_column_place(col, c, k);
    return KITH_OK;
}

static uint64_t at_most(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

kith_status ki_column_extend(ki_column **col, uint64_t n, uint64_t more, uint64_t expect)
{
    const uint64_t end = n + more;
    kith_status st = KITH_OK;

    if (more == 0) return KITH_OK;
    for (size_t c = (size_t)(n >> KI_CHUNK_BITS); (uint64_t)c * KI_CHUNK < end; c++) {
        const uint64_t start = (uint64_t)c * KI_CHUNK;
        const ki_chunk *k = c < (*col)->count ? (*col)->chunk[c] : NULL;
        const uint64_t need = at_most(end - start, KI_CHUNK);
        uint64_t cap = need;

        if (k && k->own && k->cap >= need) continue;
        // An eighth of all rows at least: few copies when rows come one by one, little to spare.
        if (k && cap < (uint64_t)k->cap * 2) cap = (uint64_t)k->cap * 2;
        if (k && cap < n / 8) cap = n / 8;
        if (expect > start && cap < expect - start) cap = expect - start;
        KI_TRY(ki_column_own(col, c + 1));
        KI_TRY(renew(*col, c, (uint32_t)at_most(cap, KI_CHUNK),
                     k ? (size_t)at_most(n > start ? n - start : 0, k->cap) : 0));
    }
out:
    return st;
}

kith_status ki_column_write(ki_column **col, uint64_t n)
{
    kith_status st = KITH_OK;

    for (size_t c = 0; (uint64_t)c * KI_CHUNK < n; c++) {
        const ki_chunk *k = (*col)->chunk[c];

        if (k->own) continue;
        KI_TRY(ki_column_own(col, c + 1));
        KI_TRY(renew(*col, c, k->cap, k->cap));
    }
out:
    return st;
}

kith_status ki_column_edit(ki_column **col, size_t c, size_t len, void **bytes)
{
    kith_status st = KITH_OK;
    const ki_chunk *old;
    ki_chunk *k;

    KI_TRY(ki_column_own(col, c + 1));
    old = (*col)->chunk[c];
    if (!old || !old->own || !alone(&old->refs)) {
        KI_TRY(ki_chunk_create((*col)->env, KI_CHUNK, len, &k));
        if (old) memcpy(k->own, old->bytes, len);
        if (!old) memset(k->own, 0, len);
        ki_column_place(*col, c, k);
    }
    *bytes = (*col)->chunk[c]->own;
out:
    return st;
}

size_t ki_column_bytes(const ki_column *col)
{
    size_t sum = 0;

    for (size_t c = 0; col && c < col->count; c++) sum += col->chunk[c] ? col->chunk[c]->len : 0;
    return sum;
}

/* A chunk where nothing was written reads as zeros: only columns of removed rows have such. */
const void *ki_column_chunk(const ki_column *col, size_t c)
{
    static const uint64_t zeros[KI_CHUNK / 64];

    return c < col->count && col->chunk[c] ? (const void *)col->chunk[c]->bytes : zeros;
}
