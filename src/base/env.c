/* What a program lends, made whole; the one door to memory; checked sizes; the checksum. */
#define _DEFAULT_SOURCE 1 /* madvise */

#include "base/env.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define CACHE_LINE ((size_t)64)
#define HUGE_PAGE  ((size_t)2 << 20)
#define HUGE_FROM  ((size_t)4 << 20) /* below, a page partly used costs more than it saves */

/* ---- structs of callers --------------------------------------------------------------------- */

static uint32_t size_of(const void *given)
{
    uint32_t size;

    memcpy(&size, given, sizeof size);
    return size;
}

kith_status ki_sized_check(const ki_sized *kind, const void *given)
{
    const uint32_t size = size_of(given);

    if (size >= kind->first && size <= kind->whole) return KITH_OK;
    return ki_fail(KITH_BAD_ARG, "%s.size is %u, not %zu%s: start from %s", kind->name, size,
                   kind->whole, size > kind->whole ? ", the most that is known here" : "",
                   kind->init);
}

kith_status ki_sized_copy(const ki_sized *kind, const void *given, void *out)
{
    const kith_status st = ki_sized_check(kind, given);
    const uint32_t whole = (uint32_t)kind->whole;

    if (st != KITH_OK) return st;
    memcpy(out, given, size_of(given));
    memcpy(out, &whole, sizeof whole);
    return KITH_OK;
}

/* ---- the host ------------------------------------------------------------------------------- */

/* A big block lies on huge pages where the system has them: a random row of a large index costs one
 * page walk less. It is only advice, so its failure is none. */
static void *libc_alloc(void *ctx, size_t len, size_t align)
{
    void *p = NULL;

    (void)ctx;
    if (posix_memalign(&p, align < sizeof p ? sizeof p : align, len) != 0) return NULL;
#ifdef MADV_HUGEPAGE
    if (len >= HUGE_FROM && align >= HUGE_PAGE)
        (void)madvise(p, len / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
#endif
    return p;
}

static void libc_release(void *ctx, void *p, size_t len, size_t align)
{
    (void)ctx;
    (void)len;
    (void)align;
    free(p);
}

static const ki_sized sized_host = {"kith_host", "KITH_HOST_INIT", KI_SIZE_UP_TO(kith_host, files),
                                    sizeof(kith_host)};
/* Used where it lies, so a member that comes later is read only after a look at its size. */
static const ki_sized sized_files = {"kith_files", "sizeof(kith_files)",
                                     KI_SIZE_UP_TO(kith_files, unmap), sizeof(kith_files)};

static kith_status check_files(const kith_files *f)
{
    const kith_status st = ki_sized_check(&sized_files, f);

    if (st != KITH_OK) return st;
    if (!f->open || !f->length || !f->read || !f->write || !f->sync || !f->close || !f->rename ||
        !f->remove || !f->sync_folder || !f->map || !f->unmap)
        return ki_fail(KITH_BAD_ARG, "kith_files has a function that is NULL");
    return KITH_OK;
}

kith_status ki_env_init(ki_env *env, const kith_host *host)
{
    kith_host lent = KITH_HOST_INIT;
    kith_status st = KITH_OK;

    if (host != NULL) KI_TRY(ki_sized_copy(&sized_host, host, &lent));
    if ((lent.alloc == NULL) != (lent.release == NULL))
        KI_FAIL(KITH_BAD_ARG, "kith_host has %s without %s", lent.alloc ? "alloc" : "release",
                lent.alloc ? "release" : "alloc");
    if (lent.files != NULL) KI_TRY(check_files(lent.files));
    if (lent.alloc == NULL) {
        lent.alloc = libc_alloc;
        lent.release = libc_release;
    }
    if (lent.files == NULL) lent.files = kith_os_files();
    env->host = lent;
    atomic_init(&env->bytes, 0);
out:
    return st;
}

/* ---- sizes ---------------------------------------------------------------------------------- */

bool ki_mul(size_t a, size_t b, size_t *out)
{
    if (b != 0 && a > SIZE_MAX / b) return false;
    *out = a * b;
    return true;
}

bool ki_add(size_t a, size_t b, size_t *out)
{
    if (a > SIZE_MAX - b) return false;
    *out = a + b;
    return true;
}

bool ki_mul3(size_t a, size_t b, size_t c, size_t *out)
{
    size_t ab;

    if (c == 0) { // nothing overflows that is multiplied by nothing
        *out = 0;
        return true;
    }
    return ki_mul(a, b, &ab) && ki_mul(ab, c, out);
}

/* ---- memory --------------------------------------------------------------------------------- */

/* Alignment is a function of the length, so that a release can repeat it. */
static size_t align_of(size_t len)
{
    return len < HUGE_FROM ? CACHE_LINE : HUGE_PAGE;
}

void *ki_array(ki_env *env, size_t count, size_t size)
{
    size_t len;
    void *p;

    if (!ki_mul(count, size, &len)) {
        (void)ki_fail(KITH_NO_MEMORY, "out of memory: %zu x %zu bytes", count, size);
        return NULL;
    }
    if (len == 0) len = 1;
    // No object is larger than PTRDIFF_MAX: an allocator need not be asked (some abort).
    p = len <= PTRDIFF_MAX ? env->host.alloc(env->host.ctx, len, align_of(len)) : NULL;
    if (p == NULL) {
        (void)ki_fail(KITH_NO_MEMORY, "out of memory: %zu bytes", len);
        return NULL;
    }
    // Relaxed: a statistic, it orders nothing.
    atomic_fetch_add_explicit(&env->bytes, len, memory_order_relaxed);
    return p;
}

void *ki_zeros(ki_env *env, size_t count, size_t size)
{
    void *p = ki_array(env, count, size);

    if (p != NULL) memset(p, 0, count * size);
    return p;
}

void ki_release(ki_env *env, void *p, size_t count, size_t size)
{
    const size_t len = count * size > 0 ? count * size : 1;

    if (p == NULL) return;
    env->host.release(env->host.ctx, p, len, align_of(len));
    atomic_fetch_sub_explicit(&env->bytes, len, memory_order_relaxed);
}

void *ki_regrow(ki_env *env, const void *old, size_t old_count, size_t count, size_t size)
{
    void *p;

    ki_assert(old_count <= count);
    p = ki_array(env, count, size);
    if (p != NULL && old_count > 0) memcpy(p, old, old_count * size);
    return p;
}

/* ---- the checksum --------------------------------------------------------------------------- */

uint64_t ki_hash(const void *p, size_t len)
{
    return XXH3_64bits(p, len);
}
