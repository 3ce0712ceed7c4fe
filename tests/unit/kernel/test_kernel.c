/* The table of kernels: resolved in order, whole with plain C alone, narrowed by KITH_CPU;
 * panels. */
#define _POSIX_C_SOURCE 200809L /* fork, setenv */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cpu.h"
#include "kernel/kernel.h"

/* Which pairs of operation and type kernel.h names. */
static int is_named(int op, int type)
{
    switch (op) {
    case KI_L2:
    case KI_IP:
    case KI_DOT2:
    case KI_L1: return type != KI_BITS;
    case KI_LINF:
    case KI_CANBERRA:
    case KI_BRAY2:
    case KI_MINMAX2: return type == KI_F32;
    case KI_HAMMING:
    case KI_ANDOR2: return type == KI_BITS;
    default: return type == KI_U8;
    }
}

static void check_whole(const ki_kernels *k)
{
    for (int op = 0; op < KI_OPS; op++)
        for (int type = 0; type < KI_TYPES; type++) {
            assert_int_equal(k->scan[op][type] != NULL, is_named(op, type));
            assert_int_equal(k->gather[op][type] != NULL, is_named(op, type));
            assert_int_equal(k->visit[op][type] != NULL, is_named(op, type));
        }
    for (int op = 0; op < KI_BLOCK_OPS; op++) assert_true(k->block[op] != NULL);
    assert_true(k->f32_from_f16 && k->f32_from_bf16 && k->f16_from_f32 && k->bf16_from_f32);
    assert_true(k->f32_from_u8 && k->f32_from_i8 && k->find_nonfinite && k->find_noninteger);
    assert_true(k->sums_u8 && k->sums_i8 && k->least && k->products6 && k->hadamard);
}

static void plain_c_fills_all(void **state)
{
    ki_kernels k;
    (void)state;
    ki_kernels_resolve(0, &k);
    check_whole(&k);
    assert_string_equal(ki_isa_at(0)->name, "scalar");
    for (int op = 0; op < KI_OPS; op++)
        for (int type = 0; type < KI_TYPES; type++)
            if (is_named(op, type))
                assert_string_equal(ki_kernels_origin(&k.scan[op][type], &k), "scalar");
}

/* A slot comes from the last allowed ISA that has it. */
static void the_last_allowed_wins(void **state)
{
    (void)state;
    for (size_t last = 0; ki_isa_at(last); last++) {
        const uint64_t features = ki_isa_at(last)->needs;
        ki_kernels k;
        ki_kernels_resolve(features, &k);
        check_whole(&k);
        for (int op = 0; op < KI_OPS; op++)
            for (int type = 0; type < KI_TYPES; type++) {
                const char *want = "?";
                for (size_t i = 0; ki_isa_at(i); i++) {
                    ki_kernels own = {0};
                    ki_isa_at(i)->fill(&own);
                    if (!(ki_isa_at(i)->needs & ~features) && own.gather[op][type])
                        want = ki_isa_at(i)->name;
                }
                assert_string_equal(ki_kernels_origin(&k.gather[op][type], &k), want);
            }
    }
    assert_null(ki_isa_at(1000));
}

static void the_table_in_use_is_the_best(void **state)
{
    const ki_kernels *k = ki_kernels_get();
    ki_kernels best;
    (void)state;
    ki_kernels_resolve(ki_cpu_features(), &best);
    assert_ptr_equal(k, ki_kernels_get());
    assert_memory_equal(k, &best, sizeof best);
}

/* The table is resolved once a process: a child each. */
static void narrowed_in_a_child(const char *word)
{
    uint64_t allowed;
    const pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        ki_kernels want;
        setenv("KITH_CPU", word, 1);
        ki_cpu_parse(word, &allowed);
        ki_kernels_resolve(ki_cpu_detect(allowed), &want);
        if (memcmp(ki_kernels_get(), &want, sizeof want)) _exit(1);
        _exit(ki_cpu_features() & ~allowed ? 2 : 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void narrowed_by_the_environment(void **state)
{
    (void)state;
    for (size_t i = 0; ki_isa_at(i); i++) narrowed_in_a_child(ki_isa_at(i)->name);
    narrowed_in_a_child("");
    narrowed_in_a_child("nonsense");
    narrowed_in_a_child("vnni,amx");
}

/* ---- panels ---------------------------------------------------------------------------------- */

static void panels_hold_their_queries(void **state)
{
    static uint8_t queries[KI_PANEL * 300];
    static _Alignas(64) uint8_t panel[2 * 16 * 5 * 64 + 64];
    (void)state;
    for (size_t i = 0; i < sizeof queries; i++) queries[i] = (uint8_t)(i * 31 + 1);
    for (size_t bytes = 1; bytes <= 260; bytes += 1 + bytes % 7)
        for (size_t nq = 1; nq <= KI_PANEL; nq += 5) {
            const size_t half = ki_panel_bytes(bytes) / 2, stride = bytes + bytes % 3;

            assert_int_equal(half % (16 * 64), 0);
            assert_true(half / 16 >= bytes && half / 16 < bytes + 64);
            memset(panel, 0xee, sizeof panel);
            ki_pack_panel(queries, stride, nq, bytes, panel);
            for (size_t q = 0; q < KI_PANEL; q++)
                for (size_t b = 0; b < half / 16; b++) {
                    const size_t at = q / KI_LANES * half + b / 4 * 64 + q % KI_LANES * 4 + b % 4;
                    const uint8_t want = q < nq && b < bytes ? queries[q * stride + b] : 0;
                    if (panel[at] != want)
                        fail_msg("%zu bytes, %zu queries: byte %zu of query %zu", bytes, nq, b, q);
                }
            assert_int_equal(panel[2 * half], 0xee);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(narrowed_by_the_environment), // first: nothing is resolved yet
        cmocka_unit_test(plain_c_fills_all),
        cmocka_unit_test(the_last_allowed_wins),
        cmocka_unit_test(the_table_in_use_is_the_best),
        cmocka_unit_test(panels_hold_their_queries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
