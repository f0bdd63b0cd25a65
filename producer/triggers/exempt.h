/* Exempt fields: those of config_exempt.h, those whose expression reads other tables, and those of
 * entries in place that `triggers apply` would refuse by now (refusal.h). "alive" is existence.
 * Pure; any thread.
 */
#ifndef PRODUCER_TRIGGERS_EXEMPT_H
#define PRODUCER_TRIGGERS_EXEMPT_H

#include "common/base/memory.h"
#include "producer/triggers/entry.h"

struct exempt_field {
    const char *name;   /* of the configuration */
    const char *reason; /* in the arena */
};

struct exempt_fields {
    const struct exempt_field *items; /* each once, in the order of the entries */
    uint32_t count;
};

/* Of all entries, which have been read from the catalogue. */
void exempt_fields_find(const struct entry *entries, uint32_t count, struct arena *arena,
                        struct exempt_fields *fields);

/* Why that field is exempt; NULL: it is not. */
const char *exempt_fields_reason(const struct exempt_fields *fields, const char *name);

#endif
