/* Recall floors of the graphs that are linked row by row: all pairs of codecs and metrics that go
 * together, each at a size where walks matter. */
#include "support/floors.h"
#include "support/twoindexes.h"

enum { N = FEWER(4000, 1500) };

static void floors_of(const char *navigator)
{
    static const char *const codecs[] = {"", ",F16", ",BF16", ",I8", ",U8", ",SQ8", ",SQ6", ",SQ4"};
    static const kith_metric metrics[] = {KITH_L2,   KITH_IP, KITH_COSINE,   KITH_L1,
                                          KITH_LINF, KITH_LP, KITH_CANBERRA, KITH_BRAY_CURTIS};

    for (size_t c = 0; c < sizeof codecs / sizeof *codecs; c++)
        for (size_t m = 0; m < sizeof metrics / sizeof *metrics; m++)
            prove_floor(navigator, codecs[c], metrics[m], m < 3 ? N : N / 2, 32,
                        metrics[m] == KITH_IP         ? 0.85
                        : metrics[m] == KITH_CANBERRA ? 0.80
                                                      : 0.90);
    for (size_t c = 0; c < 3; c++) {
        prove_floor(navigator, codecs[c], KITH_JENSEN_SHANNON, N / 2, 24, 0.90);
        prove_floor(navigator, codecs[c], KITH_JACCARD, N / 2, 24, 0.80);
    }
    prove_floor(navigator, ",Bits", KITH_HAMMING, N / 2, 128, 0.85);
    prove_floor(navigator, ",Bits", KITH_JACCARD, N / 2, 100, 0.85);
}

static void hnsw(void **state)
{
    (void)state;
    floors_of("HNSW16");
}

static void nsw(void **state)
{
    (void)state;
    floors_of("NSW16");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(hnsw), cmocka_unit_test(nsw)};

    return cmocka_run_group_tests_name("floors", tests, NULL, NULL);
}
