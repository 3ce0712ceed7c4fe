/* Any bytes as a spec: refused with a sentence, or a tree that prints and parses to itself. */
#include "base/spec.h"
#include "support/spec_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void stop(const char *why, const char *text)
{
    (void)fprintf(stderr, "fuzz_spec: %s: \"%s\"\n", why, text);
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static ki_spec spec;
    char *text = malloc(size + 1); // exactly as long, so that a read behind it is seen
    const char *wrong;
    kith_status st;

    if (text == NULL) return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    memset(&spec, 0xee, sizeof spec);
    st = ki_spec_parse(text, &spec);
    if (st == KITH_OK) {
        wrong = spec_complaint(&spec);
        if (wrong != NULL) stop(wrong, text);
    } else if (st != KITH_BAD_SPEC || strncmp(kith_last_error(), "spec \"", 6) != 0) {
        stop(kith_last_error(), text);
    }
    free(text);
    return 0;
}
