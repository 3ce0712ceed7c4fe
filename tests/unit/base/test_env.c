/* The host made whole, checked sizes, memory and its failures, little-endian bytes, checksums. */
#include "base/env.h"
#include "support/failing.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define MIB ((size_t)1 << 20)

/* ---- the host ------------------------------------------------------------------------------- */

static void nothing_lent_is_filled_in(void **state)
{
    const kith_host empty = KITH_HOST_INIT;
    ki_env env;

    (void)state;
    for (int i = 0; i < 2; i++) {
        memset(&env, 0xee, sizeof env);
        assert_int_equal(ki_env_init(&env, i ? &empty : NULL), KITH_OK);
        assert_non_null(env.host.alloc);
        assert_non_null(env.host.release);
        assert_null(env.host.parallel);
        assert_ptr_equal(env.host.files, kith_os_files());
        assert_int_equal(env.host.threads, 0);
        assert_int_equal(env.bytes, 0);
    }
}

static void no_parallel(void *ctx, size_t n, void (*job)(void *arg, size_t i), void *arg)
{
    (void)ctx;
    for (size_t i = 0; i < n; i++) job(arg, i);
}

static void what_is_lent_is_kept(void **state)
{
    failing_host f;
    ki_env env;

    (void)state;
    failing_init(&f);
    f.host.threads = 7;
    f.host.parallel = no_parallel;
    assert_int_equal(ki_env_init(&env, &f.host), KITH_OK);
    assert_memory_equal(&env.host, &f.host, sizeof f.host);
}

static void half_a_host_is_refused(void **state)
{
    failing_host f;
    kith_host host;
    kith_files files;
    ki_env env;

    (void)state;
    failing_init(&f);
    host = f.host;
    host.size = 8;
    assert_int_equal(ki_env_init(&env, &host), KITH_BAD_ARG);
    assert_non_null(strstr(kith_last_error(), "kith_host.size is 8, not "));
    host = f.host;
    host.size += 8; // a newer program's: what it asks for is not known here
    assert_int_equal(ki_env_init(&env, &host), KITH_BAD_ARG);
    host = f.host;
    host.release = NULL;
    assert_int_equal(ki_env_init(&env, &host), KITH_BAD_ARG);
    assert_string_equal(kith_last_error(), "kith_host has alloc without release");
    host = f.host;
    host.alloc = NULL;
    assert_int_equal(ki_env_init(&env, &host), KITH_BAD_ARG);
    assert_string_equal(kith_last_error(), "kith_host has release without alloc");

    host = f.host;
    host.files = &files;
    files = f.files;
    files.size = 0;
    assert_int_equal(ki_env_init(&env, &host), KITH_BAD_ARG);
    assert_non_null(strstr(kith_last_error(), "kith_files.size is 0, not "));
    files = f.files;
    files.sync_folder = NULL;
    assert_int_equal(ki_env_init(&env, &host), KITH_BAD_ARG);
    assert_string_equal(kith_last_error(), "kith_files has a function that is NULL");
}

/* A struct that has grown: what an older program gave is read and no more, the rest is preset. */
static void structs_tell_their_size(void **state)
{
    typedef struct grown {
        uint32_t size, first;
        double second;
    } grown;
    const ki_sized kind = {"grown", "GROWN_INIT", KI_SIZE_UP_TO(grown, first), sizeof(grown)};
    const uint32_t old[2] = {sizeof old, 7}, tiny[1] = {sizeof tiny};
    const grown now = {sizeof now, 8, 0.5}, later = {sizeof later + 8, 9, 0.5};
    grown out = {0, 1, 0.25};

    (void)state;
    assert_int_equal(kind.first, sizeof old);
    assert_int_equal(ki_sized_copy(&kind, old, &out), KITH_OK);
    assert_true(out.size == sizeof out && out.first == 7 && out.second == 0.25);
    assert_int_equal(ki_sized_copy(&kind, &now, &out), KITH_OK);
    assert_true(out.size == sizeof out && out.first == 8 && out.second == 0.5);
    assert_int_equal(ki_sized_copy(&kind, tiny, &out), KITH_BAD_ARG);
    assert_string_equal(kith_last_error(), "grown.size is 4, not 16: start from GROWN_INIT");
    assert_int_equal(ki_sized_copy(&kind, &later, &out), KITH_BAD_ARG);
    assert_non_null(strstr(kith_last_error(), "24, not 16, the most that is known here"));
    assert_int_equal(out.first, 8);
}

/* ---- sizes ---------------------------------------------------------------------------------- */

