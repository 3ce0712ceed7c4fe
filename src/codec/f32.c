/* F32: components as IEEE singles. What every other type is measured by: f64 and integers are
 * rounded to it. */
#include "codec/member.h"

#include <string.h>

static void narrow(const float *src, size_t n, void *out)
{
    memcpy(out, src, n * sizeof *src);
}

static const ki_narrowing narrowing = {
    .native = KITH_F32,
    .width = sizeof(float),
    .find_bad = NULL,
    .narrow = narrow,
    .refusal = NULL,
};

static size_t row_bytes(size_t d)
{
    return d * sizeof(float);
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
    ki_rows_to_f32((kith_rows){rows, n, stride, KITH_F32}, 0, n, d, out);
}

const ki_codec ki_codec_f32 = {
    .name = "F32",
    .aliases = "Flat",
    .about = "IEEE single precision, values as they are",
    .dtype = KITH_F32,
    .type = KI_F32,
    .file_id = 1,
    .row_bytes = row_bytes,
    .encode = encode,
    .decode = decode,
};
