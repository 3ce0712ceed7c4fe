/* The kernel table: which function fills which slot, and the packing of panels, which is the same
 * for every ISA. The functions themselves live in isa/<name>/, the metrics in metric.c, their
 * definitions in ref.c.
 */
#include "kernel/kernel.h"

#include <pthread.h>
#include <string.h>

#include "kernel/isa/isa.h"

/* ---- resolving ------------------------------------------------------------------------------- */

#define CALL_0(name, part)
#define CALL_1(name, part) ki_fill_##part##_##name(k);
#define KI_ISA(name, needs, one_query, panel)                                                      \
    static void fill_##name(ki_kernels *k)                                                         \
    {                                                                                              \
        CALL_##one_query(name, scan) CALL_##panel(name, block)                                     \
    }
#include "kernel/isa/table.def"
#undef KI_ISA

static const ki_isa isas[] = {
#define KI_ISA(name, needs, one_query, panel) {#name, needs, fill_##name},
#include "kernel/isa/table.def"
#undef KI_ISA
};

const ki_isa *ki_isa_at(size_t i)
{
    return i < sizeof isas / sizeof *isas ? &isas[i] : NULL;
}

void ki_kernels_resolve(uint64_t features, ki_kernels *out)
{
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < sizeof isas / sizeof *isas; i++)
        if (!(isas[i].needs & ~features)) isas[i].fill(out);
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static ki_kernels in_use;

static void resolve_once(void)
{
    ki_kernels_resolve(ki_cpu_features(), &in_use);
}

const ki_kernels *ki_kernels_get(void)
{
    pthread_once(&once, resolve_once);
    return &in_use;
}

/* The slot's bytes are compared with those of each ISA's own table: function pointers of different
 * types have no common type to compare them in. */
const char *ki_kernels_origin(const void *slot_address, const ki_kernels *k)
{
    const size_t at = (size_t)((const unsigned char *)slot_address - (const unsigned char *)k);
    ki_kernels own;

    for (size_t i = sizeof isas / sizeof *isas; i-- > 0;) {
        memset(&own, 0, sizeof own);
        isas[i].fill(&own);
        if (memcmp((const unsigned char *)&own + at, slot_address, sizeof(ki_scan *)) == 0 &&
            memcmp(slot_address, &(ki_scan *){NULL}, sizeof(ki_scan *)) != 0)
            return isas[i].name;
    }
    return "?";
}

/* ---- panels ---------------------------------------------------------------------------------- */

enum { LINE = 4 * KI_LANES, LINES_STEP = 16 };

/* Lines of a half. */
static size_t panel_lines(size_t row_bytes)
{
    const size_t lines = (row_bytes + 3) / 4, steps = (lines + LINES_STEP - 1) / LINES_STEP;

    return steps * LINES_STEP;
}

size_t ki_panel_bytes(size_t row_bytes)
{
    return 2 * panel_lines(row_bytes) * LINE;
}

void ki_pack_panel(const void *queries, size_t stride, size_t nq, size_t row_bytes, void *panel)
{
    const size_t half = panel_lines(row_bytes) * LINE, whole = row_bytes / 4;

    memset(panel, 0, 2 * half);
    for (size_t i = 0; i < nq; i++) {
        const unsigned char *q = (const unsigned char *)queries + i * stride;
        unsigned char *to = (unsigned char *)panel + i / KI_LANES * half + i % KI_LANES * 4;
        for (size_t g = 0; g < whole; g++) memcpy(to + g * LINE, q + 4 * g, 4);
        if (row_bytes % 4) memcpy(to + whole * LINE, q + 4 * whole, row_bytes % 4);
    }
}
