/* Labels: a string a row, not unique, found by position and by text. Private to rows/.
 *
 * Two parts. The base is what a file has: texts by position and positions sorted by text. Over it
 * lie entries: each says that a row has a text from then on. Entries and texts are only ever
 * appended, to memory that does not move and that all views share; a view knows the entries up to
 * its own count. An entry links to the row's entry before it and to the text's entry before it, so
 * that
 *   - the label of a row is its latest entry that the view knows, else the base's;
 *   - the rows of a text are one chain, however many they are;
 *   - setting a label copies nothing, and a change is undone by unlinking its entries.
 * Numbers of entries and texts are never used twice, so a reader never sees one change its
 * meaning. */
#ifndef KI_LABELS_H
#define KI_LABELS_H

#include "rows/column.h"

typedef struct ki_label_pool ki_label_pool;
typedef struct ki_text_table ki_text_table;

/* Labels as a file has them: row i's is text[offset[i]] … text[offset[i+1]], closing NUL included,
 * nothing for none. Borrowed from map. */
typedef struct ki_label_base {
    const uint8_t *offset; /* u64 [n + 1] */
    const uint8_t *text;   /* [text_len] */
    const uint8_t *sorted; /* u32 [sorted_n], rows that have one, by bytes of their label */
    uint64_t text_len;
    uint32_t n, sorted_n;
} ki_label_base;

/* owns: a reference on pool, table, refs and map. Zeroed is a valid one without labels. */
typedef struct ki_labels {
    ki_label_pool *pool;  /* entries and texts */
    ki_text_table *table; /* text → its number */
    ki_column *refs;      /* u32: number of the row's latest entry, 0 none */
    uint32_t entries;     /* that this view knows */
    ki_label_base base;
    ki_mapping *map;
} ki_labels;

void ki_labels_share(const ki_labels *l, ki_labels *out);
void ki_labels_release(ki_labels *l);

/* BAD_ARG unless label (NULL: no label) is UTF-8 of at most KITH_MAX_LABEL bytes; what: "row". */
kith_status ki_label_check(const char *label, const char *what, int64_t number);

/* Text with its closing NUL, "" if the row has none; *len without the NUL. */
const char *ki_labels_get(const ki_labels *l, uint32_t pos, size_t *len);
/* Give a row a label, "" = none. The change that fails here has to be undone. */
kith_status ki_labels_set(ki_labels *l, ki_env *env, uint32_t pos, const char *label, size_t len);
/* How many entries there are, known or not: the mark for undo. */
uint32_t ki_labels_mark(const ki_labels *l);
/* Unlink all entries after the mark; l is what the change began with. */
void ki_labels_undo(ki_labels *l, uint32_t mark);

/* Call each(ctx, pos) for the rows of this text, removed ones too, until it fails. */
typedef kith_status ki_label_hit(void *ctx, uint32_t pos);
kith_status ki_labels_find(const ki_labels *l, const char *label, ki_label_hit *each, void *ctx);
size_t ki_labels_bytes(const ki_labels *l);
/* Labels found by row are found by text, and the other way round; n rows there are. */
kith_status ki_labels_check(const ki_labels *l, ki_env *env, uint32_t n);

#endif
