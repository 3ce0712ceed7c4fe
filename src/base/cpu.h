/* What this processor may run. A feature counts only if the processor has it, the operating system
 * keeps its registers (XGETBV; for AMX the kernel's permission, asked for once) and KITH_CPU allows
 * it. KITH_CPU is a comma list of the words below, each with all that it needs: "avx2" is AVX2 +
 * FMA + F16C, "vnni,amx" everything up to both, "scalar" nothing. Unset or empty allows all; a word
 * that is unknown allows nothing. It changes how fast an answer is, never the answer.
 */
#ifndef KI_CPU_H
#define KI_CPU_H

#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__)
#    define KI_CPU_X86 1
#else
#    define KI_CPU_X86 0
#endif
#if defined(__aarch64__)
#    define KI_CPU_ARM 1
#else
#    define KI_CPU_ARM 0
#endif

#define KI_CPU_AVX2 (UINT64_C(1) << 0) /* with POPCNT, which the compilers turn on with it */
#define KI_CPU_FMA (UINT64_C(1) << 1)
#define KI_CPU_F16C (UINT64_C(1) << 2)
#define KI_CPU_AVX512F (UINT64_C(1) << 3)
#define KI_CPU_AVX512BW (UINT64_C(1) << 4)
#define KI_CPU_AVX512DQ (UINT64_C(1) << 5)
#define KI_CPU_AVX512VL (UINT64_C(1) << 6)
#define KI_CPU_AVX512VNNI (UINT64_C(1) << 7)
#define KI_CPU_AVX512VPOPCNTDQ (UINT64_C(1) << 8)
#define KI_CPU_AVX512BITALG (UINT64_C(1) << 9)
#define KI_CPU_AVX512BF16 (UINT64_C(1) << 10)
#define KI_CPU_AMX_TILE (UINT64_C(1) << 11)
#define KI_CPU_AMX_INT8 (UINT64_C(1) << 12)
#define KI_CPU_AMX_BF16 (UINT64_C(1) << 13)
#define KI_CPU_NEON (UINT64_C(1) << 14)
#define KI_CPU_DOTPROD (UINT64_C(1) << 15)

/* What an ISA needs in all: rows of kernel/isa/table.def and words of KITH_CPU. */
#define KI_CPU_WITH_AVX2 (KI_CPU_AVX2 | KI_CPU_FMA | KI_CPU_F16C)
#define KI_CPU_WITH_AVX512                                                                         \
    (KI_CPU_WITH_AVX2 | KI_CPU_AVX512F | KI_CPU_AVX512BW | KI_CPU_AVX512DQ | KI_CPU_AVX512VL)
#define KI_CPU_WITH_VNNI (KI_CPU_WITH_AVX512 | KI_CPU_AVX512VNNI)
#define KI_CPU_WITH_POPCNT512 (KI_CPU_WITH_AVX512 | KI_CPU_AVX512VPOPCNTDQ | KI_CPU_AVX512BITALG)
#define KI_CPU_WITH_AVX512BF16 (KI_CPU_WITH_AVX512 | KI_CPU_AVX512BF16)
#define KI_CPU_WITH_AMX (KI_CPU_WITH_AVX512 | KI_CPU_AMX_TILE | KI_CPU_AMX_INT8 | KI_CPU_AMX_BF16)
#define KI_CPU_WITH_NEON KI_CPU_NEON
#define KI_CPU_WITH_NEONDOT (KI_CPU_NEON | KI_CPU_DOTPROD)

/* The KI_CPU_ bits in force: found at the first call (thread-safe), never changed afterwards. */
uint64_t ki_cpu_features(void);

/* What a list in the manner of KITH_CPU allows (NULL, "": all). Returns 1, or 0 when a word is
 * unknown; *allowed is set either way. */
int ki_cpu_parse(const char *list, uint64_t *allowed);

/* The features of processor and operating system out of `allowed`. Asks for the AMX permission only
 * when `allowed` has AMX. */
uint64_t ki_cpu_detect(uint64_t allowed);

/* Name of the i-th feature and its bit; NULL after the last. */
const char *ki_cpu_feature_at(size_t i, uint64_t *bit);

#endif
