/* Specs: what people write, the canonical text, and errors that point at the character. */
#define _GNU_SOURCE /* strcasestr */
#include "support/harness.h"

#include <string.h>

static void spec_is(const char *spec, kith_metric m, const char *canonical)
{
    kith_index *ix, *again;

    must(kith_create(spec, 16, m, NULL, &ix));
    assert_string_equal(kith_spec(ix), canonical);
    must(kith_create(kith_spec(ix), 16, m, NULL, &again));
    assert_string_equal(kith_spec(again), canonical);
    kith_free(ix);
    kith_free(again);
}

static void canonical_texts(void **state)
{
    (void)state;
    spec_is("Flat", KITH_L2, "Flat");
    spec_is("auto", KITH_L2, "Graph48");
    spec_is("auto,F16", KITH_COSINE, "Graph48,F16");
    spec_is("auto", KITH_L1, "Flat");
    spec_is("auto", KITH_HAMMING, "Flat");
    spec_is("IDMap,Flat", KITH_L2, "Flat");
    spec_is("IDMap2,Flat", KITH_IP, "Flat");
    spec_is("Flat,Flat", KITH_L2, "Flat,F32");
    spec_is("Flat,F16", KITH_COSINE, "Flat,F16");
    spec_is("Flat,BF16", KITH_COSINE, "Flat,BF16");
    spec_is("Flat,U8", KITH_L1, "Flat,U8");
    spec_is("Flat(scan=off)", KITH_L2, "Flat(scan=off)");
    spec_is("Flat(scan=on)", KITH_L2, "Flat");
    spec_is("Flat(p=3)", KITH_LP, "Flat(p=3)");
    spec_is("Flat(scan=off,p=1.5),F32", KITH_LP, "Flat(scan=off,p=1.5),F32");
    spec_is("HNSW16,SQ8,RFlat", KITH_L2, "HNSW16(code_bits=8),F32");
    spec_is("Graph32(effort=50),SQ4,Refine(F16)", KITH_IP, "Graph32(effort=50,code_bits=4),F16");
    spec_is("Graph,SQ6,Refine(Flat)", KITH_COSINE, "Graph48(code_bits=8),F32");
    spec_is("Graph,SQ4,Refine(SQ8(uniform=on))", KITH_L2, "Graph48(code_bits=4),SQ8(uniform=on)");
    spec_is("Flat,SQ8,RFlat", KITH_L2, "Flat,F32");
    spec_is("Flat", KITH_HAMMING, "Flat");
    spec_is("Flat,Bits", KITH_JACCARD, "Flat,Bits");
}

