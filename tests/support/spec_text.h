/* The oracle of spec parsing, for the unit test and the fuzzer (hence all in a header: fuzz targets
 * link the library alone). It checks a spec's tree: the links reach every item once, columns point
 * at names, and the tree's text parses to the same tree. The printed text puts the options of an
 * item before its specs, so columns and the order of items against options may differ from the
 * first text, and nothing else. */
#ifndef SPEC_TEXT_H
#define SPEC_TEXT_H

#include "base/spec.h"

#include <stdio.h>
#include <string.h>

typedef struct printer {
    const ki_spec *spec;
    char text[2 * KI_SPEC_TEXT];
    size_t len, items, options; /* printed so far */
} printer;

static void print(printer *p, const char *text)
{
    const size_t room = sizeof p->text - p->len;
    const int n = snprintf(p->text + p->len, room, "%s", text);

    p->len += n > 0 && (size_t)n < room ? (size_t)n : 0;
}

static void print_number(printer *p, const char *before, uint32_t number)
{
    char text[16];

    (void)snprintf(text, sizeof text, "%s%u", before, number);
    print(p, text);
}

/* Items from i on, and what they hold. More than there are is a circle: it ends, and is noticed. */
static void print_siblings(printer *p, int i)
{
    for (; i >= 0 && p->items < KI_SPEC_ITEMS; i = p->spec->item[i].next) {
        const ki_spec_item *item = &p->spec->item[i];
        const char *before = "(";

        p->items++;
        print(p, item->name);
        if (item->has_number) print_number(p, "", item->number);
        if (item->has_number2) print_number(p, "x", item->number2);
        print(p, item->suffix);
        for (size_t o = 0; o < item->options; o++, before = ",") {
            const ki_spec_option *option = &p->spec->option[item->first_option + o];

            p->options++;
            print(p, before);
            print(p, option->name);
            print(p, "=");
            print(p, option->value);
        }
        if (item->child >= 0) {
            print(p, before);
            print_siblings(p, item->child);
        }
        if (item->child >= 0 || item->options > 0) print(p, ")");
        if (item->next >= 0) print(p, ",");
    }
}

static bool points_at(const ki_spec *s, size_t column, const char *name)
{
    const size_t len = strlen(name);

    return len > 0 && column >= 1 && column - 1 + len <= strlen(s->text) &&
           memcmp(s->text + column - 1, name, len) == 0;
}

static const char *check_item(const ki_spec *s, const ki_spec_item *item)
{
    if (!points_at(s, item->column, item->name)) return "an item's column is elsewhere";
    if (item->next >= (int)s->items || item->child >= (int)s->items) return "a link leads outside";
    if ((size_t)item->first_option + item->options > s->option_count) return "options lie outside";
    for (size_t o = 0; o < item->options; o++) {
        const ki_spec_option *option = &s->option[item->first_option + o];

        if (!points_at(s, option->column, option->name)) return "an option's column is elsewhere";
        if (option->value[0] == '\0') return "an option has no value";
        if (o > 0 && option->column <= option[-1].column) return "options are out of order";
    }
    return NULL;
}

static bool same_item(const ki_spec *s, const ki_spec *t, size_t i)
{
    const ki_spec_item *a = &s->item[i], *b = &t->item[i];

    if (strcmp(a->name, b->name) != 0 || strcmp(a->suffix, b->suffix) != 0) return false;
    if (a->has_number != b->has_number || a->number != b->number) return false;
    if (a->has_number2 != b->has_number2 || a->number2 != b->number2) return false;
    if (a->child != b->child || a->next != b->next || a->options != b->options) return false;
    for (size_t o = 0; o < a->options; o++) {
        const ki_spec_option *x = &s->option[a->first_option + o];
        const ki_spec_option *y = &t->option[b->first_option + o];

        if (strcmp(x->name, y->name) != 0 || strcmp(x->value, y->value) != 0) return false;
    }
    return true;
}

/* NULL, or what is wrong with a parsed spec. */
static const char *spec_complaint(const ki_spec *s)
{
    static ki_spec again;
    printer p = {.spec = s};

    if (s->items == 0 || s->items > KI_SPEC_ITEMS) return "the number of items";
    if (s->option_count > KI_SPEC_OPTIONS) return "the number of options";
    for (size_t i = 0; i < s->items; i++) {
        const char *wrong = check_item(s, &s->item[i]);

        if (wrong != NULL) return wrong;
    }
    print_siblings(&p, 0);
    if (p.items != s->items) return "not every item is reached once";
    if (p.options != s->option_count) return "not every option has one owner";
    if (ki_spec_parse(p.text, &again) != KITH_OK) return "its own text is refused";
    if (again.items != s->items) return "its own text has other items";
    for (size_t i = 0; i < s->items; i++)
        if (!same_item(s, &again, i)) return "its own text gives another tree";
    return NULL;
}

#endif
