/* What retries a dead letter: requests, which read the source again. The ops of a letter are never
 * written a second time, because newer values may have followed them (F71).
 *
 * A letter about an entity becomes a request for it. A letter of a fan-out becomes a request for
 * what depends on its parent: by the entries that own the fields of its nested ops, and the key
 * that is the row's entity_id. A field that no trigger owns cannot be read from the source: what
 * sets it has to be written by hand. Pure; any thread.
 */
#ifndef COMMON_RETRY_RETRY_H
#define COMMON_RETRY_RETRY_H

#include <stdbool.h>

#include "common/config/config.h"
#include "common/json/json_value.h"

/* The rows that replace a letter, each the JSON array of ops of one kind, because a row may not mix
 * them. */
enum retry_row {
    RETRY_ENTITY,   /* for the entity: requests, and slot ops by hand */
    RETRY_REQUESTS, /* parents' requests */
    RETRY_FAN_OUTS, /* only by hand */
    RETRY_ROWS,
};

/* Owned buffers; retry_free(). */
struct retry {
    struct buffer rows[RETRY_ROWS]; /* an empty buffer: no such row */
    bool by_hand;                   /* the rows have ops that a person has to correct and write */
    struct buffer reason;           /* by_hand: why */
};

/* Of a row of the outbox, or of an event: `ops` is any JSON value, as it was refused. */
void retry_from_ops(const struct config *config, int64_t entity_id, const struct json_value *ops,
                    struct retry *retry);

/* Of one field of an entity, or with an empty `field` of all its fields. */
void retry_from_field(const struct config *config, struct text field, struct retry *retry);

/* Of what was read of the source: `place` is TABLE.FIELD, or TABLE or empty for all fields. Where
 * such a field is loaded by a pass over parents, `id` is the parent's key, else the entity. */
void retry_from_place(const struct config *config, int64_t id, struct text place,
                      struct retry *retry);

void retry_free(struct retry *retry);

#endif