static void refusals(void **state)
{
    static const struct {
        const char *spec, *words;
        kith_metric m;
        kith_status st;
    } bad[] = {
        {"", "column 1", KITH_L2, KITH_BAD_SPEC},
        {"Flot", "no navigator \"Flot\"", KITH_L2, KITH_BAD_SPEC},
        {"Flat,Q9", "column 6", KITH_L2, KITH_BAD_SPEC},
        {"Flat,Q9", "known: F32", KITH_L2, KITH_BAD_SPEC},
        {"Flat,F16,F16", "column 10", KITH_L2, KITH_BAD_SPEC},
        {"Flat,F16,Refine(Flat)", "column 10: Refine follows SQ8", KITH_L2, KITH_BAD_SPEC},
        {"Graph,SQ8,Refine", "RFlat, or Refine with one codec", KITH_L2, KITH_BAD_SPEC},
        {"Graph,SQ8,Refine(F16,F32)", "RFlat, or Refine with one codec", KITH_L2, KITH_BAD_SPEC},
        {"Graph,SQ8,RFlat(F16)", "RFlat, or Refine with one codec", KITH_L2, KITH_BAD_SPEC},
        {"Graph,SQ8,Refine(Q9)", "column 18: no codec \"Q9\"", KITH_L2, KITH_BAD_SPEC},
        {"Graph,SQ8,Refine(F16),F16", "\"F16\" is one too many", KITH_L2, KITH_BAD_SPEC},
        {"Graph,SQ8,RFlat(x=1)", "RFlat, or Refine with one codec", KITH_L2, KITH_BAD_SPEC},
        {"Graph,SQ4,Refine(F16,x=2)", "RFlat, or Refine with one codec", KITH_L2, KITH_BAD_SPEC},
        {"Graph,SQ4,Refine(SQ8),RFlat", "\"RFlat\" is one too many", KITH_L2, KITH_BAD_SPEC},
        {"Graph(code_bits=4),SQ8,RFlat", "code_bits is 4, and SQ8 says 8", KITH_L2, KITH_BAD_SPEC},
        {"Graph,SQ8(margin=1),RFlat", "SQ8 before RFlat takes no parameters", KITH_L2,
         KITH_BAD_SPEC},
        {"Flat,Refine(Flat)", "column 6: no codec \"Refine\"; known: F32", KITH_L2, KITH_BAD_SPEC},
        {"PCA64,Flat", "no navigator \"PCA64\"; known: Flat, Graph, HNSW, NSW, auto", KITH_L2,
         KITH_BAD_SPEC},
        {"Flat(F16)", "column 6: name=value was expected", KITH_L2, KITH_BAD_SPEC},
        {"Flat,U8(Flat)", "column 9: name=value was expected", KITH_L2, KITH_BAD_SPEC},
        {"Flat(scan=maybe)", "maybe", KITH_L2, KITH_BAD_SPEC},
        {"Flat(nothing=1)", "no parameter \"nothing\"", KITH_L2, KITH_BAD_SPEC},
        {"Flat(scan=on,scan=off)", "column 14: scan is given twice", KITH_L2, KITH_BAD_SPEC},
        {"Flat(", "column", KITH_L2, KITH_BAD_SPEC},
        {"Flat, U8", "column 6", KITH_L2, KITH_BAD_SPEC},
        {"Flat)", "column 5", KITH_L2, KITH_BAD_SPEC},
        {"Flat(p=0)", "p", KITH_LP, KITH_BAD_SPEC},
        {"Flat,F32", "hamming", KITH_HAMMING, KITH_UNSUPPORTED},
        {"Flat,Bits", "l2", KITH_L2, KITH_UNSUPPORTED},
    };
    kith_index *ix;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const kith_status st = kith_create(bad[i].spec, 16, bad[i].m, NULL, &ix);

        if (st != bad[i].st || !strcasestr(kith_last_error(), bad[i].words))
            fail_msg("\"%s\": %s: \"%s\" does not say \"%s\"", bad[i].spec, kith_status_name(st),
                     kith_last_error(), bad[i].words);
    }
}

static void parameters(void **state)
{
    const float row[2] = {0.5f, 1};
    kith_index *ix;
    kith_param p;
    size_t n = 0;

    (void)state;
    must(kith_create("Flat", 2, KITH_L2, NULL, &ix));
    must(kith_set_param(ix, "SCAN", "off"));
    assert_string_equal(kith_spec(ix), "Flat(scan=off)");
    refused(kith_set_param(ix, "scan", "7"), KITH_BAD_ARG, "scan");
    refused(kith_set_param(ix, "colour", "red"), KITH_NOT_FOUND, "colour");
    assert_string_equal(kith_spec(ix), "Flat(scan=off)");
    must(kith_add(ix, KITH_ROWS(row, 1, KITH_F32), NULL, NULL, NULL));
    refused(kith_set_param(ix, "scan", "on"), KITH_BAD_ARG, "before the first row");
    kith_free(ix);
    while (kith_param_at(n, &p) == KITH_OK) {
        assert_true(strlen(p.name) > 0 && strlen(p.about) > 10 && strlen(p.owner) > 0);
        assert_true(p.lo <= p.preset && p.preset <= p.hi);
        n++;
    }
    assert_true(n >= 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(canonical_texts),
                                       cmocka_unit_test(refusals), cmocka_unit_test(parameters)};

    return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
