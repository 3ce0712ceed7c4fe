/* Scratch of searches: the caller's own, or from a small pool of idle ones that each index keeps,
 * so that a thread's second query of a shape allocates nothing. */
#include "api/index.h"

#include <string.h>

kith_status kith_context_create(const kith_host *host, kith_context **out)
{
    kith_status st = KITH_OK;
    kith_context *c = NULL;
    ki_env env;

    if (!out) KI_FAIL(KITH_BAD_ARG, "out may not be NULL");
    KI_TRY(ki_env_init(&env, host));
    c = ki_zeros(&env, 1, sizeof *c);
    KI_NEED(c);
    KI_TRY(ki_env_init(&c->own, host));
    c->env = &c->own;
    KI_TRY(ki_scratch_create(c->env, &c->scratch));
    *out = c;
    c = NULL;
out:
    if (c) ki_release(&env, c, 1, sizeof *c);
    return st;
}

void kith_context_free(kith_context *c)
{
    ki_env env;

    if (!c) return;
    ki_scratch_free(c->scratch);
    ki_release(c->env, c->queries, 1, c->queries_len);
    env.host = c->own.host;
    atomic_init(&env.bytes, sizeof *c);
    ki_release(&env, c, 1, sizeof *c);
}

kith_status ki_context_take(const kith_index *ix, const kith_query *how, kith_context **out)
{
    kith_index *shared = ki_unconst(ix); // the pool's slots are atomic

    if (how->context) {
        *out = how->context;
        return KITH_OK;
    }
    for (size_t i = 0; i < KI_INDEX_CONTEXTS; i++) {
        if (!atomic_load_explicit(&shared->idle[i], memory_order_relaxed)) continue;
        *out = atomic_exchange_explicit(&shared->idle[i], NULL, memory_order_acquire);
        if (*out) return KITH_OK;
    }
    return kith_context_create(&ix->env.host, out);
}

void ki_context_give(const kith_index *ix, const kith_query *how, kith_context *c)
{
    kith_index *shared = ki_unconst(ix);

    if (!c || how->context) return;
    for (size_t i = 0; i < KI_INDEX_CONTEXTS; i++) {
        kith_context *none = NULL;

        if (atomic_compare_exchange_strong_explicit(&shared->idle[i], &none, c,
                                                    memory_order_release, memory_order_relaxed))
            return;
    }
    kith_context_free(c);
}

void *ki_context_room(kith_context *c, size_t count, size_t size)
{
    size_t len;

    if (!ki_mul(count, size, &len)) {
        (void)ki_fail(KITH_NO_MEMORY, "out of memory: %zu queries of %zu bytes", count, size);
        return NULL;
    }
    if (len > c->queries_len || !c->queries) {
        void *more = ki_array(c->env, 1, len);

        if (!more) return NULL;
        ki_release(c->env, c->queries, 1, c->queries_len);
        c->queries = more;
        c->queries_len = len;
    }
    return c->queries;
}

kith_status ki_queries(const kith_index *ix, const ki_view *v, kith_rows q, kith_context *c,
                       const void **out)
{
    kith_status st = KITH_OK;
    const bool bits = v->codec->type == KI_BITS;
    const size_t row = bits ? v->row_bytes : ix->d * sizeof(float);
    const kith_dtype as = bits ? KITH_BIT : KITH_F32;
    void *room;

    if (q.n && !q.data) KI_FAIL(KITH_BAD_ARG, "the queries' data is NULL");
    KI_TRY(ki_rows_check(q, ix->d, ix->metric, "query"));
    if (q.dtype == as && !bits && (q.stride == 0 || q.stride == row) &&
        (uintptr_t)q.data % sizeof(float) == 0) {
        *out = q.data;
        goto out;
    }
    room = ki_context_room(c, q.n, row);
    KI_NEED(room);
    if (bits)
        KI_TRY(ki_codec_encode(v->codec, q, 0, q.n, ix->d, room));
    else
        ki_rows_to_f32(q, 0, q.n, ix->d, room);
    *out = room;
out:
    return st;
}

kith_status ki_queries_stored(const kith_index *ix, const ki_view *v, const int64_t *of, size_t n,
                              kith_context *c, const void **out)
{
    const bool bits = v->codec->type == KI_BITS;
    const size_t row = bits ? v->row_bytes : ix->d * sizeof(float);
    kith_status st = KITH_OK;
    uint8_t *room = ki_context_room(c, n, row);

    KI_NEED(room);
    for (size_t i = 0; i < n; i++) {
        uint32_t pos;

        if (!ki_view_find(v, of[i], &pos))
            KI_FAIL(KITH_NOT_FOUND, "id %lld is not stored", (long long)of[i]);
        if (bits)
            memcpy(room + i * row, ki_view_code(v, pos), row);
        else
            ki_codec_decode(v->codec, ki_view_code(v, pos), v->row_bytes, 1, ix->d,
                             (float *)(void *)(room + i * row));
    }
    *out = room;
out:
    return st;
}
