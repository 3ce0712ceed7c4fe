/* The fill functions of the ISA table: each sets the slots its ISA has and leaves the others. And
 * what the definition of a slot in plain C shares with the tails of the others.
 *
 * Fill functions run on machines that lack the ISA, too, to tell whose a slot is. They are compiled
 * for it, and compilers like to write neighbouring slots with its vectors: volatile forbids it. */
#ifndef KI_ISA_H
#define KI_ISA_H

#include "base/cpu.h"
#include "kernel/kernel.h"

#define KI_DECLARE_0_(name, part)
#define KI_DECLARE_1_(name, part) void ki_fill_##part##_##name(volatile ki_kernels *k);
#define KI_ISA(name, needs, one_query, panel)                                                      \
    KI_DECLARE_##one_query##_(name, scan) KI_DECLARE_##panel##_(name, block)
#include "kernel/isa/table.def"
#undef KI_ISA
#undef KI_DECLARE_0_
#undef KI_DECLARE_1_

/* The definition of code_test, for one row: 1 when it passes. */
static inline size_t ki_code_passes(const ki_code_test *t, size_t i)
{
    const int32_t whole = 32 * t->high[i] + (t->low ? 2 * t->low[i] : 0) - t->bias;
    const float product = t->unit * t->scale[i] * ((float)whole + t->slack);

    return !(t->k * t->half_norm[i] - product > t->edge);
}

/* The definition of hadamard. */
static inline void ki_hadamard(float *x, size_t n)
{
    for (size_t h = 1; h < n; h *= 2)
        for (size_t i = 0; i < n; i++) {
            const float a = x[i], b = x[i | h];
            if (i & h) continue;
            x[i] = a + b;
            x[i | h] = a - b;
        }
}

#endif
