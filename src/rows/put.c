/* Rows into a change: checked, their storage chosen, their ids placed, encoded, given a scan code
 * and labels. Work is split by rows; what is stored depends on the rows and their order alone. */
#include "rows/store.h"

#include <string.h>

enum {
    PIECE_BYTES = 256 * 1024, /* of a caller's rows that one thread does at a time: stays in L2 */
    RECODE_PIECE = 1024,      /* rows */
    AHEAD = 16                /* ids whose place in the table is fetched before it is needed */
};

/* ---- check and encode ------------------------------------------------------------------------ */

/* Rows of one call, split in pieces. */
typedef struct filling {
    ki_change *change;
    kith_rows x;
    size_t piece; // rows
    uint32_t n0;  // position of the first row
    bool check, encode;
    bool fit_u8; // look whether U8 can keep them
    atomic_bool misfit;
    ki_progress *progress;
} filling;

/* Pieces of x may cross a chunk's end. */
static kith_status encode_rows(const filling *f, size_t first, size_t n)
{
    const ki_view *v = f->change->next;
    kith_status st = KITH_OK;

    while (n > 0 && st == KITH_OK) {
        const size_t pos = f->n0 + first, room = KI_CHUNK - pos % KI_CHUNK;
        const size_t len = n < room ? n : room;
        uint8_t *to = v->own->codes->chunk[pos >> KI_CHUNK_BITS]->own;

        st = ki_codec_encode(v->codec, f->x, first, len, v->d, to + pos % KI_CHUNK * v->row_bytes);
        first += len;
        n -= len;
    }
    return st;
}

static kith_status fill_piece(void *arg, size_t i)
{
    filling *f = arg;
    const ki_view *v = f->change->next;
    const size_t first = i * f->piece, left = f->x.n - first;
    const size_t n = left < f->piece ? left : f->piece;
    kith_status st = KITH_OK;

    if (f->check) KI_TRY(ki_rows_check_part(f->x, first, n, v->d, v->metric, "row"));
    if (f->fit_u8 && !atomic_load_explicit(&f->misfit, memory_order_relaxed) &&
        !ki_rows_fit_u8_part(f->x, first, n, v->d))
        atomic_store_explicit(&f->misfit, true, memory_order_relaxed);
    if (f->encode) KI_TRY(encode_rows(f, first, n));
    KI_TRY(ki_progress_add(f->progress, f->encode ? n : 0));
out:
    return st;
}

static kith_status fill(filling *f, uint32_t threads)
{
    ki_env *env = f->change->rows->env;
    const size_t stride = ki_rows_stride(f->x, f->change->next->d);
    size_t pieces;

    f->piece = stride < PIECE_BYTES ? PIECE_BYTES / stride : 1;
    pieces = f->x.n / f->piece + (f->x.n % f->piece != 0);
    return ki_parallel(env, ki_thread_count(env, threads, pieces), pieces, fill_piece, f);
}

/* ---- storage chosen by what comes ------------------------------------------------------------ */

typedef struct recoding {
    const ki_view *view;   // as it was
    const ki_codec *codec; // of what it becomes
    ki_column *codes;
    ki_progress *progress;
} recoding;

static kith_status recode_piece(void *arg, size_t i)
{
    const recoding *w = arg;
    const ki_view *v = w->view;
    ki_env *env = v->own->env;
    const size_t pos = i * RECODE_PIECE, left = v->n - pos;
    const size_t n = left < RECODE_PIECE ? left : RECODE_PIECE;
    uint8_t *to = w->codes->chunk[pos >> KI_CHUNK_BITS]->own + pos % KI_CHUNK * w->codes->width;
    float *row = ki_array(env, v->d, sizeof *row);
    kith_status st = KITH_OK;

    KI_NEED(row);
    for (size_t j = 0; j < n; j++) {
        const void *code = ki_view_code(v, (uint32_t)(pos + j));

        ki_codec_decode(v->codec, code, v->row_bytes, 1, v->d, row);
        KI_TRY(ki_codec_encode(w->codec, (kith_rows){row, 1, 0, KITH_F32}, 0, 1, v->d,
                               to + j * w->codes->width));
    }
    KI_TRY(ki_progress_add(w->progress, 0));
out:
    ki_release(env, row, v->d, sizeof *row);
    return st;
}

