/* Sections in memory. */
#include "support/memory_blob.h"

#include <stdlib.h>
#include <string.h>

static memory_blob *of_writer(ki_blob_writer *w)
{
    return (memory_blob *)(void *)((uint8_t *)w - offsetof(memory_blob, writer));
}

static kith_status begin(ki_blob_writer *w, uint32_t type, uint32_t part, uint64_t len, bool rows)
{
    memory_blob *b = of_writer(w);
    memory_section *s = &b->section[b->count];

    if (b->open || b->count == MEMORY_SECTIONS)
        return ki_fail(KITH_BAD_ARG, "a section within a section, or too many");
    *s = (memory_section){.type = type, .part = part, .rows = rows, .len = len};
    s->block = aligned_alloc(64, (size_t)(len + b->shift + 127) / 64 * 64);
    if (!s->block) return ki_fail(KITH_NO_MEMORY, "no memory for the test's section");
    s->bytes = s->block + b->shift;
    b->open = true;
    return KITH_OK;
}

static kith_status put(ki_blob_writer *w, const void *bytes, size_t len)
{
    memory_blob *b = of_writer(w);
    memory_section *s = &b->section[b->count];

    if (++b->puts == b->fail_put) return ki_fail(KITH_IO, "the test's disk is full");
    if (!b->open || b->planning || len > s->len - s->put)
        return ki_fail(KITH_BAD_ARG, "more is put than was announced");
    memcpy(s->bytes + s->put, bytes, len);
    s->put += len;
    return KITH_OK;
}

static kith_status end(ki_blob_writer *w)
{
    memory_blob *b = of_writer(w);

    if (!b->open || (!b->planning && b->section[b->count].put != b->section[b->count].len))
        return ki_fail(KITH_BAD_ARG, "less is put than was announced");
    b->open = false;
    b->count++;
    return KITH_OK;
}

memory_section *memory_blob_find(memory_blob *b, uint32_t type)
{
    for (size_t i = 0; i < b->count; i++)
        if (b->section[i].type == type) return &b->section[i];
    return NULL;
}

static kith_status find(const ki_blob_reader *r, uint32_t type, uint32_t part, ki_span *out)
{
    const memory_blob *b =
        (const memory_blob *)(const void *)((const uint8_t *)r - offsetof(memory_blob, reader));

    *out = (ki_span){NULL, 0};
    for (size_t i = 0; i < b->count; i++)
        if (b->section[i].type == type && b->section[i].part == part)
            *out = (ki_span){b->section[i].bytes, (size_t)b->section[i].len};
    return KITH_OK;
}

void memory_blob_init(memory_blob *b)
{
    memset(b, 0, sizeof *b);
    b->writer = (ki_blob_writer){begin, put, end};
    b->reader = (ki_blob_reader){find};
}

void memory_blob_deinit(memory_blob *b)
{
    for (size_t i = 0; i < b->count + b->open; i++) free(b->section[i].block);
    b->count = 0;
    b->open = false;
}

void memory_blob_share(void *blob)
{
    atomic_fetch_add(&((memory_blob *)blob)->shares, 1);
}

void memory_blob_release(void *blob)
{
    atomic_fetch_sub(&((memory_blob *)blob)->shares, 1);
}
