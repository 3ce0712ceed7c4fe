/* Labels of rows: a file's base, searched by halving, and entries over it. */
#include "rows/labels.h"

#include <string.h>

/* Position `pos` has text `text` from entry `number` on. Written once, before it is linked. */
typedef struct entry {
    uint32_t pos, text;
    uint32_t same;  // the text's entry before this one, 0 none
    uint32_t older; // the row's entry before this one, 0: the base's label
} entry;

typedef struct text {
    const char *bytes; // with closing NUL
    uint32_t len, hash;
    _Atomic uint32_t head; // the latest entry with this text
} text;

/* Arrays that grow and never move: step k holds STEP << k elements. */
enum { STEP = 64, STEPS = 27 };
typedef struct stair {
    size_t width;
    void *step[STEPS];
} stair;

typedef struct block {
    struct block *next;
    size_t len, used; // of bytes
    char bytes[];
} block;

enum { BLOCK = 4096, BLOCK_MOST = 1 << 20 };

/* owns: everything. Numbers start at 1; text 0 is "no label". */
struct ki_label_pool {
    atomic_size_t refs;
    ki_env *env;
    uint32_t entries, texts; // there are; the writer's
    stair entry, text;
    block *blocks;       // the latest first; the writer's
    atomic_size_t bytes; // for statistics, which readers ask
};

/* Slots hold the number of a text, 0 = empty; never emptied. */
struct ki_text_table {
    atomic_size_t refs;
    ki_env *env;
    uint32_t cap, used;
    _Atomic uint32_t slot[];
};

/* ---- memory ---------------------------------------------------------------------------------- */

static unsigned step_of(uint32_t i, size_t *at)
{
    const uint32_t q = i / STEP + 1;
    unsigned k = 0;

    while (q >> (k + 1)) k++;
    *at = i - (size_t)STEP * (((size_t)1 << k) - 1);
    return k;
}

static void *stair_at(const stair *s, uint32_t i)
{
    size_t at;
    const unsigned k = step_of(i, &at);

    return (uint8_t *)s->step[k] + at * s->width;
}

/* Memory for element i of one of the pool's two. */
static kith_status stair_reach(ki_label_pool *p, stair *s, uint32_t i)
{
    size_t at;
    const unsigned k = step_of(i, &at);

    if (s->step[k]) return KITH_OK;
    s->step[k] = ki_array(p->env, (size_t)STEP << k, s->width);
    if (!s->step[k]) return KITH_NO_MEMORY;
    atomic_fetch_add_explicit(&p->bytes, s->width * STEP << k, memory_order_relaxed);
    return KITH_OK;
}

static void stair_free(stair *s, ki_env *env)
{
    for (unsigned k = 0; k < STEPS; k++) ki_release(env, s->step[k], (size_t)STEP << k, s->width);
}

static entry *entry_at(const ki_labels *l, uint32_t number)
{
    return stair_at(&l->pool->entry, number);
}

static text *text_at(const ki_labels *l, uint32_t number)
{
    return stair_at(&l->pool->text, number);
}

static void pool_release(ki_label_pool *p)
{
    // Release our reads to whoever frees, who acquires them.
    if (!p || atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) > 1) return;
    stair_free(&p->entry, p->env);
    stair_free(&p->text, p->env);
    while (p->blocks) {
        block *const b = p->blocks;

        p->blocks = b->next;
        ki_release(p->env, b, 1, sizeof *b + b->len);
    }
    ki_release(p->env, p, 1, sizeof *p);
}

static size_t table_bytes(uint32_t cap)
{
    return sizeof(ki_text_table) + cap * sizeof(uint32_t);
}

static void table_release(ki_text_table *t)
{
    if (!t || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) > 1) return;
    ki_release(t->env, t, 1, table_bytes(t->cap));
}

void ki_labels_share(const ki_labels *l, ki_labels *out)
{
    *out = *l;
    if (l->pool) atomic_fetch_add_explicit(&l->pool->refs, 1, memory_order_relaxed);
    if (l->table) atomic_fetch_add_explicit(&l->table->refs, 1, memory_order_relaxed);
    (void)ki_column_share(l->refs);
    (void)ki_mapping_share(l->map);
}

