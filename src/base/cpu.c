/* Processor features: CPUID and XGETBV on x86-64, the auxiliary vector on aarch64.
 * Intel SDM volume 1, 13.2 (XCR0) and 18.3 (AMX); Linux, Documentation/arch/x86/xstate.rst
 * (permission for large state components).
 */
#define _GNU_SOURCE /* syscall */
#include "base/cpu.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#if KI_CPU_X86
#    include <cpuid.h>
#    include <sys/syscall.h>
#    include <unistd.h>
#elif KI_CPU_ARM
#    include <sys/auxv.h>
#endif

static const struct feature {
    const char *name;
    uint64_t bit;
} features[] = {
    {"avx2", KI_CPU_AVX2},
    {"fma", KI_CPU_FMA},
    {"f16c", KI_CPU_F16C},
    {"avx512f", KI_CPU_AVX512F},
    {"avx512bw", KI_CPU_AVX512BW},
    {"avx512dq", KI_CPU_AVX512DQ},
    {"avx512vl", KI_CPU_AVX512VL},
    {"avx512vnni", KI_CPU_AVX512VNNI},
    {"avx512vpopcntdq", KI_CPU_AVX512VPOPCNTDQ},
    {"avx512bitalg", KI_CPU_AVX512BITALG},
    {"avx512bf16", KI_CPU_AVX512BF16},
    {"amx_tile", KI_CPU_AMX_TILE},
    {"amx_int8", KI_CPU_AMX_INT8},
    {"amx_bf16", KI_CPU_AMX_BF16},
    {"neon", KI_CPU_NEON},
    {"dotprod", KI_CPU_DOTPROD},
};

/* The words of KITH_CPU are those of the ISA table. */
static const struct feature words[] = {
    {"scalar", 0},
    {"avx2", KI_CPU_WITH_AVX2},
    {"avx512", KI_CPU_WITH_AVX512},
    {"vnni", KI_CPU_WITH_VNNI},
    {"popcnt512", KI_CPU_WITH_POPCNT512},
    {"avx512bf16", KI_CPU_WITH_AVX512BF16},
    {"amx", KI_CPU_WITH_AMX},
    {"neon", KI_CPU_WITH_NEON},
    {"neondot", KI_CPU_WITH_NEONDOT},
};

#if KI_CPU_X86

/* XCR0: 1 SSE, 2 AVX, 5-7 the AVX-512 state, 17-18 the AMX state. */
enum { XCR0_AVX = 0x6, XCR0_AVX512 = 0xe6, XCR0_AMX = 0x60006 };
enum { ARCH_REQ_XCOMP_PERM_ = 0x1023, XFEATURE_XTILEDATA_ = 18 };

static uint32_t enabled_state(void)
{
    uint32_t lo, hi;
    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return lo;
}

static int bit_of(uint32_t word, int bit)
{
    return (int)(word >> bit & 1);
}

/* Linux hands out the 8 KiB of tile registers only on request, for the whole process. */
static int amx_permitted(void)
{
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM_, XFEATURE_XTILEDATA_) == 0;
}

static uint64_t found(uint64_t allowed)
{
    uint32_t a, b1, c1, d1, b7 = 0, c7 = 0, d7 = 0, a71 = 0, b, c, d, xcr0;
    uint64_t f = 0;

    if (!__get_cpuid(1, &a, &b1, &c1, &d1) || !bit_of(c1, 27)) return 0; // 27: OSXSAVE
    xcr0 = enabled_state();
    if (__get_cpuid_count(7, 0, &a, &b7, &c7, &d7) && a >= 1)
        __get_cpuid_count(7, 1, &a71, &b, &c, &d);
    if ((xcr0 & XCR0_AVX) == XCR0_AVX) {
        if (bit_of(b7, 5) && bit_of(c1, 23)) f |= KI_CPU_AVX2; // c1 23: POPCNT
        if (bit_of(c1, 12)) f |= KI_CPU_FMA;
        if (bit_of(c1, 29)) f |= KI_CPU_F16C;
    }
    if ((xcr0 & XCR0_AVX512) == XCR0_AVX512) {
        if (bit_of(b7, 16)) f |= KI_CPU_AVX512F;
        if (bit_of(b7, 17)) f |= KI_CPU_AVX512DQ;
        if (bit_of(b7, 30)) f |= KI_CPU_AVX512BW;
        if (bit_of(b7, 31)) f |= KI_CPU_AVX512VL;
        if (bit_of(c7, 11)) f |= KI_CPU_AVX512VNNI;
        if (bit_of(c7, 12)) f |= KI_CPU_AVX512BITALG;
        if (bit_of(c7, 14)) f |= KI_CPU_AVX512VPOPCNTDQ;
        if (bit_of(a71, 5)) f |= KI_CPU_AVX512BF16;
    }
    if ((xcr0 & XCR0_AMX) == XCR0_AMX && bit_of(d7, 24) && (allowed & KI_CPU_AMX_TILE) &&
        amx_permitted()) {
        f |= KI_CPU_AMX_TILE;
        if (bit_of(d7, 25)) f |= KI_CPU_AMX_INT8;
        if (bit_of(d7, 22)) f |= KI_CPU_AMX_BF16;
    }
    return f;
}

#elif KI_CPU_ARM

static uint64_t found(uint64_t allowed)
{
    enum { HWCAP_ASIMD_ = 1 << 1, HWCAP_ASIMDDP_ = 1 << 20 }; // arch/arm64/include/uapi/asm/hwcap.h
    const unsigned long caps = getauxval(AT_HWCAP);
    uint64_t f = 0;

    (void)allowed;
    if (caps & HWCAP_ASIMD_) f |= KI_CPU_NEON;
    if (caps & HWCAP_ASIMDDP_) f |= KI_CPU_DOTPROD;
    return f;
}

#else

static uint64_t found(uint64_t allowed)
{
    (void)allowed;
    return 0;
}

#endif

uint64_t ki_cpu_detect(uint64_t allowed)
{
    return found(allowed) & allowed;
}

static const struct feature *find_word(const char *text, size_t len)
{
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i].name) == len && memcmp(words[i].name, text, len) == 0) return &words[i];
    return NULL;
}

int ki_cpu_parse(const char *list, uint64_t *allowed)
{
    int known = 1;

    if (!list || !*list) {
        *allowed = UINT64_MAX;
        return 1;
    }
    *allowed = 0;
    for (const char *at = list;; at++) {
        const size_t len = strcspn(at, ",");
        const struct feature *w = find_word(at, len);
        if (w)
            *allowed |= w->bit;
        else
            known = 0;
        at += len;
        if (!*at) return known;
    }
}

const char *ki_cpu_feature_at(size_t i, uint64_t *bit)
{
    if (i >= sizeof features / sizeof *features) return NULL;
    *bit = features[i].bit;
    return features[i].name;
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static uint64_t in_force;

static void detect_once(void)
{
    uint64_t allowed;
    ki_cpu_parse(getenv("KITH_CPU"), &allowed);
    in_force = ki_cpu_detect(allowed);
}

uint64_t ki_cpu_features(void)
{
    pthread_once(&once, detect_once);
    return in_force;
}
