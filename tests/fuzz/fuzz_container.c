/* Any bytes as one of our files: as they are, and with their sums put right, so that what stands
 * behind the sums is reached. Whatever opens has its sections inside the bytes; what is open with
 * VERIFY verifies. An index that opens answers, or refuses, and nothing else. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file/container.h"
#include "file/container_layout.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void stop(const char *why)
{
    (void)fprintf(stderr, "fuzz_container: %s; the last error: %s\n", why, kith_last_error());
    abort();
}

static void check_refusal(kith_status st)
{
    if (st != KITH_CORRUPT && st != KITH_VERSION) stop(kith_status_name(st));
    if (*kith_last_error() == '\0') stop("no sentence");
}

static void check_sections(const ki_container *c, const uint8_t *bytes, size_t len)
{
    const ki_blob_reader *r = ki_container_reader(c);
    uint32_t type, part;
    ki_span s, found;
    bool rows;

    for (size_t i = 0; ki_container_section(c, i, &type, &part, &s, &rows); i++) {
        if (s.ptr < bytes || s.len > len || s.ptr > bytes + (len - s.len))
            stop("a section outside");
        if (r->find(r, type, part, &found) != KITH_OK || found.ptr != s.ptr || found.len != s.len)
            stop("another section is found");
    }
}

static void open_container(const uint8_t *bytes, size_t len)
{
    ki_container *c;
    kith_status st;
    ki_env env;

    if (ki_env_init(&env, NULL) != KITH_OK) stop("no env");
    st = ki_container_view(&env, bytes, len, 0, &c);
    if (st == KITH_OK) {
        check_sections(c, bytes, len);
        st = ki_container_verify(c, 1, NULL);
        ki_container_release(c);
    }
    if (st != KITH_OK) check_refusal(st);
    if ((ki_container_view(&env, bytes, len, KITH_OPEN_VERIFY, &c) == KITH_OK) != (st == KITH_OK))
        stop("open with VERIFY and verify differ");
    if (st == KITH_OK) ki_container_release(c);
    if (env.bytes != 0) stop("a leak");
}

static void open_index(const uint8_t *bytes, size_t len, uint32_t flags)
{
    kith_host host = KITH_HOST_INIT;
    kith_query how = KITH_QUERY_K(3);
    static float query[KITH_MAX_DIM];
    float dist[3];
    int64_t ids[3];
    kith_index *ix;
    size_t n;

    host.threads = 1;
    if (kith_open_view(bytes, len, flags, &host, &ix) != KITH_OK) return;
    if (kith_metric_of(ix) != KITH_HAMMING)
        (void)kith_search(ix, KITH_ROWS(query, 1, KITH_F32), &how, ids, dist);
    if (kith_ids(ix, 0, 3, ids, &n) == KITH_OK && n > 0) {
        (void)kith_get(ix, ids[0], query);
        memset(query, 0, sizeof query);
        (void)kith_search_ids(ix, ids, 1, &how, ids, dist);
    }
    (void)kith_find_label(ix, "a", ids, 3, &n);
    (void)kith_verify(ix, NULL);
    kith_free(ix);
}

/* All sums as they must be, wherever the numbers lie inside the bytes. */
static void mend(uint8_t *p, size_t len)
{
    uint64_t table, count;

    if (len < KI_FILE_HEAD) return;
    memcpy(p, KI_FILE_MAGIC, 8);
    ki_put_le64(p + 24, len);
    table = ki_le64(p + 40);
    count = ki_le32(p + 16);
    ki_put_le64(p + 56, ki_hash(p, 56));
    if (count > KI_FILE_SECTIONS || table > len ||
        len - table < count * KI_FILE_ENTRY + KI_FILE_TAIL)
        return;
    for (uint64_t i = 0; i < count; i++) {
        uint8_t *e = p + table + i * KI_FILE_ENTRY;
        const uint64_t at = ki_le64(e + 8), n = ki_le64(e + 16), sums = ki_le64(e + 40);
        const uint64_t blocks = n / KI_FILE_BLOCK + (n % KI_FILE_BLOCK != 0);

        if (at > len || n > len - at) continue;
        if (ki_le32(e + 24) == 0) {
            ki_put_le64(e + 32, ki_hash(p + at, n));
        } else if (sums <= len && blocks <= (len - sums) / 8) {
            for (uint64_t b = 0; b < blocks; b++) {
                const uint64_t from = b * KI_FILE_BLOCK;

                ki_put_le64(
                    p + sums + 8 * b,
                    ki_hash(p + at + from, n - from < KI_FILE_BLOCK ? n - from : KI_FILE_BLOCK));
            }
            ki_put_le64(e + 32, ki_hash(p + sums, 8 * blocks));
        }
    }
    ki_put_le64(p + table + count * KI_FILE_ENTRY, ki_hash(p + table, count * KI_FILE_ENTRY));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = calloc(1, size > 0 ? size : 1);

    if (copy == NULL) return 0;
    if (size > 0) memcpy(copy, data, size);
    open_container(copy, size);
    mend(copy, size);
    open_container(copy, size);
    open_index(copy, size, 0);
    open_index(copy, size, KITH_OPEN_VERIFY);
    free(copy);
    return 0;
}
