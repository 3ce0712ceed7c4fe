/* What walks over a graph need beside distances, of every ISA this machine runs: the least of some
 * keys against a loop, the Walsh-Hadamard transform against its definition, bit for bit. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "base/cpu.h"
#include "kernel/kernel.h"

static uint64_t seed = 20240607;

static uint32_t draw(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33);
}

static float uniform(void)
{
    return (float)draw() * 0x1p-30f - 1.0f; // -1…1
}

enum { ROOM = 1 << 18, PAGE = 1 << 16 }; // 64 KiB: the largest page size there is

static uint8_t *room; /* ROOM bytes between two pages that may not be read */

static int make_room(void **state)
{
    uint8_t *p = mmap(NULL, ROOM + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)state;
    assert_ptr_not_equal(p, MAP_FAILED);
    assert_int_equal(mprotect(p + PAGE, ROOM, PROT_READ | PROT_WRITE), 0);
    room = p + PAGE;
    return 0;
}

static int free_room(void **state)
{
    (void)state;
    munmap(room - PAGE, ROOM + 2 * PAGE);
    return 0;
}

static void each_isa(void (*test)(const ki_kernels *k, const char *isa))
{
    size_t n = 0;

    for (size_t i = 0; ki_isa_at(i); i++) {
        ki_kernels k = {0};
        if (ki_isa_at(i)->needs & ~ki_cpu_features()) continue;
        ki_isa_at(i)->fill(&k);
        assert_int_equal(k.least == NULL, k.hadamard == NULL);
        if (!k.least) continue;
        test(&k, ki_isa_at(i)->name);
        n++;
    }
    assert_true(n > 0);
}

/* ---- the least key --------------------------------------------------------------------------- */

enum { KEYS_MAX = 4096 };

typedef enum keys { ANY, FEW, SIGNS, EQUAL, INFINITE, FALLING, RISING, KEYS } keys;

static float key_of(keys kind, size_t i)
{
    switch (kind) {
    case FEW: return (float)(draw() % 5);
    case SIGNS: return draw() % 2 ? 0.0f : -0.0f;
    case EQUAL: return 3.0f;
    case INFINITE: return draw() % 16 ? INFINITY : FLT_MAX;
    case FALLING: return -(float)i;
    case RISING: return (float)i;
    case ANY:
    case KEYS: break;
    }
    return uniform() * 1000.0f;
}

static void least_of(const ki_kernels *k, const char *isa, keys kind, size_t n)
{
    const size_t padded = (n + 15) / 16 * 16;
    float *key = (float *)(void *)(room + ROOM - padded * sizeof *key);
    size_t want = 0, got;

    for (size_t i = 0; i < n; i++) key[i] = key_of(kind, i);
    for (size_t i = 1; i < n; i++)
        if (key[i] < key[want]) want = i;
    for (size_t i = n; i < padded; i++) key[i] = i % 2 ? INFINITY : key[want];
    got = k->least(key, n);
    if (got != want)
        fail_msg("%s least, kind %d, n %zu: %zu, not %zu", isa, (int)kind, n, got, want);
}

static void least(const ki_kernels *k, const char *isa)
{
    for (int kind = 0; kind < KEYS; kind++) {
        for (size_t n = 1; n <= 260; n++)
            for (int i = 0; i < 5; i++) least_of(k, isa, (keys)kind, n);
        for (int i = 0; i < 50; i++) least_of(k, isa, (keys)kind, 1 + draw() % KEYS_MAX);
        least_of(k, isa, (keys)kind, KEYS_MAX);
    }
}

static void least_keys(void **state)
{
    (void)state;
    each_isa(least);
}

/* A lone least key, at each place. */
static void least_at(const ki_kernels *k, const char *isa)
{
    float *key = (float *)(void *)room;

    for (size_t n = 1; n <= 100; n++)
        for (size_t at = 0; at < n; at++) {
            for (size_t i = 0; i < 112; i++) key[i] = i < n ? 2.0f : INFINITY;
            key[at] = 1.0f;
            if (k->least(key, n) != at)
                fail_msg("%s least, n %zu: %zu, not %zu", isa, n, k->least(key, n), at);
        }
}

static void least_at_each_place(void **state)
{
    (void)state;
    each_isa(least_at);
}

/* ---- Walsh-Hadamard -------------------------------------------------------------------------- */

enum { LONGEST = 32768 };

static float want[LONGEST], before[LONGEST];

/* By its definition: halves on their own, then together. */
static void define(float *x, size_t n)
{
    if (n == 1) return;
    define(x, n / 2);
    define(x + n / 2, n / 2);
    for (size_t i = 0; i < n / 2; i++) {
        const float a = x[i], b = x[n / 2 + i];
        x[i] = a + b;
        x[n / 2 + i] = a - b;
    }
}

typedef enum pattern { PLAIN, WIDE, TINY, ZEROS, LARGE, WHOLE, PATTERNS } pattern;

static float float_of(pattern pat)
{
    switch (pat) {
    case WIDE: return ldexpf(uniform(), (int)(draw() % 60) - 30);
    case TINY: return uniform() * 0x1p-140f;
    case ZEROS: return draw() % 2 ? 0.0f : -0.0f;
    case LARGE: return uniform() * (FLT_MAX / LONGEST);
    case WHOLE: return (float)(draw() % 256);
    case PLAIN:
    case PATTERNS: break;
    }
    return uniform();
}

static void transform(const ki_kernels *k, const char *isa, pattern pat, size_t n, size_t from_end)
{
    uint8_t *const at = room + ROOM - n * sizeof(float) - from_end;
    float *const x = (float *)(void *)at;

    memset(room, 0x5a, ROOM);
    for (size_t i = 0; i < n; i++) x[i] = before[i] = want[i] = float_of(pat);
    define(want, n);
    k->hadamard(x, n);
    if (memcmp(x, want, n * sizeof *x) != 0)
        fail_msg("%s hadamard, pattern %d, n %zu: other bits", isa, (int)pat, n);
    if (at > room) assert_int_equal(at[-1], 0x5a);
    if (from_end) assert_int_equal(at[n * sizeof *x], 0x5a);
    if (pat != WHOLE || n > 256) return;
    k->hadamard(x, n); // exact, and its own inverse but for a factor
    for (size_t i = 0; i < n; i++) assert_true(x[i] == (float)n * before[i]);
}

static void hadamard(const ki_kernels *k, const char *isa)
{
    for (size_t n = 1; n <= LONGEST; n *= 2)
        for (int pat = 0; pat < PATTERNS; pat++)
            for (size_t from_end = 0; from_end <= 12; from_end += 4)
                transform(k, isa, (pattern)pat, n, from_end);
}

static void hadamard_gives_the_same_bits(void **state)
{
    (void)state;
    each_isa(hadamard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(least_keys),
        cmocka_unit_test(least_at_each_place),
        cmocka_unit_test(hadamard_gives_the_same_bits),
    };
    return cmocka_run_group_tests(tests, make_room, free_room);
}
