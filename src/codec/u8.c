/* U8: integers 0…255 as they are; anything else is refused, -0.0 too, which would come back as
 * 0. */
#include "codec/member.h"

static size_t find_other(const float *src, size_t n)
{
    return ki_kernels_get()->find_noninteger(src, n, 0, 255);
}

static void narrow(const float *src, size_t n, void *out)
{
    uint8_t *to = out;

    for (size_t i = 0; i < n; i++) to[i] = (uint8_t)src[i];
}

static const ki_narrowing narrowing = {
    .native = KITH_U8,
    .width = 1,
    .find_bad = find_other,
    .narrow = narrow,
    .refusal = "is no integer 0…255; U8 keeps values as they are",
};

static size_t row_bytes(size_t d)
{
    return d;
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
    ki_rows_to_f32((kith_rows){rows, n, stride, KITH_U8}, 0, n, d, out);
}

const ki_codec ki_codec_u8 = {
    .name = "U8",
    .aliases = "",
    .about = "integers 0…255, values as they are",
    .dtype = KITH_U8,
    .type = KI_U8,
    .file_id = 5,
    .row_bytes = row_bytes,
    .encode = encode,
    .decode = decode,
};
