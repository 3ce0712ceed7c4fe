/* Bits: components 0 and 1, eight a byte, the first in the highest bit (numpy.packbits). Padding
 * bits are zero, so that rows compare byte by byte. */
#include "codec/member.h"

#include <string.h>

static size_t row_bytes(size_t d)
{
    return d / 8 + (d % 8 != 0);
}

/* n floats 0 or 1; out begins at a byte. */
static void pack(const float *src, size_t n, uint8_t *out)
{
    for (size_t i = 0; i < n; i += 8) {
        unsigned byte = 0;

        for (size_t j = i; j < i + 8; j++) byte = byte << 1 | (j < n && src[j] != 0);
        out[i / 8] = (uint8_t)byte;
    }
}

static kith_status encode_row(kith_rows x, size_t row, size_t d, uint8_t *out)
{
    const ki_kernels *k = ki_kernels_get();
    const uint8_t *src = (const uint8_t *)x.data + row * ki_rows_stride(x, d);
    float piece[KI_PIECE];

    for (size_t at = 0; at < d; at += KI_PIECE) {
        const size_t len = d - at < KI_PIECE ? d - at : KI_PIECE;
        size_t bad;

        ki_run_f32(src, x.dtype, at, len, piece);
        bad = k->find_noninteger(piece, len, 0, 1);
        if (bad < len)
            return ki_fail(KITH_BAD_ARG,
                           "row %zu, column %zu: %.9g is no bit; Bits keeps 0 and 1 only", row,
                           at + bad, (double)piece[bad]);
        pack(piece, len, out + at / 8);
    }
    return KITH_OK;
}

static kith_status encode(const ki_codec *c, kith_rows x, size_t first, size_t n, size_t d,
                          void *out)
{
    const size_t len = row_bytes(d);
    uint8_t *to = out;

    (void)c;
    for (size_t i = 0; i < n; i++, to += len) {
        kith_status st;

        if (x.dtype == KITH_BIT) {
            memcpy(to, (const uint8_t *)x.data + (first + i) * ki_rows_stride(x, d), len);
            if (d % 8) to[len - 1] &= (uint8_t)(0xff00 >> d % 8);
            continue;
        }
        st = encode_row(x, first + i, d, to);
        if (st != KITH_OK) return st;
    }
    return KITH_OK;
}

static void decode(const ki_codec *c, const void *rows, size_t stride, size_t n, size_t d,
                   float *out)
{
    (void)c;
    ki_rows_to_f32((kith_rows){rows, n, stride, KITH_BIT}, 0, n, d, out);
}

const ki_codec ki_codec_bits = {
    .name = "Bits",
    .aliases = "",
    .about = "0 and 1, eight components a byte",
    .dtype = KITH_BIT,
    .type = KI_BITS,
    .file_id = 6,
    .row_bytes = row_bytes,
    .encode = encode,
    .decode = decode,
};