/* Keep all rows there are by another codec from now on, for the sake of `more` that come. */
static kith_status recode(ki_change *c, const ki_codec *codec, uint64_t more, uint32_t threads,
                          ki_progress *p)
{
    ki_view *v = c->next;
    ki_env *env = v->own->env;
    const uint64_t expect = v->n + more > c->rows->expect ? v->n + more : c->rows->expect;
    const size_t pieces = ((size_t)v->n + RECODE_PIECE - 1) / RECODE_PIECE;
    recoding w = {v, codec, NULL, p};
    kith_status st = KITH_OK;

    KI_TRY(ki_column_create(env, codec->row_bytes(v->d), false, &w.codes));
    KI_TRY(ki_column_extend(&w.codes, 0, v->n, expect));
    KI_TRY(ki_parallel(env, ki_thread_count(env, threads, pieces), pieces, recode_piece, &w));
    ki_column_release(v->own->codes);
    v->own->codes = w.codes;
    w.codes = NULL;
    ki_view_recode(v, codec);
    ki_view_show(v);
    KI_TRY(ki_change_scan(c, 0, threads, p));
out:
    ki_column_release(w.codes);
    return st;
}

/* The first rows decide, and later ones may overrule: U8 while all are integers 0…255, else F32.
 * The check comes with it. *checked: rows need no further check. */
static kith_status choose(ki_change *c, kith_rows x, uint32_t threads, ki_progress *p,
                          bool *checked)
{
    ki_view *v = c->next;
    const bool first = v->n == 0;
    filling f = {.change = c, .x = x, .check = true, .fit_u8 = true, .progress = p};
    kith_status st = KITH_OK;
    ki_column *codes;

    *checked = v->own->adaptive && v->codec->type != KI_BITS && (first || v->codec->type == KI_U8);
    if (!*checked) return KITH_OK;
    KI_TRY(fill(&f, threads));
    if (first) {
        ki_view_recode(v, ki_codec_find(atomic_load(&f.misfit) ? "F32" : "U8"));
        KI_TRY(ki_column_create(v->own->env, v->row_bytes, false, &codes));
        ki_column_release(v->own->codes);
        v->own->codes = codes;
        ki_view_show(v);
    } else if (atomic_load(&f.misfit)) {
        KI_TRY(recode(c, ki_codec_find("F32"), x.n, threads, p));
    }
out:
    return st;
}

/* ---- codecs that learn ----------------------------------------------------------------------- */

/* What is learned from: live rows that are there, then those that come. */
typedef struct lesson_source {
    const ki_view *view; // NULL: none
    const uint32_t *pos; // [n] its live rows
    size_t n;
    kith_rows x;
    size_t d;
} lesson_source;

static void take_lesson(const void *ctx, size_t first, size_t n, float *out)
{
    const lesson_source *s = ctx;
    const ki_view *v = s->view;

    for (; n > 0 && first < s->n; n--, first++, out += s->d)
        ki_codec_decode(v->codec, ki_view_code(v, s->pos[first]), v->row_bytes, 1, s->d, out);
    ki_rows_to_f32(s->x, first - s->n, n, s->d, out);
}

/* From the live rows of v (with `stored`) and x, to the codec that all are kept by from now on. */
static kith_status learn(ki_change *c, bool stored, kith_rows x, uint64_t more, uint32_t threads,
                         ki_progress *p)
{
    const ki_view *v = c->next;
    ki_env *env = v->own->env;
    lesson_source s = {v, NULL, 0, x, v->d};
    ki_lesson lesson = {x.n, v->d, v->metric, take_lesson, &s, p};
    const ki_codec *codec = NULL;
    kith_status st = KITH_OK;
    uint32_t *pos;

    pos = ki_array(env, v->n, sizeof *pos);
    KI_NEED(pos);
    for (uint32_t i = 0; stored && i < v->n; i++)
        if (ki_view_live(v, i)) pos[s.n++] = i;
    s.pos = pos;
    lesson.n += s.n;
    KI_TRY(v->own->wanted->learn(v->own->wanted, env, &lesson, v->own->params, &codec));
    KI_TRY(recode(c, codec, more, threads, p));
out:
    ki_codec_release(codec);
    ki_release(env, pos, v->n, sizeof *pos);
    return st;
}

static bool has_to_learn(const ki_view *v)
{
    return v->own->wanted && !v->codec->grid;
}

