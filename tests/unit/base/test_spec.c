/* The grammar of specs: trees, limits, the column in every error; any bytes. */
#include "base/rng.h"
#include "base/spec.h"
#include "support/spec_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static ki_spec spec;

static const ki_spec *parsed(const char *text)
{
    memset(&spec, 0xee, sizeof spec); // nothing may depend on what was there
    if (ki_spec_parse(text, &spec) != KITH_OK) fail_msg("%s", kith_last_error());
    assert_string_equal(spec.text, text);
    return &spec;
}

static void an_item_has_a_name_numbers_and_a_suffix(void **state)
{
    static const struct {
        const char *text, *name;
        bool has, has2;
        uint32_t number, number2;
        const char *suffix;
    } known[] = {
        {"Flat", "Flat", false, false, 0, 0, ""},
        {"HNSW32", "HNSW", true, false, 32, 0, ""},
        {"PQ32x4fs", "PQ", true, true, 32, 4, "fs"},
        {"PQ32x", "PQ", true, false, 32, 0, "x"},
        {"PQ8np", "PQ", true, false, 8, 0, "np"},
        {"OPQ16_64", "OPQ", true, false, 16, 0, "_64"},
        {"IVF65536_HNSW32", "IVF", true, false, 65536, 0, "_HNSW32"},
        {"RaBitQ", "RaBitQ", false, false, 0, 0, ""},
        {"L2norm", "L", true, false, 2, 0, "norm"},
        {"SQ08", "SQ", true, false, 8, 0, ""},
        {"a_b", "a_b", false, false, 0, 0, ""},
        {"Forest4294967295", "Forest", true, false, UINT32_MAX, 0, ""},
        {"A0x0", "A", true, true, 0, 0, ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const ki_spec_item *item = parsed(known[i].text)->item;

        assert_int_equal(spec.items, 1);
        assert_int_equal(spec.option_count, 0);
        assert_string_equal(item->name, known[i].name);
        assert_int_equal(item->has_number, known[i].has);
        assert_int_equal(item->has_number2, known[i].has2);
        assert_int_equal(item->number, known[i].number);
        assert_int_equal(item->number2, known[i].number2);
        assert_string_equal(item->suffix, known[i].suffix);
        assert_int_equal(item->column, 1);
        assert_int_equal(item->options, 0);
        assert_int_equal(item->child, -1);
        assert_int_equal(item->next, -1);
    }
}

static void items_are_siblings(void **state)
{
    const ki_spec *s = parsed("RR,IVF1024_HNSW32,SQ8,Refine(Flat)");

    (void)state;
    assert_int_equal(s->items, 5);
    assert_string_equal(s->item[0].name, "RR");
    assert_int_equal(s->item[0].next, 1);
    assert_string_equal(s->item[1].name, "IVF");
    assert_int_equal(s->item[1].column, 4);
    assert_int_equal(s->item[1].next, 2);
    assert_int_equal(s->item[2].next, 3);
    assert_string_equal(s->item[3].name, "Refine");
    assert_int_equal(s->item[3].next, -1);
    assert_int_equal(s->item[3].child, 4);
    assert_string_equal(s->item[4].name, "Flat");
    assert_int_equal(s->item[4].column, 30);
    assert_int_equal(s->item[4].next, -1);
}

static void check_option(size_t item, size_t i, const char *name, const char *value, size_t column)
{
    const ki_spec_option *option = &spec.option[spec.item[item].first_option + i];

    assert_true(i < spec.item[item].options);
    assert_string_equal(option->name, name);
    assert_string_equal(option->value, value);
    assert_int_equal(option->column, column);
}

static void options_belong_to_their_item(void **state)
{
    (void)state;
    parsed("A(x=1,B(y=2,C(z=on),w=-1.5e+3),v=a_b),D2(u_1=.5)");
    assert_int_equal(spec.items, 4);
    assert_int_equal(spec.option_count, 6);
    assert_string_equal(spec.item[0].name, "A");
    assert_int_equal(spec.item[0].options, 2);
    check_option(0, 0, "x", "1", 3);
    check_option(0, 1, "v", "a_b", 32);
    assert_int_equal(spec.item[0].child, 1);
    assert_int_equal(spec.item[0].next, 3);
    assert_string_equal(spec.item[1].name, "B");
    assert_int_equal(spec.item[1].options, 2);
    check_option(1, 0, "y", "2", 9);
    check_option(1, 1, "w", "-1.5e+3", 21);
    assert_int_equal(spec.item[1].child, 2);
    assert_int_equal(spec.item[1].next, -1);
    assert_int_equal(spec.item[2].options, 1);
    check_option(2, 0, "z", "on", 15);
    assert_int_equal(spec.item[3].options, 1);
    check_option(3, 0, "u_1", ".5", 42);
}

static void errors_point_at_the_character(void **state)
{
    static const struct {
        const char *text, *sentence;
    } bad[] = {
        {"", "spec \"\": column 1: a name was expected, not the end"},
        {"Flat(scan=)", "spec \"Flat(scan=)\": column 11: a value was expected after \"scan=\""},
        {"Flat(scan=", "spec \"Flat(scan=\": column 11: a value was expected after \"scan=\""},
        {"Flat,", "spec \"Flat,\": column 6: a name was expected, not the end"},
        {",Flat", "spec \",Flat\": column 1: a name was expected, not \",\""},
        {"Flat,,F16", "spec \"Flat,,F16\": column 6: a name was expected, not \",\""},
        {"32HNSW", "spec \"32HNSW\": column 1: a name was expected, not \"3\""},
        {"_a", "spec \"_a\": column 1: a name was expected, not \"_\""},
        {"Flat F16", "spec \"Flat F16\": column 5: \",\" or the end was expected, not \" \""},
        {"Flat, F16", "spec \"Flat, F16\": column 6: a name was expected, not \" \""},
        {"Flat=3", "spec \"Flat=3\": column 5: \",\" or the end was expected, not \"=\""},
        {"Flat)", "spec \"Flat)\": column 5: \",\" or the end was expected, not \")\""},
        {"Flat()", "spec \"Flat()\": column 6: a name was expected, not \")\""},
        {"Flat(", "spec \"Flat(\": column 6: a name was expected, not the end"},
        {"Flat(a=1", "spec \"Flat(a=1\": column 9: \",\" or \")\" was expected, not the end"},
        {"Flat(a=1,)", "spec \"Flat(a=1,)\": column 10: a name was expected, not \")\""},
        {"Flat(a=1;b=2)",
         "spec \"Flat(a=1;b=2)\": column 9: \",\" or \")\" was expected, not \";\""},
        {"Flat(F16", "spec \"Flat(F16\": column 9: \",\" or \")\" was expected, not the end"},
        {"Flat(=1)", "spec \"Flat(=1)\": column 6: a name was expected, not \"=\""},
        {"Flat(1=1)", "spec \"Flat(1=1)\": column 6: a name was expected, not \"1\""},
        {"Flat()x", "spec \"Flat()x\": column 6: a name was expected, not \")\""},
        {"Flat(a=1)x", "spec \"Flat(a=1)x\": column 10: \",\" or the end was expected, not \"x\""},
        {"PQ8+16", "spec \"PQ8+16\": column 4: \",\" or the end was expected, not \"+\""},
        {"IVF4294967296", "spec \"IVF4294967296\": column 4: a number is at most 4294967295"},
        {"PQ8x99999999999999999999999",
         "spec \"PQ8x99999999999999999999999\": column 5: a number is at most 4294967295"},
        {"Fl\xc3\xa4t", "spec \"Fl??t\": column 3: \",\" or the end was expected, not byte 0xc3"},
        {"Flat\n", "spec \"Flat?\": column 5: \",\" or the end was expected, not byte 0x0a"},
        {"Flat(a=\"1\")", "spec \"Flat(a=\"1\")\": column 8: a value was expected after \"a=\""},
        {"A(B(C(D(E))))", "spec \"A(B(C(D(E))))\": column 9: parentheses nest at most 3 deep"},
        {"A(xy_123456789012345678901234567890=1)",
         "spec \"A(xy_123456789012345678901234567890=1)\": column 3: a name has at most 31 "
         "characters, not 33"},
        {"Abcdefghijklmnopqrstuvwxyz_ABCDE",
         "spec \"Abcdefghijklmnopqrstuvwxyz_ABCDE\": column 1: a name has at most 31 characters, "
         "not 32"},
        {"A1bcdefghijklmnopqrstuvwxyz_ABCDEF",
         "spec \"A1bcdefghijklmnopqrstuvwxyz_ABCDEF\": column 3: a suffix has at most 31 "
         "characters, not 32"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(ki_spec_parse(bad[i].text, &spec), KITH_BAD_SPEC);
        assert_string_equal(kith_last_error(), bad[i].sentence);
    }
    assert_int_equal(ki_spec_parse(NULL, &spec), KITH_BAD_SPEC);
    assert_string_equal(kith_last_error(), "spec is NULL");
}

/* `count` copies of piece between head and tail. */
static const char *repeated(const char *head, const char *piece, size_t count, const char *tail)
{
    static char text[1000];
    size_t len = (size_t)snprintf(text, sizeof text, "%s", head);

    for (size_t i = 0; i < count; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%s", piece);
    (void)snprintf(text + len, sizeof text - len, "%s", tail);
    return text;
}

static void limits_are_exact(void **state)
{
    (void)state;
    assert_int_equal(parsed(repeated("A", ",A", 15, ""))->items, 16);
    assert_int_equal(ki_spec_parse(repeated("A", ",A", 16, ""), &spec), KITH_BAD_SPEC);
    assert_non_null(strstr(kith_last_error(), "column 33: a spec has at most 16 items"));
    assert_int_equal(parsed(repeated("A(a=1", ",a=1", 15, ")"))->option_count, 16);
    assert_int_equal(ki_spec_parse(repeated("A(a=1", ",a=1", 16, ")"), &spec), KITH_BAD_SPEC);
    assert_non_null(strstr(kith_last_error(), "column 67: a spec has at most 16 options"));
    assert_int_equal(parsed("A(B(C(D(x=1))))")->items, 4); // options of the deepest item
    parsed("Abcdefghijklmnopqrstuvwxyz_ABCD(abcdefghijklmnopqrstuvwxyz12345=1)");
    parsed(repeated("A(a=", "1", 63, ")"));
    assert_int_equal(ki_spec_parse(repeated("A(a=", "1", 64, ")"), &spec), KITH_BAD_SPEC);
    assert_non_null(
        strstr(kith_last_error(), "column 5: a value has at most 63 characters, not 64"));
    parsed(repeated("A", "0", 254, "")); // 255 characters
    assert_int_equal(ki_spec_parse(repeated("A", "0", 255, ""), &spec), KITH_BAD_SPEC);
    assert_string_equal(kith_last_error(), "spec \"A000000000000000000000000000000000000000...\": "
                                           "longer than 255 characters");
}

/* A long text shows the neighbourhood of the column. */
static void long_texts_are_shown_in_part(void **state)
{
    const char *text = repeated("A", "0", 200, ";B");

    (void)state;
    assert_int_equal(ki_spec_parse(text, &spec), KITH_BAD_SPEC);
    assert_non_null(strstr(kith_last_error(), "spec \"...000"));
    assert_non_null(
        strstr(kith_last_error(), "000;B\": column 202: \",\" or the end was expected"));
    assert_non_null(
        strstr(kith_last_error(), text + strlen(text) - 96)); // as much as is ever shown
    text = repeated(";A", "0", 200, "");
    assert_int_equal(ki_spec_parse(text, &spec), KITH_BAD_SPEC);
    assert_non_null(strstr(kith_last_error(), "spec \";A000"));
    assert_non_null(strstr(kith_last_error(), "000...\": column 1: a name was expected"));
}

static void floors_above_point_with_it(void **state)
{
    (void)state;
    parsed("Flot,F16");
    assert_int_equal(ki_spec_fail(&spec, spec.item[0].column, "no navigator \"%s\"; known: %s",
                                  spec.item[0].name, "Flat"),
                     KITH_BAD_SPEC);
    assert_string_equal(kith_last_error(),
                        "spec \"Flot,F16\": column 1: no navigator \"Flot\"; known: Flat");
}

/* Random texts of the grammar's own words, some with a byte changed: each is refused with a
 * sentence, or is a tree that prints and parses to itself. */
static void any_text_is_refused_or_understood(void **state)
{
    static const char *const words[] = {"A",  "Flat", "b_",    "32",       "x4", "fs",
                                        "_9", "(",    "(",     ")",        ")",  ",",
                                        ",",  "a=1",  "bc=on", "a=-.5e+3", "=",  "(c=x)"};
    const uint32_t n_words = sizeof words / sizeof *words;
    size_t good = 0, bad = 0;

    (void)state;
    for (uint64_t round = 0; round < 200000; round++) {
        char text[KI_SPEC_TEXT + 20] = "";
        const uint32_t n = ki_random_below(5, KI_RNG_TEST, round, round % 97 ? 8 : 40);
        size_t len = 0;

        for (uint32_t i = 0; i < n; i++)
            len += (size_t)snprintf(text + len, sizeof text - len, "%s",
                                    words[ki_random_below(round, KI_RNG_TEST, i, n_words)]);
        if (round % 8 == 0 && len > 0)
            text[ki_random(6, KI_RNG_TEST, round) % len] = (char)ki_random(7, KI_RNG_TEST, round);
        memset(&spec, 0xee, sizeof spec);
        if (ki_spec_parse(text, &spec) == KITH_OK) {
            const char *wrong = spec_complaint(&spec);

            if (wrong != NULL) fail_msg("\"%s\": %s", text, wrong);
            good++;
        } else {
            assert_memory_equal(kith_last_error(), "spec \"", 6);
            assert_non_null(strstr(kith_last_error(), "\": "));
            bad++;
        }
    }
    assert_true(good > 10000 && bad > 10000); // or the test says little
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_item_has_a_name_numbers_and_a_suffix),
        cmocka_unit_test(items_are_siblings),
        cmocka_unit_test(options_belong_to_their_item),
        cmocka_unit_test(errors_point_at_the_character),
        cmocka_unit_test(limits_are_exact),
        cmocka_unit_test(long_texts_are_shown_in_part),
        cmocka_unit_test(floors_above_point_with_it),
        cmocka_unit_test(any_text_is_refused_or_understood),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
