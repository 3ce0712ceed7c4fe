/* Conversions between component types, and checks of floats. Beyond what scan_float.kern.h names,
 * an ISA's ops.h says:
 *   v_load_u8 _i8(p), v_part_u8 _i8(p, n)
 *   v_store(p, v)            VLEN floats
 *   v_store_f16 _bf16(p, v)  VLEN halves, rounded to nearest even
 *   v_set(float)
 *   v_nonfinite(v)           not 0 when a lane is NaN or infinite
 *   v_noninteger(v, lo, hi)  not 0 when a lane is no integer in lo…hi, or -0.0
 */
#include <string.h>

#include "base/compiler.h"
#include "kernel/isa/isa.h"

#define TO_FLOAT(type, size)                                                                       \
    static void f32_from_##type(const void *src, size_t n, float *out)                             \
    {                                                                                              \
        const uint8_t *p = src;                                                                    \
        size_t i = 0;                                                                              \
        for (; i + VLEN <= n; i += VLEN) v_store(out + i, v_load_##type(p + (size) * i));          \
        if (i < n) {                                                                               \
            float rest[VLEN];                                                                      \
            v_store(rest, v_part_##type(p + (size) * i, n - i));                                   \
            memcpy(out + i, rest, (n - i) * sizeof *rest);                                         \
        }                                                                                          \
    }
TO_FLOAT(f16, 2)
TO_FLOAT(bf16, 2)
TO_FLOAT(u8, 1)
TO_FLOAT(i8, 1)

#define FROM_FLOAT(type)                                                                           \
    static void type##_from_f32(const void *src, size_t n, void *out)                              \
    {                                                                                              \
        const uint8_t *p = src;                                                                    \
        uint8_t *o = out;                                                                          \
        size_t i = 0;                                                                              \
        for (; i + VLEN <= n; i += VLEN) v_store_##type(o + 2 * i, v_load_f32(p + 4 * i));         \
        if (i < n) {                                                                               \
            uint8_t rest[2 * VLEN];                                                                \
            v_store_##type(rest, v_part_f32(p + 4 * i, n - i));                                    \
            memcpy(o + 2 * i, rest, (n - i) * 2);                                                  \
        }                                                                                          \
    }
FROM_FLOAT(f16)
FROM_FLOAT(bf16)

/* Vectors without a find are skipped; the place within one is found component by component. */
static size_t find_nonfinite(const void *src, size_t n)
{
    const uint8_t *p = src;
    size_t i = 0;
    uint32_t u;

    while (i + VLEN <= n && !v_nonfinite(v_load_f32(p + 4 * i))) i += VLEN;
    for (; i < n; i++) {
        memcpy(&u, p + 4 * i, sizeof u);
        if ((u & 0x7f800000) == 0x7f800000) return i;
    }
    return n;
}

static size_t find_noninteger(const void *src, size_t n, float lo, float hi)
{
    const uint8_t *p = src;
    const V low = v_set(lo), high = v_set(hi);
    size_t i = 0;

    while (i + VLEN <= n && !v_noninteger(v_load_f32(p + 4 * i), low, high)) i += VLEN;
    for (; i < n; i++) {
        float one[VLEN];
        memcpy(one, p + 4 * i, sizeof *one);
        for (size_t j = 1; j < VLEN; j++) one[j] = one[0];
        if (v_noninteger(v_load_f32((const uint8_t *)one), low, high)) return i;
    }
    return n;
}

static void fill_convert(ki_kernels *k)
{
    k->f32_from_f16 = f32_from_f16;
    k->f32_from_bf16 = f32_from_bf16;
    k->f16_from_f32 = f16_from_f32;
    k->bf16_from_f32 = bf16_from_f32;
    k->f32_from_u8 = f32_from_u8;
    k->f32_from_i8 = f32_from_i8;
    k->find_nonfinite = find_nonfinite;
    k->find_noninteger = find_noninteger;
}
