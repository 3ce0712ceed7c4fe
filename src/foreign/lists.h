/* Ids and labels from files: whole lists in memory, for kith_ids_read and kith_labels_read. */
#ifndef KI_LISTS_H
#define KI_LISTS_H

#include "foreign/foreign.h"

/* Ids: one a line of text, blank lines passed over, or a vector file of integers with one component
 * a row. *ids is a ki_array of *n. */
kith_status ki_ids_read(ki_env *env, const char *path, int64_t **ids, size_t *n);
/* Labels: one a line of UTF-8 text, or a .npy of U or S strings; freed by ki_labels_free. */
kith_status ki_labels_read(ki_env *env, const char *path, char ***labels, size_t *n);
void ki_labels_free(ki_env *env, char **labels, size_t n); /* NULL is fine */

/* The block behind a list of labels: n pointers to be filled, and text_len bytes of text that goes
 * with it from now on, also when this fails. */
kith_status ki_labels_create(ki_env *env, char *text, size_t text_len, size_t n, char ***out);
/* One row a string of array a. */
kith_status ki_npy_labels(ki_env *env, const char *path, char ***labels, size_t *n);
/* Index of the first byte that is no UTF-8 (or is NUL), len if none. */
size_t ki_utf8_check(const char *text, size_t len);

#endif
