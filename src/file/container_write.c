/* Writing our file in one pass: a planning run of the caller's fill gives every length, so the head
 * can go first; sums and table are collected on the way and go last. Bytes leave in chunks of CHUNK
 * at multiples of CHUNK. */
#include "file/container.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/replace.h"
#include "file/container_layout.h"

enum { CHUNK = 4 << 20, FIRST_SECTIONS = 16 };

typedef kith_status emit_fn(void *to, const void *bytes, size_t len);

/* owns: section, sums, chunk */
typedef struct writer {
    ki_blob_writer base; /* first: its functions get back here by a cast */
    ki_env *env;
    ki_progress *progress;
    ki_section *section; /* [cap], `count` of them planned */
    size_t count, cap, current;
    uint64_t sums_at, table_at, len; /* of the file, once planned */
    uint8_t *sums;                   /* of all row sections in turn */
    size_t sums_len, sums_used;
    uint8_t *chunk; /* the bytes before `at` that have not left yet */
    size_t chunk_len, filled;
    uint64_t at;
    uint64_t left; /* of the section that is open */
    bool planning, inside;
    emit_fn *emit;
    void *to;
    size_t in_block;
    XXH3_state_t hash; /* of the section, or of its block */
} writer;

static writer *self(ki_blob_writer *w)
{
    return (writer *)(void *)w;
}

/* ---- planning ----------------------------------------------------------------------------- */

static uint64_t sections_end(const writer *w)
{
    uint64_t end = KI_FILE_HEAD;

    if (w->count > 0) end = w->section[w->count - 1].at + w->section[w->count - 1].len;
    return end;
}

static kith_status plan_section(writer *w, uint32_t type, uint32_t part, uint64_t len, bool rows)
{
    const uint64_t end = sections_end(w);
    ki_section *more;

    if (w->count == KI_FILE_SECTIONS || len > KI_FILE_MAX / 2 || end > KI_FILE_MAX / 2)
        return ki_fail(KITH_LIMIT, "a file holds %d sections and 2^61 bytes", KI_FILE_SECTIONS);
    if (w->count == w->cap) {
        const size_t cap = w->cap ? 2 * w->cap : FIRST_SECTIONS;

        more = ki_regrow(w->env, w->section, w->count, cap, sizeof *more);
        if (!more) return KITH_NO_MEMORY;
        ki_release(w->env, w->section, w->cap, sizeof *more);
        w->section = more;
        w->cap = cap;
    }
    w->section[w->count++] = (ki_section){.type = type,
                                          .part = part,
                                          .at = ki_round_up(end, ki_section_align(len)),
                                          .len = len,
                                          .rows = rows};
    return KITH_OK;
}

static kith_status finish_plan(writer *w)
{
    uint64_t sums;

    w->sums_at = ki_round_up(sections_end(w), KI_FILE_ALIGN);
    sums = w->sums_at;
    for (size_t i = 0; i < w->count; i++) {
        if (w->section[i].rows) w->section[i].sums_at = sums;
        sums += 8 * ki_section_blocks(&w->section[i]);
    }
    w->table_at = ki_round_up(sums, KI_FILE_ALIGN);
    w->len = w->table_at + w->count * KI_FILE_ENTRY + KI_FILE_TAIL;
    w->sums_len = (size_t)(sums - w->sums_at);
    w->sums = ki_array(w->env, w->sums_len, 1);
    w->chunk_len = w->len < CHUNK ? (size_t)w->len : CHUNK;
    w->chunk = ki_array(w->env, w->chunk_len, 1);
    w->planning = false;
    w->current = 0;
    if (w->progress) w->progress->total = w->len;
    return w->sums && w->chunk ? KITH_OK : KITH_NO_MEMORY;
}

/* ---- bytes out ---------------------------------------------------------------------------- */

static kith_status send(writer *w, const void *bytes, size_t len)
{
    const kith_status st = w->emit(w->to, bytes, len);

    return st == KITH_OK ? ki_progress_add(w->progress, len) : st;
}

static kith_status send_chunk(writer *w)
{
    const size_t len = w->filled;

    w->filled = 0;
    return send(w, w->chunk, len);
}

