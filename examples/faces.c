/* Faces: pictures under their people's names, found by a cosine of at least 0.35; saved, mapped. */
#include <kith.h>

#include <stdio.h>
#include <stdlib.h>

enum { PEOPLE = 50, PICTURES = 4, D = 64 };

static float noise(uint64_t *x)
{
    *x = *x * 6364136223846793005u + 1442695040888963407u;
    return (float)(*x >> 40) / 16777216.0f - 0.5f;
}

static int fail(void)
{
    fprintf(stderr, "%s\n", kith_last_error());
    return 1;
}

int main(void)
{
    static float person[PEOPLE][D], face[PEOPLE * PICTURES][D], query[D];
    static char name[PEOPLE][16];
    const char *labels[PEOPLE * PICTURES];
    const char *path = "example-faces.kith";
    kith_query how = KITH_QUERY_INIT;
    uint64_t x = 1;
    const int64_t *ids;
    const float *similarity;
    kith_index *ix;
    kith_hits *hits;
    size_t n;

    for (int p = 0; p < PEOPLE; p++) {
        snprintf(name[p], sizeof name[p], "person %d", p);
        for (int j = 0; j < D; j++) person[p][j] = noise(&x);
    }
    for (int i = 0; i < PEOPLE * PICTURES; i++) {
        labels[i] = name[i / PICTURES];
        for (int j = 0; j < D; j++) face[i][j] = person[i / PICTURES][j] + 0.8f * noise(&x);
    }
    for (int j = 0; j < D; j++) query[j] = person[17][j] + 0.8f * noise(&x);

    /* Nothing is normalised by hand: COSINE takes rows as they are. */
    if (kith_create("Flat", D, KITH_COSINE, NULL, &ix) != KITH_OK ||
        kith_add(ix, KITH_ROWS(face, PEOPLE * PICTURES, KITH_F32), NULL, labels, NULL) != KITH_OK ||
        kith_save(ix, path, NULL) != KITH_OK)
        return fail();
    kith_free(ix);

    if (kith_open(path, KITH_OPEN_MAP, NULL, &ix) != KITH_OK) return fail();
    how.limit = 0.35f;
    if (kith_range(ix, KITH_ROWS(query, 1, KITH_F32), &how, &hits) != KITH_OK) return fail();
    n = kith_hits_row(hits, 0, &ids, &similarity);
    for (size_t i = 0; i < n; i++) {
        char who[16];

        if (kith_get_label(ix, ids[i], who, sizeof who, NULL) != KITH_OK) return fail();
        printf("%-12s %.3f\n", who, (double)similarity[i]);
    }
    kith_hits_free(hits);
    kith_free(ix);
    remove(path);
    return 0;
}
