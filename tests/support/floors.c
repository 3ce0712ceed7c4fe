/* See floors.h. */
#include "support/floors.h"
#include "support/twoindexes.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NQ = FEWER(100, 25) };

void shape_rows(const char *codec, kith_metric m, float *x, size_t n)
{
    const bool u8 = strcmp(codec, ",U8") == 0, i8 = strcmp(codec, ",I8") == 0;

    if (strcmp(codec, ",Bits") == 0) {
        for (size_t i = 0; i < n; i++) x[i] = x[i] > 0.0f;
        return;
    }
    for (size_t i = 0; i < n; i++) {
        if (u8) x[i] = roundf(128 + 25 * x[i]);
        if (i8) x[i] = roundf(25 * x[i]);
        if (u8) x[i] = x[i] < 0 ? 0 : x[i] > 255 ? 255 : x[i];
        if (i8) x[i] = x[i] < -128 ? -128 : x[i] > 127 ? 127 : x[i] + 0.0f; // no -0
        if (m == KITH_JENSEN_SHANNON || m == KITH_JACCARD) x[i] = fabsf(x[i]);
    }
}

void prove_floor(const char *navigator, const char *codec, kith_metric m, size_t n, size_t d,
                 double floor)
{
    float *x = need_floats((n + NQ) * d);
    two_indexes t;
    char what[96];

    clustered_rows((uint64_t)m, n + NQ, d, 40, 0.7f, false, x);
    shape_rows(codec, m, x, (n + NQ) * d);
    two_open_as(&t, navigator, codec, d, m, 2);
    (void)snprintf(what, sizeof what, "%s%s, %s", navigator, codec, kith_metric_name(m));
    t.what = what;
    two_add(&t, KITH_ROWS(x, n, KITH_F32), NULL);
    two_sound(&t, KITH_ROWS(x + n * d, NQ, KITH_F32), floor);
    two_close(&t);
    free(x);
}