void ki_labels_release(ki_labels *l)
{
    pool_release(l->pool);
    table_release(l->table);
    ki_column_release(l->refs);
    ki_mapping_release(l->map);
    *l = (ki_labels){0};
}

size_t ki_labels_bytes(const ki_labels *l)
{
    const size_t base = l->base.n ? 8 * ((size_t)l->base.n + 1) : 0;

    return base + (size_t)l->base.text_len + 4 * (size_t)l->base.sorted_n +
           (l->pool ? atomic_load_explicit(&l->pool->bytes, memory_order_relaxed) : 0) +
           (l->table ? table_bytes(l->table->cap) : 0) + ki_column_bytes(l->refs);
}

/* ---- what a text may be ---------------------------------------------------------------------- */

/* Bytes of the UTF-8 character at s, 0 if it is none: shortest form, no surrogates, up to
 * 10FFFF. */
static unsigned utf8_len(const unsigned char *s)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned n = s[0] < 0x80 ? 1 : s[0] < 0xc0 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    uint32_t c = s[0];

    if (n == 1) return 1;
    if (n == 0 || s[0] > 0xf4) return 0;
    c &= 0x7fu >> n;
    for (unsigned i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80) return 0; // the closing NUL ends it too
        c = c << 6 | (s[i] & 0x3f);
    }
    return c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ? 0 : n;
}

kith_status ki_label_check(const char *label, const char *what, int64_t number)
{
    const unsigned char *s = (const unsigned char *)label;
    size_t at = 0;

    while (s && s[at]) {
        const unsigned n = utf8_len(s + at);

        if (n == 0)
            return ki_fail(KITH_BAD_ARG, "%s %lld: byte %zu of its label, 0x%02x, is not UTF-8",
                           what, (long long)number, at, s[at]);
        at += n;
        if (at > KITH_MAX_LABEL)
            return ki_fail(KITH_BAD_ARG, "%s %lld: its label is longer than %u bytes", what,
                           (long long)number, KITH_MAX_LABEL);
    }
    return KITH_OK;
}

/* ---- the base -------------------------------------------------------------------------------- */

/* The bytes come from a file that may be damaged: what does not fit reads as no label. */
static const char *base_text(const ki_label_base *b, uint32_t pos, size_t *len)
{
    uint64_t from, to;

    *len = 0;
    if (pos >= b->n) return "";
    from = ki_le64(b->offset + 8 * (size_t)pos);
    to = ki_le64(b->offset + 8 * ((size_t)pos + 1));
    if (from >= to || to > b->text_len || to - from - 1 > KITH_MAX_LABEL || b->text[to - 1] != 0)
        return "";
    *len = (size_t)(to - from - 1);
    return (const char *)b->text + from;
}

/* memcmp order, a prefix first. */
static int compare(const char *a, size_t a_len, const char *b, size_t b_len)
{
    const int sign = memcmp(a, b, a_len < b_len ? a_len : b_len);

    return sign ? sign : (a_len > b_len) - (a_len < b_len);
}

