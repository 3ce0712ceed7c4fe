/* Any bytes as a numpy file: as vectors (the first byte chooses which array), ids, labels. */
#include "one_file.h"
#include "read_source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const paths[] = {"x.npy", "x.npy#1", "x.npy#2", "x"};
    const uint8_t how = size > 0 ? data[0] : 0;
    const size_t skip = size > 0 ? 1 : 0;
    one_file file = {malloc(size - skip + 1), size - skip};
    kith_files files;
    const kith_host host = one_file_host(&file, &files);
    char **labels;
    int64_t *ids;
    size_t n;

    if (file.bytes == NULL) return 0;
    if (file.len > 0) memcpy((uint8_t *)(uintptr_t)file.bytes, data + skip, file.len);
    read_source(paths[how & 3], &host, (how >> 2 & 7) + 1);
    if (kith_ids_read(paths[how & 3], &host, &ids, &n) == KITH_OK) kith_ids_free(ids, n, &host);
    if (kith_labels_read(paths[how & 3], &host, &labels, &n) == KITH_OK) {
        for (size_t i = 0; i < n; i++)
            if (strlen(labels[i]) > KITH_MAX_LABEL) stop("a label that is too long");
        kith_labels_free(labels, n, &host);
    }
    free((uint8_t *)(uintptr_t)file.bytes);
    return 0;
}