static void sizes_are_checked(void **state)
{
    static const size_t edge[] = {0,
                                  1,
                                  2,
                                  3,
                                  64,
                                  65535,
                                  65536,
                                  65537,
                                  0xffffffff,
                                  0x100000000,
                                  0x100000001,
                                  SIZE_MAX / 3,
                                  SIZE_MAX / 2,
                                  SIZE_MAX / 2 + 1,
                                  SIZE_MAX - 1,
                                  SIZE_MAX};
    const size_t n = sizeof edge / sizeof *edge;
    size_t out;

    (void)state;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            const size_t a = edge[i], b = edge[j];
            const bool fits = b == 0 || a <= SIZE_MAX / b;

            assert_int_equal(ki_mul(a, b, &out), fits);
            if (fits) assert_int_equal(out, a * b);
            assert_int_equal(ki_add(a, b, &out), a + b >= a);
            if (a + b >= a) assert_int_equal(out, a + b);
            for (size_t k = 0; k < n; k++) {
                const size_t c = edge[k];
                const bool zero = a == 0 || b == 0 || c == 0;
                const bool all = zero || (fits && a * b <= SIZE_MAX / c);

                assert_int_equal(ki_mul3(a, b, c, &out), all);
                if (all) assert_int_equal(out, a * b * c);
            }
        }
}

/* ---- memory --------------------------------------------------------------------------------- */

static void arrays_are_aligned_and_counted(void **state)
{
    static const size_t counts[] = {0, 1, 63, 64, 65, 1000, MIB, 4 * MIB - 1, 4 * MIB, 9 * MIB + 5};
    ki_env env;
    size_t total = 0;
    void *p[10];

    (void)state;
    assert_int_equal(ki_env_init(&env, NULL), KITH_OK);
    for (size_t i = 0; i < 10; i++) {
        const size_t align = counts[i] >= 4 * MIB ? 2 * MIB : 64;

        p[i] = ki_array(&env, counts[i], 1);
        assert_non_null(p[i]);
        assert_int_equal((uintptr_t)p[i] % align, 0);
        memset(p[i], 0x5a, counts[i]);
        total += counts[i] > 0 ? counts[i] : 1;
        assert_int_equal(env.bytes, total);
    }
    for (size_t i = 0; i < 10; i++) ki_release(&env, p[i], 1, counts[i]);
    assert_int_equal(env.bytes, 0);
    ki_release(&env, NULL, 5, 5);
    assert_int_equal(env.bytes, 0);
}

static void zeros_are_zero_and_regrow_copies(void **state)
{
    failing_host f; // whose memory is not zero by chance
    ki_env env;
    uint32_t *small, *big;

    (void)state;
    failing_init(&f);
    assert_int_equal(ki_env_init(&env, &f.host), KITH_OK);
    small = ki_zeros(&env, 100, sizeof *small);
    assert_non_null(small);
    for (uint32_t i = 0; i < 100; i++) {
        assert_int_equal(small[i], 0);
        small[i] = i;
    }
    big = ki_regrow(&env, small, 100, 2 * MIB, sizeof *big);
    assert_non_null(big);
    for (uint32_t i = 0; i < 100; i++) assert_int_equal(big[i], small[i]); // the old one stays
    ki_release(&env, small, 100, sizeof *small);
    ki_release(&env, big, 2 * MIB, sizeof *big);
    big = ki_regrow(&env, NULL, 0, 3, sizeof *big);
    assert_non_null(big);
    ki_release(&env, big, 3, sizeof *big);
    assert_int_equal(env.bytes, 0);
    assert_null(failing_complaint(&f));
}

static void no_memory_is_a_sentence(void **state)
{
    failing_host f;
    ki_env env;
    void *p;

    (void)state;
    failing_init(&f);
    assert_int_equal(ki_env_init(&env, &f.host), KITH_OK);
    failing_alloc_at(&f, 2, false);
    p = ki_array(&env, 10, 10);
    assert_non_null(p);
    assert_null(ki_array(&env, 64, 64));
    assert_string_equal(kith_last_error(), "out of memory: 4096 bytes");
    assert_int_equal(env.bytes, 100);
    assert_true(failing_happened(&f));
    failing_alloc_at(&f, 1, true);
    assert_null(ki_zeros(&env, 3, 5));
    assert_string_equal(kith_last_error(), "out of memory: 15 bytes");
    assert_null(ki_regrow(&env, p, 100, 200, 1));
    assert_string_equal(kith_last_error(), "out of memory: 200 bytes");
    assert_int_equal(f.allocs, 2);
    ki_release(&env, p, 100, 1);
    assert_int_equal(env.bytes, 0);
    assert_null(failing_complaint(&f));
}

