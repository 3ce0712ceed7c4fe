/* What every user of sections needs beyond the interface; the container itself is file/'s. */
#include "base/blob.h"

const char *ki_blob_name(uint32_t type, char out[5])
{
    for (int i = 0; i < 4; i++) {
        const uint32_t c = type >> (8 * i) & 0xff;

        out[i] = c > ' ' && c < 0x7f ? (char)c : '?';
    }
    out[4] = '\0';
    if (type >> 24 == ' ') out[3] = '\0'; // "IDS "
    return out;
}

kith_status ki_blob_need(const ki_blob_reader *r, uint32_t type, uint32_t part, ki_span *out)
{
    kith_status st = KITH_OK;
    char name[5];

    KI_TRY(r->find(r, type, part, out));
    if (out->ptr == NULL)
        KI_FAIL(KITH_CORRUPT, "section %s, part %u is missing", ki_blob_name(type, name), part);
out:
    return st;
}

kith_status ki_blob_put_whole(ki_blob_writer *w, uint32_t type, uint32_t part, const void *bytes,
                              size_t len, bool rows)
{
    kith_status st = KITH_OK;

    KI_TRY(w->begin(w, type, part, len, rows));
    if (len > 0) KI_TRY(w->put(w, bytes, len));
    KI_TRY(w->end(w));
out:
    return st;
}
