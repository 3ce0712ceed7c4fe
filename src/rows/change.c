/* A change from begin to commit or abort, and its small steps: remove a row, set a label.
 *
 * The change works on `next`, which begins as a copy of the published view `base` and shares all
 * its columns. What base shows is never written; three things are filled beyond what base knows, in
 * memory that both share: elements behind base's n, slots of the id table, links of labels. The
 * first needs no undoing; abort takes back the other two. */
#include "rows/store.h"

#include <string.h>

kith_status ki_change_begin(ki_rows *r, ki_change **out)
{
    kith_status st = KITH_OK;
    ki_change *c = &r->change;
    ki_view *next = NULL;
    uint32_t slot;

    (void)pthread_mutex_lock(&r->writer);
    if (!ki_slots_free(r->slots, &slot))
        KI_FAIL(KITH_LIMIT, "%d snapshots are in use: cursors that are open keep them",
                KI_VIEW_SLOTS);
    *c = (ki_change){.rows = r, .base = ki_slots_current(r->slots), .slot = slot};
    KI_TRY(ki_view_copy(c->base, &next));
    next->version++;
    c->next = next;
    c->inserted = c->base->n;
    c->label_mark = ki_labels_mark(&c->base->own->labels);
    *out = c;
out:
    if (st != KITH_OK) (void)pthread_mutex_unlock(&r->writer);
    return st;
}

/* The parts that base and an unfinished next share, as base knew them. */
void ki_change_unlink(ki_change *c)
{
    const struct ki_view_private *next = c->next->own;
    struct ki_view_private *base = c->base->own;

    if (next->ids) ki_idmap_undo(&base->idmap, next->ids, c->base->n, c->inserted);
    c->inserted = c->base->n;
    if (next->labels.pool == base->labels.pool) ki_labels_undo(&base->labels, c->label_mark);
}

void ki_change_attach(ki_change *c, ki_structure *s)
{
    ki_structure_release(c->next->structure);
    c->next->structure = s;
}

void ki_change_tell(ki_change *c, ki_structure *curve)
{
    ki_structure_release(c->next->curve);
    c->next->curve = curve;
}

/* The structure that came with this change, not with the one before; NULL: none. */
static ki_structure *brought(const ki_change *c)
{
    return c->next->structure != c->base->structure ? c->next->structure : NULL;
}

void ki_change_commit(ki_change *c)
{
    ki_structure *s = brought(c);

    ki_assert(!c->failed);
    if (s && s->settle) s->settle(s);
    ki_view_free(c->before);
    ki_slots_publish(c->rows->slots, c->next, c->slot);
    (void)pthread_mutex_unlock(&c->rows->writer);
}

void ki_change_abort(ki_change *c)
{
    ki_structure *s;

    if (!c) return;
    s = brought(c);
    if (s && s->undo) s->undo(s);
    ki_change_unlink(c);
    ki_view_free(c->next);
    ki_view_free(c->before);
    (void)pthread_mutex_unlock(&c->rows->writer);
}

const ki_view *ki_change_view(const ki_change *c)
{
    return c->next;
}

const ki_view *ki_change_before(const ki_change *c)
{
    return c->before;
}

void ki_change_expect(ki_change *c, uint64_t n)
{
    c->rows->expect = n;
}

/* ---- remove, label --------------------------------------------------------------------------- */

kith_status ki_change_bury(ki_change *c, uint32_t pos)
{
    struct ki_view_private *own = c->next->own;
    kith_status st = KITH_OK;
    void *words;

    if (!own->removed) KI_TRY(ki_column_create(own->env, sizeof(uint64_t), true, &own->removed));
    KI_TRY(ki_column_edit(&own->removed, pos >> KI_CHUNK_BITS, KI_CHUNK / 8, &words));
    ki_bit_set(words, pos % KI_CHUNK);
    c->next->live--;
out:
    ki_view_show(c->next);
    return st;
}

kith_status ki_change_remove(ki_change *c, int64_t id, bool *removed)
{
    kith_status st = KITH_OK;
    uint32_t pos;

    *removed = ki_view_find(c->next, id, &pos);
    if (*removed) st = ki_change_bury(c, pos);
    c->failed |= st != KITH_OK;
    return st;
}

kith_status ki_change_label(ki_change *c, int64_t id, const char *text)
{
    struct ki_view_private *own = c->next->own;
    kith_status st = KITH_OK;
    uint32_t pos;

    if (!ki_view_find(c->next, id, &pos))
        return ki_fail(KITH_NOT_FOUND, "id %lld is not stored", (long long)id);
    st = ki_label_check(text, "id", id);
    if (st != KITH_OK) return st;
    if (!text) text = "";
    st = ki_labels_set(&own->labels, own->env, pos, text, strlen(text));
    c->failed |= st != KITH_OK;
    return st;
}
