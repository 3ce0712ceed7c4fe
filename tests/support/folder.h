/* A folder of its own for a test that works with files, and the files in it. */
#ifndef FOLDER_H
#define FOLDER_H

#include <stddef.h>
#include <stdint.h>

/* For cmocka_run_group_tests. remove fails when the folder is not empty. */
int folder_make(void **state);
int folder_remove(void **state);
const char *folder_path(void);
/* FOLDER/name; the last 32 answers stay valid. */
const char *in_folder(const char *name);
size_t files_in_folder(void);
void write_file(const char *path, const void *bytes, size_t len);
/* To be freed; *len its length, a NUL behind it. */
uint8_t *read_file(const char *path, size_t *len);

#endif
