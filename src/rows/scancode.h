/* The 8-bit scan code beside f32 rows: a derived block that lets an exact search read a quarter of
 * the bytes. Row y (for COSINE y/|y|, computed in double) is kept as yh = centre + scale*(code-128), and
 * error >= |y - yh| in exact arithmetic, so that by the triangle inequality
 *     | |q-y| - |q-yh| | <= error,   |<q,y> - <q,yh>| <= |q| * error.
 * The centre of a chunk is the mean of its first KI_SCAN_SEED rows (doubles, index order), so that the
 * codes depend on the rows and their order alone. Chunks with fewer rows have no code yet. */
#ifndef KI_SCANCODE_H
#define KI_SCANCODE_H

#include "rows/rows.h"

enum { KI_SCAN_SEED = 1024 };

/* Whether rows of this codec under this metric can have a scan code. */
bool ki_scancode_applies(const ki_codec *c, kith_metric m);
/* Mean of the first KI_SCAN_SEED rows (f32 [KI_SCAN_SEED][d]), nearly, as floats. */
void ki_scancode_centre(kith_metric m, const float *rows, size_t d, float *centre);
/* Codes and terms of n rows. */
void ki_scancode_encode(kith_metric m, const float *rows, size_t n, size_t d, const float *centre,
                        uint8_t *codes, float *scale, float *error, float *half_norm);
/* The bound of one row, checked in double: false when the code lies. */
bool ki_scancode_holds(kith_metric m, const float *row, size_t d, const float *centre,
                       const uint8_t *code, float scale, float error, float half_norm);

#endif
