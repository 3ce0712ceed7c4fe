/* The row store: created, freed, and its current view taken and given back by readers without
 * locks.
 *
 * A reader takes the current view by adding 1 to a word whose high bits are the view's slot: it
 * learns the slot and is counted in one step. It gives the view back by adding 1 to the view's
 * balance. The writer publishes by exchanging the word; it learns how many took the old view and
 * subtracts them from its balance. Whoever brings the balance to zero, the writer or the last
 * reader, frees it. */
#include "rows/store.h"

#include <string.h>

enum { SLOT_SHIFT = 54 }; // 2^54 readers between two changes: 50 million a second for 11 years
_Static_assert(KI_VIEW_SLOTS <= 1 << (64 - SLOT_SHIFT), "a slot fits into the high bits");

/* ---- views ----------------------------------------------------------------------------------- */

typedef struct whole_view {
    ki_view view;
    struct ki_view_private own;
} whole_view;

static kith_status view_alloc(ki_env *env, ki_view **out)
{
    whole_view *w = ki_zeros(env, 1, sizeof *w);

    if (!w) return KITH_NO_MEMORY;
    w->view.own = &w->own;
    w->own.env = env;
    atomic_init(&w->own.balance, 0);
    *out = &w->view;
    return KITH_OK;
}

void ki_view_recode(ki_view *v, const ki_codec *codec)
{
    const ki_codec *old = v->codec;

    v->codec = ki_codec_share(codec);
    v->row_bytes = codec->row_bytes(v->d);
    ki_codec_release(old);
}

void ki_view_show(ki_view *v)
{
    v->codes = v->own->codes;
    v->ids = v->own->ids;
    v->removed = v->own->removed;
    v->scan = v->own->scan;
}

kith_status ki_view_create(ki_env *env, const ki_codec *codec, size_t d, kith_metric m, double arg,
                           ki_view **out)
{
    kith_status st = KITH_OK;
    ki_view *v = NULL;

    KI_TRY(view_alloc(env, &v));
    v->d = d;
    ki_view_recode(v, codec);
    v->metric = m;
    v->arg = arg;
    KI_TRY(ki_column_create(env, v->row_bytes, false, &v->own->codes));
    ki_view_show(v);
    *out = v;
    v = NULL;
out:
    ki_view_free(v);
    return st;
}

kith_status ki_view_copy(const ki_view *from, ki_view **out)
{
    const struct ki_view_private *f = from->own;
    struct ki_view_private *own;
    kith_status st = KITH_OK;
    ki_view *v = NULL;

    KI_TRY(view_alloc(f->env, &v));
    own = v->own;
    *v = *from;
    v->own = own;
    (void)ki_codec_share(v->codec);
    v->structure = v->curve = NULL; // until nothing can fail any more
    if (f->scan_room) {
        own->scan = ki_regrow(f->env, f->scan, from->scan_chunks, f->scan_room, sizeof *f->scan);
        KI_NEED(own->scan);
        own->scan_room = f->scan_room;
    }
    own->codes = ki_column_share(f->codes);
    own->ids = ki_column_share(f->ids);
    own->removed = ki_column_share(f->removed);
    own->scans = ki_column_share(f->scans);
    ki_idmap_share(&f->idmap, &own->idmap);
    ki_labels_share(&f->labels, &own->labels);
    v->structure = ki_structure_share(from->structure);
    v->curve = ki_structure_share(from->curve);
    own->adaptive = f->adaptive;
    own->scan_wanted = f->scan_wanted;
    own->wanted = f->wanted;
    memcpy(own->params, f->params, sizeof own->params);
    ki_view_show(v);
    *out = v;
    v = NULL;
out:
    ki_view_free(v);
    return st;
}

void ki_view_free(ki_view *v)
{
    struct ki_view_private *own;
    ki_env *env;

    if (!v) return;
    own = v->own;
    env = own->env;
    ki_column_release(own->codes);
    ki_column_release(own->ids);
    ki_column_release(own->removed);
    ki_column_release(own->scans);
    ki_release(env, own->scan, own->scan_room, sizeof *own->scan);
    ki_idmap_release(&own->idmap);
    ki_labels_release(&own->labels);
    ki_structure_release(v->structure);
    ki_structure_release(v->curve);
    ki_codec_release(v->codec);
    ki_release(env, v, 1, sizeof(whole_view));
}

