/* Any bytes as an index of hnswlib: refused with a sentence, or every list, level, row and label of
 * it lies inside the bytes and names elements that are there. */
#include <stdio.h>
#include <stdlib.h>

#include "foreign/hnswbin.h"
#include "one_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void stop(const char *why)
{
    (void)fprintf(stderr, "fuzz_hnswbin: %s; the last error: %s\n", why, kith_last_error());
    abort();
}

static void check_list(const ki_hnsw_file *f, size_t i, int level)
{
    size_t n;
    const uint8_t *links = ki_hnsw_links(f, i, level, &n);

    if (n > (level > 0 ? f->max_m : f->max_m0)) stop("a list that is too long");
    if (links < f->bytes || 4 * n > (size_t)(f->bytes + f->len - links)) stop("a list outside");
    for (size_t j = 0; j < n; j++) {
        const uint32_t to = ki_le32(links + 4 * j);

        if (to >= f->count) stop("a link to nobody");
        if (ki_hnsw_level(f, to) < level) stop("a link to where nobody is");
    }
}

static void check_file(const ki_hnsw_file *f)
{
    size_t removed = 0;

    if (f->count == 0) return;
    if (f->entry >= f->count || ki_hnsw_level(f, f->entry) != f->max_level) stop("no entry");
    for (size_t i = 0; i < f->count; i++) {
        const uint8_t *row = ki_hnsw_row(f, i);

        if (f->d_bytes == 0 || f->d_bytes + 8 > (size_t)(f->bytes + f->len - row))
            stop("a row outside");
        if (ki_hnsw_label(f, i) < 0) stop("a label that is no id");
        if (ki_hnsw_level(f, i) > f->max_level) stop("a level above the highest");
        for (int level = 0; level <= ki_hnsw_level(f, i); level++) check_list(f, i, level);
        removed += ki_hnsw_deleted(f, i);
    }
    if (removed != f->removed) stop("another number of deleted elements");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    one_file file = {data, size};
    kith_files files;
    const kith_host host = one_file_host(&file, &files);
    ki_hnsw_file *f;
    const kith_status st = ki_hnsw_read("x.bin", &host, &f);

    if (st == KITH_OK) {
        check_file(f);
        ki_hnsw_free(f);
    } else if (st != KITH_CORRUPT && st != KITH_LIMIT && st != KITH_NO_MEMORY) {
        stop(kith_status_name(st));
    } else if (*kith_last_error() == '\0') {
        stop("a refusal without a sentence");
    }
    return 0;
}
