/* The failing host. A block lies between a head and a tail that remember how it was asked for;
 * memory is filled with rubbish when it comes and when it goes. Files are the system's. */
#define _POSIX_C_SOURCE 200809L /* posix_memalign */

#include "support/failing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void misused(failing_host *f, const char *how)
{
    const char *none = NULL;

    atomic_compare_exchange_strong(&f->wrong, &none, how);
}

static bool is_turn(failing_host *f, size_t call, size_t n, bool on)
{
    const bool turn = n != 0 && (call == n || (on && call > n));

    if (turn) atomic_fetch_add(&f->failures, 1);
    return turn;
}

/* ---- memory --------------------------------------------------------------------------------- */

typedef struct head {
    uint64_t magic;
    failing_host *owner;
    size_t len, align;
} head;

enum { TAIL = 8 };
static const uint64_t live = 0x6576696c6b636f6c, dead = 0x646165646b636f6c;

/* Distance from the start of the system's block to ours: keeps the alignment, holds the head. */
static size_t lead(size_t align)
{
    return align < sizeof(head) ? sizeof(head) : align;
}

static void *failing_alloc(void *ctx, size_t len, size_t align)
{
    failing_host *f = ctx;
    const size_t call = atomic_fetch_add(&f->allocs, 1) + 1, before = lead(align);
    const head h = {live, f, len, align};
    void *block = NULL;
    uint8_t *p;

    if (is_turn(f, call, f->alloc_n, f->alloc_on)) return NULL;
    if (align == 0 || (align & (align - 1)) != 0) {
        misused(f, "alignment is not a power of two");
        return NULL;
    }
    if (len > PTRDIFF_MAX - before - TAIL ||
        posix_memalign(&block, before, before + len + TAIL) != 0)
        return NULL;
    p = (uint8_t *)block + before;
    memcpy(p - sizeof h, &h, sizeof h);
    memset(p, 0xa5, len);
    memcpy(p + len, &live, TAIL);
    atomic_fetch_add(&f->blocks, 1);
    atomic_fetch_add(&f->bytes, len);
    return p;
}

static void failing_release(void *ctx, void *p, size_t len, size_t align)
{
    failing_host *f = ctx;
    uint8_t *bytes = p;
    head h;

    if (p == NULL) {
        misused(f, "release of NULL");
        return;
    }
    memcpy(&h, bytes - sizeof h, sizeof h);
    if (h.magic != live || h.owner != f) {
        misused(f, h.magic == dead   ? "released twice"
                   : h.magic != live ? "the bytes before a block were overwritten"
                                     : "released to another host");
        return; // it cannot be told where the block begins
    }
    if (h.len != len) misused(f, "released with another length");
    if (h.align != align) misused(f, "released with another alignment");
    if (memcmp(bytes + h.len, &live, TAIL) != 0)
        misused(f, "the bytes after a block were overwritten");
    atomic_fetch_sub(&f->blocks, 1);
    atomic_fetch_sub(&f->bytes, h.len);
    memset(bytes, 0xdd, h.len);
    h.magic = dead;
    memcpy(bytes - sizeof h, &h, sizeof h);
    free(bytes - lead(h.align));
}

/* ---- files ---------------------------------------------------------------------------------- */

typedef struct handle {
    void *file;
    uint64_t len; // what it has grown to
} handle;

/* 0, or the errno value that this call of op shall return. */
static int fail_now(failing_host *f, failing_op op)
{
    const size_t any = atomic_fetch_add(&f->ops[FAILING_ANY], 1) + 1;
    const size_t own = atomic_fetch_add(&f->ops[op], 1) + 1;

    if (f->op != FAILING_ANY && f->op != op) return 0;
    return is_turn(f, f->op == FAILING_ANY ? any : own, f->op_n, f->op_on) ? f->err : 0;
}

static int failing_open(void *ctx, const char *path, kith_file_mode mode, void **file)
{
    failing_host *f = ctx;
    const kith_files *os = kith_os_files();
    int err = fail_now(f, FAILING_OPEN);
    handle *h;

    if (err != 0) return err;
    h = calloc(1, sizeof *h);
    if (h == NULL) return ENOMEM;
    err = os->open(os->ctx, path, mode, &h->file);
    if (err != 0) {
        free(h);
        return err;
    }
    atomic_fetch_add(&f->handles, 1);
    *file = h;
    return 0;
}

static int failing_length(void *ctx, void *file, uint64_t *len)
{
    const kith_files *os = kith_os_files();
    const int err = fail_now(ctx, FAILING_LENGTH);

    return err != 0 ? err : os->length(os->ctx, ((handle *)file)->file, len);
}

static int failing_read(void *ctx, void *file, uint64_t at, void *buf, size_t len)
{
    const kith_files *os = kith_os_files();
    const int err = fail_now(ctx, FAILING_READ);

    return err != 0 ? err : os->read(os->ctx, ((handle *)file)->file, at, buf, len);
}