/* Rows that come make enough to learn from. Their check comes with it, as in choose. */
static kith_status learn_by_itself(ki_change *c, kith_rows x, uint32_t threads, ki_progress *p,
                                   bool *checked)
{
    ki_view *v = c->next;
    filling f = {.change = c, .x = x, .check = true, .progress = p};
    kith_status st = KITH_OK;

    if (!has_to_learn(v) || v->n + x.n < KI_LEARN_ROWS) return KITH_OK;
    KI_TRY(fill(&f, threads));
    *checked = true;
    KI_TRY(learn(c, true, x, x.n, threads, p));
out:
    return st;
}

kith_status ki_change_learn(ki_change *c, kith_rows x, uint32_t threads, ki_progress *p)
{
    const ki_view *v = c->next;
    const ki_codec *wanted = v->own->wanted;
    kith_status st = KITH_OK;

    if (!wanted) goto out;
    if (x.n == 0) KI_FAIL(KITH_BAD_ARG, "%s learns from rows, and there are none", wanted->name);
    if (!has_to_learn(v) && v->n > 0)
        KI_FAIL(KITH_BAD_ARG, "%s has learned, and %u rows are stored by that: train comes first",
                wanted->name, v->n);
    KI_TRY(learn(c, false, x, 0, threads, p));
out:
    c->failed |= st != KITH_OK;
    return st;
}

/* ---- ids ------------------------------------------------------------------------------------- */

/* next_id after an id was used; never below 0, KITH_NO_ID once none is left. */
static void used_id(ki_view *v, int64_t id)
{
    if (v->next_id == KITH_NO_ID || id < v->next_id) return;
    v->next_id = id == INT64_MAX ? KITH_NO_ID : id + 1;
}

/* Whether n ids continue the row of consecutive ones, so that they need no column. */
static bool continues(const ki_view *v, const int64_t *ids, size_t n)
{
    const uint64_t first = v->n ? (uint64_t)v->first_id : (uint64_t)ids[0];

    for (size_t i = 0; i < n; i++)
        if ((uint64_t)ids[i] != first + v->n + i) return false;
    // Neither past the largest number nor over KITH_NO_ID.
    return (v->n == 0 || ids[0] > v->first_id) && ids[n - 1] >= ids[0] &&
           !(ids[0] <= KITH_NO_ID && ids[n - 1] >= KITH_NO_ID);
}

static int64_t *id_at(ki_view *v, uint32_t pos)
{
    void *ids = v->own->ids->chunk[pos >> KI_CHUNK_BITS]->own;

    return (int64_t *)ids + pos % KI_CHUNK;
}

/* Consecutive ids become a column, because ids come that do not continue them. */
static kith_status write_down_ids(ki_change *c, uint64_t more)
{
    ki_view *v = c->next;
    kith_status st = KITH_OK;
    ki_column *ids;

    KI_TRY(ki_column_create(v->own->env, sizeof(int64_t), false, &ids));
    v->own->ids = ids;
    KI_TRY(ki_column_extend(&v->own->ids, 0, v->n, v->n + more));
    for (uint32_t pos = 0; pos < v->n; pos++) *id_at(v, pos) = v->first_id + (int64_t)pos;
out:
    ki_view_show(v);
    return st;
}

/* The label of a replaced row goes to the row that replaces it. */
static kith_status inherit_label(ki_change *c, uint32_t from, uint32_t to)
{
    struct ki_view_private *own = c->next->own;
    size_t len;
    const char *text = ki_labels_get(&own->labels, from, &len);

    return len ? ki_labels_set(&own->labels, own->env, to, text, len) : KITH_OK;
}

/* Give the rows from n0 on their ids, one by one, with a column and a table. */
static kith_status place_ids(ki_change *c, ki_put how, const int64_t *ids, size_t n, uint32_t n0)
{
    ki_view *v = c->next;
    struct ki_view_private *own = v->own;
    kith_status st = KITH_OK;

    for (size_t i = 0; i < n; i++) {
        const uint32_t pos = n0 + (uint32_t)i;
        const int64_t id = ids ? ids[i] : v->next_id;
        uint32_t there;

        if (ids && i + AHEAD < n) ki_idmap_prefetch(&own->idmap, ids[i + AHEAD]);
        if (id == KITH_NO_ID)
            KI_FAIL(KITH_BAD_ARG, "row %zu: id -1 means \"no id\" and cannot be stored", i);
        if (ki_idmap_find(&own->idmap, own->ids, own->removed, pos, id, &there,
                          &own->idmap.passed)) {
            if (there >= n0)
                KI_FAIL(KITH_EXISTS, "id %lld is in row %u and in row %zu", (long long)id,
                        there - n0, i);
            if (how == KI_PUT_ADD)
                KI_FAIL(KITH_EXISTS, "id %lld (row %zu) is stored already", (long long)id, i);
            KI_TRY(ki_change_bury(c, there));
            KI_TRY(inherit_label(c, there, pos));
        } else if (how == KI_PUT_UPDATE) {
            KI_FAIL(KITH_NOT_FOUND, "id %lld (row %zu) is not stored", (long long)id, i);
        }
        *id_at(v, pos) = id;
        ki_idmap_insert(&own->idmap, id, pos);
        c->inserted = pos + 1;
        used_id(v, id);
    }
out:
    return st;
}