/* Taking a reference orders nothing; giving one back releases our use to whoever frees. */
ki_structure *ki_structure_share(ki_structure *s)
{
    if (s) atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void ki_structure_release(ki_structure *s)
{
    if (s && atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1) s->release(s);
}

void ki_rows_attach(ki_rows *r, ki_structure *s)
{
    ki_view *v = atomic_load(&r->slots->view[0]); // where adopt puts the first

    ki_structure_release(v->structure);
    v->structure = s;
}

void ki_rows_tell(ki_rows *r, ki_structure *curve)
{
    ki_view *v = atomic_load(&r->slots->view[0]); // as above

    ki_structure_release(v->curve);
    v->curve = curve;
}

size_t ki_view_chunks(const ki_view *v)
{
    return ((size_t)v->n + KI_CHUNK - 1) >> KI_CHUNK_BITS;
}

/* ---- store ----------------------------------------------------------------------------------- */

/* A store that publishes v, which it takes over. */
kith_status ki_rows_adopt(ki_env *env, ki_view *v, ki_rows **out)
{
    static _Atomic uint64_t serials;
    kith_status st = KITH_OK;
    ki_slots *slots = NULL;
    ki_rows *r = NULL;

    slots = ki_zeros(env, 1, sizeof *slots);
    KI_NEED(slots);
    r = ki_zeros(env, 1, sizeof *r);
    KI_NEED(r);
    if (pthread_mutex_init(&r->writer, NULL) != 0) KI_FAIL(KITH_NO_MEMORY, "no more locks");
    r->env = env;
    r->serial = 1 + atomic_fetch_add_explicit(&serials, 1, memory_order_relaxed);
    for (size_t i = 0; i < KI_VIEW_SLOTS; i++) atomic_init(&slots->view[i], i ? NULL : v);
    atomic_init(&slots->current, 0);
    r->slots = slots;
    slots = NULL;
    *out = r;
    r = NULL;
out:
    ki_release(env, r, 1, sizeof *r);
    ki_release(env, slots, 1, sizeof *slots);
    return st;
}

/* Until rows come, an adaptive store says what it will most likely be. */
static const ki_codec *first_codec(const ki_codec *codec, kith_metric m)
{
    const ki_metric *metric = ki_metric_of(m);

    if (codec && !ki_codec_unlearned(codec)) return codec;
    return ki_codec_find(metric && metric->bits == 2 ? "Bits" : "F32");
}

kith_status ki_rows_create(ki_env *env, const ki_codec *codec, size_t d, kith_metric m, double arg,
                           bool scan, ki_rows **out)
{
    kith_status st = KITH_OK;
    ki_view *v = NULL;

    KI_TRY(ki_codec_suits(codec ? codec : first_codec(codec, m), m));
    KI_TRY(ki_view_create(env, first_codec(codec, m), d, m, arg, &v));
    v->own->adaptive = !codec;
    v->own->scan_wanted = scan;
    if (codec && codec->learn) {
        v->own->wanted = codec;
        ki_param_presets(&codec->params, v->own->params);
    }
    KI_TRY(ki_rows_adopt(env, v, out));
    v = NULL;
out:
    ki_view_free(v);
    return st;
}

void ki_rows_want(ki_rows *r, const ki_codec *codec, const double *params)
{
    struct ki_view_private *own = ((ki_view *)atomic_load(&r->slots->view[0]))->own;

    own->wanted = codec;
    memcpy(own->params, params, codec->params.count * sizeof *params);
}

void ki_rows_free(ki_rows *r)
{
    if (!r) return;
    // All views: those that cursors still had are the caller's mistake, and gone too.
    for (size_t i = 0; i < KI_VIEW_SLOTS; i++)
        ki_view_free(atomic_load_explicit(&r->slots->view[i], memory_order_acquire));
    (void)pthread_mutex_destroy(&r->writer);
    ki_release(r->env, r->slots, 1, sizeof *r->slots);
    ki_release(r->env, r, 1, sizeof *r);
}

/* ---- readers --------------------------------------------------------------------------------- */

/* Acquire: all that the writer did before it published. */
const ki_view *ki_view_acquire(const ki_rows *r)
{
    const uint64_t word = atomic_fetch_add_explicit(&r->slots->current, 1, memory_order_acquire);

    return atomic_load_explicit(&r->slots->view[word >> SLOT_SHIFT], memory_order_relaxed);
}

/* The view and then its slot: only with the slot may the writer use it again. */
static void forget(ki_slots *slots, ki_view *v)
{
    const uint32_t slot = v->own->slot;

    ki_view_free(v);
    atomic_store_explicit(&slots->view[slot], NULL, memory_order_release);
}

/* Release what we read to whoever frees; acquire what the others read when it is us. */
static void settle(ki_slots *slots, const ki_view *v, int64_t by)
{
    _Atomic int64_t *balance = &v->own->balance;

    if (atomic_fetch_add_explicit(balance, by, memory_order_acq_rel) + by == 0)
        forget(slots, atomic_load_explicit(&slots->view[v->own->slot], memory_order_relaxed));
}

void ki_rows_hold(const ki_rows *r)
{
    ki_rows *shared = ki_unconst(r); // the lock of writers

    (void)pthread_mutex_lock(&shared->writer);
}

void ki_rows_resume(const ki_rows *r)
{
    ki_rows *shared = ki_unconst(r);

    (void)pthread_mutex_unlock(&shared->writer);
}

void ki_view_release(const ki_rows *r, const ki_view *v)
{
    settle(r->slots, v, 1);
}

bool ki_slots_free(const ki_slots *slots, uint32_t *slot)
{
    for (uint32_t i = 0; i < KI_VIEW_SLOTS; i++)
        if (!atomic_load_explicit(&slots->view[i], memory_order_acquire)) {
            *slot = i;
            return true;
        }
    return false;
}

const ki_view *ki_slots_current(const ki_slots *slots)
{
    const uint64_t word = atomic_load_explicit(&slots->current, memory_order_relaxed);

    return atomic_load_explicit(&slots->view[word >> SLOT_SHIFT], memory_order_relaxed);
}

void ki_slots_publish(ki_slots *slots, ki_view *v, uint32_t slot)
{
    const uint64_t new = (uint64_t)slot << SLOT_SHIFT, mask = ((uint64_t)1 << SLOT_SHIFT) - 1;
    const ki_view *old = ki_slots_current(slots);
    uint64_t word;

    v->own->slot = slot;
    atomic_store_explicit(&slots->view[slot], v, memory_order_relaxed);
    word = atomic_exchange_explicit(&slots->current, new, memory_order_acq_rel);
    settle(slots, old, -(int64_t)(word & mask));
}
