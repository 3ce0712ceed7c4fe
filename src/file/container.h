/* Our container behind blob.h: head, section table, sections; every byte under a checksum; saved
 * atomically, mapped or copied when opened, or kept in the caller's memory. docs/FORMAT.md is its
 * byte-exact text, tools/readkith.py an independent reader. Knows sections, not what is in them. */
#ifndef KI_CONTAINER_H
#define KI_CONTAINER_H

#include "base/blob.h"
#include "base/threads.h"

/* An open file (or memory): shared by whoever still reads its bytes, freed by the last. */
typedef struct ki_container ki_container;

/* flags: KITH_OPEN_*. Head, table and metadata sections are checked always; row sections too with
 * VERIFY and REPAIR. With REPAIR a damaged section is no failure but for who asks for it, and bytes
 * between sections, for which nobody asks, are none. env is borrowed until the last release. */
kith_status ki_container_open(ki_env *env, const char *path, uint32_t flags, ki_container **out);
kith_status ki_container_view(ki_env *env, const void *bytes, size_t len, uint32_t flags,
                              ki_container **out);
void ki_container_share(ki_container *c);
void ki_container_release(ki_container *c); /* NULL is fine */
const ki_blob_reader *ki_container_reader(const ki_container *c);
/* Compare every checksum; CORRUPT names the section and the byte. Of a file that was opened for
 * repair, what was damaged then and so was given to nobody is left out. threads: 0 = the host's. */
kith_status ki_container_verify(const ki_container *c, uint32_t threads, ki_progress *p);
uint64_t ki_container_bytes(const ki_container *c);
/* The sentence about the first damage that an open for repair passed over; "": none. */
const char *ki_container_damage(const ki_container *c);
/* The i-th section: false after the last. For `kith info` and the tests. */
bool ki_container_section(const ki_container *c, size_t i, uint32_t *type, uint32_t *part,
                          ki_span *bytes, bool *rows);

/* What writes sections: one planned pass. `fill` is called twice with the same writer interface:
 * first to plan (begin's len is all that counts; put may be left out and does nothing), then to
 * write. It must announce the same sections both times. p's total is set to the file's length.
 * save: temporary file beside path, fsync, rename, fsync of the folder; on failure the temporary
 * file is removed and the old file stays. write: the same bytes in order to a sink. */
typedef kith_status ki_fill(void *arg, ki_blob_writer *w, bool planning);
kith_status ki_container_save(ki_env *env, const char *path, ki_fill *fill, void *arg,
                              ki_progress *p);
kith_status ki_container_write(ki_env *env, int (*sink)(void *ctx, const void *bytes, size_t len),
                               void *ctx, ki_fill *fill, void *arg, ki_progress *p);

#endif