static kith_status append(writer *w, const void *bytes, size_t len)
{
    const uint8_t *from = bytes;
    kith_status st = KITH_OK;

    w->at += len;
    while (len > 0) {
        size_t n = len;

        if (w->filled == 0 && len >= w->chunk_len) { // whole chunks need no copy
            n -= n % w->chunk_len;
            KI_TRY(send(w, from, n));
        } else {
            if (n > w->chunk_len - w->filled) n = w->chunk_len - w->filled;
            memcpy(w->chunk + w->filled, from, n);
            w->filled += n;
            if (w->filled == w->chunk_len) KI_TRY(send_chunk(w));
        }
        from += n;
        len -= n;
    }
out:
    return st;
}

static kith_status append_zeros(writer *w, uint64_t to)
{
    static const uint8_t zeros[4096];
    kith_status st = KITH_OK;

    while (w->at < to) KI_TRY(append(w, zeros, to - w->at < 4096 ? (size_t)(to - w->at) : 4096));
out:
    return st;
}

static kith_status append_head(writer *w)
{
    uint8_t head[KI_FILE_HEAD] = KI_FILE_MAGIC;

    ki_put_le32(head + 8, KI_FILE_VERSION);
    ki_put_le32(head + 16, (uint32_t)w->count);
    ki_put_le64(head + 24, w->len);
    ki_put_le64(head + 32, w->sums_at);
    ki_put_le64(head + 40, w->table_at);
    ki_put_le64(head + 56, ki_hash(head, 56));
    return append(w, head, sizeof head);
}

/* Sums, table, tail, and what is still in the chunk. */
static kith_status append_end(writer *w)
{
    uint8_t entry[KI_FILE_ENTRY], tail[KI_FILE_TAIL];
    XXH3_state_t *table = &w->hash;
    kith_status st = KITH_OK;

    KI_TRY(append_zeros(w, w->sums_at));
    KI_TRY(append(w, w->sums, w->sums_len));
    KI_TRY(append_zeros(w, w->table_at));
    XXH3_64bits_reset(table);
    for (size_t i = 0; i < w->count; i++) {
        const ki_section *s = &w->section[i];

        memset(entry, 0, sizeof entry);
        ki_put_le32(entry, s->type);
        ki_put_le32(entry + 4, s->part);
        ki_put_le64(entry + 8, s->at);
        ki_put_le64(entry + 16, s->len);
        ki_put_le32(entry + 24, s->rows ? 1 : 0);
        ki_put_le64(entry + 32, s->sum);
        ki_put_le64(entry + 40, s->sums_at);
        XXH3_64bits_update(table, entry, sizeof entry);
        KI_TRY(append(w, entry, sizeof entry));
    }
    ki_put_le64(tail, XXH3_64bits_digest(table));
    ki_put_le64(tail + 8, KI_FILE_END);
    KI_TRY(append(w, tail, sizeof tail));
    if (w->filled > 0) st = send_chunk(w);
out:
    return st;
}

/* ---- the writer's functions --------------------------------------------------------------- */

static void end_block(writer *w)
{
    ki_put_le64(w->sums + w->sums_used, XXH3_64bits_digest(&w->hash));
    w->sums_used += 8;
    w->in_block = 0;
    XXH3_64bits_reset(&w->hash);
}

static void hash(writer *w, const uint8_t *bytes, size_t len)
{
    if (!w->section[w->current].rows) {
        XXH3_64bits_update(&w->hash, bytes, len);
        return;
    }
    while (len > 0) {
        const size_t room = KI_FILE_BLOCK - w->in_block, n = len < room ? len : room;

        XXH3_64bits_update(&w->hash, bytes, n);
        w->in_block += n;
        bytes += n;
        len -= n;
        if (w->in_block == KI_FILE_BLOCK) end_block(w);
    }
}

static kith_status begin(ki_blob_writer *base, uint32_t type, uint32_t part, uint64_t len,
                         bool rows)
{
    writer *w = self(base);
    const ki_section *s = &w->section[w->current];
    char name[5];

    if (w->planning) return plan_section(w, type, part, len, rows);
    if (w->current >= w->count || s->type != type || s->part != part || s->len != len ||
        s->rows != rows)
        return ki_fail(KITH_BAD_ARG, "section %s (%llu bytes) was not planned so",
                       ki_blob_name(type, name), (unsigned long long)len);
    w->left = len;
    w->inside = true;
    w->in_block = 0;
    XXH3_64bits_reset(&w->hash);
    return append_zeros(w, s->at);
}

