/* Radix sort, a byte at a time from the lowest: passes whose byte is the same everywhere are left
 * out, so ids below a million cost three passes over memory. Texts are sorted by it 8 bytes at a
 * time. */
#include "rows/sort.h"

#include <string.h>

enum { BYTES = 8, SMALL = 48 };

/* Order of signed numbers as order of unsigned ones. */
static uint64_t key_of(int64_t id)
{
    return (uint64_t)id ^ (uint64_t)1 << 63;
}

static void insertion_sort(uint64_t *keys, uint32_t *values, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        const uint64_t key = keys[i];
        const uint32_t value = values ? values[i] : 0;
        size_t at = i;

        for (; at > 0 && keys[at - 1] > key; at--) {
            keys[at] = keys[at - 1];
            if (values) values[at] = values[at - 1];
        }
        keys[at] = key;
        if (values) values[at] = value;
    }
}

/* values may be NULL. */
static kith_status sort(ki_env *env, uint64_t *keys, uint32_t *values, size_t n)
{
    kith_status st = KITH_OK;
    size_t(*count)[256] = NULL;
    uint64_t *other = NULL, *from = keys, *to;
    uint32_t *other_values = NULL, *from_values = values, *to_values;

    if (n <= SMALL) {
        insertion_sort(keys, values, n);
        return KITH_OK;
    }
    count = ki_zeros(env, BYTES, sizeof *count);
    KI_NEED(count);
    other = ki_array(env, n, sizeof *other);
    KI_NEED(other);
    other_values = ki_array(env, values ? n : 0, sizeof *other_values);
    KI_NEED(other_values);
    for (size_t i = 0; i < n; i++)
        for (unsigned b = 0; b < BYTES; b++) count[b][keys[i] >> 8 * b & 0xff]++;
    to = other;
    to_values = other_values;
    for (unsigned b = 0; b < BYTES; b++) {
        size_t *start = count[b], sum = 0;

        if (start[from[0] >> 8 * b & 0xff] == n) continue;
        for (size_t i = 0; i < 256; i++) {
            const size_t here = start[i];

            start[i] = sum;
            sum += here;
        }
        for (size_t i = 0; i < n; i++) {
            const size_t at = start[from[i] >> 8 * b & 0xff]++;

            to[at] = from[i];
            if (values) to_values[at] = from_values[i];
        }
        to = from;
        from = to == keys ? other : keys;
        to_values = from_values;
        from_values = to_values == values ? other_values : values;
    }
    if (from != keys) {
        memcpy(keys, from, n * sizeof *keys);
        if (values) memcpy(values, from_values, n * sizeof *values);
    }
out:
    ki_release(env, count, BYTES, sizeof *count);
    ki_release(env, other, n, sizeof *other);
    ki_release(env, other_values, values ? n : 0, sizeof *other_values);
    return st;
}

kith_status ki_sort_pairs(ki_env *env, uint64_t *keys, uint32_t *values, size_t n)
{
    return sort(env, keys, values, n);
}

kith_status ki_sort_ids(ki_env *env, int64_t *ids, size_t n)
{
    uint64_t *keys = (uint64_t *)(void *)ids; // the unsigned type of the same numbers
    kith_status st;

    for (size_t i = 0; i < n; i++) keys[i] = key_of(ids[i]);
    st = sort(env, keys, NULL, n);
    for (size_t i = 0; i < n; i++) ids[i] = (int64_t)(keys[i] ^ (uint64_t)1 << 63);
    return st;
}

/* ---- texts ----------------------------------------------------------------------------------- */

/* Bytes depth…depth+7 of a text, the first highest, zeros behind its end. */
static uint64_t bytes_at(const char *text, size_t len, size_t depth)
{
    uint64_t key = 0;

    for (size_t i = depth; i < depth + 8; i++) key = key << 8 | (i < len ? (uint8_t)text[i] : 0);
    return key;
}

/* One group of values whose texts agree up to depth, sorted by the 8 bytes that follow. Clears
 * joined[i] where value i is another text than the one before it, or the same and both end here. */
static kith_status sort_group(ki_env *env, uint32_t *values, uint64_t *keys, bool *joined, size_t n,
                              size_t depth, ki_text_of *text, void *ctx)
{
    kith_status st;

    for (size_t i = 0; i < n; i++) {
        size_t len;
        const char *bytes = text(ctx, values[i], &len);

        keys[i] = bytes_at(bytes, len, depth);
    }
    st = ki_sort_pairs(env, keys, values, n);
    for (size_t i = 1; i < n; i++) joined[i] = keys[i] == keys[i - 1] && (keys[i] & 0xff) != 0;
    return st;
}

/* Level by level, 8 bytes at a time: `joined` marks values that are alike so far. */
kith_status ki_sort_texts(ki_env *env, uint32_t *values, size_t n, ki_text_of *text, void *ctx)
{
    kith_status st = KITH_OK;
    bool *joined = NULL, more = n > 1;
    uint64_t *keys = NULL;

    joined = ki_array(env, n, sizeof *joined);
    KI_NEED(joined);
    keys = ki_array(env, n, sizeof *keys);
    KI_NEED(keys);
    for (size_t i = 0; i < n; i++) joined[i] = i > 0;
    for (size_t depth = 0; more; depth += 8) {
        more = false;
        for (size_t i = 0, end; i < n; i = end) {
            for (end = i + 1; end < n && joined[end]; end++) continue;
            if (end - i == 1) continue;
            KI_TRY(sort_group(env, values + i, keys + i, joined + i, end - i, depth, text, ctx));
            more = true;
        }
    }
out:
    ki_release(env, joined, n, sizeof *joined);
    ki_release(env, keys, n, sizeof *keys);
    return st;
}
