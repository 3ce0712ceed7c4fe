/* Which columns of a CSV file are the vector, the ids and the labels: what the user named, else
 * what the header and the first record look like. Nothing is chosen in silence: a cell that is
 * nearly a number is an error, and csv_choice_tell says what was taken and what left out. */
#ifndef CLI_CSV_CHOICE_H
#define CLI_CSV_CHOICE_H

#include "csv_rows.h"

typedef struct csv_layout {
    csv_options text;
    const char *vector_column; /* as csv_columns_find; NULL: the array, else all numeric columns */
    const char *id_column;     /* name or number; NULL: the one named like an id; "none" */
    const char *label_column;  /* the same with "label" */
    enum { TELL_NOTHING, TELL_OMITTED, TELL_ALWAYS } tell; /* on stderr; only what is left out */
} csv_layout;

typedef struct csv_choice {
    size_t *column, columns; /* of the vector; owned */
    size_t id, label;        /* SIZE_MAX: none */
    size_t *omitted, omits;  /* neither vector nor id nor label; owned */
} csv_choice;

/* After the first record was read. On failure there is still something to free. */
kith_status csv_choose(const csv_rows *rows, const csv_layout *layout, csv_choice *out);
void csv_choice_tell(const csv_rows *rows, const csv_layout *layout, const csv_choice *c);
void csv_choice_free(csv_choice *c);
/* Numbers with blanks, ';' or '|' between them: how many; 0 when something else is among them. */
size_t csv_list_count(const char *text);

#endif
