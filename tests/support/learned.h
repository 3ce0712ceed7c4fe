/* Codecs that have learned, without a row store. */
#ifndef LEARNED_H
#define LEARNED_H

#include "codec/codec.h"

/* c as it learns from x [n][d] with these parameters (NULL: the presets); c itself when it learns
 * nothing. Give it back with ki_codec_release. */
const ki_codec *learned(const ki_codec *c, kith_metric m, const float *x, size_t n, size_t d,
                        const double *params);

#endif