static kith_status put(ki_blob_writer *base, const void *bytes, size_t len)
{
    writer *w = self(base);

    if (w->planning || len == 0) return KITH_OK;
    if (!w->inside || len > w->left)
        return ki_fail(KITH_BAD_ARG, "%zu bytes are put where %llu were planned", len,
                       (unsigned long long)w->left);
    hash(w, bytes, len);
    w->left -= len;
    return append(w, bytes, len);
}

static kith_status end(ki_blob_writer *base)
{
    writer *w = self(base);
    ki_section *s = &w->section[w->current];

    if (w->planning) return KITH_OK;
    if (!w->inside || w->left > 0)
        return ki_fail(KITH_BAD_ARG, "%llu planned bytes were not put",
                       (unsigned long long)w->left);
    if (s->rows) {
        if (w->in_block > 0) end_block(w);
        s->sum = ki_hash(w->sums + (s->sums_at - w->sums_at), (size_t)(8 * ki_section_blocks(s)));
    } else {
        s->sum = XXH3_64bits_digest(&w->hash);
    }
    w->inside = false;
    w->current++;
    return KITH_OK;
}

/* ---- save and write ----------------------------------------------------------------------- */

static void writer_free(ki_env *env, writer *w)
{
    if (!w) return;
    ki_release(env, w->section, w->cap, sizeof *w->section);
    ki_release(env, w->sums, w->sums_len, 1);
    ki_release(env, w->chunk, w->chunk_len, 1);
    ki_release(env, w, 1, sizeof *w);
}

/* Planned, with all memory that writing takes. */
static kith_status writer_create(ki_env *env, ki_fill *fill, void *arg, ki_progress *p,
                                 writer **out)
{
    kith_status st = KITH_OK;
    writer *w = ki_zeros(env, 1, sizeof *w); // 64-byte aligned, as the hash's state must be

    KI_NEED(w);
    w->base = (ki_blob_writer){begin, put, end};
    w->env = env;
    w->progress = p;
    w->planning = true;
    KI_TRY(fill(arg, &w->base, true));
    KI_TRY(finish_plan(w));
    *out = w;
    w = NULL;
out:
    writer_free(env, w);
    return st;
}

static kith_status writer_run(writer *w, emit_fn *emit, void *to, ki_fill *fill, void *arg)
{
    kith_status st = KITH_OK;

    w->emit = emit;
    w->to = to;
    KI_TRY(append_head(w));
    KI_TRY(fill(arg, &w->base, false));
    if (w->current != w->count)
        KI_FAIL(KITH_BAD_ARG, "%zu sections were planned, %zu written", w->count, w->current);
    st = append_end(w);
out:
    return st;
}

static kith_status emit_to_file(void *to, const void *bytes, size_t len)
{
    return ki_replace_write(to, bytes, len);
}

kith_status ki_container_save(ki_env *env, const char *path, ki_fill *fill, void *arg,
                              ki_progress *p)
{
    kith_status st = KITH_OK;
    ki_replace file = {0};
    writer *w = NULL;

    KI_TRY(writer_create(env, fill, arg, p, &w));
    KI_TRY(ki_replace_begin(env, path, &file));
    KI_TRY(writer_run(w, emit_to_file, &file, fill, arg));
    st = ki_replace_commit(&file);
out:
    ki_replace_end(&file);
    writer_free(env, w);
    return st;
}

typedef struct outlet {
    int (*sink)(void *ctx, const void *bytes, size_t len);
    void *ctx;
    uint64_t done;
} outlet;

static kith_status emit_to_sink(void *to, const void *bytes, size_t len)
{
    outlet *o = to;
    const int said = o->sink(o->ctx, bytes, len);

    if (said != 0)
        return ki_fail(KITH_IO, "the sink stopped with %d after %llu bytes", said,
                       (unsigned long long)o->done);
    o->done += len;
    return KITH_OK;
}

kith_status ki_container_write(ki_env *env, int (*sink)(void *ctx, const void *bytes, size_t len),
                               void *ctx, ki_fill *fill, void *arg, ki_progress *p)
{
    outlet o = {sink, ctx, 0};
    kith_status st = KITH_OK;
    writer *w = NULL;

    KI_TRY(writer_create(env, fill, arg, p, &w));
    st = writer_run(w, emit_to_sink, &o, fill, arg);
out:
    writer_free(env, w);
    return st;
}
