/* BF16: the upper half of a single, rounded to nearest even. A value that would become infinite is
 * refused: what is stored stays finite. */
#include "codec/member.h"

#include <math.h>

/* Half way from the largest, 0x1.fep127, to 2^128: from here on it is infinity. */
static size_t find_beyond(const float *src, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (fabsf(src[i]) >= 0x1.ffp127f) return i;
    return n;
}

static void narrow(const float *src, size_t n, void *out)
{
    ki_kernels_get()->bf16_from_f32(src, n, out);
}

static const ki_narrowing narrowing = {
    .native = KITH_BF16,
    .width = sizeof(uint16_t),
    .find_bad = find_beyond,
    .narrow = narrow,
    .refusal = "is beyond BF16, which ends at 3.3895e38",
};

static size_t row_bytes(size_t d)
{
    return d * sizeof(uint16_t);
}

static kith_status encode(const ki_codec *c, kith_rows x, size_t first, size_t n, size_t d,
                          void *out)
{
    (void)c;
    return ki_encode_narrowed(&narrowing, x, first, n, d, out);
}

static void decode(const ki_codec *c, const void *rows, size_t stride, size_t n, size_t d,
                   float *out)
{
    (void)c;
    ki_rows_to_f32((kith_rows){rows, n, stride, KITH_BF16}, 0, n, d, out);
}

const ki_codec ki_codec_bf16 = {
    .name = "BF16",
    .aliases = "",
    .about = "the upper half of a single, rounded to nearest even",
    .dtype = KITH_BF16,
    .type = KI_BF16,
    .file_id = 3,
    .row_bytes = row_bytes,
    .encode = encode,
    .decode = decode,
};
