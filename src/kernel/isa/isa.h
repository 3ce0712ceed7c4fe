/* The fill functions of the ISA table: each sets the slots its ISA has and leaves the others. */
#ifndef KI_ISA_H
#define KI_ISA_H

#include "base/cpu.h"
#include "kernel/kernel.h"

#define KI_DECLARE_0_(name, part)
#define KI_DECLARE_1_(name, part) void ki_fill_##part##_##name(ki_kernels *k);
#define KI_ISA(name, needs, one_query, panel)                                                      \
    KI_DECLARE_##one_query##_(name, scan) KI_DECLARE_##panel##_(name, block)
#include "kernel/isa/table.def"
#undef KI_ISA
#undef KI_DECLARE_0_
#undef KI_DECLARE_1_

#endif
