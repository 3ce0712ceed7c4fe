/* The table of codecs and what can be said of them without looking at rows. */
#include "codec/member.h"

#include "base/names.h"

static const ki_codec *const codecs[] = {
#define KI_CODEC(member) &ki_codec_##member,
#include "codec/table.def"
#undef KI_CODEC
};

enum {
#define KI_CODEC(member) INDEX_OF_##member,
#include "codec/table.def"
#undef KI_CODEC
    CODECS
};

const ki_codec *ki_codec_at(size_t i)
{
    return i < CODECS ? codecs[i] : NULL;
}

const ki_codec *ki_codec_find(const char *name)
{
    for (size_t i = 0; i < CODECS; i++)
        if (ki_named(name, codecs[i]->name, codecs[i]->aliases)) return codecs[i];
    return NULL;
}

const ki_codec *ki_codec_of_file(uint32_t file_id)
{
    for (size_t i = 0; i < CODECS; i++)
        if (codecs[i]->file_id == file_id) return codecs[i];
    return NULL;
}

const ki_codec *ki_codec_share(const ki_codec *c)
{
    if (c && c->grid) ki_sq_share(c);
    return c;
}

void ki_codec_release(const ki_codec *c)
{
    if (c && c->grid) ki_sq_release(c);
}

kith_status ki_codec_suits(const ki_codec *c, kith_metric m)
{
    const ki_metric *metric = ki_metric_of(m);
    const bool bits = c->type == KI_BITS;

    if (!metric) return ki_fail(KITH_BAD_ARG, "%d is no metric", (int)m);
    if (bits && metric->bits == 0)
        return ki_fail(KITH_UNSUPPORTED, "%s on %s rows: bits have hamming and jaccard",
                       metric->name, c->name);
    if (!bits && metric->bits == 2)
        return ki_fail(KITH_UNSUPPORTED, "%s on %s rows: it counts bits, so rows must be Bits",
                       metric->name, c->name);
    return KITH_OK;
}
