/* The vectors of a CSV or TSV file as a kith_source: one number a column, or all of them in one
 * column as a JSON array or with blanks or `;` between; ids and labels from columns. Streams. */
#ifndef CLI_READ_CSV_H
#define CLI_READ_CSV_H

#include "csv_choice.h"

kith_status csv_source_open(const char *path, const csv_layout *layout, kith_source *out);
/* The same from bytes in memory, borrowed; name is for sentences. */
kith_status csv_source_view(const void *bytes, size_t len, const char *name,
                            const csv_layout *layout, kith_source *out);

#endif