/* What an own id in the middle of a batch would tell row by row, told at once for consecutive ids:
 * they are new, so an update cannot find them. */
static kith_status put_ids(ki_change *c, ki_put how, const int64_t *ids, size_t n)
{
    ki_view *v = c->next;
    struct ki_view_private *own = v->own;
    const bool left = v->next_id != KITH_NO_ID && (uint64_t)(INT64_MAX - v->next_id) >= n - 1;
    kith_status st = KITH_OK;

    if (!ids && !left)
        KI_FAIL(KITH_LIMIT, "%zu rows without ids: no numbers are left behind the largest id", n);
    if (!own->ids && how != KI_PUT_UPDATE) {
        const bool follows = v->n == 0 || (uint64_t)v->next_id == (uint64_t)v->first_id + v->n;

        if (ids ? continues(v, ids, n) : follows) {
            if (v->n == 0) v->first_id = ids ? ids[0] : v->next_id;
            used_id(v, v->first_id + (int64_t)(v->n + n - 1));
            goto out;
        }
    }
    if (!own->ids) KI_TRY(write_down_ids(c, n));
    KI_TRY(ki_column_extend(&own->ids, v->n, n, c->rows->expect));
    KI_TRY(ki_idmap_reserve(&own->idmap, own->env, own->ids, own->removed, v->n, (uint32_t)n));
    KI_TRY(place_ids(c, how, ids, n, v->n));
out:
    ki_view_show(v);
    return st;
}

/* ---- put ------------------------------------------------------------------------------------- */

static kith_status check_labels(const char *const *labels, size_t n)
{
    kith_status st = KITH_OK;

    for (size_t i = 0; labels && i < n; i++) KI_TRY(ki_label_check(labels[i], "row", (int64_t)i));
out:
    return st;
}

static kith_status put_labels(ki_change *c, const char *const *labels, size_t n, uint32_t n0)
{
    struct ki_view_private *own = c->next->own;
    kith_status st = KITH_OK;

    for (size_t i = 0; labels && i < n; i++)
        if (labels[i])
            KI_TRY(ki_labels_set(&own->labels, own->env, n0 + (uint32_t)i, labels[i],
                                 strlen(labels[i])));
out:
    return st;
}

static kith_status put(ki_change *c, ki_put how, kith_rows x, const int64_t *ids,
                       const char *const *labels, uint32_t threads, ki_progress *p)
{
    ki_view *v = c->next;
    const uint32_t n0 = v->n;
    filling f = {.change = c, .x = x, .n0 = n0, .encode = true, .progress = p};
    kith_status st = KITH_OK;
    bool checked;

    KI_TRY(ki_rows_check_shape(x, v->d, v->metric, "row"));
    if (x.n > KITH_MAX_ROWS - n0)
        KI_FAIL(KITH_LIMIT, "%zu rows and %u that are there are more than %u", x.n, n0,
                KITH_MAX_ROWS);
    KI_TRY(check_labels(labels, x.n));
    KI_TRY(choose(c, x, threads, p, &checked));
    KI_TRY(learn_by_itself(c, x, threads, p, &checked));
    KI_TRY(put_ids(c, how, ids, x.n));
    KI_TRY(ki_column_extend(&v->own->codes, n0, x.n, c->rows->expect));
    ki_view_show(v);
    f.check = !checked;
    KI_TRY(fill(&f, threads));
    v->n += (uint32_t)x.n;
    v->live += (uint32_t)x.n;
    KI_TRY(ki_change_scan(c, n0, threads, p));
    KI_TRY(put_labels(c, labels, x.n, n0));
out:
    return st;
}

kith_status ki_change_put(ki_change *c, ki_put how, kith_rows x, const int64_t *ids,
                          const char *const *labels, uint32_t threads, ki_progress *p)
{
    const kith_status st = x.n ? put(c, how, x, ids, labels, threads, p) : KITH_OK;

    c->failed |= st != KITH_OK;
    return st;
}