/* First of the sorted rows whose label is not less than the text; the rows of it follow. */
static uint32_t base_bound(const ki_label_base *b, const char *label, size_t len)
{
    uint32_t lo = 0, hi = b->sorted_n;

    while (lo < hi) {
        const uint32_t mid = lo + (hi - lo) / 2;
        size_t n;
        const char *there = base_text(b, ki_le32(b->sorted + 4 * (size_t)mid), &n);

        if (compare(there, n, label, len) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* ---- reading --------------------------------------------------------------------------------- */

static _Atomic uint32_t *ref_at(const ki_labels *l, uint32_t pos)
{
    const size_t c = pos >> KI_CHUNK_BITS;
    const ki_chunk *k = l->refs && c < l->refs->count ? l->refs->chunk[c] : NULL;
    void *refs;

    if (!k || pos % KI_CHUNK >= k->cap) return NULL;
    refs = k->own;
    return (_Atomic uint32_t *)refs + pos % KI_CHUNK;
}

/* The row's entry as of this view. Acquire: an entry is written before it is linked. */
static uint32_t entry_of(const ki_labels *l, uint32_t pos)
{
    _Atomic uint32_t *ref = ref_at(l, pos);
    uint32_t e = ref ? atomic_load_explicit(ref, memory_order_acquire) : 0;

    while (e > l->entries) e = entry_at(l, e)->older;
    return e;
}

const char *ki_labels_get(const ki_labels *l, uint32_t pos, size_t *len)
{
    const uint32_t e = entry_of(l, pos);
    const uint32_t number = e ? entry_at(l, e)->text : 0;

    *len = 0;
    if (!e) return base_text(&l->base, pos, len);
    if (!number) return "";
    *len = text_at(l, number)->len;
    return text_at(l, number)->bytes;
}

/* The number of a text, 0 if no row ever had it; *at: the slot where it is or would be. */
static uint32_t text_find(const ki_labels *l, const char *label, size_t len, uint32_t hash,
                          uint32_t *at)
{
    const ki_text_table *t = l->table;
    uint32_t number;

    *at = (uint32_t)(((uint64_t)hash * t->cap) >> 32);
    while ((number = atomic_load_explicit(&t->slot[*at], memory_order_acquire)) != 0) {
        const text *known = text_at(l, number);

        if (known->hash == hash && known->len == len && memcmp(known->bytes, label, len) == 0)
            return number;
        *at = *at + 1 < t->cap ? *at + 1 : 0;
    }
    return 0;
}

kith_status ki_labels_find(const ki_labels *l, const char *label, ki_label_hit *each, void *ctx)
{
    const size_t len = strlen(label);
    kith_status st = KITH_OK;
    uint32_t at, number, e;

    if (len == 0) return KITH_OK;
    for (at = base_bound(&l->base, label, len); at < l->base.sorted_n; at++) {
        const uint32_t pos = ki_le32(l->base.sorted + 4 * (size_t)at);
        size_t n;
        const char *there = base_text(&l->base, pos, &n);

        if (compare(there, n, label, len) != 0) break;
        if (entry_of(l, pos) == 0) KI_TRY(each(ctx, pos));
    }
    if (!l->table) goto out;
    number = text_find(l, label, len, (uint32_t)ki_hash(label, len), &at);
    if (!number) goto out;
    e = atomic_load_explicit(&text_at(l, number)->head, memory_order_acquire);
    for (; e; e = entry_at(l, e)->same)
        if (e <= l->entries && entry_of(l, entry_at(l, e)->pos) == e)
            KI_TRY(each(ctx, entry_at(l, e)->pos));
out:
    return st;
}

/* ---- check ----------------------------------------------------------------------------------- */

/* Every row with a text is in the sorted list once: ascending, and as many as there are. */
static kith_status check_base(const ki_label_base *b, uint32_t n)
{
    const char *before = "";
    size_t before_len = 0, len;
    uint32_t texts = 0, last = 0;

    if (b->n > n) return ki_fail(KITH_CORRUPT, "labels of %u rows, but there are %u", b->n, n);
    for (uint32_t pos = 0; pos < b->n; pos++) {
        const uint64_t from = ki_le64(b->offset + 8 * (size_t)pos);

        (void)base_text(b, pos, &len);
        if (len == 0 && from != ki_le64(b->offset + 8 * ((size_t)pos + 1)))
            return ki_fail(KITH_CORRUPT, "row %u: its label lies outside of section LTXT", pos);
        texts += len > 0;
    }
    if (texts != b->sorted_n)
        return ki_fail(KITH_CORRUPT, "%u rows have labels, %u are found by them", texts,
                       b->sorted_n);
    for (uint32_t i = 0; i < b->sorted_n; i++) {
        const uint32_t pos = ki_le32(b->sorted + 4 * (size_t)i);
        const char *now = base_text(b, pos, &len);
        const int order = compare(before, before_len, now, len);

        if (len == 0 || order > 0 || (order == 0 && pos <= last))
            return ki_fail(KITH_CORRUPT, "row %u is out of order among the labels", pos);
        before = now;
        before_len = len;
        last = pos;
    }
    return KITH_OK;
}

/* Mark the entries that a text's chain reaches. */
static void mark_chain(const ki_labels *l, const text *t, uint64_t *reached)
{
    uint32_t e = atomic_load_explicit(&t->head, memory_order_acquire);

    for (; e; e = entry_at(l, e)->same)
        if (e <= l->entries) ki_bit_set(reached, e);
}

kith_status ki_labels_check(const ki_labels *l, ki_env *env, uint32_t n)
{
    const size_t words = ki_bit_words((size_t)l->entries + 1);
    kith_status st = KITH_OK;
    uint64_t *reached = NULL;

    KI_TRY(check_base(&l->base, n));
    reached = ki_zeros(env, words, sizeof *reached);
    KI_NEED(reached);
    for (uint32_t number = l->entries; number > 0; number--) {
        const entry *e = entry_at(l, number);
        const text *t;
        uint32_t at;

        if (entry_of(l, e->pos) != number) continue; // replaced, or its change was undone
        if (e->pos >= n) KI_FAIL(KITH_CORRUPT, "a label of row %u, but there are %u", e->pos, n);
        if (e->text == 0 || ki_bit_get(reached, number)) continue;
        t = text_at(l, e->text);
        if (text_find(l, t->bytes, t->len, t->hash, &at) != e->text)
            KI_FAIL(KITH_CORRUPT, "row %u: its label is not found by its text", e->pos);
        mark_chain(l, t, reached);
        if (!ki_bit_get(reached, number))
            KI_FAIL(KITH_CORRUPT, "row %u is not found by its label", e->pos);
    }
out:
    ki_release(env, reached, words, sizeof *reached);
    return st;
}

/* ---- change ---------------------------------------------------------------------------------- */

/* The first label of all. */
static kith_status begin(ki_labels *l, ki_env *env)
{
    ki_label_pool *p;
    kith_status st = KITH_OK;

    if (!l->refs) KI_TRY(ki_column_create(env, sizeof(uint32_t), true, &l->refs));
    if (l->pool) goto out;
    p = ki_zeros(env, 1, sizeof *p);
    KI_NEED(p);
    atomic_init(&p->refs, 1);
    atomic_init(&p->bytes, sizeof *p);
    p->env = env;
    p->entry.width = sizeof(entry);
    p->text.width = sizeof(text);
    l->pool = p;
out:
    return st;
}

static kith_status keep_bytes(ki_label_pool *p, const char *label, size_t len, const char **out)
{
    block *b = p->blocks;

    if (!b || b->len - b->used <= len) {
        size_t room = b ? 2 * b->len : BLOCK;

        if (room > BLOCK_MOST) room = BLOCK_MOST;
        if (room <= len) room = len + 1;
        b = ki_array(p->env, 1, sizeof *b + room);
        if (!b) return KITH_NO_MEMORY;
        b->next = p->blocks;
        b->len = room;
        b->used = 0;
        p->blocks = b;
        atomic_fetch_add_explicit(&p->bytes, sizeof *b + room, memory_order_relaxed);
    }
    memcpy(b->bytes + b->used, label, len);
    b->bytes[b->used + len] = 0;
    *out = b->bytes + b->used;
    b->used += len + 1;
    return KITH_OK;
}

/* Room for one more text: at most two thirds full. */
static kith_status table_reserve(ki_labels *l, ki_env *env)
{
    const uint64_t old = l->table ? l->table->cap : 0;
    const uint64_t cap = old ? 2 * old : STEP;
    ki_text_table *t;

    if (l->table && ((uint64_t)l->table->used + 1) * 3 <= old * 2) return KITH_OK;
    if (cap > UINT32_MAX) return ki_fail(KITH_LIMIT, "more than %u labels", l->pool->texts);
    t = ki_zeros(env, 1, table_bytes((uint32_t)cap));
    if (!t) return KITH_NO_MEMORY;
    atomic_init(&t->refs, 1);
    t->env = env;
    t->cap = (uint32_t)cap;
    for (uint64_t i = 0; i < old; i++) {
        const uint32_t number = atomic_load_explicit(&l->table->slot[i], memory_order_relaxed);
        uint32_t at;

        if (!number) continue;
        at = (uint32_t)(((uint64_t)text_at(l, number)->hash * cap) >> 32);
        while (atomic_load_explicit(&t->slot[at], memory_order_relaxed) != 0)
            at = at + 1 < cap ? at + 1 : 0;
        atomic_store_explicit(&t->slot[at], number, memory_order_relaxed);
        t->used++;
    }
    table_release(l->table);
    l->table = t;
    return KITH_OK;
}

/* The number of a text, old or new. A text that is left behind by an abort stays, without rows. */
static kith_status intern(ki_labels *l, ki_env *env, const char *label, size_t len, uint32_t *out)
{
    const uint32_t hash = (uint32_t)ki_hash(label, len);
    ki_label_pool *p = l->pool;
    kith_status st = KITH_OK;
    uint32_t at;
    text *new;

    KI_TRY(table_reserve(l, env));
    *out = text_find(l, label, len, hash, &at);
    if (*out) goto out;
    KI_TRY(stair_reach(p, &p->text, p->texts + 1));
    new = text_at(l, p->texts + 1);
    KI_TRY(keep_bytes(p, label, len, &new->bytes));
    new->len = (uint32_t)len;
    new->hash = hash;
    atomic_init(&new->head, 0);
    *out = ++p->texts;
    // Release: whoever finds the number finds the text.
    atomic_store_explicit(&l->table->slot[at], *out, memory_order_release);
    l->table->used++;
out:
    return st;
}

kith_status ki_labels_set(ki_labels *l, ki_env *env, uint32_t pos, const char *label, size_t len)
{
    kith_status st = KITH_OK;
    size_t now_len;
    const char *now = ki_labels_get(l, pos, &now_len);
    _Atomic uint32_t *ref;
    uint32_t number = 0;
    entry *e;

    if (now_len == len && memcmp(now, label, len) == 0) return KITH_OK;
    KI_TRY(begin(l, env));
    if (l->pool->entries >= UINT32_MAX - STEP)
        KI_FAIL(KITH_LIMIT, "labels were set %u times; compact to set more", l->pool->entries);
    KI_TRY(ki_column_extend(&l->refs, pos, 1, 0));
    ref = ref_at(l, pos);
    if (len) KI_TRY(intern(l, env, label, len, &number));
    KI_TRY(stair_reach(l->pool, &l->pool->entry, l->pool->entries + 1));
    e = entry_at(l, ++l->pool->entries);
    e->pos = pos;
    e->text = number;
    e->same = number ? atomic_load_explicit(&text_at(l, number)->head, memory_order_relaxed) : 0;
    e->older = atomic_load_explicit(ref, memory_order_relaxed);
    // Release: whoever finds the entry finds what it says.
    atomic_store_explicit(ref, l->pool->entries, memory_order_release);
    if (number)
        atomic_store_explicit(&text_at(l, number)->head, l->pool->entries, memory_order_release);
    l->entries = l->pool->entries;
out:
    return st;
}

uint32_t ki_labels_mark(const ki_labels *l)
{
    return l->pool ? l->pool->entries : 0;
}

/* Latest first. A row without a place in the refs that the change began with needs no undoing. */
void ki_labels_undo(ki_labels *l, uint32_t mark)
{
    if (!l->pool) return;
    for (uint32_t number = l->pool->entries; number > mark; number--) {
        const entry *e = entry_at(l, number);
        _Atomic uint32_t *ref = ref_at(l, e->pos);

        if (ref) atomic_store_explicit(ref, e->older, memory_order_release);
        if (e->text)
            atomic_store_explicit(&text_at(l, e->text)->head, e->same, memory_order_release);
    }
}
