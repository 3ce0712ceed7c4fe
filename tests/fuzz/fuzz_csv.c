/* Any bytes as a CSV file, read in any of the ways the command offers: batches of finite rows of
 * one length with ids and UTF-8 labels, or a sentence. The first four bytes choose the options. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../cli/output.h"
#include "../../cli/read_csv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void stop(const char *why)
{
    (void)fprintf(stderr, "fuzz_csv: %s; the last error: %s\n", why, kith_last_error());
    abort();
}

static void check_batch(const kith_source *src, const kith_batch *b, size_t max)
{
    const float *x = b->rows.data;

    if (b->rows.n > max) stop("more rows than were asked for");
    if (b->rows.dtype != src->dtype || src->d == 0 || src->d > KITH_MAX_DIM) stop("another shape");
    for (size_t i = 0; i < b->rows.n * src->d; i++)
        if (!isfinite(x[i])) stop("a number that is not finite");
    for (size_t i = 0; i < b->rows.n; i++) {
        if (b->ids != NULL && b->ids[i] == KITH_NO_ID) stop("the id that is none");
        if (b->labels != NULL && b->labels[i] != NULL && !is_utf8(b->labels[i])) stop("no UTF-8");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const delimiters[] = {NULL, "\\t", "::", ";", " ", "tab", ",", "|"};
    static const char *const vectors[] = {NULL, "1", "2", "1-3", "features", "f0-f9", "3,1", "2-9"};
    static const char *const columns[] = {NULL, "1", "none", "id", "2", "3", "title", "label"};
    const uint8_t none[4] = {0};
    const uint8_t *how = size >= 4 ? data : none;
    const size_t skip = size >= 4 ? 4 : size, max = (how[0] >> 3 & 7) + 1;
    const csv_layout layout = {
        {delimiters[how[1] & 7], (how[0] & 4) != 0 ? "latin1" : NULL, how[0] & 1, how[0] & 2},
        vectors[how[2] & 7],
        columns[how[3] & 7],
        columns[how[3] >> 3 & 7],
        TELL_NOTHING,
    };
    void *copy = malloc(size - skip + 1); // exactly as long as what is read, but never nothing
    kith_source src;
    kith_batch b;

    if (copy == NULL) return 0;
    memcpy(copy, data + skip, size - skip);
    if (csv_source_view(copy, size - skip, "fuzz.csv", &layout, &src) == KITH_OK) {
        kith_status st;
        do {
            st = src.next(src.ctx, max, &b);
            if (st == KITH_OK) check_batch(&src, &b, max);
        } while (st == KITH_OK && b.rows.n > 0);
        if (st != KITH_OK && *kith_last_error() == '\0') stop("a failure without a sentence");
        src.close(src.ctx);
    } else if (*kith_last_error() == '\0') {
        stop("a refusal without a sentence");
    }
    free(copy);
    return 0;
}