/* What no allocator can give is refused without asking one. */
static void absurd_sizes_are_refused(void **state)
{
    failing_host f;
    ki_env env;
    char words[100];

    (void)state;
    failing_init(&f);
    assert_int_equal(ki_env_init(&env, &f.host), KITH_OK);
    assert_null(ki_array(&env, SIZE_MAX, 2));
    (void)snprintf(words, sizeof words, "out of memory: %zu x 2 bytes", SIZE_MAX);
    assert_string_equal(kith_last_error(), words);
    assert_null(ki_zeros(&env, SIZE_MAX / 2 + 1, 1));
    (void)snprintf(words, sizeof words, "out of memory: %zu bytes", SIZE_MAX / 2 + 1);
    assert_string_equal(kith_last_error(), words);
    assert_int_equal(f.allocs, 0);
    assert_int_equal(env.bytes, 0);
}

static void *allocate_and_release(void *arg)
{
    ki_env *env = arg;

    for (size_t i = 1; i <= 2000; i++) {
        void *p = ki_array(env, i, 3);

        if (p == NULL) return NULL;
        ki_release(env, p, i, 3);
    }
    return arg;
}

static void bytes_are_counted_from_any_thread(void **state)
{
    pthread_t thread[4];
    ki_env env;

    (void)state;
    assert_int_equal(ki_env_init(&env, NULL), KITH_OK);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, allocate_and_release, &env), 0);
    for (int i = 0; i < 4; i++) {
        void *good = NULL;

        assert_int_equal(pthread_join(thread[i], &good), 0);
        assert_non_null(good);
    }
    assert_int_equal(env.bytes, 0);
}

/* ---- bytes ---------------------------------------------------------------------------------- */

static void bytes_are_little_endian_at_any_address(void **state)
{
    static const uint8_t given[8] = {0x81, 0x92, 0xa3, 0xb4, 0xc5, 0xd6, 0xe7, 0xf8};
    uint8_t room[24];

    (void)state;
    for (size_t at = 0; at < 8; at++) {
        memset(room, 0, sizeof room);
        memcpy(room + at, given, 8);
        assert_int_equal(ki_le16(room + at), 0x9281);
        assert_int_equal(ki_le32(room + at), 0xb4a39281);
        assert_true(ki_le64(room + at) == 0xf8e7d6c5b4a39281);

        memset(room, 0x11, sizeof room);
        ki_put_le16(room + at, 0x9281);
        assert_memory_equal(room + at, given, 2);
        assert_int_equal(room[at + 2], 0x11);
        ki_put_le32(room + at, 0xb4a39281);
        assert_memory_equal(room + at, given, 4);
        assert_int_equal(room[at + 4], 0x11);
        ki_put_le64(room + at, 0xf8e7d6c5b4a39281);
        assert_memory_equal(room + at, given, 8);
        assert_int_equal(room[at + 8], 0x11);
    }
}

/* Files are full of it: the value may never change. The streaming form is another code path. */
static void the_checksum_is_xxh3(void **state)
{
    uint8_t bytes[3000];
    XXH3_state_t *stream = XXH3_createState();

    (void)state;
    assert_non_null(stream);
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(i * 151 >> 3);
    assert_true(ki_hash("", 0) == 0x2d06800538d394c2);
    for (size_t len = 0; len <= sizeof bytes; len += len < 300 ? 1 : 97) {
        XXH3_64bits_reset(stream);
        for (size_t at = 0; at < len; at += 7)
            XXH3_64bits_update(stream, bytes + at, len - at < 7 ? len - at : 7);
        assert_true(ki_hash(bytes, len) == XXH3_64bits_digest(stream));
    }
    XXH3_freeState(stream);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_lent_is_filled_in),
        cmocka_unit_test(what_is_lent_is_kept),
        cmocka_unit_test(half_a_host_is_refused),
        cmocka_unit_test(structs_tell_their_size),
        cmocka_unit_test(sizes_are_checked),
        cmocka_unit_test(arrays_are_aligned_and_counted),
        cmocka_unit_test(zeros_are_zero_and_regrow_copies),
        cmocka_unit_test(no_memory_is_a_sentence),
        cmocka_unit_test(absurd_sizes_are_refused),
        cmocka_unit_test(bytes_are_counted_from_any_thread),
        cmocka_unit_test(bytes_are_little_endian_at_any_address),
        cmocka_unit_test(the_checksum_is_xxh3),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