/* How many of len bytes at `at` fit on the disk; takes their room. */
static size_t take_room(failing_host *f, handle *h, uint64_t at, size_t len)
{
    const uint64_t end = at + len;
    uint64_t room = atomic_load(&f->room), need;

    if (end <= h->len || room == UINT64_MAX) {
        if (end > h->len) h->len = end;
        return len;
    }
    do {
        need = end - h->len < room ? end - h->len : room;
    } while (!atomic_compare_exchange_weak(&f->room, &room, room - need));
    h->len += need;
    return h->len >= end ? len : h->len > at ? (size_t)(h->len - at) : 0;
}

static int failing_write(void *ctx, void *file, uint64_t at, const void *buf, size_t len)
{
    failing_host *f = ctx;
    const kith_files *os = kith_os_files();
    handle *h = file;
    int err = fail_now(f, FAILING_WRITE), os_err;
    size_t fits = err != 0 ? len / 2 : len;

    fits = take_room(f, h, at, fits);
    if (err == 0 && fits < len) {
        err = ENOSPC;
        atomic_fetch_add(&f->failures, 1);
    }
    os_err = os->write(os->ctx, h->file, at, buf, fits);
    return err != 0 ? err : os_err;
}

static int failing_sync(void *ctx, void *file)
{
    const kith_files *os = kith_os_files();
    const int err = fail_now(ctx, FAILING_SYNC);

    return err != 0 ? err : os->sync(os->ctx, ((handle *)file)->file);
}

static int failing_close(void *ctx, void *file)
{
    failing_host *f = ctx;
    const kith_files *os = kith_os_files();
    handle *h = file;
    const int err = fail_now(f, FAILING_CLOSE), os_err = os->close(os->ctx, h->file);

    free(h);
    atomic_fetch_sub(&f->handles, 1);
    return err != 0 ? err : os_err;
}

static int failing_rename(void *ctx, const char *from, const char *to)
{
    const kith_files *os = kith_os_files();
    const int err = fail_now(ctx, FAILING_RENAME);

    return err != 0 ? err : os->rename(os->ctx, from, to);
}

static int failing_remove(void *ctx, const char *path)
{
    const kith_files *os = kith_os_files();
    const int err = fail_now(ctx, FAILING_REMOVE);

    return err != 0 ? err : os->remove(os->ctx, path);
}

static int failing_sync_folder(void *ctx, const char *path)
{
    const kith_files *os = kith_os_files();
    const int err = fail_now(ctx, FAILING_SYNC_FOLDER);

    return err != 0 ? err : os->sync_folder(os->ctx, path);
}

static int failing_map(void *ctx, void *file, uint64_t len, const void **bytes)
{
    failing_host *f = ctx;
    const kith_files *os = kith_os_files();
    int err = fail_now(f, FAILING_MAP);

    if (err == 0) err = os->map(os->ctx, ((handle *)file)->file, len, bytes);
    if (err == 0) atomic_fetch_add(&f->maps, 1);
    return err;
}

static int failing_unmap(void *ctx, const void *bytes, uint64_t len)
{
    failing_host *f = ctx;
    const kith_files *os = kith_os_files();
    const int err = fail_now(f, FAILING_UNMAP), os_err = os->unmap(os->ctx, bytes, len);

    atomic_fetch_sub(&f->maps, 1);
    return err != 0 ? err : os_err;
}

/* ---- the host ------------------------------------------------------------------------------- */

void failing_init(failing_host *f)
{
    const kith_host host = {.size = sizeof host,
                            .ctx = f,
                            .alloc = failing_alloc,
                            .release = failing_release,
                            .files = &f->files};
    const kith_files files = {sizeof files,        f,
                              failing_open,        failing_length,
                              failing_read,        failing_write,
                              failing_sync,        failing_close,
                              failing_rename,      failing_remove,
                              failing_sync_folder, failing_map,
                              failing_unmap};

    memset(f, 0, sizeof *f);
    f->host = host;
    f->files = files;
    atomic_store(&f->room, UINT64_MAX);
}

void failing_alloc_at(failing_host *f, size_t n, bool on)
{
    f->alloc_n = n;
    f->alloc_on = on;
    atomic_store(&f->allocs, 0);
    atomic_store(&f->failures, 0);
}

void failing_files_at(failing_host *f, failing_op op, size_t n, bool on, int err)
{
    f->op = op;
    f->op_n = n;
    f->op_on = on;
    f->err = err;
    for (int i = 0; i < FAILING_OPS; i++) atomic_store(&f->ops[i], 0);
    atomic_store(&f->failures, 0);
}

void failing_disk(failing_host *f, uint64_t room)
{
    atomic_store(&f->room, room);
    atomic_store(&f->failures, 0);
}

bool failing_happened(const failing_host *f)
{
    return atomic_load(&f->failures) > 0;
}

const char *failing_complaint(const failing_host *f)
{
    static _Thread_local char leak[128];
    const char *wrong = atomic_load(&f->wrong);
    const size_t blocks = atomic_load(&f->blocks), bytes = atomic_load(&f->bytes);
    const size_t handles = atomic_load(&f->handles), maps = atomic_load(&f->maps);

    if (wrong != NULL) return wrong;
    if (blocks == 0 && bytes == 0 && handles == 0 && maps == 0) return NULL;
    (void)snprintf(leak, sizeof leak, "%zu blocks of %zu bytes, %zu open files, %zu maps are left",
                   blocks, bytes, handles, maps);
    return leak;
}
