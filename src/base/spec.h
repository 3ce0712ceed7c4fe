/* The text of a spec as a tree: item {"," item}; item = Name[number["x"number]suffix]["(" … ")"],
 * inside the parentheses name=value pairs and specs, comma-separated. Only the grammar lives here;
 * what names mean is decided by the tables of the floors above. */
#ifndef KI_SPEC_H
#define KI_SPEC_H

#include "base/env.h"

enum {
    KI_SPEC_ITEMS = 16, /* at most, in all levels together */
    KI_SPEC_NAME = 32,
    KI_SPEC_VALUE = 64,
    KI_SPEC_OPTIONS = 16,
    KI_SPEC_TEXT = 256, /* longest spec */
    KI_SPEC_DEPTH = 4
};

typedef struct ki_spec_option {
    char name[KI_SPEC_NAME], value[KI_SPEC_VALUE];
    uint16_t column; /* 1-based, in the whole text */
} ki_spec_option;

typedef struct ki_spec_item {
    char name[KI_SPEC_NAME]; /* letters, '_' (IVF65536_HNSW32 is Name, number, suffix "_HNSW32") */
    bool has_number, has_number2;
    uint32_t number, number2;
    char suffix[KI_SPEC_NAME]; /* what follows the numbers: "fs", "_HNSW32" */
    uint16_t column, options, first_option; /* index into ki_spec.option */
    int16_t child, next; /* items of its parentheses, its sibling; -1 none */
} ki_spec_item;

typedef struct ki_spec {
    char text[KI_SPEC_TEXT];
    size_t items, option_count;
    ki_spec_item item[KI_SPEC_ITEMS]; /* item[0] is the first of the top level */
    ki_spec_option option[KI_SPEC_OPTIONS];
} ki_spec;

/* BAD_SPEC with a sentence that shows the column and what was expected there. No allocation. */
kith_status ki_spec_parse(const char *text, ki_spec *out);
/* BAD_SPEC at a column of the text: "spec "Flot": column 1: no navigator "Flot"; known: …". */
kith_status ki_spec_fail(const ki_spec *spec, size_t column, const char *format, ...)
    KI_PRINTF(3, 4);

#endif
