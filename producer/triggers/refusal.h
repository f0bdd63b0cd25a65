/* What `triggers apply` refuses although triggers could be made: entries whose fields an index
 * could not keep equal to the committed rows (L11). Entries whose triggers are in place already go
 * on with a warning, unless a refusal is final. Pure; any thread.
 */
#ifndef PRODUCER_TRIGGERS_REFUSAL_H
#define PRODUCER_TRIGGERS_REFUSAL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/memory.h"
#include "producer/triggers/covered.h"
#include "producer/triggers/entry.h"

struct refusal {
    const struct entry *entry;
    const struct entry_value *value; /* that it is about; NULL: all values of the entry */
    const char *setting;             /* "query" */
    const char *reason;              /* and what to do; in the arena */
    bool is_final;                   /* also of an entry that is in place */
    struct refusal *next;
};

/* Of entries that have been read from the catalogue, in their order. NULL: nothing is refused. */
struct refusal *refusal_find(const struct entry *entries, uint32_t count, struct arena *arena);

/* Whether the refusal holds where triggers in place cover these fields. */
bool refusal_holds(const struct refusal *refusal, const struct covered_fields *covered);

#endif
