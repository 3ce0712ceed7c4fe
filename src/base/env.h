/* What a program lends: memory, files, threads; and checked sizes. No allocation in the library
 * that does not come through here. */
#ifndef KI_ENV_H
#define KI_ENV_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/status.h"

/* A host with every member filled in; one per index (or context, filter, source), which owns it.
 * Shared by pointer, read-only but for `bytes`. */
typedef struct ki_env {
    kith_host host; /* parallel stays NULL when the library's own pool is to be used */
    atomic_size_t bytes; /* now allocated through this env */
} ki_env;

/* host NULL: libc, own threads, the system's files. BAD_ARG: unknown size, half an allocator. */
kith_status ki_env_init(ki_env *env, const kith_host *host);

/* A struct that callers make begins with its size as a uint32_t, which tells the header that they
 * were compiled with. */
typedef struct ki_sized {
    const char *name, *init; /* "kith_query", "KITH_QUERY_INIT" */
    size_t first, whole;     /* bytes in the first release, and now */
} ki_sized;
#define KI_SIZE_UP_TO(type, member)                                                                \
    (offsetof(type, member) + sizeof(((type *)NULL)->member)) // NOLINT(bugprone-sizeof-expression)
/* BAD_ARG: smaller than in any release, or larger: a newer program may wish what is unknown
 * here. */
kith_status ki_sized_check(const ki_sized *kind, const void *given);
/* Copy what is given over *out, which holds the presets of members that an older struct lacks. */
kith_status ki_sized_copy(const ki_sized *kind, const void *given, void *out);

/* Sizes: false on overflow, then *out is unspecified. */
bool ki_mul(size_t a, size_t b, size_t *out);
bool ki_add(size_t a, size_t b, size_t *out);
bool ki_mul3(size_t a, size_t b, size_t c, size_t *out);

/* count * size bytes aligned to 64 (2 MiB and huge pages asked for from 4 MiB on), not cleared;
 * NULL with the sentence. count * size = 0 gives a valid pointer. */
void *ki_array(ki_env *env, size_t count, size_t size);
void *ki_zeros(ki_env *env, size_t count, size_t size); /* cleared */
/* count and size as given to ki_array. p may be NULL. */
void ki_release(ki_env *env, void *p, size_t count, size_t size);
/* A bigger copy: old has old_count of size; the copy has count. The old block stays. */
void *ki_regrow(ki_env *env, const void *old, size_t old_count, size_t count, size_t size);

/* Bytes owned by nobody in particular: borrowed. */
typedef struct ki_span {
    const uint8_t *ptr;
    size_t len;
} ki_span;

/* Little-endian loads and stores, any alignment. Inline, since tables of ids and offsets are read
 * with them row by row; compilers make one load or store of each. */
static inline uint16_t ki_le16(const void *p)
{
    const uint8_t *b = p;

    return (uint16_t)(b[0] | b[1] << 8);
}

static inline uint32_t ki_le32(const void *p)
{
    const uint8_t *b = p;

    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static inline uint64_t ki_le64(const void *p)
{
    const uint8_t *b = p;

    return (uint64_t)b[0] | (uint64_t)b[1] << 8 | (uint64_t)b[2] << 16 | (uint64_t)b[3] << 24 |
           (uint64_t)b[4] << 32 | (uint64_t)b[5] << 40 | (uint64_t)b[6] << 48 |
           (uint64_t)b[7] << 56;
}

static inline void ki_put_le16(void *p, uint16_t v)
{
    uint8_t *b = p;

    b[0] = (uint8_t)v;
    b[1] = (uint8_t)(v >> 8);
}

static inline void ki_put_le32(void *p, uint32_t v)
{
    uint8_t *b = p;

    b[0] = (uint8_t)v;
    b[1] = (uint8_t)(v >> 8);
    b[2] = (uint8_t)(v >> 16);
    b[3] = (uint8_t)(v >> 24);
}

static inline void ki_put_le64(void *p, uint64_t v)
{
    uint8_t *b = p;

    b[0] = (uint8_t)v;
    b[1] = (uint8_t)(v >> 8);
    b[2] = (uint8_t)(v >> 16);
    b[3] = (uint8_t)(v >> 24);
    b[4] = (uint8_t)(v >> 32);
    b[5] = (uint8_t)(v >> 40);
    b[6] = (uint8_t)(v >> 48);
    b[7] = (uint8_t)(v >> 56);
}

static inline float ki_le_f32(const void *p)
{
    const uint32_t bits = ki_le32(p);
    float x;

    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline void ki_put_le_f32(void *p, float x)
{
    uint32_t bits;

    memcpy(&bits, &x, sizeof bits);
    ki_put_le32(p, bits);
}

/* XXH3, 64 bits; streaming for sections. */
uint64_t ki_hash(const void *p, size_t len);

#endif
