/* What a load reads of one table in one way: an entry of `triggers`, or the dump phase that
 * replaces its query.
 */
#ifndef PRODUCER_LOAD_LOAD_SOURCE_H
#define PRODUCER_LOAD_LOAD_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/memory.h"
#include "producer/triggers/entry.h"

struct load_phase;

/* Values of one entry. With a dump phase, the phase gives them, and `values` are those of its
 * program. */
struct load_source {
    const char *table;              /* as configured */
    const struct entry *entry;      /* NULL: a CSV file */
    const struct load_phase *phase; /* NULL: the entry's own SELECT */
    bool sets_alive;                /* a row makes its entity alive */
    bool is_scanned;                /* no index finds the rows of an entity */
    const uint32_t *values; /* indexes into entry->values, ascending; none: it only sets alive */
    uint32_t value_count;
    bool is_whole;             /* all values of the entry, of all entities: its dump is complete */
    const char *dump_name;     /* "{Table}-{hash8}": the table, and a hash of the definition */
    const struct text *fields; /* by value */
    const struct text *reads;  /* of a pass: fields that its queries read, each once */
    uint32_t read_count;
};

#endif
